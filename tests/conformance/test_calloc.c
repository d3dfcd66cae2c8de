/* SPDX-License-Identifier: MIT */
/* calloc gives zeroes, also where another block left its content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { MOST_SIZES = 4096, HELD = 64 };

static size_t sizes[MOST_SIZES];
static size_t size_count;

static int find_sizes(void **state)
{
    (void)state;
    size_count = border_sizes(sizes, MOST_SIZES, MIB(5));
    return size_count > 100 ? 0 : -1;
}

/* Make `count` dirty blocks of `size` bytes and free them. */
static void leave_dirt(size_t size, int count)
{
    void *block[HELD];

    for (int i = 0; i < count; i++) {
        block[i] = malloc(size);
        assert_non_null(block[i]);
        memset(block[i], 0xd1, malloc_usable_size(block[i]));
    }
    for (int i = 0; i < count; i++)
        free(block[i]);
}

static void check_zeroed(size_t size, int count)
{
    void *block[HELD];

    for (int i = 0; i < count; i++) {
        block[i] = calloc(1, size);
        assert_non_null(block[i]);
        assert_true(all_zero(block[i], size));
        memset(block[i], 0xd2, malloc_usable_size(block[i]));
    }
    for (int i = 0; i < count; i++)
        free(block[i]);
}

static void reused_blocks_of_every_class_are_zeroed(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        int count = sizes[s] < KIB(16) ? HELD : 4;

        leave_dirt(sizes[s], count);
        check_zeroed(sizes[s], count);
        check_zeroed(sizes[s], count);
    }
}

static void reused_large_and_huge_blocks_are_zeroed(void **state)
{
    (void)state;
    for (size_t size = KIB(64); size <= MIB(TEST_SANITIZED ? 16 : 128); size += size / 2 + 4097) {
        leave_dirt(size, 2);
        check_zeroed(size, 2);
        check_zeroed(size, 1);
        check_zeroed(size - 4095, 2);
    }
}

/* Dirt of other sizes: merged spans, blocks that grew, slabs that changed their class. */
static void memory_that_changed_its_size_is_zeroed(void **state)
{
    enum { BLOCKS = 300 };
    static void *block[BLOCKS];
    uint64_t random = 5;

    (void)state;
    for (int i = 0; i < 30000; i++) {
        size_t at = random_below(&random, BLOCKS);
        size_t size = random_size(&random, MIB(1));

        if (random_below(&random, 3) == 0) {
            block[at] = realloc(block[at], size);
            assert_non_null(block[at]);
        } else {
            free(block[at]);
            block[at] = calloc(1, size);
            assert_non_null(block[at]);
            assert_true(all_zero(block[at], size));
        }
        if (i % 100 == 0)
            malloc_trim(0);
        memset(block[at], 0xd3, malloc_usable_size(block[at]));
    }
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
}

static void count_times_size_bytes_are_zeroed(void **state)
{
    static const size_t pairs[][2] = {{3, 5}, {1000, 7}, {7, 1000}, {65536, 3}, {1, 1}, {100, 100}};

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t whole = pairs[i][0] * pairs[i][1];
        void *block;

        leave_dirt(whole, 8);
        block = calloc(pairs[i][0], pairs[i][1]);
        assert_non_null(block);
        assert_true(malloc_usable_size(block) >= whole);
        assert_true(all_zero(block, whole));
        free(block);
    }
}

static void memory_that_was_trimmed_is_zeroed(void **state)
{
    (void)state;
    for (size_t size = 64; size <= MIB(4); size *= 4) {
        leave_dirt(size, 16);
        malloc_trim(0);
        check_zeroed(size, 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reused_blocks_of_every_class_are_zeroed),
        cmocka_unit_test(reused_large_and_huge_blocks_are_zeroed),
        cmocka_unit_test(memory_that_changed_its_size_is_zeroed),
        cmocka_unit_test(count_times_size_bytes_are_zeroed),
        cmocka_unit_test(memory_that_was_trimmed_is_zeroed),
    };

    require_allocator();
    return cmocka_run_group_tests(tests, find_sizes, NULL);
}
