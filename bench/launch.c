/* SPDX-License-Identifier: MIT */
/*
 * Runs a command with an allocator preloaded and writes what it cost.
 *
 *   launch [-p PRELOAD] [-w WITNESSES] REPORT COMMAND [ARGUMENT...]
 *     -p  LD_PRELOAD of the command; without it, the command has none
 *     -w  the file that bench/witness.c writes to, in the command's processes
 *
 * REPORT gets `key value` lines: seconds, user_seconds, system_seconds, peak_kib (the largest
 * resident size of any one process), minor_faults, major_faults, voluntary_switches,
 * involuntary_switches, exit_status (128 + N for signal N). Times, faults and switches are those of
 * the command and of all children that it waited for. SIGTERM and SIGINT are passed on.
 *
 * A process of its own, because the kernel counts the resident size of whoever calls exec as the
 * command's: from Python that would be Python's.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile pid_t child;

static void pass_on(int number)
{
    if (child > 0)
        kill(child, number);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void write_report(const char *path, double seconds, const struct rusage *u, int status)
{
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        perror(path);
        exit(125);
    }
    fprintf(f, "seconds %.6f\nuser_seconds %.6f\nsystem_seconds %.6f\npeak_kib %ld\n", seconds,
            seconds_of(u->ru_utime), seconds_of(u->ru_stime), u->ru_maxrss);
    fprintf(f, "minor_faults %ld\nmajor_faults %ld\nvoluntary_switches %ld\ninvoluntary_switches %ld\n",
            u->ru_minflt, u->ru_majflt, u->ru_nvcsw, u->ru_nivcsw);
    fprintf(f, "exit_status %d\n", status);
    if (fclose(f) != 0)
        exit(125);
}

int main(int argc, char **argv)
{
    const char *preload = NULL, *witnesses = NULL;
    int option;
    while ((option = getopt(argc, argv, "+p:w:")) != -1) {
        if (option == 'p')
            preload = optarg;
        else if (option == 'w')
            witnesses = optarg;
        else
            return 2;
    }
    if (argc - optind < 2) {
        fprintf(stderr, "usage: launch [-p PRELOAD] [-w WITNESSES] REPORT COMMAND [ARGUMENT...]\n");
        return 2;
    }
    struct sigaction action = {.sa_handler = pass_on};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    double start = now();
    child = fork();
    if (child < 0) {
        perror("fork");
        return 125;
    }
    if (child == 0) {
        unsetenv("LD_PRELOAD");
        if (preload != NULL)
            setenv("LD_PRELOAD", preload, 1);
        if (witnesses != NULL)
            setenv("HAKMEM_BENCH_WITNESSES", witnesses, 1);
        execvp(argv[optind + 1], argv + optind + 1);
        perror(argv[optind + 1]);
        _exit(127);
    }
    struct rusage usage;
    int status;
    while (wait4(child, &status, 0, &usage) < 0) {
        if (errno != EINTR)
            return 125;
    }
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    write_report(argv[optind], now() - start, &usage, result);
    return result;
}
