/* SPDX-License-Identifier: MIT */
/* Who mistypes a name is told the one that was meant, and nothing when none is near. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hakmemctl/nearest.h"

static const char *nearest_option(const char *text)
{
    return nearest_name(text, option_names, option_names_count);
}

static void a_slip_leads_to_the_name(void **state)
{
    static const char *const slips[][2] = {
        {"purgedelay", "purge_delay"},   {"purge_dleay", "purge_delay"}, {"PURGE-DELAY", "purge_delay"},
        {"threadhold", "thread_hold"},   {"audti", "audit"},             {"mesages", "messages"},
        {"superslab_cach", "superslab_cache"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof slips / sizeof slips[0]; i++) {
        assert_non_null(nearest_option(slips[i][0]));
        assert_string_equal(nearest_option(slips[i][0]), slips[i][1]);
    }
}

static void what_is_like_no_name_leads_nowhere(void **state)
{
    char longest[300];

    (void)state;
    assert_null(nearest_option("xyzzyplugh"));
    assert_null(nearest_option(""));
    memset(longest, 'q', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(nearest_option(longest));
}

static void a_name_is_found_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(option_name_find("Purge_Delay"), "purge_delay");
    assert_null(option_name_find("purge_dela"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_leads_to_the_name),
        cmocka_unit_test(what_is_like_no_name_leads_nowhere),
        cmocka_unit_test(a_name_is_found_in_any_case),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
