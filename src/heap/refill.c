/* SPDX-License-Identifier: MIT */
/* The slow path of malloc: find blocks for a bin. */
#include "heap/internal.h"
#include "large/large.h"
#include "options/options.h"
#include "base/lock.h"
#include "os/fail.h"
#include "os/os.h"
#include "superslab/superslab.h"

/* A class that has this many slabs is growing: fault the next one in with one call. */
#define POPULATE_FROM_RUNS 4
/* Slow paths between two looks at the clock, and milliseconds between two rounds. */
#define TICKS 256
#define TICK_MS 100

/* b stands in the free list of s: end the program unless a block of s starts there. */
static void slab_check_listed(const struct slab *s, const struct block *b)
{
    uint32_t offset = (uint32_t)((uintptr_t)b - s->base);
    if (unlikely((uintptr_t)b - s->base >= (uintptr_t)s->carved * s->block_size))
        fail_misuse("malloc", b, "corrupt list of free blocks: a freed block was written to",
                    s->block_size);
    if (unlikely(offset % s->block_size != 0))
        fail_misuse("malloc", b, "an interior pointer was freed", s->block_size);
}

/*
 * The first two blocks of a list are about to be handed out: at this price, a
 * division for a whole batch, most single mistakes are seen before they spread.
 */
static void slab_check_head(const struct slab *s)
{
    const struct block *first = s->free;
    slab_check_listed(s, first);
    if (unlikely(first->next == first))
        fail_misuse("malloc", first, "double free found in the list of free blocks", s->block_size);
    if (first->next != NULL && (uintptr_t)first->next - s->base >= (uintptr_t)s->carved * s->block_size)
        slab_check_listed(s, first->next);
}

/* In audit mode: the free list of s is as long as the counts say, and well-formed. */
static COLD void slab_check_list(const struct slab *s)
{
    uint32_t expected = slab_free_count(s);
    uint32_t length = 0;
    for (struct block *b = s->free; b != NULL; b = b->next) {
        slab_check_listed(s, b);
        if (++length > expected)
            fail_misuse("malloc", b, "double free found in the list of free blocks", s->block_size);
    }
    if (length != expected)
        fail_misuse("malloc", (void *)s->base, "double free or lost blocks in the slab that starts here",
                    s->block_size);
}

/* Move the free list of s (which has one) to the bin, and return its first block. */
static struct block *slab_take_list(struct heap *h, struct slab *s, unsigned c)
{
    slab_check_head(s);
    if (unlikely(hakmem_options.audit))
        slab_check_list(s);
    struct block *first = s->free;
    uint32_t count = slab_free_count(s);
    if (unlikely(!hakmem_options.merged_cache || !hakmem_options.batch_refill)) {
        owner_store(&s->free, first->next);
        count = 1;
    } else {
        owner_store(&s->free, NULL);
        h->bin[c] = first->next;
    }
    owner_store(&s->countdown, s->countdown + count);
    counters_add(&h->counters, COUNTER_refills, 1);
    counters_add(&h->counters, COUNTER_refilled_blocks, count);
    return first;
}

/* Fault in ahead what the next `size` bytes of a clean slab will touch. */
static void slab_populate(struct heap *h, struct slab *s, unsigned c, size_t carved_end)
{
    if (!s->clean || h->runs[c] <= POPULATE_FROM_RUNS || !hakmem_options.populate)
        return;
    size_t granules = (carved_end + GRANULE - 1) >> GRANULE_SHIFT;
    if (granules <= s->populated)
        return;
    os_populate((void *)(s->base + s->populated * GRANULE), (granules - s->populated) * GRANULE);
    s->populated = (uint8_t)granules;
}

