/* SPDX-License-Identifier: MIT */
/* Where the slow path of malloc finds blocks, in which order, and what it makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/lock.h"
#include "heap/internal.h"
#include "large/large.h"
#include "os/os.h"
#include "pool/pool.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"

enum { MANY = 5000 };

static void *block[MANY];

static void *take(size_t n)
{
    void *p = heap_alloc(mine, n);

    assert_non_null(p);
    return p;
}

static void give(void *p)
{
    heap_free(mine, p, "free");
}

static void a_fresh_slab_is_carved_a_batch_at_a_time_in_the_order_of_addresses(void **state)
{
    (void)state;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        size_t size = size_class_size(c), batch = size_class_table[c].batch;
        struct slab *s;

        block[0] = heap_refill(mine, c);
        s = registry_find(block[0]);
        assert_ptr_equal(s->owner, mine);
        assert_int_equal(block[0], s->base);
        assert_int_equal(s->carved, batch);
        assert_int_equal(list_length(mine->bin[c]), batch - 1);
        for (size_t i = 1; i < batch; i++) {
            block[i] = heap_alloc_of_class(mine, c);
            assert_ptr_equal(block[i], (char *)block[i - 1] + size);
        }
        assert_null(mine->bin[c]);
        heap_view_check(mine);
        for (size_t i = 0; i < batch; i++)
            give(block[i]);
    }
}

static void pages_that_are_there_are_carved_at_once_and_others_by_a_batch(void **state)
{
    unsigned c = size_class_of(1024), batch = size_class_table[c].batch;
    struct slab *s = registry_find(heap_refill(mine, c));

    (void)state;
    assert_int_equal(s->touched, 1); /* a batch is 4 KiB */
    for (unsigned touched = 5; touched <= 16; touched += 11) {
        s->touched = (uint8_t)touched;
        while (mine->bin[c] != NULL)
            take(1024);
        take(1024);
        assert_int_equal(s->carved, touched * 4);
        assert_int_equal(s->touched, touched);
        if (s->carved == s->capacity)
            break;
        while (mine->bin[c] != NULL)
            take(1024);
        take(1024);
        assert_int_equal(s->carved, touched * 4 + batch);
        assert_int_equal(s->touched, touched + 1);
    }
    while (mine->bin[c] != NULL)
        take(1024);
    heap_view_check(mine);
    for (size_t i = 0; i < s->capacity; i++)
        give((char *)s->base + i * 1024);
}

static void the_block_that_was_freed_last_is_handed_out_next(void **state)
{
    void *a = take(100), *b = take(100);

    (void)state;
    give(a);
    give(b);
    assert_ptr_equal(take(100), b);
    assert_ptr_equal(take(100), a);
    give(a);
    give(b);
}

/* Fill `slabs` slabs of 4 KiB blocks; all but the last are full and unlisted. */
static size_t fill_slabs(size_t slabs)
{
    size_t count = slabs * size_class_table[size_class_of(4096)].capacity;

    for (size_t i = 0; i < count; i++)
        block[i] = take(4096);
    return count;
}

