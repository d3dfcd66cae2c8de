/* SPDX-License-Identifier: MIT */
/* The environment file of a PostgreSQL cluster is read as pg_ctlcluster reads it, and nobody's line is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hakmemctl/cluster.h"
#include "support/expect.h"

#define MARK "# Made by hakmemctl enable; hakmemctl disable takes it away.\n"

static void the_name_of_the_unit_leads_to_the_file(void **state)
{
    (void)state;
    expect(cluster_environment_path("/etc/postgresql", "postgresql@15-main.service"),
           "/etc/postgresql/15/main/environment");
    expect(cluster_environment_path("/r", "postgresql@9.6-my-own.db.service"), "/r/9.6/my-own.db/environment");
    expect(cluster_environment_path("/r", "postgresql@.service"), NULL);
    expect(cluster_environment_path("/r", "postgresql@main.service"), NULL);
    expect(cluster_environment_path("/r", "postgresql@15-.service"), NULL);
    expect(cluster_environment_path("/r", "postgresql@-main.service"), NULL);
    expect(cluster_environment_path("/r", "post-gresql.service"), NULL);
}

static void a_variable_is_read_in_each_way_of_writing_it(void **state)
{
    (void)state;
    expect(cluster_variable("", "A"), NULL);
    expect(cluster_variable("# A = 1\nAB = 2\nB = 'A = 3'\n", "A"), NULL);
    expect(cluster_variable("A = 'x y' # text\n", "A"), "x y");
    expect(cluster_variable("A='x'", "A"), "x");
    expect(cluster_variable("  A 'x'\n", "A"), "x");
    expect(cluster_variable("A = a-b.c/d:e # text\n", "A"), "a-b.c/d:e");
    expect(cluster_variable("A = 'it''s \\'o\\\\k'\n", "A"), "it's 'o\\k");
    expect(cluster_variable("A = ''\n", "A"), "");
    expect(cluster_variable("A = 'x'\nA = 'y'\n", "A"), "y");
}

static void our_line_stands_last_and_gives_the_value_back(void **state)
{
    (void)state;
    char *text = cluster_with("A = 1\nLD_PRELOAD = 'a.so'\n", "libhakmem.so.1:/it's\\a.so");

    assert_string_equal(text, "A = 1\nLD_PRELOAD = 'a.so'\n" MARK "LD_PRELOAD = 'libhakmem.so.1:/it''s\\\\a.so'\n");
    assert_true(cluster_is_ours(text));
    expect(cluster_variable(text, "LD_PRELOAD"), "libhakmem.so.1:/it's\\a.so");
    expect(cluster_with(text, "b.so"), "A = 1\nLD_PRELOAD = 'a.so'\n" MARK "LD_PRELOAD = 'b.so'\n");
    expect(cluster_without(text), "A = 1\nLD_PRELOAD = 'a.so'\n");
    free(text);
    expect(cluster_with("", "b.so"), MARK "LD_PRELOAD = 'b.so'\n");
    expect(cluster_with("A = 1", "b.so"), "A = 1\n" MARK "LD_PRELOAD = 'b.so'\n");
}

static void what_somebody_else_wrote_stays(void **state)
{
    (void)state;
    expect(cluster_without("LD_PRELOAD = 'a.so'"), "LD_PRELOAD = 'a.so'");
    expect(cluster_without(MARK "B = 1\nLD_PRELOAD = 'a.so'\n"), "B = 1\nLD_PRELOAD = 'a.so'\n");
    expect(cluster_without("C = 1\n" MARK), "C = 1\n");
    expect(cluster_without(MARK "LD_PRELOAD = 'a.so'\nLD_PRELOAD = 'b.so'\n"), "LD_PRELOAD = 'b.so'\n");
    assert_false(cluster_is_ours("LD_PRELOAD = 'libhakmem.so.1'\n# " MARK));
}

static void other_files_that_are_taken_in_are_seen(void **state)
{
    (void)state;
    assert_false(cluster_includes("# include = 'x'\nA = 'include'\n"));
    assert_true(cluster_includes("A = 1\ninclude_dir = 'conf.d'\n"));
    assert_true(cluster_includes(" Include_If_Exists 'x'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_of_the_unit_leads_to_the_file),
        cmocka_unit_test(a_variable_is_read_in_each_way_of_writing_it),
        cmocka_unit_test(our_line_stands_last_and_gives_the_value_back),
        cmocka_unit_test(what_somebody_else_wrote_stays),
        cmocka_unit_test(other_files_that_are_taken_in_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
