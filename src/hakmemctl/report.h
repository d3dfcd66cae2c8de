/* SPDX-License-Identifier: MIT */
/* All that is known of one process: what it says itself, what the kernel says; and two ways to print it. */
#ifndef HAKMEMCTL_REPORT_H
#define HAKMEMCTL_REPORT_H

#include <jansson.h>

#include "hakmemctl/kernel.h"
#include "hakmemctl/process.h"
#include "hakmemctl/snapshot.h"
#include "hakmemctl/summary.h"
#include "hakmemctl/target.h"
#include "hakmemctl/threads.h"

struct report {
    struct process process;
    struct snapshot snapshot;
    struct summary summary;
    struct kernel_view kernel;
    struct threads threads;
    char program[TARGET_NAME_SIZE], unit[TARGET_NAME_SIZE];
};

/* An enum status, with the reason in report->process.error. To be freed in every case. */
int report_take(struct report *report, pid_t pid);
void report_free(struct report *report);

void report_print(const struct report *report);
/* A new value, or NULL when memory is short. */
json_t *report_json(const struct report *report);

/* "SuperSlabs", ... by enum range_kind. */
extern const char *const report_range_names[RANGE_KINDS];
const char *report_heap_state(uint32_t state);

#endif
