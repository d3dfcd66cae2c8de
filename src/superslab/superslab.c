/* SPDX-License-Identifier: MIT */
#include "superslab/superslab.h"

#include "base/lock.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"

static const uint32_t ALL = UINT32_MAX; /* a mask of all slabs */

struct lock superslab_lock = LOCK_INIT(RANK_SUPERSLAB);

/* All guarded by superslab_lock. */
static struct list buckets[SUPERSLAB_SLABS]; /* by number of free slabs; 0 is not used */
static uint32_t nonempty;                    /* bit n: buckets[n] has a member */
static struct list empty_lru;                /* front: longest empty */
static struct list idle = {&idle, &idle};    /* front: longest without a slab that came back */
static struct list unused;                   /* structures without memory */
static bool started;
static struct superslab_totals totals;
/* Free slabs that may be resident, inside SuperSlabs in use. */
static size_t dirty_partial;
/* Slabs in use when this process was forked, and not fewer since. */
static size_t slabs_inherited;

static void superslab_start_locked(void)
{
    for (unsigned i = 0; i < SUPERSLAB_SLABS; i++)
        list_init(&buckets[i]);
    list_init(&empty_lru);
    list_init(&unused);
    started = true;
}

/* The SuperSlabs of the window, by their first granule. */
static struct superslab *in_window[REGISTRY_WINDOW_GRANULES / SUPERSLAB_SLABS];

static struct superslab **superslab_in_window(const struct slab *s)
{
    return &in_window[(size_t)(s - registry_window) / SUPERSLAB_SLABS];
}

static struct superslab *superslab_of(struct slab *s)
{
    if (s >= registry_window && s < registry_window + REGISTRY_WINDOW_GRANULES)
        return *superslab_in_window(s);
    return container_of(s - s->index, struct superslab_descriptors, slab)->superslab;
}

static void superslab_unlink_locked(struct superslab *ss)
{
    list_remove(&ss->link);
    unsigned n = bits_count32(ss->free_mask);
    if (n < SUPERSLAB_SLABS && n > 0 && list_is_empty(&buckets[n]))
        nonempty &= ~(1u << n);
}

/* Put it where its free_mask says; an empty one goes to the young end of the LRU. */
static void superslab_link_locked(struct superslab *ss)
{
    unsigned n = bits_count32(ss->free_mask);
    if (n == SUPERSLAB_SLABS) {
        list_push_back(&empty_lru, &ss->link);
    } else if (n > 0) {
        list_push_back(&buckets[n], &ss->link);
        nonempty |= 1u << n;
    }
}

/* Free slabs that are resident; of an empty SuperSlab the LRU takes care. */
static uint32_t superslab_idle_mask(const struct superslab *ss)
{
    return ss->free_mask != ALL ? ss->free_mask & ss->dirty_mask : 0;
}

/* In the idle list or not, as its masks say. */
static void superslab_list_idle_locked(struct superslab *ss)
{
    bool listed = !list_is_empty(&ss->idle_link);
    bool has = superslab_idle_mask(ss) != 0;
    if (has && !listed)
        list_push_back(&idle, &ss->idle_link);
    else if (!has && listed)
        list_remove(&ss->idle_link);
}

static void superslab_recycle(struct region *region)
{
    struct superslab *ss = container_of(region, struct superslab, region);
    lock_take(&superslab_lock);
    list_push_front(&unused, &ss->link);
    lock_release(&superslab_lock);
}

static struct superslab *superslab_structure_locked(void)
{
    struct list *free_one = list_front(&unused);
    if (free_one != NULL) {
        list_remove(free_one);
        return container_of(free_one, struct superslab, link);
    }
    struct superslab *ss = meta_alloc(sizeof *ss);
    if (ss != NULL) {
        list_init(&ss->link);
        list_init(&ss->idle_link);
    }
    return ss;
}

/* Descriptors for a SuperSlab at `base`. False when memory is short. */
static bool superslab_descriptors_locked(struct superslab *ss, uintptr_t base)
{
    ss->slabs = registry_window_range(base, SUPERSLAB_SIZE);
    if (likely(ss->slabs != NULL)) {
        *superslab_in_window(ss->slabs) = ss;
        return true;
    }
    if (ss->own == NULL)
        ss->own = meta_alloc(sizeof *ss->own);
    if (ss->own == NULL)
        return false;
    ss->own->superslab = ss;
    ss->slabs = ss->own->slab;
    return true;
}

