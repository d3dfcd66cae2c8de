/* SPDX-License-Identifier: MIT */
/* Limits that the administrator set: RLIMIT_AS, and a kernel that does not overcommit. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

static void limit_address_space(size_t bytes)
{
    struct rlimit limit;

    require(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = bytes == 0 ? limit.rlim_max : bytes;
    require(setrlimit(RLIMIT_AS, &limit) == 0);
}

/* A chain through the blocks themselves, so that the test needs no other memory. */
struct link {
    struct link *next;
};

static size_t take_until_null(struct link **chain, size_t size)
{
    size_t count = 0;

    for (;;) {
        struct link *link;

        errno = 0;
        link = malloc(size);
        if (link == NULL) {
            require(errno == ENOMEM);
            return count;
        }
        memset(link, 1, size < 4096 ? size : 4096);
        link->next = *chain;
        *chain = link;
        count++;
    }
}

static void give_back(struct link **chain)
{
    while (*chain != NULL) {
        struct link *next = (*chain)->next;

        free(*chain);
        *chain = next;
    }
}

enum { ROOM = 96 << 20 };

static void exhausted_and_used_again(void)
{
    static const size_t sizes[] = {16, 64, 1000, 5000, 20000, 60000, 200000, 1 << 20, 5 << 20};
    struct link *chain = NULL;

    limit_address_space(status_bytes("VmSize") + ROOM);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t first = take_until_null(&chain, sizes[i]);
        size_t second;

        require(first * sizes[i] >= ROOM / 2); /* what was asked for could be had */
        give_back(&chain);
        second = take_until_null(&chain, sizes[i]);
        note("%zu bytes: %zu blocks, then %zu", sizes[i], first, second);
        require(second >= first - first / 10);
        give_back(&chain);
    }
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static void other_calls_are_refused_too(void)
{
    struct link *chain = NULL;
    void *grown = malloc(MIB(5));
    void *aligned = &aligned;

    require(grown != NULL);
    pattern_fill(grown, MIB(5), 1);
    limit_address_space(status_bytes("VmSize") + ROOM);
    take_until_null(&chain, 1 << 20);
    errno = 0;
    require(realloc(opaque_pointer(grown), MIB(200)) == NULL && errno == ENOMEM);
    require(pattern_holds(grown, MIB(5), grown, MIB(5), 1));
    errno = 0;
    require(calloc(opaque(1), MIB(200)) == NULL && errno == ENOMEM);
    require(posix_memalign(&aligned, 4096, MIB(200)) == ENOMEM && aligned == &aligned);
    errno = 0;
    require(pvalloc(MIB(200)) == NULL && errno == ENOMEM);
    give_back(&chain);
    free(grown);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/* A whole program under a small limit, as `ulimit -v` sets it before the start. */
static void small_program(void)
{
    struct link *chain = NULL;
    size_t count = take_until_null(&chain, 1000);

    require(count * 1000 >= MIB(10));
    give_back(&chain);
    require(take_until_null(&chain, 1000) >= count - count / 10);
    give_back(&chain);
}

static pthread_barrier_t barrier;
static void *from_main[16][100];

static void *starved_main(void *argument)
{
    size_t me = (size_t)argument;
    void *mine[200];

    pthread_barrier_wait(&barrier); /* the stacks are there */
    pthread_barrier_wait(&barrier); /* and now all memory is taken */
    for (size_t i = 0; i < 200; i++) {
        size_t size = 1 + i * i;

        errno = 0;
        mine[i] = malloc(size);
        require(mine[i] != NULL || errno == ENOMEM);
        if (mine[i] != NULL)
            memset(mine[i], 1, size);
    }
    for (int i = 0; i < 200; i++)
        free(mine[i]);
    for (int i = 0; i < 100; i++)
        free(from_main[me][i]);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* memory is there again */
    for (size_t i = 0; i < 200; i++) {
        mine[i] = malloc(1 + i * i);
        require(mine[i] != NULL);
    }
    for (int i = 0; i < 200; i++)
        free(mine[i]);
    return NULL;
}

static void threads_without_room_for_a_heap(void)
{
    pthread_t thread[16];
    struct link *chain = NULL;

    require(pthread_barrier_init(&barrier, NULL, 17) == 0);
    for (int t = 0; t < 16; t++)
        for (int i = 0; i < 100; i++)
            from_main[t][i] = malloc((size_t)i * 300 + 1);
    for (size_t i = 0; i < 16; i++)
        require(pthread_create(&thread[i], NULL, starved_main, (void *)i) == 0);
    pthread_barrier_wait(&barrier);
    limit_address_space(status_bytes("VmSize"));
    for (size_t size = MIB(1); size >= 16; size /= 4)
        take_until_null(&chain, size);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    limit_address_space(0);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 16; i++)
        require(pthread_join(thread[i], NULL) == 0);
    give_back(&chain);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/*
 * A kernel that does not overcommit counts private writable mappings
 * (VmData), touched or not. A small program must not need much of that.
 */
static void *few_calls_main(void *argument)
{
    for (size_t size = 1; size < 100000; size *= 3)
        free(malloc(size));
    pthread_barrier_wait(argument);
    pthread_barrier_wait(argument);
    return NULL;
}

static void small_commitment(void)
{
    enum { THREADS = 16 };
    pthread_t thread[THREADS];
    pthread_attr_t attributes;
    size_t before = status_bytes("VmData"), after;

    require(before != 0);
    require(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
    require(pthread_attr_init(&attributes) == 0);
    require(pthread_attr_setstacksize(&attributes, KIB(128)) == 0);
    for (int i = 0; i < THREADS; i++)
        require(pthread_create(&thread[i], &attributes, few_calls_main, &barrier) == 0);
    pthread_barrier_wait(&barrier);
    after = status_bytes("VmData");
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++)
        require(pthread_join(thread[i], NULL) == 0);
    note("writable memory: %zu MiB with one thread, %zu MiB with %d more", before >> 20,
         after >> 20, THREADS);
#ifndef TEST_ON_LIBC
    require_at_most(before, MIB(12));
#endif
    require_at_most(after - before, THREADS * MIB(4));
}

/* The fact itself, where the kernel is set so. */
static void no_overcommit(void)
{
    struct link *chain = NULL;
    void *absurd = malloc(opaque((size_t)1 << 45));

    require(absurd == NULL && errno == ENOMEM);
    for (size_t size = 16; size < MIB(64); size *= 2) {
        struct link *link = malloc(size);

        require(link != NULL);
        link->next = chain;
        chain = link;
    }
    give_back(&chain);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static const struct scenario scenarios[] = {
    {"exhausted_and_used_again", exhausted_and_used_again},
    {"other_calls_are_refused_too", other_calls_are_refused_too},
    {"small_program", small_program},
    {"threads_without_room_for_a_heap", threads_without_room_for_a_heap},
    {"small_commitment", small_commitment},
    {"no_overcommit", no_overcommit},
    {NULL, NULL},
};

static void skip_where_address_space_is_not_ours(void)
{
    if (TEST_SANITIZED)
        skip_test("the sanitizer's shadow takes terabytes of address space");
}

static void after_the_limit_is_reached_freed_memory_serves_again(void **state)
{
    (void)state;
    skip_where_address_space_is_not_ours();
    assert_scenario_passes("exhausted_and_used_again");
}

static void every_function_reports_the_limit(void **state)
{
    (void)state;
    skip_where_address_space_is_not_ours();
    assert_scenario_passes("other_calls_are_refused_too");
}

static void a_program_runs_under_a_small_limit_from_its_start(void **state)
{
    const size_t limits[] = {MIB(64), MIB(128), MIB(512)};
    struct rlimit kept, limit;

    (void)state;
    skip_where_address_space_is_not_ours();
    assert_int_equal(getrlimit(RLIMIT_AS, &kept), 0);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        int status;

        limit = kept;
        limit.rlim_cur = limits[i];
        assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
        status = scenario_status("small_program");
        assert_int_equal(setrlimit(RLIMIT_AS, &kept), 0);
        if (status != 0)
            fail_msg("under %zu MiB: wait status 0x%x", limits[i] >> 20, (unsigned)status);
    }
}

static void a_thread_without_room_for_a_heap_does_not_crash(void **state)
{
    (void)state;
    skip_where_address_space_is_not_ours();
    assert_scenario_passes("threads_without_room_for_a_heap");
}

static void a_small_program_commits_little_memory(void **state)
{
    (void)state;
    skip_where_address_space_is_not_ours();
    assert_scenario_passes("small_commitment");
}

static void works_where_the_kernel_does_not_overcommit(void **state)
{
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "r");
    int mode = -1;

    (void)state;
    if (file != NULL) {
        if (fscanf(file, "%d", &mode) != 1)
            mode = -1;
        fclose(file);
    }
    if (mode != 2)
        skip_test("vm.overcommit_memory is not 2, and it is a setting of the whole system");
    assert_scenario_passes("no_overcommit");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_the_limit_is_reached_freed_memory_serves_again),
        cmocka_unit_test(every_function_reports_the_limit),
        cmocka_unit_test(a_program_runs_under_a_small_limit_from_its_start),
        cmocka_unit_test(a_thread_without_room_for_a_heap_does_not_crash),
        cmocka_unit_test(a_small_program_commits_little_memory),
        cmocka_unit_test(works_where_the_kernel_does_not_overcommit),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
