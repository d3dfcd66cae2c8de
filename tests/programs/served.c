/* SPDX-License-Identifier: MIT */
/*
 * served PID: does hakmem serve that live process?
 *
 * Reads it as hakmemctl does, and prints version and counters, one "name value"
 * a line. Exit status: 0 blocks were served, 1 hakmem is not there or serves
 * nothing, 2 the process cannot be read.
 *
 * That the library is mapped proves little: a program with an allocator of its
 * own maps it too and never calls it. That refills were counted and grow under
 * load proves it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/snapshot.h"

static uint64_t print_counters(const struct snapshot *s)
{
    uint64_t refilled = 0;
    for (uint32_t i = 0; i < s->counters; i++) {
        uint64_t sum = 0;
        for (size_t h = 0; h < s->heaps; h++)
            sum += s->heap[h].counter[i];
        printf("%s %" PRIu64 "\n", s->counter_name[i], sum);
        if (strcmp(s->counter_name[i], "refilled_blocks") == 0)
            refilled = sum;
    }
    return refilled;
}

int main(int argc, char **argv)
{
    struct process process;
    struct snapshot snapshot;
    pid_t pid = argc == 2 ? (pid_t)atol(argv[1]) : 0;
    if (pid <= 0) {
        fprintf(stderr, "usage: served PID\n");
        return 2;
    }
    int status = process_open(&process, pid);
    if (status == STATUS_OK)
        status = snapshot_take(&snapshot, &process);
    if (status != STATUS_OK) {
        fprintf(stderr, "served: %s\n", process.error);
        return status == STATUS_NOT_HAKMEM ? 1 : 2;
    }
    printf("version %s\nheaps_read %zu\n", process.version, snapshot.heaps);
    uint64_t refilled = print_counters(&snapshot);
    snapshot_free(&snapshot);
    process_close(&process);
    if (refilled == 0) {
        fprintf(stderr, "served: process %d: hakmem is mapped and serves nothing\n", (int)pid);
        return 1;
    }
    return 0;
}
