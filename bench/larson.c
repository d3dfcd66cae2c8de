/* SPDX-License-Identifier: MIT */
/*
 * A server whose blocks outlive their threads, after Larson and Krishnan: a
 * thread replaces blocks at random in an array, then dies and leaves the array
 * to a new thread, which frees its predecessor's blocks.
 *
 *   larson [-n OPERATIONS] [-t THREADS] [-w BLOCKS] [-g GENERATION] [-a LEAST] [-z GREATEST]
 *     -n  operations (each a free and a malloc), all threads together (20,000,000)
 *     -t  threads at the same time (4)
 *     -w  blocks in an array (1,000)
 *     -g  operations of one thread's life (100,000)
 *     -a  least size (8)   -z  greatest size (1,000); uniform
 */
#include "bench.h"

static const char usage[] = "usage: larson [-n OPERATIONS] [-t THREADS] [-w BLOCKS] [-g GENERATION] [-a LEAST] "
                            "[-z GREATEST]\n";

static size_t operations = 20000000, threads = 4, blocks = 1000, generation = 100000, least = 8, greatest = 1000;

static struct bench_sizes sizes;

/* An array of blocks, handed from thread to thread. */
struct line {
    struct bench_random random;
    char **block;
    size_t left; /* operations */
};

static void *live(void *argument)
{
    struct line *line = argument;
    struct bench_random r = line->random;
    size_t own = line->left < generation ? line->left : generation;
    for (size_t i = 0; i < own; i++) {
        char **at = &line->block[bench_below(&r, blocks)];
        free(*at);
        *at = bench_block(sizes.at[i % BENCH_SIZES]);
    }
    line->random = r;
    line->left -= own;
    return NULL;
}

/* Starts the threads of one line, one after the other. */
static void *run_line(void *argument)
{
    struct line *line = argument;
    while (line->left > 0) {
        pthread_t thread;
        bench_thread_start(&thread, live, line);
        pthread_join(thread, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct line line[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', operations), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('w', blocks), BENCH_NUMBER('g', generation),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || blocks == 0 || generation == 0)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_uniform(&sizes, least, greatest, 1);
    /* The main thread makes the first blocks. */
    for (size_t i = 0; i < threads; i++) {
        line[i].random.state = i + 1;
        line[i].left = operations / threads;
        line[i].block = bench_map(blocks * sizeof *line[i].block);
        for (size_t j = 0; j < blocks; j++)
            line[i].block[j] = bench_block(sizes.at[j % BENCH_SIZES]);
    }
    double seconds = bench_threads(threads, run_line, line, sizeof line[0]);
    bench_print_result((double)operations, seconds);
    return 0;
}
