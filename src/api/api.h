/* SPDX-License-Identifier: MIT */
/*
 * How a public entry point is named and exported.
 *
 * API(malloc) is malloc. In a build with HAKMEM_PREFIXED (sanitizers, tests
 * beside another allocator) it is hakmem_malloc, and the program keeps the C
 * library's malloc.
 */
#ifndef HAKMEM_API_API_H
#define HAKMEM_API_API_H

#include <stddef.h>

#define HAKMEM_EXPORT __attribute__((visibility("default")))

#ifdef HAKMEM_PREFIXED
#define API(name) hakmem_##name
#define HAKMEM_PREFIX "hakmem_"
#else
#define API(name) name
#define HAKMEM_PREFIX ""
#endif

/* The core of the family, in malloc.c; the contracts are those of the C library. */
void *API(malloc)(size_t size);
void *API(calloc)(size_t count, size_t size);
void *API(realloc)(void *block, size_t size);
void API(free)(void *block);
void *API(memalign)(size_t alignment, size_t size);
void *API(aligned_alloc)(size_t alignment, size_t size);
int API(posix_memalign)(void **block, size_t alignment, size_t size);
size_t API(malloc_usable_size)(void *block);

#endif
