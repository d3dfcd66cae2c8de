/* SPDX-License-Identifier: MIT */
/* The slow path of malloc: find blocks for a bin. */
#include "heap/internal.h"
#include "large/large.h"
#include "options/options.h"
#include "base/lock.h"
#include "os/fail.h"
#include "os/os.h"
#include "superslab/superslab.h"

/* Blocks that one refill makes of pages that are resident. */
#define CARVE_MOST 64
/* Slow paths between two looks at the clock, and milliseconds between two rounds. */
#define TICKS 256
#define TICK_MS 100
/* When slabs and the pool have grown by so much, the page heap yields as much: not for the first SuperSlab. */
#define YIELD_BYTES (2 * MIB + 1)

static void count_refill(struct heap *h, uint32_t blocks)
{
    counters_add(&h->counters, COUNTER_refills, 1);
    counters_add(&h->counters, COUNTER_refilled_blocks, blocks);
}

/* One more block of s, which is not held, is in use: the first of its list (which has one). */
static struct block *slab_take_one(struct heap *h, struct slab *s)
{
    slab_check_head(s);
    struct block *b = s->free;
    owner_store(&s->free, b->next);
    owner_store(&s->countdown, s->countdown + 1);
    if ((s->free == NULL) != (slab_free_count(s) == 0))
        slab_check_list(s); /* does not return */
    count_refill(h, 1);
    return b;
}

/* Make s, which has a free list, the held slab of its class; returns the first block. */
static struct block *slab_hold(struct heap *h, struct slab *s, unsigned c)
{
    slab_check_head(s);
    struct block *first = s->free;
    count_refill(h, slab_free_count(s));
    h->held[c] = s;
    h->bin[c] = first->next;
    slab_set_held(s, &h->bin[c]);
    return first;
}

/*
 * The slabs of class c, whose bin is empty, serve it no longer: every carved
 * block is in use.
 */
static void slab_release_used(struct heap *h, unsigned c)
{
    struct slab *s = h->held[c];
    h->held[c] = NULL;
    for (struct list *at; (at = list_front(&h->joined[c])) != NULL; h->joined_count--) {
        list_remove(at);
        slab_leave_used(container_of(at, struct slab, link));
    }
    if (s->carved == s->capacity) {
        if (s == h->fresh[c])
            h->fresh[c] = NULL;
        slab_leave_used(s);
        return;
    }
    owner_store(&s->list, &s->free);
    slab_set_used(s, s->carved, 0);
    store_release(&s->role, ROLE_FRESH);
    if (s != h->fresh[c])
        slab_park(h, s); /* it was fresh, and left with room by a flush */
}

/* The same with `count` blocks in the bin, which go back to its list. */
static void slab_release(struct heap *h, unsigned c, uint32_t count)
{
    struct slab *s = h->held[c];
    h->held[c] = NULL;
    owner_store(&s->free, h->bin[c]);
    h->bin[c] = NULL;
    owner_store(&s->list, &s->free);
    slab_set_used(s, s->carved - count, 0);
    store_release(&s->role, ROLE_FRESH);
    if (s == h->fresh[c])
        h->fresh[c] = NULL;
    slab_park(h, s);
}

void heap_part(struct heap *h, unsigned c)
{
    struct list *joined = &h->joined[c];
    if (list_is_empty(joined))
        return;
    for (struct list *at = joined->next; at != joined; at = at->next) {
        struct slab *s = container_of(at, struct slab, link);
        slab_set_used(s, s->carved, 0);
        owner_store(&s->list, &s->free);
    }
    struct slab *held = h->held[c];
    struct block *b = h->bin[c], **end = &h->bin[c];
    uint32_t left = held->carved; /* blocks that the held one can have in the bin */
    while (b != NULL) {
        struct slab *s = registry_find(b);
        bool serves = s == held ? left-- > 0
                                : load_relaxed(&s->owner) == h && s->size_class == c && s->role == ROLE_HELD &&
                                      s->countdown > 0;
        if (unlikely(!serves))
            fail_misuse("free", b, "double free found in the list of free blocks", size_class_size(c));
        struct block *next = b->next;
        if (s == held) {
            owner_store(end, b);
            end = &b->next;
        } else {
            b->next = s->free;
            owner_store(&s->free, b);
            owner_store(&s->countdown, s->countdown - 1);
        }
        b = next;
    }
    owner_store(end, NULL);
    for (struct list *at; (at = list_front(joined)) != NULL; h->joined_count--) {
        struct slab *s = container_of(at, struct slab, link);
        list_remove(at);
        store_release(&s->role, ROLE_FRESH);
        slab_check_list(s); /* a block that was freed twice may have met itself */
        slab_park(h, s);
    }
}

