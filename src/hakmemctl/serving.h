/* SPDX-License-Identifier: MIT */
/*
 * Does hakmem serve a live process? That the library is mapped proves little: a program with an
 * allocator of its own, or one that was excluded, maps it too and never calls it. Blocks that it
 * handed out prove it.
 */
#ifndef HAKMEMCTL_SERVING_H
#define HAKMEMCTL_SERVING_H

#include <stdbool.h>
#include <sys/types.h>

struct serving {
    int status;       /* STATUS_OK: it serves; STATUS_NOT_HAKMEM and the others as process_open has them */
    bool mapped;      /* the library is there, whether it serves or not */
    bool deleted;     /* and its file was replaced since the process started */
    char version[32]; /* of the library; "" when it is not there */
    char why[256];    /* when the status is not STATUS_OK */
};

void serving_look(pid_t pid, struct serving *serving);

#endif
