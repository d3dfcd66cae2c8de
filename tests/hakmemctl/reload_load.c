/* SPDX-License-Identifier: MIT */
/*
 * A process under load for test_reload.sh: threads that allocate, free, and
 * free what others allocated, come and go; now and then a fork. Ends at SIGTERM
 * with 0, or by SIGABRT when memory is not what was written into it.
 *
 *     reload_load THREADS [filter]
 *
 * filter: under a filter of system calls of its own, which lets all pass.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 512, ROUND = 20000, THREADS_MAX = 64 };

static volatile sig_atomic_t over;
static unsigned char *shared[SLOTS]; /* atomic: handed from thread to thread */

static void end(int signal)
{
    (void)signal;
    over = 1;
}

static size_t random_size(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    unsigned kind = (unsigned)(*seed >> 60);
    size_t within = (size_t)(*seed >> 33);

    if (kind < 12)
        return within % 1024;
    if (kind < 15)
        return within % 50000;
    return within % 400000;
}

/* One block replaces another in the shared table; the old one must hold what was written. */
static void replace(size_t slot, size_t size)
{
    unsigned char *block = malloc(size + 8);

    if (block == NULL)
        abort();
    memcpy(block, &size, sizeof size);
    if (size > 0)
        block[8] = block[8 + size - 1] = (unsigned char)size;

    unsigned char *old = __atomic_exchange_n(&shared[slot], block, __ATOMIC_ACQ_REL);
    if (old == NULL)
        return;
    memcpy(&size, old, sizeof size);
    if (size > 0 && (old[8] != (unsigned char)size || old[8 + size - 1] != (unsigned char)size))
        abort();
    free(old);
}

static void *work(void *argument)
{
    uint64_t seed = (uintptr_t)argument;

    for (unsigned i = 0; i < ROUND && !over; i++) {
        size_t size = random_size(&seed);
        replace((size_t)(seed >> 40) % SLOTS, size);
    }
    return NULL;
}

static int filter(void)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {1, allow};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
    pthread_t thread[THREADS_MAX];

    if (argc > 2 && strcmp(argv[2], "filter") == 0 && !filter())
        return 77;
    signal(SIGTERM, end);
    if (threads < 1 || threads > THREADS_MAX || write(1, "ready\n", 6) != 6)
        return 2;
    for (unsigned round = 0; !over; round++) {
        for (unsigned i = 0; i < threads; i++) {
            if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(round * 64 + i + 1)) != 0)
                return 2;
        }
        if (round % 8 == 0) {
            pid_t child = fork();
            if (child == 0) {
                work((void *)(uintptr_t)round);
                _exit(0);
            }
            int status;
            if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
                abort();
        }
        for (unsigned i = 0; i < threads; i++)
            pthread_join(thread[i], NULL);
    }
    return 0;
}
