/* SPDX-License-Identifier: MIT */
/*
 * The picture of a heap, as cells: of a SuperSlab one for each slab; of a pool
 * chunk, and of a stretch of large spans, MAP_CELLS of equal size. The terminal
 * and the SVG file draw the same cells.
 */
#ifndef HAKMEMCTL_MAP_H
#define HAKMEMCTL_MAP_H

#include "hakmemctl/report.h"

#define MAP_CELLS 64

enum map_state {
    MAP_PURGED,   /* no pages */
    MAP_FREE,     /* resident, and for any thread */
    MAP_KEPT,     /* an empty slab that a thread keeps */
    MAP_USED,     /* holds blocks; `fill` of its bytes are live */
};

struct map_cell {
    enum map_state state;
    uint8_t size_class; /* of a slab in use */
    uint8_t fill;       /* percent */
};

/* One slab of a SuperSlab. */
struct map_cell map_slab(const struct report *report, const struct snapshot_superslab *ss, unsigned index);
/* Percent of the SuperSlab's bytes that are live. */
unsigned map_superslab_fill(const struct report *report, const struct snapshot_superslab *ss);
/* A chunk of the pool as MAP_CELLS cells; returns the percent in blocks. */
unsigned map_chunk(const struct snapshot_chunk *chunk, struct map_cell cells[MAP_CELLS]);

/* Large spans that lie side by side. */
struct map_stretch {
    size_t first, count; /* spans of the snapshot */
    uint64_t base, bytes, live;
    bool huge;           /* one mapping of its own */
};
/* The next stretch, from span `from` on; false at the end. */
bool map_stretch_next(const struct report *report, size_t from, struct map_stretch *stretch);
void map_stretch_cells(const struct report *report, const struct map_stretch *stretch, struct map_cell cells[MAP_CELLS]);

/* The colour of a class, from blue for the smallest in use to red for the greatest; in percent of full light. */
struct map_colour {
    uint8_t red, green, blue;
};
struct map_colour map_class_colour(const struct report *report, unsigned size_class, unsigned light);
/* Its letter, the same in all pictures: a to z, then A to Z. */
char map_class_letter(unsigned size_class);

/* Draw it: on standard output, with colours or without; into a file (false with errno). */
void map_print(const struct report *report, bool colours);
bool map_write_svg(const struct report *report, const char *file);

#endif
