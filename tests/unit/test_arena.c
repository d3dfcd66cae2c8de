/* SPDX-License-Identifier: MIT */
/* A thread's arena of pool blocks: filled by class, bounded, emptied, and open to blocks of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "heap/internal.h"
#include "pool/pool.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"

enum { MANY = 400 };

static void *block[MANY];

static void *take(size_t n)
{
    void *p = heap_alloc(mine, n);

    assert_non_null(p);
    return p;
}

static void give(void *p)
{
    heap_free(mine, p, "free");
}

static void a_refill_fetches_one_block_at_first_and_then_more_up_to_64_kib(void **state)
{
    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        size_t size = size_class_size(c), fetched = 0;

        for (unsigned i = 0; i < 6; i++) {
            struct block *b = arena_refill(mine, c);
            size_t got = 1 + list_length(mine->bin[c]);

            assert_non_null(b);
            assert_int_equal(heap_usable(b, "test"), size);
            assert_true(i == 0 ? got == 1 : got * size <= 64 * KIB || got == 1);
            assert_true(got <= 2 * (fetched == 0 ? 1 : fetched));
            fetched = got;
            block[0] = b;
            for (size_t n = 1; n < got; n++)
                block[n] = heap_pop_pool(mine, size);
            assert_int_equal(mine->arena_bytes, 0);
            for (size_t n = 0; n < got; n++)
                give(block[n]);
            arena_flush(mine);
            mine->arena_fetch[c - SLAB_CLASSES] = (uint8_t)got; /* a flush starts anew */
        }
    }
}

static void what_is_freed_is_handed_out_next_to_its_class_and_no_other(void **state)
{
    void *small = take(8700), *large = take(59000);

    (void)state;
    give(small);
    give(large);
    assert_int_equal(mine->arena_bytes, 9 * KIB + 59 * KIB);
    assert_int_equal(heap_binned_bytes(mine), 9 * KIB + 59 * KIB);
    assert_null(heap_pop_pool(mine, 20000));
    assert_ptr_equal(heap_pop_pool(mine, 59000), large);
    assert_ptr_equal(heap_pop_pool(mine, 8193), small);
    assert_null(heap_pop_pool(mine, 8193));
    assert_int_equal(mine->arena_bytes, 0);
    give(small);
    give(large);
}

static void an_empty_bin_borrows_a_block_that_is_at_most_a_quarter_larger(void **state)
{
    void *least = take(20 * KIB), *larger = take(24 * KIB), *largest = take(26 * KIB), *other;

    (void)state;
    give(largest);
    give(larger);
    give(least);
    assert_ptr_equal(take(20 * KIB), least); /* the best fit first: its own class */
    assert_ptr_equal(take(20 * KIB), larger);
    assert_int_equal(heap_usable(larger, "test"), 25 * KIB - POOL_COLOUR_ROOM);
    assert_int_equal(mine->arena_bytes, 27 * KIB);
    other = take(20 * KIB); /* 6 KiB of 21 are too much */
    assert_ptr_not_equal(other, largest);
    assert_ptr_equal(take(26 * KIB), largest);
    give(other);
    give(largest);
    give(larger);
    give(least);
}

static void only_the_start_of_a_block_is_taken_and_not_twice_in_a_row(void **state)
{
    char *p = take(30000);
    struct slab *s = registry_find(p);

    (void)state;
    give(p);
    assert_false(heap_push_pool(mine, pool_units_at(s, p), p));
    assert_ptr_equal(heap_pop_pool(mine, 30000), p);
    for (size_t inside = BLOCK_ALIGN; inside < 30000; inside += 1008)
        assert_false(heap_push_pool(mine, pool_units_at(s, p + inside), p + inside));
    assert_int_equal(mine->arena_bytes, 0);
    give(p);
}

static void an_arena_holds_three_quarters_of_what_its_thread_may_hold_and_little_while_it_only_frees(void **state)
{
    size_t limit = MIB - MIB / READY_PART, most[3] = {0};

    (void)state;
    OPTION_SET(thread_hold) = MIB;
    mine->arena_want = mine->arena_given = 0;
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < MANY; i++)
            block[i] = take(9000 + i * 137 % 56000);
        for (size_t i = 0; i < MANY; i++) {
            give(block[i]);
            assert_true(mine->arena_bytes <= limit);
            most[round] = mine->arena_bytes > most[round] ? mine->arena_bytes : most[round];
            if (i % 20 == 0)
                heap_view_check(mine);
        }
    }
    assert_true(most[0] < limit / 4);
    assert_true(most[2] > limit / 2); /* what it gave back was fetched again */
    assert_int_equal(pool_in_use(), mine->arena_bytes);
}

