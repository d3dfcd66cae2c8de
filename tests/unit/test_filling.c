/* SPDX-License-Identifier: MIT */
/* What blocks that come back tell of the next ones, and what follows: pages ahead, or only those that are touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "os/os.h"
#include "pool/filling.h"
#include "support/pool_blocks.h"

#define ASKED 8
#define PAGE FILLING_PIECE

static int start_anew(void **state)
{
    filling = (struct filling){.asked = ASKED};
    return start(state);
}

/* ---- looks ---- */

static unsigned char look_area[64 * KIB] __attribute__((aligned(64 * KIB)));

static void look(bool filled)
{
    memset(look_area, 0, 10 * KIB);
    if (filled)
        look_area[8 * KIB - 1] = 1; /* three quarters are 7.5 KiB, in the page from 4 to 8 */
    assert_ptr_equal(filling_look(look_area, 10 * KIB), filled ? NULL : look_area + 4 * KIB);
}

static void six_of_the_last_eight_must_have_been_filled(void **state)
{
    static const struct {
        bool filled, expected;
    } next[] = {{true, false}, {true, false}, {true, false}, {false, false}, {true, false}, {true, false},
                {true, true},  {false, true}, {true, true},  {true, true},   {true, true},  {true, true},
                {false, true}, {false, false}, {true, false}, {true, true}};

    (void)state;
    assert_false(filling_expected());
    for (size_t i = 0; i < sizeof next / sizeof *next; i++) {
        filling_ask();
        look(next[i].filled);
        assert_int_equal(filling.asked, ASKED - 1);
        assert_int_equal(filling_expected(), next[i].expected);
    }
}

/* Any byte of the 4 KiB at three quarters of a block counts, and no other one: of its neighbours none is read. */
static void a_look_is_at_three_quarters_and_stays_within_the_block(void **state)
{
    char *map = mmap(NULL, 3 * 64 * KIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + 64 * KIB, 64 * KIB, PROT_READ | PROT_WRITE), 0);
    for (unsigned c = SLAB_CLASSES; c < CLASS_LAST; c++) {
        size_t size = size_class_size(c);

        for (size_t offset = 0; offset < 4 * KIB && size + offset <= 64 * KIB; offset += CACHE_LINE) {
            char *block = map + 2 * 64 * KIB - size - offset; /* that of offset 0 ends where no access is */
            char *piece;

            memset(block, 0, size);
            filling.history = 0;
            filling_ask();
            piece = filling_look(block, size);
            assert_true(piece >= block + CACHE_LINE && piece + PAGE <= block + size);
            assert_true(piece + PAGE >= block + size / 2 && piece <= block + size / 4 * 3);
            memset(block, 1, size);
            memset(piece, 0, PAGE);
            assert_ptr_equal(filling_look(block, size), piece);
            assert_int_equal(filling.history, 0);
            piece[offset] = 1;
            assert_null(filling_look(block, size));
            assert_int_equal(filling.history, 1);
        }
    }
    munmap(map, 3 * 64 * KIB);
}

/* ---- what follows ---- */

/* Whole pages of it. */
static size_t resident_of(const char *block, size_t size)
{
    unsigned char there[16];
    size_t pages = 0;
    char *start = (char *)bits_round_up((uintptr_t)block, PAGE);

    size = bits_round_down((uintptr_t)block + size - (uintptr_t)start, PAGE);
    assert_int_equal(mincore(start, size, there), 0);
    for (size_t i = 0; i < size / PAGE; i++)
        pages += there[i] & 1;
    return pages * PAGE;
}

/*
 * Blocks of 64 KiB, of each of which `written` bytes are written, eight of nine
 * of which stay. Returns what is resident of the last 16 when they are taken:
 * what is there ahead.
 */
