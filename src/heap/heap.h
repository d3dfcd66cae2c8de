/* SPDX-License-Identifier: MIT */
/*
 * The thread's heap.
 *
 *   heap_self (the one TLS word)
 *      |
 *      v
 *   bin[1] bin[2] ... bin[64]   heads of free blocks, side by side: malloc pops here
 *   class_of[]                  request -> class
 *   ----- below: slow paths ---------------------------------------------------
 *   held[c]     slab whose free blocks are bin[c]
 *   joined[c]   slabs that were full, whose free blocks are in bin[c] as well
 *   fresh[c]    slab with room that was never carved; may be the held one
 *   partial[c]  slabs with free blocks, first in, first out
 *   inherited[c]  of a forked child: those of before, whose pages it would copy
 *   ready       empty slabs kept for any class
 *   arena_*     bytes in the bins of the pool  remote      foreign frees on their way
 *   ----- shared with other threads -------------------------------------------
 *   queue       rings of blocks that others freed       state
 *
 * malloc pops from its bin. When the heap of the calling thread owns the slab,
 * free pushes on the bin if the slab is held, so that the block that was freed
 * last is handed out next, and else on the slab's own list; a foreign block is
 * gathered. A miss in malloc makes another slab the held one and its list the
 * bin, in O(1): the bin was empty, so every carved block of the old one is in
 * use, and the length of the new list is carved - used. Where slabs have few
 * blocks, a full one joins the held one with its first free block: the block
 * freed last is handed out next, whichever of them it is in. What a joined slab
 * has in the bin is not known, so that it is not seen to be empty: only some may,
 * and they leave again at times.
 *
 *   all blocks of bin[c] belong to held[c] or one of joined[c], up to 8 KiB
 *   for each slab of the heap:  used = live + in bin[c] + gathered or queued
 *
 * Above 8 KiB a block has no owner: the bins of these classes are the thread's
 * pool arena, into which it frees what it likes, up to thread_hold.
 *
 *   sum of the blocks in the bins of the pool classes == arena_bytes
 *
 * Life of a heap: made or taken over by a thread (ALIVE) -> the thread exits:
 * the arena and empty slabs go back, and bins go home unless it stays warm for
 * the next thread (DEAD) -> emptied by whoever frees into it, cooled when no
 * thread came (DEAD -> BUSY -> DEAD), or taken over (DEAD -> ALIVE). Heaps are
 * never freed.
 */
#ifndef HAKMEM_HEAP_HEAP_H
#define HAKMEM_HEAP_HEAP_H

#include <pthread.h>

#include "base/atomic.h"
#include "base/size_class.h"
#include "counters/counters.h"
#include "pool/pool.h"
#include "registry/registry.h"
#include "remote/remote.h"

enum heap_state {
    HEAP_NONE,   /* no heap: the two place holders of threads without one */
    HEAP_ALIVE,  /* belongs to a running thread */
    HEAP_DEAD,   /* its thread exited; whoever wins DEAD -> BUSY may work on it */
    HEAP_BUSY,   /* somebody drains it */
    HEAP_FROZEN, /* in a forked child: was not ours, may be half-updated; never touched */
    HEAP_SHARED, /* the orphan heap, guarded by its lock */
};

struct heap {
    /* Hit path; owner thread only. */
    struct block *bin[CLASS_COUNT];
    uint8_t class_of[SIZE_TABLE_ENTRIES]; /* constant after the heap is made */
    uint8_t pool_class_of_need[POOL_UNITS_MAX + 1]; /* of a request, by its units; constant, too */
    uint8_t pool_class_of_units[POOL_UNITS_MAX + 1]; /* of a block; constant, too */

    /* Slow paths; owner thread only, or who holds the heap BUSY. */
    uint8_t exit_rounds;                  /* rounds of key destructors seen */
    uint32_t ticks;                       /* slow paths since the last look at the clock */
    uint32_t round;                       /* of heap_round, that it has followed */
    uint32_t visits;                      /* by others, since its thread exited */
    struct slab *held[SLAB_CLASSES];
    struct list joined[SLAB_CLASSES];
    uint32_t joined_count;                /* of all classes */
    uint32_t part_next;                   /* class whose joined slabs leave next */
    struct slab *fresh[SLAB_CLASSES];
    struct list partial[SLAB_CLASSES];
    struct list inherited[SLAB_CLASSES];  /* partial ones of before the fork */
    uint8_t afresh[SLAB_CLASSES];         /* slabs to start before one of these is used */
    uint32_t slabs[SLAB_CLASSES];         /* slabs of the class that it started */
    struct list ready;
    size_t ready_count;
    size_t arena_bytes;                   /* in the bins of the pool classes */
    size_t arena_limit;                   /* of arena_bytes; 0: to be looked up */
    size_t arena_want;                    /* what it aims at, where the limit allows it */
    size_t arena_given;                   /* back to the pool, and not fetched again so far */
    unsigned arena_next;                  /* class whose bin is given back next */
    uint8_t arena_fetch[CLASS_COUNT - SLAB_CLASSES]; /* blocks that a refill fetches; 0: one */
    struct counters counters;
    struct remote_cache remote;

