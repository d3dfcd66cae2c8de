/* SPDX-License-Identifier: MIT */
/*
 * From an address to what lies there.
 *
 * The region map: two levels, one entry for each granule of 64 KiB.
 *
 *   address   63..48 47       32 31       16 15      4 3  0
 *             | 0   | directory | leaf      | inside  | 0 |
 *                       |           |
 *   registry_root       v           v
 *   +--------+     +---------+  +--------+
 *   | zeros, |<----| 0       |  | 0      |---> registry_root itself, read as a
 *   | 512 KiB|     | offset  |->| offset |     descriptor: owner NULL, tag 0
 *   +--------+     +---------+  +--------+---> struct slab
 *
 * Every entry is an offset from registry_root, so that an unused directory
 * entry (0) leads to the leaf of zeros, and an unused leaf entry (0) to the
 * descriptor of zeros: a look-up has no test for NULL, is safe for any address,
 * works before the first call of this library has run, and costs no page until
 * it is used. A misaligned or a non-canonical address falls out of one range
 * check, because the address is rotated by four bits first.
 *
 * An ordinary free() needs no RCU read lock: the block that is being freed is
 * live, a live block keeps its slab in use, a slab in use keeps its SuperSlab
 * mapped and its entry and descriptor unchanged. The entry was written before
 * the block was handed out, and whatever carried the pointer to another thread
 * carried the entry with it. A pointer that breaks this (a double free) finds
 * an old or a zero descriptor: descriptors are type-stable and stay mapped, so
 * the look-up itself never faults. Only what follows pointers from region to
 * region without owning a block (statistics, audit, trim) is an RCU reader.
 *
 * The window: 8 GiB of addresses around the first region, whose slabs have their
 * descriptors side by side, one for each granule. Most processes have all their
 * slabs there, and free finds them by arithmetic:
 *
 *   address -> granule -> registry_window_origin + granule * sizeof(struct slab)
 *
 * The array is zeros that can only be read (on a kernel that does not overcommit,
 * memory that need not be there), but for the parts in which registry_reserve_slabs
 * was asked for granules.
 *
 * Of a granule in a chunk of the pool this descriptor leads to the chunk's map.
 * Any other has no owner and the tag of a free slab or none: then the region
 * map tells.
 */
#ifndef HAKMEM_REGISTRY_REGISTRY_H
#define HAKMEM_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/list.h"
#include "base/size_class.h"

struct heap;

/* A free block; the first word links it. */
struct block {
    struct block *next;
};

/* What a granule holds; the tag byte validates a pointer. */
enum slab_tag {
    TAG_NONE = 0,          /* not ours */
    TAG_FREE = 0xa0,       /* slab without blocks */
    TAG_SMALL = 0xa1,      /* slab of a SuperSlab, blocks up to 8 KiB */
    TAG_POOL = 0xa2,       /* chunk of the pool, blocks up to 64 KiB */
    TAG_LARGE = 0xa4,      /* live span */
    TAG_HUGE = 0xa5,       /* live mapping of its own */
    TAG_SPAN_FREE = 0xa8,  /* free span */
};

/* Where the owner keeps a slab. */
enum slab_role {
    ROLE_UNLISTED, /* full, or fewer free blocks than the class's rejoin count */
    ROLE_HELD,     /* serves its class, alone or with others: its free blocks are in the heap's bin */
    ROLE_FRESH,    /* set aside by its heap with room that was never carved */
    ROLE_LISTED,   /* in the partial list: has free or uncarved blocks */
};

/*
 * Descriptor of a slab: a cache line that every thread that frees a block of it
 * reads, and one that the owner writes. Chunks of the pool and large spans begin
 * with one: no owner, and of the rest only tag and base. In the window a granule
 * of the pool has one, too: no owner, tag and map.
 *
 *    0 owner  8 list/map  16 base       24 capacity  26 tag class index
 *   64 free  72 countdown 76 level 78 carved  80 role touched  88 link
 *
 * A block that the owner frees goes to *list: the slab's own `free`, or the
 * heap's bin while the slab is held.
 *
 * used = level + countdown: blocks that are live or on their way home.
 * `countdown` frees are left until something must be done: at level 0 the slab
 * is empty; at a higher level it has enough free blocks to be listed again.
 * Each free decrements it, so used is exact at all times. Of a held slab every
 * carved block is live, on its way home, or in the bin: used = carved, and
 * countdown, which the frees decrement all the same, only needs to be large.
 *
 *   used + length(free) == carved <= capacity
 *
 * Life: TAG_FREE -> slab_start by a heap -> carved, freed, refilled -> used 0
 * -> TAG_FREE, back to its SuperSlab.
 */
