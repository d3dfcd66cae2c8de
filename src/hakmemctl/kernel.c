/* SPDX-License-Identifier: MIT */
#include "hakmemctl/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_SWAPPED ((uint64_t)1 << 62)
#define PAGEMAP_FILE ((uint64_t)1 << 61)
#define PAGEMAP_EXCLUSIVE ((uint64_t)1 << 56) /* mapped by this process alone */
#define PAGEMAP_BATCH 8192 /* entries read at once */

static int open_pagemap(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * A page that was read and never written is the kernel's zero page, which
 * pagemap has as present and Rss does not count. What distinguishes it there is
 * only for the privileged to see (the frame's number): so look into it.
 */
static bool is_zero_page(const struct process *process, uint64_t entry, uint64_t address, size_t page)
{
    static char content[65536];
    if ((entry & (PAGEMAP_FILE | PAGEMAP_EXCLUSIVE)) != 0 || page > sizeof content ||
        !process_read(process, address, content, page))
        return false;
    return content[0] == 0 && memcmp(content, content + 1, page - 1) == 0;
}

/*
 * Add what is resident and swapped of [start, end), without the zero page where
 * `process` is given. False when the kernel does not say.
 */
static bool count_pages(int pagemap, const struct process *process, uint64_t start, uint64_t end,
                        uint64_t *resident, uint64_t *swapped)
{
    static uint64_t entries[PAGEMAP_BATCH];
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t at = start / page, stop = (end + page - 1) / page;
    while (at < stop) {
        size_t want = stop - at < PAGEMAP_BATCH ? (size_t)(stop - at) : PAGEMAP_BATCH;
        ssize_t got = pread(pagemap, entries, want * sizeof entries[0], (off_t)(at * sizeof entries[0]));
        if (got < (ssize_t)sizeof entries[0])
            return false;
        size_t count = (size_t)got / sizeof entries[0];
        for (size_t i = 0; i < count; i++) {
            bool present = (entries[i] & PAGEMAP_PRESENT) != 0;
            if (present && process != NULL && is_zero_page(process, entries[i], (at + i) * page, (size_t)page))
                present = false;
            *resident += present ? page : 0;
            *swapped += (entries[i] & PAGEMAP_SWAPPED) != 0 ? page : 0;
        }
        at += count;
    }
    return true;
}

/* Of the library's own structures pages are read that were never written; of other ranges, hardly ever one. */
static bool count_range(int pagemap, const struct process *process, unsigned kind, uint64_t start,
                        uint64_t end, uint64_t *resident, uint64_t *swapped)
{
    bool own = kind == RANGE_LEAF || kind == RANGE_METADATA;
    return count_pages(pagemap, own ? process : NULL, start, end, resident, swapped);
}

uint64_t kernel_resident(const struct snapshot *s, const struct process *process)
{
    uint64_t resident = 0, swapped = 0;
    int pagemap = open_pagemap(process->pid);
    if (pagemap < 0)
        return 0;
    bool ok = true;
    for (size_t i = 0; i < s->ranges && ok; i++)
        ok = count_range(pagemap, process, s->range[i].kind, s->range[i].start, s->range[i].end, &resident, &swapped);
    close(pagemap);
    return ok ? resident : 0;
}

/* "Rss:    123 kB" in a file of /proc, as bytes; 0 when it is not there. */
static uint64_t read_field(const char *path, const char *name)
{
    char line[256];
    uint64_t kib = 0;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kib = strtoull(line + strlen(name), NULL, 10);
            break;
        }
    }
    fclose(f);
    return kib * 1024;
}

uint64_t kernel_process_resident(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    uint64_t bytes = read_field(path, "Rss:");
    if (bytes != 0)
        return bytes;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    return read_field(path, "VmRSS:");
}

/* Can hakmem have made it? Of the region map what has no region yet can only be read. */
static bool may_be_ours(const struct mapping *m, const struct kernel_mapping *k)
{
    return m->anonymous && (strcmp(m->access, "rw-p") == 0 ||
                            (strcmp(m->access, "r--p") == 0 && k->kinds == 1u << RANGE_LEAF));
}

/* The part of range [start, end) that mapping m holds. */
static uint64_t overlap(const struct snapshot_range *r, const struct mapping *m)
{
    uint64_t start = r->start > m->start ? r->start : m->start;
    uint64_t end = r->end < m->end ? r->end : m->end;
    return start < end ? end - start : 0;
}

