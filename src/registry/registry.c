/* SPDX-License-Identifier: MIT */
#include "registry/registry.h"

#include <urcu-bp.h>

#include "base/lock.h"
#include "os/os.h"

/* Retired regions that are worth a grace period; each is some 2 KiB of metadata. */
#define RETIRED_BATCH 64
/* More than liburcu maps when it registers a reader. */
#define READER_ROOM (1 * MIB)

struct registry_root registry_root __attribute__((aligned(4096)));

struct slab registry_window[REGISTRY_WINDOW_GRANULES] __attribute__((aligned(REGISTRY_PAGE_MAX)));
/*
 * The window becomes writable in parts, of whole pages of any size: 64 KiB of
 * descriptors, for 32 MiB of addresses.
 */
#define WINDOW_PART (64 * KIB / sizeof(struct slab))
#define WINDOW_PARTS (REGISTRY_WINDOW_GRANULES / WINDOW_PART)
static bool window_writable[WINDOW_PARTS]; /* atomic; set once, under registry_lock, released after the part is */
/* The least misaligned address: free takes it for one in the window, where it finds zeros. */
uintptr_t registry_window_start = (uintptr_t)1 << (sizeof(uintptr_t) * 8 - 4);
uintptr_t registry_window_origin = (uintptr_t)registry_window;

struct lock registry_lock = LOCK_INIT(RANK_REGISTRY);
struct list registry_regions = {&registry_regions, &registry_regions};
struct registry_leaves registry_leaves;

static struct region *retired;            /* guarded by registry_lock */
static unsigned retired_count;            /* atomic relaxed; written under registry_lock */
static bool walks_ended;                  /* atomic */
/*
 * Walks that are on. The walker counts itself, then reads the list; who
 * recycles has taken the region out of the list, then reads the count: both
 * sequentially consistent, so that one of them sees the other.
 */
static int walks;                         /* atomic seq_cst */

static uint64_t *registry_leaf(uintptr_t address)
{
    uint64_t offset = load_relaxed(&registry_root.directory[address >> REGISTRY_LEAF_SHIFT]);
    return (uint64_t *)(void *)((char *)&registry_root + offset);
}

static void registry_add_leaf_locked(uintptr_t entry, uint64_t offset)
{
    store_release(&registry_root.directory[entry], offset);
    registry_leaves.entry[registry_leaves.count] = (uint16_t)entry;
    store_release(&registry_leaves.count, registry_leaves.count + 1);
}

/* Most mappings of a process come below the first one: leave one part in so many above it. */
#define WINDOW_ABOVE_PART 8

/* Place the window around `base`, where the first region is mapped. */
static void registry_place_window_locked(uintptr_t base)
{
    size_t above = REGISTRY_WINDOW_SIZE / WINDOW_ABOVE_PART, below = REGISTRY_WINDOW_SIZE - above;
    uintptr_t start = bits_round_down(base, above);
    start = start > below ? start - below : 0;
    if (!os_map_zeros(registry_window, sizeof registry_window))
        for (size_t part = 0; part < WINDOW_PARTS; part++)
            store_relaxed(&window_writable[part], true); /* as it was mapped with the library */
    /* A page of it serves 2 MiB of slabs: a huge page would be there for the one that is touched. */
    (void)os_no_huge_pages(registry_window, sizeof registry_window);
    store_relaxed(&registry_window_origin,
                  (uintptr_t)registry_window - (start >> GRANULE_SHIFT) * sizeof(struct slab));
    store_release(&registry_window_start, start >> 4);
}

struct slab *registry_window_range(uintptr_t base, size_t size)
{
    struct slab *first = registry_find_in_window((const void *)base);
    struct slab *last = registry_find_in_window((const void *)(base + size - GRANULE));
    return last != NULL ? first : NULL;
}

bool registry_reserve(uintptr_t base, size_t size)
{
    bool ok = true;
    uintptr_t last = (base + size - 1) >> REGISTRY_LEAF_SHIFT;
    if (last >= REGISTRY_DIRECTORY_ENTRIES)
        return false;
    for (uintptr_t i = base >> REGISTRY_LEAF_SHIFT; i <= last && ok; i++) {
        /* Who sees a leaf sees the window, which was placed before. */
        if (load_acquire(&registry_root.directory[i]) != 0)
            continue;
        lock_take(&registry_lock);
        if (registry_leaves.count == 0)
            registry_place_window_locked(base);
        if (load_relaxed(&registry_root.directory[i]) == 0) {
            char *leaf = os_map(REGISTRY_LEAF_ENTRIES * sizeof(uint64_t), os_page_size());
            if (leaf != NULL)
                registry_add_leaf_locked(i, (uint64_t)(leaf - (char *)&registry_root));
            ok = leaf != NULL;
        }
        lock_release(&registry_lock);
    }
    return ok;
}

/* Make the window writable where it has descriptors for the range. False when memory is short. */
static bool registry_open_window(uintptr_t base, size_t size)
{
    uintptr_t window = load_relaxed(&registry_window_start) << 4, end = base + size;
    if (base >= window + REGISTRY_WINDOW_SIZE || end <= window)
        return true;
    size_t first = base <= window ? 0 : ((base - window) >> GRANULE_SHIFT) / WINDOW_PART;
    size_t last = end >= window + REGISTRY_WINDOW_SIZE ? WINDOW_PARTS - 1
                                                       : ((end - 1 - window) >> GRANULE_SHIFT) / WINDOW_PART;
    bool ok = true;
    for (size_t part = first; part <= last && ok; part++) {
        if (load_acquire(&window_writable[part]))
            continue;
        lock_take(&registry_lock);
        ok = load_relaxed(&window_writable[part]) ||
             os_protect_writable(registry_window + part * WINDOW_PART, WINDOW_PART * sizeof(struct slab));
        store_release(&window_writable[part], ok);
        lock_release(&registry_lock);
    }
    return ok;
}

