/* SPDX-License-Identifier: MIT */
/*
 * Memory for hakmem's own structures: a bump allocator over its own mappings.
 * Nothing is ever given back or used as another type: a reader in another
 * thread or process that follows a stale pointer finds a structure of the same
 * type. Each type keeps its own list of free objects.
 *
 *   meta_chunks -> | chunk | objects ... | rest |  -> older chunk -> ... -> NULL
 *
 * A reader in another process copies the chunks whole, and follows pointers in
 * its copy.
 */
#ifndef HAKMEM_META_META_H
#define HAKMEM_META_META_H

#include <stddef.h>

/* Zeroed, aligned to two cache lines, never freed. NULL when memory is short. */
void *meta_alloc(size_t size);
/* Bytes taken from the system so far. */
size_t meta_mapped(void);

/* At the start of each mapping. Constant once it is listed. */
struct meta_chunk {
    struct meta_chunk *next; /* older one */
    size_t size;             /* bytes of the mapping, this included */
};
extern struct meta_chunk *meta_chunks; /* newest; written under meta_lock (release) */
extern size_t meta_left;               /* bytes of the newest that nobody has; guarded by meta_lock */

extern struct lock meta_lock; /* for fork */

#endif
