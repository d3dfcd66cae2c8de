/* SPDX-License-Identifier: MIT */
/* The written forms of values: taken whole, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "options/parse.h"

static bool number(const char *text, uint64_t *value)
{
    return parse_number(text, strlen(text), value);
}

static bool size(const char *text, uint64_t *value)
{
    return parse_size(text, strlen(text), value);
}

static void a_number_is_digits_and_nothing_else(void **state)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "1k", "1.0", "k", "/", ":"};
    uint64_t value;

    (void)state;
    assert_true(number("0", &value) && value == 0);
    assert_true(number("00000000000000000000000007", &value) && value == 7);
    assert_true(number("18446744073709551615", &value) && value == UINT64_MAX);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(number(bad[i], &value));
    assert_true(parse_number("123456", 3, &value) && value == 123); /* no final NUL is needed */
}

static void a_number_too_large_stays_the_largest(void **state)
{
    static const char *const large[] = {"18446744073709551616", "18446744073709551620",
                                        "99999999999999999999", "100000000000000000000000"};
    uint64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        assert_true(number(large[i], &value) && value == UINT64_MAX);
    assert_true(size("16777215T", &value) && value == (uint64_t)16777215 << 40);
    assert_true(size("16777216T", &value) && value == UINT64_MAX);
    assert_true(size("18446744073709551615k", &value) && value == UINT64_MAX);
}

static void a_size_may_end_in_one_suffix_of_either_case(void **state)
{
    static const char *const bad[] = {"", "k", "1kk", "1kB", "k1", "1 k", "1P", "-1k", "1i"};
    static const char suffix[] = "kmgtKMGT";
    uint64_t value;

    (void)state;
    assert_true(size("4096", &value) && value == 4096);
    for (unsigned i = 0; i < 8; i++) {
        char text[] = {'3', suffix[i], '\0'};

        assert_true(size(text, &value));
        assert_int_equal(value, (uint64_t)3 << 10 * (i % 4 + 1));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(size(bad[i], &value));
}

static void a_switch_is_one_of_eight_words(void **state)
{
    static const char *const on[] = {"on", "1", "yes", "true"}, *const off[] = {"off", "0", "no", "false"};
    bool value = false;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        assert_true(parse_switch(on[i], strlen(on[i]), &value) && value);
        assert_true(parse_switch(off[i], strlen(off[i]), &value) && !value);
        assert_false(parse_switch(on[i], strlen(on[i]) - 1, &value) && strlen(on[i]) > 3);
    }
    assert_false(parse_switch("", 0, &value));
    assert_false(parse_switch("2", 1, &value));
    assert_false(parse_switch("on ", 3, &value));
}

static void words_are_the_same_whatever_their_case(void **state)
{
    (void)state;
    assert_true(parse_same_word("PoOl", 4, "pool"));
    assert_true(parse_same_word("pool:4M", 4, "pool"));
    assert_false(parse_same_word("pool", 3, "pool"));
    assert_false(parse_same_word("pools", 5, "pool"));
    assert_true(parse_same_word("", 0, ""));
    assert_int_equal(parse_upper('z'), 'Z');
    assert_int_equal(parse_upper('{'), '{');
    assert_int_equal(parse_upper('\xe4'), '\xe4');
}

static unsigned distance(const char *text, const char *word)
{
    return parse_distance(text, strlen(text), word);
}

static void the_distance_of_words_counts_single_mistakes(void **state)
{
    static const char *const word[] = {"", "audit", "adit", "auditt", "uadit", "AUDIT", "auxit", "prewarm"};

    (void)state;
    assert_int_equal(distance("audit", "AUDIT"), 0);
    assert_int_equal(distance("adit", "audit"), 1);
    assert_int_equal(distance("auditt", "audit"), 1);
    assert_int_equal(distance("auxit", "audit"), 1);
    assert_int_equal(distance("uadit", "audit"), 1);
    assert_int_equal(distance("", "audit"), 5);
    for (unsigned a = 0; a < 8; a++) {
        for (unsigned b = 0; b < 8; b++)
            assert_int_equal(distance(word[a], word[b]), distance(word[b], word[a]));
    }
}

static void of_long_words_only_the_beginning_counts(void **state)
{
    char text[200], word[200];

    (void)state;
    memset(text, 'a', sizeof text);
    memset(word, 'a', sizeof word);
    word[sizeof word - 1] = '\0';
    word[PARSE_WORD_MAX] = 'b';
    assert_int_equal(parse_distance(text, sizeof text, word), 0);
    word[PARSE_WORD_MAX - 1] = 'b';
    assert_int_equal(parse_distance(text, sizeof text, word), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_digits_and_nothing_else),
        cmocka_unit_test(a_number_too_large_stays_the_largest),
        cmocka_unit_test(a_size_may_end_in_one_suffix_of_either_case),
        cmocka_unit_test(a_switch_is_one_of_eight_words),
        cmocka_unit_test(words_are_the_same_whatever_their_case),
        cmocka_unit_test(the_distance_of_words_counts_single_mistakes),
        cmocka_unit_test(of_long_words_only_the_beginning_counts),
    };

    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
