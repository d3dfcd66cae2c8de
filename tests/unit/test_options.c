/* SPDX-License-Identifier: MIT */
/*
 * The settings: what the environment says is taken, or named exactly once with
 * what stands instead; sealed settings cannot be written.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "options/options.h"
#include "support/unit.h"

#define K ((size_t)1 << 10)
#define M ((size_t)1 << 20)
#define G ((size_t)1 << 30)

static const char *const messages = unit_messages;

/* The library itself may have sealed its settings before main. */
static int writable(void **state)
{
    (void)state;
    return mprotect(&hakmem_options, sizeof hakmem_options, PROT_READ | PROT_WRITE);
}

#define START(...) unit_options_start((char *[]){__VA_ARGS__, NULL}, false)

static const char *value(const char *name)
{
    static char text[256];

    assert_true(options_format(name, text, sizeof text) < (int)sizeof text);
    return text;
}

static const char *origin(const char *name)
{
    static char text[256];

    assert_true(options_origin(name, text, sizeof text) < (int)sizeof text);
    return text;
}

static void every_option_has_its_documented_default(void **state)
{
    static const struct {
        const char *name, *text;
    } defaults[] = {
        {"allocator", "hakmem"},        {"preset", "balanced"},
        {"pool_arena_init", "1M"},      {"pool_arena_max", "8M"},
        {"pool_arena_growth", "4"},     {"prewarm", ""},
        {"superslab_cache", "64M"},     {"superslab_cache_percent", "50"},
        {"superslab_reuse", "on"},
        {"thread_hold", "4M"},          {"process_hold", "64M"},
        {"batch_refill", "on"},         {"remote_batch", "128k"},
        {"remote_drain", "on"},         {"merged_cache", "on"},
        {"hot_first", "on"},            {"large_cache", "64M"},
        {"large_cache_percent", "75"},  {"huge_threshold", "64M"},
        {"purge_delay", "1000"},        {"populate", "on"},
        {"huge_pages", "on"},           {"audit", "off"},
        {"stats_on_exit", "off"},       {"messages", "on"},
    };

    (void)state;
    unit_options_start(NULL, false);
    assert_int_equal(sizeof defaults / sizeof defaults[0], OPTION_TOTAL);
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        assert_string_equal(value(defaults[i].name), defaults[i].text);
        assert_string_equal(origin(defaults[i].name), "default");
    }
    assert_string_equal(messages, "");
}

static void a_good_value_is_taken_and_remembers_its_origin(void **state)
{
    (void)state;
    START("PATH=/bin", "HAKMEM_THREAD_HOLD=3M", "HAKMEM_SUPERSLAB_CACHE=1t",
          "HAKMEM_REMOTE_BATCH=0", "HAKMEM_PROCESS_HOLD=1536", "HAKMEM_HOT_FIRST=No",
          "HAKMEM_AUDIT=TRUE", "HAKMEM_PURGE_DELAY=3600000", "HAKMEM_LARGE_CACHE_PERCENT=0",
          "HAKMEM_POOL_ARENA_GROWTH=16", "HAKMEM_LARGE_CACHE=2G");
    assert_string_equal(messages, "");
    assert_int_equal(OPTION_SET(thread_hold), 3 * M);
    if (sizeof(size_t) == 8)
        assert_string_equal(value("superslab_cache"), "1T");
    assert_int_equal(OPTION_SET(remote_batch), 0);
    assert_int_equal(OPTION_SET(process_hold), 1536);
    assert_int_equal(OPTION_SET(large_cache), 2 * G);
    assert_false(OPTION_SET(hot_first));
    assert_true(hakmem_options.audit);
    assert_int_equal(OPTION_SET(purge_delay), 3600000);
    assert_int_equal(OPTION_SET(large_cache_percent), 0);
    assert_int_equal(hakmem_options.pool_arena_growth, 16);
    assert_string_equal(origin("thread_hold"), "environment");
    assert_string_equal(origin("merged_cache"), "default");
}

