/* SPDX-License-Identifier: MIT */
#include "hakmemctl/dropin.h"

#include <stdlib.h>
#include <string.h>

#include "hakmemctl/preload.h"
#include "hakmemctl/text.h"

static const char directory_line[] = "# The directory was made with it.";
static const char section_line[] = "[Service]";
static const char variable_start[] = "Environment=\"LD_PRELOAD=";
static const char file_start[] = "EnvironmentFile=";

/* Within the double quotes of a unit file. */
static void add_quoted(struct text *to, const char *value, const char *escaped, char doubled)
{
    for (; *value != '\0'; value++) {
        if (strchr(escaped, *value) != NULL)
            text_add(to, "\\", 1);
        if (*value == doubled)
            text_add(to, value, 1);
        text_add(to, value, 1);
    }
}

char *dropin_text(const char *preload, const char *environment_file, bool made_directory)
{
    struct text text = {NULL, 0};

    text_add_format(&text, "%s\n", DROPIN_MARK);
    if (made_directory)
        text_add_format(&text, "%s\n", directory_line);
    text_add_format(&text, "%s\n%s", section_line, variable_start);
    add_quoted(&text, preload, "\\\"", '%');
    text_add_format(&text, "\"\n");
    if (environment_file != NULL) {
        text_add_format(&text, "%s", file_start);
        add_quoted(&text, environment_file, "", '%');
        text_add_format(&text, "\n");
    }
    return text.text;
}

char *dropin_environment_text(const char *preload)
{
    struct text text = {NULL, 0};

    text_add_format(&text, "%s\nLD_PRELOAD=\"", DROPIN_MARK);
    add_quoted(&text, preload, "\\\"`$", '\0');
    text_add_format(&text, "\"\n");
    return text.text;
}

/* Takes one line of a drop-in that is ours; false when someone else wrote it. */
static bool read_line(const char *line, size_t length, struct dropin *dropin)
{
    char *text = text_copy_length(line, length);
    bool known = true;

    if (strcmp(text, DROPIN_MARK) == 0)
        dropin->ours = true;
    else if (strcmp(text, directory_line) == 0)
        dropin->made_directory = true;
    else if (text_starts(text, file_start) && text_ends(text, "/" DROPIN_ENVIRONMENT_NAME))
        dropin->environment_file = true;
    else
        known = text[0] == '\0' || strcmp(text, section_line) == 0 ||
                (text_starts(text, variable_start) && preload_has_ours(text + sizeof variable_start - 1));
    free(text);
    return known;
}

void dropin_read(const char *text, struct dropin *dropin)
{
    struct text rest = {NULL, 0};

    *dropin = (struct dropin){.ours = false};
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        if (!read_line(text, length, dropin)) {
            /* what was added to our section belongs to it; another section says so itself */
            if (rest.length == 0 && *text != '[')
                text_add_format(&rest, "%s\n", section_line);
            text_add_format(&rest, "%.*s\n", (int)length, text);
        }
        text += length + (text[length] == '\n');
    }
    dropin->rest = rest.text;
}

/* ---- what systemd shows ---- */

/* The line behind `NAME=`, from `*at` on; NULL when there is none. `*at` moves behind it. */
static char *next_property(const char **at, const char *name)
{
    size_t name_length = strlen(name);

    while (**at != '\0') {
        const char *line = *at;
        size_t length = strcspn(line, "\n");

        *at = line + length + (line[length] == '\n');
        if (length > name_length && strncmp(line, name, name_length) == 0 && line[name_length] == '=')
            return text_copy_length(line + name_length + 1, length - name_length - 1);
    }
    return NULL;
}

char *show_property(const char *show, const char *name)
{
    return next_property(&show, name);
}

static char unescaped(char c)
{
    static const char from[] = "nrtbfve", to[] = "\n\r\t\b\f\v\033";
    const char *found = strchr(from, c);

    return found != NULL && c != '\0' ? to[found - from] : c;
}

/* One word of a shell: bare, "with \" in it", or $'with \n in it'. */
static char *next_word(const char **at)
{
    struct text word = {NULL, 0};
    char quote = '\0';
    bool dollar = false;

    *at += strspn(*at, " \t\n");
    if (**at == '\0')
        return NULL;
    text_add(&word, "", 0);
    for (; **at != '\0' && (quote != '\0' || strchr(" \t\n", **at) == NULL); ++*at) {
        char c = **at;

        if (c == '\\' && quote != '\'' && (*at)[1] != '\0')
            text_add(&word, ++*at, 1);
        else if (c == '\\' && dollar && (*at)[1] != '\0') {
            c = unescaped(*++*at);
            text_add(&word, &c, 1);
        } else if (quote != '\0' && c == quote) {
            quote = '\0';
            dollar = false;
        } else if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
        } else if (quote == '\0' && c == '$' && (*at)[1] == '\'') {
            dollar = true;
        } else {
            text_add(&word, &c, 1);
        }
    }
    return word.text;
}

/* What stands behind `VARIABLE=`; NULL when it is another one. */
static const char *value_in(const char *assignment, const char *variable)
{
    size_t length = strlen(variable);

    return strncmp(assignment, variable, length) == 0 && assignment[length] == '='
               ? assignment + length + 1
               : NULL;
}

char *show_environment(const char *words, const char *variable)
{
    char *found = NULL, *word;

    while (words != NULL && (word = next_word(&words)) != NULL) {
        const char *value = value_in(word, variable);

        if (value != NULL) {
            free(found);
            found = text_copy(value);
        }
        free(word);
    }
    return found;
}

char *show_next_environment_file(const char **at)
{
    char *line = next_property(at, "EnvironmentFiles");
    char *end = line == NULL ? NULL : strstr(line, " (ignore_errors=");

    if (end != NULL)
        *end = '\0';
    return line;
}

/* The value at the start of `text`, as systemd reads it: quotes in quotes, blanks at the end cut. */
static char *file_value(const char *text)
{
    struct text value = {NULL, 0};
    size_t kept = 0; /* blanks behind this length fall away */
    char quote = '\0';

    text_add(&value, "", 0);
    text += strspn(text, " \t");
    for (; *text != '\0' && (quote != '\0' || *text != '\n'); text++) {
        if (*text == '\\' && quote != '\'' && text[1] != '\0') {
            text++;
            if (*text == '\n') /* goes on in the next line */
                continue;
            /* in double quotes a backslash counts before these only */
            if (quote == '"' && strchr("\"\\`$", *text) == NULL)
                text_add(&value, "\\", 1);
            text_add(&value, text, 1);
            kept = value.length;
        } else if (quote != '\0' ? *text == quote : (*text == '"' || *text == '\'')) {
            quote = quote != '\0' ? '\0' : *text;
            kept = value.length;
        } else {
            text_add(&value, text, 1);
            if (quote != '\0' || strchr(" \t\r", *text) == NULL)
                kept = value.length;
        }
    }
    value.text[kept] = '\0';
    return value.text;
}

char *environment_file_value(const char *text, const char *variable)
{
    char *found = NULL;

    while (*text != '\0') {
        text += strspn(text, " \t\r\n");
        if (value_in(text, variable) != NULL) {
            free(found);
            found = file_value(value_in(text, variable));
        }
        /* Lines of other variables end here; one that goes on with a backslash goes on. */
        while (*text != '\0' && *text != '\n')
            text += *text == '\\' && text[1] == '\n' ? 2 : 1;
    }
    return found;
}
