/* SPDX-License-Identifier: MIT */
/* Counters count for one thread, add up over several, and have the names of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "counters/counters.h"

static void a_count_goes_to_its_counter_and_no_other(void **state)
{
    struct counters c = {{0}};

    (void)state;
    for (unsigned which = 0; which < COUNTER_COUNT; which++) {
        counters_add(&c, which, which + 1);
        counters_add(&c, which, 1);
    }
    for (unsigned which = 0; which < COUNTER_COUNT; which++)
        assert_int_equal(c.value[which], which + 2);
}

static void a_sum_takes_up_one_thread_after_the_other(void **state)
{
    struct counters a = {{0}}, b = {{0}}, sum = {{0}};

    (void)state;
    for (unsigned which = 0; which < COUNTER_COUNT; which++) {
        counters_add(&a, which, which);
        counters_add(&b, which, UINT32_MAX);
    }
    counters_sum(&sum, &a);
    counters_sum(&sum, &b);
    for (unsigned which = 0; which < COUNTER_COUNT; which++) {
        assert_int_equal(sum.value[which], (uint64_t)UINT32_MAX + which);
        assert_int_equal(a.value[which], which);
    }
}

static void every_counter_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        assert_non_null(counters_name(i));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(counters_name(i), counters_name(j));
    }
    assert_string_equal(counters_name(COUNTER_refills), "refills");
    assert_string_equal(counters_name(COUNTER_arena_flushes), "arena_flushes");
    assert_null(counters_name(COUNTER_COUNT));
    assert_null(counters_name(SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_goes_to_its_counter_and_no_other),
        cmocka_unit_test(a_sum_takes_up_one_thread_after_the_other),
        cmocka_unit_test(every_counter_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
