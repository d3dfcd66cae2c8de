/* SPDX-License-Identifier: MIT */
/*
 * Every address there can be leads to the descriptor that was set for its
 * granule, or to the one of nothing; walkers see what is published and only
 * that; a retired region comes back once, after those who saw it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/os.h"
#include "registry/registry.h"
#include "support/support.h"
#include "support/unit.h"

enum { REGIONS = 200, WALKERS = 2 };

/* Any address, of which nothing is read. */
static struct slab *find(uintptr_t address)
{
    return registry_find((const void *)address);
}

#define assert_leads_to_nothing(address) \
    assert_ptr_equal(find((uintptr_t)(address)), &registry_root.none)

static void the_descriptor_of_nothing_has_no_tag_and_no_owner(void **state)
{
    (void)state;
    assert_int_equal(registry_root.none.tag, TAG_NONE);
    assert_null(registry_root.none.owner);
    assert_true(all_zero(&registry_root.none, sizeof registry_root.none));
}

static void what_is_no_block_leads_to_nothing(void **state)
{
    static int object;
    int local;

    (void)state;
    assert_leads_to_nothing(0);
    for (uintptr_t small = 1; small < 70000; small += 13)
        assert_leads_to_nothing(small);
    assert_leads_to_nothing(&object);
    assert_leads_to_nothing(&local);
    assert_leads_to_nothing(&registry_root);
    assert_leads_to_nothing(registry_find);
}

static void an_address_that_user_space_cannot_have_leads_to_nothing(void **state)
{
    uint64_t random = 5;

    (void)state;
    assert_leads_to_nothing(UINTPTR_MAX);
    assert_leads_to_nothing(UINTPTR_MAX & ~(uintptr_t)15);
    for (unsigned bit = REGISTRY_ADDRESS_BITS; bit < 64; bit++) {
        assert_leads_to_nothing((uintptr_t)1 << bit);             /* not canonical */
        assert_leads_to_nothing(UINTPTR_MAX << bit);              /* the kernel's half */
        assert_leads_to_nothing(((uintptr_t)1 << bit) + GRANULE); /* by one bit */
    }
    for (int i = 0; i < 100000; i++) {
        uintptr_t any = (uintptr_t)random_next(&random) & ~(uintptr_t)15;

        if (any >> REGISTRY_ADDRESS_BITS != 0)
            assert_leads_to_nothing(any);
    }
}

/* ---- the window: placed by the first reservation of this program, far from all that is mapped ---- */

#define WINDOW_FIRST ((uintptr_t)1 << 40) /* the first region, as it were */

/* 0 or the error when the system writes a descriptor. */
static int access_for_writing(struct slab *s)
{
    int zero = open("/dev/zero", O_RDONLY);

    assert_true(zero >= 0);
    long got = read(zero, s, sizeof *s);
    int error = errno;
    close(zero);
    return got < 0 ? error : 0;
}

static void before_the_first_region_the_window_has_nothing(void **state)
{
    static int object;

    (void)state;
    assert_null(registry_find_in_window(NULL));
    assert_null(registry_find_in_window(&object));
    assert_null(registry_window_range(WINDOW_FIRST, GRANULE));
    /* What no block can be finds nothing, or a descriptor of nothing. */
    for (uintptr_t off = 1; off < BLOCK_ALIGN; off++) {
        const struct slab *s = registry_find_in_window((const char *)WINDOW_FIRST + off);
        assert_true(s == NULL || all_zero(s, sizeof *s));
    }
}

static void each_granule_of_the_window_has_its_descriptor(void **state)
{
    (void)state;
    assert_true(registry_reserve(WINDOW_FIRST, GRANULE));
    uintptr_t start = registry_window_start << 4;
    assert_true(start <= WINDOW_FIRST && WINDOW_FIRST - start < REGISTRY_WINDOW_SIZE);
    for (size_t i = 0; i < REGISTRY_WINDOW_GRANULES; i += 997) {
        const char *granule = (const char *)start + i * GRANULE;

        assert_ptr_equal(registry_find_in_window(granule), &registry_window[i]);
        assert_ptr_equal(registry_find_in_window(granule + GRANULE - BLOCK_ALIGN), &registry_window[i]);
        assert_null(registry_find_in_window(granule + 1));
    }
    assert_null(registry_find_in_window((const char *)start - BLOCK_ALIGN));
    assert_null(registry_find_in_window((const char *)start + REGISTRY_WINDOW_SIZE));
    assert_ptr_equal(registry_window_range(start, REGISTRY_WINDOW_SIZE), registry_window);
    assert_null(registry_window_range(start - GRANULE, 2 * GRANULE));
    assert_null(registry_window_range(start + REGISTRY_WINDOW_SIZE - GRANULE, 2 * GRANULE));
}

