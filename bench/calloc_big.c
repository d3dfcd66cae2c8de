/* SPDX-License-Identifier: MIT */
/*
 * Large zeroed blocks of which only a part is used: an allocator that knows
 * which pages are zero already need not write them.
 *
 *   calloc_big [-n CALLOCS] [-t THREADS] [-w SLOTS] [-u USED] [-a LEAST] [-z GREATEST]
 *     -n  callocs, all threads together (5,000)
 *     -t  threads (1)
 *     -w  blocks of a thread that stay live (8); one at random is replaced at a time
 *     -u  pages of a hundred that are written (25)
 *     -a  least size (64k)   -z  greatest size (4M); as many blocks in each doubling
 *
 * Each page that is written was read as zero before.
 */
#include "bench.h"

static const char usage[] = "usage: calloc_big [-n CALLOCS] [-t THREADS] [-w SLOTS] [-u USED] [-a LEAST] "
                            "[-z GREATEST]\n";

static size_t callocs = 5000, threads = 1, slots = 8, used = 25, least = 64 * BENCH_KIB, greatest = 4 * BENCH_MIB;

static struct bench_sizes sizes; /* ascending */

static char *block(size_t size, struct bench_random *r)
{
    char *p = calloc(size / 64, 64);
    if (p == NULL)
        bench_fail("out of memory");
    for (size_t at = 0; at < size / 64 * 64; at += 4096) {
        if (bench_below(r, 100) >= used)
            continue;
        if (p[at] != 0)
            bench_fail("calloc gave a block that is not zero");
        ((volatile char *)p)[at] = 1;
    }
    return p;
}

static void *work(void *argument)
{
    struct bench_random r = {*(size_t *)argument};
    char **slot = bench_map(slots * sizeof *slot);
    for (size_t n = callocs / threads; n > 0; n--) {
        char **at = &slot[bench_below(&r, slots)];
        free(*at);
        *at = block(sizes.at[bench_below(&r, BENCH_SIZES)], &r);
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
                    (struct bench_option[]){BENCH_NUMBER('n', callocs), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('w', slots), BENCH_NUMBER('u', used),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || slots == 0)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_logarithmic(&sizes, least, greatest);
    for (size_t i = 0; i < threads; i++)
        seed[i] = i + 1;
    double seconds = bench_threads(threads, work, seed, sizeof seed[0]);
    bench_print_result((double)callocs, seconds);
    return 0;
}
