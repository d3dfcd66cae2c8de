/* SPDX-License-Identifier: MIT */
#include "hakmemctl/summary.h"

#include <string.h>

/* Upwards to whole pages, of the smallest size there is. */
static uint64_t in_pages(uint64_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

static void add_slab(struct summary *sum, const struct snapshot *s, const struct snapshot_slab *slab)
{
    struct summary_class *c = &sum->class[slab->size_class];
    uint64_t granule = s->structures.granule;
    uint64_t live = slab->used - slab->binned - slab->returning;
    uint64_t uncarved = slab->capacity - slab->carved;
    uint64_t there = slab->touched / c->bytes; /* blocks that there are pages for */
    uint64_t untouched = there <= slab->carved ? uncarved : there < slab->capacity ? slab->capacity - there : 0;
    uint64_t slack = granule - slab->capacity * c->bytes;
    c->slabs++;
    c->live += live;
    c->binned += slab->binned;
    c->returning += slab->returning;
    c->freed += slab->carved - slab->used;
    c->uncarved += uncarved;
    c->untouched += untouched;
    c->slack += slack;
    uint64_t carved = slab->carved * c->bytes;
    sum->slab.believed += in_pages(carved > slab->touched ? carved : slab->touched);
    if (live > 0)
        sum->stranded += (slab->carved - live + uncarved - untouched) * c->bytes;
}

static void add_superslab(struct summary *sum, const struct snapshot *s, const struct snapshot_superslab *ss)
{
    uint64_t used = 0;
    sum->superslabs++;
    sum->slab.mapped += (uint64_t)s->structures.superslab_slabs * s->structures.granule;
    for (unsigned i = 0; i < s->structures.superslab_slabs; i++) {
        bool is_free = (ss->free_mask >> i & 1) != 0, is_dirty = (ss->dirty_mask >> i & 1) != 0;
        if (is_free && is_dirty)
            sum->slabs_dirty++;
        else if (is_free)
            sum->slabs_clean++;
        else if (ss->slab[i].tag == HAKMEM_TAG_SLAB)
            add_slab(sum, s, &ss->slab[i]);
        else
            sum->slabs_ready++;
        used += !is_free;
    }
    sum->slabs_used += used;
    sum->superslabs_empty += used == 0;
}

/* The columns of the slabs, from the classes. */
static void finish_slabs(struct summary *sum, uint64_t granule)
{
    for (unsigned i = 1; i < sum->pool_class; i++) {
        const struct summary_class *c = &sum->class[i];
        sum->slab.live += c->live * c->bytes;
        sum->binned += c->binned * c->bytes;
        sum->returning += c->returning * c->bytes;
        sum->freed += c->freed * c->bytes;
        sum->uncarved += (c->uncarved - c->untouched) * c->bytes;
        sum->slab.purged += c->untouched * c->bytes;
        sum->slab.slack += c->slack;
    }
    sum->ready = sum->slabs_ready * granule;
    sum->slab.cached = sum->binned + sum->returning + sum->freed + sum->ready + sum->uncarved;
    sum->slab.free = sum->slabs_dirty * granule;
    sum->slab.purged += sum->slabs_clean * granule;
    sum->slab.believed += (sum->slabs_dirty + sum->slabs_ready) * granule;
}

static void add_chunk(struct summary *sum, const struct snapshot *s, const struct snapshot_chunk *chunk)
{
    uint64_t unit = s->structures.pool_unit;
    sum->chunks++;
    sum->pool.mapped += chunk->bytes;
    /* The map says what there is; of a copy that is not whole it may end too early, or be in disorder. */
    for (uint32_t at = 0; at < chunk->units;) {
        uint16_t entry = chunk->map[at];
        uint32_t units = snapshot_run_units(entry);
        if (units == 0 || units > chunk->units - at)
            units = 1;
        unsigned c = (entry & HAKMEM_RUN_FREE) == 0 ? snapshot_pool_class(s, units) : 0;
        if ((entry & HAKMEM_RUN_FREE) != 0) {
            sum->pool_runs++;
            if ((entry & HAKMEM_RUN_CLEAN) != 0)
                sum->pool.purged += units * unit;
            else
                sum->pool.free += units * unit;
            if (units * unit > sum->pool_largest_free)
                sum->pool_largest_free = units * unit;
        } else if (c != 0) {
            sum->pool_blocks++;
            sum->class[c].live++;
        } else {
            sum->pool.slack += units * unit;
        }
        at += units;
    }
}

/* What of the pool's blocks is in the arenas of threads is not live, and what waits for an arena is free. */
static void finish_pool(struct summary *sum, const struct snapshot *s)
{
    for (unsigned i = sum->pool_class; i < sum->classes; i++) {
        struct summary_class *c = &sum->class[i];
        uint64_t waiting = s->pool_waiting[i] < c->live ? s->pool_waiting[i] : c->live;
        c->live -= waiting;
        sum->pool_blocks -= waiting;
        sum->pool.free += waiting * c->footprint;
        c->binned = s->pool_binned[i] < c->live ? s->pool_binned[i] : c->live;
        c->live -= c->binned;
        sum->pool.live += c->live * c->bytes;
        c->slack = c->live * (c->footprint - c->bytes);
        sum->pool.slack += c->slack;
        sum->arena += c->binned * c->footprint;
    }
    sum->pool.cached = sum->arena;
    sum->pool.believed = sum->pool.mapped - sum->pool.purged;
}

static void add_span(struct summary *sum, const struct snapshot_span *span)
{
    sum->large.mapped += span->bytes;
    if (span->tag == HAKMEM_TAG_SPAN_FREE) {
        sum->spans_free++;
        sum->large.free += span->dirty;
        sum->large.purged += span->bytes - span->dirty;
        sum->large.believed += span->dirty;
        if (span->bytes > sum->large_largest_free)
            sum->large_largest_free = span->bytes;
        return;
    }
    sum->spans_live++;
    sum->large.live += span->usable;
    sum->large.slack += span->bytes - span->usable;
    sum->large.believed += span->tag == HAKMEM_TAG_HUGE ? span->bytes : span->touched;
    if (span->tag == HAKMEM_TAG_HUGE) {
        sum->huge++;
        sum->huge_bytes += span->usable;
    }
}

static void add_heap(struct summary *sum, const struct snapshot *s, const struct snapshot_heap *h)
{
    if (h->state == HAKMEM_HEAP_ALIVE)
        sum->heaps_alive++;
    else if (h->state == HAKMEM_HEAP_DEAD || h->state == HAKMEM_HEAP_BUSY)
        sum->heaps_dead++;
    else
        sum->heaps_other++;
    sum->rings += h->rings;
    sum->gathered += h->gathered;
    sum->queued += h->queued;
    for (uint32_t i = 0; i < s->counters; i++)
        sum->counter[i] += h->counter[i];
}

static void add_part(struct summary_part *all, const struct summary_part *part)
{
    all->mapped += part->mapped;
    all->live += part->live;
    all->cached += part->cached;
    all->free += part->free;
    all->purged += part->purged;
    all->slack += part->slack;
    all->believed += part->believed;
}

/* Pages that entries of `size` bytes lie on, one for each granule of what is mapped in [start, end). */
static uint64_t entry_pages(const struct snapshot *s, uint64_t size, uint64_t start, uint64_t end)
{
    uint64_t span = 4096 / size * s->structures.granule; /* of addresses, for a page of entries */
    uint64_t next = 0, pages = 0;
    for (size_t i = 0; i < s->ranges; i++) {
        if (s->range[i].kind == RANGE_METADATA || s->range[i].kind == RANGE_LEAF || s->range[i].start < start ||
            s->range[i].start >= end)
            continue;
        uint64_t first = s->range[i].start / span, last = (s->range[i].end - 1) / span;
        first = first > next ? first : next;
        if (last + 1 > first) {
            pages += last + 1 - first;
            next = last + 1;
        }
    }
    return pages;
}

/* Pages of the region map that entries for what is mapped now lie on. */
static uint64_t leaves_believed(const struct snapshot *s)
{
    const struct hakmem_structures *d = &s->structures;
    uint64_t pages = entry_pages(s, sizeof(uint64_t), 0, UINT64_MAX);
    if (d->window.bytes != 0)
        pages += entry_pages(s, d->slab.bytes, s->window_start * 16,
                             s->window_start * 16 + d->window.bytes / d->slab.bytes * d->granule);
    uint64_t bytes = pages * 4096;
    return bytes < s->leaves ? bytes : s->leaves;
}

void summary_make(struct summary *sum, const struct snapshot *s)
{
    memset(sum, 0, sizeof *sum);
    sum->classes = s->class_count;
    sum->pool_class = s->pool_class;
    for (unsigned c = 0; c < sum->classes; c++) {
        struct summary_class *class = &sum->class[c];
        class->bytes = class->footprint = s->class_bytes[c];
        if (c >= s->pool_class)
            class->footprint = snapshot_pool_units(s, c) * s->structures.pool_unit;
    }
    for (size_t i = 0; i < s->superslabs; i++)
        add_superslab(sum, s, &s->superslab[i]);
    finish_slabs(sum, s->structures.granule);
    for (size_t i = 0; i < s->chunks; i++)
        add_chunk(sum, s, &s->chunk[i]);
    finish_pool(sum, s);
    for (size_t i = 0; i < s->spans; i++)
        add_span(sum, &s->span[i]);
    for (size_t i = 0; i < s->heaps; i++)
        add_heap(sum, s, &s->heap[i]);
    for (uint32_t i = 0; i < s->calls; i++)
        sum->calls += s->call[i];
    add_part(&sum->all, &sum->slab);
    add_part(&sum->all, &sum->pool);
    add_part(&sum->all, &sum->large);
    sum->metadata = s->metadata;
    sum->metadata_left = s->metadata_left < s->metadata ? s->metadata_left : s->metadata;
    sum->leaves = s->leaves;
    sum->all.mapped += sum->metadata + sum->leaves;
    sum->all.believed += sum->metadata - sum->metadata_left + leaves_believed(s);
}
