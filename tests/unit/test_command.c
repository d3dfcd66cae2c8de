/* SPDX-License-Identifier: MIT */
/*
 * Commands from outside: asked in the way of hakmemctl, but from inside, they
 * are answered by the next slow path of any thread, once each, and heaps follow
 * changed limits. TEST_COMMAND_COUNT: reloads under load (default 200).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "heap/internal.h"
#include "maintain/maintain.h"
#include "options/files.h"
#include "support/heap_view.h"
#include "support/support.h"
#include "support/unit.h"
#include "support/api.h"

static char directory[] = "/tmp/test_command_XXXXXX";

static void write_conf(const char *format, unsigned value)
{
    char path[64], new_path[64];

    snprintf(path, sizeof path, "%s/hakmem.conf", directory);
    snprintf(new_path, sizeof new_path, "%s/new", directory);
    FILE *file = fopen(new_path, "w");
    require(file != NULL && fprintf(file, format, value) > 0 && fclose(file) == 0);
    require(rename(new_path, path) == 0);
}

static int set_up(void **state)
{
    (void)state;
    free(malloc(1)); /* hakmem has started */
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof path, "%s/hakmem.conf", directory);
    unlink(path);
    return rmdir(directory);
}

static int use_directory(void **state)
{
    if (unit_defaults(state) != 0)
        return -1;
    files_directory = directory;
    write_conf("# nothing\n", 0);
    return 0;
}

static uint64_t ask(enum hakmem_command_kind kind)
{
    struct hakmem_command *command = &maintain_commands[kind];
    uint64_t request = load_relaxed(&command->request) + 1;

    store_release(&command->request, request);
    store_release(&heap_attention, 1);
    return request;
}

/* Slow paths until the answer is there. */
static const struct hakmem_command *answer_to(enum hakmem_command_kind kind)
{
    uint64_t request = ask(kind);

    for (unsigned i = 0; load_acquire(&maintain_commands[kind].done) != request; i++) {
        require(i < 1000000);
        free(malloc(100000 + i % 7 * 4096)); /* a large block is a slow path, both ways */
    }
    return &maintain_commands[kind];
}

static void a_reload_is_answered_by_the_next_slow_path(void **state)
{
    const struct hakmem_command *answer;

    (void)state;
    write_conf("thread_hold = %u\n", 300000);
    errno = EDOM;
    answer = answer_to(HAKMEM_COMMAND_RELOAD);
    assert_int_equal(errno, EDOM);
    assert_int_equal(answer->status, HAKMEM_COMMAND_DONE);
    assert_int_equal(answer->value, 1);
    assert_int_equal(answer->more, 0);
    assert_string_equal(answer->text, "");
    assert_int_equal(option_now(thread_hold), 300000);
    assert_int_equal(load_relaxed(&heap_attention), 0);
}

static void a_bad_file_is_refused_with_its_mistake(void **state)
{
    char expected[256];

    (void)state;
    write_conf("thread_hold = %ux\n", 3);
    const struct hakmem_command *answer = answer_to(HAKMEM_COMMAND_RELOAD);
    snprintf(expected, sizeof expected,
             "%s/hakmem.conf:1:15: thread_hold='3x': not a size (digits with an optional k, M, G or T)", directory);
    assert_int_equal(answer->status, HAKMEM_COMMAND_REFUSED);
    assert_string_equal(answer->text, expected);
    assert_int_equal(option_now(thread_hold), 4 * MIB);
}

static void a_heap_follows_the_new_limits(void **state)
{
    void *blocks[64];

    (void)state;
    for (unsigned i = 0; i < 64; i++)
        blocks[i] = malloc(20000);
    for (unsigned i = 0; i < 64; i++)
        free(blocks[i]);
    assert_true(heap_self->arena_bytes > 20000);
    write_conf("thread_hold = %u\n", 0);
    answer_to(HAKMEM_COMMAND_RELOAD);
    free(malloc(100000)); /* the slow path that follows */
    assert_int_equal(heap_self->arena_limit, 0);
    assert_int_equal(heap_self->remote.limit, 0);
    free(malloc(20000));
    assert_int_equal(heap_self->arena_bytes, 0);
}

