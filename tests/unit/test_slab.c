/* SPDX-License-Identifier: MIT */
/* A slab's way through the lists of its heap: fresh, held, full, rejoined, empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
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
        block[i] = heap_alloc_of_class(mine, c);
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

/* Full slabs of blocks of `size`, and a held one with room. Returns the blocks of the full ones. */
static size_t full_slabs_of(size_t size, size_t slabs)
{
    size_t count = slabs * size_class_table[size_class_of(size)].capacity;

    for (size_t i = 0; i <= count; i++)
        block[i] = take(size);
    assert_int_equal(registry_find(block[count])->role, ROLE_HELD);
    return count;
}

static size_t full_slabs(size_t slabs) { return full_slabs_of(4096, slabs); }

static void a_full_slab_of_few_blocks_joins_the_held_one(void **state)
{
    (void)state;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        struct slab *s = full_slab(c);
        size_t rejoin = size_class_table[c].rejoin, bin = list_length(mine->bin[c]);

        for (size_t i = 0; i < rejoin; i++) {
            assert_int_equal(s->role, ROLE_UNLISTED);
            give(block[i]);
        }
        assert_int_equal(s->role, rejoin <= JOIN_BLOCKS ? ROLE_HELD : ROLE_LISTED);
        if (s->role == ROLE_HELD) {
            assert_int_equal(list_length(mine->bin[c]), bin + rejoin);
            assert_ptr_equal(list_front(&mine->joined[c]), &s->link);
            give(block[rejoin]);
            heap_view_check(mine);
            assert_int_equal(heap_view_live(mine), s->capacity - rejoin);
            for (size_t i = rejoin + 1; i-- > 0;) /* the one that was freed last first */
                assert_ptr_equal(heap_alloc_of_class(mine, c), block[i]);
            for (size_t i = 0; i <= rejoin; i++)
                give(block[i]);
        }
        for (size_t i = rejoin + (s->role == ROLE_HELD); i <= s->capacity; i++)
            give(block[i]);
        heap_flush_bins(mine);
        assert_int_equal(mine->joined_count, 0);
        assert_int_equal(s->tag, TAG_FREE);
    }
}

static void when_the_bin_is_empty_those_that_joined_are_full(void **state)
{
    size_t count = full_slabs(3), capacity = count / 3;
    struct slab *s = registry_find(block[0]), *other = registry_find(block[capacity]);

    (void)state;
    assert_null(mine->bin[size_class_of(4096)]); /* the rest of the held one was never touched */
    give(block[0]);
    give(block[capacity]);
    assert_int_equal(mine->joined_count, 2);
    assert_int_equal(slab_used(s), capacity); /* in use, or in the bin */
    assert_ptr_equal(take(4096), block[capacity]);
    assert_ptr_equal(take(4096), block[0]);
    assert_int_equal(mine->joined_count, 2);
    for (size_t i = 1; i < capacity; i++) /* the untouched room of the held one */
        block[count + i] = take(4096);
    assert_int_equal(mine->joined_count, 0);
    assert_int_equal(s->role, ROLE_UNLISTED);
    assert_int_equal(other->role, ROLE_UNLISTED);
    assert_ptr_equal(s->list, &s->free);
    assert_int_equal(slab_used(s), capacity);
    heap_view_check(mine);
    for (size_t i = 0; i < count + capacity; i++)
        give(block[i]);
}

static void so_many_slabs_join_as_may_and_the_next_ones_wait(void **state)
{
    const struct { size_t size, most; } cases[] = {{4096, JOIN_MOST(false)}, {8192, JOIN_MOST(true)}};

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        size_t most = cases[k].most, slabs = most + 4, count = full_slabs_of(cases[k].size, slabs);
        size_t capacity = count / slabs;

        for (size_t i = 0; i < slabs; i++)
            give(block[i * capacity]);
        assert_int_equal(mine->joined_count, most);
        assert_int_equal(registry_find(block[(most - 1) * capacity])->role, ROLE_HELD);
        assert_int_equal(registry_find(block[most * capacity])->role, ROLE_LISTED);
        heap_view_check(mine);
        for (size_t i = 0; i <= count; i++) {
            if (i % capacity != 0 || i == count)
                give(block[i]);
        }
        heap_view_check(mine);
        assert_int_equal(heap_view_live(mine), 0);
        heap_flush_bins(mine);
        assert_int_equal(mine->joined_count, 0);
    }
}

static void a_thread_that_may_hold_less_has_fewer_that_joined(void **state)
{
    size_t count = full_slabs(JOIN_MOST(false)), capacity = count / JOIN_MOST(false);

    (void)state;
    OPTION_SET(thread_hold) = 4 * READY_PART * GRANULE; /* four slabs without need, half of them joined */
    for (size_t i = 0; i < JOIN_MOST(false); i++)
        give(block[i * capacity]);
    assert_int_equal(mine->joined_count, 2);
    for (size_t i = 0; i < count; i++) {
        if (i % capacity != 0)
            give(block[i]);
        assert_true(mine->ready_count + mine->joined_count <= 4);
    }
    give(block[count]);
    heap_view_check(mine);
}

