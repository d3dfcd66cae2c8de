/* SPDX-License-Identifier: MIT */
/* Sizes that cannot be had, sizes of nothing, and arguments that are wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

/* More than any process can have, up to the very end of the number line. */
static const size_t too_large[] = {
    (size_t)PTRDIFF_MAX - 4096, (size_t)PTRDIFF_MAX - 1,  (size_t)PTRDIFF_MAX,
    (size_t)PTRDIFF_MAX + 1,    (size_t)PTRDIFF_MAX + 16, SIZE_MAX - (2 << 20),
    SIZE_MAX - 65536,           SIZE_MAX - 65535,         SIZE_MAX - 4096,
    SIZE_MAX - 4095,            SIZE_MAX - 64,            SIZE_MAX - 16,
    SIZE_MAX - 15,              SIZE_MAX - 1,             SIZE_MAX,
};

enum { TOO_LARGE = sizeof too_large / sizeof too_large[0] };

#define assert_refused(call)            \
    do {                                \
        errno = 0;                      \
        assert_null(call);              \
        assert_int_equal(errno, ENOMEM); \
    } while (0)

static void malloc_of_too_much_is_null_with_enomem(void **state)
{
    (void)state;
    for (int i = 0; i < TOO_LARGE; i++)
        assert_refused(malloc(opaque(too_large[i])));
}

static void calloc_of_too_much_is_null_with_enomem(void **state)
{
    (void)state;
    for (int i = 0; i < TOO_LARGE; i++) {
        assert_refused(calloc(opaque(1), opaque(too_large[i])));
        assert_refused(calloc(opaque(too_large[i]), opaque(1)));
    }
}

/* Pairs whose product is small, 0, or 1 when it is cut to the width of size_t. */
static const size_t overflowing[][2] = {
    {SIZE_MAX, 2},
    {2, SIZE_MAX},
    {SIZE_MAX, SIZE_MAX},
    {SIZE_MAX / 2 + 1, 2},
    {SIZE_MAX / 16 + 1, 16},
    {16, SIZE_MAX / 16 + 1},
    {(size_t)1 << 32, (size_t)1 << 32},
    {((size_t)1 << 32) + 1, (size_t)1 << 32},
    {((size_t)1 << 32) + 1, ((size_t)1 << 32) - 1},
    {(size_t)1 << 33, (size_t)1 << 32},
    {SIZE_MAX / 24 + 1, 24},
    {PTRDIFF_MAX, 3},
    {(size_t)1 << 63, 2},
};

enum { OVERFLOWING = sizeof overflowing / sizeof overflowing[0] };

static void calloc_of_a_product_that_overflows_is_null_with_enomem(void **state)
{
    (void)state;
    for (int i = 0; i < OVERFLOWING; i++)
        assert_refused(calloc(opaque(overflowing[i][0]), opaque(overflowing[i][1])));
}

static void reallocarray_of_a_product_that_overflows_keeps_the_block(void **state)
{
    char *block = malloc(100);

    (void)state;
    assert_non_null(block);
    memset(block, 0x5a, 100);
    for (int i = 0; i < OVERFLOWING; i++) {
        assert_refused(reallocarray(opaque_pointer(block), opaque(overflowing[i][0]),
                                    opaque(overflowing[i][1])));
        assert_refused(reallocarray(NULL, opaque(overflowing[i][0]), opaque(overflowing[i][1])));
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(block[i], 0x5a);
    free(block);
}

static void realloc_to_too_much_keeps_the_block(void **state)
{
    static const size_t sizes[] = {1, 100, 5000, 20000, 70000, 300000, MIB(3), MIB(80)};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        unsigned char *block = malloc(sizes[s]);

        assert_non_null(block);
        pattern_fill(block, sizes[s], s);
        for (int i = 0; i < TOO_LARGE; i++)
            assert_refused(realloc(block, opaque(too_large[i])));
        assert_true(pattern_holds(block, sizes[s], block, sizes[s], s));
        free(block);
    }
}

