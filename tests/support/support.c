/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

extern char **environ;

/*
 * Threads are started in the children of processes with several threads, and
 * handlers fork. Threads that are alive at exit are not waited for, as ever.
 */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0:report_signal_unsafe=0:atexit_sleep_ms=0";
}

void require_failed(const char *file, int line, const char *what, size_t value, size_t bound)
{
    char text[512];
    int length = snprintf(text, sizeof text, "%s:%d: not true: %s", file, line, what);

    if (bound != 0 && length < (int)sizeof text)
        length += snprintf(text + length, sizeof text - (size_t)length, " (%zu > %zu)", value,
                           bound);
    if (length >= (int)sizeof text)
        length = sizeof text - 1;
    text[length++] = '\n';
    if (write(STDERR_FILENO, text, (size_t)length) < 0) {
        /* nobody to tell; the signal says enough */
    }
    abort();
}

void note(const char *format, ...)
{
    char text[512];
    va_list arguments;
    int length;

    text[0] = '#';
    text[1] = ' ';
    va_start(arguments, format);
    length = 2 + vsnprintf(text + 2, sizeof text - 3, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof text - 2)
        length = sizeof text - 2;
    text[length++] = '\n';
    if (write(STDERR_FILENO, text, (size_t)length) < 0) {
        /* a note that nobody reads fails no test */
    }
}

bool is_served(const void *block)
{
    const char *allocator = getenv("HAKMEM_ALLOCATOR");
    bool libc = allocator != NULL && strcmp(allocator, "libc") == 0;

    return (hakmem_owns(block) != 0) == !libc;
}

void require_allocator(void)
{
    void *block = malloc(opaque(1));

    require(block != NULL);
    require(is_served(block));
    free(block);
}

/* SIGKILL, because a fork that hangs may have blocked all that can be blocked. */
void end_if_hanging(unsigned part)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec when = {.it_value = {(time_t)(setting("TEST_HANG_SECONDS", 900) / part), 1}};
    timer_t timer;

    require(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    require(timer_settime(timer, 0, &when, NULL) == 0);
}

void scenario_dispatch(int argc, char **argv, const struct scenario *list)
{
    require_allocator();
    if (argc != 3 || strcmp(argv[1], "--scenario") != 0)
        return;
    for (; list->name != NULL; list++) {
        if (strcmp(list->name, argv[2]) == 0) {
            end_if_hanging(1);
            list->run();
            exit(0);
        }
    }
    note("no scenario %s", argv[2]);
    exit(2);
}

int program_output(const char *const *arguments, const char *const *environment, char *text,
                   size_t size)
{
    int ends[2] = {-1, -1};
    int status;
    size_t length = 0;
    pid_t child;

    require(text == NULL || pipe2(ends, O_CLOEXEC) == 0);
    fflush(NULL);
    child = fork();
    require(child >= 0);
    if (child == 0) {
        if (text != NULL) {
            dup2(ends[1], STDOUT_FILENO);
            dup2(ends[1], STDERR_FILENO);
        }
        for (; environment != NULL && *environment != NULL; environment++)
            putenv((char *)*environment);
        execvp(arguments[0], (char *const *)arguments);
        _exit(127);
    }
    if (text != NULL) {
        close(ends[1]);
        for (;;) {
            char rest[4096];
            bool room = length + 1 < size;
            ssize_t got = room ? read(ends[0], text + length, size - 1 - length)
                               : read(ends[0], rest, sizeof rest);
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                break;
            if (room)
                length += (size_t)got;
        }
        close(ends[0]);
        text[length] = '\0';
    }
    while (waitpid(child, &status, 0) < 0)
        require(errno == EINTR);
    return status;
}

int scenario_output(const char *name, char *text, size_t size)
{
    const char *arguments[] = {"/proc/self/exe", "--scenario", name, NULL};

    return program_output(arguments, NULL, text, size);
}

int scenario_status(const char *name)
{
    return scenario_output(name, NULL, 0);
}

void program_beside(const char *name, char *path, size_t size)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *end;

    require(length > 0);
    self[length] = '\0';
    end = strrchr(self, '/');
    require(end != NULL);
    *end = '\0';
    end = strrchr(self, '/');
    if (end != NULL && strcmp(end, "/.libs") == 0) /* libtool runs the program from there */
        *end = '\0';
    require((size_t)snprintf(path, size, "%s/%s", self, name) < size);
}

