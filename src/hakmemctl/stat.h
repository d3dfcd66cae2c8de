/* SPDX-License-Identifier: MIT */
/* What `hakmemctl stat` knows of one process, and its two ways to say it. */
#ifndef HAKMEMCTL_STAT_H
#define HAKMEMCTL_STAT_H

#include <jansson.h>

#include "hakmemctl/kernel.h"
#include "hakmemctl/process.h"
#include "hakmemctl/snapshot.h"
#include "hakmemctl/summary.h"
#include "hakmemctl/target.h"
#include "hakmemctl/threads.h"

struct stat {
    struct process process;
    struct snapshot snapshot;
    struct summary summary;
    struct kernel_view kernel;
    struct threads threads;
    char program[TARGET_NAME_SIZE], unit[TARGET_NAME_SIZE];
};

/* An enum status, with the reason in stat->process.error. To be freed in every case. */
int stat_take(struct stat *stat, pid_t pid);
void stat_free(struct stat *stat);

void stat_print(const struct stat *stat);
/* A new value, or NULL when memory is short. */
json_t *stat_json(const struct stat *stat);

/* "SuperSlabs", ... by enum range_kind. */
extern const char *const stat_range_names[RANGE_KINDS];
const char *stat_heap_state(uint32_t state);

#endif