static void every_way_to_write_a_switch_is_understood(void **state)
{
    static const char *const on[] = {"on", "ON", "1", "yes", "Yes", "true", "tRuE"};
    static const char *const off[] = {"off", "Off", "0", "no", "NO", "false", "FALSE"};

    (void)state;
    unit_options_start(NULL, false);
    for (size_t i = 0; i < sizeof on / sizeof on[0]; i++) {
        hakmem_options.audit = false;
        assert_true(options_set("audit", on[i]));
        assert_true(hakmem_options.audit);
        assert_true(options_set("audit", off[i]));
        assert_false(hakmem_options.audit);
    }
    assert_string_equal(origin("audit"), "call");
    assert_false(options_set("adit", "on"));
}

static void a_bad_value_is_named_and_the_default_stands(void **state)
{
#define SIZE "not a size (digits with an optional k, M, G or T)"
#define COUNT "not a number (digits only)"
#define MILLIS "not a number of milliseconds (digits only)"
#define SWITCH "not a switch (on or off)"
    static const struct {
        const char *entry, *name, *shown, *reason, *standing;
    } cases[] = {
        {"THREAD_HOLD=12q", "thread_hold", "12q", SIZE, "4M"},
        {"THREAD_HOLD=", "thread_hold", "", SIZE, "4M"},
        {"THREAD_HOLD=k", "thread_hold", "k", SIZE, "4M"},
        {"THREAD_HOLD=-1", "thread_hold", "-1", SIZE, "4M"},
        {"THREAD_HOLD=+1", "thread_hold", "+1", SIZE, "4M"},
        {"THREAD_HOLD= 1", "thread_hold", " 1", SIZE, "4M"},
        {"THREAD_HOLD=1 ", "thread_hold", "1 ", SIZE, "4M"},
        {"THREAD_HOLD=1kk", "thread_hold", "1kk", SIZE, "4M"},
        {"THREAD_HOLD=1kB", "thread_hold", "1kB", SIZE, "4M"},
        {"THREAD_HOLD=1.5M", "thread_hold", "1.5M", SIZE, "4M"},
        {"THREAD_HOLD=0x10", "thread_hold", "0x10", SIZE, "4M"},
        {"THREAD_HOLD=1M;rm", "thread_hold", "1M;rm", SIZE, "4M"},
        {"THREAD_HOLD=1\nM", "thread_hold", "1?M", SIZE, "4M"},
        {"REMOTE_BATCH=2M", "remote_batch", "2M", "over the greatest value 1M", "128k"},
        {"REMOTE_BATCH=1048577", "remote_batch", "1048577", "over the greatest value 1M", "128k"},
        {"REMOTE_BATCH=18446744073709551616", "remote_batch", "18446744073709551616",
         "over the greatest value 1M", "128k"},
        {"REMOTE_BATCH=99999999999999999999999999", "remote_batch",
         "99999999999999999999999999", "over the greatest value 1M", "128k"},
        {"REMOTE_BATCH=18014398509481984k", "remote_batch", "18014398509481984k",
         "over the greatest value 1M", "128k"},
        {"REMOTE_BATCH=16777217T", "remote_batch", "16777217T", "over the greatest value 1M",
         "128k"},
        {"POOL_ARENA_INIT=255k", "pool_arena_init", "255k", "under the least value 256k", "1M"},
        {"POOL_ARENA_MAX=9M", "pool_arena_max", "9M", "over the greatest value 8M", "8M"},
        {"HUGE_THRESHOLD=0", "huge_threshold", "0", "under the least value 1M", "64M"},
        {"POOL_ARENA_GROWTH=0", "pool_arena_growth", "0", "under the least value 1", "4"},
        {"POOL_ARENA_GROWTH=17", "pool_arena_growth", "17", "over the greatest value 16", "4"},
        {"POOL_ARENA_GROWTH=4294967297", "pool_arena_growth", "4294967297",
         "over the greatest value 16", "4"},
        {"POOL_ARENA_GROWTH=2k", "pool_arena_growth", "2k", COUNT, "4"},
        {"POOL_ARENA_GROWTH=", "pool_arena_growth", "", COUNT, "4"},
        {"PURGE_DELAY=10s", "purge_delay", "10s", MILLIS, "1000"},
        {"PURGE_DELAY=3600001", "purge_delay", "3600001", "over the greatest value 3600000",
         "1000"},
        {"HOT_FIRST=2", "hot_first", "2", SWITCH, "on"},
        {"HOT_FIRST=", "hot_first", "", SWITCH, "on"},
        {"HOT_FIRST=onn", "hot_first", "onn", SWITCH, "on"},
        {"HOT_FIRST=o", "hot_first", "o", SWITCH, "on"},
        {"AUDIT=maybe", "audit", "maybe", SWITCH, "off"},
        {"MESSAGES=loud", "messages", "loud", SWITCH, "on"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char entry[128], expected[256];
        const char *equals = strchr(cases[i].entry, '=');

        snprintf(entry, sizeof entry, "HAKMEM_%s", cases[i].entry);
        snprintf(expected, sizeof expected,
                 "hakmem: HAKMEM_%.*s='%s': %s; the default %s stands\n",
                 (int)(equals - cases[i].entry), cases[i].entry, cases[i].shown,
                 cases[i].reason, cases[i].standing);
        START(entry);
        assert_string_equal(messages, expected);
        assert_string_equal(value(cases[i].name), cases[i].standing);
        assert_string_equal(origin(cases[i].name), "default");
    }
}

static void a_long_value_is_cut_in_its_message(void **state)
{
    char entry[1000] = "HAKMEM_AUDIT=", expected[200];

    (void)state;
    memset(entry + strlen(entry), 'a', 900);
    snprintf(expected, sizeof expected,
             "hakmem: HAKMEM_AUDIT='%.64s...': not a switch (on or off); the default off stands\n",
             strchr(entry, '=') + 1);
    START(entry);
    assert_string_equal(messages, expected);
}

static void an_unknown_name_is_named_with_the_nearest_one(void **state)
{
    static const struct {
        const char *entry, *message;
    } cases[] = {
        {"HAKMEM_THRED_HOLD=1M", "HAKMEM_THRED_HOLD: no such option; "
                                 "the nearest is HAKMEM_THREAD_HOLD; ignored"},
        {"HAKMEM_HTREAD_HOLD=1M", "HAKMEM_HTREAD_HOLD: no such option; "
                                  "the nearest is HAKMEM_THREAD_HOLD; ignored"},
        {"HAKMEM_thread_hold=1M", "HAKMEM_thread_hold: no such option; "
                                  "the nearest is HAKMEM_THREAD_HOLD; ignored"},
        {"HAKMEM_ARENA_MAX=1M", "HAKMEM_ARENA_MAX: no such option; "
                                "the nearest is HAKMEM_POOL_ARENA_MAX; ignored"},
        {"HAKMEM_LARGE_CACHE_PERCENTAGE=1", "HAKMEM_LARGE_CACHE_PERCENTAGE: no such option; "
                                            "the nearest is HAKMEM_LARGE_CACHE_PERCENT; ignored"},
        {"HAKMEM_AUDITS=on", "HAKMEM_AUDITS: no such option; "
                             "the nearest is HAKMEM_AUDIT; ignored"},
        {"HAKMEM_QQQQQQQQ=1", "HAKMEM_QQQQQQQQ: no such option; ignored"},
        {"HAKMEM_=1", "HAKMEM_: no such option; ignored"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[256];

        snprintf(expected, sizeof expected, "hakmem: %s\n", cases[i].message);
        START((char *)cases[i].entry);
        assert_string_equal(messages, expected);
    }
    START("HAKMEMX=1", "HAKMEM=1", "HAKMEM_NO_EQUALS_SIGN", "");
    assert_string_equal(messages, "");
}

static void a_long_unknown_name_is_cut(void **state)
{
    char entry[1000] = "HAKMEM_";

    (void)state;
    memset(entry + 7, 'Z', 900);
    strcpy(entry + 907, "=1");
    START(entry);
    assert_string_equal(messages,
                        "hakmem: HAKMEM_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ...: "
                        "no such option; ignored\n");
}

static void messages_off_silences_all_wherever_it_stands(void **state)
{
    (void)state;
    START("HAKMEM_AUDIT=maybe", "HAKMEM_MESSAGES=off", "HAKMEM_NONSENSE=1", "HAKMEM_PREWARM=1");
    assert_string_equal(messages, "");
    assert_false(hakmem_options.messages);
}

static void of_a_variable_that_occurs_twice_the_first_counts(void **state)
{
    (void)state;
    START("HAKMEM_THREAD_HOLD=2M", "HAKMEM_THREAD_HOLD=3M");
    assert_int_equal(OPTION_SET(thread_hold), 2 * M);
    assert_string_equal(messages, "");
}

static void a_secure_process_ignores_the_environment(void **state)
{
    char *environment[] = {"HAKMEM_THREAD_HOLD=2M", "HAKMEM_NONSENSE=1", NULL};

    (void)state;
    unit_options_start(environment, true);
    assert_int_equal(OPTION_SET(thread_hold), 4 * M);
    assert_string_equal(origin("thread_hold"), "default");
    assert_string_equal(messages, "");
}

static void the_prewarm_list_becomes_items(void **state)
{
    const struct option_prewarm *list = &hakmem_options.prewarm;

    (void)state;
    START("HAKMEM_PREWARM=64:1000,4k:100,superslabs:8,pool:4M");
    assert_string_equal(messages, "");
    assert_int_equal(list->count, 4);
    assert_int_equal(list->item[0].kind, OPTION_PREWARM_BLOCKS);
    assert_int_equal(list->item[0].size, 64);
    assert_int_equal(list->item[0].count, 1000);
    assert_int_equal(list->item[1].size, 4 * K);
    assert_int_equal(list->item[2].kind, OPTION_PREWARM_SUPERSLABS);
    assert_int_equal(list->item[2].count, 8);
    assert_int_equal(list->item[3].kind, OPTION_PREWARM_POOL);
    assert_int_equal(list->item[3].size, 4 * M);
    assert_string_equal(value("prewarm"), "64:1000,4k:100,superslabs:8,pool:4M");
    START("HAKMEM_PREWARM=");
    assert_string_equal(messages, "");
    assert_int_equal(list->count, 0);
}

static void a_bad_prewarm_item_is_named_and_the_others_count(void **state)
{
    static const char *const bad[] = {"64",     "64:",      ":64",          "0:1",  "64:0",
                                      "64:-1",  "64:1k",    "64:1:1",       "x:1",  "pool:0",
                                      "pool:x", "pool",     "superslabs:0", "",     "1T1:1",
                                      "64:4294967296",      "18446744073709551615:1"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char entry[128], expected[256];

        snprintf(entry, sizeof entry, "HAKMEM_PREWARM=32:1,%s,48:2", bad[i]);
        snprintf(expected, sizeof expected,
                 "hakmem: HAKMEM_PREWARM: item '%s' is not SIZE:COUNT, superslabs:COUNT or "
                 "pool:SIZE; ignored\n",
                 bad[i]);
        START(entry);
        assert_string_equal(messages, expected);
        assert_string_equal(value("prewarm"), "32:1,48:2");
    }
}

static void the_seventeenth_prewarm_item_is_named(void **state)
{
    (void)state;
    START("HAKMEM_PREWARM=1:1,2:2,3:3,4:4,5:5,6:6,7:7,8:8,9:9,10:10,11:11,12:12,13:13,14:14,"
          "15:15,16:16,17:17,18:18");
    assert_string_equal(messages, "hakmem: HAKMEM_PREWARM: item '17:17' and what follows is "
                                  "too much (16 are possible); ignored\n");
    assert_int_equal(hakmem_options.prewarm.count, OPTION_PREWARM_ITEMS);
    assert_int_equal(hakmem_options.prewarm.item[15].size, 16);
}

static void the_first_pool_chunk_is_never_over_the_largest(void **state)
{
    (void)state;
    START("HAKMEM_POOL_ARENA_INIT=8M", "HAKMEM_POOL_ARENA_MAX=4M");
    assert_string_equal(messages, "hakmem: pool_arena_init: 8M is over pool_arena_max; "
                                  "4M is used for both\n");
    assert_int_equal(hakmem_options.pool_arena_init, 4 * M);
    START("HAKMEM_POOL_ARENA_MAX=512k");
    assert_string_equal(messages, "");
    assert_int_equal(hakmem_options.pool_arena_init, 512 * K);
}

static void a_value_is_read_back_as_hakmem_option_get_promises(void **state)
{
    char text[4] = "xyz";

    (void)state;
    START("HAKMEM_THREAD_HOLD=1048577");
    assert_int_equal(options_format("thread_hold", text, sizeof text), 7);
    assert_string_equal(text, "104");
    assert_int_equal(options_format("thread_hold", NULL, 0), 7);
    errno = 0;
    assert_int_equal(options_format("thread", text, sizeof text), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(options_format("THREAD_HOLD", text, sizeof text), -1);
    errno = EDOM;
    assert_int_equal(options_format("audit", text, sizeof text), 3);
    assert_int_equal(errno, EDOM);
    assert_int_equal(options_origin("thread", text, sizeof text), -1);
    assert_string_equal(options_name(0), "allocator");
    assert_string_equal(options_name(OPTION_TOTAL - 1), "messages");
    assert_null(options_name(OPTION_TOTAL));
}

/* Writes a setting after sealing in a child; returns the signal that ended it. */
static int signal_of_a_write_after_sealing(char *where)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka and the sanitizers catch it */
        options_seal();
        *(volatile char *)where = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void sealed_settings_cannot_be_written_and_nothing_else_is_sealed(void **state)
{
    char *page = (char *)&hakmem_options;

    (void)state;
    assert_int_equal((uintptr_t)page % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_int_equal(sizeof hakmem_options, OPTIONS_ALIGNMENT);
    unit_options_start(NULL, false);
    assert_int_equal(signal_of_a_write_after_sealing(page), SIGSEGV);
    assert_int_equal(signal_of_a_write_after_sealing(page + OPTIONS_ALIGNMENT - 1), SIGSEGV);
    assert_int_equal(signal_of_a_write_after_sealing(unit_messages), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_has_its_documented_default),
        cmocka_unit_test(a_good_value_is_taken_and_remembers_its_origin),
        cmocka_unit_test(every_way_to_write_a_switch_is_understood),
        cmocka_unit_test(a_bad_value_is_named_and_the_default_stands),
        cmocka_unit_test(a_long_value_is_cut_in_its_message),
        cmocka_unit_test(an_unknown_name_is_named_with_the_nearest_one),
        cmocka_unit_test(a_long_unknown_name_is_cut),
        cmocka_unit_test(messages_off_silences_all_wherever_it_stands),
        cmocka_unit_test(of_a_variable_that_occurs_twice_the_first_counts),
        cmocka_unit_test(a_secure_process_ignores_the_environment),
        cmocka_unit_test(the_prewarm_list_becomes_items),
        cmocka_unit_test(a_bad_prewarm_item_is_named_and_the_others_count),
        cmocka_unit_test(the_seventeenth_prewarm_item_is_named),
        cmocka_unit_test(the_first_pool_chunk_is_never_over_the_largest),
        cmocka_unit_test(a_value_is_read_back_as_hakmem_option_get_promises),
        cmocka_unit_test(sealed_settings_cannot_be_written_and_nothing_else_is_sealed),
    };

    return cmocka_run_group_tests_name("options", tests, writable, NULL);
}
