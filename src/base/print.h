/* SPDX-License-Identifier: MIT */
/*
 * Text into a caller's buffer, for the places where malloc, stdio and the
 * locale must not be touched: messages, statistics, values of options.
 *
 *     start                start + length              start + size
 *       | text written so far | free                         |
 *
 * `length` counts what was asked for, also when it did not fit, so that it
 * tells how large a buffer the whole text needs (as snprintf's result does).
 * What does not fit is cut; one byte is kept for the final NUL.
 *
 * Every function is async-signal-safe, keeps errno, and never allocates. A
 * print_buffer belongs to one thread.
 */
#ifndef HAKMEM_BASE_PRINT_H
#define HAKMEM_BASE_PRINT_H

#include <stddef.h>
#include <stdint.h>

struct print_buffer {
    char *start;
    size_t size;   /* of the buffer, the final NUL included; may be 0 */
    size_t length; /* of the whole text; may exceed size */
};

/* Start an empty text in memory[0..size); `memory` may be NULL when size is 0. */
void print_begin(struct print_buffer *out, char *memory, size_t size);

void print_char(struct print_buffer *out, char c);
void print_text(struct print_buffer *out, const char *text);
void print_bytes(struct print_buffer *out, const char *text, size_t length);

/*
 * Text from outside between quotes: control characters and what is not ASCII
 * become '?', and past `limit` characters follows "...", so that a message
 * stays one short line.
 */
void print_quoted(struct print_buffer *out, const char *text, size_t length, size_t limit);

void print_decimal(struct print_buffer *out, uint64_t value);
void print_signed(struct print_buffer *out, int64_t value);

/* Right-aligned in at least `width` columns. */
void print_decimal_width(struct print_buffer *out, uint64_t value, unsigned width);

/* 0x and lower case digits without leading zeros; NULL is 0x0. */
void print_hex(struct print_buffer *out, uint64_t value);
void print_pointer(struct print_buffer *out, const void *pointer);

/*
 * A size, exact, with the largest of the suffixes k, M, G, T (powers of 1024)
 * that divides it: 1M, 1536k, 1000. An option accepts what this writes.
 */
void print_size(struct print_buffer *out, uint64_t bytes);

/* A size for people, rounded to one decimal: 1.5 MiB, 1000 B. */
void print_size_rounded(struct print_buffer *out, uint64_t bytes);

/* Number of characters that are in the buffer: length, or less when it was cut. */
size_t print_stored(const struct print_buffer *out);

/* Write the final NUL (when size is not 0); returns the whole length. */
size_t print_end(struct print_buffer *out);

#endif
