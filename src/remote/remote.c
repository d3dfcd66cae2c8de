/* SPDX-License-Identifier: MIT */
#include "remote/remote.h"

unsigned remote_queue_post(struct remote_queue *queue, const struct remote_batch *batch)
{
    struct ring *ring = container_of(batch->last, struct ring, block);
    ring->block.next = batch->first;
    uint64_t count = (uint64_t)batch->count << REMOTE_POINTER_BITS;
    uint64_t old = load_relaxed(&queue->word);
    uint64_t rings;
    do {
        rings = old >> REMOTE_POINTER_BITS;
        if (rings < REMOTE_RINGS_MAX)
            rings++;
        ring->link = count | (old & REMOTE_POINTER_MASK);
    } while (!cas_weak_seq_cst(&queue->word, &old,
                               rings << REMOTE_POINTER_BITS | (uint64_t)(uintptr_t)ring));
    return (unsigned)rings;
}

struct ring *remote_queue_take(struct remote_queue *queue)
{
    if (load_relaxed(&queue->word) == 0)
        return NULL;
    return (struct ring *)(uintptr_t)(exchange_seq_cst(&queue->word, 0) & REMOTE_POINTER_MASK);
}

bool remote_queue_is_empty(const struct remote_queue *queue)
{
    return load_seq_cst(&queue->word) == 0;
}
