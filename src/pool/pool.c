/* SPDX-License-Identifier: MIT */
#include "pool/pool.h"

#include "base/lock.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"
#include "pool/filling.h"

#define CHUNKS_MAX 65536 /* together 512 GiB */

#define RUN_FREE POOL_RUN_FREE
#define RUN_CLEAN POOL_RUN_CLEAN
#define RUN_UNITS POOL_RUN_UNITS

/* A run by name: chunk id << RUN_UNIT_BITS | first unit. As a link it is two entries of the map. */
#define RUN_UNIT_BITS 13
#define RUN_UNIT (((uint32_t)1 << RUN_UNIT_BITS) - 1)
#define LINK_BITS 15
#define LINK (((uint32_t)1 << LINK_BITS) - 1)

/* The least run that a block fits into; shorter ones wait for a neighbour, in no bin. */
#define UNITS_MIN 9u
#define UNITS_EXACT 65u
#define BINS 64u
/* A clean run up to this size becomes dirty when it is joined with a dirty one. */
#define UNITS_JOINED_DIRTY 64u
/* In the transfer cache: at most one part in so many of what is mapped, or so many bytes where that is more. */
#define TRANSFER_PART 2
#define TRANSFER_LEAST (4 * MIB)
/* So many blocks of it become free runs before a run is looked for again. */
#define JOIN_LEAST 256
/* Less than this in use: growth is not worth populating ahead. */
#define POPULATE_FROM (2 * MIB)
/* Chains that wait are taken together, so many at most, and until they are of so many bytes. */
#define TAKE_CHAINS 8
#define TAKE_BYTES (2 * SIZE_POOL_MAX)

_Static_assert(POOL_UNITS_MAX <= POOL_BLOCK_UNITS, "a block's units fit into an entry of the map");
_Static_assert(POOL_CHUNK_UNITS <= RUN_UNITS, "a run's length fits into an entry of the map");
_Static_assert(POOL_CHUNK_UNITS <= RUN_UNIT + 1, "a unit fits into the name of a run");
_Static_assert(CHUNKS_MAX <= 1 << (2 * LINK_BITS - RUN_UNIT_BITS), "the name of a run fits into a link");

struct lock pool_lock = LOCK_INIT(RANK_POOL);

/* All guarded by pool_lock. */
static struct pool_chunk *chunks[CHUNKS_MAX];
static uint32_t chunk_ids = 1;
static uint32_t bin[2][BINS];     /* [clean][]: first run; 0: none */
static uint64_t bin_mask[2];
static struct list idle = {&idle, &idle}; /* chunks with dirty runs or without a block; front: longest */
static struct list unused = {&unused, &unused};
static unsigned chunk_count;
static unsigned colour; /* of the block that was carved last */
static unsigned join_class = SLAB_CLASSES; /* of the chains that become free runs next: each has its turn */
static struct pool_totals totals;

static struct pool_chunk *pool_chunk_of(struct slab *s)
{
    return container_of(s, struct pool_chunk, head);
}

/* ---- free runs ---- */

static unsigned bin_of(unsigned units)
{
    if (units <= UNITS_EXACT)
        return units - UNITS_MIN;
    unsigned b = UNITS_EXACT - UNITS_MIN + 1 + bits_highest(units) - bits_highest(UNITS_EXACT);
    return b < BINS ? b : BINS - 1; /* that of a whole chunk */
}

static uint32_t run_name(const struct pool_chunk *chunk, unsigned first)
{
    return chunk->id << RUN_UNIT_BITS | first;
}
static struct pool_chunk *run_chunk(uint32_t run) { return chunks[run >> RUN_UNIT_BITS]; }
static uint16_t *run_at(uint32_t run) { return &run_chunk(run)->map[run & RUN_UNIT]; }
static uint16_t *run_next(uint32_t run) { return run_at(run) + 1; }
static uint16_t *run_previous(uint32_t run) { return run_at(run) + 3; }

