/* SPDX-License-Identifier: MIT */
/* Heaps and threads: each its own, taken over after its end, frozen in a child; any pointer freed. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "heap/internal.h"
#include "maintain/maintain.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"

enum { MANY = 800, THREADS = 4 };

static void one_more(struct heap *h, void *context)
{
    (void)h;
    ++*(size_t *)context;
}

static size_t heaps(void)
{
    size_t count = 0;

    heap_walk(one_more, &count);
    return count;
}

static void the_thread_keeps_its_heap(void **state)
{
    (void)state;
    assert_ptr_equal(heap_of_thread(), mine);
    assert_ptr_equal(heap_self, mine);
    assert_int_equal(mine->state, HEAP_ALIVE);
    assert_int_equal(heap_count_alive(), 1);
    assert_ptr_not_equal(heap_newest, NULL);
}

static void the_table_of_a_heap_has_the_class_of_every_small_size(void **state)
{
    (void)state;
    for (size_t n = 1; n <= SIZE_TABLE_MAX; n++)
        assert_int_equal(mine->class_of[n], size_class_of(n));
    assert_int_equal(mine->class_of[0], 1);
}

/* ---- hit paths ---- */

static void a_block_is_popped_when_its_class_has_one_and_else_not(void **state)
{
    void *p = heap_alloc(mine, 100);

    (void)state;
    for (size_t n = 0; n < 2000; n++) {
        if (size_class_of(n == 0 ? 1 : n) != size_class_of(100))
            assert_null(heap_pop(mine, n));
    }
    assert_true(heap_push(mine, registry_find(p), p));
    assert_ptr_equal(heap_pop(mine, 97), p);
    heap_free(mine, p, "free");
}

static void what_is_not_in_a_slab_of_the_heap_is_not_pushed(void **state)
{
    static char object[64];
    void *pool = heap_alloc(mine, 10000), *large = heap_alloc(mine, 100000);

    (void)state;
    assert_false(heap_push(mine, registry_find(NULL), NULL));
    assert_false(heap_push(mine, registry_find(object), object));
    assert_false(heap_push(mine, registry_find(pool), pool));
    assert_false(heap_push(mine, registry_find(large), large));
    assert_false(heap_push(&heap_none, registry_find(pool), pool));
    heap_free(mine, NULL, "free");
    heap_free(mine, pool, "free");
    heap_free(mine, large, "free");
}

/* ---- threads ---- */

static struct heap *others;
static void *left; /* a block that lives on after its thread */

static void use_a_heap(void *argument)
{
    require(heap_self == &heap_none);
    others = heap_of_thread();
    require(others != NULL && others != mine && heap_self == others);
    require(heap_count_alive() == 2 && others->state == HEAP_ALIVE);
    left = heap_alloc(others, 100);
    require(registry_find(left)->owner == others);
    for (int i = 0; i < 1000; i++)
        heap_free(others, heap_alloc(others, 1 + (size_t)i * 60), "free");
    heap_view_check(others);
    (void)argument;
}

static void a_thread_that_exits_leaves_its_heap_dead_and_gives_back_what_is_empty(void **state)
{
    (void)state;
    run_in_thread(use_a_heap, NULL);
    assert_int_equal(heap_count_alive(), 1);
    assert_int_equal(others->state, HEAP_DEAD);
    assert_int_equal(pool_in_use(), 0);
    heap_view_check(others);
    heap_cool(UINT64_MAX);
    assert_int_equal(others->state, HEAP_DEAD);
    assert_int_equal(slabs_in_use(), 1);
    assert_int_equal(pool_in_use(), 0);
    assert_int_equal(heap_view_live(others), 1);
    heap_view_check(others);
    heap_free(mine, left, "free");
    foreign_flush(mine);
    assert_int_equal(slabs_in_use(), 0);
}

static void take_over(void *argument)
{
    void *p;

    require(heap_of_thread() == argument);
    p = heap_alloc(heap_self, 100);
    require(registry_find(p) == registry_find(left)); /* the slab waited in its list */
    heap_free(heap_self, p, "free");
    heap_free(heap_self, left, "free"); /* it is this heap's own now */
    require(heap_view_live(heap_self) == 0);
}

