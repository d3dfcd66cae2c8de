/* SPDX-License-Identifier: MIT */
/*
 * Where a heap keeps its slabs: held, joined, fresh, listed (partial), or nowhere
 * (full, or nearly); and what happens when `countdown` reaches zero.
 */
#include "heap/internal.h"
#include "options/options.h"
#include "os/fail.h"
#include "os/os.h"
#include "superslab/superslab.h"

static _Noreturn COLD void slab_refuse_listed(const struct slab *s, const struct block *b)
{
    size_t size = slab_block_size(s);
    if ((uintptr_t)b - s->base < s->carved * size)
        fail_misuse("malloc", b, "an interior pointer was freed", size);
    fail_misuse("malloc", b, "corrupt list of free blocks: a freed block was written to", size);
}

/* b stands in the free list of s: end the program unless a carved block of s starts there. */
static inline void slab_check_listed(const struct slab *s, const struct block *b)
{
    if (unlikely((uintptr_t)b - s->base >= GRANULE || slab_block_at(s, b) >= s->carved))
        slab_refuse_listed(s, b);
}

/*
 * The first two blocks of a list are about to be handed out: at this price for
 * a whole batch, most single mistakes are seen before they spread.
 */
void slab_check_head(const struct slab *s)
{
    const struct block *first = s->free;
    slab_check_listed(s, first);
    if (unlikely(first->next == first))
        fail_misuse("malloc", first, "double free found in the list of free blocks", slab_block_size(s));
    if (first->next != NULL)
        slab_check_listed(s, first->next);
}

/* The free list of s is as long as the counts say, and well-formed. */
COLD void slab_check_list(const struct slab *s)
{
    uint32_t expected = slab_free_count(s);
    uint32_t length = 0;
    for (struct block *b = s->free; b != NULL; b = b->next) {
        slab_check_listed(s, b);
        if (++length > expected)
            fail_misuse("malloc", b, "double free found in the list of free blocks", slab_block_size(s));
    }
    if (length != expected)
        fail_misuse("malloc", (void *)s->base, "double free or lost blocks in the slab that starts here",
                    slab_block_size(s));
}

size_t heap_hold_limit(struct heap *h)
{
    if (load_relaxed(&h->state) != HEAP_ALIVE)
        return 0;
    size_t alive = heap_count_alive();
    const struct options_run *run = options_run();
    size_t share = load_relaxed(&run->process_hold) / (alive != 0 ? alive : 1);
    size_t most = load_relaxed(&run->thread_hold);
    return share < most ? share : most;
}

/* Slabs that h may have without need: ready ones, and joined ones, which may be empty. */
static size_t slab_spare_limit(struct heap *h)
{
    return heap_hold_limit(h) / READY_PART >> GRANULE_SHIFT;
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
    if (unlikely(hakmem_options.audit))
        slab_check_list(s);
    counters_add(&h->counters, COUNTER_slabs_emptied, 1);
    if (h->slabs[c] > 0)
        h->slabs[c]--;
    size_t limit = slab_spare_limit(h);
    if (limit == 0) {
        superslab_slab_give(s);
        slab_return_ready(h, 0);
        return;
    }
    store_relaxed(&s->owner, NULL);
    store_relaxed(&s->tag, TAG_FREE);
    list_push_front(&h->ready, &s->link);
    h->ready_count++;
    slab_return_ready(h, limit > h->joined_count ? limit - h->joined_count : 0);
}

/* s, of which `used` blocks are in use, is in no list until `missing` of them have come back. */
static void slab_unlist(struct slab *s, uint32_t used, uint32_t missing)
{
    slab_set_used(s, used, used - missing);
    /* Pairs with foreign_claim: from here on the owner leaves s alone. */
    store_release(&s->role, ROLE_UNLISTED);
}

void slab_leave_used(struct slab *s)
{
    owner_store(&s->list, &s->free);
    slab_unlist(s, s->capacity, size_class_table[s->size_class].rejoin);
}

/* s, of which `used` blocks are in use, serves nothing: list it, leave it alone, or give it up. */
static void slab_place(struct heap *h, struct slab *s, uint32_t used)
{
    const struct size_class *class = &size_class_table[s->size_class];
    uint32_t free_blocks = s->carved - used;
    if (used == 0) {
        slab_set_used(s, 0, 0);
        slab_retire(h, s);
    } else if (free_blocks >= class->rejoin || s->carved < s->capacity) {
        slab_set_used(s, used, 0);
        list_push_back(&h->partial[s->size_class], &s->link);
        store_release(&s->role, ROLE_LISTED);
    } else {
        slab_unlist(s, used, class->rejoin - free_blocks);
    }
}