/* Make a SuperSlab of fresh memory known; it is in no list yet. */
static void superslab_adopt_locked(struct superslab *ss, uintptr_t base)
{
    ss->region.slabs = ss->slabs;
    ss->region.base = base;
    ss->region.size = SUPERSLAB_SIZE;
    ss->region.kind = REGION_SUPERSLAB;
    ss->free_mask = ALL;
    ss->dirty_mask = 0;
    ss->huge_pages = false;
    ss->freed_ms = os_now_ms();
    for (unsigned i = 0; i < SUPERSLAB_SLABS; i++) {
        struct slab *s = &ss->slabs[i];
        /* In the window constant: a walker on a region that was here before may read it. */
        if (s->base != base + i * GRANULE) {
            s->base = base + i * GRANULE;
            s->index = (uint8_t)i;
        }
        store_relaxed(&s->tag, TAG_FREE);
        store_relaxed(&s->owner, NULL);
        registry_set(s->base, GRANULE, s);
    }
    registry_add(&ss->region);
    totals.superslabs++;
    totals.empty++;
    totals.mapped_ever++;
}

/*
 * Map a few at once as the heap grows, a 16th of what there is: fewer system
 * calls and mappings, and never much that is not needed.
 */
static bool superslab_map_locked(size_t count)
{
    char *base = NULL;
    while (count > 0) {
        base = os_map(count * SUPERSLAB_SIZE, SUPERSLAB_SIZE);
        if (base != NULL && registry_reserve_slabs((uintptr_t)base, count * SUPERSLAB_SIZE))
            break;
        if (base != NULL)
            os_unmap(base, count * SUPERSLAB_SIZE);
        base = NULL;
        count /= 2;
    }
    for (size_t i = 0; i < count; i++) {
        struct superslab *ss = superslab_structure_locked();
        if (ss != NULL && !superslab_descriptors_locked(ss, (uintptr_t)base + i * SUPERSLAB_SIZE)) {
            list_push_front(&unused, &ss->link);
            ss = NULL;
        }
        if (ss == NULL) {
            os_unmap(base + i * SUPERSLAB_SIZE, (count - i) * SUPERSLAB_SIZE);
            return i > 0;
        }
        superslab_adopt_locked(ss, (uintptr_t)base + i * SUPERSLAB_SIZE);
        superslab_link_locked(ss);
    }
    return count > 0;
}

/* Single slabs are to go back: the kernel would make the page whole again. */
static void superslab_end_huge_page_locked(struct superslab *ss)
{
    if (ss->huge_pages && os_no_huge_pages((void *)ss->region.base, SUPERSLAB_SIZE))
        ss->huge_pages = false;
}

static void superslab_unmap_locked(struct superslab *ss)
{
    superslab_unlink_locked(ss);
    registry_set(ss->region.base, SUPERSLAB_SIZE, NULL);
    if (!os_unmap((void *)ss->region.base, SUPERSLAB_SIZE)) {
        /* Too many mappings: keep the address range, give the pages back. */
        superslab_end_huge_page_locked(ss);
        os_purge((void *)ss->region.base, SUPERSLAB_SIZE);
        totals.slabs_dirty -= bits_count32(ss->dirty_mask);
        ss->dirty_mask = 0;
        for (unsigned i = 0; i < SUPERSLAB_SLABS; i++)
            registry_set(ss->slabs[i].base, GRANULE, &ss->slabs[i]);
        list_push_front(&empty_lru, &ss->link);
        return;
    }
    totals.superslabs--;
    totals.empty--;
    totals.slabs_dirty -= bits_count32(ss->dirty_mask);
    totals.unmapped_ever++;
    registry_retire(&ss->region, superslab_recycle);
}

/* SuperSlabs that a search for a resident slab looks at. */
#define DIRTY_LOOKS 8

/* Among the fullest with room, one whose free slabs are resident; else the one where a slab came back last. */
static struct superslab *superslab_dirty_locked(void)
{
    unsigned looks = 0;
    for (uint32_t left = nonempty; left != 0 && looks < DIRTY_LOOKS; left &= left - 1) {
        struct list *bucket = &buckets[bits_lowest32(left)];
        for (struct list *at = bucket->next; at != bucket && looks < DIRTY_LOOKS; at = at->next, looks++) {
            struct superslab *ss = container_of(at, struct superslab, link);
            if ((ss->free_mask & ss->dirty_mask) != 0)
                return ss;
        }
    }
    return container_of(idle.prev, struct superslab, idle_link);
}

