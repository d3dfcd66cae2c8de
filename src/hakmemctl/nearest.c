/* SPDX-License-Identifier: MIT */
#include "hakmemctl/nearest.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { WORD_MAX = 48 }; /* only so many characters count */

const char *const option_names[] = {
#define OPTION(name, ...) #name,
#include "options/table.h"
};
const size_t option_names_count = sizeof option_names / sizeof option_names[0];

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b, case ignored. */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1][WORD_MAX + 1];
    size_t rows = least_of(strlen(a), WORD_MAX), columns = least_of(strlen(b), WORD_MAX);

    for (size_t i = 0; i <= rows; i++)
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                row[i][j] = i + j;
                continue;
            }
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);

            row[i][j] = least_of(row[i - 1][j - 1] + (x != y), least_of(row[i - 1][j], row[i][j - 1]) + 1);
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]))
                row[i][j] = least_of(row[i][j], row[i - 2][j - 2] + 1);
        }
    return row[rows][columns];
}

const char *nearest_name(const char *text, const char *const *names, size_t count)
{
    size_t least = least_of(strlen(text), WORD_MAX) / 3 + 2; /* what is further away was no slip of the finger */
    const char *best = NULL;

    for (size_t i = 0; i < count; i++) {
        size_t now = distance(text, names[i]);

        if (now < least) {
            least = now;
            best = names[i];
        }
    }
    return best;
}

const char *option_name_find(const char *text)
{
    for (size_t i = 0; i < option_names_count; i++)
        if (strcasecmp(text, option_names[i]) == 0)
            return option_names[i];
    return NULL;
}
