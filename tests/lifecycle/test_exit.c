/* SPDX-License-Identifier: MIT */
/* What still runs when a program ends may allocate and free. */
#include <errno.h>
#include <pthread.h>
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

static void *early[100];

static void fill_early(void)
{
    for (int i = 0; i < 100; i++) {
        early[i] = malloc((size_t)1 << i % 20);
        require(early[i] != NULL);
    }
}

static void say(const char *text)
{
    require(write(STDOUT_FILENO, text, strlen(text)) == (ssize_t)strlen(text));
}

static void allocating_handler(void)
{
    for (int i = 0; i < 100; i++) {
        void *block = malloc((size_t)i * 700 + 1);

        require(block != NULL);
        early[i] = realloc(early[i], (size_t)i * 900 + 1);
        require(early[i] != NULL);
        free(block);
        free(early[i]);
    }
    say("handler\n");
}

static void atexit_handler(void)
{
    fill_early();
    require(atexit(allocating_handler) == 0);
}

/*
 * The destructor of the program runs after all handlers of atexit, and those
 * of libraries that it was linked with after that.
 */
static bool destructor_wanted;

__attribute__((destructor)) static void program_destructor(void)
{
    if (destructor_wanted)
        allocating_handler();
}

static void program_destructors(void)
{
    fill_early();
    destructor_wanted = true;
}

static void on_exit_and_quick_exit(void)
{
    fill_early();
    require(at_quick_exit(allocating_handler) == 0);
    quick_exit(0);
}

/* ---- threads that are alive at exit ---- */

static void *restless_main(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    void *block[100] = {NULL};

    for (;;) {
        size_t at = random_below(&random, 100);

        free(block[at]);
        block[at] = malloc(random_size(&random, 100000));
        require(block[at] != NULL);
    }
}

static void start_detached(int count)
{
    pthread_attr_t attributes;
    pthread_t thread;

    require(pthread_attr_init(&attributes) == 0);
    require(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    for (uintptr_t i = 1; i <= (uintptr_t)count; i++)
        require(pthread_create(&thread, &attributes, restless_main, (void *)i) == 0);
}

static void detached_threads(void)
{
    atexit_handler();
    start_detached(4);
    usleep(2000);
}

static void *exiting_main(void *argument)
{
    (void)argument;
    exit(0);
}

static void exit_from_another_thread(void)
{
    pthread_t thread;

    atexit_handler();
    start_detached(2);
    require(pthread_create(&thread, NULL, exiting_main, NULL) == 0);
    for (;;)
        free(malloc(100));
}

static pthread_t first_thread;

static void *last_main(void *argument)
{
    (void)argument;
    require(pthread_join(first_thread, NULL) == 0);
    for (int i = 0; i < 1000; i++)
        free(malloc((size_t)i));
    say("last\n");
    return NULL; /* the last thread: the process exits with the handlers */
}

static void main_thread_leaves_first(void)
{
    pthread_t thread;

    atexit_handler();
    first_thread = pthread_self();
    require(pthread_create(&thread, NULL, last_main, NULL) == 0);
    pthread_exit(NULL);
}

/* ---- buffers of stdio that are written at exit ---- */

enum { LINES = 5000 };

static void stdio_at_exit(void)
{
    static char *large; /* setvbuf with a block of ours */

    large = malloc(KIB(256));
    require(large != NULL);
    require(setvbuf(stdout, large, _IOFBF, KIB(256)) == 0);
    for (int i = 0; i < LINES; i++)
        require(printf("line %d\n", i) > 0);
}

static const struct scenario scenarios[] = {
    {"atexit_handler", atexit_handler},
    {"program_destructors", program_destructors},
    {"on_exit_and_quick_exit", on_exit_and_quick_exit},
    {"detached_threads", detached_threads},
    {"exit_from_another_thread", exit_from_another_thread},
    {"main_thread_leaves_first", main_thread_leaves_first},
    {"stdio_at_exit", stdio_at_exit},
    {NULL, NULL},
};

static char text[1 << 20];

static void assert_ends_well_and_says(const char *scenario, const char *expected)
{
    int status = scenario_output(scenario, text, sizeof text);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || strcmp(text, expected) != 0)
        fail_msg("%s: wait status 0x%x, output: %s", scenario, (unsigned)status, text);
}

static void atexit_handlers_may_allocate_and_free(void **state)
{
    (void)state;
    assert_ends_well_and_says("atexit_handler", "handler\n");
}

static void destructors_of_the_program_may_allocate_and_free(void **state)
{
    (void)state;
    assert_ends_well_and_says("program_destructors", "handler\n");
}

static void handlers_of_quick_exit_may_allocate_and_free(void **state)
{
    (void)state;
    assert_ends_well_and_says("on_exit_and_quick_exit", "handler\n");
}

static void detached_threads_may_be_busy_at_exit(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        assert_ends_well_and_says("detached_threads", "handler\n");
}

static void any_thread_may_call_exit(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        assert_ends_well_and_says("exit_from_another_thread", "handler\n");
}

static void the_main_thread_may_leave_first(void **state)
{
    (void)state;
    if (TEST_TSAN)
        skip_test("ThreadSanitizer does not know the main thread as one that can be joined");
    for (int i = 0; i < 10; i++)
        assert_ends_well_and_says("main_thread_leaves_first", "last\nhandler\n");
}

static void stdio_is_flushed_at_exit(void **state)
{
    char expected[32];
    const char *at = text;
    int status = scenario_output("stdio_at_exit", text, sizeof text);

    (void)state;
    assert_int_equal(status, 0);
    for (int i = 0; i < LINES; i++) {
        size_t length = (size_t)snprintf(expected, sizeof expected, "line %d\n", i);

        assert_int_equal(strncmp(at, expected, length), 0);
        at += length;
    }
    assert_int_equal(*at, '\0');
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(atexit_handlers_may_allocate_and_free),
        cmocka_unit_test(destructors_of_the_program_may_allocate_and_free),
        cmocka_unit_test(handlers_of_quick_exit_may_allocate_and_free),
        cmocka_unit_test(detached_threads_may_be_busy_at_exit),
        cmocka_unit_test(any_thread_may_call_exit),
        cmocka_unit_test(the_main_thread_may_leave_first),
        cmocka_unit_test(stdio_is_flushed_at_exit),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
