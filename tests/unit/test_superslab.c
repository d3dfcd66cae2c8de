/* SPDX-License-Identifier: MIT */
/* The shared pool of slabs: whose they are, which comes first, what stays and what goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options/options.h"
#include "os/os.h"
#include "superslab/superslab.h"
#include "support/support.h"
#include "support/unit.h"

enum { MANY = 5 * SUPERSLAB_SLABS };
#define NEVER UINT64_MAX /* a time at which everything is old */

static struct slab *taken[MANY];

static struct superslab_totals totals(void)
{
    struct superslab_totals now;

    superslab_get_totals(&now);
    return now;
}

/* Nothing is in use; nothing stays. */
static int start(void **state)
{
    if (unit_defaults(state) != 0)
        return -1;
    superslab_age(NEVER);
    return totals().superslabs == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return totals().slabs_used == 0 && superslab_audit(STDERR_FILENO) == 0 ? 0 : -1;
}

static uintptr_t superslab_base(const struct slab *s)
{
    return s->base - s->index * GRANULE;
}

static void take(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        taken[i] = superslab_slab_take(false);
        assert_non_null(taken[i]);
    }
}

static void give(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        superslab_slab_give(taken[i]);
}

static void a_taken_slab_is_free_memory_of_its_own(void **state)
{
    (void)state;
    take(0, MANY);
    for (size_t i = 0; i < MANY; i++) {
        struct slab *s = taken[i];

        assert_int_equal(s->tag, TAG_FREE);
        assert_int_equal(s->touched, 0);
        assert_int_equal(s->base % GRANULE, 0);
        assert_int_equal(superslab_base(s) % SUPERSLAB_SIZE, 0);
        assert_true(list_is_empty(&s->link));
        assert_ptr_equal(registry_find((void *)(s->base + GRANULE - BLOCK_ALIGN)), s);
        assert_true(all_zero((void *)s->base, GRANULE));
        pattern_fill((void *)s->base, GRANULE, i);
    }
    for (size_t i = 0; i < MANY; i++) {
        void *base = (void *)taken[i]->base;

        assert_true(pattern_holds(base, GRANULE, base, GRANULE, i));
    }
    assert_int_equal(totals().slabs_used, MANY);
    assert_int_equal(totals().superslabs, MANY / SUPERSLAB_SLABS);
    assert_int_equal(totals().empty, 0);
    assert_int_equal(superslab_audit(STDERR_FILENO), 0);
    give(0, MANY);
    assert_int_equal(totals().slabs_dirty, MANY);
    assert_int_equal(totals().empty, totals().superslabs);
}

static void a_slab_that_came_back_is_taken_before_one_that_would_fault(void **state)
{
    struct slab *again;

    (void)state;
    take(0, 10);
    taken[7]->touched = 3;
    superslab_slab_give(taken[7]);
    again = superslab_slab_take(false);
    assert_ptr_equal(again, taken[7]);
    assert_int_equal(again->touched, 3); /* it knows how much of it */
    assert_int_equal(totals().slabs_dirty, 0);
    give(0, 10);
}

/* Three full SuperSlabs, of which `room` slabs each are given back. */
static void make_room(const unsigned room[3])
{
    take(0, 3 * SUPERSLAB_SLABS);
    for (unsigned i = 0; i < 3; i++)
        give(i * SUPERSLAB_SLABS, i * SUPERSLAB_SLABS + room[i]);
}

static void give_the_rest(const unsigned room[3])
{
    for (unsigned i = 0; i < 3; i++)
        give(i * SUPERSLAB_SLABS + room[i], (i + 1) * SUPERSLAB_SLABS);
}

static void the_fullest_superslab_with_room_serves_first(void **state)
{
    static const unsigned room[3] = {9, 2, 20}, order[] = {1, 1, 0, 0};
    struct slab *s[4];

    (void)state;
    for (int resident = 0; resident < 2; resident++) {
        make_room(room);
        if (!resident)
            superslab_trim(0);
        for (unsigned i = 0; i < 4; i++) {
            s[i] = superslab_slab_take(false);
            assert_int_equal(superslab_base(s[i]), superslab_base(taken[order[i] * SUPERSLAB_SLABS]));
            assert_int_equal(superslab_audit(STDERR_FILENO), 0);
        }
        for (unsigned i = 0; i < 4; i++)
            superslab_slab_give(s[i]);
        give_the_rest(room);
        superslab_age(NEVER);
    }
}

