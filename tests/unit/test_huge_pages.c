/* SPDX-License-Identifier: MIT */
/* Slabs, the pool, and large blocks: who asks for huge pages, until single pages of them go back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "large/large.h"
#include "options/options.h"
#include "os/os.h"
#include "pool/filling.h"
#include "pool/pool.h"
#include "superslab/superslab.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"

#define NEVER UINT64_MAX /* a time at which everything is old */

static bool all_gone(void)
{
    struct superslab_totals slabs;
    struct pool_totals pool;
    struct large_totals large;

    superslab_get_totals(&slabs);
    pool_get_totals(&pool);
    large_get_totals(&large);
    return slabs.superslabs == 0 && pool.mapped == 0 && large.mapped == 0;
}

static int start(void **state)
{
    if (unit_defaults(state) != 0)
        return -1;
    superslab_age(NEVER);
    pool_trim(0);
    large_unmap_free();
    filling = (struct filling){.history = UINT8_MAX}; /* a program that fills its blocks */
    return all_gone() ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return superslab_audit(STDERR_FILENO) == 0 && pool_audit(STDERR_FILENO) == 0 &&
                   large_audit(STDERR_FILENO) == 0
               ? 0
               : -1;
}

static uint64_t asked(void) { return load_relaxed(&os_calls[OS_HUGE]); }
static uint64_t ended(void) { return load_relaxed(&os_calls[OS_NO_HUGE]); }

/* Bytes of [from, from + size) with the flag in /proc/self/smaps: "hg" may have huge pages, "nh" may not. */
static size_t flagged(const void *from, size_t size, const char *flag)
{
    uintptr_t first = (uintptr_t)from, last = first + size;
    unsigned long start = 0, stop = 0;
    char line[512], word[8];
    size_t bytes = 0;
    FILE *smaps = fopen("/proc/self/smaps", "r");

    assert_non_null(smaps);
    snprintf(word, sizeof word, " %s", flag);
    while (fgets(line, sizeof line, smaps) != NULL) {
        unsigned long a, b;

        if (sscanf(line, "%lx-%lx ", &a, &b) == 2) {
            start = a > first ? a : first;
            stop = b < last ? b : last;
        } else if (strncmp(line, "VmFlags:", 8) == 0 && start < stop && strstr(line, word) != NULL) {
            bytes += stop - start;
        }
    }
    fclose(smaps);
    return bytes;
}

static bool is_resident(const void *page)
{
    unsigned char there;

    assert_int_equal(mincore((void *)page, 1, &there), 0);
    return (there & 1) != 0;
}

/* Whether the kernel has a huge page just now is not for a test to say: without one, there is less that can go wrong. */
static bool note_whether_it_came(char *huge_page)
{
    bool came = is_resident(huge_page + HUGE_PAGE - os_page_size());

    if (!came)
        print_message("# the kernel had no huge page here\n");
    return came;
}

/* A kernel without them refuses, and is not asked again. */
static void need_huge_pages(void)
{
    char *p = os_map(4 * MIB, 2 * MIB);
    size_t bytes;

    assert_non_null(p);
    os_huge_pages(p, 4 * MIB);
    bytes = flagged(p, 4 * MIB, "hg");
    os_unmap(p, 4 * MIB);
    if (bytes == 0)
        skip();
}

/* ---- SuperSlabs ---- */

static uintptr_t superslab_base(const struct slab *s)
{
    return s->base - s->index * GRANULE;
}

/* Slabs of 64 MiB, and of 8, from which on slabs that are filled begin SuperSlabs that ask. */
enum { SPARSE = 64 * MIB / GRANULE, FILLED = 8 * MIB / GRANULE };
static struct slab *taken[SPARSE + 2 * SUPERSLAB_SLABS];

static void take_slabs(size_t from, size_t to, bool fills)
{
    for (size_t i = from; i < to; i++) {
        taken[i] = superslab_slab_take(fills);
        assert_non_null(taken[i]);
    }
}

static void give_slabs(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        superslab_slab_give(taken[i]);
}

static struct superslab_totals slab_totals(void)
{
    struct superslab_totals totals;

