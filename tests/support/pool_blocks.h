/* SPDX-License-Identifier: MIT */
/* What the two tests of the pool share. Include it last. */
#ifndef TESTS_SUPPORT_POOL_BLOCKS_H
#define TESTS_SUPPORT_POOL_BLOCKS_H

#include <unistd.h>

#include "pool/pool.h"
#include "support/support.h"
#include "support/unit.h"

static inline struct pool_totals totals(void)
{
    struct pool_totals now;

    pool_get_totals(&now);
    return now;
}

/* Nothing is in use; nothing stays. */
static inline int start(void **state)
{
    if (unit_defaults(state) != 0)
        return -1;
    pool_trim(0);
    return totals().mapped == 0 ? 0 : -1;
}

static inline int end(void **state)
{
    (void)state;
    return totals().used == 0 && pool_audit(STDERR_FILENO) == 0 ? 0 : -1;
}

/* The most that a block of so many units can hold, of those that have colours. */
static inline size_t room(unsigned units)
{
    return units * POOL_UNIT - POOL_COLOUR_ROOM;
}

/* The first unit of a block, whatever its colour. */
static inline char *first_unit(void *p)
{
    return (char *)p - (uintptr_t)p % POOL_UNIT;
}

/* One block for a request of `size` bytes. */
static inline char *take(size_t size)
{
    struct block *list;
    unsigned c = size_class_of(size);

    assert_int_equal(pool_take(&c, 1, &list), 1);
    assert_int_equal(c, size_class_of(size));
    assert_null(list->next);
    return (char *)list;
}

static inline void give(void *p)
{
    struct block *b = p;

    b->next = NULL;
    pool_give(b, "free");
}

/* A descriptor's view of an address: units of the block that starts there; 0: none does. */
static inline unsigned units_at(const void *p)
{
    const struct slab *s = registry_find((const void *)((uintptr_t)p & ~(BLOCK_ALIGN - 1)));

    assert_int_equal(s->tag, TAG_POOL);
    unsigned units = pool_units_at(s, p);
    return units <= POOL_BLOCK_UNITS ? units : 0;
}

#endif
