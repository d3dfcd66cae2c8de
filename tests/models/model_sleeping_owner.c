/* SPDX-License-Identifier: MIT */
/*
 * sleeping_owner: threads that free find the queue long, take it, and give back
 * the slabs of which they hold every block, while the owner allocates, parks,
 * drains and frees. No slab is given back that the owner holds, lists or has
 * blocks of; the owner does not touch it afterwards (its fields are written by
 * who gives it back: that would be a race); no block is lost. Runs src/heap and
 * src/remote.
 */
#include "support.h"

static struct heap *owner, *other;
static void *block[9];

static void frees_and_collects(void *p)
{
    store_relaxed(&owner->collect_at, 1);
    free_block(p);
}

/* The slab that it may have given back is its own then. */
static void frees_collects_and_mallocs(void *p)
{
    frees_and_collects(p);
    malloc_block(SIZE_OF_TWO);
}

static void mallocs(void *n)
{
    malloc_block((size_t)n);
}

static void mallocs_twice(void *n)
{
    malloc_block((size_t)n);
    malloc_block((size_t)n);
}

static void frees_and_mallocs(void *p)
{
    size_t n = slab_block_size(registry_find(p));
    free_block(p);
    malloc_block(n);
}

static void make(size_t n, unsigned blocks)
{
    world_make();
    owner = world_heap();
    for (unsigned i = 0; i < blocks; i++)
        block[i] = malloc_block(n);
}

/* Slab 0 is held and full: the next miss parks it. */
static void park_setup(void)
{
    make(SIZE_OF_TWO, 2);
    explore_thread(mallocs, (void *)SIZE_OF_TWO, owner);
    explore_thread(frees_and_collects, block[0], &heap_exited);
    explore_thread(frees_and_collects, block[1], &heap_exited);
}

/* The same with one thread that holds both, and uses what it gave back. */
static void *both[2];

static void frees_both(void *unused)
{
    (void)unused;
    store_relaxed(&owner->collect_at, 2);
    free_block(both[0]);
    free_block(both[1]);
    malloc_block(SIZE_OF_TWO);
}

static void reuse_setup(void)
{
    make(SIZE_OF_TWO, 2);
    other = world_heap();
    both[0] = block[0];
    both[1] = block[1];
    explore_thread(mallocs_twice, (void *)SIZE_OF_TWO, owner);
    explore_thread(frees_both, NULL, other);
}

/* Slab 0 is full and in no list; the owner frees a block of it, and allocates. */
static void free_setup(void)
{
    make(SIZE_OF_THREE, 6);
    explore_require(registry_find(block[0])->role == ROLE_UNLISTED);
    explore_thread(frees_and_mallocs, block[2], owner);
    explore_thread(frees_and_collects, block[0], &heap_exited);
    explore_thread(frees_and_collects, block[1], &heap_exited);
}

/* Slab 0 is full and in no list, and all of it is freed by others. */
static void drain_setup(void)
{
    make(SIZE_OF_TWO, 4);
    explore_require(registry_find(block[0])->role == ROLE_UNLISTED);
    other = world_heap();
    explore_thread(mallocs, (void *)SIZE_OF_TWO, owner);
    explore_thread(frees_and_collects, block[0], &heap_exited);
    explore_thread(frees_collects_and_mallocs, block[1], other);
}

/* The owner exits meanwhile: slab 0 is parked by its exit. */
static void owner_exits(void *unused)
{
    (void)unused;
    world_thread_exit();
}

static void exit_setup(void)
{
    make(SIZE_OF_TWO, 2);
    both[0] = block[0];
    both[1] = block[1];
    other = world_heap();
    explore_thread(owner_exits, NULL, owner);
    explore_thread(frees_both, NULL, other);
}

int main(int argc, char **argv)
{
    static const struct explore_model models[] = {
        {"the_owner_parks", park_setup, world_check},
        {"what_was_given_back_is_used", reuse_setup, world_check},
        {"the_owner_frees", free_setup, world_check},
        {"the_owner_drains", drain_setup, world_check},
        {"the_owner_exits", exit_setup, world_check},
    };
    return explore_main(models, sizeof models / sizeof models[0], argc, argv);
}