static struct superslab *superslab_partial_locked(void)
{
    unsigned n = option_now(hot_first) ? bits_lowest32(nonempty) : bits_highest(nonempty);
    return container_of(list_front(&buckets[n]), struct superslab, link);
}

/* One without a slab in use: the one emptied last; then the system. */
static struct superslab *superslab_empty_locked(void)
{
    if (list_is_empty(&empty_lru) && !superslab_map_locked(totals.superslabs / 16 + 1))
        return NULL;
    return container_of(empty_lru.prev, struct superslab, link);
}

/*
 * May the next SuperSlab that is begun have a huge page, for a slab that will be
 * filled or not? Not where the rest would go back at once.
 */
static bool superslab_may_be_huge_locked(bool fills)
{
    size_t mapped = totals.superslabs * SUPERSLAB_SIZE;
    /* A child writes to pages of its parent first. */
    size_t own = totals.slabs_used > slabs_inherited ? totals.slabs_used - slabs_inherited : 0;
    return own * GRANULE >= (fills ? HUGE_PAGES_FROM : HUGE_PAGES_FROM_SPARSE) && options_huge_pages(mapped) &&
           os_has_huge_pages() && option_now(purge_delay) > 0 && options_keep(mapped) >= 2 * SUPERSLAB_SIZE;
}

/* Of what is in use, at most one part in so many lies fallow in SuperSlabs in use, because new ones are begun. */
#define FALLOW_PART 8

/*
 * Had a slab that will be filled rather begin a SuperSlab than fault in single
 * pages? Not while many are left that went back.
 */
static bool superslab_had_rather_begin_locked(void)
{
    size_t free_slabs = (totals.superslabs - totals.empty) * SUPERSLAB_SLABS - totals.slabs_used;
    return superslab_may_be_huge_locked(true) && free_slabs - dirty_partial <= totals.slabs_used / FALLOW_PART;
}

/*
 * The SuperSlab to take from: the fullest with room, rather one whose free
 * slabs are resident; then one without a slab in use.
 */
static struct superslab *superslab_choose_locked(bool fills)
{
    bool begins = fills && superslab_had_rather_begin_locked();
    if (dirty_partial > 0 && (begins || option_now(hot_first)))
        return superslab_dirty_locked();
    struct superslab *ss = begins || nonempty == 0 ? superslab_empty_locked() : NULL;
    return ss == NULL && nonempty != 0 ? superslab_partial_locked() : ss;
}

/* The first slab of an untouched SuperSlab is taken. With a huge page all of them become resident. */
static void superslab_begin_locked(struct superslab *ss, bool fills)
{
    if (!superslab_may_be_huge_locked(fills) || !os_huge_pages((void *)ss->region.base, SUPERSLAB_SIZE))
        return;
    /* Fault it in before others take slabs of it: the kernel would clear a huge page for each thread that faults. */
    *(volatile char *)ss->region.base = 0;
    ss->huge_pages = true;
    ss->freed_ms = os_now_ms();
    ss->dirty_mask = ALL;
    totals.slabs_dirty += SUPERSLAB_SLABS;
    for (unsigned i = 0; i < SUPERSLAB_SLABS; i++)
        ss->slabs[i].touched = 0;
}

struct slab *superslab_slab_take(bool fills)
{
    lock_take(&superslab_lock);
    if (unlikely(!started))
        superslab_start_locked();
    struct superslab *ss = superslab_choose_locked(fills);
    if (ss == NULL) {
        lock_release(&superslab_lock);
        return NULL;
    }
    superslab_unlink_locked(ss);
    if (ss->free_mask == ALL) {
        if (ss->dirty_mask == 0)
            superslab_begin_locked(ss, fills);
        totals.empty--;
        dirty_partial += bits_count32(ss->dirty_mask);
    }
    /* A slab whose pages are there before one that would fault. */
    uint32_t dirty = ss->free_mask & ss->dirty_mask;
    unsigned index = bits_lowest32(dirty != 0 ? dirty : ss->free_mask);
    struct slab *s = &ss->slabs[index];
    if (dirty == 0) {
        s->touched = 0;
    } else {
        totals.slabs_dirty--;
        dirty_partial--;
    }
    ss->free_mask &= ~(1u << index);
    ss->dirty_mask |= 1u << index;
    totals.slabs_used++;
    superslab_list_idle_locked(ss);
    superslab_link_locked(ss);
    bool huge_pages = ss->huge_pages;
    lock_release(&superslab_lock);
    if (huge_pages && s->touched == 0) {
        /* Came with the others, unless the kernel had no huge page. */
        if (fills && option_now(populate))
            os_populate((void *)s->base, GRANULE);
        s->touched = SLAB_TOUCHED_ALL;
    }
    list_init(&s->link);
    return s;
}

