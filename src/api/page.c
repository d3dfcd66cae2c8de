/* SPDX-License-Identifier: MIT */
/*
 * hakmem_page: what a reader in another process starts from (hakmem/introspect.h).
 * All of it is constant, so that nothing runs and nothing is written at start:
 * the loader puts the addresses in.
 */
#include "hakmem/introspect.h"

#include <stddef.h>

#include "api/api.h"
#include "api/identity.h"
#include "base/lock.h"
#include "heap/heap.h"
#include "large/large.h"
#include "maintain/maintain.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/os.h"
#include "pool/pool.h"
#include "superslab/superslab.h"

#define ADDRESS(object) ((uintptr_t)&(object))

/* Offset of a field from the link of the region, or of the ring, in the same structure. */
#define FROM(type, link, field) ((int32_t)offsetof(type, field) - (int32_t)offsetof(type, link))
#define FROM_REGION(type, field) FROM(type, region.link, field)
#define FROM_SPAN(field) FROM(struct span, all_link, field)

/* A robust mutex holds the id of the thread that has it. */
#if defined(__GLIBC__)
#define HEAP_THREAD offsetof(struct heap, owner.__data.__owner)
#else
#define HEAP_THREAD 0
#endif

/* The values that the public header names are those of the library. */
_Static_assert(HAKMEM_TAG_SLAB_FREE == TAG_FREE && HAKMEM_TAG_SLAB == TAG_SMALL && HAKMEM_TAG_POOL == TAG_POOL &&
               HAKMEM_TAG_LARGE == TAG_LARGE && HAKMEM_TAG_HUGE == TAG_HUGE &&
               HAKMEM_TAG_SPAN_FREE == TAG_SPAN_FREE, "tags are part of the layout");
_Static_assert(HAKMEM_ROLE_UNLISTED == ROLE_UNLISTED && HAKMEM_ROLE_HELD == ROLE_HELD &&
               HAKMEM_ROLE_FRESH == ROLE_FRESH && HAKMEM_ROLE_LISTED == ROLE_LISTED, "roles are part of the layout");
_Static_assert((unsigned)HAKMEM_HEAP_ALIVE == HEAP_ALIVE && (unsigned)HAKMEM_HEAP_DEAD == HEAP_DEAD &&
               (unsigned)HAKMEM_HEAP_BUSY == HEAP_BUSY && (unsigned)HAKMEM_HEAP_FROZEN == HEAP_FROZEN &&
               (unsigned)HAKMEM_HEAP_SHARED == HEAP_SHARED, "states are part of the layout");
_Static_assert(HAKMEM_RUN_FREE == POOL_RUN_FREE && HAKMEM_RUN_CLEAN == POOL_RUN_CLEAN &&
               HAKMEM_RUN_UNITS == POOL_RUN_UNITS && HAKMEM_BLOCK_UNITS == POOL_BLOCK_UNITS &&
               HAKMEM_CHAIN_BLOCKS == CACHE_LINE - 1, "the pool's map is part of the layout");
_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a field of 64 bits is read as such");
_Static_assert(offsetof(struct registry_leaves, entry) == sizeof(uint32_t), "the entries follow the count");
_Static_assert(offsetof(struct heap, remote.bytes) > 0 && REMOTE_POINTER_BITS == 48, "a word of the queue");

