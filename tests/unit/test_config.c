/* SPDX-License-Identifier: MIT */
/* The language of configuration files: what is a setting, what is a mistake and where, which one wins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "options/config.h"

static struct options_draft draft;
static char said[4096]; /* "line:column: text\n" of each mistake */
static const char *program = "/usr/bin/redis-server", *unit = "redis-server.service";

static bool is_meant(enum config_section section, const char *pattern, size_t length)
{
    return config_match(pattern, length, section == CONFIG_UNIT ? unit : program);
}

static void write_down(struct config_reader *reader, const struct config_mistake *mistake)
{
    size_t at = strlen(said);

    (void)reader;
    snprintf(said + at, sizeof said - at, "%u:%u: %.*s\n", mistake->line, mistake->column,
             (int)mistake->length, mistake->text);
}

/* Read on; `file` is its number, `rank` that of its class. */
static void read_more(const char *text, unsigned file, unsigned rank)
{
    struct config_reader reader = {
        .draft = &draft, .is_meant = is_meant, .report = write_down, .rank = rank, .file = file};

    config_read(&reader, text, strlen(text));
}

static void read_text(const char *text)
{
    said[0] = '\0';
    options_draft_begin(&draft);
    read_more(text, 1, OPTION_RANK_ETC);
}

static uint64_t value(const char *name)
{
    const option_row *row = option_find(name, strlen(name));

    assert_non_null(row);
    return draft.value[row - option_rows];
}

static uint64_t source(const char *name)
{
    return draft.source[option_find(name, strlen(name)) - option_rows];
}

static void settings_comments_and_blanks(void **state)
{
    (void)state;
    read_text("# a comment\n\n  ; another\n\tthread_hold = 3M\t # of a thread\nprocess_hold=1G\r\n"
              "purge_delay =  7  \nmessages=off#no comment without a blank\n   \n[default]\naudit=on\n");
    assert_string_equal(said, "7:10: messages='off#no comment without a blank': not a switch (on or off)\n");
    assert_int_equal(value("thread_hold"), 3 << 20);
    assert_int_equal(value("process_hold"), 1 << 30);
    assert_int_equal(value("purge_delay"), 7);
    assert_int_equal(value("messages"), 1);
    assert_int_equal(value("audit"), 1);
    assert_int_equal(HAKMEM_SOURCE_KIND(source("process_hold")), HAKMEM_SOURCE_FILE);
    assert_int_equal(HAKMEM_SOURCE_LINE(source("process_hold")), 5);
    assert_int_equal(HAKMEM_SOURCE_FILE_NUMBER(source("process_hold")), 1);
    assert_int_equal(HAKMEM_SOURCE_KIND(source("messages")), HAKMEM_SOURCE_DEFAULT);
}

static void a_mistake_has_its_line_column_and_nearest_name(void **state)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"  thred_hold = 1M\n", "1:3: thred_hold: no such option; the nearest is thread_hold\n"},
        {"\nThread_Hold = 1M\n", "2:1: Thread_Hold: no such option; the nearest is thread_hold\n"},
        {"xyzxyzxyzxyz = 1\n", "1:1: xyzxyzxyzxyz: no such option\n"},
        {"= 1\n", "1:1: : no such option\n"},
        {"audit\n", "1:1: a setting is NAME = VALUE\n"},
        {"audit =\n", "1:8: audit='': not a switch (on or off)\n"},
        {"audit = = on\n", "1:9: audit='= on': not a switch (on or off)\n"},
        {"remote_batch = 2M\n", "1:16: remote_batch='2M': over the greatest value 1M\n"},
        {"pool_arena_growth = 0\n", "1:21: pool_arena_growth='0': under the least value 1\n"},
        {"allocator = jemalloc\n", "1:13: allocator='jemalloc': not an allocator (hakmem or libc)\n"},
        {"preset = fast\n",
         "1:10: preset='fast': not a preset (latency, balanced, lowmem or hardened)\n"},
        {"prewarm = 64:1,bad,32:2\n",
         "1:16: prewarm: item 'bad' is not SIZE:COUNT, superslabs:COUNT or pool:SIZE\n"},
        {"[defalt]\n", "1:2: [defalt]: no such section; there are [default], [program NAME] and "
                       "[unit NAME]; the nearest is default\n"},
        {" [default\n", "1:2: a section is [default], [program NAME] or [unit NAME]\n"},
        {"[default] x\n", "1:1: a section is [default], [program NAME] or [unit NAME]\n"},
        {"[default x]\n", "1:10: [default] has no name\n"},
        {"[program]\n", "1:2: [program NAME] needs a name: redis-server, /usr/bin/redis-*\n"},
        {"[unit redis]\n", "1:2: [unit NAME] needs a name with its suffix: redis.service\n"},
        {"[]\n", "1:2: []: no such section; there are [default], [program NAME] and [unit NAME]\n"},
        {"audit = o", "1:1: the last line has no end: the file may be half-written\n"},
        {"audit = on\nthread_hold = 1", "2:1: the last line has no end: the file may be half-written\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        read_text(cases[i].text);
        assert_string_equal(said, cases[i].said);
    }
    /* A word that is near to nothing. */
    char text[256] = "[";
    memset(text + 1, 'x', 150);
    strcat(text, "]\n");
    read_text(text);
    assert_non_null(strstr(said, "...]: no such section; there are [default], [program NAME] and [unit NAME]\n"));
    read_text("audit = on\n# the last line of a comment may lack its end");
    assert_string_equal(said, "");
    assert_int_equal(value("audit"), 1);
}

