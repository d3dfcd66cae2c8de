/* SPDX-License-Identifier: MIT */
/* hakmemctl stat for people, in 80 columns. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hakmemctl/output.h"
#include "hakmemctl/report.h"

/* A number in a column of `width`; several in one printf. */
#define BYTES(n) output_bytes((char[OUTPUT_SIZE]){0}, (n))
#define COUNT(n) output_count((char[OUTPUT_SIZE]){0}, (n))

static void print_head(const struct report *report)
{
    const struct process *p = &report->process;
    printf("%s, process %d%s%s\n", report->program, (int)p->pid, report->unit[0] != '\0' ? ", unit " : "", report->unit);
    /* "hakmem 0.1.0, commit 0123456789ab", without compiler and flags. */
    const char *comma = strchr(p->version, ',');
    size_t length = comma != NULL ? (size_t)(comma + 1 - p->version) + strcspn(comma + 1, ",") : strlen(p->version);
    printf("%.*s, %s%s\n", (int)length, p->version, p->library, p->deleted ? " (deleted: restart needed)" : "");
    if (!report->snapshot.whole)
        printf("It never rested while it was read: these are values of several moments.\n");
    if (!report->snapshot.detailed)
        printf("It has more threads than were read: blocks in some of their bins stand as live.\n");
}

static void print_part(const struct report *report, const char *name, const struct summary_part *part, uint64_t resident)
{
    printf("%-10s %8s %8s %8s %8s %8s %8s ", name, BYTES(part->mapped), BYTES(part->live), BYTES(part->cached),
           BYTES(part->free), BYTES(part->purged), BYTES(part->slack));
    if (report->kernel.has_pagemap)
        printf("%8s %8s\n", BYTES(part->believed), BYTES(resident));
    else
        printf("%8s %8s\n", BYTES(part->believed), "?");
}

static void print_memory(const struct report *report)
{
    const struct summary *sum = &report->summary;
    const struct kernel_view *k = &report->kernel;
    uint64_t resident = 0;
    for (unsigned i = 0; i < RANGE_KINDS; i++)
        resident += k->resident[i];
    struct summary_part metadata = {.mapped = sum->metadata, .believed = sum->metadata - sum->metadata_left};
    struct summary_part leaves = {.mapped = sum->leaves};
    leaves.believed = sum->all.believed - sum->slab.believed - sum->pool.believed - sum->large.believed - metadata.believed;
    printf("\n%-10s %8s %8s %8s %8s %8s %8s %8s %8s\n", "MEMORY", "mapped", "live", "cached", "free", "purged",
           "slack", "believed", "resident");
    print_part(report, "slabs", &sum->slab, k->resident[RANGE_SUPERSLAB]);
    print_part(report, "pool", &sum->pool, k->resident[RANGE_POOL]);
    print_part(report, "large", &sum->large, k->resident[RANGE_LARGE]);
    print_part(report, "metadata", &metadata, k->resident[RANGE_METADATA]);
    print_part(report, "region map", &leaves, k->resident[RANGE_LEAF]);
    print_part(report, "all", &sum->all, resident);
    printf("believed: the most that hakmem takes to be resident; resident: what the kernel says.\n");
    printf("Resident of the whole process %s; of it hakmem %.1f %%", BYTES(k->process_resident),
           output_percent(resident, k->process_resident));
    printf(k->swapped != 0 ? "; swapped out %s\n" : "\n", BYTES(k->swapped));
}

/* A bar of ten places. */
static void print_bar(double percent)
{
    int full = (int)(percent / 10 + 0.5);
    printf("%.*s%.*s", full, "##########", 10 - full, "..........");
}

static void print_class(const struct summary_class *c, uint64_t mapped)
{
    uint64_t cached = c->binned + c->returning + c->freed;
    double fill = output_percent(c->live * c->bytes, mapped);
    printf("%6s %7s %9s %8s %9s %8s %8s %4.0f%% ", BYTES(c->bytes), c->slabs != 0 ? COUNT(c->slabs) : "pool",
           COUNT(c->live), BYTES(c->live * c->bytes), COUNT(cached), BYTES(cached * c->footprint),
           BYTES(c->uncarved * c->bytes), fill);
    print_bar(fill);
    putchar('\n');
}

