/* SPDX-License-Identifier: MIT */
/*
 * What the allocator of a live process looks like at one moment.
 *
 *   sequences --> copy all metadata, rings' heads --> sequences: the same, and even?
 *        ^                                                |            |
 *        +--------------- no, a few times ----------------+            v
 *                                                            follow pointers in the copy
 *
 * The metadata is copied whole, a few reads for the lot, and decoded here, so
 * that the process is looked at for some tens of microseconds. A process that
 * never rests is decoded as it was caught, and `whole` says so: a slab, run or
 * span may then be missing or stand twice as large as it is.
 *
 * Nothing that was read is trusted: each address must lie in the copy or be
 * readable, each list is bounded by what there can be, each number is checked
 * before it is an index.
 */
#ifndef HAKMEMCTL_SNAPSHOT_H
#define HAKMEMCTL_SNAPSHOT_H

#include "hakmemctl/process.h"

#define SNAPSHOT_CLASSES 256
#define SNAPSHOT_SLABS 32    /* of a SuperSlab; bits of its masks */
#define SNAPSHOT_COUNTERS 64
#define SNAPSHOT_CALLS 16

struct snapshot_slab {
    uint64_t owner;      /* address of its heap; 0: none */
    uint32_t used;       /* blocks: live, in the bin, or on their way home */
    uint32_t carved, capacity;
    uint32_t touched;    /* bytes from its first on that were touched */
    uint8_t tag, size_class;
    bool held;
    /* Of `used`: */
    uint32_t binned, returning;
};

struct snapshot_superslab {
    uint64_t base;
    uint64_t slabs_at;   /* address of the descriptors */
    uint32_t free_mask, dirty_mask;
    struct snapshot_slab slab[SNAPSHOT_SLABS];
};

struct snapshot_chunk {  /* of the pool */
    uint64_t base, bytes;
    uint32_t units, used, dirty;
    uint16_t *map;       /* [units] */
};

struct snapshot_span {
    uint64_t base, bytes, usable, touched;
    uint64_t dirty;      /* bytes of a free one that may be resident */
    uint64_t dirty_from; /* where they begin */
    uint8_t tag;
};

struct snapshot_heap {
    uint64_t at;         /* its address */
    uint32_t state;
    int32_t thread;      /* as the process itself numbers its threads; 0: not known */
    uint64_t ready;      /* slabs */
    uint64_t arena_bytes, arena_limit;
    uint64_t gathered;   /* bytes */
    uint64_t queue;      /* its word */
    uint32_t rings;      /* in the queue */
    uint64_t slabs;      /* that it owns */
    uint64_t binned, queued; /* bytes */
    uint64_t bin[SNAPSHOT_CLASSES];
    uint64_t counter[SNAPSHOT_COUNTERS];
};

struct snapshot_range {  /* a mapping of hakmem's */
    uint64_t start, end;
    enum range_kind { RANGE_SUPERSLAB, RANGE_POOL, RANGE_LARGE, RANGE_METADATA, RANGE_LEAF, RANGE_KINDS } kind;
};

struct snapshot {
    struct hakmem_structures structures;
    bool whole;          /* it is one moment, but for what threads write without a lock */
    bool detailed;       /* all blocks in bins and queues were counted; else `live` holds the rest of them */

    uint32_t class_bytes[SNAPSHOT_CLASSES];
    uint32_t class_count, pool_class;
    /* Each sorted by address. */
    struct snapshot_superslab *superslab;
    size_t superslabs;
    struct snapshot_chunk *chunk;
    size_t chunks;
    struct snapshot_span *span;
    size_t spans;
    struct snapshot_heap *heap;
    size_t heaps;
    struct snapshot_range *range; /* all mappings of hakmem's */
    size_t ranges;

    uint64_t pool_binned[SNAPSHOT_CLASSES];  /* blocks in arenas */
    uint64_t pool_waiting[SNAPSHOT_CLASSES]; /* blocks in the transfer cache */
    uint64_t metadata, metadata_left, leaves, lost; /* bytes; leaves: of the region map, its window too */
    uint64_t window_start;  /* as in the process: a sixteenth of an address */
    uint64_t call[SNAPSHOT_CALLS];
    char call_name[SNAPSHOT_CALLS][24];
    uint32_t calls;
    char counter_name[SNAPSHOT_COUNTERS][32];
    uint32_t counters;

    struct snapshot_copy *copy;   /* metadata as it was read */
    size_t copies;
};

/*
 * Take one. STATUS_OK, or STATUS_UNREADABLE, STATUS_NO_TARGET (it has ended),
 * STATUS_FAILED (memory is short) with the reason in process->error. To be freed
 * in every case.
 */
int snapshot_take(struct snapshot *snapshot, struct process *process);
void snapshot_free(struct snapshot *snapshot);

/* The slab that holds an address, or NULL. */
struct snapshot_slab *snapshot_slab_at(const struct snapshot *snapshot, uint64_t address);
/* Units of a block of a class of the pool. */
static inline uint64_t snapshot_pool_units(const struct snapshot *s, unsigned size_class)
{
    uint64_t unit = s->structures.pool_unit;
    return (s->class_bytes[size_class] + unit - 1) / unit;
}
/* Class of a block of the pool of so many units; 0: there is none. */
unsigned snapshot_pool_class(const struct snapshot *snapshot, unsigned units);
/* Units of the block or free run that begins with that entry of a chunk's map. */
static inline uint32_t snapshot_run_units(uint16_t entry)
{
    return (entry & HAKMEM_RUN_FREE) != 0 ? entry & HAKMEM_RUN_UNITS : entry & HAKMEM_BLOCK_UNITS;
}

/* For the parts of this module: a word from the copy, or from the process; false when it cannot be had. */
bool snapshot_get(const struct snapshot *snapshot, const struct process *process, uint64_t address, void *to,
                  size_t size);
/* Count blocks in bins and on their way home (snapshot_details.c). */
void snapshot_count_details(struct snapshot *snapshot, const struct process *process);

#endif
