/* SPDX-License-Identifier: MIT */
#include "hakmemctl/serving.h"

#include <stdio.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/process.h"

enum { COUNTERS_MAX = 1024, HEAPS_MAX = 1 << 20 };

/* Index of a counter by its name; -1 when that library has none of this name. */
static int find_counter(const struct process *process, const char *name)
{
    const struct hakmem_page *page = &process->page;

    for (uint32_t i = 0; i < page->counter_count && i < COUNTERS_MAX; i++) {
        char text[64];
        uint64_t address;

        if (!process_read(process, page->counter_names + 8ull * i, &address, sizeof address) ||
            !process_read_text(process, address, text, sizeof text))
            return -1;
        if (strcmp(text, name) == 0)
            return (int)i;
    }
    return -1;
}

/* Has any heap counted there? */
static bool counted(const struct process *process, const char *name)
{
    const struct hakmem_page *page = &process->page;
    int index = find_counter(process, name);
    uint64_t heap, value;

    if (index < 0 || !process_read(process, page->heaps, &heap, sizeof heap))
        return false;
    for (int i = 0; heap != 0 && i < HEAPS_MAX; i++) {
        if (!process_read(process, heap + page->heap_counters + 8ull * (unsigned)index, &value, sizeof value))
            return false;
        if (value > 0)
            return true;
        if (!process_read(process, heap + page->heap_next, &heap, sizeof heap))
            return false;
    }
    return false;
}

void serving_look(pid_t pid, struct serving *serving)
{
    struct process process;

    memset(serving, 0, sizeof *serving);
    serving->status = process_open(&process, pid);
    if (serving->status == STATUS_OK) {
        serving->mapped = true;
        serving->deleted = process.deleted;
        process_version_number(&process, serving->version, sizeof serving->version);
        if (!counted(&process, "refilled_blocks") && !counted(&process, "large_allocs")) {
            serving->status = STATUS_NOT_HAKMEM;
            snprintf(process.error, sizeof process.error,
                     "process %d has the library loaded, but takes no memory from it (an allocator of its "
                     "own, or allocator = libc in the configuration)", (int)pid);
        }
    }
    if (serving->status != STATUS_OK)
        snprintf(serving->why, sizeof serving->why, "%s", process.error);
    process_close(&process);
}
