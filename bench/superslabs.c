/* SPDX-License-Identifier: MIT */
/*
 * How tightly small blocks of many sizes are packed, and whether they stay so
 * when blocks are replaced at random while the sizes drift.
 *
 *   superslabs [-n REPLACEMENTS] [-l LIVE] [-a LEAST] [-z GREATEST] [-w WIDTH] [-c CYCLES] [-t THREADS]
 *     -n  replacements, all threads together (10,000,000)
 *     -l  bytes that are kept live, counted in block sizes (100M)
 *     -a  least size (16)   -z  greatest size (8k); as many blocks in each doubling
 *     -w  width of the part of that range (in hundredths of its logarithm) that the
 *         sizes of the replacements come from (100: no drift)
 *     -c  times that this part moves from the least sizes to the greatest and back (4)
 *     -t  threads (1), each with its share
 *
 * Prints the state after filling (filled_*) and after the replacements
 * (replaced_*): resident memory without the program's own, and under hakmem
 * the SuperSlabs that are mapped and their greatest number on the way.
 */
#include <malloc.h>

#include "bench.h"

static const char usage[] = "usage: superslabs [-n REPLACEMENTS] [-l LIVE] [-a LEAST] [-z GREATEST] "
                            "[-w WIDTH] [-c CYCLES] [-t THREADS]\n";

static size_t replacements = 10000000, live_target = 100 * BENCH_MIB, least = 16, greatest = 8192,
              width = 100, cycles = 4, threads = 1;

static struct bench_sizes sizes; /* ascending */
static pthread_barrier_t filled, measured;
static size_t baseline_kib;

struct worker {
    struct bench_random random;
    char **block; /* mapped, not malloced: as many as could be live */
    size_t count, most;
    size_t live;
    size_t greatest_mapped;
};

static size_t worker_target(void)
{
    return live_target / threads;
}

static void worker_add(struct worker *w, size_t size)
{
    char *p = bench_block(size);
    w->live += malloc_usable_size(p);
    w->block[w->count++] = p;
    if (w->count > w->most)
        w->most = w->count;
}

static void worker_remove(struct worker *w)
{
    size_t i = bench_below(&w->random, w->count);
    char *p = w->block[i];
    w->block[i] = w->block[--w->count];
    w->live -= malloc_usable_size(p);
    free(p);
}

/* The size of the next block when `part` of 2^16 of the replacements are done. */
static size_t drifting_size(struct worker *w, size_t part)
{
    size_t phase = part * 2 * cycles % (2 * BENCH_SIZES);
    size_t up = phase < BENCH_SIZES ? phase : 2 * BENCH_SIZES - 1 - phase;
    size_t part_length = BENCH_SIZES * width / 100;
    return sizes.at[(BENCH_SIZES - part_length) * up / BENCH_SIZES + bench_below(&w->random, part_length)];
}

static void note_mapped(struct worker *w)
{
    struct hakmem_stats stats;
    if (bench_stats(&stats) && stats.superslab_mapped > w->greatest_mapped)
        w->greatest_mapped = stats.superslab_mapped;
}

static void *work(void *argument)
{
    struct worker *w = argument;
    size_t own = replacements / threads;
    while (w->live < worker_target())
        worker_add(w, sizes.at[bench_below(&w->random, BENCH_SIZES)]);
    pthread_barrier_wait(&filled);
    pthread_barrier_wait(&measured);
    for (size_t done = 0; done < own;) {
        if (w->live >= worker_target()) {
            worker_remove(w);
            continue;
        }
        worker_add(w, drifting_size(w, done * BENCH_SIZES / own));
        if (++done % (own / 100 + 1) == 0)
            note_mapped(w);
    }
    pthread_barrier_wait(&filled);
    pthread_barrier_wait(&measured);
    return NULL;
}

static void print_state(const char *when, const struct worker *w)
{
    struct hakmem_stats stats;
    size_t live = 0, own = 0, blocks = 0;
    for (size_t i = 0; i < threads; i++) {
        live += w[i].live;
        blocks += w[i].count;
        own += w[i].most * sizeof(char *);
    }
    size_t kib = bench_status_kib("VmRSS") - baseline_kib - own / BENCH_KIB;
    printf("%s_live_mib %.1f\n%s_blocks %zu\n%s_resident_mib %.1f\n", when, (double)live / BENCH_MIB, when,
           blocks, when, (double)kib / 1024);
    if (bench_stats(&stats)) {
        printf("%s_superslab_mapped_mib %zu\n", when, stats.superslab_mapped / BENCH_MIB);
        printf("%s_superslab_used_mib %.1f\n", when, (double)stats.superslab_used / BENCH_MIB);
        printf("%s_superslabs_empty %zu\n", when, stats.superslabs_empty);
    }
}

int main(int argc, char **argv)
{
    static struct worker worker[BENCH_THREADS_MAX];
    static pthread_t thread[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', replacements), BENCH_NUMBER('l', live_target),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest),
                                            BENCH_NUMBER('w', width), BENCH_NUMBER('c', cycles),
                                            BENCH_NUMBER('t', threads), BENCH_END},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || width == 0 || width > 100)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_logarithmic(&sizes, least, greatest);
    pthread_barrier_init(&filled, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&measured, NULL, (unsigned)threads + 1);
    baseline_kib = bench_status_kib("VmRSS");
    for (size_t i = 0; i < threads; i++) {
        size_t bytes = (worker_target() / least + 1) * sizeof(char *);
        worker[i].random.state = i + 1;
        worker[i].block = bench_map(bytes);
        bench_thread_start(&thread[i], work, &worker[i]);
    }
    pthread_barrier_wait(&filled);
    print_state("filled", worker);
    double start = bench_seconds();
    pthread_barrier_wait(&measured);
    pthread_barrier_wait(&filled);
    double seconds = bench_seconds() - start;
    print_state("replaced", worker);
    size_t greatest_mapped = 0;
    for (size_t i = 0; i < threads; i++) {
        if (worker[i].greatest_mapped > greatest_mapped)
            greatest_mapped = worker[i].greatest_mapped;
    }
    if (greatest_mapped != 0)
        printf("greatest_superslab_mapped_mib %zu\n", greatest_mapped / BENCH_MIB);
    pthread_barrier_wait(&measured);
    for (size_t i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    bench_print_result((double)replacements, seconds);
    return 0;
}