void superslab_fork_child(void)
{
    slabs_inherited = totals.slabs_used;
}

/* Give back the pages of the free slabs of a SuperSlab that is in use. Returns the slabs. */
static size_t superslab_purge_slabs_locked(struct superslab *ss)
{
    uint32_t mask = ss->free_mask & ss->dirty_mask;
    size_t slabs = 0;
    if (mask != 0)
        superslab_end_huge_page_locked(ss);
    while (mask != 0) {
        unsigned first = bits_lowest32(mask);
        uint32_t rest = ~(mask >> first);
        unsigned run = rest == 0 ? SUPERSLAB_SLABS - first : bits_lowest32(rest);
        if (run > SUPERSLAB_SLABS - first)
            run = SUPERSLAB_SLABS - first;
        uint32_t bits = run == SUPERSLAB_SLABS ? ALL : ((1u << run) - 1) << first;
        mask &= ~bits;
        if (!os_purge((void *)ss->slabs[first].base, run * GRANULE))
            continue;
        slabs += bits_count32(ss->dirty_mask & bits);
        ss->dirty_mask &= ~bits;
    }
    totals.slabs_dirty -= slabs;
    dirty_partial -= slabs;
    superslab_list_idle_locked(ss);
    return slabs;
}

/* Purge free slabs of SuperSlabs in use, the emptiest first, until `keep` slabs are left. */
static size_t superslab_purge_partial_locked(size_t keep)
{
    size_t slabs = 0;
    for (unsigned n = SUPERSLAB_SLABS - 1; n > 0 && dirty_partial > keep; n--) {
        for (struct list *at = buckets[n].next; at != &buckets[n] && dirty_partial > keep; at = at->next)
            slabs += superslab_purge_slabs_locked(container_of(at, struct superslab, link));
    }
    return slabs;
}

/* Keep the cache of empty SuperSlabs within its cap. */
static void superslab_cap_locked(void)
{
    size_t cap = options_keep(totals.superslabs * SUPERSLAB_SIZE);
    while (totals.empty * SUPERSLAB_SIZE > cap && !list_is_empty(&empty_lru)) {
        size_t before = totals.empty;
        superslab_unmap_locked(container_of(list_front(&empty_lru), struct superslab, link));
        if (totals.empty == before)
            break; /* the system refused */
    }
    /* Free slabs in SuperSlabs in use: at most as much again as the cap. */
    if (dirty_partial * GRANULE > cap + cap / 2)
        superslab_purge_partial_locked(cap / GRANULE);
}

void superslab_slab_give(struct slab *s)
{
    struct superslab *ss = superslab_of(s);
    store_relaxed(&s->owner, NULL);
    store_relaxed(&s->tag, TAG_FREE);
    lock_take(&superslab_lock);
    HAKMEM_INVARIANT((ss->free_mask >> s->index & 1) == 0);
    superslab_unlink_locked(ss);
    ss->free_mask |= 1u << s->index;
    totals.slabs_used--;
    if (slabs_inherited > totals.slabs_used)
        slabs_inherited = totals.slabs_used;
    totals.slabs_dirty++;
    dirty_partial++;
    if (ss->free_mask == ALL) {
        totals.empty++;
        dirty_partial -= bits_count32(ss->dirty_mask);
    }
    ss->freed_ms = os_now_ms();
    list_remove(&ss->idle_link); /* to the young end */
    superslab_list_idle_locked(ss);
    superslab_link_locked(ss);
    superslab_cap_locked();
    lock_release(&superslab_lock);
}

size_t superslab_prewarm(size_t count)
{
    lock_take(&superslab_lock);
    if (!started)
        superslab_start_locked();
    size_t before = totals.superslabs;
    if (count > 0)
        superslab_map_locked(count);
    size_t mapped = totals.superslabs - before;
    lock_release(&superslab_lock);
    return mapped;
}