static void the_next_thread_takes_a_dead_heap_over_with_its_slabs(void **state)
{
    size_t before;

    (void)state;
    run_in_thread(use_a_heap, NULL);
    heap_cool(UINT64_MAX); /* the slab is listed as partial, not held */
    before = heaps();
    run_in_thread(take_over, others);
    assert_int_equal(heaps(), before);
    heap_cool(UINT64_MAX);
    assert_int_equal(slabs_in_use(), 0);
}

/* ---- warm heaps: dead ones that keep their bins ---- */

static void look_at_the_refills(void *argument)
{
    struct heap *h = heap_of_thread();
    uint64_t before = load_relaxed(&h->counters.value[COUNTER_refills]);

    heap_free(h, heap_alloc(h, 100), "free");
    *(uint64_t *)argument = load_relaxed(&h->counters.value[COUNTER_refills]) - before;
    others = h;
}

static uint64_t refills_of_the_next_thread(void)
{
    uint64_t refills;

    run_in_thread(look_at_the_refills, &refills);
    return refills;
}

static void a_thread_that_follows_soon_begins_with_the_blocks_of_the_last(void **state)
{
    (void)state;
    assert_int_equal(refills_of_the_next_thread(), 1);
    assert_true(heap_binned_bytes(others) > 0);
    assert_int_equal(refills_of_the_next_thread(), 0);
    heap_cool(others->died_ms - 1); /* not that long */
    assert_int_equal(refills_of_the_next_thread(), 0);
    heap_cool(others->died_ms);
    assert_int_equal(heap_binned_bytes(others), 0);
    assert_int_equal(slabs_in_use(), 0);
    assert_int_equal(refills_of_the_next_thread(), 1);
}

static void where_nothing_may_be_held_no_heap_stays_warm(void **state)
{
    (void)state;
    OPTION_SET(thread_hold) = 0;
    refills_of_the_next_thread();
    assert_int_equal(heap_binned_bytes(others), 0);
    assert_int_equal(slabs_in_use(), 0);
    unit_defaults(state);
    OPTION_SET(purge_delay) = 0;
    refills_of_the_next_thread();
    assert_int_equal(heap_binned_bytes(others), 0);
}

static void memory_that_is_asked_for_comes_from_warm_heaps_too(void **state)
{
    (void)state;
    refills_of_the_next_thread();
    maintain_purge(mine, 0);
    assert_int_equal(heap_binned_bytes(others), 0);
    assert_int_equal(slabs_in_use(), 0);
    refills_of_the_next_thread();
    heap_reclaim(mine);
    assert_int_equal(slabs_in_use(), 0);
}

static void one_more_is_warm(struct heap *h, void *count)
{
    *(size_t *)count += h != mine && heap_binned_bytes(h) > 0;
}

struct sleeper {
    pthread_t thread;
    sem_t has_a_bin, go;
};

static void *sleep_with_a_bin(void *argument)
{
    struct sleeper *sleeper = argument;
    struct heap *h = heap_of_thread();

    heap_free(h, heap_alloc(h, 100), "free");
    sem_post(&sleeper->has_a_bin);
    while (sem_wait(&sleeper->go) != 0)
        continue;
    return NULL;
}

static void start_sleeper(struct sleeper *sleeper)
{
    sem_init(&sleeper->has_a_bin, 0, 0);
    sem_init(&sleeper->go, 0, 0);
    assert_int_equal(pthread_create(&sleeper->thread, NULL, sleep_with_a_bin, sleeper), 0);
    while (sem_wait(&sleeper->has_a_bin) != 0)
        continue;
}

static void end_sleeper(struct sleeper *sleeper)
{
    sem_post(&sleeper->go);
    assert_int_equal(pthread_join(sleeper->thread, NULL), 0);
}

static size_t warm_heaps(void)
{
    size_t warm = 0;

    heap_walk(one_more_is_warm, &warm);
    return warm;
}

