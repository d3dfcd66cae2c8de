/* SPDX-License-Identifier: MIT */
/*
 * Half of the threads only allocate, the other half only frees: each producer
 * hands arrays of blocks to its consumer through a queue of limited length.
 *
 *   producer_consumer [-n BLOCKS] [-t PAIRS] [-b BATCH] [-q QUEUE] [-a LEAST] [-z GREATEST]
 *     -n  blocks, all pairs together (10,000,000)
 *     -t  pairs of threads (2)
 *     -b  blocks in an array (256)   -q  arrays in a queue (16)
 *     -a  least size (16)   -z  greatest size (1k); uniform
 *
 * An operation is the way of one block: a malloc here, a free there.
 */
#include "bench.h"

static const char usage[] = "usage: producer_consumer [-n BLOCKS] [-t PAIRS] [-b BATCH] [-q QUEUE] [-a LEAST] "
                            "[-z GREATEST]\n";

static size_t blocks = 10000000, pairs = 2, batch = 256, queue_length = 16, least = 16, greatest = 1024;

static struct bench_sizes sizes;

/* One producer, one consumer. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t put, taken; /* lock: arrays so far */
    char **ring;       /* queue_length arrays of `batch` blocks; those between taken and put are full */
};

static char **queue_array(struct queue *q, size_t n)
{
    return q->ring + n % queue_length * batch;
}

static size_t queue_arrays(void)
{
    return blocks / pairs / batch;
}

static void *produce(struct queue *q)
{
    size_t drawn = 0;
    for (size_t n = 0; n < queue_arrays(); n++) {
        pthread_mutex_lock(&q->lock);
        while (q->put - q->taken == queue_length)
            pthread_cond_wait(&q->changed, &q->lock);
        pthread_mutex_unlock(&q->lock);
        char **array = queue_array(q, n);
        for (size_t i = 0; i < batch; i++)
            array[i] = bench_block(sizes.at[drawn++ % BENCH_SIZES]);
        pthread_mutex_lock(&q->lock);
        q->put++;
        pthread_cond_signal(&q->changed);
        pthread_mutex_unlock(&q->lock);
    }
    return NULL;
}

static void *consume(struct queue *q)
{
    for (size_t n = 0; n < queue_arrays(); n++) {
        pthread_mutex_lock(&q->lock);
        while (q->put == q->taken)
            pthread_cond_wait(&q->changed, &q->lock);
        pthread_mutex_unlock(&q->lock);
        char **array = queue_array(q, n);
        for (size_t i = 0; i < batch; i++)
            free(array[i]);
        pthread_mutex_lock(&q->lock);
        q->taken++;
        pthread_cond_signal(&q->changed);
        pthread_mutex_unlock(&q->lock);
    }
    return NULL;
}

struct role {
    struct queue *queue;
    bool produces;
};

static void *play(void *argument)
{
    struct role *role = argument;
    return role->produces ? produce(role->queue) : consume(role->queue);
}

int main(int argc, char **argv)
{
    static struct queue queue[BENCH_THREADS_MAX / 2];
    static struct role role[BENCH_THREADS_MAX];
    bench_arguments(argc, argv,
                    (struct bench_option[]){{'n', &blocks}, {'t', &pairs}, {'b', &batch}, {'q', &queue_length},
                                            {'a', &least}, {'z', &greatest}, {0}},
                    usage);
    if (pairs == 0 || pairs > BENCH_THREADS_MAX / 2 || batch == 0 || queue_length == 0)
        bench_fail("bad arguments");
    bench_print_allocator();
    bench_sizes_uniform(&sizes, least, greatest, 1);
    for (size_t i = 0; i < pairs; i++) {
        pthread_mutex_init(&queue[i].lock, NULL);
        pthread_cond_init(&queue[i].changed, NULL);
        queue[i].ring = calloc(queue_length * batch, sizeof *queue[i].ring);
        if (queue[i].ring == NULL)
            bench_fail("out of memory");
        role[2 * i] = (struct role){&queue[i], true};
        role[2 * i + 1] = (struct role){&queue[i], false};
    }
    double seconds = bench_threads(2 * pairs, play, role, sizeof role[0]);
    bench_print_result((double)(queue_arrays() * batch * pairs), seconds);
    return 0;
}
