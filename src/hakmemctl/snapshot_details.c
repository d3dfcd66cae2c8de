/* SPDX-License-Identifier: MIT */
/*
 * Which blocks in use are only on their way: in a thread's bin, or freed by
 * another thread and not home yet. Their lists go through the free blocks
 * themselves, so these are read: of a slab that a thread holds all that was
 * carved, at once; of slabs that joined it, of the pool, and of the queues, one
 * word a block.
 */
#include <stdlib.h>
#include <string.h>

#include "hakmemctl/snapshot.h"

/* A process with thousands of threads is not read for longer than this. */
#define SLABS_MOST 2048
#define BLOCKS_MOST 32768

#define ADDRESS_BITS 48
#define ADDRESS_MASK (((uint64_t)1 << ADDRESS_BITS) - 1)

struct details {
    struct snapshot *snapshot;
    const struct process *process;
    size_t slabs, blocks; /* read so far */
    bool all;
    char *room;           /* for the blocks of a slab */
};

/* The slab of h whose free blocks are in the bin of class c, when `block` is in one; else NULL. */
static struct snapshot_slab *bin_slab(const struct details *details, const struct snapshot_heap *h, unsigned c,
                                      uint64_t block)
{
    struct snapshot_slab *slab = block != 0 ? snapshot_slab_at(details->snapshot, block) : NULL;
    bool serves = slab != NULL && slab->tag == HAKMEM_TAG_SLAB && slab->size_class == c && slab->held &&
                  slab->owner == h->at;
    return serves ? slab : NULL;
}

/*
 * Count the bin of class c. Of the slab of the first block, in most cases the
 * only one, all that was carved is read at once, and of others a word a block.
 */
static void count_bin(struct details *details, struct snapshot_heap *h, unsigned c)
{
    const struct snapshot *s = details->snapshot;
    uint64_t size = s->class_bytes[c], block = h->bin[c];
    struct snapshot_slab *slab = bin_slab(details, h, c, block);
    if (slab == NULL || slab->binned != 0)
        return;
    uint64_t base = block & ~(uint64_t)(s->structures.granule - 1), bytes = slab->carved * size;
    if (details->slabs++ >= SLABS_MOST ||
        !process_read_present(details->process, base, details->room, (size_t)bytes)) {
        details->all = false;
        return;
    }
    for (; slab != NULL && slab->binned < slab->used; slab = bin_slab(details, h, c, block)) {
        /* as differences: a damaged heap may have its base at 0, or blocks of a few bytes */
        bool here = block >= base && bytes >= sizeof block && block - base <= bytes - sizeof block;
        if (!here && details->blocks++ >= BLOCKS_MOST) {
            details->all = false;
            return;
        }
        slab->binned++;
        h->binned += size;
        if (here)
            memcpy(&block, details->room + (block - base), sizeof block);
        else if (!process_read(details->process, block, &block, sizeof block))
            return;
    }
}

static void count_pool_bin(struct details *details, struct snapshot_heap *h, unsigned c)
{
    uint64_t size = snapshot_pool_units(details->snapshot, c) * details->snapshot->structures.pool_unit;
    /* No longer than what the heap says that its arena holds, nor than a changing list may seem. */
    uint64_t most = size != 0 ? h->arena_bytes / size : 0;
    for (uint64_t block = h->bin[c]; block != 0 && most > 0; most--) {
        if (details->blocks++ >= BLOCKS_MOST) {
            details->all = false;
            return;
        }
        details->snapshot->pool_binned[c]++;
        h->binned += size;
        if (!process_read(details->process, block, &block, sizeof block))
            return;
    }
}

static void count_bins(struct details *details, struct snapshot_heap *h)
{
    struct snapshot *s = details->snapshot;
    for (unsigned c = 1; c < s->pool_class; c++)
        count_bin(details, h, c);
    for (unsigned c = s->pool_class; c < s->class_count; c++)
        count_pool_bin(details, h, c);
}

/* `blocks` of a slab are on their way home. Returns their bytes. */
static uint64_t add_returning(const struct snapshot *s, struct snapshot_slab *slab, uint64_t blocks)
{
    if (slab == NULL || slab->tag != HAKMEM_TAG_SLAB)
        return 0;
    uint64_t room = slab->used - slab->binned - slab->returning;
    blocks = blocks < room ? blocks : room;
    slab->returning += (uint32_t)blocks;
    return blocks * s->class_bytes[slab->size_class];
}

static void count_queue(struct details *details, struct snapshot_heap *h)
{
    struct snapshot *s = details->snapshot;
    uint64_t ring = h->queue & ADDRESS_MASK;
    for (uint32_t left = h->rings; left > 0 && ring != 0; left--) {
        uint64_t link;
        if (details->blocks++ >= BLOCKS_MOST) {
            details->all = false;
            return;
        }
        if (!process_read(details->process, ring + s->structures.heap.ring_link, &link, sizeof link))
            return;
        h->queued += add_returning(s, snapshot_slab_at(s, ring), link >> ADDRESS_BITS);
        ring = link & ADDRESS_MASK;
    }
}

/* The slab whose descriptor is at an address of the process. */
static struct snapshot_slab *slab_of_descriptor(const struct snapshot *s, uint64_t at)
{
    for (size_t i = 0; i < s->superslabs; i++) {
        uint64_t offset = at - s->superslab[i].slabs_at;
        if (offset < (uint64_t)s->structures.superslab_slabs * s->structures.slab.bytes)
            return &s->superslab[i].slab[offset / s->structures.slab.bytes];
    }
    return NULL;
}

static void count_gathered(struct details *details, struct snapshot_heap *h)
{
    struct snapshot *s = details->snapshot;
    const struct hakmem_structures *d = &s->structures;
    if (h->gathered == 0)
        return;
    for (uint32_t i = 0; i < d->heap.batch_count; i++) {
        uint64_t entry = h->at + d->heap.batches + (uint64_t)i * d->heap.batch_stride, slab;
        uint32_t blocks;
        if (!snapshot_get(s, details->process, entry + d->heap.batch_slab, &slab, sizeof slab) || slab == 0 ||
            !snapshot_get(s, details->process, entry + d->heap.batch_blocks, &blocks, sizeof blocks))
            continue;
        add_returning(s, slab_of_descriptor(s, slab), blocks);
    }
}

void snapshot_count_details(struct snapshot *s, const struct process *process)
{
    struct details details = {.snapshot = s, .process = process, .all = true};
    details.room = malloc(s->structures.granule);
    if (details.room == NULL)
        return;
    for (size_t i = 0; i < s->heaps; i++) {
        count_bins(&details, &s->heap[i]);
        count_queue(&details, &s->heap[i]);
        count_gathered(&details, &s->heap[i]);
    }
    free(details.room);
    s->detailed = details.all;
}
