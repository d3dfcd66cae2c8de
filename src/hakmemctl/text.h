/* SPDX-License-Identifier: MIT */
/*
 * Texts of the operators' tools: made by a format, never cut off. Memory that is not there ends the
 * program with a message: a tool that runs for a second has nothing better to do.
 */
#ifndef HAKMEMCTL_TEXT_H
#define HAKMEMCTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A new text; the caller frees it. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_copy(const char *text);
char *text_copy_length(const char *text, size_t length);

/* A text that grows. Start with all zeros; `text` is NULL until something was added. */
struct text {
    char *text;
    size_t length;
};

void text_add(struct text *to, const char *what, size_t length);
void text_add_format(struct text *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *text);

/*
 * Make what another process says of itself fit to be printed: control characters, with which a name
 * could steer the terminal, and bytes that are no UTF-8, which JSON does not take, become `?`.
 */
void text_make_printable(char *text);

bool text_starts(const char *text, const char *with);
bool text_ends(const char *text, const char *with);

#endif
