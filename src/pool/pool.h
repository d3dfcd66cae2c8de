/* SPDX-License-Identifier: MIT */
/*
 * Blocks of 8 to 64 KiB: a coalescing heap of units of 1 KiB that all threads
 * share, and in front of it an arena for each thread.
 *
 *   arena   the thread's bins of the pool classes (in its heap): popped and
 *           pushed without a lock, bounded by thread_hold, filled and emptied
 *           several blocks at a time
 *   pool    chunks of 1 to 8 MiB, one lock
 *
 *   chunk   |.block, 9.| free, 12    |...block, 40 ......| free, clean, to the end |
 *   map       9 0 .. 0   F n n p p F   40 0 ........... 0   C n n p p ...... C
 *
 * A block begins with one of the first eight cache lines of its first unit, each
 * with another than the one before (its colour: base/size_class.h).
 *
 * `map` has an entry for each unit. The first entry of a block is its number
 * of units and its colour; the first and the last of a free run are FREE | units,
 * so that a block that is freed finds both neighbours; all other entries are 0,
 * except the links of a free run in its bin, which are marked FREE as well. So any
 * address tells whether a block starts there, and of memory of the program only
 * the first word of a free block in an arena or chain, its link, is written.
 *
 * A free run is clean when its pages were never touched or were given back.
 * Runs stand in bins by size (exact up to 65 units), dirty ones apart from
 * clean ones; a bit for each bin that has a member, so that the best fit is
 * found with one count-trailing-zeros, resident memory first.
 *
 * What arenas give back waits in chains of one class (transfer.h) first, half of
 * what is mapped at most, and becomes free runs when no resident run fits, a few
 * hundred blocks at once, and when idle memory is looked for.
 *
 *   blocks (live, in arenas, in chains) + free runs == units of the chunk
 *
 * New memory is faulted in ahead, or in huge pages, while the program fills the
 * blocks that it takes (filling.h).
 *
 * Free memory stays resident up to 1.5 times what options_keep says, then down
 * to that; what was not freed into for purge_delay goes back as well,
 * and a chunk without a block is unmapped.
 *
 * Why one shared heap and not a chunk list for each thread: doc/DECISIONS.md.
 */
#ifndef HAKMEM_POOL_POOL_H
#define HAKMEM_POOL_POOL_H

#include "pool/transfer.h"
#include "registry/registry.h"

#define POOL_CHUNK_MAX (8 * MIB)
#define POOL_CHUNK_UNITS (POOL_CHUNK_MAX / POOL_UNIT)
/* In an entry of the map: */
#define POOL_RUN_FREE 0x8000u
#define POOL_RUN_CLEAN 0x4000u
#define POOL_RUN_UNITS 0x3fffu
/* Of a block: its units, and above them the cache line where it begins, from 1 on. */
#define POOL_BLOCK_UNITS 0x7fu
#define POOL_PLACE_SHIFT 1
#define POOL_NO_BLOCK (POOL_BLOCK_UNITS + 1)

/* Guarded by pool_lock, except what says otherwise. */
struct pool_chunk {
    struct slab head;     /* tag POOL, owner NULL, base: constant while mapped */
    struct region region; /* no slabs to walk: pool_audit looks at the map */
    struct list link;     /* idle list, by freed_ms; or unused structures */
    uint64_t freed_ms;    /* last free into it */
    uint32_t id;          /* constant: index in the table of chunks, from 1 */
    uint32_t units;       /* constant while mapped */
    uint32_t used;        /* units of blocks */
    uint32_t dirty;       /* units of free runs that are not clean */
    uint32_t touched;     /* units from here on were never handed out, nor faulted in ahead */
    bool huge_pages;      /* were asked for, and are wanted still */
    /* The entry of a live block is constant, and read without the lock. */
    uint16_t map[POOL_CHUNK_UNITS];
};

