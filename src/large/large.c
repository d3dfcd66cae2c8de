/* SPDX-License-Identifier: MIT */
#include "large/large.h"

#include "base/lock.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"

#define EXACT_BINS 64
#define BINS_PER_DOUBLING 16
#define BIN_COUNT 512
#define BIN_WORDS (BIN_COUNT / 64)
#define GROW_MIN (4 * MIB)
#define GROW_MAX (32 * MIB)
/* Of a large span that is over the budget this much at least: fewer calls. */
#define PURGE_MIN (8 * MIB)
/* A block of this size or more may have huge pages, ... */
#define HUGE_PAGES_LEAST (8 * MIB)
/* ... behind its first part of so many: who writes beyond that has use for most of it. */
#define SMALL_PAGES_PART 4
/* What was learned fades by one part in so many in each round (a tenth of a second or more). */
#define FORGET_PART 16
/*
 * Blocks begin so far behind their spans, one after the other: an odd number of cache lines,
 * so that all lines of a page have their turn, and far enough for what is fetched ahead.
 */
#define SHIFT_STEP ((size_t)17 * CACHE_LINE)
#define SHIFT_MAX ((size_t)4096)
#define MARKED_GRANULES (16 * 1024 * MIB / GRANULE)

struct lock large_lock = LOCK_INIT(RANK_LARGE);

/* All guarded by large_lock. */
static struct list bins[BIN_COUNT];
static uint64_t bin_mask[BIN_WORDS];
static struct list dirty_list = {&dirty_list, &dirty_list};
static struct list unused = {&unused, &unused};
struct list large_spans = {&large_spans, &large_spans};
size_t large_lost;
static size_t grow_next = GROW_MIN;
static bool started;
static struct large_totals totals;
static size_t next_shift; /* of the next block, a multiple of CACHE_LINE */
static size_t given_back; /* bytes given back to keep the budget, not long ago and not yet regretted */

static unsigned bin_of(size_t size)
{
    size_t granules = size >> GRANULE_SHIFT;
    if (granules < EXACT_BINS)
        return (unsigned)granules;
    unsigned e = bits_highest(granules); /* at least 6 */
    unsigned bin = EXACT_BINS + (e - 6) * BINS_PER_DOUBLING + (unsigned)(granules >> (e - 4) & 15);
    return bin < BIN_COUNT ? bin : BIN_COUNT - 1;
}

static struct span *span_of(struct slab *s)
{
    return container_of(s, struct span, head);
}

/* Bytes of a free span that are resident, at most. */
static size_t span_dirty(const struct span *span)
{
    return span->dirty_to - span->dirty_from;
}

static void span_set_dirty(struct span *span, uintptr_t from, uintptr_t to)
{
    span->dirty_from = from < to ? from : 0;
    span->dirty_to = from < to ? to : 0;
}

/* What of [from, to) lies within the span is dirty. */
static void span_clip_dirty(struct span *span, uintptr_t from, uintptr_t to)
{
    uintptr_t start = span->head.base, end = start + span->size;
    span_set_dirty(span, from > start ? from : start, to < end ? to : end);
}

/* `part` has been cut from the span: what is known of its pages is known of these. */
static void span_inherit(struct span *part, const struct span *span)
{
    span_clip_dirty(part, span->dirty_from, span->dirty_to);
    part->zero = span->zero;
    part->huge_pages = span->huge_pages;
    part->freed_ms = span->freed_ms;
}

/* The span takes over what is known of the pages of another one; what lies between dirty ones is dirty. */
static void span_join_pages(struct span *span, const struct span *other)
{
    span->zero = span->zero && other->zero;
    span->huge_pages |= other->huge_pages;
    if (span_dirty(other) == 0)
        return;
    if (span_dirty(span) == 0) {
        span_set_dirty(span, other->dirty_from, other->dirty_to);
        return;
    }
    if (other->dirty_from < span->dirty_from)
        span->dirty_from = other->dirty_from;
    if (other->dirty_to > span->dirty_to)
        span->dirty_to = other->dirty_to;
}

