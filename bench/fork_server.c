/* SPDX-License-Identifier: MIT */
/*
 * A server that forks for each request, or a database for a snapshot: how long
 * fork and the child's first calls take, and how many pages they copy.
 *
 *   fork_server [-n FORKS] [-p CHILDREN] [-l LIVE] [-m BLOCKS]
 *     -n  forks (200)
 *     -p  children that live at the same time (2)
 *     -l  live bytes of the parent (32M), blocks of 16 to 1k bytes
 *     -m  blocks that a child allocates and frees (2,000); it also frees one block of the
 *         parent's for each ten, and the parent replaces as many between two forks
 *
 * An operation is one child, from fork to exit. child_faults are its page faults.
 */
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "bench.h"

static const char usage[] = "usage: fork_server [-n FORKS] [-p CHILDREN] [-l LIVE] [-m BLOCKS]\n";

static size_t forks = 200, children = 2, live = 32 * BENCH_MIB, blocks = 2000;

static struct bench_sizes sizes;
static char **block;
static size_t count;

static _Noreturn void be_child(struct bench_random r)
{
    enum { WINDOW = 64 };
    char *window[WINDOW] = {NULL};
    for (size_t i = 0; i < blocks; i++) {
        char **at = &window[bench_below(&r, WINDOW)];
        free(*at);
        *at = bench_block(sizes.at[bench_below(&r, BENCH_SIZES)]);
        if (i % 10 == 0) {
            char **inherited = &block[bench_below(&r, count)];
            free(*inherited);
            *inherited = NULL;
        }
    }
    for (size_t i = 0; i < WINDOW; i++)
        free(window[i]);
    _exit(0);
}

static void wait_for_one(void)
{
    int status;
    while (waitpid(-1, &status, 0) < 0) {
        if (errno != EINTR)
            bench_fail("waitpid");
    }
    if (status != 0)
        bench_fail("a child failed");
}

int main(int argc, char **argv)
{
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', forks), BENCH_NUMBER('p', children),
                                            BENCH_NUMBER('l', live), BENCH_NUMBER('m', blocks), BENCH_END},
                    usage);
    if (children == 0 || forks == 0 || live < 1024)
        bench_fail("bad arguments");
    bench_print_allocator();
    fflush(stdout);
    bench_sizes_uniform(&sizes, 16, 1024, 1);
    block = bench_map((live / 16 + 1) * sizeof *block);
    for (size_t sum = 0; sum < live; count++) {
        sum += sizes.at[count % BENCH_SIZES];
        block[count] = bench_block(sizes.at[count % BENCH_SIZES]);
    }
    struct bench_random r = {1};
    double start = bench_seconds();
    for (size_t n = 0; n < forks; n++) {
        if (n >= children)
            wait_for_one();
        pid_t pid = fork();
        if (pid < 0)
            bench_fail("fork");
        if (pid == 0)
            be_child((struct bench_random){n + 2});
        for (size_t i = 0; i < blocks / 10; i++) {
            char **at = &block[bench_below(&r, count)];
            free(*at);
            *at = bench_block(sizes.at[bench_below(&r, BENCH_SIZES)]);
        }
    }
    for (size_t n = forks < children ? forks : children; n > 0; n--)
        wait_for_one();
    double seconds = bench_seconds() - start;
    struct rusage usage_children;
    getrusage(RUSAGE_CHILDREN, &usage_children);
    printf("child_faults %.1f\n", (double)usage_children.ru_minflt / (double)forks);
    bench_print_result((double)forks, seconds);
    return 0;
}
