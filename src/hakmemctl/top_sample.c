/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hakmemctl/command.h"
#include "hakmemctl/top.h"

/* Samples between two searches for processes. */
#define SEARCH_EVERY 4

double top_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Growth per second; a counter that fell belongs to another process. */
static double rate(uint64_t now, uint64_t before, double seconds)
{
    return seconds > 0 && now >= before ? (double)(now - before) / seconds : 0;
}

static uint64_t counter_named(const struct snapshot *s, const struct summary *sum, const char *name)
{
    for (uint32_t i = 0; i < s->counters; i++) {
        if (strcmp(s->counter_name[i], name) == 0)
            return sum->counter[i];
    }
    return 0;
}

static void fill_row(struct top_row *row, const struct process *process, const struct snapshot *s)
{
    static struct summary sum;
    double now = top_now(), seconds = row->when != 0 ? now - row->when : 0;
    summary_make(&sum, s);
    uint64_t refilled = counter_named(s, &sum, "refilled_blocks");
    row->refilled_rate = rate(refilled, row->refilled, seconds);
    row->calls_rate = rate(sum.calls, row->calls, seconds);
    row->refilled = refilled;
    row->calls = sum.calls;
    row->live = sum.all.live;
    row->mapped = sum.all.mapped;
    row->resident = kernel_resident(s, process);
    row->deleted = process->deleted;
    row->when = now;
    target_unit(process->pid, row->unit);
    if (!target_program(process->pid, row->name))
        row->name[0] = '\0';
}

/* False when the process is not to be shown (any more). */
static bool sample_row(struct top *top, struct top_row *row)
{
    static struct snapshot snapshot;
    struct process process;
    memset(&snapshot, 0, sizeof snapshot);
    int status = process_open(&process, row->pid);
    bool was = row->when != 0;
    if (status == STATUS_OK)
        status = snapshot_take(&snapshot, &process);
    if (status == STATUS_OK)
        fill_row(row, &process, &snapshot);
    top->refused += status == STATUS_REFUSED;
    snapshot_free(&snapshot);
    process_close(&process);
    /* One that could not be read for once keeps its numbers. */
    return status == STATUS_OK || (was && status == STATUS_UNREADABLE);
}

static bool has_row(const struct top *top, size_t rows, pid_t pid)
{
    for (size_t i = 0; i < rows; i++) {
        if (top->row[i].pid == pid)
            return true;
    }
    return false;
}

/* Add a row for each process that is not there yet. */
static void search(struct top *top)
{
    struct targets targets;
    if (target_all(&targets) != STATUS_OK)
        return;
    struct top_row *more = realloc(top->row, (top->rows + targets.count + 1) * sizeof *more);
    if (more != NULL) {
        size_t known = top->rows;
        top->row = more;
        for (size_t i = 0; i < targets.count; i++) {
            if (has_row(top, known, targets.pid[i]))
                continue;
            top->row[top->rows] = (struct top_row){.pid = targets.pid[i]};
            top->rows++;
        }
    }
    target_free(&targets);
}

void top_sample(struct top *top)
{
    if (top->samples++ % SEARCH_EVERY == 0) {
        top->refused = 0;
        search(top);
    }
    size_t kept = 0;
    for (size_t i = 0; i < top->rows; i++) {
        if (sample_row(top, &top->row[i]))
            top->row[kept++] = top->row[i];
    }
    top->rows = kept;
    top_sort(top);
}

static double overhead(const struct top_row *row)
{
    return row->live == 0 ? 0 : ((double)row->resident - (double)row->live) / (double)row->live;
}

static enum top_key sort_key; /* of the sort that is on */

static int compare(const void *a, const void *b)
{
    const struct top_row *x = a, *y = b;
    double d = 0;
    switch (sort_key) {
    case TOP_NAME:
        d = strcmp(x->name, y->name);
        break;
    case TOP_LIVE:
        d = (double)y->live - (double)x->live;
        break;
    case TOP_RESIDENT:
        d = (double)y->resident - (double)x->resident;
        break;
    case TOP_MAPPED:
        d = (double)y->mapped - (double)x->mapped;
        break;
    case TOP_OVERHEAD:
        d = overhead(y) - overhead(x);
        break;
    case TOP_REFILLS:
        d = y->refilled_rate - x->refilled_rate;
        break;
    case TOP_CALLS:
        d = y->calls_rate - x->calls_rate;
        break;
    default:
        break;
    }
    return d != 0 ? (d > 0) - (d < 0) : (x->pid > y->pid) - (x->pid < y->pid);
}

void top_sort(struct top *top)
{
    sort_key = top->key;
    if (top->rows > 1)
        qsort(top->row, top->rows, sizeof *top->row, compare);
    for (size_t i = 0, k = top->rows; top->reversed && i + 1 < k; i++) {
        struct top_row swap = top->row[i];
        top->row[i] = top->row[--k];
        top->row[k] = swap;
    }
}

size_t top_selected(const struct top *top)
{
    for (size_t i = 0; i < top->rows; i++) {
        if (top->row[i].pid == top->selected)
            return i;
    }
    return 0;
}

void top_sample_process(struct top *top, pid_t pid)
{
    struct top_process *p = &top->process;
    bool again = p->is_open && p->status == STATUS_OK && p->report.process.pid == pid;
    double now = top_now();
    p->seconds = again ? now - p->when : 0;
    if (again) {
        memcpy(p->counter, p->report.summary.counter, sizeof p->counter);
        memcpy(p->call, p->report.snapshot.call, sizeof p->call);
        for (unsigned c = 0; c < SNAPSHOT_CLASSES; c++)
            p->live[c] = p->report.summary.class[c].live;
    }
    if (p->is_open)
        report_free(&p->report);
    p->status = report_take(&p->report, pid);
    p->is_open = true;
    p->when = now;
}

void top_close_process(struct top *top)
{
    if (top->process.is_open)
        report_free(&top->process.report);
    top->process.is_open = false;
}

void top_free(struct top *top)
{
    top_close_process(top);
    free(top->row);
    top->row = NULL;
    top->rows = 0;
}