static struct span *span_structure_locked(void)
{
    struct list *free_one = list_front(&unused);
    struct span *span;
    if (free_one != NULL) {
        list_remove(free_one);
        span = container_of(free_one, struct span, head.link);
    } else {
        span = meta_alloc(sizeof *span);
        if (span == NULL)
            return NULL;
        list_init(&span->head.link);
        list_init(&span->dirty_link);
        list_init(&span->all_link);
    }
    list_push_front(&large_spans, &span->all_link);
    return span;
}

static void span_dispose_locked(struct span *span)
{
    store_relaxed(&span->head.tag, TAG_NONE);
    list_remove(&span->all_link);
    list_push_front(&unused, &span->head.link);
}

static void span_mark(struct span *span, size_t from, size_t to)
{
    size_t most = MARKED_GRANULES * GRANULE;
    to = to < most ? to : most;
    if (from < to)
        registry_set(span->head.base + from, to - from, &span->head);
}

/*
 * The region map forgets a live span from there on. Before its addresses are given up:
 * who maps memory next, under another lock, may have them at once, and marks them.
 */
static void span_unmark(const struct span *span, size_t from)
{
    size_t most = MARKED_GRANULES * GRANULE;
    size_t to = span->size < most ? span->size : most;
    from = bits_round_up(from, GRANULE);
    if (from < to)
        registry_set(span->head.base + from, to - from, NULL);
}

/* A free span needs its ends marked, for its neighbours. */
static void span_mark_ends(struct span *span)
{
    registry_set(span->head.base, GRANULE, &span->head);
    registry_set(span->head.base + span->size - GRANULE, GRANULE, &span->head);
}

static void bin_insert_locked(struct span *span)
{
    unsigned b = bin_of(span->size);
    /* Resident spans are found first, and those freed last first of all. */
    if (span_dirty(span) > 0)
        list_push_front(&bins[b], &span->head.link);
    else
        list_push_back(&bins[b], &span->head.link);
    bin_mask[b / 64] |= (uint64_t)1 << b % 64;
    totals.dirty += span_dirty(span);
    if (span_dirty(span) == 0)
        return;
    /* What is left of an older span goes to the old end. */
    if (!list_is_empty(&dirty_list) &&
        container_of(dirty_list.prev, struct span, dirty_link)->freed_ms > span->freed_ms)
        list_push_front(&dirty_list, &span->dirty_link);
    else
        list_push_back(&dirty_list, &span->dirty_link);
}

static void bin_remove_locked(struct span *span)
{
    unsigned b = bin_of(span->size);
    list_remove(&span->head.link);
    if (list_is_empty(&bins[b]))
        bin_mask[b / 64] &= ~((uint64_t)1 << b % 64);
    totals.dirty -= span_dirty(span);
    if (span_dirty(span) > 0)
        list_remove(&span->dirty_link);
}

/* Lowest bin with a member, from `bin` on; BIN_COUNT when there is none. */
static unsigned bin_next(unsigned bin)
{
    if (bin >= BIN_COUNT)
        return BIN_COUNT;
    unsigned w = bin / 64;
    uint64_t mask = bin_mask[w] & ~(uint64_t)0 << bin % 64;
    while (mask == 0) {
        if (++w == BIN_WORDS)
            return BIN_COUNT;
        mask = bin_mask[w];
    }
    return w * 64 + bits_lowest64(mask);
}

/* Look at a few members of a bin whose sizes differ, for the smallest that is large enough. */
static struct span *bin_best_fit(unsigned bin, size_t size)
{
    struct span *best = NULL;
    unsigned looked = 0;
    for (struct list *at = bins[bin].next; at != &bins[bin] && looked < 16; at = at->next, looked++) {
        struct span *span = container_of(at, struct span, head.link);
        if (span->size >= size && (best == NULL || span->size < best->size))
            best = span;
    }
    return best;
}

