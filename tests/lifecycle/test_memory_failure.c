/* SPDX-License-Identifier: MIT */
/*
 * Every request for memory from the system fails in turn: the calls of the
 * program return NULL with ENOMEM, nothing crashes, nothing is lost, and once
 * there is memory again all works. Uses the prefixed library in every build,
 * whose os layer can be told to fail.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"
#include "support/support.h"
#include "support/api.h"

/* The n-th call (from 0) to the system that could fail for want of memory, and all later ones. */
enum { POINTS = 60, POINT_STEP = TEST_TSAN ? 5 : 1, BLOCKS = 400 };

static void *block[BLOCKS];
static size_t block_size[BLOCKS];
static size_t refused;

static void keep(int at, void *pointer, size_t size)
{
    if (pointer == NULL) {
        require(errno == ENOMEM);
        refused++;
        return;
    }
    pattern_fill(pointer, size, (uint64_t)at);
    block[at] = pointer;
    block_size[at] = size;
}

static void check_and_free(int at)
{
    if (block[at] != NULL)
        require(pattern_holds(block[at], block_size[at], block[at], block_size[at], (uint64_t)at));
    free(block[at]);
    block[at] = NULL;
}

static void change(int at, size_t size)
{
    void *old = block[at];
    size_t kept = block_size[at] < size ? block_size[at] : size;
    void *moved;

    if (old == NULL)
        return;
    errno = 0;
    moved = realloc(opaque_pointer(old), size);
    if (moved == NULL) {
        require(errno == ENOMEM);
        refused++;
        return; /* the old block is as it was; check_and_free looks */
    }
    require(pattern_holds(moved, kept, old, block_size[at], (uint64_t)at));
    keep(at, moved, size);
}

/* A mix of all calls that reaches every place where memory is asked for. */
static void mixed_calls(uint64_t seed)
{
    uint64_t random = seed;

    for (int i = 0; i < 1200; i++) {
        int at = (int)random_below(&random, BLOCKS);
        size_t size = 1 + random_size(&random, i % 50 == 0 ? MIB(70) : MIB(1));
        void *aligned = NULL;
        int error;

        if (i % 8 == 0) {
            change(at, size);
            continue;
        }
        check_and_free(at);
        errno = 0;
        switch (i % 8) {
        case 1:
            keep(at, calloc(1, size), size);
            break;
        case 2:
            keep(at, memalign((size_t)16 << random_below(&random, 16), size), size);
            break;
        case 3:
            error = posix_memalign(&aligned, 4096, size);
            require((error == 0) == (aligned != NULL));
            require(error == 0 || error == ENOMEM);
            errno = error;
            keep(at, aligned, size);
            break;
        case 4:
            keep(at, pvalloc(size), size);
            break;
        default:
            keep(at, malloc(size), size);
            break;
        }
        if (i % 400 == 0)
            hakmem_trim(0);
    }
}

static void free_all(void)
{
    for (int i = 0; i < BLOCKS; i++)
        check_and_free(i);
}

static void *thread_of_mixed_calls(void *argument)
{
    void *mine[50];

    for (int i = 0; i < 50; i++) {
        errno = 0;
        mine[i] = malloc((size_t)argument * (size_t)i + 1);
        require(mine[i] != NULL || errno == ENOMEM);
        if (mine[i] != NULL)
            memset(mine[i], 1, (size_t)argument * (size_t)i + 1);
    }
    for (int i = 0; i < 50; i++)
        free(mine[i]);
    return NULL;
}

static void run_thread(size_t scale)
{
    pthread_t thread;

    require(pthread_create(&thread, NULL, thread_of_mixed_calls, (void *)scale) == 0);
    require(pthread_join(thread, NULL) == 0);
}

