/* SPDX-License-Identifier: MIT */
/* See support_pool.h. Runs unseen by the explorer, except for locks and explore_write. */
#include "support_pool.h"

#include "base/lock.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"

/* One chunk: a thread that finds no room in it goes without. */
enum { CHUNKS = 1, GRANULES = CHUNKS * POOL_CHUNK_GRANULES };

/* Addresses only: the pool does not touch the memory. */
static const uintptr_t MEMORY = (uintptr_t)1 << 40;

struct options hakmem_options = {
    .pool_arena_init = 8 * MIB,
    .pool_arena_max = 8 * MIB,
    .pool_arena_growth = 1,
    .superslab_cache = 64 * MIB,
    .superslab_reuse = true,
};

static struct slab *run_of[GRANULES];  /* the run that is in use there */
static struct slab *map[GRANULES];     /* the region map */
static unsigned chunks;

static unsigned granule_of(uintptr_t address)
{
    unsigned granule = (unsigned)((address - MEMORY) >> GRANULE_SHIFT);
    explore_require(address >= MEMORY && granule < GRANULES);
    return granule;
}

void lock_take(struct lock *lock) { explore_lock(lock); }
void lock_release(struct lock *lock) { explore_unlock(lock); }

void *meta_alloc(size_t size)
{
    static char room[CHUNKS][16 << 10] __attribute__((aligned(128)));
    static unsigned used;
    return size <= sizeof room[0] && used < CHUNKS ? room[used++] : NULL;
}

void *os_map(size_t size, size_t align)
{
    (void)align;
    explore_require(size <= POOL_CHUNK_GRANULES * GRANULE && chunks < CHUNKS);
    return (void *)(MEMORY + chunks++ * POOL_CHUNK_GRANULES * GRANULE);
}

bool os_unmap(void *start, size_t size) { return (void)start, (void)size, false; }

/* The granules are still the caller's. */
bool os_purge(void *start, size_t size)
{
    for (size_t at = 0; at < size; at += GRANULE)
        explore_write(&run_of[granule_of((uintptr_t)start + at)]);
    return true;
}

uint64_t os_now_ms(void) { return 0; }
bool registry_reserve(uintptr_t base, size_t size) { return (void)base, (void)size, true; }
void registry_add(struct region *region) { (void)region; }
void registry_retire(struct region *region, void (*recycle)(struct region *)) { (void)region, (void)recycle; }
void registry_synchronize(void) {}

void registry_set(uintptr_t base, size_t size, struct slab *s)
{
    for (uintptr_t at = base; at < base + size; at += GRANULE) {
        explore_write(&map[granule_of(at)]);
        map[granule_of(at)] = s;
    }
}

void granules_make(void)
{
    explore_name(run_of, sizeof run_of, "granule");
    explore_name(map, sizeof map, "region map");
    explore_name(&pool_lock, sizeof pool_lock, "pool_lock");
}

void granules_take(struct slab *s, unsigned size_class)
{
    unsigned first = granule_of(s->base);
    for (unsigned i = first; i < first + size_class_table[size_class].granules; i++) {
        explore_write(&run_of[i]);
        explore_require(run_of[i] == NULL);
        explore_require(map[i] == s);
        run_of[i] = s;
    }
}

void granules_give(struct slab *s)
{
    unsigned first = granule_of(s->base);
    for (unsigned i = first; i < first + size_class_table[s->size_class].granules; i++) {
        explore_write(&run_of[i]);
        explore_require(run_of[i] == s);
        run_of[i] = NULL;
    }
}


void granules_give_all(void (*give)(struct slab *s))
{
    for (unsigned i = 0; i < GRANULES; i++) {
        struct slab *s = run_of[i];
        if (s == NULL)
            continue;
        explore_require(map[i] == s);
        granules_give(s);
        give(s);
    }
}
