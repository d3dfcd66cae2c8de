/* SPDX-License-Identifier: MIT */
/* Blocks with a mapping of their own; and spans and mappings at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "large/large.h"
#include "options/options.h"
#include "os/os.h"
#include "support/support.h"
#include "support/unit.h"

enum { MANY = 40, STEPS = TEST_TSAN ? 300 : 2000 };

static struct large_totals totals(void)
{
    struct large_totals now;

    large_get_totals(&now);
    return now;
}

static int start(void **state)
{
    if (unit_defaults(state) != 0)
        return -1;
    hakmem_options.huge_threshold = MIB;
    large_unmap_free();
    return totals().mapped == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return totals().live == 0 && totals().spans_live == 0 && large_audit(STDERR_FILENO) == 0 ? 0 : -1;
}

static void give(void *p)
{
    large_free(registry_find(p), p);
}

static void *resize(void *p, size_t size)
{
    return large_resize(registry_find(p), p, size);
}

static void from_the_threshold_on_a_block_is_a_mapping_of_its_own(void **state)
{
    size_t page = os_page_size();
    bool zeroed;

    (void)state;
    for (size_t size = MIB - page; size <= MIB + page; size += page) {
        char *p = large_alloc(size, BLOCK_ALIGN, &zeroed);
        bool huge = size >= MIB;

        assert_non_null(p);
        assert_true(zeroed);
        assert_int_equal(registry_find(p)->tag, huge ? TAG_HUGE : TAG_LARGE);
        if (huge)
            assert_int_equal(totals().mapped, size);
        memset(p, 1, size);
        for (size_t at = 0; at < size; at += GRANULE)
            assert_int_equal(registry_find(p + at)->base, p);
        give(p);
        if (huge)
            assert_int_equal(registry_find(p)->tag, TAG_NONE);
        large_unmap_free();
        assert_int_equal(totals().mapped, 0);
    }
}

static void a_mapping_is_aligned_to_what_is_asked_for(void **state)
{
    bool zeroed;

    (void)state;
    for (size_t align = 16; align <= 64 * MIB; align *= 8) {
        char *p = large_alloc(2 * MIB + 5, align, &zeroed);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (align < GRANULE ? GRANULE : align), 0);
        give(p);
    }
}

static void a_mapping_grows_by_moving_its_pages_and_shrinks_in_place(void **state)
{
    size_t page = os_page_size();
    bool zeroed;
    char *p = large_alloc(MIB, BLOCK_ALIGN, &zeroed), *moved;

    (void)state;
    pattern_fill(p, MIB, 1);
    moved = resize(p, 3 * MIB + 1);
    assert_non_null(moved);
    assert_true(pattern_holds(moved, MIB, p, MIB, 1));
    assert_true(all_zero(moved + MIB, 2 * MIB));
    assert_int_equal(totals().mapped, 3 * MIB + page);
    assert_int_equal(totals().live, 3 * MIB + page);
    assert_int_equal(registry_find(p)->tag, TAG_NONE);
    assert_int_equal(registry_find(moved + 3 * MIB)->base, moved);
    assert_ptr_equal(resize(moved, 3 * MIB + 1), moved);
    assert_ptr_equal(resize(moved, MIB / 2), moved);
    assert_int_equal(totals().mapped, MIB / 2);
    assert_int_equal(registry_find(moved + MIB)->tag, TAG_NONE);
    assert_true(pattern_holds(moved, MIB / 2, p, MIB, 1));
    assert_null(resize(moved, MIB / 2 - page)); /* half the threshold: a span serves it better */
    assert_int_equal(large_audit(STDERR_FILENO), 0);
    give(moved);
}

