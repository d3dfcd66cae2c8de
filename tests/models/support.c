/* SPDX-License-Identifier: MIT */
/* See support.h. Runs unseen by the explorer, except for locks and explore_write. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/lock.h"
#include "large/large.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"
#include "superslab/superslab.h"

enum { SLABS = 6, BLOCKS = 3, HEAPS = 6 };

const struct size_class size_class_table[CLASS_COUNT] = {
    {0, 0, 0, 0, 0},
    {SIZE_OF_TWO, 2, 2, 1, ((1ull << 32) + SIZE_OF_TWO - 1) / SIZE_OF_TWO},
    {SIZE_OF_THREE, 3, 1, 2, ((1ull << 32) + SIZE_OF_THREE - 1) / SIZE_OF_THREE},
};
const uint32_t size_class_footprints[CLASS_COUNT];
const uint8_t size_class_of_steps[SIZE_SLAB_MAX / BLOCK_ALIGN + 1] = {1, 1, 2};
const uint8_t pool_class_of_need[POOL_UNITS_MAX + 1], pool_class_of_units[POOL_UNITS_MAX + 1];

struct options hakmem_options = {.merged_cache = true};
/* A thread may hold something, so that its bins outlive it, and no whole slab. */
struct options_run hakmem_options_run[OPTIONS_COPIES] = {
    {.batch_refill = true, .remote_drain = true, .purge_delay = 1, .thread_hold = 64,
     .process_hold = 64 * HEAPS}};
uint32_t options_current;
struct registry_root registry_root __attribute__((aligned(4096)));
size_t registry_grown;

static struct slab slab_room[SLABS];
static struct slab *slabs = slab_room;
static bool in_use[SLABS];
static bool live[SLABS][BLOCKS];
static char *memory;
static struct heap *made[HEAPS];
static struct lock slabs_lock;

/* ---- below the heap ---- */

void lock_take(struct lock *lock) { explore_lock(lock); }
void lock_release(struct lock *lock) { explore_unlock(lock); }

_Noreturn void fail_invariant(const char *condition, const char *file, int line)
{
    explore_fail(condition, file, line);
}

_Noreturn void fail_misuse(const char *function, const void *p, const char *what, size_t block_size)
{
    (void)function, (void)p, (void)block_size;
    explore_fail(what, "fail_misuse", 0);
}

void *meta_alloc(size_t size)
{
    static char room[HEAPS * (sizeof(struct heap) + 128)] __attribute__((aligned(128)));
    static size_t used;
    static unsigned heaps;
    char *p = room + used;
    used = (used + size + 127) & ~(size_t)127;
    if (used > sizeof room || heaps == HEAPS)
        return NULL;
    made[heaps++] = (struct heap *)(void *)p;
    return p;
}

struct slab *superslab_slab_take(bool fills)
{
    struct slab *s = NULL;
    (void)fills;
    explore_lock(&slabs_lock);
    for (unsigned i = 0; i < SLABS && s == NULL; i++) {
        if (!in_use[i]) {
            in_use[i] = true;
            s = &slabs[i];
        }
    }
    explore_unlock(&slabs_lock);
    if (s != NULL)
        list_init(&s->link);
    return s;
}

/* h has no way to s: it is not held, not listed, and has no block in a bin. */
static void heap_must_not_know(const struct heap *h, const struct slab *s)
{
    for (unsigned c = 1; c <= 2; c++) {
        explore_require(h->fresh[c] != s && h->held[c] != s);
        for (const struct block *b = h->bin[c]; b != NULL; b = b->next)
            explore_require(registry_find(b) != s);
        explore_require(list_is_empty(&h->joined[c]));
        for (const struct list *at = h->partial[c].next; at != &h->partial[c]; at = at->next)
            explore_require(at != &s->link);
        explore_require(list_is_empty(&h->inherited[c]));
    }
}

void superslab_slab_give(struct slab *s)
{
    unsigned index = (unsigned)(s - slabs);
    explore_lock(&slabs_lock);
    explore_require(in_use[index]);
    for (unsigned i = 0; i < BLOCKS; i++)
        explore_require(!live[index][i]);
    for (unsigned i = 0; i < HEAPS && made[i] != NULL; i++)
        heap_must_not_know(made[i], s);
    /* From here on the memory and the descriptor are somebody else's. */
    explore_write(&s->owner);
    explore_write(&s->free);
    explore_write(&s->countdown);
    explore_write(&s->level);
    explore_write(&s->carved);
    explore_write(&s->role);
    explore_write(&s->tag);
    explore_write(&s->link.next);
    explore_write(&s->link.prev);
    for (size_t at = 0; at < BLOCKS * SIZE_OF_THREE; at += 8)
        explore_write((char *)s->base + at);
    s->owner = NULL;
    s->tag = TAG_FREE;
    in_use[index] = false;
    explore_unlock(&slabs_lock);
}