bool registry_reserve_slabs(uintptr_t base, size_t size)
{
    return registry_reserve(base, size) && registry_open_window(base, size);
}

void registry_set(uintptr_t base, size_t size, struct slab *s)
{
    uint64_t value = s == NULL ? 0 : (uint64_t)((char *)s - (char *)&registry_root);
    for (uintptr_t at = base; at < base + size; at += GRANULE) {
        size_t entry = at >> GRANULE_SHIFT & (REGISTRY_LEAF_ENTRIES - 1);
        store_relaxed(&registry_leaf(at)[entry], value);
    }
}

void registry_set_pool(uintptr_t base, size_t size, struct slab *head, const uint16_t *map)
{
    registry_set(base, size, head);
    for (uintptr_t at = base; at < base + size; at += GRANULE) {
        struct slab *s = registry_window_range(at, GRANULE);
        if (s == NULL)
            continue;
        owner_store(&s->map, map + ((at - base) >> POOL_UNIT_SHIFT));
        store_relaxed(&s->tag, head != NULL ? TAG_POOL : TAG_NONE);
    }
}

size_t registry_grown;

void registry_add(struct region *region)
{
    fetch_add_relaxed(&registry_grown, region->size);
    lock_take(&registry_lock);
    region->link.prev = &registry_regions;
    region->link.next = registry_regions.next;
    registry_regions.next->prev = &region->link;
    /* Pairs with the loads of registry_walk_regions. */
    store_release(&registry_regions.next, &region->link);
    lock_release(&registry_lock);
}

void registry_retire(struct region *region, void (*recycle)(struct region *))
{
    lock_take(&registry_lock);
    region->link.next->prev = region->link.prev;
    /* A walker that stands on the region still finds its way on: next stays. */
    store_seq_cst(&region->link.prev->next, region->link.next);
    region->recycle = recycle;
    region->retired = retired;
    retired = region;
    store_relaxed(&retired_count, retired_count + 1);
    lock_release(&registry_lock);
}

/* What has been retired so far, or NULL; the caller has seen to it that nobody reads it. */
static struct region *registry_retired_locked(void)
{
    struct region *batch = retired;
    retired = NULL;
    store_relaxed(&retired_count, 0);
    return batch;
}

static void registry_recycle_batch(struct region *batch)
{
    while (batch != NULL) {
        struct region *next = batch->retired;
        batch->recycle(batch);
        batch = next;
    }
}

void registry_recycle(void)
{
    if (likely(load_relaxed(&retired_count) < RETIRED_BATCH))
        return;
    struct region *batch = NULL;
    lock_take(&registry_lock);
    /* Who walks from now on does not meet them: see registry_walk. */
    if (load_seq_cst(&walks) <= 0)
        batch = registry_retired_locked();
    lock_release(&registry_lock);
    registry_recycle_batch(batch);
}

/*
 * liburcu ends the program when it has no memory to register a reader, and
 * does not tell whether this thread is one: true when there would be room.
 */
static bool registry_may_read(void)
{
    void *probe = os_map(READER_ROOM, os_page_size());
    if (probe == NULL)
        return false;
    os_unmap(probe, READER_ROOM);
    return true;
}

void registry_synchronize(void)
{
    if (load_relaxed(&retired_count) == 0 || load_relaxed(&walks_ended) || !registry_may_read() ||
        rcu_read_ongoing())
        return;
    lock_take(&registry_lock);
    struct region *batch = registry_retired_locked();
    lock_release(&registry_lock);
    if (batch == NULL)
        return;
    synchronize_rcu();
    tsan_acquire(&retired); /* the walks that the grace period has waited for */
    registry_recycle_batch(batch);
}

static void registry_walk_regions(void (*visit)(struct region *region, void *context), void *context)
{
    for (struct list *at = load_seq_cst(&registry_regions.next); at != &registry_regions; at = load_seq_cst(&at->next))
        visit(container_of(at, struct region, link), context);
}

void registry_walk(void (*visit)(struct region *region, void *context), void *context)
{
    if (load_acquire(&walks_ended))
        return;
    if (registry_may_read()) {
        rcu_read_lock();
        fetch_add_seq_cst(&walks, 1);
        registry_walk_regions(visit, context);
        fetch_add_seq_cst(&walks, -1);
        tsan_release(&retired); /* to registry_synchronize, by way of the grace period */
        rcu_read_unlock();
    } else {
        /* Memory is short: keep the writers out instead. */
        lock_take(&registry_lock);
        registry_walk_regions(visit, context);
        lock_release(&registry_lock);
    }
}

void registry_fork_prepare(void)
{
    if (!load_relaxed(&walks_ended))
        urcu_bp_before_fork();
}

void registry_fork_parent(void)
{
    if (!load_relaxed(&walks_ended))
        urcu_bp_after_fork_parent();
}

void registry_fork_child(void)
{
    store_seq_cst(&walks, 0); /* the walkers are not there */
    if (!load_relaxed(&walks_ended))
        urcu_bp_after_fork_child();
}

void registry_exit(void)
{
    store_release(&walks_ended, true);
}