static void the_window_is_writable_where_granules_were_reserved(void **state)
{
    uintptr_t window = registry_window_start << 4, granule = window + REGISTRY_WINDOW_SIZE / 2;
    struct slab *s = registry_window_range(granule, GRANULE);

    (void)state;
    assert_true(registry_reserve(granule, GRANULE)); /* the leaf alone, as for large blocks */
    os_fail_after(0);
    assert_false(registry_reserve_slabs(granule, GRANULE));
    os_fail_after(-1);
    assert_int_equal(access_for_writing(s), EFAULT);
    assert_true(all_zero(s, sizeof *s));
    assert_true(registry_reserve_slabs(granule, GRANULE));
    assert_int_equal(access_for_writing(s), 0);
    assert_true(registry_reserve_slabs(granule - 64 * MIB, 128 * MIB));
    assert_int_equal(access_for_writing(registry_window_range(granule - 64 * MIB, GRANULE)), 0);
    assert_int_equal(access_for_writing(registry_window_range(granule + 64 * MIB - GRANULE, GRANULE)), 0);
    assert_int_equal(access_for_writing(registry_window_range(granule - 128 * MIB, GRANULE)), EFAULT);
    /* What sticks out of the window. */
    assert_true(registry_reserve_slabs(window - GRANULE, 2 * GRANULE));
    assert_int_equal(access_for_writing(&registry_window[0]), 0);
    assert_true(registry_reserve_slabs(window + REGISTRY_WINDOW_SIZE - GRANULE, 2 * GRANULE));
    assert_int_equal(access_for_writing(&registry_window[REGISTRY_WINDOW_GRANULES - 1]), 0);
}

static void a_granule_of_the_pool_leads_to_its_chunk_in_the_window_and_in_the_map(void **state)
{
    static struct slab head = {.tag = TAG_POOL};
    static const uint16_t map[3 * GRANULE / POOL_UNIT];

    (void)state;
    assert_true(registry_reserve_slabs(WINDOW_FIRST, 3 * GRANULE));
    registry_set_pool(WINDOW_FIRST, 3 * GRANULE, &head, map);
    for (size_t i = 0; i < 3; i++) {
        const struct slab *s = registry_find_in_window((const char *)WINDOW_FIRST + i * GRANULE + 1024);

        assert_ptr_equal(find(WINDOW_FIRST + i * GRANULE), &head);
        assert_ptr_equal(s->map, &map[i * GRANULE / POOL_UNIT]);
        assert_int_equal(s->tag, TAG_POOL);
        assert_null(s->owner);
    }
    registry_set_pool(WINDOW_FIRST, 3 * GRANULE, NULL, map);
    assert_leads_to_nothing(WINDOW_FIRST);
    assert_int_equal(registry_find_in_window((const void *)WINDOW_FIRST)->tag, TAG_NONE);
}

/* Address space that nobody else has, and its size. */
static uintptr_t reserve(size_t granules)
{
    void *base = os_reserve(granules * GRANULE, GRANULE);

    assert_non_null(base);
    assert_true(registry_reserve((uintptr_t)base, granules * GRANULE));
    return (uintptr_t)base;
}

static void every_address_of_a_granule_leads_to_its_descriptor(void **state)
{
    static struct slab slab[3];
    uintptr_t base = reserve(5);

    (void)state;
    for (size_t i = 0; i < 3; i++)
        registry_set(base + (i + 1) * GRANULE, GRANULE, &slab[i]);
    for (size_t i = 0; i < 3; i++) {
        for (size_t offset = 0; offset < GRANULE; offset += BLOCK_ALIGN)
            assert_ptr_equal(find(base + (i + 1) * GRANULE + offset), &slab[i]);
    }
    assert_leads_to_nothing(base + GRANULE - BLOCK_ALIGN);
    assert_leads_to_nothing(base + 4 * GRANULE);
    registry_set(base, 5 * GRANULE, &slab[0]);
    for (size_t i = 0; i < 5; i++)
        assert_ptr_equal(find(base + i * GRANULE), &slab[0]);
    registry_set(base, 5 * GRANULE, NULL);
    for (size_t i = 0; i < 5; i++)
        assert_leads_to_nothing(base + i * GRANULE);
    os_unmap((void *)base, 5 * GRANULE);
}

