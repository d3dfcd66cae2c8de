/* SPDX-License-Identifier: MIT */
/*
 * Many threads allocate, change, hand over and free blocks of all sizes, and
 * every block is looked at before it is freed: what lies in it must be what was
 * written. Threads come and go meanwhile. At the end the audit is clean.
 *
 *     test_stress                                     the short runs of `make check`
 *     test_stress THREADS SECONDS [LARGEST [SEED]]    one run, as long as wanted; TEST_LOOK_EVERY
 *                                                     sets how often a thread audits and sums up
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { MOST_THREADS = 256, SLOTS = 4096, OWN = 64, HEAD = 16, SELDOM = 70000 };

struct run {
    int threads;
    double seconds;      /* or until `operations`, whichever comes first; 0: no such end */
    uint64_t operations; /* 0: no such end */
    size_t largest;
    uint64_t seed;
    size_t look_every;   /* operations of a thread, on average */
};

/* The head of a block that goes through the shared slots: 16 bytes, then the pattern. */
struct head {
    size_t size; /* of the whole block */
    uint64_t check;
};

struct own {
    unsigned char *block;
    void *origin; /* address at which the pattern was made */
    size_t size;
};

static _Atomic(struct head *) slot[SLOTS];
static struct run run;
static atomic_bool stop;
static _Atomic uint64_t operations_done;
static _Atomic uint64_t lives;

static void check_and_free_head(struct head *head)
{
    size_t size = head->size;

    require(head->check == (size ^ (uintptr_t)head ^ run.seed));
    require(pattern_holds(head + 1, size - HEAD, head + 1, size - HEAD, run.seed));
    head->check = 0;
    free(head);
}

static void share_one(uint64_t *random)
{
    size_t size = HEAD + random_size(random, run.largest);
    struct head *head;

    if (random_below(random, 8) == 0) {
        size_t alignment = (size_t)16 << random_below(random, 9);
        head = memalign(alignment, size);
        require(head == NULL || (uintptr_t)head % alignment == 0);
    } else {
        head = malloc(size);
    }
    require(head != NULL);
    require((uintptr_t)head % 16 == 0);
    head->size = size;
    head->check = size ^ (uintptr_t)head ^ run.seed;
    pattern_fill(head + 1, size - HEAD, run.seed);
    head = atomic_exchange(&slot[random_below(random, SLOTS)], head);
    if (head != NULL)
        check_and_free_head(head);
}

static void fill_own(struct own *own, void *block, size_t size)
{
    require(block != NULL);
    pattern_fill(block, size, run.seed);
    own->block = own->origin = block;
    own->size = size;
}

static void free_own(struct own *own)
{
    if (own->block != NULL)
        require(pattern_holds(own->block, own->size, own->origin, own->size, run.seed));
    free(own->block);
    own->block = NULL;
}

static void resize_own(struct own *own, size_t size)
{
    size_t kept = own->size < size ? own->size : size;
    void *moved;

    if (own->block == NULL)
        return;
    moved = realloc(own->block, size);
    require(moved != NULL);
    require(pattern_holds(moved, kept, own->origin, own->size, run.seed));
    fill_own(own, moved, size);
}

static void zero_own(struct own *own, size_t size)
{
    void *block = calloc(1, size);

    require(block != NULL && all_zero(block, size));
    fill_own(own, block, size);
}

/*
 * Walk over what others work on. No figure is to be trusted meanwhile; there is
 * no crash either, and no race for ThreadSanitizer to find.
 */
static void look_around(uint64_t *random)
{
    switch (random_below(random, 3)) {
    case 0:
        hakmem_audit(-1);
        break;
    case 1:
        (void)mallinfo2();
        break;
    default:
        malloc_trim(0);
        break;
    }
}

static void one_operation(struct own *own, uint64_t *random)
{
    size_t size = 1 + random_size(random, run.largest);

    own += random_below(random, OWN);
    switch (random_below(random, 16)) {
    case 0:
    case 1:
        resize_own(own, size);
        break;
    case 2:
        free_own(own);
        zero_own(own, size);
        break;
    case 3:
        free_own(own);
        break;
    case 4:
    case 5:
    case 6:
        free_own(own);
        fill_own(own, malloc(size), size);
        break;
    default:
        share_one(random);
        break;
    }
    if (random_below(random, run.look_every) == 0)
        look_around(random);
}

static bool is_over(void)
{
    return atomic_load_explicit(&stop, memory_order_relaxed) ||
           (run.operations != 0 && atomic_load(&operations_done) >= run.operations);
}

/* One life of a thread: a few hundred or many thousand operations. */
static void *life_main(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    uint64_t left = (uint64_t)1 << random_below(&random, 17);
    struct own own[OWN] = {{NULL, NULL, 0}};

    for (uint64_t done = 0; done < left && !is_over();) {
        for (int i = 0; i < 64; i++)
            one_operation(own, &random);
        done += 64;
        atomic_fetch_add_explicit(&operations_done, 64, memory_order_relaxed);
    }
    for (int i = 0; i < OWN; i++)
        free_own(&own[i]);
    atomic_fetch_add(&lives, 1);
    return NULL;
}

