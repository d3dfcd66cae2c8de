/* SPDX-License-Identifier: MIT */
#include "hakmemctl/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hakmemctl/command.h"

#define ATTEMPTS_AT_REST 6 /* for a copy of one moment; */
#define ATTEMPTS 12        /* then for one that can be read at all */
#define PART (256 * 1024)                 /* metadata is copied in parts of that size */
#define STRUCTURE_MAX (1024 * 1024)       /* no structure, and no offset in one, is greater */
#define METADATA_MAX ((uint64_t)8 << 30)  /* no process has more metadata, and the tool has room for it */
#define METADATA_CHUNKS_MAX 65536         /* nor in more pieces */

/* A piece of the process's memory. */
struct snapshot_copy {
    uint64_t address;
    size_t size;
    char *bytes;
};

/* What of the library's own data is copied together with the metadata. */
struct heads {
    uint64_t meta, region, span, span_back, heap;
};

/* The words that tell whether the copy is one moment. */
struct sequences {
    uint32_t word[5];
};

enum walk { WALK_OK, WALK_BROKEN, WALK_NO_MEMORY };

/* ---- reading ---- */

static const char *copy_find(const struct snapshot *s, uint64_t address, size_t size)
{
    size_t low = 0, high = s->copies;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->copy[middle].address + s->copy[middle].size <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == s->copies || s->copy[low].address > address)
        return NULL;
    uint64_t offset = address - s->copy[low].address;
    return size <= s->copy[low].size - offset ? s->copy[low].bytes + offset : NULL;
}

bool snapshot_get(const struct snapshot *s, const struct process *process, uint64_t address, void *to, size_t size)
{
    const char *bytes = copy_find(s, address, size);
    if (bytes == NULL)
        return process_read(process, address, to, size);
    memcpy(to, bytes, size);
    return true;
}

/* Room for one more element of `size` bytes; NULL when memory is short. */
static void *grow(void *array, size_t count, size_t size)
{
    /* Doubled at each power of two. */
    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    return realloc(array, (count == 0 ? 1 : 2 * count) * size);
}

/* ---- the description of the structures ---- */

static int unreadable(struct process *process, const char *what)
{
    snprintf(process->error, sizeof process->error, "hakmem in process %d cannot be read: %s", (int)process->pid,
             what);
    return STATUS_UNREADABLE;
}

static bool is_offset(int64_t offset)
{
    return offset > -STRUCTURE_MAX && offset < STRUCTURE_MAX;
}

/* Could that be the description of a hakmem? All offsets are bounded, so that sums of them stay so. */
static bool structures_are_sane(const struct hakmem_structures *d)
{
    const int64_t offsets[] = {
        d->class_bytes, d->meta.next, d->meta.bytes, d->heap.state, d->heap.bins, d->heap.ready_count,
        d->heap.arena_bytes, d->heap.arena_limit, d->heap.gathered, d->heap.queue, d->heap.thread,
        d->heap.ring_link, d->heap.batches, d->heap.batch_slab, d->heap.batch_blocks, d->slab.owner,
        d->slab.countdown, d->slab.level, d->slab.carved, d->slab.capacity, d->slab.tag, d->slab.size_class,
        d->slab.role, d->slab.touched, d->slab.base, d->region.next, d->region.slabs, d->region.base,
        d->region.bytes, d->superslab.free_mask, d->superslab.dirty_mask, d->pool.units, d->pool.used,
        d->pool.dirty, d->pool.map, d->span.next, d->span.previous, d->span.slab, d->span.bytes, d->span.usable,
        d->span.touched, d->span.dirty_from, d->span.dirty_to,
    };
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        if (!is_offset(offsets[i]))
            return false;
    }
    return d->granule >= 4096 && d->granule <= STRUCTURE_MAX && (d->granule & (d->granule - 1)) == 0 &&
           d->superslab_slabs >= 1 && d->superslab_slabs <= SNAPSHOT_SLABS && d->pool_unit >= 16 &&
           d->pool_unit <= d->granule && (d->pool_unit & (d->pool_unit - 1)) == 0 && d->class_count >= 2 &&
           d->class_count <= SNAPSHOT_CLASSES &&
           d->pool_class >= 1 && d->pool_class <= d->class_count && d->class_stride >= 4 &&
           d->class_stride <= 4096 && d->heap.bytes >= 64 && d->heap.bytes < STRUCTURE_MAX &&
           d->heap.batch_count <= 65536 && d->heap.batch_stride < 4096 && d->slab.bytes >= 16 &&
           d->slab.bytes < 65536 && d->window.bytes % 4096 == 0 && d->window.bytes <= 64 * STRUCTURE_MAX && d->call_count <= SNAPSHOT_CALLS && d->transfer.depth <= 4096;
}