size_t superslab_trim(size_t keep)
{
    lock_take(&superslab_lock);
    size_t bytes = 0;
    while (started && !list_is_empty(&empty_lru) && totals.slabs_dirty * GRANULE > keep) {
        struct superslab *ss = container_of(list_front(&empty_lru), struct superslab, link);
        size_t dirty = bits_count32(ss->dirty_mask) * GRANULE;
        size_t before = totals.empty;
        superslab_unmap_locked(ss);
        if (totals.empty == before)
            break;
        bytes += dirty;
    }
    if (started && totals.slabs_dirty * GRANULE > keep)
        bytes += superslab_purge_partial_locked(keep / GRANULE) * GRANULE;
    lock_release(&superslab_lock);
    registry_recycle();
    return bytes;
}

void superslab_age(uint64_t now_ms)
{
    uint64_t delay = option_now(purge_delay);
    lock_take(&superslab_lock);
    while (started && !list_is_empty(&empty_lru)) {
        struct superslab *ss = container_of(list_front(&empty_lru), struct superslab, link);
        if (ss->freed_ms + delay > now_ms)
            break;
        size_t before = totals.empty;
        superslab_unmap_locked(ss);
        if (totals.empty == before)
            break;
    }
    while (!list_is_empty(&idle)) {
        struct superslab *ss = container_of(list_front(&idle), struct superslab, idle_link);
        if (ss->freed_ms + delay > now_ms || superslab_purge_slabs_locked(ss) == 0)
            break; /* young, or the system refuses */
    }
    lock_release(&superslab_lock);
    registry_recycle();
}

void superslab_get_totals(struct superslab_totals *out)
{
    lock_take(&superslab_lock);
    *out = totals;
    lock_release(&superslab_lock);
}

struct audit_walk {
    size_t mismatches, superslabs, empty, used, dirty, dirty_partial;
    int fd;
};

static void superslab_audit_region(struct region *region, void *context)
{
    struct audit_walk *walk = context;
    if (region->kind != REGION_SUPERSLAB)
        return;
    struct superslab *ss = container_of(region, struct superslab, region);
    unsigned free_slabs = bits_count32(ss->free_mask);
    walk->superslabs++;
    walk->empty += free_slabs == SUPERSLAB_SLABS;
    walk->used += SUPERSLAB_SLABS - free_slabs;
    walk->dirty += bits_count32(ss->free_mask & ss->dirty_mask);
    walk->dirty_partial += bits_count32(superslab_idle_mask(ss));
    if ((superslab_idle_mask(ss) == 0) != list_is_empty(&ss->idle_link))
        walk->mismatches += fail_audit(walk->fd, "SuperSlab", ss->region.base, "it is in the idle list without reason, or not although it should");
    for (unsigned i = 0; i < SUPERSLAB_SLABS; i++) {
        struct slab *s = &ss->slabs[i];
        if ((ss->free_mask >> i & 1) != 0 && load_relaxed(&s->tag) != TAG_FREE)
            walk->mismatches += fail_audit(walk->fd, "SuperSlab", s->base, "a slab in use stands as free");
        if (registry_find((void *)s->base) != s)
            walk->mismatches += fail_audit(walk->fd, "SuperSlab", s->base, "the region map has another slab here");
    }
    if (free_slabs > 0 && free_slabs < SUPERSLAB_SLABS && (nonempty >> free_slabs & 1) == 0)
        walk->mismatches += fail_audit(walk->fd, "SuperSlab", ss->region.base, "its bucket is marked empty");
}

size_t superslab_audit(int fd)
{
    struct audit_walk walk = {.fd = fd};
    lock_take(&superslab_lock);
    registry_walk(superslab_audit_region, &walk);
    if (walk.superslabs != totals.superslabs)
        walk.mismatches += fail_audit(walk.fd, "SuperSlab", 0, "the number of SuperSlabs differs from the list");
    if (walk.empty != totals.empty)
        walk.mismatches += fail_audit(walk.fd, "SuperSlab", 0, "the number of empty SuperSlabs differs");
    if (walk.used != totals.slabs_used)
        walk.mismatches += fail_audit(walk.fd, "SuperSlab", 0, "the number of slabs in use differs");
    if (walk.dirty != totals.slabs_dirty)
        walk.mismatches += fail_audit(walk.fd, "SuperSlab", 0, "the number of dirty free slabs differs");
    if (walk.dirty_partial != dirty_partial)
        walk.mismatches += fail_audit(walk.fd, "SuperSlab", 0, "the number of dirty free slabs in SuperSlabs in use differs");
    lock_release(&superslab_lock);
    return walk.mismatches;
}
