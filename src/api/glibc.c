/* SPDX-License-Identifier: MIT */
/*
 * What the C library has around the core of the family: further ways to ask
 * for a block and to free one, tuning, and reports. All of it is written on
 * the public functions, so that it holds whatever the core does.
 */
#include "api/api.h"
#include "api/libc.h"
#include "api/start.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bits.h"
#include "base/print.h"
#include "os/os.h"

#include <hakmem/hakmem.h>

/* A definition with the prototype that the C library's headers may not have. */
#define ENTRY(result, name, ...)                                                                  \
    HAKMEM_EXPORT result API(name)(__VA_ARGS__);                                                  \
    HAKMEM_EXPORT result API(name)(__VA_ARGS__)

/* ---- blocks ---- */

ENTRY(void *, reallocarray, void *block, size_t count, size_t size)
{
    size_t bytes;

    if (unlikely(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    return API(realloc)(block, bytes);
}

ENTRY(void *, valloc, size_t size)
{
    return API(memalign)(os_page_size(), size);
}

ENTRY(void *, pvalloc, size_t size)
{
    size_t page = os_page_size();

    if (unlikely(size > SIZE_MAX - (page - 1))) {
        errno = ENOMEM;
        return NULL;
    }
    return API(memalign)(page, bits_round_up(size, page));
}

ENTRY(void, cfree, void *block)
{
    API(free)(block);
}

/* C23. What the caller knows of the block is not needed to find its slab. */
ENTRY(void, free_sized, void *block, size_t size __attribute__((unused)))
{
    API(free)(block);
}

ENTRY(void, free_aligned_sized, void *block, size_t alignment __attribute__((unused)),
      size_t size __attribute__((unused)))
{
    API(free)(block);
}

/* ---- the names by which programs reach past an interposed malloc ---- */

#ifndef HAKMEM_PREFIXED

/*
 * Such a program may free with `free` what it got here, so both must be one
 * allocator.
 */
ENTRY(void *, __libc_malloc, size_t size)
{
    return malloc(size);
}

ENTRY(void *, __libc_calloc, size_t count, size_t size)
{
    return calloc(count, size);
}

ENTRY(void *, __libc_realloc, void *block, size_t size)
{
    return realloc(block, size);
}

ENTRY(void, __libc_free, void *block)
{
    free(block);
}

ENTRY(void *, __libc_memalign, size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

ENTRY(void *, __libc_valloc, size_t size)
{
    return valloc(size);
}

ENTRY(void *, __libc_pvalloc, size_t size)
{
    return pvalloc(size);
}

ENTRY(int, __posix_memalign, void **block, size_t alignment, size_t size)
{
    return posix_memalign(block, alignment, size);
}

#endif

/* ---- tuning ---- */

/* 1 when memory went back to the system, as the C library tells it. */
ENTRY(int, malloc_trim, size_t pad)
{
    if (start_if_needed())
        return libc_allocator.malloc_trim(pad);
    return hakmem_trim(pad) > 0;
}

/*
 * The parameters of the C library are accepted, so that a program that checks
 * the result goes on, and have no effect: hakmem's settings are read-only after
 * start, and steered by the operator. What stands for each:
 *
 *     M_MXFAST                    none: every small size has a bin
 *     M_TRIM_THRESHOLD, M_TOP_PAD superslab_cache, large_cache
 *     M_MMAP_THRESHOLD            huge_threshold
 *     M_MMAP_MAX                  none: the number of mappings is small by design
 *     M_CHECK_ACTION              none: misuse that is seen always stops the program
 *     M_PERTURB                   none
 *     M_ARENA_TEST, M_ARENA_MAX   none: a heap for each thread, bounded by process_hold
 *
 * 0 for a parameter that the C library does not know either.
 */
ENTRY(int, mallopt, int parameter, int value)
{
    /* By number where headers differ: 2 to 4 are System V's, kept for old programs. */
    enum { NLBLKS = 2, GRAIN = 3, KEEP = 4 };

    if (start_if_needed())
        return libc_allocator.mallopt(parameter, value);
    switch (parameter) {
    case M_MXFAST:
    case NLBLKS:
    case GRAIN:
    case KEEP:
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX: return 1;
    default: return 0;
    }
}

/* ---- reports ---- */

static size_t less(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/* The C library's own figures, which it has in the small form alone before 2.33. */
static struct mallinfo2 libc_mallinfo2(void)
{
    if (libc_allocator.mallinfo2 != NULL)
        return libc_allocator.mallinfo2();

    struct mallinfo narrow = libc_allocator.mallinfo();

    return (struct mallinfo2){
        .arena = (unsigned)narrow.arena,
        .ordblks = (unsigned)narrow.ordblks,
        .smblks = (unsigned)narrow.smblks,
        .hblks = (unsigned)narrow.hblks,
        .hblkhd = (unsigned)narrow.hblkhd,
        .fsmblks = (unsigned)narrow.fsmblks,
        .uordblks = (unsigned)narrow.uordblks,
        .fordblks = (unsigned)narrow.fordblks,
        .keepcost = (unsigned)narrow.keepcost,
    };
}

/*
 * The C library's terms: `arena` is what was taken from the system but for the
 * blocks with a mapping of their own (`hblkhd`), and is the sum of `uordblks`
 * (in use) and `fordblks` (free). Fields are read one after the other while
 * other threads go on, hence the differences that stop at 0. Counts of single
 * free blocks (`ordblks`, `smblks`) are not kept and stay 0.
 */
ENTRY(struct mallinfo2, mallinfo2, void)
{
    struct hakmem_stats stats = {0};
    struct mallinfo2 info = {0};

    if (start_if_needed())
        return libc_mallinfo2();
    if (hakmem_stats_get(&stats, sizeof stats) != 0)
        return info;
    info.hblkhd = stats.large_live;
    info.arena = less(stats.mapped, stats.large_live);
    info.fsmblks = stats.binned;
    info.uordblks = less(less(stats.live, stats.binned), stats.large_live);
    if (info.uordblks > info.arena)
        info.uordblks = info.arena;
    info.fordblks = info.arena - info.uordblks;
    info.keepcost = stats.superslabs_empty * (2 * MIB) + stats.large_dirty;
    return info;
}

static int int_of(size_t value)
{
    return value < INT_MAX ? (int)value : INT_MAX;
}

/* The fields are too small for today's programs; INT_MAX stands for "more". */
ENTRY(struct mallinfo, mallinfo, void)
{
    if (start_if_needed())
        return libc_allocator.mallinfo();

    struct mallinfo2 wide = API(mallinfo2)();
    struct mallinfo info = {
        .arena = int_of(wide.arena),
        .hblkhd = int_of(wide.hblkhd),
        .fsmblks = int_of(wide.fsmblks),
        .uordblks = int_of(wide.uordblks),
        .fordblks = int_of(wide.fordblks),
        .keepcost = int_of(wide.keepcost),
    };

    return info;
}

ENTRY(void, malloc_stats, void)
{
    int saved = errno;

    if (start_if_needed()) {
        libc_allocator.malloc_stats();
        return;
    }
    hakmem_stats_print(2);
    errno = saved;
}

static void print_element(struct print_buffer *out, const char *element, const char *type,
                          const size_t *count, size_t size)
{
    print_char(out, '<');
    print_text(out, element);
    print_text(out, " type=\"");
    print_text(out, type);
    if (count != NULL) {
        print_text(out, "\" count=\"");
        print_decimal(out, *count);
    }
    print_text(out, "\" size=\"");
    print_decimal(out, size);
    print_text(out, "\"/>\n");
}

/* What the heap and the whole document have in common, in the C library's order. */
static void print_totals(struct print_buffer *out, const struct mallinfo2 *info, size_t mapped,
                         bool whole)
{
    static const size_t not_counted = 0;

    print_element(out, "total", "fast", &not_counted, info->fsmblks);
    print_element(out, "total", "rest", &not_counted, less(info->fordblks, info->fsmblks));
    if (whole)
        print_element(out, "total", "mmap", &not_counted, info->hblkhd);
    print_element(out, "system", "current", NULL, mapped);
    /* The peak is not kept; what is mapped now is the least it can be. */
    print_element(out, "system", "max", NULL, mapped);
    print_element(out, "aspace", "total", NULL, mapped);
    print_element(out, "aspace", "mprotect", NULL, mapped);
}

ENTRY(int, malloc_info, int options, FILE *stream)
{
    struct mallinfo2 info;
    struct print_buffer out;
    char text[2048];

    if (start_if_needed())
        return libc_allocator.malloc_info(options, stream);
    if (options != 0)
        return EINVAL;

    /* As one heap: those of the threads share their SuperSlabs. */
    info = API(mallinfo2)();
    print_begin(&out, text, sizeof text);
    print_text(&out, "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n</sizes>\n");
    print_totals(&out, &info, info.arena, false);
    print_text(&out, "</heap>\n");
    print_totals(&out, &info, info.arena + info.hblkhd, true);
    print_text(&out, "</malloc>\n");
    print_end(&out);
    return fputs(text, stream) >= 0 ? 0 : errno;
}
