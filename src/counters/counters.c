/* SPDX-License-Identifier: MIT */
#include "counters/counters.h"

#define COUNTER(name, unit, help) #name,
const char *const counters_names[COUNTER_COUNT] = {
#include "counters/table.h"
};
#undef COUNTER

void counters_sum(struct counters *sum, const struct counters *c)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        sum->value[i] += load_relaxed(&c->value[i]);
}

const char *counters_name(size_t which)
{
    return which < COUNTER_COUNT ? counters_names[which] : NULL;
}
