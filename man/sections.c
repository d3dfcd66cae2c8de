/* SPDX-License-Identifier: MIT */
/*
 * Writes a section of the manual that comes from a table, in mdoc, or the
 * sample of a configuration file:
 *
 *     sections counters | options | presets | sample
 *
 * man/update puts it into the pages, and into conf/hakmem.conf.
 */
#include <stdio.h>
#include <string.h>

#include "options/value.h"

struct counter {
    const char *name, *unit, *help;
};

static const struct counter counters[] = {
#define COUNTER(name, unit, help) { #name, unit, help },
#include "counters/table.h"
#undef COUNTER
};

static const char *const option_help[] = {
#define OPTION(name, type, initial, least, greatest, unit, when, help) help,
#include "options/table.h"
};

static const struct {
    const char *name;
} presets[] = {
#define PRESET(option, latency, balanced, lowmem, hardened) { #option },
#include "options/presets.h"
};

/* `text` with what roff would take for its own made plain */
static void put_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == ' ' && text[-1] == '.')
            putchar('\n'); /* as roff wants a new sentence */
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

/* A value as it is written in a file; in static memory of the call's number. */
static const char *value_text(const option_row *row, uint64_t value)
{
    static char memory[3][32];
    static unsigned turn;
    char *text = memory[turn++ % 3];
    struct print_buffer out;

    print_begin(&out, text, sizeof memory[0]);
    option_print(&out, row, value);
    print_end(&out);
    return text;
}

static void write_range(const option_row *row)
{
    if (row->type == HAKMEM_OPTION_SWITCH) {
        puts("on or off");
    } else if (row->type == HAKMEM_OPTION_ALLOCATOR || row->type == HAKMEM_OPTION_PRESET) {
        for (const char *const *word = option_words(row->type); *word != NULL; word++)
            printf("%s%s", *word, word[1] == NULL ? "\n" : word[2] == NULL ? " or " : ", ");
    } else if (row->type == HAKMEM_OPTION_PREWARM) {
        puts("a list");
    } else {
        printf("%s to %s", value_text(row, row->least), value_text(row, row->greatest));
        puts(row->type == HAKMEM_OPTION_MILLIS ? " milliseconds" : "");
    }
}

static void write_options(void)
{
    puts(".Bl -tag -width Ds");
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        const option_row *row = &option_rows[i];
        const char *initial = value_text(row, row->initial);

        printf(".It Va %s\n", row->name);
        put_text(option_help[i]);
        puts(".br");
        fputs("Values: ", stdout);
        write_range(row);
        printf(".br\nDefault: %s\n", *initial == '\0' ? "none" : initial);
        puts(row->when == HAKMEM_OPTION_RUN ? ".br\nA running process takes a new value when it reloads."
                                            : ".br\nRead when the program starts.");
    }
    puts(".El");
}

static void write_presets(void)
{
    const char *const *names = option_words(HAKMEM_OPTION_PRESET);

    printf(".Bl -column \"superslab_cache_percent\" \"balanced\" \"balanced\" \"balanced\" \"hardened\"\n.It option");
    for (size_t i = 0; names[i] != NULL; i++)
        printf(" Ta %s", names[i]);
    putchar('\n');
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const option_row *row = option_find(presets[i].name, strlen(presets[i].name));
        uint64_t value;

        printf(".It Va %s", presets[i].name);
        for (unsigned preset = 0; names[preset] != NULL; preset++)
            printf(" Ta %s", option_preset_value(preset, row, &value) ? value_text(row, value) : "\\-");
        putchar('\n');
    }
    puts(".El");
}

/* `text` as comment lines of at most 90 columns. */
static void write_comment(const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column == 0 || column + 1 + word > 90)
            column = (size_t)printf("%s#", column == 0 ? "" : "\n");
        column += (size_t)printf(" %.*s", (int)word, text);
        text += word + (text[word] == ' ');
    }
    putchar('\n');
}

/* Every option as a comment, so that the file as it is changes nothing. */
static void write_sample(void)
{
    puts("# SPDX-License-Identifier: MIT\n"
         "# The settings of hakmem. Each option stands here with its default, commented out.\n"
         "#\n"
         "# Then files in hakmem.conf.d/ are read, then the file that HAKMEM_CONF names, then HAKMEM_<OPTION> in\n"
         "# the environment. More specific sections win over [default], then later lines over earlier ones;\n"
         "# see hakmem.conf(5). hakmemctl config check finds mistakes, hakmemctl config show PROCESS tells what\n"
         "# is in force and from where, hakmemctl reload PROCESS makes a running process read this again.\n"
         "#\n"
         "# [program redis-server]        for one program: its file name, or its whole path; * and ? are wild\n"
         "# [unit postgresql@*.service]   for the processes of a systemd unit\n"
         "# allocator = libc              the C library's own allocator for them\n"
         "\n"
         "[default]");
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        const option_row *row = &option_rows[i];
        const char *initial = value_text(row, row->initial);

        putchar('\n');
        write_comment(option_help[i]);
        printf("# Values: ");
        write_range(row);
        puts(row->when == HAKMEM_OPTION_RUN ? "# May change while the program runs."
                                            : "# Read when the program starts.");
        printf("# %s =%s%s\n", row->name, *initial != '\0' ? " " : "", initial);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } sections[] = {{"counters", write_counters}, {"options", write_options}, {"presets", write_presets}, {"sample", write_sample}};

    for (size_t i = 0; argc == 2 && i < sizeof sections / sizeof *sections; i++) {
        if (strcmp(argv[1], sections[i].name) == 0) {
            sections[i].write();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fputs("usage: sections counters|options|presets|sample\n", stderr);
    return 2;
}
