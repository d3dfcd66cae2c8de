/* SPDX-License-Identifier: MIT */
#include <curses.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/output.h"
#include "hakmemctl/top.h"

#define BYTES(n) output_bytes((char[OUTPUT_SIZE]){0}, (n))
#define COUNT(n) output_count((char[OUTPUT_SIZE]){0}, (n))

static const char *const titles[TOP_KEYS] = {"PID", "PROGRAM", "LIVE", "RESIDENT", "MAPPED", "OVER%", "BLOCKS/s", "CALLS/s"};

/* A line over the whole width, cut at its end. */
__attribute__((format(printf, 3, 4))) static void line(int y, attr_t attributes, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (y >= LINES || y < 0)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    attrset(attributes);
    mvaddnstr(y, 0, text, COLS);
    if (getcurx(stdscr) != 0 || strlen(text) < (size_t)COLS)
        hline(' ' | attributes, COLS);
    attrset(A_NORMAL);
}

static void bar(int y, const char *keys)
{
    line(y, A_REVERSE, " %s", keys);
}

/* What is left for the two names beside the numbers. */
static int name_width(void) { return COLS >= 120 ? 24 : 15; }
static int unit_width(void)
{
    int width = COLS - 7 - 1 - name_width() - 1 - 8 - 9 - 8 - 7 - 9 - 8 - 1;
    return width < 0 ? 0 : width > 40 ? 40 : width;
}

static void draw_titles(const struct top *top, int y)
{
    int names = name_width(), units = unit_width();
    const int widths[TOP_KEYS] = {7, -names, 8, 9, 8, 7, 9, 8};
    move(y, 0);
    attrset(A_REVERSE);
    hline(' ' | A_REVERSE, COLS);
    for (unsigned i = 0; i < TOP_KEYS; i++) {
        char text[64];
        snprintf(text, sizeof text, i == TOP_PID || i == TOP_NAME ? "%*s " : "%*s", widths[i], titles[i]);
        attrset(i == top->key ? A_REVERSE | A_BOLD | A_UNDERLINE : A_REVERSE);
        addstr(text);
        if (i == TOP_NAME && units > 4) {
            attrset(A_REVERSE);
            snprintf(text, sizeof text, "%-*.*s", units, units, "UNIT");
            addstr(text);
        }
    }
    attrset(A_NORMAL);
}

static void draw_row(const struct top_row *row, int y, bool selected)
{
    char overhead[OUTPUT_SIZE] = "-", units[TARGET_NAME_SIZE] = "";
    int width = unit_width();
    if (row->live != 0 && row->resident != 0)
        snprintf(overhead, sizeof overhead, "%.0f", 100.0 * ((double)row->resident - (double)row->live) / (double)row->live);
    if (width > 4)
        snprintf(units, sizeof units, "%-*.*s", width, width - 1, row->unit[0] != '\0' ? row->unit : "-");
    line(y, selected ? A_REVERSE : row->deleted ? COLOR_PAIR(3) : A_NORMAL, "%7d %-*.*s %s%8s%9s%8s%7s%9s%8s%s", (int)row->pid, name_width(),
         name_width(), row->name, units, BYTES(row->live), BYTES(row->resident), BYTES(row->mapped), overhead,
         COUNT((uint64_t)row->refilled_rate), COUNT((uint64_t)row->calls_rate),
         row->deleted ? " deleted: restart needed" : "");
}

void top_draw_list(struct top *top)
{
    uint64_t live = 0, resident = 0, mapped = 0;
    erase();
    for (size_t i = 0; i < top->rows; i++) {
        live += top->row[i].live;
        resident += top->row[i].resident;
        mapped += top->row[i].mapped;
    }
    line(0, A_BOLD, "hakmem: %zu processes, live %s, resident %s, mapped %s", top->rows, BYTES(live), BYTES(resident),
         BYTES(mapped));
    if (top->refused > 0)
        line(1, COLOR_PAIR(3), "%u more processes may not be looked at by this user", top->refused);
    else
        line(1, A_NORMAL, "LIVE: what programs hold; OVER%%: (resident - live) / live; BLOCKS/s: through slow paths");
    draw_titles(top, 2);
    size_t room = LINES > 4 ? (size_t)LINES - 4 : 1, selected = top_selected(top);
    if (selected < top->first)
        top->first = selected;
    if (selected >= top->first + room)
        top->first = selected - room + 1;
    for (size_t i = top->first; i < top->rows && i < top->first + room; i++)
        draw_row(&top->row[i], 3 + (int)(i - top->first), i == selected);
    bar(LINES - 1, "Up/Down select  Enter open  </> sort by  r reverse  +/- interval  q quit");
    refresh();
}

/* ---- one process ---- */

/* Lines that scroll: only those from top->first on, between the head and the bar, are shown. */
struct page {
    size_t at, first;
    int top, bottom;
};

__attribute__((format(printf, 3, 4))) static void put(struct page *page, attr_t attributes, const char *format, ...)
{
    char text[512];
    va_list arguments;
    size_t at = page->at++;
    if (at < page->first || page->top + (int)(at - page->first) >= page->bottom)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    line(page->top + (int)(at - page->first), attributes, "%s", text);
}

static double per_second(const struct top_process *p, uint64_t now, uint64_t before)
{
    return p->seconds > 0 ? ((double)now - (double)before) / p->seconds : 0;
}

static const char *signed_rate(char text[OUTPUT_SIZE], double value)
{
    char number[OUTPUT_SIZE];
    if (value > -0.5 && value < 0.5)
        return "0";
    output_count(number, (uint64_t)(value < 0 ? -value : value));
    snprintf(text, OUTPUT_SIZE, "%c%.14s", value < 0 ? '-' : '+', number);
    return text;
}

