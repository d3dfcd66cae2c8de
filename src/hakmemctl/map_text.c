/* SPDX-License-Identifier: MIT */
/* The picture in a terminal: 80 columns; the letters tell as much without colours. */
#include <inttypes.h>
#include <stdio.h>

#include "hakmemctl/map.h"
#include "hakmemctl/output.h"

#define BYTES(n) output_bytes((char[OUTPUT_SIZE]){0}, (n))
#define COUNT(n) output_count((char[OUTPUT_SIZE]){0}, (n))

static const struct map_colour BLOCKS = {90, 140, 200}, FREE = {110, 90, 40}, KEPT = {90, 90, 110};

/* The nearest of the 6 x 6 x 6 colours that all terminals of today have. */
static unsigned cube(struct map_colour c)
{
    unsigned r = (c.red + 25u) / 51, g = (c.green + 25u) / 51, b = (c.blue + 25u) / 51;
    return 16 + 36 * r + 6 * g + b;
}

static bool is_bright(struct map_colour c)
{
    return 299u * c.red + 587u * c.green + 114u * c.blue > 128000;
}

static void paint(bool colours, struct map_colour c, const char *text)
{
    if (colours)
        printf("\033[48;5;%u;38;5;%um%s\033[0m", cube(c), is_bright(c) ? 16 : 255, text);
    else
        fputs(text, stdout);
}

/* A full cell is told by its tens, 9 at most. */
static unsigned tenth(unsigned percent)
{
    return percent >= 100 ? 9 : percent / 10;
}

static void print_slab(const struct report *report, struct map_cell cell, bool colours)
{
    char text[3] = {map_class_letter(cell.size_class), (char)('0' + tenth(cell.fill)), '\0'};
    switch (cell.state) {
    case MAP_USED:
        paint(colours, map_class_colour(report, cell.size_class, 35 + cell.fill * 65u / 100), text);
        break;
    case MAP_KEPT:
        paint(colours, KEPT, "==");
        break;
    case MAP_FREE:
        paint(colours, FREE, "--");
        break;
    default:
        fputs(" .", stdout);
    }
}

static void print_cells(const struct map_cell cells[MAP_CELLS], bool colours)
{
    for (unsigned i = 0; i < MAP_CELLS; i++) {
        const struct map_cell *cell = &cells[i];
        char text[2] = {(char)('0' + tenth(cell->fill)), '\0'};
        struct map_colour c = BLOCKS;
        unsigned light = 40 + cell->fill * 60u / 100;
        c = (struct map_colour){(uint8_t)(c.red * light / 100), (uint8_t)(c.green * light / 100),
                                (uint8_t)(c.blue * light / 100)};
        if (cell->state == MAP_USED)
            paint(colours, c, text);
        else if (cell->state == MAP_FREE)
            paint(colours, FREE, "-");
        else
            putchar('.');
    }
}

static void print_superslabs(const struct report *report, bool colours)
{
    const struct snapshot *s = &report->snapshot;
    if (s->superslabs > 0)
        printf("\nSuperSlabs: a row of %u slabs of %s; class and tenths that are live; last: %% live\n",
               s->structures.superslab_slabs, BYTES(s->structures.granule));
    for (size_t i = 0; i < s->superslabs; i++) {
        printf("%012" PRIx64 " ", s->superslab[i].base);
        for (unsigned k = 0; k < s->structures.superslab_slabs; k++)
            print_slab(report, map_slab(report, &s->superslab[i], k), colours);
        printf("%3u\n", map_superslab_fill(report, &s->superslab[i]));
    }
}

static void print_pool(const struct report *report, bool colours)
{
    const struct snapshot *s = &report->snapshot;
    struct map_cell cells[MAP_CELLS];
    if (s->chunks > 0)
        printf("\nPool: a row for each chunk, tenths in blocks (arenas included); last: %% in blocks\n");
    for (size_t i = 0; i < s->chunks; i++) {
        unsigned fill = map_chunk(&s->chunk[i], cells);
        printf("%012" PRIx64 " ", s->chunk[i].base);
        print_cells(cells, colours);
        printf("%3u\n", fill);
    }
}

static void print_large(const struct report *report, bool colours)
{
    struct map_stretch stretch;
    struct map_cell cells[MAP_CELLS];
    if (report->snapshot.spans > 0)
        printf("\nLarge: a row for each stretch of spans, each huge block; tenths live; below: size\n");
    for (size_t at = 0; map_stretch_next(report, at, &stretch); at = stretch.first + stretch.count) {
        map_stretch_cells(report, &stretch, cells);
        printf("%012" PRIx64 " ", stretch.base);
        print_cells(cells, colours);
        printf("%3u\n", (unsigned)(stretch.live * 100 / stretch.bytes));
        printf("%12s %s %s, %s live\n", "", stretch.huge ? "huge block," : "spans,", BYTES(stretch.bytes),
               BYTES(stretch.live));
    }
}

/* What the letters mean: three to a line. */
static void print_legend(const struct report *report, bool colours)
{
    const struct summary *sum = &report->summary;
    unsigned shown = 0;
    printf("\nclass of blocks, its slabs, how much of them is live\n");
    for (unsigned i = 1; i < sum->pool_class; i++) {
        const struct summary_class *c = &sum->class[i];
        if (c->slabs == 0)
            continue;
        char letter[4] = {' ', map_class_letter(i), ' ', '\0'};
        paint(colours, map_class_colour(report, i, 100), letter);
        printf(" %6s %6s %3.0f%%%s", BYTES(c->bytes), COUNT(c->slabs),
               output_percent(c->live * c->bytes, c->slabs * report->snapshot.structures.granule),
               ++shown % 3 == 0 ? "\n" : "    ");
    }
    printf("%s", shown % 3 != 0 ? "\n" : "");
    paint(colours, KEPT, "==");
    printf(" empty, kept by a thread   ");
    paint(colours, FREE, "--");
    printf(" free, resident    . purged or never touched\n");
}

void map_print(const struct report *report, bool colours)
{
    const struct summary *sum = &report->summary;
    printf("%s, process %d: mapped %s, live %s, cached %s, free %s\n", report->program, (int)report->process.pid,
           BYTES(sum->all.mapped), BYTES(sum->all.live), BYTES(sum->all.cached), BYTES(sum->all.free));
    print_superslabs(report, colours);
    if (sum->superslabs > 0)
        print_legend(report, colours);
    print_pool(report, colours);
    print_large(report, colours);
}
