/* SPDX-License-Identifier: MIT */
/*
 * malloc, calloc, realloc, free, and the aligned forms. The hit paths stand at
 * the top of malloc and free; everything else is a tail call.
 */
#include "api/api.h"

#include <errno.h>
#include <string.h>

#include "api/libc.h"
#include "api/start.h"
#include "heap/heap.h"
#include "large/large.h"
#include "options/options.h"

static COLD void *malloc_out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

static COLD void *malloc_large(size_t size)
{
    if (start_if_needed())
        return libc_allocator.malloc(size);
    void *p = heap_alloc(heap_self, size);
    return likely(p != NULL) ? p : malloc_out_of_memory();
}

/* The bin of class c is empty. */
static __attribute__((noinline)) void *malloc_miss(size_t size, struct heap *h, unsigned c)
{
    if (unlikely(h == &heap_none)) {
        if (start_if_needed())
            return libc_allocator.malloc(size);
        h = heap_self;
    }
    void *p = heap_alloc_of_class(h, c);
    return likely(p != NULL) ? p : malloc_out_of_memory();
}

/* Above the slabs: from the arena. */
static __attribute__((noinline)) void *malloc_pool(size_t size, struct heap *h)
{
    if (unlikely(size > SIZE_POOL_MAX))
        return malloc_large(size);
    void *p = heap_pop_pool(h, size);
    return likely(p != NULL) ? p : malloc_miss(size, h, pool_class_of_size(size));
}

/* Above the table: the class takes a few instructions more, the bin is the same. */
static __attribute__((noinline)) void *malloc_medium(size_t size, struct heap *h)
{
    if (unlikely(size > SIZE_SLAB_MAX))
        return malloc_pool(size, h);
    unsigned c = size_class_of(size);
    struct block *b = h->bin[c];
    if (unlikely(b == NULL))
        return malloc_miss(size, h, c);
    h->bin[c] = b->next;
    return b;
}

HAKMEM_EXPORT void *API(malloc)(size_t size)
{
    struct heap *h = heap_self;
    void *p = heap_pop(h, size);
    return likely(p != NULL) ? p : malloc_medium(size, h);
}

static COLD void free_slow(struct heap *h, void *p)
{
    if (p == NULL)
        return;
    /* A block of ours is freed by us in any case. */
    if (start_if_needed() && load_relaxed(&registry_find(p)->tag) == TAG_NONE)
        libc_allocator.free(p);
    else
        heap_free(h, p, "free");
}

/* A block of another thread, of the pool when the arena is full, outside of the window, or large. */
static __attribute__((noinline)) void free_other(void *p, struct slab *s, struct heap *h)
{
    if (unlikely(!heap_push_other(h, s, p)))
        free_slow(h, p);
}

/*
 * No block of a slab of this thread in the window. The arguments stand in the
 * registers in which free has them; apart from free_other this needs no frame.
 */
static __attribute__((noinline)) void free_pool(void *p, struct slab *s, struct heap *h)
{
    if (unlikely(!heap_push_in_pool(h, s, p)))
        free_other(p, s, h);
}

HAKMEM_EXPORT void API(free)(void *block)
{
    struct heap *h = heap_self;
    struct slab *s;
    if (unlikely(!heap_push_in_window(h, block, &s)))
        free_pool(block, s, h);
}

HAKMEM_EXPORT void *API(calloc)(size_t count, size_t size)
{
    size_t bytes;
    bool zeroed = false;
    if (unlikely(__builtin_mul_overflow(count, size, &bytes)))
        return malloc_out_of_memory();
    if (likely(bytes <= SIZE_POOL_MAX)) {
        void *p = API(malloc)(bytes);
        return likely(p != NULL) ? memset(p, 0, bytes) : NULL;
    }
    if (start_if_needed())
        return libc_allocator.calloc(count, size);
    void *p = heap_alloc_aligned(heap_self, BLOCK_ALIGN, bytes, &zeroed);
    if (unlikely(p == NULL))
        return malloc_out_of_memory();
    return zeroed ? p : memset(p, 0, bytes);
}

