/* SPDX-License-Identifier: MIT */
/* The drop-in says what systemd shall do, what systemd shows is understood, and nobody's line is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hakmemctl/dropin.h"
#include "support/expect.h"

static void a_drop_in_sets_the_variable(void **state)
{
    (void)state;
    expect(dropin_text("libhakmem.so.1", NULL, false),
           "# Made by hakmemctl enable; hakmemctl disable takes it away.\n"
           "[Service]\n"
           "Environment=\"LD_PRELOAD=libhakmem.so.1\"\n");
    expect(dropin_text("libhakmem.so.1:/o\\p\"t/%i.so", "/d/a%b.service.d/zz-hakmem.env", true),
           "# Made by hakmemctl enable; hakmemctl disable takes it away.\n"
           "# The directory was made with it.\n"
           "[Service]\n"
           "Environment=\"LD_PRELOAD=libhakmem.so.1:/o\\\\p\\\"t/%%i.so\"\n"
           "EnvironmentFile=/d/a%%b.service.d/zz-hakmem.env\n");
}

static void what_enable_wrote_is_all_recognised(void **state)
{
    struct dropin dropin;
    char *text = dropin_text("libhakmem.so.1:a.so", "/d/x.service.d/zz-hakmem.env", true);

    (void)state;
    dropin_read(text, &dropin);
    assert_true(dropin.ours);
    assert_true(dropin.made_directory);
    assert_true(dropin.environment_file);
    assert_null(dropin.rest);
    free(text);
    text = dropin_text("libhakmem.so.1", NULL, false);
    dropin_read(text, &dropin);
    assert_true(dropin.ours);
    assert_false(dropin.made_directory);
    assert_false(dropin.environment_file);
    assert_null(dropin.rest);
    free(text);
}

static void lines_that_someone_added_are_kept(void **state)
{
    struct dropin dropin;

    (void)state;
    dropin_read("# Made by hakmemctl enable; hakmemctl disable takes it away.\n"
                "[Service]\n"
                "Environment=\"LD_PRELOAD=libhakmem.so.1\"\n"
                "Environment=\"HAKMEM_AUDIT=on\"\n"
                "[Unit]\nAfter=x.service",
                &dropin);
    assert_true(dropin.ours);
    expect(dropin.rest, "[Service]\nEnvironment=\"HAKMEM_AUDIT=on\"\n[Unit]\nAfter=x.service\n");
    dropin_read("[Service]\nEnvironment=\"LD_PRELOAD=other.so\"\n", &dropin);
    assert_false(dropin.ours);
    expect(dropin.rest, "[Service]\nEnvironment=\"LD_PRELOAD=other.so\"\n");
}

static void properties_are_found_by_their_whole_name(void **state)
{
    static const char show[] = "MainPID=12\nEnvironmentFiles=/a (ignore_errors=yes)\n"
                               "EnvironmentFiles=/b/*.conf (ignore_errors=no)\nEnvironment=A=1\nEmpty=\n";
    const char *at = show;

    (void)state;
    expect(show_property(show, "Environment"), "A=1");
    expect(show_property(show, "MainPID"), "12");
    expect(show_property(show, "Empty"), "");
    expect(show_property(show, "Main"), NULL);
    expect(show_next_environment_file(&at), "/a");
    expect(show_next_environment_file(&at), "/b/*.conf");
    expect(show_next_environment_file(&at), NULL);
}

static void a_variable_is_read_in_each_way_of_quoting(void **state)
{
    (void)state;
    expect(show_environment("A=1 LD_PRELOAD=a.so B=2", "LD_PRELOAD"), "a.so");
    expect(show_environment("\"LD_PRELOAD=a.so b.so\" X=y", "LD_PRELOAD"), "a.so b.so");
    expect(show_environment("\"LD_PRELOAD=a\\\"b\\\\c\"", "LD_PRELOAD"), "a\"b\\c");
    expect(show_environment("$'LD_PRELOAD=a\\'b\\tc' Z=1", "LD_PRELOAD"), "a'b\tc");
    expect(show_environment("LD_PRELOAD=a LD_PRELOAD=b", "LD_PRELOAD"), "b");
    expect(show_environment("LD_PRELOAD_X=a XLD_PRELOAD=b", "LD_PRELOAD"), NULL);
    expect(show_environment("\"X= LD_PRELOAD=a\"", "LD_PRELOAD"), NULL);
    expect(show_environment("", "LD_PRELOAD"), NULL);
    expect(show_environment("\"LD_PRELOAD=a\\", "LD_PRELOAD"), "a\\");
}

static void an_environment_file_is_read_as_systemd_reads_it(void **state)
{
    (void)state;
    expect(environment_file_value("# LD_PRELOAD=no\nLD_PRELOAD=a.so  \nX=1\n", "LD_PRELOAD"), "a.so");
    expect(environment_file_value("LD_PRELOAD=\"a.so b.so\"\n", "LD_PRELOAD"), "a.so b.so");
    expect(environment_file_value("LD_PRELOAD='a\\b'", "LD_PRELOAD"), "a\\b");
    expect(environment_file_value("LD_PRELOAD=a\\\nb\n", "LD_PRELOAD"), "ab");
    expect(environment_file_value("  LD_PRELOAD=a\nLD_PRELOAD=b\n", "LD_PRELOAD"), "b");
    expect(environment_file_value("X=1\\\nLD_PRELOAD=no\n", "LD_PRELOAD"), NULL);
    expect(environment_file_value("LD_PRELOAD=\n", "LD_PRELOAD"), "");
    expect(environment_file_value("LD_PRELOAD=\"open", "LD_PRELOAD"), "open");
    expect(environment_file_value("", "LD_PRELOAD"), NULL);
}

static void our_environment_file_gives_the_value_back(void **state)
{
    char *text = dropin_environment_text("libhakmem.so.1:/a$b/`\"\\x.so");

    (void)state;
    expect(environment_file_value(text, "LD_PRELOAD"), "libhakmem.so.1:/a$b/`\"\\x.so");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drop_in_sets_the_variable),
        cmocka_unit_test(what_enable_wrote_is_all_recognised),
        cmocka_unit_test(lines_that_someone_added_are_kept),
        cmocka_unit_test(properties_are_found_by_their_whole_name),
        cmocka_unit_test(a_variable_is_read_in_each_way_of_quoting),
        cmocka_unit_test(an_environment_file_is_read_as_systemd_reads_it),
        cmocka_unit_test(our_environment_file_gives_the_value_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