void slab_park(struct heap *h, struct slab *s)
{
    slab_place(h, s, slab_used(s));
}

static bool slab_may_join(struct heap *h, const struct slab *s)
{
    bool few = s->capacity <= JOIN_FEW;
    return h->joined_count < JOIN_MOST(few) && h->joined_count < slab_spare_limit(h) * JOIN_QUARTERS(few) / 4;
}

/*
 * s, which was full and of which `used` blocks are in use now, joins the held
 * slab of its class. False when it may not.
 */
static bool slab_join(struct heap *h, struct slab *s, uint32_t used)
{
    unsigned c = s->size_class;
    uint32_t free_blocks = s->carved - used;
    if (free_blocks > JOIN_BLOCKS || used == 0 || h->held[c] == NULL || !slab_may_join(h, s) || !heap_has_bins())
        return false;
    slab_check_head(s);
    struct block *last = s->free;
    for (uint32_t i = 1; i < free_blocks && last->next != NULL; i++)
        last = last->next;
    if (unlikely(last->next != NULL)) {
        slab_set_used(s, used, 0);
        slab_check_list(s); /* does not return */
    }
    last->next = h->bin[c];
    h->bin[c] = s->free;
    slab_set_held(s, &h->bin[c]);
    list_push_front(&h->joined[c], &s->link);
    h->joined_count++;
    return true;
}

/* A full slab has gathered enough free blocks: `used` are in use. */
static void slab_rejoin(struct heap *h, struct slab *s, uint32_t used)
{
    counters_add(&h->counters, COUNTER_slabs_rejoined, 1);
    if (!slab_join(h, s, used))
        slab_place(h, s, used);
}

void slab_credit(struct heap *h, struct slab *s, uint32_t n)
{
    uint32_t used = slab_used(s);
    if (unlikely(n > used))
        fail_misuse("free", (void *)s->base, "double free in the slab that starts here", slab_block_size(s));
    used -= n;
    switch (s->role) {
    case ROLE_HELD:
        owner_store(&s->countdown, HELD_COUNTDOWN);
        break;
    case ROLE_FRESH:
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
        if (used > s->level)
            slab_set_used(s, used, s->level);
        else
            slab_rejoin(h, s, used);
    }
}

_Noreturn void heap_double_free(const struct slab *s, const struct block *b)
{
    fail_misuse("free", b, "double free", slab_block_size(s));
}

void heap_slab_event(struct heap *h, struct slab *s)
{
    if (likely(s->role == ROLE_UNLISTED))
        slab_rejoin(h, s, s->level);
    else
        slab_credit(h, s, 0);
}

/* Nothing of s is carved, and it is of class c. */
static void slab_clear(struct slab *s, unsigned c)
{
    owner_store(&s->free, NULL);
    owner_store(&s->carved, 0);
    owner_store(&s->capacity, size_class_table[c].capacity);
    store_relaxed(&s->size_class, (uint8_t)c); /* walkers read it */
}

static void slab_start(struct heap *h, struct slab *s, unsigned c)
{
    owner_store(&s->list, &s->free);
    slab_set_used(s, 0, 0);
    store_relaxed(&s->role, ROLE_FRESH);
    store_relaxed(&s->tag, TAG_SMALL);
    store_release(&s->owner, h);
    h->slabs[c]++;
    counters_add(&h->counters, COUNTER_slabs_started, 1);
}

/*
 * An empty slab for class c: own ready ones, then the shared pool. A ready one
 * that was of this class keeps its list: it is in the cache, and whole.
 */
struct slab *slab_obtain(struct heap *h, unsigned c)
{
    struct slab *s;
    if (!list_is_empty(&h->ready)) {
        s = container_of(list_front(&h->ready), struct slab, link);
        list_remove(&s->link);
        h->ready_count--;
        if (s->size_class != c)
            slab_clear(s, c);
    } else {
        s = superslab_slab_take(h->slabs[c] >= GROWN_SLABS);
        if (s == NULL)
            return NULL;
        slab_clear(s, c);
    }
    slab_start(h, s, c);
    return s;
}