static void require_all_well(void)
{
    os_fail_after(-1);
    free_all();
    for (size_t size = 1; size <= MIB(128); size = size * 2 + 1) {
        void *again = malloc(size);

        require(again != NULL);
        memset(again, 1, TEST_TSAN && size > MIB(1) ? MIB(1) : size); /* its shadow is slow */
        free(again);
    }
    run_thread(5000);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/* The first calls of a process, from the very first mapping on. */
static void first_calls(void)
{
    long point = (long)setting("TEST_POINT", 0);
    void *first;

    os_fail_after(point);
    errno = 0;
    first = malloc(opaque(100));
    require(first != NULL || errno == ENOMEM);
    free(first);
    mixed_calls(1);
    run_thread(100);
    require_all_well();
}

static void calls_of_a_running_process(void)
{
    for (long point = 0; point < POINTS; point += POINT_STEP) {
        refused = 0;
        hakmem_trim(0);
        os_fail_after(point);
        mixed_calls((uint64_t)point + 1);
        require(refused > 0 || point > 0);
        require_all_well();
    }
}

static void live_blocks_survive(void)
{
    mixed_calls(7);
    os_fail_after(0);
    for (int round = 0; round < 20; round++)
        mixed_calls((uint64_t)round + 8);
    require(refused > 0);
    require_all_well();
}

static void starts_of_threads(void)
{
    for (long point = 0; point < 20; point++) {
        pthread_t thread[8];

        hakmem_trim(0);
        os_fail_after(point);
        for (size_t i = 0; i < 8; i++)
            require(pthread_create(&thread[i], NULL, thread_of_mixed_calls,
                                   (void *)(i * 3000 + 10)) == 0);
        for (int i = 0; i < 8; i++)
            require(pthread_join(thread[i], NULL) == 0);
        require_all_well();
    }
}

/* The caches hold memory that a refused call must be served from. */
static void caches_are_given_back_first(void)
{
    enum { COUNT = 2000 };
    static void *span[COUNT];
    int served = 0;

    for (int i = 0; i < COUNT; i++) {
        span[i] = malloc(KIB(32));
        require(span[i] != NULL);
    }
    for (int i = 0; i < COUNT; i++)
        free(span[i]);
    os_fail_after(0);
    for (int i = 0; i < 1000; i++) {
        span[i] = malloc(KIB(32));
        served += span[i] != NULL;
    }
    require(served > 500);
    os_fail_after(-1);
    for (int i = 0; i < 1000; i++)
        free(span[i]);
    require_all_well();
}

/* A program may take for granted that a block can be made smaller. */
static void shrinking(void)
{
    for (size_t from = 64; from <= MIB(80); from *= 3) {
        for (size_t to = 1; to < from; to = to * 5 + 3) {
            void *whole = malloc(from);
            void *part;

            require(whole != NULL);
            pattern_fill(whole, from, 9);
            hakmem_trim(0);
            os_fail_after(0);
            part = realloc(opaque_pointer(whole), to);
            require(part != NULL);
            os_fail_after(-1);
            require(pattern_holds(part, to, whole, from, 9));
            free(part);
        }
    }
    require_all_well();
}

static const struct scenario scenarios[] = {
    {"first_calls", first_calls},
    {"calls_of_a_running_process", calls_of_a_running_process},
    {"live_blocks_survive", live_blocks_survive},
    {"starts_of_threads", starts_of_threads},
    {"caches_are_given_back_first", caches_are_given_back_first},
    {"shrinking", shrinking},
    {NULL, NULL},
};

static void the_first_calls_of_a_process_survive_any_failure(void **state)
{
    char value[32];

    (void)state;
    for (int point = 0; point < 20; point++) {
        snprintf(value, sizeof value, "%d", point);
        assert_int_equal(setenv("TEST_POINT", value, 1), 0);
        assert_scenario_passes("first_calls");
    }
}

static void a_running_process_survives_any_failure(void **state)
{
    (void)state;
    assert_scenario_passes("calls_of_a_running_process");
}

static void live_blocks_keep_their_content(void **state)
{
    (void)state;
    assert_scenario_passes("live_blocks_survive");
}

static void threads_that_cannot_have_a_heap_get_null(void **state)
{
    (void)state;
    assert_scenario_passes("starts_of_threads");
}

static void free_memory_still_serves(void **state)
{
    (void)state;
    assert_scenario_passes("caches_are_given_back_first");
}

static void realloc_to_less_never_fails(void **state)
{
    (void)state;
    assert_scenario_passes("shrinking");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_calls_of_a_process_survive_any_failure),
        cmocka_unit_test(a_running_process_survives_any_failure),
        cmocka_unit_test(live_blocks_keep_their_content),
        cmocka_unit_test(threads_that_cannot_have_a_heap_get_null),
        cmocka_unit_test(free_memory_still_serves),
        cmocka_unit_test(realloc_to_less_never_fails),
    };

    if (argc != 3) /* a scenario makes the first call of its process itself */
        require_allocator();
    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
