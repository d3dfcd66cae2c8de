/* SPDX-License-Identifier: MIT */
/* The mappings of a live process, as the kernel tells them. */
#ifndef HAKMEMCTL_MAPS_H
#define HAKMEMCTL_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mapping {
    uint64_t start, end;   /* end: the first byte behind it */
    uint64_t offset;       /* in its file */
    char access[5];        /* as in "rw-p" */
    bool anonymous;        /* no file, no name */
    bool deleted;          /* its file is not there any more */
    const char *path;      /* "" when it has none; without " (deleted)" */
};

struct maps {
    struct mapping *item;  /* by rising address */
    size_t count;
    char *text;            /* what the paths point into */
};

/* Read /proc/PID/maps. False with errno. */
bool maps_read(struct maps *maps, pid_t pid);
/* The mapping that holds the address, or NULL. */
const struct mapping *maps_find(const struct maps *maps, uint64_t address);
/* Is all of [start, start + size) mapped and readable? */
bool maps_cover(const struct maps *maps, uint64_t start, uint64_t size);
void maps_free(struct maps *maps);

#endif
