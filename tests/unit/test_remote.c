/* SPDX-License-Identifier: MIT */
/* Batches are gathered by slab, posted as rings, and come out as they went in. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "remote/remote.h"
#include "support/support.h"

enum { SLABS = 512, BLOCKS = 66000, POSTERS = 4, POSTS = 500 };

/* Descriptors of slabs that have no memory, and blocks that lie in none. */
static struct slab slab[SLABS];
static struct {
    _Alignas(BLOCK_ALIGN) unsigned char room[BLOCK_ALIGN];
} memory[BLOCKS];
static struct remote_cache cache;
static struct remote_queue queue;

static struct block *block(size_t n)
{
    return (struct block *)(void *)memory[n].room;
}

static size_t number_of(const struct block *b)
{
    return (size_t)((const unsigned char *)b - memory[0].room) / BLOCK_ALIGN;
}

static int start(void **state)
{
    (void)state;
    memset(&cache, 0, sizeof cache);
    memset(&queue, 0, sizeof queue);
    memset(memory, 0xee, sizeof memory);
    for (unsigned i = 0; i < SLABS; i++)
        slab[i].size_class = (uint8_t)(1 + i % (SLAB_CLASSES - 1));
    return 0;
}

/* A batch of `count` blocks from `first` on, linked in rising order. */
static struct remote_batch batch_of(size_t first, uint32_t count)
{
    for (size_t i = 0; i + 1 < count; i++)
        block(first + i)->next = block(first + i + 1);
    return (struct remote_batch){&slab[0], block(first), block(first + count - 1), count};
}

static unsigned post_one(const struct remote_batch *batch)
{
    struct remote_rings rings = {.count = 0};

    remote_rings_add(&rings, batch);
    return remote_queue_post(&queue, &rings);
}

/* From first to last, the batch has the blocks [first, first + count). */
static void assert_batch_is(const struct remote_batch *batch, size_t first, uint32_t count)
{
    struct block *at = batch->first;

    assert_int_equal(batch->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(number_of(at), first + i);
        if (i + 1 == count)
            assert_ptr_equal(at, batch->last);
        else
            at = at->next;
    }
}

/* ---- gathering ---- */

/* Put b, a block of slab n, into its entry, which is cleared first when another slab has it. */
static void gather(size_t n, struct block *b)
{
    struct remote_batch *batch = &cache.batch[remote_cache_slot(&slab[n])];

    if (batch->slab != NULL && batch->slab != &slab[n])
        remote_cache_clear(&cache, batch);
    remote_cache_add(&cache, batch, &slab[n], b, slab_block_size(&slab[n]));
}

static void blocks_of_a_slab_join_its_batch_newest_first(void **state)
{
    const struct remote_batch *batch = &cache.batch[remote_cache_slot(&slab[3])];

    (void)state;
    for (size_t i = 0; i < 5; i++)
        gather(3, block(i));
    assert_ptr_equal(batch->slab, &slab[3]);
    assert_int_equal(batch->count, 5);
    assert_ptr_equal(batch->first, block(4));
    assert_ptr_equal(batch->last, block(0));
    for (size_t i = 4; i > 0; i--)
        assert_ptr_equal(block(i)->next, block(i - 1));
    assert_int_equal(cache.bytes, 5 * slab_block_size(&slab[3]));
}

static void a_cleared_entry_serves_another_slab_and_its_bytes_are_gone(void **state)
{
    struct remote_batch *batch = &cache.batch[remote_cache_slot(&slab[0])];
    size_t other = 1;

    (void)state;
    while (other < SLABS && remote_cache_slot(&slab[other]) != remote_cache_slot(&slab[0]))
        other++;
    assert_true(other < SLABS);
    gather(0, block(0));
    gather(0, block(2));
    remote_cache_clear(&cache, batch);
    assert_null(batch->slab);
    assert_null(batch->first);
    assert_int_equal(cache.bytes, 0);
    gather(other, block(1));
    assert_ptr_equal(batch->slab, &slab[other]);
    assert_int_equal(batch->count, 1);
    assert_int_equal(cache.bytes, slab_block_size(&slab[other]));
}

static void the_slabs_of_a_superslab_have_an_entry_each(void **state)
{
    bool taken[REMOTE_CACHE_ENTRIES] = {false};

    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        unsigned slot = remote_cache_slot(&slab[i]);

        assert_true(slot < REMOTE_CACHE_ENTRIES);
        assert_false(taken[slot]);
        taken[slot] = true;
    }
}

static void the_bytes_of_the_cache_are_the_sum_of_its_batches(void **state)
{
    uint64_t random = 1;
    size_t sum = 0;

    (void)state;
    for (size_t i = 0; i < 20000; i++)
        gather(random_below(&random, SLABS), block(i));
    for (unsigned i = 0; i < REMOTE_CACHE_ENTRIES; i++) {
        const struct remote_batch *batch = &cache.batch[i];
        const struct block *at = batch->first;

        if (batch->slab == NULL)
            continue;
        assert_int_equal(remote_cache_slot(batch->slab), i);
        sum += batch->count * slab_block_size(batch->slab);
        for (uint32_t n = 1; n < batch->count; n++)
            at = at->next;
        assert_ptr_equal(at, batch->last);
    }
    assert_int_equal(cache.bytes, sum);
}

static void joined_batches_have_the_blocks_of_both(void **state)
{
    struct remote_batch front = batch_of(0, 3), back = batch_of(3, 4);

    (void)state;
    remote_batch_join(&back, &front);
    assert_batch_is(&back, 0, 7);
}

