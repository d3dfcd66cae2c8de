/* SPDX-License-Identifier: MIT */
/*
 * hakmemctl config show | check | explain. Files are read by the library's own
 * parser (src/options), so that both take them for the same.
 */
#include <stdio.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/output.h"
#include "hakmemctl/process.h"
#include "hakmemctl/settings.h"
#include "hakmemctl/target.h"
#include "options/files.h"

extern const struct command command_config;

/* ---- show ---- */

struct show {
    json_t *processes; /* NULL: text */
    json_t *options;   /* of the process that is being read */
    unsigned shown;
};

static void show_setting(const struct setting *setting, void *context)
{
    struct show *show = context;

    if (show->options == NULL)
        printf("%-23s = %-10s # %s\n", setting->name, setting->value, setting->origin);
    else
        json_object_set_new(show->options, setting->name,
                            json_pack("{s:s, s:s, s:b}", "value", setting->value, "origin", setting->origin,
                                      "run_time", setting->at_run_time));
}

static int show_one(pid_t pid, void *context)
{
    struct show *show = context;
    struct process process;
    char program[TARGET_NAME_SIZE] = "";
    int status = process_open(&process, pid);

    if (status == STATUS_OK) {
        target_program(pid, program);
        if (show->processes != NULL)
            show->options = json_object();
        else
            printf("%s# process %d, %s\n", show->shown > 0 ? "\n" : "", (int)pid, program);
        if (!settings_read(&process, show_setting, show))
            status = STATUS_UNREADABLE;
        if (show->processes != NULL)
            json_array_append_new(show->processes, json_pack("{s:i, s:s, s:o}", "pid", (int)pid, "program",
                                                             program, "options", show->options));
        show->shown++;
    }
    if (status != STATUS_OK && status != STATUS_NOT_HAKMEM)
        command_message("%s", process.error);
    process_close(&process);
    return status;
}

static int config_show(const char *target, bool as_json)
{
    struct show show = {.processes = as_json ? json_array() : NULL};

    if (target == NULL)
        return command_usage_error(&command_config, "a target is missing");
    int status = target_each(target, show_one, &show);
    if (show.processes != NULL && show.shown > 0 && output_json(show.processes) != STATUS_OK)
        return STATUS_FAILED;
    return status;
}

/* ---- check ---- */

static void check_report(struct config_reader *reader, const struct config_mistake *mistake)
{
    json_t *json = reader->context;

    if (json != NULL) {
        json_array_append_new(json, json_pack("{s:s, s:i, s:i, s:s%}", "file", reader->path, "line",
                                              (int)mistake->line, "column", (int)mistake->column, "text",
                                              mistake->text, mistake->length));
        return;
    }
    printf("%s:", reader->path);
    if (mistake->line != 0)
        printf("%u:%u:", mistake->line, mistake->column);
    printf(" %.*s\n", (int)mistake->length, mistake->text);
}

/* Without a name: those that a process reads, hakmem.conf and conf.d. Every section is looked at. */
static int config_check(const char *file, bool as_json)
{
    struct options_draft draft;
    json_t *json = as_json ? json_array() : NULL;
    struct config_reader reader = {
        .draft = &draft, .report = check_report, .context = json, .rank = OPTION_RANK_ETC};

    options_draft_begin(&draft);
    if (file != NULL)
        files_read_one(&reader, file, true);
    else
        files_read(&reader, "");
    if (json != NULL && output_json(json) != STATUS_OK)
        return STATUS_FAILED;
    if (json == NULL && reader.mistakes == 0)
        printf("%s%s: no mistakes\n", file != NULL ? file : files_directory,
               file != NULL ? "" : "/hakmem.conf and hakmem.conf.d");
    return reader.mistakes == 0 ? STATUS_OK : STATUS_FAILED;
}

/* ---- explain ---- */

#define OPTION(name, type, initial, least, greatest, unit, when, help) {unit, help},
static const struct {
    const char *unit, *help;
} texts[OPTION_TOTAL] = {
#include "options/table.h"
};