/* The description, the size classes and the names. */
static int snapshot_describe(struct snapshot *s, struct process *process)
{
    struct hakmem_structures *d = &s->structures;
    uint32_t size;
    if (!process_read(process, process->page.structures, &size, sizeof size))
        return unreadable(process, "the page points to what is not mapped");
    if (size < sizeof *d)
        return unreadable(process, "the description of its structures is shorter than this hakmemctl needs: use "
                                   "the one of the same version");
    if (!process_read(process, process->page.structures, d, sizeof *d) || !structures_are_sane(d) ||
        process->page.counter_count > SNAPSHOT_COUNTERS)
        return unreadable(process, "the description of its structures is damaged");
    s->class_count = d->class_count;
    s->pool_class = d->pool_class;
    for (uint32_t c = 0; c < s->class_count; c++) {
        if (!process_read(process, d->classes + (uint64_t)c * d->class_stride + d->class_bytes, &s->class_bytes[c],
                          sizeof s->class_bytes[c]))
            return unreadable(process, "its size classes are not mapped");
    }
    uint64_t at = d->call_names;
    s->calls = d->call_count;
    for (uint32_t i = 0; i < s->calls; i++) {
        if (!process_read_text(process, at, s->call_name[i], sizeof s->call_name[i]))
            return unreadable(process, "the names of the system calls are not mapped");
        at += strlen(s->call_name[i]) + 1;
    }
    s->counters = process->page.counter_count;
    for (uint32_t i = 0; i < s->counters; i++) {
        uint64_t name;
        if (!process_read(process, process->page.counter_names + i * sizeof name, &name, sizeof name) ||
            !process_read_text(process, name, s->counter_name[i], sizeof s->counter_name[i]))
            return unreadable(process, "the names of its counters are not mapped");
    }
    return STATUS_OK;
}

/* ---- copying ---- */

static bool sequences_read(const struct snapshot *s, const struct process *process, struct sequences *q)
{
    const struct hakmem_structures *d = &s->structures;
    const uint64_t at[] = {d->meta.sequence, d->region.sequence, d->superslab.sequence, d->pool.sequence,
                           d->span.sequence};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        if (!process_read(process, at[i], &q->word[i], sizeof q->word[i]))
            return false;
    }
    return true;
}

static bool sequences_agree(const struct sequences *a, const struct sequences *b)
{
    for (size_t i = 0; i < sizeof a->word / sizeof a->word[0]; i++) {
        if (a->word[i] != b->word[i] || (a->word[i] & 1) != 0)
            return false;
    }
    return true;
}

static void snapshot_drop(struct snapshot *s)
{
    for (size_t i = 0; i < s->copies; i++)
        free(s->copy[i].bytes);
    for (size_t i = 0; i < s->chunks; i++)
        free(s->chunk[i].map);
    free(s->copy);
    free(s->superslab);
    free(s->chunk);
    free(s->span);
    free(s->heap);
    free(s->range);
    s->copy = NULL;
    s->superslab = NULL;
    s->chunk = NULL;
    s->span = NULL;
    s->heap = NULL;
    s->range = NULL;
    s->copies = s->superslabs = s->chunks = s->spans = s->heaps = s->ranges = 0;
    s->metadata = s->leaves = 0;
}