    superslab_get_totals(&totals);
    return totals;
}

/* Of the SuperSlab of s only these slabs are resident. */
static void only_these_are_resident(const struct slab *const s[], size_t count)
{
    uintptr_t start = superslab_base(s[0]);

    for (uintptr_t base = start; base < start + SUPERSLAB_SIZE; base += GRANULE) {
        bool is_one = false;

        for (size_t i = 0; i < count; i++)
            is_one |= s[i]->base == base;
        assert_int_equal(is_resident((void *)base), is_one);
    }
}

static void superslabs_beyond_64_mib_ask_until_slabs_of_them_go_back(void **state)
{
    struct slab **s = &taken[SPARSE];
    uint64_t before, ended_before;

    (void)state;
    need_huge_pages();
    before = asked();
    take_slabs(0, SPARSE, false);
    assert_int_equal(asked(), before);
    ended_before = ended(); /* the first SuperSlab's descriptors have called */
    take_slabs(SPARSE, SPARSE + 3, false);
    assert_int_equal(asked(), before + 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(superslab_base(s[i]), superslab_base(s[0]));
        pattern_fill((void *)s[i]->base, GRANULE, (uint64_t)i);
    }
    assert_int_equal(flagged((void *)superslab_base(s[0]), SUPERSLAB_SIZE, "hg"), SUPERSLAB_SIZE);
    note_whether_it_came((void *)superslab_base(s[0]));
    superslab_slab_give(s[1]);
    superslab_trim(0);
    assert_int_equal(ended(), ended_before + 1);
    assert_int_equal(flagged((void *)superslab_base(s[0]), SUPERSLAB_SIZE, "nh"), SUPERSLAB_SIZE);
    /* What came along with the first page of a huge one has gone, too. */
    only_these_are_resident((const struct slab *[]){s[0], s[2]}, 2);
    assert_true(pattern_holds((void *)s[0]->base, GRANULE, (void *)s[0]->base, GRANULE, 0));
    assert_true(pattern_holds((void *)s[2]->base, GRANULE, (void *)s[2]->base, GRANULE, 2));
    superslab_slab_give(s[2]);
    superslab_trim(0);
    assert_int_equal(ended(), ended_before + 1); /* once */
    superslab_slab_give(s[0]);
    give_slabs(0, SPARSE);
}

/* All slabs of such a SuperSlab are resident, and so serve first, whoever asks. */
static void slabs_that_are_filled_begin_superslabs_that_ask_beyond_8_mib(void **state)
{
    struct slab **s = &taken[FILLED];
    uint64_t before;

    (void)state;
    need_huge_pages();
    before = asked();
    take_slabs(0, FILLED, true);
    assert_int_equal(asked(), before);
    assert_int_equal(slab_totals().slabs_dirty, 0);
    for (size_t i = 0; i < SUPERSLAB_SLABS; i++) {
        take_slabs(FILLED + i, FILLED + i + 1, i % 2 == 0);
        assert_int_equal(asked(), before + 1);
        assert_int_equal(superslab_base(s[i]), superslab_base(s[0]));
        assert_int_equal(s[i]->touched, SLAB_TOUCHED_ALL);
        assert_int_equal(slab_totals().slabs_dirty, SUPERSLAB_SLABS - 1 - i);
        assert_int_equal(superslab_audit(STDERR_FILENO), 0);
    }
    take_slabs(FILLED + SUPERSLAB_SLABS, FILLED + SUPERSLAB_SLABS + 1, false);
    assert_int_equal(asked(), before + 1); /* one that may stay nearly empty begins one that does not ask */
    assert_int_equal(s[SUPERSLAB_SLABS]->touched, 0);
    give_slabs(0, FILLED + SUPERSLAB_SLABS + 1);
}

static void the_emptiest_first_or_not_they_share_one(void **state)
{
    struct slab **s = &taken[FILLED];

    (void)state;
    need_huge_pages();
    OPTION_SET(hot_first) = false;
    take_slabs(0, FILLED, true);
    take_slabs(FILLED, FILLED + SUPERSLAB_SLABS, true);
    for (size_t i = 1; i < SUPERSLAB_SLABS; i++)
        assert_int_equal(superslab_base(s[i]), superslab_base(s[0]));
    give_slabs(0, FILLED + SUPERSLAB_SLABS);
}

