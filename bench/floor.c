/* SPDX-License-Identifier: MIT */
/*
 * The floor: what a load costs when the allocator costs almost nothing. Not an allocator for use.
 *
 * malloc takes the next bytes of a ring of memory that was touched before; free does nothing. When
 * the ring has come round, its memory is handed out again, whether it was freed or not: right only
 * for a load in which no block lives for a whole turn. bench/lib/lines.py knows which those are and how
 * long the ring has to be; the driver runs the floor on no other line.
 *
 *   HAKMEM_FLOOR_RING    bytes of a ring (16 MiB), rounded up to a power of two
 *   HAKMEM_FLOOR_RINGS   rings made and touched at the start (8); more threads make theirs when they come
 *
 * What a program keeps must not come from a ring. So calloc, aligned requests, whatever is larger
 * than a quarter of a ring, and all that is asked for before main take memory that is never
 * handed out again. A ring goes from a thread that has ended to the next one that begins, which goes on
 * where its predecessor stopped: blocks that outlive their thread stay as they are.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { ALIGNMENT = 16, CHUNK = 64 << 20 };

/* The thread that has it uses at and memory; lock: next. */
struct ring {
    char *memory;
    size_t at;
    struct ring *next; /* in idle_rings */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ring *idle_rings;    /* lock */
static char *kept, *kept_end;      /* lock: rest of the memory that is handed out once */
static size_t ring_mask, ring_most; /* constant after start: size - 1, the largest block */
static bool started;
static pthread_key_t key;

static __thread struct ring *own __attribute__((tls_model("initial-exec")));
static __thread bool ended __attribute__((tls_model("initial-exec")));

static void *map(size_t size, int flags)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

static uintptr_t round_up(uintptr_t n, size_t alignment)
{
    return (n + alignment - 1) & ~(uintptr_t)(alignment - 1);
}

/* Zeroed memory that is never handed out again; its size stands in front of it, for realloc. */
static __attribute__((noinline, cold)) void *keep(size_t size, size_t alignment)
{
    if (size > SIZE_MAX / 2 || alignment > SIZE_MAX / 4) {
        errno = ENOMEM;
        return NULL;
    }
    size_t room = size + alignment + 2 * ALIGNMENT;
    pthread_mutex_lock(&lock);
    if (kept == NULL || room > (size_t)(kept_end - kept)) {
        size_t bytes = room > CHUNK ? room : CHUNK;
        kept = map(bytes, MAP_NORESERVE);
        kept_end = kept + bytes;
    }
    char *p = kept + (round_up((uintptr_t)kept + ALIGNMENT, alignment) - (uintptr_t)kept);
    kept = p + round_up(size, ALIGNMENT);
    pthread_mutex_unlock(&lock);
    *(size_t *)(void *)(p - ALIGNMENT) = size;
    return p;
}

static struct ring *ring_make(void)
{
    struct ring *r = keep(sizeof *r, ALIGNMENT);
    r->memory = map(ring_mask + 1, MAP_POPULATE);
    return r;
}

static void ring_leave(void *ring)
{
    struct ring *r = ring;
    own = NULL;
    ended = true;
    pthread_mutex_lock(&lock);
    r->next = idle_rings;
    idle_rings = r;
    pthread_mutex_unlock(&lock);
}

/* No ring yet, or the block does not fit before its end, or is too large for it. */
static __attribute__((noinline, cold)) void *take_slowly(size_t size)
{
    if (!started || ended || size > ring_most)
        return keep(size, ALIGNMENT);
    struct ring *r = own;
    if (r == NULL) {
        pthread_mutex_lock(&lock);
        r = idle_rings;
        if (r != NULL)
            idle_rings = r->next;
        pthread_mutex_unlock(&lock);
        if (r == NULL)
            r = ring_make();
        own = r;
        pthread_setspecific(key, r);
    }
    if (r->at + size > ring_mask + 1)
        r->at = 0;
    char *p = r->memory + r->at;
    r->at += round_up(size, ALIGNMENT);
    return p;
}

static size_t setting(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

static void __attribute__((constructor)) start(void)
{
    size_t ring = setting("HAKMEM_FLOOR_RING", 16 << 20), size = 4096;
    while (size < ring)
        size *= 2;
    ring_mask = size - 1;
    ring_most = size / 4;
    if (pthread_key_create(&key, ring_leave) != 0)
        abort();
    for (size_t n = setting("HAKMEM_FLOOR_RINGS", 8); n > 0; n--) {
        struct ring *r = ring_make();
        r->next = idle_rings;
        idle_rings = r;
    }
    started = true;
}

EXPORT void *malloc(size_t size)
{
    struct ring *r = own;
    if (r != NULL && size <= ring_most) {
        size_t end = r->at + round_up(size, ALIGNMENT);
        if (end <= ring_mask + 1) {
            char *p = r->memory + r->at;
            r->at = end;
            return p;
        }
    }
    return take_slowly(size);
}

EXPORT void free(void *p)
{
    (void)p;
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return keep(bytes, ALIGNMENT);
}

EXPORT void *realloc(void *old, size_t size)
{
    struct ring *r = own;
    char *block = old;
    if (r != NULL && block >= r->memory && block <= r->memory + ring_mask) {
        static const char message[] = "floor: realloc of a block of the ring: not valid for this load\n";
        if (write(2, message, sizeof message - 1) > 0)
            abort();
    }
    void *p = keep(size, ALIGNMENT);
    if (p != NULL && old != NULL) {
        size_t before = *(size_t *)(void *)(block - ALIGNMENT);
        memcpy(p, old, before < size ? before : size);
    }
    return p;
}

EXPORT int posix_memalign(void **result, size_t alignment, size_t size)
{
    void *p = keep(size, alignment < ALIGNMENT ? ALIGNMENT : alignment);
    if (p == NULL)
        return ENOMEM;
    *result = p;
    return 0;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return keep(size, alignment < ALIGNMENT ? ALIGNMENT : alignment);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return keep(size, alignment < ALIGNMENT ? ALIGNMENT : alignment);
}

EXPORT size_t malloc_usable_size(void *p)
{
    (void)p;
    return 0;
}
