/* SPDX-License-Identifier: MIT */
#include "meta/meta.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/lock.h"
#include "os/os.h"

#define META_CHUNK (256 * KIB)
/* Two lines: neighbours of different threads are not fetched together. */
#define META_ALIGN ((size_t)2 * CACHE_LINE)

struct lock meta_lock = LOCK_INIT(RANK_META);
static char *meta_next;    /* guarded by meta_lock */
static size_t meta_left;   /* guarded by meta_lock */
static size_t meta_total;  /* written under meta_lock, read relaxed */

void *meta_alloc(size_t size)
{
    size = bits_round_up(size, META_ALIGN);
    lock_take(&meta_lock);
    if (meta_left < size) {
        size_t chunk = bits_round_up(size > META_CHUNK ? size : META_CHUNK, os_page_size());
        char *fresh = os_map(chunk, os_page_size());
        if (fresh == NULL && chunk > size) {
            chunk = bits_round_up(size, os_page_size());
            fresh = os_map(chunk, os_page_size());
        }
        if (fresh == NULL) {
            lock_release(&meta_lock);
            return NULL;
        }
        /* A mapping just below the rest of the last one continues it. */
        if (fresh + chunk == meta_next) {
            meta_left += chunk;
        } else {
            meta_left = chunk;
        }
        meta_next = fresh;
        store_relaxed(&meta_total, meta_total + chunk);
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