size_t superslab_trim(size_t keep) { return keep * 0; }
void superslab_age(uint64_t now_ms) { (void)now_ms; }

size_t pool_take(unsigned *size_class, size_t want, struct block **list)
{
    (void)size_class, (void)want;
    *list = NULL;
    return 0;
}
void *pool_take_aligned(unsigned size_class, size_t align) { return (void)size_class, (void)align, NULL; }
void pool_give(struct block *list, const char *function) { (void)list, (void)function; }
void pool_give_chains(const struct pool_chain *chain, unsigned chains) { (void)chain, (void)chains; }
unsigned pool_class_of(const struct slab *s, const void *p, const char *function)
{
    (void)s, (void)p, (void)function;
    return SLAB_CLASSES;
}
size_t pool_trim(size_t keep) { return keep * 0; }
void pool_age(uint64_t now_ms) { (void)now_ms; }

void *large_alloc(size_t size, size_t align, bool *zeroed)
{
    (void)size, (void)align;
    *zeroed = false;
    return NULL;
}
void large_free(struct slab *s, void *p) { (void)s, (void)p; }
size_t large_usable(struct slab *s, const void *p, const char *function)
{
    (void)s, (void)p, (void)function;
    return 0;
}
size_t large_unmap_free(void) { return 0; }
void large_age(uint64_t now_ms) { (void)now_ms; }
void large_yield(size_t bytes) { (void)bytes; }

bool os_huge_pages(void *start, size_t size) { return (void)start, (void)size, false; }
void os_populate(void *start, size_t size) { (void)start, (void)size; }
uint64_t os_now_ms(void) { return 0; }

/* ---- threads: heap.c is compiled with the names of pthread changed to these ---- */

int model_key_create(pthread_key_t *key, void (*destructor)(void *));
int model_setspecific(pthread_key_t key, const void *value);
int model_mutexattr(pthread_mutexattr_t *attributes);
int model_setrobust(pthread_mutexattr_t *attributes, int robust);
int model_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int model_mutex_lock(pthread_mutex_t *mutex);
int model_mutex_trylock(pthread_mutex_t *mutex);
int model_mutex_consistent(pthread_mutex_t *mutex);
int model_mutex_unlock(pthread_mutex_t *mutex);

static void (*key_destructor)(void *);

int model_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    *key = 0;
    key_destructor = destructor;
    return 0;
}

int model_setspecific(pthread_key_t key, const void *value)
{
    (void)key, (void)value;
    return 0;
}

/* A robust mutex; its first word is what it is. Under heaps_lock, and nobody waits for it. */
enum { MUTEX_FREE, MUTEX_LOCKED, MUTEX_LOST };

int model_mutexattr(pthread_mutexattr_t *attributes) { return (void)attributes, 0; }
int model_setrobust(pthread_mutexattr_t *attributes, int robust) { return (void)attributes, robust * 0; }

static int mutex_change(pthread_mutex_t *mutex, int to)
{
    int was = *(int *)(void *)mutex;
    *(int *)(void *)mutex = to;
    return was;
}

int model_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    *(int *)(void *)mutex = MUTEX_FREE;
    return 0;
}

int model_mutex_lock(pthread_mutex_t *mutex)
{
    explore_require(mutex_change(mutex, MUTEX_LOCKED) == MUTEX_FREE);
    return 0;
}

int model_mutex_trylock(pthread_mutex_t *mutex)
{
    int was = mutex_change(mutex, MUTEX_LOCKED);
    return was == MUTEX_LOCKED ? EBUSY : was == MUTEX_LOST ? EOWNERDEAD : 0;
}

int model_mutex_consistent(pthread_mutex_t *mutex) { return (void)mutex, 0; }

int model_mutex_unlock(pthread_mutex_t *mutex)
{
    explore_require(mutex_change(mutex, MUTEX_FREE) == MUTEX_LOCKED);
    return 0;
}

void world_thread_vanish(void)
{
    explore_lock(&heaps_lock);
    mutex_change(&heap_self->owner, MUTEX_LOST);
    explore_unlock(&heaps_lock);
}

