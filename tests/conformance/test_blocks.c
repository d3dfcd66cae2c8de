/* SPDX-License-Identifier: MIT */
/* What a block is: its own memory, as large as asked for, aligned, stable. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { MOST_SIZES = 4096 };

static size_t sizes[MOST_SIZES];
static size_t size_count;

static int find_sizes(void **state)
{
    (void)state;
    size_count = border_sizes(sizes, MOST_SIZES, MIB(5));
    return size_count > 100 ? 0 : -1;
}

/* How many blocks of a size to hold at once: several slabs of small, few of large. */
static size_t blocks_of(size_t size)
{
    size_t count = KIB(256) / size;

    return count < 3 ? 3 : count > 600 ? 600 : count;
}

static void blocks_of_every_class_do_not_overlap(void **state)
{
    static void *block[600];

    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        size_t count = blocks_of(sizes[s]);

        for (size_t i = 0; i < count; i++) {
            block[i] = malloc(sizes[s]);
            assert_non_null(block[i]);
            pattern_fill(block[i], sizes[s], i);
        }
        for (size_t i = 0; i < count; i++)
            assert_true(pattern_holds(block[i], sizes[s], block[i], sizes[s], i));
        for (size_t i = 0; i < count; i++)
            free(block[i]);
    }
}

static void blocks_of_mixed_classes_do_not_overlap(void **state)
{
    static void *block[MOST_SIZES];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t s = 0; s < size_count; s++) {
            if (sizes[s] > MIB(1))
                continue;
            block[s] = malloc(sizes[s]);
            assert_non_null(block[s]);
            pattern_fill(block[s], sizes[s], s);
        }
        for (size_t s = 0; s < size_count; s++)
            if (sizes[s] <= MIB(1))
                assert_true(pattern_holds(block[s], sizes[s], block[s], sizes[s], s));
        for (size_t s = 0; s < size_count; s++)
            if (sizes[s] <= MIB(1))
                free(block[s]);
    }
}

static void usable_size_is_at_least_the_request(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        void *block = malloc(sizes[s]);

        assert_non_null(block);
        assert_true(malloc_usable_size(block) >= sizes[s]);
        free(block);
    }
}

/* Programs built with _FORTIFY_SOURCE=3 write as far as malloc_usable_size says. */
static void every_usable_byte_is_the_blocks_own(void **state)
{
    static void *block[600];

    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        size_t count = blocks_of(sizes[s]);

        for (size_t i = 0; i < count; i++) {
            block[i] = malloc(sizes[s]);
            assert_non_null(block[i]);
            pattern_fill(block[i], malloc_usable_size(block[i]), i);
        }
        for (size_t i = 0; i < count; i++) {
            size_t usable = malloc_usable_size(block[i]);
            assert_true(pattern_holds(block[i], usable, block[i], usable, i));
            free(block[i]);
        }
    }
}

static void usable_size_is_stable_over_the_life_of_a_block(void **state)
{
    static void *block[MOST_SIZES];
    static size_t usable[MOST_SIZES];
    uint64_t random = 7;

    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        block[s] = sizes[s] % 3 != 0 ? malloc(sizes[s]) : memalign(256, sizes[s]);
        assert_non_null(block[s]);
        usable[s] = malloc_usable_size(block[s]);
        *(char *)block[s] = 1;
    }
    for (int i = 0; i < 20000; i++) {
        void *other = malloc(random_size(&random, KIB(64)));
        assert_non_null(other);
        free(other);
    }
    malloc_trim(0);
    for (size_t s = 0; s < size_count; s++)
        assert_int_equal(malloc_usable_size(block[s]), usable[s]);
    for (size_t s = 0; s < size_count; s++)
        free(block[s]);
}

static void every_block_is_aligned_to_16(void **state)
{
    void *block[8];

    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        for (int i = 0; i < 8; i++) {
            block[i] = malloc(sizes[s]);
            assert_non_null(block[i]);
            assert_int_equal((uintptr_t)block[i] % 16, 0);
        }
        for (int i = 0; i < 8; i++)
            free(block[i]);
    }
}

/*
 * Every class border with every alignment up to 1 MiB, three blocks each so
 * that an alignment by luck does not pass.
 */
static void every_size_has_every_alignment(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= MIB(1); alignment *= 2) {
        for (size_t s = 0; s < size_count; s++) {
            void *block[3];

            if (sizes[s] > MIB(1) && s % 8 != 0)
                continue;
            for (int i = 0; i < 3; i++) {
                block[i] = memalign(alignment, sizes[s]);
                assert_non_null(block[i]);
                assert_int_equal((uintptr_t)block[i] % alignment, 0);
                assert_true(malloc_usable_size(block[i]) >= sizes[s]);
                ((char *)block[i])[0] = 1;
                ((char *)block[i])[sizes[s] - 1] = 2;
            }
            for (int i = 0; i < 3; i++)
                free(block[i]);
        }
    }
}

