/* SPDX-License-Identifier: MIT */
/*
 * The thread's pool arena: its bins of the classes above 8 KiB, in front of the
 * pool that all threads share. Any thread may free any block into its own.
 */
#include "heap/internal.h"
#include "os/fail.h"

/* A trip to the pool fetches at most this much; it starts with one block a class and doubles. */
#define FETCH_BYTES (32 * KIB)
/* What it gives back of one class goes in chains of at most this much. */
#define CHAIN_BYTES (2 * SIZE_POOL_MAX)
_Static_assert(CHAIN_BYTES / (SIZE_SLAB_MAX + POOL_UNIT) < CACHE_LINE, "a chain's blocks are counted below a line");
/* So many of them in one section of the lock. */
#define CHAINS 16

/*
 * `bytes` are fetched. When as much was given back before, it was too early:
 * the arena aims at so much more.
 */
static void arena_regret(struct heap *h, size_t bytes)
{
    if (bytes > h->arena_given)
        bytes = h->arena_given;
    h->arena_given -= bytes;
    h->arena_want += bytes;
}

/*
 * A block of a bin above, where none is much too large: sizes that vary run out
 * one by one, and each other's blocks save most of the trips to the pool.
 */
static struct block *arena_borrow(struct heap *h, unsigned c)
{
    for (unsigned above = c + 1; pool_serves(above, c); above++) {
        struct block *b = h->bin[above];
        if (b == NULL)
            continue;
        h->bin[above] = b->next;
        h->arena_bytes -= size_class_footprint(above);
        return b;
    }
    return NULL;
}

struct block *arena_refill(struct heap *h, unsigned c)
{
    uint8_t *fetch = &h->arena_fetch[c - SLAB_CLASSES];
    struct block *list = arena_borrow(h, c);
    if (list != NULL)
        return list;
    size_t want = *fetch == 0 ? 1 : *fetch;
    if (heap_has_bins() && 2 * want * size_class_footprint(c) <= FETCH_BYTES)
        *fetch = (uint8_t)(2 * want);
    size_t count = pool_take(&c, want, &list);
    if (count == 0)
        return NULL;
    if (unlikely(count > 1 && !heap_has_bins())) {
        /* A chain of the time before they were switched off. */
        pool_give(list->next, "malloc");
        list->next = NULL;
        count = 1;
    }
    size_t size = size_class_footprint(c);
    h->bin[c] = list->next;
    h->arena_bytes += (count - 1) * size;
    arena_regret(h, count * size);
    h->arena_limit = 0; /* the number of threads may have changed */
    counters_add(&h->counters, COUNTER_refills, 1);
    counters_add(&h->counters, COUNTER_refilled_blocks, count);
    return list;
}

/* Give back chains of blocks, of one bin after the other in turn, until at most `keep` bytes are left. */
static void arena_shrink(struct heap *h, size_t keep)
{
    if (h->arena_bytes > keep)
        counters_add(&h->counters, COUNTER_arena_flushes, 1);
    struct pool_chain chain[CHAINS];
    unsigned chains = 0;
    unsigned empty = 0; /* bins in a row */
    while (h->arena_bytes > keep) {
        unsigned c = h->arena_next;
        struct block *first = h->bin[c], *last = first;
        if (first == NULL) {
            if (unlikely(++empty > CLASS_COUNT))
                fail_misuse("free", NULL, "double free of a block above 8 KiB, some time before", 0);
            h->arena_fetch[c - SLAB_CLASSES] = 0;
            h->arena_next = c + 1 < CLASS_COUNT ? c + 1 : SLAB_CLASSES;
            continue;
        }
        empty = 0;
        size_t size = size_class_footprint(c), count = 1;
        size_t bytes = h->arena_bytes - keep;
        for (; last->next != NULL && count * size < bytes && (count + 1) * size <= CHAIN_BYTES; count++)
            last = last->next;
        h->bin[c] = last->next;
        last->next = NULL;
        h->arena_bytes -= count * size;
        chain[chains++] = (struct pool_chain){first, count, c};
        if (chains == CHAINS) {
            pool_give_chains(chain, chains);
            chains = 0;
        }
    }
    if (chains > 0)
        pool_give_chains(chain, chains);
}

void arena_flush(struct heap *h)
{
    struct block *list = NULL;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        for (struct block *b; (b = h->bin[c]) != NULL;) {
            h->bin[c] = b->next;
            b->next = list;
            list = b;
        }
        h->arena_fetch[c - SLAB_CLASSES] = 0;
    }
    h->arena_bytes = 0;
    if (list == NULL)
        return;
    counters_add(&h->counters, COUNTER_arena_flushes, 1);
    pool_give(list, "free");
}

/* The least that an arena aims at, as a part of the most that it may hold. */
#define WANT_PART 8
/* Each time that an arena is over its aim it gives back one part in so many, ... */
#define GIVE_PART 8
/* ... this one where nothing of all that it could hold was ever fetched again, ... */
#define GIVE_PART_FREER 2
/* ... and the aim falls by one part in so many. */
#define FORGET_PART 8

/* The most that the arena of h may hold now: what ready slabs leave; 0 while the bins are switched off. */
static size_t arena_most(struct heap *h)
{
    size_t hold = heap_has_bins() ? heap_hold_limit(h) : 0;
    return hold - hold / READY_PART;
}

/*
 * A block of `size` bytes brings the arena over what it aims at: a part goes back.
 * While a thread only frees the aim falls, and what it fetches again raises it
 * (arena_regret): memory is parked where it saves trips, and nowhere else.
 */
static void arena_overflow(struct heap *h, size_t most, size_t size)
{
    size_t least = most / WANT_PART;
    size_t before = h->arena_bytes;
    h->arena_want -= h->arena_want / FORGET_PART;
    if (h->arena_want > most)
        h->arena_want = most;
    if (h->arena_want < least)
        h->arena_want = least;
    size_t give = h->arena_want / (h->arena_given < most ? GIVE_PART : GIVE_PART_FREER);
    if (give < size)
        give = size < h->arena_want ? size : h->arena_want; /* there is room for the block afterwards */
    arena_shrink(h, h->arena_want - give);
    h->arena_given += before - h->arena_bytes;
    if (h->arena_given > most)
        h->arena_given = most;
}

void arena_free(struct heap *h, struct slab *s, struct block *p, const char *function)
{
    unsigned c = pool_class_of(s, p, function);
    if (unlikely(h->bin[c] == p))
        fail_misuse(function, p, "double free", size_class_size(c));
    if (heap_is_real(h)) {
        size_t most = arena_most(h);
        if (h->arena_bytes + size_class_footprint(c) > (h->arena_want < most ? h->arena_want : most))
            arena_overflow(h, most, size_class_footprint(c));
        h->arena_limit = h->arena_want < most ? h->arena_want : most;
    }
    if (heap_push_pool(h, pool_units_at(s, p), p))
        return;
    p->next = NULL;
    pool_give(p, function);
}
