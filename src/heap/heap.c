/* SPDX-License-Identifier: MIT */
/* Heaps and threads: making, taking over, exit, fork; and freeing any pointer. */
#include "heap/internal.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "base/lock.h"
#include "large/large.h"
#include "meta/meta.h"
#include "os/fail.h"
#include "os/os.h"

struct heap heap_none;
struct heap heap_exited;
struct heap heap_orphan;
__thread struct heap *heap_self __attribute__((tls_model("initial-exec"))) = &heap_none;

struct lock heaps_lock = LOCK_INIT(RANK_HEAPS);
struct lock heap_orphan_lock = LOCK_INIT(RANK_ORPHAN);

struct heap *heap_newest;
/*
 * Dead heaps, the last one first. A warm one has its bins as its thread left
 * them, so that a thread that follows soon begins with blocks instead of slow
 * paths; a cold one has given back all that it can.
 */
static struct heap *warm_heaps, *cold_heaps; /* guarded by heaps_lock */
static size_t warm_count;       /* atomic relaxed; written under heaps_lock */
static size_t heaps_alive;      /* atomic relaxed; written under heaps_lock */
static pthread_key_t exit_key;
static bool exit_key_made;      /* constant after heap_start */

static void heap_init(struct heap *h, enum heap_state state)
{
    /* Sixteen sizes at a time, the step of the least classes: this is part of every start. */
    h->class_of[0] = 1;
    for (size_t n = 1; n < SIZE_TABLE_ENTRIES; n += BLOCK_ALIGN)
        memset(&h->class_of[n], (int)size_class_of(n), BLOCK_ALIGN);
    memcpy(h->pool_class_of_need, pool_class_of_need, sizeof h->pool_class_of_need);
    memcpy(h->pool_class_of_units, pool_class_of_units, sizeof h->pool_class_of_units);
    for (unsigned c = 0; c < SLAB_CLASSES; c++) {
        list_init(&h->joined[c]);
        list_init(&h->partial[c]);
        list_init(&h->inherited[c]);
    }
    list_init(&h->ready);
    h->arena_next = SLAB_CLASSES;
    store_relaxed(&h->collect_at, COLLECT_RINGS);
    store_release(&h->state, state); /* pairs with heap_orphan_start */
}

/*
 * Each owner holds a robust mutex of its heap. A thread whose first call comes
 * from its last key destructor never reaches heap_thread_exit; the kernel marks
 * the mutex, and the next thread that needs a heap takes this one over as it is.
 */
static void heap_owner_init(struct heap *h)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&h->owner, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

/* Heaps looked at for a lost owner by each thread that starts. */
#define LOST_LOOKS 4

/* A heap whose thread is gone without a word, or NULL. Looks at a few heaps in turn. */
static struct heap *heap_find_lost_locked(void)
{
    static struct heap *at; /* guarded by heaps_lock: where the last look ended */
    for (unsigned looks = 0; looks < LOST_LOOKS; looks++) {
        at = at != NULL && at->next_heap != NULL ? at->next_heap : heap_newest;
        if (at == NULL || load_relaxed(&at->state) != HEAP_ALIVE || at == heap_self)
            continue;
        int result = pthread_mutex_trylock(&at->owner);
        if (result == EOWNERDEAD) {
            tsan_acquire_all(); /* the kernel hands over what the dead thread did */
            pthread_mutex_consistent(&at->owner);
            return at;
        }
        if (result == 0)
            pthread_mutex_unlock(&at->owner); /* its owner is just leaving */
    }
    return NULL;
}

static void heap_list_locked(struct heap *h)
{
    h->next_heap = heap_newest;
    store_release(&heap_newest, h); /* pairs with heap_walk */
}

/* The first of a list of dead heaps that nobody drains; NULL: there is none. */
static struct heap *heap_revive_locked(struct heap **list)
{
    for (struct heap **at = list; *at != NULL; at = &(*at)->next_dead) {
        uint32_t dead = HEAP_DEAD;
        if (cas_strong_seq_cst(&(*at)->state, &dead, HEAP_ALIVE)) {
            struct heap *h = *at;
            *at = h->next_dead;
            h->exit_rounds = 0;
            return h;
        }
    }
    return NULL;
}

