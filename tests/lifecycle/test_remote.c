/* SPDX-License-Identifier: MIT */
/*
 * Blocks freed by another thread than the one that allocated them: memory
 * stays bounded whoever frees and whatever the owner does meanwhile.
 * TEST_SECONDS sets how long, TEST_MIB how much.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

/* ---- a thread that only frees ---- */

enum {
    RING = 32768,
    LIVE = 32 << 20,  /* bytes: what the producer keeps under */
    SLACK = 28 << 20, /* on top of LIVE: rounding to classes, both threads' holdings, the queues */
};

static struct {
    void *block;
    uint32_t size;
} ring[RING];
static _Atomic size_t produced, consumed; /* positions */
static _Atomic size_t live_bytes;
static atomic_bool stop;

static void *producer_main(void *argument)
{
    uint64_t random = 3;
    size_t largest = (size_t)argument;

    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        size_t at = atomic_load(&produced);
        size_t size;

        if (at - atomic_load(&consumed) == RING || atomic_load(&live_bytes) > LIVE - largest) {
            sched_yield();
            continue;
        }
        size = 16 + random_below(&random, largest - 16);
        ring[at % RING].block = malloc(size);
        ring[at % RING].size = (uint32_t)size;
        require(ring[at % RING].block != NULL);
        memset(ring[at % RING].block, 1, size);
        atomic_fetch_add(&live_bytes, size);
        atomic_store(&produced, at + 1);
    }
    return NULL;
}

static void *consumer_main(void *argument)
{
    (void)argument;
    for (;;) {
        size_t at = atomic_load(&consumed);

        /* lag behind, so that LIVE bytes are really live */
        if (at == atomic_load(&produced) || atomic_load(&live_bytes) < LIVE / 4 * 3) {
            if (atomic_load(&stop))
                return NULL;
            sched_yield();
            continue;
        }
        free(ring[at % RING].block); /* this thread calls nothing else */
        atomic_fetch_sub(&live_bytes, ring[at % RING].size);
        atomic_store(&consumed, at + 1);
    }
}

