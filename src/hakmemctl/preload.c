/* SPDX-License-Identifier: MIT */
#include "hakmemctl/preload.h"

#include <string.h>

#include "hakmemctl/text.h"

/* What separates entries in both forms; an LD_PRELOAD with a tab or a newline has that in a name,
 * which no library has. */
static const char separators[] = " \t\r\n\v\f:";

bool preload_entry_is_ours(const char *entry, size_t length)
{
    static const char stem[] = "libhakmem.so";
    const char *name = entry;

    for (size_t i = 0; i < length; i++)
        if (entry[i] == '/')
            name = entry + i + 1;
    length -= (size_t)(name - entry);
    if (length < sizeof stem - 1 || memcmp(name, stem, sizeof stem - 1) != 0)
        return false;
    return length == sizeof stem - 1 || name[sizeof stem - 1] == '.';
}

bool preload_next(const char **at, const char **entry, size_t *length)
{
    *entry = *at + strspn(*at, separators);
    *length = strcspn(*entry, separators);
    *at = *entry + *length;
    return *length > 0;
}

bool preload_has_ours(const char *list)
{
    const char *entry;
    size_t length;

    while (list != NULL && preload_next(&list, &entry, &length))
        if (preload_entry_is_ours(entry, length))
            return true;
    return false;
}

static void add_entry(struct text *list, const char *entry, size_t length)
{
    if (list->length > 0)
        text_add(list, ":", 1);
    text_add(list, entry, length);
}

char *preload_with(const char *list, const char *entry)
{
    struct text result = {NULL, 0};
    const char *other;
    size_t length;

    add_entry(&result, entry, strlen(entry));
    while (list != NULL && preload_next(&list, &other, &length))
        if (!preload_entry_is_ours(other, length))
            add_entry(&result, other, length);
    return result.text;
}

/* ---- the file ---- */

/* One line, without the newline: [line, comment) is what the loader reads, [comment, end) is not. */
struct line {
    const char *line, *comment, *end, *next;
};

static bool next_line(const char **at, struct line *line)
{
    if (**at == '\0')
        return false;
    line->line = *at;
    line->end = *at + strcspn(*at, "\n");
    line->comment = memchr(line->line, '#', (size_t)(line->end - line->line));
    if (line->comment == NULL)
        line->comment = line->end;
    line->next = *line->end == '\n' ? line->end + 1 : line->end;
    *at = line->next;
    return true;
}

/* The next entry in [*at, end). */
static bool next_in_line(const char **at, const char *end, const char **entry, size_t *length)
{
    while (*at < end && strchr(separators, **at) != NULL)
        ++*at;
    *entry = *at;
    while (*at < end && strchr(separators, **at) == NULL)
        ++*at;
    *length = (size_t)(*at - *entry);
    return *length > 0;
}

bool preload_file_has_ours(const char *text)
{
    struct line line;
    const char *entry;
    size_t length;

    while (next_line(&text, &line))
        for (const char *at = line.line; next_in_line(&at, line.comment, &entry, &length);)
            if (preload_entry_is_ours(entry, length))
                return true;
    return false;
}

char *preload_file_with(const char *text, const char *entry)
{
    return text_format("%s\n%s", entry, text);
}

/* The words of one line without ours, the blanks around them kept. False: ours was all it held. */
static bool keep_of_line(const struct line *line, struct text *to)
{
    const char *entry, *copied = line->line;
    size_t length, ours = 0, others = 0;

    for (const char *at = line->line; next_in_line(&at, line->comment, &entry, &length);) {
        if (!preload_entry_is_ours(entry, length)) {
            others++;
            continue;
        }
        ours++;
        text_add(to, copied, (size_t)(entry - copied));
        /* one separator behind it goes with it */
        copied = at < line->comment ? at + 1 : at;
    }
    text_add(to, copied, (size_t)(line->next - copied));
    return ours == 0 || others > 0 || line->comment < line->end;
}

char *preload_file_without(const char *text)
{
    struct text result = {NULL, 0};
    struct line line;

    text_add(&result, "", 0);
    while (next_line(&text, &line)) {
        size_t before = result.length;

        if (!keep_of_line(&line, &result)) {
            result.length = before;
            result.text[before] = '\0';
        }
    }
    return result.text;
}

static char *file_list(const char *text, bool until_ours)
{
    struct text result = {NULL, 0};
    struct line line;
    const char *entry;
    size_t length;

    while (next_line(&text, &line))
        for (const char *at = line.line; next_in_line(&at, line.comment, &entry, &length);) {
            if (until_ours && preload_entry_is_ours(entry, length))
                return result.text;
            add_entry(&result, entry, length);
        }
    return result.text;
}

char *preload_file_in_front(const char *text)
{
    return file_list(text, true);
}

char *preload_file_entries(const char *text)
{
    return file_list(text, false);
}
