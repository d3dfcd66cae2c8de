/* SPDX-License-Identifier: MIT */
/*
 * Blocks of megabytes, as databases and numerical programs use them.
 *
 *   huge [-n BLOCKS] [-t THREADS] [-w SLOTS] [-a LEAST] [-z GREATEST]
 *     -n  blocks, all threads together (200)
 *     -t  threads (1)
 *     -w  blocks of a thread that stay live (4); one at random is replaced at a time
 *     -a  least size (1M)   -z  greatest size (64M); as many blocks in each doubling
 *
 * A byte of each 4 KiB is written. One block of eight grows by half once.
 */
#include "bench.h"

static const char usage[] = "usage: huge [-n BLOCKS] [-t THREADS] [-w SLOTS] [-a LEAST] [-z GREATEST]\n";

static size_t blocks = 200, threads = 1, slots = 4, least = BENCH_MIB, greatest = 64 * BENCH_MIB;

static struct bench_sizes sizes; /* ascending */

static char *grown(char *p, size_t from)
{
    size_t to = from + from / 2;
    p = realloc(p, to);
    if (p == NULL)
        bench_fail("out of memory");
    bench_touch(p, from, to);
    return p;
}

static void *work(void *argument)
{
    struct bench_random r = {*(size_t *)argument};
    char **slot = bench_map(slots * sizeof *slot);
    for (size_t n = blocks / threads; n > 0; n--) {
        char **at = &slot[bench_below(&r, slots)];
        size_t size = sizes.at[bench_below(&r, BENCH_SIZES)];
        free(*at);
        *at = bench_block(size);
        if (n % 8 == 0)
            *at = grown(*at, size);
    }
    for (size_t i = 0; i < slots; i++)
        free(slot[i]);
    munmap(slot, slots * sizeof *slot);
    return NULL;
}

int main(int argc, char **argv)
{
    static size_t seed[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', blocks), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('w', slots), BENCH_NUMBER('a', least),
                                            BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || slots == 0)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_logarithmic(&sizes, least, greatest);
    for (size_t i = 0; i < threads; i++)
        seed[i] = i + 1;
    double seconds = bench_threads(threads, work, seed, sizeof seed[0]);
    bench_print_result((double)blocks, seconds);
    return 0;
}
