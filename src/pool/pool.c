/* SPDX-License-Identifier: MIT */
#include "pool/pool.h"

#include "base/lock.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"

#define MASK_WORDS (POOL_CHUNK_GRANULES / 64)

struct pool_chunk {
    struct slab slabs[POOL_CHUNK_GRANULES];
    struct region region;
    uint64_t free_mask[MASK_WORDS];  /* atomic: cleared by the owner, set (release) by anyone */
    uint64_t dirty_mask[MASK_WORDS]; /* owner only: granules that were touched */
    struct list link;                /* owner: arena; pool_lock: cache, free structures */
    uint64_t emptied_ms;             /* pool_lock */
    char colour[CACHE_LINE];
};

struct lock pool_lock = LOCK_INIT(RANK_POOL);

/* All guarded by pool_lock. */
static struct list cache = {&cache, &cache};    /* empty chunks; front: the oldest */
static struct list unused = {&unused, &unused}; /* structures without memory */
static struct pool_totals totals;

static struct pool_chunk *pool_chunk_of(struct slab *s)
{
    return container_of(s - s->index, struct pool_chunk, slabs);
}

static unsigned pool_chunk_granules(const struct pool_chunk *chunk)
{
    return (unsigned)(chunk->region.size >> GRANULE_SHIFT);
}

static void mask_set_run(uint64_t *mask, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        mask[i / 64] |= (uint64_t)1 << i % 64;
}

static void mask_clear_run(uint64_t *mask, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        mask[i / 64] &= ~((uint64_t)1 << i % 64);
}

static bool mask_has_any(const uint64_t *mask, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++) {
        if ((mask[i / 64] >> i % 64 & 1) != 0)
            return true;
    }
    return false;
}

/* First position of `count` (at most 64) set bits in a row; -1 when there is none. */
static int mask_find_run(const uint64_t *mask, unsigned count)
{
    __extension__ unsigned __int128 m = (unsigned __int128)mask[1] << 64 | mask[0];
    unsigned have = 1;
    /* After the step, bit i says that bits i .. i+have-1 were set. */
    while (have < count) {
        unsigned step = have < count - have ? have : count - have;
        m &= m >> step;
        have += step;
    }
    uint64_t low = (uint64_t)m;
    uint64_t high = (uint64_t)(m >> 64);
    if (low != 0)
        return (int)bits_lowest64(low);
    return high != 0 ? 64 + (int)bits_lowest64(high) : -1;
}

static bool pool_chunk_is_empty(struct pool_chunk *chunk)
{
    unsigned n = 0;
    for (unsigned w = 0; w < MASK_WORDS; w++)
        n += bits_count64(load_acquire(&chunk->free_mask[w]));
    return n == pool_chunk_granules(chunk);
}

static void pool_chunk_recycle(struct region *region)
{
    struct pool_chunk *chunk = container_of(region, struct pool_chunk, region);
    lock_take(&pool_lock);
    list_push_front(&unused, &chunk->link);
    lock_release(&pool_lock);
}

static void pool_chunk_unmap_locked(struct pool_chunk *chunk)
{
    list_remove(&chunk->link);
    registry_set(chunk->region.base, chunk->region.size, NULL);
    if (!os_unmap((void *)chunk->region.base, chunk->region.size)) {
        os_purge((void *)chunk->region.base, chunk->region.size);
        list_push_back(&cache, &chunk->link);
        for (unsigned w = 0; w < MASK_WORDS; w++)
            chunk->dirty_mask[w] = 0;
        chunk->emptied_ms = UINT64_MAX / 2; /* never again */
        return;
    }
    totals.mapped -= chunk->region.size;
    totals.cached -= chunk->region.size;
    registry_retire(&chunk->region, pool_chunk_recycle);
}

static size_t pool_cap(void)
{
    return hakmem_options.superslab_reuse ? hakmem_options.superslab_cache / 2 : 0;
}

static size_t pool_trim_locked(size_t keep)
{
    size_t bytes = 0;
    while (totals.cached > keep && !list_is_empty(&cache)) {
        struct pool_chunk *chunk = container_of(list_front(&cache), struct pool_chunk, link);
        size_t size = chunk->region.size;
        size_t before = totals.cached;
        pool_chunk_unmap_locked(chunk);
        if (totals.cached == before)
            break; /* the system refused */
        bytes += size;
    }
    return bytes;
}

/* The owner gives up a chunk without runs. */
static void pool_chunk_release(struct pool_arena *arena, struct pool_chunk *chunk)
{
    list_remove(&chunk->link);
    arena->chunk_count--;
    arena->bytes -= chunk->region.size;
    lock_take(&pool_lock);
    chunk->emptied_ms = os_now_ms();
    list_push_back(&cache, &chunk->link);
    totals.cached += chunk->region.size;
    pool_trim_locked(pool_cap());
    lock_release(&pool_lock);
}

