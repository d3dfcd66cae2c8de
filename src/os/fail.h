/* SPDX-License-Identifier: MIT */
/*
 * The three kinds of failure.
 *
 * HAKMEM_INVARIANT   our own broken invariant: always checked, always fatal
 * HAKMEM_CHECK       the same, in debug builds; still type-checked in others
 * fail_misuse        the program's mistake: fatal, names function, address, class
 */
#ifndef HAKMEM_OS_FAIL_H
#define HAKMEM_OS_FAIL_H

#include <stddef.h>

#include "base/bits.h"
#include "base/print.h"

#ifdef HAKMEM_DEBUG
#define FAIL_DEBUG 1
#else
#define FAIL_DEBUG 0
#endif

_Noreturn COLD void fail_invariant(const char *condition, const char *file, int line);
/*
 * `function` is the call the program made, `what` is what is wrong with `p`;
 * `block_size` is 0 when no class is known. One line, no allocation.
 */
_Noreturn COLD void fail_misuse(const char *function, const void *p, const char *what,
                                size_t block_size);

/* In the place of a file descriptor of an audit: its lines go to fail_audit_text, of who answers a command. */
#define FAIL_AUDIT_TEXT (-2)
extern struct print_buffer *fail_audit_text;
void fail_audit_line(int fd, const char *line, size_t length);

/* An audit found something: one line to fd (unless -1), and 1, for the sum. */
COLD size_t fail_audit(int fd, const char *kind, uintptr_t at, const char *what);

#define HAKMEM_INVARIANT(condition)                                \
    do {                                                           \
        if (unlikely(!(condition)))                                \
            fail_invariant(#condition, __FILE_NAME__, __LINE__);   \
    } while (0)

#define HAKMEM_CHECK(condition)                                    \
    do {                                                           \
        if (FAIL_DEBUG && unlikely(!(condition)))                  \
            fail_invariant(#condition, __FILE_NAME__, __LINE__);   \
    } while (0)

#endif
