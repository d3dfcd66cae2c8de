/* SPDX-License-Identifier: MIT */
/* Mappings are aligned, zeroed, moved and purged as promised, and refused when a test says so. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bits.h"
#include "os/os.h"
#include "support/support.h"
#include "support/unit.h"

static char *mapping; /* for the bodies that run in a child */

static int start(void **state)
{
    errno = ERANGE; /* what every function keeps */
    return unit_defaults(state);
}

static void the_page_size_is_the_systems(void **state)
{
    (void)state;
    assert_int_equal(os_page_size(), sysconf(_SC_PAGESIZE));
    assert_true(bits_is_power_of_two(os_page_size()));
}

static void a_mapping_is_aligned_zeroed_and_writable(void **state)
{
    size_t page = os_page_size();

    (void)state;
    for (size_t align = page; align <= 8 * MIB; align *= 2) {
        char *p[4];

        for (size_t i = 0; i < 4; i++) {
            p[i] = os_map((3 + i) * page, align);
            assert_non_null(p[i]);
            assert_int_equal((uintptr_t)p[i] % align, 0);
            assert_true(all_zero(p[i], (3 + i) * page));
            memset(p[i], 1, (3 + i) * page);
        }
        for (size_t i = 0; i < 4; i++)
            assert_true(os_unmap(p[i], (3 + i) * page));
    }
    assert_int_equal(errno, ERANGE);
}

static void a_size_that_nobody_has_is_refused(void **state)
{
    (void)state;
    assert_null(os_map(SIZE_MAX / 2 + 1, os_page_size()));
    assert_null(os_map(SIZE_MAX & ~(os_page_size() - 1), 2 * MIB));
    assert_null(os_reserve(SIZE_MAX & ~(os_page_size() - 1), 64 * KIB));
    assert_int_equal(errno, ERANGE);
}

static void write_to_the_mapping(void)
{
    *(volatile char *)mapping = 1;
}

static void read_the_mapping(void)
{
    (void)*(volatile char *)mapping;
}

