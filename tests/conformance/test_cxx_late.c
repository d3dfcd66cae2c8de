/* SPDX-License-Identifier: MIT */
/*
 * Operator new in a C program: without any C++ library, and with one that is
 * loaded by dlopen after hakmem, when hakmem's weak references are null for good.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <hakmem/hakmem.h>

#include "support/support.h"

/* The type of size_t is in the name. */
#if __SIZEOF_SIZE_T__ == 8
#define NEW "_Znwm"
#else
#define NEW "_Znwj"
#endif

typedef void (*new_handler)(void);

static void *(*new_throwing)(size_t size);
static void *(*new_nothrow)(size_t size, const void *nothrow);
static new_handler (*set_handler)(new_handler handler);
static void (*throw_bad_alloc)(void);

static jmp_buf out_of_handler;
static volatile int calls;
static volatile size_t impossible = SIZE_MAX / 2 + 1;

static void *function(const char *name)
{
    return dlsym(RTLD_DEFAULT, name);
}

static int find_operators(void **state)
{
    (void)state;
    new_throwing = (void *(*)(size_t))function(NEW);
    new_nothrow = (void *(*)(size_t, const void *))function(NEW "RKSt9nothrow_t");
    /* The test says nothing when a C++ library is there from the start. */
    return new_throwing == NULL || new_nothrow == NULL || function("__cxa_throw") != NULL;
}

static void operators_serve_a_program_without_a_cxx_library(void **state)
{
    void *block = new_throwing(100);

    (void)state;
    assert_true(is_served(block));
    free(block);
    assert_null(new_nothrow(impossible, ""));
}

static void what_cannot_be_thrown_stops_the_program_with_one_line(void **state)
{
    static const char expected[] = "hakmem: operator new: out of memory, and no C++ library is "
                                   "there to throw std::bad_alloc\n";
    char text[256];
    int ends[2], status;
    ssize_t length;

    (void)state;
    assert_int_equal(pipe(ends), 0);

    pid_t child = fork();

    if (child == 0) {
        dup2(ends[1], 2);
        signal(SIGABRT, SIG_DFL);
        new_throwing(impossible);
        _exit(0);
    }
    close(ends[1]);
    length = read(ends[0], text, sizeof text - 1);
    assert_true(length >= 0);
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(text, expected);
}

static void load_the_cxx_library_privately(void **state)
{
    void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);

    (void)state;
    if (library == NULL) {
        print_message("no libstdc++.so.6 here: %s\n", dlerror());
        skip();
    }
    set_handler = (new_handler(*)(new_handler))dlsym(library, "_ZSt15set_new_handlerPFvvE");
    throw_bad_alloc = (void (*)(void))dlsym(library, "_ZSt17__throw_bad_allocv");
    assert_non_null(set_handler);
    assert_non_null(throw_bad_alloc);
}

static void leave_the_handler(void)
{
    calls++;
    longjmp(out_of_handler, 1);
}

static void a_handler_set_later_is_called(void **state)
{
    (void)state;
    if (set_handler == NULL)
        skip();
    calls = 0;
    set_handler(leave_the_handler);
    if (setjmp(out_of_handler) == 0) {
        new_throwing(impossible);
        fail();
    }
    set_handler(NULL);
    assert_int_equal(calls, 1);
}

static void throw_from_the_handler(void)
{
    calls++;
    throw_bad_alloc();
}

static void what_a_later_handler_throws_is_caught_by_the_nothrow_form(void **state)
{
    (void)state;
    if (set_handler == NULL)
        skip();
    calls = 0;
    set_handler(throw_from_the_handler);
    assert_null(new_nothrow(impossible, ""));
    set_handler(NULL);
    assert_int_equal(calls, 1);
}

static void bad_alloc_is_thrown_by_the_later_library(void **state)
{
    int status;

    (void)state;
    if (set_handler == NULL)
        skip();

    /* No C frame can catch it: std::terminate, which is SIGABRT, says that it was thrown. */
    pid_t child = fork();

    if (child == 0) {
        int ends[2];
        char text[512] = "";

        signal(SIGABRT, SIG_DFL);
        if (pipe(ends) != 0)
            _exit(1);

        pid_t thrower = fork();

        if (thrower == 0) {
            dup2(ends[1], 2);
            new_throwing(impossible);
            _exit(0);
        }
        waitpid(thrower, NULL, 0);
        if (read(ends[0], text, sizeof text - 1) < 0)
            _exit(2);
        _exit(strstr(text, "std::bad_alloc") != NULL && strstr(text, "hakmem") == NULL ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_serve_a_program_without_a_cxx_library),
        cmocka_unit_test(what_cannot_be_thrown_stops_the_program_with_one_line),
        cmocka_unit_test(load_the_cxx_library_privately),
        cmocka_unit_test(a_handler_set_later_is_called),
        cmocka_unit_test(what_a_later_handler_throws_is_caught_by_the_nothrow_form),
        cmocka_unit_test(bad_alloc_is_thrown_by_the_later_library),
    };

    return cmocka_run_group_tests_name("operators without a C++ library", tests, find_operators,
                                       NULL);
}
