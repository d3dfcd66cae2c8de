/* SPDX-License-Identifier: MIT */
/* The picture as an SVG file, for a report: no script, no external font, a title on each cell. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "hakmemctl/map.h"
#include "hakmemctl/output.h"

#define BYTES(n) output_bytes((char[OUTPUT_SIZE]){0}, (n))
#define COUNT(n) output_count((char[OUTPUT_SIZE]){0}, (n))

enum {
    MARGIN = 24,
    LABEL = 110,          /* of the addresses */
    CELL = 24, ROW = 18,  /* of a slab */
    FIGURE = 130,         /* right of a row: its fill and size */
    LEGEND = 270,
    WIDTH = MARGIN + LABEL + CELL * SNAPSHOT_SLABS + FIGURE + LEGEND + MARGIN,
};

struct svg {
    FILE *file;
    unsigned y; /* where the next line begins */
};

#define FREE_COLOUR "#e2c98c"
#define KEPT_COLOUR "#b9b9cf"
#define BLOCKS_COLOUR "#4f7fb5"

__attribute__((format(printf, 5, 6))) static void text(struct svg *svg, unsigned x, unsigned y, const char *class,
                                                       const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(svg->file, "<text x=\"%u\" y=\"%u\" class=\"%s\" xml:space=\"preserve\">", x, y, class);
    for (const char *c = line; *c != '\0'; c++) {
        if (*c == '<')
            fputs("&lt;", svg->file);
        else if (*c == '>')
            fputs("&gt;", svg->file);
        else if (*c == '&')
            fputs("&amp;", svg->file);
        else if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            fputc('?', svg->file); /* a program may call itself anything */
        else
            fputc(*c, svg->file);
    }
    fputs("</text>\n", svg->file);
}

/* How many of the lines below each other the picture needs. */
static unsigned height_of(const struct report *report)
{
    const struct snapshot *s = &report->snapshot;
    struct map_stretch stretch;
    size_t rows = s->superslabs + s->chunks, classes = 0;
    for (size_t at = 0; map_stretch_next(report, at, &stretch); at = stretch.first + stretch.count)
        rows++;
    for (unsigned c = 1; c < report->summary.pool_class; c++)
        classes += report->summary.class[c].slabs != 0;
    unsigned body = (unsigned)rows * ROW + 3 * 44, legend = (unsigned)(classes + 8) * 20;
    return 110 + (body > legend ? body : legend) + MARGIN;
}

