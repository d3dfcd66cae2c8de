/* SPDX-License-Identifier: MIT */
/*
 * Other programs are started from a process with busy threads. A child of
 * vfork shares our memory: what it allocates is the parent's.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

extern char **environ;

enum { BUSY = 4 };

static pthread_t busy[BUSY];
static atomic_bool stop;

static void *busy_main(void *argument)
{
    uint64_t random = 1 + (uintptr_t)argument;
    void *block[200] = {NULL};

    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        size_t at = random_below(&random, 200);

        free(block[at]);
        block[at] = malloc(random_size(&random, 100000));
        require(block[at] != NULL);
    }
    for (int i = 0; i < 200; i++)
        free(block[i]);
    return NULL;
}

static void start_busy(void)
{
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < BUSY; i++)
        require(pthread_create(&busy[i], NULL, busy_main, (void *)i) == 0);
}

static void end_busy(void)
{
    atomic_store(&stop, true);
    for (int i = 0; i < BUSY; i++)
        require(pthread_join(busy[i], NULL) == 0);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static size_t starts(void)
{
    return setting("TEST_FORKS", TEST_SANITIZED ? 50 : 300) / 3;
}

static void require_success(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        require(errno == EINTR);
    require(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void vfork_and_exec(void)
{
    start_busy();
    for (size_t i = 0; i < starts(); i++) {
        pid_t child = vfork();

        require(child >= 0);
        if (child == 0) {
            execl("/bin/true", "true", (char *)NULL);
            _exit(127);
        }
        require_success(child);
    }
    end_busy();
}

static void *volatile from_child; /* written in the child of vfork, read in the parent */

static void vfork_and_allocate(void)
{
    start_busy();
    for (size_t i = 0; i < starts(); i++) {
        void *volatile before = malloc(1000 + i);
        pid_t child;

        require(before != NULL);
        child = vfork();
        require(child >= 0);
        if (child == 0) {
            free(before);
            from_child = malloc(2000 + i);
            _exit(from_child == NULL);
        }
        require_success(child);
        require(from_child != NULL);
        memset(from_child, 1, 2000 + i);
        free(from_child);
    }
    end_busy();
}

static void posix_spawn_many(void)
{
    char *const arguments[] = {(char *)"true", NULL};

    start_busy();
    for (size_t i = 0; i < starts(); i++) {
        pid_t child;

        require(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ) == 0);
        require_success(child);
    }
    end_busy();
}

static void system_and_popen(void)
{
    start_busy();
    for (size_t i = 0; i < starts() / 4; i++) {
        char line[32] = "";
        FILE *pipe;

        require(system("exit 3") == 3 << 8);
        pipe = popen("echo hello", "r");
        require(pipe != NULL);
        require(fgets(line, sizeof line, pipe) != NULL);
        require(strcmp(line, "hello\n") == 0);
        require(pclose(pipe) == 0);
    }
    end_busy();
}

static const struct scenario scenarios[] = {
    {"vfork_and_exec", vfork_and_exec},
    {"vfork_and_allocate", vfork_and_allocate},
    {"posix_spawn_many", posix_spawn_many},
    {"system_and_popen", system_and_popen},
    {NULL, NULL},
};

static void vfork_and_exec_work_beside_busy_threads(void **state)
{
    (void)state;
    assert_scenario_passes("vfork_and_exec");
}

static void a_child_of_vfork_may_allocate_for_its_parent(void **state)
{
    (void)state;
    if (TEST_TSAN)
        skip_test("ThreadSanitizer makes a fork of each vfork");
    assert_scenario_passes("vfork_and_allocate");
}

static void posix_spawn_works_beside_busy_threads(void **state)
{
    (void)state;
    assert_scenario_passes("posix_spawn_many");
}

static void system_and_popen_work_beside_busy_threads(void **state)
{
    (void)state;
    assert_scenario_passes("system_and_popen");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vfork_and_exec_work_beside_busy_threads),
        cmocka_unit_test(a_child_of_vfork_may_allocate_for_its_parent),
        cmocka_unit_test(posix_spawn_works_beside_busy_threads),
        cmocka_unit_test(system_and_popen_work_beside_busy_threads),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