static void put_part(struct page *page, const char *name, const struct summary_part *part, uint64_t resident)
{
    put(page, A_NORMAL, "%-9s%9s%9s%9s%9s%9s%9s%10s", name, BYTES(part->mapped), BYTES(part->live), BYTES(part->cached),
        BYTES(part->free), BYTES(part->purged), BYTES(part->slack), BYTES(resident));
}

static void put_memory(struct page *page, const struct top_process *p)
{
    const struct summary *sum = &p->report.summary;
    const uint64_t *resident = p->report.kernel.resident;
    uint64_t all = 0;
    for (unsigned i = 0; i < RANGE_KINDS; i++)
        all += resident[i];
    put(page, A_BOLD, "%-9s%9s%9s%9s%9s%9s%9s%10s", "MEMORY", "mapped", "live", "cached", "free", "purged", "slack",
        "resident");
    put_part(page, "slabs", &sum->slab, resident[RANGE_SUPERSLAB]);
    put_part(page, "pool", &sum->pool, resident[RANGE_POOL]);
    put_part(page, "large", &sum->large, resident[RANGE_LARGE]);
    put_part(page, "all", &sum->all, all);
}

static void put_rates(struct page *page, const struct top_process *p)
{
    const struct snapshot *s = &p->report.snapshot;
    char text[512] = "";
    size_t length = 0;
    put(page, A_BOLD, "PER SECOND, through slow paths");
    for (uint32_t i = 0; i < s->counters + s->calls; i++) {
        const char *name = i < s->counters ? s->counter_name[i] : s->call_name[i - s->counters];
        double value = i < s->counters ? per_second(p, p->report.summary.counter[i], p->counter[i])
                                       : per_second(p, s->call[i - s->counters], p->call[i - s->counters]);
        char part[64];
        if (value < 0.5)
            continue;
        int width = snprintf(part, sizeof part, "%-17.17s%8s  ", name, COUNT((uint64_t)value));
        if (length + (size_t)width > (size_t)COLS && length > 0) {
            put(page, A_NORMAL, "%s", text);
            length = 0;
        }
        length += (size_t)snprintf(text + length, sizeof text - length, "%s", part);
        if (length >= sizeof text - sizeof part)
            length = 0;
    }
    put(page, A_NORMAL, "%s", length > 0 ? text : "nothing");
}

static void put_classes(struct page *page, const struct top_process *p)
{
    const struct summary *sum = &p->report.summary;
    uint64_t granule = p->report.snapshot.structures.granule;
    put(page, A_BOLD, "%7s%7s%10s%9s%9s%10s%6s", "CLASS", "slabs", "live", "bytes", "live/s", "cached", "fill");
    for (unsigned i = 1; i < sum->classes; i++) {
        const struct summary_class *c = &sum->class[i];
        if (c->slabs == 0 && c->live == 0 && c->binned == 0 && p->live[i] == 0)
            continue;
        uint64_t mapped = i < sum->pool_class ? c->slabs * granule : (c->live + c->binned) * c->footprint;
        double fill = output_percent(c->live * c->bytes, mapped);
        char delta[OUTPUT_SIZE];
        int places = COLS > 80 ? (COLS - 60 < 60 ? COLS - 60 : 60) : 20;
        put(page, fill < 25 ? COLOR_PAIR(3) : fill < 60 ? COLOR_PAIR(2) : COLOR_PAIR(1), "%7s%7s%10s%9s%9s%10s%5.0f%% %.*s", BYTES(c->bytes),
            c->slabs != 0 ? COUNT(c->slabs) : "pool", COUNT(c->live), BYTES(c->live * c->bytes),
            signed_rate(delta, per_second(p, c->live, p->live[i])),
            BYTES((c->binned + c->returning + c->freed) * c->footprint), fill, (int)(fill * places / 100 + 0.5),
            "############################################################");
    }
}

void top_draw_process(struct top *top)
{
    const struct top_process *p = &top->process;
    const struct report *report = &p->report;
    erase();
    if (p->status != STATUS_OK) {
        line(0, A_BOLD, "%s", report->process.error);
        bar(LINES - 1, "Esc back  q quit");
        refresh();
        return;
    }
    char version[32];
    process_version_number(&report->process, version, sizeof version);
    line(0, A_BOLD, "%s, process %d%s%s, hakmem %s%s", report->program, (int)report->process.pid,
         report->unit[0] != '\0' ? ", " : "", report->unit, version, report->process.deleted ? " (deleted: restart needed)" : "");
    line(1, A_NORMAL, "%s threads, %s memory calls, resident %s of the process's %s%s", COUNT(report->summary.heaps_alive),
         COUNT(report->summary.calls), BYTES(kernel_resident(&report->snapshot, &report->process)),
         BYTES(report->kernel.process_resident), report->snapshot.whole ? "" : "; it never rested");
    struct page page = {0, top->first, 2, LINES - 1};
    put_memory(&page, p);
    put_rates(&page, p);
    put_classes(&page, p);
    size_t room = LINES > 3 ? (size_t)LINES - 3 : 1;
    if (top->first + room > page.at && top->first > 0) {
        top->first = page.at > room ? page.at - room : 0;
    }
    char keys[96];
    snprintf(keys, sizeof keys, "Up/Down scroll (%zu lines)  +/- interval  Esc back  q quit", page.at);
    bar(LINES - 1, keys);
    refresh();
}
