/* SPDX-License-Identifier: MIT */
/* Slabs and chunks that do not lie in the window of the region map work like those that do. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap/internal.h"
#include "superslab/superslab.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"

enum { BLOCKS = 4000 };

static void *block[BLOCKS];

/* The window is placed by the first reservation: at an address where nothing is mapped. */
static int place_window_elsewhere(void **state)
{
    if (!registry_reserve((uintptr_t)1 << 40, GRANULE))
        return -1;
    return unit_defaults(state);
}

/* As the free of the library does it. */
static void push(struct heap *h, void *p)
{
    struct slab *s;

    require(!heap_push_in_window(h, p, &s));
    if (!heap_push_other(h, s, p))
        heap_free(h, p, "free");
}

static void allocate(size_t least, size_t step)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        block[i] = heap_alloc(heap_of_thread(), least + i % 16 * step);
        assert_non_null(block[i]);
        assert_null(registry_find_in_window(block[i]));
        assert_int_not_equal(registry_find(block[i])->tag, TAG_NONE);
    }
}

static void *push_all(void *unused)
{
    for (size_t i = 0; i < BLOCKS; i++)
        push(heap_of_thread(), block[i]);
    return unused;
}

static void a_block_of_the_thread_is_handed_out_again(void **state)
{
    void *p = heap_alloc(heap_of_thread(), 100);

    (void)state;
    push(mine, p);
    assert_ptr_equal(heap_pop(mine, 100), p);
    push(mine, p);
}

static void the_thread_and_another_one_free_small_blocks_and_blocks_of_the_pool(void **state)
{
    pthread_t other;

    (void)state;
    for (int round = 0; round < 4; round++) {
        size_t least = round % 2 == 0 ? 16 : SIZE_SLAB_MAX + 1;

        allocate(least, round % 2 == 0 ? 200 : 900);
        if (round < 2) {
            push_all(NULL);
        } else {
            assert_int_equal(pthread_create(&other, NULL, push_all, NULL), 0);
            assert_int_equal(pthread_join(other, NULL), 0);
        }
        assert_int_equal(heap_audit(mine, 2), 0);
        assert_int_equal(superslab_audit(2), 0);
        assert_int_equal(pool_audit(2), 0);
    }
}

static void superslabs_go_back_and_their_descriptors_serve_again(void **state)
{
    struct superslab_totals before, after;

    (void)state;
    superslab_get_totals(&before);
    for (int round = 0; round < 3; round++) {
        allocate(4096, 0);
        push_all(NULL);
        heap_trim(mine);
        superslab_trim(0);
        assert_int_equal(superslab_audit(2), 0);
    }
    registry_synchronize();
    allocate(4096, 0);
    superslab_get_totals(&after);
    assert_true(after.unmapped_ever > before.unmapped_ever);
    assert_int_equal(superslab_audit(2), 0);
    push_all(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_block_of_the_thread_is_handed_out_again, heap_view_start,
                                        heap_view_end),
        cmocka_unit_test_setup_teardown(the_thread_and_another_one_free_small_blocks_and_blocks_of_the_pool, heap_view_start,
                                        heap_view_end),
        cmocka_unit_test_setup_teardown(superslabs_go_back_and_their_descriptors_serve_again, heap_view_start,
                                        heap_view_end),
    };

    return cmocka_run_group_tests_name("outside of the window", tests, place_window_elsewhere, NULL);
}
