/* SPDX-License-Identifier: MIT */
/*
 * malloc is not async-signal-safe, and no handler here calls it while it was
 * interrupted. But a handler that interrupts it and forks, or one that
 * interrupts the program's own code and jumps out, leaves it consistent.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { BLOCKS = 300 };

static void *block[BLOCKS];
static size_t block_size[BLOCKS];
static uint64_t random_state = 17;

static void use_allocator(int count)
{
    for (int i = 0; i < count; i++) {
        size_t at = random_below(&random_state, BLOCKS);
        size_t size = 1 + random_size(&random_state, 200000);

        if (block[at] != NULL)
            require(*(unsigned char *)block[at] == (unsigned char)at);
        if (i % 3 == 0) {
            block[at] = realloc(block[at], size);
        } else {
            free(block[at]);
            block[at] = malloc(size);
        }
        require(block[at] != NULL);
        block_size[at] = size;
        *(unsigned char *)block[at] = (unsigned char)at;
    }
}

static void drop_all(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        free(block[i]);
        block[i] = NULL;
    }
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static volatile sig_atomic_t interrupts;
static int handler_errors;
static bool child_executes;

static void forking_handler(int signal_number)
{
    int kept = errno;
    pid_t child;

    (void)signal_number;
    interrupts++;
    child = fork();
    if (child == 0) {
        end_if_hanging(4);
        if (child_executes)
            execl("/bin/true", "true", (char *)NULL);
        _exit(0);
    }
    if (child < 0) {
        handler_errors++;
    } else {
        int status;

        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        handler_errors += status != 0;
    }
    errno = kept;
}

static void install(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    require(sigemptyset(&action.sa_mask) == 0);
    require(sigaction(SIGUSR1, &action, NULL) == 0);
}

/* One interrupt at a time, each a little later than the last was done. */
static void interrupt_soon(long microseconds)
{
    static timer_t timer;
    static bool made;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec when = {.it_value = {0, microseconds * 1000}};

    if (!made)
        require(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    made = true;
    require(timer_settime(timer, 0, &when, NULL) == 0);
}

static void interrupted_by_forks(void)
{
    sig_atomic_t wanted = (sig_atomic_t)setting("TEST_FORKS", TEST_SANITIZED ? 60 : 300);

    install(forking_handler);
    while (interrupts < wanted) {
        sig_atomic_t seen = interrupts;

        interrupt_soon(100 + (long)random_below(&random_state, 400));
        while (interrupts == seen)
            use_allocator(20);
    }
    require(handler_errors == 0);
    drop_all();
}

static void handler_forks_and_child_exits(void)
{
    child_executes = false;
    interrupted_by_forks();
}

static void handler_forks_and_child_executes(void)
{
    child_executes = true;
    interrupted_by_forks();
}

#ifndef TEST_ON_LIBC /* glibc's own fork waits there for the lock that its thread holds */
static atomic_bool stop;

static void *busy_main(void *argument)
{
    uint64_t random = 99 + (uintptr_t)argument;
    sigset_t all;
    void *mine[200] = {NULL};

    require(sigfillset(&all) == 0 && pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        size_t at = random_below(&random, 200);

        free(mine[at]);
        mine[at] = malloc(random_size(&random, 200000));
        require(mine[at] != NULL);
    }
    for (int i = 0; i < 200; i++)
        free(mine[i]);
    return NULL;
}

static void handler_forks_beside_busy_threads(void)
{
    pthread_t thread[2];

    for (uintptr_t i = 0; i < 2; i++)
        require(pthread_create(&thread[i], NULL, busy_main, (void *)i) == 0);
    child_executes = false;
    interrupted_by_forks();
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        require(pthread_join(thread[i], NULL) == 0);
    require(hakmem_audit(STDERR_FILENO) == 0);
}
#endif

/* A child of a handler that had interrupted the allocator may also return from it. */
static volatile sig_atomic_t i_am_child;

static void returning_handler(int signal_number)
{
    int kept = errno;
    pid_t child;

    (void)signal_number;
    interrupts++;
    if (i_am_child)
        return;
    child = fork();
    if (child == 0) {
        i_am_child = 1;
        end_if_hanging(4);
    } else if (child > 0) {
        int status;

        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        handler_errors += status != 0;
    } else {
        handler_errors++;
    }
    errno = kept;
}

static void child_returns_from_the_handler(void)
{
    sig_atomic_t wanted = (sig_atomic_t)setting("TEST_FORKS", TEST_SANITIZED ? 60 : 300) / 2;

    install(returning_handler);
    while (interrupts < wanted) {
        sig_atomic_t seen = interrupts;

        interrupt_soon(100 + (long)random_below(&random_state, 400));
        while (interrupts == seen)
            use_allocator(20);
        if (i_am_child) { /* the interrupted call has returned here; go on working */
            use_allocator(2000);
            drop_all();
            _exit(0);
        }
    }
    require(handler_errors == 0);
    drop_all();
}

/* ---- a handler that jumps out of the program's own code ---- */

static sigjmp_buf back;
static volatile sig_atomic_t in_own_code, jumps;

static void jumping_handler(int signal_number)
{
    (void)signal_number;
    interrupts++;
    if (in_own_code) {
        in_own_code = 0;
        jumps++;
        siglongjmp(back, 1);
    }
}

static void handler_jumps_out(void)
{
    static volatile unsigned long work;

    install(jumping_handler);
    while (jumps < 300) {
        volatile sig_atomic_t seen = interrupts; /* before: a busy machine may interrupt at once */
        interrupt_soon(100 + (long)random_below(&random_state, 300));
        if (sigsetjmp(back, 1) == 0) {
            while (interrupts == seen) {
                in_own_code = 0;
                use_allocator(20);
                in_own_code = 1;
                for (int i = 0; i < 2000; i++)
                    work += (unsigned long)i;
            }
            in_own_code = 0;
        }
    }
    (void)work;
    drop_all();
}

static const struct scenario scenarios[] = {
    {"handler_forks_and_child_exits", handler_forks_and_child_exits},
    {"handler_forks_and_child_executes", handler_forks_and_child_executes},
#ifndef TEST_ON_LIBC
    {"handler_forks_beside_busy_threads", handler_forks_beside_busy_threads},
#endif
    {"child_returns_from_the_handler", child_returns_from_the_handler},
    {"handler_jumps_out", handler_jumps_out},
    {NULL, NULL},
};

static void a_handler_may_fork_and_its_child_exit(void **state)
{
    (void)state;
    assert_scenario_passes("handler_forks_and_child_exits");
}

static void a_handler_may_fork_and_its_child_execute(void **state)
{
    (void)state;
    assert_scenario_passes("handler_forks_and_child_executes");
}

#ifndef TEST_ON_LIBC
static void a_handler_may_fork_beside_busy_threads(void **state)
{
    (void)state;
    assert_scenario_passes("handler_forks_beside_busy_threads");
}
#endif

static void a_child_may_return_into_the_call_that_was_interrupted(void **state)
{
    (void)state;
    assert_scenario_passes("child_returns_from_the_handler");
}

static void a_handler_may_jump_out_of_the_programs_code(void **state)
{
    (void)state;
    if (TEST_TSAN)
        skip_test("ThreadSanitizer puts handlers off until the program calls something");
    assert_scenario_passes("handler_jumps_out");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_may_fork_and_its_child_exit),
        cmocka_unit_test(a_handler_may_fork_and_its_child_execute),
#ifndef TEST_ON_LIBC
        cmocka_unit_test(a_handler_may_fork_beside_busy_threads),
#endif
        cmocka_unit_test(a_child_may_return_into_the_call_that_was_interrupted),
        cmocka_unit_test(a_handler_may_jump_out_of_the_programs_code),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
