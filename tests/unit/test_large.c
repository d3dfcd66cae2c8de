/* SPDX-License-Identifier: MIT */
/* Spans split and join, are resized in place or by moving, and go back as they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "large/large.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/os.h"
#include "support/support.h"
#include "support/unit.h"

#define NEVER UINT64_MAX /* a time at which everything is old */

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
    large_unmap_free();
    return totals().mapped == 0 && totals().dirty == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return totals().live == 0 && totals().spans_live == 0 && large_audit(STDERR_FILENO) == 0 ? 0 : -1;
}

static char *take(size_t size)
{
    bool zeroed;
    char *p = large_alloc(size, GRANULE, &zeroed); /* it begins with its span */

    assert_non_null(p);
    assert_int_equal(large_usable(registry_find(p), p, "test"), bits_round_up(size, os_page_size()));
    return p;
}

static void give(void *p)
{
    large_free(registry_find(p), p);
}

static void *resize(void *p, size_t size)
{
    return large_resize(registry_find(p), p, size);
}

static void a_block_is_aligned_and_each_of_its_granules_leads_to_it(void **state)
{
    bool zeroed;

    (void)state;
    for (size_t align = 16; align <= 16 * MIB; align *= 4) {
        for (size_t size = 65 * KIB; size <= 3 * MIB; size = size * 2 + 777) {
            char *p = large_alloc(size, align, &zeroed);
            struct slab *s = registry_find(p);

            assert_non_null(p);
            assert_int_equal((uintptr_t)p % (align <= CACHE_LINE ? CACHE_LINE : align < GRANULE ? GRANULE : align), 0);
            assert_int_equal(s->tag, TAG_LARGE);
            assert_int_equal(s->base % GRANULE, 0);
            assert_in_range(p - s->base, 0, align <= CACHE_LINE ? 4096 - CACHE_LINE : 0);
            assert_null(s->owner);
            for (size_t at = 0; at < size; at += GRANULE)
                assert_ptr_equal(registry_find(p + at), s);
            p[0] = p[size - 1] = 1;
            assert_int_equal(totals().spans_live, 1);
            assert_int_equal(totals().live, large_usable(s, p, "test"));
            assert_in_range(totals().live, size, size + os_page_size() - 1);
            assert_int_equal(large_audit(STDERR_FILENO), 0);
            give(p);
        }
    }
}

/* 64 blocks that follow each other begin in all lines of a page, and each ends where it says. */
static void blocks_that_ask_for_no_alignment_begin_at_different_lines(void **state)
{
    static const size_t size[] = {128 * KIB, 90 * KIB + 1, MIB, 2 * MIB - 1};
    char *block[64];
    bool zeroed;

    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        uint64_t lines = 0;

        for (unsigned i = 0; i < 64; i++) {
            struct slab *s;
            size_t usable;

            block[i] = large_alloc(size[k], BLOCK_ALIGN, &zeroed);
            s = registry_find(block[i]);
            usable = large_usable(s, block[i], "test");
            lines |= (uint64_t)1 << (uintptr_t)block[i] % 4096 / CACHE_LINE;
            assert_ptr_equal(registry_find(block[i] + usable - BLOCK_ALIGN), s);
            assert_int_equal(((uintptr_t)block[i] + usable) % os_page_size(), 0);
            memset(block[i], (int)i + 1, usable);
        }
        assert_true(lines == UINT64_MAX);
        for (unsigned i = 0; i < 64; i++) {
            assert_int_equal(block[i][0], i + 1);
            assert_int_equal(block[i][size[k] - 1], i + 1);
            /* It grows, shrinks, and keeps its place as others do. */
            char *p = resize(block[i], size[k] - 5000);

            assert_ptr_equal(p, block[i]);
            assert_in_range(large_usable(registry_find(p), p, "test"), size[k] - 5000, size[k] - 5000 + os_page_size());
            assert_int_equal(p[size[k] - 5001], i + 1);
            give(p);
        }
        assert_int_equal(large_audit(STDERR_FILENO), 0);
    }
}

