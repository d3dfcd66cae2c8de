/* SPDX-License-Identifier: MIT */
/* Metadata memory: zeroed, aligned to two cache lines, apart from each other, and it grows. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bits.h"
#include "meta/meta.h"
#include "os/os.h"
#include "support/support.h"
#include "support/unit.h"

enum { OBJECTS = 2000, THREADS = 4, EACH = 200 };

static void objects_are_zeroed_aligned_and_apart(void **state)
{
    static unsigned char *object[OBJECTS];
    static size_t size[OBJECTS];
    uint64_t random = 3;

    (void)state;
    for (int i = 0; i < OBJECTS; i++) {
        size[i] = 1 + random_below(&random, 1000);
        object[i] = meta_alloc(size[i]);
        assert_non_null(object[i]);
        assert_int_equal((uintptr_t)object[i] % (2 * CACHE_LINE), 0);
        assert_true(all_zero(object[i], size[i]));
        pattern_fill(object[i], size[i], (uint64_t)i);
    }
    for (int i = 0; i < OBJECTS; i++)
        assert_true(pattern_holds(object[i], size[i], object[i], size[i], (uint64_t)i));
}

static void more_than_a_mapping_at_once_can_be_had(void **state)
{
    size_t before = meta_mapped();

    (void)state;
    for (size_t size = 100 * KIB; size <= 2 * MIB; size += 333 * KIB) {
        unsigned char *object = meta_alloc(size);

        assert_non_null(object);
        assert_true(all_zero(object, size));
        memset(object, 1, size);
    }
    assert_true(meta_mapped() >= before + 2 * MIB);
    assert_int_equal(meta_mapped() % os_page_size(), 0);
}

static void without_memory_what_is_mapped_still_serves(void **state)
{
    size_t served = 0, mapped = meta_mapped();

    (void)state;
    assert_non_null(meta_alloc(64)); /* there is a rest now, or there was one */
    mapped = meta_mapped();
    os_fail_after(0);
    while (meta_alloc(4 * KIB) != NULL)
        served++;
    assert_null(meta_alloc(MIB));
    assert_int_equal(meta_mapped(), mapped);
    os_fail_after(-1);
    assert_non_null(meta_alloc(MIB));
    assert_true(meta_mapped() >= mapped + MIB);
    note("%zu pages were left", served);
}

static void after_a_refusal_memory_is_asked_for_again(void **state)
{
    size_t before;

    (void)state;
    os_fail_after(0);
    while (meta_alloc(128) != NULL)
        continue;
    os_fail_after(-1);
    before = meta_mapped();
    assert_non_null(meta_alloc(128));
    assert_true(meta_mapped() > before);
}

static void *allocate(void *argument)
{
    unsigned char **mine = argument;

    for (int i = 0; i < EACH; i++) {
        mine[i] = meta_alloc(200);
        require(mine[i] != NULL && all_zero(mine[i], 200));
        pattern_fill(mine[i], 200, 5);
    }
    return NULL;
}

static void threads_never_share_an_object(void **state)
{
    static unsigned char *object[THREADS][EACH];
    pthread_t thread[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, allocate, object[i]), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < THREADS * EACH; i++) {
        unsigned char *at = object[i / EACH][i % EACH];

        assert_true(pattern_holds(at, 200, at, 200, 5));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_zeroed_aligned_and_apart),
        cmocka_unit_test(more_than_a_mapping_at_once_can_be_had),
        cmocka_unit_test(without_memory_what_is_mapped_still_serves),
        cmocka_unit_test(after_a_refusal_memory_is_asked_for_again),
        cmocka_unit_test(threads_never_share_an_object),
    };

    return cmocka_run_group_tests_name("meta", tests, unit_defaults, NULL);
}
