/* SPDX-License-Identifier: MIT */
/* What the C library offers beyond the standard: figures, trimming, settings. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

enum { BLOCKS = 20000, SIZE = 1000 };

static void *block[BLOCKS];

static void hold_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = malloc(SIZE);
        assert_non_null(block[i]);
        memset(block[i], 1, SIZE);
    }
}

static void drop_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++)
        free(block[i]);
}

static void mallinfo2_grows_and_shrinks_with_what_is_allocated(void **state)
{
    struct mallinfo2 before, held, after;
    size_t whole = (size_t)BLOCKS * SIZE;

    (void)state;
    before = mallinfo2();
    hold_blocks();
    held = mallinfo2();
    assert_true(held.uordblks >= before.uordblks + whole);
    assert_true(held.uordblks <= before.uordblks + whole + whole / 4);
    assert_true(held.arena + held.hblkhd >= held.uordblks);
    drop_blocks();
    after = mallinfo2();
    assert_true(after.uordblks <= before.uordblks + whole / 10);
}

static void mallinfo2_counts_huge_blocks(void **state)
{
    struct mallinfo2 before, held, after;
    void *huge;

    (void)state;
    before = mallinfo2();
    huge = malloc(MIB(200));
    assert_non_null(huge);
    held = mallinfo2();
    assert_true(held.uordblks + held.hblkhd >= before.uordblks + before.hblkhd + MIB(200));
    free(huge);
    after = mallinfo2();
    assert_true(after.uordblks + after.hblkhd <= before.uordblks + before.hblkhd + MIB(20));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void mallinfo_agrees_with_mallinfo2(void **state)
{
    struct mallinfo narrow;
    struct mallinfo2 wide;

    (void)state;
    hold_blocks();
    narrow = mallinfo();
    wide = mallinfo2();
    assert_int_equal((size_t)(unsigned)narrow.uordblks, wide.uordblks & UINT32_MAX);
    assert_int_equal((size_t)(unsigned)narrow.arena, wide.arena & UINT32_MAX);
    assert_int_equal((size_t)(unsigned)narrow.hblkhd, wide.hblkhd & UINT32_MAX);
    drop_blocks();
}
#pragma GCC diagnostic pop

/* Whether text is one element with well-nested content; names up to 63 characters. */
static bool well_formed(const char *text)
{
    char open[32][64];
    int depth = 0;
    int roots = 0;

    for (const char *at = text; *at != '\0'; at++) {
        char name[64];
        size_t length = 0;
        bool closing, closed;

        if (*at == '&' || *at == '>')
            return false;
        if (*at != '<') {
            if (depth == 0 && !isspace((unsigned char)*at))
                return false;
            continue;
        }
        if (at[1] == '?') { /* the declaration */
            at = strstr(at, "?>");
            if (at == NULL || depth != 0 || roots != 0)
                return false;
            at++;
            continue;
        }
        closing = at[1] == '/';
        for (at += closing ? 2 : 1; isalnum((unsigned char)*at) || *at == '_'; at++)
            if (length < sizeof name - 1)
                name[length++] = *at;
        name[length] = '\0';
        if (length == 0)
            return false;
        while (isspace((unsigned char)*at)) { /* attributes */
            while (isspace((unsigned char)*at))
                at++;
            if (*at == '>' || *at == '/')
                break;
            while (isalnum((unsigned char)*at) || *at == '_')
                at++;
            if (at[0] != '=' || at[1] != '"')
                return false;
            for (at += 2; *at != '"'; at++)
                if (*at == '\0' || *at == '<' || *at == '&')
                    return false;
            at++;
        }
        closed = *at == '/';
        at += closed;
        if (*at != '>')
            return false;
        if (closing) {
            if (closed || depth == 0 || strcmp(open[--depth], name) != 0)
                return false;
            roots += depth == 0;
        } else if (!closed) {
            if (depth == 32 || (depth == 0 && roots != 0))
                return false;
            memcpy(open[depth++], name, sizeof name);
        }
    }
    return depth == 0 && roots == 1;
}

static void the_check_for_well_formed_xml_tells_bad_from_good(void **state)
{
    (void)state;
    assert_true(well_formed("<?xml version=\"1\"?>\n<a b=\"c\">x<d/><e f=\"1\" g=\"2\"/></a>\n"));
    assert_false(well_formed("<a><b></a></b>"));
    assert_false(well_formed("<a>"));
    assert_false(well_formed("<a/><b x=1/>"));
    assert_false(well_formed("<a></a><b></b>"));
    assert_false(well_formed("text"));
    assert_false(well_formed("<a b=\"<\"></a>"));
    assert_false(well_formed("<a>&</a>"));
    assert_false(well_formed(""));
}

