/* SPDX-License-Identifier: MIT */
/*
 * A server by the lifetimes of its blocks: those of a request die with it,
 * sessions live for thousands of requests, a cache entry until it is chosen to
 * make room. The sizes drift, so that what one hour left does not fit the next.
 *
 *   mixed_lifetime [-n REQUESTS] [-t THREADS] [-r BLOCKS] [-s SESSIONS] [-l CACHE] [-c CYCLES]
 *     -n  requests, all threads together (400,000)
 *     -t  threads, each with its sessions and its share of the cache (4)
 *     -r  blocks of a request (30), 16 to 4k bytes
 *     -s  sessions of a thread (2,000), 64 to 8k bytes; a request replaces the oldest
 *     -l  bytes of the cache, all threads together (64M), blocks of 64 bytes to 32k; every second
 *         request adds an entry and drops others at random until there is room; one of eight
 *         entries that is dropped was made by another thread
 *     -c  times that the sizes drift from small to large and back (4)
 *
 * Prints peak_kib as all programs do, and resident_kib at the end, with sessions
 * and cache still live: live_kib is what was requested for these.
 */
#include "bench.h"

static const char usage[] = "usage: mixed_lifetime [-n REQUESTS] [-t THREADS] [-r BLOCKS] [-s SESSIONS] [-l CACHE] "
                            "[-c CYCLES]\n";

static size_t requests = 400000, threads = 4, request_blocks = 30, sessions = 2000, cache = 64 * BENCH_MIB, cycles = 4;

enum { DRIFT = BENCH_SIZES / 4 }; /* the part of a table that sizes come from at one time */
static struct bench_sizes request_sizes, session_sizes, cache_sizes; /* ascending */

struct entry {
    char *block;
    size_t size;
};

/* A place where threads leave cache entries for each other. */
enum { EXCHANGE = 256 };
static char *exchange[EXCHANGE];

struct worker {
    struct bench_random random;
    char **request;
    struct entry *session;
    size_t oldest;
    struct entry *entry; /* the thread's share of the cache */
    size_t count, live;
    size_t live_end;
};

/* Where in its table a size comes from when `done` of `all` requests are served. */
static size_t drift_start(size_t done, size_t all)
{
    size_t phase = done * 2 * cycles % (2 * all);
    size_t up = phase < all ? phase : 2 * all - 1 - phase;
    return (size_t)((double)(BENCH_SIZES - DRIFT) * (double)up / (double)all);
}

static size_t draw(struct worker *w, const struct bench_sizes *sizes, size_t start)
{
    return sizes->at[start + bench_below(&w->random, DRIFT)];
}

static void cache_drop(struct worker *w)
{
    struct entry *chosen = &w->entry[bench_below(&w->random, w->count)];
    struct entry old = *chosen;
    *chosen = w->entry[--w->count];
    w->live -= old.size;
    if (bench_below(&w->random, 8) == 0)
        old.block = __atomic_exchange_n(&exchange[bench_below(&w->random, EXCHANGE)], old.block, __ATOMIC_ACQ_REL);
    free(old.block);
}

static void cache_add(struct worker *w, size_t size)
{
    while (w->count > 0 && w->live + size > cache / threads)
        cache_drop(w);
    w->entry[w->count++] = (struct entry){bench_block(size), size};
    w->live += size;
}

static void serve(struct worker *w, size_t n, size_t start)
{
    for (size_t i = 0; i < request_blocks; i++)
        w->request[i] = bench_block(draw(w, &request_sizes, start));
    struct entry *s = &w->session[w->oldest++ % sessions];
    free(s->block);
    s->size = draw(w, &session_sizes, start);
    s->block = bench_block(s->size);
    if (n % 2 == 0)
        cache_add(w, draw(w, &cache_sizes, start));
    for (size_t i = 0; i < request_blocks; i++)
        free(w->request[i]);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    size_t own = requests / threads;
    for (size_t n = 0; n < own; n++)
        serve(w, n, drift_start(n, own));
    w->live_end = w->live;
    for (size_t i = 0; i < sessions; i++)
        w->live_end += w->session[i].size;
    return NULL;
}

int main(int argc, char **argv)
{
    static struct worker worker[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', requests), BENCH_NUMBER('t', threads),
                                            BENCH_NUMBER('r', request_blocks), BENCH_NUMBER('s', sessions),
                                            BENCH_NUMBER('l', cache), BENCH_NUMBER('c', cycles), BENCH_END},
                    usage);
    if (threads == 0 || threads > BENCH_THREADS_MAX || sessions == 0 || requests < threads)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_logarithmic(&request_sizes, 16, 4096);
    bench_sizes_logarithmic(&session_sizes, 64, 8192);
    bench_sizes_logarithmic(&cache_sizes, 64, 32768);
    for (size_t i = 0; i < threads; i++) {
        struct worker *w = &worker[i];
        w->random.state = i + 1;
        w->request = bench_map(request_blocks * sizeof *w->request);
        w->session = bench_map(sessions * sizeof *w->session);
        w->entry = bench_map((cache / threads / 64 + 1) * sizeof *w->entry);
    }
    double seconds = bench_threads(threads, work, worker, sizeof worker[0]);
    size_t live = 0;
    for (size_t i = 0; i < threads; i++)
        live += worker[i].live_end;
    printf("live_kib %zu\n", live / BENCH_KIB);
    bench_print_result((double)requests, seconds);
    return 0;
}