/* Slabs that joined may be empty by now: those of the next class that has some leave. */
static void heap_part_next(struct heap *h)
{
    for (unsigned i = 1; i < SLAB_CLASSES && h->joined_count > 0; i++) {
        h->part_next = h->part_next % (SLAB_CLASSES - 1) + 1;
        if (!list_is_empty(&h->joined[h->part_next])) {
            heap_part(h, h->part_next);
            return;
        }
    }
}

/* The part of a granule that `touched` counts in. */
#define SIXTEENTH (GRANULE / SLAB_TOUCHED_ALL)

/* Fault in ahead what the blocks of a clean slab will touch. */
static void slab_populate(struct heap *h, struct slab *s, unsigned c)
{
    if (s->touched != 0 || h->slabs[c] <= GROWN_SLABS || !option_now(populate))
        return;
    os_populate((void *)s->base, GRANULE);
    s->touched = SLAB_TOUCHED_ALL;
}

/* Make blocks from the untouched room of s, which has some and is not held. */
static void slab_carve(struct heap *h, struct slab *s, unsigned c)
{
    size_t size = size_class_size(c);
    slab_populate(h, s, c);
    /* Pages that are there need no sparing: all blocks that end in them, but a batch at least. */
    size_t start = s->carved * size, there = s->touched * SIXTEENTH;
    uint32_t n = there > start ? (uint32_t)((there - start) / size) : 0;
    n = n > CARVE_MOST ? CARVE_MOST : n < size_class_table[c].batch ? size_class_table[c].batch : n;
    if (unlikely(!option_now(batch_refill)))
        n = 1;
    if (n > (uint32_t)(s->capacity - s->carved))
        n = s->capacity - s->carved;
    if (start + n * size > there)
        s->touched = (uint8_t)((start + n * size + SIXTEENTH - 1) / SIXTEENTH);
    char *at = (char *)s->base + start;
    struct block **end = &s->free;
    for (uint32_t i = 0; i < n; i++, at += size) {
        owner_store(end, (struct block *)(void *)at);
        end = &((struct block *)(void *)at)->next;
    }
    *end = NULL;
    owner_store(&s->carved, (uint16_t)(s->carved + n));
    counters_add(&h->counters, COUNTER_carved_blocks, n);
}

/* The partial slab that has waited longest: it has gathered the most blocks. */
static struct slab *heap_take_partial(struct list *partial)
{
    struct list *front = list_front(partial);
    if (front == NULL)
        return NULL;
    struct slab *s = container_of(front, struct slab, link);
    list_remove(&s->link);
    return s;
}

/* A slab of class c with a free block or room, where no other is partial and none is fresh. */
static struct slab *heap_find_more(struct heap *h, unsigned c)
{
    struct slab *s = h->afresh[c] == 0 ? heap_take_partial(&h->inherited[c]) : NULL;
    if (s != NULL)
        return s;
    s = slab_obtain(h, c);
    if (s == NULL)
        return heap_take_partial(&h->inherited[c]);
    if (h->afresh[c] > 0)
        h->afresh[c]--;
    return h->fresh[c] = s;
}