static void slabs_of_one_that_nobody_took_go_back_when_they_are_old(void **state)
{
    struct slab **s = &taken[FILLED];

    (void)state;
    need_huge_pages();
    OPTION_SET(purge_delay) = 3600000;
    take_slabs(0, FILLED + 2, true);
    for (int i = 0; i < 2; i++)
        pattern_fill((void *)s[i]->base, GRANULE, (uint64_t)i);
    superslab_age(os_now_ms());
    assert_int_equal(slab_totals().slabs_dirty, SUPERSLAB_SLABS - 2);
    note_whether_it_came((void *)superslab_base(s[0]));
    superslab_age(os_now_ms() + 3600000);
    assert_int_equal(slab_totals().slabs_dirty, 0);
    only_these_are_resident((const struct slab *[]){s[0], s[1]}, 2);
    for (int i = 0; i < 2; i++) {
        void *base = (void *)s[i]->base;

        assert_true(pattern_holds(base, GRANULE, base, GRANULE, (uint64_t)i));
    }
    give_slabs(0, FILLED + 2);
}

/* Or a heap that grows slowly would have a SuperSlab for each slab. */
static void few_slabs_that_went_back_are_left_when_one_is_begun(void **state)
{
    size_t end = FILLED;
    uint64_t before;

    (void)state;
    need_huge_pages();
    before = asked();
    take_slabs(0, end, true);
    for (; end < 2 * FILLED; end++) {
        take_slabs(end, end + 1, true);
        superslab_age(NEVER);
        struct superslab_totals now = slab_totals();

        assert_int_equal(now.slabs_dirty, 0);
        assert_true(now.superslabs * SUPERSLAB_SLABS <= now.slabs_used + now.slabs_used / 8 + SUPERSLAB_SLABS);
    }
    assert_true(asked() > before + 1);
    give_slabs(0, end);
}

static void none_is_begun_where_the_rest_would_go_back_at_once(void **state)
{
    uint64_t before;

    (void)state;
    need_huge_pages();
    OPTION_SET(superslab_cache) = 0;
    OPTION_SET(superslab_cache_percent) = 0;
    before = asked();
    take_slabs(0, 2 * FILLED, true);
    assert_int_equal(asked(), before);
    OPTION_SET(superslab_cache) = 64 * MIB;
    OPTION_SET(superslab_reuse) = false;
    take_slabs(2 * FILLED, 3 * FILLED, true);
    assert_int_equal(asked(), before);
    OPTION_SET(superslab_reuse) = true;
    OPTION_SET(purge_delay) = 0;
    take_slabs(3 * FILLED, 4 * FILLED, true);
    assert_int_equal(asked(), before);
    give_slabs(0, 4 * FILLED);
}

static void what_a_parent_has_is_no_growth_of_its_child(void **state)
{
    uint64_t before;

    (void)state;
    need_huge_pages();
    before = asked();
    take_slabs(0, FILLED, true);
    superslab_fork_child();
    take_slabs(FILLED, 2 * FILLED, true);
    assert_int_equal(asked(), before);
    take_slabs(2 * FILLED, 2 * FILLED + 1, true);
    assert_int_equal(asked(), before + 1);
    give_slabs(0, 2 * FILLED + 1);
    superslab_fork_child(); /* nothing is in use */
}

static struct block *kept;

static void keep(size_t blocks, unsigned c)
{
    for (; blocks > 0; blocks--) {
        struct block *b = heap_alloc_of_class(mine, c);

        assert_non_null(b);
        b->next = kept;
        kept = b;
    }
}

