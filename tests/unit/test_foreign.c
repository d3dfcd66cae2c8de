/* SPDX-License-Identifier: MIT */
/* Blocks of other heaps: gathered, posted, brought home; owners that sleep, or are dead. */
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

enum { MANY = 2000 };

/* Blocks of the main thread's heap, which others free. */
static void *block[MANY];
static size_t count;

static void fill(size_t n, size_t size)
{
    for (count = 0; count < n; count++) {
        block[count] = heap_alloc(mine, size);
        assert_non_null(block[count]);
    }
}

static void free_all(void *argument)
{
    struct heap *h = heap_of_thread();

    (void)argument;
    require(h != mine);
    for (size_t i = 0; i < count; i++)
        heap_free(h, block[i], "free");
}

static uint64_t counted(const struct heap *h, enum counter which)
{
    return load_relaxed(&h->counters.value[which]);
}

static void gather_and_flush(void *argument)
{
    struct heap *h = heap_of_thread();
    const struct remote_batch *batch = &h->remote.batch[remote_cache_slot(registry_find(block[0]))];
    uint64_t posts = counted(h, COUNTER_remote_posts), blocks = counted(h, COUNTER_remote_blocks);

    free_all(argument);
    require(remote_queue_is_empty(&mine->queue));
    require(batch->slab == registry_find(block[0]) && batch->count == count);
    require(h->remote.bytes == count * 64);
    foreign_flush(h);
    require(!remote_queue_is_empty(&mine->queue));
    require(batch->slab == NULL && h->remote.bytes == 0);
    require(counted(h, COUNTER_remote_posts) == posts + 1);
    require(counted(h, COUNTER_remote_blocks) == blocks + count);
    foreign_flush(h); /* of nothing */
    require(counted(h, COUNTER_remote_posts) == posts + 1);
}

static void blocks_are_gathered_posted_as_one_batch_and_brought_home(void **state)
{
    uint64_t rings = counted(mine, COUNTER_drained_rings), blocks = counted(mine, COUNTER_drained_blocks);
    size_t in_bin;

    (void)state;
    fill(30, 64);
    in_bin = list_length(mine->bin[size_class_of(64)]);
    run_in_thread(gather_and_flush, NULL);
    assert_int_equal(heap_view_live(mine), 30); /* on their way they count as in use */
    assert_true(foreign_drain(mine));
    assert_int_equal(counted(mine, COUNTER_drained_rings), rings + 1);
    assert_int_equal(counted(mine, COUNTER_drained_blocks), blocks + 30);
    assert_int_equal(heap_view_live(mine), 0);
    assert_int_equal(list_length(mine->bin[size_class_of(64)]), in_bin + 30);
    assert_false(foreign_drain(mine));
}

static void post_each(void *argument)
{
    uint64_t posts = counted(heap_of_thread(), COUNTER_remote_posts);

    heap_self->remote.limit = 0; /* to be looked up: the heap may be one that was taken over */
    free_all(argument);
    require(counted(heap_self, COUNTER_remote_posts) == posts + count);
    require(heap_self->remote.bytes == 0);
}

static void without_gathering_each_block_is_a_ring(void **state)
{
    uint64_t rings = counted(mine, COUNTER_drained_rings);

    (void)state;
    OPTION_SET(remote_batch) = 0;
    fill(50, 200);
    run_in_thread(post_each, NULL);
    assert_true(foreign_drain(mine));
    assert_int_equal(counted(mine, COUNTER_drained_rings), rings + 50);
    assert_int_equal(heap_view_live(mine), 0);
}

static void gather_many(void *argument)
{
    struct heap *h = heap_of_thread();

    (void)argument;
    h->remote.limit = 0;
    for (size_t i = 0; i < count; i++) {
        size_t sum = 0;

        heap_free(h, block[i], "free");
        require_at_most(h->remote.bytes, OPTION_SET(remote_batch));
        for (unsigned n = 0; n < REMOTE_CACHE_ENTRIES; n++) {
            if (h->remote.batch[n].slab != NULL)
                sum += h->remote.batch[n].count * slab_block_size(h->remote.batch[n].slab);
        }
        require(sum == h->remote.bytes);
    }
}

static void no_more_is_gathered_than_the_option_says_and_an_exit_posts_it_all(void **state)
{
    (void)state;
    OPTION_SET(remote_batch) = 20000;
    fill(MANY, 600); /* more slabs than the cache has entries would hold */
    run_in_thread(gather_many, NULL);
    assert_true(foreign_drain(mine));
    assert_int_equal(heap_view_live(mine), 0);
}

