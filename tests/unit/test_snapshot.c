/* SPDX-License-Identifier: MIT */
/*
 * Reading another process: what is read of a child with known blocks, and what
 * becomes of a page or of structures that are damaged, looping, or newer.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <hakmem/hakmem.h>

#include "hakmemctl/command.h"
#include "hakmemctl/kernel.h"
#include "hakmemctl/snapshot.h"
#include "hakmemctl/summary.h"

/* In a prefixed build the child calls hakmem by its prefix, and everybody else has the C library's malloc. */
#ifdef HAKMEM_PREFIXED
void *hakmem_malloc(size_t size);
void hakmem_free(void *block);
#define CHILD_MALLOC hakmem_malloc
#define CHILD_FREE hakmem_free
#else
#define CHILD_MALLOC malloc
#define CHILD_FREE free
#endif

#define LARGE_BYTES 300000
#define HUGE_BYTES (80 * 1024 * 1024) /* above huge_threshold */

/* Reads that a damaged process may cost: a loop ends long before. */
#define READS_MOST 3000000

static pid_t child;
static struct hakmem_stats stats; /* what the child says of itself */

static void child_main(int out)
{
    static void *block[3000];
    for (int i = 0; i < 3000; i++) {
        block[i] = CHILD_MALLOC(i % 3 == 0 ? 100 : i % 3 == 1 ? 3000 : 12000);
        *(char *)block[i] = 1;
    }
    for (int i = 0; i < 3000; i += 2)
        CHILD_FREE(block[i]);
    for (int i = 0; i < 4; i++)
        *(char *)CHILD_MALLOC(LARGE_BYTES) = 1;
    *(char *)CHILD_MALLOC(HUGE_BYTES) = 1;
    struct hakmem_stats now;
    hakmem_stats_get(&now, sizeof now);
    if (write(out, &now, sizeof now) != (ssize_t)sizeof now)
        _exit(1);
    for (;;)
        pause();
}

static int start_child(void **state)
{
    int ends[2];
    (void)state;
    if (pipe(ends) != 0)
        return -1;
    child = fork();
    if (child == 0)
        child_main(ends[1]);
    close(ends[1]);
    ssize_t got = read(ends[0], &stats, sizeof stats);
    close(ends[0]);
    return child > 0 && got == (ssize_t)sizeof stats ? 0 : -1;
}

static int end_child(void **state)
{
    (void)state;
    kill(child, SIGKILL);
    return waitpid(child, NULL, 0) == child ? 0 : -1;
}

/* Opens the child; skips the test where the system does not let it be read. */
static void open_child(struct process *process)
{
    int status = process_open(process, child);
    if (status == STATUS_REFUSED) {
        process_close(process);
        skip();
    }
    if (status != STATUS_OK)
        fail_msg("%s", process->error);
}

static void take(struct snapshot *snapshot, struct process *process)
{
    open_child(process);
    if (snapshot_take(snapshot, process) != STATUS_OK)
        fail_msg("%s", process->error);
}

static void the_sums_are_those_that_the_process_has(void **state)
{
    struct process process;
    struct snapshot snapshot;
    static struct summary sum;
    (void)state;
    take(&snapshot, &process);
    summary_make(&sum, &snapshot);
    assert_true(snapshot.whole);
    assert_true(snapshot.detailed);
    assert_int_equal(sum.all.mapped - sum.leaves, stats.mapped);
    assert_int_equal(sum.metadata, stats.metadata);
    assert_int_equal(sum.superslabs, stats.superslabs);
    assert_int_equal(sum.slab.mapped, stats.superslab_mapped);
    assert_int_equal(sum.pool.mapped, stats.pool_mapped);
    assert_int_equal(sum.pool.live + sum.pool.slack + sum.arena, stats.pool_used);
    assert_int_equal(sum.large.mapped, stats.large_mapped);
    assert_int_equal(sum.large.live, stats.large_live);
    assert_int_equal(sum.large.free, stats.large_dirty);
    assert_int_equal(sum.huge, 1);
    assert_int_equal(sum.all.live + sum.pool.slack + sum.binned + sum.returning + sum.arena, stats.live);
    assert_int_equal(sum.binned + sum.arena, stats.binned);
    assert_int_equal(sum.calls, stats.memory_calls);
    assert_int_equal(sum.heaps_alive, stats.heaps_alive);
    snapshot_free(&snapshot);
    process_close(&process);
}

