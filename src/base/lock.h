/* SPDX-License-Identifier: MIT */
/*
 * A mutex that knows its rank and its holder.
 *
 * Locks are taken in rising rank; debug builds assert it. The holder is kept
 * so that fork, called from a signal handler that interrupted a critical
 * section of its own thread, can leave out what this thread holds already.
 * While the process has one thread the mutex itself is not touched.
 *
 * `sequence` is for readers in other processes, which cannot take the lock: it
 * is odd while the lock is held, and what they copied between two looks at the
 * same even number is whole. Two stores for each section, none of them locked.
 */
#ifndef HAKMEM_BASE_LOCK_H
#define HAKMEM_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The one order of all locks. A thread that holds a rank takes higher ones only. */
enum lock_rank {
    RANK_START,     /* first call of the process */
    RANK_HEAPS,     /* list of heaps, thread start and exit */
    RANK_ORPHAN,    /* the heap of threads that have exited */
    RANK_SUPERSLAB, /* shared pool of slabs */
    RANK_POOL,      /* cache of pool chunks */
    RANK_LARGE,     /* page heap of spans */
    RANK_REGISTRY,  /* region map leaves, list of regions */
    RANK_META,      /* metadata memory */
    RANK_COUNT
};

struct lock {
    pthread_mutex_t mutex;
    pthread_t holder;   /* atomic; written by the holder, 0 when free */
    uint32_t sequence;  /* atomic; written by the holder: odd while held */
    enum lock_rank rank;
    bool plain;         /* holder only: taken without the mutex */
    enum { FORK_NOT_HELD, FORK_TAKEN, FORK_WAS_MINE } fork; /* forking thread only */
};

#define LOCK_INIT(rank_)                                                 \
    {                                                                    \
        .mutex = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP, .rank = (rank_), \
    }

void lock_take(struct lock *lock);
void lock_release(struct lock *lock);
/* Sections that it guarded so far, modulo 2^31. Any thread. */
uint32_t lock_sections(const struct lock *lock);
/* True when the calling thread holds it. Async-signal-safe. */
bool lock_is_mine(const struct lock *lock);

/*
 * Around fork: take all locks in rank order, so that what they guard is whole
 * in the child. A lock that the calling thread holds already (a signal handler
 * that interrupted it forks) is left as it is, on both sides: the interrupted
 * section goes on when the handler returns. In that case the other locks are
 * only tried, because waiting for a lower rank could deadlock; what could not
 * be had is made free in the child, which may exec or exit. A handler may also
 * interrupt the taking itself, between the mutex and its holder, which cannot
 * be told from another thread's lock: so no wait is longer than a second.
 */
void lock_fork_prepare(struct lock *const *locks, unsigned count);
void lock_fork_parent(struct lock *const *locks, unsigned count);
void lock_fork_child(struct lock *const *locks, unsigned count);

#endif
