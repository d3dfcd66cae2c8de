/* SPDX-License-Identifier: MIT */
/* hakmemctl stat for programs. All sizes are bytes. */
#include "hakmemctl/report.h"

#include <stdio.h>

#define SET(object, name, value) json_object_set_new((object), (name), json_integer((json_int_t)(value)))

static json_t *json_part(const struct summary_part *part, uint64_t resident, bool known)
{
    json_t *o = json_object();
    SET(o, "mapped", part->mapped);
    SET(o, "live", part->live);
    SET(o, "cached", part->cached);
    SET(o, "free", part->free);
    SET(o, "purged", part->purged);
    SET(o, "slack", part->slack);
    SET(o, "believed_resident", part->believed);
    json_object_set_new(o, "resident", known ? json_integer((json_int_t)resident) : json_null());
    return o;
}

static json_t *json_memory(const struct report *report)
{
    const struct summary *sum = &report->summary;
    const struct kernel_view *k = &report->kernel;
    uint64_t resident = 0;
    for (unsigned i = 0; i < RANGE_KINDS; i++)
        resident += k->resident[i];
    json_t *o = json_object();
    json_object_set_new(o, "slabs", json_part(&sum->slab, k->resident[RANGE_SUPERSLAB], k->has_pagemap));
    json_object_set_new(o, "pool", json_part(&sum->pool, k->resident[RANGE_POOL], k->has_pagemap));
    json_object_set_new(o, "large", json_part(&sum->large, k->resident[RANGE_LARGE], k->has_pagemap));
    json_object_set_new(o, "all", json_part(&sum->all, resident, k->has_pagemap));
    json_t *metadata = json_object();
    SET(metadata, "mapped", sum->metadata);
    SET(metadata, "unused", sum->metadata_left);
    SET(metadata, "resident", k->resident[RANGE_METADATA]);
    json_object_set_new(o, "metadata", metadata);
    json_t *leaves = json_object();
    SET(leaves, "mapped", sum->leaves);
    SET(leaves, "resident", k->resident[RANGE_LEAF]);
    json_object_set_new(o, "region_map", leaves);
    SET(o, "swapped", k->swapped);
    SET(o, "process_resident", k->process_resident);
    return o;
}

static json_t *json_classes(const struct report *report)
{
    const struct summary *sum = &report->summary;
    json_t *array = json_array();
    for (unsigned i = 1; i < sum->classes; i++) {
        const struct summary_class *c = &sum->class[i];
        if (c->slabs == 0 && c->live == 0 && c->binned == 0)
            continue;
        json_t *o = json_object();
        SET(o, "class", i);
        SET(o, "block_size", c->bytes);
        SET(o, "footprint", c->footprint);
        json_object_set_new(o, "kind", json_string(i < sum->pool_class ? "slab" : "pool"));
        SET(o, "slabs", c->slabs);
        SET(o, "live_blocks", c->live);
        SET(o, "live", c->live * c->bytes);
        SET(o, "binned_blocks", c->binned);
        SET(o, "returning_blocks", c->returning);
        SET(o, "freed_blocks", c->freed);
        SET(o, "uncarved_blocks", c->uncarved);
        SET(o, "untouched_blocks", c->untouched);
        SET(o, "slack", c->slack);
        json_array_append_new(array, o);
    }
    return array;
}

static json_t *json_layers(const struct report *report)
{
    const struct summary *sum = &report->summary;
    json_t *o = json_object();
    SET(o, "superslabs", sum->superslabs);
    SET(o, "superslabs_empty", sum->superslabs_empty);
    SET(o, "slabs_in_classes", sum->slabs_used - sum->slabs_ready);
    SET(o, "slabs_kept_empty", sum->slabs_ready);
    SET(o, "slabs_free_resident", sum->slabs_dirty);
    SET(o, "slabs_free_purged", sum->slabs_clean);
    SET(o, "cached_bins", sum->binned);
    SET(o, "cached_arenas", sum->arena);
    SET(o, "cached_freed", sum->freed);
    SET(o, "cached_uncarved", sum->uncarved);
    SET(o, "cached_slabs", sum->ready);
    SET(o, "cached_returning", sum->returning);
    SET(o, "pool_chunks", sum->chunks);
    SET(o, "pool_blocks", sum->pool_blocks);
    SET(o, "pool_free_runs", sum->pool_runs);
    SET(o, "pool_longest_free", sum->pool_largest_free);
    SET(o, "large_live", sum->spans_live);
    SET(o, "huge_live", sum->huge);
    SET(o, "huge_bytes", sum->huge_bytes);
    SET(o, "large_free_spans", sum->spans_free);
    SET(o, "large_longest_free", sum->large_largest_free);
    SET(o, "stranded", sum->stranded);
    return o;
}