/* The youngest cached chunk of at least `size` bytes. */
static struct pool_chunk *pool_cache_take(size_t size)
{
    lock_take(&pool_lock);
    struct pool_chunk *found = NULL;
    for (struct list *at = cache.prev; at != &cache; at = at->prev) {
        struct pool_chunk *chunk = container_of(at, struct pool_chunk, link);
        if (chunk->region.size >= size) {
            found = chunk;
            list_remove(&chunk->link);
            totals.cached -= chunk->region.size;
            break;
        }
    }
    lock_release(&pool_lock);
    return found;
}

static struct pool_chunk *pool_structure(void)
{
    lock_take(&pool_lock);
    struct list *free_one = list_front(&unused);
    if (free_one != NULL)
        list_remove(free_one);
    lock_release(&pool_lock);
    if (free_one != NULL)
        return container_of(free_one, struct pool_chunk, link);
    struct pool_chunk *chunk = meta_alloc(sizeof *chunk);
    if (chunk != NULL)
        list_init(&chunk->link);
    return chunk;
}

static struct pool_chunk *pool_chunk_map(size_t size)
{
    struct pool_chunk *chunk = pool_structure();
    if (chunk == NULL)
        return NULL;
    char *base = os_map(size, GRANULE);
    if (base != NULL && !registry_reserve((uintptr_t)base, size)) {
        os_unmap(base, size);
        base = NULL;
    }
    lock_take(&pool_lock);
    if (base == NULL)
        list_push_front(&unused, &chunk->link);
    else
        totals.mapped += size;
    lock_release(&pool_lock);
    if (base == NULL)
        return NULL;
    chunk->region.slabs = chunk->slabs;
    chunk->region.base = (uintptr_t)base;
    chunk->region.size = size;
    chunk->region.kind = REGION_POOL;
    for (unsigned w = 0; w < MASK_WORDS; w++)
        chunk->free_mask[w] = chunk->dirty_mask[w] = 0;
    mask_set_run(chunk->free_mask, 0, pool_chunk_granules(chunk));
    for (unsigned i = 0; i < POOL_CHUNK_GRANULES; i++) {
        struct slab *s = &chunk->slabs[i];
        s->base = (uintptr_t)base + i * GRANULE;
        s->index = (uint8_t)i;
        store_relaxed(&s->owner, NULL);
        store_relaxed(&s->tag, i < pool_chunk_granules(chunk) ? TAG_FREE : TAG_NONE);
        if (i < pool_chunk_granules(chunk))
            registry_set(s->base, GRANULE, s);
    }
    registry_add(&chunk->region);
    return chunk;
}

/*
 * pool_arena_init bytes at first, doubling up to pool_arena_max in
 * pool_arena_growth levels, then always the largest.
 */
static size_t pool_next_size(const struct pool_arena *arena)
{
    size_t size = hakmem_options.pool_arena_init;
    size_t most = hakmem_options.pool_arena_max;
    unsigned levels = hakmem_options.pool_arena_growth;
    if (most > POOL_CHUNK_GRANULES * GRANULE)
        most = POOL_CHUNK_GRANULES * GRANULE;
    for (unsigned level = 1; level < levels && level <= arena->chunk_count; level++)
        size *= 2;
    return bits_round_up(size < most ? size : most, GRANULE);
}

static bool pool_arena_grow(struct pool_arena *arena, size_t least)
{
    size_t size = pool_next_size(arena);
    struct pool_chunk *chunk = pool_cache_take(least);
    if (chunk == NULL)
        chunk = pool_chunk_map(size < least ? least : size);
    if (chunk == NULL && size > least)
        chunk = pool_chunk_map(least);
    if (chunk == NULL)
        return false;
    list_push_front(&arena->chunks, &chunk->link);
    arena->chunk_count++;
    arena->bytes += chunk->region.size;
    return true;
}

void pool_arena_init(struct pool_arena *arena)
{
    list_init(&arena->chunks);
    arena->chunk_count = 0;
    arena->bytes = 0;
}

static int pool_chunk_find(struct pool_chunk *chunk, unsigned granules)
{
    uint64_t mask[MASK_WORDS], touched[MASK_WORDS];
    for (unsigned w = 0; w < MASK_WORDS; w++) {
        mask[w] = load_acquire(&chunk->free_mask[w]); /* pairs with pool_mask_give */
        touched[w] = mask[w] & chunk->dirty_mask[w];
    }
    /* Pages that are there before pages that would fault. */
    int at = mask_find_run(touched, granules);
    return at >= 0 ? at : mask_find_run(mask, granules);
}

static struct slab *pool_chunk_take(struct pool_chunk *chunk, unsigned first, unsigned granules)
{
    uint64_t taken[MASK_WORDS] = {0};
    mask_set_run(taken, first, granules);
    for (unsigned w = 0; w < MASK_WORDS; w++) {
        uint64_t mask = load_relaxed(&chunk->free_mask[w]);
        while (taken[w] != 0 && !cas_weak_acquire(&chunk->free_mask[w], &mask, mask & ~taken[w]))
            continue;
    }
    struct slab *s = &chunk->slabs[first];
    s->clean = !mask_has_any(chunk->dirty_mask, first, granules);
    mask_set_run(chunk->dirty_mask, first, granules);
    registry_set(s->base, granules * GRANULE, s);
    list_init(&s->link);
    return s;
}

