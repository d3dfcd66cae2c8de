/* SPDX-License-Identifier: MIT */
/*
 * How long each single call takes while all threads are at work: a mean hides
 * the one call of ten thousand that takes a lock, maps, or cleans up.
 *
 *   latency [-n OPERATIONS] [-t THREADS] [-w SLOTS] [-d SIZES] [-a LEAST] [-z GREATEST] [-x SHARE] [-o FILE]
 *     -n  operations (each a malloc or a free), all threads together (4,000,000)
 *     -t  threads (4)
 *     -w  slots of a thread (2,000)
 *     -d  server, most blocks small and some up to 64 KiB, or uniform, from -a to -z (server)
 *     -a  least size (16)   -z  greatest size (1k)
 *     -x  blocks of a hundred that another thread frees (10)
 *     -o  the percentile table of HdrHistogram of all calls goes to FILE (- is standard output)
 *
 * Prints percentiles of malloc and of free, and of both (call_*), in
 * nanoseconds, with the cost of reading the clock (clock_ns) still in them. On
 * fewer processors than threads the highest ones tell how long a thread was
 * not running, whatever the allocator does: compare, do not read them alone.
 */
#include "bench.h"
#include "histogram.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static const char usage[] = "usage: latency [-n OPERATIONS] [-t THREADS] [-w SLOTS] [-d server|uniform] [-a LEAST] "
                            "[-z GREATEST] [-x SHARE] [-o FILE]\n";

static size_t operations = 4000000, threads = 4, slots = 2000, least = 16, greatest = 1024, exchanged = 10;
static const char *distribution = "server", *output = NULL;

static struct bench_sizes sizes;

enum { EXCHANGE = 256 };
static char *exchange[EXCHANGE];

struct worker {
    struct bench_random random;
    char **slot;
    struct histogram malloc, free;
};

/* ---- the clock: cycles where the processor has a counter of constant rate ---- */

static double ticks_per_ns = 1;

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
    unsigned processor;
    return __rdtscp(&processor);
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static void calibrate(void)
{
#if defined(__x86_64__)
    double start = bench_seconds();
    uint64_t first = ticks();
    while (bench_seconds() - start < 0.02)
        continue;
    ticks_per_ns = (double)(ticks() - first) / ((bench_seconds() - start) * 1e9);
#endif
}

static double clock_cost_ns(void)
{
    enum { READS = 100000 };
    uint64_t first = ticks();
    for (int i = 0; i < READS; i++)
        (void)ticks();
    return (double)(ticks() - first) / READS / ticks_per_ns;
}

static uint64_t nanoseconds(uint64_t from, uint64_t to)
{
    return to > from ? (uint64_t)((double)(to - from) / ticks_per_ns) : 0;
}

/* ---- the load ---- */

static void timed_free(struct worker *w, char *p)
{
    if (bench_below(&w->random, 100) < exchanged)
        p = __atomic_exchange_n(&exchange[bench_below(&w->random, EXCHANGE)], p, __ATOMIC_ACQ_REL);
    if (p == NULL)
        return;
    uint64_t before = ticks();
    free(p);
    histogram_record(&w->free, nanoseconds(before, ticks()));
}

static char *timed_malloc(struct worker *w, size_t size)
{
    uint64_t before = ticks();
    char *p = malloc(size);
    histogram_record(&w->malloc, nanoseconds(before, ticks()));
    if (p == NULL)
        bench_fail("out of memory");
    bench_touch(p, 0, size);
    return p;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    for (size_t i = operations / threads; i > 0; i--) {
        char **at = &w->slot[bench_below(&w->random, slots)];
        if (*at != NULL) {
            timed_free(w, *at);
            *at = NULL;
        } else {
            *at = timed_malloc(w, sizes.at[i % BENCH_SIZES]);
        }
    }
    return NULL;
}

static void print_percentiles(const char *name, const struct histogram *h)
{
    static const struct {
        const char *name;
        double percent;
    } p[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}, {"max", 100}};
    for (size_t i = 0; i < sizeof p / sizeof p[0]; i++)
        printf("%s_%s_ns %llu\n", name, p[i].name, (unsigned long long)histogram_percentile(h, p[i].percent));
}

static void write_table(const struct histogram *h)
{
    FILE *file = strcmp(output, "-") == 0 ? stdout : fopen(output, "w");
    if (file == NULL)
        bench_fail("the file cannot be written");
    if (!histogram_write_hdr(h, file))
        bench_fail("-o needs libhdr-histogram: install it and configure again");
    if (file != stdout)
        fclose(file);
}

int main(int argc, char **argv)
{
    static struct histogram malloc_all, free_all, both;
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', operations), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('w', slots), BENCH_WORD('d', distribution),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest),
                                            BENCH_NUMBER('x', exchanged), BENCH_WORD('o', output), BENCH_END},
                    usage);
    bool server = strcmp(distribution, "server") == 0;
    if (threads == 0 || threads > BENCH_THREADS_MAX || slots == 0 || (!server && strcmp(distribution, "uniform") != 0))
        bench_fail("bad arguments");
    bench_print_allocator();
    if (server)
        bench_sizes_server(&sizes, 1);
    else
        bench_sizes_uniform(&sizes, least, greatest, 1);
    calibrate();
    struct worker *worker = bench_map(threads * sizeof *worker);
    for (size_t i = 0; i < threads; i++) {
        worker[i].random.state = i + 1;
        worker[i].slot = bench_map(slots * sizeof *worker[i].slot);
    }
    double seconds = bench_threads(threads, work, worker, sizeof worker[0]);
    for (size_t i = 0; i < threads; i++) {
        histogram_add(&malloc_all, &worker[i].malloc);
        histogram_add(&free_all, &worker[i].free);
    }
    histogram_add(&both, &malloc_all);
    histogram_add(&both, &free_all);
    printf("clock_ns %.1f\n", clock_cost_ns());
    print_percentiles("malloc", &malloc_all);
    print_percentiles("free", &free_all);
    print_percentiles("call", &both);
    bench_print_result((double)operations, seconds);
    if (output != NULL)
        write_table(&both);
    return 0;
}
