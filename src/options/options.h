/* SPDX-License-Identifier: MIT */
/*
 * The settings of this process, their values and where each came from.
 *
 * hakmem_options lies alone on its pages:
 *
 *     0                                    sizeof the fields    OPTIONS_ALIGNMENT
 *     | START values | their sources | base draft | nothing               |
 *
 * The alignment is the largest page size of the architecture, so that sealing
 * protects the settings and nothing else, whatever the page size is. A stray
 * write of the program cannot change them afterwards. More than that would be
 * paid at each start: the loader aligns the whole library with further calls.
 *
 * The RUN values may change while the program runs. They are read the way RCU
 * data is read, through a reference to an immutable copy:
 *
 *     options_current ──> hakmem_options_run[i]   the copy in force
 *                         hakmem_options_run[i+1] filled by the next reload, and
 *                                                 then options_current follows
 *
 * No reader registers or waits: the copies are type-stable and each field is
 * one word that is stored whole, so a reader that was overtaken by a full turn
 * of the ring finds a newer value, never a broken one. Values that belong
 * together are read through one options_run().
 *
 * Which setting wins (each is compared before the next):
 *
 *     1. the environment over the file of HAKMEM_CONF over the files in /etc
 *     2. of these files [unit] over [program] over [default]
 *     3. an option's own name over what a preset says of it
 *     4. the later line, in the order in which the files are read; of a
 *        variable that occurs twice the first
 *
 * 1 to 3 are the rank of a setting (enum option_rank), so that one pass in
 * reading order decides.
 *
 * Life: the defaults are there from the moment the library is mapped (a call
 * of malloc before start reads them); options_start reads the files and the
 * environment, alone, before a second thread can exist; options_seal makes the
 * pages read-only. After that everyone reads START values without
 * synchronisation, and options_reload, one caller at a time, publishes RUN values.
 */
#ifndef HAKMEM_OPTIONS_OPTIONS_H
#define HAKMEM_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/print.h"
#include "hakmem/introspect.h"

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
    uint32_t kind; /* enum option_prewarm_kind */
    uint32_t count;
    uint64_t size;
};

struct option_prewarm {
    uint32_t count; /* items in use */
    struct option_prewarm_item item[OPTION_PREWARM_ITEMS];
};

enum option_allocator { OPTION_ALLOCATOR_HAKMEM, OPTION_ALLOCATOR_LIBC };

enum option_preset {
    OPTION_PRESET_LATENCY,
    OPTION_PRESET_BALANCED,
    OPTION_PRESET_LOWMEM,
    OPTION_PRESET_HARDENED,
};

/* Bits of a rank, see above; 0 is the default. Who sets adds them. */
enum option_rank {
    OPTION_RANK_EXPLICIT = 1,
    OPTION_RANK_PROGRAM = 2,
    OPTION_RANK_UNIT = 4,
    OPTION_RANK_ETC = 8,
    OPTION_RANK_CONF = 16,
    OPTION_RANK_ENVIRONMENT = 24,
};

#define OPTION_FIELD_SWITCH bool
#define OPTION_FIELD_BYTES size_t
#define OPTION_FIELD_COUNT uint32_t
#define OPTION_FIELD_MILLIS uint32_t
#define OPTION_FIELD_ALLOCATOR uint32_t
#define OPTION_FIELD_PRESET uint32_t
#define OPTION_FIELD_PREWARM struct option_prewarm

#define OPTION(name, type, initial, least, greatest, unit, when, help) OPTION_INDEX_##name,
enum option_index {
#include "options/table.h"
    OPTION_TOTAL
};

/* A choice of values that is being made: what was found so far, by whom, at which rank. */
struct options_draft {
    uint64_t value[OPTION_TOTAL];  /* of the list `prewarm`: not used */
    uint64_t source[OPTION_TOTAL]; /* HAKMEM_SOURCE_... */
    uint8_t rank[OPTION_TOTAL];
    struct option_prewarm prewarm;
};