static void a_byte_of_zero_makes_it_no_text(void **state)
{
    static const char text[] = "audit = on\nthread_hold = \0 1M\n";
    struct config_reader reader = {
        .draft = &draft, .is_meant = is_meant, .report = write_down, .rank = OPTION_RANK_ETC};

    (void)state;
    said[0] = '\0';
    options_draft_begin(&draft);
    config_read(&reader, text, sizeof text - 1);
    assert_string_equal(said, "2:15: a byte of 0: this is no text file; all of it is ignored\n");
    assert_int_equal(reader.mistakes, 1);
    assert_int_equal(value("audit"), 0);
}

static void a_section_counts_for_whom_it_means(void **state)
{
    static const struct {
        const char *header;
        bool meant;
    } cases[] = {
        {"[program /usr/bin/redis-server]", true}, {"[program /usr/bin/redis*]", true},
        {"[program *redis-serve?]", true},         {"[program /usr/bin/redis]", false},
        {"[program redis-serve]", false},          {"[PROGRAM  *-server ]", true},
        {"[unit redis-server.service]", true},     {"[unit redis*]", true},
        {"[unit *.service]", true},                {"[unit redis-server.scope]", false},
        {"[default]", true},                       {"[programme x]", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];

        snprintf(text, sizeof text, "%s\nthread_hold = 5M\n", cases[i].header);
        read_text(text);
        assert_int_equal(value("thread_hold"), (cases[i].meant ? 5 : 4) << 20);
    }
    /* What is for others is not even looked at. */
    read_text("[program other]\nnonsense\nthread_hold = x\n[unit x.service]\n= =\n");
    assert_string_equal(said, "");
}

/* Every pair of places: which of the two wins, whichever is read first. */
static void precedence(void **state)
{
    /* By rising rank; the same place twice: the later one. */
    static const struct {
        const char *section;
        const char *setting; /* %s: the value */
        unsigned class;
    } places[] = {
        {"[default]", "preset = %s", OPTION_RANK_ETC},  {"[default]", "purge_delay = %s", OPTION_RANK_ETC},
        {"[program *]", "preset = %s", OPTION_RANK_ETC}, {"[program *]", "purge_delay = %s", OPTION_RANK_ETC},
        {"[unit *]", "preset = %s", OPTION_RANK_ETC},    {"[unit *]", "purge_delay = %s", OPTION_RANK_ETC},
        {"[default]", "preset = %s", OPTION_RANK_CONF}, {"[default]", "purge_delay = %s", OPTION_RANK_CONF},
        {"[program *]", "preset = %s", OPTION_RANK_CONF},
        {"[program *]", "purge_delay = %s", OPTION_RANK_CONF},
        {"[unit *]", "preset = %s", OPTION_RANK_CONF},   {"[unit *]", "purge_delay = %s", OPTION_RANK_CONF},
    };
    enum { PLACES = sizeof places / sizeof places[0] };
    static const char *const name[2][2] = {{"latency", "lowmem"}, {"11", "12"}};
    static const uint64_t number[2][2] = {{10000, 100}, {11, 12}};

    (void)state;
    for (unsigned a = 0; a < PLACES; a++) {
        for (unsigned b = 0; b < PLACES; b++) {
            /* a is read first, in a file of its own; sections of one class only meet in one order of files */
            unsigned winner = a > b ? 0 : 1;
            unsigned place[2] = {a, b};

            options_draft_begin(&draft);
            for (unsigned i = 0; i < 2; i++) {
                char setting[64], text[128];
                unsigned p = place[i];

                snprintf(setting, sizeof setting, places[p].setting, name[p % 2][i]);
                snprintf(text, sizeof text, "%s\n%s\n", places[p].section, setting);
                read_more(text, i + 1, places[p].class);
            }
            assert_int_equal(value("purge_delay"), number[place[winner] % 2][winner]);
            assert_int_equal(HAKMEM_SOURCE_FILE_NUMBER(source("purge_delay")), winner + 1);
        }
    }
}

