/* SPDX-License-Identifier: MIT */
/*
 * dead_owner: threads free blocks of a heap whose thread exits, has exited, or
 * is followed by a new one. At the end no ring waits in a dead heap, blocks are
 * counted rightly, empty slabs are back; and never are two threads in one heap
 * (its fields are plain: that would be a race). Runs src/heap and src/remote.
 */
#include "support.h"

static struct heap *first_heap;
static void *block[4];

static void owner_exits(void *unused)
{
    (void)unused;
    world_thread_exit();
}

static void owner_vanishes(void *p)
{
    free_block(p);
    world_thread_vanish();
}

static void frees(void *p)
{
    free_block(p);
}

static void frees_and_exits(void *p)
{
    free_block(p);
    world_thread_exit();
}

/* The first to call is to look at the queue for an owner that sleeps. */
static void frees_and_collects(void *p)
{
    store_relaxed(&first_heap->collect_at, 1);
    free_block(p);
}

static void starts(void *unused)
{
    (void)unused;
    malloc_block(SIZE_OF_TWO);
}

static void starts_and_exits(void *unused)
{
    (void)unused;
    free_block(malloc_block(SIZE_OF_TWO));
    world_thread_exit();
}

/* Time passes, or memory is short. */
static void cools(void *unused)
{
    (void)unused;
    heap_cool(UINT64_MAX);
}

/* Two blocks of one slab, and one of another. */
static void make(void)
{
    world_make();
    first_heap = world_heap();
    for (unsigned i = 0; i < 3; i++)
        block[i] = malloc_block(SIZE_OF_TWO);
}

static void make_dead(void)
{
    make();
    world_thread_exit();
    explore_require(first_heap->state == HEAP_DEAD);
}

static void exit_setup(void)
{
    make();
    explore_thread(owner_exits, NULL, first_heap);
    explore_thread(frees, block[0], &heap_exited);
    explore_thread(frees, block[1], &heap_exited);
}

static void takeover_setup(void)
{
    make();
    explore_thread(owner_exits, NULL, first_heap);
    explore_thread(frees, block[0], &heap_exited);
    explore_thread(starts, NULL, &heap_none);
}

static void dead_setup(void)
{
    make_dead();
    explore_thread(frees, block[0], &heap_exited);
    explore_thread(frees, block[2], &heap_exited);
}

static void cool_setup(void)
{
    make();
    world_heap(); /* another thread lives, so that the heap stays warm */
    heap_self = first_heap;
    world_thread_exit();
    explore_require(first_heap->state == HEAP_DEAD && first_heap->died_ms == 0 && first_heap->bin[1] != NULL);
    explore_thread(frees, block[0], &heap_exited);
    explore_thread(cools, NULL, &heap_none);
    explore_thread(starts, NULL, &heap_none);
}

static void dead_takeover_setup(void)
{
    make_dead();
    explore_thread(frees, block[0], &heap_exited);
    explore_thread(frees, block[1], &heap_exited);
    explore_thread(starts_and_exits, NULL, &heap_none);
}

static void collect_setup(void)
{
    make();
    explore_thread(owner_exits, NULL, first_heap);
    explore_thread(frees_and_collects, block[0], &heap_exited);
}

/* A thread that exits with gathered blocks of a heap that is dying. */
static void both_exit_setup(void)
{
    make();
    struct heap *second_heap = world_heap();
    explore_thread(owner_exits, NULL, first_heap);
    explore_thread(frees_and_exits, block[0], second_heap);
}

static void lost_setup(void)
{
    make();
    explore_thread(owner_vanishes, block[2], first_heap);
    explore_thread(frees, block[0], &heap_exited);
    explore_thread(starts_and_exits, NULL, &heap_none);
}

int main(int argc, char **argv)
{
    static const struct explore_model models[] = {
        {"posts_while_the_owner_exits", exit_setup, world_check},
        {"exit_and_takeover", takeover_setup, world_check},
        {"posts_to_a_dead_heap", dead_setup, world_check},
        {"cooled_while_others_free_and_start", cool_setup, world_check},
        {"takeover_and_second_exit", dead_takeover_setup, world_check},
        {"collect_while_the_owner_exits", collect_setup, world_check},
        {"both_exit", both_exit_setup, world_check},
        {"owner_lost", lost_setup, world_check},
    };
    return explore_main(models, sizeof models / sizeof models[0], argc, argv);
}