static void each_mapped_byte_is_in_one_column(void **state)
{
    struct process process;
    struct snapshot snapshot;
    static struct summary sum;
    (void)state;
    take(&snapshot, &process);
    summary_make(&sum, &snapshot);
    const struct summary_part *parts[] = {&sum.slab, &sum.pool, &sum.large};
    for (int i = 0; i < 3; i++)
        assert_int_equal(parts[i]->mapped, parts[i]->live + parts[i]->cached + parts[i]->free + parts[i]->purged +
                                               parts[i]->slack);
    snapshot_free(&snapshot);
    process_close(&process);
}

static void every_mapping_is_one_that_the_kernel_has(void **state)
{
    struct process process;
    struct snapshot snapshot;
    struct kernel_view view;
    uint64_t resident = 0;
    (void)state;
    take(&snapshot, &process);
    assert_true(kernel_look(&view, &snapshot, &process));
    assert_int_equal(view.missing, 0);
    for (int i = 0; i < RANGE_KINDS; i++)
        resident += view.resident[i];
    if (view.has_pagemap)
        assert_in_range(resident, 1, view.process_resident);
    kernel_free(&view);
    snapshot_free(&snapshot);
    process_close(&process);
}

static void looking_makes_no_page_resident(void **state)
{
    struct process process;
    struct snapshot snapshot;
    (void)state;
    take(&snapshot, &process);
    uint64_t before = kernel_resident(&snapshot, &process);
    snapshot_free(&snapshot);
    assert_int_equal(snapshot_take(&snapshot, &process), STATUS_OK);
    assert_int_equal(kernel_resident(&snapshot, &process), before);
    snapshot_free(&snapshot);
    process_close(&process);
}

/* ---- damage: a reader that lies ---- */

struct lie {
    uint64_t address, value;  /* what is read there; 0: nothing */
    uint64_t random, one_in;  /* one in so many reads has a wrong byte; 0: none */
    uint64_t reads;
    bool (*honest)(const struct process *process, uint64_t address, void *to, size_t size);
};

static uint64_t next_random(struct lie *lie)
{
    lie->random = lie->random * 6364136223846793005u + 1442695040888963407u;
    return lie->random >> 33;
}

static bool read_lying(const struct process *process, uint64_t address, void *to, size_t size)
{
    struct lie *lie = process->read_context;
    unsigned char *bytes = to;
    if (++lie->reads > READS_MOST || !lie->honest(process, address, to, size))
        return false;
    if (lie->address >= address && lie->address + sizeof lie->value <= address + size)
        memcpy(bytes + (lie->address - address), &lie->value, sizeof lie->value);
    for (size_t at = 0; lie->one_in != 0 && at < size; at += 64) {
        if (next_random(lie) % lie->one_in == 0)
            bytes[at + next_random(lie) % (size - at < 64 ? size - at : 64)] = (unsigned char)next_random(lie);
    }
    return true;
}

/* A snapshot through the lies; whatever comes of it is used like any other. */
static int take_lying(struct process *process, struct lie *lie)
{
    struct snapshot snapshot;
    static struct summary sum;
    lie->honest = process->read;
    process->read = read_lying;
    process->read_context = lie;
    int status = snapshot_take(&snapshot, process);
    process->read = lie->honest;
    if (status == STATUS_OK)
        summary_make(&sum, &snapshot);
    else
        assert_true(process->error[0] != '\0');
    snapshot_free(&snapshot);
    assert_in_range(lie->reads, 1, READS_MOST);
    return status;
}