void snapshot_free(struct snapshot *s)
{
    snapshot_drop(s);
}

/* Part by part: where a wrong size is not seen at once, little memory is asked for before it is. */
static enum walk copy_chunk(struct snapshot *s, const struct process *process, uint64_t address, uint64_t size)
{
    if (!process_is_mapped(process, address, size))
        return WALK_BROKEN;
    struct snapshot_copy *more = grow(s->copy, s->copies, sizeof *more);
    if (more == NULL)
        return WALK_NO_MEMORY;
    s->copy = more;
    struct snapshot_copy *copy = &s->copy[s->copies++];
    *copy = (struct snapshot_copy){address, 0, NULL};
    for (size_t room = 0; copy->size < size;) {
        size_t part = size - copy->size < PART ? (size_t)(size - copy->size) : PART;
        if (copy->size + part > room) {
            room = size - room < room + PART ? (size_t)size : 2 * room + PART;
            char *larger = realloc(copy->bytes, room);
            if (larger == NULL)
                return WALK_NO_MEMORY;
            copy->bytes = larger;
        }
        char *bytes = copy->bytes;
        if (!process_read_present(process, address + copy->size, bytes + copy->size, part))
            return WALK_BROKEN;
        copy->size += part;
    }
    return WALK_OK;
}

static enum walk add_range(struct snapshot *s, uint64_t start, uint64_t size, enum range_kind kind)
{
    struct snapshot_range *more = grow(s->range, s->ranges, sizeof *more);
    if (more == NULL)
        return WALK_NO_MEMORY;
    s->range = more;
    s->range[s->ranges++] = (struct snapshot_range){start, start + size, kind};
    return WALK_OK;
}

static int compare_copies(const void *a, const void *b)
{
    const struct snapshot_copy *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

/* The window is large, and most of it was never touched: that is not copied. */
static enum walk copy_window(struct snapshot *s, const struct process *process)
{
    const struct hakmem_structures *d = &s->structures;
    if (d->window.bytes == 0)
        return WALK_OK;
    if (!process_read(process, d->window.start, &s->window_start, sizeof s->window_start))
        return WALK_BROKEN;
    enum walk result = add_range(s, d->window.descriptors, d->window.bytes, RANGE_LEAF);
    for (uint64_t at = 0; at < d->window.bytes && result == WALK_OK; at += PART) {
        uint64_t part = d->window.bytes - at < PART ? d->window.bytes - at : PART;
        if (process_is_touched(process, d->window.descriptors + at, (size_t)part))
            result = copy_chunk(s, process, d->window.descriptors + at, part);
    }
    return result;
}

static enum walk copy_metadata(struct snapshot *s, const struct process *process, uint64_t newest)
{
    const struct hakmem_structures *d = &s->structures;
    enum walk result = copy_window(s, process);
    s->metadata = 0;
    for (uint64_t at = newest; at != 0 && result == WALK_OK;) {
        uint64_t next, size;
        if (!process_read(process, at + d->meta.next, &next, sizeof next) ||
            !process_read(process, at + d->meta.bytes, &size, sizeof size) || at % 4096 != 0 ||
            size % 4096 != 0 || size == 0 || size > METADATA_MAX - s->metadata ||
            s->copies == METADATA_CHUNKS_MAX)
            return WALK_BROKEN;
        s->metadata += size;
        for (size_t i = 0; i < s->copies; i++) {
            if (s->copy[i].address == at)
                return WALK_BROKEN;
        }
        result = copy_chunk(s, process, at, size);
        if (result == WALK_OK)
            result = add_range(s, at, size, RANGE_METADATA);
        at = next;
    }
    if (result == WALK_OK && s->copies > 1)
        qsort(s->copy, s->copies, sizeof *s->copy, compare_copies);
    for (size_t i = 1; i < s->copies && result == WALK_OK; i++) {
        if (s->copy[i - 1].address + s->copy[i - 1].size > s->copy[i].address)
            result = WALK_BROKEN;
    }
    return result;
}

static enum walk copy_leaves(struct snapshot *s, const struct process *process)
{
    const struct hakmem_structures *d = &s->structures;
    uint32_t count;
    if (!process_read(process, d->leaf.count, &count, sizeof count) || count > UINT16_MAX + 1u ||
        d->leaf.bytes == 0 || d->leaf.bytes % 4096 != 0 || d->leaf.bytes > 64 * STRUCTURE_MAX)
        return WALK_BROKEN;
    s->leaves = d->window.bytes;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t entry;
        uint64_t offset;
        if (!process_read(process, d->leaf.count + sizeof count + i * sizeof entry, &entry, sizeof entry) ||
            !process_read(process, d->leaf.directory + entry * sizeof offset, &offset, sizeof offset))
            return WALK_BROKEN;
        if (offset == 0)
            continue; /* just being made */
        enum walk result = add_range(s, d->leaf.directory_base + offset, d->leaf.bytes, RANGE_LEAF);
        if (result != WALK_OK)
            return result;
        s->leaves += d->leaf.bytes;
    }
    return WALK_OK;
}

