/* SPDX-License-Identifier: MIT */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/bits.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

uint64_t os_calls[OS_CALL_KINDS];
static bool populate_works = true;  /* atomic, relaxed: cleared once when the kernel refuses */
static bool huge_works = true;      /* atomic, relaxed: the same */
static uintptr_t map_hint;          /* atomic, relaxed: where the next aligned mapping may fit */

long os_fail_countdown = -1;        /* atomic, relaxed: for tests */

void os_fail_after(long n)
{
    store_relaxed(&os_fail_countdown, n);
}

/* True when a test wants this call to fail. */
static bool os_injected_failure(void)
{
    long n = load_relaxed(&os_fail_countdown);
    if (likely(n < 0))
        return false;
    if (n == 0)
        return true;
    store_relaxed(&os_fail_countdown, n - 1);
    return false;
}

static void os_count_call(enum os_call kind)
{
    fetch_add_relaxed(&os_calls[kind], 1);
}

uint64_t os_memory_calls(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < OS_CALL_KINDS; i++)
        sum += load_relaxed(&os_calls[i]);
    return sum;
}

size_t os_page_size(void)
{
    static size_t page_size; /* atomic, relaxed: every writer stores the same value */
    size_t size = load_relaxed(&page_size);
    if (unlikely(size == 0)) {
        size = getauxval(AT_PAGESZ);
        if (size == 0)
            size = 4 * KIB;
        store_relaxed(&page_size, size);
    }
    return size;
}

