/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include <time.h>

#include "base/atomic.h"
#include "base/bits.h"

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
static inline bool lock_process_has_one_thread(void) { return __libc_single_threaded && !HAKMEM_TSAN; }
#else
static inline bool lock_process_has_one_thread(void) { return false; }
#endif

/* Seconds that fork waits for a lock before it goes on without it. */
#define FORK_WAIT_S 1

#ifdef HAKMEM_DEBUG
/* Debug builds only, so that the product keeps one TLS pointer and nothing else. */
static __thread unsigned held_ranks __attribute__((tls_model("initial-exec")));

static void lock_check_order(const struct lock *lock)
{
    if (held_ranks >> lock->rank)
        __builtin_trap(); /* a lock of this or a higher rank is held */
    held_ranks |= 1u << lock->rank;
}
static void lock_forget(const struct lock *lock) { held_ranks &= ~(1u << lock->rank); }
#else
static void lock_check_order(const struct lock *lock) { (void)lock; }
static void lock_forget(const struct lock *lock) { (void)lock; }
#endif

/* The lock is held from here on. */
static void lock_taken(struct lock *lock, bool plain)
{
    lock->plain = plain;
    store_relaxed(&lock->holder, pthread_self());
    store_relaxed(&lock->sequence, lock->sequence + 1);
    fence_release(); /* the odd number is seen before anything that the section writes */
}

void lock_take(struct lock *lock)
{
    lock_check_order(lock);
    bool plain = lock_process_has_one_thread();
    if (!plain)
        pthread_mutex_lock(&lock->mutex);
    lock_taken(lock, plain);
}

void lock_release(struct lock *lock)
{
    bool plain = lock->plain;
    store_release(&lock->sequence, lock->sequence + 1); /* after all that the section wrote */
    store_relaxed(&lock->holder, (pthread_t)0);
    lock_forget(lock);
    if (!plain)
        pthread_mutex_unlock(&lock->mutex);
}

uint32_t lock_sections(const struct lock *lock)
{
    return load_relaxed(&lock->sequence) / 2;
}

bool lock_is_mine(const struct lock *lock)
{
    return load_relaxed(&lock->holder) == pthread_self();
}

/*
 * Take a lock before fork. A handler may have interrupted its own thread
 * between taking the mutex and writing the holder (or between the two steps of
 * release): then nobody else will ever free it, and what it guards is whole.
 * So the wait is bounded, far above any critical section.
 */
static bool lock_take_for_fork(struct lock *lock, bool wait)
{
    bool plain = lock_process_has_one_thread();
    struct timespec until;
    if (!plain && wait) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += FORK_WAIT_S;
        if (pthread_mutex_timedlock(&lock->mutex, &until) != 0)
            return false;
    } else if (!plain && pthread_mutex_trylock(&lock->mutex) != 0) {
        return false;
    }
    lock_taken(lock, plain);
    return true;
}

void lock_fork_prepare(struct lock *const *locks, unsigned count)
{
    bool interrupted = false;
    for (unsigned i = 0; i < count; i++)
        interrupted |= lock_is_mine(locks[i]);
    for (unsigned i = 0; i < count; i++) {
        struct lock *lock = locks[i];
        if (lock_is_mine(lock)) {
            lock->fork = FORK_WAS_MINE;
        } else if (lock_take_for_fork(lock, !interrupted)) {
            lock->fork = FORK_TAKEN;
        } else {
            interrupted = true;
        }
    }
}

void lock_fork_parent(struct lock *const *locks, unsigned count)
{
    while (count-- > 0) {
        struct lock *lock = locks[count];
        /* One we could not have belongs to another thread: not a word of it is ours. */
        if (!lock_is_mine(lock))
            continue;
        bool taken = lock->fork == FORK_TAKEN;
        lock->fork = FORK_NOT_HELD;
        if (taken)
            lock_release(lock);
    }
}

void lock_fork_child(struct lock *const *locks, unsigned count)
{
    while (count-- > 0) {
        struct lock *lock = locks[count];
        bool was_mine = lock->fork == FORK_WAS_MINE;
        lock->fork = FORK_NOT_HELD;
        if (was_mine)
            continue;
        pthread_mutex_t fresh = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
        lock->mutex = fresh;
        lock->plain = false;
        store_relaxed(&lock->sequence, (lock->sequence + 1) & ~1u);
        store_relaxed(&lock->holder, (pthread_t)0);
        lock_forget(lock);
    }
}
