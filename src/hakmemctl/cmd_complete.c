/* SPDX-License-Identifier: MIT */
/*
 * hakmemctl complete: the words that may stand next on a command line, for the shell.
 *
 * They are read out of the usage texts of the commands, so that completion knows what the help says:
 *
 *     usage: hakmemctl config show [--json] TARGET
 *                             ^ a literal     ^ a placeholder, by its name: UNIT, TARGET, PID, OPTION
 *
 * An option is every --word of the text; a placeholder behind it is its value.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmemctl/child.h"
#include "hakmemctl/command.h"
#include "hakmemctl/maps.h"
#include "hakmemctl/process.h"
#include "hakmemctl/target.h"
#include "hakmemctl/text.h"
#include "options/value.h"

extern const struct command command_complete;

/* The words typed so far, without the one that is being completed. */
struct line {
    char **word;
    int count;
    const char *start; /* of the word that is being completed */
};

static void offer(const struct line *line, const char *word)
{
    if (text_starts(word, line->start))
        puts(word);
}

/* ---- what a placeholder stands for ---- */

/* The first word of each line that systemctl prints. */
static void offer_units(const struct line *line, const char *verb)
{
    bool user = false;
    struct child_result result;

    for (int i = 0; i < line->count; i++)
        user |= strcmp(line->word[i], "--user") == 0;
    char *argv[] = {"systemctl", user ? "--user" : "--system", "--no-pager", "--no-legend", "--plain", "--all",
                    "--type=service", (char *)verb, NULL};

    if (child_run(argv, 5, NULL, NULL, &result) && result.status == 0)
        for (char *save = NULL, *text = strtok_r(result.output.text, "\n", &save); text != NULL;
             text = strtok_r(NULL, "\n", &save)) {
            text[strcspn(text, " ")] = '\0';
            offer(line, text);
        }
    child_free(&result);
}

/* Processes that run on hakmem, by id, program and unit. */
static void offer_processes(const struct line *line, bool names)
{
    struct targets all;

    if (target_all(&all) != STATUS_OK)
        return;
    for (size_t i = 0; i < all.count; i++) {
        struct maps maps;
        char number[16], name[TARGET_NAME_SIZE];

        if (!maps_read(&maps, all.pid[i]))
            continue;
        bool ours = process_has_library(&maps);

        maps_free(&maps);
        snprintf(number, sizeof number, "%d", (int)all.pid[i]);
        if (ours)
            offer(line, number);
        if (ours && names && target_program(all.pid[i], name))
            offer(line, name);
        if (ours && names && target_unit(all.pid[i], name) && name[0] != '\0')
            offer(line, name);
    }
    target_free(&all);
}

static void offer_placeholder(const struct line *line, const char *name)
{
    if (text_starts(name, "UNIT")) {
        offer_units(line, "list-units");
        offer_units(line, "list-unit-files");
    } else if (text_starts(name, "TARGET")) {
        offer_processes(line, true);
    } else if (text_starts(name, "PID")) {
        offer_processes(line, false);
    } else if (text_starts(name, "OPTION")) {
        for (size_t i = 0; i < OPTION_TOTAL; i++)
            offer(line, option_rows[i].name);
    }
    /* of files the shell knows more */
}

/* ---- the usage text ---- */

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* The next word of a line of usage, without brackets and bars; false at its end. */
static bool next_word(const char **at, const char *end, char *word, size_t size)
{
    while (*at < end && !in_word(**at))
        ++*at;
    size_t length = 0;

    while (*at + length < end && in_word((*at)[length]))
        length++;
    snprintf(word, size, "%.*s", (int)length, *at);
    *at += length;
    return length > 0;
}

static bool is_option(const char *word)
{
    return word[0] == '-';
}

static bool is_placeholder(const char *word)
{
    for (; *word != '\0'; word++)
        if (islower((unsigned char)*word) || *word == '-')
            return false;
    return true;
}

/* Does this option take a value? The placeholder that follows it anywhere in the text; "" when none does. */
static void value_of_option(const char *usage, const char *option, char *name, size_t size)
{
    size_t length = strlen(option);

    name[0] = '\0';
    for (const char *at = usage; (at = strstr(at, option)) != NULL; at += length) {
        const char *behind = at + length;
        char word[64];

        if ((at > usage && in_word(at[-1])) || (*behind != ' ' && *behind != '='))
            continue;
        behind++;
        if (isupper((unsigned char)*behind) && next_word(&behind, behind + strlen(behind), word, sizeof word) &&
            is_placeholder(word)) {
            snprintf(name, size, "%s", word);
            return;
        }
    }
}

