/* SPDX-License-Identifier: MIT */
/*
 * Threads that die with blocks alive, which others free later.
 *
 *   dead_threads [-t THREADS] [-b BYTES] [-k KEEP] [-c CONCURRENT] [-f FREERS] [-r ROUNDS] [-a LEAST] [-z GREATEST]
 *     -t  threads of a round (1,000)
 *     -b  bytes that each allocates (1M)
 *     -k  blocks of a hundred that it leaves alive (100)
 *     -c  threads that live at the same time (8)
 *     -f  threads that free what was left, in random order (4)
 *     -r  rounds (1)
 *     -a  least size (16)   -z  greatest size (2k); as many blocks in each doubling
 *
 * Prints resident memory without the program's own, and hakmem's statistics,
 * before, after the deaths, after the frees, and after malloc_trim(0).
 */
#include <malloc.h>

#include "bench.h"

static const char usage[] = "usage: dead_threads [-t THREADS] [-b BYTES] [-k KEEP] [-c CONCURRENT] [-f FREERS] "
                            "[-r ROUNDS] [-a LEAST] [-z GREATEST]\n";

static size_t threads = 1000, bytes = BENCH_MIB, keep = 100, concurrent = 8, freers = 4, rounds = 1, least = 16,
              greatest = 2048;

static struct bench_sizes sizes; /* ascending */
static char **block;             /* what dead threads left; mapped, touched before the first figure */
static size_t block_room, block_count;
static size_t next_thread, next_block;

/* One thread of a round: allocate, free what shall not outlive it, die. */
static void *live_and_die(void *argument)
{
    struct bench_random r = {(size_t)argument + 1};
    for (size_t sum = 0; sum < bytes;) {
        size_t size = sizes.at[bench_below(&r, BENCH_SIZES)];
        char *p = bench_block(size);
        sum += size;
        if (bench_below(&r, 100) >= keep) {
            free(p);
            continue;
        }
        size_t at = __atomic_fetch_add(&block_count, 1, __ATOMIC_RELAXED);
        if (at >= block_room)
            bench_fail("more blocks than were foreseen");
        block[at] = p;
    }
    return NULL;
}

/* Keeps one thread alive at a time until all have lived. */
static void *start_threads(void *unused)
{
    (void)unused;
    for (;;) {
        size_t n = __atomic_fetch_add(&next_thread, 1, __ATOMIC_RELAXED);
        if (n >= threads)
            return NULL;
        pthread_t thread;
        bench_thread_start(&thread, live_and_die, (void *)n);
        pthread_join(thread, NULL);
    }
}

static void *free_blocks(void *unused)
{
    (void)unused;
    for (;;) {
        size_t n = __atomic_fetch_add(&next_block, 1, __ATOMIC_RELAXED);
        if (n >= block_count)
            return NULL;
        free(block[n]);
    }
}

static void shuffle_blocks(void)
{
    struct bench_random r = {1};
    for (size_t i = block_count; i > 1; i--) {
        size_t j = bench_below(&r, i);
        char *p = block[i - 1];
        block[i - 1] = block[j];
        block[j] = p;
    }
}

static size_t baseline_kib;

static void print_state(const char *when)
{
    struct hakmem_stats s;
    size_t kib = bench_status_kib("VmRSS");
    printf("%s_resident_mib %.1f\n", when, ((double)kib - (double)baseline_kib) / 1024);
    if (bench_stats(&s)) {
        printf("%s_live_mib %.1f\n%s_mapped_mib %.1f\n%s_superslab_mapped_mib %zu\n%s_superslab_used_mib %.1f\n"
               "%s_metadata_mib %.1f\n%s_heaps %zu\n%s_heaps_alive %zu\n",
               when, (double)s.live / BENCH_MIB, when, (double)s.mapped / BENCH_MIB, when,
               s.superslab_mapped / BENCH_MIB, when, (double)s.superslab_used / BENCH_MIB, when,
               (double)s.metadata / BENCH_MIB, when, s.heaps, when, s.heaps_alive);
    }
}

int main(int argc, char **argv)
{
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('t', threads), BENCH_NUMBER('b', bytes),
                                            BENCH_NUMBER('k', keep), BENCH_NUMBER('c', concurrent),
                                            BENCH_NUMBER('f', freers), BENCH_NUMBER('r', rounds),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    bench_print_allocator();
    bench_sizes_logarithmic(&sizes, least, greatest);
    block_room = threads * (bytes / least * 4 / 10 + 64);
    block = mmap(NULL, block_room * sizeof *block, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (block == MAP_FAILED)
        bench_fail("out of memory");
    bench_own_kib = block_room * sizeof *block / BENCH_KIB;
    baseline_kib = bench_status_kib("VmRSS");
    print_state("before");
    double seconds = 0;
    for (size_t i = 0; i < rounds; i++) {
        next_thread = next_block = block_count = 0;
        seconds += bench_threads(concurrent, start_threads, NULL, 0);
        if (i + 1 == rounds)
            print_state("dead");
        shuffle_blocks();
        seconds += bench_threads(freers, free_blocks, NULL, 0);
    }
    print_state("freed");
    double trim = bench_seconds();
    malloc_trim(0);
    printf("trim_seconds %.4f\n", bench_seconds() - trim);
    print_state("trimmed");
    bench_print_result((double)block_count * 2 * (double)rounds, seconds);
    return 0;
}
