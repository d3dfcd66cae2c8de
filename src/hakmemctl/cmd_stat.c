/* SPDX-License-Identifier: MIT */
/* hakmemctl stat: all that can be said of a process's heap, with sums that agree. */
#include <stdio.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/output.h"
#include "hakmemctl/report.h"

struct stat_output {
    json_t *json; /* NULL: text */
    unsigned done;
};

static int stat_one(pid_t pid, void *context)
{
    static struct report report;
    struct stat_output *output = context;
    int status = report_take(&report, pid);
    if (status == STATUS_OK && output->json != NULL) {
        json_array_append_new(output->json, report_json(&report));
    } else if (status == STATUS_OK) {
        if (output->done > 0)
            putchar('\n');
        report_print(&report);
    } else if (status != STATUS_NOT_HAKMEM) {
        command_message("%s", report.process.error);
    }
    output->done += status == STATUS_OK;
    report_free(&report);
    return status;
}

static int stat_run(int argc, char **argv)
{
    extern const struct command command_stat;
    const char *word = NULL;
    struct stat_output output = {NULL, 0};
    bool as_json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (argv[i][0] == '-' || word != NULL)
            return command_usage_error(&command_stat, "'%s' is not expected", argv[i]);
        else
            word = argv[i];
    }
    if (word == NULL)
        return command_usage_error(&command_stat, "a target is missing");
    if (as_json)
        output.json = json_array();
    int result = target_each(word, stat_one, &output);
    if (output.json != NULL && output.done > 0 && output_json(output.json) != STATUS_OK)
        return STATUS_FAILED;
    return result;
}

const struct command command_stat = {
    .name = "stat",
    .summary = "what the heap of a process is made of, and what the kernel says of it",
    .usage =
        "usage: hakmemctl stat [--json] TARGET\n"
        "\n"
        "Prints, for each process of the target, what hakmem has mapped, and how it is used:\n"
        "  live      in the program's hands, as sizes of blocks\n"
        "  cached    free, but set aside by a thread: bins, free blocks of its slabs, empty slabs\n"
        "  free      resident and for any thread: free slabs, runs of the pool, large spans\n"
        "  purged    address space without pages: given back to the system, or never touched\n"
        "  slack     ends of slabs and spans that no block covers\n"
        "then size classes, pool, large blocks, threads, system calls, fragmentation, and each\n"
        "mapping beside /proc/PID/maps, pagemap and smaps. --json prints an array of processes.\n"
        "\n"
        "The process takes no part and does not notice. Needs the right to trace it.\n",
    .run = stat_run,
};