static void a_span_is_cut_from_the_smallest_free_one_that_fits(void **state)
{
    char *first = take(MIB), *wall = take(GRANULE + 1), *second = take(512 * KIB), *wall2 = take(GRANULE + 1);
    char *p;

    (void)state;
    give(first);
    give(second);
    p = take(400 * KIB);
    assert_ptr_equal(p, second);
    give(p);
    p = take(600 * KIB);
    assert_ptr_equal(p, first);
    assert_int_equal(totals().mapped, 4 * MIB);
    give(p);
    give(wall);
    give(wall2);
}

static void a_free_span_joins_both_neighbours(void **state)
{
    static const unsigned order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        char *p[3] = {take(MIB), take(MIB), take(MIB)}, *wall = take(MIB), *whole;

        assert_ptr_equal(p[1], p[0] + MIB);
        assert_ptr_equal(p[2], p[1] + MIB);
        for (unsigned n = 0; n < 3; n++)
            give(p[order[i][n]]);
        assert_int_equal(totals().dirty, 3 * MIB);
        assert_int_equal(large_audit(STDERR_FILENO), 0);
        whole = take(3 * MIB);
        assert_ptr_equal(whole, p[0]);
        assert_int_equal(totals().mapped, 4 * MIB);
        give(whole);
        give(wall);
    }
}

static void fill_usable(char *p)
{
    memset(p, 0xff, large_usable(registry_find(p), p, "test"));
}

static void what_is_said_to_be_zeroed_is_zero(void **state)
{
    enum { MANY = 24 };
    char *block[MANY] = {NULL};
    uint64_t random = 2;

    (void)state;
    OPTION_SET(large_cache) = 2 * MIB;
    OPTION_SET(large_cache_percent) = 0;
    for (int step = 0; step < (TEST_TSAN ? 300 : 1500); step++) {
        size_t at = random_below(&random, MANY), size = SIZE_POOL_MAX + 1 + random_below(&random, 400 * KIB);
        bool zeroed, resized = block[at] != NULL && random_below(&random, 2) == 0;

        if (resized) {
            (void)resize(block[at], size); /* or it stays what it is */
        } else if (block[at] != NULL) {
            give(block[at]);
            block[at] = NULL;
            continue;
        } else {
            block[at] = large_alloc(size, BLOCK_ALIGN, &zeroed);
            assert_non_null(block[at]);
            if (zeroed)
                assert_true(all_zero(block[at], size));
        }
        fill_usable(block[at]);
        if (step % 50 == 0)
            large_trim(0);
    }
    for (size_t at = 0; at < MANY; at++) {
        if (block[at] != NULL)
            give(block[at]);
    }
}

static void fresh_memory_is_zeroed_and_memory_that_was_used_is_not_said_to_be(void **state)
{
    bool zeroed;
    char *p = large_alloc(MIB, GRANULE, &zeroed);

    (void)state;
    assert_true(zeroed);
    give(p);
    assert_ptr_equal(large_alloc(MIB, GRANULE, &zeroed), p);
    assert_false(zeroed);
    give(p);
    large_trim(0);
    assert_ptr_equal(large_alloc(MIB, GRANULE, &zeroed), p);
    assert_true(zeroed);
    give(p);
}

static void a_fresh_mapping_that_joins_used_memory_is_not_said_to_be_zeroed(void **state)
{
    bool zeroed;

    (void)state;
    for (size_t size = 4 * MIB; size <= 20 * MIB; size += 3 * MIB) {
        char *p = take(size), *q[2];

        memset(p, 0xff, size);
        give(p);
        for (unsigned i = 0; i < 2; i++) { /* more than that: mapped beside it, mostly; and the rest */
            size_t n = i == 0 ? size + MIB : size;

            q[i] = large_alloc(n, BLOCK_ALIGN, &zeroed);
            assert_non_null(q[i]);
            if (zeroed)
                assert_true(all_zero(q[i], n));
        }
        give(q[0]);
        give(q[1]);
        large_unmap_free();
    }
}

