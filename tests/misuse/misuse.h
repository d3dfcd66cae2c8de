/* SPDX-License-Identifier: MIT */
/* What the programs of this folder share; each makes one mistake, and returns 0 if none saw it. */
#ifndef TESTS_MISUSE_MISUSE_H
#define TESTS_MISUSE_MISUSE_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "support/api.h"

/*
 * Go on as a program does: what was not seen at once comes to light when the
 * bin is refilled, or in an audit.
 */
static inline void go_on(size_t size)
{
    enum { MORE = 3000 };
    static void *block[MORE];

    for (int i = 0; i < MORE && size < 100000; i++)
        block[i] = malloc(size);
    if (hakmem_audit(STDERR_FILENO) != 0)
        abort();
    for (int i = 0; i < MORE && size < 100000; i++)
        free(block[i]);
    if (hakmem_audit(STDERR_FILENO) != 0)
        abort();
}

static inline void in_another_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, function, argument) != 0 ||
        pthread_join(thread, NULL) != 0)
        _exit(3);
}

static inline void *freeing_thread(void *block)
{
    free(block);
    return NULL;
}

#endif
