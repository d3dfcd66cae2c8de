/* SPDX-License-Identifier: MIT */
/*
 * The coalescing heap of 8 to 64 KiB: blocks do not overlap, free runs join,
 * the best fit serves, and an address tells exactly whether a block starts
 * there. What goes back to the system: test_pool_release.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/pool_blocks.h"

static void a_block_has_its_size_its_class_and_its_unit(void **state)
{
    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        char *p = take(size_class_size(c));
        struct slab *s = registry_find(p);

        assert_int_equal((uintptr_t)p % POOL_UNIT, 0);
        assert_null(s->owner);
        assert_int_equal(units_at(p) * POOL_UNIT, size_class_size(c));
        assert_int_equal(pool_class_of(s, p, "free"), c);
        assert_int_equal(totals().used, size_class_size(c));
        memset(p, 1, size_class_size(c));
        assert_int_equal(pool_audit(STDERR_FILENO), 0);
        give(p);
        assert_int_equal(totals().used, 0);
    }
}

static void several_blocks_come_linked_and_go_back_linked_whatever_their_classes(void **state)
{
    struct block *list = NULL, *all = NULL;
    size_t count = 0;

    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c += 3) {
        struct block *last = NULL;
        size_t got = pool_take(c, 4, &list), length = 0;

        assert_in_range(got, 1, 4);
        for (struct block *b = list; b != NULL; b = b->next, length++)
            last = b;
        assert_int_equal(length, got);
        count += got * size_class_size(c);
        last->next = all;
        all = list;
    }
    assert_int_equal(totals().used, count);
    pool_give(all, "free");
}

static void a_chunk_is_used_to_its_last_unit_and_free_runs_join_again(void **state)
{
    char *block[64], *large[16];
    size_t mapped;

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        block[i] = take(16 * KIB);
    mapped = totals().mapped;
    assert_int_equal(mapped, MIB); /* pool_arena_init */
    for (unsigned i = 0; i < 64; i++)
        give(block[i * 37 % 64]); /* in no order */
    for (unsigned i = 0; i < 16; i++)
        large[i] = take(64 * KIB);
    assert_int_equal(totals().mapped, mapped);
    for (unsigned i = 0; i < 16; i++)
        give(large[i]);
}

static void a_free_run_joins_both_neighbours(void **state)
{
    char *a = take(9 * KIB), *b = take(10 * KIB), *c = take(11 * KIB), *end_of_run = take(9 * KIB);
    char *whole;

    (void)state;
    assert_ptr_equal(b, a + 9 * KIB);
    assert_ptr_equal(c, b + 10 * KIB);
    give(a);
    give(c);
    give(b);
    assert_int_equal(totals().dirty, 30 * KIB);
    whole = take(30 * KIB);
    assert_ptr_equal(whole, a);
    assert_int_equal(totals().dirty, 0);
    give(whole);
    give(end_of_run);
}

static void the_smallest_run_that_fits_serves(void **state)
{
    static const size_t run[] = {40 * KIB, 12 * KIB, 9 * KIB, 20 * KIB, 14 * KIB};
    char *hole[5], *wall[5], *p;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        hole[i] = take(run[i]);
        wall[i] = take(9 * KIB);
    }
    for (unsigned i = 0; i < 5; i++)
        give(hole[i]);
    p = take(11 * KIB);
    assert_ptr_equal(p, hole[1]);
    give(p);
    p = take(13 * KIB);
    assert_ptr_equal(p, hole[4]);
    give(p);
    p = take(18 * KIB);
    assert_ptr_equal(p, hole[3]);
    give(p);
    p = take(9 * KIB);
    assert_ptr_equal(p, hole[2]);
    give(p);
    for (unsigned i = 0; i < 5; i++)
        give(wall[i]);
}

static void resident_memory_serves_before_untouched_memory_that_fits_better(void **state)
{
    char *first = take(60 * KIB), *wall = take(9 * KIB), *again;

    (void)state;
    give(first);
    again = take(10 * KIB);
    assert_ptr_equal(again, first);
    give(again);
    give(wall);
}

