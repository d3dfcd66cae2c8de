/* SPDX-License-Identifier: MIT */
/*
 * Blocks of one size, freed in a fixed order.
 *
 *   fixed [-n PAIRS] [-t THREADS] [-s SIZE] [-o ORDER] [-w BLOCKS]
 *     -n  pairs of malloc and free, all threads together (10,000,000)
 *     -t  threads, each with its own blocks (1)
 *     -s  bytes of a block (256)
 *     -o  lifo: BLOCKS are allocated, then freed, the youngest first
 *         fifo: BLOCKS stay live, and the oldest is freed for each new one (lifo)
 *     -w  blocks (100)
 *
 * The first byte of each 4 KiB of a block is written.
 */
#include "bench.h"

static const char usage[] = "usage: fixed [-n PAIRS] [-t THREADS] [-s SIZE] [-o lifo|fifo] [-w BLOCKS]\n";

static size_t pairs = 10000000, threads = 1, size = 256, blocks = 100;
static const char *order = "lifo";

static void *work_lifo(void *unused)
{
    (void)unused;
    char **block = bench_map(blocks * sizeof *block);
    for (size_t rounds = pairs / threads / blocks; rounds > 0; rounds--) {
        for (size_t i = 0; i < blocks; i++)
            block[i] = bench_block(size);
        for (size_t i = blocks; i > 0; i--)
            free(block[i - 1]);
    }
    munmap(block, blocks * sizeof *block);
    return NULL;
}

static void *work_fifo(void *unused)
{
    (void)unused;
    char **block = bench_map(blocks * sizeof *block);
    for (size_t rounds = pairs / threads / blocks; rounds > 0; rounds--) {
        for (size_t i = 0; i < blocks; i++) {
            free(block[i]);
            block[i] = bench_block(size);
        }
    }
    for (size_t i = 0; i < blocks; i++)
        free(block[i]);
    munmap(block, blocks * sizeof *block);
    return NULL;
}

int main(int argc, char **argv)
{
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', pairs), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('s', size), BENCH_WORD('o', order), BENCH_NUMBER('w', blocks),
                                            BENCH_END},
                    usage);
    bool fifo = strcmp(order, "fifo") == 0;
    if (threads == 0 || threads > BENCH_THREADS_MAX || blocks == 0 || (!fifo && strcmp(order, "lifo") != 0))
        bench_fail("bad arguments");
    bench_print_allocator();
    double seconds = bench_threads(threads, fifo ? work_fifo : work_lifo, NULL, 0);
    bench_print_result((double)(pairs / threads / blocks * blocks * threads), seconds);
    return 0;
}
