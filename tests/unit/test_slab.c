/* SPDX-License-Identifier: MIT */
/* A slab's way through the lists of its heap: fresh, held, full, rejoined, empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "heap/internal.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"

enum { MANY = 9000 };

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

static uint64_t counted(enum counter which)
{
    return mine->counters.value[which];
}

static void a_slab_begins_without_a_block_and_belongs_to_its_heap(void **state)
{
    (void)state;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        uint32_t slabs = mine->slabs[c];
        struct slab *s = slab_obtain(mine, c);

        assert_ptr_equal(s->owner, mine);
        assert_int_equal(s->tag, TAG_SMALL);
        assert_int_equal(s->size_class, c);
        assert_int_equal(s->capacity, size_class_table[c].capacity);
        assert_int_equal(s->role, ROLE_FRESH);
        assert_int_equal(slab_used(s) + s->carved, 0);
        assert_ptr_equal(s->list, &s->free);
        assert_null(s->free);
        assert_int_equal(mine->slabs[c], slabs + 1);
        slab_park(mine, s); /* nothing is in use: it is given up */
        assert_int_equal(s->tag, TAG_FREE);
        assert_null(s->owner);
        assert_int_equal(mine->slabs[c], slabs);
    }
}

static void the_slab_that_became_empty_last_begins_next(void **state)
{
    struct slab *a = slab_obtain(mine, 1), *b = slab_obtain(mine, 2);

    (void)state;
    b->touched = 5;
    slab_park(mine, a);
    slab_park(mine, b);
    assert_int_equal(mine->ready_count, 2);
    assert_ptr_equal(slab_obtain(mine, 5), b);
    assert_int_equal(b->touched, 5); /* its pages are there still */
    assert_ptr_equal(slab_obtain(mine, 6), a);
    assert_int_equal(mine->ready_count, 0);
    slab_park(mine, a);
    slab_park(mine, b);
    slab_return_ready(mine, 1);
    assert_int_equal(mine->ready_count, 1);
    assert_int_equal(slabs_in_use(), 1);
    slab_return_ready(mine, 0);
    assert_int_equal(slabs_in_use(), 0);
}

static void a_slab_that_begins_again_with_its_class_keeps_its_list(void **state)
{
    unsigned c = size_class_of(1000);
    void *p = take(1000), *q = take(1000);
    struct slab *s = registry_find(p);
    uint16_t carved = s->carved;

    (void)state;
    give(p);
    give(q);
    heap_flush_bins(mine); /* it is empty, and waits */
    assert_int_equal(s->tag, TAG_FREE);
    assert_ptr_equal(slab_obtain(mine, c), s);
    assert_int_equal(s->carved, carved);
    assert_int_equal(list_length(s->free), carved);
    assert_int_equal(slab_used(s), 0);
    slab_check_list(s);
    slab_park(mine, s);
    assert_ptr_equal(slab_obtain(mine, c + 1), s); /* of another class it begins anew */
    assert_int_equal(s->carved, 0);
    assert_null(s->free);
    slab_park(mine, s);
}

static void ready_slabs_are_a_quarter_of_what_a_heap_may_hold(void **state)
{
    struct slab *s[20];

    (void)state;
    OPTION_SET(thread_hold) = 2 * MIB;
    assert_int_equal(heap_hold_limit(mine), 2 * MIB);
    for (unsigned i = 0; i < 20; i++)
        s[i] = slab_obtain(mine, 1);
    for (unsigned i = 0; i < 20; i++) {
        slab_park(mine, s[i]);
        assert_true(mine->ready_count * GRANULE <= 2 * MIB / READY_PART);
    }
    assert_int_equal(mine->ready_count, 8);
    OPTION_SET(process_hold) = 64 * KIB; /* of all threads; this is the only one */
    assert_int_equal(heap_hold_limit(mine), 64 * KIB);
    slab_park(mine, slab_obtain(mine, 1));
    assert_int_equal(mine->ready_count, 0);
    assert_int_equal(slabs_in_use(), 0);
}

/* Of each class: a full slab that is not held any more, its blocks in block[0..capacity). */
static struct slab *full_slab(unsigned c)
{
    struct slab *s;

    for (size_t i = 0; i <= size_class_table[c].capacity; i++)
        block[i] = take(size_class_size(c));
    s = registry_find(block[0]);
    assert_ptr_not_equal(s, registry_find(block[size_class_table[c].capacity]));
    assert_int_equal(s->role, ROLE_UNLISTED);
    assert_int_equal(slab_used(s), s->capacity);
    return s;
}