/* A slab of class c with a free block, in the order of heap_refill; not held, not listed. */
static struct slab *heap_find_slab(struct heap *h, unsigned c)
{
    struct slab *s = h->fresh[c];
    if (s != NULL && s->free != NULL)
        return s;
    struct slab *partial = heap_take_partial(&h->partial[c]);
    /* Switched off, draining is the last resort before more memory. */
    if (partial == NULL && s == NULL && !option_now(remote_drain) && foreign_drain(h))
        partial = heap_take_partial(&h->partial[c]);
    if (partial != NULL)
        s = partial;
    else if (s == NULL)
        s = heap_find_more(h, c);
    if (s != NULL && s->free == NULL)
        slab_carve(h, s, c);
    return s;
}

/* With the bins switched off: one block of s, which goes back to where slabs wait. */
static COLD struct block *heap_take_one(struct heap *h, struct slab *s, unsigned c)
{
    struct block *b = slab_take_one(h, s);
    bool fresh = s == h->fresh[c];
    if (fresh && s->carved < s->capacity)
        return b;
    if (fresh)
        h->fresh[c] = NULL;
    slab_park(h, s);
    return b;
}

/*
 * Blocks for class c, whose bin is empty, in this order: what others freed, the
 * fresh slab's list, the next partial slab, the fresh slab's untouched room, a
 * new slab (in a forked child, after some, the next partial one of its parent's).
 * Returns one block, the rest is in the bin; NULL when memory is short.
 */
struct block *heap_refill(struct heap *h, unsigned c)
{
    if (foreign_waits(h) && option_now(remote_drain) && foreign_drain(h) && h->bin[c] != NULL) {
        struct block *b = h->bin[c];
        h->bin[c] = b->next;
        return b;
    }
    if (h->held[c] != NULL)
        slab_release_used(h, c);
    struct slab *s = heap_find_slab(h, c);
    if (unlikely(s == NULL))
        return NULL;
    return likely(heap_has_bins()) ? slab_hold(h, s, c) : heap_take_one(h, s, c);
}

uint32_t heap_attention;
void (*heap_answer)(struct heap *h);
uint32_t heap_round;
static uint32_t heap_purge_round; /* atomic: of the last one that asked for memory */

void heap_begin_round(bool purge)
{
    uint32_t round = load_relaxed(&heap_round) + 1;
    if (purge)
        store_relaxed(&heap_purge_round, round);
    store_release(&heap_round, round);
}

/* The limits that h derived from options are looked up anew where they are 0. */
static COLD void heap_follow_round(struct heap *h)
{
    uint32_t round = load_acquire(&heap_round);
    bool purge = (int32_t)(load_relaxed(&heap_purge_round) - h->round) > 0;
    h->round = round;
    h->remote.limit = 0;
    h->arena_limit = 0;
    if (purge)
        heap_trim(h);
}

/* A slow path of the orphan heap holds its lock: that is no place to answer. */
static COLD void heap_attend(struct heap *h)
{
    if (h != &heap_orphan && heap_answer != NULL)
        heap_answer(h);
}

void heap_tick(struct heap *h)
{
    if (unlikely(load_relaxed(&heap_attention) != 0))
        heap_attend(h);
    if (unlikely(load_relaxed(&heap_round) != h->round))
        heap_follow_round(h);
    if (unlikely(load_relaxed(&registry_grown) >= YIELD_BYTES))
        large_yield(exchange_seq_cst(&registry_grown, 0));
    static uint64_t last_ms; /* atomic relaxed: one thread in a hundred milliseconds does the round */
    if (h->ticks++ < TICKS)
        return;
    h->ticks = 0;
    heap_part_next(h);
    uint64_t now = os_now_ms();
    if (now - load_relaxed(&last_ms) < TICK_MS)
        return;
    store_relaxed(&last_ms, now);
    uint64_t delay = option_now(purge_delay);
    if (h != &heap_orphan && now >= delay) /* its lock is held */
        heap_cool(now - delay);
    superslab_age(now);
    pool_age(now);
    large_age(now);
}

