/* SPDX-License-Identifier: MIT */
/*
 * The settings of this process, their values and where each came from.
 *
 * hakmem_options lies alone on its pages:
 *
 *     0                          sizeof the fields    OPTIONS_ALIGNMENT
 *     | values, one per table row | origins | nothing               |
 *
 * The alignment is the largest page size of the architecture, so that sealing
 * protects the settings and nothing else, whatever the page size is. A stray
 * write of the program cannot change them afterwards. More than that would be
 * paid at each start: the loader aligns the whole library with further calls.
 *
 * Life: the defaults are there from the moment the library is mapped (a call
 * of malloc before start reads them); options_start reads the environment,
 * alone, before a second thread can exist; options_seal makes the pages
 * read-only. After that everyone reads without synchronisation.
 */
#ifndef HAKMEM_OPTIONS_OPTIONS_H
#define HAKMEM_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__) || defined(__i386__)
enum { OPTIONS_ALIGNMENT = 4096 };
#else
enum { OPTIONS_ALIGNMENT = 65536 };
#endif
enum { OPTION_PREWARM_ITEMS = 16 };

enum option_prewarm_kind {
    OPTION_PREWARM_BLOCKS,     /* `count` blocks of `size` bytes */
    OPTION_PREWARM_SUPERSLABS, /* `count` SuperSlabs; size is 0 */
    OPTION_PREWARM_POOL,       /* `size` bytes of pool chunks; count is 1 */
};

struct option_prewarm_item {
    enum option_prewarm_kind kind;
    uint32_t count;
    size_t size;
};

struct option_prewarm {
    uint32_t count; /* items in use */
    struct option_prewarm_item item[OPTION_PREWARM_ITEMS];
};

enum option_origin { OPTION_FROM_DEFAULT, OPTION_FROM_ENVIRONMENT, OPTION_FROM_CALL };

#define OPTION_FIELD_SWITCH bool
#define OPTION_FIELD_BYTES size_t
#define OPTION_FIELD_COUNT uint32_t
#define OPTION_FIELD_MILLIS uint32_t
#define OPTION_FIELD_PREWARM struct option_prewarm

#define OPTION(name, type, initial, least, greatest, unit, when, help) OPTION_INDEX_##name,
enum option_index {
#include "options/table.h"
    OPTION_TOTAL
};

#define OPTION(name, type, initial, least, greatest, unit, when, help) OPTION_FIELD_##type name;
/* Constant after options_seal; before it, written by the starting thread only. */
struct options {
#include "options/table.h"
    uint8_t origin[OPTION_TOTAL]; /* enum option_origin */
} __attribute__((aligned(OPTIONS_ALIGNMENT)));

extern struct options hakmem_options;

/* Bytes of free memory that a layer with `mapped` bytes keeps for reuse. */
static inline size_t options_keep(size_t mapped)
{
    size_t share = mapped / 100 * hakmem_options.superslab_cache_percent;
    if (!hakmem_options.superslab_reuse)
        return 0;
    return share > hakmem_options.superslab_cache ? share : hakmem_options.superslab_cache;
}

/*
 * Set every option to its default, then read HAKMEM_<NAME> from `envp` (which
 * may be NULL) unless the process is `secure` (AT_SECURE: it has more rights
 * than who started it). What is unknown or bad is named on standard error.
 */
void options_start(char *const *envp, bool secure);

/* Make the settings read-only. A refused mprotect leaves them writable. */
void options_seal(void);

/*
 * For tests, before options_seal: set one option as the environment would, with
 * the same message for a bad value. False when nothing was changed.
 */
bool options_set(const char *name, const char *value);

/* The effective value as text; the contract is that of hakmem_option_get. */
int options_format(const char *name, char *buf, size_t len);

/* "default", "environment" or "call"; NULL when there is no such option. */
const char *options_origin(const char *name);

/* Name of option `index` in [0, OPTION_TOTAL), in the order of the table; else NULL. */
const char *options_name(size_t index);

#endif