/* The word at an address is read as `value`: it cannot be read, and says so. */
static void expect_unreadable(uint64_t address, uint64_t value)
{
    struct process process;
    struct lie lie = {.address = address, .value = value};
    open_child(&process);
    int status = take_lying(&process, &lie);
    if (status != STATUS_UNREADABLE)
        fail_msg("0x%llx at 0x%llx gives status %d", (unsigned long long)value, (unsigned long long)address, status);
    process_close(&process);
}

static void lists_that_loop_are_refused(void **state)
{
    struct process process;
    struct snapshot snapshot;
    uint64_t newest_chunk, region, span, heap;
    (void)state;
    take(&snapshot, &process);
    const struct hakmem_structures *d = &snapshot.structures;
    assert_true(process_read(&process, d->meta.newest, &newest_chunk, 8));
    assert_true(process_read(&process, d->region.head + d->region.next, &region, 8));
    assert_true(process_read(&process, d->span.head, &span, 8));
    assert_true(process_read(&process, process.page.heaps, &heap, 8));
    expect_unreadable(newest_chunk + d->meta.next, newest_chunk);
    expect_unreadable(region + d->region.next, region);
    expect_unreadable(span + (uint64_t)(int64_t)d->span.next, span);
    expect_unreadable(heap + process.page.heap_next, heap);
    snapshot_free(&snapshot);
    process_close(&process);
}

static void pointers_and_numbers_out_of_range_are_refused(void **state)
{
    static const uint64_t wrong[] = {1, 8, 4096, 0x7fffffffffff, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    struct process process;
    struct snapshot snapshot;
    uint64_t region;
    (void)state;
    take(&snapshot, &process);
    const struct hakmem_structures *d = &snapshot.structures;
    assert_true(process_read(&process, d->region.head + d->region.next, &region, 8));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        expect_unreadable(d->meta.newest, wrong[i]);
        expect_unreadable(d->region.head + d->region.next, wrong[i]);
        expect_unreadable(process.page.heaps, wrong[i]);
        if (wrong[i] != 4096) /* where a chunk of the pool could lie: the kernel's view will tell */
            expect_unreadable(region + d->region.base, wrong[i]);
        expect_unreadable(region + d->region.bytes, wrong[i]);
        expect_unreadable(region + d->region.slabs, wrong[i]);
    }
    snapshot_free(&snapshot);
    process_close(&process);
}

/* Memory that is not there reads as zeros where pages are looked up first. */
static void a_chunk_of_metadata_ends_where_its_mapping_does(void **state)
{
    struct process process;
    struct snapshot snapshot;
    uint64_t newest;
    (void)state;
    take(&snapshot, &process);
    const struct hakmem_structures *d = &snapshot.structures;
    assert_true(process_read(&process, d->meta.newest, &newest, 8));
    struct lie lie = {.address = newest + d->meta.bytes, .value = (uint64_t)4 << 30};
    assert_int_equal(take_lying(&process, &lie), STATUS_UNREADABLE);
    assert_in_range(lie.reads, 1, 1000); /* seen at once */
    snapshot_free(&snapshot);
    process_close(&process);
}

static void what_is_mapped_is_known_beyond_the_start_of_the_look(void **state)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct process process;
    (void)state;
    open_child(&process);
    const struct mapping *m = NULL;
    for (size_t i = 0; i < process.maps.count && m == NULL; i++) {
        if (strcmp(process.maps.item[i].path, "[stack]") == 0)
            m = &process.maps.item[i];
    }
    assert_non_null(m);
    assert_true(process_is_mapped(&process, m->start, m->end - m->start));
    assert_true(process_is_mapped(&process, m->end - page, page));
    assert_false(process_is_mapped(&process, m->end - page, 2 * page)); /* nothing lies behind the stack */
    assert_false(process_is_mapped(&process, 0, page));
    assert_false(process_is_mapped(&process, UINT64_MAX - page, 2 * page));
    process.maps.count = 0; /* as if all had been mapped since then */
    assert_true(process_is_mapped(&process, m->start, m->end - m->start));
    process_close(&process);
}

