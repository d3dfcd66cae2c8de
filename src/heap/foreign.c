/* SPDX-License-Identifier: MIT */
/*
 * Blocks of other heaps: gathering, posting, draining, and the two owners that
 * cannot drain, the dead one and the one that sleeps.
 *
 * Dead owner. Poster and exiting thread are the two sides of store buffering:
 *
 *   poster:  post (CAS seq_cst)    then load state (seq_cst)
 *   exit:    state = DEAD (seq_cst) then load queue (seq_cst)
 *
 * At least one of them sees the other, and drains. BUSY -> DEAD at the end of a
 * drain is followed by the same look at the queue. Who finds the owner dead and
 * wins it (DEAD -> BUSY) before posting needs no queue.
 * Model: tests/models (dead_owner).
 *
 * Sleeping owner. Anybody may take the queue. Who holds every block of a slab
 * holds the slab: no block is live, in the owner's bin, or on the slab's list,
 * so the owner has no way to it, provided that it is not one of the owner's
 * held or joined slabs; `role` says so (released by slab_unlist after its last
 * access). The rest is posted again. So at most the partly freed slabs, two slabs
 * of each class, and those that joined wait for a sleeping owner.
 * Model: tests/models (sleeping_owner).
 */
#include "base/lock.h"
#include "heap/internal.h"
#include "options/options.h"
#include "os/fail.h"
#include "superslab/superslab.h"

/* Slabs whose rings one collection joins, on the stack of a thread that frees. */
#define COLLECT_SLABS 64

static void foreign_collect(struct heap *h, struct heap *owner);

/* A batch comes home to s, a slab of h, which the caller holds. */
static void foreign_credit(struct heap *h, struct slab *s, const struct remote_batch *batch)
{
    HAKMEM_INVARIANT(load_relaxed(&s->owner) == h);
    batch->last->next = *s->list;
    owner_store(s->list, batch->first);
    counters_add(&h->counters, COUNTER_drained_rings, 1);
    counters_add(&h->counters, COUNTER_drained_blocks, batch->count);
    slab_credit(h, s, batch->count);
}

bool foreign_claim_dead(struct heap *h)
{
    uint32_t dead = HEAP_DEAD;
    return cas_strong_seq_cst(&h->state, &dead, HEAP_BUSY);
}

void foreign_leave_dead(struct heap *h)
{
    if (++h->visits == COOL_VISITS)
        heap_flush_bins(h); /* a dead heap keeps no empty slab */
    do {
        if (!remote_queue_is_empty(&h->queue))
            foreign_drain(h);
        store_seq_cst(&h->state, HEAP_DEAD);
    } while (!remote_queue_is_empty(&h->queue) && foreign_claim_dead(h));
}

void foreign_drain_dead(struct heap *h)
{
    if (foreign_claim_dead(h))
        foreign_leave_dead(h);
    /* else who has it looks at the queue when it is done */
}

/* Rings come home to h, which the caller holds. */
static void foreign_credit_rings(struct heap *h, struct ring *ring)
{
    while (ring != NULL) {
        struct ring *next = ring_next(ring);
        struct slab *s = registry_find(ring);
        struct remote_batch batch = ring_open(ring, s);
        foreign_credit(h, s, &batch);
        ring = next;
    }
}

/* Hand rings to the heap that owns their slabs. h: for the counters; may be unreal. */
static void foreign_post(struct heap *h, struct heap *owner, const struct remote_rings *rings)
{
    if (heap_is_real(h)) {
        counters_add(&h->counters, COUNTER_remote_posts, 1);
        counters_add(&h->counters, COUNTER_remote_blocks, rings->blocks);
    }
    if (load_relaxed(&owner->state) == HEAP_DEAD && foreign_claim_dead(owner)) {
        foreign_credit_rings(owner, rings->newest); /* without the way through the queue */
        foreign_leave_dead(owner);
        return;
    }
    unsigned waiting = remote_queue_post(&owner->queue, rings);
    uint32_t state = load_seq_cst(&owner->state);
    if (unlikely(state == HEAP_DEAD))
        foreign_drain_dead(owner);
    else if (unlikely(waiting >= load_relaxed(&owner->collect_at)))
        foreign_collect(h, owner);
}

static void foreign_post_batch(struct heap *h, const struct remote_batch *batch)
{
    struct remote_rings rings = {.count = 0};
    struct heap *owner = load_relaxed(&batch->slab->owner);
    remote_rings_add(&rings, batch);
    foreign_post(h, owner, &rings);
}

