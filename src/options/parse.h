/* SPDX-License-Identifier: MIT */
/*
 * The written forms of an option's value. Pure functions: no message, no state.
 * Private to src/options.
 */
#ifndef HAKMEM_OPTIONS_PARSE_H
#define HAKMEM_OPTIONS_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Each reads text[0..length) whole and fails on anything else in it: signs,
 * blanks, an empty text. A number over UINT64_MAX is read as UINT64_MAX, which
 * every option's limit refuses, so that it is named as too large.
 */
bool parse_switch(const char *text, size_t length, bool *value);
bool parse_number(const char *text, size_t length, uint64_t *value);
bool parse_size(const char *text, size_t length, uint64_t *value);

/* True when the texts are equal but for the case of ASCII letters. */
bool parse_same_word(const char *text, size_t length, const char *word);

char parse_upper(char c);

/*
 * Insertions, deletions, replacements and swaps of neighbours that turn `text`
 * into `word`, case ignored. Only the first PARSE_WORD_MAX characters count.
 */
enum { PARSE_WORD_MAX = 40 };
unsigned parse_distance(const char *text, size_t length, const char *word);

#endif
