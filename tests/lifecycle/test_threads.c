/* SPDX-License-Identifier: MIT */
/*
 * Threads come and go; what they leave behind is freed by others, and their
 * memory comes back. TEST_THREADS sets how many short-lived threads there are.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { LARGEST = 60000 };

static void start(pthread_t *thread, void *(*function)(void *), void *argument)
{
    pthread_attr_t attributes;

    require(pthread_attr_init(&attributes) == 0);
    require(pthread_attr_setstacksize(&attributes, KIB(256)) == 0);
    require(pthread_create(thread, &attributes, function, argument) == 0);
    require(pthread_attr_destroy(&attributes) == 0);
}

static void run_together(void *(*function)(void *), size_t first, size_t count)
{
    pthread_t thread[64];

    require(count <= 64);
    for (size_t i = 0; i < count; i++)
        start(&thread[i], function, (void *)(first + i));
    for (size_t i = 0; i < count; i++)
        require(pthread_join(thread[i], NULL) == 0);
}

/*
 * Run `count` threads of `function`, four at a time; the memory held after the
 * first part must be all that it ever takes. Measured twice: as it is, where
 * what the last threads left in caches is chance (5 to 20 MiB, the same after
 * 5,000 and after 400,000 threads); and after trimming, where there is no
 * chance, so that a leak of 300 bytes a thread shows.
 */
