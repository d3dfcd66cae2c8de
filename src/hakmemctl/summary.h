/* SPDX-License-Identifier: MIT */
/*
 * The sums of a snapshot. Each byte that hakmem has mapped is in one column:
 *
 *               live    in the program's hands, as block sizes
 *   cached      binned, returning, freed, ready, uncarved: free, but a thread's
 *   free        resident, and anybody's: free slabs, runs and spans
 *   purged      never touched, or given back to the system: address only
 *   slack       ends of slabs and large spans that no block covers
 *   metadata    hakmem's own structures, and the leaves of the region map
 *
 *   mapped == live + cached + free + purged + slack + metadata
 */
#ifndef HAKMEMCTL_SUMMARY_H
#define HAKMEMCTL_SUMMARY_H

#include "hakmemctl/snapshot.h"

struct summary_class {
    uint64_t bytes;      /* of a block */
    uint64_t footprint;  /* bytes of memory that it takes: in the pool, of whole units */
    uint64_t slabs;      /* 0 in the pool */
    /* Blocks: */
    uint64_t live;
    uint64_t binned;     /* in the bins of threads */
    uint64_t returning;  /* freed by another thread, on their way home */
    uint64_t freed;      /* in the lists of slabs */
    uint64_t uncarved;   /* of slabs, room that was never made a block; of it, */
    uint64_t untouched;  /*   never touched either */
    uint64_t slack;      /* bytes behind the last block of its slabs; in the pool, beside the live blocks */
};

struct summary_part {    /* bytes */
    uint64_t mapped, live, cached, free, purged, slack;
    uint64_t believed;   /* resident, as far as hakmem knows: an upper bound */
};

struct summary {
    struct summary_class class[SNAPSHOT_CLASSES];
    unsigned classes, pool_class;
    struct summary_part slab, pool, large, all; /* all: with metadata in `mapped` and `believed` */
    uint64_t metadata, metadata_left, leaves;

    uint64_t binned, returning, freed, ready, uncarved, arena; /* bytes: what `cached` is made of */

    uint64_t superslabs, superslabs_empty, slabs_used, slabs_ready, slabs_dirty, slabs_clean;
    uint64_t chunks, pool_blocks, pool_runs, pool_largest_free; /* bytes the last */
    uint64_t spans_live, huge, huge_bytes, spans_free, large_largest_free;
    uint64_t heaps_alive, heaps_dead, heaps_other;
    uint64_t rings, gathered, queued; /* the last two in bytes */
    uint64_t stranded;   /* resident free bytes of slabs in which a block is live: no trim can return them */
    uint64_t counter[SNAPSHOT_COUNTERS]; /* of all heaps */
    uint64_t calls;      /* memory system calls */
};

void summary_make(struct summary *summary, const struct snapshot *snapshot);

#endif