/* Blocks that wait in the transfer cache: a read for each row that has a chain. */
static bool count_transfer(struct snapshot *s, const struct process *process)
{
    const struct hakmem_structures *d = &s->structures;
    uint32_t classes = s->class_count - s->pool_class;
    uint16_t count[SNAPSHOT_CLASSES], rows = 0;
    uint64_t row[SNAPSHOT_CLASSES];
    memset(s->pool_waiting, 0, sizeof s->pool_waiting);
    if (d->transfer.depth == 0)
        return true;
    if (!process_read(process, d->transfer.counts, count, classes * sizeof count[0]))
        return false;
    for (uint32_t c = 0; c < classes; c++)
        rows = count[c] > rows ? count[c] : rows;
    for (uint16_t i = 0; i < rows && i < d->transfer.depth; i++) {
        if (!process_read(process, d->transfer.chains + (uint64_t)i * classes * sizeof row[0], row,
                          classes * sizeof row[0]))
            return false;
        for (uint32_t c = 0; c < classes; c++)
            s->pool_waiting[s->pool_class + c] += i < count[c] ? row[c] & HAKMEM_CHAIN_BLOCKS : 0;
    }
    return true;
}

/* Heads of the lists, and the words that stand alone. */
static bool copy_heads(struct snapshot *s, const struct process *process, struct heads *heads)
{
    const struct hakmem_structures *d = &s->structures;
    return process_read(process, d->meta.newest, &heads->meta, sizeof heads->meta) &&
           process_read(process, d->meta.left, &s->metadata_left, sizeof s->metadata_left) &&
           process_read(process, d->region.head + d->region.next, &heads->region, sizeof heads->region) &&
           process_read(process, d->span.head + (uint64_t)(int64_t)d->span.next, &heads->span, sizeof heads->span) &&
           process_read(process, d->span.head + (uint64_t)(int64_t)d->span.previous, &heads->span_back,
                        sizeof heads->span_back) &&
           process_read(process, d->span.lost, &s->lost, sizeof s->lost) &&
           process_read(process, process->page.heaps, &heads->heap, sizeof heads->heap) &&
           process_read(process, d->calls, s->call, s->calls * sizeof s->call[0]);
}

/* ---- decoding ---- */

/* A field at `at + offset`, from the copy alone or from the process. */
#define GET(address, offset, variable) \
    snapshot_get(s, process, (address) + (uint64_t)(int64_t)(offset), &(variable), sizeof(variable))

