/* SPDX-License-Identifier: MIT */
/* The pool gives free memory back as it is told, and any use of it keeps content and counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "options/options.h"
#include "os/os.h"
#include "support/pool_blocks.h"
#include "support/unit.h"

enum { MANY = 600, STEPS = TEST_TSAN ? 4000 : 20000 };
#define NEVER UINT64_MAX /* a time at which everything is old */

static void free_memory_goes_back_to_the_cap_when_it_is_half_above_it(void **state)
{
    static char *block[MANY];

    (void)state;
    OPTION_SET(superslab_cache) = 4 * MIB;
    OPTION_SET(superslab_cache_percent) = 0;
    for (int i = 0; i < MANY; i++)
        block[i] = take(room(65));
    for (int i = 0; i < MANY; i++) {
        give(block[i]);
        assert_true(totals().dirty <= 6 * MIB);
    }
    assert_true(totals().mapped <= 6 * MIB + POOL_CHUNK_MAX);
}

static void a_trim_leaves_at_most_what_it_is_told_and_no_chunk_without_a_block(void **state)
{
    static char *block[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++)
        block[i] = take(room(21));
    for (int i = 1; i < MANY; i++)
        give(block[i]);
    for (size_t keep = 8 * MIB; keep >= KIB; keep /= 2) {
        size_t before = totals().dirty, bytes = pool_trim(keep);

        assert_true(totals().dirty <= keep);
        assert_int_equal(bytes, before - totals().dirty);
        assert_int_equal(pool_audit(STDERR_FILENO), 0);
    }
    pool_trim(0);
    assert_int_equal(totals().dirty, 0);
    assert_int_equal(totals().mapped, MIB); /* the chunk of block 0 */
    give(block[0]);
    pool_trim(0);
    assert_int_equal(totals().mapped, 0);
    assert_int_equal(registry_find(block[0])->tag, TAG_NONE);
}

static void a_purged_run_reads_as_zero_and_the_blocks_beside_it_are_whole(void **state)
{
    char *before = take(room(10)), *middle = take(room(41)), *after = take(room(11));
    size_t page = os_page_size();

    (void)state;
    pattern_fill(before, room(10), 1);
    pattern_fill(after, room(11), 2);
    memset(middle, 1, room(41));
    give(middle);
    assert_int_equal(pool_trim(0), 41 * KIB);
    assert_true(pattern_holds(before, room(10), before, room(10), 1));
    assert_true(pattern_holds(after, room(11), after, room(11), 2));
    char *again = take(room(41));
    assert_ptr_equal(first_unit(again), first_unit(middle));
    char *whole = (char *)bits_round_up((uintptr_t)again + sizeof(struct block), page);
    if (page <= 16 * KIB)
        assert_true(all_zero(whole, page));
    give(before);
    give(again);
    give(after);
}

static void only_what_is_older_than_the_delay_goes_back(void **state)
{
    uint64_t before = os_now_ms();
    char *kept = take(room(10)), *p = take(room(61));

    (void)state;
    OPTION_SET(purge_delay) = 3600000;
    give(p);
    pool_age(0);
    pool_age(before);
    pool_age(before + 3599999);
    assert_int_equal(totals().dirty, 61 * KIB);
    pool_age(os_now_ms() + 3600000);
    assert_int_equal(totals().dirty, 0);
    assert_int_equal(totals().mapped, MIB);
    give(kept);
    pool_age(NEVER);
    assert_int_equal(totals().mapped, 0);
}

static void what_is_mapped_ahead_serves_without_a_call_to_the_system(void **state)
{
    char *block[32];

    (void)state;
    assert_int_equal(pool_prewarm(0), 0);
    size_t mapped = pool_prewarm(4 * MIB);

    assert_true(mapped >= 4 * MIB);
    assert_int_equal(totals().mapped, mapped);
    uint64_t calls = os_memory_calls();
    for (unsigned i = 0; i < 32; i++)
        block[i] = take(room(61));
    assert_int_equal(os_memory_calls(), calls);
    for (unsigned i = 0; i < 32; i++)
        give(block[i]);
}

static void without_memory_there_is_no_block_and_nothing_is_lost(void **state)
{
    struct block *list = (struct block *)1;
    unsigned last = CLASS_LAST;
    char *p;

    (void)state;
    os_fail_after(0);
    assert_int_equal(pool_take(&last, 3, &list), 0);
    assert_null(list);
    assert_null(pool_take_aligned(CLASS_LAST, 64 * KIB));
    assert_int_equal(pool_prewarm(MIB), 0);
    assert_int_equal(totals().mapped, 0);
    os_fail_after(-1);
    p = take(room(65));
    os_fail_after(0);
    give(p);
    char *again = take(room(65)); /* what came back still serves */
    assert_ptr_equal(first_unit(again), first_unit(p));
    os_fail_after(-1);
    give(again);
}

/* ---- at random ---- */

static char *held[MANY];
static size_t held_size[MANY], held_footprint[MANY];

static void random_step(uint64_t *random, size_t at)
{
    size_t size = SIZE_SLAB_MAX + 1 + random_below(random, SIZE_POOL_MAX - SIZE_SLAB_MAX);
    size_t align = (size_t)1 << random_below(random, 17);

    if (held[at] != NULL) {
        assert_int_equal(units_at(held[at]) * POOL_UNIT, held_footprint[at]);
        assert_true(pattern_holds(held[at], held_size[at], held[at], held_size[at], at));
        give(held[at]);
        held[at] = NULL;
        return;
    }
    held_size[at] = size_class_size(size_class_of(size));
    held_footprint[at] = size_class_footprint(size_class_of(size));
    held[at] = align > CACHE_LINE ? pool_take_aligned(size_class_of(size), align) : take(size);
    assert_non_null(held[at]);
    pattern_fill(held[at], held_size[at], at);
}

static void any_sequence_of_takes_and_gives_keeps_content_and_counts(void **state)
{
    uint64_t random = 11;
    size_t used = 0;

    (void)state;
    OPTION_SET(superslab_cache) = 2 * MIB;
    OPTION_SET(superslab_cache_percent) = 0;
    for (int step = 0; step < STEPS; step++) {
        /* few live blocks, many, few */
        size_t most = step / (STEPS / 4) % 2 == 0 ? 60 : MANY;
        size_t at = random_below(&random, most);

        used -= held[at] != NULL ? held_footprint[at] : 0;
        random_step(&random, at);
        used += held[at] != NULL ? held_footprint[at] : 0;
        assert_int_equal(totals().used, used);
        if (step % 500 == 0)
            pool_trim(random_below(&random, 3 * MIB));
        if (step % 50 == 0)
            assert_int_equal(pool_audit(STDERR_FILENO), 0);
    }
    for (size_t at = 0; at < MANY; at++) {
        if (held[at] != NULL)
            random_step(&random, at);
    }
    pool_trim(0);
    assert_int_equal(totals().mapped, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(free_memory_goes_back_to_the_cap_when_it_is_half_above_it),
        TEST(a_trim_leaves_at_most_what_it_is_told_and_no_chunk_without_a_block),
        TEST(a_purged_run_reads_as_zero_and_the_blocks_beside_it_are_whole),
        TEST(only_what_is_older_than_the_delay_goes_back),
        TEST(what_is_mapped_ahead_serves_without_a_call_to_the_system),
        TEST(without_memory_there_is_no_block_and_nothing_is_lost),
        TEST(any_sequence_of_takes_and_gives_keeps_content_and_counts),
    };

    return cmocka_run_group_tests_name("pool_release", tests, unit_defaults, NULL);
}
