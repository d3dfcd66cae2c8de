/* SPDX-License-Identifier: MIT */
/*
 * Statistics that slow paths count: one array for each thread, written by its
 * owner alone, summed when somebody looks. The hit paths count nothing.
 */
#ifndef HAKMEM_COUNTERS_COUNTERS_H
#define HAKMEM_COUNTERS_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

#define COUNTER(name, unit, help) COUNTER_##name,
enum counter {
#include "counters/table.h"
    COUNTER_COUNT
};
#undef COUNTER

/* Owner thread writes; anybody reads. */
struct counters {
    uint64_t value[COUNTER_COUNT];
};

static inline void counters_add(struct counters *c, enum counter which, uint64_t n)
{
    owner_store(&c->value[which], owner_load(&c->value[which]) + n);
}

/* *sum += *c */
void counters_sum(struct counters *sum, const struct counters *c);
extern const char *const counters_names[COUNTER_COUNT];
/* Name of a counter as in the table; NULL when there is no such one. */
const char *counters_name(size_t which);

#endif