/* No list has more members than there is room for in the metadata, and a few in the library itself. */
static size_t members_most(const struct snapshot *s, size_t bytes)
{
    return (size_t)(s->metadata / bytes) + 16;
}

static bool decode_slab(const struct snapshot *s, const struct process *process, uint64_t at,
                        struct snapshot_slab *slab, uint64_t *base)
{
    const struct hakmem_structures *d = &s->structures;
    uint32_t countdown;
    uint16_t level, carved, capacity;
    uint8_t role, touched;
    if (!GET(at, d->slab.owner, slab->owner) || !GET(at, d->slab.countdown, countdown) ||
        !GET(at, d->slab.level, level) || !GET(at, d->slab.carved, carved) ||
        !GET(at, d->slab.capacity, capacity) || !GET(at, d->slab.tag, slab->tag) ||
        !GET(at, d->slab.size_class, slab->size_class) || !GET(at, d->slab.role, role) ||
        !GET(at, d->slab.touched, touched) || !GET(at, d->slab.base, *base))
        return false;
    slab->held = role == HAKMEM_ROLE_HELD;
    slab->touched = touched < 16 ? touched * (d->granule / 16) : d->granule;
    slab->binned = slab->returning = 0;
    if (slab->tag != HAKMEM_TAG_SLAB) {
        slab->used = slab->carved = slab->capacity = slab->size_class = 0;
        return true;
    }
    if (slab->size_class >= s->pool_class || s->class_bytes[slab->size_class] == 0)
        return false;
    uint32_t room = d->granule / s->class_bytes[slab->size_class];
    slab->capacity = capacity < room ? capacity : room;
    slab->carved = carved < slab->capacity ? carved : slab->capacity;
    uint64_t used = (uint64_t)level + countdown;
    slab->used = slab->held || used > slab->carved ? slab->carved : (uint32_t)used;
    return true;
}

static enum walk decode_superslab(struct snapshot *s, const struct process *process, uint64_t link, uint64_t slabs,
                                  uint64_t start, uint64_t size)
{
    const struct hakmem_structures *d = &s->structures;
    struct snapshot_superslab *more = grow(s->superslab, s->superslabs, sizeof *more);
    if (more == NULL)
        return WALK_NO_MEMORY;
    s->superslab = more;
    struct snapshot_superslab *ss = &s->superslab[s->superslabs];
    memset(ss, 0, sizeof *ss);
    ss->base = start;
    ss->slabs_at = slabs;
    if (!GET(link, d->superslab.free_mask, ss->free_mask) || !GET(link, d->superslab.dirty_mask, ss->dirty_mask) ||
        size != (uint64_t)d->superslab_slabs * d->granule)
        return WALK_BROKEN;
    for (uint32_t i = 0; i < d->superslab_slabs; i++) {
        uint64_t base;
        if (!decode_slab(s, process, slabs + (uint64_t)i * d->slab.bytes, &ss->slab[i], &base) ||
            base != start + (uint64_t)i * d->granule)
            return WALK_BROKEN;
    }
    s->superslabs++;
    return add_range(s, start, size, RANGE_SUPERSLAB);
}

static enum walk decode_chunk(struct snapshot *s, const struct process *process, uint64_t link, uint64_t start,
                              uint64_t size)
{
    const struct hakmem_structures *d = &s->structures;
    struct snapshot_chunk *more = grow(s->chunk, s->chunks, sizeof *more);
    if (more == NULL)
        return WALK_NO_MEMORY;
    s->chunk = more;
    struct snapshot_chunk *chunk = &s->chunk[s->chunks];
    *chunk = (struct snapshot_chunk){.base = start, .bytes = size};
    if (!GET(link, d->pool.units, chunk->units) || !GET(link, d->pool.used, chunk->used) ||
        !GET(link, d->pool.dirty, chunk->dirty) || (uint64_t)chunk->units * d->pool_unit != size ||
        chunk->units > STRUCTURE_MAX)
        return WALK_BROKEN;
    chunk->map = malloc(chunk->units * sizeof *chunk->map);
    if (chunk->map == NULL)
        return WALK_NO_MEMORY;
    s->chunks++;
    if (!snapshot_get(s, process, link + (uint64_t)(int64_t)d->pool.map, chunk->map,
                      chunk->units * sizeof *chunk->map))
        return WALK_BROKEN;
    return add_range(s, start, size, RANGE_POOL);
}

