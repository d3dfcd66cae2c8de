/* SPDX-License-Identifier: MIT */
/* An item of the list of what to make ready is read, and written as it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "options/prewarm.h"

static void an_item_has_one_of_three_forms(void **state)
{
    static const struct {
        const char *text;
        enum option_prewarm_kind kind;
        size_t size;
        uint32_t count;
    } good[] = {
        {"64:1000", OPTION_PREWARM_BLOCKS, 64, 1000},
        {"4k:1", OPTION_PREWARM_BLOCKS, 4096, 1},
        {"1:4294967295", OPTION_PREWARM_BLOCKS, 1, UINT32_MAX},
        {"superslabs:8", OPTION_PREWARM_SUPERSLABS, 0, 8},
        {"SuperSlabs:1", OPTION_PREWARM_SUPERSLABS, 0, 1},
        {"pool:4M", OPTION_PREWARM_POOL, (size_t)4 << 20, 1},
        {"POOL:1", OPTION_PREWARM_POOL, 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct option_prewarm_item item;

        assert_true(prewarm_parse_item(good[i].text, strlen(good[i].text), &item));
        assert_int_equal(item.kind, good[i].kind);
        assert_int_equal(item.size, good[i].size);
        assert_int_equal(item.count, good[i].count);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "", ":", "64", "64:", ":64", "64:0", "0:64", "64:1k", "64:4294967296", "superslabs:0",
        "superslabs:", "superslabs:1M", "superslab:1", "pool:0", "pool:", "pool", "pool:-1",
        "64:1:2", "64 :1", "99999999T:1", "pool:9223372036854775808",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct option_prewarm_item item;

        if (prewarm_parse_item(bad[i], strlen(bad[i]), &item))
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

static void a_list_is_written_as_it_is_read(void **state)
{
    static const struct option_prewarm list = {
        4,
        {{OPTION_PREWARM_BLOCKS, 1000, 64},
         {OPTION_PREWARM_SUPERSLABS, 8, 0},
         {OPTION_PREWARM_POOL, 1, (size_t)4 << 20},
         {OPTION_PREWARM_BLOCKS, 1, 1000}},
    };
    static const char expected[] = "64:1000,superslabs:8,pool:4M,1000:1";
    const char *at = expected;
    char text[100];
    struct print_buffer out;

    (void)state;
    print_begin(&out, text, sizeof text);
    prewarm_format(&out, &list);
    assert_int_equal(print_end(&out), strlen(expected));
    assert_string_equal(text, expected);
    for (uint32_t i = 0; i < list.count; i++) {
        struct option_prewarm_item item;
        size_t length = strcspn(at, ",");

        assert_true(prewarm_parse_item(at, length, &item));
        assert_memory_equal(&item, &list.item[i], sizeof item);
        at += length + 1;
    }
}

static void an_empty_list_is_no_text(void **state)
{
    static const struct option_prewarm list;
    char text[10] = "x";
    struct print_buffer out;

    (void)state;
    print_begin(&out, text, sizeof text);
    prewarm_format(&out, &list);
    print_end(&out);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_has_one_of_three_forms),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_list_is_written_as_it_is_read),
        cmocka_unit_test(an_empty_list_is_no_text),
    };

    return cmocka_run_group_tests_name("prewarm", tests, NULL, NULL);
}
