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
#include <sys/wait.h>

#include <cmocka.h>

#include "base/lock.h"
#include "support/pool_blocks.h"
#include "support/unit.h"

static void a_block_has_its_size_its_class_and_its_unit(void **state)
{
    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        unsigned class = c;
        struct block *list;
        assert_int_equal(pool_take(&class, 1, &list), 1);
        char *p = (char *)list;
        struct slab *s = registry_find(p);

        assert_int_equal((uintptr_t)p % CACHE_LINE, 0);
        assert_true(p + size_class_size(c) <= first_unit(p) + size_class_footprint(c));
        assert_null(s->owner);
        assert_int_equal(units_at(p) * POOL_UNIT, size_class_footprint(c));
        assert_int_equal(pool_class_of(s, p, "free"), c);
        assert_int_equal(totals().used, size_class_footprint(c));
        memset(p, 1, size_class_size(c));
        assert_int_equal(pool_audit(STDERR_FILENO), 0);
        give(p);
        assert_int_equal(totals().used, 0);
    }
}

/* Whoever takes eight blocks in a row, whatever their classes, has their first lines in eight sets of the cache. */
static void blocks_begin_each_at_another_line_of_their_unit_unless_they_are_to_be_aligned(void **state)
{
    char *block[POOL_COLOURS];
    unsigned places = 0, exact = size_class_of_aligned(32 * KIB);
    struct block *pages;

    (void)state;
    for (unsigned i = 0; i < POOL_COLOURS; i++) {
        block[i] = take(room(i % 2 == 0 ? 10 : 65));
        places |= 1u << (uintptr_t)block[i] % POOL_UNIT / CACHE_LINE;
    }
    assert_int_equal(places, (1u << POOL_COLOURS) - 1);
    for (unsigned i = 0; i < POOL_COLOURS; i++) {
        assert_int_equal(pool_take(&exact, 1, &pages), 1);
        assert_int_equal((uintptr_t)pages % POOL_UNIT, 0);
        give(block[i]);
        block[i] = (char *)pages;
    }
    for (unsigned i = 0; i < POOL_COLOURS; i++)
        give(block[i]);
}

static void several_blocks_come_linked_and_go_back_linked_whatever_their_classes(void **state)
{
    struct block *list = NULL, *all = NULL;
    size_t count = 0;

    (void)state;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c += 3) {
        struct block *last = NULL;
        unsigned class = c;
        size_t got = pool_take(&class, 4, &list), length = 0;

        assert_in_range(got, 1, 4);
        for (struct block *b = list; b != NULL; b = b->next, length++)
            last = b;
        assert_int_equal(length, got);
        count += got * size_class_footprint(c);
        last->next = all;
        all = list;
    }
    assert_int_equal(totals().used, count);
    pool_give(all, "free");
}

static void a_chunk_is_used_to_its_last_unit_and_free_runs_join_again(void **state)
{
    char *block[60], *large[15];
    size_t mapped;

    (void)state;
    for (unsigned i = 0; i < 60; i++)
        block[i] = take(room(i < 59 ? 17 : 21));
    mapped = totals().mapped;
    assert_int_equal(mapped, MIB); /* pool_arena_init */
    for (unsigned i = 0; i < 60; i++)
        give(block[i * 37 % 60]); /* in no order */
    for (unsigned i = 0; i < 15; i++)
        large[i] = take(room(65));
    assert_int_equal(totals().mapped, mapped);
    for (unsigned i = 0; i < 15; i++)
        give(large[i]);
}

static void a_free_run_joins_both_neighbours(void **state)
{
    char *a = take(room(10)), *b = take(room(11)), *c = take(room(14)), *end_of_run = take(room(10));
    char *whole;

    (void)state;
    assert_ptr_equal(first_unit(b), first_unit(a) + 10 * KIB);
    assert_ptr_equal(first_unit(c), first_unit(b) + 11 * KIB);
    give(a);
    give(c);
    give(b);
    assert_int_equal(totals().dirty, 35 * KIB);
    whole = take(room(35));
    assert_ptr_equal(first_unit(whole), first_unit(a));
    assert_int_equal(totals().dirty, 0);
    give(whole);
    give(end_of_run);
}

static void the_smallest_run_that_fits_serves(void **state)
{
    static const unsigned run[] = {41, 13, 10, 21, 15};
    char *hole[5], *wall[5], *p;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        hole[i] = take(room(run[i]));
        wall[i] = take(room(10));
    }
    for (unsigned i = 0; i < 5; i++)
        give(hole[i]);
    p = take(room(11));
    assert_ptr_equal(first_unit(p), first_unit(hole[1]));
    give(p);
    p = take(room(14));
    assert_ptr_equal(first_unit(p), first_unit(hole[4]));
    give(p);
    p = take(room(19));
    assert_ptr_equal(first_unit(p), first_unit(hole[3]));
    give(p);
    p = take(room(10));
    assert_ptr_equal(first_unit(p), first_unit(hole[2]));
    give(p);
    for (unsigned i = 0; i < 5; i++)
        give(wall[i]);
}

