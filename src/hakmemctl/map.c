/* SPDX-License-Identifier: MIT */
#include "hakmemctl/map.h"

#include <string.h>

#define HUE_FIRST 225.0 /* blue */
#define HUE_LAST (-15.0) /* red, by way of green and yellow */

struct map_cell map_slab(const struct report *report, const struct snapshot_superslab *ss, unsigned index)
{
    const struct snapshot_slab *slab = &ss->slab[index];
    const struct snapshot *s = &report->snapshot;
    struct map_cell cell = {MAP_PURGED, 0, 0};
    if ((ss->free_mask >> index & 1) != 0) {
        cell.state = (ss->dirty_mask >> index & 1) != 0 ? MAP_FREE : MAP_PURGED;
    } else if (slab->tag != HAKMEM_TAG_SLAB) {
        cell.state = MAP_KEPT;
    } else {
        uint64_t live = (uint64_t)(slab->used - slab->binned - slab->returning) * s->class_bytes[slab->size_class];
        cell.state = MAP_USED;
        cell.size_class = slab->size_class;
        cell.fill = (uint8_t)(live * 100 / s->structures.granule);
    }
    return cell;
}

unsigned map_superslab_fill(const struct report *report, const struct snapshot_superslab *ss)
{
    unsigned slabs = report->snapshot.structures.superslab_slabs, sum = 0;
    for (unsigned i = 0; i < slabs; i++)
        sum += map_slab(report, ss, i).fill;
    return sum / slabs;
}

/* What the bytes of a cell are. */
struct mixture {
    uint64_t live, free, purged;
};

static struct map_cell cell_of(const struct mixture *m)
{
    struct map_cell cell = {MAP_PURGED, 0, 0};
    uint64_t all = m->live + m->free + m->purged;
    if (m->live > 0) {
        cell.state = MAP_USED;
        cell.fill = (uint8_t)(m->live * 100 / all);
    } else if (m->free > 0) {
        cell.state = MAP_FREE;
    }
    return cell;
}

/* Spread [from, to) of `whole` over the cells. */
static void spread(struct mixture mixture[MAP_CELLS], uint64_t whole, uint64_t from, uint64_t to, enum map_state state)
{
    uint64_t size = (whole + MAP_CELLS - 1) / MAP_CELLS;
    while (from < to && size > 0) {
        size_t cell = (size_t)(from / size);
        uint64_t end = (cell + 1) * size < to ? (cell + 1) * size : to;
        if (cell >= MAP_CELLS)
            break;
        if (state == MAP_USED)
            mixture[cell].live += end - from;
        else if (state == MAP_FREE)
            mixture[cell].free += end - from;
        else
            mixture[cell].purged += end - from;
        from = end;
    }
}

unsigned map_chunk(const struct snapshot_chunk *chunk, struct map_cell cells[MAP_CELLS])
{
    struct mixture mixture[MAP_CELLS];
    uint64_t used = 0;
    memset(mixture, 0, sizeof mixture);
    for (uint32_t at = 0; at < chunk->units;) {
        uint16_t entry = chunk->map[at];
        bool is_free = (entry & HAKMEM_RUN_FREE) != 0;
        uint32_t units = snapshot_run_units(entry);
        if (units == 0 || units > chunk->units - at)
            units = 1;
        spread(mixture, chunk->units, at, at + units,
               !is_free ? MAP_USED : (entry & HAKMEM_RUN_CLEAN) != 0 ? MAP_PURGED : MAP_FREE);
        used += is_free ? 0 : units;
        at += units;
    }
    for (unsigned i = 0; i < MAP_CELLS; i++)
        cells[i] = cell_of(&mixture[i]);
    return chunk->units == 0 ? 0 : (unsigned)(used * 100 / chunk->units);
}

bool map_stretch_next(const struct report *report, size_t from, struct map_stretch *stretch)
{
    const struct snapshot *s = &report->snapshot;
    if (from >= s->spans)
        return false;
    *stretch = (struct map_stretch){.first = from, .base = s->span[from].base,
                                    .huge = s->span[from].tag == HAKMEM_TAG_HUGE};
    for (size_t i = from; i < s->spans && s->span[i].base == stretch->base + stretch->bytes; i++) {
        if ((s->span[i].tag == HAKMEM_TAG_HUGE) != stretch->huge || (stretch->huge && i > from))
            break;
        stretch->bytes += s->span[i].bytes;
        stretch->live += s->span[i].usable;
        stretch->count++;
    }
    return true;
}

void map_stretch_cells(const struct report *report, const struct map_stretch *stretch, struct map_cell cells[MAP_CELLS])
{
    struct mixture mixture[MAP_CELLS];
    memset(mixture, 0, sizeof mixture);
    for (size_t i = stretch->first; i < stretch->first + stretch->count; i++) {
        const struct snapshot_span *span = &report->snapshot.span[i];
        uint64_t at = span->base - stretch->base, end = at + span->bytes;
        if (span->tag != HAKMEM_TAG_SPAN_FREE) {
            spread(mixture, stretch->bytes, at, at + span->usable, MAP_USED);
            spread(mixture, stretch->bytes, at + span->usable, end, MAP_PURGED);
            continue;
        }
        uint64_t dirty = span->dirty_from >= span->base && span->dirty_from <= span->base + span->bytes - span->dirty
                             ? span->dirty_from - stretch->base : at;
        spread(mixture, stretch->bytes, at, dirty, MAP_PURGED);
        spread(mixture, stretch->bytes, dirty, dirty + span->dirty, MAP_FREE);
        spread(mixture, stretch->bytes, dirty + span->dirty, end, MAP_PURGED);
    }
    for (unsigned i = 0; i < MAP_CELLS; i++)
        cells[i] = cell_of(&mixture[i]);
}

static uint8_t channel(double hue, double offset, double light)
{
    /* A trapezoid round the circle: up in 60 degrees, flat for 120, down in 60. */
    double h = hue + offset;
    while (h < 0)
        h += 360;
    while (h >= 360)
        h -= 360;
    double v = h < 60 ? h / 60 : h < 180 ? 1 : h < 240 ? (240 - h) / 60 : 0;
    return (uint8_t)(255 * light * (0.25 + 0.75 * v));
}

struct map_colour map_class_colour(const struct report *report, unsigned size_class, unsigned light)
{
    unsigned before = 0, all = 0;
    for (unsigned c = 1; c < report->summary.pool_class; c++) {
        if (report->summary.class[c].slabs == 0)
            continue;
        before += c < size_class;
        all++;
    }
    double share = all > 1 ? (double)before / (double)(all - 1) : 0;
    double hue = HUE_FIRST + (HUE_LAST - HUE_FIRST) * share, strength = light / 100.0;
    return (struct map_colour){channel(hue, 120, strength), channel(hue, 0, strength), channel(hue, 240, strength)};
}

char map_class_letter(unsigned size_class)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return size_class >= 1 && size_class < sizeof letters ? letters[size_class - 1] : '?';
}