/* Page-aligned, not empty, and in the half of the address space that programs have. */
static bool is_range(uint64_t start, uint64_t size)
{
    return start % 4096 == 0 && size % 4096 == 0 && size != 0 && start >> 56 == 0 && size >> 56 == 0;
}

static enum walk decode_regions(struct snapshot *s, const struct process *process, uint64_t first)
{
    const struct hakmem_structures *d = &s->structures;
    size_t left = members_most(s, d->slab.bytes);
    for (uint64_t link = first; link != d->region.head; left--) {
        uint64_t next, slabs, base, size;
        if (left == 0 || !GET(link, d->region.next, next) || !GET(link, d->region.slabs, slabs) ||
            !GET(link, d->region.base, base) || !GET(link, d->region.bytes, size) || !is_range(base, size))
            return WALK_BROKEN;
        enum walk result = slabs != 0 ? decode_superslab(s, process, link, slabs, base, size)
                                      : decode_chunk(s, process, link, base, size);
        if (result != WALK_OK)
            return result;
        link = next;
    }
    return WALK_OK;
}

static enum walk decode_span(struct snapshot *s, const struct process *process, uint64_t link)
{
    const struct hakmem_structures *d = &s->structures;
    struct snapshot_span *more = grow(s->span, s->spans, sizeof *more);
    if (more == NULL)
        return WALK_NO_MEMORY;
    s->span = more;
    struct snapshot_span *span = &s->span[s->spans];
    uint64_t from, to;
    uint64_t slab = link + (uint64_t)(int64_t)d->span.slab;
    memset(span, 0, sizeof *span);
    if (!GET(slab, d->slab.tag, span->tag) || !GET(slab, d->slab.base, span->base) ||
        !GET(link, d->span.bytes, span->bytes) || !GET(link, d->span.usable, span->usable) ||
        !GET(link, d->span.touched, span->touched) || !GET(link, d->span.dirty_from, from) ||
        !GET(link, d->span.dirty_to, to) || !is_range(span->base, span->bytes))
        return WALK_BROKEN;
    if (span->tag == HAKMEM_TAG_SPAN_FREE) {
        span->usable = span->touched = 0;
        span->dirty = to > from && to - from <= span->bytes ? to - from : 0;
        span->dirty_from = from;
    } else if (span->tag == HAKMEM_TAG_LARGE || span->tag == HAKMEM_TAG_HUGE) {
        if (span->usable > span->bytes)
            return WALK_BROKEN;
        span->touched = span->touched < span->bytes ? span->touched : span->bytes;
    } else {
        return WALK_BROKEN;
    }
    s->spans++;
    return WALK_OK;
}

/* In one direction, until the head, a break, or the bound. */
static enum walk decode_spans_by(struct snapshot *s, const struct process *process, uint64_t first, int32_t step,
                                 size_t left)
{
    for (uint64_t link = first; link != s->structures.span.head; left--) {
        uint64_t next;
        enum walk result = left == 0 || !GET(link, step, next) ? WALK_BROKEN : decode_span(s, process, link);
        if (result == WALK_OK && next == link)
            result = WALK_BROKEN; /* it was just taken out */
        if (result != WALK_OK)
            return result;
        link = next;
    }
    return WALK_OK;
}

static int compare_spans(const void *a, const void *b)
{
    const struct snapshot_span *x = a, *y = b;
    return (x->base > y->base) - (x->base < y->base);
}