static void resident_memory_serves_before_untouched_memory_that_fits_better(void **state)
{
    char *first = take(room(61)), *wall = take(room(10)), *again;

    (void)state;
    give(first);
    again = take(room(10));
    assert_ptr_equal(first_unit(again), first_unit(first));
    give(again);
    give(wall);
}

/* `count` blocks of a size, linked, the one taken last first. */
static struct block *take_linked(size_t size, size_t count)
{
    struct block *list = NULL;

    for (size_t i = 0; i < count; i++) {
        struct block *b = (struct block *)take(size);

        b->next = list;
        list = b;
    }
    return list;
}

static void give_chain(unsigned size_class, struct block *first, size_t count)
{
    struct pool_chain chain = {first, count, size_class};

    pool_give_chains(&chain, 1);
}

static void a_chain_is_taken_whole_by_the_next_who_needs_its_class_or_one_that_it_serves(void **state)
{
    struct block *chain = take_linked(room(21), 3), *got;
    unsigned c = size_class_of(room(15));

    (void)state;
    give_chain(size_class_of(room(21)), chain, 3);
    assert_int_equal(totals().used, 0);
    assert_int_equal(totals().dirty, 63 * KIB);
    assert_int_equal(pool_audit(STDERR_FILENO), 0);
    assert_int_equal(pool_take(&c, 2, &got), 2); /* 6 KiB of 15 are too much */
    assert_int_equal(c, size_class_of(room(15)));
    pool_give(got, "free");
    give_chain(size_class_of(room(21)), take_linked(room(21), 3), 3);
    c = size_class_of(room(17));
    assert_int_equal(pool_take(&c, 1, &got), 3);
    assert_int_equal(c, size_class_of(room(21)));
    assert_int_equal(totals().used, 63 * KIB);
    pool_give(got, "free");
}

static void a_chain_becomes_free_runs_when_no_run_fits(void **state)
{
    struct block *chain = take_linked(room(21), 3);
    char *wall = take(room(10)), *whole;

    (void)state;
    give_chain(size_class_of(room(21)), chain, 3);
    whole = take(room(63));
    assert_ptr_equal(first_unit(whole) + 42 * KIB, first_unit(chain)); /* the three lay beside each other */
    assert_int_equal(totals().dirty, 0);
    give(whole);
    give(wall);
}

static void no_more_are_joined_at_once_than_a_few_hundred_blocks(void **state)
{
    struct pool_chain chain[30];
    size_t waited;
    void *p;

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        chain[i] = (struct pool_chain){take_linked(room(9), 12), 12, size_class_of(room(9))};
    pool_give_chains(chain, 30);
    waited = transfer.bytes;
    assert_int_equal(waited, 360 * 9 * KIB);
    p = take(room(61));
    assert_int_equal(transfer.bytes, waited - 264 * 9 * KIB); /* 22 chains are the first 256 blocks */
    assert_int_equal(pool_audit(STDERR_FILENO), 0);
    give(p);
    pool_trim(0);
    assert_int_equal(transfer.bytes, 0);
}

static void give_a_chain_that_begins_inside_of_a_block(void)
{
    char *p = take(room(10));

    give_chain(size_class_of(room(10)), (struct block *)(void *)(p + BLOCK_ALIGN), 1);
}

