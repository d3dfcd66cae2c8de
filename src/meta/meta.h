/* SPDX-License-Identifier: MIT */
/*
 * Memory for hakmem's own structures: a bump allocator over its own mappings.
 * Nothing is ever given back or used as another type: a reader in another
 * thread or process that follows a stale pointer finds a structure of the same
 * type. Each type keeps its own list of free objects.
 */
#ifndef HAKMEM_META_META_H
#define HAKMEM_META_META_H

#include <stddef.h>

/* Zeroed, aligned to two cache lines, never freed. NULL when memory is short. */
void *meta_alloc(size_t size);
/* Bytes taken from the system so far. */
size_t meta_mapped(void);

extern struct lock meta_lock; /* for fork */

#endif