static struct span *span_find_locked(size_t size)
{
    unsigned b = bin_of(size);
    for (b = bin_next(b); b < BIN_COUNT; b = bin_next(b + 1)) {
        struct span *span = bin_best_fit(b, size);
        if (span != NULL)
            return span;
    }
    return NULL;
}

/* The free neighbour whose granule is at `address`, if there is one. */
static struct span *span_neighbour(uintptr_t address)
{
    struct slab *s = registry_find((void *)address);
    return load_relaxed(&s->tag) == TAG_SPAN_FREE ? span_of(s) : NULL;
}

/* Make `span` free: join it with its free neighbours and put it into its bin. */
static void span_release_locked(struct span *span)
{
    store_relaxed(&span->head.tag, TAG_SPAN_FREE);
    struct span *before = span_neighbour(span->head.base - GRANULE);
    if (before != NULL && before->head.base + before->size == span->head.base) {
        bin_remove_locked(before);
        span->head.base = before->head.base;
        span->size += before->size;
        span_join_pages(span, before);
        span_dispose_locked(before);
    }
    struct span *after = span_neighbour(span->head.base + span->size);
    if (after != NULL && after->head.base == span->head.base + span->size) {
        bin_remove_locked(after);
        span->size += after->size;
        span_join_pages(span, after);
        span_dispose_locked(after);
    }
    span_mark_ends(span);
    bin_insert_locked(span);
}

/*
 * Cut `span`, which is in no bin, to `size` bytes; the rest becomes a free
 * span, resident as far as `span` was. The end of what stays is marked before the
 * rest looks for neighbours. False, and nothing changed, without metadata.
 */
static bool span_split_locked(struct span *span, size_t size)
{
    struct span *rest = span_structure_locked();
    if (rest == NULL)
        return false;
    rest->head.base = span->head.base + size;
    rest->size = span->size - size;
    span_inherit(rest, span);
    span->size = size;
    span_mark_ends(span);
    span_release_locked(rest);
    return true;
}

/*
 * Give back `bytes` of what is resident, or PURGE_MIN where that is more: the
 * end, since blocks are cut from the start.
 */
static void span_purge_locked(struct span *span, size_t bytes)
{
    bytes = bits_round_up(bytes > PURGE_MIN ? bytes : PURGE_MIN, GRANULE);
    uintptr_t from = bytes < span_dirty(span) ? span->dirty_to - bytes : span->dirty_from;
    bin_remove_locked(span);
    if (span->huge_pages) {
        /* The kernel would make them whole again. */
        bool none = os_no_huge_pages((void *)from, span->dirty_to - from);
        span->huge_pages = !none || from > span->dirty_from;
    }
    if (os_purge((void *)from, span->dirty_to - from)) {
        span_set_dirty(span, span->dirty_from, from);
        span->zero = span_dirty(span) == 0;
    }
    bin_insert_locked(span);
}

static size_t large_purge_locked(size_t keep, uint64_t freed_before_ms)
{
    size_t before = totals.dirty;
    while (totals.dirty > keep && !list_is_empty(&dirty_list)) {
        struct span *span = container_of(list_front(&dirty_list), struct span, dirty_link);
        size_t dirty = totals.dirty;
        if (span->freed_ms > freed_before_ms)
            break;
        span_purge_locked(span, dirty - keep);
        if (totals.dirty == dirty)
            break; /* the system refused */
    }
    return before - totals.dirty;
}

/*
 * `bytes` that are not resident are handed out. When as much was given back a
 * moment ago that was too early, and the next time it is kept: a program that
 * frees and takes large blocks in turns keeps its pages, and one that frees
 * what it will not need again gives them back at once.
 */
static void large_regret_locked(size_t bytes)
{
    if (bytes > given_back)
        bytes = given_back;
    given_back -= bytes;
    totals.regretted += bytes;
    if (totals.regretted > totals.mapped)
        totals.regretted = totals.mapped;
}

/* A trim, or a lack of memory: all may go. */
static void large_forget_locked(void)
{
    given_back = totals.regretted = 0;
}

