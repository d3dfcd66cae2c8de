/* SPDX-License-Identifier: MIT */
/* Chains of free blocks that wait: the last one first, of each class so many, and their bytes are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pool/pool.h"

/* The cache looks at no block: any address with the alignment of one will do. */
static struct block *block(size_t n)
{
    return (struct block *)((n + 1) * CACHE_LINE);
}

static void nothing_waits_at_first(void **state)
{
    size_t count = 77;

    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++)
        assert_null(transfer_take(c, &count));
    assert_int_equal(transfer.bytes, 0);
}

static void a_chain_comes_back_with_its_length_the_last_first_and_to_its_class_alone(void **state)
{
    size_t count;

    (void)state;
    assert_true(transfer_put(SLAB_CLASSES, block(0), 1));
    assert_true(transfer_put(SLAB_CLASSES, block(1), 14));
    assert_true(transfer_put(CLASS_LAST, block(2), CACHE_LINE - 1));
    assert_int_equal(transfer.bytes, 15 * 9 * KIB + 63 * 65 * KIB);
    assert_null(transfer_take(SLAB_CLASSES + 1, &count));
    assert_ptr_equal(transfer_take(SLAB_CLASSES, &count), block(1));
    assert_int_equal(count, 14);
    assert_ptr_equal(transfer_take(CLASS_LAST, &count), block(2));
    assert_int_equal(count, 63);
    assert_ptr_equal(transfer_take(SLAB_CLASSES, &count), block(0));
    assert_int_equal(count, 1);
    assert_int_equal(transfer.bytes, 0);
    assert_null(transfer_take(SLAB_CLASSES, &count));
}

static void each_class_has_room_for_so_many_and_no_more(void **state)
{
    size_t count;

    (void)state;
    for (size_t i = 0; i < TRANSFER_DEPTH; i++) {
        assert_true(transfer_put(SLAB_CLASSES, block(i), 2));
        assert_true(transfer_put(CLASS_LAST, block(1000 + i), 1));
    }
    size_t bytes = transfer.bytes;
    assert_false(transfer_put(SLAB_CLASSES, block(500), 2));
    assert_false(transfer_put(CLASS_LAST, block(500), 2));
    assert_int_equal(transfer.bytes, bytes);
    for (size_t i = TRANSFER_DEPTH; i-- > 0;) {
        assert_ptr_equal(transfer_take(SLAB_CLASSES, &count), block(i));
        assert_ptr_equal(transfer_take(CLASS_LAST, &count), block(1000 + i));
    }
    assert_int_equal(transfer.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_waits_at_first),
        cmocka_unit_test(a_chain_comes_back_with_its_length_the_last_first_and_to_its_class_alone),
        cmocka_unit_test(each_class_has_room_for_so_many_and_no_more),
    };

    return cmocka_run_group_tests_name("transfer", tests, NULL, NULL);
}
