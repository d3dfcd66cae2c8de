/* SPDX-License-Identifier: MIT */
/*
 * Where a heap keeps its slabs: held (fresh or current), listed (partial), or
 * nowhere (full, or nearly); and what happens when `countdown` reaches zero.
 */
#include "heap/internal.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"
#include "superslab/superslab.h"

/* What h may keep in empty slabs: its own bound, or its share of the bound of the process. */
static size_t slab_ready_limit(struct heap *h)
{
    if (load_relaxed(&h->state) != HEAP_ALIVE)
        return 0;
    size_t alive = heap_count_alive();
    size_t share = hakmem_options.process_hold / (alive != 0 ? alive : 1);
    size_t bytes = share < hakmem_options.thread_hold ? share : hakmem_options.thread_hold;
    return bytes >> GRANULE_SHIFT;
}

void slab_return_ready(struct heap *h, size_t keep)
{
    while (h->ready_count > keep) {
        struct slab *s = container_of(h->ready.prev, struct slab, link);
        list_remove(&s->link);
        h->ready_count--;
        superslab_slab_give(s);
    }
}

/* No block of s is in use any more, and s is in no list. */
static void slab_retire(struct heap *h, struct slab *s)
{
    unsigned c = s->size_class;
    HAKMEM_CHECK(slab_used(s) == 0 && list_is_empty(&s->link));
    counters_add(&h->counters, COUNTER_slabs_emptied, 1);
    if (h->runs[c] > 0)
        h->runs[c]--;
    if (s->tag == TAG_POOL) {
        pool_run_give(&h->arena, s, load_relaxed(&h->state) != HEAP_ALIVE);
        return;
    }
    size_t limit = slab_ready_limit(h);
    if (limit == 0) {
        superslab_slab_give(s);
        return;
    }
    store_relaxed(&s->owner, NULL);
    store_relaxed(&s->tag, TAG_FREE);
    list_push_front(&h->ready, &s->link);
    h->ready_count++;
    slab_return_ready(h, limit);
}

/* s is not held any more: list it, leave it alone, or give it up. */
void slab_park(struct heap *h, struct slab *s)
{
    const struct size_class *class = &size_class_table[s->size_class];
    uint32_t used = slab_used(s);
    uint32_t free_blocks = s->carved - used;
    if (used == 0) {
        slab_retire(h, s);
    } else if (free_blocks >= class->rejoin || s->carved < s->capacity) {
        slab_set_used(s, used, 0);
        list_push_back(&h->partial[s->size_class], &s->link);
        store_release(&s->role, ROLE_LISTED);
    } else {
        slab_set_used(s, used, used - (class->rejoin - free_blocks));
        /* Pairs with foreign_collect: from here on the owner leaves s alone. */
        store_release(&s->role, ROLE_UNLISTED);
    }
}

void slab_credit(struct heap *h, struct slab *s, uint32_t n)
{
    uint32_t used = slab_used(s);
    if (unlikely(n > used))
        fail_misuse("free", (void *)s->base, "double free in the slab that starts here", s->block_size);
    used -= n;
    switch (s->role) {
    case ROLE_HELD:
        slab_set_used(s, used, 0);
        break;
    case ROLE_LISTED:
        slab_set_used(s, used, 0);
        if (used == 0) {
            list_remove(&s->link);
            slab_retire(h, s);
        }
        break;
    default:
        if (used > s->level) {
            slab_set_used(s, used, s->level);
        } else {
            slab_set_used(s, used, 0);
            counters_add(&h->counters, COUNTER_slabs_rejoined, 1);
            slab_park(h, s);
        }
    }
}

void heap_slab_event(struct heap *h, struct slab *s)
{
    slab_credit(h, s, 0);
}

static void slab_start(struct heap *h, struct slab *s, unsigned c)
{
    const struct size_class *class = &size_class_table[c];
    owner_store(&s->free, NULL);
    slab_set_used(s, 0, 0);
    owner_store(&s->carved, 0);
    owner_store(&s->block_size, class->size);
    owner_store(&s->capacity, class->capacity);
    store_relaxed(&s->size_class, (uint8_t)c); /* walkers read it */
    s->populated = 0;
    store_relaxed(&s->role, ROLE_HELD);
    store_relaxed(&s->tag, c <= CLASS_LAST_SLAB ? TAG_SMALL : TAG_POOL);
    store_release(&s->owner, h);
    h->runs[c]++;
    counters_add(&h->counters, COUNTER_slabs_started, 1);
}

/* An empty slab for class c: own ready ones, then the shared pool; runs from the arena. */
struct slab *slab_obtain(struct heap *h, unsigned c)
{
    struct slab *s;
    if (c > CLASS_LAST_SLAB) {
        s = pool_run_take(&h->arena, c);
    } else if (!list_is_empty(&h->ready)) {
        s = container_of(list_front(&h->ready), struct slab, link);
        list_remove(&s->link);
        h->ready_count--;
        s->clean = false;
    } else {
        s = superslab_slab_take();
    }
    if (s != NULL)
        slab_start(h, s, c);
    return s;
}
