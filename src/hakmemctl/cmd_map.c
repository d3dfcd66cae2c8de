/* SPDX-License-Identifier: MIT */
/* hakmemctl map: the heap as a picture. One look shows where fragmentation sits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmemctl/command.h"
#include "hakmemctl/map.h"
#include "hakmemctl/output.h"

struct map_output {
    const char *svg; /* file, or NULL */
    json_t *json;    /* array, or NULL */
    bool colours;
    unsigned done;
};

static json_t *map_json(const struct report *report)
{
    const struct snapshot *s = &report->snapshot;
    static const char *const states[] = {"purged", "free", "kept", "used"};
    json_t *rows = json_array();
    for (size_t i = 0; i < s->superslabs; i++) {
        char base[32];
        json_t *slabs = json_array();
        for (unsigned k = 0; k < s->structures.superslab_slabs; k++) {
            struct map_cell cell = map_slab(report, &s->superslab[i], k);
            json_t *o = json_pack("{s:s}", "state", states[cell.state]);
            if (cell.state == MAP_USED) {
                json_object_set_new(o, "block_size", json_integer(s->class_bytes[cell.size_class]));
                json_object_set_new(o, "fill", json_integer(cell.fill));
            }
            json_array_append_new(slabs, o);
        }
        snprintf(base, sizeof base, "%llx", (unsigned long long)s->superslab[i].base);
        json_array_append_new(rows, json_pack("{s:s, s:o}", "address", base, "slabs", slabs));
    }
    return json_pack("{s:i, s:o}", "pid", (int)report->process.pid, "superslabs", rows);
}

static int map_one(pid_t pid, void *context)
{
    static struct report report;
    struct map_output *output = context;
    int status = report_take(&report, pid);
    if (status != STATUS_OK && status != STATUS_NOT_HAKMEM) {
        command_message("%s", report.process.error);
    } else if (status == STATUS_OK && output->svg != NULL && output->done > 0) {
        command_message("%s is the picture of one process: name it by its id", output->svg);
        status = STATUS_FAILED;
    } else if (status == STATUS_OK && output->svg != NULL && !map_write_svg(&report, output->svg)) {
        command_message("%s cannot be written: %s", output->svg, strerror(errno));
        status = STATUS_FAILED;
    } else if (status == STATUS_OK && output->json != NULL) {
        json_array_append_new(output->json, map_json(&report));
    } else if (status == STATUS_OK && output->svg == NULL) {
        if (output->done > 0)
            putchar('\n');
        map_print(&report, output->colours);
    }
    output->done += status == STATUS_OK;
    report_free(&report);
    return status;
}

static int map_run(int argc, char **argv)
{
    extern const struct command command_map;
    const char *word = NULL, *no_color = getenv("NO_COLOR");
    bool as_json = false;
    struct map_output output = {.colours = isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0')};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--svg") == 0 && i + 1 < argc)
            output.svg = argv[++i];
        else if (strcmp(argv[i], "--color") == 0)
            output.colours = true;
        else if (strcmp(argv[i], "--json") == 0)
            as_json = true;
        else if (argv[i][0] == '-' || word != NULL)
            return command_usage_error(&command_map, "'%s' is not expected", argv[i]);
        else
            word = argv[i];
    }
    if (word == NULL)
        return command_usage_error(&command_map, "a target is missing");
    if (as_json && output.svg != NULL)
        return command_usage_error(&command_map, "--json and --svg are two ways to say the same");
    if (as_json)
        output.json = json_array();
    int result = target_each(word, map_one, &output);
    if (output.json != NULL && output.done > 0 && output_json(output.json) != STATUS_OK)
        return STATUS_FAILED;
    return result;
}

const struct command command_map = {
    .name = "map",
    .summary = "a heap as a picture, in the terminal or as SVG",
    .usage =
        "usage: hakmemctl map [--color | --json | --svg FILE] TARGET\n"
        "\n"
        "Each SuperSlab is a row of 32 slabs: a letter for the class of its blocks, and how many\n"
        "tenths of it are live; pool and large blocks stand below. Colours where the output is a\n"
        "terminal, or with --color; not where NO_COLOR is set.\n"
        "  --svg FILE  write a picture for a report; of one process\n"
        "  --json      the slabs of each SuperSlab\n",
    .run = map_run,
};