/*
 * All spans. A ring that was changed while it was copied is broken at some
 * link; from the other end the rest is found, and what was met twice goes.
 */
static enum walk decode_spans(struct snapshot *s, const struct process *process, const struct heads *heads)
{
    const struct hakmem_structures *d = &s->structures;
    size_t most = members_most(s, d->slab.bytes);
    enum walk result = decode_spans_by(s, process, heads->span, d->span.next, most);
    if (result == WALK_BROKEN && !s->whole && decode_spans_by(s, process, heads->span_back, d->span.previous, most) != WALK_NO_MEMORY)
        result = WALK_OK;
    if (result != WALK_OK)
        return result;
    if (s->spans > 1)
        qsort(s->span, s->spans, sizeof *s->span, compare_spans);
    size_t kept = 0;
    for (size_t i = 0; i < s->spans; i++) {
        if (kept > 0 && s->span[kept - 1].base + s->span[kept - 1].bytes > s->span[i].base) {
            if (s->whole)
                return WALK_BROKEN;
            continue;
        }
        s->span[kept++] = s->span[i];
    }
    s->spans = kept;
    for (size_t i = 0; i < kept; i++) {
        if (add_range(s, s->span[i].base, s->span[i].bytes, RANGE_LARGE) != WALK_OK)
            return WALK_NO_MEMORY;
    }
    return WALK_OK;
}

static enum walk decode_heaps(struct snapshot *s, const struct process *process, uint64_t first)
{
    const struct hakmem_structures *d = &s->structures;
    size_t left = members_most(s, d->heap.bytes);
    for (uint64_t at = first; at != 0; left--) {
        struct snapshot_heap *more = grow(s->heap, s->heaps, sizeof *more);
        if (more == NULL)
            return WALK_NO_MEMORY;
        s->heap = more;
        struct snapshot_heap *h = &s->heap[s->heaps];
        memset(h, 0, sizeof *h);
        h->at = at;
        uint64_t next;
        if (left == 0 || !GET(at, process->page.heap_next, next) || !GET(at, d->heap.state, h->state) ||
            !GET(at, d->heap.ready_count, h->ready) || !GET(at, d->heap.arena_bytes, h->arena_bytes) ||
            !GET(at, d->heap.arena_limit, h->arena_limit) || !GET(at, d->heap.gathered, h->gathered) ||
            !GET(at, d->heap.queue, h->queue) || (d->heap.thread != 0 && !GET(at, d->heap.thread, h->thread)) ||
            !snapshot_get(s, process, at + d->heap.bins, h->bin, s->class_count * sizeof h->bin[0]) ||
            !snapshot_get(s, process, at + process->page.heap_counters, h->counter,
                          s->counters * sizeof h->counter[0]))
            return WALK_BROKEN;
        h->rings = (uint32_t)(h->queue >> 48);
        s->heaps++;
        at = next;
    }
    return WALK_OK;
}

static int compare_superslabs(const void *a, const void *b)
{
    const struct snapshot_superslab *x = a, *y = b;
    return (x->base > y->base) - (x->base < y->base);
}
static int compare_chunks(const void *a, const void *b)
{
    const struct snapshot_chunk *x = a, *y = b;
    return (x->base > y->base) - (x->base < y->base);
}
static int compare_heaps(const void *a, const void *b)
{
    const struct snapshot_heap *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}