/* Does a block of this size get a mapping of its own? */
static bool large_is_huge_locked(size_t size)
{
    return size >= hakmem_options.huge_threshold && size > totals.regretted;
}

static size_t large_budget(void)
{
    const struct options_run *run = options_run();
    size_t share = totals.live / 100 * load_relaxed(&run->large_cache_percent);
    size_t least = load_relaxed(&run->large_cache);
    return share > least ? share : least;
}

static void large_keep_budget_locked(void)
{
    size_t budget = large_budget() + totals.regretted;
    if (totals.dirty > budget)
        given_back += large_purge_locked(budget, UINT64_MAX);
}

/* Get address space for at least `size` bytes as a free span. */
static bool large_grow_locked(size_t size)
{
    size_t chunk = size > grow_next ? size : grow_next;
    char *base = os_map(chunk, GRANULE);
    if (base == NULL && chunk > size) {
        chunk = size;
        base = os_map(chunk, GRANULE);
    }
    if (base == NULL)
        return false;
    struct span *span = NULL;
    if (registry_reserve((uintptr_t)base, chunk))
        span = span_structure_locked();
    if (span == NULL) {
        os_unmap(base, chunk);
        return false;
    }
    if (grow_next < GROW_MAX && totals.mapped > 4 * grow_next)
        grow_next *= 2;
    span->head.base = (uintptr_t)base;
    span->size = chunk;
    span_set_dirty(span, 0, 0);
    span->zero = true;
    span->huge_pages = false;
    span->freed_ms = os_now_ms();
    totals.mapped += chunk;
    span_release_locked(span);
    return true;
}

static void large_start_locked(void)
{
    if (started)
        return;
    for (unsigned i = 0; i < BIN_COUNT; i++)
        list_init(&bins[i]);
    started = true;
}

static struct span *span_alloc_locked(size_t size, size_t align)
{
    size_t need = size + (align > GRANULE ? align - GRANULE : 0);
    struct span *span = span_find_locked(need);
    if (span == NULL && large_grow_locked(need))
        span = span_find_locked(need);
    if (span == NULL)
        return NULL;
    bin_remove_locked(span);
    size_t lead = bits_round_up(span->head.base, align) - span->head.base;
    if (lead > 0) {
        struct span *first = span;
        span = span_structure_locked();
        if (span == NULL) {
            span_release_locked(first);
            return NULL;
        }
        span->head.base = first->head.base + lead;
        span->size = first->size - lead;
        span_inherit(span, first);
        store_relaxed(&span->head.tag, TAG_LARGE);
        span_mark_ends(span);
        first->size = lead;
        span_clip_dirty(first, first->dirty_from, first->dirty_to);
        span_release_locked(first);
    }
    store_relaxed(&span->head.tag, TAG_LARGE);
    if (span->size > size)
        (void)span_split_locked(span, size);
    return span;
}

/* Where the block ends, in bytes from the start of its span. */
static size_t span_used(const struct span *span)
{
    return span->shift + span->usable;
}

static void span_make_live(struct span *span, size_t shift, size_t usable, enum slab_tag tag)
{
    span->shift = shift;
    span->usable = usable;
    span->touched = span_used(span);
    span_clip_dirty(span, span->dirty_from, span->dirty_to);
    if (span->dirty_to > span->head.base + span->touched)
        span->touched = span->dirty_to - span->head.base;
    store_relaxed(&span->head.owner, NULL);
    store_relaxed(&span->head.tag, (uint8_t)tag);
    span_mark(span, 0, span->size);
}

/* A part of a block that may have huge pages; none where start >= end. */
struct huge_part {
    uintptr_t start, end;
};

/* What of a live span is not resident, behind its first part, in whole huge pages. */
static struct huge_part span_huge_part(struct span *span)
{
    uintptr_t base = span->head.base + span->shift, end = base + span->usable;
    uintptr_t start = base + span->usable / SMALL_PAGES_PART;
    if (span_dirty(span) > 0 && span->dirty_to > start)
        start = span->dirty_to;
    struct huge_part part = {bits_round_up(start, HUGE_PAGE), bits_round_down(end, HUGE_PAGE)};
    span->huge_pages |= part.start < part.end;
    return part;
}

