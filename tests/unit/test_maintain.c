/* SPDX-License-Identifier: MIT */
/* The whole allocator in figures that add up; a trim; what is made ready at the start. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "maintain/maintain.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/os.h"
#include "superslab/superslab.h"
#include "support/heap_view.h"
#include "support/support.h"

enum { MANY = 900 };

static void *block[MANY];

static struct hakmem_stats stats(void)
{
    struct hakmem_stats now;

    memset(&now, 0xff, sizeof now); /* every field is set */
    maintain_stats(mine, &now);
    return now;
}

/* Blocks of every layer; returns the bytes that they take. */
static size_t fill(void)
{
    static const size_t size[] = {24, 700, 9000, 50000, 100000};
    size_t bytes = 0;

    for (size_t i = 0; i < MANY; i++) {
        block[i] = heap_alloc(mine, size[i % 5]);
        assert_non_null(block[i]);
        bytes += footprint_of(block[i]);
    }
    return bytes;
}

static void empty(void)
{
    for (size_t i = 0; i < MANY; i++)
        heap_free(mine, block[i], "free");
}

static void the_figures_add_up(void **state)
{
    size_t bytes = fill();
    struct hakmem_stats now = stats();

    (void)state;
    assert_int_equal(now.live, bytes + now.binned);
    assert_int_equal(now.binned, heap_binned_bytes(mine));
    assert_int_equal(now.mapped, now.metadata + now.superslab_mapped + now.pool_mapped + now.large_mapped);
    assert_int_equal(now.metadata, meta_mapped());
    assert_int_equal(now.superslab_mapped, now.superslabs * SUPERSLAB_SIZE);
    assert_int_equal(now.superslab_used, slabs_in_use() * GRANULE);
    assert_int_equal(now.pool_used, pool_in_use());
    assert_int_equal(now.heaps_alive, 1);
    assert_true(now.heaps >= 2); /* this one, and that of the orphans */
    assert_true(now.refilled_blocks >= now.refills && now.refills > 0);
    assert_true(now.large_live + now.large_dirty <= now.large_mapped);
    assert_true(now.memory_calls > 0);
    empty();
    now = stats();
    assert_int_equal(now.live, now.binned);
    assert_int_equal(now.large_live, 0);
    assert_true(now.large_dirty > 0);
}

static void a_healthy_process_has_no_mismatch(void **state)
{
    (void)state;
    fill();
    assert_int_equal(maintain_audit(mine, STDERR_FILENO), 0);
    mine->arena_bytes += 16;
    assert_int_equal(maintain_audit(mine, -1), 1);
    mine->arena_bytes -= 16;
    empty();
    assert_int_equal(maintain_audit(mine, STDERR_FILENO), 0);
}

static void a_trim_gives_back_and_says_how_much(void **state)
{
    struct hakmem_stats now;
    size_t bytes;

    (void)state;
    fill();
    empty();
    bytes = stats().large_dirty;
    assert_true(maintain_trim(mine, 0) >= bytes);
    now = stats();
    assert_int_equal(now.live + now.binned + now.large_dirty, 0);
    assert_int_equal(now.superslab_used + now.pool_mapped, 0);
    assert_int_equal(maintain_trim(mine, 0), 0);
    assert_int_equal(maintain_trim(&heap_none, 0), 0);
}

static void what_the_option_names_is_made_ready(void **state)
{
    struct hakmem_stats before, now;

    (void)state;
    maintain_trim(mine, 0);
    before = stats();
    hakmem_options.prewarm = (struct option_prewarm){
        3,
        {{OPTION_PREWARM_BLOCKS, 500, 64},
         {OPTION_PREWARM_SUPERSLABS, 3, 0},
         {OPTION_PREWARM_POOL, 1, 4 * MIB}},
    };
    maintain_prewarm(mine);
    now = stats();
    assert_true(now.binned >= 500 * 64);
    assert_true(now.superslabs >= before.superslabs + 3);
    assert_true(now.pool_mapped >= 4 * MIB);
    superslab_age(UINT64_MAX);
}

/* The number behind `name` at the start of a line. */
static uint64_t printed(const char *text, const char *name)
{
    size_t length = strlen(name);

    for (; text != NULL; text = strchr(text, '\n')) {
        text += *text == '\n';
        if (strncmp(text, name, length) == 0 && text[length] == ' ')
            return strtoull(text + length, NULL, 10);
    }
    fail_msg("no line for %s", name);
    return 0;
}

static void the_text_has_the_figures_and_every_counter(void **state)
{
    static char text[16384];
    FILE *file = tmpfile();
    struct hakmem_stats now;

    (void)state;
    assert_non_null(file);
    fill();
    assert_true(maintain_print(mine, fileno(file)));
    now = stats();
    assert_true(pread(fileno(file), text, sizeof text - 1, 0) > 0);
    assert_memory_equal(text, "hakmem: statistics", 18);
    assert_int_equal(printed(text, "live"), now.live);
    assert_int_equal(printed(text, "mapped"), now.mapped);
    assert_int_equal(printed(text, "heaps_alive"), 1);
    assert_int_equal(printed(text, "refills"), now.refills);
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        assert_true(printed(text, counters_name(i)) >= mine->counters.value[i]);
    empty();
    fclose(file);
    errno = 0;
    assert_false(maintain_print(mine, -1));
    assert_int_equal(errno, EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, heap_view_start, heap_view_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_figures_add_up),
        TEST(a_healthy_process_has_no_mismatch),
        TEST(a_trim_gives_back_and_says_how_much),
        TEST(what_the_option_names_is_made_ready),
        TEST(the_text_has_the_figures_and_every_counter),
    };

    return cmocka_run_group_tests_name("maintain", tests, NULL, NULL);
}
