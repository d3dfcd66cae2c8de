/* SPDX-License-Identifier: MIT */
/* The operations do what their names say; what order they make is for tests/models. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "support/support.h"

enum { THREADS = 4, ROUNDS = 5000 };

static void what_is_stored_is_loaded_in_every_order(void **state)
{
    uint64_t word = 0;

    (void)state;
    store_relaxed(&word, 1);
    assert_int_equal(load_relaxed(&word), 1);
    store_release(&word, 2);
    assert_int_equal(load_acquire(&word), 2);
    store_seq_cst(&word, UINT64_MAX);
    assert_int_equal(load_seq_cst(&word), UINT64_MAX);
    assert_int_equal(plain_load(&word), UINT64_MAX);
}

static void what_was_there_before_is_returned(void **state)
{
    uint32_t word = 5;

    (void)state;
    assert_int_equal(exchange_seq_cst(&word, 7), 5);
    assert_int_equal(fetch_add_relaxed(&word, 3), 7);
    assert_int_equal(fetch_add_seq_cst(&word, 5), 10);
    assert_int_equal(word, 15);
}

static void a_refused_exchange_tells_what_it_found(void **state)
{
    uint64_t word = 5, expected = 4;

    (void)state;
    assert_false(cas_strong_seq_cst(&word, &expected, 9));
    assert_int_equal(expected, 5);
    assert_int_equal(word, 5);
    assert_true(cas_strong_seq_cst(&word, &expected, 9));
    assert_int_equal(word, 9);
    expected = 1;
    assert_false(cas_weak_seq_cst(&word, &expected, 2));
    assert_int_equal(expected, 9);
    assert_int_equal(word, 9);
}

static void the_owner_stores_and_counts_down_a_field_of_any_width(void **state)
{
    uint16_t narrow = 0;
    uint32_t wide = 1;

    (void)state;
    owner_store(&narrow, 3);
    assert_int_equal(owner_load(&narrow), 3);
    assert_int_equal(owner_decrement(&narrow), 2);
    assert_int_equal(owner_load(&narrow), 2);
    assert_int_equal(owner_decrement(&wide), 0);
    assert_int_equal(owner_decrement(&wide), UINT32_MAX);
}

static uint64_t total;

static void *count_both_ways(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t seen = load_relaxed(&total);

        while (!cas_weak_seq_cst(&total, &seen, seen + 2))
            continue;
        fetch_add_relaxed(&total, -1);
    }
    return NULL;
}

static void no_count_of_any_thread_is_lost(void **state)
{
    pthread_t thread[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count_both_ways, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(load_relaxed(&total), THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_is_loaded_in_every_order),
        cmocka_unit_test(what_was_there_before_is_returned),
        cmocka_unit_test(a_refused_exchange_tells_what_it_found),
        cmocka_unit_test(the_owner_stores_and_counts_down_a_field_of_any_width),
        cmocka_unit_test(no_count_of_any_thread_is_lost),
    };

    return cmocka_run_group_tests_name("atomic", tests, NULL, NULL);
}
