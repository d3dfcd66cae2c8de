/* SPDX-License-Identifier: MIT */
/* realloc keeps what a block holds, whatever it changes from and to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

/* One thread only: ThreadSanitizer, under which it is slow, looks at a part. */
enum { MOST_SIZES = 4096, STEP = TEST_TSAN ? 5 : 1 };

static size_t sizes[MOST_SIZES];
static size_t size_count;

static int find_sizes(void **state)
{
    (void)state;
    size_count = border_sizes(sizes, MOST_SIZES, MIB(5));
    return size_count > 100 ? 0 : -1;
}

static void change(size_t from, size_t to)
{
    void *old = malloc(from);
    void *origin = old;
    void *block;
    size_t kept = from < to ? from : to;

    assert_non_null(old);
    pattern_fill(old, from, to);
    block = realloc(old, to);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 16, 0);
    assert_true(malloc_usable_size(block) >= to);
    assert_true(pattern_holds(block, kept, origin, from, to));
    memset(block, 0xee, to);
    free(block);
}

static void content_is_kept_from_every_class_to_its_neighbours(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s += STEP)
        for (size_t t = s < 7 ? 0 : s - 7; t < s + 8 && t < size_count; t++)
            change(sizes[s], sizes[t]);
}

static void content_is_kept_between_any_two_classes(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s += 13 * STEP)
        for (size_t t = 0; t < size_count; t += 13)
            change(sizes[s], sizes[t]);
}

static void content_is_kept_between_huge_sizes(void **state)
{
    static const size_t huge[] = {MIB(1) - 1, MIB(8),       MIB(33) + 5, MIB(63),  MIB(64),
                                  MIB(65),    MIB(100) + 1, MIB(200),    100,      70000};
    enum { COUNT = sizeof huge / sizeof huge[0] };

    (void)state;
    for (int from = 0; from < COUNT; from++)
        for (int to = 0; to < COUNT; to++)
            if (!TEST_SANITIZED || huge[from] + huge[to] < MIB(70))
                change(huge[from], huge[to]);
}

static void content_is_kept_while_a_block_grows_by_little(void **state)
{
    unsigned char *block = NULL;
    size_t size = 0;

    (void)state;
    while (size < MIB(4)) {
        size_t more = size + 1 + size / 50;

        block = realloc(block, more);
        assert_non_null(block);
        for (; size < more; size++)
            block[size] = (unsigned char)(size * 31 + (size >> 8));
    }
    for (size_t i = 0; i < size; i++)
        if (block[i] != (unsigned char)(i * 31 + (i >> 8)))
            fail_msg("byte %zu of %zu changed", i, size);
    while (size > 1) {
        size -= 1 + size / 50;
        block = realloc(block, size);
        assert_non_null(block);
        assert_int_equal(block[size - 1],
                         (unsigned char)((size - 1) * 31 + ((size - 1) >> 8)));
        assert_int_equal(block[0], 0);
    }
    free(block);
}

static void content_of_aligned_blocks_is_kept(void **state)
{
    (void)state;
    for (size_t alignment = 32; alignment <= MIB(1); alignment *= 2) {
        for (size_t s = 0; s < size_count; s += 11) {
            size_t to = sizes[(s * 5 + 3) % size_count];
            size_t kept = sizes[s] < to ? sizes[s] : to;
            void *origin = memalign(alignment, sizes[s]);
            void *block;

            assert_non_null(origin);
            pattern_fill(origin, sizes[s], alignment);
            block = realloc(opaque_pointer(origin), to);
            assert_non_null(block);
            assert_true(pattern_holds(block, kept, origin, sizes[s], alignment));
            memset(block, 0xee, to);
            free(block);
        }
    }
}

static void other_blocks_are_left_alone(void **state)
{
    enum { BLOCKS = 500 };
    static struct {
        void *block, *origin;
        size_t size;
    } live[BLOCKS];
    uint64_t random = 11;

    (void)state;
    for (int i = 0; i < 40000; i++) {
        size_t at = random_below(&random, BLOCKS);
        size_t size = random_size(&random, KIB(300));
        size_t kept = live[at].size < size ? live[at].size : size;
        void *block = realloc(live[at].block, size);

        assert_non_null(block);
        assert_true(pattern_holds(block, kept, live[at].origin, live[at].size, at));
        pattern_fill(block, size, at);
        live[at].block = live[at].origin = block;
        live[at].size = size;
    }
    for (size_t at = 0; at < BLOCKS; at++) {
        assert_true(pattern_holds(live[at].block, live[at].size, live[at].origin,
                                  live[at].size, at));
        free(live[at].block);
    }
}

static void realloc_of_null_is_malloc(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        void *block = realloc(opaque_pointer(NULL), sizes[s]);

        assert_non_null(block);
        assert_true(is_served(block));
        memset(block, 1, sizes[s]);
        free(block);
        block = reallocarray(opaque_pointer(NULL), sizes[s], 1);
        assert_non_null(block);
        memset(block, 1, sizes[s]);
        free(block);
    }
}

static void reallocarray_is_realloc_of_the_product(void **state)
{
    void *origin = malloc(123);
    void *block;

    (void)state;
    assert_non_null(origin);
    pattern_fill(origin, 123, 1);
    block = reallocarray(opaque_pointer(origin), opaque(1001), opaque(17));
    assert_non_null(block);
    assert_true(malloc_usable_size(block) >= 1001 * 17);
    assert_true(pattern_holds(block, 123, origin, 123, 1));
    free(block);
}

static void realloc_to_the_usable_size_stays_in_place(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        void *block = malloc(sizes[s]);
        uintptr_t before = (uintptr_t)block;
        size_t usable = malloc_usable_size(block);

        block = realloc(opaque_pointer(block), usable);
        assert_int_equal((uintptr_t)block, before);
        free(block);
    }
}

static void realloc_keeps_errno_on_success(void **state)
{
    void *block = malloc(10);

    (void)state;
    errno = 77;
    for (size_t size = 20; size < MIB(64); size *= 2) {
        block = realloc(block, size);
        assert_non_null(block);
        assert_int_equal(errno, 77);
    }
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_is_kept_from_every_class_to_its_neighbours),
        cmocka_unit_test(content_is_kept_between_any_two_classes),
        cmocka_unit_test(content_is_kept_between_huge_sizes),
        cmocka_unit_test(content_is_kept_while_a_block_grows_by_little),
        cmocka_unit_test(content_of_aligned_blocks_is_kept),
        cmocka_unit_test(other_blocks_are_left_alone),
        cmocka_unit_test(realloc_of_null_is_malloc),
        cmocka_unit_test(reallocarray_is_realloc_of_the_product),
        cmocka_unit_test(realloc_to_the_usable_size_stays_in_place),
        cmocka_unit_test(realloc_keeps_errno_on_success),
    };

    require_allocator();
    return cmocka_run_group_tests(tests, find_sizes, NULL);
}
