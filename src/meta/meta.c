/* SPDX-License-Identifier: MIT */
#include "meta/meta.h"

#include <stdbool.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "base/lock.h"
#include "os/os.h"

#define META_CHUNK (256 * KIB)
/* Two lines: neighbours of different threads are not fetched together. */
#define META_ALIGN ((size_t)2 * CACHE_LINE)

struct lock meta_lock = LOCK_INIT(RANK_META);
static char *meta_next;    /* guarded by meta_lock */
struct meta_chunk *meta_chunks;
size_t meta_left;
static size_t meta_total;  /* written under meta_lock, read relaxed */

/* Make room for an object of `size` bytes; what is left of the last mapping is lost. */
static bool meta_grow_locked(size_t size)
{
    size_t page = os_page_size();
    size_t least = bits_round_up(size + META_ALIGN, page);
    size_t bytes = least > META_CHUNK ? least : bits_round_up(META_CHUNK, page);
    struct meta_chunk *chunk = os_map(bytes, page);
    if (chunk == NULL && bytes > least)
        chunk = os_map(bytes = least, page);
    if (chunk == NULL)
        return false;
    chunk->next = meta_chunks;
    chunk->size = bytes;
    store_release(&meta_chunks, chunk);
    meta_next = (char *)chunk + META_ALIGN;
    meta_left = bytes - META_ALIGN;
    store_relaxed(&meta_total, meta_total + bytes);
    return true;
}

void *meta_alloc(size_t size)
{
    size = bits_round_up(size, META_ALIGN);
    lock_take(&meta_lock);
    if (meta_left < size && !meta_grow_locked(size)) {
        lock_release(&meta_lock);
        return NULL;
    }
    void *object = meta_next;
    meta_next += size;
    meta_left -= size;
    lock_release(&meta_lock);
    return object;
}

size_t meta_mapped(void)
{
    return load_relaxed(&meta_total);
}
