/* SPDX-License-Identifier: MIT */
#include "pool/transfer.h"

#include "pool/pool.h"

#define COUNT_MASK ((uintptr_t)CACHE_LINE - 1)

struct transfer transfer;

bool transfer_put(unsigned size_class, struct block *first, size_t count)
{
    unsigned c = size_class - SLAB_CLASSES;
    if (transfer.count[c] == TRANSFER_DEPTH)
        return false;
    transfer.chain[transfer.count[c]++][c] = (uintptr_t)first | count;
    transfer.bytes += count * size_class_footprint(size_class);
    return true;
}

struct block *transfer_look(unsigned size_class, unsigned depth, size_t *count)
{
    uintptr_t word = transfer.chain[depth][size_class - SLAB_CLASSES];
    *count = word & COUNT_MASK;
    return (struct block *)(word & ~COUNT_MASK);
}

struct block *transfer_take(unsigned size_class, size_t *count)
{
    unsigned c = size_class - SLAB_CLASSES;
    if (transfer.count[c] == 0)
        return NULL;
    struct block *first = transfer_look(size_class, --transfer.count[c], count);
    transfer.bytes -= *count * size_class_footprint(size_class);
    return first;
}
