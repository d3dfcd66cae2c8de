/* SPDX-License-Identifier: MIT */
/*
 * Running another program and reading what it writes.
 */
#ifndef HAKMEMCTL_CHILD_H
#define HAKMEMCTL_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "hakmemctl/text.h"

struct child_result {
    int status;         /* its exit status; 128 + signal when one ended it; 127, 126: not started */
    bool timed_out;     /* it was killed after the limit */
    struct text output; /* what it wrote to standard output; at most CHILD_OUTPUT_MAX bytes */
    struct text errors; /* and to standard error */
};

enum { CHILD_OUTPUT_MAX = 8 << 20 };

/* What the child does between fork and exec; it ends the child when it cannot. */
typedef void child_prepare(void *data);

/*
 * Start argv[0], found in PATH, with standard input from /dev/null, and wait for its end, at most
 * `seconds`. False when not even a child could be made (errno).
 */
bool child_run(char *const *argv, unsigned seconds, child_prepare *prepare, void *data,
               struct child_result *result);
void child_free(struct child_result *result);

#endif
