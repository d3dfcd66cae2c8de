/* SPDX-License-Identifier: MIT */
#include "hakmemctl/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void __attribute__((noreturn))
become(char *const *argv, const int *ends, child_prepare *prepare, void *data)
{
    int null = open("/dev/null", O_RDONLY);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(ends[0], STDOUT_FILENO) < 0 ||
        dup2(ends[1], STDERR_FILENO) < 0)
        _exit(126);
    setpgid(0, 0); /* what it starts is ended with it */
    if (prepare != NULL)
        prepare(data);
    execvp(argv[0], argv);
    _exit(errno == ENOENT ? 127 : 126);
}

static int milliseconds_until(const struct timespec *end)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    long long left = (end->tv_sec - now.tv_sec) * 1000LL + (end->tv_nsec - now.tv_nsec) / 1000000;

    return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

/* False at the end of that output. */
static bool take(int fd, struct text *to)
{
    char buffer[8192];
    ssize_t got = read(fd, buffer, sizeof buffer);

    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (to->length < CHILD_OUTPUT_MAX)
        text_add(to, buffer, (size_t)got);
    return got > 0;
}

/* Reads both outputs until they end; false when the time was over before. */
static bool collect(const int *from, const struct timespec *end, struct child_result *result)
{
    struct pollfd wait[2] = {{.fd = from[0], .events = POLLIN}, {.fd = from[1], .events = POLLIN}};
    struct text *to[2] = {&result->output, &result->errors};

    while (wait[0].fd >= 0 || wait[1].fd >= 0) {
        int left = milliseconds_until(end);

        if (left == 0)
            return false;
        if (poll(wait, 2, left) <= 0)
            continue;
        for (int i = 0; i < 2; i++)
            if (wait[i].fd >= 0 && wait[i].revents != 0 && !take(wait[i].fd, to[i]))
                wait[i].fd = -1;
    }
    return true;
}

/* Its end within the limit: a program may close its outputs and go on. */
static bool reap(pid_t child, const struct timespec *end, int *status)
{
    for (;;) {
        pid_t got = waitpid(child, status, WNOHANG);

        if (got == child)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        if (milliseconds_until(end) == 0)
            return false;
        nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
}

bool child_run(char *const *argv, unsigned seconds, child_prepare *prepare, void *data,
               struct child_result *result)
{
    int output[2], errors[2], status = 0;
    struct timespec end;

    *result = (struct child_result){.status = 127};
    text_add(&result->output, "", 0);
    text_add(&result->errors, "", 0);
    if (pipe2(output, O_CLOEXEC) != 0)
        return false;
    if (pipe2(errors, O_CLOEXEC) != 0) {
        close(output[0]);
        close(output[1]);
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    pid_t child = fork();

    if (child == 0)
        become(argv, (int[]){output[1], errors[1]}, prepare, data);
    close(output[1]);
    close(errors[1]);
    if (child > 0) {
        setpgid(child, child);
        result->timed_out = !collect((int[]){output[0], errors[0]}, &end, result) ||
                            !reap(child, &end, &status);
        if (result->timed_out) {
            kill(-child, SIGKILL);
            while (waitpid(child, &status, 0) < 0 && errno == EINTR)
                ;
        }
        result->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    close(output[0]);
    close(errors[0]);
    return child > 0;
}

void child_free(struct child_result *result)
{
    text_free(&result->output);
    text_free(&result->errors);
}