static json_t *json_heaps(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->snapshot.heaps; i++) {
        const struct snapshot_heap *h = &report->snapshot.heap[i];
        const struct thread *t = h->state == HAKMEM_HEAP_ALIVE ? threads_find(&report->threads, h->thread) : NULL;
        json_t *o = json_object();
        json_object_set_new(o, "thread", t != NULL ? json_integer(t->id) : json_null());
        json_t *name = t != NULL ? json_string(t->name) : NULL; /* NULL also when it is no UTF-8 */
        json_object_set_new(o, "name", name != NULL ? name : json_null());
        json_object_set_new(o, "state", json_string(report_heap_state(h->state)));
        SET(o, "slabs", h->slabs);
        SET(o, "binned", h->binned);
        SET(o, "arena", h->arena_bytes);
        SET(o, "arena_limit", h->arena_limit);
        SET(o, "slabs_kept_empty", h->ready);
        SET(o, "gathered", h->gathered);
        SET(o, "queued_batches", h->rings);
        SET(o, "queued", h->queued);
        json_array_append_new(array, o);
    }
    return array;
}

static json_t *json_numbers(const struct report *report, bool calls)
{
    const struct snapshot *s = &report->snapshot;
    json_t *o = json_object();
    for (uint32_t i = 0; i < (calls ? s->calls : s->counters); i++)
        SET(o, calls ? s->call_name[i] : s->counter_name[i], calls ? s->call[i] : report->summary.counter[i]);
    return o;
}

static json_t *json_mappings(const struct report *report)
{
    json_t *array = json_array();
    for (size_t i = 0; i < report->kernel.mappings; i++) {
        const struct kernel_mapping *m = &report->kernel.mapping[i];
        char start[32], end[32];
        snprintf(start, sizeof start, "%llx", (unsigned long long)m->start);
        snprintf(end, sizeof end, "%llx", (unsigned long long)m->end);
        json_t *o = json_object();
        json_object_set_new(o, "start", json_string(start));
        json_object_set_new(o, "end", json_string(end));
        SET(o, "size", m->end - m->start);
        SET(o, "hakmem", m->ours);
        SET(o, "hakmem_resident", m->ours_resident);
        SET(o, "other_resident", m->other_resident);
        SET(o, "smaps_rss", m->resident);
        SET(o, "smaps_huge_pages", m->huge_pages);
        json_array_append_new(array, o);
    }
    return array;
}

static json_t *json_kernel(const struct report *report)
{
    uint64_t mapped = 0;
    json_t *o = json_object();
    for (unsigned i = 0; i < RANGE_KINDS; i++)
        mapped += report->kernel.mapped[i];
    SET(o, "hakmem_mapped", mapped);
    SET(o, "missing", report->kernel.missing);
    SET(o, "process_mappings", report->kernel.maps);
    SET(o, "lost", report->snapshot.lost);
    json_object_set_new(o, "mappings", json_mappings(report));
    return o;
}

json_t *report_json(const struct report *report)
{
    json_t *o = json_object();
    SET(o, "pid", report->process.pid);
    json_t *program = json_string(report->program);
    json_object_set_new(o, "program", program != NULL ? program : json_string("?"));
    json_object_set_new(o, "unit", json_string(report->unit));
    json_object_set_new(o, "version", json_string(report->process.version));
    json_object_set_new(o, "library", json_string(report->process.library));
    json_object_set_new(o, "deleted", json_boolean(report->process.deleted));
    json_object_set_new(o, "whole", json_boolean(report->snapshot.whole));
    json_object_set_new(o, "detailed", json_boolean(report->snapshot.detailed));
    json_object_set_new(o, "memory", json_memory(report));
    json_object_set_new(o, "classes", json_classes(report));
    json_object_set_new(o, "layers", json_layers(report));
    json_object_set_new(o, "heaps", json_heaps(report));
    json_object_set_new(o, "memory_calls", json_numbers(report, true));
    json_object_set_new(o, "counters", json_numbers(report, false));
    json_object_set_new(o, "kernel", json_kernel(report));
    return o;
}
