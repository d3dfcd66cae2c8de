/* SPDX-License-Identifier: MIT */
#include "options/value.h"

#include "options/parse.h"
#include "options/prewarm.h"

#define PLACE_START(name) HAKMEM_OPTION_START, offsetof(struct options, name), sizeof hakmem_options.name
#define PLACE_RUN(name) HAKMEM_OPTION_RUN, offsetof(struct options_run, name), sizeof hakmem_options_run[0].name

#define OPTION(name, type, initial, least, greatest, unit, when, help)                            \
    {#name, HAKMEM_OPTION_##type, PLACE_##when(name), 0, initial, least, greatest},
const option_row option_rows[OPTION_TOTAL] = {
#include "options/table.h"
};

const option_row *option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        size_t j = 0;

        while (j < length && option_rows[i].name[j] == name[j] && name[j] != '\0')
            j++;
        if (j == length && option_rows[i].name[j] == '\0')
            return &option_rows[i];
    }
    return NULL;
}

const option_row *option_nearest(const char *name, size_t length)
{
    const option_row *nearest = NULL;
    unsigned least = PARSE_WORD_MAX;

    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        unsigned distance = parse_distance(name, length, option_rows[i].name);
        size_t longer = __builtin_strlen(option_rows[i].name);

        longer = longer > length ? longer : length;
        /* With more than half of it changed it is another word, no slip of the pen. */
        if (distance < least && distance * 2 <= longer) {
            least = distance;
            nearest = &option_rows[i];
        }
    }
    return nearest;
}

const char *const *option_words(unsigned type)
{
    static const char *const allocators[] = {"hakmem", "libc", NULL};
    static const char *const presets[] = {"latency", "balanced", "lowmem", "hardened", NULL};

    return type == HAKMEM_OPTION_ALLOCATOR ? allocators : presets;
}

static bool parse_word(const char *const *words, const char *text, size_t length, uint64_t *value)
{
    for (*value = 0; words[*value] != NULL; ++*value) {
        if (parse_same_word(text, length, words[*value]))
            return true;
    }
    return false;
}

static bool parse_typed(unsigned type, const char *text, size_t length, uint64_t *value)
{
    bool on = false, parsed;

    switch (type) {
    case HAKMEM_OPTION_SWITCH:
        parsed = parse_switch(text, length, &on);
        *value = on;
        return parsed;
    case HAKMEM_OPTION_BYTES: return parse_size(text, length, value);
    case HAKMEM_OPTION_COUNT:
    case HAKMEM_OPTION_MILLIS: return parse_number(text, length, value);
    case HAKMEM_OPTION_ALLOCATOR:
    case HAKMEM_OPTION_PRESET: return parse_word(option_words(type), text, length, value);
    default: return false;
    }
}

static const char *wanted(unsigned type)
{
    switch (type) {
    case HAKMEM_OPTION_SWITCH: return "not a switch (on or off)";
    case HAKMEM_OPTION_BYTES: return "not a size (digits with an optional k, M, G or T)";
    case HAKMEM_OPTION_COUNT: return "not a number (digits only)";
    case HAKMEM_OPTION_MILLIS: return "not a number of milliseconds (digits only)";
    case HAKMEM_OPTION_ALLOCATOR: return "not an allocator (hakmem or libc)";
    default: return "not a preset (latency, balanced, lowmem or hardened)";
    }
}

bool option_parse(const option_row *row, const char *text, size_t length, uint64_t *value,
                  struct print_buffer *why)
{
    /* A limit of 1T does not exist where an address has 32 bits. */
    uint64_t greatest = row->type == HAKMEM_OPTION_BYTES && row->greatest > SIZE_MAX ? SIZE_MAX
                                                                                     : row->greatest;

    if (!parse_typed(row->type, text, length, value)) {
        print_text(why, wanted(row->type));
        return false;
    }
    if (*value >= row->least && *value <= greatest)
        return true;
    print_text(why, *value > greatest ? "over the greatest value " : "under the least value ");
    option_print(why, row, *value > greatest ? greatest : row->least);
    return false;
}