static void require_no_slope(void *(*function)(void *), size_t count, size_t first_part)
{
    enum { CHANCE = 24 << 20, TRIMMED = TEST_SANITIZED ? 4 << 20 : 1 << 20 };
    size_t early = 0, early_trimmed = 0, late, late_trimmed;

    for (size_t i = 0; i < count; i += 4) {
        run_together(function, i + 1, 4);
        if (i / 4 == first_part / 4) {
            early = footprint();
            malloc_trim(0);
            early_trimmed = footprint();
        }
    }
    late = footprint();
    malloc_trim(0);
    late_trimmed = footprint();
    note("%zu threads: %zu KiB (trimmed %zu) after %zu of them, %zu KiB (trimmed %zu) at the end",
         count, early >> 10, early_trimmed >> 10, first_part, late >> 10, late_trimmed >> 10);
    require_at_most(late, early + CHANCE);
    require_at_most(late_trimmed, early_trimmed + TRIMMED);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static void *short_life(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    void *block[60];

    for (int i = 0; i < 60; i++) {
        size_t size = random_size(&random, LARGEST);
        block[i] = malloc(size);
        require(block[i] != NULL);
        memset(block[i], 1, size);
    }
    for (int i = 0; i < 60; i++)
        free(block[i]);
    return NULL;
}

static void churn(void)
{
    require_no_slope(short_life, setting("TEST_THREADS", 5000), 1000);
}

/* Each thread takes over what an earlier one left and leaves something itself. */
static _Atomic(void *) left[256];

static void *leaving_life(void *argument)
{
    uint64_t random = (uintptr_t)argument;

    for (int i = 0; i < 60; i++) {
        void *block = malloc(random_size(&random, 2000));

        require(block != NULL);
        free(atomic_exchange(&left[random_below(&random, 256)], block));
    }
    return NULL;
}

static void churn_with_blocks_left(void)
{
    require_no_slope(leaving_life, setting("TEST_THREADS", 5000), 1000);
    for (int i = 0; i < 256; i++)
        free(left[i]);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/*
 * Destructors of thread keys run after, before, and between the allocator's
 * own. One key is the first of the process, and enough follow that the last
 * has a number of 32 or more, where pthread_setspecific allocates.
 */
enum {
    KEYS = 40,
    LAST_ROUND = TEST_TSAN ? 3 : 4 /* of PTHREAD_DESTRUCTOR_ITERATIONS; TSan itself ends in 4 */
};
static pthread_key_t key[KEYS];

struct late {
    int round;
    int which;
    void *block[20];
};

static void late_destructor(void *value)
{
    struct late *late = value;

    for (int i = 0; i < 20; i++) {
        free(late->block[i]);
        late->block[i] = malloc((size_t)(i * 97 + late->round * 1000 + 16));
        require(late->block[i] != NULL);
    }
    if (++late->round < LAST_ROUND) {
        require(pthread_setspecific(key[late->which], late) == 0);
        return;
    }
    for (int i = 0; i < 20; i++)
        free(late->block[i]);
    free(late);
}

static void *late_life(void *argument)
{
    static const int used[] = {0, 5, 31, 32, KEYS - 1};

    short_life(argument);
    for (int i = 0; i < 5; i++) {
        struct late *late = calloc(1, sizeof *late);

        require(late != NULL);
        late->which = used[i];
        require(pthread_setspecific(key[used[i]], late) == 0);
    }
    return NULL;
}

static void late_destructors(void)
{
    for (int i = 0; i < KEYS; i++)
        require(pthread_key_create(&key[i], late_destructor) == 0);
    require_no_slope(late_life, setting("TEST_THREADS", 5000) / 2, 500);
}

/* The allocator is first used in a destructor: the thread gets its heap as it dies. */
static void first_use_destructor(void *value)
{
    uintptr_t round = (uintptr_t)value;

    free(malloc(100 * round));
    if (round < LAST_ROUND)
        require(pthread_setspecific(key[0], (void *)(round + 1)) == 0);
}

static void *silent_life(void *argument)
{
    (void)argument;
    require(pthread_setspecific(key[0], (void *)1) == 0);
    return NULL;
}

static void first_use_in_a_destructor(void)
{
    require(pthread_key_create(&key[0], first_use_destructor) == 0);
    require_no_slope(silent_life, setting("TEST_THREADS", 5000) / 2, 500);
}

/* Blocks made in the last round are freed by the main thread. */
static _Atomic(void *) parting[64];

static void parting_destructor(void *value)
{
    uintptr_t round = (uintptr_t)value;

    if (round < LAST_ROUND) {
        require(pthread_setspecific(key[0], (void *)(round + 1)) == 0);
        return;
    }
    for (int i = 0; i < 64; i++) {
        void *block = malloc((size_t)i * 50 + 1);

        require(block != NULL);
        free(atomic_exchange(&parting[i], block));
    }
}

static void blocks_of_the_last_round(void)
{
    require(pthread_key_create(&key[0], parting_destructor) == 0);
    require_no_slope(silent_life, setting("TEST_THREADS", 5000) / 2, 500);
    for (int i = 0; i < 64; i++)
        free(parting[i]);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/* ---- blocks of the dead ---- */

enum { DEAD = 1000, PER_THREAD = 400 };
static void *legacy[DEAD][PER_THREAD];
static size_t legacy_size[DEAD][PER_THREAD];

static void *testator_main(void *argument)
{
    size_t me = (size_t)argument;
    uint64_t random = me + 1;

    for (int i = 0; i < PER_THREAD; i++) {
        size_t size = random_size(&random, 4000);
        void *block = malloc(size);

        require(block != NULL);
        pattern_fill(block, size, me);
        legacy[me][i] = block;
        legacy_size[me][i] = size;
    }
    return NULL;
}

static void *heir_main(void *argument)
{
    size_t part = (size_t)argument;

    for (size_t me = part; me < DEAD; me += 2) {
        for (int i = 0; i < PER_THREAD; i++) {
            void *block = legacy[me][i];
            size_t size = legacy_size[me][i];

            require(pattern_holds(block, size, block, size, me));
            free(block);
        }
    }
    return NULL;
}

static void leave_legacy(void)
{
    for (size_t i = 0; i < DEAD; i += 50)
        run_together(testator_main, i, 50);
}

static void blocks_of_dead_threads(void)
{
    size_t before, held, after;

    run_together(short_life, 1, 50);
    memset(legacy, 0, sizeof legacy); /* our own arrays are resident before */
    memset(legacy_size, 0, sizeof legacy_size);
    malloc_trim(0);
    before = footprint();
    leave_legacy();
    held = footprint();
    run_together(heir_main, 0, 2);
    malloc_trim(0);
    after = footprint();
    note("%d dead threads with blocks: %zu KiB before, %zu held, %zu after", DEAD, before >> 10,
         held >> 10, after >> 10);
    require_at_most(after, before + MIB(8));
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/* New threads take the place of the dead over and over; nothing piles up. */
static void heaps_of_dead_threads_are_used_again(void)
{
    size_t before, first = 0, last, trimmed;
    /*
     * A sanitized build measures what is mapped. A heap that waits for the next thread
     * keeps a slab of each class, and each may be the only one of its SuperSlab.
     */
    size_t chance = TEST_SANITIZED ? MIB(64) : MIB(32);

    memset(legacy, 0, sizeof legacy);
    memset(legacy_size, 0, sizeof legacy_size);
    before = footprint();
    for (int round = 0; round < 4; round++) {
        leave_legacy();
        run_together(heir_main, 0, 2);
        if (round == 0)
            first = footprint();
    }
    last = footprint();
    malloc_trim(0);
    trimmed = footprint();
    note("first round %zu KiB, fourth %zu KiB, trimmed %zu KiB", first >> 10, last >> 10,
         trimmed >> 10);
    /* What is free stays up to 64 MiB, as chance has it; four rounds that pile up would be 600. */
    require_at_most(last, (first > before + MIB(64) ? first : before + MIB(64)) + chance);
    require_at_most(trimmed, before + MIB(4));
}

#ifndef TEST_ON_LIBC
static void heaps_are_counted_and_used_again(void)
{
    struct hakmem_stats stats;

    for (size_t i = 0; i < 400; i += 4)
        run_together(short_life, i + 1, 4);
    require(hakmem_stats_get(&stats, sizeof stats) == 0);
    require_at_most(stats.heaps, 16);
    require_at_most(stats.heaps_alive, 2);
}
#endif

/* ---- one owner, many that free while it dies ---- */

static _Atomic(void *) handed[4096];
static atomic_int owners_left;

static void *dying_owner_main(void *argument)
{
    uint64_t random = (uintptr_t)argument;

    for (int i = 0; i < 3000; i++) {
        void *block = malloc(random_size(&random, 1000));

        require(block != NULL);
        free(atomic_exchange(&handed[random_below(&random, 4096)], block));
    }
    atomic_fetch_sub(&owners_left, 1);
    return NULL;
}

static void *taker_main(void *argument)
{
    uint64_t random = (uintptr_t)argument + 5;

    while (atomic_load(&owners_left) > 0)
        free(atomic_exchange(&handed[random_below(&random, 4096)], NULL));
    return NULL;
}

static void frees_race_with_the_owners_exit(void)
{
    enum { ROUNDS = 100, OWNERS = 6, TAKERS = 2 };
    pthread_t taker[TAKERS];

    atomic_store(&owners_left, ROUNDS * OWNERS);
    for (uintptr_t i = 0; i < TAKERS; i++)
        start(&taker[i], taker_main, (void *)i);
    for (size_t round = 0; round < ROUNDS; round++)
        run_together(dying_owner_main, round * OWNERS + 1, OWNERS);
    for (int i = 0; i < TAKERS; i++)
        require(pthread_join(taker[i], NULL) == 0);
    for (int i = 0; i < 4096; i++)
        free(handed[i]);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static const struct scenario scenarios[] = {
    {"churn", churn},
    {"churn_with_blocks_left", churn_with_blocks_left},
    {"late_destructors", late_destructors},
    {"first_use_in_a_destructor", first_use_in_a_destructor},
    {"blocks_of_the_last_round", blocks_of_the_last_round},
    {"blocks_of_dead_threads", blocks_of_dead_threads},
    {"heaps_of_dead_threads_are_used_again", heaps_of_dead_threads_are_used_again},
#ifndef TEST_ON_LIBC
    {"heaps_are_counted_and_used_again", heaps_are_counted_and_used_again},
#endif
    {"frees_race_with_the_owners_exit", frees_race_with_the_owners_exit},
    {NULL, NULL},
};

static void short_lived_threads_leave_no_memory_behind(void **state)
{
    (void)state;
    assert_scenario_passes("churn");
}

static void threads_that_leave_blocks_to_others_add_no_memory(void **state)
{
    (void)state;
    assert_scenario_passes("churn_with_blocks_left");
}

static void destructors_may_allocate_in_every_round(void **state)
{
    (void)state;
    assert_scenario_passes("late_destructors");
}

static void a_thread_may_use_the_allocator_first_in_a_destructor(void **state)
{
    (void)state;
    assert_scenario_passes("first_use_in_a_destructor");
}

static void blocks_of_the_last_destructor_round_can_be_freed_by_others(void **state)
{
    (void)state;
    assert_scenario_passes("blocks_of_the_last_round");
}

static void memory_of_a_thousand_dead_threads_comes_back(void **state)
{
    (void)state;
    assert_scenario_passes("blocks_of_dead_threads");
}

static void memory_of_dead_threads_serves_new_ones(void **state)
{
    (void)state;
    assert_scenario_passes("heaps_of_dead_threads_are_used_again");
}

#ifndef TEST_ON_LIBC
static void a_new_thread_takes_the_heap_of_a_dead_one(void **state)
{
    (void)state;
    assert_scenario_passes("heaps_are_counted_and_used_again");
}
#endif

static void frees_while_the_owner_dies_lose_nothing(void **state)
{
    (void)state;
    assert_scenario_passes("frees_race_with_the_owners_exit");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_lived_threads_leave_no_memory_behind),
        cmocka_unit_test(threads_that_leave_blocks_to_others_add_no_memory),
        cmocka_unit_test(destructors_may_allocate_in_every_round),
        cmocka_unit_test(a_thread_may_use_the_allocator_first_in_a_destructor),
        cmocka_unit_test(blocks_of_the_last_destructor_round_can_be_freed_by_others),
        cmocka_unit_test(memory_of_a_thousand_dead_threads_comes_back),
        cmocka_unit_test(memory_of_dead_threads_serves_new_ones),
#ifndef TEST_ON_LIBC
        cmocka_unit_test(a_new_thread_takes_the_heap_of_a_dead_one),
#endif
        cmocka_unit_test(frees_while_the_owner_dies_lose_nothing),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
