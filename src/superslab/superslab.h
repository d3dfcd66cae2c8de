/* SPDX-License-Identifier: MIT */
/*
 * The shared pool of slabs: SuperSlabs of 2 MiB, aligned to it, 32 slabs of
 * 64 KiB each. What a slab is used for is decided when it is taken; slabs of
 * all classes and all threads share a SuperSlab. The metadata lies elsewhere:
 * all 32 slabs hold blocks of the program.
 *
 *   SuperSlab        | slab 0 | slab 1 | ...                         | slab 31 |
 *   free_mask          1        0        bit set: nobody uses the slab
 *   dirty_mask         1        1        bit set: its pages may be resident
 *
 * A SuperSlab is in the bucket of its number of free slabs; `nonempty` has a
 * bit for each bucket with a member, so that the fullest SuperSlab with room
 * is found with one count-trailing-zeros (hot first: the emptier ones drain
 * and can be given back). When all 32 are free it goes to the LRU of empty
 * SuperSlabs, where it stays resident up to a cap and an age: reuse before map.
 * Free slabs of a SuperSlab in use have the same age, and half as much again
 * as the cap; then their pages go back.
 *
 * Once HUGE_PAGES_FROM is in use, a slab that will be filled had rather begin a
 * SuperSlab with a huge page than fault in single pages of another, as long as
 * few slabs lie fallow there; any other slab begins one with small pages, up to
 * HUGE_PAGES_FROM_SPARSE. All slabs of a huge page become resident together, and
 * serve before any that would fault, whoever asks. When slabs go back one by one
 * the huge page ends.
 *
 * One lock guards all of it. It is taken once for a slab, that is once for
 * 64 KiB of blocks, and a heap keeps a few empty slabs of its own.
 */
#ifndef HAKMEM_SUPERSLAB_SUPERSLAB_H
#define HAKMEM_SUPERSLAB_SUPERSLAB_H

#include "registry/registry.h"

#define SUPERSLAB_SIZE (2 * MIB)
#define SUPERSLAB_SLABS 32

/* Descriptors of a SuperSlab outside of the registry's window. Made once for a structure, and stay with it. */
struct superslab_descriptors {
    struct slab slab[SUPERSLAB_SLABS];
    struct superslab *superslab; /* constant */
};

/* Guarded by superslab_lock, except what the region says. */
struct superslab {
    struct slab *slabs;    /* in the window, or its own; constant while listed */
    struct superslab_descriptors *own; /* NULL until they are needed */
    struct region region;
    uint32_t free_mask;
    uint32_t dirty_mask;
    struct list link;      /* bucket, LRU of empty ones, or list of free structures */
    struct list idle_link; /* idle list, while it is in use and has dirty free slabs */
    uint64_t freed_ms;     /* when a slab came back last, or it was begun with a huge page */
    bool huge_pages;       /* one was asked for, and is wanted still */
};

/*
 * Take a free slab, which the taker `fills` or may hardly touch: TAG_FREE, with
 * `base`, `index` and `touched` set and all else undefined. NULL when memory is
 * short.
 */
struct slab *superslab_slab_take(bool fills);
/* Give a slab back; it holds no live block. Any thread. */
void superslab_slab_give(struct slab *s);

/* In the child of a fork, with the locks that its parent took: what is in use is no growth of the child's. */
void superslab_fork_child(void);

/* Map `count` SuperSlabs ahead. Returns how many were mapped. */
size_t superslab_prewarm(size_t count);
/*
 * Give memory back until at most `keep` bytes of free slabs stay resident.
 * Returns the bytes given back.
 */
size_t superslab_trim(size_t keep);
/* Give back what has been free since before `now` - purge_delay. */
void superslab_age(uint64_t now_ms);

struct superslab_totals {
    size_t superslabs;  /* mapped */
    size_t empty;       /* of these, without a slab in use */
    size_t slabs_used;
    size_t slabs_dirty; /* free, and their pages may be resident */
    uint64_t mapped_ever;
    uint64_t unmapped_ever;
};
void superslab_get_totals(struct superslab_totals *totals);
/* Check masks, buckets, and counts against each other; returns mismatches, one line each to fd. */
size_t superslab_audit(int fd);

extern struct lock superslab_lock; /* for fork */

#endif
