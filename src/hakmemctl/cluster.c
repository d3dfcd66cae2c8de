/* SPDX-License-Identifier: MIT */
#include "hakmemctl/cluster.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hakmemctl/dropin.h"
#include "hakmemctl/text.h"

static const char own_variable[] = "LD_PRELOAD";

char *cluster_environment_path(const char *root, const char *unit_name)
{
    const char *at = strchr(unit_name, '@');
    const char *dash = at == NULL ? NULL : strchr(at, '-');
    const char *end = dash == NULL ? NULL : strrchr(dash, '.');

    if (end == NULL || dash == at + 1 || end == dash + 1)
        return NULL;
    return text_format("%s/%.*s/%.*s/environment", root, (int)(dash - at - 1), at + 1, (int)(end - dash - 1),
                       dash + 1);
}

/* The next line, without its end; NULL behind the last one. The caller frees it. */
static char *next_line(const char **at)
{
    size_t length = strcspn(*at, "\n");

    if (**at == '\0')
        return NULL;
    char *line = text_copy_length(*at, length);

    *at += length + ((*at)[length] == '\n');
    return line;
}

/* What stands behind `NAME =`, where the sign may be missing; NULL when the line sets another one. */
static const char *value_in(const char *line, const char *name)
{
    size_t length = strlen(name);

    line += strspn(line, " \t");
    if (strncmp(line, name, length) != 0 || strchr("= \t", line[length]) == NULL || line[length] == '\0')
        return NULL;
    line += length + strspn(line + length, " \t");
    line += *line == '=';
    return line + strspn(line, " \t");
}

/* In quotes a backslash takes the next character as it is, and two quotes are one; bare otherwise. */
static char *unquoted(const char *value)
{
    struct text text = {NULL, 0};

    if (*value != '\'')
        return text_copy_length(value, strcspn(value, " \t\r#"));
    text_add(&text, "", 0);
    for (value++; *value != '\0'; value++) {
        if ((*value == '\\' && value[1] != '\0') || (*value == '\'' && value[1] == '\''))
            value++;
        else if (*value == '\'')
            break;
        text_add(&text, value, 1);
    }
    return text.text;
}

char *cluster_variable(const char *text, const char *variable)
{
    char *found = NULL, *line;

    for (; (line = next_line(&text)) != NULL; free(line)) {
        const char *value = value_in(line, variable);

        if (value != NULL) {
            free(found);
            found = unquoted(value);
        }
    }
    return found;
}

bool cluster_includes(const char *text)
{
    bool found = false;
    char *line;

    for (; (line = next_line(&text)) != NULL; free(line))
        found |= strncasecmp(line + strspn(line, " \t"), "include", strlen("include")) == 0;
    return found;
}

bool cluster_is_ours(const char *text)
{
    bool found = false;
    char *line;

    for (; (line = next_line(&text)) != NULL; free(line))
        found |= strcmp(line, DROPIN_MARK) == 0;
    return found;
}

char *cluster_without(const char *text)
{
    struct text rest = {NULL, 0};
    bool marked = false;

    text_add(&rest, "", 0);
    while (*text != '\0') {
        const char *start = text;
        char *line = next_line(&text);
        bool mark = strcmp(line, DROPIN_MARK) == 0;

        if (!mark && !(marked && value_in(line, own_variable) != NULL))
            text_add(&rest, start, (size_t)(text - start));
        marked = mark;
        free(line);
    }
    return rest.text;
}

char *cluster_with(const char *text, const char *preload)
{
    struct text to = {cluster_without(text), 0};

    to.length = strlen(to.text);
    if (to.length > 0 && to.text[to.length - 1] != '\n')
        text_add(&to, "\n", 1);
    text_add_format(&to, "%s\n%s = '", DROPIN_MARK, own_variable);
    for (; *preload != '\0'; preload++) {
        if (*preload == '\\' || *preload == '\'')
            text_add(&to, preload, 1);
        text_add(&to, preload, 1);
    }
    text_add_format(&to, "'\n");
    return to.text;
}