    /* Shared. */
    struct remote_queue queue __attribute__((aligned(2 * CACHE_LINE)));
    uint32_t state;      /* atomic enum heap_state; DEAD is claimed by compare-and-swap */
    uint32_t collect_at; /* atomic relaxed: rings in the queue that call for collecting */
    pthread_mutex_t owner; /* robust; locked by the owner for life, so that its death is seen */
    struct heap *next_heap; /* constant after it was listed: list of all heaps */
    struct heap *next_dead; /* heaps_lock: list of heaps to take over; else who holds it BUSY */
    uint64_t died_ms;       /* heaps_lock: when its thread exited, while it is warm */
};

extern struct heap heap_none HIDDEN;   /* the heap of a thread that has not allocated */
extern struct heap heap_exited HIDDEN; /* the heap of a thread after its last destructor */

/* The only thread-local variable of the library. */
extern __thread struct heap *heap_self __attribute__((tls_model("initial-exec")));

/* A block of n bytes from the bins, or NULL: then heap_alloc. */
static inline void *heap_pop(struct heap *h, size_t n)
{
    if (unlikely(n > SIZE_TABLE_MAX))
        return NULL;
    unsigned c = h->class_of[n];
    struct block *b = h->bin[c];
    if (likely(b != NULL))
        h->bin[c] = b->next;
    return b;
}

/* The same for SIZE_SLAB_MAX < n <= SIZE_POOL_MAX. */
static inline void *heap_pop_pool(struct heap *h, size_t n)
{
    unsigned c = h->pool_class_of_need[pool_need(n)];
    struct block *b = h->bin[c];
    if (likely(b != NULL)) {
        h->bin[c] = b->next;
        h->arena_bytes -= size_class_footprint(c);
    }
    return b;
}

/* The slab has reached the level at which something must be done; errno is kept. */
COLD void heap_slab_event(struct heap *h, struct slab *s);

/* b, the last block that was freed to the list of s, is freed again: the end of the program. */
_Noreturn COLD void heap_double_free(const struct slab *s, const struct block *b);

/*
 * Free p, whose descriptor is `s`, if that is a slab of h. False when it is not:
 * then heap_push_other. The tag needs no look: only a slab in use has an owner.
 */
static inline bool heap_push(struct heap *h, struct slab *s, void *p)
{
    if (unlikely(plain_load(&s->owner) != h))
        return false;
    struct block *b = p;
    struct block **list = owner_load(&s->list);
    struct block *head = owner_load(list);
    if (unlikely(head == b))
        heap_double_free(s, b);
    b->next = head;
    owner_store(list, b);
    if (unlikely(owner_decrement(&s->countdown) == 0))
        heap_slab_event(h, s);
    return true;
}

/*
 * Free p, if it is a block of h whose slab is in the window. False when it is
 * not: then heap_push_in_pool with the descriptor that is left at *s.
 */
static inline bool heap_push_in_window(struct heap *h, void *p, struct slab **s)
{
    if (unlikely(!registry_in_window(p))) {
        *s = &registry_root.none; /* on this branch alone, or each free would load its address */
        return false;
    }
    *s = registry_slab_in_window(p);
    return heap_push(h, *s, p);
}

/* Post the blocks of another slab that stand where those of a new one are to be gathered. */
void heap_displace(struct heap *h, struct remote_batch *batch);

/*
 * Gather p, an address in s, a slab in use of another heap. False when no block
 * starts there, when h may gather no more, or is no thread's (it may gather
 * nothing): then heap_free.
 */
static inline bool heap_push_foreign(struct heap *h, struct slab *s, void *p)
{
    const struct size_class *class = &size_class_table[load_relaxed(&s->size_class)];
    struct remote_cache *cache = &h->remote;
    struct remote_batch *batch = &cache->batch[remote_cache_slot(s)];
    if (unlikely(size_class_block(class, (uint32_t)((uintptr_t)p - s->base)) == UINT32_MAX ||
                 cache->bytes + class->size > cache->limit || batch->first == p))
        return false;
    if (unlikely(batch->slab != s && batch->slab != NULL))
        heap_displace(h, batch);
    remote_cache_add(cache, batch, s, p, class->size);
    return true;
}

