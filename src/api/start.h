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

enum start_state {
    START_NOT_YET,
    START_RUNNING,
    START_DONE,
    START_LIBC, /* done, and the C library's own allocator serves (api/libc.h) */
};
extern unsigned start_state_now; /* atomic; DONE and LIBC are released by start_process */

/* As start_if_needed. */
COLD bool start_process(void);

/* True when the C library's own allocator serves this program. */
static inline bool start_if_needed(void)
{
    return unlikely(load_acquire(&start_state_now) != START_DONE) && start_process();
}

#endif