struct slab {
    /* Whoever frees reads these; they change with the life of the slab. */
    struct heap *owner;   /* atomic; changes only while no block is live, and then before
                             any other field: the audit relies on it */
    union {
        struct block **list;  /* owner thread only: where its frees go; the audit reads it */
        const uint16_t *map;  /* granule of the pool, in the window: where the chunk's map has its units */
    };
    uintptr_t base;       /* constant: address of the first block */
    uint16_t capacity;    /* constant while in use; the audit reads it at any moment */
    uint8_t tag;          /* atomic relaxed; constant while in use */
    uint8_t size_class;   /* constant while in use; walkers read it at any moment */
    uint8_t index;        /* constant: granule within its SuperSlab */

    /* The owner writes these with each free, or nearly. */
    struct block *free __attribute__((aligned(CACHE_LINE))); /* owner thread only; NULL while held; audited */
    uint32_t countdown;   /* owner thread only; walkers read it */
    uint16_t level;       /* owner thread only; walkers read it */
    uint16_t carved;      /* owner thread only; walkers read it */
    uint8_t role;         /* atomic; written by the owner (release), read by who
                             collects rings for a sleeping owner (acquire) */
    uint8_t touched;      /* who has the slab only, of a free one the lock of the layer below: so many
                             sixteenths from its base on may be resident */
    struct list link;     /* owner thread only: partial or joined list; lock of the layer below when free */
};

/* `touched` of a slab that is resident whole. */
#define SLAB_TOUCHED_ALL 16

_Static_assert(sizeof(struct slab) == 2 * CACHE_LINE, "a descriptor is two cache lines");

/* Exact for the owner; for a walker, the state of a moment that may be gone. */
static inline uint32_t slab_used(const struct slab *s)
{
    uint32_t carved = owner_load(&s->carved);
    if (load_relaxed(&s->role) == ROLE_HELD)
        return carved;
    uint32_t used = owner_load(&s->level) + owner_load(&s->countdown);
    return used < carved ? used : carved;
}

static inline size_t slab_block_size(const struct slab *s)
{
    return size_class_size(load_relaxed(&s->size_class));
}

/* Number of the block of s that starts at p, an address in its granule; UINT32_MAX: none does. */
static inline uint32_t slab_block_at(const struct slab *s, const void *p)
{
    return size_class_block(&size_class_table[load_relaxed(&s->size_class)], (uint32_t)((uintptr_t)p - s->base));
}

#define REGISTRY_LEAF_SHIFT 32
#define REGISTRY_LEAF_ENTRIES ((size_t)1 << (REGISTRY_LEAF_SHIFT - GRANULE_SHIFT))
#if defined(__aarch64__)
#define REGISTRY_ADDRESS_BITS 48
#define REGISTRY_PAGE_MAX (64 * KIB)
#else
#define REGISTRY_ADDRESS_BITS 47
#define REGISTRY_PAGE_MAX (4 * KIB)
#endif
#define REGISTRY_DIRECTORY_ENTRIES ((size_t)1 << (REGISTRY_ADDRESS_BITS - REGISTRY_LEAF_SHIFT))

struct registry_root {
    union {
        struct slab none;                      /* always zero */
        uint64_t zeros[REGISTRY_LEAF_ENTRIES]; /* the leaf of all unused directory entries */
    };
    uint64_t directory[REGISTRY_DIRECTORY_ENTRIES]; /* atomic; 0 -> leaf, once, under the lock */
};

extern struct registry_root registry_root HIDDEN;

/* The leaves, for readers in other processes: their entries in the directory, in the order of making. */
struct registry_leaves {
    uint32_t count; /* atomic; written under registry_lock, after the entry */
    uint16_t entry[REGISTRY_DIRECTORY_ENTRIES];
};
extern struct registry_leaves registry_leaves;

/*
 * The descriptor of the granule of `p`; &registry_root.none (tag 0, no owner)
 * when p is not ours, misaligned, or no address at all. Async-signal-safe.
 */
static inline struct slab *registry_find(const void *p)
{
    uintptr_t rotated = (uintptr_t)p >> 4 | (uintptr_t)p << (sizeof(uintptr_t) * 8 - 4);
    uintptr_t directory = rotated >> (REGISTRY_LEAF_SHIFT - 4);
    char *root = (char *)&registry_root;
    /* What lies at an offset from the root is another object: the compiler must not know better. */
    __asm__("" : "+r"(root));
    if (unlikely(directory >= REGISTRY_DIRECTORY_ENTRIES))
        return &registry_root.none;
    /* A leaf spans 4 GiB: the low half of the address holds the index without a mask. */
    uint32_t entry = (uint32_t)(uintptr_t)p >> GRANULE_SHIFT;
    const uint64_t *leaf =
        (const uint64_t *)(void *)(root + plain_load(&((struct registry_root *)(void *)root)->directory[directory]));
    return (struct slab *)(void *)(root + plain_load(&leaf[entry]));
}