static void a_heap_says_which_of_its_slabs_will_be_filled(void **state)
{
    unsigned most = SLAB_CLASSES - 1;
    uint64_t before;

    (void)state;
    need_huge_pages();
    before = asked();
    /* Four slabs of each class: they may stay nearly empty. */
    for (unsigned c = 1; c <= most; c++)
        keep(4 * size_class_table[c].capacity, c);
    assert_true(slab_totals().slabs_used > FILLED);
    assert_int_equal(asked(), before);
    keep(FILLED * size_class_table[most].capacity, most);
    assert_true(asked() > before + 2);
    while (kept != NULL) {
        struct block *b = kept;

        kept = b->next;
        heap_free(mine, b, "test");
    }
}

/* Each part that may have them and each that may not is a mapping, and their number is limited. */
static void who_has_very_much_does_not_ask_for_more(void **state)
{
    (void)state;
    assert_true(options_huge_pages(HUGE_PAGES_TO - 1));
    assert_false(options_huge_pages(HUGE_PAGES_TO));
}

static void switched_off_nobody_asks(void **state)
{
    uint64_t before;
    char *p;

    (void)state;
    need_huge_pages();
    before = asked();
    OPTION_SET(huge_pages) = false;
    take_slabs(0, SPARSE + 1, true);
    give_slabs(0, SPARSE + 1);
    pool_prewarm(72 * MIB);
    p = large_alloc(16 * MIB, BLOCK_ALIGN, NULL);
    assert_non_null(p);
    large_free(registry_find(p), p);
    assert_int_equal(asked(), before);
}

/* ---- the pool ---- */

/* The units of the largest block of the pool. */
static bool has_part_of(const char *page, const void *block)
{
    const char *first = (const char *)block - (uintptr_t)block % POOL_UNIT;
    return page + os_page_size() > first && page < first + 65 * KIB;
}

static void chunks_beyond_8_mib_ask_until_runs_of_them_go_back(void **state)
{
    unsigned c = size_class_of(SIZE_POOL_MAX);
    struct block *b[3];
    struct slab *chunk;
    uint64_t before, ended_before;
    size_t size;

    (void)state;
    need_huge_pages();
    hakmem_options.pool_arena_init = 8 * MIB; /* all of one length: the last one serves */
    before = asked();
    assert_int_equal(pool_prewarm(8 * MIB), 8 * MIB);
    assert_int_equal(asked(), before);
    ended_before = ended();
    size = pool_prewarm(1);
    assert_int_equal(asked(), before + 1);
    for (int i = 0; i < 3; i++) {
        unsigned of = c;

        assert_int_equal(pool_take(&of, 1, &b[i]), 1); /* of the chunk that was mapped last */
        assert_ptr_equal(registry_find(b[i]), registry_find(b[0]));
        pattern_fill(b[i], SIZE_POOL_MAX, (uint64_t)i);
    }
    chunk = registry_find(b[0]);
    assert_int_equal(flagged((void *)chunk->base, size, "hg"), size);
    b[1]->next = NULL;
    pool_give(b[1], "test");
    pool_trim(0);
    assert_int_equal(ended(), ended_before + 1);
    assert_int_equal(flagged((void *)chunk->base, size, "nh"), size);
    for (size_t at = 0; at < size; at += os_page_size()) {
        char *page = (char *)chunk->base + at;

        assert_int_equal(is_resident(page), has_part_of(page, b[0]) || has_part_of(page, b[2]));
    }
    assert_true(pattern_holds(b[0], SIZE_POOL_MAX, b[0], SIZE_POOL_MAX, 0));
    assert_true(pattern_holds(b[2], SIZE_POOL_MAX, b[2], SIZE_POOL_MAX, 2));
    for (int i = 0; i < 3; i += 2) {
        b[i]->next = NULL;
        pool_give(b[i], "test");
    }
}

static void chunks_for_blocks_that_are_not_filled_do_not_ask(void **state)
{
    uint64_t before;

    (void)state;
    need_huge_pages();
    hakmem_options.pool_arena_init = 8 * MIB;
    before = asked();
    filling.history = 0x1f;
    pool_prewarm(17 * MIB);
    assert_int_equal(asked(), before);
    filling.history = 0x3f;
    pool_prewarm(1);
    assert_int_equal(asked(), before + 1);
}

