/* SPDX-License-Identifier: MIT */
/*
 * Runs for blocks of 8 to 64 KiB, from an arena that belongs to one thread.
 *
 * An arena is a list of chunks. A chunk is one mapping of 4 to 128 granules
 * (256 KiB to 8 MiB by default from 1 to 8 MiB, growing with the arena). A run
 * is 2 to 7 granules that hold the blocks of one class; its descriptor is that
 * of its first granule, and all its granules lead to it.
 *
 *   chunk      | run 5 granules | run 3 | free ... | run 7 |
 *   free_mask   0 0 0 0 0         0 0 0   1 1 1 ...  0 ...
 *
 * Only the owner takes runs, so taking needs no lock; a run comes back with an
 * atomic or on the mask, because a thread that holds every block of a run may
 * give it back for an owner that sleeps. A chunk without a run in use leaves
 * the arena for a cache that all threads share, bounded and aged like the
 * empty SuperSlabs.
 *
 *   granules free + granules of runs == granules of the chunk
 */
#ifndef HAKMEM_POOL_POOL_H
#define HAKMEM_POOL_POOL_H

#include "registry/registry.h"

#define POOL_CHUNK_GRANULES 128 /* 8 MiB */

struct pool_arena {
    struct list chunks;     /* owner only; those that may have room come first */
    unsigned chunk_count;   /* owner only */
    size_t bytes;           /* owner only: of chunks */
};

void pool_arena_init(struct pool_arena *arena);

/*
 * Take a run for a class: TAG_FREE, with `base`, `index` and `clean` set and
 * all else undefined. Owner only. NULL when memory is short.
 */
struct slab *pool_run_take(struct pool_arena *arena, unsigned size_class);
/*
 * Give a run back; it holds no live block. By the owner of the arena, which
 * then gives an empty chunk back too (the last one stays unless the arena is closing).
 */
void pool_run_give(struct pool_arena *arena, struct slab *s, bool closing);
/* The same by another thread, that holds every block of the run; the pages go back. */
void pool_run_give_foreign(struct slab *s);
/* Give back all chunks without a run in use, and the pages of free runs in the others. */
size_t pool_arena_trim(struct pool_arena *arena, bool purge);

/* Fill the arena with `bytes` of chunks ahead. Returns the bytes that were mapped. */
size_t pool_prewarm(struct pool_arena *arena, size_t bytes);
/* Give back cached chunks until at most `keep` bytes are cached. Returns the bytes. */
size_t pool_trim(size_t keep);
void pool_age(uint64_t now_ms);

struct pool_totals {
    size_t mapped; /* bytes of chunks, cached ones included */
    size_t cached; /* bytes of cached chunks */
};
void pool_get_totals(struct pool_totals *totals);

extern struct lock pool_lock; /* for fork */

#endif