/* Both entries are marked free: the start of a block that is freed twice may lie on them. */
static uint32_t link_get(const uint16_t *at) { return (at[0] & LINK) | (at[1] & LINK) << LINK_BITS; }
static void link_set(uint16_t *at, uint32_t run)
{
    at[0] = (uint16_t)(RUN_FREE | (run & LINK));
    at[1] = (uint16_t)(RUN_FREE | run >> LINK_BITS);
}

static void run_insert(struct pool_chunk *chunk, unsigned first, unsigned units, bool clean)
{
    uint16_t entry = (uint16_t)(RUN_FREE | (clean ? RUN_CLEAN : 0) | units);
    chunk->map[first] = chunk->map[first + units - 1] = entry;
    if (!clean) {
        chunk->dirty += units;
        totals.dirty += units * POOL_UNIT;
    }
    if (units < UNITS_MIN)
        return;
    unsigned b = bin_of(units);
    uint32_t run = run_name(chunk, first);
    uint32_t next = bin[clean][b];
    link_set(run_next(run), next);
    link_set(run_previous(run), 0);
    if (next != 0)
        link_set(run_previous(next), run);
    bin[clean][b] = run;
    bin_mask[clean] |= (uint64_t)1 << b;
}

/* Take the free run at `first` out; its entries are 0 afterwards. Returns its units. */
static unsigned run_remove(struct pool_chunk *chunk, unsigned first)
{
    unsigned units = chunk->map[first] & RUN_UNITS;
    bool clean = (chunk->map[first] & RUN_CLEAN) != 0;
    if (!clean) {
        chunk->dirty -= units;
        totals.dirty -= units * POOL_UNIT;
    }
    if (units >= UNITS_MIN) {
        unsigned b = bin_of(units);
        uint32_t run = run_name(chunk, first);
        uint32_t next = link_get(run_next(run)), previous = link_get(run_previous(run));
        if (next != 0)
            link_set(run_previous(next), previous);
        if (previous != 0)
            link_set(run_next(previous), next);
        else
            bin[clean][b] = next;
        if (bin[clean][b] == 0)
            bin_mask[clean] &= ~((uint64_t)1 << b);
        for (unsigned i = 1; i <= 4; i++)
            chunk->map[first + i] = 0;
    }
    chunk->map[first] = chunk->map[first + units - 1] = 0;
    return units;
}

/* Units of the block or free run that begins with that entry. */
static unsigned units_of(uint16_t entry)
{
    return entry & ((entry & RUN_FREE) != 0 ? RUN_UNITS : POOL_BLOCK_UNITS);
}

/* May a run of that entry become part of a dirty one? */
static bool run_joins(uint16_t entry)
{
    return (entry & RUN_FREE) != 0 &&
           ((entry & RUN_CLEAN) == 0 || (entry & RUN_UNITS) <= UNITS_JOINED_DIRTY);
}

/* Make units free that were a block, joined with the free runs beside them. */
static void run_release(struct pool_chunk *chunk, unsigned first, unsigned units)
{
    chunk->map[first] = 0;
    if (first > 0 && run_joins(chunk->map[first - 1])) {
        unsigned before = chunk->map[first - 1] & RUN_UNITS;
        first -= before;
        units += run_remove(chunk, first);
    }
    if (first + units < chunk->units && run_joins(chunk->map[first + units]))
        units += run_remove(chunk, first + units);
    run_insert(chunk, first, units, false);
}

/* ---- chunks ---- */

/* A chunk is in the idle list while it has memory to give back. */
static void pool_list_idle_locked(struct pool_chunk *chunk)
{
    bool listed = !list_is_empty(&chunk->link);
    bool has = chunk->dirty > 0 || chunk->used == 0;
    if (has && !listed)
        list_push_back(&idle, &chunk->link);
    else if (!has && listed)
        list_remove(&chunk->link);
}

static void pool_chunk_recycle(struct region *region)
{
    struct pool_chunk *chunk = container_of(region, struct pool_chunk, region);
    lock_take(&pool_lock);
    list_push_front(&unused, &chunk->link);
    lock_release(&pool_lock);
}

