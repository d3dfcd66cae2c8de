/* SPDX-License-Identifier: MIT */
/*
 * Size classes: steps of 16 bytes up to 128, then four per doubling up to
 * 2 KiB, so that less than 20 % of a block of more than 128 bytes is slack
 * just above a doubling, and less than 12.5 % just below the next one. From
 * there eight per doubling up to 8 KiB, each the largest multiple of 64 bytes
 * of which so many fit into a slab: where a block is a page, a class more
 * costs no page. Steps of 1 KiB up to 16 KiB, and of 2 KiB up to 64 KiB.
 *
 *   class    1    2 ...    8     9   10 ...   24    25 ...   32   33   34 ...   40 | 41 ...   48  49 ...   72
 *   bytes   16   32 ...  128   160  192 ... 2048  2304 ... 4096 4352 4672 ... 8192 | 9k ...  16k 18k ...  64k
 *           `------------------------- slabs of 64 KiB ---------------------------'  `------- pool --------'
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

#define CLASS_COUNT 73                 /* with class 0 */
#define CLASS_LAST (CLASS_COUNT - 1)
#define SLAB_CLASSES 41                /* classes from here on live in the pool */
#define SIZE_TABLE_MAX ((size_t)1024)  /* up to here a heap has the class of each size in a table */
#define SIZE_TABLE_ENTRIES (SIZE_TABLE_MAX + 1)
#define SIZE_SLAB_MAX ((size_t)8 * KIB)
#define SIZE_POOL_MAX ((size_t)64 * KIB)

struct size_class {
    uint32_t size;       /* bytes of a block */
    /* 0 in the pool: */
    uint16_t capacity;   /* blocks in a slab */
    uint8_t batch;       /* blocks that one refill carves of clean pages at most: 64, or 4 KiB */
    uint16_t rejoin;     /* free blocks that bring a full slab back to its list */
    uint32_t inverse;    /* 2^32 / size, rounded up */
};

extern const struct size_class size_class_table[CLASS_COUNT] HIDDEN;
extern const uint8_t size_class_of_steps[SIZE_SLAB_MAX / BLOCK_ALIGN + 1] HIDDEN;
/* Above SIZE_SLAB_MAX. Tables, not a comparison of sizes: where they change it would be mispredicted. */
extern const uint8_t pool_class_of_kib[SIZE_POOL_MAX / KIB + 1] HIDDEN;

/* Class of a request of n bytes; SIZE_SLAB_MAX < n <= SIZE_POOL_MAX. */
static inline unsigned pool_class_of_size(size_t n) { return pool_class_of_kib[(n + KIB - 1) / KIB]; }

/* Class of a request of n bytes; n <= SIZE_POOL_MAX. Of no bytes: the least. */
static inline unsigned size_class_of(size_t n)
{
    return n <= SIZE_SLAB_MAX ? size_class_of_steps[(n + BLOCK_ALIGN - 1) / BLOCK_ALIGN] : pool_class_of_size(n);
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

#endif
