/* SPDX-License-Identifier: MIT */
/*
 * What the tests share.
 *
 * Most tests of the life cycle are scenarios: functions that run in a process
 * of their own, started anew from the test program's own file, because they
 * measure memory, end their process, or may hang. The cmocka test then checks
 * how that process ended.
 */
#ifndef TESTS_SUPPORT_SUPPORT_H
#define TESTS_SUPPORT_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined __SANITIZE_THREAD__ || __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#else
#define TEST_TSAN 0
#endif
#if TEST_TSAN || defined __SANITIZE_ADDRESS__ || __has_feature(address_sanitizer)
#define TEST_SANITIZED 1
#else
#define TEST_SANITIZED 0
#endif

#ifndef HAKMEM_BASE_BITS_H /* a test of the inside has included it, with its own KIB and MIB */
#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#endif

/*
 * Check in any thread of any process: writes where and what to standard error
 * and ends the process by SIGABRT. (cmocka's asserts serve the main thread of
 * the test program only.)
 */
#define require(condition) \
    ((condition) ? (void)0 : require_failed(__FILE__, __LINE__, #condition, 0, 0))

/* The same for `value <= bound`, with both figures in the message. */
#define require_at_most(value, bound)                                                    \
    do {                                                                                 \
        size_t value_ = (value), bound_ = (bound);                                       \
        if (value_ > bound_)                                                             \
            require_failed(__FILE__, __LINE__, #value " <= " #bound, value_, bound_);    \
    } while (0)

void require_failed(const char *file, int line, const char *what, size_t value, size_t bound)
    __attribute__((noreturn, cold));

/*
 * True when who should serve has served `block`: hakmem, or the C library when
 * the tests are run with HAKMEM_ALLOCATOR=libc (test_libc_serves.sh).
 */
bool is_served(const void *block);

/* A line of explanation in the test's log. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- scenarios ---- */

struct scenario {
    const char *name;
    void (*run)(void); /* returns when all is well */
};

/*
 * First in main: when the program was started to run one scenario of the list
 * (which ends with {NULL, NULL}), run it and exit.
 */
void scenario_dispatch(int argc, char **argv, const struct scenario *list);

/*
 * End this process by SIGKILL after TEST_HANG_SECONDS (900) / part: what hangs
 * must end some day, and nothing that works comes near this. Not inherited by
 * children, which ask for themselves. Every scenario has it with part 1.
 */
void end_if_hanging(unsigned part);

/* Run one scenario in a new process; returns its wait status. */
int scenario_status(const char *name);

/* The same, with standard output and error collected in text[0..size). */
int scenario_output(const char *name, char *text, size_t size);

/* Run any program; same as scenario_output. `environment` entries are added. */
int program_output(const char *const *arguments, const char *const *environment, char *text,
                   size_t size);

/*
 * The path of another program or module of the build that lies in the folder
 * of this one ("name", or ".libs/name.so" as libtool puts modules).
 */
void program_beside(const char *name, char *path, size_t size);

/* Fails the cmocka test unless the scenario ends with exit status 0. */
void assert_scenario_passes(const char *name);

/*
 * Leave the cmocka test that cannot run here; the reason goes into the log.
 * (cmocka 1.1.5 writes "not ok 3 # SKIP", which a reader of TAP takes for a
 * failure; this makes it "ok 3 # SKIP".)
 */
void skip_test(const char *reason);

/*
 * Whether the test of this name stands in TEST_EXCLUDE, a list with blanks between the names: what the
 * machine cannot do (packaging/tests/arm64). run_group leaves these tests out. Each is told in the log.
 */
bool test_excluded(const char *name);

#ifdef cmocka_run_group_tests_name
int run_group(const char *group, const struct CMUnitTest *tests, size_t count, CMFixtureFunction set_up,
              CMFixtureFunction tear_down);
#undef cmocka_run_group_tests
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests(tests, set_up, tear_down) \
    cmocka_run_group_tests_name(#tests, tests, set_up, tear_down)
#define cmocka_run_group_tests_name(group, tests, set_up, tear_down) \
    run_group(group, tests, sizeof(tests) / sizeof((tests)[0]), set_up, tear_down)
#endif

/* ---- measuring ---- */

/* A figure from the environment (TEST_FORKS and the like), or `fallback`. */
size_t setting(const char *name, size_t fallback);

/*
 * Bytes of memory that the process really holds. Under a sanitizer, whose own
 * memory would hide ours, what hakmem has mapped.
 */
size_t footprint(void);

/* A field of /proc/self/status in bytes ("VmSize", "VmData"), 0 if it is not there. */
size_t status_bytes(const char *field);

/* ---- random numbers: xorshift64*, good enough and the same everywhere ---- */

static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545f4914f6cdd1dull;
}

static inline size_t random_below(uint64_t *state, size_t limit)
{
    return (size_t)((random_next(state) >> 11) % limit);
}

/* Small sizes often, large ones seldom: 2^k scaled, up to `largest`. */
size_t random_size(uint64_t *state, size_t largest);

/* ---- content ---- */

/* Fill block[0..size) with a pattern made of its address, size and seed. */
void pattern_fill(void *block, size_t size, uint64_t seed);

/*
 * Whether block[0..size) holds the pattern of pattern_fill(origin, whole, seed)
 * from its start; `origin` is the address that was filled (a moved block keeps
 * the pattern of its old address).
 */
bool pattern_holds(const void *block, size_t size, const void *origin, size_t whole,
                   uint64_t seed);

bool all_zero(const void *block, size_t size);

/*
 * The sizes at which the allocator under test changes from one size class to
 * the next, each with its neighbours, up to `largest`, ascending. Found from
 * outside by malloc_usable_size. Returns how many were written to sizes[0..limit).
 */
size_t border_sizes(size_t *sizes, size_t limit, size_t largest);

/* The main thread's first call: the allocator under test is the one that serves. */
void require_allocator(void);

#endif
