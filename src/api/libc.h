/* SPDX-License-Identifier: MIT */
/*
 * The C library's own allocator, for a program whose configuration says
 * `allocator = libc` although hakmem is loaded in front of it.
 *
 * The decision is made at start, before the first block is handed out, and
 * holds for the life of the process. No thread gets a heap, so that every call
 * takes the way of a thread without one and meets start_if_needed there: the
 * hit path has no test for it.
 *
 * Its functions are found in the memory of the loaded C library (the object
 * that has __libc_malloc beside us), not with dlsym, which may allocate and so
 * call us before we know whom to ask.
 */
#ifndef HAKMEM_API_LIBC_H
#define HAKMEM_API_LIBC_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct libc_allocator {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void (*free)(void *block);
    void *(*memalign)(size_t alignment, size_t size);
    size_t (*malloc_usable_size)(void *block);
    int (*malloc_trim)(size_t pad);
    int (*mallopt)(int parameter, int value);
    void (*malloc_stats)(void);
    int (*malloc_info)(int options, FILE *stream);
    struct mallinfo (*mallinfo)(void);
    struct mallinfo2 (*mallinfo2)(void); /* NULL before glibc 2.33 */
};

/* Filled by libc_find; constant after start. */
extern struct libc_allocator libc_allocator;

/* False when the C library is linked statically or lacks a function: it cannot serve. */
bool libc_find(void);

#endif
