/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark programs share.
 *
 * A program calls malloc and free as any program does, so that LD_PRELOAD
 * chooses the allocator. It prints one `key value` a line; bench/compare reads them.
 * The first line, `allocator PATH`, is the object that malloc was bound to.
 * Random numbers come from a fixed seed: two runs make the same calls. What a
 * program needs for itself it maps (bench_map), so that the blocks of the
 * allocator are those of the load and no others.
 */
#ifndef HAKMEM_BENCH_BENCH_H
#define HAKMEM_BENCH_BENCH_H

#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "hakmem/hakmem.h"

/* Absent unless hakmem serves the process. */
extern __typeof__(hakmem_stats_get) hakmem_stats_get __attribute__((weak));
extern __typeof__(hakmem_owns) hakmem_owns __attribute__((weak));

#define BENCH_KIB ((size_t)1024)
#define BENCH_MIB ((size_t)1024 * 1024)

static inline _Noreturn void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* The compiler must not see that a block is never used: it would drop the calls. */
#define BENCH_KEEP(p) __asm__ volatile("" : "+r"(p) : : "memory")

/* ---- random numbers (splitmix64) ---- */

struct bench_random {
    uint64_t state;
};

static inline uint64_t bench_next(struct bench_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline size_t bench_below(struct bench_random *r, size_t n)
{
    return (size_t)((bench_next(r) >> 32) * n >> 32); /* n < 2^32 */
}

/* ---- sizes, drawn beforehand so that drawing costs the timed loop one load ---- */

enum { BENCH_SIZES = 1 << 16 }; /* a power of two: draws repeat after this many */

struct bench_sizes {
    uint32_t at[BENCH_SIZES];
};

/* Uniform in [least, greatest]. */
static inline void bench_sizes_uniform(struct bench_sizes *s, size_t least, size_t greatest, uint64_t seed)
{
    struct bench_random r = {seed};
    for (size_t i = 0; i < BENCH_SIZES; i++)
        s->at[i] = (uint32_t)(least + bench_below(&r, greatest - least + 1));
}

/* As many blocks in each doubling of [least, greatest], in ascending order of `at`. */
static inline void bench_sizes_logarithmic(struct bench_sizes *s, size_t least, size_t greatest)
{
    double span = log((double)greatest / (double)least);
    for (size_t i = 0; i < BENCH_SIZES; i++)
        s->at[i] = (uint32_t)((double)least * exp(span * (double)i / (BENCH_SIZES - 1)) + 0.5);
}

/*
 * As a server asks: nine of ten blocks are under 256 bytes, one of a hundred above 16 KiB, none above
 * 64 KiB; as many blocks in each doubling within a band. In random order.
 */
static inline void bench_sizes_server(struct bench_sizes *s, uint64_t seed)
{
    static const struct {
        uint32_t least, greatest, share; /* of a thousand */
    } band[] = {{16, 64, 560},     {64, 256, 340},      {256, 1024, 60},
                {1024, 4096, 20},  {4096, 16384, 10},   {16384, 65536, 10}};
    struct bench_random r = {seed};
    for (size_t i = 0; i < BENCH_SIZES; i++) {
        size_t draw = bench_below(&r, 1000), b = 0;
        for (; draw >= band[b].share; b++)
            draw -= band[b].share;
        double span = log((double)band[b].greatest / band[b].least);
        double part = (double)bench_below(&r, 1 << 20) / (1 << 20);
        s->at[i] = (uint32_t)(band[b].least * exp(span * part));
    }
}

/* ---- measuring ---- */

static inline double bench_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A field of /proc/self/status in KiB, read without malloc: VmRSS is resident, VmHWM its peak. */
static inline size_t bench_status_kib(const char *field)
{
    char text[8192];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *at = strstr(text, field);
    return at != NULL ? strtoul(at + strlen(field) + 1, NULL, 10) : 0;
}

/* hakmem's statistics; false (and zeros) under another allocator. */
static inline bool bench_stats(struct hakmem_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    return hakmem_stats_get != NULL && hakmem_stats_get(stats, sizeof *stats) == 0;
}

/* ---- printing ---- */

/* The object that a function of that name was bound to. */
static inline const char *bench_object_of(const char *function)
{
    Dl_info info;
    void *address = dlsym(RTLD_DEFAULT, function);
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fname : "?";
}

/* Who serves this process; one allocator must have malloc and free. Before any other output. */
static inline void bench_print_allocator(void)
{
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    const char *object = bench_object_of("malloc");
    if (strcmp(object, bench_object_of("free")) != 0)
        bench_fail("malloc and free come from different objects");
    void *block = malloc(100);
    BENCH_KEEP(block);
    if (hakmem_owns != NULL && !hakmem_owns(block))
        bench_fail("hakmem is loaded, but malloc gave a block that is not its own");
    free(block);
    printf("allocator %s\n", object);
}

/* What the program itself keeps in memory, if that is much: not counted. */
static size_t bench_own_kib;

/* The closing lines of every program. */
static inline void bench_print_result(double operations, double seconds)
{
    struct hakmem_stats stats;
    printf("operations %.0f\nseconds %.6f\noperations_per_second %.0f\n", operations, seconds,
           operations / seconds);
    printf("peak_kib %zu\nresident_kib %zu\n", bench_status_kib("VmHWM") - bench_own_kib,
           bench_status_kib("VmRSS") - bench_own_kib);
    if (bench_stats(&stats)) {
        printf("hakmem_refills %llu\n", (unsigned long long)stats.refills);
        printf("hakmem_memory_calls %llu\n", (unsigned long long)stats.memory_calls);
    }
}

/* ---- arguments: `usage` is printed for a wrong one ---- */

/* A number with an optional k, M or G (powers of 1024). */
static inline size_t bench_number(const char *text, const char *usage)
{
    char *end;
    size_t n = strtoul(text, &end, 10);
    unsigned shift = *end == 'k' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (end == text || end[shift != 0] != '\0') {
        fprintf(stderr, "not a number: %s\n%s", text, usage);
        exit(2);
    }
    return n << shift;
}

struct bench_option {
    char letter;
    size_t *value;
    const char **word; /* instead of value: taken as it is */
};

#define BENCH_NUMBER(letter, variable) {letter, &(variable), NULL}
#define BENCH_WORD(letter, variable) {letter, NULL, &(variable)}
#define BENCH_END {'\0', NULL, NULL}

/* Read pairs of `-letter value`; the options end with BENCH_END. -h prints `usage`. */
static inline void bench_arguments(int argc, char **argv, const struct bench_option *options,
                                   const char *usage)
{
    for (int i = 1; i < argc; i += 2) {
        const struct bench_option *o = options;
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        while (o->letter != '\0' && !(argv[i][0] == '-' && argv[i][1] == o->letter && argv[i][2] == '\0'))
            o++;
        if (o->letter == '\0' || i + 1 == argc) {
            fputs(usage, stderr);
            exit(2);
        }
        if (o->word != NULL)
            *o->word = argv[i + 1];
        else
            *o->value = bench_number(argv[i + 1], usage);
    }
}

/* ---- threads ---- */

enum { BENCH_THREADS_MAX = 1024 };

static inline void bench_thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    if (pthread_create(thread, NULL, run, argument) != 0)
        bench_fail("cannot start a thread");
}

