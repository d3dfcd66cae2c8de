/* SPDX-License-Identifier: MIT */
/* The table of size classes against the rules that its header and source state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/size_class.h"

static void class_0_is_no_class(void **state)
{
    const struct size_class *none = &size_class_table[0];

    (void)state;
    assert_int_equal(none->size | none->capacity | none->batch | none->rejoin, 0);
}

static void sizes_rise_in_the_steps_of_the_header(void **state)
{
    size_t expected = 0;

    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        if (expected < 128)
            expected += 16;
        else if (expected < 2 * KIB) /* four to a doubling */
            expected += ((size_t)1 << bits_highest(expected)) / 4;
        else if (expected < SIZE_SLAB_MAX) /* what divides a slab, in steps of a cache line */
            expected = GRANULE / size_class_table[c].capacity / 64 * 64;
        else
            expected += expected < 16 * KIB ? KIB : 2 * KIB;
        assert_int_equal(size_class_size(c), expected);
        assert_int_equal(expected % BLOCK_ALIGN, 0);
    }
    assert_int_equal(size_class_size(SLAB_CLASSES - 1), SIZE_SLAB_MAX);
    assert_int_equal(size_class_size(CLASS_LAST), SIZE_POOL_MAX);
}

static void a_slab_class_has_the_capacity_batch_and_rejoin_of_its_size(void **state)
{
    (void)state;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        const struct size_class *class = &size_class_table[c];
        size_t batch = 4 * KIB / class->size, rejoin = class->capacity / 16;

        assert_int_equal(class->capacity, GRANULE / class->size);
        assert_int_equal(class->batch, batch > 64 ? 64 : batch < 1 ? 1 : batch);
        assert_int_equal(class->rejoin, rejoin < 1 ? 1 : rejoin);
        /* a refill never carves more than a slab has, and a rejoined slab serves */
        assert_in_range(class->batch, 1, class->capacity);
        assert_in_range(class->rejoin, 1, class->capacity);
    }
}

static void a_pool_class_has_whole_units_and_no_slab(void **state)
{
    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        const struct size_class *class = &size_class_table[c];

        assert_int_equal(class->size % KIB, 0);
        assert_int_equal(class->capacity | class->batch | class->rejoin, 0);
    }
}

static void every_size_maps_to_the_least_class_that_is_large_enough(void **state)
{
    unsigned least = 1;

    (void)state;
    for (size_t n = 1; n <= SIZE_POOL_MAX; n++) {
        while (size_class_table[least].size < n)
            least++;
        if (size_class_of(n) != least)
            fail_msg("class %u of %zu bytes, expected %u", size_class_of(n), n, least);
        if (n > SIZE_SLAB_MAX && pool_class_of_size(n) != least)
            fail_msg("pool class %u of %zu bytes, expected %u", pool_class_of_size(n), n, least);
    }
}

static void less_than_a_fifth_of_a_block_and_an_eighth_of_a_large_one_is_slack(void **state)
{
    (void)state;
    for (size_t n = 129; n <= SIZE_POOL_MAX; n++) {
        size_t size = size_class_size(size_class_of(n));

        if ((size - n) * (n > 2 * KIB ? 8 : 5) > size)
            fail_msg("%zu bytes in a block of %zu", n, size);
    }
}

static void a_slab_of_blocks_of_a_page_or_more_has_hardly_a_rest(void **state)
{
    (void)state;
    for (unsigned c = size_class_of(4096); c < SLAB_CLASSES; c++)
        assert_in_range(GRANULE % size_class_size(c), 0, GRANULE / 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(class_0_is_no_class),
        cmocka_unit_test(sizes_rise_in_the_steps_of_the_header),
        cmocka_unit_test(a_slab_class_has_the_capacity_batch_and_rejoin_of_its_size),
        cmocka_unit_test(a_pool_class_has_whole_units_and_no_slab),
        cmocka_unit_test(every_size_maps_to_the_least_class_that_is_large_enough),
        cmocka_unit_test(less_than_a_fifth_of_a_block_and_an_eighth_of_a_large_one_is_slack),
        cmocka_unit_test(a_slab_of_blocks_of_a_page_or_more_has_hardly_a_rest),
    };

    return cmocka_run_group_tests_name("size_class", tests, NULL, NULL);
}