static void partial_slabs_serve_in_the_order_in_which_they_were_listed(void **state)
{
    static const size_t order[] = {3, 0, 4, 1};
    size_t count = fill_slabs(6), capacity = count / 6;
    void *p[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        give(block[order[i] * capacity]); /* the class rejoins at one */
    assert_null(mine->bin[size_class_of(4096)]);
    for (unsigned i = 0; i < 4; i++) {
        p[i] = take(4096);
        assert_ptr_equal(p[i], block[order[i] * capacity]);
        heap_view_check(mine);
    }
    for (size_t i = 0; i < count; i++)
        give(block[i]);
}

static void a_partial_slab_serves_before_untouched_room_and_that_before_a_new_slab(void **state)
{
    size_t capacity = size_class_table[size_class_of(4096)].capacity, count = fill_slabs(2);
    void *p;

    (void)state;
    /* the second slab is full; a third begins */
    for (size_t i = 0; i < size_class_table[size_class_of(4096)].batch; i++, count++)
        block[count] = take(4096);
    assert_int_equal(slabs_in_use(), 3);
    give(block[0]);
    p = take(4096);
    assert_ptr_equal(p, block[0]);
    while (count < 3 * capacity)
        block[count++] = take(4096);
    assert_int_equal(slabs_in_use(), 3);
    block[count++] = take(4096);
    assert_int_equal(slabs_in_use(), 4);
    for (size_t i = 0; i < count; i++)
        give(block[i]);
}

static void without_batches_each_call_carves_one_block(void **state)
{
    (void)state;
    OPTION_SET(batch_refill) = false;
    for (size_t i = 0; i < 200; i++) {
        block[i] = take(64);
        assert_int_equal(registry_find(block[i])->carved, i + 1);
        assert_null(mine->bin[size_class_of(64)]);
    }
    for (size_t i = 0; i < 200; i++)
        give(block[i]);
    assert_int_equal(heap_view_live(mine), 0);
}

static void without_bins_free_blocks_wait_in_their_slab(void **state)
{
    void *p;

    (void)state;
    hakmem_options.merged_cache = false;
    p = take(64);
    assert_null(mine->held[size_class_of(64)]);
    assert_int_equal(list_length(registry_find(p)->free), size_class_table[size_class_of(64)].batch - 1);
    give(p);
    assert_int_equal(heap_binned_bytes(mine), 0);
}

static void every_size_gets_a_block_of_its_class(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 70000; n += n < 1100 ? 1 : 97) {
        void *p = take(n);
        size_t usable = heap_usable(p, "test");

        if (n <= SIZE_POOL_MAX)
            assert_int_equal(usable, size_class_size(size_class_of(n == 0 ? 1 : n)));
        assert_true(usable >= n);
        memset(p, 1, usable);
        give(p);
    }
}

static void an_aligned_block_is_aligned_and_large_enough(void **state)
{
    bool zeroed;

    (void)state;
    for (size_t align = 16; align <= 2 * MIB; align *= 2) {
        for (size_t n = 0; n <= 150000; n = n * 2 + 1) {
            void *p[3];

            for (unsigned i = 0; i < 3; i++) {
                p[i] = heap_alloc_aligned(mine, align, n, &zeroed);
                assert_non_null(p[i]);
                assert_int_equal((uintptr_t)p[i] % align, 0);
                assert_true(heap_usable(p[i], "test") >= n);
                if (zeroed)
                    assert_true(all_zero(p[i], n));
                memset(p[i], 1, n);
            }
            for (unsigned i = 0; i < 3; i++)
                give(p[i]);
        }
    }
}

/* Who asks for pages has pages; whose blocks are to begin with a cache line has them at different ones. */
static void aligned_blocks_of_whole_pages_waste_nothing(void **state)
{
    bool zeroed;

    (void)state;
    for (size_t n = 2 * KIB; n <= 64 * KIB; n *= 2) {
        for (size_t align = 64; align <= 4096; align *= 8) {
            void *p = heap_alloc_aligned(mine, align, n, &zeroed);

            assert_int_equal((uintptr_t)p % align, 0);
            if (align == 4096)
                assert_int_equal(heap_usable(p, "test"), n < 4096 ? 4096 : n);
            else if (align == 64 && n != 8 * KIB)
                assert_true(heap_usable(p, "test") > n);
            give(p);
        }
    }
}

static void an_aligned_block_of_the_pool_comes_from_the_bin_when_the_first_one_there_is_aligned(void **state)
{
    bool zeroed;

    (void)state;
    for (size_t n = 10000; n <= 60000; n += 10000) {
        void *aligned = heap_alloc_aligned(mine, 4096, n, &zeroed), *one = take(n), *two = take(n), *other;
        void *plain = (uintptr_t)one % POOL_UNIT != 0 ? one : two; /* they have not the same colour */
        uint32_t sections;

        give(aligned);
        sections = lock_sections(&pool_lock);
        assert_ptr_equal(heap_alloc_aligned(mine, 512, n, &zeroed), aligned);
        assert_int_equal(lock_sections(&pool_lock), sections);
        give(plain);
        other = heap_alloc_aligned(mine, 4096, n, &zeroed);
        assert_int_equal((uintptr_t)other % 4096, 0);
        assert_int_equal(lock_sections(&pool_lock), sections + 1);
        heap_view_check(mine);
        give(other);
        give(aligned);
        give(plain == one ? two : one);
    }
}

