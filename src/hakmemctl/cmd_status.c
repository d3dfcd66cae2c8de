/* SPDX-License-Identifier: MIT */
/* hakmemctl status: is a service enabled, and is it served? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/output.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/serving.h"
#include "hakmemctl/system.h"
#include "hakmemctl/text.h"
#include "hakmemctl/unit.h"
#include "hakmemctl/unit_files.h"

extern const struct command command_status;

struct unit_status {
    const char *enabled; /* "hakmemctl", "its own settings", "the whole system", "no" */
    bool is_enabled;
    char *preload;
    json_t *processes;
    unsigned served, all, old;
    bool refused;
};

static void look_at_processes(const struct unit *unit, struct unit_status *status)
{
    size_t count;
    pid_t *pid = unit_processes(unit, &count);

    status->processes = json_array();
    for (size_t i = 0; i < count; i++) {
        struct serving serving;

        serving_look(pid[i], &serving);
        if (serving.status == STATUS_NO_TARGET)
            continue;
        status->all++;
        status->served += serving.status == STATUS_OK;
        status->old += serving.deleted;
        status->refused |= serving.status == STATUS_REFUSED;
        json_array_append_new(status->processes,
                              json_pack("{s:i, s:b, s:s, s:b, s:s}", "pid", (int)pid[i], "served",
                                        serving.status == STATUS_OK, "version", serving.version, "deleted",
                                        serving.deleted, "reason", serving.why));
    }
    free(pid);
}

static void look_at_unit(const struct unit *unit, struct unit_status *status)
{
    struct unit_files files;
    char *error = NULL;
    bool from_file, ours;

    *status = (struct unit_status){.enabled = "no"};
    ours = unit_files_read(unit, &files, &error) && unit_files_are_ours(&files);
    free(error);
    unit_files_free(&files);
    status->preload = unit_preload(unit, &from_file);
    if (status->preload != NULL)
        text_make_printable(status->preload);
    if (ours && preload_has_ours(status->preload))
        status->enabled = "by hakmemctl";
    else if (preload_has_ours(status->preload))
        status->enabled = "by its own settings";
    else if (!unit->user && system_enabled())
        status->enabled = "for the whole system";
    status->is_enabled = strcmp(status->enabled, "no") != 0;
    look_at_processes(unit, status);
}

static void print_unit(const struct unit *unit, const struct unit_status *status)
{
    char *active = unit_property(unit, "ActiveState");
    size_t index;
    json_t *process;

    printf("%s\n  enabled:    %s\n  state:      %s\n", unit->name, status->enabled, active);
    if (status->preload != NULL)
        printf("  LD_PRELOAD: %s\n", status->preload);
    printf("  served:     %u of %u processes\n", status->served, status->all);
    json_array_foreach(status->processes, index, process) {
        bool served = json_is_true(json_object_get(process, "served"));

        printf("    %-8d %s%s%s\n", (int)json_integer_value(json_object_get(process, "pid")),
               served ? "hakmem " : json_string_value(json_object_get(process, "reason")),
               served ? json_string_value(json_object_get(process, "version")) : "",
               json_is_true(json_object_get(process, "deleted")) ? ", its library was replaced: restart needed" : "");
    }
    if (status->is_enabled && status->all > status->served && !status->refused)
        printf("  Processes that were started before it was enabled are served after a restart;\n"
               "  hakmemctl doctor %s says what else may be the reason.\n", unit->name);
    free(active);
}

static int show_unit(const char *name, bool user, bool json)
{
    struct unit unit;
    struct unit_status status;
    char *error = NULL;
    int result = unit_open(&unit, name, user);

    if (result == STATUS_OK && !unit_usable(&unit, &error) && unit_property_is(&unit, "LoadState", "not-found")) {
        command_message("%s", error);
        result = STATUS_NO_TARGET;
    }
    free(error);
    if (result == STATUS_OK) {
        look_at_unit(&unit, &status);
        result = !status.is_enabled ? STATUS_NOT_HAKMEM : STATUS_OK;
        if (json) {
            char *active = unit_property(&unit, "ActiveState");

            output_json(json_pack("{s:s, s:b, s:s, s:s, s:s?, s:i, s:i, s:O}", "unit", unit.name, "enabled",
                                  status.is_enabled, "how", status.enabled, "state", active, "ld_preload",
                                  status.preload, "served", (int)status.served, "processes_total",
                                  (int)status.all, "processes", status.processes));
            free(active);
        } else {
            print_unit(&unit, &status);
        }
        json_decref(status.processes);
        free(status.preload);
    }
    unit_close(&unit);
    return result;
}

static int show_system(bool json)
{
    bool enabled = system_enabled();

    if (json)
        output_json(json_pack("{s:b}", "system_enabled", enabled));
    else
        printf("hakmem is %senabled for the whole system (%s)\n", enabled ? "" : "not ", SYSTEM_FILE);
    return enabled ? STATUS_OK : STATUS_NOT_HAKMEM;
}

static int status_run(int argc, char **argv)
{
    const char *unit = NULL;
    bool json = false, user = false, system = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--user") == 0)
            user = true;
        else if (strcmp(argv[i], "--system") == 0)
            system = true;
        else if (argv[i][0] == '-')
            return command_usage_error(&command_status, "'%s' is not known", argv[i]);
        else if (unit != NULL)
            return command_usage_error(&command_status, "one unit at a time, not '%s' too", argv[i]);
        else
            unit = argv[i];
    }
    if (system == (unit != NULL))
        return command_usage_error(&command_status, "it needs a UNIT, or --system");
    return system ? show_system(json) : show_unit(unit, user, json);
}

const struct command command_status = {
    .name = "status",
    .summary = "is a service enabled, and does hakmem serve it?",
    .usage =
        "usage: hakmemctl status [--user] [--json] UNIT\n"
        "       hakmemctl status --system [--json]\n"
        "\n"
        "Tells whether UNIT is enabled and by what, and for each of its processes whether hakmem\n"
        "serves it, with the version of the library. Exit status 0: enabled; 4: not enabled.\n"
        "\n"
        "  --user    a unit of the user's own systemd\n"
        "  --system  whether every program of the machine is enabled\n"
        "  --json    for programs\n",
    .run = status_run,
};
