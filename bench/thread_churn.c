/* SPDX-License-Identifier: MIT */
/*
 * Threads that live shortly: each frees what its predecessor left, allocates,
 * frees a part, and dies. Where larson measures the calls, this measures what an
 * allocator does for the birth and the death of a thread.
 *
 *   thread_churn [-n THREADS] [-t LANES] [-b BLOCKS] [-k KEEP] [-a LEAST] [-z GREATEST]
 *     -n  threads (20,000)
 *     -t  lanes: threads that live at the same time (4)
 *     -b  blocks that a thread allocates (100)
 *     -k  blocks of a hundred that it leaves to its successor in the lane (50)
 *     -a  least size (16)   -z  greatest size (2k); as many blocks in each doubling
 *
 * An operation is the life of one thread.
 */
#include "bench.h"

static const char usage[] = "usage: thread_churn [-n THREADS] [-t LANES] [-b BLOCKS] [-k KEEP] [-a LEAST] "
                            "[-z GREATEST]\n";

static size_t threads = 20000, lanes = 4, blocks = 100, keep = 50, least = 16, greatest = 2048;

static struct bench_sizes sizes; /* ascending */

struct lane {
    struct bench_random random;
    char **block; /* what the last thread left */
    size_t left;
};

static void *live(void *argument)
{
    struct lane *lane = argument;
    struct bench_random r = lane->random;
    for (size_t i = 0; i < lane->left; i++)
        free(lane->block[i]);
    lane->left = 0;
    for (size_t i = 0; i < blocks; i++) {
        char *p = bench_block(sizes.at[bench_below(&r, BENCH_SIZES)]);
        if (bench_below(&r, 100) < keep)
            lane->block[lane->left++] = p;
        else
            free(p);
    }
    lane->random = r;
    return NULL;
}

static void *run_lane(void *argument)
{
    struct lane *lane = argument;
    for (size_t n = threads / lanes; n > 0; n--) {
        pthread_t thread;
        bench_thread_start(&thread, live, lane);
        pthread_join(thread, NULL);
    }
    for (size_t i = 0; i < lane->left; i++)
        free(lane->block[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    static struct lane lane[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', threads), BENCH_NUMBER('t', lanes),
                                            BENCH_NUMBER('b', blocks), BENCH_NUMBER('k', keep),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    if (lanes == 0 || lanes > BENCH_THREADS_MAX)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_logarithmic(&sizes, least, greatest);
    for (size_t i = 0; i < lanes; i++) {
        lane[i].random.state = i + 1;
        lane[i].block = bench_map(blocks * sizeof *lane[i].block);
    }
    double seconds = bench_threads(lanes, run_lane, lane, sizeof lane[0]);
    bench_print_result((double)(threads / lanes * lanes), seconds);
    return 0;
}