static void *malloc_aligned(size_t alignment, size_t size)
{
    if (start_if_needed())
        return libc_allocator.memalign(alignment, size);
    if (alignment <= BLOCK_ALIGN)
        return API(malloc)(size);
    void *p = heap_alloc_aligned(heap_self, alignment, size, NULL);
    return likely(p != NULL) ? p : malloc_out_of_memory();
}

HAKMEM_EXPORT void *API(memalign)(size_t alignment, size_t size)
{
    /* As glibc: what is no power of two is rounded up to one. */
    if (unlikely(alignment > (size_t)PTRDIFF_MAX / 2 + 1)) {
        errno = EINVAL;
        return NULL;
    }
    if (unlikely(!bits_is_power_of_two(alignment)))
        alignment = alignment <= 1 ? 1 : (size_t)1 << (bits_highest(alignment - 1) + 1);
    return malloc_aligned(alignment, size);
}

HAKMEM_EXPORT void *API(aligned_alloc)(size_t alignment, size_t size)
{
    if (unlikely(!bits_is_power_of_two(alignment))) {
        errno = EINVAL;
        return NULL;
    }
    return malloc_aligned(alignment, size);
}

HAKMEM_EXPORT int API(posix_memalign)(void **block, size_t alignment, size_t size)
{
    if (unlikely(!bits_is_power_of_two(alignment) || alignment % sizeof(void *) != 0))
        return EINVAL;
    int saved = errno;
    void *p = malloc_aligned(alignment, size);
    errno = saved;
    if (unlikely(p == NULL))
        return ENOMEM;
    *block = p;
    return 0;
}

HAKMEM_EXPORT size_t API(malloc_usable_size)(void *block)
{
    if (block == NULL)
        return 0;
    if (start_if_needed())
        return libc_allocator.malloc_usable_size(block);
    return heap_usable(block, "malloc_usable_size");
}

/*
 * Room for a block that grows to `size` bytes: a quarter more than it had, so
 * that one that grows in small steps moves once for many of them. Above the
 * pool blocks grow in place, or by moving pages.
 */
static size_t realloc_room(size_t old_usable, size_t size)
{
    size_t room = old_usable + old_usable / 4;
    if (size <= old_usable || size > SIZE_POOL_MAX || room <= size)
        return size;
    return room < SIZE_POOL_MAX ? room : SIZE_POOL_MAX;
}

/* A new block with the content of the old one. */
static void *realloc_move(void *block, size_t old_usable, size_t size)
{
    int saved = errno;
    void *fresh = API(malloc)(realloc_room(old_usable, size));
    if (unlikely(fresh == NULL)) {
        if (size > old_usable)
            return NULL;
        errno = saved;
        return block; /* to less never fails: the old block is large enough */
    }
    memcpy(fresh, block, old_usable < size ? old_usable : size);
    API(free)(block);
    return fresh;
}

HAKMEM_EXPORT void *API(realloc)(void *block, size_t size)
{
    if (block == NULL)
        return API(malloc)(size);
    if (size == 0) {
        API(free)(block);
        return NULL;
    }
    if (start_if_needed())
        return libc_allocator.realloc(block, size);
    size_t usable = heap_usable(block, "realloc");
    if (usable <= SIZE_POOL_MAX) {
        /* In place while the block is not more than half empty. */
        if (size <= usable && (size >= usable / 2 || usable <= 2 * BLOCK_ALIGN))
            return block;
    } else {
        void *same = large_resize(registry_find(block), block, size);
        if (same != NULL)
            return same;
    }
    if (unlikely(size > PTRDIFF_MAX))
        return malloc_out_of_memory();
    return realloc_move(block, usable, size);
}