static void aligned_calls_of_too_much_are_refused(void **state)
{
    (void)state;
    for (size_t alignment = 8; alignment <= MIB(64); alignment *= 2) {
        for (int i = 0; i < TOO_LARGE; i++) {
            void *kept = &kept;

            assert_refused(memalign(opaque(alignment), opaque(too_large[i])));
            assert_refused(aligned_alloc(opaque(alignment), opaque(too_large[i])));
            assert_int_equal(posix_memalign(&kept, opaque(alignment), opaque(too_large[i])),
                             ENOMEM);
            assert_ptr_equal(kept, &kept);
        }
    }
}

static void page_calls_of_too_much_are_null_with_enomem(void **state)
{
    (void)state;
    for (int i = 0; i < TOO_LARGE; i++) {
        assert_refused(valloc(opaque(too_large[i])));
        assert_refused(pvalloc(opaque(too_large[i])));
    }
}

static void memalign_of_an_impossible_alignment_is_refused(void **state)
{
    (void)state;
    errno = 0;
    assert_null(memalign(opaque(SIZE_MAX), opaque(1)));
    assert_true(errno == EINVAL || errno == ENOMEM);
    errno = 0;
    assert_null(memalign(opaque(SIZE_MAX / 2 + 1), opaque(1)));
    assert_true(errno == EINVAL || errno == ENOMEM);
}

static void memalign_rounds_an_odd_alignment_up(void **state)
{
    static const size_t odd[] = {0, 1, 2, 3, 5, 7, 9, 12, 17, 24, 33, 48, 100, 1000, 5000, 100000};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        size_t power = 1;
        void *block = memalign(opaque(odd[i]), opaque(50));

        while (power < odd[i])
            power *= 2;
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % power, 0);
        assert_int_equal((uintptr_t)block % 16, 0);
        memset(block, 1, 50);
        free(block);
    }
}

/* C11 leaves the size free; glibc takes any size that is no multiple of the alignment. */
static void aligned_alloc_takes_a_size_that_is_no_multiple(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= 65536; alignment *= 2) {
        void *block = aligned_alloc(opaque(alignment), opaque(alignment + 1));

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % alignment, 0);
        memset(block, 1, alignment + 1);
        free(block);
    }
}

static void posix_memalign_returns_einval_and_touches_nothing(void **state)
{
    static const size_t bad[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 15, 17, 24, 48, 100, 4095, 4097,
                                 SIZE_MAX, SIZE_MAX - 7};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        void *kept = &kept;

        errno = 77;
        assert_int_equal(posix_memalign(&kept, opaque(bad[i]), opaque(100)), EINVAL);
        assert_ptr_equal(kept, &kept);
        assert_int_equal(errno, 77);
    }
}

static void posix_memalign_returns_enomem_and_touches_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < TOO_LARGE; i++) {
        void *kept = &kept;

        errno = 77;
        assert_int_equal(posix_memalign(&kept, opaque(64), opaque(too_large[i])), ENOMEM);
        assert_ptr_equal(kept, &kept);
#ifndef TEST_ON_LIBC /* glibc changes errno here; POSIX lets it, we promise not to */
        assert_int_equal(errno, 77);
#endif
    }
}

static void malloc_of_zero_gives_distinct_blocks(void **state)
{
    enum { COUNT = 2000 };
    void *block[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++) {
        block[i] = malloc(opaque(0));
        assert_non_null(block[i]);
        *(char **)block[i] = (char *)&block[i]; /* at least a pointer fits, as in glibc */
    }
    for (int i = 0; i < COUNT; i++)
        assert_ptr_equal(*(char **)block[i], &block[i]);
    for (int i = 0; i < COUNT; i++)
        free(block[i]);
}

