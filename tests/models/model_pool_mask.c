/* SPDX-License-Identifier: MIT */
/*
 * pool_mask: the owner of an arena takes and gives runs while other threads
 * give back runs of it. No granule belongs to two runs, none is lost, all of a
 * run lead to its descriptor. Runs src/pool.
 */
#include "support_pool.h"

/* Runs of 2, 3, 5 and 7 granules. */
enum { CLASS_TWO = 36, CLASS_THREE = 34, CLASS_FIVE = 33, CLASS_SEVEN = 35 };

static struct pool_arena arena, second_arena;
static struct slab *run[64];
static unsigned runs;

/* NULL when there is no room. */
static struct slab *take(struct pool_arena *from, unsigned c)
{
    struct slab *s = pool_run_take(from, c);
    if (s == NULL)
        return NULL;
    granules_take(s, c);
    s->size_class = (uint8_t)c; /* as the heap does */
    store_relaxed(&s->tag, TAG_POOL);
    return s;
}

static void gives_foreign(void *s)
{
    granules_give(s);
    pool_run_give_foreign(s);
}

static void takes_two(void *unused)
{
    (void)unused;
    take(&arena, CLASS_TWO);
    take(&arena, CLASS_FIVE);
}

static void gives_and_takes(void *s)
{
    granules_give(s);
    pool_run_give(&arena, s, false);
    take(&arena, CLASS_FIVE);
}

static void gives_and_trims(void *s)
{
    granules_give(s);
    pool_run_give(&arena, s, true);
    pool_arena_trim(&arena, false);
}

static void takes_from_second(void *unused)
{
    (void)unused;
    take(&second_arena, CLASS_THREE);
}

static void give_last(struct slab *s)
{
    pool_run_give_foreign(s);
}

static void finish(void)
{
    granules_give_all(give_last);
    pool_arena_trim(&arena, false);
    pool_arena_trim(&second_arena, false);
    /* A granule that is lost keeps its chunk. */
    explore_require(arena.chunk_count == 0 && second_arena.chunk_count == 0);
}

static void fill(unsigned count, unsigned c)
{
    while (count-- > 0)
        run[runs++] = take(&arena, c);
}

/* All 128 granules in use; run 31 is that of granules 62 to 64, in both words of the mask. */
static void make_full(void)
{
    granules_make();
    pool_arena_init(&arena);
    pool_arena_init(&second_arena);
    fill(31, CLASS_TWO);
    fill(1, CLASS_THREE);
    fill(9, CLASS_SEVEN);
    explore_require(arena.chunk_count == 1 && run[31]->index == 62);
}

static void take_setup(void)
{
    make_full();
    explore_thread(takes_two, NULL, NULL);
    explore_thread(gives_foreign, run[31], NULL);
    explore_thread(gives_foreign, run[30], NULL);
}

static void give_setup(void)
{
    make_full();
    explore_thread(gives_and_takes, run[30], NULL);
    explore_thread(gives_foreign, run[31], NULL);
    explore_thread(gives_foreign, run[29], NULL);
}

/* Two runs; when both are back the chunk goes to another arena. */
static void release_setup(void)
{
    granules_make();
    pool_arena_init(&arena);
    pool_arena_init(&second_arena);
    fill(1, CLASS_TWO);
    fill(1, CLASS_THREE);
    explore_thread(gives_and_trims, run[0], NULL);
    explore_thread(gives_foreign, run[1], NULL);
    explore_thread(takes_from_second, NULL, NULL);
}

int main(int argc, char **argv)
{
    static const struct explore_model models[] = {
        {"the_owner_takes", take_setup, finish},
        {"the_owner_gives_and_takes", give_setup, finish},
        {"the_chunk_changes_hands", release_setup, finish},
    };
    return explore_main(models, sizeof models / sizeof models[0], argc, argv);
}
