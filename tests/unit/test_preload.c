/* SPDX-License-Identifier: MIT */
/* hakmem's entry comes into lists of preloaded libraries, first, and goes out of them again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hakmemctl/preload.h"
#include "support/expect.h"

static void an_entry_is_ours_by_its_file_name(void **state)
{
    static const char *const ours[] = {"libhakmem.so.1", "libhakmem.so", "/usr/lib/libhakmem.so.1.0.0",
                                       "/usr/$LIB/libhakmem.so.1"};
    static const char *const others[] = {"libhakmem.so1", "libjemalloc.so.2", "/libhakmem.so.1/x.so",
                                         "xlibhakmem.so.1", "libhakmem", ""};

    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        assert_true(preload_entry_is_ours(ours[i], strlen(ours[i])));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(preload_entry_is_ours(others[i], strlen(others[i])));
}

static void what_a_variable_had_is_kept_behind_ours(void **state)
{
    (void)state;
    expect(preload_with(NULL, "libhakmem.so.1"), "libhakmem.so.1");
    expect(preload_with("", "libhakmem.so.1"), "libhakmem.so.1");
    expect(preload_with("a.so b.so", "libhakmem.so.1"), "libhakmem.so.1:a.so:b.so");
    expect(preload_with("a.so:/x/libhakmem.so.1: b.so", "libhakmem.so.1"), "libhakmem.so.1:a.so:b.so");
    expect(preload_with("libhakmem.so.1:a.so", "libhakmem.so.1"), "libhakmem.so.1:a.so");
}

static void a_list_has_ours_by_any_of_its_names(void **state)
{
    (void)state;
    assert_true(preload_has_ours("a.so /x/libhakmem.so.1"));
    assert_false(preload_has_ours("a.so"));
    assert_false(preload_has_ours(NULL));
}

static void a_file_gets_a_line_in_front_and_loses_it_again(void **state)
{
    static const char *const files[] = {
        "", "\n", "a.so\n", "a.so", "# text\na.so b.so\n\n", "a.so:b.so # why\n", "  a.so\t\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *with = preload_file_with(files[i], "libhakmem.so.1");

        assert_true(preload_file_has_ours(with));
        assert_false(preload_file_has_ours(files[i]));
        assert_string_equal(with + strlen("libhakmem.so.1\n"), files[i]);
        expect(preload_file_without(with), files[i]);
        free(with);
    }
}

static void ours_goes_out_from_anywhere_in_a_file(void **state)
{
    (void)state;
    expect(preload_file_without("a.so libhakmem.so.1 b.so\n"), "a.so b.so\n");
    expect(preload_file_without("a.so\n  /usr/lib/libhakmem.so.1\nb.so\n"), "a.so\nb.so\n");
    expect(preload_file_without("libhakmem.so.1:a.so"), "a.so");
    expect(preload_file_without("libhakmem.so.1 # kept\n"), "# kept\n");
    expect(preload_file_without("libhakmem.so.1 libhakmem.so.1"), "");
}

static void a_comment_is_no_entry(void **state)
{
    (void)state;
    assert_false(preload_file_has_ours("# libhakmem.so.1\na.so # libhakmem.so.1\n"));
    expect(preload_file_without("# libhakmem.so.1\n"), "# libhakmem.so.1\n");
    expect(preload_file_entries("# x y\na.so:b.so # c.so\n\nd.so"), "a.so:b.so:d.so");
    expect(preload_file_entries("# only text\n"), NULL);
}

static void what_stands_in_front_of_ours_is_told(void **state)
{
    (void)state;
    expect(preload_file_in_front("libhakmem.so.1\na.so\n"), NULL);
    expect(preload_file_in_front("a.so\nb.so libhakmem.so.1 c.so\n"), "a.so:b.so");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_ours_by_its_file_name),
        cmocka_unit_test(what_a_variable_had_is_kept_behind_ours),
        cmocka_unit_test(a_list_has_ours_by_any_of_its_names),
        cmocka_unit_test(a_file_gets_a_line_in_front_and_loses_it_again),
        cmocka_unit_test(ours_goes_out_from_anywhere_in_a_file),
        cmocka_unit_test(a_comment_is_no_entry),
        cmocka_unit_test(what_stands_in_front_of_ours_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