/* ---- the queue ---- */

static void an_empty_queue_has_nothing_to_take(void **state)
{
    (void)state;
    assert_true(remote_queue_is_empty(&queue));
    assert_null(remote_queue_take(&queue));
}

static void rings_come_out_newest_first_with_all_their_blocks(void **state)
{
    static const uint32_t count[] = {1, 2, 65535, 7, 1};
    size_t first[5], total = 0;
    struct ring *ring;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        struct remote_batch batch = batch_of(total, count[i]);

        first[i] = total;
        total += count[i];
        assert_int_equal(post_one(&batch), i + 1);
        assert_false(remote_queue_is_empty(&queue));
    }
    ring = remote_queue_take(&queue);
    assert_true(remote_queue_is_empty(&queue));
    for (unsigned i = 5; i-- > 0;) {
        struct ring *next = ring_next(ring);
        struct remote_batch batch = ring_open(ring, &slab[1]);

        assert_ptr_equal(batch.slab, &slab[1]);
        assert_batch_is(&batch, first[i], count[i]);
        ring = next;
    }
    assert_null(ring);
}

static void rings_that_are_posted_together_stand_before_those_that_waited(void **state)
{
    struct remote_batch waiting = batch_of(0, 2), first = batch_of(2, 1), second = batch_of(3, 4);
    struct remote_rings rings = {.count = 0};
    struct ring *ring;

    (void)state;
    assert_int_equal(post_one(&waiting), 1);
    remote_rings_add(&rings, &first);
    remote_rings_add(&rings, &second);
    assert_int_equal(rings.count, 2);
    assert_int_equal(remote_queue_rings(&queue), 1); /* nothing is posted yet */
    assert_int_equal(remote_queue_post(&queue, &rings), 3);
    ring = remote_queue_take(&queue);
    for (unsigned i = 0; i < 3; i++) {
        static const struct { size_t first; uint32_t count; } expected[] = {{3, 4}, {2, 1}, {0, 2}};
        struct ring *next = ring_next(ring);
        struct remote_batch batch = ring_open(ring, &slab[0]);

        assert_batch_is(&batch, expected[i].first, expected[i].count);
        ring = next;
    }
    assert_null(ring);
}

static void a_ring_is_written_in_its_last_block_only(void **state)
{
    struct remote_batch batch = batch_of(10, 3);

    (void)state;
    assert_int_equal(post_one(&batch), 1);
    for (size_t i = 8; i < 8 + 7; i++) {
        bool link = memory[i].room[sizeof(struct block)] != 0xee;

        assert_int_equal(link, i == 12);
    }
}

static void the_number_of_rings_stops_at_its_greatest_value(void **state)
{
    struct ring *ring;
    size_t rings = 0;

    (void)state;
    for (size_t i = 0; i < BLOCKS; i++) {
        struct remote_batch batch = batch_of(i, 1);
        size_t expected = i + 1 < REMOTE_RINGS_MAX ? i + 1 : REMOTE_RINGS_MAX;

        assert_int_equal(post_one(&batch), expected);
    }
    for (ring = remote_queue_take(&queue); ring != NULL; ring = ring_next(ring)) {
        assert_int_equal(ring_count(ring), 1);
        rings++;
    }
    assert_int_equal(rings, BLOCKS);
}

static void *post(void *argument)
{
    size_t first = (size_t)argument * POSTS * 3;

    for (size_t i = 0; i < POSTS; i++) {
        struct remote_batch batch = batch_of(first + 3 * i, 3);

        require(post_one(&batch) >= 1);
    }
    return NULL;
}

static void what_many_threads_post_is_taken_once(void **state)
{
    static unsigned char met[POSTERS * POSTS * 3];
    pthread_t thread[POSTERS];
    size_t blocks = 0;

    (void)state;
    for (size_t i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, post, (void *)i), 0);
    while (blocks < sizeof met) {
        struct ring *next;

        for (struct ring *ring = remote_queue_take(&queue); ring != NULL; ring = next) {
            struct remote_batch batch = ring_open(ring, &slab[0]);

            next = ring_next(ring);
            assert_batch_is(&batch, number_of(batch.first), 3);
            for (size_t i = 0; i < 3; i++, blocks++)
                assert_int_equal(met[number_of(batch.first) + i]++, 0);
        }
    }
    for (size_t i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    assert_true(remote_queue_is_empty(&queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_of_a_slab_join_its_batch_newest_first, start),
        cmocka_unit_test_setup(a_cleared_entry_serves_another_slab_and_its_bytes_are_gone, start),
        cmocka_unit_test_setup(the_slabs_of_a_superslab_have_an_entry_each, start),
        cmocka_unit_test_setup(the_bytes_of_the_cache_are_the_sum_of_its_batches, start),
        cmocka_unit_test_setup(joined_batches_have_the_blocks_of_both, start),
        cmocka_unit_test_setup(an_empty_queue_has_nothing_to_take, start),
        cmocka_unit_test_setup(rings_come_out_newest_first_with_all_their_blocks, start),
        cmocka_unit_test_setup(rings_that_are_posted_together_stand_before_those_that_waited, start),
        cmocka_unit_test_setup(a_ring_is_written_in_its_last_block_only, start),
        cmocka_unit_test_setup(the_number_of_rings_stops_at_its_greatest_value, start),
        cmocka_unit_test_setup(what_many_threads_post_is_taken_once, start),
    };

    return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
