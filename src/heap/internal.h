/* SPDX-License-Identifier: MIT */
/* What the files of this layer share. */
#ifndef HAKMEM_HEAP_INTERNAL_H
#define HAKMEM_HEAP_INTERNAL_H

#include "heap/heap.h"
#include "options/options.h"

extern struct heap heap_orphan HIDDEN;
/* Make it ready; most processes never need it, and each start would pay for its pages. */
void heap_orphan_start(void);

/* Rings in a queue that call for a look whether its owner sleeps. */
#define COLLECT_RINGS 256
/* Rings that a thread that frees others' blocks finds in its own queue and drains, needing no block. */
#define DRAIN_RINGS 64
/* Slabs of each class that a forked child starts before it uses partial ones of its parent's. */
#define AFRESH_SLABS 4
/* Dead heaps that keep their bins; a few are enough where threads follow each other. */
#define WARM_HEAPS 4
/* Visits of such a heap by those who free its blocks, after which no thread is expected to take it over. */
#define COOL_VISITS 32

/* A class that has this many slabs is growing: the next one will be filled. */
#define GROWN_SLABS 4

/*
 * Slabs that join in a heap, at most, and how many of the slabs that it may have
 * without need. The fewer blocks a slab has, the more slabs the live ones of a
 * class are in: three quarters of them where it has no more than JOIN_FEW.
 */
#define JOIN_MOST(few) (16 * JOIN_QUARTERS(few) / 4)
#define JOIN_QUARTERS(few) ((few) ? 3 : 2)
#define JOIN_FEW 12
/* Free blocks that one has then, at most: its list is walked once. */
#define JOIN_BLOCKS 4

static inline bool heap_is_real(const struct heap *h)
{
    return h != &heap_none && h != &heap_exited;
}

/* Frees of a held or joined slab until its countdown is looked at again: of no account. */
#define HELD_COUNTDOWN UINT32_MAX

static inline unsigned slab_free_count(const struct slab *s)
{
    return s->carved - slab_used(s);
}

/* `used` becomes n at event level `level` <= n. */
static inline void slab_set_used(struct slab *s, uint32_t n, uint32_t level)
{
    owner_store(&s->level, (uint16_t)level);
    owner_store(&s->countdown, n - level);
}

/* The free blocks of s are in the bin of its class. */
static inline void slab_set_held(struct slab *s, struct block **bin)
{
    owner_store(&s->free, NULL);
    owner_store(&s->list, bin);
    slab_set_used(s, HELD_COUNTDOWN, 0);
    store_release(&s->role, ROLE_HELD);
}

/*
 * False when a switch keeps the bins empty, so that every call takes the slow
 * path; so does the audit, because a list that runs empty is compared with its count.
 */
static inline bool heap_has_bins(void)
{
    return hakmem_options.merged_cache && option_now(batch_refill) && !hakmem_options.audit;
}

/* slab.c: where a heap keeps its slabs. */
/* Of the list of s, which has a block, the first two are blocks of s; else the program ends. */
void slab_check_head(const struct slab *s);
COLD void slab_check_list(const struct slab *s);
struct slab *slab_obtain(struct heap *h, unsigned c);
/* s is not held any more: list it, leave it alone, or give it up. */
void slab_park(struct heap *h, struct slab *s);
/* s, every block of which is carved and in use, serves the bin no more. */
void slab_leave_used(struct slab *s);
/* `n` blocks have been put on the list of s: used falls by n, unless s is held. */
void slab_credit(struct heap *h, struct slab *s, uint32_t n);
void slab_return_ready(struct heap *h, size_t keep);

/* Of what a heap may hold, ready slabs may have one part in so many, the arena the rest. */
#define READY_PART 4
/* Bytes that h may keep in ready slabs and in its arena; 0 unless it belongs to a running thread. */
size_t heap_hold_limit(struct heap *h);

/* arena.c: the bins of the pool classes. */
struct block *arena_refill(struct heap *h, unsigned c);
/* Free p, an address in the chunk with descriptor s, when heap_push_pool did not; any h. */
void arena_free(struct heap *h, struct slab *s, struct block *p, const char *function);
void arena_flush(struct heap *h);

/* foreign.c: blocks of other heaps. */
void foreign_free(struct heap *h, struct slab *s, struct block *p);
/* Post everything that h has gathered. */
void foreign_flush(struct heap *h);
/* Has another thread posted blocks of h? They may come at any moment. */
static inline bool foreign_waits(const struct heap *h)
{
    return load_relaxed(&h->queue.word) != 0;
}
/* Take home what others freed. True when there was something. Owner, or who holds h BUSY. */
bool foreign_drain(struct heap *h);
/* h is DEAD and may have rings: empty it unless somebody else does. */
void foreign_drain_dead(struct heap *h);
/* DEAD -> BUSY; false when it is not DEAD. */
bool foreign_claim_dead(struct heap *h);
/* Drain h, which was claimed, and leave it DEAD, until nothing came meanwhile. */
void foreign_leave_dead(struct heap *h);

/* refill.c */
/* The slabs that joined the bin of class c leave it, with their blocks. */
void heap_part(struct heap *h, unsigned c);
extern uint32_t heap_round HIDDEN; /* atomic: changed values have been published before it is raised */
struct block *heap_refill(struct heap *h, unsigned c);
/* The blocks of the slabs' bins go back to them; no slab is held or fresh any more. */
void heap_flush_bins(struct heap *h);
/* What a thread gives back that leaves its bins to the next one. */
void heap_rest(struct heap *h);

#endif
