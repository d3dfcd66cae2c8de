/* SPDX-License-Identifier: MIT */
/* The audit of heaps is silent about a whole heap, and sees every number that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "heap/internal.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"

enum { MANY = 2000 };

static void *block[MANY];
static void *joining[33];
static struct slab *listed, *held, *fresh, *full, *joined;

/* A heap with a slab in each role, of class 1 KiB (64 blocks, rejoins at 4). */
static int start(void **state)
{
    unsigned c = size_class_of(1024);

    if (heap_view_start_without_joining(state) != 0)
        return -1;
    for (size_t i = 0; i < MANY; i++)
        block[i] = heap_alloc(mine, i < 3 * 64 ? 1024 : i % 2 == 0 ? 64 : 10000);
    for (size_t i = 0; i < 10; i++)
        heap_free(mine, block[i], "free");
    heap_free(mine, block[64], "free");
    listed = registry_find(block[0]);
    full = registry_find(block[64]);
    held = mine->held[size_class_of(64)];
    fresh = slab_obtain(mine, c);
    mine->fresh[c] = fresh;
    OPTION_SET(thread_hold) = 4 * MIB; /* as it is by default */
    for (size_t i = 0; i < 33; i++)
        joining[i] = heap_alloc(mine, 4096);
    heap_free(mine, joining[0], "free"); /* of a full slab: it joins the held one */
    joined = registry_find(joining[0]);
    for (size_t i = 3 * 64 + 1; i < MANY; i += 4)
        heap_free(mine, block[i], "free"); /* some of the arena */
    if (joined->role != ROLE_HELD || listed->role != ROLE_LISTED || full->role != ROLE_UNLISTED || held == NULL)
        return -1;
    return 0;
}

static int end(void **state)
{
    for (size_t i = 1; i < 33; i++)
        heap_free(mine, joining[i], "free");
    for (size_t i = 10; i < MANY; i++) {
        if (i != 64 && (i < 3 * 64 + 1 || (i - 3 * 64 - 1) % 4 != 0))
            heap_free(mine, block[i], "free");
    }
    return heap_view_end(state);
}

static void a_whole_heap_has_no_mismatch(void **state)
{
    (void)state;
    assert_int_equal(heap_audit(mine, STDERR_FILENO), 0);
    assert_int_equal(heap_audit(&heap_none, STDERR_FILENO), 0); /* of a thread without one */
}

/* With `field` at another value the audit finds something, and nothing when it is back. */
#define assert_seen(field, value)                     \
    do {                                              \
        __typeof__(field) kept_ = (field);            \
        (field) = (value);                            \
        assert_true(heap_audit(mine, -1) > 0);        \
        (field) = kept_;                              \
        assert_int_equal(heap_audit(mine, -1), 0);    \
    } while (0)

static void a_wrong_count_of_a_slab_is_seen(void **state)
{
    (void)state;
    assert_seen(listed->countdown, listed->countdown + 1);
    assert_seen(listed->countdown, listed->countdown - 1);
    assert_seen(listed->level, 1);
    assert_seen(full->level, full->level - 1);
    assert_seen(full->countdown, full->countdown + 1);
    assert_seen(full->countdown, full->countdown + 5);
    assert_seen(fresh->countdown, 1); /* more in use than were carved */
    assert_seen(listed->carved, listed->carved - 1);
    assert_seen(listed->carved, listed->capacity + 1);
    assert_seen(listed->capacity, listed->capacity - 1);
}

static void a_slab_in_the_wrong_place_is_seen(void **state)
{
    struct list *partial = &mine->partial[size_class_of(64)];

    (void)state;
    assert_seen(listed->role, ROLE_UNLISTED);
    assert_seen(held->role, ROLE_FRESH);
    assert_seen(fresh->role, ROLE_LISTED);
    assert_seen(held->list, &held->free);
    assert_seen(listed->list, &mine->bin[size_class_of(64)]);
    assert_seen(mine->held[size_class_of(64)], NULL);
    assert_seen(mine->ready_count, mine->ready_count + 1);
    assert_seen(joined->role, ROLE_LISTED);
    assert_seen(joined->list, &joined->free);
    assert_seen(mine->joined_count, 0);
    list_remove(&listed->link);
    list_push_back(partial, &listed->link); /* of another class */
    assert_true(heap_audit(mine, -1) > 0);
    list_remove(&listed->link);
    list_push_back(&mine->partial[size_class_of(1024)], &listed->link);
    assert_int_equal(heap_audit(mine, -1), 0);
}

static void a_broken_list_of_blocks_is_seen(void **state)
{
    struct block *first = listed->free, *bin = mine->bin[size_class_of(64)];
    struct block *arena = mine->bin[size_class_of(10000)];

    (void)state;
    assert_non_null(bin);
    assert_non_null(arena);
    assert_seen(first->next, first);                                  /* a double free */
    assert_seen(first->next, first->next->next);                      /* a lost block */
    assert_seen(listed->free, (struct block *)((char *)first + 16));  /* inside of a block */
    assert_seen(listed->free, bin);                                   /* of another slab */
    assert_seen(bin->next, bin);
    assert_seen(mine->bin[size_class_of(64)], first);
    assert_seen(mine->bin[size_class_of(4096)], first);
    assert_seen(mine->bin[size_class_of(4096)]->next, mine->bin[size_class_of(4096)]);
    assert_seen(arena->next, arena);
    assert_seen(mine->bin[size_class_of(10000)], arena->next);
    assert_seen(mine->bin[size_class_of(20000)], arena);
    assert_seen(mine->arena_bytes, mine->arena_bytes + 1024);
}

static struct heap *dead;

static void leave_a_block(void *argument)
{
    void **p = argument;

    dead = heap_of_thread();
    *p = heap_alloc(dead, 3000);
}

static void a_dead_heap_is_looked_at_as_well(void **state)
{
    void *p = NULL;
    struct slab *s;

    (void)state;
    run_in_thread(leave_a_block, &p);
    assert_int_equal(heap_audit(mine, STDERR_FILENO), 0); /* its bins are warm */
    heap_cool(UINT64_MAX);
    s = registry_find(p);
    assert_ptr_equal(s->owner, dead);
    assert_seen(s->countdown, s->countdown + 1);
    assert_int_equal(dead->state, HEAP_DEAD);
    heap_free(mine, p, "free");
    assert_int_equal(heap_audit(mine, STDERR_FILENO), 0); /* which posts it */
    assert_int_equal(heap_view_live(dead), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_heap_has_no_mismatch),
        TEST(a_wrong_count_of_a_slab_is_seen),
        TEST(a_slab_in_the_wrong_place_is_seen),
        TEST(a_broken_list_of_blocks_is_seen),
        TEST(a_dead_heap_is_looked_at_as_well),
    };

    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