static void chunks_that_are_no_whole_huge_pages_do_not_ask(void **state)
{
    uint64_t before;

    (void)state;
    need_huge_pages();
    before = asked();
    hakmem_options.pool_arena_init = hakmem_options.pool_arena_max = 3 * MIB;
    pool_prewarm(16 * MIB);
    assert_int_equal(asked(), before);
}

/* Others would have one cleared for nothing. Populating ahead may be switched off and on meanwhile. */
static void a_huge_page_of_a_chunk_comes_with_its_first_block_whatever_is_switched(void **state)
{
    enum { BLOCKS = 5 * MIB / (10 * KIB) };
    struct block *b = NULL;
    bool come = true;

    (void)state;
    need_huge_pages();
    hakmem_options.pool_arena_init = 8 * MIB;
    pool_prewarm(9 * MIB); /* the second one asks, and serves first */
    for (size_t i = 0; i < BLOCKS && come; i++) {
        unsigned c = size_class_of(10 * KIB);
        struct block *next = b;

        OPTION_SET(populate) = i % 16 >= 8;
        assert_int_equal(pool_take(&c, 1, &b), 1);
        b->next = next;
        come = note_whether_it_came((char *)bits_round_down((uintptr_t)b + 10 * KIB - 1, HUGE_PAGE));
    }
    OPTION_SET(populate) = true;
    pool_give(b, "test");
}

/* The kernel says yes and has none. What will be filled is populated all the same. */
static void where_none_comes_pages_are_populated(void **state)
{
    struct slab **s = &taken[FILLED];
    struct block *b = NULL;
    uint64_t before;

    (void)state;
    need_huge_pages();
    assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
    before = asked();
    take_slabs(0, FILLED + 1, true);
    take_slabs(FILLED + 1, FILLED + 2, false);
    assert_int_equal(asked(), before + 1);
    assert_int_equal(superslab_base(s[1]), superslab_base(s[0]));
    for (size_t at = 0; at < GRANULE; at += os_page_size()) {
        assert_true(is_resident((char *)s[0]->base + at));
        assert_false(is_resident((char *)s[1]->base + at));
    }
    give_slabs(0, FILLED + 2);
    hakmem_options.pool_arena_init = 8 * MIB;
    pool_prewarm(9 * MIB);
    for (size_t i = 0; i < 5 * MIB / (65 * KIB); i++) {
        unsigned c = size_class_of(SIZE_POOL_MAX);
        struct block *next = b;

        assert_int_equal(pool_take(&c, 1, &b), 1);
        b->next = next;
        if (i > 2 * MIB / (65 * KIB)) /* less is not worth it */
            assert_true(is_resident((char *)bits_round_up((uintptr_t)b + 65 * KIB, HUGE_PAGE) - os_page_size()));
    }
    pool_give(b, "test");
    assert_int_equal(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);
}

/* ---- large blocks ---- */

static char *take(size_t size)
{
    char *p = large_alloc(size, GRANULE, NULL); /* it begins with its span */

    assert_non_null(p);
    return p;
}

static void give(char *p)
{
    large_free(registry_find(p), p);
}

static void most_of_a_block_of_megabytes_asks(void **state)
{
    size_t part;
    char *p;

    (void)state;
    need_huge_pages();
    for (size_t size = 8 * MIB; size < 64 * MIB; size = size * 3 / 2) {
        p = take(size);
        part = flagged(p, size, "hg");
        assert_in_range(part, size * 3 / 4 - 4 * MIB + 1, size * 3 / 4);
        assert_int_equal(flagged(p, size / 4, "hg"), 0);
        assert_true(all_zero(p, size));
        give(p);
        large_unmap_free();
    }
}

static void a_smaller_one_and_one_that_is_asked_for_zeroed_do_not(void **state)
{
    uint64_t before = asked();
    bool zeroed;
    char *p = take(8 * MIB - os_page_size()), *table = large_alloc(32 * MIB, BLOCK_ALIGN, &zeroed);

    (void)state;
    assert_non_null(table);
    assert_true(zeroed);
    assert_int_equal(asked(), before);
    give(p);
    give(table);
}