struct slab *pool_run_take(struct pool_arena *arena, unsigned size_class)
{
    unsigned granules = size_class_table[size_class].granules;
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        struct list *next;
        unsigned seen = 0;
        for (struct list *at = arena->chunks.next; at != &arena->chunks; at = next) {
            struct pool_chunk *chunk = container_of(at, struct pool_chunk, link);
            next = at->next;
            int first = pool_chunk_find(chunk, granules);
            if (first >= 0) {
                /* What was passed over has little room: look there last. */
                if (seen > 0) {
                    list_remove(&chunk->link);
                    list_push_front(&arena->chunks, &chunk->link);
                }
                return pool_chunk_take(chunk, (unsigned)first, granules);
            }
            seen++;
        }
        if (!pool_arena_grow(arena, granules * GRANULE))
            break;
    }
    return NULL;
}

/* Mark the granules of a run free. Pairs with the acquire in pool_chunk_find. */
static void pool_mask_give(struct pool_chunk *chunk, struct slab *s)
{
    unsigned granules = size_class_table[s->size_class].granules;
    uint64_t given[MASK_WORDS] = {0};
    mask_set_run(given, s->index, granules);
    store_relaxed(&s->owner, NULL);
    store_relaxed(&s->tag, TAG_FREE);
    for (unsigned i = 0; i < granules; i++)
        registry_set(s->base + i * GRANULE, GRANULE, s + i);
    for (unsigned w = 0; w < MASK_WORDS; w++) {
        if (given[w] != 0)
            fetch_or_release(&chunk->free_mask[w], given[w]);
    }
}

void pool_run_give(struct pool_arena *arena, struct slab *s, bool closing)
{
    struct pool_chunk *chunk = pool_chunk_of(s);
    pool_mask_give(chunk, s);
    if (pool_chunk_is_empty(chunk) && (closing || arena->chunk_count > 1)) {
        pool_chunk_release(arena, chunk);
    } else if (arena->chunks.next != &chunk->link) {
        list_remove(&chunk->link);
        list_push_front(&arena->chunks, &chunk->link);
    }
}

void pool_run_give_foreign(struct slab *s)
{
    os_purge((void *)s->base, size_class_table[s->size_class].granules * GRANULE);
    pool_mask_give(pool_chunk_of(s), s);
}

static size_t pool_chunk_purge(struct pool_chunk *chunk)
{
    size_t granules = 0;
    for (unsigned i = 0; i < pool_chunk_granules(chunk); i++) {
        unsigned run = 0;
        while (i + run < pool_chunk_granules(chunk) &&
               (load_acquire(&chunk->free_mask[(i + run) / 64]) & chunk->dirty_mask[(i + run) / 64]) >>
                       (i + run) % 64 & 1)
            run++;
        if (run == 0 || !os_purge((void *)(chunk->region.base + i * GRANULE), run * GRANULE))
            continue;
        mask_clear_run(chunk->dirty_mask, i, run);
        granules += run;
        i += run;
    }
    return granules * GRANULE;
}

size_t pool_arena_trim(struct pool_arena *arena, bool purge)
{
    size_t bytes = 0;
    struct list *next;
    for (struct list *at = arena->chunks.next; at != &arena->chunks; at = next) {
        struct pool_chunk *chunk = container_of(at, struct pool_chunk, link);
        next = at->next;
        if (pool_chunk_is_empty(chunk))
            pool_chunk_release(arena, chunk);
        else if (purge)
            bytes += pool_chunk_purge(chunk);
    }
    return bytes;
}

size_t pool_prewarm(struct pool_arena *arena, size_t bytes)
{
    size_t before = arena->bytes;
    while (arena->bytes - before < bytes && pool_arena_grow(arena, GRANULE * 4))
        continue;
    return arena->bytes - before;
}

size_t pool_trim(size_t keep)
{
    lock_take(&pool_lock);
    size_t bytes = pool_trim_locked(keep);
    lock_release(&pool_lock);
    registry_synchronize();
    return bytes;
}

void pool_age(uint64_t now_ms)
{
    uint64_t delay = hakmem_options.purge_delay;
    lock_take(&pool_lock);
    while (!list_is_empty(&cache)) {
        struct pool_chunk *chunk = container_of(list_front(&cache), struct pool_chunk, link);
        size_t before = totals.cached;
        if (chunk->emptied_ms + delay > now_ms)
            break;
        pool_chunk_unmap_locked(chunk);
        if (totals.cached == before)
            break;
    }
    lock_release(&pool_lock);
    registry_synchronize();
}

void pool_get_totals(struct pool_totals *out)
{
    lock_take(&pool_lock);
    *out = totals;
    lock_release(&pool_lock);
}