static void *os_mmap(uintptr_t hint, size_t size, int protection, int fixed)
{
    int saved = errno;
    void *p = MAP_FAILED;
    if (!os_injected_failure()) {
        os_count_call(OS_MAP);
        p = mmap((void *)hint, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
    }
    errno = saved;
    return p == MAP_FAILED ? NULL : p;
}

bool os_unmap(void *start, size_t size)
{
    int saved = errno;
    os_count_call(OS_UNMAP);
    bool ok = munmap(start, size) == 0;
    errno = saved;
    return ok;
}

/* Map more than is asked for and cut both ends off. */
static void *os_map_and_trim(size_t size, size_t align, int protection)
{
    size_t slack = align - os_page_size();
    if (size + slack < size)
        return NULL;
    char *p = os_mmap(0, size + slack, protection, 0);
    if (p == NULL)
        return NULL;
    char *start = (char *)bits_round_up((uintptr_t)p, align);
    if (start > p)
        os_unmap(p, (size_t)(start - p));
    if (start + size < p + size + slack)
        os_unmap(start + size, (size_t)(p + slack - start));
    return start;
}

/*
 * The kernel places mappings from high to low addresses, mostly one below the
 * other: the place below the last aligned mapping is aligned again, and one
 * call is enough.
 */
static void *os_map_protected(size_t size, size_t align, int protection)
{
    if (align <= os_page_size())
        return os_mmap(0, size, protection, 0);
    uintptr_t hint = load_relaxed(&map_hint);
    hint = hint > size ? bits_round_down(hint - size, align) : 0;
    char *p = os_mmap(hint, size, protection, 0);
    if (p != NULL && ((uintptr_t)p & (align - 1)) != 0) {
        os_unmap(p, size);
        p = os_map_and_trim(size, align, protection);
    }
    if (p != NULL)
        store_relaxed(&map_hint, (uintptr_t)p);
    return p;
}

void *os_map(size_t size, size_t align)
{
    return os_map_protected(size, align, PROT_READ | PROT_WRITE);
}

void *os_reserve(size_t size, size_t align)
{
    return os_map_protected(size, align, PROT_NONE);
}

bool os_map_zeros(void *start, size_t size)
{
    return os_mmap((uintptr_t)start, size, PROT_READ, MAP_FIXED) != NULL;
}

bool os_move(void *start, size_t old_size, size_t new_size, void *target)
{
    int saved = errno;
    void *p = MAP_FAILED;
    if (!os_injected_failure()) {
        os_count_call(OS_MOVE);
        p = mremap(start, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    }
    errno = saved;
    return p != MAP_FAILED;
}

static bool os_advise(void *start, size_t size, int advice, enum os_call kind)
{
    int saved = errno;
    os_count_call(kind);
    int result;
    do
        result = madvise(start, size, advice);
    while (result != 0 && errno == EAGAIN && advice == MADV_DONTNEED);
    errno = saved;
    return result == 0;
}

bool os_purge(void *start, size_t size)
{
    return os_advise(start, size, MADV_DONTNEED, OS_PURGE);
}

void os_populate(void *start, size_t size)
{
    if (load_relaxed(&populate_works) && !os_advise(start, size, MADV_POPULATE_WRITE, OS_POPULATE))
        store_relaxed(&populate_works, false);
}

bool os_has_huge_pages(void) { return load_relaxed(&huge_works); }

bool os_huge_pages(void *start, size_t size)
{
    if (!os_has_huge_pages())
        return false;
    bool works = os_advise(start, size, MADV_HUGEPAGE, OS_HUGE);
    if (!works)
        store_relaxed(&huge_works, false);
    return works;
}

bool os_no_huge_pages(void *start, size_t size)
{
    return os_advise(start, size, MADV_NOHUGEPAGE, OS_NO_HUGE);
}

static bool os_protect(void *start, size_t size, int protection)
{
    int saved = errno;
    os_count_call(OS_PROTECT);
    bool ok = mprotect(start, size, protection) == 0;
    errno = saved;
    return ok;
}

bool os_protect_read_only(void *start, size_t size)
{
    return os_protect(start, size, PROT_READ);
}

bool os_protect_writable(void *start, size_t size)
{
    return !os_injected_failure() && os_protect(start, size, PROT_READ | PROT_WRITE);
}

uint64_t os_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static long os_result(long result)
{
    return result < 0 ? -errno : result;
}

static int os_open_with(const char *path, int flags)
{
    int saved = errno;
    long fd;
    do
        fd = os_result(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags));
    while (fd == -EINTR);
    errno = saved;
    return (int)fd;
}

int os_open(const char *path)
{
    return os_open_with(path, 0);
}

int os_open_directory(const char *path)
{
    return os_open_with(path, O_DIRECTORY);
}

void os_close(int fd)
{
    int saved = errno;
    (void)syscall(SYS_close, fd);
    errno = saved;
}

long os_read(int fd, void *memory, size_t size)
{
    int saved = errno;
    size_t done = 0;
    long n = 0;
    while (done < size) {
        n = os_result(syscall(SYS_read, fd, (char *)memory + done, size - done));
        if (n == -EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    errno = saved;
    return n < 0 ? n : (long)done;
}

long os_file_size(int fd)
{
    int saved = errno;
    struct stat about;
    long size = os_result(fstat(fd, &about));
    errno = saved;
    if (size < 0)
        return size;
    if (S_ISREG(about.st_mode))
        return about.st_size < LONG_MAX ? (long)about.st_size : LONG_MAX;
    return S_ISDIR(about.st_mode) ? -EISDIR : -EINVAL;
}

void os_read_names(int fd, void (*visit)(const char *name))
{
    /* struct linux_dirent64: inode and offset, then these. */
    enum { LENGTH_AT = 16, NAME_AT = 19 };
    char entries[1024] __attribute__((aligned(8)));
    int saved = errno;
    long n;
    while ((n = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
        for (long at = 0; at < n;) {
            unsigned short length;
            memcpy(&length, entries + at + LENGTH_AT, sizeof length);
            visit(entries + at + NAME_AT);
            at += length;
        }
    }
    errno = saved;
}

size_t os_directory(char *memory, size_t size)
{
    int saved = errno;
    bool known = getcwd(memory, size) != NULL && memory[0] == '/';
    errno = saved;
    return known ? strlen(memory) : 0;
}

bool os_executable(char *memory, size_t size)
{
    int saved = errno;
    ssize_t n = readlink("/proc/self/exe", memory, size - 1);
    errno = saved;
    if (n <= 0)
        return false;
    memory[n] = '\0';
    return true;
}

const char *os_started_as(void)
{
    return getauxval(AT_SECURE) == 0 ? (const char *)getauxval(AT_EXECFN) : NULL;
}

bool os_write(int fd, const char *text, size_t length)
{
    int saved = errno;
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        length -= (size_t)n;
    }
    errno = saved;
    return true;
}