/* Make blocks from the untouched room of s (which has some). */
static struct block *slab_carve(struct heap *h, struct slab *s, unsigned c)
{
    size_t size = s->block_size;
    uint32_t n = hakmem_options.batch_refill ? size_class_table[c].batch : 1;
    if (n > (uint32_t)(s->capacity - s->carved))
        n = s->capacity - s->carved;
    slab_populate(h, s, c, (s->carved + n) * size);
    char *at = (char *)s->base + s->carved * size;
    struct block *first = (struct block *)(void *)at;
    struct block *rest = n > 1 ? (struct block *)(void *)(at + size) : NULL;
    for (uint32_t i = 1; i < n; i++) {
        at += size;
        ((struct block *)(void *)at)->next = i + 1 < n ? (struct block *)(void *)(at + size) : NULL;
    }
    owner_store(&s->carved, (uint16_t)(s->carved + n));
    counters_add(&h->counters, COUNTER_carved_blocks, n);
    if (likely(hakmem_options.merged_cache)) {
        h->bin[c] = rest;
        owner_store(&s->countdown, s->countdown + n);
    } else {
        owner_store(&s->free, rest);
        owner_store(&s->countdown, s->countdown + 1);
        n = 1;
    }
    counters_add(&h->counters, COUNTER_refills, 1);
    counters_add(&h->counters, COUNTER_refilled_blocks, n);
    return first;
}

/* A held slab that has a free list. */
static struct slab *heap_held_with_free(struct heap *h, unsigned c)
{
    struct slab *s = h->fresh[c];
    if (s != NULL && s->free != NULL)
        return s;
    s = h->current[c];
    return s != NULL && s->free != NULL ? s : NULL;
}

static void heap_set_current(struct heap *h, unsigned c, struct slab *s)
{
    struct slab *old = h->current[c];
    h->current[c] = s;
    if (s != NULL)
        store_release(&s->role, ROLE_HELD);
    if (old != NULL)
        slab_park(h, old);
}

/* The partial slab that has waited longest: it has gathered the most blocks. */
static struct slab *heap_take_partial(struct heap *h, unsigned c)
{
    struct list *front = list_front(&h->partial[c]);
    if (front == NULL)
        return NULL;
    struct slab *s = container_of(front, struct slab, link);
    list_remove(&s->link);
    heap_set_current(h, c, s);
    return s;
}

/*
 * Blocks for class c, in this order: the lists of the held slabs, what others
 * freed, the next partial slab, the untouched room of the fresh slab, a new
 * slab. Returns one block, the rest is in the bin; NULL when memory is short.
 */
struct block *heap_refill(struct heap *h, unsigned c)
{
    struct slab *s = heap_held_with_free(h, c);
    if (s != NULL)
        return slab_take_list(h, s, c);
    if (hakmem_options.remote_drain && foreign_drain(h)) {
        s = heap_held_with_free(h, c);
        if (s != NULL)
            return slab_take_list(h, s, c);
    }
    s = heap_take_partial(h, c);
    if (s != NULL)
        return s->free != NULL ? slab_take_list(h, s, c) : slab_carve(h, s, c);
    s = h->fresh[c];
    if (s != NULL && s->carved < s->capacity)
        return slab_carve(h, s, c);
    if (!hakmem_options.remote_drain && foreign_drain(h)) {
        /* Switched off, it is the last resort before more memory. */
        s = heap_held_with_free(h, c);
        if (s == NULL)
            s = heap_take_partial(h, c);
        if (s != NULL)
            return s->free != NULL ? slab_take_list(h, s, c) : slab_carve(h, s, c);
    }
    s = slab_obtain(h, c);
    if (s == NULL)
        return NULL;
    struct slab *full = h->fresh[c];
    h->fresh[c] = s;
    if (full != NULL)
        heap_set_current(h, c, full);
    return slab_carve(h, s, c);
}

void heap_tick(struct heap *h)
{
    static uint64_t last_ms; /* atomic relaxed: one thread in a hundred milliseconds does the round */
    if (h->ticks++ < TICKS)
        return;
    h->ticks = 0;
    uint64_t now = os_now_ms();
    if (now - load_relaxed(&last_ms) < TICK_MS)
        return;
    store_relaxed(&last_ms, now);
    superslab_age(now);
    pool_age(now);
    large_age(now);
}

void heap_flush_bins(struct heap *h)
{
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        struct block *b = h->bin[c];
        h->bin[c] = NULL;
        while (b != NULL) {
            struct block *next = b->next;
            struct slab *s = registry_find(b);
            HAKMEM_INVARIANT(load_relaxed(&s->owner) == h);
            b->next = s->free;
            owner_store(&s->free, b);
            slab_credit(h, s, 1);
            b = next;
        }
        struct slab *fresh = h->fresh[c];
        h->fresh[c] = NULL;
        if (fresh != NULL)
            slab_park(h, fresh);
        heap_set_current(h, c, NULL);
    }
}

