/* SPDX-License-Identifier: MIT */
/*
 * hakmemctl metrics: metrics text of all processes. Labels are bounded: pid,
 * program, unit, and words of this file; never a thread or an address. A process
 * has about sixty lines, and two for each size class with --classes.
 *
 * OpenMetrics and the text format of Prometheus, which node_exporter and promtool
 * read, differ: the first calls a family of counters by its name without _total,
 * the other with it; and UNIT and EOF are the first's alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hakmemctl/command.h"
#include "hakmemctl/report.h"

/* What is kept of a process until all are known: families stand together in the text. */
struct sample {
    char labels[3 * TARGET_NAME_SIZE + 64];
    char version[32];
    bool deleted, has_pagemap;
    struct summary summary;
    uint64_t resident[RANGE_KINDS], missing;
    uint64_t counter[SNAPSHOT_COUNTERS], call[SNAPSHOT_CALLS];
    char counter_name[SNAPSHOT_COUNTERS][32], call_name[SNAPSHOT_CALLS][24];
    uint32_t counters, calls;
};

struct metrics {
    struct sample *sample;
    size_t samples, room;
    unsigned refused, unreadable;
    bool classes, openmetrics;
    FILE *out;
};

/* A label's value: what could end it, or is no text, is changed. */
static void append_label(char *to, size_t size, const char *name, const char *value)
{
    size_t at = strlen(to);
    at += (size_t)snprintf(to + at, size - at, "%s%s=\"", at > 0 ? "," : "", name);
    for (; *value != '\0' && at + 3 < size; value++) {
        if (*value == '"' || *value == '\\')
            to[at++] = '\\';
        to[at++] = (unsigned char)*value < ' ' || (unsigned char)*value >= 0x7f ? '_' : *value;
    }
    snprintf(to + at, size - at, "\"");
}

static struct sample *new_sample(struct metrics *m)
{
    if (m->samples == m->room) {
        size_t room = m->room == 0 ? 16 : 2 * m->room;
        struct sample *more = realloc(m->sample, room * sizeof *more);
        if (more == NULL)
            return NULL;
        m->sample = more;
        m->room = room;
    }
    struct sample *s = &m->sample[m->samples++];
    memset(s, 0, sizeof *s);
    return s;
}

static void keep(struct sample *s, const struct report *report)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)report->process.pid);
    append_label(s->labels, sizeof s->labels, "pid", pid);
    append_label(s->labels, sizeof s->labels, "program", report->program);
    append_label(s->labels, sizeof s->labels, "unit", report->unit);
    process_version_number(&report->process, s->version, sizeof s->version);
    s->deleted = report->process.deleted;
    s->has_pagemap = report->kernel.has_pagemap;
    s->summary = report->summary;
    memcpy(s->resident, report->kernel.resident, sizeof s->resident);
    s->missing = report->kernel.missing;
    memcpy(s->counter, report->summary.counter, sizeof s->counter);
    memcpy(s->call, report->snapshot.call, sizeof s->call);
    memcpy(s->counter_name, report->snapshot.counter_name, sizeof s->counter_name);
    memcpy(s->call_name, report->snapshot.call_name, sizeof s->call_name);
    s->counters = report->snapshot.counters;
    s->calls = report->snapshot.calls;
}

static int collect(struct metrics *m, pid_t pid)
{
    static struct report report;
    int status = report_take(&report, pid);
    struct sample *s = status == STATUS_OK ? new_sample(m) : NULL;
    if (s != NULL)
        keep(s, &report);
    else if (status == STATUS_OK)
        status = STATUS_FAILED;
    m->refused += status == STATUS_REFUSED;
    if (status == STATUS_UNREADABLE) {
        m->unreadable++;
        command_message("%s", report.process.error);
    }
    report_free(&report);
    return status == STATUS_FAILED ? STATUS_FAILED : STATUS_OK;
}