static void *huge_alloc(size_t size, size_t align)
{
    char *base = os_map(size, align);
    if (base == NULL)
        return NULL;
    struct span *span = NULL;
    lock_take(&large_lock);
    if (registry_reserve((uintptr_t)base, size))
        span = span_structure_locked();
    if (span != NULL) {
        span->head.base = (uintptr_t)base;
        span->size = size;
        span_set_dirty(span, 0, 0);
        span->huge_pages = false; /* a mapping of two parts could not be moved */
        span_make_live(span, 0, size, TAG_HUGE);
        totals.mapped += size;
        totals.live += size;
        totals.spans_live++;
        large_regret_locked(size);
    }
    lock_release(&large_lock);
    if (span == NULL)
        os_unmap(base, size);
    return span == NULL ? NULL : base;
}

/* Where the next block of the page heap begins in its span; at its start where it asks for more than a cache line. */
static size_t large_shift_locked(size_t align)
{
    if (align > CACHE_LINE)
        return 0;
    size_t shift = next_shift;
    next_shift = (shift + SHIFT_STEP) % SHIFT_MAX;
    return shift;
}

void *large_alloc(size_t size, size_t align, bool *zeroed)
{
    size_t page = os_page_size();
    if (size == 0)
        size = 1;
    size_t usable = bits_round_up(size, page);
    size_t span_align = align < GRANULE ? GRANULE : align;
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX || usable + GRANULE + SHIFT_MAX + span_align > PTRDIFF_MAX)
        return NULL;
    bool zero = true;
    struct huge_part part = {0, 0};
    lock_take(&large_lock);
    if (large_is_huge_locked(size)) {
        lock_release(&large_lock);
        if (zeroed != NULL)
            *zeroed = true;
        return huge_alloc(usable, span_align);
    }
    large_start_locked();
    size_t shift = large_shift_locked(align);
    usable = bits_round_up(shift + size, page) - shift;
    struct span *span = span_alloc_locked(bits_round_up(shift + usable, GRANULE), span_align);
    if (span != NULL) {
        zero = span->zero;
        size_t resident = span_dirty(span);
        large_regret_locked(usable > resident ? usable - resident : 0);
        span_make_live(span, shift, usable, TAG_LARGE);
        totals.live += usable;
        totals.spans_live++;
        if (zeroed == NULL && usable >= HUGE_PAGES_LEAST && options_huge_pages(totals.mapped) &&
            os_has_huge_pages())
            part = span_huge_part(span);
    }
    lock_release(&large_lock);
    if (part.start < part.end)
        (void)os_huge_pages((void *)part.start, part.end - part.start);
    if (zeroed != NULL)
        *zeroed = zero;
    return span == NULL ? NULL : (void *)(span->head.base + shift);
}

/* The live span whose block starts at p, or the end of the program. */
static struct span *span_live_locked(struct slab *s, const void *p, const char *function)
{
    uint8_t tag = load_relaxed(&s->tag);
    struct span *span = span_of(s);
    const char *wrong = NULL;
    if (tag == TAG_SPAN_FREE || tag == TAG_NONE)
        wrong = "double free, or not a block: the large block here is free";
    else if (tag != TAG_LARGE && tag != TAG_HUGE)
        wrong = "not a block of hakmem";
    else if (s->base + span->shift != (uintptr_t)p)
        wrong = (uintptr_t)p - s->base < span->size ? "interior pointer of a large block"
                                                    : "double free, or not a block";
    if (wrong != NULL) {
        lock_release(&large_lock);
        fail_misuse(function, p, wrong, 0);
    }
    return span;
}