#define REGISTRY_WINDOW_SIZE ((size_t)8 << 30)
#define REGISTRY_WINDOW_GRANULES (REGISTRY_WINDOW_SIZE >> GRANULE_SHIFT)
extern struct slab registry_window[REGISTRY_WINDOW_GRANULES] HIDDEN;
/*
 * First address of the window, rotated by four bits, as free compares it; before
 * the first region an address that no block has. Atomic; set once, released
 * before any descriptor of the window is. Who frees a block of the window knows
 * it, as he knows the descriptor.
 */
extern uintptr_t registry_window_start HIDDEN;
/*
 * Where the descriptor of address 0 would be: as registry_window_start, and set
 * before it. Only who frees what is no block, while another thread maps the first
 * region of the process, could see the new start and the old origin, and on x86,
 * where loads keep their order, not even he.
 */
extern uintptr_t registry_window_origin HIDDEN;

/* Is p an address of the window, and not misaligned? Async-signal-safe. */
static inline bool registry_in_window(const void *p)
{
    uintptr_t rotated = (uintptr_t)p >> 4 | (uintptr_t)p << (sizeof(uintptr_t) * 8 - 4);
    return rotated - plain_load(&registry_window_start) < REGISTRY_WINDOW_SIZE >> 4;
}

/*
 * Like registry_find, without a load that waits for another one, for slabs and
 * granules of the pool; p is an address of the window. What else it is: a
 * descriptor without an owner, whose tag is neither SMALL nor POOL. The test of
 * the window is no part of it: a malloc that follows a free waits for what the
 * free computes of the address. Async-signal-safe.
 */
static inline struct slab *registry_slab_in_window(const void *p)
{
    uintptr_t offset = ((uintptr_t)p >> GRANULE_SHIFT) * sizeof(struct slab);
    return (struct slab *)(plain_load(&registry_window_origin) + offset);
}

/* The same for any p; NULL: no address of the window, or misaligned. */
static inline struct slab *registry_find_in_window(const void *p)
{
    return likely(registry_in_window(p)) ? registry_slab_in_window(p) : NULL;
}

/* The first of the descriptors in the window for a range of granules; NULL: it is not inside. */
struct slab *registry_window_range(uintptr_t base, size_t size);

/* Make the leaves for an address range. False when memory is short. */
bool registry_reserve(uintptr_t base, size_t size);
/* The same for slabs and chunks of the pool, whose descriptors are in the window: it becomes writable there. */
bool registry_reserve_slabs(uintptr_t base, size_t size);
/* Point the granules of a reserved range at `s`; NULL: at nothing. */
void registry_set(uintptr_t base, size_t size, struct slab *s);
/* The same for a chunk of the pool, whose granules in the window lead to its map, an entry for each unit. */
void registry_set_pool(uintptr_t base, size_t size, struct slab *head, const uint16_t *map);

enum region_kind { REGION_SUPERSLAB, REGION_POOL };

/*
 * A mapping that can be walked: embedded in SuperSlabs and pool chunks.
 * Constant while listed.
 */
struct region {
    struct list link;       /* RCU list, changed under the registry lock; `next` is released
                               to the walkers, who acquire it */
    struct slab *slabs;     /* one descriptor for each granule; NULL: no slabs (pool) */
    uintptr_t base;
    size_t size;            /* bytes */
    enum region_kind kind;
    /* Once retired, of who retires it and then of who recycles it: */
    struct region *retired;
    void (*recycle)(struct region *);
};

extern struct list registry_regions; /* head of the list of regions */

/* Bytes of regions that were added since heap_tick asked last; atomic, relaxed. */
extern size_t registry_grown HIDDEN;

/* Publish a region to the walkers. */
void registry_add(struct region *region);
/*
 * Take it from the walkers; its structure may be used again once
 * `recycle(region)` is called, when no walk is left that may stand on it.
 */
void registry_retire(struct region *region, void (*recycle)(struct region *));
/*
 * Recycle what was retired, when it is worth it and no walk is on. Never
 * waits: malloc and free may be called inside a read-side critical section of
 * the program's own, or while such a reader waits for a lock of the caller.
 * The caller holds no lock.
 */
void registry_recycle(void);
/*
 * Recycle all of it after a grace period, unless the caller is an RCU reader.
 * Blocks; not for malloc and free. The caller holds no lock.
 */
void registry_synchronize(void);

/*
 * Call visit for each region; a read-side critical section of RCU. Not
 * async-signal-safe (the first call of a thread registers it as a reader).
 * `visit` takes no lock of this or a lower rank.
 */
void registry_walk(void (*visit)(struct region *region, void *context), void *context);

/* liburcu's side of fork; after our locks are taken, before they are released. */
extern struct lock registry_lock; /* for fork */
void registry_fork_prepare(void);
void registry_fork_parent(void);
void registry_fork_child(void);
/* After this no walk does anything: liburcu is about to be taken down. */
void registry_exit(void);

#endif