#define OPTION_DECLARE_START(type, name) OPTION_FIELD_##type name;
#define OPTION_DECLARE_RUN(type, name)
#define OPTION(name, type, initial, least, greatest, unit, when, help) OPTION_DECLARE_##when(type, name)
/* Constant after options_seal; before it, written by the starting thread only. */
struct options {
#include "options/table.h"
    uint64_t source[OPTION_TOTAL];
    struct options_draft base; /* defaults and environment: what a reload starts from */
} __attribute__((aligned(OPTIONS_ALIGNMENT)));
#undef OPTION_DECLARE_START
#undef OPTION_DECLARE_RUN

#define OPTION_DECLARE_START(type, name)
#define OPTION_DECLARE_RUN(type, name) OPTION_FIELD_##type name;
#define OPTION(name, type, initial, least, greatest, unit, when, help) OPTION_DECLARE_##when(type, name)
/* Every field is atomic, relaxed: written before it is published, and when a copy is filled anew. */
struct options_run {
#include "options/table.h"
    uint64_t source[OPTION_TOTAL];
};
#undef OPTION_DECLARE_START
#undef OPTION_DECLARE_RUN

enum { OPTIONS_COPIES = 4 };

extern struct options hakmem_options HIDDEN;
extern struct options_run hakmem_options_run[OPTIONS_COPIES] HIDDEN;
extern uint32_t options_current HIDDEN; /* atomic: index of the copy in force, released by options_reload */

/* The RUN values in force; fields by load_relaxed. For slow paths. */
static inline const struct options_run *options_run(void)
{
    return &hakmem_options_run[load_acquire(&options_current)];
}

/* One RUN value. */
#define option_now(name) load_relaxed(&options_run()->name)

/* Bytes of free memory that a layer with `mapped` bytes keeps for reuse. */
static inline size_t options_keep(size_t mapped)
{
    const struct options_run *run = options_run();
    size_t least = load_relaxed(&run->superslab_cache);
    size_t share = mapped / 100 * load_relaxed(&run->superslab_cache_percent);

    if (!load_relaxed(&run->superslab_reuse))
        return 0;
    return share > least ? share : least;
}

/* Bytes of a huge page where pages have 4 KiB. */
#define HUGE_PAGE (2 * MIB)
/* With so much in use, what a layer that grows may not need of its last huge page is little, ... */
#define HUGE_PAGES_FROM (8 * MIB)
/* ... also where no more than the first pages of each slab may ever be touched. */
#define HUGE_PAGES_FROM_SPARSE (64 * MIB)
/* With so much mapped it stops: what may have them and what may not are mappings apart, of which 65,530 are allowed. */
#define HUGE_PAGES_TO (32 * 1024 * MIB)

/* May a layer with `mapped` bytes ask for huge pages? */
static inline bool options_huge_pages(size_t mapped)
{
    return mapped < HUGE_PAGES_TO && option_now(huge_pages);
}

/*
 * Set every option to its default, then read the configuration files, and
 * HAKMEM_<NAME> from `envp` (which may be NULL) unless the process is `secure`
 * (AT_SECURE: it has more rights than who started it). What is unknown or bad
 * is named on standard error. Makes no system call but for the files.
 */
void options_start(char *const *envp, bool secure);

/* Make the START settings read-only. A refused mprotect leaves them writable. */
void options_seal(void);

/*
 * Read the files again and publish the RUN values. One caller at a time. False,
 * and nothing has changed, when a file is bad; `why` gets the first mistake.
 * Else `why` names the START options that differ now and need a restart.
 * Keeps errno; async-signal-safe but for the one caller.
 */
bool options_reload(struct print_buffer *why, unsigned *changed, unsigned *need_restart);

/*
 * For tests, before options_seal: set one option as the environment would, with
 * the same message for a bad value. False when nothing was changed.
 */
bool options_set(const char *name, const char *value);

/* The effective value as text; the contract is that of hakmem_option_get. */
int options_format(const char *name, char *buf, size_t len);

/* Where it came from, as text; the contract is that of hakmem_option_origin. */
int options_origin(const char *name, char *buf, size_t len);

/* Name of option `index` in [0, OPTION_TOTAL), in the order of the table; else NULL. */
const char *options_name(size_t index);

/* Where a reader in another process finds all this (hakmem/introspect.h); constant. */
extern const struct hakmem_page_options options_page;

#endif