static const struct hakmem_structures structures = {
    .size = sizeof structures,
    .granule = GRANULE,
    .superslab_slabs = SUPERSLAB_SLABS,
    .pool_unit = POOL_UNIT,
    .classes = ADDRESS(size_class_table),
    .class_count = CLASS_COUNT,
    .class_stride = sizeof(struct size_class),
    .class_bytes = offsetof(struct size_class, size),
    .pool_class = SLAB_CLASSES,
    .calls = ADDRESS(os_calls),
    .call_names = (uintptr_t)OS_CALL_NAMES,
    .call_count = OS_CALL_KINDS,
    .meta = {
        .next = offsetof(struct meta_chunk, next),
        .bytes = offsetof(struct meta_chunk, size),
        .newest = ADDRESS(meta_chunks),
        .left = ADDRESS(meta_left),
        .sequence = ADDRESS(meta_lock.sequence),
    },
    .leaf = {
        .bytes = REGISTRY_LEAF_ENTRIES * sizeof(uint64_t),
        .count = ADDRESS(registry_leaves),
        .directory = ADDRESS(registry_root.directory),
        .directory_base = ADDRESS(registry_root),
    },
    .heap = {
        .bytes = sizeof(struct heap),
        .state = offsetof(struct heap, state),
        .bins = offsetof(struct heap, bin),
        .ready_count = offsetof(struct heap, ready_count),
        .arena_bytes = offsetof(struct heap, arena_bytes),
        .arena_limit = offsetof(struct heap, arena_limit),
        .gathered = offsetof(struct heap, remote.bytes),
        .queue = offsetof(struct heap, queue.word),
        .thread = HEAP_THREAD,
        .ring_link = offsetof(struct ring, link),
        .batches = offsetof(struct heap, remote.batch),
        .batch_count = REMOTE_CACHE_ENTRIES,
        .batch_stride = sizeof(struct remote_batch),
        .batch_slab = offsetof(struct remote_batch, slab),
        .batch_blocks = offsetof(struct remote_batch, count),
    },
    .slab = {
        .bytes = sizeof(struct slab),
        .owner = offsetof(struct slab, owner),
        .countdown = offsetof(struct slab, countdown),
        .level = offsetof(struct slab, level),
        .carved = offsetof(struct slab, carved),
        .capacity = offsetof(struct slab, capacity),
        .tag = offsetof(struct slab, tag),
        .size_class = offsetof(struct slab, size_class),
        .role = offsetof(struct slab, role),
        .touched = offsetof(struct slab, touched),
        .base = offsetof(struct slab, base),
    },
    .region = {
        .head = ADDRESS(registry_regions),
        .sequence = ADDRESS(registry_lock.sequence),
        .next = FROM(struct region, link, link.next),
        .slabs = FROM(struct region, link, slabs),
        .base = FROM(struct region, link, base),
        .bytes = FROM(struct region, link, size),
    },
    .superslab = {
        .sequence = ADDRESS(superslab_lock.sequence),
        .free_mask = FROM_REGION(struct superslab, free_mask),
        .dirty_mask = FROM_REGION(struct superslab, dirty_mask),
    },
    .pool = {
        .sequence = ADDRESS(pool_lock.sequence),
        .units = FROM_REGION(struct pool_chunk, units),
        .used = FROM_REGION(struct pool_chunk, used),
        .dirty = FROM_REGION(struct pool_chunk, dirty),
        .map = FROM_REGION(struct pool_chunk, map),
    },
    .span = {
        .head = ADDRESS(large_spans),
        .sequence = ADDRESS(large_lock.sequence),
        .lost = ADDRESS(large_lost),
        .next = FROM_SPAN(all_link.next),
        .slab = FROM_SPAN(head),
        .bytes = FROM_SPAN(size),
        .usable = FROM_SPAN(usable),
        .touched = FROM_SPAN(touched),
        .dirty_from = FROM_SPAN(dirty_from),
        .dirty_to = FROM_SPAN(dirty_to),
        .previous = FROM_SPAN(all_link.prev),
    },
    .transfer = {
        .counts = ADDRESS(transfer.count),
        .chains = ADDRESS(transfer.chain),
        .depth = TRANSFER_DEPTH,
    },
    .window = {
        .descriptors = ADDRESS(registry_window),
        .bytes = sizeof registry_window,
        .start = ADDRESS(registry_window_start),
    },
};

HAKMEM_EXPORT extern const struct hakmem_page hakmem_page;
const struct hakmem_page hakmem_page = {
    .magic = {'h', 'a', 'k', 'm', 'e', 'm', 0, 1},
    .layout = HAKMEM_PAGE_LAYOUT,
    .size = sizeof(struct hakmem_page),
    .flags = HAKMEM_PAGE_FILLED,
    .counter_count = COUNTER_COUNT,
    .counter_names = ADDRESS(counters_names),
    .version = ADDRESS(hakmem_identity),
    .heaps = ADDRESS(heap_newest),
    .heap_next = offsetof(struct heap, next_heap),
    .heap_counters = offsetof(struct heap, counters),
    .structures = ADDRESS(structures),
    .options = ADDRESS(options_page),
    .commands = ADDRESS(maintain_commands),
    .attention = ADDRESS(heap_attention),
};