/* ---- resizing ---- */

static void a_block_grows_into_the_free_span_behind_it_and_shrinks_in_place(void **state)
{
    char *p = take(MIB), *next, *rest;
    size_t live = totals().live;

    (void)state;
    pattern_fill(p, MIB, 1);
    assert_ptr_equal(resize(p, 2 * MIB + 1), p);
    assert_int_equal(large_usable(registry_find(p), p, "test"), 2 * MIB + os_page_size());
    assert_int_equal(registry_find(p + 2 * MIB)->base, p);
    assert_true(pattern_holds(p, MIB, p, MIB, 1));
    assert_int_equal(large_audit(STDERR_FILENO), 0);
    next = take(256 * KIB);
    assert_null(resize(p, 3 * MIB)); /* another block is in the way */
    assert_ptr_equal(resize(p, 512 * KIB), p);
    assert_int_equal(totals().live, 512 * KIB + 256 * KIB);
    rest = take(MIB + 512 * KIB);
    assert_ptr_equal(rest, p + 512 * KIB);
    assert_true(pattern_holds(p, 512 * KIB, p, MIB, 1));
    assert_ptr_equal(resize(p, 500 * KIB), p); /* within the last granule */
    assert_null(resize(p, SIZE_POOL_MAX));
    assert_true(live == MIB);
    give(p);
    give(next);
    give(rest);
}

static void a_block_may_take_the_whole_of_the_span_behind_it(void **state)
{
    char *p = take(MIB);

    (void)state;
    assert_ptr_equal(resize(p, 4 * MIB), p);
    assert_null(resize(p, 4 * MIB + 1));
    assert_int_equal(totals().mapped, 4 * MIB);
    for (size_t at = 0; at < 4 * MIB; at += GRANULE)
        assert_int_equal(registry_find(p + at)->base, p);
    give(p);
}

static void what_a_block_did_not_use_of_the_span_it_grew_into_is_not_said_to_be_zeroed(void **state)
{
    const size_t page = os_page_size();
    char *p = take(MIB), *q = take(2 * GRANULE);
    bool zeroed;

    (void)state;
    fill_usable(q);
    give(q);
    assert_ptr_equal(resize(p, MIB + GRANULE + page), p); /* all but a page of its last granule is as q left it */
    give(p);
    large_trim(0);
    assert_int_equal(totals().dirty, 0);
    p = large_alloc(4 * MIB, GRANULE, &zeroed);
    assert_non_null(p);
    assert_true(!zeroed || all_zero(p, 4 * MIB));
    give(p);
}

static void a_block_grows_and_shrinks_in_a_span_that_could_not_be_cut(void **state)
{
    enum { MANY = 256 };
    char *block[MANY], *p;
    unsigned count = 0;
    bool zeroed;

    (void)state;
    give(take(40 * MIB));
    os_fail_after(0);
    while (meta_alloc(sizeof(struct span)) != NULL)
        continue;
    do {
        p = block[count++] = take(2 * GRANULE);
    } while (count < MANY && registry_find(p + 2 * GRANULE) != registry_find(p));
    assert_true(count < MANY); /* the last one has all that is left */
    fill_usable(p);
    assert_ptr_equal(resize(p, MIB), p);
    assert_int_equal(large_usable(registry_find(p), p, "test"), MIB);
    fill_usable(p);
    assert_ptr_equal(resize(p, MIB / 2), p);
    assert_int_equal(large_usable(registry_find(p), p, "test"), MIB / 2);
    assert_int_equal(large_audit(STDERR_FILENO), 0);
    while (count > 0)
        give(block[--count]);
    os_fail_after(-1);
    large_trim(0);
    p = large_alloc(16 * MIB, GRANULE, &zeroed);
    assert_non_null(p);
    assert_true(!zeroed || all_zero(p, 16 * MIB));
    give(p);
}