void world_thread_exit(void)
{
    struct heap *h = heap_self;
    for (unsigned round = 0; round < 4 && heap_self == h; round++)
        key_destructor(h);
    explore_require(heap_self == &heap_exited);
}

/* ---- the world ---- */

void world_make(void)
{
    static const char *const slab_names[SLABS] = {"slab 0", "slab 1", "slab 2", "slab 3", "slab 4", "slab 5"};
    static const char *const block_names[SLABS] = {"block of 0", "block of 1", "block of 2",
                                                   "block of 3", "block of 4", "block of 5"};
    size_t leaf_size = REGISTRY_LEAF_ENTRIES * sizeof(uint64_t);
    size_t size = (2 * SLABS + 1) * GRANULE;
    char *map = mmap(NULL, size + leaf_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    explore_require(map != MAP_FAILED);
    uint64_t *leaf = (uint64_t *)(void *)(map + size);
    memory = (char *)bits_round_up((size_t)map, GRANULE);
    explore_tls = (void **)&heap_self;
    /* registry_find reckons from registry_root: the compiler must not know that this is another array. */
    __asm__("" : "+r"(slabs));
    explore_constant(&registry_root, sizeof registry_root);
    /* Settings that change and commands from outside are no part of these models. */
    explore_fixed(&options_current, sizeof options_current);
    explore_fixed(hakmem_options_run, sizeof hakmem_options_run);
    explore_fixed(&heap_attention, sizeof heap_attention);
    explore_fixed(&heap_round, sizeof heap_round);
    explore_name(&slabs_lock, sizeof slabs_lock, "slabs_lock");
    explore_name(&heaps_lock, sizeof heaps_lock, "heaps_lock");
    for (unsigned i = 0; i < SLABS; i++) {
        struct slab *s = &slabs[i];
        s->base = (uintptr_t)memory + i * GRANULE;
        s->tag = TAG_FREE;
        registry_root.directory[s->base >> REGISTRY_LEAF_SHIFT] = (uint64_t)((char *)leaf - (char *)&registry_root);
        leaf[s->base >> GRANULE_SHIFT & (REGISTRY_LEAF_ENTRIES - 1)] = (uint64_t)((char *)s - (char *)&registry_root);
        explore_save((void *)s->base, 256);
        explore_name(s, sizeof *s, slab_names[i]);
        explore_name((void *)s->base, GRANULE, block_names[i]);
    }
    heap_start();
}

struct heap *world_heap(void)
{
    static const char *const names[] = {"heap A", "heap B", "heap C", "heap D"};
    static unsigned count;
    heap_self = &heap_none;
    struct heap *h = heap_of_thread();
    explore_require(h != NULL && count < 4);
    explore_name(h, sizeof *h, names[count]);
    explore_delay(&h->state);
    explore_name(&h->queue, sizeof h->queue, "queue");
    explore_name(&h->state, sizeof h->state, "state");
    explore_name(&h->collect_at, sizeof h->collect_at, "collect_at");
    count++;
    return h;
}

static bool *live_of(const void *p)
{
    const struct slab *s = registry_find(p);
    explore_require(in_use[s - slabs]);
    return &live[s - slabs][((uintptr_t)p - s->base) / slab_block_size(s)];
}

void block_mark_live(void *p)
{
    explore_require(!*live_of(p));
    *live_of(p) = true;
}

void block_mark_dead(void *p)
{
    explore_require(*live_of(p));
    *live_of(p) = false;
}

static void heap_check(struct heap *h)
{
    explore_require(h->state == HEAP_ALIVE || h->state == HEAP_DEAD);
    if (h->state == HEAP_DEAD)
        explore_require(h->queue.word == 0);
    else
        foreign_drain(h);
}

void world_check(void)
{
    for (unsigned i = 0; i < HEAPS && made[i] != NULL; i++)
        heap_check(made[i]);
    heap_cool(UINT64_MAX); /* what a dead heap keeps for the next thread */
    for (unsigned i = 0; i < SLABS; i++) {
        struct slab *s = &slabs[i];
        unsigned count = 0, listed = 0;
        if (!in_use[i])
            continue;
        for (unsigned k = 0; k < BLOCKS; k++)
            count += live[i][k];
        for (struct block *b = s->owner->bin[s->size_class]; b != NULL; b = b->next) {
            if (s == s->owner->held[s->size_class])
                count++;
        }
        for (struct block *b = s->free; b != NULL; b = b->next)
            listed++;
        explore_require(slab_used(s) == count);
        explore_require(slab_free_count(s) == listed);
        explore_require(s->owner->state == HEAP_ALIVE || count > 0);
    }
}