/* Keeps one place filled with a thread; several generations, one after the other. */
static void *place_main(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;

    while (!is_over()) {
        pthread_t life;
        uint64_t seed = random_next(&random) | 1;

        require(pthread_create(&life, NULL, life_main, (void *)(uintptr_t)seed) == 0);
        require(pthread_join(life, NULL) == 0);
    }
    return NULL;
}

static void stress(void)
{
    pthread_t place[MOST_THREADS];
    uint64_t random = run.seed;

    require(run.threads >= 1 && run.threads <= MOST_THREADS);
    atomic_store(&stop, false);
    note("%d threads, sizes to %zu, seed %llu", run.threads, run.largest,
         (unsigned long long)run.seed);
    for (int i = 0; i < run.threads; i++) {
        uintptr_t seed = (uintptr_t)random_next(&random) | 1;

        require(pthread_create(&place[i], NULL, place_main, (void *)seed) == 0);
    }
    if (run.seconds > 0) {
        struct timespec rest = {(time_t)run.seconds,
                                (long)((run.seconds - (double)(time_t)run.seconds) * 1e9)};
        while (nanosleep(&rest, &rest) != 0)
            require(errno == EINTR);
        atomic_store(&stop, true);
    }
    for (int i = 0; i < run.threads; i++)
        require(pthread_join(place[i], NULL) == 0);
    for (int i = 0; i < SLOTS; i++) {
        struct head *head = atomic_exchange(&slot[i], NULL);

        if (head != NULL)
            check_and_free_head(head);
    }
    note("%llu operations in %llu threads", (unsigned long long)atomic_load(&operations_done),
         (unsigned long long)atomic_load(&lives));
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static void run_operations(int threads, uint64_t operations, size_t largest, size_t look_every)
{
    run = (struct run){.threads = threads,
                       .operations = TEST_SANITIZED ? operations / 10 : operations,
                       .largest = largest,
                       .look_every = look_every,
                       .seed = setting("TEST_SEED", 20240607)};
    stress();
}

static void small_sizes(void)
{
    run_operations(4, 2000000, 1000, SELDOM);
}

static void pool_sizes(void)
{
    run_operations(4, 300000, 64000, SELDOM);
}

static void all_sizes(void)
{
    run_operations(4, TEST_TSAN ? 50000 : 100000, MIB(4), SELDOM);
}

static void looks_at_each_other(void)
{
    run_operations(4, 200000, 64000, 200);
}

static void many_threads_on_two_cores(void)
{
    cpu_set_t set, two;
    int taken = 0;

    require(sched_getaffinity(0, sizeof set, &set) == 0);
    CPU_ZERO(&two);
    for (int cpu = 0; cpu < CPU_SETSIZE && taken < 2; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            CPU_SET(cpu, &two);
            taken++;
        }
    }
    require(sched_setaffinity(0, sizeof two, &two) == 0);
    run_operations(16, 1000000, 20000, SELDOM);
}

static const struct scenario scenarios[] = {
    {"small_sizes", small_sizes},
    {"pool_sizes", pool_sizes},
    {"all_sizes", all_sizes},
    {"looks_at_each_other", looks_at_each_other},
    {"many_threads_on_two_cores", many_threads_on_two_cores},
    {NULL, NULL},
};

static void content_is_kept_in_small_sizes(void **state)
{
    (void)state;
    assert_scenario_passes("small_sizes");
}

static void content_is_kept_in_pool_sizes(void **state)
{
    (void)state;
    assert_scenario_passes("pool_sizes");
}

static void content_is_kept_in_all_sizes(void **state)
{
    (void)state;
    assert_scenario_passes("all_sizes");
}

static void content_is_kept_while_threads_look_at_each_others_heaps(void **state)
{
    (void)state;
    assert_scenario_passes("looks_at_each_other");
}

static void content_is_kept_with_sixteen_threads_on_two_cores(void **state)
{
    (void)state;
    assert_scenario_passes("many_threads_on_two_cores");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_kept_in_small_sizes),
        cmocka_unit_test(content_is_kept_in_pool_sizes),
        cmocka_unit_test(content_is_kept_in_all_sizes),
        cmocka_unit_test(content_is_kept_while_threads_look_at_each_others_heaps),
        cmocka_unit_test(content_is_kept_with_sixteen_threads_on_two_cores),
    };

    scenario_dispatch(argc, argv, scenarios);
    if (argc >= 3) {
        run = (struct run){
            .threads = atoi(argv[1]),
            .seconds = strtod(argv[2], NULL),
            .largest = argc > 3 ? strtoul(argv[3], NULL, 10) : MIB(1),
            .look_every = setting("TEST_LOOK_EVERY", SELDOM),
            .seed = argc > 4 ? strtoull(argv[4], NULL, 10) : (uint64_t)time(NULL) * getpid(),
        };
        stress();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