static void with_the_bins_switched_off_none_joins(void **state)
{
    size_t count = full_slabs(2);
    struct slab *s = registry_find(block[0]);

    (void)state;
    OPTION_SET(batch_refill) = false;
    give(block[0]);
    assert_int_equal(mine->joined_count, 0);
    assert_int_equal(s->role, ROLE_LISTED);
    heap_view_check(mine);
    for (size_t i = 1; i <= count; i++)
        give(block[i]);
}

static void what_joined_leaves_with_its_blocks(void **state)
{
    unsigned c = size_class_of(4096);
    size_t count = full_slabs(3), capacity = count / 3;
    struct slab *empty = registry_find(block[0]), *partial = registry_find(block[capacity]);
    uint64_t before = counted(COUNTER_slabs_emptied);

    (void)state;
    give(block[count]); /* of the held one */
    for (size_t i = 0; i < capacity; i++)
        give(block[i]);
    give(block[capacity]);
    give(block[capacity + 1]);
    assert_int_equal(mine->joined_count, 2);
    assert_int_equal(counted(COUNTER_slabs_emptied), before); /* it is empty, which nobody knows */
    heap_part(mine, c);
    assert_int_equal(mine->joined_count, 0);
    assert_int_equal(counted(COUNTER_slabs_emptied), before + 1);
    assert_int_equal(empty->tag, TAG_FREE);
    assert_int_equal(partial->role, ROLE_LISTED);
    assert_int_equal(slab_used(partial), capacity - 2);
    assert_ptr_equal(mine->bin[c], block[count]);
    assert_ptr_equal(registry_find(mine->bin[c]), mine->held[c]);
    heap_view_check(mine);
    heap_part(mine, c); /* there is nothing more */
    for (size_t i = capacity + 2; i < count; i++)
        give(block[i]);
}

static void slow_paths_make_those_that_joined_leave_a_class_at_a_time(void **state)
{
    static const size_t size[] = {4096, 8192};
    size_t count = 0, joined;

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        size_t capacity = size_class_table[size_class_of(size[k])].capacity, first = count;

        while (count < first + 2 * capacity + 1)
            block[count++] = take(size[k]);
        for (size_t i = first; i < first + capacity; i++)
            give(block[i]);
        memmove(&block[first], &block[first + capacity], (capacity + 1) * sizeof block[0]);
        count -= capacity;
    }
    joined = mine->joined_count;
    assert_int_equal(joined, 2);
    for (unsigned i = 0; i < 100000 && mine->joined_count == joined; i++)
        heap_tick(mine);
    assert_int_equal(mine->joined_count, 1);
    heap_view_check(mine);
    for (unsigned i = 0; i < 100000 && mine->joined_count > 0; i++)
        heap_tick(mine);
    assert_int_equal(mine->joined_count, 0);
    assert_int_equal(mine->ready_count, 2);
    while (count > 0)
        give(block[--count]);
}

static void free_twice_and_part(void)
{
    size_t capacity = size_class_table[size_class_of(4096)].capacity;

    for (size_t i = 0; i <= 2 * capacity; i++)
        block[i] = heap_alloc(mine, 4096);
    give(block[0]); /* its slab joins */
    give(block[1]);
    give(block[0]);
    heap_part(mine, size_class_of(4096));
}

static void a_block_freed_twice_is_found_when_its_slab_leaves(void **state)
{
    (void)state;
    assert_true(WIFSIGNALED(unit_child_status(free_twice_and_part)));
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
            block[count++] = take(1 + random_below(&random, step % 4 == 0 ? 8192 : 200));
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
        TEST_WITHOUT_JOINING(a_full_slab_comes_back_at_the_class_s_count_of_free_blocks),
        TEST(a_full_slab_of_few_blocks_joins_the_held_one),
        TEST(when_the_bin_is_empty_those_that_joined_are_full),
        TEST(so_many_slabs_join_as_may_and_the_next_ones_wait),
        TEST(a_thread_that_may_hold_less_has_fewer_that_joined),
        TEST(with_the_bins_switched_off_none_joins),
        TEST(what_joined_leaves_with_its_blocks),
        TEST(slow_paths_make_those_that_joined_leave_a_class_at_a_time),
        TEST(a_block_freed_twice_is_found_when_its_slab_leaves),
        TEST_WITHOUT_JOINING(a_slab_is_given_up_with_its_last_block),
        TEST(blocks_that_come_home_together_are_credited_at_once),
        TEST(blocks_that_come_home_to_a_held_slab_go_to_the_bin),
        TEST(whatever_is_freed_in_whatever_order_the_counts_are_exact),
    };

    return cmocka_run_group_tests_name("slab", tests, NULL, NULL);
}
