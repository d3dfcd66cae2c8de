/* SPDX-License-Identifier: MIT */
/*
 * The transfer cache of the pool: chains of free blocks of one class, as an
 * arena gave them, for the next arena that needs the class.
 *
 *   class          9k     10k     11k ...
 *   depth 0      first|n first|n    0        first block of a chain | its blocks: blocks
 *         1      first|n    0       0        are aligned to a cache line: both fit a word
 *         2         0       0       0
 *   count           2       1       0
 *
 * A chain is taken and left in a few instructions, whatever its length: what one
 * thread frees and another takes passes through here without a look at a block
 * or at the map of its chunk, where it is a block in use like those in arenas.
 * (Transfer caches: Ghemawat and Menage, TCMalloc, 2005.)
 *
 * All of it is guarded by pool_lock, which each caller holds.
 */
#ifndef HAKMEM_POOL_TRANSFER_H
#define HAKMEM_POOL_TRANSFER_H

#include "registry/registry.h"

#define TRANSFER_CLASSES (CLASS_COUNT - SLAB_CLASSES)
#define TRANSFER_DEPTH 128 /* chains of a class */

struct transfer {
    uint16_t count[TRANSFER_CLASSES];
    uintptr_t chain[TRANSFER_DEPTH][TRANSFER_CLASSES];
    size_t bytes; /* of the units of all chains */
};
extern struct transfer transfer;

/* Leave `count` linked blocks of a class, 1 to 63. False when there is no room for one more chain. */
bool transfer_put(unsigned size_class, struct block *first, size_t count);
/* The chain of a class at a depth below its count, left where it is, and its length at *count. */
struct block *transfer_look(unsigned size_class, unsigned depth, size_t *count);
/* The chain of a class that was left last, and its length at *count; NULL when none waits. */
struct block *transfer_take(unsigned size_class, size_t *count);

#endif
