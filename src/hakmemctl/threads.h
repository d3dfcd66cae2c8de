/* SPDX-License-Identifier: MIT */
/* The threads of a process: their numbers as the process itself sees them, and their names. */
#ifndef HAKMEMCTL_THREADS_H
#define HAKMEMCTL_THREADS_H

#include <stddef.h>
#include <sys/types.h>

struct thread {
    int id;         /* here */
    int inner_id;   /* in the process's own namespace */
    char name[16];
};

struct threads {
    struct thread *item; /* by inner_id */
    size_t count;
};

/* What /proc shows of it; none when the process is gone. To be freed. */
void threads_read(struct threads *threads, pid_t pid);
void threads_free(struct threads *threads);
/* By the inner number, or NULL. */
const struct thread *threads_find(const struct threads *threads, int inner_id);

#endif
