/* SPDX-License-Identifier: MIT */
/*
 * Random slots: an operation chooses a slot; it frees the block that is there,
 * or fills the empty slot with a block of a random size.
 *
 *   random_mixed | mid_large_mt | pool
 *       [-n OPERATIONS] [-t THREADS] [-w SLOTS] [-d SIZES] [-a LEAST] [-z GREATEST]
 *     -n  operations (each a malloc or a free), all threads together (10,000,000)
 *     -t  threads, each with its own slots (1; mid_large_mt 4)
 *     -w  slots of a thread (256; mid_large_mt and pool 64)
 *     -d  uniform, from -a to -z, or server: most blocks small, some up to 64 KiB (uniform)
 *     -a  least size (16; mid_large_mt and pool 8k)
 *     -z  greatest size (1k; mid_large_mt 32k, pool 52k)
 *
 * The three programs are this one source with other defaults. The first byte of
 * each 4 KiB of a block is written.
 */
#include "bench.h"

#if defined(BENCH_MID_LARGE_MT)
enum { THREADS = 4, SLOTS = 64, LEAST = 8 << 10, GREATEST = 32 << 10 };
#elif defined(BENCH_POOL)
enum { THREADS = 1, SLOTS = 64, LEAST = 8 << 10, GREATEST = 52 << 10 };
#else
enum { THREADS = 1, SLOTS = 256, LEAST = 16, GREATEST = 1024 };
#endif

static const char usage[] = "usage: random_mixed|mid_large_mt|pool [-n OPERATIONS] [-t THREADS] [-w SLOTS] "
                            "[-d uniform|server] [-a LEAST] [-z GREATEST]\n";

static size_t operations = 10000000, threads = THREADS, slots = SLOTS, least = LEAST, greatest = GREATEST;
static const char *distribution = "uniform";

static struct bench_sizes sizes;

static void *work(void *argument)
{
    struct bench_random r = {*(size_t *)argument};
    char **slot = bench_map(slots * sizeof *slot);
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
    munmap(slot, slots * sizeof *slot);
    return NULL;
}

int main(int argc, char **argv)
{
    static size_t seed[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', operations), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('w', slots), BENCH_WORD('d', distribution),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    bool server = strcmp(distribution, "server") == 0;
    if (threads == 0 || threads > BENCH_THREADS_MAX || slots == 0 || least > greatest ||
        (!server && strcmp(distribution, "uniform") != 0))
        bench_fail("bad arguments");
    bench_print_allocator();
    if (server)
        bench_sizes_server(&sizes, 1);
    else
        bench_sizes_uniform(&sizes, least, greatest, 1);
    for (size_t i = 0; i < threads; i++)
        seed[i] = i + 1;
    double seconds = bench_threads(threads, work, seed, sizeof seed[0]);
    bench_print_result((double)operations, seconds);
    return 0;
}