static void few_heaps_stay_warm_and_no_more_than_threads_live(void **state)
{
    enum { DEAD = WARM_HEAPS + 3, ALIVE = WARM_HEAPS + 1 };
    struct sleeper sleeper[DEAD + ALIVE];
    size_t bins = 0; /* of living threads */

    (void)state;
    for (size_t i = 0; i < DEAD + ALIVE; i++)
        start_sleeper(&sleeper[i]);
    for (size_t i = 0; i < DEAD; i++)
        end_sleeper(&sleeper[i]);
    bins = ALIVE;
    assert_int_equal(warm_heaps(), WARM_HEAPS + bins);
    for (size_t i = DEAD; i < DEAD + ALIVE; i++) {
        end_sleeper(&sleeper[i]);
        bins--;
        assert_in_range(warm_heaps(), bins, bins + heap_count_alive());
    }
}

static void vanish(void *argument)
{
    others = heap_of_thread();
    left = heap_alloc(others, 100);
    heap_self = &heap_none; /* as if its exit never reached the heap */
    (void)argument;
}

static void note_the_heap(void *argument)
{
    struct heap *h = heap_of_thread();

    if (h == others)
        *(bool *)argument = true;
}

static void a_heap_whose_thread_vanished_is_found_by_a_later_one(void **state)
{
    bool found = false;

    (void)state;
    run_in_thread(vanish, NULL);
    assert_int_equal(others->state, HEAP_ALIVE);
    for (size_t i = 0; i < heaps() && !found; i++) /* each thread looks at a few */
        run_in_thread(note_the_heap, &found);
    assert_true(found);
    assert_int_equal(others->state, HEAP_DEAD);
    assert_int_equal(heap_count_alive(), 1);
    heap_free(mine, left, "free");
}

static void a_thread_after_its_exit_allocates_from_the_orphan_heap(void **state)
{
    void *p, *pool, *large;

    (void)state;
    heap_self = &heap_exited;
    assert_null(heap_of_thread());
    p = heap_alloc(&heap_exited, 100);
    pool = heap_alloc(&heap_exited, 10000);
    large = heap_alloc(&heap_exited, 100000);
    assert_ptr_equal(registry_find(p)->owner, &heap_orphan);
    assert_int_equal(heap_orphan.state, HEAP_SHARED);
    memset(p, 1, 100);
    memset(pool, 1, 10000);
    memset(large, 1, 100000);
    heap_free(&heap_exited, p, "free");
    heap_free(&heap_exited, pool, "free");
    heap_free(&heap_exited, large, "free");
    assert_false(remote_queue_is_empty(&heap_orphan.queue));
    p = heap_alloc(&heap_exited, 100);
    heap_self = mine;
    heap_free(mine, p, "free"); /* any thread may free it */
}

/* ---- fork ---- */

static sem_t ready, go;

static void *sleep_with_a_heap(void *argument)
{
    others = heap_of_thread();
    left = heap_alloc(others, 100);
    sem_post(&ready);
    while (sem_wait(&go) != 0)
        continue;
    heap_free(others, left, "free");
    return argument;
}

static void look_in_the_child(void)
{
    void *p[100];

    require(mine->state == HEAP_ALIVE && others->state == HEAP_FROZEN);
    require(heap_count_alive() == 1);
    heap_free(mine, left, "free"); /* of a thread that is not here: it is lost */
    for (size_t i = 0; i < 100; i++)
        p[i] = heap_alloc(mine, 100 * i);
    for (size_t i = 0; i < 100; i++)
        heap_free(mine, p[i], "free");
    heap_view_check(mine);
    require(heap_audit(mine, STDERR_FILENO) == 0);
    if (!TEST_TSAN) /* it knows no threads of a child */
        run_in_thread(note_the_heap, &(bool){false}); /* they get other heaps */
    require(others->state == HEAP_FROZEN);
}

