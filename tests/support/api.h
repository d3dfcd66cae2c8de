/* SPDX-License-Identifier: MIT */
/*
 * The allocator under test, by the names of the C library. Include it last:
 * in a prefixed build (sanitizers) the macros below turn the test's own calls
 * into calls of hakmem_malloc and so on, while the C library, cmocka and the
 * sanitizer keep the C library's malloc. With TEST_ON_LIBC the same tests run
 * on the C library's allocator, which shows that they ask for what it does.
 */
#ifndef TESTS_SUPPORT_API_H
#define TESTS_SUPPORT_API_H

#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <hakmem/hakmem.h>

#ifdef HAKMEM_PREFIXED

void *hakmem_malloc(size_t size);
void *hakmem_calloc(size_t count, size_t size);
void *hakmem_realloc(void *block, size_t size);
void *hakmem_reallocarray(void *block, size_t count, size_t size);
void hakmem_free(void *block);
void hakmem_cfree(void *block);
void hakmem_free_sized(void *block, size_t size);
void hakmem_free_aligned_sized(void *block, size_t alignment, size_t size);
void *hakmem_memalign(size_t alignment, size_t size);
void *hakmem_aligned_alloc(size_t alignment, size_t size);
int hakmem_posix_memalign(void **block, size_t alignment, size_t size);
void *hakmem_valloc(size_t size);
void *hakmem_pvalloc(size_t size);
size_t hakmem_malloc_usable_size(void *block);
int hakmem_malloc_trim(size_t pad);
void hakmem_malloc_stats(void);
int hakmem_malloc_info(int options, FILE *stream);
struct mallinfo hakmem_mallinfo(void);
struct mallinfo2 hakmem_mallinfo2(void);
int hakmem_mallopt(int parameter, int value);

#define malloc hakmem_malloc
#define calloc hakmem_calloc
#define realloc hakmem_realloc
#define reallocarray hakmem_reallocarray
#define free hakmem_free
#define cfree hakmem_cfree
#define free_sized hakmem_free_sized
#define free_aligned_sized hakmem_free_aligned_sized
#define memalign hakmem_memalign
#define aligned_alloc hakmem_aligned_alloc
#define posix_memalign hakmem_posix_memalign
#define valloc hakmem_valloc
#define pvalloc hakmem_pvalloc
#define malloc_usable_size hakmem_malloc_usable_size
#define malloc_trim hakmem_malloc_trim
#define malloc_stats hakmem_malloc_stats
#define malloc_info hakmem_malloc_info
#define mallinfo() hakmem_mallinfo() /* struct mallinfo keeps its name */
#define mallinfo2() hakmem_mallinfo2()
#define mallopt hakmem_mallopt

#elif defined TEST_ON_LIBC

#define hakmem_owns(block) ((block) != NULL)
static inline size_t hakmem_audit_of_libc(int fd)
{
    (void)fd;
    return 0;
}
#define hakmem_audit hakmem_audit_of_libc
#define cfree free
#define free_sized(block, size) ((void)(size), free(block))
#define free_aligned_sized(block, alignment, size) ((void)(alignment), (void)(size), free(block))

#else

void cfree(void *block);
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t alignment, size_t size);

#endif

/*
 * A value that the compiler knows nothing about, so that it neither folds nor
 * warns about a call that is wrong on purpose.
 */
static inline size_t opaque(size_t value)
{
    __asm__ volatile("" : "+r"(value));
    return value;
}

static inline void *opaque_pointer(void *pointer)
{
    __asm__ volatile("" : "+r"(pointer));
    return pointer;
}

#endif
