/* SPDX-License-Identifier: MIT */
/* The table of size classes against the rules that its header and source state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
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

/* Only requests that ask for an alignment have a block of a power of two from half a page on, but for 8 KiB. */
static bool is_for_aligned(unsigned c)
{
    return c == 24 || c == 33 || c == 49 || c == 58 || c == 75;
}

static void sizes_rise_in_the_steps_of_the_header(void **state)
{
    size_t expected = 0, units = SIZE_SLAB_MAX / POOL_UNIT;

    (void)state;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        size_t size = size_class_size(c), most = c < SLAB_CLASSES ? GRANULE / size_class_table[c].capacity : 0;

        if (is_for_aligned(c)) {
            assert_true(bits_is_power_of_two(size) && size >= 2 * KIB);
            assert_true(expected < size && size < size_class_size(c + 1));
            continue;
        }
        if (expected < 128)
            expected += 16;
        else if (expected < 1792) /* four to a doubling */
            expected += ((size_t)1 << bits_highest(expected)) / 4;
        else if (expected < SIZE_SLAB_MAX) /* what divides a slab, in steps of a cache line */
            expected = c == 41 ? 8 * KIB - 64 : most / 64 * 64;
        else { /* units, with room for the colours */
            units += units < 15 && units % 4 != 3 ? 1 : 2;
            expected = units * POOL_UNIT - POOL_COLOUR_ROOM;
        }
        assert_int_equal(size, expected);
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

        size_t room = size_class_footprint(c) - class->size;

        assert_int_equal(size_class_footprint(c), pool_units(c) * POOL_UNIT);
        assert_int_equal(room, is_for_aligned(c) ? 0 : POOL_COLOUR_ROOM);
        assert_int_equal(class->capacity | class->batch | class->rejoin, 0);
    }
}

static void every_size_maps_to_the_least_class_that_is_large_enough(void **state)
{
    unsigned least = 1;

    (void)state;
    for (size_t n = 1; n <= SIZE_POOL_MAX; n++) {
        while (size_class_table[least].size < n || is_for_aligned(least))
            least++;
        if (size_class_of(n) != least)
            fail_msg("class %u of %zu bytes, expected %u", size_class_of(n), n, least);
        if (n > SIZE_SLAB_MAX && pool_class_of_size(n) != least)
            fail_msg("pool class %u of %zu bytes, expected %u", pool_class_of_size(n), n, least);
    }
}

/* In slabs the blocks of a class follow each other: each begins elsewhere in a page than the ones before it. */
static void few_blocks_begin_at_the_same_place_of_a_page(void **state)
{
    (void)state;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        unsigned places = 0;

        if (is_for_aligned(c) || size_class_size(c) == 8 * KIB)
            continue;
        for (size_t at = size_class_size(c); at % 4096 != 0; at += size_class_size(c))
            places++;
        assert_in_range(places + 1, size_class_size(c) % (4 * KIB) == 2 * KIB ? 2 : 4, 4096);
    }
}

static void aligned_requests_have_their_own_classes(void **state)
{
    (void)state;
    for (size_t n = 1; n <= SIZE_POOL_MAX; n++) {
        unsigned c = size_class_of_aligned(n), plain = size_class_of(n);

        assert_true(size_class_size(c) >= n && size_class_size(c - 1) < n);
        assert_int_equal(c, is_for_aligned(plain - 1) && size_class_size(plain - 1) >= n ? plain - 1 : plain);
    }
    for (size_t size = 2 * KIB; size <= 64 * KIB; size *= 2)
        assert_int_equal(size_class_size(size_class_of_aligned(size)), size);
}

static void blocks_of_the_pool_tell_their_class(void **state)
{
    (void)state;
    for (unsigned units = 0; units <= POOL_UNITS_MAX; units++) {
        unsigned c = pool_class_of_units[units];

        assert_true(c == 0 || (c >= SLAB_CLASSES && size_class_footprint(c) == units * POOL_UNIT));
    }
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++)
        assert_int_equal(pool_class_of_units[pool_units(c)], c);
}

static void less_than_a_fifth_of_a_block_and_a_sixth_of_a_large_one_is_slack(void **state)
{
    (void)state;
    for (size_t n = 129; n <= SIZE_POOL_MAX; n++) {
        size_t size = size_class_size(size_class_of(n));

        if ((size - n) * (n > 2 * KIB ? 6 : 5) > size)
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
        cmocka_unit_test(few_blocks_begin_at_the_same_place_of_a_page),
        cmocka_unit_test(aligned_requests_have_their_own_classes),
        cmocka_unit_test(blocks_of_the_pool_tell_their_class),
        cmocka_unit_test(less_than_a_fifth_of_a_block_and_a_sixth_of_a_large_one_is_slack),
        cmocka_unit_test(a_slab_of_blocks_of_a_page_or_more_has_hardly_a_rest),
    };

    return cmocka_run_group_tests_name("size_class", tests, NULL, NULL);
}
