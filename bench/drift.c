/* SPDX-License-Identifier: MIT */
/*
 * Memory calls and peak memory while the live set of a process breathes.
 *
 *   drift [-n OPERATIONS] [-t THREADS] [-a LEAST] [-z GREATEST] [-l LOW] [-m MOST] [-b BREATHS] [-x SHARE]
 *     -n  operations (each a malloc or a free), all threads together (10,000,000)
 *     -t  threads (4)
 *     -a  least size (16)   -z  greatest size (64k); as many blocks in each doubling
 *     -l  least live bytes of the process (20M)   -m  most (200M)
 *     -b  times that the live set goes from least to most and back (5)
 *     -x  blocks of a hundred that another thread frees (0)
 *
 * A thread allocates while it is under its share of the live bytes of the
 * moment, else it frees a block at random. Each page of a block is written.
 * bench/compare --syscalls counts the system calls of a run. Under hakmem the
 * statistics of the moment at which most was live are printed as peak_*.
 */
#include "bench.h"

static const char usage[] = "usage: drift [-n OPERATIONS] [-t THREADS] [-a LEAST] [-z GREATEST] [-l LOW] "
                            "[-m MOST] [-b BREATHS] [-x SHARE]\n";

static size_t operations = 10000000, threads = 4, least = 16, greatest = 64 * BENCH_KIB, low = 20 * BENCH_MIB,
              high = 200 * BENCH_MIB, breaths = 5, exchanged = 0;

static struct bench_sizes sizes; /* ascending */

struct item {
    char *block;
    size_t size;
};

/* Where threads leave blocks for each other. */
enum { EXCHANGE = 1024 };
static struct item *_Atomic exchange[EXCHANGE];

struct worker {
    struct bench_random random;
    struct item *item; /* mapped, not malloced: the program's own memory is the same everywhere */
    size_t count, room, live;
    bool first;
};

static void worker_add(struct worker *w)
{
    if (w->count == w->room)
        bench_fail("more live blocks than were foreseen");
    size_t size = sizes.at[bench_below(&w->random, BENCH_SIZES)];
    w->item[w->count++] = (struct item){bench_block(size), size};
    w->live += size;
}

static void worker_remove(struct worker *w)
{
    struct item *chosen = &w->item[bench_below(&w->random, w->count)];
    struct item old = *chosen;
    *chosen = w->item[--w->count];
    w->live -= old.size;
    /* A block's first bytes carry the pointer while it lies in the exchange. */
    if (bench_below(&w->random, 100) < exchanged)
        old.block = (char *)__atomic_exchange_n(&exchange[bench_below(&w->random, EXCHANGE)],
                                                (struct item *)(void *)old.block, __ATOMIC_ACQ_REL);
    free(old.block);
}

static struct hakmem_stats peak; /* first thread only, until it ends */

static void note_peak(void)
{
    struct hakmem_stats now;
    if (bench_stats(&now) && now.live > peak.live)
        peak = now;
}

static size_t target(size_t done, size_t all)
{
    double phase = (double)done * (double)breaths / (double)all;
    phase -= (double)(size_t)phase;
    double height = phase < 0.5 ? 2 * phase : 2 - 2 * phase;
    return (low + (size_t)(height * (double)(high - low))) / threads;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    size_t own = operations / threads;
    size_t goal = 0;
    for (size_t done = 0; done < own; done++) {
        if (done % 64 == 0)
            goal = target(done, own);
        if (w->live < goal)
            worker_add(w);
        else
            worker_remove(w);
        if (w->first && done % (own / 100 + 1) == 0)
            note_peak();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker worker[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', operations), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest),
                                            BENCH_NUMBER('l', low), BENCH_NUMBER('m', high),
                                            BENCH_NUMBER('b', breaths), BENCH_NUMBER('x', exchanged), BENCH_END},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || low > high)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_logarithmic(&sizes, least, greatest);
    for (size_t i = 0; i < threads; i++) {
        worker[i].random.state = i + 1;
        worker[i].room = high / threads / least + 1;
        worker[i].item = bench_map(worker[i].room * sizeof *worker[i].item);
    }
    worker[0].first = true;
    double seconds = bench_threads(threads, work, worker, sizeof worker[0]);
    if (peak.live != 0) {
        printf("peak_mapped_mib %zu\npeak_live_mib %zu\npeak_superslab_mapped_mib %zu\n",
               peak.mapped / BENCH_MIB, peak.live / BENCH_MIB, peak.superslab_mapped / BENCH_MIB);
        printf("peak_superslab_used_mib %zu\npeak_pool_mapped_mib %zu\npeak_pool_used_mib %zu\n",
               peak.superslab_used / BENCH_MIB, peak.pool_mapped / BENCH_MIB, peak.pool_used / BENCH_MIB);
    }
    bench_print_result((double)operations, seconds);
    return 0;
}