static void only_frees(size_t largest)
{
    pthread_t producer, consumer;
    size_t before, most = 0;
    struct timespec tick = {0, 10 * 1000 * 1000};

    memset(ring, 1, sizeof ring); /* resident before the measurement */
    before = footprint();
    atomic_store(&stop, false);
    require(pthread_create(&producer, NULL, producer_main, (void *)largest) == 0);
    require(pthread_create(&consumer, NULL, consumer_main, NULL) == 0);
    for (size_t i = 0; i < setting("TEST_SECONDS", 2) * 100; i++) {
        size_t now;

        nanosleep(&tick, NULL);
        now = footprint();
        most = now > most ? now : most;
    }
    atomic_store(&stop, true);
    require(pthread_join(producer, NULL) == 0);
    require(pthread_join(consumer, NULL) == 0);
    while (atomic_load(&consumed) != atomic_load(&produced))
        free(ring[atomic_fetch_add(&consumed, 1) % RING].block);
    note("%zu blocks to %zu bytes through a thread that only frees: %zu MiB over the start",
         atomic_load(&produced), largest, (most - before) >> 20);
    require_at_most(most, before + LIVE + SLACK);
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static void only_frees_small(void)
{
    only_frees(4000);
}

static void only_frees_all_sizes(void)
{
    only_frees(MIB(1));
}

/* ---- owners that sleep, and owners that died ---- */

static size_t hoard_bytes(void)
{
    return MIB(setting("TEST_MIB", TEST_SANITIZED ? 32 : 256));
}

enum { HOARD_SIZE = 512 };

struct hoard {
    void **block;
    size_t count;
};

static void hoard_fill(struct hoard *hoard)
{
    for (size_t i = 0; i < hoard->count; i++) {
        hoard->block[i] = malloc(HOARD_SIZE);
        require(hoard->block[i] != NULL);
        memset(hoard->block[i], 1, HOARD_SIZE);
    }
}

static void hoard_free(struct hoard *hoard)
{
    for (size_t i = 0; i < hoard->count; i++)
        free(hoard->block[i]);
}

static sem_t filled, wake;
static bool owner_dies;

static void *owner_main(void *argument)
{
    hoard_fill(argument);
    require(sem_post(&filled) == 0);
    while (!owner_dies && sem_wait(&wake) != 0)
        require(errno == EINTR);
    return NULL;
}

/*
 * Each owner fills and sleeps; this thread frees all of that and then needs as
 * much itself. Without help for sleepers each round adds a whole hoard.
 */
static void owners_that_do_nothing_more(void)
{
    enum { OWNERS = 4 };
    pthread_t owner[OWNERS];
    struct hoard hoard = {.count = hoard_bytes() / HOARD_SIZE};
    size_t before, most = 0;

    require(sem_init(&filled, 0, 0) == 0 && sem_init(&wake, 0, 0) == 0);
    hoard.block = calloc(hoard.count, sizeof *hoard.block);
    require(hoard.block != NULL);
    memset(hoard.block, 1, hoard.count * sizeof *hoard.block);
    before = footprint();
    for (int i = 0; i < OWNERS; i++) {
        size_t now;

        require(pthread_create(&owner[i], NULL, owner_main, &hoard) == 0);
        while (sem_wait(&filled) != 0)
            require(errno == EINTR);
        if (owner_dies)
            require(pthread_join(owner[i], NULL) == 0);
        hoard_free(&hoard);
        hoard_fill(&hoard);
        now = footprint();
        most = now > most ? now : most;
        note("round %d: %zu MiB for %zu live", i, (now - before) >> 20, hoard_bytes() >> 20);
        hoard_free(&hoard);
    }
    for (int i = 0; i < OWNERS && !owner_dies; i++)
        require(sem_post(&wake) == 0);
    for (int i = 0; i < OWNERS && !owner_dies; i++)
        require(pthread_join(owner[i], NULL) == 0);
    require_at_most(most - before, hoard_bytes() + hoard_bytes() / 2 + MIB(64));
    require(hakmem_audit(STDERR_FILENO) == 0);
    free(hoard.block);
}

static void owners_that_sleep(void)
{
    owner_dies = false;
    owners_that_do_nothing_more();
}

static void owners_that_died(void)
{
    owner_dies = true;
    owners_that_do_nothing_more();
}

/* The owner frees nothing itself but goes on allocating a little: it must take its own back. */
static void *slow_owner_main(void *argument)
{
    struct hoard *hoard = argument;

    for (int round = 0; round < 8; round++) {
        hoard_fill(hoard);
        require(sem_post(&filled) == 0);
        while (sem_wait(&wake) != 0)
            require(errno == EINTR);
    }
    return NULL;
}

static void owner_allocates_again_what_others_freed(void)
{
    pthread_t owner;
    struct hoard hoard = {.count = hoard_bytes() / 4 / HOARD_SIZE};
    size_t before, first = 0, now = 0;

    require(sem_init(&filled, 0, 0) == 0 && sem_init(&wake, 0, 0) == 0);
    hoard.block = calloc(hoard.count, sizeof *hoard.block);
    require(hoard.block != NULL);
    memset(hoard.block, 1, hoard.count * sizeof *hoard.block);
    before = footprint();
    require(pthread_create(&owner, NULL, slow_owner_main, &hoard) == 0);
    for (int round = 0; round < 8; round++) {
        while (sem_wait(&filled) != 0)
            require(errno == EINTR);
        now = footprint();
        if (round == 0)
            first = now;
        hoard_free(&hoard);
        require(sem_post(&wake) == 0);
    }
    require(pthread_join(owner, NULL) == 0);
    note("first round %zu MiB, eighth %zu MiB", (first - before) >> 20, (now - before) >> 20);
    require_at_most(now, first + MIB(16));
    require(hakmem_audit(STDERR_FILENO) == 0);
    free(hoard.block);
}

/* An owner that only looks at its heap is one that sleeps: others give its slabs back meanwhile. */
static atomic_bool looked_at;

static void *auditing_owner_main(void *argument)
{
    hoard_fill(argument);
    require(sem_post(&filled) == 0);
    while (!atomic_load(&looked_at))
        require(hakmem_audit(STDERR_FILENO) == 0);
    return NULL;
}

static void owner_audits_while_others_free(void)
{
    enum { ROUNDS = 20 };
    struct hoard hoard = {.count = hoard_bytes() / 4 / HOARD_SIZE};

    require(sem_init(&filled, 0, 0) == 0);
    hoard.block = calloc(hoard.count, sizeof *hoard.block);
    require(hoard.block != NULL);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t owner;

        atomic_store(&looked_at, false);
        require(pthread_create(&owner, NULL, auditing_owner_main, &hoard) == 0);
        while (sem_wait(&filled) != 0)
            require(errno == EINTR);
        hoard_free(&hoard);
        hoard_fill(&hoard);
        hoard_free(&hoard);
        atomic_store(&looked_at, true);
        require(pthread_join(owner, NULL) == 0);
    }
    require(hakmem_audit(STDERR_FILENO) == 0);
    free(hoard.block);
}

static const struct scenario scenarios[] = {
    {"only_frees_small", only_frees_small},
    {"only_frees_all_sizes", only_frees_all_sizes},
    {"owners_that_sleep", owners_that_sleep},
    {"owners_that_died", owners_that_died},
    {"owner_allocates_again_what_others_freed", owner_allocates_again_what_others_freed},
    {"owner_audits_while_others_free", owner_audits_while_others_free},
    {NULL, NULL},
};

static void memory_is_bounded_when_a_thread_only_frees_small_blocks(void **state)
{
    (void)state;
    assert_scenario_passes("only_frees_small");
}

static void memory_is_bounded_when_a_thread_only_frees_blocks_of_all_sizes(void **state)
{
    (void)state;
    assert_scenario_passes("only_frees_all_sizes");
}

static void memory_of_sleeping_owners_serves_others(void **state)
{
    (void)state;
    assert_scenario_passes("owners_that_sleep");
}

static void memory_of_dead_owners_serves_others(void **state)
{
    (void)state;
    assert_scenario_passes("owners_that_died");
}

static void an_owner_takes_back_what_others_freed(void **state)
{
    (void)state;
    assert_scenario_passes("owner_allocates_again_what_others_freed");
}

static void an_owner_may_audit_while_others_free(void **state)
{
    (void)state;
    assert_scenario_passes("owner_audits_while_others_free");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_bounded_when_a_thread_only_frees_small_blocks),
        cmocka_unit_test(memory_is_bounded_when_a_thread_only_frees_blocks_of_all_sizes),
        cmocka_unit_test(memory_of_sleeping_owners_serves_others),
        cmocka_unit_test(memory_of_dead_owners_serves_others),
        cmocka_unit_test(an_owner_takes_back_what_others_freed),
        cmocka_unit_test(an_owner_may_audit_while_others_free),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