static void prewarmed_blocks_need_no_call_to_the_system(void **state)
{
    static const size_t size[] = {16, 100, 5000, 40000};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        size_t count = 300 / (1 + size[i] / 1000), slabs;
        uint64_t calls;

        assert_int_equal(heap_prewarm(mine, size[i], count), count);
        calls = os_memory_calls();
        slabs = slabs_in_use();
        for (size_t n = 0; n < count; n++)
            block[n] = take(size[i]);
        assert_int_equal(os_memory_calls(), calls);
        assert_int_equal(slabs_in_use(), slabs);
        for (size_t n = 0; n < count; n++)
            give(block[n]);
    }
    assert_int_equal(heap_prewarm(mine, SIZE_POOL_MAX + 1, 1), 0);
    assert_int_equal(heap_prewarm(&heap_none, 64, 1), 0);
}

static void a_trim_gives_back_all_that_is_not_in_use(void **state)
{
    (void)state;
    for (size_t i = 0; i < MANY; i++)
        block[i] = take(1 + i % 9000);
    for (size_t i = 1; i < MANY; i++)
        give(block[i]);
    heap_trim(mine);
    heap_view_check(mine);
    assert_int_equal(slabs_in_use(), 1);
    assert_int_equal(pool_in_use(), 0);
    assert_int_equal(heap_binned_bytes(mine), 0);
    assert_int_equal(heap_view_live(mine), 1);
    give(block[0]);
}

static void while_slabs_grow_free_large_blocks_go_back(void **state)
{
    struct large_totals before, after;
    size_t count = 0;

    (void)state;
    give(take(16 * MIB));
    large_get_totals(&before);
    assert_true(before.dirty >= 16 * MIB);
    for (; count < MANY; count++) {
        block[count] = take(8 * KIB); /* in slabs of together 39 MiB */
        assert_int_equal(registry_find(block[count])->tag, TAG_SMALL);
    }
    large_get_totals(&after);
    assert_true(after.dirty < MIB);
    while (count > 0)
        give(block[--count]);
}

static void without_memory_caches_serve_and_then_there_is_nothing(void **state)
{
    size_t served = 0;

    (void)state;
    for (size_t i = 0; i < 64; i++)
        block[i] = take(5000);
    for (size_t i = 0; i < 64; i++)
        give(block[i]);
    os_fail_after(0);
    for (; served < MANY; served++) {
        block[served] = heap_alloc(mine, 4000);
        if (block[served] == NULL)
            break;
        memset(block[served], 1, 4000);
    }
    assert_in_range(served, 1, MANY - 1); /* slabs of another class became slabs of this one */
    assert_null(heap_alloc(mine, 20000));
    assert_null(heap_alloc(mine, MIB));
    heap_view_check(mine);
    os_fail_after(-1);
    block[served++] = take(4000);
    while (served > 0)
        give(block[--served]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heap_view_start, heap_view_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fresh_slab_is_carved_a_batch_at_a_time_in_the_order_of_addresses),
        TEST(pages_that_are_there_are_carved_at_once_and_others_by_a_batch),
        TEST(the_block_that_was_freed_last_is_handed_out_next),
        TEST_WITHOUT_JOINING(partial_slabs_serve_in_the_order_in_which_they_were_listed),
        TEST_WITHOUT_JOINING(a_partial_slab_serves_before_untouched_room_and_that_before_a_new_slab),
        TEST(without_batches_each_call_carves_one_block),
        TEST(without_bins_free_blocks_wait_in_their_slab),
        TEST(every_size_gets_a_block_of_its_class),
        TEST(an_aligned_block_is_aligned_and_large_enough),
        TEST(aligned_blocks_of_whole_pages_waste_nothing),
        TEST(an_aligned_block_of_the_pool_comes_from_the_bin_when_the_first_one_there_is_aligned),
        TEST(prewarmed_blocks_need_no_call_to_the_system),
        TEST(a_trim_gives_back_all_that_is_not_in_use),
        TEST(while_slabs_grow_free_large_blocks_go_back),
        TEST(without_memory_caches_serve_and_then_there_is_nothing),
    };

    return cmocka_run_group_tests_name("refill", tests, NULL, NULL);
}