/* The signal that ends a child that runs `body`; 0 when none does. */
static int signal_of(void (*body)(void))
{
    int status = unit_child_status(body);

    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void what_is_unmapped_reserved_or_read_only_cannot_be_written(void **state)
{
    size_t page = os_page_size();
    char *reserved = os_reserve(4 * page, 64 * KIB), *map = os_map(4 * page, page);

    (void)state;
    assert_non_null(reserved);
    assert_non_null(map);
    assert_int_equal((uintptr_t)reserved % (64 * KIB), 0);
    mapping = reserved;
    assert_int_equal(signal_of(read_the_mapping), SIGSEGV);
    mapping = map;
    assert_int_equal(signal_of(write_to_the_mapping), 0);
    assert_true(os_protect_read_only(map, page));
    assert_int_equal(signal_of(read_the_mapping), 0);
    assert_int_equal(signal_of(write_to_the_mapping), SIGSEGV);
    mapping = map + page; /* nothing but what was named */
    assert_int_equal(signal_of(write_to_the_mapping), 0);
    assert_true(os_unmap(map + page, page));
    assert_int_equal(signal_of(read_the_mapping), SIGSEGV);
    mapping = map + 2 * page;
    assert_int_equal(signal_of(write_to_the_mapping), 0);
    assert_true(os_unmap(map, 4 * page));
    assert_true(os_unmap(reserved, 4 * page));
    assert_int_equal(errno, ERANGE);
}

static void a_purged_page_reads_as_zero_and_its_neighbours_keep_their_content(void **state)
{
    size_t page = os_page_size();
    char *p = os_map(4 * page, page);

    (void)state;
    assert_non_null(p);
    memset(p, 7, 4 * page);
    assert_true(os_purge(p + page, 2 * page));
    assert_true(all_zero(p + page, 2 * page));
    assert_true(p[0] == 7 && p[page - 1] == 7 && p[3 * page] == 7 && p[4 * page - 1] == 7);
    os_populate(p + page, 2 * page);
    assert_true(all_zero(p + page, 2 * page));
    assert_true(os_unmap(p, 4 * page));
    assert_int_equal(errno, ERANGE);
}

static void a_moved_mapping_keeps_its_content_and_grows_with_zeros(void **state)
{
    size_t page = os_page_size();
    char *old = os_map(3 * page, 64 * KIB), *target = os_reserve(5 * page, 64 * KIB);

    (void)state;
    assert_non_null(old);
    assert_non_null(target);
    pattern_fill(old, 3 * page, 1);
    assert_true(os_move(old, 3 * page, 5 * page, target));
    assert_true(pattern_holds(target, 3 * page, old, 3 * page, 1));
    assert_true(all_zero(target + 3 * page, 2 * page));
    memset(target, 1, 5 * page);
    mapping = old;
    assert_int_equal(signal_of(read_the_mapping), SIGSEGV);
    assert_true(os_unmap(target, 5 * page));
    assert_int_equal(errno, ERANGE);
}

static void a_refused_move_changes_nothing(void **state)
{
    size_t page = os_page_size();
    char *old = os_map(2 * page, page);

    (void)state;
    assert_non_null(old);
    pattern_fill(old, 2 * page, 1);
    assert_false(os_move(old, 2 * page, 3 * page, (char *)1)); /* no page starts there */
    assert_true(pattern_holds(old, 2 * page, old, 2 * page, 1));
    assert_true(os_unmap(old, 2 * page));
    assert_int_equal(errno, ERANGE);
}

static void what_the_system_refuses_is_told(void **state)
{
    (void)state;
    assert_false(os_unmap((char *)1, os_page_size()));
    assert_false(os_purge((char *)1, os_page_size()));
    assert_false(os_protect_read_only((char *)1, os_page_size()));
    assert_int_equal(errno, ERANGE);
}

static void from_the_chosen_call_on_all_fail_until_switched_off(void **state)
{
    size_t page = os_page_size();
    char *p[3];

    (void)state;
    os_fail_after(2);
    p[0] = os_map(page, page);
    p[1] = os_reserve(page, page);
    assert_non_null(p[0]);
    assert_non_null(p[1]);
    for (int i = 0; i < 10; i++) {
        assert_null(os_map(page, page));
        assert_null(os_reserve(page, 64 * KIB));
        assert_false(os_move(p[0], page, page, p[1]));
        *p[0] = 1; /* it has not moved */
    }
    os_fail_after(-1);
    p[2] = os_map(page, page);
    assert_non_null(p[2]);
    for (int i = 0; i < 3; i++)
        assert_true(os_unmap(p[i], page));
    assert_int_equal(errno, ERANGE);
}

static void memory_calls_are_counted(void **state)
{
    size_t page = os_page_size();
    uint64_t before = os_memory_calls();
    char *p = os_map(page, page);

    (void)state;
    assert_int_equal(os_memory_calls(), before + 1);
    assert_true(os_purge(p, page));
    assert_true(os_protect_read_only(p, page));
    assert_true(os_unmap(p, page));
    assert_int_equal(os_memory_calls(), before + 4);
}

static void the_clock_never_goes_back(void **state)
{
    uint64_t last = os_now_ms();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t now = os_now_ms();

        assert_true(now >= last);
        last = now;
    }
}

static void a_long_text_is_written_whole_and_a_refused_one_says_why(void **state)
{
    static char text[5000], back[5000];
    int ends[2];

    (void)state;
    memset(text, 'h', sizeof text);
    assert_int_equal(pipe(ends), 0);
    assert_true(os_write(ends[1], text, sizeof text));
    assert_int_equal(errno, ERANGE);
    assert_int_equal(read(ends[0], back, sizeof back), sizeof back);
    assert_memory_equal(text, back, sizeof text);
    assert_true(os_write(ends[1], text, 0));
    close(ends[0]);
    close(ends[1]);
    assert_false(os_write(ends[1], text, 1));
    assert_int_equal(errno, EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_page_size_is_the_systems, start),
        cmocka_unit_test_setup(a_mapping_is_aligned_zeroed_and_writable, start),
        cmocka_unit_test_setup(a_size_that_nobody_has_is_refused, start),
        cmocka_unit_test_setup(what_is_unmapped_reserved_or_read_only_cannot_be_written, start),
        cmocka_unit_test_setup(a_purged_page_reads_as_zero_and_its_neighbours_keep_their_content, start),
        cmocka_unit_test_setup(a_moved_mapping_keeps_its_content_and_grows_with_zeros, start),
        cmocka_unit_test_setup(a_refused_move_changes_nothing, start),
        cmocka_unit_test_setup(what_the_system_refuses_is_told, start),
        cmocka_unit_test_setup(from_the_chosen_call_on_all_fail_until_switched_off, start),
        cmocka_unit_test_setup(memory_calls_are_counted, start),
        cmocka_unit_test_setup(the_clock_never_goes_back, start),
        cmocka_unit_test_setup(a_long_text_is_written_whole_and_a_refused_one_says_why, start),
    };

    return cmocka_run_group_tests_name("os", tests, NULL, NULL);
}
