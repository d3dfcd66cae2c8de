/* SPDX-License-Identifier: MIT */
/*
 * Which processes the command line means. A word is a process id, the name of a
 * program (its command or the file it runs), or a systemd unit, of which
 * ".service" may be left out. Whether they run under hakmem is not looked at.
 */
#ifndef HAKMEMCTL_TARGET_H
#define HAKMEMCTL_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TARGET_NAME_SIZE 256

struct targets {
    pid_t *pid; /* in rising order, each once */
    size_t count;
};

/*
 * The processes that `word` names, of any of the three kinds. STATUS_OK, or
 * STATUS_NO_TARGET, or STATUS_FAILED when /proc cannot be read; then the
 * message was written. The caller frees the targets.
 */
int target_resolve(const char *word, struct targets *targets);
/* All processes that /proc shows, but this one. */
int target_all(struct targets *targets);
void target_free(struct targets *targets);

/* The deepest systemd unit (.service, .scope) in the process's cgroup, or "". False: it is gone. */
bool target_unit(pid_t pid, char name[TARGET_NAME_SIZE]);
/* The name of the file that it runs, or its command name where that may not be seen. False: it is gone. */
bool target_program(pid_t pid, char name[TARGET_NAME_SIZE]);

#endif