/* A value as a file has it; in static memory of one of the last four calls. */
static const char *value_text(const option_row *row, uint64_t value)
{
    static char memory[4][32];
    static unsigned turn;
    char *text = memory[turn++ % 4];
    struct print_buffer out;

    print_begin(&out, text, sizeof memory[0]);
    option_print(&out, row, value);
    print_end(&out);
    return text;
}

static void print_values(const option_row *row)
{
    switch (row->type) {
    case HAKMEM_OPTION_SWITCH: puts("  values:   on or off"); break;
    case HAKMEM_OPTION_PREWARM: puts("  values:   a list"); break;
    case HAKMEM_OPTION_ALLOCATOR:
    case HAKMEM_OPTION_PRESET:
        printf("  values:  ");
        for (const char *const *word = option_words(row->type); *word != NULL; word++)
            printf(" %s", *word);
        putchar('\n');
        break;
    default:
        printf("  values:   %s to %s %s\n", value_text(row, row->least), value_text(row, row->greatest),
               texts[row - option_rows].unit);
        break;
    }
}

/* Words of at most 76 columns. */
static void print_wrapped(const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column > 0 && column + 1 + word > 76) {
            putchar('\n');
            column = 0;
        }
        printf("%s%.*s", column == 0 ? "  " : " ", (int)word, text);
        column += (column == 0 ? 2 : 1) + word;
        text += word + (text[word] == ' ');
    }
    putchar('\n');
}

static void explain_one(const option_row *row)
{
    const char *const *presets = option_words(HAKMEM_OPTION_PRESET);
    const char *initial = value_text(row, row->initial);
    uint64_t value;

    printf("%s\n", row->name);
    print_wrapped(texts[row - option_rows].help);
    print_values(row);
    printf("  default:  %s\n", *initial == '\0' ? "none" : initial);
    printf("  changes:  %s\n", row->when == HAKMEM_OPTION_RUN ? "also while the program runs: hakmemctl reload"
                                                              : "when the program starts again");
    for (unsigned p = 0; presets[p] != NULL && option_preset_value(p, row, &value); p++)
        printf("%s%s %s%s", p == 0 ? "  presets:  " : ", ", presets[p], value_text(row, value),
               presets[p + 1] == NULL ? "\n" : "");
}

static int config_explain(const char *name)
{
    if (name == NULL) {
        for (size_t i = 0; i < OPTION_TOTAL; i++) {
            if (i > 0)
                putchar('\n');
            explain_one(&option_rows[i]);
        }
        return STATUS_OK;
    }

    const option_row *row = option_find(name, strlen(name));
    if (row != NULL) {
        explain_one(row);
        return STATUS_OK;
    }
    const option_row *nearest = option_nearest(name, strlen(name));
    if (nearest != NULL)
        command_message("there is no option '%s'; the nearest is %s", name, nearest->name);
    else
        command_message("there is no option '%s'; hakmemctl config explain shows all", name);
    return STATUS_FAILED;
}

static int config_run(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : NULL, *word = NULL;
    bool as_json = false;

    if (what == NULL)
        return command_usage_error(&command_config, "show, check or explain is missing");
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && strcmp(what, "explain") != 0)
            as_json = true;
        else if (argv[i][0] == '-' || word != NULL)
            return command_usage_error(&command_config, "'%s' is not expected", argv[i]);
        else
            word = argv[i];
    }
    if (strcmp(what, "show") == 0)
        return config_show(word, as_json);
    if (strcmp(what, "check") == 0)
        return config_check(word, as_json);
    if (strcmp(what, "explain") == 0)
        return config_explain(word);
    return command_usage_error(&command_config, "'%s' is not show, check or explain", what);
}

const struct command command_config = {
    .name = "config",
    .summary = "the settings of a process, and what is wrong with a file of them",
    .usage = "usage: hakmemctl config show [--json] TARGET\n"
             "       hakmemctl config check [--json] [FILE]\n"
             "       hakmemctl config explain [OPTION]\n"
             "\n"
             "show     each option of the running process: the value in force, and where it came from.\n"
             "         What it prints is a configuration file.\n"
             "check    every mistake in FILE, or in the files that all processes read, with line, column\n"
             "         and the nearest known name. Exit status 1 when there is one.\n"
             "explain  what an option does, its values and its default.\n",
    .run = config_run,
};
