/* SPDX-License-Identifier: MIT */
/*
 * Some threads only allocate, others only free: producers hand arrays of blocks
 * to consumers through a queue of limited length.
 *
 *   producer_consumer [-n BLOCKS] [-p PRODUCERS] [-c CONSUMERS] [-g GROUPS] [-b BATCH] [-q QUEUE]
 *                     [-a LEAST] [-z GREATEST]
 *     -n  blocks, all groups together (10,000,000)
 *     -p  producers of a group (1)   -c  consumers of a group (1)
 *     -g  groups, each with its queue (2)
 *     -b  blocks in an array (256)   -q  arrays in a queue (16)
 *     -a  least size (16)   -z  greatest size (1k); uniform
 *
 * An operation is the way of one block: a malloc here, a free there.
 */
#include "bench.h"

static const char usage[] = "usage: producer_consumer [-n BLOCKS] [-p PRODUCERS] [-c CONSUMERS] [-g GROUPS] "
                            "[-b BATCH] [-q QUEUE] [-a LEAST] [-z GREATEST]\n";

static size_t blocks = 10000000, producers = 1, consumers = 1, groups = 2, batch = 256, queue_length = 16,
              least = 16, greatest = 1024;

static struct bench_sizes sizes;

/*
 * An array is in `empty`, with a producer, in `full`, or with a consumer.
 * All fields but the arrays themselves: lock.
 */
struct group {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    char ***empty; /* a stack of empty_count arrays */
    size_t empty_count;
    char ***full; /* a ring: arrays `taken` to `put` */
    size_t taken, put;
    size_t to_fill, to_take; /* arrays that nobody has begun to fill, to take */
};

struct role {
    struct group *group;
    bool produces;
};

static void fill(char **array, size_t *drawn)
{
    for (size_t i = 0; i < batch; i++)
        array[i] = bench_block(sizes.at[(*drawn)++ % BENCH_SIZES]);
}

static void produce(struct group *g)
{
    size_t drawn = 0;
    pthread_mutex_lock(&g->lock);
    while (g->to_fill > 0) {
        g->to_fill--;
        while (g->empty_count == 0)
            pthread_cond_wait(&g->emptied, &g->lock);
        char **array = g->empty[--g->empty_count];
        pthread_mutex_unlock(&g->lock);
        fill(array, &drawn);
        pthread_mutex_lock(&g->lock);
        g->full[g->put++ % queue_length] = array;
        pthread_cond_signal(&g->filled);
    }
    pthread_mutex_unlock(&g->lock);
}

static void consume(struct group *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->to_take > 0) {
        g->to_take--;
        while (g->taken == g->put)
            pthread_cond_wait(&g->filled, &g->lock);
        char **array = g->full[g->taken++ % queue_length];
        pthread_mutex_unlock(&g->lock);
        for (size_t i = 0; i < batch; i++)
            free(array[i]);
        pthread_mutex_lock(&g->lock);
        g->empty[g->empty_count++] = array;
        pthread_cond_signal(&g->emptied);
    }
    pthread_mutex_unlock(&g->lock);
}

static void *play(void *argument)
{
    struct role *role = argument;
    if (role->produces)
        produce(role->group);
    else
        consume(role->group);
    return NULL;
}

static void group_init(struct group *g)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->filled, NULL);
    pthread_cond_init(&g->emptied, NULL);
    g->to_fill = g->to_take = blocks / groups / batch;
    g->empty = bench_map(queue_length * sizeof *g->empty);
    g->full = bench_map(queue_length * sizeof *g->full);
    char **arrays = bench_map(queue_length * batch * sizeof *arrays);
    for (; g->empty_count < queue_length; g->empty_count++)
        g->empty[g->empty_count] = arrays + g->empty_count * batch;
}

int main(int argc, char **argv)
{
    static struct group group[BENCH_THREADS_MAX];
    static struct role role[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', blocks), BENCH_NUMBER('p', producers),
                                            BENCH_NUMBER('c', consumers), BENCH_NUMBER('g', groups),
                                            BENCH_NUMBER('b', batch), BENCH_NUMBER('q', queue_length),
                                            BENCH_NUMBER('a', least), BENCH_NUMBER('z', greatest), BENCH_END},
                    usage);
    size_t members = producers + consumers;
    if (producers == 0 || consumers == 0 || groups == 0 || members > BENCH_THREADS_MAX ||
        groups > BENCH_THREADS_MAX / members || batch == 0 || queue_length == 0)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_uniform(&sizes, least, greatest, 1);
    for (size_t i = 0; i < groups; i++)
        group_init(&group[i]);
    for (size_t i = 0; i < groups * members; i++)
        role[i] = (struct role){&group[i / members], i % members < producers};
    double seconds = bench_threads(groups * members, play, role, sizeof role[0]);
    bench_print_result((double)(blocks / groups / batch * batch * groups), seconds);
    return 0;
}
