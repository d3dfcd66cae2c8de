/* SPDX-License-Identifier: MIT */
#include "remote/remote.h"

unsigned remote_queue_post(struct remote_queue *queue, const struct remote_rings *rings)
{
    uint64_t count = rings->oldest->link & ~REMOTE_POINTER_MASK;
    uint64_t old = load_relaxed(&queue->word);
    uint64_t waiting;
    do {
        waiting = (old >> REMOTE_POINTER_BITS) + rings->count;
        if (waiting > REMOTE_RINGS_MAX)
            waiting = REMOTE_RINGS_MAX;
        rings->oldest->link = count | (old & REMOTE_POINTER_MASK);
    } while (!cas_weak_seq_cst(&queue->word, &old,
                               waiting << REMOTE_POINTER_BITS | (uint64_t)(uintptr_t)rings->newest));
    return (unsigned)waiting;
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