static struct pool_chunk *pool_structure_locked(void)
{
    struct list *free_one = list_front(&unused);
    if (free_one != NULL) {
        list_remove(free_one);
        return container_of(free_one, struct pool_chunk, link);
    }
    if (chunk_ids == CHUNKS_MAX)
        return NULL;
    struct pool_chunk *chunk = meta_alloc(sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    list_init(&chunk->link);
    chunk->id = chunk_ids;
    chunks[chunk_ids++] = chunk;
    return chunk;
}

/*
 * pool_arena_init bytes at first, doubling up to pool_arena_max in
 * pool_arena_growth levels, then always the largest.
 */
static size_t pool_next_size(void)
{
    size_t size = hakmem_options.pool_arena_init;
    size_t most = hakmem_options.pool_arena_max;
    for (unsigned level = 1; level < hakmem_options.pool_arena_growth && level <= chunk_count; level++)
        size *= 2;
    return bits_round_up(size < most ? size : most, GRANULE);
}

static bool pool_map_locked(size_t size)
{
    struct pool_chunk *chunk = pool_structure_locked();
    if (chunk == NULL)
        return false;
    bool huge_pages = totals.mapped >= HUGE_PAGES_FROM && size % HUGE_PAGE == 0 && filling_expected() &&
                      options_huge_pages(totals.mapped);
    char *base = os_map(size, huge_pages ? HUGE_PAGE : GRANULE);
    if (base != NULL && !registry_reserve_slabs((uintptr_t)base, size)) {
        os_unmap(base, size);
        base = NULL;
    }
    if (base == NULL) {
        list_push_front(&unused, &chunk->link);
        return false;
    }
    chunk->head.base = (uintptr_t)base;
    store_relaxed(&chunk->head.tag, TAG_POOL);
    chunk->region.slabs = NULL;
    chunk->region.base = (uintptr_t)base;
    chunk->region.size = size;
    chunk->region.kind = REGION_POOL;
    chunk->units = (uint32_t)(size / POOL_UNIT);
    chunk->used = chunk->dirty = chunk->touched = 0;
    chunk->freed_ms = os_now_ms();
    chunk->huge_pages = huge_pages && os_huge_pages(base, size);
    pool_list_idle_locked(chunk);
    registry_set_pool((uintptr_t)base, size, &chunk->head, chunk->map);
    registry_add(&chunk->region);
    run_insert(chunk, 0, chunk->units, true);
    chunk_count++;
    totals.mapped += size;
    return true;
}

static bool pool_grow_locked(void)
{
    size_t size = pool_next_size();
    return pool_map_locked(size) ||
           (size > hakmem_options.pool_arena_init && pool_map_locked(hakmem_options.pool_arena_init));
}

/* The whole pages of a run. False when the system refuses. */
static bool run_purge(const struct pool_chunk *chunk, unsigned first, unsigned units)
{
    uintptr_t start = bits_round_up(chunk->head.base + first * POOL_UNIT, os_page_size());
    uintptr_t end = bits_round_down(chunk->head.base + (first + units) * POOL_UNIT, os_page_size());
    return start >= end || os_purge((void *)start, end - start);
}

/* Single pages are to go back, and what came with huge ones, too: the kernel would make them whole again. */
static void pool_end_huge_pages_locked(struct pool_chunk *chunk)
{
    chunk->huge_pages = !os_no_huge_pages((void *)chunk->head.base, chunk->region.size);
    for (unsigned at = 0; at < chunk->units; at += units_of(chunk->map[at])) {
        if ((chunk->map[at] & RUN_CLEAN) != 0)
            run_purge(chunk, at, units_of(chunk->map[at]));
    }
}

/* Give back the pages of the dirty free runs of a chunk, until the system refuses. */
static void pool_purge_locked(struct pool_chunk *chunk)
{
    if (chunk->huge_pages && chunk->dirty > 0)
        pool_end_huge_pages_locked(chunk);
    for (unsigned at = 0; at < chunk->units && chunk->dirty > 0;) {
        uint16_t entry = chunk->map[at];
        unsigned units = units_of(entry);
        if ((entry & (RUN_FREE | RUN_CLEAN)) == RUN_FREE) {
            if (!run_purge(chunk, at, units))
                break;
            run_remove(chunk, at);
            if (at + units < chunk->units && (chunk->map[at + units] & RUN_CLEAN) != 0)
                units += run_remove(chunk, at + units);
            if (at > 0 && (chunk->map[at - 1] & RUN_CLEAN) != 0) {
                unsigned joined = chunk->map[at - 1] & RUN_UNITS;
                at -= joined;
                units += run_remove(chunk, at);
            }
            run_insert(chunk, at, units, true);
        }
        at += units;
    }
}

/* Unmap a chunk without a block. False when the system refuses. */
static bool pool_unmap_locked(struct pool_chunk *chunk)
{
    size_t size = chunk->region.size;
    registry_set_pool(chunk->region.base, size, NULL, chunk->map);
    if (!os_unmap((void *)chunk->region.base, size)) {
        registry_set_pool(chunk->region.base, size, &chunk->head, chunk->map); /* too many mappings: it is kept */
        return false;
    }
    for (unsigned at = 0; at < chunk->units;)
        at += run_remove(chunk, at);
    list_remove(&chunk->link);
    store_relaxed(&chunk->head.tag, TAG_NONE);
    chunk_count--;
    totals.mapped -= size;
    registry_retire(&chunk->region, pool_chunk_recycle);
    return true;
}

/* ---- blocks that come back ---- */

static _Noreturn COLD void pool_misuse(const struct slab *s, const void *p, const char *function)
{
    uint16_t entry = pool_entry_at(s, p);
    bool is_free = (entry & RUN_FREE) != 0 || entry == 0;
    if ((uintptr_t)p % CACHE_LINE != 0 || !is_free)
        fail_misuse(function, p, "interior pointer, not the start of a block", 0);
    fail_misuse(function, p, "double free, or an interior pointer: no block starts here", 0);
}

/* Linked blocks become free runs, joined with their neighbours. */
static void pool_return_locked(struct block *list, const char *function)
{
    uint64_t now = os_now_ms();
    while (list != NULL) {
        struct block *b = list;
        list = b->next;
        struct slab *s = registry_find(b);
        struct pool_chunk *chunk = pool_chunk_of(s);
        unsigned units = load_relaxed(&s->tag) == TAG_POOL ? pool_units_at(s, b) : POOL_NO_BLOCK;
        if (unlikely(units > POOL_BLOCK_UNITS)) {
            lock_release(&pool_lock);
            if (load_relaxed(&s->tag) == TAG_POOL)
                pool_misuse(s, b, function);
            fail_misuse(function, b, "corrupt list of free blocks: a freed block was written to", 0);
        }
        run_release(chunk, (unsigned)(((uintptr_t)b - chunk->head.base) >> POOL_UNIT_SHIFT), units);
        chunk->used -= units;
        totals.used -= units * POOL_UNIT;
        chunk->freed_ms = now;
        list_remove(&chunk->link); /* to the young end */
        pool_list_idle_locked(chunk);
    }
}

/* Chains of the transfer cache become free runs, of at least `blocks` blocks, or all. False when none waits. */
static bool pool_join_locked(size_t blocks)
{
    size_t joined = 0;
    unsigned empty = transfer.bytes > 0 ? 0 : TRANSFER_CLASSES; /* classes in a row */
    while (empty < TRANSFER_CLASSES && joined < blocks) {
        size_t count;
        struct block *list = transfer_take(join_class, &count);
        if (list == NULL) {
            join_class = join_class + 1 < CLASS_COUNT ? join_class + 1 : SLAB_CLASSES;
            empty++;
            continue;
        }
        empty = 0;
        pool_return_locked(list, "free");
        joined += count;
    }
    return joined > 0;
}

/* Give back the idle memory of the chunks that were left alone since `until` at least. */
static size_t pool_release_locked(size_t keep, uint64_t until_ms)
{
    (void)pool_join_locked(SIZE_MAX); /* what waits can go back, too */
    size_t before = totals.dirty;
    struct list *next;
    for (struct list *at = idle.next; at != &idle && totals.dirty >= keep; at = next) {
        struct pool_chunk *chunk = container_of(at, struct pool_chunk, link);
        next = at->next;
        if (chunk->freed_ms > until_ms)
            break;
        if (chunk->used == 0 && pool_unmap_locked(chunk))
            continue;
        pool_purge_locked(chunk);
        pool_list_idle_locked(chunk);
    }
    return before - totals.dirty;
}

/* ---- blocks ---- */

/* What is to be faulted in ahead, after the lock was released. */
struct populate {
    char *start, *end;
};

/*
 * Fault in the huge pages that begin among the units [from, to), which were never
 * handed out: later, the kernel would clear one for each thread that faults.
 */
static void pool_touch_huge_locked(const struct pool_chunk *chunk, unsigned from, unsigned to)
{
    unsigned step = HUGE_PAGE / POOL_UNIT;
    for (unsigned at = (from + step - 1) / step * step; at < to; at += step)
        *(volatile char *)(chunk->head.base + at * POOL_UNIT) = 0;
}

/* The units at `first`, clean until now, are handed out. */
static void pool_touch_locked(struct pool_chunk *chunk, unsigned first, unsigned units, struct populate *ahead)
{
    unsigned end = first + units;
    if (end <= chunk->touched)
        return;
    if (chunk->huge_pages)
        pool_touch_huge_locked(chunk, chunk->touched, end);
    unsigned start = first > chunk->touched ? first : chunk->touched;
    /* A huge page, or an eighth of a chunk at once: many blocks a call, and little that may stay unused. */
    unsigned step = chunk->huge_pages ? HUGE_PAGE / POOL_UNIT : chunk->units / 8;
    if (end / step != chunk->touched / step)
        filling_ask();
    chunk->touched = end;
    if (!option_now(populate) || totals.used < POPULATE_FROM || !filling_expected())
        return;
    end = (end + step - 1) / step * step;
    chunk->touched = end < chunk->units ? end : chunk->units;
    ahead->start = (char *)chunk->head.base + start * POOL_UNIT;
    ahead->end = (char *)chunk->head.base + chunk->touched * POOL_UNIT;
}

static void pool_populate(const struct populate *ahead)
{
    size_t page = os_page_size();
    uintptr_t start = bits_round_up((uintptr_t)ahead->start, page);
    uintptr_t end = bits_round_down((uintptr_t)ahead->end, page);
    if (start < end)
        os_populate((void *)start, end - start);
}

/*
 * Units `first`.. of the run at `at`, which is in its bin, become a block that
 * begins `place` bytes behind the first; the rest stays free.
 */
static void *pool_carve_locked(struct pool_chunk *chunk, unsigned at, unsigned first, unsigned units, size_t place,
                               struct populate *ahead)
{
    bool clean = (chunk->map[at] & RUN_CLEAN) != 0;
    unsigned end = at + run_remove(chunk, at);
    if (first > at)
        run_insert(chunk, at, first - at, clean);
    if (end > first + units)
        run_insert(chunk, first + units, end - first - units, clean);
    chunk->map[first] = (uint16_t)pool_entry(units, place);
    chunk->used += units;
    pool_list_idle_locked(chunk);
    totals.used += units * POOL_UNIT;
    if (clean)
        pool_touch_locked(chunk, first, units, ahead);
    return (char *)chunk->head.base + first * POOL_UNIT + place;
}

static uint32_t pool_find_in(unsigned clean, unsigned units)
{
    unsigned b = bin_of(units) + (units > UNITS_EXACT); /* the members of an inexact bin differ */
    uint64_t mask = bin_mask[clean] >> b << b;
    return mask != 0 ? bin[clean][bits_lowest64(mask)] : 0;
}

/* A free run of at least `units`, resident ones first, joined ones too; 0 when there is none. */
static uint32_t pool_find_locked(unsigned units)
{
    uint32_t run = pool_find_in(false, units);
    while (run == 0 && pool_join_locked(JOIN_LEAST))
        run = pool_find_in(false, units);
    return run != 0 ? run : pool_find_in(true, units);
}

/* Where in its first unit a block begins: each further than the one before, as far as its class has room. */
static size_t pool_place_locked(unsigned size_class)
{
    size_t room = size_class_footprint(size_class) - size_class_size(size_class);
    colour = (colour + 1) % POOL_COLOURS;
    return room == POOL_COLOUR_ROOM ? colour * CACHE_LINE : 0;
}

static void *pool_block_locked(unsigned size_class, size_t align, struct populate *ahead)
{
    unsigned units = pool_units(size_class);
    unsigned slack = align > POOL_UNIT ? (unsigned)(align / POOL_UNIT) - 1 : 0;
    uint32_t run = pool_find_locked(units + slack);
    if (run == 0 && pool_grow_locked())
        run = pool_find_locked(units + slack);
    if (run == 0)
        return NULL;
    unsigned at = run & RUN_UNIT;
    /* A chunk is aligned to a granule, the greatest alignment. */
    size_t place = align > CACHE_LINE ? 0 : pool_place_locked(size_class);
    return pool_carve_locked(run_chunk(run), at, (at + slack) & ~slack, units, place, ahead);
}

/* A chain of size_class or of a class that serves it. False when none waits. */
static bool pool_take_chain_locked(unsigned size_class, struct pool_chain *chain)
{
    for (unsigned c = size_class; pool_serves(c, size_class); c++) {
        chain->first = transfer_take(c, &chain->count);
        chain->size_class = c;
        if (chain->first != NULL)
            return true;
    }
    return false;
}

/* One chain, and more of the same class while they are short. Returns how many. */
static unsigned pool_take_chains_locked(unsigned size_class, struct pool_chain chain[TAKE_CHAINS])
{
    if (!pool_take_chain_locked(size_class, &chain[0]))
        return 0;
    size_class = chain[0].size_class;
    size_t blocks = TAKE_BYTES / size_class_footprint(size_class), count = chain[0].count;
    unsigned chains = 1;
    for (; chains < TAKE_CHAINS && count < blocks; chains++) {
        struct pool_chain *more = &chain[chains];
        more->first = transfer_take(size_class, &more->count);
        if (more->first == NULL)
            break;
        more->size_class = size_class;
        count += more->count;
    }
    return chains;
}

/* The chains, of which there is one at least, as one list of *count blocks. The last one is not looked into. */
static struct block *pool_link_chains(const struct pool_chain *chain, unsigned chains, size_t *count)
{
    struct block *list = chain[--chains].first;
    *count = chain[chains].count;
    while (chains-- > 0) {
        struct block *last = chain[chains].first;
        for (size_t i = 1; i < chain[chains].count; i++)
            last = last->next;
        last->next = list;
        list = chain[chains].first;
        *count += chain[chains].count;
    }
    return list;
}

size_t pool_take(unsigned *size_class, size_t want, struct block **list)
{
    struct populate ahead = {NULL, NULL};
    struct pool_chain chain[TAKE_CHAINS];
    size_t count = 0;
    *list = NULL;
    lock_take(&pool_lock);
    unsigned chains = pool_take_chains_locked(*size_class, chain);
    while (chains == 0 && count < want && ahead.start == NULL) {
        struct block *b = pool_block_locked(*size_class, CACHE_LINE, &ahead);
        if (b == NULL)
            break;
        b->next = *list;
        *list = b;
        count++;
    }
    lock_release(&pool_lock);
    pool_populate(&ahead);
    if (chains > 0) {
        *size_class = chain[0].size_class;
        *list = pool_link_chains(chain, chains, &count);
    }
    return count;
}

void *pool_take_aligned(unsigned size_class, size_t align)
{
    struct populate ahead = {NULL, NULL};
    lock_take(&pool_lock);
    void *p = pool_block_locked(size_class, align, &ahead);
    lock_release(&pool_lock);
    pool_populate(&ahead);
    return p;
}

unsigned pool_class_of(const struct slab *s, const void *p, const char *function)
{
    unsigned units = pool_units_at(s, p);
    if (unlikely(units > POOL_BLOCK_UNITS))
        pool_misuse(s, p, function);
    return pool_class_of_units[units];
}

/* Of what is free no more than half as much again stays resident as options_keep says. */
static void pool_keep_locked(void)
{
    size_t cap = options_keep(totals.mapped);
    if (totals.dirty + transfer.bytes > cap + cap / 2)
        pool_release_locked(cap, UINT64_MAX);
}

void pool_give(struct block *list, const char *function)
{
    lock_take(&pool_lock);
    pool_return_locked(list, function);
    pool_keep_locked();
    lock_release(&pool_lock);
}

/* A chain has come back: look at its first block, if looks are asked for, and if it is one. */
static void pool_look_locked(const struct pool_chain *chain)
{
    if (filling.asked == 0)
        return;
    struct slab *s = registry_find(chain->first);
    if (load_relaxed(&s->tag) != TAG_POOL || pool_units_at(s, chain->first) != pool_units(chain->size_class))
        return;
    void *empty = filling_look(chain->first, size_class_size(chain->size_class));
    if (empty != NULL && !pool_chunk_of(s)->huge_pages && os_page_size() == FILLING_PIECE)
        os_purge(empty, FILLING_PIECE); /* the look may have made it present */
}

static void pool_give_chain_locked(const struct pool_chain *chain)
{
    pool_look_locked(chain);
    size_t most = totals.mapped / TRANSFER_PART;
    size_t bytes = transfer.bytes + chain->count * size_class_footprint(chain->size_class);
    bool is_block = (uintptr_t)chain->first % CACHE_LINE == 0; /* else a freed block was written to */
    if (!is_block || bytes > (most > TRANSFER_LEAST ? most : TRANSFER_LEAST) ||
        !transfer_put(chain->size_class, chain->first, chain->count))
        pool_return_locked(chain->first, "free");
}

void pool_give_chains(const struct pool_chain *chain, unsigned chains)
{
    lock_take(&pool_lock);
    for (unsigned i = 0; i < chains; i++)
        pool_give_chain_locked(&chain[i]);
    pool_keep_locked();
    lock_release(&pool_lock);
}

size_t pool_prewarm(size_t bytes)
{
    lock_take(&pool_lock);
    size_t before = totals.mapped;
    while (totals.mapped - before < bytes && pool_grow_locked())
        continue;
    size_t mapped = totals.mapped - before;
    lock_release(&pool_lock);
    return mapped;
}

size_t pool_trim(size_t keep)
{
    lock_take(&pool_lock);
    size_t bytes = pool_release_locked(keep, UINT64_MAX);
    lock_release(&pool_lock);
    registry_recycle();
    return bytes;
}

void pool_age(uint64_t now_ms)
{
    uint64_t delay = option_now(purge_delay);
    if (now_ms < delay)
        return;
    lock_take(&pool_lock);
    pool_release_locked(0, now_ms - delay);
    lock_release(&pool_lock);
    registry_recycle();
}

void pool_get_totals(struct pool_totals *out)
{
    lock_take(&pool_lock);
    *out = totals;
    out->used -= transfer.bytes;
    out->dirty += transfer.bytes;
    lock_release(&pool_lock);
}

/* ---- audit ---- */

struct pool_audit {
    struct pool_totals sum;
    size_t runs; /* that belong into a bin */
    size_t mismatches;
    int fd;
};

/* Blocks and runs follow each other without a gap, and nothing else is marked. */
static void pool_audit_chunk(const struct pool_chunk *chunk, struct pool_audit *audit)
{
    unsigned used = 0, dirty = 0;
    for (unsigned at = 0, units; at < chunk->units; at += units) {
        uint16_t entry = chunk->map[at];
        uintptr_t address = chunk->head.base + at * POOL_UNIT;
        bool is_free = (entry & RUN_FREE) != 0;
        units = units_of(entry);
        if (units == 0 || at + units > chunk->units) {
            audit->mismatches += fail_audit(audit->fd, "pool", address, "neither a block nor a free run starts here");
            return;
        }
        if (units > 1 && chunk->map[at + units - 1] != (is_free ? entry : 0))
            audit->mismatches += fail_audit(audit->fd, "pool", address, "the end is not marked as the start");
        unsigned links = is_free && units >= UNITS_MIN ? 4 : 0;
        for (unsigned i = at + 1 + links; i + 1 < at + units; i++) {
            if (chunk->map[i] != 0)
                audit->mismatches += fail_audit(audit->fd, "pool", address, "a mark inside of the block or run");
        }
        used += is_free ? 0 : units;
        dirty += is_free && (entry & RUN_CLEAN) == 0 ? units : 0;
        audit->runs += links == 4;
    }
    if (used != chunk->used || dirty != chunk->dirty)
        audit->mismatches += fail_audit(audit->fd, "pool", chunk->head.base, "the chunk's counts of units differ from the map");
    if ((dirty > 0 || used == 0) == list_is_empty(&chunk->link))
        audit->mismatches += fail_audit(audit->fd, "pool", chunk->head.base, "an idle chunk is not in the idle list, or a busy one is");
    audit->sum.mapped += chunk->region.size;
    audit->sum.used += used * POOL_UNIT;
    audit->sum.dirty += dirty * POOL_UNIT;
}

static size_t pool_audit_bin(struct pool_audit *audit, unsigned clean, unsigned b)
{
    size_t runs = 0;
    for (uint32_t run = bin[clean][b]; run != 0; run = link_get(run_next(run)), runs++) {
        uint16_t entry = *run_at(run);
        if ((entry & RUN_FREE) == 0 || ((entry & RUN_CLEAN) != 0) != clean || bin_of(entry & RUN_UNITS) != b) {
            audit->mismatches += fail_audit(audit->fd, "pool", run, "a run in the wrong bin");
            break;
        }
    }
    if ((runs != 0) != ((bin_mask[clean] >> b & 1) != 0))
        audit->mismatches += fail_audit(audit->fd, "pool", b, "the mask of bins differs from the bins, bin");
    return runs;
}

/* Chains of as many blocks as they say, each of its class. */
static void pool_audit_chain(struct pool_audit *audit, unsigned size_class, const struct block *first, size_t count)
{
    for (const struct block *b = first; b != NULL || count > 0; b = b->next, count--) {
        const struct slab *s = registry_find(b);
        if (b == NULL || count == 0 || load_relaxed(&s->tag) != TAG_POOL ||
            pool_units_at(s, b) != pool_units(size_class)) {
            audit->mismatches += fail_audit(audit->fd, "pool", (uintptr_t)b, "a chain of the transfer cache is damaged");
            return;
        }
    }
}

static void pool_audit_transfer(struct pool_audit *audit)
{
    size_t bytes = 0;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        for (unsigned depth = 0; depth < transfer.count[c - SLAB_CLASSES]; depth++) {
            size_t count;
            const struct block *first = transfer_look(c, depth, &count);
            bytes += count * size_class_footprint(c);
            pool_audit_chain(audit, c, first, count);
        }
    }
    if (bytes != transfer.bytes)
        audit->mismatches += fail_audit(audit->fd, "pool", 0, "the bytes of the transfer cache differ from its chains");
}

size_t pool_audit(int fd)
{
    struct pool_audit audit = {.fd = fd};
    size_t binned = 0;
    lock_take(&pool_lock);
    for (uint32_t id = 1; id < chunk_ids; id++) {
        if (load_relaxed(&chunks[id]->head.tag) == TAG_POOL)
            pool_audit_chunk(chunks[id], &audit);
    }
    for (unsigned i = 0; i < 2 * BINS; i++)
        binned += pool_audit_bin(&audit, i / BINS, i % BINS);
    pool_audit_transfer(&audit);
    if (binned != audit.runs)
        audit.mismatches += fail_audit(audit.fd, "pool", 0, "the bins hold another number of runs than the maps");
    if (audit.sum.mapped != totals.mapped || audit.sum.used != totals.used || audit.sum.dirty != totals.dirty)
        audit.mismatches += fail_audit(audit.fd, "pool", 0, "the totals differ from the sums");
    lock_release(&pool_lock);
    return audit.mismatches;
}
