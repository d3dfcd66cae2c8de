/* SPDX-License-Identifier: MIT */
/*
 * Random slots: an operation chooses a slot; it frees the block that is there,
 * or fills the empty slot with a block of a random size.
 *
 *   random_mixed [-n OPERATIONS] [-t THREADS] [-w SLOTS] [-a LEAST] [-z GREATEST]
 *     -n  operations (each a malloc or a free), all threads together (10,000,000)
 *     -t  threads (1), each with its own slots
 *     -w  slots of a thread (256)
 *     -a  least size (16)   -z  greatest size (1k); uniform
 *
 * The first byte of each 4 KiB of a block is written.
 */
#include "bench.h"

static const char usage[] = "usage: random_mixed [-n OPERATIONS] [-t THREADS] [-w SLOTS] [-a LEAST] [-z GREATEST]\n";

static size_t operations = 10000000, threads = 1, slots = 256, least = 16, greatest = 1024;

static struct bench_sizes sizes;

static void *work(void *argument)
{
    struct bench_random r = {*(size_t *)argument};
    char **slot = calloc(slots, sizeof *slot);
    if (slot == NULL)
        bench_fail("out of memory");
    for (size_t i = operations / threads; i > 0; i--) {
        char **at = &slot[bench_below(&r, slots)];
        if (*at != NULL) {
            free(*at);
            *at = NULL;
        } else {
            *at = bench_block(sizes.at[i % BENCH_SIZES]);
        }
    }
    for (size_t i = 0; i < slots; i++)
        free(slot[i]);
    free(slot);
    return NULL;
}

int main(int argc, char **argv)
{
    static size_t seed[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){{'n', &operations}, {'t', &threads}, {'w', &slots}, {'a', &least},
                                            {'z', &greatest}, {0}},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || slots == 0)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_uniform(&sizes, least, greatest, 1);
    for (size_t i = 0; i < threads; i++)
        seed[i] = i + 1;
    double seconds = bench_threads(threads, work, seed, sizeof seed[0]);
    bench_print_result((double)operations, seconds);
    return 0;
}
