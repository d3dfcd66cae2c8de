/* SPDX-License-Identifier: MIT */
/* Locks exclude, know their holder and their rank, and are whole on both sides of a fork. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/lock.h"
#include "support/support.h"
#include "support/unit.h"

enum { THREADS = 4, ROUNDS = 3000, LOCKS = 3 };

static struct lock low = LOCK_INIT(RANK_HEAPS);
static struct lock middle = LOCK_INIT(RANK_POOL);
static struct lock high = LOCK_INIT(RANK_META);
static struct lock *const locks[LOCKS] = {&low, &middle, &high};

/* ---- taking and releasing ---- */

static uint64_t guarded; /* not atomic: the lock is all that guards it */

static void *count(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        lock_take(&middle);
        guarded++;
        lock_release(&middle);
    }
    return argument;
}

static void a_lock_counts_its_sections(void **state)
{
    uint32_t before = lock_sections(&low);

    (void)state;
    lock_take(&low);
    lock_release(&low);
    lock_take(&low);
    lock_release(&low);
    assert_int_equal(lock_sections(&low) - before, 2);
}

static void one_thread_at_a_time_holds_a_lock(void **state)
{
    pthread_t thread[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(guarded, THREADS * ROUNDS);
}

/* A second thread that holds a lock until it is told. */
struct holder {
    struct lock *lock;
    pthread_t thread;
    sem_t held, release;
};

static void *hold(void *argument)
{
    struct holder *holder = argument;

    lock_take(holder->lock);
    sem_post(&holder->held);
    while (sem_wait(&holder->release) != 0)
        continue;
    require(lock_is_mine(holder->lock));
    lock_release(holder->lock);
    return NULL;
}

static void holder_start(struct holder *holder, struct lock *lock)
{
    holder->lock = lock;
    sem_init(&holder->held, 0, 0);
    sem_init(&holder->release, 0, 0);
    require(pthread_create(&holder->thread, NULL, hold, holder) == 0);
    while (sem_wait(&holder->held) != 0)
        continue;
}

static void holder_end(struct holder *holder)
{
    sem_post(&holder->release);
    require(pthread_join(holder->thread, NULL) == 0);
}

static void *take_all_in_order(void *argument)
{
    for (int i = 0; i < LOCKS; i++)
        lock_take(locks[i]);
    for (int i = LOCKS; i-- > 0;)
        lock_release(locks[i]);
    return argument;
}

/* Another thread gets every lock. */
static void require_all_free(void)
{
    pthread_t thread;

    for (int i = 0; i < LOCKS; i++)
        require(!lock_is_mine(locks[i]) && locks[i]->fork == FORK_NOT_HELD);
    require(pthread_create(&thread, NULL, take_all_in_order, NULL) == 0);
    require(pthread_join(thread, NULL) == 0);
}

static void a_lock_knows_whether_the_caller_holds_it(void **state)
{
    struct holder other;

    (void)state;
    assert_false(lock_is_mine(&low));
    lock_take(&low);
    assert_true(lock_is_mine(&low));
    assert_false(lock_is_mine(&high));
    lock_release(&low);
    assert_false(lock_is_mine(&low));
    holder_start(&other, &low);
    assert_false(lock_is_mine(&low));
    holder_end(&other);
}

/* ---- ranks ---- */

static void take_downwards(void)
{
    lock_take(&high);
    lock_take(&low);
}

static void take_the_same_rank(void)
{
    static struct lock another = LOCK_INIT(RANK_POOL);

    lock_take(&middle);
    lock_take(&another);
}

static void take_upwards_again_and_again(void)
{
    for (int i = 0; i < 3; i++)
        take_all_in_order(NULL);
    /* released in another order: what counts is what is held */
    lock_take(&low);
    lock_take(&middle);
    lock_release(&low);
    lock_take(&high);
    lock_release(&middle);
    lock_release(&high);
    lock_take(&low);
    lock_release(&low);
}

static void rising_ranks_may_be_taken(void **state)
{
    (void)state;
    assert_int_equal(unit_child_status(take_upwards_again_and_again), 0);
}

static void a_debug_build_ends_when_a_rank_is_not_above_the_held_ones(void **state)
{
    (void)state;
#ifdef HAKMEM_DEBUG
    assert_true(WIFSIGNALED(unit_child_status(take_downwards)));
    assert_true(WIFSIGNALED(unit_child_status(take_the_same_rank)));
#else
    (void)take_downwards;
    (void)take_the_same_rank;
    skip_test("ranks are checked in debug builds");
#endif
}

/* ---- fork ---- */

static void all_locks_are_held_around_a_fork_and_free_after_it_in_the_parent(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        lock_fork_prepare(locks, LOCKS);
        for (int i = 0; i < LOCKS; i++)
            assert_true(lock_is_mine(locks[i]));
        lock_fork_parent(locks, LOCKS);
        require_all_free();
    }
}