/*
 * Start `count` threads, each with its element of `arguments`, and wait for
 * them. Returns the seconds from before the first start to after the last end.
 */
static inline double bench_threads(size_t count, void *(*run)(void *), void *arguments, size_t element)
{
    static pthread_t thread[BENCH_THREADS_MAX];
    if (count > BENCH_THREADS_MAX)
        bench_fail("too many threads");
    double start = bench_seconds();
    for (size_t i = 0; i < count; i++)
        bench_thread_start(&thread[i], run, (char *)arguments + i * element);
    for (size_t i = 0; i < count; i++)
        pthread_join(thread[i], NULL);
    return bench_seconds() - start;
}

/* ---- memory ---- */

/* Zeroed memory that the allocator has no part in, for the program's own tables. */
static inline void *bench_map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        bench_fail("out of memory");
    return p;
}

/* Write the first byte of each 4 KiB from `from` to `to`. */
static inline void bench_touch(char *p, size_t from, size_t to)
{
    for (size_t at = (from + 4095) / 4096 * 4096; at < to; at += 4096)
        ((volatile char *)p)[at] = 1;
}

/* malloc that ends the program on failure and writes the first byte of each 4 KiB. */
static inline char *bench_block(size_t size)
{
    char *p = malloc(size);
    if (p == NULL)
        bench_fail("out of memory");
    bench_touch(p, 0, size);
    return p;
}

#endif