static void a_full_slab_comes_back_at_the_class_s_count_of_free_blocks(void **state)
{
    (void)state;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        struct slab *s = full_slab(c);
        size_t rejoin = size_class_table[c].rejoin;
        uint64_t before = counted(COUNTER_slabs_rejoined);

        for (size_t i = 0; i < rejoin; i++) {
            assert_int_equal(s->role, ROLE_UNLISTED);
            assert_int_equal(slab_used(s), s->capacity - i);
            give(block[i]);
        }
        assert_int_equal(s->role, ROLE_LISTED);
        assert_ptr_equal(list_front(&mine->partial[c]), &s->link);
        assert_int_equal(counted(COUNTER_slabs_rejoined), before + 1);
        heap_view_check(mine);
        for (size_t i = rejoin; i <= s->capacity; i++)
            give(block[i]);
    }
}

static void a_slab_is_given_up_with_its_last_block(void **state)
{
    (void)state;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        struct slab *s = full_slab(c);
        size_t capacity = s->capacity;
        uint64_t before = counted(COUNTER_slabs_emptied);

        for (size_t i = capacity; i-- > 0;) { /* in the other direction */
            assert_int_equal(s->tag, TAG_SMALL);
            assert_int_equal(slab_used(s), i + 1);
            give(block[i]);
        }
        assert_int_equal(s->tag, TAG_FREE);
        assert_null(s->owner);
        assert_int_equal(counted(COUNTER_slabs_emptied), before + 1);
        assert_ptr_equal(list_front(&mine->ready), &s->link);
        give(block[capacity]);
    }
}

static void blocks_that_come_home_together_are_credited_at_once(void **state)
{
    unsigned c = size_class_of(64);
    struct slab *s = full_slab(c);
    size_t capacity = s->capacity;

    (void)state;
    for (size_t i = 0; i < 500; i++) { /* what a drain does */
        ((struct block *)block[i])->next = *s->list;
        *s->list = block[i];
    }
    slab_credit(mine, s, 500);
    assert_int_equal(slab_used(s), capacity - 500);
    assert_int_equal(s->role, ROLE_LISTED);
    heap_view_check(mine);
    for (size_t i = 500; i < capacity; i++) {
        ((struct block *)block[i])->next = *s->list;
        *s->list = block[i];
    }
    slab_credit(mine, s, (uint32_t)(capacity - 500));
    assert_int_equal(s->tag, TAG_FREE);
    give(block[capacity]);
}

static void blocks_that_come_home_to_a_held_slab_go_to_the_bin(void **state)
{
    unsigned c = size_class_of(64);
    struct slab *s;

    (void)state;
    block[0] = take(64);
    s = registry_find(block[0]);
    assert_int_equal(s->role, ROLE_HELD);
    assert_ptr_equal(s->list, &mine->bin[c]);
    ((struct block *)block[0])->next = *s->list;
    *s->list = block[0];
    slab_credit(mine, s, 1);
    assert_ptr_equal(mine->bin[c], block[0]);
    assert_int_equal(slab_used(s), s->carved);
    heap_view_check(mine);
}

static void whatever_is_freed_in_whatever_order_the_counts_are_exact(void **state)
{
    uint64_t random = 3;
    size_t count = 0;

    (void)state;
    for (int step = 0; step < (TEST_TSAN ? 10000 : 60000); step++) {
        bool grow = random_below(&random, 100) < (step / 10000 % 2 == 0 ? 65u : 35u);

        if (count < MANY && (count == 0 || grow)) {
            block[count++] = take(1 + random_below(&random, step % 20 == 0 ? 8192 : 200));
        } else {
            size_t at = random_below(&random, count);

            give(block[at]);
            block[at] = block[--count];
        }
        if (step % 500 == 0) {
            heap_view_check(mine);
            assert_int_equal(heap_view_live(mine), count);
        }
        if (step % 7000 == 0)
            heap_trim(mine);
    }
    while (count > 0)
        give(block[--count]);
    assert_int_equal(heap_view_live(mine), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heap_view_start, heap_view_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slab_begins_without_a_block_and_belongs_to_its_heap),
        TEST(the_slab_that_became_empty_last_begins_next),
        TEST(a_slab_that_begins_again_with_its_class_keeps_its_list),
        TEST(ready_slabs_are_a_quarter_of_what_a_heap_may_hold),
        TEST(a_full_slab_comes_back_at_the_class_s_count_of_free_blocks),
        TEST(a_slab_is_given_up_with_its_last_block),
        TEST(blocks_that_come_home_together_are_credited_at_once),
        TEST(blocks_that_come_home_to_a_held_slab_go_to_the_bin),
        TEST(whatever_is_freed_in_whatever_order_the_counts_are_exact),
    };

    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