static void a_refill_takes_home_what_others_freed_before_it_asks_for_more(void **state)
{
    uint64_t carved;

    (void)state;
    fill(1000, 64);
    run_in_thread(free_all, NULL);
    carved = counted(mine, COUNTER_carved_blocks);
    while (mine->bin[size_class_of(64)] != NULL)
        block[count++] = heap_alloc(mine, 64);
    for (size_t i = 0; i < 1000; i++)
        block[i] = heap_alloc(mine, 64);
    assert_true(counted(mine, COUNTER_carved_blocks) <= carved + 64);
    for (size_t i = 0; i < count; i++)
        heap_free(mine, block[i], "free");
}

/* ---- owners that do not drain ---- */

static void slabs_of_an_owner_that_sleeps_are_given_back_for_it(void **state)
{
    size_t slabs, capacity = size_class_table[SLAB_CLASSES - 1].capacity;

    (void)state;
    OPTION_SET(remote_batch) = 0; /* a ring each: the queue is soon long */
    fill(60 * capacity, SIZE_SLAB_MAX);
    slabs = slabs_in_use();
    assert_int_equal(slabs, 60);
    run_in_thread(free_all, NULL);
    assert_true(slabs_in_use() < slabs - COLLECT_RINGS / capacity / 2);
    heap_view_check(mine);
    foreign_drain(mine);
    assert_int_equal(heap_view_live(mine), 0);
}

static struct heap *dead;

static void leave_blocks(void *argument)
{
    (void)argument;
    dead = heap_of_thread();
    for (count = 0; count < 600; count++) {
        block[count] = heap_alloc(dead, 100 + count % 3 * 1000);
        require(block[count] != NULL);
    }
    block[count++] = heap_alloc(dead, 30000); /* has no owner */
}

static void who_frees_the_last_blocks_of_a_dead_heap_empties_it(void **state)
{
    (void)state;
    run_in_thread(leave_blocks, NULL);
    heap_cool(UINT64_MAX);
    assert_int_equal(dead->state, HEAP_DEAD);
    assert_int_equal(heap_view_live(dead), 600);
    heap_view_check(dead);
    for (size_t i = 0; i < count; i++)
        heap_free(mine, block[i], "free");
    foreign_flush(mine);
    assert_int_equal(dead->state, HEAP_DEAD);
    assert_true(remote_queue_is_empty(&dead->queue));
    assert_int_equal(heap_view_live(dead), 0);
    assert_int_equal(slabs_in_use(), 0); /* a dead heap keeps no empty slab */
}

/* Free all and flush; how often something was posted is left at *argument. */
static void flush_all(void *argument)
{
    struct heap *h = heap_of_thread();
    uint64_t posts = counted(h, COUNTER_remote_posts);

    free_all(NULL);
    foreign_flush(h);
    *(uint64_t *)argument = counted(h, COUNTER_remote_posts) - posts;
}

static void what_a_flush_has_for_one_owner_is_posted_once(void **state)
{
    uint64_t posts;

    (void)state;
    for (count = 0; count < 30; count++)
        block[count] = heap_alloc(mine, (size_t)64 << count % 3);
    run_in_thread(flush_all, &posts);
    assert_int_equal(posts, 1);
    assert_int_equal(remote_queue_rings(&mine->queue), 3); /* one for each slab */
    assert_true(foreign_drain(mine));
    assert_int_equal(heap_view_live(mine), 0);
}

static void a_flush_gives_each_owner_its_own(void **state)
{
    uint64_t posts;

    (void)state;
    run_in_thread(leave_blocks, NULL);
    dead->state = HEAP_BUSY; /* it keeps what is posted */
    for (; count < 700; count++)
        block[count] = heap_alloc(mine, 64 + count % 7 * 500);
    run_in_thread(flush_all, &posts);
    assert_true(posts >= 2);
    assert_int_equal(heap_view_live(dead), 600);
    assert_int_equal(heap_view_live(mine), 99);
    assert_true(foreign_drain(mine));
    assert_int_equal(heap_view_live(mine), 0);
    dead->state = HEAP_DEAD;
    foreign_drain_dead(dead);
    assert_int_equal(heap_view_live(dead), 0);
}