static void print_word(struct print_buffer *out, const char *const *words, uint64_t value)
{
    for (uint64_t i = 0; words[i] != NULL; i++) {
        if (i == value) {
            print_text(out, words[i]);
            return;
        }
    }
    print_decimal(out, value); /* of a process that knows more words */
}

void option_print(struct print_buffer *out, const option_row *row, uint64_t value)
{
    switch (row->type) {
    case HAKMEM_OPTION_SWITCH: print_text(out, value != 0 ? "on" : "off"); break;
    case HAKMEM_OPTION_BYTES: print_size(out, value); break;
    case HAKMEM_OPTION_ALLOCATOR:
    case HAKMEM_OPTION_PRESET: print_word(out, option_words(row->type), value); break;
    case HAKMEM_OPTION_PREWARM: break; /* the default is the empty list */
    default: print_decimal(out, value); break;
    }
}

struct preset_row {
    uint16_t option;
    uint64_t value[4]; /* latency, balanced, lowmem, hardened */
};

#define PRESET(option, ...) {OPTION_INDEX_##option, {__VA_ARGS__}},
static const struct preset_row preset_rows[] = {
#include "options/presets.h"
};
enum { PRESET_ROWS = sizeof preset_rows / sizeof preset_rows[0] };

bool option_preset_value(unsigned preset, const option_row *row, uint64_t *value)
{
    for (size_t i = 0; i < PRESET_ROWS; i++) {
        if (&option_rows[preset_rows[i].option] == row) {
            *value = preset_rows[i].value[preset];
            return true;
        }
    }
    return false;
}

void options_draft_begin(struct options_draft *draft)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        draft->value[i] = option_rows[i].initial;
        draft->source[i] = option_source(HAKMEM_SOURCE_DEFAULT, 0, 0);
        draft->rank[i] = 0;
    }
    draft->prewarm.count = 0;
}

void options_draft_print(struct print_buffer *out, const struct options_draft *draft,
                         const option_row *row)
{
    if (row->type == HAKMEM_OPTION_PREWARM)
        prewarm_format(out, &draft->prewarm);
    else
        option_print(out, row, draft->value[row - option_rows]);
}

bool options_draft_claim(struct options_draft *draft, const option_row *row, unsigned rank,
                         uint64_t source, bool first_counts)
{
    uint8_t *there = &draft->rank[row - option_rows];

    if (*there > rank || (*there == rank && first_counts))
        return false;
    *there = (uint8_t)rank;
    draft->source[row - option_rows] = source;
    return true;
}

void options_draft_set(struct options_draft *draft, const option_row *row, uint64_t value,
                       unsigned rank, uint64_t source, bool first_counts)
{
    if (!options_draft_claim(draft, row, rank, source, first_counts))
        return;
    draft->value[row - option_rows] = value;
    if (row->type != HAKMEM_OPTION_PRESET)
        return;
    for (size_t i = 0; i < PRESET_ROWS; i++) {
        row = &option_rows[preset_rows[i].option];
        if (options_draft_claim(draft, row, rank & ~(unsigned)OPTION_RANK_EXPLICIT,
                                source | (value + 1) << 8, first_counts))
            draft->value[row - option_rows] =
                preset_rows[i].value[value];
    }
}

void option_source_print(struct print_buffer *out, uint64_t source, const char *file)
{
    unsigned preset = HAKMEM_SOURCE_PRESET(source);

    if (preset != 0) {
        print_text(out, "preset ");
        print_word(out, option_words(HAKMEM_OPTION_PRESET), preset - 1);
        print_text(out, ", ");
    }
    switch (HAKMEM_SOURCE_KIND(source)) {
    case HAKMEM_SOURCE_DEFAULT: print_text(out, "default"); break;
    case HAKMEM_SOURCE_ENVIRONMENT: print_text(out, "environment"); break;
    case HAKMEM_SOURCE_CALL: print_text(out, "call"); break;
    default:
        print_text(out, file);
        print_char(out, ':');
        print_decimal(out, HAKMEM_SOURCE_LINE(source));
        break;
    }
}
