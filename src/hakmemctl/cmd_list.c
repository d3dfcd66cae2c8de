/* SPDX-License-Identifier: MIT */
/* hakmemctl list: all processes on the machine under hakmem. */
#include <stdio.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/kernel.h"
#include "hakmemctl/output.h"
#include "hakmemctl/process.h"
#include "hakmemctl/snapshot.h"
#include "hakmemctl/summary.h"
#include "hakmemctl/target.h"

struct list {
    json_t *json; /* NULL: a table */
    unsigned refused;
    int status;
};

struct list_row {
    char unit[TARGET_NAME_SIZE], program[TARGET_NAME_SIZE], version[32];
    uint64_t live, mapped, resident;
};

static void list_print(const struct process *process, const struct list_row *row)
{
    char live[OUTPUT_SIZE], resident[OUTPUT_SIZE], mapped[OUTPUT_SIZE], overhead[OUTPUT_SIZE] = "-";
    if (row->live != 0 && row->resident != 0)
        snprintf(overhead, sizeof overhead, "%.0f%%",
                 100.0 * ((double)row->resident - (double)row->live) / (double)row->live);
    printf("%7d %-22.22s %-16.16s %7s %8s %7s %8s %s%s\n", (int)process->pid, row->unit[0] != '\0' ? row->unit : "-",
           row->program, output_bytes(live, row->live), output_bytes(resident, row->resident),
           output_bytes(mapped, row->mapped), overhead, row->version,
           process->deleted ? " deleted: restart needed" : "");
}

static void list_add(json_t *json, const struct process *process, const struct list_row *row)
{
    json_t *program = json_string(row->program); /* NULL when it is no UTF-8 */
    json_array_append_new(json, json_pack("{s:i, s:s, s:o, s:I, s:I, s:I, s:s, s:b}", "pid", (int)process->pid, "unit",
                                          row->unit, "program", program != NULL ? program : json_string("?"), "live",
                                          (json_int_t)row->live, "resident", (json_int_t)row->resident, "mapped",
                                          (json_int_t)row->mapped, "version", row->version, "deleted",
                                          process->deleted));
}

static int list_look(struct process *process, pid_t pid, struct snapshot *snapshot)
{
    memset(snapshot, 0, sizeof *snapshot);
    int status = process_open(process, pid);
    return status == STATUS_OK ? snapshot_take(snapshot, process) : status;
}

static void list_one(struct list *list, pid_t pid)
{
    static struct summary summary;
    struct process process;
    struct snapshot snapshot;
    struct list_row row;
    int status = list_look(&process, pid, &snapshot);
    if (status == STATUS_OK && target_unit(pid, row.unit) && target_program(pid, row.program)) {
        summary_make(&summary, &snapshot);
        row.live = summary.all.live;
        row.mapped = summary.all.mapped;
        row.resident = kernel_resident(&snapshot, &process);
        process_version_number(&process, row.version, sizeof row.version);
        if (list->json != NULL)
            list_add(list->json, &process, &row);
        else
            list_print(&process, &row);
    } else if (status == STATUS_REFUSED) {
        list->refused++;
    } else if (status == STATUS_UNREADABLE || status == STATUS_FAILED) {
        command_message("%s", process.error);
        list->status = status;
    }
    snapshot_free(&snapshot);
    process_close(&process);
}

static int list_run(int argc, char **argv)
{
    extern const struct command command_list;
    struct list list = {NULL, 0, STATUS_OK};
    struct targets targets;
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0))
        return command_usage_error(&command_list, "'%s' is not expected", argv[argc - 1]);
    int status = target_all(&targets);
    if (status != STATUS_OK)
        return status;
    if (argc == 2)
        list.json = json_array();
    else
        printf("%7s %-22s %-16s %7s %8s %7s %8s %s\n", "PID", "UNIT", "PROGRAM", "LIVE", "RESIDENT", "MAPPED",
               "OVERHEAD", "VERSION");
    for (size_t i = 0; i < targets.count; i++)
        list_one(&list, targets.pid[i]);
    target_free(&targets);
    if (list.json != NULL && output_json(list.json) != STATUS_OK)
        return STATUS_FAILED;
    if (list.refused > 0)
        command_message("%u more processes may not be looked at by this user", list.refused);
    return list.status;
}

const struct command command_list = {
    .name = "list",
    .summary = "all processes on the machine that run on hakmem",
    .usage =
        "usage: hakmemctl list [--json]\n"
        "\n"
        "LIVE is what the program holds, RESIDENT what of hakmem's mappings is in memory, MAPPED\n"
        "their address space, OVERHEAD (RESIDENT - LIVE) / LIVE: less than 0 where the program has\n"
        "not touched all that it holds. \"deleted: restart needed\": the\n"
        "library's file was replaced since the process started.\n"
        "\n"
        "Processes that this user may not trace are counted, not shown.\n",
    .run = list_run,
};
