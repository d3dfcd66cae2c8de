/* SPDX-License-Identifier: MIT */
/*
 * measure RESULT SECONDS COMMAND [ARGUMENT ...]
 *
 * Runs COMMAND and writes "MILLISECONDS PEAK_KIB" to the file RESULT: elapsed
 * time, and the largest resident size that any one of its processes reached.
 * After SECONDS everything is killed and the exit status is 124. Whatever the
 * command left running is killed as well: nothing survives.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

/* As the reaper of all descendants we see each of them as a child, sooner or later. */
static void kill_children(void)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/task/%d/children", (int)getpid());
    for (;;) {
        FILE *children = fopen(name, "r");
        int pid;
        if (children != NULL) {
            while (fscanf(children, "%d", &pid) == 1)
                kill(pid, SIGKILL);
            fclose(children);
        }
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
            return;
    }
}

static void interrupted(int number)
{
    (void)number;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: measure RESULT SECONDS COMMAND [ARGUMENT ...]\n");
        return 2;
    }
    struct sigaction action = {.sa_handler = interrupted};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    long start = now_ms();
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        execvp(argv[3], argv + 3);
        perror(argv[3]);
        _exit(127);
    }
    alarm((unsigned)atoi(argv[2]));
    int status = 0, result;
    for (;;) {
        pid_t got = waitpid(-1, &status, 0);
        if (got == child) {
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            break;
        }
        if (got < 0) {
            result = 124;
            break;
        }
    }
    alarm(0);
    long elapsed = now_ms() - start;
    kill_children();
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    FILE *out = fopen(argv[1], "w");
    if (out == NULL) {
        perror(argv[1]);
        return 2;
    }
    fprintf(out, "%ld %ld\n", elapsed, usage.ru_maxrss);
    fclose(out);
    return result;
}
