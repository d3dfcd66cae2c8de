/* SPDX-License-Identifier: MIT */
/*
 * Pairs of malloc and free, one thread, nothing else in the loop: what
 * bench/instructions counts.
 *
 *   pair [-n PAIRS] [-s SIZE | -m GREATEST] [-w WINDOW]
 *     -n  pairs (10,000,000)
 *     -s  bytes of each block (64)
 *     -m  instead: uniform sizes from 1 to this, drawn beforehand
 *     -w  blocks that stay live: each pair frees a block at random among them and
 *         fills its place (0: each block is freed at once)
 */
#include "bench.h"

static const char usage[] = "usage: pair [-n PAIRS] [-s SIZE | -m GREATEST] [-w WINDOW]\n";

static struct bench_sizes sizes;
static uint32_t places[BENCH_SIZES];

static void pairs_at_once(size_t pairs)
{
    for (size_t i = 0; i < pairs; i++) {
        void *p = malloc(sizes.at[i % BENCH_SIZES]);
        BENCH_KEEP(p);
        free(p);
    }
}

static void pairs_window(size_t pairs, size_t window)
{
    void **slot = bench_map(window * sizeof *slot);
    struct bench_random r = {2};
    for (size_t i = 0; i < BENCH_SIZES; i++)
        places[i] = (uint32_t)bench_below(&r, window);
    for (size_t i = 0; i < window; i++)
        slot[i] = malloc(sizes.at[i % BENCH_SIZES]);
    for (size_t i = 0; i < pairs; i++) {
        void **at = &slot[places[i % BENCH_SIZES]];
        free(*at);
        *at = malloc(sizes.at[i % BENCH_SIZES]);
    }
    for (size_t i = 0; i < window; i++)
        free(slot[i]);
    munmap(slot, window * sizeof *slot);
}

int main(int argc, char **argv)
{
    size_t pairs = 10000000, size = 64, greatest = 0, window = 0;
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', pairs), BENCH_NUMBER('s', size),
                                            BENCH_NUMBER('m', greatest), BENCH_NUMBER('w', window), BENCH_END},
                    usage);
    bench_print_allocator();
    bench_sizes_uniform(&sizes, greatest != 0 ? 1 : size, greatest != 0 ? greatest : size, 1);
    double start = bench_seconds();
    if (window == 0)
        pairs_at_once(pairs);
    else
        pairs_window(pairs, window);
    bench_print_result((double)pairs, bench_seconds() - start);
    return 0;
}
