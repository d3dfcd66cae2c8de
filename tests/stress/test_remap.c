/* SPDX-License-Identifier: MIT */
/*
 * Huge blocks grow and shrink, by moving, while other threads map and unmap what
 * their small blocks lie in: who is given addresses that a huge block has just
 * left keeps them. (What it was written for, entries of the region map that were
 * cleared after the addresses had gone, ended one run in ten.)
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { THREADS = 2, ROUNDS = TEST_SANITIZED ? 300 : 4000, SECONDS = 3, BLOCKS = 4000 };

static atomic_int resizing; /* threads */

static void *resize_huge_blocks(void *argument)
{
    time_t end = time(NULL) + SECONDS; /* the kernel's own lock may make rounds a hundred times as long */

    (void)argument;
    for (int i = 0; i < ROUNDS && time(NULL) <= end; i++) {
        char *p = malloc(MIB(72));

        for (size_t more = 0; more < 3; more++) {
            require(p != NULL);
            p = realloc(p, MIB(66 + more));
            require(p != NULL);
            p = realloc(p, MIB(40));
            require(p != NULL);
            p = realloc(p, MIB(90 - more));
        }
        require(p != NULL);
        free(p);
    }
    atomic_fetch_sub(&resizing, 1);
    return NULL;
}

static void *come_and_go(void *argument)
{
    void **block = argument;

    while (atomic_load(&resizing) > 0) {
        for (size_t i = 0; i < BLOCKS; i++) {
            size_t size = i % 2 != 0 ? 4000 : 12000;

            block[i] = malloc(size);
            require(block[i] != NULL);
            memset(block[i], 1, 64);
        }
        for (size_t i = 0; i < BLOCKS; i++)
            free(block[i]);
        malloc_trim(0);
    }
    return NULL;
}

static void addresses_that_a_huge_block_leaves_belong_to_who_maps_them(void **state)
{
    static void *block[THREADS][BLOCKS];
    pthread_t thread[2 * THREADS];

    (void)state;
    atomic_store(&resizing, THREADS);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, resize_huge_blocks, NULL), 0);
        assert_int_equal(pthread_create(&thread[THREADS + i], NULL, come_and_go, block[i]), 0);
    }
    for (int i = 0; i < 2 * THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_int_equal(hakmem_audit(2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_that_a_huge_block_leaves_belong_to_who_maps_them),
    };

    require_allocator();
    return cmocka_run_group_tests_name("remap", tests, NULL, NULL);
}
