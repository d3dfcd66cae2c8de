/* SPDX-License-Identifier: MIT */
/*
 * Thousands of nearly full slabs: a large live set, from which one block at
 * random is freed and one allocated. An allocator that goes to the slab where a
 * block has just come free takes its slow path for each malloc.
 *
 *   nearly_full [-n PAIRS] [-l LIVE] [-a LEAST] [-z GREATEST]
 *     -n  pairs of free and malloc (10,000,000)
 *     -l  live bytes as requested (200M)
 *     -a  least size (64)   -z  greatest size (512); uniform
 *
 * Prints under hakmem the slow paths per malloc, while filling and after.
 */
#include "bench.h"

static const char usage[] = "usage: nearly_full [-n PAIRS] [-l LIVE] [-a LEAST] [-z GREATEST]\n";

static struct bench_sizes sizes;

int main(int argc, char **argv)
{
    size_t pairs = 10000000, live = 200 * BENCH_MIB, least = 64, greatest = 512;
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', pairs), BENCH_NUMBER('l', live),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    bench_print_allocator();
    bench_sizes_uniform(&sizes, least, greatest, 1);
    size_t room = live / least + 1;
    char **block = bench_map(room * sizeof *block);

    struct bench_random random = {2};
    struct hakmem_stats start, filled, end;
    bool known = bench_stats(&start);
    size_t count = 0;
    double begin = bench_seconds();
    for (size_t bytes = 0; bytes < live; count++) {
        size_t size = sizes.at[count % BENCH_SIZES];
        block[count] = bench_block(size);
        bytes += size;
    }
    printf("fill_seconds %.4f\nblocks %zu\n", bench_seconds() - begin, count);
    bench_stats(&filled);

    begin = bench_seconds();
    for (size_t i = 0; i < pairs; i++) {
        char **at = &block[bench_below(&random, count)];
        free(*at);
        *at = bench_block(sizes.at[i % BENCH_SIZES]);
    }
    double seconds = bench_seconds() - begin;
    if (known) {
        bench_stats(&end);
        printf("fill_refills_per_malloc %.4f\n", (double)(filled.refills - start.refills) / (double)count);
        printf("refills_per_malloc %.4f\n", (double)(end.refills - filled.refills) / (double)pairs);
        printf("blocks_per_refill %.2f\n",
               (double)(end.refilled_blocks - filled.refilled_blocks) / (double)(end.refills - filled.refills));
    }
    bench_print_result((double)pairs, seconds);
    return 0;
}