static void huge_free_locked(struct span *span)
{
    span_unmark(span, 0);
    if (!os_unmap((void *)span->head.base, span->size)) {
        os_purge((void *)span->head.base, span->size); /* too many mappings: lose the address only */
        large_lost += span->size;
    }
    totals.mapped -= span->size;
    given_back += span->size;
    span_dispose_locked(span);
}

void large_free(struct slab *s, void *p)
{
    lock_take(&large_lock);
    struct span *span = span_live_locked(s, p, "free");
    totals.live -= span->usable;
    totals.spans_live--;
    if (span->head.tag == TAG_HUGE) {
        huge_free_locked(span);
    } else {
        span_set_dirty(span, span->head.base, span->head.base + span->touched);
        span->zero = false;
        span->freed_ms = os_now_ms();
        span_release_locked(span);
        large_keep_budget_locked();
    }
    lock_release(&large_lock);
}

size_t large_usable(struct slab *s, const void *p, const char *function)
{
    lock_take(&large_lock);
    size_t usable = span_live_locked(s, p, function)->usable;
    lock_release(&large_lock);
    return usable;
}

/* What a live span takes from the free one behind it, up to `end`, reads as anything where it is dirty, used or not. */
static void span_touch_dirty(struct span *span, const struct span *after, uintptr_t end)
{
    if (span_dirty(after) == 0 || after->dirty_from >= end)
        return;
    span->touched = (after->dirty_to < end ? after->dirty_to : end) - span->head.base;
}

/* Take what is missing from the free span behind. */
static bool span_extend_locked(struct span *span, size_t size)
{
    struct span *after = span_neighbour(span->head.base + span->size);
    size_t missing = size - span->size;
    if (after == NULL || after->head.base != span->head.base + span->size || after->size < missing)
        return false;
    bin_remove_locked(after);
    span->huge_pages |= after->huge_pages;
    span_touch_dirty(span, after, span->head.base + size);
    size_t old = span->size;
    if (after->size > missing) {
        after->head.base += missing;
        after->size -= missing;
        span_clip_dirty(after, after->dirty_from, after->dirty_to);
        span->size = size;
        span_mark(span, old, size);
        span_mark_ends(span);
        span_mark_ends(after);
        bin_insert_locked(after);
    } else {
        span->size = size;
        span_dispose_locked(after);
        span_mark(span, old, size);
        span_mark_ends(span);
    }
    return true;
}

static bool span_resize_locked(struct span *span, size_t usable)
{
    size_t size = bits_round_up(span->shift + usable, GRANULE);
    if (size > span->size && !span_extend_locked(span, size))
        return false;
    if (size < span->size) {
        span->freed_ms = os_now_ms();
        span->zero = false;
        span_set_dirty(span, span->head.base, span->head.base + span->touched);
        if (span_split_locked(span, size)) /* else the tail stays ours, as it is */
            span->touched = size;
    }
    totals.live += usable - span->usable;
    span->usable = usable;
    if (span_used(span) > span->touched)
        span->touched = span_used(span);
    large_keep_budget_locked();
    return true;
}

static void *huge_resize_locked(struct span *span, size_t usable)
{
    size_t old = span->size;
    char *base = (char *)span->head.base;
    char *place = base;
    bool done;
    if (usable < old) {
        span_unmark(span, usable);
        done = os_unmap(base + usable, old - usable);
    } else {
        place = os_reserve(usable, GRANULE);
        if (place == NULL)
            return NULL;
        span_unmark(span, 0);
        done = registry_reserve((uintptr_t)place, usable) && os_move(base, old, usable, place);
        if (!done)
            os_unmap(place, usable);
    }
    if (!done) {
        span_mark(span, 0, old);
        return NULL;
    }
    span->head.base = (uintptr_t)place;
    span->size = usable;
    totals.mapped += usable - old;
    totals.live += usable - span->usable;
    span->usable = usable;
    span_mark(span, 0, usable);
    return place;
}