static void print_classes(const struct report *report)
{
    const struct summary *sum = &report->summary;
    uint64_t granule = report->snapshot.structures.granule;
    printf("\n%6s %7s %9s %8s %9s %8s %8s %5s\n", "CLASS", "slabs", "live", "bytes", "cached", "bytes", "uncarved",
           "fill");
    for (unsigned i = 1; i < sum->classes; i++) {
        const struct summary_class *c = &sum->class[i];
        uint64_t mapped = i < sum->pool_class ? c->slabs * granule : (c->live + c->binned) * c->footprint;
        if (c->slabs != 0 || c->live != 0 || c->binned != 0)
            print_class(c, mapped);
    }
    printf("fill: live bytes of the bytes of its slabs (pool: of its blocks, the rest is in arenas).\n");
}

static void print_layers(const struct report *report)
{
    const struct summary *sum = &report->summary;
    printf("\nSLABS    %s SuperSlabs (%s empty): slabs %s used by classes, %s kept empty by threads,\n"
           "         %s free and resident, %s purged\n",
           COUNT(sum->superslabs), COUNT(sum->superslabs_empty), COUNT(sum->slabs_used - sum->slabs_ready),
           COUNT(sum->slabs_ready), COUNT(sum->slabs_dirty), COUNT(sum->slabs_clean));
    printf("CACHED   bins %s, arenas %s, free blocks of slabs %s, carvable %s, empty slabs %s,\n"
           "         on their way home %s\n",
           BYTES(sum->binned), BYTES(sum->arena), BYTES(sum->freed), BYTES(sum->uncarved), BYTES(sum->ready),
           BYTES(sum->returning));
    printf("POOL     %s chunks, %s blocks (%s of them in arenas), %s free runs, the longest %s\n", COUNT(sum->chunks),
           COUNT(sum->pool_blocks), BYTES(sum->arena), COUNT(sum->pool_runs), BYTES(sum->pool_largest_free));
    printf("LARGE    %s live, of them %s mappings of their own (%s); %s free spans, the longest %s\n",
           COUNT(sum->spans_live), COUNT(sum->huge), BYTES(sum->huge_bytes), COUNT(sum->spans_free),
           BYTES(sum->large_largest_free));
}

static void print_thread(const struct report *report, const struct snapshot_heap *h)
{
    const struct thread *t = h->state == HAKMEM_HEAP_ALIVE ? threads_find(&report->threads, h->thread) : NULL;
    char id[16] = "-";
    if (t != NULL)
        snprintf(id, sizeof id, "%d", t->id);
    uint64_t pool = h->binned < h->arena_bytes ? h->binned : h->arena_bytes; /* the other column */
    printf("%7s %-15s %-6s %6s %8s %8s /%8s %5s %8s %5s\n", id,
           t != NULL ? t->name : h->state == HAKMEM_HEAP_SHARED ? "(late threads)" : "-", report_heap_state(h->state),
           COUNT(h->slabs), BYTES(h->binned - pool), BYTES(h->arena_bytes), BYTES(h->arena_limit), COUNT(h->ready),
           BYTES(h->gathered), COUNT(h->rings));
}

/* More than that are told as a sum. */
#define THREADS_SHOWN 40

static void print_threads(const struct report *report)
{
    const struct summary *sum = &report->summary;
    const struct snapshot *s = &report->snapshot;
    size_t shown = 0;
    printf("\n%7s %-15s %-6s %6s %8s %8s /%8s %5s %8s %5s\n", "THREAD", "name", "heap", "slabs", "bins", "arena",
           "limit", "empty", "gathered", "queue");
    for (size_t i = 0; i < s->heaps; i++) {
        const struct snapshot_heap *h = &s->heap[i];
        bool something = h->slabs != 0 || h->arena_bytes != 0 || h->gathered != 0 || h->rings != 0 ||
                         h->state == HAKMEM_HEAP_ALIVE;
        if (something && shown++ < THREADS_SHOWN)
            print_thread(report, h);
    }
    if (shown > THREADS_SHOWN)
        printf("        and %zu more (--json has them all)\n", shown - THREADS_SHOWN);
    printf("%s heaps of live threads, %s of ended ones, %s others. gathered: bytes of other threads'\n"
           "blocks to hand over, in all %s; queue: batches handed over, not taken yet, in all %s (%s).\n",
           COUNT(sum->heaps_alive), COUNT(sum->heaps_dead), COUNT(sum->heaps_other), BYTES(sum->gathered),
           COUNT(sum->rings), BYTES(sum->queued));
}

