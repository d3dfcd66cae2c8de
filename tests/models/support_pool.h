/* SPDX-License-Identifier: MIT */
/* What lies below the pool, and what the model knows about granules. */
#ifndef HAKMEM_MODELS_SUPPORT_POOL_H
#define HAKMEM_MODELS_SUPPORT_POOL_H

#include "explore.h"
#include "pool/pool.h"

/* Setup: names for the trace, room for chunks. */
void granules_make(void);
/* A run was taken: nobody else has its granules, and all of them lead to it. */
void granules_take(struct slab *s, unsigned size_class);
/* The run is about to be given back. */
void granules_give(struct slab *s);
/* finish: give back every run by `give`. */
void granules_give_all(void (*give)(struct slab *s));

#endif
