/* SPDX-License-Identifier: MIT */
/*
 * Writes a section of the manual that comes from a table, in mdoc: `sections counters`.
 * man/update puts it into the pages.
 */
#include <stdio.h>
#include <string.h>

struct counter {
    const char *name, *unit, *help;
};

static const struct counter counters[] = {
#define COUNTER(name, unit, help) { #name, unit, help },
#include "counters/table.h"
#undef COUNTER
};

/* `text` with what roff would take for its own made plain */
static void put_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
    }
    putchar('\n');
}

static void write_counters(void)
{
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        printf(".It Va %s Pq %s\n", counters[i].name, counters[i].unit);
        put_text(counters[i].help);
    }
    puts(".El");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "counters") == 0) {
        write_counters();
        return fflush(stdout) == 0 ? 0 : 1;
    }
    fputs("usage: sections counters\n", stderr);
    return 2;
}
