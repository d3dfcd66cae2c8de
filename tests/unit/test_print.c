/* SPDX-License-Identifier: MIT */
/* Text into a buffer: exact, cut where it must be, and never past the end. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/print.h"

static char memory[256];
static struct print_buffer out;

static void begin(void)
{
    memset(memory, 'x', sizeof memory);
    print_begin(&out, memory, sizeof memory);
}

static void assert_text(const char *expected)
{
    assert_int_equal(print_end(&out), strlen(expected));
    assert_string_equal(memory, expected);
}

static void numbers_are_written_as_printf_writes_them(void **state)
{
    static const uint64_t values[] = {0,    1,         9,          10,        99,
                                      4096, INT64_MAX, UINT32_MAX, UINT64_MAX, 1ull << 60};
    char expected[128];

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        begin();
        print_decimal(&out, values[i]);
        print_char(&out, ' ');
        print_hex(&out, values[i]);
        print_char(&out, ' ');
        print_signed(&out, (int64_t)values[i]);
        print_char(&out, ' ');
        print_decimal_width(&out, values[i], 12);
        snprintf(expected, sizeof expected, "%llu 0x%llx %lld %12llu",
                 (unsigned long long)values[i], (unsigned long long)values[i],
                 (long long)values[i], (unsigned long long)values[i]);
        assert_text(expected);
    }
    begin();
    print_signed(&out, INT64_MIN);
    assert_text("-9223372036854775808");
}

static void a_pointer_is_hexadecimal_and_null_is_0x0(void **state)
{
    (void)state;
    begin();
    print_pointer(&out, NULL);
    print_char(&out, ' ');
    print_pointer(&out, (void *)(uintptr_t)0xdeadbeef);
    assert_text("0x0 0xdeadbeef");
}

static void a_size_has_the_largest_suffix_that_keeps_it_exact(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0"},           {1, "1"},
        {1000, "1000"},     {1024, "1k"},
        {1536, "1536"},     {1536 << 10, "1536k"},
        {1 << 20, "1M"},    {(1 << 20) + 1, "1048577"},
        {64 << 20, "64M"},  {1ull << 30, "1G"},
        {1ull << 40, "1T"}, {1ull << 50, "1024T"},
        {UINT64_MAX, "18446744073709551615"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        print_size(&out, cases[i].bytes);
        assert_text(cases[i].text);
    }
}

static void a_size_for_people_has_one_decimal(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {1536, "1.5 KiB"},
        {1075, "1.0 KiB"},
        {1076, "1.1 KiB"},
        {(1 << 20) - 1, "1.0 MiB"},
        {112ull << 20, "112.0 MiB"},
        {(5ull << 30) / 2, "2.5 GiB"},
        {3ull << 40, "3.0 TiB"},
        {UINT64_MAX, "16.0 EiB"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        print_size_rounded(&out, cases[i].bytes);
        assert_text(cases[i].text);
    }
}

static void quoted_text_is_one_short_line_of_ascii(void **state)
{
    (void)state;
    begin();
    print_quoted(&out, "a\nb\tc\x80\x1b[31m", 11, 64);
    assert_text("a?b?c??[31m");
    begin();
    print_quoted(&out, "abcdef", 6, 6);
    assert_text("abcdef");
    begin();
    print_quoted(&out, "abcdef", 6, 5);
    assert_text("abcde...");
    begin();
    print_quoted(&out, "abc,def", 3, 5);
    assert_text("abc");
}

static void no_byte_is_written_past_the_end_of_any_buffer(void **state)
{
    static const char whole[] = "size 64k at 0x1000";

    (void)state;
    for (size_t size = 0; size < sizeof whole + 2; size++) {
        size_t kept = size == 0 ? 0 : size - 1;

        if (kept > sizeof whole - 1)
            kept = sizeof whole - 1;
        memset(memory, 'x', sizeof memory);
        print_begin(&out, memory, size);
        print_text(&out, "size ");
        print_size(&out, 65536);
        print_bytes(&out, " at and more", 4);
        print_hex(&out, 4096);
        assert_int_equal(print_end(&out), sizeof whole - 1);
        assert_int_equal(print_stored(&out), kept);
        assert_memory_equal(memory, whole, kept);
        if (size > 0)
            assert_int_equal(memory[kept], '\0');
        for (size_t i = size; i < sizeof memory; i++)
            assert_int_equal(memory[i], 'x');
    }
}

static void the_length_of_a_text_can_be_asked_without_a_buffer(void **state)
{
    (void)state;
    errno = EDOM;
    print_begin(&out, NULL, 0);
    print_text(&out, "twelve chars");
    assert_int_equal(print_end(&out), 12);
    assert_int_equal(print_stored(&out), 0);
    assert_int_equal(errno, EDOM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_printf_writes_them),
        cmocka_unit_test(a_pointer_is_hexadecimal_and_null_is_0x0),
        cmocka_unit_test(a_size_has_the_largest_suffix_that_keeps_it_exact),
        cmocka_unit_test(a_size_for_people_has_one_decimal),
        cmocka_unit_test(quoted_text_is_one_short_line_of_ascii),
        cmocka_unit_test(no_byte_is_written_past_the_end_of_any_buffer),
        cmocka_unit_test(the_length_of_a_text_can_be_asked_without_a_buffer),
    };

    return cmocka_run_group_tests_name("print", tests, NULL, NULL);
}
