/* SPDX-License-Identifier: MIT */
/*
 * Preloaded by bench/record, this writes down each allocation call of a program; bench/trace.h has the
 * format. The C library's malloc serves the program. Each process writes a file of its own,
 * $HAKMEM_RECORD_DIRECTORY/PID.TIME.raw, from its first call on; the child of a fork begins a new one.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/trace.h"

#define EXPORT __attribute__((visibility("default")))
#define PER_THREAD __thread __attribute__((tls_model("initial-exec")))

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static uint64_t sequence;       /* atomic: the last number that was given */
static uint64_t last_thread;    /* atomic: likewise of threads */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int file = -1;           /* lock */
static bool closed;             /* lock: nothing is recorded (any more) */
static off_t file_size;         /* lock */

static PER_THREAD uint64_t thread;                    /* number; 0: has none yet */
static PER_THREAD struct raw_chunk *chunk;            /* the thread's, or NULL */
static PER_THREAD struct raw_event *position, *limit; /* in it */

/*
 * The C library's, not that of an allocator that the program is linked with. Until it is looked up, at
 * the start of the program, sizes of freed blocks are not known.
 */
static size_t (*libc_usable_size)(void *);

static size_t usable(void *p)
{
    return libc_usable_size != NULL ? libc_usable_size(p) : 0;
}

EXPORT size_t malloc_usable_size(void *p)
{
    return p != NULL ? usable(p) : 0;
}

static bool open_file_locked(void)
{
    const char *directory = getenv("HAKMEM_RECORD_DIRECTORY");
    char path[1200];
    struct timespec now;
    if (directory == NULL)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(path, sizeof path, "%s/%d.%lld%09ld.raw", directory, (int)getpid(), (long long)now.tv_sec, now.tv_nsec);
    file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0)
        return false;
    file_size = RAW_HEADER;
    if (ftruncate(file, file_size) != 0)
        return false;
    struct raw_header header = {.magic = RAW_MAGIC, .pid = (uint32_t)getpid(), .parent = (uint32_t)getppid()};
    ssize_t n = readlink("/proc/self/exe", header.program, sizeof header.program - 1);
    header.program[n > 0 ? n : 0] = '\0';
    return pwrite(file, &header, sizeof header, 0) == sizeof header;
}

static struct raw_chunk *map_chunk_locked(void)
{
    off_t at = file_size;
    if (ftruncate(file, at + RAW_CHUNK) != 0)
        return NULL;
    void *p = mmap(NULL, RAW_CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, file, at);
    if (p == MAP_FAILED)
        return NULL;
    file_size = at + RAW_CHUNK;
    return p;
}

/* Room for events of this thread; false when nothing can be recorded. Preserves errno. */
static __attribute__((noinline, cold)) bool next_chunk(void)
{
    int saved = errno;
    if (chunk != NULL)
        munmap(chunk, RAW_CHUNK);
    chunk = NULL;
    position = limit = NULL;
    pthread_mutex_lock(&lock);
    if (!closed && file < 0)
        closed = !open_file_locked();
    if (!closed) {
        chunk = map_chunk_locked();
        closed = chunk == NULL;
    }
    pthread_mutex_unlock(&lock);
    if (chunk != NULL) {
        if (thread == 0)
            thread = __atomic_add_fetch(&last_thread, 1, __ATOMIC_RELAXED);
        chunk->thread = thread;
        position = chunk->event;
        limit = position + RAW_EVENTS;
    }
    errno = saved;
    return chunk != NULL;
}

static inline void record(enum raw_kind kind, const void *pointer, size_t size, unsigned alignment_log2)
{
    if (position == limit && !next_chunk())
        return;
    struct raw_event *e = position++;
    uint64_t number = __atomic_add_fetch(&sequence, 1, __ATOMIC_ACQ_REL);
    e->pointer = (uint64_t)(uintptr_t)pointer;
    e->size = size;
    __atomic_store_n(&e->tag, number << 16 | (uint64_t)alignment_log2 << 8 | kind, __ATOMIC_RELEASE);
}

/* ---- fork and threads ---- */

/* The mapping that is left belongs to the parent's file. */
static void begin_in_child(void)
{
    if (chunk != NULL)
        munmap(chunk, RAW_CHUNK);
    chunk = NULL;
    position = limit = NULL;
    thread = 0;
    sequence = last_thread = 0;
    pthread_mutex_init(&lock, NULL);
    if (file >= 0)
        close(file);
    file = -1;
}

static pthread_key_t key;

/* Late destructors may allocate: they open another chunk under the same number. */
static void leave_thread(void *unused)
{
    (void)unused;
    if (chunk != NULL)
        munmap(chunk, RAW_CHUNK);
    chunk = NULL;
    position = limit = NULL;
}

static void __attribute__((constructor)) start(void)
{
    pthread_atfork(NULL, NULL, begin_in_child);
    if (pthread_key_create(&key, leave_thread) != 0)
        abort();
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    if (libc == NULL || (*(void **)&libc_usable_size = dlsym(libc, "malloc_usable_size")) == NULL)
        abort();
}

struct beginning {
    void *(*run)(void *);
    void *argument;
    uint64_t thread;
};

static void *begin_thread(void *argument)
{
    struct beginning b = *(struct beginning *)argument;
    __libc_free(argument);
    thread = b.thread;
    pthread_setspecific(key, &key);
    return b.run(b.argument);
}

EXPORT int pthread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    static int (*original)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (original == NULL)
        *(void **)&original = dlsym(RTLD_NEXT, "pthread_create");
    struct beginning *b = __libc_malloc(sizeof *b);
    if (b == NULL)
        return EAGAIN;
    *b = (struct beginning){run, argument, __atomic_add_fetch(&last_thread, 1, __ATOMIC_RELAXED)};
    record(RAW_THREAD, (void *)(uintptr_t)b->thread, 0, 0); /* what comes of it has greater numbers */
    int status = original(id, attributes, begin_thread, b);
    if (status != 0)
        __libc_free(b);
    return status;
}

/* ---- the calls ---- */

EXPORT void *malloc(size_t size)
{
    void *p = __libc_malloc(size);
    if (p != NULL)
        record(RAW_MALLOC, p, size, 0);
    return p;
}

EXPORT void free(void *p)
{
    if (p == NULL)
        return;
    record(RAW_FREE, p, usable(p), 0);
    __libc_free(p);
}

EXPORT void *calloc(size_t count, size_t size)
{
    void *p = __libc_calloc(count, size);
    if (p != NULL)
        record(RAW_CALLOC, p, count * size, 0);
    return p;
}

EXPORT void *realloc(void *old, size_t size)
{
    if (old == NULL)
        return malloc(size);
    record(RAW_REALLOC_BEGIN, old, usable(old), 0);
    void *p = __libc_realloc(old, size);
    record(RAW_REALLOC_END, p, size, 0);
    return p;
}

EXPORT void *reallocarray(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, bytes);
}

static void *aligned(size_t alignment, size_t size)
{
    void *p = __libc_memalign(alignment, size);
    if (p != NULL)
        record(RAW_ALIGNED, p, size, alignment > 1 ? 63u - (unsigned)__builtin_clzll(alignment) : 0);
    return p;
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return aligned(alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return aligned(alignment, size);
}

EXPORT int posix_memalign(void **result, size_t alignment, size_t size)
{
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    int saved = errno;
    void *p = aligned(alignment, size);
    errno = saved;
    if (p == NULL)
        return ENOMEM;
    *result = p;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return aligned((size_t)sysconf(_SC_PAGESIZE), size);
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return aligned(page, (size + page - 1) / page * page);
}