size_t heap_trim(struct heap *h, bool purge)
{
    foreign_flush(h);
    foreign_drain(h);
    heap_flush_bins(h);
    slab_return_ready(h, 0);
    return pool_arena_trim(&h->arena, purge);
}

void heap_reclaim(struct heap *h)
{
    if (heap_is_real(h))
        heap_trim(h, false);
    superslab_trim(0);
    pool_trim(0);
    large_unmap_free();
}

/* A block of class c from a heap that the caller owns. */
static void *heap_alloc_class(struct heap *h, unsigned c)
{
    struct block *b = h->bin[c];
    if (likely(b != NULL)) {
        h->bin[c] = b->next;
        return b;
    }
    heap_tick(h);
    b = heap_refill(h, c);
    if (unlikely(b == NULL)) {
        heap_reclaim(h);
        b = heap_refill(h, c);
    }
    return b;
}

/* For threads without a heap of their own: late destructors, no memory for a heap. */
static COLD void *heap_alloc_orphan(unsigned c)
{
    lock_take(&heap_orphan_lock);
    void *p = heap_alloc_class(&heap_orphan, c);
    lock_release(&heap_orphan_lock);
    return p;
}

static void *heap_alloc_large(struct heap *h, size_t n, size_t align, bool *zeroed)
{
    void *p = large_alloc(n, align, zeroed);
    if (unlikely(p == NULL) && n <= PTRDIFF_MAX && align <= PTRDIFF_MAX) {
        heap_reclaim(h);
        p = large_alloc(n, align, zeroed);
    }
    if (p != NULL && heap_is_real(h)) {
        counters_add(&h->counters, COUNTER_large_allocs, 1);
        heap_tick(h);
    }
    return p;
}

static void *heap_alloc_of_class(struct heap *h, unsigned c)
{
    if (unlikely(!heap_is_real(h))) {
        h = heap_of_thread();
        if (h == NULL)
            return heap_alloc_orphan(c);
    }
    return heap_alloc_class(h, c);
}

void *heap_alloc(struct heap *h, size_t n)
{
    if (unlikely(n > SIZE_POOL_MAX)) {
        bool zeroed;
        return heap_alloc_large(h, n, BLOCK_ALIGN, &zeroed);
    }
    return heap_alloc_of_class(h, size_class_of(n != 0 ? n : 1));
}

void *heap_alloc_aligned(struct heap *h, size_t align, size_t n, bool *zeroed)
{
    *zeroed = false;
    if (n == 0)
        n = 1;
    if (n <= SIZE_POOL_MAX && align <= SIZE_POOL_MAX) {
        /* A run starts at a multiple of 64 KiB: blocks of a multiple of `align` are aligned. */
        unsigned c = size_class_of(n < align ? align : n);
        while (c < CLASS_COUNT && (size_class_size(c) & (align - 1)) != 0)
            c++;
        if (c < CLASS_COUNT)
            return heap_alloc_of_class(h, c);
    }
    return heap_alloc_large(h, n, align, zeroed);
}

size_t heap_prewarm(struct heap *h, size_t n, size_t count)
{
    if (n > SIZE_POOL_MAX || !heap_is_real(h))
        return 0;
    unsigned c = size_class_of(n != 0 ? n : 1);
    struct block *list = NULL, *last = NULL;
    size_t ready = 0;
    while (ready < count) {
        struct block *b = heap_alloc_class(h, c);
        if (b == NULL)
            break;
        b->next = list;
        list = b;
        last = last == NULL ? b : last;
        ready++;
    }
    if (hakmem_options.merged_cache && hakmem_options.batch_refill && last != NULL) {
        last->next = h->bin[c];
        h->bin[c] = list;
        return ready;
    }
    while (list != NULL) {
        struct block *next = list->next;
        if (!heap_push(h, list))
            heap_free(h, list, "free");
        list = next;
    }
    return ready;
}

size_t heap_binned_bytes(const struct heap *h)
{
    size_t bytes = 0;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        for (const struct block *b = h->bin[c]; b != NULL; b = b->next)
            bytes += size_class_size(c);
    }
    return bytes;
}