/* A heap whose thread has exited, or a new one. */
static struct heap *heap_acquire(void)
{
    lock_take(&heaps_lock);
    struct heap *h = heap_find_lost_locked();
    if (h != NULL) {
        h->exit_rounds = 0;
        lock_release(&heaps_lock);
        return h; /* ALIVE, counted and locked already */
    }
    h = heap_revive_locked(&warm_heaps);
    if (h != NULL)
        store_relaxed(&warm_count, warm_count - 1);
    else
        h = heap_revive_locked(&cold_heaps);
    if (h == NULL) {
        h = meta_alloc(sizeof *h);
        if (h != NULL) {
            heap_init(h, HEAP_ALIVE);
            heap_owner_init(h);
            heap_list_locked(h);
        }
    }
    if (h != NULL) {
        store_relaxed(&heaps_alive, heaps_alive + 1);
        (void)pthread_mutex_trylock(&h->owner); /* free: others only look, under heaps_lock */
    }
    lock_release(&heaps_lock);
    return h;
}

/*
 * ThreadSanitizer ends its own state of the thread in the last round. One more
 * is left to the heaps that are made in the first round.
 */
#define LAST_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 2 * HAKMEM_TSAN)

/* h, dead or about to be, waits for the next thread. */
static void heap_list_dead(struct heap *h, bool warm)
{
    struct heap **list = warm ? &warm_heaps : &cold_heaps;
    lock_take(&heaps_lock);
    h->next_dead = *list;
    *list = h;
    store_relaxed(&warm_count, warm_count + warm);
    lock_release(&heaps_lock);
}

/*
 * May h, whose thread exits, keep its bins? No more heaps may than there are
 * other threads. Of several that exit at a time a few too many may.
 */
static bool heap_stays_warm(struct heap *h)
{
    size_t warm = load_relaxed(&warm_count), others = heap_count_alive() - 1;
    return warm < WARM_HEAPS && warm < others && heap_has_bins() && option_now(purge_delay) != 0 &&
           heap_hold_limit(h) > 0;
}

static void heap_end_thread(struct heap *h)
{
    bool warm = heap_stays_warm(h);
    if (warm)
        heap_rest(h);
    else
        heap_trim(h);
    h->died_ms = os_now_ms();
    h->visits = 0;
    heap_self = &heap_exited;
    lock_take(&heaps_lock);
    store_relaxed(&heaps_alive, heaps_alive - 1);
    store_seq_cst(&h->state, HEAP_DEAD);
    pthread_mutex_unlock(&h->owner);
    lock_release(&heaps_lock);
    if (!remote_queue_is_empty(&h->queue))
        foreign_drain_dead(h);
    heap_list_dead(h, warm);
    if (load_relaxed(&warm_count) > heap_count_alive())
        heap_cool(UINT64_MAX); /* threads become fewer */
}

void heap_cool(uint64_t until_ms)
{
    struct heap *claimed = NULL;
    if (load_relaxed(&warm_count) == 0)
        return;
    lock_take(&heaps_lock);
    for (struct heap **at = &warm_heaps; *at != NULL;) {
        struct heap *h = *at;
        if (h->died_ms > until_ms || !foreign_claim_dead(h)) { /* young, or somebody drains it: the next time */
            at = &h->next_dead;
            continue;
        }
        *at = h->next_dead;
        store_relaxed(&warm_count, warm_count - 1);
        h->next_dead = claimed;
        claimed = h;
    }
    lock_release(&heaps_lock);
    while (claimed != NULL) {
        struct heap *h = claimed;
        claimed = h->next_dead;
        heap_trim(h);
        foreign_leave_dead(h);
        heap_list_dead(h, false);
    }
}

/*
 * Runs in every round of key destructors and acts in the last: other
 * destructors may still allocate and free in the rounds before.
 */
static TSAN_BLIND void heap_thread_exit(void *value)
{
    struct heap *h = value;
    if (heap_self != h)
        return; /* a forked child of a thread in its exit, or a second round after the last */
    if (++h->exit_rounds < LAST_ROUND && pthread_setspecific(exit_key, h) == 0)
        return;
    heap_end_thread(h);
}

void heap_start(void)
{
    exit_key_made = pthread_key_create(&exit_key, heap_thread_exit) == 0;
}

void heap_orphan_start(void)
{
    if (likely(load_acquire(&heap_orphan.state) == HEAP_SHARED))
        return;
    lock_take(&heaps_lock);
    if (load_relaxed(&heap_orphan.state) != HEAP_SHARED) {
        heap_init(&heap_orphan, HEAP_SHARED);
        heap_list_locked(&heap_orphan);
    }
    lock_release(&heaps_lock);
}

