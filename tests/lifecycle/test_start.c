/* SPDX-License-Identifier: MIT */
/* Calls from before main, some of them before any constructor of a library has run. */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { EARLY = 200 };

struct early {
    void *block[EARLY];
    void *resized;
    bool unknown_symbol; /* dlsym failed as it should; its message is allocated */
};

static struct early preinit, constructed;

static void allocate_early(struct early *early)
{
    for (int i = 0; i < EARLY; i++) {
        size_t size = (size_t)i * i * 3 + 1;

        early->block[i] = i % 3 == 0 ? calloc(1, size) : malloc(size);
        require(early->block[i] != NULL);
        require(i % 3 != 0 || all_zero(early->block[i], size));
        pattern_fill(early->block[i], size, 1);
    }
    early->resized = realloc(malloc(100), 10000);
    require(early->resized != NULL);
    free(malloc(1 << 20));
    early->unknown_symbol = dlsym(RTLD_DEFAULT, "no_such_symbol") == NULL && dlerror() != NULL;
}

static void in_preinit(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    (void)environment;
    allocate_early(&preinit);
}

typedef void (*preinit_function)(int, char **, char **);
__attribute__((section(".preinit_array"), used)) static preinit_function preinit_entry = in_preinit;

__attribute__((constructor(101))) static void in_constructor(void)
{
    allocate_early(&constructed);
}

static void check_early(struct early *early)
{
    for (int i = 0; i < EARLY; i++) {
        size_t size = (size_t)i * i * 3 + 1;

        assert_non_null(early->block[i]);
        assert_true(is_served(early->block[i]));
        assert_true(malloc_usable_size(early->block[i]) >= size);
        assert_true(pattern_holds(early->block[i], size, early->block[i], size, 1));
        if (i % 2 == 0)
            free(early->block[i]);
        else
            free(realloc(early->block[i], size * 2));
    }
    free(early->resized);
    assert_true(early->unknown_symbol);
    assert_int_equal(hakmem_audit(STDERR_FILENO), 0);
}

static void calls_before_all_constructors_work(void **state)
{
    (void)state;
    check_early(&preinit);
}

static void calls_of_the_first_constructor_work(void **state)
{
    (void)state;
    check_early(&constructed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_before_all_constructors_work),
        cmocka_unit_test(calls_of_the_first_constructor_work),
    };

    require_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