static void head(struct svg *svg, const struct report *report)
{
    const struct summary *sum = &report->summary;
    uint64_t resident = 0;
    unsigned height = height_of(report);
    for (unsigned i = 0; i < RANGE_KINDS; i++)
        resident += report->kernel.resident[i];
    fprintf(svg->file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\">\n"
            "<style>text{font-family:'DejaVu Sans Mono',monospace;font-size:12px;fill:#222}"
            ".t{font-size:18px;font-weight:bold}.h{font-size:13px;font-weight:bold}.s{fill:#666}"
            ".c{font-size:10px;text-anchor:middle}.r{text-anchor:end}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            WIDTH, height, WIDTH, height);
    text(svg, MARGIN, 40, "t", "%s, process %d", report->program, (int)report->process.pid);
    text(svg, MARGIN, 62, "s", "mapped %s   live %s   cached %s   free %s   purged %s   resident %s   %s%s",
         BYTES(sum->all.mapped), BYTES(sum->all.live), BYTES(sum->all.cached), BYTES(sum->all.free),
         BYTES(sum->all.purged), BYTES(resident), report->unit, report->snapshot.whole ? "" : "   (never at rest)");
    svg->y = 84;
}

static void heading(struct svg *svg, const char *words)
{
    svg->y += 26;
    text(svg, MARGIN, svg->y, "h", "%s", words);
    svg->y += 10;
}

/* A cell with the tooltip `title`; the filled part stands at its bottom. */
static void cell(struct svg *svg, unsigned x, unsigned width, unsigned fill, const char *pale, const char *full,
                 const char *title)
{
    unsigned height = ROW - 3, bar = (height * fill + 50) / 100;
    fprintf(svg->file, "<g><title>%s</title><rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>", title, x,
            svg->y, width, height, pale);
    if (bar > 0)
        fprintf(svg->file, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"%s\"/>", x, svg->y + height - bar,
                width, bar, full);
    fprintf(svg->file, "</g>\n");
}

static void colour_text(char out[8], struct map_colour c, unsigned white)
{
    snprintf(out, 8, "#%02x%02x%02x", (c.red * (100 - white) + 255 * white) / 100 & 255,
             (c.green * (100 - white) + 255 * white) / 100 & 255, (c.blue * (100 - white) + 255 * white) / 100 & 255);
}

static void slab_cell(struct svg *svg, const struct report *report, unsigned index, struct map_cell c)
{
    char title[128], pale[8], full[8];
    unsigned x = MARGIN + LABEL + index * CELL;
    switch (c.state) {
    case MAP_USED:
        colour_text(pale, map_class_colour(report, c.size_class, 100), 75);
        colour_text(full, map_class_colour(report, c.size_class, 88), 10);
        snprintf(title, sizeof title, "slab %u: blocks of %s, %u %% live", index,
                 BYTES(report->snapshot.class_bytes[c.size_class]), c.fill);
        cell(svg, x, CELL - 2, c.fill, pale, full, title);
        text(svg, x + (CELL - 2) / 2, svg->y + 11, "c", "%c", map_class_letter(c.size_class));
        break;
    case MAP_KEPT:
        cell(svg, x, CELL - 2, 0, KEPT_COLOUR, KEPT_COLOUR, "empty, kept by a thread");
        break;
    case MAP_FREE:
        cell(svg, x, CELL - 2, 0, FREE_COLOUR, FREE_COLOUR, "free, resident");
        break;
    default:
        cell(svg, x, CELL - 2, 0, "#f3f3f3", "#f3f3f3", "purged or never touched");
    }
}

static void superslabs(struct svg *svg, const struct report *report)
{
    const struct snapshot *s = &report->snapshot;
    heading(svg, "SuperSlabs: a row each; the coloured part of a slab is live");
    for (size_t i = 0; i < s->superslabs; i++) {
        text(svg, MARGIN, svg->y + 12, "s", "%012" PRIx64, s->superslab[i].base);
        for (unsigned k = 0; k < s->structures.superslab_slabs; k++)
            slab_cell(svg, report, k, map_slab(report, &s->superslab[i], k));
        text(svg, MARGIN + LABEL + CELL * SNAPSHOT_SLABS + 46, svg->y + 12, "r", "%u %%",
             map_superslab_fill(report, &s->superslab[i]));
        svg->y += ROW;
    }
}

static void cells_row(struct svg *svg, uint64_t base, const struct map_cell cells[MAP_CELLS], unsigned fill,
                      uint64_t bytes, const char *what)
{
    unsigned width = CELL * SNAPSHOT_SLABS / MAP_CELLS;
    text(svg, MARGIN, svg->y + 12, "s", "%012" PRIx64, base);
    for (unsigned i = 0; i < MAP_CELLS; i++) {
        const struct map_cell *c = &cells[i];
        const char *pale = c->state == MAP_USED ? "#d9e4f0" : c->state == MAP_FREE ? FREE_COLOUR : "#f3f3f3";
        cell(svg, MARGIN + LABEL + i * width, width - 1, c->fill, pale, BLOCKS_COLOUR, what);
    }
    text(svg, MARGIN + LABEL + CELL * SNAPSHOT_SLABS + 46, svg->y + 12, "r", "%u %%", fill);
    text(svg, MARGIN + LABEL + CELL * SNAPSHOT_SLABS + 105, svg->y + 12, "r", "%s", BYTES(bytes));
    svg->y += ROW;
}

static void pool_and_large(struct svg *svg, const struct report *report)
{
    const struct snapshot *s = &report->snapshot;
    struct map_stretch stretch;
    struct map_cell cells[MAP_CELLS];
    char what[96];
    if (s->chunks > 0)
        heading(svg, "Pool: a row for each chunk; coloured: blocks, those in arenas of threads included");
    for (size_t i = 0; i < s->chunks; i++) {
        unsigned fill = map_chunk(&s->chunk[i], cells);
        snprintf(what, sizeof what, "chunk of %s", BYTES(s->chunk[i].bytes));
        cells_row(svg, s->chunk[i].base, cells, fill, s->chunk[i].bytes, what);
    }
    if (s->spans > 0)
        heading(svg, "Large: a row for each stretch of spans, and for each huge block; coloured: live");
    for (size_t at = 0; map_stretch_next(report, at, &stretch); at = stretch.first + stretch.count) {
        map_stretch_cells(report, &stretch, cells);
        snprintf(what, sizeof what, "%s of %s, %s live", stretch.huge ? "huge block" : "spans", BYTES(stretch.bytes),
                 BYTES(stretch.live));
        cells_row(svg, stretch.base, cells, (unsigned)(stretch.live * 100 / stretch.bytes), stretch.bytes, what);
    }
}

static void legend_entry(struct svg *svg, unsigned y, const char *colour, char letter, const char *words)
{
    unsigned x = MARGIN + LABEL + CELL * SNAPSHOT_SLABS + FIGURE;
    fprintf(svg->file, "<rect x=\"%u\" y=\"%u\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", x, y - 12, CELL - 2, ROW - 3,
            colour);
    text(svg, x + (CELL - 2) / 2, y - 1, "c", "%c", letter);
    text(svg, x + CELL + 6, y, "s", "%s", words);
}

static void legend(struct svg *svg, const struct report *report)
{
    const struct summary *sum = &report->summary;
    unsigned y = 110;
    char words[96], colour[8];
    text(svg, MARGIN + LABEL + CELL * SNAPSHOT_SLABS + FIGURE, y, "h", "     block  slabs live");
    for (unsigned i = 1; i < sum->pool_class; i++) {
        const struct summary_class *c = &sum->class[i];
        if (c->slabs == 0)
            continue;
        colour_text(colour, map_class_colour(report, i, 88), 10);
        snprintf(words, sizeof words, "%6s %6s %4.0f%%", BYTES(c->bytes), COUNT(c->slabs),
                 output_percent(c->live * c->bytes, c->slabs * report->snapshot.structures.granule));
        legend_entry(svg, y += 20, colour, map_class_letter(i), words);
    }
    legend_entry(svg, y += 30, KEPT_COLOUR, ' ', "empty, kept by a thread");
    legend_entry(svg, y += 20, FREE_COLOUR, ' ', "free, resident");
    legend_entry(svg, y += 20, "#f3f3f3", ' ', "purged or never touched");
    legend_entry(svg, y += 20, BLOCKS_COLOUR, ' ', "blocks of pool and large");
}

bool map_write_svg(const struct report *report, const char *file)
{
    struct svg svg = {fopen(file, "we"), 0};
    if (svg.file == NULL)
        return false;
    head(&svg, report);
    superslabs(&svg, report);
    pool_and_large(&svg, report);
    legend(&svg, report);
    fputs("</svg>\n", svg.file);
    bool failed = ferror(svg.file) != 0;
    int saved = errno;
    if (fclose(svg.file) != 0)
        return false;
    errno = saved;
    return !failed;
}