static void a_block_that_came_back_serves_the_next_of_its_size_before_it_is_joined(void **state)
{
    char *a = take(20 * KIB), *b = take(20 * KIB), *c = take(20 * KIB), *wall = take(9 * KIB);

    (void)state;
    give(a);
    give(b);
    assert_int_equal(units_at(a), 0); /* free: given once more it would end the program */
    assert_int_equal(totals().dirty, 40 * KIB);
    assert_int_equal(pool_audit(STDERR_FILENO), 0);
    assert_ptr_equal(take(20 * KIB), b); /* the last one first */
    assert_ptr_equal(take(20 * KIB), a);
    assert_int_equal(units_at(a), 20);
    give(a);
    give(b);
    give(c);
    assert_ptr_equal(take(60 * KIB), a); /* no run fits: now they are joined */
    assert_int_equal(totals().dirty, 0);
    give(a);
    give(wall);
}

static void more_than_a_mib_does_not_wait_to_be_joined(void **state)
{
    char *block[40];

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        block[i] = take(32 * KIB);
    for (unsigned i = 0; i < 32; i++)
        give(block[i]);
    assert_ptr_equal(take(32 * KIB), block[31]); /* it waited */
    give(block[31]);
    give(block[32]); /* one too many: the others are joined */
    assert_ptr_equal(take(32 * KIB), block[32]);
    assert_ptr_equal(take(32 * KIB), block[0]); /* the first of a run */
    assert_int_equal(pool_audit(STDERR_FILENO), 0);
    give(block[0]);
    for (unsigned i = 32; i < 40; i++)
        give(block[i]);
}

static void a_block_is_aligned_to_any_power_of_two_up_to_64_kib(void **state)
{
    char *block[28];
    unsigned count = 0;

    (void)state;
    for (size_t align = KIB; align <= 64 * KIB; align *= 2) {
        for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c += 9) {
            char *p = pool_take_aligned(c, align);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_int_equal(units_at(p) * POOL_UNIT, size_class_size(c));
            memset(p, 1, size_class_size(c));
            assert_int_equal(pool_audit(STDERR_FILENO), 0);
            block[count++] = p;
        }
    }
    while (count > 0)
        give(block[--count]);
}

/* ---- an address tells exactly whether a block starts there ---- */

/* Of a chunk of 1 MiB at `base`, exactly the blocks at block[0..count) start one. */
static void assert_only_these(const char *base, char *const *block, size_t count)
{
    for (size_t unit = 0; unit < MIB / POOL_UNIT; unit++) {
        const char *at = base + unit * POOL_UNIT;
        bool starts = false;

        for (size_t i = 0; i < count; i++)
            starts |= at == block[i];
        if ((units_at(at) != 0) != starts)
            fail_msg("unit %zu: %u units, although %s starts there", unit, units_at(at),
                     starts ? "a block" : "none");
        for (size_t inside = 1; inside < POOL_UNIT; inside += 111)
            assert_int_equal(units_at(at + inside), 0);
    }
}

static void only_the_start_of_a_live_block_has_units(void **state)
{
    char *block[40], *base;
    size_t count = 40;
    uint64_t random = 4;

    (void)state;
    for (size_t i = 0; i < count; i++)
        block[i] = take(9 * KIB + i % 13 * KIB);
    assert_int_equal(totals().mapped, MIB);
    base = (char *)registry_find(block[0])->base;
    assert_only_these(base, block, count);
    while (count > 0) {
        size_t which = random_below(&random, count);

        give(block[which]);
        block[which] = block[--count];
        assert_only_these(base, block, count);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_block_has_its_size_its_class_and_its_unit),
        TEST(several_blocks_come_linked_and_go_back_linked_whatever_their_classes),
        TEST(a_chunk_is_used_to_its_last_unit_and_free_runs_join_again),
        TEST(a_free_run_joins_both_neighbours),
        TEST(the_smallest_run_that_fits_serves),
        TEST(resident_memory_serves_before_untouched_memory_that_fits_better),
        TEST(a_block_that_came_back_serves_the_next_of_its_size_before_it_is_joined),
        TEST(more_than_a_mib_does_not_wait_to_be_joined),
        TEST(a_block_is_aligned_to_any_power_of_two_up_to_64_kib),
        TEST(only_the_start_of_a_live_block_has_units),
    };

    return cmocka_run_group_tests_name("pool", tests, unit_defaults, NULL);
}
