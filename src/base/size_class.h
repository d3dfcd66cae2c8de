/* SPDX-License-Identifier: MIT */
/*
 * Size classes: steps of 16 bytes up to 128, then four per doubling up to
 * 64 KiB, so that at most 20 % (just above a doubling; 12.5 % on average over
 * a doubling's steps) of a block of more than 128 bytes is slack.
 *
 *   class    1    2 ...    8     9   10   11   12    13 ...   20  ...      32  ...   44
 *   bytes   16   32 ...  128   160  192  224  256   320 ... 1024  ... 8192  ...  65536
 *           `-------------------- slabs of 64 KiB -----------------------'  `- pool -'
 *
 * Class 0 is no class: memory that is not ours, free slabs, large spans.
 * A class has a run of `granules` x 64 KiB, which it divides without rest
 * where that is possible with few blocks.
 */
#ifndef HAKMEM_BASE_SIZE_CLASS_H
#define HAKMEM_BASE_SIZE_CLASS_H

#include "base/bits.h"

#define BLOCK_ALIGN ((size_t)16)
#define GRANULE_SHIFT 16
#define GRANULE ((size_t)1 << GRANULE_SHIFT)

#define CLASS_COUNT 45                 /* with class 0 */
#define CLASS_LAST (CLASS_COUNT - 1)
#define CLASS_LAST_SLAB 32             /* the last that lives in a 64 KiB slab */
#define SIZE_TABLE_MAX ((size_t)1024)  /* up to here the class is a table look-up */
#define SIZE_TABLE_ENTRIES (SIZE_TABLE_MAX + 1)
#define SIZE_SLAB_MAX ((size_t)8 * KIB)
#define SIZE_POOL_MAX ((size_t)64 * KIB)

struct size_class {
    uint32_t size;       /* bytes of a block */
    uint16_t capacity;   /* blocks in a run */
    uint8_t granules;    /* 64 KiB units in a run */
    uint8_t batch;       /* blocks that one refill carves at most: 64, or 8 KiB */
    uint16_t rejoin;     /* free blocks that bring a full run back to its list */
};

extern const struct size_class size_class_table[CLASS_COUNT];

/* Class of a request of n bytes; 1 <= n <= SIZE_POOL_MAX. */
static inline unsigned size_class_of(size_t n)
{
    if (n <= 128)
        return (unsigned)((n + 15) >> 4);
    unsigned e = bits_highest(n - 1);
    return (e - 7) * 4 + (unsigned)((n - 1) >> (e - 2) & 3) + 9;
}

static inline size_t size_class_size(unsigned c) { return size_class_table[c].size; }

#endif