/* A mapping of two parts could not be moved when such a block grows. */
static void one_with_a_mapping_of_its_own_does_not(void **state)
{
    uint64_t before = asked();
    char *p = take(hakmem_options.huge_threshold);

    (void)state;
    assert_int_equal(asked(), before);
    give(p);
}

static void what_is_resident_does_not_ask_and_what_went_back_asks_again(void **state)
{
    size_t size = 32 * MIB, part;
    char *p = take(size);
    uint64_t before, ended_before = ended();

    (void)state;
    need_huge_pages();
    part = flagged(p, size, "hg");
    memset(p, 1, size);
    give(p);
    before = asked();
    assert_ptr_equal(take(size), p);
    assert_int_equal(asked(), before);
    give(p);
    assert_int_equal(ended(), ended_before);
    large_trim(0);
    assert_true(ended() > ended_before);
    assert_int_equal(flagged(p, size, "hg"), 0);
    assert_ptr_equal(take(size), p);
    assert_int_equal(asked(), before + 1);
    assert_int_equal(flagged(p, size, "hg"), part);
    assert_true(all_zero(p, size));
    give(p);
}

/* What is cut from, and joined with, such a span is known to have some. */
static void a_part_of_it_that_goes_back_loses_them(void **state)
{
    char *p, *q;

    (void)state;
    need_huge_pages();
    p = take(48 * MIB);
    memset(p, 1, 48 * MIB);
    give(p);
    assert_ptr_equal(q = take(MIB), p); /* the rest is a span of its own */
    assert_true(flagged(p, 48 * MIB, "hg") > 0);
    large_trim(0);
    assert_int_equal(flagged(p, 48 * MIB, "hg"), 0);
    give(q);
}

static void a_block_that_grows_into_it_has_some(void **state)
{
    bool zeroed;
    char *p = large_alloc(33 * MIB, GRANULE, &zeroed), *q;

    (void)state;
    need_huge_pages();
    give(p);
    large_trim(0);
    assert_ptr_equal(take(MIB), p);
    assert_ptr_equal(q = take(32 * MIB), p + MIB);
    assert_true(flagged(p, 33 * MIB, "hg") > 0);
    give(q);
    assert_ptr_equal(large_resize(registry_find(p), p, 33 * MIB), p);
    give(p);
    large_trim(0);
    assert_int_equal(flagged(p, 33 * MIB, "hg"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(superslabs_beyond_64_mib_ask_until_slabs_of_them_go_back),
        TEST(slabs_that_are_filled_begin_superslabs_that_ask_beyond_8_mib),
        TEST(the_emptiest_first_or_not_they_share_one),
        TEST(slabs_of_one_that_nobody_took_go_back_when_they_are_old),
        TEST(few_slabs_that_went_back_are_left_when_one_is_begun),
        TEST(none_is_begun_where_the_rest_would_go_back_at_once),
        TEST(what_a_parent_has_is_no_growth_of_its_child),
        cmocka_unit_test_setup_teardown(a_heap_says_which_of_its_slabs_will_be_filled, heap_view_start, heap_view_end),
        TEST(chunks_beyond_8_mib_ask_until_runs_of_them_go_back),
        TEST(chunks_for_blocks_that_are_not_filled_do_not_ask),
        TEST(chunks_that_are_no_whole_huge_pages_do_not_ask),
        TEST(a_huge_page_of_a_chunk_comes_with_its_first_block_whatever_is_switched),
        TEST(where_none_comes_pages_are_populated),
        TEST(most_of_a_block_of_megabytes_asks),
        TEST(a_smaller_one_and_one_that_is_asked_for_zeroed_do_not),
        TEST(one_with_a_mapping_of_its_own_does_not),
        TEST(what_is_resident_does_not_ask_and_what_went_back_asks_again),
        TEST(a_part_of_it_that_goes_back_loses_them),
        TEST(a_block_that_grows_into_it_has_some),
        TEST(who_has_very_much_does_not_ask_for_more),
        TEST(switched_off_nobody_asks),
    };

    return cmocka_run_group_tests_name("huge pages", tests, unit_defaults, NULL);
}