static void the_smallest_and_the_largest_sizes_that_cannot_be_are_refused(void **state)
{
    bool zeroed;
    char *p = take(MIB);

    (void)state;
    assert_null(large_alloc(PTRDIFF_MAX, BLOCK_ALIGN, &zeroed));
    assert_null(large_alloc((size_t)PTRDIFF_MAX + 1, BLOCK_ALIGN, &zeroed));
    assert_null(large_alloc(SIZE_MAX, BLOCK_ALIGN, &zeroed));
    assert_null(large_alloc(MIB, (size_t)PTRDIFF_MAX + 1, &zeroed));
    assert_null(large_alloc(PTRDIFF_MAX / 2, (size_t)1 << 62, &zeroed));
    assert_null(resize(p, PTRDIFF_MAX));
    assert_null(resize(p, SIZE_MAX));
    assert_null(resize(p, hakmem_options.huge_threshold));
    give(p);
}

/* ---- what goes back ---- */

static void free_spans_stay_resident_up_to_the_budget(void **state)
{
    char *block[16];

    (void)state;
    OPTION_SET(large_cache) = 3 * MIB;
    OPTION_SET(large_cache_percent) = 100;
    for (unsigned i = 0; i < 16; i++)
        block[i] = take(MIB);
    for (unsigned i = 0; i < 16; i++) {
        size_t live = totals().live - MIB;

        give(block[i]);
        assert_true(totals().dirty <= (live > 3 * MIB ? live : 3 * MIB));
        if (i < 7) /* joined, they are given back together */
            assert_int_equal(totals().dirty, (i + 1) * MIB);
    }
    assert_int_equal(totals().mapped % MIB, 0);
}

static void what_a_block_leaves_when_it_shrinks_counts_in_the_budget(void **state)
{
    char *p[2] = {take(8 * MIB), take(8 * MIB)};

    (void)state;
    OPTION_SET(large_cache) = MIB;
    OPTION_SET(large_cache_percent) = 0;
    assert_ptr_equal(resize(p[0], 7 * MIB), p[0]);
    assert_int_equal(totals().dirty, MIB);
    assert_ptr_equal(resize(p[1], MIB), p[1]);
    assert_true(totals().dirty <= MIB);
    give(p[0]);
    give(p[1]);
}

static void a_trim_leaves_at_most_what_it_is_told(void **state)
{
    char *block[12];

    (void)state;
    for (unsigned i = 0; i < 12; i++)
        block[i] = take(MIB);
    for (unsigned i = 0; i < 12; i += 2)
        give(block[i]);
    for (size_t keep = 6 * MIB; keep > 0; keep -= MIB / 2) {
        size_t before = totals().dirty, bytes = large_trim(keep);

        assert_true(totals().dirty <= keep);
        assert_int_equal(bytes, before - totals().dirty);
    }
    assert_int_equal(large_trim(0), totals().dirty);
    assert_int_equal(totals().dirty, 0);
    for (unsigned i = 1; i < 12; i += 2)
        give(block[i]);
}

static void what_was_freed_first_goes_first_and_only_when_it_is_older_than_the_delay(void **state)
{
    char *first = take(MIB), *wall = take(GRANULE + 1), *second = take(MIB), *wall2 = take(GRANULE + 1);
    uint64_t before = os_now_ms();

    (void)state;
    OPTION_SET(purge_delay) = 3600000;
    memset(first, 1, MIB);
    memset(second, 2, MIB);
    give(first);
    give(second);
    large_age(0);
    large_age(before);
    large_age(before + 3599999);
    assert_int_equal(totals().dirty, 2 * MIB);
    assert_int_equal(large_trim(MIB), MIB);
    assert_true(all_zero(first, MIB));
    assert_true(second[0] == 2 && second[MIB - 1] == 2);
    large_age(os_now_ms() + 3600000 + 1);
    assert_int_equal(totals().dirty, 0);
    large_age(NEVER);
    give(wall);
    give(wall2);
}