static void without_hot_first_the_emptiest_serves(void **state)
{
    static const unsigned room[3] = {9, 2, 20};
    struct slab *s;

    (void)state;
    OPTION_SET(hot_first) = false;
    make_room(room);
    s = superslab_slab_take(false);
    assert_int_equal(superslab_base(s), superslab_base(taken[2 * SUPERSLAB_SLABS]));
    superslab_slab_give(s);
    give_the_rest(room);
}

static void empty_superslabs_stay_up_to_the_cap_and_those_empty_longest_go(void **state)
{
    uintptr_t base[5];

    (void)state;
    OPTION_SET(superslab_cache) = 2 * SUPERSLAB_SIZE;
    OPTION_SET(superslab_cache_percent) = 0;
    take(0, MANY);
    for (unsigned i = 0; i < 5; i++)
        base[i] = superslab_base(taken[i * SUPERSLAB_SLABS]);
    give(0, MANY);
    assert_int_equal(totals().superslabs, 2);
    assert_int_equal(totals().empty, 2);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(registry_find((void *)base[i])->tag, i < 3 ? TAG_NONE : TAG_FREE);
    /* reuse before map */
    uint64_t mapped = totals().mapped_ever;
    take(0, 2 * SUPERSLAB_SLABS);
    assert_int_equal(totals().mapped_ever, mapped);
    give(0, 2 * SUPERSLAB_SLABS);
}

static void without_reuse_an_empty_superslab_goes_at_once(void **state)
{
    (void)state;
    OPTION_SET(superslab_reuse) = false;
    take(0, SUPERSLAB_SLABS + 1);
    give(0, SUPERSLAB_SLABS + 1);
    assert_int_equal(totals().superslabs, 0);
    assert_int_equal(totals().slabs_dirty, 0);
}

static void free_slabs_between_used_ones_stay_up_to_half_more_than_the_cap(void **state)
{
    (void)state;
    OPTION_SET(superslab_cache) = SUPERSLAB_SIZE;
    OPTION_SET(superslab_cache_percent) = 0;
    take(0, MANY);
    for (size_t i = 0; i < MANY; i++) {
        if (i % SUPERSLAB_SLABS >= 2)
            superslab_slab_give(taken[i]);
        assert_true(totals().slabs_dirty <= SUPERSLAB_SLABS * 3 / 2);
    }
    assert_int_equal(totals().superslabs, MANY / SUPERSLAB_SLABS);
    for (size_t i = 0; i < MANY; i += SUPERSLAB_SLABS)
        give(i, i + 2);
}

static void what_was_given_back_is_clean_and_reads_as_zero(void **state)
{
    struct slab *again;

    (void)state;
    take(0, 3);
    memset((void *)taken[1]->base, 1, GRANULE);
    superslab_slab_give(taken[1]);
    assert_int_equal(superslab_trim(0), GRANULE);
    assert_int_equal(totals().slabs_dirty, 0);
    again = superslab_slab_take(false);
    assert_ptr_equal(again, taken[1]);
    assert_int_equal(again->touched, 0);
    assert_true(all_zero((void *)again->base, GRANULE));
    give(0, 3);
}

static void a_trim_leaves_at_most_what_it_is_told(void **state)
{
    (void)state;
    take(0, MANY);
    give(5, MANY); /* the first SuperSlab stays in use */
    size_t dirty = totals().slabs_dirty * GRANULE;

    assert_int_equal(superslab_trim(dirty), 0);
    assert_int_equal(superslab_trim(SIZE_MAX), 0);
    for (size_t keep = dirty - GRANULE; keep > 0; keep = keep / 2 / GRANULE * GRANULE) {
        size_t before = totals().slabs_dirty * GRANULE, bytes = superslab_trim(keep);

        assert_true(totals().slabs_dirty * GRANULE <= keep);
        assert_int_equal(bytes, before - totals().slabs_dirty * GRANULE);
    }
    superslab_trim(0);
    assert_int_equal(totals().slabs_dirty, 0);
    assert_int_equal(totals().superslabs, 1);
    give(0, 5);
}

