/* SPDX-License-Identifier: MIT */
/* hakmemctl list: all processes on the machine under hakmem. */
#include <stdio.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/output.h"
#include "hakmemctl/process.h"
#include "hakmemctl/target.h"

struct list_totals {
    unsigned shown, refused;
};

static void list_one(const struct process *process, json_t *json)
{
    char unit[TARGET_NAME_SIZE], program[TARGET_NAME_SIZE], version[32];
    if (!target_unit(process->pid, unit) || !target_program(process->pid, program))
        return;
    process_version_number(process, version, sizeof version);
    if (json != NULL)
        json_array_append_new(json, json_pack("{s:i, s:s, s:s, s:s, s:b}", "pid", (int)process->pid, "unit", unit,
                                              "program", program, "version", version, "deleted",
                                              process->deleted));
    else
        printf("%7d  %-24.24s  %-16.16s  %s%s\n", (int)process->pid, unit[0] != '\0' ? unit : "-", program,
               version, process->deleted ? "  deleted: restart needed" : "");
}

static void list_look(pid_t pid, json_t *json, struct list_totals *totals)
{
    struct process process;
    int status = process_open(&process, pid);
    if (status == STATUS_OK) {
        list_one(&process, json);
        totals->shown++;
    } else if (status == STATUS_REFUSED) {
        totals->refused++;
    } else if (status == STATUS_UNREADABLE) {
        command_message("%s", process.error);
    }
    process_close(&process);
}

static int list_run(int argc, char **argv)
{
    extern const struct command command_list;
    struct list_totals totals = {0, 0};
    struct targets targets;
    json_t *json = NULL;
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0))
        return command_usage_error(&command_list, "'%s' is not known", argv[argc - 1]);
    int status = target_all(&targets);
    if (status != STATUS_OK)
        return status;
    if (argc == 2)
        json = json_array();
    else
        printf("%7s  %-24s  %-16s  %s\n", "PID", "UNIT", "PROGRAM", "VERSION");
    for (size_t i = 0; i < targets.count; i++)
        list_look(targets.pid[i], json, &totals);
    target_free(&targets);
    if (json != NULL)
        status = output_json(json);
    if (totals.refused > 0)
        command_message("%u more processes could not be looked at: run this as root", totals.refused);
    return status;
}

const struct command command_list = {
    .name = "list",
    .summary = "all processes on the machine that run on hakmem",
    .usage = "usage: hakmemctl list [--json]\n",
    .run = list_run,
};
