/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a configuration file: nothing breaks, every mistake has a place
 * and printable text, every value is in its range, and the values written as a
 * file read back the same.
 *
 * With FUZZ_REPLAY (in make check) the files named on the command line are
 * tried, else libFuzzer calls LLVMFuzzerTestOneInput: tests/fuzz/run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/config.h"
#include "options/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "not true: %s\n", what);
    abort();
}

struct seen {
    uint32_t lines;
};

static void report(struct config_reader *reader, const struct config_mistake *mistake)
{
    const struct seen *seen = reader->context;

    require(mistake->line >= 1 && mistake->line <= seen->lines, "a mistake is in a line of the file");
    require(mistake->column >= 1, "columns count from 1");
    for (size_t i = 0; i < mistake->length; i++)
        require(mistake->text[i] >= ' ' && mistake->text[i] != 127, "the text of a mistake is printable");
}

/* Some are meant and some are not, by nothing that the input does not say. */
static bool is_meant(enum config_section section, const char *pattern, size_t length)
{
    return config_match(pattern, length, section == CONFIG_UNIT ? "redis.service" : "/usr/bin/redis-server");
}

static unsigned read_text(struct options_draft *draft, const char *text, size_t size)
{
    struct seen seen = {1};
    struct config_reader reader = {
        .draft = draft, .is_meant = is_meant, .report = report, .context = &seen, .rank = OPTION_RANK_ETC};

    for (size_t i = 0; i < size; i++)
        seen.lines += text[i] == '\n';
    config_read(&reader, text, size);
    require(reader.mistakes == reader.of_file, "mistakes are counted");
    return reader.mistakes;
}

static void check_values(const struct options_draft *draft)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++)
        require(draft->value[i] >= option_rows[i].least && draft->value[i] <= option_rows[i].greatest,
                "a value is in its range");
    require(draft->prewarm.count <= OPTION_PREWARM_ITEMS, "a list has room");
}

static void check_written(const struct options_draft *draft)
{
    char text[4096];
    struct options_draft again;
    struct print_buffer out;

    print_begin(&out, text, sizeof text);
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        print_text(&out, option_rows[i].name);
        print_text(&out, " = ");
        options_draft_print(&out, draft, &option_rows[i]);
        print_char(&out, '\n');
    }
    require(print_end(&out) < sizeof text, "the values fit");
    options_draft_begin(&again);
    require(read_text(&again, text, print_stored(&out)) == 0, "what is written is read without a mistake");
    for (size_t i = 0; i < OPTION_TOTAL; i++)
        require(again.value[i] == draft->value[i], "a value that is written reads back the same");
    require(again.prewarm.count == draft->prewarm.count, "so does the list");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct options_draft draft;
    size_t length = 0;

    if (size > FILE_SIZE_MAX)
        return 0;
    options_draft_begin(&draft);
    read_text(&draft, text, size);
    check_values(&draft);
    check_written(&draft);
    const char *unit = config_unit(text, size, &length);
    require(unit == NULL || (unit >= text && length > 0 && unit + length <= text + size), "a unit is in the text");
    return 0;
}

#ifdef FUZZ_REPLAY
int main(int argc, char **argv)
{
    static uint8_t bytes[FILE_SIZE_MAX];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");

        require(file != NULL, argv[i]);
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        uint8_t *exact = malloc(size + (size == 0)); /* so that a sanitizer sees a step too far */
        require(exact != NULL, "memory");
        memcpy(exact, bytes, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    printf("%d inputs\n", argc - 1);
    return argc > 1 ? 0 : 1;
}
#endif