static void only_what_is_older_than_the_delay_goes_back(void **state)
{
    uint64_t before = os_now_ms();

    (void)state;
    OPTION_SET(purge_delay) = 3600000;
    take(0, 2 * SUPERSLAB_SLABS);
    give(0, SUPERSLAB_SLABS + 3); /* one becomes empty, the other stays in use */
    superslab_age(0);
    superslab_age(before);
    superslab_age(before + 3599999);
    assert_int_equal(totals().superslabs, 2);
    assert_int_equal(totals().slabs_dirty, SUPERSLAB_SLABS + 3);
    superslab_age(os_now_ms() + 3600000);
    assert_int_equal(totals().superslabs, 1);
    assert_int_equal(totals().slabs_dirty, 0);
    assert_int_equal(superslab_audit(STDERR_FILENO), 0);
    give(SUPERSLAB_SLABS + 3, 2 * SUPERSLAB_SLABS);
}

static void what_is_mapped_ahead_serves_without_a_call_to_the_system(void **state)
{
    (void)state;
    assert_int_equal(superslab_prewarm(0), 0);
    assert_int_equal(superslab_prewarm(3), 3);
    assert_int_equal(totals().empty, 3);
    assert_int_equal(totals().slabs_dirty, 0);
    uint64_t calls = os_memory_calls();
    take(0, 3 * SUPERSLAB_SLABS);
    assert_int_equal(os_memory_calls(), calls);
    give(0, 3 * SUPERSLAB_SLABS);
}

static void without_memory_there_is_no_slab_and_nothing_is_lost(void **state)
{
    (void)state;
    os_fail_after(0);
    assert_null(superslab_slab_take(false));
    assert_int_equal(superslab_prewarm(4), 0);
    assert_int_equal(totals().superslabs, 0);
    os_fail_after(-1);
    take(0, MANY);
    os_fail_after(0);
    give(0, 1);
    taken[0] = superslab_slab_take(false); /* what came back still serves */
    assert_non_null(taken[0]);
    os_fail_after(-1);
    give(0, MANY);
}

static void any_sequence_of_takes_and_gives_keeps_masks_and_counts(void **state)
{
    uint64_t random = 9;
    size_t used = 0;

    (void)state;
    OPTION_SET(superslab_cache) = SUPERSLAB_SIZE;
    OPTION_SET(superslab_cache_percent) = 0;
    for (int step = 0; step < 4000; step++) {
        size_t which = random_below(&random, MANY);

        if (used < MANY && (used == 0 || random_below(&random, 100) < (step / 1000 % 2 == 0 ? 70 : 30))) {
            take(used, used + 1);
            memset((void *)taken[used]->base, 1, 64);
            used++;
        } else {
            which %= used;
            superslab_slab_give(taken[which]);
            taken[which] = taken[--used];
        }
        if (step % 100 == 0)
            superslab_trim(random_below(&random, 4 * SUPERSLAB_SIZE));
        assert_int_equal(totals().slabs_used, used);
        assert_int_equal(superslab_audit(STDERR_FILENO), 0);
    }
    give(0, used);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_taken_slab_is_free_memory_of_its_own),
        TEST(a_slab_that_came_back_is_taken_before_one_that_would_fault),
        TEST(the_fullest_superslab_with_room_serves_first),
        TEST(without_hot_first_the_emptiest_serves),
        TEST(empty_superslabs_stay_up_to_the_cap_and_those_empty_longest_go),
        TEST(without_reuse_an_empty_superslab_goes_at_once),
        TEST(free_slabs_between_used_ones_stay_up_to_half_more_than_the_cap),
        TEST(what_was_given_back_is_clean_and_reads_as_zero),
        TEST(a_trim_leaves_at_most_what_it_is_told),
        TEST(only_what_is_older_than_the_delay_goes_back),
        TEST(what_is_mapped_ahead_serves_without_a_call_to_the_system),
        TEST(without_memory_there_is_no_slab_and_nothing_is_lost),
        TEST(any_sequence_of_takes_and_gives_keeps_masks_and_counts),
    };

    return cmocka_run_group_tests_name("superslab", tests, unit_defaults, NULL);
}
