/* SPDX-License-Identifier: MIT */
/*
 * A process with busy threads forks. In the child the other threads are gone
 * in the middle of whatever they did; it must be able to use the allocator
 * all the same. TEST_FORKS sets the number of forks.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum {
    BUSY = 4,
    SLOTS = 2048,
    LARGEST = 100000,
    CHILD_THREADS = TEST_TSAN ? 0 : 2 /* TSan still counts the threads that the fork left behind */
};

/* A pointer in a slot is a live block; who takes it out owns it. */
static _Atomic(void *) slot[SLOTS];
static atomic_bool stop;
static atomic_int running; /* busy threads that are at work */

static void exchange_some(uint64_t *random, int count)
{
    for (int i = 0; i < count; i++) {
        size_t size = 16 + random_size(random, LARGEST);
        size_t *block = malloc(size);
        size_t *other;

        require(block != NULL);
        block[0] = size;
        block[1] = ~size;
        other = atomic_exchange(&slot[random_below(random, SLOTS)], block);
        if (other != NULL) {
            require(other[1] == ~other[0]);
            free(other);
        }
    }
}

static void *busy_main(void *argument)
{
    uint64_t random = 0x1234567 + (uintptr_t)argument;

    atomic_fetch_add(&running, 1);
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        exchange_some(&random, 100);
    return NULL;
}

static void empty_slots(void)
{
    for (int i = 0; i < SLOTS; i++) {
        size_t *block = atomic_exchange(&slot[i], NULL);

        if (block != NULL) {
            require(block[1] == ~block[0]);
            free(block);
        }
    }
}

static void start_busy(pthread_t *thread)
{
    atomic_store(&stop, false);
    atomic_store(&running, 0);
    for (uintptr_t i = 0; i < BUSY; i++)
        require(pthread_create(&thread[i], NULL, busy_main, (void *)i) == 0);
    /* The runtime's own locks do not survive a fork beside a starting thread. */
    while (TEST_SANITIZED && atomic_load(&running) < BUSY)
        sched_yield();
}