static void every_function_gives_a_block_for_zero(void **state)
{
    enum { FUNCTIONS = 10 };
    void *block[FUNCTIONS] = {0};

    (void)state;
    block[0] = malloc(opaque(0));
    block[1] = calloc(opaque(0), opaque(0));
    block[2] = calloc(opaque(0), opaque(SIZE_MAX));
    block[3] = calloc(opaque(SIZE_MAX), opaque(0));
    block[4] = realloc(NULL, opaque(0));
    block[5] = memalign(opaque(64), opaque(0));
    block[6] = aligned_alloc(opaque(4096), opaque(0));
    assert_int_equal(posix_memalign(&block[7], opaque(128), opaque(0)), 0);
    block[8] = valloc(opaque(0));
    block[9] = pvalloc(opaque(0));
    for (int i = 0; i < FUNCTIONS; i++) {
        assert_non_null(block[i]);
        for (int other = 0; other < i; other++)
            assert_ptr_not_equal(block[i], block[other]);
    }
    assert_int_equal((uintptr_t)block[5] % 64, 0);
    assert_int_equal((uintptr_t)block[6] % 4096, 0);
    assert_int_equal((uintptr_t)block[7] % 128, 0);
    assert_int_equal((uintptr_t)block[8] % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_int_equal((uintptr_t)block[9] % (size_t)sysconf(_SC_PAGESIZE), 0);
    for (int i = 0; i < FUNCTIONS; i++)
        free(block[i]);
}

static void realloc_to_zero_frees_and_returns_null(void **state)
{
    static const size_t sizes[] = {1, 40, 1000, 9000, 60000, 200000, MIB(2), MIB(70)};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = malloc(sizes[i]);

        assert_non_null(block);
        errno = 77;
        assert_null(realloc(block, opaque(0)));
        assert_int_equal(errno, 77);
        block = malloc(sizes[i]);
        assert_null(reallocarray(block, opaque(0), opaque(8)));
        block = malloc(sizes[i]);
        assert_null(reallocarray(block, opaque(8), opaque(0)));
    }
}

/* If realloc to 0 did not free, this would need 12 GiB. */
static void realloc_to_zero_gives_the_memory_back(void **state)
{
    size_t before = footprint();

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char *block = malloc(MIB(4));

        assert_non_null(block);
        block[0] = block[MIB(2)] = 1;
        assert_null(realloc(block, opaque(0)));
        block = malloc(4000);
        memset(block, 1, 4000);
        assert_null(realloc(block, opaque(0)));
    }
    assert_true(footprint() < before + MIB(80));
}

static void free_of_null_does_nothing(void **state)
{
    (void)state;
    errno = 77;
    free(opaque_pointer(NULL));
    cfree(opaque_pointer(NULL));
    free_sized(opaque_pointer(NULL), 10);
    free_aligned_sized(opaque_pointer(NULL), 16, 16);
    assert_int_equal(errno, 77);
}

static void usable_size_of_null_is_zero(void **state)
{
    (void)state;
    assert_int_equal(malloc_usable_size(opaque_pointer(NULL)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_of_too_much_is_null_with_enomem),
        cmocka_unit_test(calloc_of_too_much_is_null_with_enomem),
        cmocka_unit_test(calloc_of_a_product_that_overflows_is_null_with_enomem),
        cmocka_unit_test(reallocarray_of_a_product_that_overflows_keeps_the_block),
        cmocka_unit_test(realloc_to_too_much_keeps_the_block),
        cmocka_unit_test(aligned_calls_of_too_much_are_refused),
        cmocka_unit_test(page_calls_of_too_much_are_null_with_enomem),
        cmocka_unit_test(memalign_of_an_impossible_alignment_is_refused),
        cmocka_unit_test(memalign_rounds_an_odd_alignment_up),
        cmocka_unit_test(aligned_alloc_takes_a_size_that_is_no_multiple),
        cmocka_unit_test(posix_memalign_returns_einval_and_touches_nothing),
        cmocka_unit_test(posix_memalign_returns_enomem_and_touches_nothing),
        cmocka_unit_test(malloc_of_zero_gives_distinct_blocks),
        cmocka_unit_test(every_function_gives_a_block_for_zero),
        cmocka_unit_test(realloc_to_zero_frees_and_returns_null),
        cmocka_unit_test(realloc_to_zero_gives_the_memory_back),
        cmocka_unit_test(free_of_null_does_nothing),
        cmocka_unit_test(usable_size_of_null_is_zero),
    };

    require_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
