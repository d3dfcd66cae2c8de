/* SPDX-License-Identifier: MIT */
/*
 * Size classes: steps of 16 bytes up to 128, then four per doubling up to
 * 1792; from there on eight per doubling up to 8 KiB, each the largest multiple
 * of 64 bytes of which so many fit into a slab: where a block is a page, a class
 * more costs no page (8128 is a line less). Steps of 1 or 2 units of 1 KiB up to 65
 * units, less 448 bytes. So less than 20 % of a block of more than 128 bytes is
 * slack, and less than a sixth of one above 2 KiB.
 *
 *   class    1    2 ...    8     9   10 ...   23   25   26 ...   34 ...   41   42 |   43    44 ...    76
 *   bytes   16   32 ...  128   160  192 ... 1792 2112 2304 ... 4352 ... 8128 8192 | 8768  9792 ... 66112
 *   units                                                                         |    9    10 ...    65
 *           `--------------------------- slabs of 64 KiB ------------------------'  `------ pool -------'
 *
 * Blocks that all begin at the same place of a page, or of a unit, share a few sets
 * of the cache with their first lines, which programs touch most. In slabs no class
 * but one has the size of pages or of half a page: a block is moved by the length of
 * the ones before it. The one is of 8 KiB: of no larger one would eight fit into a
 * slab. A block of the pool begins up to seven cache lines behind its first unit,
 * each at another place than the one before (colours: Bonwick, The slab allocator,
 * USENIX 1994). The classes 24, 33, 49, 58 and 75, of 2, 4, 16, 32 and 64 KiB, are for
 * requests that ask for an alignment; the last three have no colours.
 *
 * Class 0 is no class: memory that is not ours, free slabs, large spans.
 */
#ifndef HAKMEM_BASE_SIZE_CLASS_H
#define HAKMEM_BASE_SIZE_CLASS_H

#include "base/bits.h"

#define BLOCK_ALIGN ((size_t)16)
#define GRANULE_SHIFT 16
#define GRANULE ((size_t)1 << GRANULE_SHIFT)
#define POOL_UNIT_SHIFT 10 /* in these the pool reckons */
#define POOL_UNIT ((size_t)1 << POOL_UNIT_SHIFT)
/* Its blocks begin at their first unit, or a few cache lines behind it. */
#define POOL_COLOURS 8u
#define POOL_COLOUR_ROOM ((POOL_COLOURS - 1) * (size_t)CACHE_LINE)

#define CLASS_COUNT 77                 /* with class 0 */
#define CLASS_LAST (CLASS_COUNT - 1)
#define SLAB_CLASSES 43                /* classes from here on live in the pool */
#define SIZE_TABLE_MAX ((size_t)1024)  /* up to here a heap has the class of each size in a table */
#define SIZE_TABLE_ENTRIES (SIZE_TABLE_MAX + 1)
#define SIZE_SLAB_MAX ((size_t)8 * KIB)
#define POOL_UNITS_MAX 65
#define SIZE_POOL_MAX (POOL_UNITS_MAX * POOL_UNIT - POOL_COLOUR_ROOM)

struct size_class {
    uint32_t size;       /* bytes of a block */
    /* 0 in the pool: */
    uint16_t capacity;   /* blocks in a slab */
    uint8_t batch;       /* blocks that one refill carves of clean pages at most: 64, or 4 KiB */
    uint16_t rejoin;     /* free blocks that bring a full slab back to its list */
    uint32_t inverse;    /* 2^32 / size, rounded up */
};

extern const struct size_class size_class_table[CLASS_COUNT] HIDDEN;
/* Bytes of memory that a block takes: in the pool, of whole units. */
extern const uint32_t size_class_footprints[CLASS_COUNT] HIDDEN;
extern const uint8_t size_class_of_steps[SIZE_SLAB_MAX / BLOCK_ALIGN + 1] HIDDEN;
/*
 * Class of a request by the units that it needs. Tables, not a comparison of sizes:
 * where they change it would be mispredicted.
 */
extern const uint8_t pool_class_of_need[POOL_UNITS_MAX + 1] HIDDEN;
/* Class of a block by the units that it has; 0: no block has so many. */
extern const uint8_t pool_class_of_units[POOL_UNITS_MAX + 1] HIDDEN;

/* Units of a block of n bytes, whatever its colour. */
static inline size_t pool_need(size_t n) { return (n + POOL_COLOUR_ROOM + POOL_UNIT - 1) / POOL_UNIT; }

/* Class of a request of n bytes; SIZE_SLAB_MAX < n <= SIZE_POOL_MAX. */
static inline unsigned pool_class_of_size(size_t n) { return pool_class_of_need[pool_need(n)]; }

/* Class of a request of n bytes; n <= SIZE_POOL_MAX. Of no bytes: the least. */
static inline unsigned size_class_of(size_t n)
{
    return n <= SIZE_SLAB_MAX ? size_class_of_steps[(n + BLOCK_ALIGN - 1) / BLOCK_ALIGN] : pool_class_of_size(n);
}

/* The same; or the class below it, for aligned blocks alone, where that is large enough. */
static inline unsigned size_class_of_aligned(size_t n)
{
    unsigned c = size_class_of(n);
    return size_class_table[c - 1].size >= n ? c - 1 : c;
}

/*
 * Number of the block that starts `offset` bytes behind the first of its slab;
 * UINT32_MAX when none does. Exact by a multiplication: offset < 2^16 and
 * size <= 2^13, so that the error of the inverse stays below 1 / size.
 */
static inline uint32_t size_class_block(const struct size_class *class, uint32_t offset)
{
    uint32_t n = (uint32_t)((uint64_t)offset * class->inverse >> 32);
    return n * class->size == offset && n < class->capacity ? n : UINT32_MAX;
}

static inline size_t size_class_size(unsigned c) { return size_class_table[c].size; }

static inline size_t size_class_footprint(unsigned c) { return size_class_footprints[c]; }

/* Units of a block of class c of the pool. */
static inline unsigned pool_units(unsigned c) { return size_class_footprints[c] / (unsigned)POOL_UNIT; }

#endif