static void end_busy(pthread_t *thread)
{
    atomic_store(&stop, true);
    for (int i = 0; i < BUSY; i++)
        require(pthread_join(thread[i], NULL) == 0);
    empty_slots();
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static void require_child_succeeds(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        require(errno == EINTR);
    if (WIFSIGNALED(status))
        note("child ended by signal %d%s", WTERMSIG(status),
             WTERMSIG(status) == SIGKILL ? " (it hung)" : "");
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *child_thread_main(void *argument)
{
    uint64_t random = (uintptr_t)argument;

    exchange_some(&random, 200);
    return NULL;
}

static void join(const pthread_t *thread)
{
    for (int i = 0; i < CHILD_THREADS; i++)
        require(pthread_join(thread[i], NULL) == 0);
}

/* Work as a server's child does; the second and third generation fork with busy threads too. */
static void child_work(uint64_t seed)
{
    void *mine[64];
    pthread_t thread[2];
    int generation = 0;
    pid_t child;

    do {
        uint64_t random = seed;

        end_if_hanging(4);
        for (int i = 0; i < 64; i++) {
            mine[i] = malloc(16 + random_size(&random, LARGEST));
            require(mine[i] != NULL);
        }
        exchange_some(&random, 300); /* frees blocks of the threads that are gone */
        for (int i = 0; i < CHILD_THREADS; i++)
            require(pthread_create(&thread[i], NULL, child_thread_main,
                                   (void *)(seed + (uintptr_t)i + 1)) == 0);
        for (int i = 0; i < 64; i++)
            free(mine[i]);
        if (TEST_SANITIZED)
            join(thread); /* the runtime's own locks do not survive a fork beside a dying thread */
        child = -1;
        if (generation++ < 2) {
            child = fork();
            require(child >= 0);
            seed = seed * 3 + 1;
        }
    } while (child == 0);
    if (child > 0)
        require_child_succeeds(child);
    if (!TEST_SANITIZED)
        join(thread);
    empty_slots();
    require(hakmem_audit(STDERR_FILENO) == 0);
    _exit(0);
}

static void fork_storm(void)
{
    size_t forks = setting("TEST_FORKS", TEST_SANITIZED ? 50 : 300);
    pthread_t thread[BUSY];
    uint64_t random = 42;

    start_busy(thread);
    for (size_t i = 0; i < forks; i++) {
        pid_t child = fork();

        require(child >= 0);
        if (child == 0)
            child_work(i * 7919 + 1);
        exchange_some(&random, 20); /* the parent loses nothing, its main thread neither */
        require_child_succeeds(child);
    }
    end_busy(thread);
    note("%zu forks, each with two generations of its own", forks);
}

/* What the child does with its own thread only, at once: the common server. */
static void fork_and_exec_nothing(void)
{
    size_t forks = setting("TEST_FORKS", TEST_SANITIZED ? 50 : 300);
    pthread_t thread[BUSY];

    start_busy(thread);
    for (size_t i = 0; i < forks; i++) {
        void *before = malloc(100 + i);
        pid_t child;

        require(before != NULL);
        pattern_fill(before, 100 + i, i);
        child = fork();
        require(child >= 0);
        if (child == 0) {
            end_if_hanging(4);
            before = realloc(before, 50000);
            require(before != NULL);
            free(before);
            free(calloc(10, 1000));
            exit(0); /* with the handlers of atexit, as a program does */
        }
        require(pattern_holds(before, 100 + i, before, 100 + i, i));
        free(before);
        require_child_succeeds(child);
    }
    end_busy(thread);
}

/* Threads that fork, several at the same time. */
static void *forking_main(void *argument)
{
    size_t forks = setting("TEST_FORKS", TEST_SANITIZED ? 50 : 300) / 10;
    uint64_t random = 1 + (uintptr_t)argument;

    for (size_t i = 0; i < forks; i++) {
        pid_t child = fork();

        require(child >= 0);
        if (child == 0) {
            end_if_hanging(4);
            exchange_some(&random, 200);
            _exit(0);
        }
        exchange_some(&random, 50);
        require_child_succeeds(child);
    }
    return NULL;
}

static void forks_from_several_threads(void)
{
    pthread_t busy[BUSY], forking[3];

    start_busy(busy);
    for (uintptr_t i = 0; i < 3; i++)
        require(pthread_create(&forking[i], NULL, forking_main, (void *)i) == 0);
    for (int i = 0; i < 3; i++)
        require(pthread_join(forking[i], NULL) == 0);
    end_busy(busy);
}

/* A chain: each child forks the next and ends; memory of the dead threads stays usable. */
static void chain_of_forks(void)
{
    pthread_t thread[BUSY];
    pid_t child;

    start_busy(thread);
    child = fork();
    require(child >= 0);
    if (child == 0) {
        uint64_t random = 99;

        for (int link = 0; link < 50; link++) {
            end_if_hanging(4);
            exchange_some(&random, 500);
            child = fork();
            require(child >= 0);
            if (child != 0) {
                require_child_succeeds(child);
                _exit(0);
            }
        }
        empty_slots();
        require(hakmem_audit(STDERR_FILENO) == 0);
        _exit(0);
    }
    require_child_succeeds(child);
    end_busy(thread);
}

/* Handlers that the program registered may allocate, before and after. */
static void *from_handler[3];

static void handler_prepare(void)
{
    from_handler[0] = malloc(300);
    require(from_handler[0] != NULL);
}

static void handler_parent(void)
{
    from_handler[1] = malloc(3000);
    require(from_handler[1] != NULL);
    free(from_handler[0]);
    free(from_handler[1]);
}

static void handler_child(void)
{
    from_handler[2] = malloc(30000);
    require(from_handler[2] != NULL);
    free(from_handler[0]);
    free(from_handler[2]);
}

static void atfork_handlers_allocate(void)
{
    pthread_t thread[BUSY];

    require(pthread_atfork(handler_prepare, handler_parent, handler_child) == 0);
    start_busy(thread);
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();

        require(child >= 0);
        if (child == 0) {
            end_if_hanging(4);
            free(malloc(500));
            _exit(0);
        }
        require_child_succeeds(child);
    }
    end_busy(thread);
}

/* The thread that forked ends in the child; a thread that starts later takes its place. */
static pthread_t forked_thread;

static void *successor_main(void *argument)
{
    uint64_t random = 5;

    (void)argument;
    exchange_some(&random, 500);
    return NULL;
}

static void *waiting_main(void *argument)
{
    pthread_t successor[4];

    (void)argument;
    require(pthread_join(forked_thread, NULL) == 0);
    for (int i = 0; i < 4; i++)
        require(pthread_create(&successor[i], NULL, successor_main, NULL) == 0);
    for (int i = 0; i < 4; i++)
        require(pthread_join(successor[i], NULL) == 0);
    empty_slots();
    require(hakmem_audit(STDERR_FILENO) == 0);
    _exit(0);
}

static void *leaving_main(void *argument)
{
    uint64_t random = 6;
    pid_t child;

    (void)argument;
    exchange_some(&random, 500);
    child = fork();
    require(child >= 0);
    if (child == 0) {
        pthread_t waiting;

        end_if_hanging(4);
        exchange_some(&random, 500);
        forked_thread = pthread_self();
        require(pthread_create(&waiting, NULL, waiting_main, NULL) == 0);
        pthread_exit(NULL);
    }
    require_child_succeeds(child);
    return NULL;
}

static void forked_thread_ends(void)
{
    pthread_t busy[BUSY];

    start_busy(busy);
    for (int i = 0; i < 20; i++) {
        pthread_t leaving;

        require(pthread_create(&leaving, NULL, leaving_main, NULL) == 0);
        require(pthread_join(leaving, NULL) == 0);
    }
    end_busy(busy);
}

static const struct scenario scenarios[] = {
    {"fork_storm", fork_storm},
    {"fork_and_exec_nothing", fork_and_exec_nothing},
    {"forks_from_several_threads", forks_from_several_threads},
    {"chain_of_forks", chain_of_forks},
    {"atfork_handlers_allocate", atfork_handlers_allocate},
    {"forked_thread_ends", forked_thread_ends},
    {NULL, NULL},
};

static void children_allocate_free_start_threads_and_fork_again(void **state)
{
    (void)state;
    assert_scenario_passes("fork_storm");
}

static void a_child_that_exits_normally_does_not_hang(void **state)
{
    (void)state;
    assert_scenario_passes("fork_and_exec_nothing");
}

static void several_threads_may_fork_at_once(void **state)
{
    (void)state;
    assert_scenario_passes("forks_from_several_threads");
}

static void a_chain_of_fifty_generations_works(void **state)
{
    (void)state;
    assert_scenario_passes("chain_of_forks");
}

static void the_programs_atfork_handlers_may_allocate(void **state)
{
    (void)state;
    assert_scenario_passes("atfork_handlers_allocate");
}

static void the_thread_that_forked_may_end_in_the_child(void **state)
{
    (void)state;
    if (TEST_TSAN)
        skip_test("ThreadSanitizer does not know the main thread as one that can be joined");
    assert_scenario_passes("forked_thread_ends");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_allocate_free_start_threads_and_fork_again),
        cmocka_unit_test(a_child_that_exits_normally_does_not_hang),
        cmocka_unit_test(several_threads_may_fork_at_once),
        cmocka_unit_test(a_chain_of_fifty_generations_works),
        cmocka_unit_test(the_programs_atfork_handlers_may_allocate),
        cmocka_unit_test(the_thread_that_forked_may_end_in_the_child),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
