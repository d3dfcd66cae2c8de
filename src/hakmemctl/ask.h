/* SPDX-License-Identifier: MIT */
/* Commands to live processes (hakmem/introspect.h): write the request, wait for the answer. */
#ifndef HAKMEMCTL_ASK_H
#define HAKMEMCTL_ASK_H

#include "hakmemctl/command.h"
#include "hakmemctl/process.h"

/*
 * The whole of a subcommand that asks its targets for one thing:
 *
 *     hakmemctl NAME [--json] [--wait SECONDS] [--force] TARGET...|--all
 *
 * `describe` prints what the process has answered, without an end of line;
 * `failed` says whether that answer is a failure of the command.
 */
struct ask {
    const struct command *command;
    enum hakmem_command_kind kind;
    const char *value_name, *more_name; /* in JSON; NULL: not shown */
    void (*describe)(const struct hakmem_command *answer);
    bool (*failed)(const struct hakmem_command *answer);
};
int ask_run(const struct ask *ask, int argc, char **argv);

#define ASK_USAGE(name)                                                                          \
    "usage: hakmemctl " name " [--json] [--wait SECONDS] [--force] TARGET...|--all\n"             \
    "\n"                                                                                          \
    "The process does it at its next call that takes the allocator's slow path. An idle process\n" \
    "may not come there: then the command stays pending, takes effect later, and the exit status\n" \
    "is 7. --wait says how long to wait for the answer (default 1 second, 0: not at all).\n"

#endif
