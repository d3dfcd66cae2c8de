/* SPDX-License-Identifier: MIT */
#include "options/parse.h"

/* ctype.h would follow the program's locale. */
char parse_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

bool parse_same_word(const char *text, size_t length, const char *word)
{
    size_t i = 0;

    while (i < length && word[i] != '\0' && parse_upper(text[i]) == parse_upper(word[i]))
        i++;
    return i == length && word[i] == '\0';
}

bool parse_switch(const char *text, size_t length, bool *value)
{
    static const char words[][6] = {"off", "on", "0", "1", "no", "yes", "false", "true"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (parse_same_word(text, length, words[i])) {
            *value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

bool parse_number(const char *text, size_t length, uint64_t *value)
{
    uint64_t number = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number))
            number = UINT64_MAX; /* the next digit overflows again and keeps it */
    }
    *value = number;
    return length > 0;
}

bool parse_size(const char *text, size_t length, uint64_t *value)
{
    unsigned shift = 0;

    if (length > 0) {
        switch (parse_upper(text[length - 1])) {
        case 'K': shift = 10; break;
        case 'M': shift = 20; break;
        case 'G': shift = 30; break;
        case 'T': shift = 40; break;
        default: break;
        }
    }
    if (!parse_number(text, shift != 0 ? length - 1 : length, value))
        return false;
    *value = *value > UINT64_MAX >> shift ? UINT64_MAX : *value << shift;
    return true;
}

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned parse_distance(const char *text, size_t length, const char *word)
{
    /* Three rows of the table: of the character before the last, the last, and this one. */
    unsigned row[3][PARSE_WORD_MAX + 1];
    size_t width = 0;

    length = length < PARSE_WORD_MAX ? length : PARSE_WORD_MAX;
    while (word[width] != '\0' && width < PARSE_WORD_MAX)
        width++;
    for (size_t j = 0; j <= width; j++)
        row[0][j] = (unsigned)j;

    for (size_t i = 1; i <= length; i++) {
        unsigned *now = row[i % 3], *last = row[(i - 1) % 3], *before = row[(i + 1) % 3];
        char c = parse_upper(text[i - 1]);

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            char w = parse_upper(word[j - 1]);

            now[j] = least_of(last[j - 1] + (c != w), least_of(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && c == parse_upper(word[j - 2]) &&
                parse_upper(text[i - 2]) == w)
                now[j] = least_of(now[j], before[j - 2] + 1);
        }
    }
    return row[length % 3][width];
}
