/* SPDX-License-Identifier: MIT */
#include "base/bits.h"

#include "support/heap_view.h"

#include <pthread.h>
#include <unistd.h>

#include "api/start.h"
#include "base/lock.h"
#include "heap/internal.h"
#include "large/large.h"
#include "os/os.h"
#include "superslab/superslab.h"
#include "support/support.h"
#include "support/unit.h"

struct heap *mine;

size_t slabs_in_use(void)
{
    struct superslab_totals totals;

    superslab_get_totals(&totals);
    return totals.slabs_used;
}

size_t footprint_of(const void *p)
{
    const struct slab *s = registry_find(p);

    return s->tag == TAG_POOL ? size_class_footprint(pool_class_of(s, p, "test")) : heap_usable(p, "test");
}

size_t pool_in_use(void)
{
    struct pool_totals totals;

    pool_get_totals(&totals);
    return totals.used;
}

static size_t large_in_use(void)
{
    struct large_totals totals;

    large_get_totals(&totals);
    return totals.live;
}

/* The orphan heap keeps its bins until its next call, and a dead one until a thread takes it over. */
static void trim_all(void)
{
    heap_trim(mine);
    heap_cool(UINT64_MAX);
    heap_orphan_start();
    lock_take(&heap_orphan_lock);
    heap_trim(&heap_orphan);
    lock_release(&heap_orphan_lock);
}

int heap_view_start(void **state)
{
    start_if_needed();
    if (unit_defaults(state) != 0)
        return -1;
    OPTION_SET(purge_delay) = 3600000;
    mine = heap_of_thread();
    if (mine == NULL)
        return -1;
    trim_all();
    superslab_trim(0);
    pool_trim(0);
    return slabs_in_use() == 0 && pool_in_use() == 0 && large_in_use() == 0 ? 0 : -1;
}

int heap_view_start_without_joining(void **state)
{
    int result = heap_view_start(state);

    OPTION_SET(thread_hold) = READY_PART * GRANULE;
    return result;
}

int heap_view_end(void **state)
{
    (void)state;
    os_fail_after(-1);
    heap_view_check(mine);
    trim_all();
    if (heap_audit(mine, STDERR_FILENO) + superslab_audit(STDERR_FILENO) != 0)
        return -1;
    if (pool_audit(STDERR_FILENO) + large_audit(STDERR_FILENO) != 0)
        return -1;
    return slabs_in_use() == 0 && pool_in_use() == 0 && large_in_use() == 0 ? 0 : -1;
}

size_t list_length(const struct block *list)
{
    size_t length = 0;

    for (; list != NULL; list = list->next)
        length++;
    return length;
}

struct view {
    struct heap *heap;
    size_t live;
    size_t slabs[SLAB_CLASSES];
    size_t listed[SLAB_CLASSES];
};

static bool list_has(const struct list *list, const struct list *node)
{
    const struct list *at = list->next;

    while (at != list && at != node)
        at = at->next;
    return at == node;
}

/* Are the free blocks of s in the bin of class c? */
static bool serves_bin(const struct heap *h, unsigned c, const struct slab *s)
{
    return h->held[c] == s || list_has(&h->joined[c], &s->link);
}

static size_t binned_of(const struct heap *h, const struct slab *s)
{
    size_t count = 0;

    for (const struct block *b = h->bin[s->size_class]; b != NULL; b = b->next)
        count += (uintptr_t)b - s->base < GRANULE;
    return count;
}

static void see_slab(struct view *view, const struct slab *s)
{
    struct heap *h = view->heap;
    const struct size_class *class = &size_class_table[s->size_class];
    size_t length = list_length(s->free), used = slab_used(s);

    require(s->size_class >= 1 && s->size_class < SLAB_CLASSES);
    require(s->capacity == class->capacity && s->carved <= s->capacity);
    require(used + length == s->carved);
    view->slabs[s->size_class]++;
    for (const struct block *b = s->free; b != NULL; b = b->next)
        require(registry_find(b) == s && ((uintptr_t)b - s->base) % class->size == 0);
    if (s->role == ROLE_HELD) {
        require(serves_bin(h, s->size_class, s) && s->list == &h->bin[s->size_class]);
        require(s->free == NULL && used == s->carved);
        length = binned_of(h, s);
        require(length <= s->carved);
    } else {
        require(s->list == &s->free);
        require(s->role == ROLE_UNLISTED || s->level == 0);
    }
    if (s->role == ROLE_FRESH)
        require(h->fresh[s->size_class] == s && s->carved < s->capacity);
    if (s->role == ROLE_UNLISTED) {
        require(s->carved == s->capacity && length < class->rejoin);
        require(s->countdown == class->rejoin - length); /* frees until it rejoins */
    }
    if (s->role == ROLE_LISTED) {
        require(length > 0 || s->carved < s->capacity);
        view->listed[s->size_class]++;
    }
    view->live += s->carved - length;
}

static void see_region(struct region *region, void *context)
{
    struct view *view = context;

    for (size_t i = 0; region->slabs != NULL && i < region->size / GRANULE; i++) {
        const struct slab *s = &region->slabs[i];

        if (load_relaxed(&s->tag) == TAG_SMALL && load_relaxed(&s->owner) == view->heap)
            see_slab(view, s);
    }
}

static size_t linked_length(const struct list *list)
{
    size_t length = 0;

    for (const struct list *at = list->next; at != list; at = at->next)
        length++;
    return length;
}

/* Every block of the bins lies where it belongs; the arena counts its bytes. */
static void check_bins(const struct heap *h)
{
    size_t bytes = 0;

    require(h->bin[0] == NULL);
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        for (const struct block *b = h->bin[c]; b != NULL; b = b->next) {
            const struct slab *s = registry_find(b);

            if (c < SLAB_CLASSES) {
                require(serves_bin(h, c, s) && ((uintptr_t)b - s->base) % size_class_size(c) == 0);
                continue;
            }
            require(s->tag == TAG_POOL && pool_class_of(s, b, "test") == c);
            bytes += size_class_footprint(c);
        }
    }
    require(bytes == h->arena_bytes);
}

size_t heap_view_live(struct heap *h)
{
    struct view view = {.heap = h};

    registry_walk(see_region, &view);
    return view.live;
}

void heap_view_check(struct heap *h)
{
    struct view view = {.heap = h};
    size_t joined = 0;

    registry_walk(see_region, &view);
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        require(h->slabs[c] >= view.slabs[c]); /* others give back slabs of one that sleeps */
        require(view.listed[c] == linked_length(&h->partial[c]) + linked_length(&h->inherited[c]));
        require(h->held[c] == NULL || (h->held[c]->role == ROLE_HELD && h->held[c]->owner == h));
        require(h->fresh[c] == NULL || h->fresh[c]->owner == h);
        for (const struct list *at = h->joined[c].next; at != &h->joined[c]; at = at->next, joined++) {
            const struct slab *s = container_of(at, struct slab, link);

            require(s->role == ROLE_HELD && s->owner == h && s->carved == s->capacity && h->held[c] != NULL);
        }
    }
    require(h->joined_count == joined);
    require(h->ready_count == linked_length(&h->ready));
    check_bins(h);
}

struct body {
    void (*run)(void *);
    void *argument;
};

static void *run_body(void *argument)
{
    struct body *body = argument;

    body->run(body->argument);
    return NULL;
}

void run_in_thread(void (*run)(void *), void *argument)
{
    struct body body = {run, argument};
    pthread_t thread;

    require(pthread_create(&thread, NULL, run_body, &body) == 0);
    require(pthread_join(thread, NULL) == 0);
}