static void child_after_prepare(void)
{
    lock_fork_child(locks, LOCKS);
    take_all_in_order(NULL);
    for (int i = 0; i < LOCKS; i++)
        require(!lock_is_mine(locks[i]) && locks[i]->fork == FORK_NOT_HELD);
}

static void all_locks_are_free_in_the_child(void **state)
{
    (void)state;
    lock_fork_prepare(locks, LOCKS);
    assert_int_equal(unit_child_status(child_after_prepare), 0);
    lock_fork_parent(locks, LOCKS);
    require_all_free();
}

static void child_of_a_holder(void)
{
    lock_fork_child(locks, LOCKS);
    require(!lock_is_mine(&low) && lock_is_mine(&middle) && !lock_is_mine(&high));
    lock_release(&middle); /* the interrupted section goes on */
    take_all_in_order(NULL);
}

static void a_lock_that_the_forking_thread_holds_stays_its_own_on_both_sides(void **state)
{
    (void)state;
    lock_take(&middle);
    lock_fork_prepare(locks, LOCKS);
    assert_int_equal(unit_child_status(child_of_a_holder), 0);
    lock_fork_parent(locks, LOCKS);
    assert_false(lock_is_mine(&low));
    assert_true(lock_is_mine(&middle));
    assert_false(lock_is_mine(&high));
    lock_release(&middle);
    require_all_free();
}

static void child_of_an_interrupted_holder(void)
{
    lock_fork_child(locks, LOCKS);
    require(!lock_is_mine(&low) && !lock_is_mine(&middle));
    lock_release(&high);
    take_all_in_order(NULL);
}

static void what_could_not_be_had_is_free_in_the_child_and_untouched_in_the_parent(void **state)
{
    struct holder other;

    (void)state;
    holder_start(&other, &low);
    lock_take(&high); /* so that no lower one is waited for */
    lock_fork_prepare(locks, LOCKS);
    assert_false(lock_is_mine(&low));
    assert_true(lock_is_mine(&middle));
    assert_int_equal(unit_child_status(child_of_an_interrupted_holder), 0);
    lock_fork_parent(locks, LOCKS);
    lock_release(&high);
    holder_end(&other); /* it still holds what it held */
    require_all_free();
}

static void a_lock_that_is_never_released_does_not_stop_a_fork(void **state)
{
    struct holder other;

    (void)state;
    holder_start(&other, &middle);
    lock_fork_prepare(locks, LOCKS);
    assert_true(lock_is_mine(&low));
    assert_false(lock_is_mine(&middle));
    assert_true(lock_is_mine(&high));
    assert_int_equal(unit_child_status(child_after_prepare), 0);
    lock_fork_parent(locks, LOCKS);
    holder_end(&other);
    require_all_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rising_ranks_may_be_taken),
        cmocka_unit_test(a_debug_build_ends_when_a_rank_is_not_above_the_held_ones),
        cmocka_unit_test(a_lock_knows_whether_the_caller_holds_it),
        cmocka_unit_test(a_lock_counts_its_sections),
        cmocka_unit_test(one_thread_at_a_time_holds_a_lock),
        cmocka_unit_test(all_locks_are_held_around_a_fork_and_free_after_it_in_the_parent),
        cmocka_unit_test(all_locks_are_free_in_the_child),
        cmocka_unit_test(a_lock_that_the_forking_thread_holds_stays_its_own_on_both_sides),
        cmocka_unit_test(what_could_not_be_had_is_free_in_the_child_and_untouched_in_the_parent),
        cmocka_unit_test(a_lock_that_is_never_released_does_not_stop_a_fork),
    };

    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