void foreign_flush(struct heap *h)
{
    struct remote_cache *cache = &h->remote;
    struct remote_rings rings = {.count = 0};
    struct heap *owner = NULL;
    for (unsigned i = 0; i < REMOTE_CACHE_ENTRIES && cache->bytes > 0; i++) {
        if (cache->batch[i].slab == NULL)
            continue;
        struct remote_batch batch = cache->batch[i];
        remote_cache_clear(cache, &cache->batch[i]);
        struct heap *other = load_relaxed(&batch.slab->owner);
        if (other != owner && owner != NULL) {
            foreign_post(h, owner, &rings);
            rings = (struct remote_rings){.count = 0};
        }
        owner = other;
        remote_rings_add(&rings, &batch);
    }
    if (owner != NULL)
        foreign_post(h, owner, &rings);
}

/* Part of what a heap may hold that its remote cache may have, on top. */
#define REMOTE_PART 16

/* h has posted: who only frees has no other occasion to drain its own queue. */
static void foreign_drain_if_long(struct heap *h)
{
    if (remote_queue_rings(&h->queue) >= DRAIN_RINGS && option_now(remote_drain))
        foreign_drain(h);
}

void heap_displace(struct heap *h, struct remote_batch *batch)
{
    struct remote_batch displaced = *batch;
    remote_cache_clear(&h->remote, batch);
    foreign_post_batch(h, &displaced);
    foreign_drain_if_long(h);
}

void foreign_free(struct heap *h, struct slab *s, struct block *p)
{
    struct remote_cache *cache = &h->remote;
    if (heap_is_real(h)) {
        if (cache->batch[remote_cache_slot(s)].first == p)
            fail_misuse("free", p, "double free", slab_block_size(s));
        /* With many threads each may gather less. */
        size_t most = heap_hold_limit(h) / REMOTE_PART, batch_most = option_now(remote_batch);
        cache->limit = most < batch_most ? most : batch_most;
        if (cache->bytes + slab_block_size(s) > cache->limit) {
            foreign_flush(h);
            foreign_drain_if_long(h);
        }
        if (heap_push_foreign(h, s, p))
            return;
    }
    struct remote_batch one = {s, p, p, 1};
    foreign_post_batch(h, &one);
}

bool foreign_drain(struct heap *h)
{
    struct ring *ring = remote_queue_take(&h->queue);
    bool any = ring != NULL;
    /* The owner is awake: what a collection raised the limit to is over. */
    if (any && load_relaxed(&h->collect_at) != COLLECT_RINGS)
        store_relaxed(&h->collect_at, COLLECT_RINGS);
    foreign_credit_rings(h, ring);
    return any;
}

/* True when s, all of whose blocks the caller holds, could be given back. */
static bool foreign_claim(struct heap *h, struct slab *s)
{
    if (load_acquire(&s->role) != ROLE_UNLISTED)
        return false; /* the owner holds it */
    superslab_slab_give(s);
    if (heap_is_real(h))
        counters_add(&h->counters, COUNTER_collected_slabs, 1);
    return true;
}

/*
 * The queue of `owner` has grown long: take it, give back the slabs of which
 * every block is in it, and post the rest again, one ring a slab.
 */
static COLD void foreign_collect(struct heap *h, struct heap *owner)
{
    struct remote_batch batch[COLLECT_SLABS];
    struct remote_batch more;
    struct remote_rings kept = {.count = 0};
    uint32_t state = load_relaxed(&owner->state);
    if (state != HEAP_ALIVE && state != HEAP_SHARED)
        return;
    for (unsigned i = 0; i < COLLECT_SLABS; i++)
        batch[i].slab = NULL;
    struct ring *ring = remote_queue_take(&owner->queue);
    while (ring != NULL) {
        struct ring *next = ring_next(ring);
        more = ring_open(ring, registry_find(ring));
        struct remote_batch *entry = &batch[remote_cache_slot(more.slab) % COLLECT_SLABS];
        if (entry->slab == more.slab) {
            remote_batch_join(entry, &more);
        } else {
            if (entry->slab != NULL)
                remote_rings_add(&kept, entry);
            *entry = more;
        }
        if (entry->count == entry->slab->capacity && foreign_claim(h, entry->slab))
            entry->slab = NULL;
        ring = next;
    }
    for (unsigned i = 0; i < COLLECT_SLABS; i++) {
        if (batch[i].slab != NULL)
            remote_rings_add(&kept, &batch[i]);
    }
    if (kept.count > 0)
        remote_queue_post(&owner->queue, &kept);
    /* Twice what is left, so that a long queue is not walked for each post. */
    uint32_t at = 2 * kept.count < COLLECT_RINGS ? COLLECT_RINGS : 2 * kept.count;
    store_relaxed(&owner->collect_at, at < REMOTE_RINGS_MAX ? at : REMOTE_RINGS_MAX);
    /* The owner may have died meanwhile and found an empty queue. */
    if (load_seq_cst(&owner->state) == HEAP_DEAD)
        foreign_drain_dead(owner);
}
