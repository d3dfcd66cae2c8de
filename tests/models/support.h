/* SPDX-License-Identifier: MIT */
/* A program on top of the heap, what lies below the heap, and what the models know about blocks. */
#ifndef HAKMEM_MODELS_SUPPORT_H
#define HAKMEM_MODELS_SUPPORT_H

#include "explore.h"
#include "heap/internal.h"

/* Class 1: 2 blocks of 16 bytes, carved at once. Class 2: 3 of 32 bytes, one by one, rejoins with 2. */
enum { SIZE_OF_TWO = 16, SIZE_OF_THREE = 32 };

/* Setup: slabs, the region map, heap_start. */
void world_make(void);
/* Setup: a heap as the thread `n` would make it. */
struct heap *world_heap(void);
/* What pthread does when the thread of heap_self ends. */
void world_thread_exit(void);
/* The thread ends without a call of its destructors; its heap is lost until somebody looks. */
void world_thread_vanish(void);

void block_mark_live(void *p);
void block_mark_dead(void *p);

/* malloc, and a first use of the block; free. Inline: to be seen by the explorer. */
static inline void *malloc_block(size_t n)
{
    void *p = heap_pop(heap_self, n);
    if (p == NULL)
        p = heap_alloc(heap_self, n);
    explore_require(p != NULL);
    block_mark_live(p);
    *(volatile uint64_t *)p = 1;
    return p;
}

static inline void free_block(void *p)
{
    block_mark_dead(p);
    if (!heap_push(heap_self, registry_find(p), p))
        heap_free(heap_self, p, "free");
}

/*
 * finish: drains every heap that lives; then each slab in use counts its blocks
 * rightly, no ring waits in a dead heap, and no empty slab is kept there.
 */
void world_check(void);

#endif