/* Entry of a block of so many units that begins `place` bytes, a multiple of a cache line, behind its first unit. */
static inline unsigned pool_entry(unsigned units, size_t place)
{
    return (unsigned)(place + CACHE_LINE) << POOL_PLACE_SHIFT | units;
}

/*
 * Units of the block that starts at p, in the unit that the map has `entry` for;
 * more than POOL_BLOCK_UNITS: none does. It begins at another place, or the entry
 * is that of a free run, whose sign is above all places, or of no start, 0.
 */
static inline unsigned pool_units_of_entry(uint16_t entry, const void *p)
{
    return likely((uintptr_t)p % CACHE_LINE == 0) ? entry ^ pool_entry(0, (uintptr_t)p % POOL_UNIT) : POOL_NO_BLOCK;
}

/* The entry for p, an address of the chunk with descriptor `s`. */
static inline uint16_t pool_entry_at(const struct slab *s, const void *p)
{
    const struct pool_chunk *chunk = (const struct pool_chunk *)(const void *)s; /* head comes first */
    uintptr_t unit = ((uintptr_t)p - chunk->head.base) >> POOL_UNIT_SHIFT & (POOL_CHUNK_UNITS - 1);
    return load_relaxed(&chunk->map[unit]);
}

/* Units of the block that starts at p, an address of the chunk with descriptor `s`; else as above. */
static inline unsigned pool_units_at(const struct slab *s, const void *p)
{
    return pool_units_of_entry(pool_entry_at(s, p), p);
}

/* The same for p, for which the window has `s`, the descriptor of a granule of the pool. */
static inline unsigned pool_units_in_window(const struct slab *s, const void *p)
{
    const uint16_t *map = owner_load(&s->map);
    return pool_units_of_entry(load_relaxed(&map[(uintptr_t)p % GRANULE >> POOL_UNIT_SHIFT]), p);
}

/* A block may serve a request for another class when it is larger by one part in so many at most. */
#define POOL_SERVES_PART 4
static inline bool pool_serves(unsigned size_class, unsigned wanted)
{
    return size_class < CLASS_COUNT &&
           size_class_size(size_class) - size_class_size(wanted) <= size_class_size(wanted) / POOL_SERVES_PART;
}

/*
 * Take up to `want` blocks of the class at *size_class, linked, at *list, or
 * chains that wait, a long one or a few short ones: of that class or of one that
 * serves it, which is then told there. Returns how many; 0 when memory is short.
 */
size_t pool_take(unsigned *size_class, size_t want, struct block **list);
/* One block of a class, aligned to a power of two up to 64 KiB; NULL when memory is short. */
void *pool_take_aligned(unsigned size_class, size_t align);
/* Give blocks back, linked, of any classes. Ends the program when one is free already. */
void pool_give(struct block *list, const char *function);
/* Linked blocks of one class, 1 to 63. */
struct pool_chain {
    struct block *first;
    size_t count;
    unsigned size_class;
};
/* Leave chains for the next who takes some of their class. */
void pool_give_chains(const struct pool_chain *chain, unsigned chains);

/*
 * The class of the block at p, an address of a chunk whose descriptor is `s`;
 * ends the program, in the name of `function`, when no block starts there.
 */
unsigned pool_class_of(const struct slab *s, const void *p, const char *function);

/* Map chunks of together `bytes` ahead. Returns the bytes that were mapped. */
size_t pool_prewarm(size_t bytes);
/* Give free memory back until at most `keep` bytes of it are resident. Returns the bytes. */
size_t pool_trim(size_t keep);
/* Give back what was freed before `now` - purge_delay. */
void pool_age(uint64_t now_ms);

struct pool_totals {
    size_t mapped; /* bytes of chunks */
    size_t used;   /* bytes of blocks: live, or in the arenas */
    size_t dirty;  /* bytes of free runs and chains: resident, at most */
};
void pool_get_totals(struct pool_totals *totals);
/* Check maps, bins and totals; returns mismatches, one line each to fd (unless -1). */
size_t pool_audit(int fd);

extern struct lock pool_lock; /* for fork */

#endif