static void aligned_blocks_do_not_overlap(void **state)
{
    static void *block[MOST_SIZES];

    (void)state;
    for (size_t alignment = 32; alignment <= KIB(64); alignment *= 4) {
        for (size_t s = 0; s < size_count; s++) {
            if (sizes[s] > KIB(256))
                continue;
            assert_int_equal(posix_memalign(&block[s], alignment, sizes[s]), 0);
            pattern_fill(block[s], malloc_usable_size(block[s]), s);
        }
        for (size_t s = 0; s < size_count; s++) {
            if (sizes[s] > KIB(256))
                continue;
            size_t usable = malloc_usable_size(block[s]);
            assert_int_equal((uintptr_t)block[s] % alignment, 0);
            assert_true(pattern_holds(block[s], usable, block[s], usable, s));
        }
        for (size_t s = 0; s < size_count; s++)
            if (sizes[s] <= KIB(256))
                free(block[s]);
    }
}

/* The pairs that other allocators got wrong, by every function that takes an alignment. */
static void all_aligned_functions_agree(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= MIB(16); alignment *= 2) {
        for (size_t size = alignment / 4; size <= alignment * 4 && size <= MIB(20); size *= 2) {
            void *block[3];

            block[0] = memalign(alignment, size);
            block[1] = aligned_alloc(alignment, size);
            assert_int_equal(posix_memalign(&block[2], alignment, size), 0);
            for (int i = 0; i < 3; i++) {
                assert_non_null(block[i]);
                assert_int_equal((uintptr_t)block[i] % alignment, 0);
                assert_true(is_served(block[i]));
                ((char *)block[i])[size - 1] = 1;
                free(block[i]);
            }
        }
    }
}

static void valloc_and_pvalloc_are_aligned_to_pages(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    for (size_t size = 1; size <= MIB(4); size = size * 3 + 1) {
        void *plain = valloc(size);
        void *rounded = pvalloc(size);
        size_t whole = (size + page - 1) / page * page;

        assert_non_null(plain);
        assert_non_null(rounded);
        assert_int_equal((uintptr_t)plain % page, 0);
        assert_int_equal((uintptr_t)rounded % page, 0);
        assert_true(malloc_usable_size(plain) >= size);
        assert_true(malloc_usable_size(rounded) >= whole);
        memset(plain, 1, size);
        memset(rounded, 1, whole);
        free(plain);
        free(rounded);
    }
}

static void free_keeps_errno(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        void *block = malloc(sizes[s]);

        errno = 4711;
        free(block);
        assert_int_equal(errno, 4711);
    }
    /* the blocks whose free makes system calls */
    for (size_t size = MIB(1); size <= MIB(512); size *= 2) {
        char *block = malloc(size);

        assert_non_null(block);
        block[0] = block[size - 1] = 1;
        errno = 4711;
        free(block);
        assert_int_equal(errno, 4711);
    }
}

static void every_free_frees_what_every_function_gave(void **state)
{
    (void)state;
    for (size_t s = 0; s < size_count; s++) {
        size_t whole = (sizes[s] + 63) / 64 * 64;

        cfree(malloc(sizes[s]));
        free_sized(malloc(sizes[s]), sizes[s]);
        free_sized(calloc(1, sizes[s]), sizes[s]);
        free_aligned_sized(aligned_alloc(64, whole), 64, whole);
        free(memalign(64, sizes[s]));
    }
    assert_int_equal(hakmem_audit(2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_class_do_not_overlap),
        cmocka_unit_test(blocks_of_mixed_classes_do_not_overlap),
        cmocka_unit_test(usable_size_is_at_least_the_request),
        cmocka_unit_test(every_usable_byte_is_the_blocks_own),
        cmocka_unit_test(usable_size_is_stable_over_the_life_of_a_block),
        cmocka_unit_test(every_block_is_aligned_to_16),
        cmocka_unit_test(every_size_has_every_alignment),
        cmocka_unit_test(aligned_blocks_do_not_overlap),
        cmocka_unit_test(all_aligned_functions_agree),
        cmocka_unit_test(valloc_and_pvalloc_are_aligned_to_pages),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(every_free_frees_what_every_function_gave),
    };

    require_allocator();
    return cmocka_run_group_tests(tests, find_sizes, NULL);
}