static void a_purge_gives_back_and_an_audit_finds_nothing(void **state)
{
    (void)state;
    free(malloc(8 * MIB));
    const struct hakmem_command *answer = answer_to(HAKMEM_COMMAND_PURGE);
    assert_int_equal(answer->status, HAKMEM_COMMAND_DONE);
    assert_true(answer->value > 0);
    answer = answer_to(HAKMEM_COMMAND_AUDIT);
    assert_int_equal(answer->status, HAKMEM_COMMAND_DONE);
    assert_int_equal(answer->value, 0);
    assert_string_equal(answer->text, "");
}

static void an_audit_tells_what_differs(void **state)
{
    struct block *block = malloc(64);

    (void)state;
    struct block *first = heap_self->bin[registry_find(block)->size_class];
    require(first != NULL);
    struct block *next = first->next;
    first->next = first; /* a list that never ends */
    const struct hakmem_command *answer = answer_to(HAKMEM_COMMAND_AUDIT);
    first->next = next;
    assert_true(answer->value > 0);
    assert_non_null(strstr(answer->text, "hakmem: audit: "));
    free(block);
}

static void a_child_of_a_fork_answers_too(void **state)
{
    int status;

    (void)state;
    write_conf("thread_hold = %u\n", 123456);
    uint64_t request = ask(HAKMEM_COMMAND_RELOAD);
    pid_t child = fork();
    if (child == 0) {
        free(malloc(100000));
        _exit(load_acquire(&maintain_commands[HAKMEM_COMMAND_RELOAD].done) == request &&
                      option_now(thread_hold) == 123456
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(malloc(100000));
    assert_int_equal(option_now(thread_hold), 123456);
}

static bool over; /* atomic */

static void *allocate(void *argument)
{
    uint64_t seed = (uintptr_t)argument;
    void *kept[64] = {NULL};

    while (!load_relaxed(&over)) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned slot = seed >> 40 & 63;
        size_t size = (seed >> 60) < 13 ? seed >> 33 & 1023 : seed >> 33 & 0x1ffff;
        free(kept[slot]);
        kept[slot] = malloc(size + 1);
        require(kept[slot] != NULL);
        *(unsigned char *)kept[slot] = 1;
    }
    for (unsigned i = 0; i < 64; i++)
        free(kept[i]);
    return NULL;
}

static void values_follow_reloads_while_threads_allocate(void **state)
{
    const char *text = getenv("TEST_COMMAND_COUNT");
    unsigned count = text != NULL ? (unsigned)atoi(text) : 200;
    pthread_t threads[3];

    (void)state;
    store_relaxed(&over, false);
    for (uintptr_t i = 0; i < 3; i++)
        require(pthread_create(&threads[i], NULL, allocate, (void *)(i + 1)) == 0);
    for (unsigned i = 1; i <= count; i++) {
        write_conf("thread_hold = %u\nbatch_refill = on\nremote_batch = 4k\nsuperslab_cache = 2M\n", i);
        const struct hakmem_command *answer = answer_to(HAKMEM_COMMAND_RELOAD);
        require(answer->status == HAKMEM_COMMAND_DONE && option_now(thread_hold) == i);
        if (i % 16 == 0)
            answer_to(HAKMEM_COMMAND_PURGE);
        if (i % 32 == 0)
            require(answer_to(HAKMEM_COMMAND_AUDIT)->value == 0);
    }
    store_relaxed(&over, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(answer_to(HAKMEM_COMMAND_AUDIT)->value, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, use_directory)
    const struct CMUnitTest tests[] = {
        TEST(a_reload_is_answered_by_the_next_slow_path),
        TEST(a_bad_file_is_refused_with_its_mistake),
        TEST(a_heap_follows_the_new_limits),
        TEST(a_purge_gives_back_and_an_audit_finds_nothing),
        TEST(an_audit_tells_what_differs),
        TEST(a_child_of_a_fork_answers_too),
        TEST(values_follow_reloads_while_threads_allocate),
    };

    return cmocka_run_group_tests_name("command", tests, set_up, tear_down);
}