static void a_misaligned_address_leads_to_nothing(void **state)
{
    static struct slab slab;
    uintptr_t base = reserve(1);

    (void)state;
    registry_set(base, GRANULE, &slab);
    for (size_t at = 0; at < GRANULE; at += 4080) {
        for (size_t off = 1; off < BLOCK_ALIGN; off++)
            assert_leads_to_nothing(base + at + off);
        assert_ptr_equal(find(base + at), &slab);
    }
    for (unsigned bit = REGISTRY_ADDRESS_BITS; bit < 64; bit++)
        assert_leads_to_nothing(base | (uintptr_t)1 << bit);
    registry_set(base, GRANULE, NULL);
    os_unmap((void *)base, GRANULE);
}

static void a_range_across_two_leaves_is_set_on_both_sides(void **state)
{
    static struct slab slab;
    /* nothing is mapped: entries may be made for any address */
    uintptr_t border = (uintptr_t)3 << REGISTRY_LEAF_SHIFT, base = border - 2 * GRANULE;

    (void)state;
    assert_true(registry_reserve(base, 4 * GRANULE));
    registry_set(base, 4 * GRANULE, &slab);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(find(base + i * GRANULE), &slab);
    assert_leads_to_nothing(base - GRANULE);
    assert_leads_to_nothing(base + 4 * GRANULE);
    registry_set(base, 4 * GRANULE, NULL);
}

static void leaves_cannot_be_had_without_memory_or_beyond_the_address_space(void **state)
{
    uintptr_t fresh = (uintptr_t)7 << REGISTRY_LEAF_SHIFT;
    uintptr_t end = (uintptr_t)1 << REGISTRY_ADDRESS_BITS;

    (void)state;
    os_fail_after(0);
    assert_false(registry_reserve(fresh, GRANULE));
    assert_leads_to_nothing(fresh);
    os_fail_after(-1);
    assert_true(registry_reserve(fresh, GRANULE));
    os_fail_after(0);
    assert_true(registry_reserve(fresh + GRANULE, GRANULE)); /* its leaf is there */
    os_fail_after(-1);
    assert_false(registry_reserve(end - GRANULE, 2 * GRANULE));
    assert_false(registry_reserve(end, GRANULE));
}

/* ---- regions ---- */

static struct region region[REGIONS];
static unsigned recycled[REGIONS]; /* atomic */
static unsigned seen[REGIONS];     /* by the last walk of the main thread */

static void see(struct region *at, void *context)
{
    require(at >= region && at < region + REGIONS);
    require(load_relaxed(&recycled[at - region]) == 0);
    if (context == seen)
        seen[at - region]++;
}

static void recycle(struct region *at)
{
    fetch_add_relaxed(&recycled[at - region], 1);
}

/* The walk meets regions [from, to) once and no other. */
static void assert_walk_sees(size_t from, size_t to)
{
    memset(seen, 0, sizeof seen);
    registry_walk(see, seen);
    for (size_t i = 0; i < REGIONS; i++)
        assert_int_equal(seen[i], i >= from && i < to);
}

static void add_regions(void)
{
    memset(recycled, 0, sizeof recycled);
    for (size_t i = 0; i < REGIONS; i++) {
        region[i].kind = i % 2 == 0 ? REGION_SUPERSLAB : REGION_POOL;
        registry_add(&region[i]);
    }
}

static size_t count_recycled(void)
{
    size_t count = 0;

    for (size_t i = 0; i < REGIONS; i++) {
        assert_true(load_relaxed(&recycled[i]) <= 1);
        count += load_relaxed(&recycled[i]);
    }
    return count;
}

/* Few retired ones wait for more; these are as many as any batch. */
static void retire_and_recycle_all(void)
{
    for (size_t i = 0; i < REGIONS; i++)
        registry_retire(&region[i], recycle);
    registry_synchronize();
    assert_int_equal(count_recycled(), REGIONS);
}

