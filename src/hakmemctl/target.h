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
/*
 * Call visit for each process that `word` names. The result is the first that
 * is not STATUS_OK; but processes of a program or unit that do not run under
 * hakmem are passed over, unless none does. visit tells its own failures, all
 * but STATUS_NOT_HAKMEM.
 */
int target_each(const char *word, int (*visit)(pid_t pid, void *context), void *context);
/* All processes that /proc shows, but this one. */
int target_all(struct targets *targets);
void target_free(struct targets *targets);

/* The deepest systemd unit (.service, .scope) in the process's cgroup, or "". False: it is gone. */
bool target_unit(pid_t pid, char name[TARGET_NAME_SIZE]);
/* What it calls itself: its command name, in full where it is that of its file. False: it is gone. */
bool target_program(pid_t pid, char name[TARGET_NAME_SIZE]);

#endif
