/* SPDX-License-Identifier: MIT */
/*
 * A program to be looked at: load steady | load churn.
 *
 * steady: blocks of every kind, live, freed, and freed by another thread; then
 * "ready" on standard output, and nothing more until standard input ends.
 * churn: threads that come and go, forks, blocks of all sizes passed between
 * threads; until it is ended from outside.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 4000, SHARED = 1024 };

static void *blocks[BLOCKS];

static uint64_t next(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return *random >> 33;
}

/* Mostly small, some of the pool, few large, and now and then a mapping of its own. */
static size_t some_size(uint64_t *random)
{
    uint64_t kind = next(random) % 1000;
    if (kind < 900)
        return 1 + next(random) % 1500;
    if (kind < 980)
        return 8192 + next(random) % 50000;
    if (kind < 999)
        return 70000 + next(random) % 1000000;
    return 40000000;
}

static void *touched(size_t size)
{
    char *p = malloc(size);
    if (p == NULL)
        abort();
    memset(p, 1, size < 4096 ? size : 4096);
    return p;
}

/* A foreign thread frees every fifth block: they wait for their owner. */
static void *free_some(void *unused)
{
    (void)unused;
    for (int i = 0; i < BLOCKS; i += 5) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
    return NULL;
}

static int steady(void)
{
    uint64_t random = 1;
    pthread_t thread;
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = touched(some_size(&random));
    for (int i = 1; i < BLOCKS; i += 3) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
    if (pthread_create(&thread, NULL, free_some, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6)
        return 1;
    char byte;
    return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
}

static void *shared[SHARED]; /* exchanged atomically */

static void *churn_thread(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    for (int i = 0; i < 20000; i++) {
        void *mine = next(&random) % 4 == 0 ? NULL : touched(some_size(&random) % 300000 + 1);
        free(__atomic_exchange_n(&shared[next(&random) % SHARED], mine, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static void churn_child(void)
{
    uint64_t random = (uint64_t)getpid();
    for (int i = 0; i < 200; i++)
        free(touched(some_size(&random)));
    _exit(0);
}

static int churn(void)
{
    for (uintptr_t round = 1;; round++) {
        pthread_t thread[6];
        for (uintptr_t i = 0; i < 6; i++) {
            if (pthread_create(&thread[i], NULL, churn_thread, (void *)(round * 6 + i)) != 0)
                return 1;
        }
        pid_t child = fork();
        if (child == 0)
            churn_child();
        for (int i = 0; i < 6; i++)
            pthread_join(thread[i], NULL);
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            return 2;
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "steady") == 0)
        return steady();
    if (argc == 2 && strcmp(argv[1], "churn") == 0)
        return churn();
    fprintf(stderr, "usage: load steady | churn\n");
    return 64;
}
