/* SPDX-License-Identifier: MIT */
/*
 * What an allocator adds to the start of an empty program.
 *
 *   startup [-n STARTS] [-m MALLOCS] NAME=PATH...
 *     -n  starts of each (300)
 *     -m  mallocs and frees of 64 bytes in the program (0)
 *     NAME=PATH  a shared object to preload
 *
 * The program is startup itself, started anew. All allocators and a start
 * without preload take turns, and who begins a round changes. Prints for each
 * the median microseconds from before the start to after the end, and what it
 * is above the start without preload.
 */
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"

static const char usage[] = "usage: startup [-n STARTS] [-m MALLOCS] NAME=PATH...\n";

enum { MOST = 32 };

extern char **environ;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Microseconds of one start with LD_PRELOAD=`preload`, or without for NULL. */
static double start_once(char *const argv[], char *preload)
{
    size_t n = 0;
    char *environment[256];
    for (char **e = environ; *e != NULL && n + 2 < sizeof environment / sizeof environment[0]; e++) {
        if (strncmp(*e, "LD_PRELOAD=", 11) != 0)
            environment[n++] = *e;
    }
    if (preload != NULL)
        environment[n++] = preload;
    environment[n] = NULL;
    pid_t child;
    int status;
    double begin = bench_seconds();
    if (posix_spawn(&child, argv[0], NULL, NULL, argv, environment) != 0)
        bench_fail("cannot start the empty program");
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    double end = bench_seconds();
    if (status != 0)
        bench_fail("the empty program failed");
    return (end - begin) * 1e6;
}

/* The program that is started; -1 when this process is not it. */
static int empty_program(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "empty") != 0)
        return -1;
    for (size_t n = strtoul(argv[2], NULL, 10); n > 0; n--) {
        void *p = malloc(64);
        BENCH_KEEP(p);
        free(p);
    }
    return 0;
}

int main(int argc, char **argv)
{
    int done = empty_program(argc, argv);
    if (done >= 0)
        return done;
    size_t starts = 300, mallocs = 0;
    int first = 1;
    while (first + 1 < argc && argv[first][0] == '-')
        first += 2;
    bench_arguments(first < argc ? first : argc, argv,
                    (struct bench_option[]){{'n', &starts}, {'m', &mallocs}, {0}}, usage);
    size_t count = (size_t)(argc - first) + 1;
    if (first >= argc || count > MOST || starts == 0) {
        fputs(usage, stderr);
        return 2;
    }

    char *preload[MOST] = {NULL};
    double *sample[MOST];
    for (size_t i = 0; i < count; i++) {
        sample[i] = malloc(starts * sizeof(double));
        if (sample[i] == NULL)
            bench_fail("out of memory");
        if (i == 0)
            continue;
        const char *path = strchr(argv[first + (int)i - 1], '=');
        if (path == NULL || access(path + 1, R_OK) != 0 || asprintf(&preload[i], "LD_PRELOAD%s", path) < 0)
            bench_fail("an allocator is given as NAME=PATH of a file that can be read");
    }

    char self[4096], number[32];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        bench_fail("cannot read /proc/self/exe");
    self[length] = '\0';
    snprintf(number, sizeof number, "%zu", mallocs);
    char empty[] = "empty";
    char *const empty_argv[] = {self, empty, number, NULL};
    for (size_t round = 0; round < starts; round++) {
        for (size_t turn = 0; turn < count; turn++) {
            size_t i = (round + turn) % count;
            sample[i][round] = start_once(empty_argv, preload[i]);
        }
    }

    printf("%-20s %10s %12s\n", "allocator", "median us", "over none us");
    double none = 0;
    for (size_t i = 0; i < count; i++) {
        qsort(sample[i], starts, sizeof(double), compare);
        double median = (sample[i][(starts - 1) / 2] + sample[i][starts / 2]) / 2;
        if (i == 0)
            none = median;
        const char *name = i == 0 ? "none" : argv[first + (int)i - 1];
        printf("%-20.*s %10.1f %12.1f\n", (int)strcspn(name, "="), name, median, median - none);
    }
    return 0;
}