/*
 * Free p, a block of the pool of `units`, into the arena of h. False when there are
 * too many of them for a block, it was freed just before, or there is no room (a
 * thread without a heap has none): then heap_free.
 */
static inline bool heap_push_pool(struct heap *h, unsigned units, void *p)
{
    if (unlikely(units > POOL_BLOCK_UNITS))
        return false;
    unsigned c = h->pool_class_of_units[units];
    size_t bytes = h->arena_bytes + units * POOL_UNIT;
    struct block *b = p;
    struct block *head = h->bin[c];
    if (unlikely(bytes > h->arena_limit || head == b))
        return false;
    h->arena_bytes = bytes;
    b->next = head;
    h->bin[c] = b;
    return true;
}

/* Free p, if `s`, which heap_push_in_window has left, is a granule of the pool. False: then heap_push_other. */
static inline bool heap_push_in_pool(struct heap *h, struct slab *s, void *p)
{
    return likely(load_relaxed(&s->tag) == TAG_POOL) && heap_push_pool(h, pool_units_in_window(s, p), p);
}

/*
 * Free p, for which heap_push_in_window has left `s`. False when there is more
 * to do: then heap_free.
 */
static inline bool heap_push_other(struct heap *h, struct slab *s, void *p)
{
    if (likely(load_relaxed(&s->tag) == TAG_SMALL))
        return heap_push_foreign(h, s, p);
    s = registry_find(p);
    uint8_t tag = load_relaxed(&s->tag);
    if (tag == TAG_SMALL)
        return heap_push(h, s, p) || heap_push_foreign(h, s, p);
    return tag == TAG_POOL && heap_push_pool(h, pool_units_at(s, p), p);
}

/*
 * The slow path of malloc: any n, any h. NULL when memory is short, after
 * caches were given back and a second attempt. Does not set errno.
 */
void *heap_alloc(struct heap *h, size_t n);
/* The same for a block of class c, from 1 to CLASS_LAST. */
void *heap_alloc_of_class(struct heap *h, unsigned c);
/* The same, aligned to a power of two; *zeroed as large_alloc says (else false). */
void *heap_alloc_aligned(struct heap *h, size_t align, size_t n, bool *zeroed);
/* The slow path of free: any pointer, any h; ends the program on misuse. Keeps errno. */
void heap_free(struct heap *h, void *p, const char *function);
/* Bytes the live block p can hold; ends the program on misuse. */
size_t heap_usable(const void *p, const char *function);

/* The heap of the calling thread, made or taken over; NULL after its exit or without memory. */
struct heap *heap_of_thread(void);

/* Fill slab lists so that `count` mallocs of n bytes find blocks; returns the blocks. */
size_t heap_prewarm(struct heap *h, size_t n, size_t count);
/* Everything that h holds without need goes home; owner only. */
void heap_trim(struct heap *h);
/* Memory is short: give back all that can be had. */
void heap_reclaim(struct heap *h);
/* The bins of dead heaps whose threads exited at `until_ms` or before go home; no lock of heaps or orphan held. */
void heap_cool(uint64_t until_ms);
/* Follow a command from outside; look at the clock now and then, and give back what is old. */
void heap_tick(struct heap *h);

/*
 * Commands (hakmem/introspect.h): who asks sets heap_attention from outside,
 * and the next slow path of any thread that has a heap calls heap_answer, with
 * no lock held. Set once, before a thread has a heap; NULL: nobody answers.
 */
extern uint32_t heap_attention HIDDEN; /* atomic; cleared by who answers */
extern void (*heap_answer)(struct heap *h) HIDDEN;
/*
 * Options have changed, or (purge) memory is to go back: each heap forgets at
 * its next slow path what it derived from the old values, or trims itself.
 */
void heap_begin_round(bool purge);

/* All heaps, the newest first; written under heaps_lock (release), read acquire. */
extern struct heap *heap_newest;
/* Call visit for each heap, the orphan heap included. Lock-free. */
void heap_walk(void (*visit)(struct heap *h, void *context), void *context);
size_t heap_count_alive(void);
/* Blocks and bytes in the bins of h; owner only. */
size_t heap_binned_bytes(const struct heap *h);
/*
 * Check every slab of the heaps that may be looked at: the caller's, dead ones,
 * the orphan heap. Returns mismatches, one line each to fd (unless -1).
 */
size_t heap_audit(struct heap *h, int fd);

/* Once, before the first heap: the key whose destructor ends a thread's heap. */
void heap_start(void);
/* In the child of a fork: freeze the heaps of the threads that are not there. */
void heap_fork_child(void);

extern struct lock heaps_lock, heap_orphan_lock; /* for fork */

#endif