/* Does an option of the usage stand here, which takes a value? Then skip that. */
static void skip_value(const char *usage, const char *option, const char **at, const char *end)
{
    char name[64];

    value_of_option(usage, option, name, sizeof name);
    if (name[0] != '\0' && *at < end && (**at == ' ' || **at == '=') && isupper((unsigned char)(*at)[1]))
        next_word(at, end, name, sizeof name);
}

/* Words of the line that are neither options nor their values; returns how many. */
static int plain_words(const struct line *line, const char *usage, const char **plain, int most)
{
    char name[64];
    int count = 0;

    for (int i = 1; i < line->count; i++) {
        if (!is_option(line->word[i])) {
            if (count < most)
                plain[count++] = line->word[i];
            continue;
        }
        value_of_option(usage, line->word[i], name, sizeof name);
        if (name[0] != '\0')
            i++;
    }
    return count;
}

/*
 * One line of usage, behind the command's name: if its words fit the ones that were typed, offer what
 * comes next. Words joined by a bar are alternatives of one place.
 */
static void offer_of_usage(const struct line *line, const char *usage, const char *at, const char *end,
                           const char *const *plain, int count)
{
    char word[64];
    int place = 0;
    bool fits = false;

    while (next_word(&at, end, word, sizeof word)) {
        if (is_option(word)) {
            skip_value(usage, word, &at, end);
            continue;
        }
        bool more = at < end && *at == '|';

        if (place == count)
            is_placeholder(word) ? offer_placeholder(line, word) : offer(line, word);
        else
            fits |= is_placeholder(word) || strcmp(word, plain[place]) == 0;
        if (more)
            continue;
        if (place == count || !fits)
            return;
        place++;
        fits = false;
    }
}

static void offer_plain(const struct line *line, const struct command *command)
{
    const char *plain[16];
    int count = plain_words(line, command->usage, plain, 16);
    char *start = text_format("hakmemctl %s", command->name);

    /* the lines in front of the first empty one */
    for (const char *at = command->usage; *at != '\0' && *at != '\n';) {
        const char *end = at + strcspn(at, "\n"), *behind = strstr(at, start);

        if (behind != NULL && behind < end)
            offer_of_usage(line, command->usage, behind + strlen(start), end, plain, count);
        at = *end == '\n' ? end + 1 : end;
    }
    free(start);
}

static void offer_options(const struct line *line, const struct command *command)
{
    offer(line, "--help");
    for (const char *at = command->usage; (at = strstr(at, "--")) != NULL;) {
        char word[64];

        if ((at == command->usage || !in_word(at[-1])) &&
            next_word(&at, at + strlen(at), word, sizeof word) && strlen(word) > 2)
            offer(line, word);
        else
            at += strspn(at, "-");
    }
}

static void complete_command(const struct line *line, const struct command *command)
{
    const char *last = line->word[line->count - 1];
    char name[64] = "";

    if (is_option(last) && line->count > 1)
        value_of_option(command->usage, last, name, sizeof name);
    if (name[0] != '\0')
        offer_placeholder(line, name);
    else if (is_option(line->start))
        offer_options(line, command);
    else
        offer_plain(line, command);
}

static int complete_run(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

    if (first >= argc)
        return command_usage_error(&command_complete, "the words of a command line are missing");
    struct line line = {argv + first, argc - first - 1, argv[argc - 1]};
    const struct command *command;

    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        if (line.count == 0)
            offer(&line, command->name);
        else if (strcmp(command->name, line.word[0]) == 0)
            complete_command(&line, command);
    }
    if (line.count == 0 && is_option(line.start)) {
        offer(&line, "--help");
        offer(&line, "--version");
    }
    return STATUS_OK;
}

const struct command command_complete = {
    .name = "complete",
    .summary = "what may stand next on a command line; the shell's completion asks it",
    .usage = "usage: hakmemctl complete -- WORD...\n"
             "\n"
             "Prints what the last WORD may become, one in a line; the WORDs are what stands behind\n"
             "hakmemctl on a command line so far.\n",
    .run = complete_run,
};
