/* SPDX-License-Identifier: MIT */
/* Bits and alignment, against the plain definition of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bits.h"

#define BITS_OF_SIZE (8 * sizeof(size_t))

static void the_lowest_bit_is_found_whatever_stands_above_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(bits_lowest64((uint64_t)1 << i), i);
        assert_int_equal(bits_lowest64(UINT64_MAX << i), i);
    }
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(bits_lowest32((uint32_t)1 << i), i);
        assert_int_equal(bits_lowest32(UINT32_MAX << i), i);
    }
}

static void the_highest_bit_is_found_whatever_stands_below_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BITS_OF_SIZE; i++) {
        assert_int_equal(bits_highest((size_t)1 << i), i);
        assert_int_equal(bits_highest(SIZE_MAX >> (BITS_OF_SIZE - 1 - i)), i);
    }
}

static void set_bits_are_counted(void **state)
{
    (void)state;
    assert_int_equal(bits_count32(0), 0);
    assert_int_equal(bits_count64(0), 0);
    assert_int_equal(bits_count32(UINT32_MAX), 32);
    assert_int_equal(bits_count64(UINT64_MAX), 64);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(bits_count64(UINT64_MAX >> i), 64 - i);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(bits_count32(0x55555555u >> i), (32 - i) / 2);
}

static void a_power_of_two_has_one_bit_and_zero_is_none(void **state)
{
    (void)state;
    assert_false(bits_is_power_of_two(0));
    for (size_t x = 1; x < 5000; x++)
        assert_int_equal(bits_is_power_of_two(x), bits_count64(x) == 1);
    assert_true(bits_is_power_of_two(SIZE_MAX / 2 + 1));
    assert_false(bits_is_power_of_two(SIZE_MAX / 2 + 2));
    assert_false(bits_is_power_of_two(SIZE_MAX));
}

static void rounding_gives_the_nearest_multiple_on_that_side(void **state)
{
    (void)state;
    for (size_t align = 1; align <= 4096; align *= 2) {
        for (size_t x = 0; x <= 3 * align; x++) {
            size_t up = bits_round_up(x, align), down = bits_round_down(x, align);

            assert_int_equal(up % align, 0);
            assert_int_equal(down % align, 0);
            assert_in_range(up, x, x + align - 1);
            assert_in_range(x, down, down + align - 1);
        }
    }
}

static void rounding_up_wraps_to_zero_near_the_largest_size(void **state)
{
    (void)state;
    for (size_t align = 2; align <= MIB; align *= 2) {
        size_t last = SIZE_MAX - align + 1; /* the greatest multiple */

        assert_int_equal(bits_round_up(last, align), last);
        assert_int_equal(bits_round_up(last + 1, align), 0);
        assert_int_equal(bits_round_up(SIZE_MAX, align), 0);
        assert_int_equal(bits_round_down(SIZE_MAX, align), last);
    }
}

static void a_member_leads_to_what_contains_it(void **state)
{
    struct {
        char before[24];
        int member;
    } object;
    int *member = &object.member;

    (void)state;
    assert_ptr_equal(container_of(member, __typeof__(object), member), &object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lowest_bit_is_found_whatever_stands_above_it),
        cmocka_unit_test(the_highest_bit_is_found_whatever_stands_below_it),
        cmocka_unit_test(set_bits_are_counted),
        cmocka_unit_test(a_power_of_two_has_one_bit_and_zero_is_none),
        cmocka_unit_test(rounding_gives_the_nearest_multiple_on_that_side),
        cmocka_unit_test(rounding_up_wraps_to_zero_near_the_largest_size),
        cmocka_unit_test(a_member_leads_to_what_contains_it),
    };

    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
