/* SPDX-License-Identifier: MIT */
/*
 * What an allocator adds to the start and the end of an empty program.
 *
 *   startup [-n STARTS] [-m MALLOCS]
 *     -n  starts (500)
 *     -m  mallocs and frees of 64 bytes in the program that is started (0)
 *
 * The program that is started is startup itself, with the same LD_PRELOAD. An
 * operation is one start, from before posix_spawn to after the end;
 * median_us is the median of all.
 */
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"

static const char usage[] = "usage: startup [-n STARTS] [-m MALLOCS]\n";

extern char **environ;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Microseconds of one start. */
static double start_once(char *const argv[])
{
    pid_t child;
    int status;
    double begin = bench_seconds();
    if (posix_spawn(&child, argv[0], NULL, NULL, argv, environ) != 0)
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
    size_t starts = 500, mallocs = 0;
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', starts), BENCH_NUMBER('m', mallocs), BENCH_END}, usage);
    if (starts == 0)
        bench_fail("bad arguments");
    bench_print_allocator();

    char self[4096], number[32];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        bench_fail("cannot read /proc/self/exe");
    self[length] = '\0';
    snprintf(number, sizeof number, "%zu", mallocs);
    char empty[] = "empty";
    char *const empty_argv[] = {self, empty, number, NULL};
    double *sample = bench_map(starts * sizeof *sample);
    double begin = bench_seconds();
    for (size_t i = 0; i < starts; i++)
        sample[i] = start_once(empty_argv);
    double seconds = bench_seconds() - begin;
    qsort(sample, starts, sizeof *sample, compare);
    printf("median_us %.1f\n", (sample[(starts - 1) / 2] + sample[starts / 2]) / 2);
    bench_print_result((double)starts, seconds);
    return 0;
}
