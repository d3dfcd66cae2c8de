/* SPDX-License-Identifier: MIT */
/*
 * Frees of blocks that belong to another thread's slab.
 *
 * 1. The freeing thread gathers them by slab in its own cache (256 entries).
 * 2. When an entry is displaced, or the cache holds more than its limit of
 *    bytes (remote_batch, less with many threads), the blocks of an entry are
 *    closed to a ring. The rings of one owner are posted to its queue with one
 *    compare-and-swap:
 *
 *      queue word:  | rings : 16 | last block : 48 |
 *                                      |
 *          +---------------------------+
 *          v
 *        last -> first -> ... -> (last)       word 0 of each block: next in the ring
 *          | word 1: | blocks : 16 | next ring : 48 |
 *
 * 3. The owner takes the whole queue with one exchange and splices each ring
 *    into its slab's list in O(1), touching one line of the ring.
 *
 * Which operations may run together: any number of posts with one another and
 * with one take or several takes. Post pushes, take takes all: no ABA.
 *
 *   post   CAS seq_cst     releases the ring to who takes it; comes before the
 *                          load of the heap's state (a dead owner)
 *   take   exchange        acquires all rings
 *
 * A ring never changes hands alone: blocks in it count as `used` in their
 * slab, so neither the slab nor its owner can change.
 */
#ifndef HAKMEM_REMOTE_REMOTE_H
#define HAKMEM_REMOTE_REMOTE_H

#include "registry/registry.h"

#define REMOTE_CACHE_ENTRIES 256
#define REMOTE_POINTER_BITS 48
#define REMOTE_POINTER_MASK (((uint64_t)1 << REMOTE_POINTER_BITS) - 1)
#define REMOTE_RINGS_MAX UINT16_MAX

/* The last block of a ring. */
struct ring {
    struct block block; /* next: the first block */
    uint64_t link;      /* blocks << 48 | next ring in the queue */
};

_Static_assert(sizeof(struct ring) <= BLOCK_ALIGN, "a ring fits into the smallest block");

/* Blocks of one slab on their way; owned by the freeing thread. */
struct remote_batch {
    struct slab *slab;   /* NULL: the entry is free */
    struct block *first; /* of a free entry NULL */
    struct block *last;
    uint32_t count;
};

/* Owned by one thread. sum(count x block size) == bytes. */
struct remote_cache {
    struct remote_batch batch[REMOTE_CACHE_ENTRIES];
    size_t bytes;
    size_t limit; /* of bytes; 0: to be looked up */
};

/* Atomic; see above. */
struct remote_queue {
    uint64_t word;
};

static inline unsigned remote_cache_slot(const struct slab *s)
{
    uintptr_t n = (uintptr_t)s / sizeof *s;
    return (unsigned)(n + (n >> 6)) % REMOTE_CACHE_ENTRIES;
}

/* Gather p, a block of s of `size` bytes, in its entry, which is free or holds blocks of s. */
static inline void remote_cache_add(struct remote_cache *cache, struct remote_batch *batch, struct slab *s,
                                    struct block *p, size_t size)
{
    if (batch->slab == NULL) {
        /* Posting will write the last block: until then its line may arrive. */
        __builtin_prefetch(p, 1);
        *batch = (struct remote_batch){s, p, p, 1};
    } else {
        p->next = batch->first;
        batch->first = p;
        batch->count++;
    }
    cache->bytes += size;
}

/* The blocks of an entry, which has some, are to be posted: it is free again. */
static inline void remote_cache_clear(struct remote_cache *cache, struct remote_batch *batch)
{
    cache->bytes -= batch->count * slab_block_size(batch->slab);
    batch->slab = NULL;
    batch->first = NULL;
}

/* Rings of blocks of one heap, which are posted together. */
struct remote_rings {
    struct ring *newest; /* linked; NULL: none */
    struct ring *oldest;
    unsigned count;
    size_t blocks;
};

/* Close a batch of at most 65,535 blocks to a ring, and add it. */
static inline void remote_rings_add(struct remote_rings *rings, const struct remote_batch *batch)
{
    struct ring *ring = container_of(batch->last, struct ring, block);
    ring->block.next = batch->first;
    ring->link = (uint64_t)batch->count << REMOTE_POINTER_BITS | (uint64_t)(uintptr_t)rings->newest;
    if (rings->newest == NULL)
        rings->oldest = ring;
    rings->newest = ring;
    rings->count++;
    rings->blocks += batch->count;
}

/* Post rings, of which there is one at least. Returns the number of rings in the queue now. */
unsigned remote_queue_post(struct remote_queue *queue, const struct remote_rings *rings);
/* Rings in the queue just now. */
static inline unsigned remote_queue_rings(const struct remote_queue *queue)
{
    return (unsigned)(load_relaxed(&queue->word) >> REMOTE_POINTER_BITS);
}
/* Take all rings; the result is NULL, or the newest ring, linked by `link`. */
struct ring *remote_queue_take(struct remote_queue *queue);
/* For the order "mark dead, then look": sequentially consistent. */
bool remote_queue_is_empty(const struct remote_queue *queue);

static inline struct ring *ring_next(const struct ring *ring)
{
    return (struct ring *)(uintptr_t)(ring->link & REMOTE_POINTER_MASK);
}
static inline uint32_t ring_count(const struct ring *ring)
{
    return (uint32_t)(ring->link >> REMOTE_POINTER_BITS);
}
/* The blocks of a ring that was taken. */
static inline struct remote_batch ring_open(struct ring *ring, struct slab *s)
{
    return (struct remote_batch){s, ring->block.next, &ring->block, ring_count(ring)};
}
/* Append the blocks of `more`, of the same slab. */
static inline void remote_batch_join(struct remote_batch *batch, const struct remote_batch *more)
{
    more->last->next = batch->first;
    batch->first = more->first;
    batch->count += more->count;
}

#endif