static int compare_ranges(const void *a, const void *b)
{
    const struct snapshot_range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* In order, and the slabs counted to their heaps. False when two mappings are in one place. */
static bool snapshot_arrange(struct snapshot *s)
{
    if (s->superslabs > 1)
        qsort(s->superslab, s->superslabs, sizeof *s->superslab, compare_superslabs);
    if (s->chunks > 1)
        qsort(s->chunk, s->chunks, sizeof *s->chunk, compare_chunks);
    if (s->heaps > 1)
        qsort(s->heap, s->heaps, sizeof *s->heap, compare_heaps);
    if (s->ranges > 1)
        qsort(s->range, s->ranges, sizeof *s->range, compare_ranges);
    for (size_t i = 1; i < s->ranges; i++) {
        if (s->range[i - 1].end > s->range[i].start && s->whole)
            return false;
    }
    for (size_t i = 1; i < s->heaps; i++) {
        if (s->heap[i - 1].at == s->heap[i].at)
            return false;
    }
    for (size_t i = 0; i < s->superslabs; i++) {
        for (unsigned k = 0; k < s->structures.superslab_slabs; k++) {
            const struct snapshot_slab *slab = &s->superslab[i].slab[k];
            struct snapshot_heap key = {.at = slab->owner};
            struct snapshot_heap *h = s->heaps == 0 ? NULL : bsearch(&key, s->heap, s->heaps, sizeof key, compare_heaps);
            if (slab->tag == HAKMEM_TAG_SLAB && h != NULL)
                h->slabs++;
        }
    }
    return true;
}

static enum walk snapshot_try(struct snapshot *s, const struct process *process)
{
    struct sequences before, after;
    struct heads heads;
    if (!sequences_read(s, process, &before) || !copy_heads(s, process, &heads))
        return WALK_BROKEN;
    enum walk result = copy_metadata(s, process, heads.meta);
    if (result == WALK_OK)
        result = copy_leaves(s, process);
    if (result != WALK_OK)
        return result;
    if (!count_transfer(s, process) || !sequences_read(s, process, &after))
        return WALK_BROKEN;
    s->whole = sequences_agree(&before, &after);
    result = decode_regions(s, process, heads.region);
    if (result == WALK_OK)
        result = decode_spans(s, process, &heads);
    if (result == WALK_OK)
        result = decode_heaps(s, process, heads.heap);
    if (result == WALK_OK && !snapshot_arrange(s))
        result = WALK_BROKEN;
    return result;
}

/* A short rest, longer from time to time, so that what is under way may end. */
static void rest(unsigned attempt)
{
    struct timespec time = {0, 50000L << attempt};
    nanosleep(&time, NULL);
}

int snapshot_take(struct snapshot *s, struct process *process)
{
    memset(s, 0, sizeof *s);
    int status = snapshot_describe(s, process);
    if (status != STATUS_OK)
        return status;
    enum walk result = WALK_BROKEN;
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (result == WALK_OK && (s->whole || attempt >= ATTEMPTS_AT_REST))
            break;
        if (attempt > 0)
            rest(attempt);
        snapshot_drop(s);
        s->whole = false;
        result = snapshot_try(s, process);
        if (result == WALK_NO_MEMORY) {
            snprintf(process->error, sizeof process->error, "memory is short");
            return STATUS_FAILED;
        }
    }
    if (result == WALK_BROKEN && process_has_ended(process)) {
        snprintf(process->error, sizeof process->error, "process %d has ended", (int)process->pid);
        return STATUS_NO_TARGET;
    }
    if (result == WALK_BROKEN)
        return unreadable(process, "its structures are damaged, or change faster than they can be copied");
    snapshot_count_details(s, process);
    return STATUS_OK;
}

struct snapshot_slab *snapshot_slab_at(const struct snapshot *s, uint64_t address)
{
    uint64_t size = (uint64_t)s->structures.superslab_slabs * s->structures.granule;
    size_t low = 0, high = s->superslabs;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->superslab[middle].base + size <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == s->superslabs || s->superslab[low].base > address)
        return NULL;
    return &s->superslab[low].slab[(address - s->superslab[low].base) / s->structures.granule];
}

unsigned snapshot_pool_class(const struct snapshot *s, unsigned units)
{
    for (unsigned c = s->pool_class; c < s->class_count; c++) {
        if (snapshot_pool_units(s, c) == units)
            return c;
    }
    return 0;
}