static void wrong_bytes_anywhere_crash_nothing(void **state)
{
    struct process process;
    unsigned refused = 0;
    (void)state;
    open_child(&process);
    for (unsigned i = 0; i < 120; i++) {
        struct lie lie = {.random = i, .one_in = i % 3 == 0 ? 50 : i % 3 == 1 ? 2000 : 100000};
        int status = take_lying(&process, &lie);
        assert_true(status == STATUS_OK || status == STATUS_UNREADABLE);
        refused += status == STATUS_UNREADABLE;
    }
    assert_in_range(refused, 1, 120);
    process_close(&process);
}

static void a_description_of_garbage_is_refused(void **state)
{
    struct process process;
    (void)state;
    open_child(&process);
    uint64_t at = process.page.structures;
    process_close(&process);
    for (unsigned offset = 0; offset + 8 <= 32; offset += 8)
        expect_unreadable(at + offset, UINT64_MAX);
    expect_unreadable(at, 16); /* shorter than it must be */
}

/* ---- the page ---- */

static void expect_page(void (*damage)(struct hakmem_page *page), const char *words)
{
    struct process process;
    open_child(&process);
    damage(&process.page);
    assert_int_equal(process_check_page(&process), STATUS_UNREADABLE);
    if (strstr(process.error, words) == NULL)
        fail_msg("'%s' does not speak of '%s'", process.error, words);
    process_close(&process);
}

static void no_magic(struct hakmem_page *page) { page->magic[3] = 'x'; }
static void newer(struct hakmem_page *page) { page->layout++; }
static void truncated(struct hakmem_page *page) { page->size = 24; }

static void a_damaged_or_newer_page_is_refused_with_the_reason(void **state)
{
    (void)state;
    expect_page(no_magic, "no magic");
    expect_page(newer, "use the one of the same version");
    expect_page(truncated, "24 bytes");
}

static void a_process_without_hakmem_is_told_from_one_that_is_gone(void **state)
{
    struct process process;
    (void)state;
    assert_int_equal(process_open(&process, 1 << 29), STATUS_NO_TARGET);
    process_close(&process);
    pid_t other = fork();
    if (other == 0) {
        execl("/bin/sleep", "sleep", "60", (char *)NULL);
        _exit(1);
    }
    int status = STATUS_OK;
    for (int i = 0; i < 200 && status == STATUS_OK; i++) { /* until it has become another program */
        process_close(&process);
        usleep(10000);
        status = process_open(&process, other);
    }
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    assert_true(status == STATUS_NOT_HAKMEM || status == STATUS_REFUSED);
    process_close(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sums_are_those_that_the_process_has),
        cmocka_unit_test(each_mapped_byte_is_in_one_column),
        cmocka_unit_test(every_mapping_is_one_that_the_kernel_has),
        cmocka_unit_test(looking_makes_no_page_resident),
        cmocka_unit_test(lists_that_loop_are_refused),
        cmocka_unit_test(pointers_and_numbers_out_of_range_are_refused),
        cmocka_unit_test(a_chunk_of_metadata_ends_where_its_mapping_does),
        cmocka_unit_test(what_is_mapped_is_known_beyond_the_start_of_the_look),
        cmocka_unit_test(wrong_bytes_anywhere_crash_nothing),
        cmocka_unit_test(a_description_of_garbage_is_refused),
        cmocka_unit_test(a_damaged_or_newer_page_is_refused_with_the_reason),
        cmocka_unit_test(a_process_without_hakmem_is_told_from_one_that_is_gone),
    };
    return cmocka_run_group_tests_name("snapshot", tests, start_child, end_child);
}
