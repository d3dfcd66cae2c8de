/* SPDX-License-Identifier: MIT */
#include "hakmemctl/report.h"

#include <stdio.h>
#include <string.h>

#include "hakmemctl/command.h"

const char *const report_range_names[RANGE_KINDS] = {"slabs", "pool", "large", "metadata", "region map"};

const char *report_heap_state(uint32_t state)
{
    switch (state) {
    case HAKMEM_HEAP_ALIVE:
        return "alive";
    case HAKMEM_HEAP_DEAD:
        return "dead";
    case HAKMEM_HEAP_BUSY:
        return "busy";
    case HAKMEM_HEAP_FROZEN:
        return "frozen";
    case HAKMEM_HEAP_SHARED:
        return "shared";
    default:
        return "unknown";
    }
}

int report_take(struct report *report, pid_t pid)
{
    memset(report, 0, sizeof *report);
    int status = process_open(&report->process, pid);
    if (status == STATUS_OK)
        status = snapshot_take(&report->snapshot, &report->process);
    if (status == STATUS_OK && !kernel_look(&report->kernel, &report->snapshot, &report->process))
        status = process_has_ended(&report->process) ? STATUS_NO_TARGET : STATUS_FAILED;
    if (status != STATUS_OK)
        return status;
    summary_make(&report->summary, &report->snapshot);
    threads_read(&report->threads, pid);
    target_unit(pid, report->unit);
    if (!target_program(pid, report->program))
        snprintf(report->program, sizeof report->program, "?");
    return STATUS_OK;
}

void report_free(struct report *report)
{
    threads_free(&report->threads);
    kernel_free(&report->kernel);
    snapshot_free(&report->snapshot);
    process_close(&report->process);
}
