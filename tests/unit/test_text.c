/* SPDX-License-Identifier: MIT */
/* What a process calls itself is fit for a terminal and for JSON, whatever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hakmemctl/text.h"

static void control_characters_and_what_is_no_utf8_become_question_marks(void **state)
{
    static const char *const texts[][2] = {
        {"redis-server", "redis-server"},
        {"", ""},
        {"\033[2Jx\n\r\177", "?[2Jx???"},
        {"gr\303\274n \342\202\254 \360\237\230\200", "gr\303\274n \342\202\254 \360\237\230\200"},
        {"\377\376", "??"},
        {"cut \303", "cut ?"},
        {"cut \342\202", "cut ??"},
        {"\302\233x", "??x"},
        {"\300\200", "??"},
        {"\340\200\200", "???"},
        {"\355\240\200", "???"},
        {"\364\220\200\200", "????"},
        {"\365\200\200\200", "????"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *text = text_copy(texts[i][0]);

        text_make_printable(text);
        assert_string_equal(text, texts[i][1]);
        free(text);
    }
}

static void a_text_grows_by_any_length(void **state)
{
    struct text text = {NULL, 0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        text_add_format(&text, "%04d", i);
    text_add(&text, "", 0);
    assert_int_equal(text.length, 4000);
    assert_true(text_starts(text.text, "00000001") && text_ends(text.text, "09980999"));
    assert_false(text_starts("ab", "abc") || text_ends("ab", "abc"));
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_and_what_is_no_utf8_become_question_marks),
        cmocka_unit_test(a_text_grows_by_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
