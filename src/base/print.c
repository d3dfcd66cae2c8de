/* SPDX-License-Identifier: MIT */
#include "base/print.h"

void print_begin(struct print_buffer *out, char *memory, size_t size)
{
    out->start = memory;
    out->size = size;
    out->length = 0;
}

void print_char(struct print_buffer *out, char c)
{
    /* Compared by subtraction on the size's side: length + 1 may not wrap, size - 1 may. */
    if (out->size > 0 && out->length < out->size - 1)
        out->start[out->length] = c;
    out->length++;
}

void print_bytes(struct print_buffer *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        print_char(out, text[i]);
}

void print_text(struct print_buffer *out, const char *text)
{
    while (*text != '\0')
        print_char(out, *text++);
}

void print_quoted(struct print_buffer *out, const char *text, size_t length, size_t limit)
{
    for (size_t i = 0; i < length && i < limit; i++)
        print_char(out, text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    if (length > limit)
        print_text(out, "...");
}

enum { DECIMAL_DIGITS = 20 }; /* of UINT64_MAX */

void print_decimal_width(struct print_buffer *out, uint64_t value, unsigned width)
{
    char digits[DECIMAL_DIGITS];
    unsigned count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);

    for (unsigned column = count; column < width; column++)
        print_char(out, ' ');
    while (count > 0)
        print_char(out, digits[--count]);
}

void print_decimal(struct print_buffer *out, uint64_t value)
{
    print_decimal_width(out, value, 0);
}

void print_signed(struct print_buffer *out, int64_t value)
{
    if (value < 0)
        print_char(out, '-');
    /* Negated as unsigned, because -INT64_MIN does not exist. */
    print_decimal(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void print_hex(struct print_buffer *out, uint64_t value)
{
    unsigned shift = 0;

    while (shift < 60 && (value >> shift) >= 16)
        shift += 4;
    print_text(out, "0x");
    for (;;) {
        print_char(out, "0123456789abcdef"[(value >> shift) & 15]);
        if (shift == 0)
            break;
        shift -= 4;
    }
}

void print_pointer(struct print_buffer *out, const void *pointer)
{
    print_hex(out, (uintptr_t)pointer);
}

void print_size(struct print_buffer *out, uint64_t bytes)
{
    static const char suffix[] = "kMGT";
    unsigned unit = 0;

    while (unit < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    print_decimal(out, bytes);
    if (unit > 0)
        print_char(out, suffix[unit - 1]);
}

void print_size_rounded(struct print_buffer *out, uint64_t bytes)
{
    static const char suffix[] = "KMGTPE";
    unsigned unit = 0;

    if (bytes < 1024) {
        print_decimal(out, bytes);
        print_text(out, " B");
        return;
    }
    while (unit < 6 && (bytes >> (10 * unit)) >= 1024)
        unit++;

    uint64_t whole = bytes >> (10 * unit);
    /* Ten bits below the unit's point are enough for one decimal. */
    uint64_t rest = (bytes >> (10 * (unit - 1))) & 1023;
    uint64_t tenths = whole * 10 + (rest * 10 + 512) / 1024;

    if (tenths == 10240 && unit < 6) {
        tenths = 10;
        unit++;
    }
    print_decimal(out, tenths / 10);
    print_char(out, '.');
    print_decimal(out, tenths % 10);
    print_char(out, ' ');
    print_char(out, suffix[unit - 1]);
    print_text(out, "iB");
}

size_t print_stored(const struct print_buffer *out)
{
    if (out->size == 0)
        return 0;
    return out->length < out->size ? out->length : out->size - 1;
}

size_t print_end(struct print_buffer *out)
{
    if (out->size > 0)
        out->start[print_stored(out)] = '\0';
    return out->length;
}
