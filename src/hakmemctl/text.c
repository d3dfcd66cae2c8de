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

/* Bytes of the UTF-8 character at `c`, 0 when it is none that may be printed. */
static size_t printable_length(const unsigned char *c)
{
    if (c[0] < 0x80)
        return c[0] >= 0x20 && c[0] != 0x7f;
    size_t length = c[0] >= 0xc2 && c[0] <= 0xdf ? 2 : (c[0] & 0xf0) == 0xe0 ? 3 : c[0] >= 0xf0 && c[0] <= 0xf4 ? 4 : 0;

    for (size_t i = 1; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    /* too long a form, halves of surrogates, above 0x10ffff, and the control characters of C1 */
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] >= 0x90) || (c[0] == 0xc2 && c[1] < 0xa0))
        return 0;
    return length;
}

void text_make_printable(char *text)
{
    while (*text != '\0') {
        size_t length = printable_length((const unsigned char *)text);

        if (length == 0)
            *text = '?';
        text += length == 0 ? 1 : length;
    }
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