static void a_heap_that_nobody_may_touch_is_left_alone(void **state)
{
    (void)state;
    run_in_thread(leave_blocks, NULL);
    dead->state = HEAP_BUSY; /* another thread has it, and looks at the queue when it is done */
    for (size_t i = 0; i < count; i++)
        heap_free(mine, block[i], "free");
    foreign_flush(mine);
    assert_false(remote_queue_is_empty(&dead->queue));
    assert_int_equal(heap_view_live(dead), 600);
    dead->state = HEAP_DEAD;
    foreign_drain_dead(dead);
    assert_int_equal(dead->state, HEAP_DEAD);
    assert_int_equal(heap_view_live(dead), 0);
}

/* A visit of a dead heap: a block of it is freed and posted. */
static void visit(void)
{
    heap_free(mine, block[--count], "free");
    foreign_flush(mine);
}

static void a_warm_heap_that_is_often_visited_gives_up_its_bins(void **state)
{
    (void)state;
    run_in_thread(leave_blocks, NULL);
    heap_free(mine, block[--count], "free"); /* of the pool */
    size_t binned = heap_binned_bytes(dead);
    assert_true(binned > 0);
    while (dead->visits < COOL_VISITS - 1) {
        visit();
        heap_view_check(dead);
    }
    assert_true(heap_binned_bytes(dead) >= binned); /* with what was freed of the held slabs */
    visit();
    assert_int_equal(heap_binned_bytes(dead), 0);
    while (count > 0)
        visit();
    assert_int_equal(heap_view_live(dead), 0);
    assert_int_equal(slabs_in_use(), 0);
}

/* ---- owners that free and never allocate ---- */

static struct block *of_another; /* what free_first leaves */

/* Each as a ring of its own. */
static void free_first(void *argument)
{
    size_t n = *(const size_t *)argument;
    struct heap *h = heap_of_thread();

    for (; n > 0; n--)
        heap_free(h, block[--count], "free");
    foreign_flush(h);
    of_another = heap_alloc(h, 64);
}

/* May one free of another's block leave rings in the queue that has n of them? */
static bool leaves_rings(size_t n)
{
    run_in_thread(free_first, &n);
    assert_int_equal(remote_queue_rings(&mine->queue), n);
    heap_free(mine, of_another, "free");
    n = remote_queue_rings(&mine->queue);
    foreign_drain(mine);
    return n > 0;
}

static void who_only_frees_drains_a_queue_that_is_long(void **state)
{
    (void)state;
    OPTION_SET(remote_batch) = 0;
    fill(3 * DRAIN_RINGS, 64);
    assert_true(leaves_rings(DRAIN_RINGS - 1));
    assert_false(leaves_rings(DRAIN_RINGS));
    OPTION_SET(remote_drain) = false;
    assert_true(leaves_rings(DRAIN_RINGS));
    assert_int_equal(heap_view_live(mine), count);
    while (count > 0)
        heap_free(mine, block[--count], "free");
}

static void free_without_a_heap(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < count; i++)
        foreign_free(&heap_exited, registry_find(block[i]), block[i]);
    require(heap_exited.remote.bytes == 0);
}

static void a_thread_that_has_lost_its_heap_posts_each_block_at_once(void **state)
{
    (void)state;
    fill(40, 64);
    run_in_thread(free_without_a_heap, NULL);
    assert_true(foreign_drain(mine));
    assert_int_equal(heap_view_live(mine), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heap_view_start, heap_view_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_gathered_posted_as_one_batch_and_brought_home),
        TEST(without_gathering_each_block_is_a_ring),
        TEST(no_more_is_gathered_than_the_option_says_and_an_exit_posts_it_all),
        TEST(a_refill_takes_home_what_others_freed_before_it_asks_for_more),
        TEST(slabs_of_an_owner_that_sleeps_are_given_back_for_it),
        TEST(what_a_flush_has_for_one_owner_is_posted_once),
        TEST(a_flush_gives_each_owner_its_own),
        TEST(who_frees_the_last_blocks_of_a_dead_heap_empties_it),
        TEST(a_warm_heap_that_is_often_visited_gives_up_its_bins),
        TEST(a_heap_that_nobody_may_touch_is_left_alone),
        TEST(who_only_frees_drains_a_queue_that_is_long),
        TEST(a_thread_that_has_lost_its_heap_posts_each_block_at_once),
    };

    return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
