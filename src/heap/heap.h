/* SPDX-License-Identifier: MIT */
/*
 * The thread's heap.
 *
 *   heap_self (the one TLS word)
 *      |
 *      v
 *   bin[1] bin[2] ... bin[44]   heads of free blocks, side by side: malloc pops here
 *   class_of[]                  request -> class
 *   ----- below: slow paths ---------------------------------------------------
 *   held[c]     slab whose free blocks are bin[c]
 *   fresh[c]    slab with room that was never carved; may be the held one
 *   partial[c]  slabs with free blocks, first in, first out
 *   ready       empty slabs kept for any class
 *   arena       pool runs                      remote      foreign frees on their way
 *   ----- shared with other threads -------------------------------------------
 *   queue       rings of blocks that others freed       state
 *
 * malloc pops from its bin. When the heap of the calling thread owns the slab,
 * free pushes on the bin if the slab is held, so that the block that was freed
 * last is handed out next, and else on the slab's own list; a foreign block is
 * gathered. A miss in malloc makes another slab the held one and its list the
 * bin, in O(1): the bin was empty, so every carved block of the old one is in
 * use, and the length of the new list is carved - used.
 *
 *   all blocks of bin[c] belong to held[c]
 *   for each slab of the heap:  used = live + in bin[c] + gathered or queued
 *
 * Life of a heap: made or taken over by a thread (ALIVE) -> the thread exits:
 * bins go home, empty slabs go back (DEAD) -> emptied by whoever frees into it
 * (DEAD -> BUSY -> DEAD) or taken over (DEAD -> ALIVE). Heaps are never freed.
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

    /* Slow paths; owner thread only, or who holds the heap BUSY. */
    uint8_t exit_rounds;                  /* rounds of key destructors seen */
    uint32_t ticks;                       /* slow paths since the last look at the clock */
    struct slab *held[CLASS_COUNT];
    struct slab *fresh[CLASS_COUNT];
    struct list partial[CLASS_COUNT];
    uint32_t runs[CLASS_COUNT];           /* slabs or runs of the class that it started */
    struct list ready;
    size_t ready_count;
    struct pool_arena arena;
    struct counters counters;
    struct remote_cache remote;

    /* Shared. */
    struct remote_queue queue __attribute__((aligned(2 * CACHE_LINE)));
    uint32_t state;      /* atomic enum heap_state; DEAD is claimed by compare-and-swap */
    uint32_t collect_at; /* atomic relaxed: rings in the queue that call for collecting */
    pthread_mutex_t owner; /* robust; locked by the owner for life, so that its death is seen */
    struct heap *next_heap; /* constant after it was listed: list of all heaps */
    struct heap *next_dead; /* heaps_lock: list of heaps to take over */
};

extern struct heap heap_none;   /* the heap of a thread that has not allocated */
extern struct heap heap_exited; /* the heap of a thread after its last destructor */

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

/* The slab has reached the level at which something must be done; errno is kept. */
COLD void heap_slab_event(struct heap *h, struct slab *s);

/* b, the last block that was freed to the list of s, is freed again: the end of the program. */
_Noreturn COLD void heap_double_free(const struct slab *s, const struct block *b);

/*
 * Free p if it lies in a slab of h. False when it does not: then heap_free.
 * The tag needs no look: only a slab in use has an owner.
 */
static inline bool heap_push(struct heap *h, void *p)
{
    struct slab *s = registry_find(p);
    if (unlikely(plain_load(&s->owner) != h))
        return false;
    struct block *b = p;
    struct block *head = owner_load(s->list);
    if (unlikely(head == b))
        heap_double_free(s, b);
    b->next = head;
    owner_store(s->list, b);
    if (unlikely(owner_decrement(&s->countdown) == 0))
        heap_slab_event(h, s);
    return true;
}

/*
 * The slow path of malloc: any n, any h. NULL when memory is short, after
 * caches were given back and a second attempt. Does not set errno.
 */
void *heap_alloc(struct heap *h, size_t n);
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
/* Everything that h holds without need goes home; owner only. Returns the bytes given back. */
size_t heap_trim(struct heap *h, bool purge);
/* Memory is short: give back all that can be had. */
void heap_reclaim(struct heap *h);
/* Look at the clock now and then, and give back what is old. */
void heap_tick(struct heap *h);

/* Call visit for each heap, the orphan heap included. Lock-free. */
void heap_walk(void (*visit)(struct heap *h, void *context), void *context);
size_t heap_count_alive(void);
/* Where the address of the newest heap stands, for readers in other processes. */
struct heap *const *heap_list_head(void);
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
