/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of the mappings that hakmem says it made.
 *
 *   hakmem's ranges    |  SuperSlabs  |  pool  |         | large |
 *   /proc/PID/maps   | anonymous, rw-p            |   | rw-p       |
 *                      `-- hakmem's --------´ `-´ other      `--´ other
 *
 * The kernel joins neighbours with the same rights to one mapping, whoever made
 * them: so each range must lie in anonymous read-write mappings, and what these
 * hold besides is somebody else's. Which pages are there comes from pagemap,
 * for the ranges alone; smaps counts whole mappings and stands beside it.
 */
#ifndef HAKMEMCTL_KERNEL_H
#define HAKMEMCTL_KERNEL_H

#include "hakmemctl/snapshot.h"

struct kernel_mapping {      /* one that holds some of hakmem's */
    uint64_t start, end;
    uint64_t ours;           /* bytes of hakmem's ranges in it */
    uint64_t resident;       /* smaps: Rss */
    uint64_t ours_resident;  /* pagemap: of hakmem's ranges */
    uint64_t other_resident; /* pagemap: of the rest */
    uint64_t huge_pages;     /* smaps: AnonHugePages, bytes */
    unsigned kinds;          /* bits: enum range_kind */
};

struct kernel_view {
    struct kernel_mapping *mapping;
    size_t mappings;
    size_t maps;                     /* mappings of the process in all */
    uint64_t mapped[RANGE_KINDS];    /* bytes of hakmem's ranges */
    uint64_t resident[RANGE_KINDS];
    uint64_t swapped;
    uint64_t missing;                /* bytes of hakmem's ranges that are not mapped, or with other rights */
    uint64_t reserved;               /* of these, mapped without rights: being moved just now */
    uint64_t process_resident;       /* of the whole process: smaps_rollup */
    bool has_pagemap;                /* else all `resident` of ranges is 0 */
};

/* Look at all ranges of the snapshot. False when /proc cannot be read (error in the process). To be freed. */
bool kernel_look(struct kernel_view *view, const struct snapshot *snapshot, struct process *process);
void kernel_free(struct kernel_view *view);
/* Resident bytes of the ranges alone; 0 where pagemap cannot be read. */
uint64_t kernel_resident(const struct snapshot *snapshot, const struct process *process);
/* Rss of the whole process; 0 when it cannot be read. */
uint64_t kernel_process_resident(pid_t pid);

#endif
