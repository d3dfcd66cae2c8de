/* SPDX-License-Identifier: MIT */
/*
 * Buffers that grow while others grow beside them, as strings and vectors do.
 *
 *   realloc_growth [-n REALLOCS] [-t THREADS] [-w BUFFERS] [-g GROWTH] [-a LEAST] [-z GREATEST]
 *     -n  reallocs, all threads together (50,000)
 *     -t  threads (1)
 *     -w  buffers of a thread, one at random grows at a time (16)
 *     -g  size after one growth, in hundredths of the size before (150)
 *     -a  size that a buffer begins with (32)
 *     -z  size from which on it is freed and begins anew (4M)
 *
 * The new part of a buffer is written, a byte of each 4 KiB. The old part's
 * first and last bytes are compared with what was written there.
 */
#include "bench.h"

static const char usage[] = "usage: realloc_growth [-n REALLOCS] [-t THREADS] [-w BUFFERS] [-g GROWTH] [-a LEAST] "
                            "[-z GREATEST]\n";

static size_t reallocs = 50000, threads = 1, buffers = 16, growth = 150, least = 32, greatest = 4 * BENCH_MIB;

struct buffer {
    char *block;
    size_t size;
};

static void buffer_grow(struct buffer *b)
{
    size_t size = b->size == 0 ? least : b->size * growth / 100 + 1;
    if (size > greatest) {
        free(b->block);
        *b = (struct buffer){NULL, 0};
        size = least;
    }
    char *p = realloc(b->block, size);
    if (p == NULL)
        bench_fail("out of memory");
    if (b->size != 0 && (p[0] != 'a' || p[b->size - 1] != 'z'))
        bench_fail("realloc lost what was in the block");
    bench_touch(p, b->size, size);
    p[0] = 'a';
    p[size - 1] = 'z';
    *b = (struct buffer){p, size};
}

static void *work(void *argument)
{
    struct bench_random r = {*(size_t *)argument};
    struct buffer *buffer = bench_map(buffers * sizeof *buffer);
    for (size_t n = reallocs / threads; n > 0; n--)
        buffer_grow(&buffer[bench_below(&r, buffers)]);
    for (size_t i = 0; i < buffers; i++)
        free(buffer[i].block);
    munmap(buffer, buffers * sizeof *buffer);
    return NULL;
}

int main(int argc, char **argv)
{
    static size_t seed[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', reallocs), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('w', buffers), BENCH_NUMBER('g', growth),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || buffers == 0 || growth < 100 || least < 2 || least > greatest)
        bench_fail("bad arguments");
    bench_print_allocator();
    for (size_t i = 0; i < threads; i++)
        seed[i] = i + 1;
    double seconds = bench_threads(threads, work, seed, sizeof seed[0]);
    bench_print_result((double)reallocs, seconds);
    return 0;
}
