/* SPDX-License-Identifier: MIT */
/*
 * Blocks above 64 KiB (SIZE_POOL_MAX): spans of a coalescing page heap on granules of 64 KiB,
 * and, from `huge_threshold` bytes, a mapping for each block.
 *
 * A span is a run of granules, live or free. Its first and last granule lead
 * to its descriptor in the region map, so that a span that is freed finds both
 * neighbours without a search:
 *
 *   region map    s1 .. s1  s2 .. s2  s3 ............ s3
 *                | live    | free    | live             |
 *
 * A live span marks all its granules (of a huge one those of the first
 * 16 GiB). Inner granules of a free span hold old entries, which nobody follows
 * without checking that the span covers the address and is live.
 *
 * Free spans stand in bins by size: exact up to 64 granules, then sixteen to a
 * doubling; a bit for each bin that has a member. What is freed stays resident
 * ("dirty") up to a budget of max(large_cache, large_cache_percent of the live
 * bytes); beyond it as much as is too much, and after purge_delay all, of the
 * pages that were freed first is given back; the span stays as address space.
 * What was given back and soon needed again is kept from then on, beyond the
 * budget, and a block of that size, however huge, is cut from the page heap.
 *
 * A block does not begin with its span, but up to a page behind it, each elsewhere:
 * the first lines of all, and lines at the same place of several, would share one
 * set of the cache in 64, and stores to one array delay loads of the next. (As
 * jemalloc's cache_oblivious does.) Huge blocks, and those that ask for an alignment
 * beyond a cache line, begin with their span.
 *
 * One lock guards all of it.
 */
#ifndef HAKMEM_LARGE_LARGE_H
#define HAKMEM_LARGE_LARGE_H

#include "registry/registry.h"

/* All guarded by large_lock; `head.tag` and `head.base` may be read without it. */
struct span {
    struct slab head;      /* owner NULL, tag LARGE, HUGE or SPAN_FREE; link: bin, or free structures */
    size_t size;           /* bytes, a multiple of a granule (huge: of a page) */
    size_t shift;          /* live: the block begins so many bytes behind the start */
    size_t usable;         /* live: bytes promised to the program */
    size_t touched;        /* live: bytes from its start that may be resident; what lies behind reads as zero */
    uintptr_t dirty_from;  /* free: what lies outside of [dirty_from, dirty_to) is not resident */
    uintptr_t dirty_to;
    bool zero;             /* free: all of it reads as zero */
    bool huge_pages;       /* were asked for, for some of it */
    uint64_t freed_ms;     /* free and dirty: since when */
    struct list dirty_link;/* free and dirty: in order of freeing */
    struct list all_link;  /* every span: large_spans */
};

/* Guarded by large_lock; readers in other processes look at the lock's sequence. */
extern struct list large_spans; /* head of the list of all spans, live or free */
extern size_t large_lost;       /* bytes of huge mappings that the system did not take back: no pages, address only */

/*
 * A block of at least `size` bytes (above SIZE_POOL_MAX, or with an alignment above
 * it), aligned to `align`, a power of two. *zeroed says whether it is known to
 * read as zero; NULL for who writes a byte before reading it: then most of a
 * block of megabytes may have huge pages, while one that is asked for zeroed
 * may be a table that stays empty. NULL when memory is short or size + align
 * overflow.
 */
void *large_alloc(size_t size, size_t align, bool *zeroed);
/* `s` is the descriptor found for `p`; a pointer inside the block is a misuse. */
void large_free(struct slab *s, void *p);
/* Bytes that the block can hold; constant until it is resized. */
size_t large_usable(struct slab *s, const void *p, const char *function);
/*
 * Resize in place, or by moving pages instead of bytes. Returns the block, or
 * NULL when neither is possible: then the caller copies.
 */
void *large_resize(struct slab *s, void *p, size_t size);

/* Give back free spans until at most `keep` bytes of them are resident. Returns the bytes. */
size_t large_trim(size_t keep);
/*
 * Other layers have mapped `bytes`: as much of what lies free here goes back, so
 * that the process does not grow by what it has. What is kept because it was
 * soon needed again stays.
 */
void large_yield(size_t bytes);
/* Give back what was freed before `now` - purge_delay. */
void large_age(uint64_t now_ms);
/* Memory is short: unmap all free spans. Returns the bytes. */
size_t large_unmap_free(void);

struct large_totals {
    size_t mapped;     /* bytes of spans, live or free, and huge mappings */
    size_t live;       /* bytes of live blocks, as rounded to pages */
    size_t dirty;      /* bytes of free spans that are resident */
    size_t spans_live; /* count */
    size_t regretted;  /* bytes that may stay resident beyond the budget, since they were soon needed again */
};
void large_get_totals(struct large_totals *totals);
/* Check bins, marks and totals; returns mismatches, one line each to fd (unless -1). */
size_t large_audit(int fd);

extern struct lock large_lock; /* for fork */

#endif
