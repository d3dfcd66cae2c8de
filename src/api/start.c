/* SPDX-License-Identifier: MIT */
#include "api/start.h"

#include "api/libc.h"

#include <errno.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/lock.h"
#include "heap/heap.h"
#include "large/large.h"
#include "maintain/maintain.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/os.h"
#include "superslab/superslab.h"

unsigned start_state_now;

static struct lock start_lock = LOCK_INIT(RANK_START);

/* Every lock, in rank order. */
static struct lock *const all_locks[] = {
    &start_lock, &heaps_lock, &heap_orphan_lock, &superslab_lock,
    &pool_lock,  &large_lock, &registry_lock,    &meta_lock,
};
#define LOCKS (sizeof all_locks / sizeof all_locks[0])

static void fork_prepare(void)
{
    /* A thread may enter liburcu with one of our locks held, never the other way round. */
    lock_fork_prepare(all_locks, LOCKS);
    registry_fork_prepare();
}

static void fork_parent(void)
{
    registry_fork_parent();
    lock_fork_parent(all_locks, LOCKS);
}

static void fork_child(void)
{
    registry_fork_child();
    superslab_fork_child();
    heap_fork_child();
    maintain_fork_child();
    lock_fork_child(all_locks, LOCKS);
}

/*
 * The environment before the C library has started: argc, argv and envp lie
 * where the kernel put them. NULL where that is not known.
 */
static char **start_environment(void)
{
    if (environ != NULL)
        return environ;
#if defined(__GLIBC__)
    extern void *__libc_stack_end __attribute__((weak));
    if (&__libc_stack_end != NULL && __libc_stack_end != NULL) {
        long argc = *(long *)__libc_stack_end;
        char **argv = (char **)__libc_stack_end + 1;
        return argc >= 0 && argv[argc] == NULL ? argv + argc + 1 : NULL;
    }
#endif
    return NULL;
}

/* No block was handed out so far, and none of ours will be. */
static COLD bool start_libc(void)
{
    static const char message[] = "hakmem: allocator = libc is not possible: the program has no C library "
                                  "with an allocator beside this one; hakmem serves\n";
    if (libc_find())
        return true;
    if (hakmem_options.messages)
        os_write(STDERR_FILENO, message, sizeof message - 1);
    return false;
}

static void start_hakmem(void)
{
    heap_answer = maintain_answer;
    heap_start();
    /* Registered before any other handler can be: our prepare runs last. */
    pthread_atfork(fork_prepare, fork_parent, fork_child);
    if (hakmem_options.prewarm.count > 0) {
        struct heap *h = heap_of_thread();
        if (h != NULL)
            maintain_prewarm(h);
    }
}

bool start_process(void)
{
    int saved = errno;
    if (load_acquire(&start_state_now) == START_LIBC)
        return true;
    if (lock_is_mine(&start_lock))
        return false; /* called again from inside; what is there already is enough */
    lock_take(&start_lock);
    if (load_relaxed(&start_state_now) == START_NOT_YET) {
        store_relaxed(&start_state_now, START_RUNNING);
        options_start(start_environment(), getauxval(AT_SECURE) != 0);
        options_seal();
        bool libc = hakmem_options.allocator == OPTION_ALLOCATOR_LIBC && start_libc();
        if (!libc)
            start_hakmem();
        store_release(&start_state_now, libc ? START_LIBC : START_DONE);
    }
    bool libc = load_relaxed(&start_state_now) == START_LIBC;
    lock_release(&start_lock);
    errno = saved;
    return libc;
}

__attribute__((constructor)) static void start_constructor(void)
{
    start_if_needed();
}

/*
 * Only reports. Nothing is taken down: other libraries, detached threads and
 * stdio allocate and free after this.
 */
__attribute__((destructor)) static void exit_destructor(void)
{
    if (load_acquire(&start_state_now) == START_LIBC)
        return;
    if (hakmem_options.audit) {
        size_t mismatches = maintain_audit(heap_self, STDERR_FILENO);
        if (mismatches == 0) {
            static const char clean[] = "hakmem: audit: 0 mismatches\n";
            os_write(STDERR_FILENO, clean, sizeof clean - 1);
        }
    }
    if (hakmem_options.stats_on_exit)
        maintain_print(heap_self, STDERR_FILENO);
    registry_exit();
}
