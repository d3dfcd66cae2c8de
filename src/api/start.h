/* SPDX-License-Identifier: MIT */
/*
 * The life of the process: the first call, fork, exit.
 *
 * The first call of the family may come from the dynamic loader, before any
 * constructor has run: nothing here needs one. start_process is idempotent,
 * may be called by several threads at once, and may be entered again by the
 * thread that is inside it (pthread_atfork may allocate).
 */
#ifndef HAKMEM_API_START_H
#define HAKMEM_API_START_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/bits.h"

enum start_state { START_NOT_YET, START_RUNNING, START_DONE };
extern unsigned start_state_now; /* atomic; DONE is released by start_process */

COLD void start_process(void);

static inline void start_if_needed(void)
{
    if (unlikely(load_acquire(&start_state_now) != START_DONE))
        start_process();
}

#endif