static size_t grow(size_t bytes, size_t written)
{
    unsigned c = size_class_of(64 * KIB);
    size_t count = bytes / (64 * KIB), ahead = 0;
    struct block *all = NULL;

    for (size_t i = 0; i < count; i++) {
        struct block *b = (struct block *)take(64 * KIB);

        if (i >= count - 16)
            ahead += resident_of((char *)b, 64 * KIB);
        memset(b, 1, written);
        b->next = i % 9 == 8 ? NULL : all;
        if (i % 9 == 8)
            pool_give_chains(&(struct pool_chain){b, 1, c}, 1);
        else
            all = b;
    }
    pool_give(all, "free");
    return ahead;
}

/* A kernel before 5.14 faults nothing in ahead. */
static bool kernel_populates(void)
{
    char *p = os_map(GRANULE, GRANULE);
    bool populates;

    assert_non_null(p);
    os_populate(p, GRANULE);
    populates = resident_of(p, GRANULE) == GRANULE;
    os_unmap(p, GRANULE);
    return populates;
}

static void pages_are_there_ahead_where_blocks_are_filled(void **state)
{
    (void)state;
    if (os_page_size() != PAGE || !kernel_populates())
        skip();
    assert_true(grow(24 * MIB, 64 * KIB) > 12 * 60 * KIB);
    assert_true(filling_expected());
}

static void pages_are_there_when_they_are_touched_where_blocks_are_not_filled(void **state)
{
    (void)state;
    if (os_page_size() != PAGE)
        skip();
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* where the kernel gives them to all who do not ask */
    /* Of each the page of its link; two came back before, and have what was written, no more. */
    assert_true(grow(24 * MIB, 16 * KIB) <= (16 + 2 * 3) * PAGE);
    assert_false(filling_expected());
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
}

/* A program that goes over to other blocks is seen to. */
static void what_is_known_is_of_now(void **state)
{
    (void)state;
    if (os_page_size() != PAGE)
        skip();
    grow(24 * MIB, 64 * KIB);
    pool_trim(0);
    grow(24 * MIB, 16 * KIB);
    assert_false(filling_expected());
    pool_trim(0);
    grow(24 * MIB, 64 * KIB);
    assert_true(filling_expected());
}

/* While nothing grows nobody looks, whatever comes back. */
static void without_growth_eight_looks_are_all(void **state)
{
    unsigned c = size_class_of(20 * KIB);

    (void)state;
    for (int i = 0; i < 100; i++) {
        struct pool_chain chain = {(struct block *)take(20 * KIB), 1, c};

        pool_give_chains(&chain, 1);
        if (i == 0)
            filling.asked = ASKED;
        else
            assert_int_equal(filling.asked, i < ASKED ? ASKED - i : 0);
    }
}

/* A list that somebody wrote into is no reason to read what is no block. */
static void what_is_no_block_is_not_looked_at(void **state)
{
    unsigned c = size_class_of(64 * KIB);
    char *b = take(64 * KIB);

    (void)state;
    filling.history = 0;
    filling.asked = ASKED;
    memset(b, 1, 64 * KIB);
    /* The depth of the cache is for blocks alone: taken out again before anybody uses it. */
    pool_give_chains(&(struct pool_chain){(struct block *)(b + KIB), 1, c}, 1);
    assert_int_equal(filling.asked, ASKED);
    size_t count;
    assert_ptr_equal(transfer_take(c, &count), b + KIB);
    give(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(six_of_the_last_eight_must_have_been_filled, start_anew, end),
        cmocka_unit_test_setup_teardown(a_look_is_at_three_quarters_and_stays_within_the_block, start_anew, end),
        cmocka_unit_test_setup_teardown(pages_are_there_ahead_where_blocks_are_filled, start_anew, end),
        cmocka_unit_test_setup_teardown(pages_are_there_when_they_are_touched_where_blocks_are_not_filled, start_anew,
                                        end),
        cmocka_unit_test_setup_teardown(what_is_known_is_of_now, start_anew, end),
        cmocka_unit_test_setup_teardown(without_growth_eight_looks_are_all, start_anew, end),
        cmocka_unit_test_setup_teardown(what_is_no_block_is_not_looked_at, start_anew, end),
    };

    return cmocka_run_group_tests_name("filling", tests, NULL, NULL);
}
