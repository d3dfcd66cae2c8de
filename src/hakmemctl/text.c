/* SPDX-License-Identifier: MIT */
#include "hakmemctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_end(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static char *format_list(const char *format, va_list list)
{
    char *text = NULL;

    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    return or_end(text);
}

char *text_format(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    char *text = format_list(format, list);
    va_end(list);
    return text;
}

char *text_copy(const char *text)
{
    return or_end(strdup(text));
}

char *text_copy_length(const char *text, size_t length)
{
    return or_end(strndup(text, length));
}

void text_add(struct text *to, const char *what, size_t length)
{
    to->text = or_end(realloc(to->text, to->length + length + 1));
    if (length > 0)
        memcpy(to->text + to->length, what, length);
    to->length += length;
    to->text[to->length] = '\0';
}

void text_add_format(struct text *to, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    char *more = format_list(format, list);
    va_end(list);
    text_add(to, more, strlen(more));
    free(more);
}

void text_free(struct text *text)
{
    free(text->text);
    *text = (struct text){NULL, 0};
}

bool text_starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool text_ends(const char *text, const char *with)
{
    size_t length = strlen(text), end = strlen(with);

    return length >= end && strcmp(text + length - end, with) == 0;
}