static void without_memory_nothing_is_changed_and_nothing_is_lost(void **state)
{
    bool zeroed;
    char *huge = large_alloc(MIB, BLOCK_ALIGN, &zeroed), *p;
    size_t refused = 0;

    (void)state;
    pattern_fill(huge, MIB, 1);
    for (long point = 0; point < 8; point++) {
        size_t live = totals().live;

        large_unmap_free();
        os_fail_after(point); /* at the new place, its entries, the move */
        p = resize(huge, 2 * MIB);
        if (p != NULL)
            break;
        refused++;
        p = large_alloc(200 * KIB, 4 * MIB, &zeroed);
        if (p != NULL)
            give(p);
        p = large_alloc(5 * MIB, BLOCK_ALIGN, &zeroed);
        if (p != NULL)
            give(p);
        assert_int_equal(totals().live, live);
        assert_int_equal(large_audit(STDERR_FILENO), 0);
        assert_true(pattern_holds(huge, MIB, huge, MIB, 1));
    }
    os_fail_after(-1);
    assert_true(refused >= 2);
    assert_non_null(p);
    assert_true(pattern_holds(p, MIB, huge, MIB, 1));
    give(p);
}

/* ---- at random ---- */

static char *held[MANY];
static size_t held_size[MANY], held_usable[MANY];
static size_t live;


static void fill(size_t at)
{
    /* both ends of a block tell whether it is whole */
    pattern_fill(held[at], 4096, at);
    pattern_fill(held[at] + held_size[at] - 4096, 4096, at);
    held_usable[at] = large_usable(registry_find(held[at]), held[at], "test");
    live += held_usable[at];
}

static void check_and_give(size_t at)
{
    char *last = held[at] + held_size[at] - 4096;

    assert_true(pattern_holds(held[at], 4096, held[at], 4096, at));
    assert_true(pattern_holds(last, 4096, last, 4096, at));
    give(held[at]);
    live -= held_usable[at];
    held[at] = NULL;
}

static size_t any_size(uint64_t *random)
{
    size_t most = random_below(random, 4) == 0 ? 3 * MIB : 300 * KIB;

    return SIZE_POOL_MAX + 1 + random_below(random, most);
}

static void resize_at_random(uint64_t *random, size_t at)
{
    char *old = held[at], *p = resize(old, held_size[at]);
    size_t size = any_size(random);

    assert_ptr_equal(p, old); /* to the same size it is the same block */
    p = resize(old, size);
    if (p == NULL)
        return;
    assert_true(pattern_holds(p, 4096, old, 4096, at));
    live -= held_usable[at];
    held[at] = p;
    held_size[at] = size;
    fill(at);
}

static void any_sequence_of_calls_keeps_content_and_counts(void **state)
{
    uint64_t random = 6;
    bool zeroed;

    (void)state;
    OPTION_SET(large_cache) = 2 * MIB;
    OPTION_SET(large_cache_percent) = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t at = random_below(&random, MANY), kind = random_below(&random, 3);

        if (held[at] == NULL) {
            held_size[at] = any_size(&random);
            held[at] = large_alloc(held_size[at], (size_t)1 << random_below(&random, 20), &zeroed);
            assert_non_null(held[at]);
            fill(at);
        } else if (kind == 0) {
            resize_at_random(&random, at);
        } else {
            check_and_give(at);
        }
        if (step % 100 == 0)
            large_trim(random_below(&random, 2 * MIB));
        if (step % 333 == 0)
            large_unmap_free();
        assert_int_equal(totals().live, live);
        assert_true(totals().dirty <= 2 * MIB + totals().regretted);
        assert_int_equal(large_audit(STDERR_FILENO), 0);
    }
    for (size_t at = 0; at < MANY; at++) {
        if (held[at] != NULL)
            check_and_give(at);
    }
    large_unmap_free();
    assert_int_equal(totals().mapped, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(from_the_threshold_on_a_block_is_a_mapping_of_its_own),
        TEST(a_mapping_is_aligned_to_what_is_asked_for),
        TEST(a_mapping_grows_by_moving_its_pages_and_shrinks_in_place),
        TEST(without_memory_nothing_is_changed_and_nothing_is_lost),
        TEST(any_sequence_of_calls_keeps_content_and_counts),
    };

    return cmocka_run_group_tests_name("large_huge", tests, unit_defaults, NULL);
}
