/* SPDX-License-Identifier: MIT */
/* The list against an array that does the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "support/support.h"

enum { NODES = 20, STEPS = 5000 };

static struct list head, node[NODES];
static int order[NODES]; /* what the list should hold */
static int length;

static int start(void **state)
{
    (void)state;
    list_init(&head);
    for (int i = 0; i < NODES; i++)
        list_init(&node[i]);
    length = 0;
    return 0;
}

/* Forwards and backwards, the list is `order`. */
static void assert_is_order(void)
{
    const struct list *at = head.next, *back = head.prev;

    assert_int_equal(list_is_empty(&head), length == 0);
    assert_ptr_equal(list_front(&head), length == 0 ? NULL : &node[order[0]]);
    for (int i = 0; i < length; i++, at = at->next, back = back->prev) {
        assert_ptr_equal(at, &node[order[i]]);
        assert_ptr_equal(back, &node[order[length - 1 - i]]);
    }
    assert_ptr_equal(at, &head);
    assert_ptr_equal(back, &head);
}

static void insert_in_order(int at, int which)
{
    memmove(&order[at + 1], &order[at], sizeof order[0] * (size_t)(length - at));
    order[at] = which;
    length++;
}

static int place_of(int which)
{
    for (int i = 0; i < length; i++) {
        if (order[i] == which)
            return i;
    }
    return -1;
}

static void a_new_list_is_empty_and_has_no_front(void **state)
{
    (void)state;
    assert_is_order();
}

static void front_and_back_are_the_two_ends(void **state)
{
    (void)state;
    list_push_back(&head, &node[1]);
    list_push_back(&head, &node[2]);
    list_push_front(&head, &node[0]);
    insert_in_order(0, 0);
    insert_in_order(1, 1);
    insert_in_order(2, 2);
    assert_is_order();
}

static void a_node_that_was_removed_is_a_list_of_its_own(void **state)
{
    (void)state;
    list_push_back(&head, &node[0]);
    list_push_back(&head, &node[1]);
    list_remove(&node[0]);
    assert_true(list_is_empty(&node[0]));
    list_remove(&node[0]); /* and may be removed again without harm to the others */
    insert_in_order(0, 1);
    assert_is_order();
}

static void a_list_is_appended_as_a_whole(void **state)
{
    struct list more;

    (void)state;
    list_init(&more);
    list_append(&head, &more); /* nothing to nothing */
    assert_is_order();
    for (int i = 0; i < 4; i++) {
        list_push_back(i < 2 ? &head : &more, &node[i]);
        insert_in_order(i, i);
    }
    list_append(&head, &more);
    assert_is_order();
    assert_true(list_is_empty(&more));
    list_append(&head, &more);
    assert_is_order();
    list_append(&more, &head);
    assert_true(list_is_empty(&head));
    assert_ptr_equal(list_front(&more), &node[0]);
    assert_ptr_equal(more.prev, &node[3]);
}

static void any_sequence_of_operations_keeps_the_order(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (int step = 0; step < STEPS; step++) {
        int which = (int)random_below(&random, NODES);
        int place = place_of(which);
        size_t kind = random_below(&random, 3);

        if (place >= 0) {
            list_remove(&node[which]);
            length--;
            memmove(&order[place], &order[place + 1], sizeof order[0] * (size_t)(length - place));
        } else if (kind == 0) {
            list_push_front(&head, &node[which]);
            insert_in_order(0, which);
        } else if (kind == 1) {
            list_push_back(&head, &node[which]);
            insert_in_order(length, which);
        } else if (length > 0) {
            int after = (int)random_below(&random, (size_t)length);

            list_insert_after(&node[order[after]], &node[which]);
            insert_in_order(after + 1, which);
        }
        assert_is_order();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_new_list_is_empty_and_has_no_front, start),
        cmocka_unit_test_setup(front_and_back_are_the_two_ends, start),
        cmocka_unit_test_setup(a_node_that_was_removed_is_a_list_of_its_own, start),
        cmocka_unit_test_setup(a_list_is_appended_as_a_whole, start),
        cmocka_unit_test_setup(any_sequence_of_operations_keeps_the_order, start),
    };

    return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
