/* SPDX-License-Identifier: MIT */
/*
 * registry_walk: regions are retired and recycled while others walk the list.
 * A region that a walker may stand on is not used again. Runs src/registry.
 */
#include "explore.h"
#include "registry/registry.h"

enum { REGIONS = 3, RETIRED_BEFORE = 63 /* one more is worth recycling */ };

static struct region region[REGIONS], old[RETIRED_BEFORE];
static unsigned recycled;

static void visit(struct region *r, void *seen)
{
    explore_require(r->size != 0); /* a plain read: a race with who uses the structure again */
    ++*(unsigned *)seen;
}

static void recycle(struct region *r)
{
    r->size = 0;
    recycled++;
}

static void walks(void *unused)
{
    unsigned seen = 0;
    (void)unused;
    registry_walk(visit, &seen);
    explore_require(seen >= REGIONS - 2);
}

static void walks_twice(void *unused)
{
    walks(unused);
    walks(unused);
}

static void retires(void *r)
{
    registry_retire(r, recycle);
    registry_recycle();
}

static void recycles(void *unused)
{
    (void)unused;
    registry_recycle();
}

static void make(void)
{
    explore_constant(&registry_root, sizeof registry_root);
    explore_constant(registry_window, sizeof registry_window);
    for (unsigned i = 0; i < RETIRED_BEFORE; i++) {
        registry_add(&old[i]);
        registry_retire(&old[i], recycle);
    }
    for (unsigned i = 0; i < REGIONS; i++) {
        region[i].size = 1;
        registry_add(&region[i]);
    }
    recycled = 0;
}

static void one_setup(void)
{
    make();
    explore_thread(walks_twice, NULL, NULL);
    explore_thread(retires, &region[1], NULL);
}

static void two_setup(void)
{
    make();
    explore_thread(walks, NULL, NULL);
    explore_thread(retires, &region[1], NULL);
    explore_thread(retires, &region[0], NULL);
}

static void two_walkers_setup(void)
{
    make();
    explore_thread(walks, NULL, NULL);
    explore_thread(walks, NULL, NULL);
    explore_thread(retires, &region[2], NULL);
    explore_thread(recycles, NULL, NULL);
}

static void all_or_nothing(void)
{
    explore_require(recycled == 0 || recycled > RETIRED_BEFORE);
}

int main(int argc, char **argv)
{
    static const struct explore_model models[] = {
        {"a_walker_and_who_retires", one_setup, all_or_nothing},
        {"two_retire", two_setup, all_or_nothing},
        {"two_walkers", two_walkers_setup, all_or_nothing},
    };
    return explore_main(models, sizeof models / sizeof models[0], argc, argv);
}