void assert_scenario_passes(const char *name)
{
    int status = scenario_status(name);

    if (WIFSIGNALED(status))
        fail_msg("%s was ended by signal %d (%s)", name, WTERMSIG(status),
                 WTERMSIG(status) == SIGKILL ? "it hung" : strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        fail_msg("%s ended with exit status %d", name, WEXITSTATUS(status));
}

static ssize_t write_tap(void *cookie, const char *text, size_t size)
{
    size_t from = 0;

    (void)cookie;
    while (from < size) {
        const char *line = text + from;
        const char *end = memchr(line, '\n', size - from);
        size_t length = end != NULL ? (size_t)(end - line) + 1 : size - from;
        size_t cut = strncmp(line, "not ok ", 7) == 0 && memmem(line, length, "# SKIP", 6) != NULL
                         ? 4
                         : 0;

        if (write(STDOUT_FILENO, line + cut, length - cut) < 0)
            return 0;
        from += length;
    }
    return (ssize_t)size;
}

void skip_test(const char *reason)
{
    static FILE *tap;

    if (tap == NULL) {
        fflush(stdout);
        tap = fopencookie(NULL, "w", (cookie_io_functions_t){.write = write_tap});
        assert_non_null(tap);
        setvbuf(tap, NULL, _IOLBF, 4096);
        stdout = tap;
    }
    note("skipped: %s", reason);
    skip();
}

bool test_excluded(const char *name)
{
    const char *list = getenv("TEST_EXCLUDE");
    size_t length = strlen(name);

    for (const char *at = list; at != NULL && (at = strstr(at, name)) != NULL; at += length) {
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            note("excluded: %s", name);
            return true;
        }
    }
    return false;
}

int run_group(const char *group, const struct CMUnitTest *tests, size_t count, CMFixtureFunction set_up,
              CMFixtureFunction tear_down)
{
    struct CMUnitTest wanted[100];
    size_t n = 0;

    require(count <= sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < count; i++)
        if (!test_excluded(tests[i].name))
            wanted[n++] = tests[i];
    return _cmocka_run_group_tests(group, wanted, n, set_up, tear_down);
}

size_t setting(const char *name, size_t fallback)
{
    const char *text = getenv(name);

    return text != NULL && *text != '\0' ? strtoul(text, NULL, 10) : fallback;
}

/* Without stdio: its buffer would be a block of the allocator that is measured. */
static void read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;

    require(fd >= 0);
    got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
}

size_t status_bytes(const char *field)
{
    char text[4096];
    size_t length = strlen(field);

    read_file("/proc/self/status", text, sizeof text);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) == 0 && line[length] == ':')
            return strtoul(line + length + 1, NULL, 10) << 10;
    }
    return 0;
}

size_t footprint(void)
{
#if TEST_SANITIZED
    struct hakmem_stats stats;

    require(hakmem_stats_get(&stats, sizeof stats) == 0);
    return stats.mapped;
#else
    char text[256];
    char *at = text;

    read_file("/proc/self/statm", text, sizeof text);
    strtoul(at, &at, 10);
    return strtoul(at, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
#endif
}

size_t random_size(uint64_t *state, size_t largest)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(largest | 1);
    unsigned shift = (unsigned)random_below(state, bits);
    size_t size = 1 + random_below(state, (largest >> shift) + 1);

    return size < largest ? size : largest;
}

static uint64_t pattern_word(uintptr_t origin, size_t whole, uint64_t seed, size_t index)
{
    uint64_t x = (uint64_t)origin * 0x9e3779b97f4a7c15ull + whole * 0xc2b2ae3d27d4eb4full + seed;

    return (x ^ (index * 0x165667b19e3779f9ull)) | 1; /* never all zero */
}

void pattern_fill(void *block, size_t size, uint64_t seed)
{
    unsigned char *at = block;
    size_t index;

    for (index = 0; size - index * 8 >= 8; index++) {
        uint64_t word = pattern_word((uintptr_t)block, size, seed, index);
        memcpy(at + index * 8, &word, 8);
    }
    if (size % 8 != 0) {
        uint64_t word = pattern_word((uintptr_t)block, size, seed, index);
        memcpy(at + index * 8, &word, size % 8);
    }
}

bool pattern_holds(const void *block, size_t size, const void *origin, size_t whole,
                   uint64_t seed)
{
    const unsigned char *at = block;
    size_t index;

    for (index = 0; size - index * 8 >= 8; index++) {
        uint64_t word = pattern_word((uintptr_t)origin, whole, seed, index);
        if (memcmp(at + index * 8, &word, 8) != 0)
            return false;
    }
    if (size % 8 != 0) {
        uint64_t word = pattern_word((uintptr_t)origin, whole, seed, index);
        return memcmp(at + index * 8, &word, size % 8) == 0;
    }
    return true;
}

bool all_zero(const void *block, size_t size)
{
    const unsigned char *at = block;

    return size == 0 || (at[0] == 0 && memcmp(at, at + 1, size - 1) == 0);
}

size_t border_sizes(size_t *sizes, size_t limit, size_t largest)
{
    size_t count = 0;
    size_t last = 0;
    size_t first = 1; /* the smallest size of the class at hand */

    while (first <= largest) {
        void *block = malloc(first);
        size_t usable;
        size_t step = first + first / 16;

        require(block != NULL);
        usable = malloc_usable_size(block);
        free(block);
        require(usable >= first);
        for (size_t size = usable - 1; size <= usable + 1; size++) {
            if (size > last && size <= largest) {
                require(count < limit);
                sizes[count++] = last = size;
            }
        }
        /* an allocator without classes changes at every 16 bytes: 16 steps a doubling do */
        first = usable + 1 > step ? usable + 1 : step;
    }
    return count;
}