/* Whatever the size: after an overflow there is room for the block that caused it. */
static void replacing_blocks_of_any_class_seldom_needs_the_pool(void **state)
{
    uint64_t random = 3;

    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        uint32_t sections;

        for (size_t i = 0; i < 64; i++)
            block[i] = take(size_class_size(c));
        sections = lock_sections(&pool_lock);
        for (size_t step = 0; step < 4000; step++) {
            size_t at = random_below(&random, 64);

            if (block[at] == NULL)
                block[at] = take(size_class_size(c));
            else
                give(block[at]), block[at] = NULL;
        }
        assert_in_range(lock_sections(&pool_lock) - sections, 0, 400);
        for (size_t i = 0; i < 64; i++) {
            if (block[i] != NULL)
                give(block[i]);
        }
        arena_flush(mine);
    }
}

static void where_nothing_may_be_held_blocks_go_straight_back(void **state)
{
    void *p = take(40000);

    (void)state;
    arena_flush(mine);
    OPTION_SET(thread_hold) = 0;
    mine->arena_limit = 0;
    give(p);
    assert_int_equal(mine->arena_bytes, 0);
    assert_int_equal(pool_in_use(), 0);
    OPTION_SET(thread_hold) = MIB;
    hakmem_options.merged_cache = false; /* nor with the bins switched off */
    p = take(40000);
    give(p);
    assert_int_equal(pool_in_use(), 0);
}

static void a_flush_empties_every_bin(void **state)
{
    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++)
        block[c] = take(size_class_size(c));
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++)
        give(block[c]);
    assert_true(mine->arena_bytes > 0);
    arena_flush(mine);
    assert_int_equal(mine->arena_bytes, 0);
    assert_int_equal(pool_in_use(), 0);
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++)
        assert_null(mine->bin[c]);
    arena_flush(mine); /* of nothing */
}

static void free_a_block_of_another_thread(void *p)
{
    struct heap *h = heap_of_thread();

    require(h != mine);
    heap_free(h, p, "free");
    require(h->arena_bytes == 21 * KIB);
    require(heap_pop_pool(h, 20000) == p);
    heap_free(h, p, "free");
}

static void any_thread_frees_a_block_into_its_own_arena(void **state)
{
    void *p = take(20000);
    size_t bytes = mine->arena_bytes, used = pool_in_use();

    (void)state;
    run_in_thread(free_a_block_of_another_thread, p);
    assert_int_equal(mine->arena_bytes, bytes);
    assert_int_equal(pool_in_use(), used - 21 * KIB); /* its exit has flushed it */
}

static void free_a_block_without_a_heap(void *p)
{
    require(heap_self == &heap_none);
    heap_free(heap_self, p, "free");
    require(heap_self != &heap_none);
    require(heap_self->arena_bytes == 21 * KIB);
}

static void a_thread_that_only_frees_has_an_arena_too(void **state)
{
    (void)state;
    run_in_thread(free_a_block_without_a_heap, take(20000));
}

static void a_thread_after_its_exit_frees_straight_into_the_pool(void **state)
{
    void *p = take(20000);
    size_t used = pool_in_use();

    (void)state;
    heap_free(&heap_exited, p, "free");
    assert_int_equal(heap_exited.arena_bytes, 0);
    assert_int_equal(pool_in_use(), used - 21 * KIB);
}

static void at_random_the_bytes_of_the_arena_are_those_of_its_bins(void **state)
{
    uint64_t random = 8;
    size_t live = 0;

    (void)state;
    OPTION_SET(thread_hold) = MIB;
    for (int step = 0; step < (TEST_TSAN ? 3000 : 20000); step++) {
        size_t at = random_below(&random, MANY);

        if (block[at] != NULL) {
            live -= footprint_of(block[at]);
            give(block[at]);
            block[at] = NULL;
        } else {
            block[at] = take(SIZE_SLAB_MAX + 1 + random_below(&random, SIZE_POOL_MAX - SIZE_SLAB_MAX));
            live += footprint_of(block[at]);
        }
        assert_int_equal(pool_in_use(), live + mine->arena_bytes);
        if (step % 100 == 0)
            heap_view_check(mine);
        if (step % 3000 == 0)
            arena_flush(mine);
    }
    for (size_t at = 0; at < MANY; at++) {
        if (block[at] != NULL)
            give(block[at]);
    }
}

static int start(void **state)
{
    for (size_t i = 0; i < MANY; i++)
        block[i] = NULL;
    return heap_view_start(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, heap_view_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_refill_fetches_one_block_at_first_and_then_more_up_to_64_kib),
        TEST(what_is_freed_is_handed_out_next_to_its_class_and_no_other),
        TEST(an_empty_bin_borrows_a_block_that_is_at_most_a_quarter_larger),
        TEST(only_the_start_of_a_block_is_taken_and_not_twice_in_a_row),
        TEST(an_arena_holds_three_quarters_of_what_its_thread_may_hold_and_little_while_it_only_frees),
        TEST(replacing_blocks_of_any_class_seldom_needs_the_pool),
        TEST(where_nothing_may_be_held_blocks_go_straight_back),
        TEST(a_flush_empties_every_bin),
        TEST(any_thread_frees_a_block_into_its_own_arena),
        TEST(a_thread_that_only_frees_has_an_arena_too),
        TEST(a_thread_after_its_exit_frees_straight_into_the_pool),
        TEST(at_random_the_bytes_of_the_arena_are_those_of_its_bins),
    };

    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