static char written[1 << 20];

static void malloc_info_writes_well_formed_xml(void **state)
{
    FILE *stream;

    (void)state;
    hold_blocks();
    stream = fmemopen(written, sizeof written, "w");
    assert_non_null(stream);
    assert_int_equal(malloc_info(0, stream), 0);
    assert_int_equal(fclose(stream), 0);
    drop_blocks();
    assert_non_null(strstr(written, "<malloc version=\""));
    assert_true(well_formed(written));
}

static void malloc_info_refuses_options(void **state)
{
    FILE *stream = fmemopen(written, sizeof written, "w");

    (void)state;
    assert_non_null(stream);
    errno = 0;
    assert_int_not_equal(malloc_info(1, stream), 0);
    assert_int_equal(fclose(stream), 0);
}

/* Bytes that reach descriptor 2 while the given function runs. */
static size_t written_to_stderr(void (*function)(void))
{
    char path[] = "/tmp/test_extras.XXXXXX";
    int file = mkstemp(path);
    int kept = dup(STDERR_FILENO);
    ssize_t got;

    assert_true(file >= 0 && kept >= 0);
    unlink(path);
    dup2(file, STDERR_FILENO);
    function();
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    got = pread(file, written, sizeof written - 1, 0);
    assert_true(got >= 0);
    written[got] = '\0';
    close(file);
    return (size_t)got;
}

static void malloc_stats_writes_to_standard_error(void **state)
{
    (void)state;
    hold_blocks();
    assert_true(written_to_stderr(malloc_stats) > 20);
    assert_true(strpbrk(written, "0123456789") != NULL);
    drop_blocks();
}

static void malloc_trim_gives_memory_back_and_says_so(void **state)
{
    size_t before, held, after;
    static void *many[MIB(64) / 512];
    enum { COUNT = sizeof many / sizeof many[0] };
    int result;

    (void)state;
    malloc_trim(0);
    before = footprint();
    for (int i = 0; i < COUNT; i++) {
        many[i] = malloc(500);
        assert_non_null(many[i]);
        memset(many[i], 1, 500);
    }
    held = footprint();
    assert_true(held > before + MIB(60));
    for (int i = 0; i < COUNT; i++)
        free(many[i]);
    result = malloc_trim(0);
    after = footprint();
    assert_true(result == 0 || result == 1);
    assert_true(after < before + MIB(8));
}

#ifndef TEST_ON_LIBC /* glibc says 1 each time that a whole free page lies in its arena */
static void malloc_trim_returns_0_when_there_is_nothing_to_give(void **state)
{
    int result = 1;

    (void)state;
    for (int i = 0; i < 20 && result != 0; i++) {
        result = malloc_trim(0);
        assert_true(result == 0 || result == 1);
    }
    assert_int_equal(result, 0);
}
#endif

static void malloc_trim_leaves_live_blocks_alone(void **state)
{
    (void)state;
    for (int i = 0; i < BLOCKS; i++) {
        block[i] = malloc(SIZE);
        assert_non_null(block[i]);
        pattern_fill(block[i], SIZE, 3);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (i % 50 != 0)
            free(block[i]);
    malloc_trim(0);
    for (int i = 0; i < BLOCKS; i += 50) {
        assert_true(pattern_holds(block[i], SIZE, block[i], SIZE, 3));
        free(block[i]);
    }
    assert_int_equal(hakmem_audit(2), 0);
}

static void mallopt_takes_what_glibc_documents(void **state)
{
    (void)state;
    assert_int_equal(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
    assert_int_equal(mallopt(M_TOP_PAD, 0), 1);
    assert_int_equal(mallopt(M_MMAP_MAX, 65536), 1);
    assert_int_equal(mallopt(M_ARENA_MAX, 4), 1);
    hold_blocks();
    drop_blocks();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mallinfo2_grows_and_shrinks_with_what_is_allocated),
        cmocka_unit_test(mallinfo2_counts_huge_blocks),
        cmocka_unit_test(mallinfo_agrees_with_mallinfo2),
        cmocka_unit_test(the_check_for_well_formed_xml_tells_bad_from_good),
        cmocka_unit_test(malloc_info_writes_well_formed_xml),
        cmocka_unit_test(malloc_info_refuses_options),
        cmocka_unit_test(malloc_stats_writes_to_standard_error),
        cmocka_unit_test(malloc_trim_gives_memory_back_and_says_so),
#ifndef TEST_ON_LIBC
        cmocka_unit_test(malloc_trim_returns_0_when_there_is_nothing_to_give),
#endif
        cmocka_unit_test(malloc_trim_leaves_live_blocks_alone),
        cmocka_unit_test(mallopt_takes_what_glibc_documents),
    };

    require_allocator();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