static void a_walk_sees_what_was_added_and_not_what_was_retired(void **state)
{
    (void)state;
    assert_walk_sees(0, 0);
    memset(recycled, 0, sizeof recycled);
    for (size_t i = 0; i < REGIONS; i++) {
        registry_add(&region[i]);
        assert_walk_sees(0, i + 1);
    }
    for (size_t i = 0; i < REGIONS; i++) {
        registry_retire(&region[i], recycle);
        assert_walk_sees(i + 1, REGIONS);
    }
    assert_int_equal(count_recycled(), 0); /* nobody has waited for a grace period */
    registry_synchronize();
    assert_int_equal(count_recycled(), REGIONS);
    assert_walk_sees(0, 0);
}

static void a_walk_works_without_memory_for_a_reader(void **state)
{
    (void)state;
    add_regions();
    os_fail_after(0);
    assert_walk_sees(0, REGIONS);
    os_fail_after(-1);
    assert_walk_sees(0, REGIONS);
    retire_and_recycle_all();
}

/* A walker that stays on the first region it meets until the others have gone on. */
static sem_t standing, retired_all;

static void stand(struct region *at, void *context)
{
    if (*(bool *)context)
        return;
    *(bool *)context = true;
    sem_post(&standing);
    while (sem_wait(&retired_all) != 0)
        continue;
    for (int i = 0; i < 1000; i++) {
        require(load_relaxed(&recycled[at - region]) == 0);
        sched_yield();
    }
}

static void *stand_on_a_region(void *argument)
{
    bool stood = false;

    registry_walk(stand, &stood);
    require(stood);
    return argument;
}

static void no_region_is_recycled_while_a_walker_stands_on_it(void **state)
{
    pthread_t walker[WALKERS];

    (void)state;
    sem_init(&standing, 0, 0);
    sem_init(&retired_all, 0, 0);
    for (int round = 0; round < 5; round++) {
        add_regions();
        for (int i = 0; i < WALKERS; i++)
            assert_int_equal(pthread_create(&walker[i], NULL, stand_on_a_region, NULL), 0);
        for (int i = 0; i < WALKERS; i++) {
            while (sem_wait(&standing) != 0)
                continue;
        }
        for (size_t i = 0; i < REGIONS; i++)
            registry_retire(&region[i], recycle);
        assert_walk_sees(0, 0);
        for (int i = 0; i < WALKERS; i++)
            sem_post(&retired_all);
        registry_synchronize(); /* waits for the walkers */
        assert_int_equal(count_recycled(), REGIONS);
        for (int i = 0; i < WALKERS; i++)
            assert_int_equal(pthread_join(walker[i], NULL), 0);
    }
}

static void walk_after_the_end(void)
{
    registry_exit();
    memset(seen, 0, sizeof seen);
    registry_walk(see, seen);
    require(seen[0] == 0);
    registry_synchronize();
}

static void after_the_exit_no_walk_does_anything(void **state)
{
    (void)state;
    add_regions();
    assert_int_equal(unit_child_status(walk_after_the_end), 0);
    assert_walk_sees(0, REGIONS);
    retire_and_recycle_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_descriptor_of_nothing_has_no_tag_and_no_owner),
        cmocka_unit_test(what_is_no_block_leads_to_nothing),
        cmocka_unit_test(an_address_that_user_space_cannot_have_leads_to_nothing),
        cmocka_unit_test(before_the_first_region_the_window_has_nothing),
        cmocka_unit_test(each_granule_of_the_window_has_its_descriptor),
        cmocka_unit_test(the_window_is_writable_where_granules_were_reserved),
        cmocka_unit_test(a_granule_of_the_pool_leads_to_its_chunk_in_the_window_and_in_the_map),
        cmocka_unit_test(every_address_of_a_granule_leads_to_its_descriptor),
        cmocka_unit_test(a_misaligned_address_leads_to_nothing),
        cmocka_unit_test(a_range_across_two_leaves_is_set_on_both_sides),
        cmocka_unit_test(leaves_cannot_be_had_without_memory_or_beyond_the_address_space),
        cmocka_unit_test(a_walk_sees_what_was_added_and_not_what_was_retired),
        cmocka_unit_test(a_walk_works_without_memory_for_a_reader),
        cmocka_unit_test(no_region_is_recycled_while_a_walker_stands_on_it),
        cmocka_unit_test(after_the_exit_no_walk_does_anything),
    };

    return cmocka_run_group_tests_name("registry", tests, unit_defaults, NULL);
}
