/* SPDX-License-Identifier: MIT */
/* What realloc does beyond its contract: the room that it leaves. tests/conformance has the contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/size_class.h"
#include "support/api.h"

static void a_block_that_grows_by_little_moves_seldom(void **state)
{
    enum { STEP_BYTES = 16, END = SIZE_POOL_MAX };
    char *block = malloc(STEP_BYTES), *wall = NULL;
    unsigned moves = 0;

    (void)state;
    for (size_t size = 2 * STEP_BYTES; size <= END; size += STEP_BYTES) {
        uintptr_t before = (uintptr_t)block;

        block = realloc(block, size);
        assert_non_null(block);
        moves += (uintptr_t)block != before;
        free(wall); /* whatever could grow in place is stopped now and then */
        wall = malloc(size);
    }
    free(wall);
    free(block);
    /* Of 4,096 steps: each move leaves room for a quarter, and 16 * 1.25^38 is more than 64 KiB. */
    assert_in_range(moves, 0, 60);
}

static void room_is_left_for_a_quarter_more_but_not_beyond_the_pool(void **state)
{
    static const struct {
        size_t from, to, least, most;
    } of[] = {
        {1000, 1100, 1280, 1280},              /* 1,024 and a quarter */
        {1000, 2000, 2000, 2112},              /* more than a quarter was asked for */
        {64 * KIB - 100, 1 * KIB, 0, 1 * KIB}, /* it shrinks */
        {60 * KIB, 62 * KIB, SIZE_POOL_MAX, SIZE_POOL_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        void *block = realloc(malloc(of[i].from), of[i].to);

        assert_non_null(block);
        assert_in_range(malloc_usable_size(block), of[i].least, of[i].most);
        free(block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_grows_by_little_moves_seldom),
        cmocka_unit_test(room_is_left_for_a_quarter_more_but_not_beyond_the_pool),
    };

    return cmocka_run_group_tests_name("malloc", tests, NULL, NULL);
}