struct heap *heap_of_thread(void)
{
    struct heap *h = heap_self;
    if (h == &heap_exited)
        return NULL;
    if (h != &heap_none)
        return h;
    h = heap_acquire();
    if (h == NULL)
        return NULL;
    /* Before pthread_setspecific, which may call malloc (a key of 32 or more). */
    heap_self = h;
    if (exit_key_made)
        pthread_setspecific(exit_key, h);
    return h;
}

void heap_walk(void (*visit)(struct heap *h, void *context), void *context)
{
    for (struct heap *h = load_acquire(&heap_newest); h != NULL; h = h->next_heap)
        visit(h, context);
}

size_t heap_count_alive(void)
{
    return load_relaxed(&heaps_alive);
}

/*
 * A block of a page that is shared with the parent costs a copy of the page; a
 * new page is as large, and all of its blocks are free.
 */
static void heap_inherit(struct heap *h)
{
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        list_append(&h->inherited[c], &h->partial[c]);
        h->afresh[c] = AFRESH_SLABS;
    }
}

void heap_fork_child(void)
{
    size_t alive = 0;
    for (struct heap *h = heap_newest; h != NULL; h = h->next_heap) {
        uint32_t state = load_relaxed(&h->state);
        bool mine = h == heap_self && h != &heap_orphan;
        if (!mine && (state == HEAP_ALIVE || state == HEAP_BUSY))
            store_relaxed(&h->state, HEAP_FROZEN);
        if (mine) {
            /* The mutex names the thread of the parent: unlocking it would fail for ever. */
            heap_owner_init(h);
            (void)pthread_mutex_trylock(&h->owner);
            heap_inherit(h);
        }
        alive += mine;
    }
    store_relaxed(&heaps_alive, alive);
}

/* What is wrong with a pointer that is in no slab and no span. */
static const char *heap_wrong_pointer(const void *p)
{
    if (((uintptr_t)p & (BLOCK_ALIGN - 1)) != 0)
        return "misaligned pointer, not a block of hakmem";
    return "not a block of hakmem";
}

/* p is in s, a slab in use; end the program unless a block starts there. */
static void heap_check_block(const struct slab *s, const void *p, const char *function)
{
    if (likely(slab_block_at(s, p) != UINT32_MAX))
        return;
    size_t size = slab_block_size(s);
    if (((uintptr_t)p - s->base) % size != 0)
        fail_misuse(function, p, "interior pointer, not the start of a block", size);
    fail_misuse(function, p, "not a block: behind the last one of its slab", size);
}

/* The heap of a thread that frees; one is made for a thread that has none. */
static struct heap *heap_to_free_with(struct heap *h)
{
    if (h != &heap_none)
        return h;
    h = heap_of_thread();
    return h != NULL ? h : &heap_exited;
}

void heap_free(struct heap *h, void *p, const char *function)
{
    struct slab *s = registry_find(p);
    switch (load_relaxed(&s->tag)) {
    case TAG_POOL:
        arena_free(heap_to_free_with(h), s, p, function);
        return;
    case TAG_SMALL:
        heap_check_block(s, p, function);
        h = heap_to_free_with(h);
        if (!heap_push(h, s, p))
            foreign_free(h, s, p);
        return;
    case TAG_LARGE:
    case TAG_HUGE:
    case TAG_SPAN_FREE:
        large_free(s, p);
        if (heap_is_real(h))
            heap_tick(h);
        return;
    case TAG_FREE:
        fail_misuse(function, p, "double free, or not a block: the slab here is empty", 0);
    default:
        if (p != NULL)
            fail_misuse(function, p, heap_wrong_pointer(p), 0);
    }
}

size_t heap_usable(const void *p, const char *function)
{
    struct slab *s = registry_find(p);
    switch (load_relaxed(&s->tag)) {
    case TAG_SMALL:
        heap_check_block(s, p, function);
        return slab_block_size(s);
    case TAG_POOL:
        return size_class_size(pool_class_of(s, p, function));
    case TAG_LARGE:
    case TAG_HUGE:
    case TAG_SPAN_FREE:
        return large_usable(s, p, function);
    case TAG_FREE:
        fail_misuse(function, p, "freed already, or not a block: the slab here is empty", 0);
    default:
        fail_misuse(function, p, heap_wrong_pointer(p), 0);
    }
}