void heap_flush_bins(struct heap *h)
{
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        struct slab *s = h->held[c];
        if (s != NULL) {
            heap_part(h, c);
            uint32_t count = 0;
            for (const struct block *b = h->bin[c]; b != NULL && count <= s->carved; b = b->next)
                count++;
            if (count > s->carved)
                fail_misuse("free", h->bin[c], "double free found in the list of free blocks",
                            slab_block_size(s));
            slab_release(h, c, count);
        }
        s = h->fresh[c];
        h->fresh[c] = NULL;
        if (s != NULL)
            slab_park(h, s);
    }
}

void heap_rest(struct heap *h)
{
    foreign_flush(h);
    foreign_drain(h);
    arena_flush(h);
    for (unsigned c = 1; c < SLAB_CLASSES && h->joined_count > 0; c++)
        heap_part(h, c);
    slab_return_ready(h, 0);
}

void heap_trim(struct heap *h)
{
    heap_rest(h);
    heap_flush_bins(h);
    slab_return_ready(h, 0);
}

void heap_reclaim(struct heap *h)
{
    if (heap_is_real(h))
        heap_trim(h);
    if (h != &heap_orphan) /* its lock is held */
        heap_cool(UINT64_MAX);
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
        if (c >= SLAB_CLASSES)
            h->arena_bytes -= size_class_footprint(c);
        return b;
    }
    heap_tick(h);
    struct block *(*refill)(struct heap *, unsigned) = c < SLAB_CLASSES ? heap_refill : arena_refill;
    b = refill(h, c);
    if (unlikely(b == NULL)) {
        heap_reclaim(h);
        b = refill(h, c);
    }
    return b;
}

/* For threads without a heap of their own: late destructors, no memory for a heap. */
static COLD void *heap_alloc_orphan(unsigned c)
{
    heap_orphan_start();
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

void *heap_alloc_of_class(struct heap *h, unsigned c)
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
    if (unlikely(n > SIZE_POOL_MAX))
        return heap_alloc_large(h, n, BLOCK_ALIGN, NULL);
    return heap_alloc_of_class(h, size_class_of(n));
}

static void *heap_alloc_pool_aligned(struct heap *h, unsigned c, size_t align)
{
    if (h->bin[c] != NULL && (uintptr_t)h->bin[c] % align == 0)
        return heap_alloc_class(h, c);
    void *p = pool_take_aligned(c, align);
    if (unlikely(p == NULL)) {
        heap_reclaim(h);
        p = pool_take_aligned(c, align);
    }
    return p;
}

void *heap_alloc_aligned(struct heap *h, size_t align, size_t n, bool *zeroed)
{
    if (zeroed != NULL)
        *zeroed = false;
    if (n == 0)
        n = 1;
    if (n <= SIZE_POOL_MAX && align <= SIZE_POOL_MAX) {
        /* A slab starts at a multiple of 64 KiB: blocks of a multiple of `align` are aligned. */
        size_t least = n < align ? align : n;
        unsigned c = size_class_of(least);
        if ((size_class_size(c) & (align - 1)) != 0)
            c = size_class_of_aligned(least);
        while (c < SLAB_CLASSES && (size_class_size(c) & (align - 1)) != 0)
            c++;
        if (c < SLAB_CLASSES || align <= CACHE_LINE)
            return heap_alloc_of_class(h, c);
        return heap_alloc_pool_aligned(h, size_class_of_aligned(n > SIZE_SLAB_MAX ? n : SIZE_SLAB_MAX + 1), align);
    }
    return heap_alloc_large(h, n, align, zeroed);
}

size_t heap_prewarm(struct heap *h, size_t n, size_t count)
{
    if (n > SIZE_POOL_MAX || !heap_is_real(h))
        return 0;
    unsigned c = size_class_of(n);
    struct block *list = NULL;
    size_t ready = 0;
    while (ready < count) {
        struct block *b = heap_alloc_class(h, c);
        if (b == NULL)
            break;
        b->next = list;
        list = b;
        ready++;
    }
    while (list != NULL) {
        struct block *next = list->next;
        if (!heap_push(h, registry_find(list), list))
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
            bytes += size_class_footprint(c);
    }
    return bytes;
}
