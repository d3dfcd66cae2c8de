/* SPDX-License-Identifier: MIT */
/*
 * remote_queue: any number of posts with one another and with takes. No block
 * is lost, none is taken twice, the counts are right. Runs src/remote/remote.c.
 */
#include "explore.h"
#include "remote/remote.h"

enum { BLOCKS = 8 };

static struct memory {
    struct block block;
    uint64_t second_word;
} memory[BLOCKS];
static struct remote_queue queue;
static unsigned taken[BLOCKS];    /* plain: a second taker is a race */
static unsigned ring_blocks[BLOCKS]; /* by its last block; constant: what was posted */

/* A ring of blocks [first, first + count), oldest last. */
static void add(struct remote_rings *rings, unsigned first, unsigned count)
{
    struct remote_batch batch = {NULL, &memory[first].block, &memory[first + count - 1].block, count};
    for (unsigned i = first; i + 1 < first + count; i++)
        memory[i].block.next = &memory[i + 1].block;
    ring_blocks[first + count - 1] = count;
    remote_rings_add(rings, &batch);
}

static unsigned post(unsigned first, unsigned count)
{
    struct remote_rings rings = {.count = 0};
    add(&rings, first, count);
    return remote_queue_post(&queue, &rings);
}

static unsigned take(void)
{
    unsigned rings = 0;
    struct ring *next;
    for (struct ring *ring = remote_queue_take(&queue); ring != NULL; ring = next, rings++) {
        next = ring_next(ring);
        struct remote_batch batch = ring_open(ring, NULL);
        size_t last = (size_t)(container_of(batch.last, struct memory, block) - memory);
        explore_require(last < BLOCKS && ring_blocks[last] == batch.count);
        struct block *b = batch.first;
        for (unsigned i = 0; i < batch.count; i++) {
            explore_require(i + 1 < batch.count || b == batch.last);
            struct memory *m = container_of(b, struct memory, block);
            b = b->next;
            taken[m - memory]++;
            m->second_word = 99; /* it is the taker's now */
        }
    }
    return rings;
}

static void poster_of_two(void *first)
{
    explore_require(post((unsigned)(uintptr_t)first, 1) >= 1);
    explore_require(post((unsigned)(uintptr_t)first + 1, 2) >= 1);
}

/* The same two rings, as a flush posts them. */
static void poster_of_two_together(void *first)
{
    struct remote_rings rings = {.count = 0};
    add(&rings, (unsigned)(uintptr_t)first, 1);
    add(&rings, (unsigned)(uintptr_t)first + 1, 2);
    explore_require(remote_queue_post(&queue, &rings) >= 2);
}

static void poster_of_one(void *first)
{
    explore_require(post((unsigned)(uintptr_t)first, 1) >= 1);
}

static void taker(void *times)
{
    for (uintptr_t i = 0; i < (uintptr_t)times; i++)
        take();
}

/* Takes, and posts the rings again, as foreign_collect does. */
static void collector(void *unused)
{
    (void)unused;
    struct remote_rings rings = {.count = 0};
    struct ring *next;
    for (struct ring *ring = remote_queue_take(&queue); ring != NULL; ring = next) {
        next = ring_next(ring);
        struct remote_batch batch = ring_open(ring, NULL);
        remote_rings_add(&rings, &batch);
    }
    if (rings.count > 0)
        remote_queue_post(&queue, &rings);
}

static void finish(void)
{
    uint64_t counted = queue.word >> REMOTE_POINTER_BITS;
    explore_require(counted == take());
    explore_require(remote_queue_is_empty(&queue));
    for (unsigned i = 0; i < BLOCKS; i++)
        explore_require(taken[i] == (ring_blocks[i] != 0 || (i + 1 < BLOCKS && ring_blocks[i + 1] == 2)));
}

static void names(void)
{
    explore_name(&queue, sizeof queue, "queue");
    explore_name(memory, sizeof memory, "block");
    explore_name(taken, sizeof taken, "taken");
}

static void setup_posters(void)
{
    names();
    explore_thread(poster_of_two, (void *)0, NULL);
    explore_thread(poster_of_one, (void *)3, NULL);
    explore_thread(poster_of_one, (void *)4, NULL);
    explore_thread(taker, (void *)2, NULL);
}

static void setup_takers(void)
{
    names();
    explore_thread(poster_of_two, (void *)0, NULL);
    explore_thread(poster_of_two_together, (void *)3, NULL);
    explore_thread(taker, (void *)1, NULL);
    explore_thread(taker, (void *)2, NULL);
}

static void setup_collector(void)
{
    names();
    explore_thread(poster_of_two_together, (void *)0, NULL);
    explore_thread(poster_of_one, (void *)3, NULL);
    explore_thread(collector, NULL, NULL);
    explore_thread(taker, (void *)1, NULL);
}

int main(int argc, char **argv)
{
    static const struct explore_model models[] = {
        {"three_posters_one_taker", setup_posters, finish},
        {"two_posters_two_takers", setup_takers, finish},
        {"a_taker_that_posts_again", setup_collector, finish},
    };
    return explore_main(models, sizeof models / sizeof models[0], argc, argv);
}