static void of_a_span_over_the_budget_the_end_is_given_back(void **state)
{
    enum { SIZE = 32 * MIB, BUDGET = 20 * MIB };
    char *p = take(SIZE);
    bool zeroed;

    (void)state;
    OPTION_SET(large_cache) = BUDGET;
    OPTION_SET(large_cache_percent) = 0;
    memset(p, 1, SIZE);
    give(p);
    assert_int_equal(totals().dirty, BUDGET);
    assert_ptr_equal(large_alloc(SIZE, GRANULE, &zeroed), p);
    assert_false(zeroed);
    assert_true(p[0] == 1 && p[BUDGET - 1] == 1);
    assert_true(all_zero(p + BUDGET, SIZE - BUDGET));
    give(p);
}

static void what_was_given_back_and_soon_needed_again_is_kept_the_next_time(void **state)
{
    enum { SIZE = 16 * MIB, BUDGET = 4 * MIB };
    char *p = take(SIZE);

    (void)state;
    OPTION_SET(large_cache) = BUDGET;
    OPTION_SET(large_cache_percent) = 0;
    give(p);
    assert_int_equal(totals().dirty, BUDGET); /* nobody had asked for it again */
    assert_int_equal(totals().regretted, 0);
    p = take(SIZE);
    assert_int_equal(totals().regretted, SIZE - BUDGET);
    give(p);
    assert_int_equal(totals().dirty, SIZE);
    p = take(SIZE);
    give(p);
    assert_int_equal(totals().dirty, SIZE);
    for (int round = 0; round < 400; round++)
        large_age(1); /* it fades with time */
    p = take(SIZE);
    give(p);
    assert_true(totals().regretted < MIB);
    assert_true(totals().dirty < BUDGET + MIB);
    large_trim(SIZE);
    assert_int_equal(totals().regretted, 0);
}