static void family(const struct metrics *m, const char *name, const char *type, const char *unit, const char *help)
{
    const char *suffix = !m->openmetrics && strcmp(type, "counter") == 0 ? "_total" : "";
    fprintf(m->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
    if (unit != NULL && m->openmetrics)
        fprintf(m->out, "# UNIT %s %s\n", name, unit);
}

static void value(const struct metrics *m, const struct sample *s, const char *name, const char *label,
                  const char *which, uint64_t n)
{
    fprintf(m->out, "%s{%s", name, s->labels);
    if (label != NULL)
        fprintf(m->out, ",%s=\"%s\"", label, which);
    fprintf(m->out, "} %" PRIu64 "\n", n);
}

#define EACH(m, s) for (const struct sample *s = (m)->sample; s < (m)->sample + (m)->samples; s++)

/* One value a process, at an offset in struct sample. */
static void write_plain(const struct metrics *m)
{
    static const struct {
        const char *name, *type, *unit, *help;
        size_t offset;
    } rows[] = {
#define ROW(name, unit, help, field) {name, "gauge", unit, help, offsetof(struct sample, field)}
        ROW("hakmem_live_bytes", "bytes", "Held by the program, as sizes of blocks.", summary.all.live),
        ROW("hakmem_mapped_bytes", "bytes", "Address space that hakmem has mapped, metadata included.", summary.all.mapped),
        ROW("hakmem_stranded_bytes", "bytes", "Free bytes in slabs in which a block is live.", summary.stranded),
        ROW("hakmem_huge_bytes", "bytes", "Held by the program in mappings of their own.", summary.huge_bytes),
        ROW("hakmem_remote_gathered_bytes", "bytes", "Freed by other threads than their owner, not handed over yet.",
            summary.gathered),
        ROW("hakmem_remote_queued_bytes", "bytes", "Handed over to their owner, not taken yet.", summary.queued),
        ROW("hakmem_remote_queued_batches", "batches", "Batches handed over to their owner, not taken yet.", summary.rings),
        ROW("hakmem_superslabs", NULL, "SuperSlabs mapped.", summary.superslabs),
        ROW("hakmem_superslabs_empty", NULL, "SuperSlabs without a slab in use.", summary.superslabs_empty),
        ROW("hakmem_pool_chunks", NULL, "Chunks of the pool.", summary.chunks),
        ROW("hakmem_large_blocks", NULL, "Live blocks above 64 KiB.", summary.spans_live),
        ROW("hakmem_maps_missing_bytes", "bytes", "Bytes that hakmem counts as mapped and the kernel does not.", missing),
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        family(m, rows[i].name, rows[i].type, rows[i].unit, rows[i].help);
        EACH (m, s) {
            uint64_t n;
            memcpy(&n, (const char *)s + rows[i].offset, sizeof n);
            value(m, s, rows[i].name, NULL, NULL, n);
        }
    }
}

static void write_memory(const struct metrics *m)
{
    family(m, "hakmem_memory_bytes", "gauge", "bytes",
           "Mapped bytes by part and state; the states of a part add up to what it has mapped.");
    EACH (m, s) {
        const struct summary_part *parts[] = {&s->summary.slab, &s->summary.pool, &s->summary.large};
        static const char *const names[] = {"slabs", "pool", "large"};
        for (size_t i = 0; i < 3; i++) {
            const struct {
                const char *state;
                uint64_t bytes;
            } states[] = {{"live", parts[i]->live}, {"cached", parts[i]->cached}, {"free", parts[i]->free},
                          {"purged", parts[i]->purged}, {"slack", parts[i]->slack}};
            for (size_t k = 0; k < sizeof states / sizeof states[0]; k++)
                fprintf(m->out, "hakmem_memory_bytes{%s,part=\"%s\",state=\"%s\"} %" PRIu64 "\n", s->labels, names[i],
                        states[k].state, states[k].bytes);
        }
        fprintf(m->out, "hakmem_memory_bytes{%s,part=\"metadata\",state=\"live\"} %" PRIu64 "\n", s->labels,
                s->summary.metadata - s->summary.metadata_left);
        fprintf(m->out, "hakmem_memory_bytes{%s,part=\"metadata\",state=\"purged\"} %" PRIu64 "\n", s->labels,
                s->summary.metadata_left);
        fprintf(m->out, "hakmem_memory_bytes{%s,part=\"region map\",state=\"live\"} %" PRIu64 "\n", s->labels,
                s->summary.leaves);
    }
    family(m, "hakmem_resident_bytes", "gauge", "bytes", "Resident memory of hakmem's mappings, as the kernel says.");
    EACH (m, s) {
        for (unsigned i = 0; i < RANGE_KINDS && s->has_pagemap; i++)
            value(m, s, "hakmem_resident_bytes", "part", report_range_names[i], s->resident[i]);
    }
}

static void write_info(const struct metrics *m)
{
    family(m, "hakmem_info", "gauge", NULL,
           "1 for each process under hakmem; deleted: its library was replaced, a restart is needed.");
    EACH (m, s)
        fprintf(m->out, "hakmem_info{%s,version=\"%s\",deleted=\"%s\"} 1\n", s->labels, s->version,
                s->deleted ? "true" : "false");
    family(m, "hakmem_heaps", "gauge", NULL, "Heaps, by the state of their thread.");
    EACH (m, s) {
        value(m, s, "hakmem_heaps", "state", "alive", s->summary.heaps_alive);
        value(m, s, "hakmem_heaps", "state", "dead", s->summary.heaps_dead);
        value(m, s, "hakmem_heaps", "state", "other", s->summary.heaps_other);
    }
    family(m, "hakmem_slabs", "gauge", NULL, "Slabs of 64 KiB, by state.");
    EACH (m, s) {
        value(m, s, "hakmem_slabs", "state", "used", s->summary.slabs_used - s->summary.slabs_ready);
        value(m, s, "hakmem_slabs", "state", "kept", s->summary.slabs_ready);
        value(m, s, "hakmem_slabs", "state", "free", s->summary.slabs_dirty);
        value(m, s, "hakmem_slabs", "state", "purged", s->summary.slabs_clean);
    }
}

/* Every name of `counter`s that any process has: they may run different versions. */
static void write_counters(const struct metrics *m)
{
    family(m, "hakmem_memory_calls", "counter", NULL, "System calls for memory.");
    EACH (m, s) {
        for (uint32_t i = 0; i < s->calls; i++)
            value(m, s, "hakmem_memory_calls_total", "call", s->call_name[i], s->call[i]);
    }
    family(m, "hakmem_events", "counter", NULL, "What slow paths count, by the names of the counter table.");
    EACH (m, s) {
        for (uint32_t i = 0; i < s->counters; i++)
            value(m, s, "hakmem_events_total", "event", s->counter_name[i], s->counter[i]);
    }
}

static void write_classes(const struct metrics *m)
{
    static const char *const names[] = {"hakmem_class_live_blocks", "hakmem_class_slabs"};
    static const char *const helps[] = {"Live blocks of a size class.", "Slabs of a size class."};
    for (unsigned k = 0; k < 2; k++) {
        family(m, names[k], "gauge", NULL, helps[k]);
        EACH (m, s) {
            for (unsigned c = 1; c < s->summary.classes; c++) {
                const struct summary_class *class = &s->summary.class[c];
                char size[24];
                snprintf(size, sizeof size, "%" PRIu64, class->bytes);
                if (class->slabs != 0 || class->live != 0)
                    value(m, s, names[k], "block_size", size, k == 0 ? class->live : class->slabs);
            }
        }
    }
}

static void write_all(const struct metrics *m)
{
    write_info(m);
    write_plain(m);
    write_memory(m);
    write_counters(m);
    if (m->classes)
        write_classes(m);
    family(m, "hakmem_unreadable_processes", "gauge", NULL, "Processes that could not be read, by the reason.");
    fprintf(m->out, "hakmem_unreadable_processes{reason=\"refused\"} %u\n", m->refused);
    fprintf(m->out, "hakmem_unreadable_processes{reason=\"damaged\"} %u\n", m->unreadable);
    if (m->openmetrics)
        fputs("# EOF\n", m->out);
}

/* Into FILE whole or not at all: the collector may read it at any moment. */
static int write_file(struct metrics *m, const char *file)
{
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.%d", file, (int)getpid()) >= (int)sizeof temporary) {
        command_message("%s: the name is too long", file);
        return STATUS_FAILED;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    m->out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (m->out == NULL) {
        command_message("%s cannot be written: %s", temporary, strerror(errno));
        if (fd >= 0)
            close(fd);
        return STATUS_FAILED;
    }
    write_all(m);
    bool ok = fflush(m->out) == 0 && fchmod(fd, 0644) == 0;
    ok = fclose(m->out) == 0 && ok;
    if (!ok || rename(temporary, file) != 0) {
        command_message("%s cannot be written: %s", file, strerror(errno));
        unlink(temporary);
        return STATUS_FAILED;
    }
    return STATUS_OK;
}

static int metrics_run(int argc, char **argv)
{
    extern const struct command command_metrics;
    struct metrics m = {.out = stdout};
    struct targets targets;
    const char *file = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--classes") == 0)
            m.classes = true;
        else if (strcmp(argv[i], "--openmetrics") == 0)
            m.openmetrics = true;
        else if (strcmp(argv[i], "--output") == 0 && i + 1 < argc)
            file = argv[++i];
        else
            return command_usage_error(&command_metrics, "'%s' is not expected", argv[i]);
    }
    int status = target_all(&targets);
    for (size_t i = 0; status == STATUS_OK && i < targets.count; i++)
        status = collect(&m, targets.pid[i]);
    target_free(&targets);
    if (status == STATUS_OK && file != NULL)
        status = write_file(&m, file);
    else if (status == STATUS_OK)
        write_all(&m);
    free(m.sample);
    return status;
}

const struct command command_metrics = {
    .name = "metrics",
    .summary = "metrics of all processes, for Prometheus or as OpenMetrics",
    .usage =
        "usage: hakmemctl metrics [--openmetrics] [--classes] [--output FILE]\n"
        "\n"
        "  --openmetrics  OpenMetrics text; without it the text format that node_exporter reads\n"
        "  --classes      live blocks and slabs of each size class, too\n"
        "  --output FILE  write FILE at once, for the textfile collector of node_exporter; the unit\n"
        "                 hakmem-metrics.timer does that once a minute where it is enabled\n"
        "\n"
        "Labels are pid, program and unit, and states; numbers of processes that end and start\n"
        "bound them, never threads or addresses.\n",
    .run = metrics_run,
};
