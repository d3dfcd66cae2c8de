/* SPDX-License-Identifier: MIT */
#include "pool/transfer.h"

#include "pool/pool.h"

#define COUNT_MASK (POOL_UNIT - 1)

struct transfer transfer;

bool transfer_put(unsigned size_class, struct block *first, size_t count)
{
    unsigned c = size_class - SLAB_CLASSES;
    if (transfer.count[c] == TRANSFER_DEPTH)
        return false;
    transfer.chain[transfer.count[c]++][c] = (uintptr_t)first | count;
    transfer.bytes += count * size_class_size(size_class);
    return true;
}

struct block *transfer_take(unsigned size_class, size_t *count)
{
    unsigned c = size_class - SLAB_CLASSES;
    if (transfer.count[c] == 0)
        return NULL;
    uintptr_t word = transfer.chain[--transfer.count[c]][c];
    *count = word & COUNT_MASK;
    transfer.bytes -= *count * size_class_size(size_class);
    return (struct block *)(word & ~COUNT_MASK);
}