static void as_much_as_others_have_mapped_goes_back_but_what_was_soon_needed_again(void **state)
{
    char *block[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        block[i] = take(16 * MIB + GRANULE);
    for (int i = 0; i < 4; i += 2)
        give(block[i]);
    size_t dirty = totals().dirty;
    large_yield(9 * MIB);
    assert_int_equal(totals().dirty, dirty - 9 * MIB);
    large_yield(SIZE_MAX);
    assert_int_equal(totals().dirty, 0);
    block[0] = take(16 * MIB + GRANULE);
    assert_true(totals().regretted >= 16 * MIB); /* that was too early */
    give(block[0]);
    large_yield(SIZE_MAX);
    assert_true(totals().dirty >= 16 * MIB);
    give(block[1]);
    give(block[3]);
    large_trim(0);
}

static void a_huge_block_is_cut_from_the_page_heap_once_such_blocks_come_in_turns(void **state)
{
    size_t size = hakmem_options.huge_threshold;
    bool zeroed;
    char *p = large_alloc(size, GRANULE, &zeroed);

    (void)state;
    OPTION_SET(large_cache) = 0;
    OPTION_SET(large_cache_percent) = 0;
    assert_int_equal(registry_find(p)->tag, TAG_HUGE);
    give(p);
    p = large_alloc(size, GRANULE, &zeroed);
    assert_int_equal(registry_find(p)->tag, TAG_HUGE);
    give(p);
    p = large_alloc(size, GRANULE, &zeroed);
    assert_int_equal(registry_find(p)->tag, TAG_LARGE);
    give(p);
    large_trim(0);
    p = large_alloc(size, GRANULE, &zeroed);
    assert_int_equal(registry_find(p)->tag, TAG_HUGE);
    give(p);
}

static void when_memory_is_short_all_free_spans_are_unmapped(void **state)
{
    char *block[10];

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        block[i] = take(MIB);
    for (unsigned i = 0; i < 10; i += 2)
        give(block[i]);
    assert_true(large_unmap_free() >= 5 * MIB);
    assert_int_equal(totals().mapped, totals().live);
    assert_int_equal(totals().dirty, 0);
    for (unsigned i = 0; i < 10; i += 2)
        assert_int_equal(registry_find(block[i])->tag, TAG_NONE);
    for (unsigned i = 1; i < 10; i += 2)
        give(block[i]);
    large_unmap_free();
    assert_int_equal(totals().mapped, 0);
}

/* Pages of [start, start + size) that are in memory. */
static size_t resident_pages(char *start, size_t size)
{
    static unsigned char present[1024];
    size_t pages = size / os_page_size(), n = 0;

    assert_true(pages <= sizeof present);
    assert_int_equal(mincore(start, size, present), 0);
    for (size_t i = 0; i < pages; i++)
        n += present[i] & 1;
    return n;
}

static void what_is_resident_behind_a_cut_goes_back(void **state)
{
    char *block[4], *most;

    (void)state;
    for (int i = 0; i < 4; i++) {
        block[i] = take(MIB);
        memset(block[i], 1, MIB);
    }
    for (int i = 1; i < 4; i++)
        assert_ptr_equal(block[i], block[0] + i * MIB);
    for (int i = 0; i < 3; i++)
        give(block[i]);
    large_trim(0);
    give(block[3]); /* resident; the three in front of it are not */
    most = take(3 * MIB);
    assert_ptr_equal(most, block[0]);
    assert_int_equal(totals().dirty, MIB);
    assert_int_equal(large_trim(0), MIB);
    assert_int_equal(resident_pages(block[3], MIB), 0);
    give(most);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_block_is_aligned_and_each_of_its_granules_leads_to_it),
        TEST(blocks_that_ask_for_no_alignment_begin_at_different_lines),
        TEST(a_span_is_cut_from_the_smallest_free_one_that_fits),
        TEST(a_free_span_joins_both_neighbours),
        TEST(what_is_said_to_be_zeroed_is_zero),
        TEST(fresh_memory_is_zeroed_and_memory_that_was_used_is_not_said_to_be),
        TEST(a_fresh_mapping_that_joins_used_memory_is_not_said_to_be_zeroed),
        TEST(a_block_grows_into_the_free_span_behind_it_and_shrinks_in_place),
        TEST(a_block_may_take_the_whole_of_the_span_behind_it),
        TEST(what_a_block_did_not_use_of_the_span_it_grew_into_is_not_said_to_be_zeroed),
        TEST(a_block_grows_and_shrinks_in_a_span_that_could_not_be_cut),
        TEST(the_smallest_and_the_largest_sizes_that_cannot_be_are_refused),
        TEST(free_spans_stay_resident_up_to_the_budget),
        TEST(what_a_block_leaves_when_it_shrinks_counts_in_the_budget),
        TEST(of_a_span_over_the_budget_the_end_is_given_back),
        TEST(a_trim_leaves_at_most_what_it_is_told),
        TEST(what_was_freed_first_goes_first_and_only_when_it_is_older_than_the_delay),
        TEST(what_is_resident_behind_a_cut_goes_back),
        TEST(what_was_given_back_and_soon_needed_again_is_kept_the_next_time),
        TEST(as_much_as_others_have_mapped_goes_back_but_what_was_soon_needed_again),
        TEST(a_huge_block_is_cut_from_the_page_heap_once_such_blocks_come_in_turns),
        TEST(when_memory_is_short_all_free_spans_are_unmapped),
    };

    return cmocka_run_group_tests_name("large", tests, unit_defaults, NULL);
}