static void a_preset_sets_its_column_and_a_later_one_all_of_it_anew(void **state)
{
    (void)state;
    read_text("preset = lowmem\nthread_hold = 3M\n");
    assert_int_equal(value("large_cache"), 4 << 20);
    assert_int_equal(value("thread_hold"), 3 << 20);
    assert_int_equal(HAKMEM_SOURCE_PRESET(source("large_cache")), 1 + OPTION_PRESET_LOWMEM);
    assert_int_equal(HAKMEM_SOURCE_LINE(source("large_cache")), 1);
    read_text("thread_hold = 3M\npreset = lowmem\n");
    assert_int_equal(value("thread_hold"), 3 << 20);
    read_text("preset = lowmem\n[program *]\npreset = balanced\n");
    for (size_t i = 0; i < OPTION_TOTAL; i++)
        assert_int_equal(draft.value[i], option_rows[i].initial);
}

static void balanced_is_the_defaults_and_every_preset_is_in_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        const option_row *row = &option_rows[i];
        uint64_t number;

        for (unsigned p = OPTION_PRESET_LATENCY; p <= OPTION_PRESET_HARDENED; p++) {
            if (!option_preset_value(p, row, &number))
                continue;
            assert_true(number >= row->least && number <= row->greatest);
            if (p == OPTION_PRESET_BALANCED)
                assert_int_equal(number, row->initial);
        }
    }
}

static void stars_and_question_marks(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"", "", true},       {"*", "", true},           {"?", "", false},        {"a", "", false},
        {"", "a", false},     {"a*", "a", true},         {"*a", "ba", true},      {"*a*b", "xaxxb", true},
        {"*a*b", "xaxxbc", false}, {"**", "abc", true},  {"a?c", "abc", true},    {"a?c", "ac", false},
        {"*ab*ab", "abab", true}, {"/usr/*/x", "/usr/a/b/x", true}, {"A", "a", false},
        {"a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(config_match(cases[i].pattern, strlen(cases[i].pattern), cases[i].text),
                         cases[i].match);
}

static void the_unit_is_found_in_both_versions_of_cgroups(void **state)
{
    static const struct {
        const char *cgroup, *unit;
    } cases[] = {
        {"0::/system.slice/redis-server.service\n", "redis-server.service"},
        {"0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "postgresql@15-main.service"},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service\n", "x.service"},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice\n", "user@1000.service"},
        {"0::/system.slice/containerd.service/worker\n", "containerd.service"},
        {"0::/user.slice/user-0.slice/session-3.scope\n", "session-3.scope"},
        {"0::/\n", NULL},
        {"0::/system.slice\n", NULL},
        {"0::/.service\n", NULL},
        {"12:memory:/system.slice/wrong.service\n1:name=systemd:/system.slice/right.service\n", "right.service"},
        {"2:cpu,cpuacct:/\n1:name=systemd:/\n0::/system.slice/hybrid.service\n", "hybrid.service"},
        {"0::/system.slice/no-end.service", "no-end.service"},
        {"garbage", NULL},
        {":", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t length = 0;
        const char *found = config_unit(cases[i].cgroup, strlen(cases[i].cgroup), &length);

        if (cases[i].unit == NULL) {
            assert_null(found);
            continue;
        }
        assert_non_null(found);
        assert_int_equal(length, strlen(cases[i].unit));
        assert_memory_equal(found, cases[i].unit, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_comments_and_blanks),
        cmocka_unit_test(a_mistake_has_its_line_column_and_nearest_name),
        cmocka_unit_test(a_byte_of_zero_makes_it_no_text),
        cmocka_unit_test(a_section_counts_for_whom_it_means),
        cmocka_unit_test(precedence),
        cmocka_unit_test(a_preset_sets_its_column_and_a_later_one_all_of_it_anew),
        cmocka_unit_test(balanced_is_the_defaults_and_every_preset_is_in_range),
        cmocka_unit_test(stars_and_question_marks),
        cmocka_unit_test(the_unit_is_found_in_both_versions_of_cgroups),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
