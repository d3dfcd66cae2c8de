/* SPDX-License-Identifier: MIT */
/*
 * The rows of the table, and the written form of a value of any type. No
 * message, no state. Private to src/options, and for the operators' tool.
 */
#ifndef HAKMEM_OPTIONS_VALUE_H
#define HAKMEM_OPTIONS_VALUE_H

#include "base/print.h"
#include "options/options.h"

typedef struct hakmem_page_option option_row;

extern const option_row option_rows[OPTION_TOTAL];

/* The option of this very name; NULL when there is none. */
const option_row *option_find(const char *name, size_t length);
/* The option whose name is the least slip of the pen away; NULL when all are other words. */
const option_row *option_nearest(const char *name, size_t length);

/*
 * Read text[0..length) as a value of any type but PREWARM. On failure `why`
 * gets the reason ("over the greatest value 1M").
 */
bool option_parse(const option_row *row, const char *text, size_t length, uint64_t *value,
                  struct print_buffer *why);
/* The value as an option accepts it; nothing for PREWARM, which has prewarm_format. */
void option_print(struct print_buffer *out, const option_row *row, uint64_t value);

/* Words of an ALLOCATOR or a PRESET, in the order of their enums; NULL ends. */
const char *const *option_words(unsigned type);

/* What preset `preset` sets `row` to. False when it does not. */
bool option_preset_value(unsigned preset, const option_row *row, uint64_t *value);

/* Every option at its default. */
void options_draft_begin(struct options_draft *draft);
/* What the draft says of `row` as text, also for PREWARM. */
void options_draft_print(struct print_buffer *out, const struct options_draft *draft,
                         const option_row *row);
/*
 * Set `row` unless what is there has a higher rank (or, with `first_counts`,
 * the same). A preset sets the options of its column as well, at the rank
 * without OPTION_RANK_EXPLICIT.
 */
void options_draft_set(struct options_draft *draft, const option_row *row, uint64_t value,
                       unsigned rank, uint64_t source, bool first_counts);
/* The same rule for the list; false: keep yours. */
bool options_draft_claim(struct options_draft *draft, const option_row *row, unsigned rank,
                         uint64_t source, bool first_counts);

/* A source as text: "default", "/etc/hakmem.conf:3", "preset lowmem, environment". */
void option_source_print(struct print_buffer *out, uint64_t source, const char *file);

static inline uint64_t option_source(enum hakmem_source_kind kind, unsigned file, uint32_t line)
{
    return (uint64_t)line << 32 | (uint64_t)file << 16 | kind;
}

#endif