void *large_resize(struct slab *s, void *p, size_t size)
{
    if (size > PTRDIFF_MAX - GRANULE)
        return NULL;
    void *result = NULL;
    lock_take(&large_lock);
    struct span *span = span_live_locked(s, p, "realloc");
    size_t usable = bits_round_up(span->shift + size, os_page_size()) - span->shift;
    if (span->head.tag == TAG_HUGE) {
        if (usable == span->usable)
            result = p;
        else if (size > SIZE_POOL_MAX && size >= hakmem_options.huge_threshold / 2)
            result = huge_resize_locked(span, usable);
    } else if (size > SIZE_POOL_MAX && (usable <= span->usable || !large_is_huge_locked(size))) {
        if (span_resize_locked(span, usable))
            result = p;
    }
    lock_release(&large_lock);
    return result;
}

size_t large_trim(size_t keep)
{
    lock_take(&large_lock);
    large_forget_locked();
    size_t bytes = large_purge_locked(keep, UINT64_MAX);
    lock_release(&large_lock);
    return bytes;
}

void large_yield(size_t bytes)
{
    lock_take(&large_lock);
    size_t keep = totals.dirty > bytes ? totals.dirty - bytes : 0;
    given_back += large_purge_locked(keep > totals.regretted ? keep : totals.regretted, UINT64_MAX);
    lock_release(&large_lock);
}

void large_age(uint64_t now_ms)
{
    uint64_t delay = option_now(purge_delay);
    lock_take(&large_lock);
    given_back -= given_back / FORGET_PART;
    totals.regretted -= totals.regretted / FORGET_PART;
    if (now_ms > delay)
        large_purge_locked(0, now_ms - delay);
    lock_release(&large_lock);
}

size_t large_unmap_free(void)
{
    size_t bytes = 0;
    lock_take(&large_lock);
    for (unsigned b = started ? bin_next(0) : BIN_COUNT; b < BIN_COUNT; b = bin_next(b + 1)) {
        struct list *next;
        for (struct list *at = bins[b].next; at != &bins[b]; at = next) {
            struct span *span = container_of(at, struct span, head.link);
            next = at->next;
            registry_set(span->head.base, GRANULE, NULL);
            registry_set(span->head.base + span->size - GRANULE, GRANULE, NULL);
            if (!os_unmap((void *)span->head.base, span->size)) {
                span_mark_ends(span);
                continue;
            }
            bin_remove_locked(span);
            bytes += span->size;
            totals.mapped -= span->size;
            span_dispose_locked(span);
        }
    }
    grow_next = GROW_MIN;
    large_forget_locked();
    lock_release(&large_lock);
    return bytes;
}

void large_get_totals(struct large_totals *out)
{
    lock_take(&large_lock);
    *out = totals;
    lock_release(&large_lock);
}

size_t large_audit(int fd)
{
    struct large_totals sum = {0};
    size_t mismatches = 0;
    lock_take(&large_lock);
    for (struct list *at = large_spans.next; at != &large_spans; at = at->next) {
        struct span *span = container_of(at, struct span, all_link);
        uint8_t tag = span->head.tag;
        sum.mapped += span->size;
        if (tag == TAG_SPAN_FREE) {
            sum.dirty += span_dirty(span);
            if (registry_find((void *)(span->head.base + span->size - GRANULE)) != &span->head)
                mismatches += fail_audit(fd, "span", span->head.base, "its end is not marked");
        } else {
            sum.live += span->usable;
            sum.spans_live++;
        }
        if (registry_find((void *)span->head.base) != &span->head)
            mismatches += fail_audit(fd, "span", span->head.base, "the region map has another one here");
    }
    if (sum.mapped != totals.mapped)
        mismatches += fail_audit(fd, "span", 0, "the mapped bytes differ from the sum");
    if (sum.live != totals.live || sum.spans_live != totals.spans_live)
        mismatches += fail_audit(fd, "span", 0, "the live bytes differ from the sum");
    if (sum.dirty != totals.dirty)
        mismatches += fail_audit(fd, "span", 0, "the dirty bytes differ from the sum");
    lock_release(&large_lock);
    return mismatches;
}