static void in_a_child_the_heaps_of_the_other_threads_are_frozen(void **state)
{
    pthread_t thread;

    (void)state;
    sem_init(&ready, 0, 0);
    sem_init(&go, 0, 0);
    assert_int_equal(pthread_create(&thread, NULL, sleep_with_a_heap, NULL), 0);
    while (sem_wait(&ready) != 0)
        continue;
    assert_int_equal(unit_child_status(look_in_the_child), 0);
    assert_int_equal(others->state, HEAP_ALIVE);
    sem_post(&go);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void allocate_in_the_child(void)
{
    unsigned c = size_class_of(1024);
    size_t before = mine->slabs[c];
    const struct list *first = list_front(&mine->inherited[c]);

    require(first != NULL && list_is_empty(&mine->partial[c]));
    heap_view_check(mine);
    while (mine->slabs[c] < before + AFRESH_SLABS) {
        require(list_front(&mine->inherited[c]) == first);
        require(heap_alloc(mine, 1024) != NULL);
    }
    while (list_front(&mine->inherited[c]) == first)
        require(heap_alloc(mine, 1024) != NULL);
    require(mine->slabs[c] == before + AFRESH_SLABS);
    heap_view_check(mine);
    require(heap_audit(mine, STDERR_FILENO) == 0);
}

static void a_child_starts_some_slabs_before_it_uses_partial_ones_of_its_parent(void **state)
{
    enum { SLABS = 4 };
    size_t count = SLABS * (size_t)size_class_table[size_class_of(1024)].capacity;
    void *block[MANY];

    (void)state;
    assert_in_range(count, 1, MANY);
    for (size_t i = 0; i < count; i++)
        block[i] = heap_alloc(mine, 1024);
    for (size_t i = 0; i < count; i += 2)
        heap_free(mine, block[i], "free");
    assert_int_equal(unit_child_status(allocate_in_the_child), 0);
    assert_true(list_is_empty(&mine->inherited[size_class_of(1024)]));
    for (size_t i = 1; i < count; i += 2)
        heap_free(mine, block[i], "free");
}

/* ---- at random, by several threads: blocks go from hand to hand ---- */

struct parcel {
    void *block;
    size_t size;
    uint64_t seed;
};
static struct parcel *shelf[MANY]; /* atomic; each parcel lies in its own block */

static void work(struct heap *h, uint64_t seed)
{
    uint64_t random = seed;

    for (int i = 0; i < (TEST_TSAN ? 2000 : 20000); i++) {
        size_t most = i % 50 == 0 ? 60000 : 500;
        size_t size = sizeof(struct parcel) + 1 + random_below(&random, most);
        struct parcel *p = heap_alloc(h, size);

        require(p != NULL);
        *p = (struct parcel){p, size, random};
        pattern_fill(p + 1, size - sizeof *p, p->seed);
        p = exchange_seq_cst(&shelf[random_below(&random, MANY)], p);
        if (p == NULL)
            continue;
        require(p->block == p && heap_usable(p, "test") >= p->size);
        require(pattern_holds(p + 1, p->size - sizeof *p, p + 1, p->size - sizeof *p, p->seed));
        heap_free(h, p, "free");
    }
    foreign_flush(h);
    foreign_drain(h);
    heap_view_check(h);
}

static void *work_in_thread(void *argument)
{
    work(heap_of_thread(), (uint64_t)(uintptr_t)argument);
    return NULL;
}

static void blocks_that_go_from_hand_to_hand_are_whole_and_none_is_lost(void **state)
{
    pthread_t thread[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work_in_thread, (void *)(i + 1)), 0);
    work(mine, 99);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (size_t i = 0; i < MANY; i++)
        heap_free(mine, load_relaxed(&shelf[i]), "free");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heap_view_start, heap_view_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_thread_keeps_its_heap),
        TEST(the_table_of_a_heap_has_the_class_of_every_small_size),
        TEST(a_block_is_popped_when_its_class_has_one_and_else_not),
        TEST(what_is_not_in_a_slab_of_the_heap_is_not_pushed),
        TEST(a_thread_that_exits_leaves_its_heap_dead_and_gives_back_what_is_empty),
        TEST(the_next_thread_takes_a_dead_heap_over_with_its_slabs),
        TEST(a_thread_that_follows_soon_begins_with_the_blocks_of_the_last),
        TEST(where_nothing_may_be_held_no_heap_stays_warm),
        TEST(memory_that_is_asked_for_comes_from_warm_heaps_too),
        TEST(few_heaps_stay_warm_and_no_more_than_threads_live),
        TEST(a_heap_whose_thread_vanished_is_found_by_a_later_one),
        TEST(a_thread_after_its_exit_allocates_from_the_orphan_heap),
        TEST(in_a_child_the_heaps_of_the_other_threads_are_frozen),
        TEST_WITHOUT_JOINING(a_child_starts_some_slabs_before_it_uses_partial_ones_of_its_parent),
        TEST(blocks_that_go_from_hand_to_hand_are_whole_and_none_is_lost),
    };

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
