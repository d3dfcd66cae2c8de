/* SPDX-License-Identifier: MIT */
/*
 * The full-screen view: what is sampled, and what is drawn of it.
 *
 *   every interval:  top_sample --> rows with rates --> top_draw_list
 *                                   Enter: one process --> top_draw_process
 *
 * The processes are found anew every few samples, because that reads the
 * mappings of all processes of the machine.
 */
#ifndef HAKMEMCTL_TOP_H
#define HAKMEMCTL_TOP_H

#include "hakmemctl/report.h"

enum top_key { TOP_PID, TOP_NAME, TOP_LIVE, TOP_RESIDENT, TOP_MAPPED, TOP_OVERHEAD, TOP_REFILLS, TOP_CALLS, TOP_KEYS };

struct top_row {
    pid_t pid;
    char name[TARGET_NAME_SIZE], unit[TARGET_NAME_SIZE];
    bool deleted;
    uint64_t live, resident, mapped;
    uint64_t refilled, calls;         /* since its start */
    double refilled_rate, calls_rate; /* per second */
    double when;                      /* seconds; 0: not sampled yet */
};

/* What is shown of the one process that is open. */
struct top_process {
    struct report report;
    int status;
    bool is_open;
    double when, seconds;             /* since the sample before; 0: there is none */
    uint64_t counter[SNAPSHOT_COUNTERS], call[SNAPSHOT_CALLS]; /* of the sample before */
    uint64_t live[SNAPSHOT_CLASSES];
};

struct top {
    struct top_row *row;
    size_t rows;
    unsigned samples;
    unsigned refused;
    enum top_key key;
    bool reversed;
    pid_t selected;                   /* 0: the first */
    size_t first;                     /* row at the top of the screen; of a process: line */
    double interval;
    struct top_process process;
};

/* Seconds of a clock that never goes back. */
double top_now(void);
void top_sample(struct top *top);
void top_sort(struct top *top);
/* Row of the selected process. */
size_t top_selected(const struct top *top);
void top_sample_process(struct top *top, pid_t pid);
void top_close_process(struct top *top);
void top_free(struct top *top);

void top_draw_list(struct top *top);
void top_draw_process(struct top *top);

#endif
