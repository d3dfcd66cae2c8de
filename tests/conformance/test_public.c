/* SPDX-License-Identifier: MIT */
/* The functions of hakmem.h keep what its comments promise. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

static int global;

static struct hakmem_stats stats_now(void)
{
    struct hakmem_stats stats;

    assert_int_equal(hakmem_stats_get(&stats, sizeof stats), 0);
    return stats;
}

static void version_is_one_line_with_the_number_of_the_header(void **state)
{
    const char *version = hakmem_version();
    char number[32];

    (void)state;
    assert_non_null(version);
    snprintf(number, sizeof number, "%d.%d.%d", HAKMEM_VERSION_MAJOR, HAKMEM_VERSION_MINOR,
             HAKMEM_VERSION_PATCH);
    assert_non_null(strstr(version, number));
    assert_null(strchr(version, '\n'));
    assert_ptr_equal(version, hakmem_version());
}

static void owns_knows_blocks_of_every_kind(void **state)
{
    (void)state;
    for (size_t size = 1; size <= MIB(256); size *= 2) {
        char *block = malloc(size);

        assert_non_null(block);
        assert_int_equal(hakmem_owns(block), 1);
        assert_int_equal(hakmem_owns(block + size - 1), 1);
        assert_int_equal(hakmem_owns(block + size / 2), 1);
        free(block);
    }
}

static void owns_says_no_to_any_other_address(void **state)
{
    char *mapping = mmap(NULL, MIB(8), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(mapping, MAP_FAILED);
    errno = 77;
    assert_int_equal(hakmem_owns(NULL), 0);
    assert_int_equal(hakmem_owns(&mapping), 0);
    assert_int_equal(hakmem_owns(&global), 0);
    assert_int_equal(hakmem_owns((void *)(uintptr_t)stats_now), 0);
    assert_int_equal(hakmem_owns(mapping + MIB(4)), 0);
    assert_int_equal(hakmem_owns((void *)(uintptr_t)1), 0);
    assert_int_equal(hakmem_owns((void *)UINTPTR_MAX), 0);
    for (int bit = 3; bit < 64; bit++) {
        assert_int_equal(hakmem_owns((void *)((uintptr_t)1 << bit)), 0);
        assert_int_equal(hakmem_owns((void *)(UINTPTR_MAX << bit)), 0);
    }
    assert_int_equal(errno, 77);
    munmap(mapping, MIB(8));
}

static void stats_refuse_a_size_that_is_none(void **state)
{
    struct hakmem_stats stats;

    (void)state;
    errno = 0;
    assert_int_equal(hakmem_stats_get(&stats, 0), -1);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(hakmem_stats_get(&stats, 12), -1);
    assert_int_equal(errno, EINVAL);
}

/* An older caller knows fewer fields, a newer one more. */
static void stats_write_as_much_as_the_caller_knows(void **state)
{
    struct {
        struct hakmem_stats stats;
        uint64_t later[4];
    } wide;
    uint64_t guarded[3] = {1, 1, 0x1234};

    (void)state;
    assert_int_equal(hakmem_stats_get((struct hakmem_stats *)guarded, 16), 0);
    assert_int_equal(guarded[2], 0x1234);
    memset(&wide, 0xff, sizeof wide);
    assert_int_equal(hakmem_stats_get(&wide.stats, sizeof wide), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(wide.later[i], 0);
}

static void stats_count_live_small_blocks(void **state)
{
    enum { BLOCKS = 10000, SIZE = 256 };
    static void *block[BLOCKS];
    struct hakmem_stats before = stats_now();
    struct hakmem_stats held, after;

    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = malloc(SIZE);
    held = stats_now();
    assert_true(held.live - held.binned >= before.live - before.binned + BLOCKS * SIZE);
    assert_true(held.superslab_mapped >= held.superslab_used);
    assert_int_equal(held.superslab_mapped, held.superslabs << 21);
    assert_true(held.superslab_used >= BLOCKS * SIZE);
    assert_true(held.mapped >= held.superslab_mapped + held.metadata);
    assert_true(held.heaps_alive >= 1 && held.heaps >= held.heaps_alive);
    assert_true(held.refills > before.refills);
    assert_true(held.refilled_blocks - before.refilled_blocks >= held.refills - before.refills);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    after = stats_now();
    assert_int_equal(after.live - after.binned, before.live - before.binned);
}

static void stats_count_live_large_blocks(void **state)
{
    struct hakmem_stats before = stats_now();
    struct hakmem_stats held, after;
    void *block[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        block[i] = malloc(MIB(2) << i);
    held = stats_now();
    assert_true(held.large_live >= before.large_live + MIB(510));
    assert_true(held.large_mapped >= held.large_live);
    assert_true(held.mapped >= held.large_mapped);
    assert_true(held.memory_calls > before.memory_calls);
    for (int i = 0; i < 8; i++)
        free(block[i]);
    after = stats_now();
    assert_int_equal(after.large_live, before.large_live);
}

static void stats_count_live_pool_blocks(void **state)
{
    enum { BLOCKS = 200 };
    void *block[BLOCKS];
    struct hakmem_stats before = stats_now();
    struct hakmem_stats held, after;

    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = malloc(KIB(20));
    held = stats_now();
    assert_true(held.pool_used >= before.pool_used + BLOCKS * KIB(20));
    assert_true(held.pool_mapped >= held.pool_used);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    after = stats_now();
    assert_true(after.pool_used < before.pool_used + BLOCKS * KIB(20) / 2);
}

static void stats_print_writes_text_and_reports_a_bad_descriptor(void **state)
{
    int ends[2];
    char text[16384];
    ssize_t got;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(hakmem_stats_print(ends[1]), 0);
    got = read(ends[0], text, sizeof text);
    assert_true(got > 100);
    assert_int_equal(text[got - 1], '\n');
    close(ends[0]);
    close(ends[1]);
    errno = 0;
    assert_int_equal(hakmem_stats_print(ends[1]), -1);
    assert_int_equal(errno, EBADF);
}

static void audit_of_a_healthy_process_finds_and_writes_nothing(void **state)
{
    int ends[2];
    char text[64];

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    errno = 77;
    assert_int_equal(hakmem_audit(ends[1]), 0);
    assert_int_equal(hakmem_audit(-1), 0);
    assert_int_equal(errno, 77);
    assert_int_equal(read(ends[0], text, sizeof text), -1);
    close(ends[0]);
    close(ends[1]);
}

static void trim_gives_back_empty_superslabs(void **state)
{
    enum { BLOCKS = 100000 };
    static void *block[BLOCKS];
    size_t before, returned;
    struct hakmem_stats after;

    (void)state;
    hakmem_trim(0);
    before = stats_now().mapped;
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = malloc(400);
        assert_non_null(block[i]);
        memset(block[i], 1, 400);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    returned = hakmem_trim(0);
    after = stats_now();
    assert_true(returned > MIB(8)); /* what the cache did not give back before */
    assert_true(after.mapped <= before + MIB(4));
    assert_int_equal(after.superslabs_empty, 0);
}

static void trim_keeps_about_what_it_is_told(void **state)
{
    enum { BLOCKS = 100000 };
    static void *block[BLOCKS];

    (void)state;
    for (int i = 0; i < BLOCKS; i++)
        block[i] = malloc(400);
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
    hakmem_trim(MIB(16));
    assert_true(stats_now().superslabs_empty << 21 <= MIB(20));
    assert_true(stats_now().superslabs_empty > 0);
    hakmem_trim(0);
}

static void prewarm_makes_blocks_ready(void **state)
{
    size_t ready;
    void *block[200];
    struct hakmem_stats before, after;

    (void)state;
    ready = hakmem_prewarm(96, 50);
    assert_true(ready > 0 && ready <= 50);
    before = stats_now();
    for (size_t i = 0; i < ready; i++) {
        block[i] = malloc(96);
        assert_non_null(block[i]);
    }
    after = stats_now();
    assert_true(after.refills <= before.refills + 2); /* one for each slab that they lie in */
    for (size_t i = 0; i < ready; i++)
        free(block[i]);
    assert_int_equal(hakmem_prewarm(opaque(SIZE_MAX), 1), 0);
    assert_int_equal(hakmem_prewarm(96, 0), 0);
    assert_int_equal(hakmem_audit(2), 0);
}

static void option_get_tells_values_and_needed_length(void **state)
{
    char text[32] = "xxxxxxx";

    (void)state;
    assert_int_equal(hakmem_option_get("batch_refill", text, sizeof text), 2);
    assert_string_equal(text, "on");
    assert_int_equal(hakmem_option_get("batch_refill", text, 2), 2);
    assert_string_equal(text, "o");
    assert_int_equal(hakmem_option_get("batch_refill", NULL, 0), 2);
}

static void option_get_of_an_unknown_name_is_enoent(void **state)
{
    char text[32];

    (void)state;
    errno = 0;
    assert_int_equal(hakmem_option_get("no_such_option", text, sizeof text), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_is_one_line_with_the_number_of_the_header),
        cmocka_unit_test(owns_knows_blocks_of_every_kind),
        cmocka_unit_test(owns_says_no_to_any_other_address),
        cmocka_unit_test(stats_refuse_a_size_that_is_none),
        cmocka_unit_test(stats_write_as_much_as_the_caller_knows),
        cmocka_unit_test(stats_count_live_small_blocks),
        cmocka_unit_test(stats_count_live_large_blocks),
        cmocka_unit_test(stats_count_live_pool_blocks),
        cmocka_unit_test(stats_print_writes_text_and_reports_a_bad_descriptor),
        cmocka_unit_test(audit_of_a_healthy_process_finds_and_writes_nothing),
        cmocka_unit_test(trim_gives_back_empty_superslabs),
        cmocka_unit_test(trim_keeps_about_what_it_is_told),
        cmocka_unit_test(prewarm_makes_blocks_ready),
        cmocka_unit_test(option_get_tells_values_and_needed_length),
        cmocka_unit_test(option_get_of_an_unknown_name_is_enoent),
    };

    require_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