/* What of mapping m is hakmem's; *at is the first range that does not end in front of it. */
static struct kernel_mapping look_at(const struct snapshot *s, const struct mapping *m, size_t *at)
{
    struct kernel_mapping k = {.start = m->start, .end = m->end};
    while (*at < s->ranges && s->range[*at].end <= m->start)
        (*at)++;
    for (size_t i = *at; i < s->ranges && s->range[i].start < m->end; i++) {
        k.ours += overlap(&s->range[i], m);
        k.kinds |= 1u << s->range[i].kind;
    }
    return k;
}

/* Rss and AnonHugePages of the mappings, from smaps; both are sorted by address. */
static void read_smaps(struct kernel_view *view, pid_t pid)
{
    char path[64], line[4200];
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return;
    size_t at = 0;
    bool inside = false;
    while (fgets(line, sizeof line, f) != NULL && at < view->mappings + inside) {
        uint64_t start, end;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2) {
            at += inside;
            while (at < view->mappings && view->mapping[at].end <= start)
                at++;
            inside = at < view->mappings && view->mapping[at].start < end;
            if (!inside && at == view->mappings)
                break;
        } else if (inside && strncmp(line, "Rss:", 4) == 0) {
            view->mapping[at].resident = strtoull(line + 4, NULL, 10) * 1024;
        } else if (inside && strncmp(line, "AnonHugePages:", 14) == 0) {
            view->mapping[at].huge_pages = strtoull(line + 14, NULL, 10) * 1024;
        }
    }
    fclose(f);
}

/* Resident bytes of each range to its kind and its mapping, and of what lies between. */
static void read_pagemap(struct kernel_view *view, const struct snapshot *s, const struct process *process)
{
    int pagemap = open_pagemap(process->pid);
    if (pagemap < 0)
        return;
    bool ok = true;
    size_t at = 0;
    for (size_t m = 0; m < view->mappings && ok; m++) {
        struct kernel_mapping *k = &view->mapping[m];
        uint64_t done = k->start, unused = 0;
        while (at < s->ranges && s->range[at].end <= k->start)
            at++;
        for (size_t i = at; i < s->ranges && s->range[i].start < k->end && ok; i++) {
            uint64_t start = s->range[i].start > done ? s->range[i].start : done;
            uint64_t end = s->range[i].end < k->end ? s->range[i].end : k->end;
            uint64_t resident = 0;
            if (start >= end)
                continue;
            ok = count_pages(pagemap, NULL, done, start, &k->other_resident, &unused) &&
                 count_range(pagemap, process, s->range[i].kind, start, end, &resident, &view->swapped);
            view->resident[s->range[i].kind] += resident;
            k->ours_resident += resident;
            done = end;
        }
        ok = ok && count_pages(pagemap, NULL, done, k->end, &k->other_resident, &unused);
    }
    close(pagemap);
    view->has_pagemap = ok;
}

/* The mappings that hold hakmem's ranges, and what of the ranges is in none. */
static bool match_maps(struct kernel_view *view, const struct snapshot *s, const struct maps *maps)
{
    size_t at = 0;
    uint64_t mapped = 0, found = 0;
    view->maps = maps->count;
    view->mapping = calloc(maps->count + 1, sizeof *view->mapping);
    if (view->mapping == NULL)
        return false;
    for (size_t i = 0; i < s->ranges; i++) {
        view->mapped[s->range[i].kind] += s->range[i].end - s->range[i].start;
        mapped += s->range[i].end - s->range[i].start;
    }
    for (size_t i = 0; i < maps->count; i++) {
        struct kernel_mapping k = look_at(s, &maps->item[i], &at);
        if (k.ours == 0)
            continue;
        if (may_be_ours(&maps->item[i], &k)) {
            view->mapping[view->mappings++] = k;
            found += k.ours;
        } else if (maps->item[i].anonymous && strcmp(maps->item[i].access, "---p") == 0) {
            view->reserved += k.ours;
        }
    }
    view->missing = mapped > found ? mapped - found : 0;
    return true;
}

bool kernel_look(struct kernel_view *view, const struct snapshot *s, struct process *process)
{
    struct maps maps;
    memset(view, 0, sizeof *view);
    /* Anew: they may have changed since the process was opened. */
    if (!maps_read(&maps, process->pid) || !match_maps(view, s, &maps)) {
        snprintf(process->error, sizeof process->error, "the mappings of process %d cannot be read: %s",
                 (int)process->pid, strerror(errno));
        maps_free(&maps);
        return false;
    }
    maps_free(&maps);
    read_smaps(view, process->pid);
    read_pagemap(view, s, process);
    view->process_resident = kernel_process_resident(process->pid);
    return true;
}

void kernel_free(struct kernel_view *view)
{
    free(view->mapping);
    view->mapping = NULL;
    view->mappings = 0;
}