static void print_calls(const struct report *report)
{
    const struct snapshot *s = &report->snapshot;
    printf("\nSYSTEM CALLS for memory since the start: %s\n        ", COUNT(report->summary.calls));
    for (uint32_t i = 0; i < s->calls; i++)
        printf("%s %s%s", s->call_name[i], COUNT(s->call[i]), i + 1 < s->calls ? ", " : "\n");
    printf("COUNTERS of slow paths\n        ");
    for (uint32_t i = 0; i < s->counters; i++)
        printf("%s %s%s", s->counter_name[i], COUNT(report->summary.counter[i]),
               i + 1 == s->counters ? "\n" : i % 4 == 3 ? "\n        " : ", ");
}

static void print_fragmentation(const struct report *report)
{
    const struct summary *sum = &report->summary;
    uint64_t resident = 0, slabs = (sum->slabs_used - sum->slabs_ready) * report->snapshot.structures.granule;
    for (unsigned i = 0; i < RANGE_KINDS; i++)
        resident += report->kernel.resident[i];
    printf("\nFRAGMENTATION\n");
    if (report->kernel.has_pagemap && sum->all.live != 0)
        printf("  overhead       %6.1f %%  (resident - live) / live\n",
               100.0 * ((double)resident - (double)sum->all.live) / (double)sum->all.live);
    printf("  unused slabs   %6.1f %%  1 - live / bytes of slabs that have a class\n",
           slabs == 0 ? 0 : 100 - output_percent(sum->slab.live, slabs));
    printf("  stranded       %6.1f %%  free bytes of slabs with a live block, of resident: no trim returns whole\n"
           "                           slabs of these (%s)\n",
           output_percent(sum->stranded, resident != 0 ? resident : sum->all.believed), BYTES(sum->stranded));
    printf("  pool           %6.1f %%  1 - longest free run / all free of the pool\n",
           sum->pool_runs == 0 ? 0 : 100 - output_percent(sum->pool_largest_free, sum->pool.free + sum->pool.purged));
    printf("  large          %6.1f %%  1 - longest free span / all free spans\n",
           sum->spans_free == 0 ? 0
                                : 100 - output_percent(sum->large_largest_free, sum->large.free + sum->large.purged));
}

static void print_mappings(const struct report *report)
{
    const struct kernel_view *k = &report->kernel;
    uint64_t mapped = 0, ours = 0, other = 0, other_resident = 0, resident = 0, rss = 0;
    printf("\n%-27s %8s %8s %8s %8s %8s  %s\n", "MAPPINGS of /proc/PID/maps", "size", "hakmem", "resident", "other",
           "smaps", "what");
    for (size_t i = 0; i < k->mappings; i++) {
        const struct kernel_mapping *m = &k->mapping[i];
        uint64_t size = m->end - m->start;
        printf("%12" PRIx64 "-%-14" PRIx64 " %8s %8s %8s %8s %8s ", m->start, m->end, BYTES(size), BYTES(m->ours),
               BYTES(m->ours_resident), BYTES(size - m->ours), BYTES(m->resident));
        for (unsigned kind = 0; kind < RANGE_KINDS; kind++)
            printf("%s%s", (m->kinds >> kind & 1) != 0 ? " " : "", (m->kinds >> kind & 1) != 0 ? report_range_names[kind] : "");
        putchar('\n');
        ours += m->ours;
        other += size - m->ours;
        resident += m->ours_resident;
        other_resident += m->other_resident;
        rss += m->resident;
    }
    for (unsigned i = 0; i < RANGE_KINDS; i++)
        mapped += k->mapped[i];
    printf("hakmem says that it mapped %" PRIu64 " bytes; the kernel has %" PRIu64 " of them here", mapped, ours);
    if (k->missing == 0)
        printf(": they agree.\n");
    else
        printf(":\n%" PRIu64 " bytes differ%s.\n", k->missing,
               k->reserved == k->missing ? ", being moved just now" : ": mapped or unmapped while it was read");
    printf("In the same %zu of %zu mappings lie %" PRIu64 " bytes of others, joined by the kernel.\n", k->mappings, k->maps,
           other);
    if (k->has_pagemap)
        printf("Resident, pagemap: hakmem %" PRIu64 ", others here %" PRIu64 "; together %" PRIu64
               ", smaps (Rss): %" PRIu64 ".\n", resident, other_resident, resident + other_resident, rss);
    if (report->snapshot.lost != 0)
        printf("Besides, %" PRIu64 " bytes of address space could not be unmapped: too many mappings.\n",
               report->snapshot.lost);
}

void report_print(const struct report *report)
{
    print_head(report);
    print_memory(report);
    print_classes(report);
    print_layers(report);
    print_threads(report);
    print_calls(report);
    print_fragmentation(report);
    print_mappings(report);
}