static void a_chain_that_does_not_begin_with_a_block_ends_the_program(void **state)
{
    int status = unit_child_status(give_a_chain_that_begins_inside_of_a_block);

    (void)state;
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void more_than_four_mib_do_not_wait_of_a_small_heap(void **state)
{
    enum { WAIT = 124 };
    static struct block *chain[WAIT + 2];
    unsigned c = size_class_of(room(33));
    struct block *got;

    (void)state;
    for (unsigned i = 0; i < WAIT + 2; i++)
        chain[i] = take_linked(room(33), 1);
    for (unsigned i = 0; i < WAIT + 1; i++)
        give_chain(c, chain[i], 1);
    assert_int_equal(totals().used, 33 * KIB);
    assert_int_equal(units_at(chain[WAIT - 1]), 33);
    assert_int_equal(units_at(chain[WAIT]), 0); /* it is a free run already */
    assert_int_equal(pool_take(&c, 1, &got), 3);
    assert_ptr_equal(got, chain[WAIT - 1]); /* the last one first */
    pool_give(got, "free");
    pool_give(chain[WAIT + 1], "free");
    pool_trim(0);
}

static void short_chains_are_left_and_taken_together(void **state)
{
    struct pool_chain chain[12];
    unsigned c = size_class_of(room(13)), larger = size_class_of(room(17));
    struct block *got, *other;

    (void)state;
    for (unsigned i = 1; i < 12; i++)
        chain[i] = (struct pool_chain){take_linked(room(13), 2), 2, c};
    chain[0] = (struct pool_chain){take_linked(room(17), 2), 2, larger};
    uint32_t sections = lock_sections(&pool_lock);
    pool_give_chains(chain, 12);
    assert_int_equal(lock_sections(&pool_lock), sections + 1);
    assert_int_equal(pool_take(&c, 1, &got), 10); /* 130 KiB: two of the largest blocks */
    assert_int_equal(c, size_class_of(room(13)));
    assert_int_equal(lock_sections(&pool_lock), sections + 2);
    other = got;
    for (unsigned i = 11; i > 6; i--) {
        assert_ptr_equal(other, chain[i].first);
        other = other->next->next;
    }
    assert_null(other);
    c = size_class_of(room(15));
    assert_int_equal(pool_take(&c, 1, &other), 2); /* of one class only */
    assert_int_equal(c, larger);
    assert_int_equal(pool_audit(STDERR_FILENO), 0);
    pool_give(got, "free");
    pool_give(other, "free");
    pool_trim(0);
}

static void no_more_than_eight_chains_are_taken_together(void **state)
{
    struct pool_chain chain[9];
    unsigned c = size_class_of(room(10));
    struct block *got;

    (void)state;
    for (unsigned i = 0; i < 9; i++)
        chain[i] = (struct pool_chain){take_linked(room(10), 1), 1, c};
    pool_give_chains(chain, 9);
    assert_int_equal(pool_take(&c, 1, &got), 8);
    pool_give(got, "free");
    assert_int_equal(pool_take(&c, 2, &got), 1);
    assert_ptr_equal(got, chain[0].first);
    pool_give(got, "free");
}

static void what_waits_is_no_more_than_a_trim_may_keep_or_goes_back(void **state)
{
    char *wall = take(room(10));

    (void)state;
    give_chain(size_class_of(room(21)), take_linked(room(21), 3), 3);
    assert_int_equal(pool_trim(MIB), 0);
    assert_int_equal(totals().dirty, 63 * KIB);
    give_chain(size_class_of(room(21)), take_linked(room(21), 3), 3);
    assert_int_equal(pool_trim(0), 63 * KIB);
    assert_int_equal(totals().dirty, 0);
    give(wall);
}

static void a_damaged_chain_is_found_by_the_audit(void **state)
{
    struct block *chain = take_linked(room(21), 2), *second = chain->next;

    (void)state;
    give_chain(size_class_of(room(21)), chain, 2);
    chain->next = NULL;
    assert_int_equal(pool_audit(-1), 1);
    chain->next = chain;
    assert_int_equal(pool_audit(-1), 1);
    chain->next = second;
    assert_int_equal(pool_audit(STDERR_FILENO), 0);
    pool_trim(0);
}

static void a_block_is_aligned_to_any_power_of_two_up_to_64_kib(void **state)
{
    char *block[40];
    unsigned count = 0;

    (void)state;
    for (size_t align = 2 * CACHE_LINE; align <= 64 * KIB; align *= 2) {
        for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c += 9) {
            char *p = pool_take_aligned(c, align);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_int_equal(units_at(p) * POOL_UNIT, size_class_footprint(c));
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
    for (size_t line = 0; line < MIB / CACHE_LINE; line++) {
        const char *at = base + line * CACHE_LINE;
        bool starts = false;

        for (size_t i = 0; i < count; i++)
            starts |= at == block[i];
        if ((units_at(at) != 0) != starts)
            fail_msg("line %zu: %u units, although %s starts there", line, units_at(at),
                     starts ? "a block" : "none");
        for (size_t inside = 1; inside < CACHE_LINE; inside += 21)
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
        block[i] = take(room(10) + i % 13 * KIB);
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
        TEST(blocks_begin_each_at_another_line_of_their_unit_unless_they_are_to_be_aligned),
        TEST(several_blocks_come_linked_and_go_back_linked_whatever_their_classes),
        TEST(a_chunk_is_used_to_its_last_unit_and_free_runs_join_again),
        TEST(a_free_run_joins_both_neighbours),
        TEST(the_smallest_run_that_fits_serves),
        TEST(resident_memory_serves_before_untouched_memory_that_fits_better),
        TEST(a_chain_is_taken_whole_by_the_next_who_needs_its_class_or_one_that_it_serves),
        TEST(a_chain_becomes_free_runs_when_no_run_fits),
        TEST(no_more_are_joined_at_once_than_a_few_hundred_blocks),
        TEST(a_chain_that_does_not_begin_with_a_block_ends_the_program),
        TEST(more_than_four_mib_do_not_wait_of_a_small_heap),
        TEST(short_chains_are_left_and_taken_together),
        TEST(no_more_than_eight_chains_are_taken_together),
        TEST(what_waits_is_no_more_than_a_trim_may_keep_or_goes_back),
        TEST(a_damaged_chain_is_found_by_the_audit),
        TEST(a_block_is_aligned_to_any_power_of_two_up_to_64_kib),
        TEST(only_the_start_of_a_live_block_has_units),
    };

    return cmocka_run_group_tests_name("pool", tests, unit_defaults, NULL);
}
