/* SPDX-License-Identifier: MIT */
/*
 * The configuration files: their order, who is meant, what cannot be read, what
 * a process with more rights than its starter reads, and reading them again.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "options/files.h"
#include "os/os.h"
#include "support/support.h"
#include "support/unit.h"

#define M ((size_t)1 << 20)

static char directory[] = "/tmp/test_files_XXXXXX"; /* in the place of /etc */
static const char *const messages = unit_messages;

/* ---- files ---- */

static const char *path_of(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_bytes(const char *name, const char *text, size_t length)
{
    FILE *file = fopen(path_of(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

static void write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

static int empty_directory(void **state)
{
    char command[600];

    snprintf(command, sizeof command, "rm -rf '%s'/* && mkdir '%s/hakmem.conf.d'", directory, directory);
    if (system(command) != 0 || unit_defaults(state) != 0)
        return -1;
    files_directory = directory;
    return 0;
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[600];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    return system(command);
}

#define START(...) unit_options_start((char *[]){__VA_ARGS__, NULL}, false)

static const char *origin(const char *name)
{
    static char text[512];

    assert_true(options_origin(name, text, sizeof text) < (int)sizeof text);
    return text;
}

static const char *origin_in(const char *file_and_line)
{
    static char text[512];

    snprintf(text, sizeof text, "%s/%s", directory, file_and_line);
    return text;
}

/* ---- order ---- */

static void later_files_win_and_each_value_knows_its_line(void **state)
{
    char conf[600];

    (void)state;
    write_file("hakmem.conf", "thread_hold = 1M\nprocess_hold = 1M\nlarge_cache = 1M\nsuperslab_cache=1M\n");
    write_file("hakmem.conf.d/20-b.conf", "large_cache = 3M\nsuperslab_cache=3M\n");
    write_file("hakmem.conf.d/10-a.conf", "process_hold = 2M\nlarge_cache = 2M\nsuperslab_cache=2M\n");
    write_file("hakmem.conf.d/30-no", "superslab_cache=9M\n");
    write_file("hakmem.conf.d/.hidden.conf", "superslab_cache=9M\n");
    write_file("hakmem.conf.d/40.conf.bak", "superslab_cache=9M\n");
    write_file("more.conf", "\n\nsuperslab_cache=4M\n");
    snprintf(conf, sizeof conf, "HAKMEM_CONF=%s/more.conf", directory);
    START(conf, "HAKMEM_PURGE_DELAY=5");
    assert_string_equal(messages, "");
    assert_int_equal(option_now(thread_hold), 1 * M);
    assert_int_equal(option_now(process_hold), 2 * M);
    assert_int_equal(option_now(large_cache), 3 * M);
    assert_int_equal(option_now(superslab_cache), 4 * M);
    assert_string_equal(origin("thread_hold"), origin_in("hakmem.conf:1"));
    assert_string_equal(origin("process_hold"), origin_in("hakmem.conf.d/10-a.conf:1"));
    assert_string_equal(origin("large_cache"), origin_in("hakmem.conf.d/20-b.conf:1"));
    assert_string_equal(origin("superslab_cache"), origin_in("more.conf:3"));
    assert_string_equal(origin("purge_delay"), "environment");
    assert_string_equal(origin("audit"), "default");
}

static void the_environment_wins_over_every_file(void **state)
{
    char conf[600];

    (void)state;
    write_file("hakmem.conf", "[program *]\nthread_hold = 1M\npreset = lowmem\n");
    write_file("more.conf", "[program *]\nthread_hold = 2M\n");
    snprintf(conf, sizeof conf, "HAKMEM_CONF=%s/more.conf", directory);
    START(conf, "HAKMEM_THREAD_HOLD=3M", "HAKMEM_PRESET=latency");
    assert_string_equal(messages, "");
    assert_int_equal(option_now(thread_hold), 3 * M);
    assert_int_equal(option_now(large_cache), 256 * M);
    assert_string_equal(origin("large_cache"), "preset latency, environment");
    assert_int_equal(hakmem_options.pool_arena_init, 8 * M);
}

static void a_relative_name_in_HAKMEM_CONF_is_kept_whole(void **state)
{
    char here[600], *moved;
    unsigned changed, restart;
    struct print_buffer why;

    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    write_file("more.conf", "thread_hold = 2M\n");
    assert_int_equal(chdir(directory), 0);
    START("HAKMEM_CONF=more.conf");
    moved = here;
    assert_int_equal(chdir(moved), 0);
    assert_string_equal(messages, "");
    assert_string_equal(origin("thread_hold"), origin_in("more.conf:1"));
    write_file("more.conf", "thread_hold = 3M\n");
    print_begin(&why, NULL, 0);
    assert_true(options_reload(&why, &changed, &restart));
    assert_int_equal(option_now(thread_hold), 3 * M);
    START("HAKMEM_CONF=/nonexistent/x.conf");
    assert_string_equal(messages, "hakmem: /nonexistent/x.conf: there is no such file; ignored\n");
}

static void this_process_is_known_by_its_name_and_path(void **state)
{
    char text[1024], executable[512];
    ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);

    (void)state;
    assert_true(length > 0);
    executable[length] = '\0';
    snprintf(text, sizeof text,
             "[program %s]\nthread_hold=1M\n[program %s]\nprocess_hold=1M\n[program other]\nlarge_cache=1M\n"
             "[unit other.service]\nsuperslab_cache=1M\n",
             executable, strrchr(executable, '/') + 1);
    write_file("hakmem.conf", text);
    START("X=1");
    assert_string_equal(messages, "");
    assert_int_equal(option_now(thread_hold), 1 * M);
    assert_int_equal(option_now(process_hold), 1 * M);
    assert_int_equal(option_now(large_cache), 64 * M);
    assert_int_equal(option_now(superslab_cache), 64 * M);
    if (os_started_as() == NULL)
        return;
    const char *slash = strrchr(os_started_as(), '/');
    snprintf(text, sizeof text, "[program %s]\npurge_delay = 9\n",
             slash != NULL ? slash + 1 : os_started_as());
    write_file("hakmem.conf", text);
    START("X=1");
    assert_int_equal(option_now(purge_delay), 9);
}

static void a_secure_process_reads_the_two_in_etc_and_nothing_else(void **state)
{
    char conf[600];

    (void)state;
    write_file("hakmem.conf", "thread_hold = 1M\n");
    write_file("hakmem.conf.d/a.conf", "process_hold = 1M\n");
    write_file("more.conf", "large_cache = 1M\n");
    snprintf(conf, sizeof conf, "HAKMEM_CONF=%s/more.conf", directory);
    unit_options_start((char *[]){conf, "HAKMEM_PURGE_DELAY=5", "HAKMEM_NONSENSE=1", NULL}, true);
    assert_string_equal(messages, "");
    assert_int_equal(option_now(thread_hold), 1 * M);
    assert_int_equal(option_now(process_hold), 1 * M);
    assert_int_equal(option_now(large_cache), 64 * M);
    assert_int_equal(option_now(purge_delay), 1000);
}

/* ---- what is wrong ---- */

static void mistakes_are_named_with_what_stands(void **state)
{
    char expected[2048];

    (void)state;
    write_file("hakmem.conf", "thread_hold = 2M\nthread_hold = 2q\naudit = perhaps\nthred_hold = 1\n");
    START("HAKMEM_PROCESS_HOLD=x");
    snprintf(expected, sizeof expected,
             "hakmem: HAKMEM_PROCESS_HOLD='x': not a size (digits with an optional k, M, G or T); "
             "the default 64M stands\n"
             "hakmem: %s/hakmem.conf:2:15: thread_hold='2q': not a size (digits with an optional k, M, G "
             "or T); 2M of %s/hakmem.conf:1 stands\n"
             "hakmem: %s/hakmem.conf:3:9: audit='perhaps': not a switch (on or off); the default off stands\n"
             "hakmem: %s/hakmem.conf:4:1: thred_hold: no such option; the nearest is thread_hold; ignored\n",
             directory, directory, directory, directory);
    assert_string_equal(messages, expected);
    assert_int_equal(option_now(thread_hold), 2 * M);
}

static void a_file_may_switch_the_messages_off_wherever_it_says_so(void **state)
{
    (void)state;
    write_file("hakmem.conf", "nonsense\n");
    write_file("hakmem.conf.d/a.conf", "nonsense\nmessages = off\n");
    START("HAKMEM_NONSENSE=1");
    assert_string_equal(messages, "");
}

static void of_many_mistakes_in_a_file_the_first_are_named(void **state)
{
    char junk[4000];

    (void)state;
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = i % 20 == 19 ? '\n' : (char)('A' + i % 26);
    write_bytes("hakmem.conf", junk, sizeof junk);
    START("X=1");
    unsigned lines = 0;
    for (const char *p = messages; *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 5);
    assert_non_null(strstr(messages, ": more mistakes: hakmemctl config check names them\n"));
}

/* The file as it is: the defaults stand, and there is one message, which ends so. */
static void expect_one(const char *ending)
{
    START("X=1");
    assert_non_null(strstr(messages, ending));
    assert_ptr_equal(strchr(messages, '\n'), messages + strlen(messages) - 1);
    for (size_t i = 0; i < OPTION_TOTAL; i++)
        assert_string_equal(origin(option_rows[i].name), "default");
}

static void what_cannot_be_read_costs_one_message(void **state)
{
    static char large[10 << 20], junk[5000];

    (void)state;
    assert_int_equal(mkdir(path_of("hakmem.conf"), 0700), 0);
    expect_one("hakmem.conf: is a directory; ignored\n");
    assert_int_equal(rmdir(path_of("hakmem.conf")), 0);

    memset(large, '\n', sizeof large);
    write_bytes("hakmem.conf", large, sizeof large);
    expect_one("hakmem.conf: is longer than 128 KiB: not read; ignored\n");

    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char)(i * 7919 >> 3);
    write_bytes("hakmem.conf", junk, sizeof junk);
    expect_one(": a byte of 0: this is no text file; all of it is ignored; ignored\n");

    write_file("hakmem.conf", "thread_hold = 1");
    expect_one("hakmem.conf:1:1: the last line has no end: the file may be half-written; ignored\n");

    unlink(path_of("hakmem.conf"));
    assert_int_equal(mkfifo(path_of("hakmem.conf"), 0600), 0);
    expect_one("hakmem.conf: is no regular file; ignored\n");
    unlink(path_of("hakmem.conf"));

    assert_int_equal(symlink("hakmem.conf", path_of("hakmem.conf")), 0);
    expect_one("hakmem.conf: cannot be read; ignored\n");
    unlink(path_of("hakmem.conf"));

    assert_int_equal(rmdir(path_of("hakmem.conf.d")), 0);
    write_file("hakmem.conf.d", "thread_hold = 1M\n");
    expect_one("hakmem.conf.d: is no directory; ignored\n");
}

static void what_may_not_be_read_costs_one_message(void **state)
{
    (void)state;
    write_file("hakmem.conf", "thread_hold = 1M\n");
    chmod(path_of("hakmem.conf"), 0);
    chmod(directory, 0755);
    if (geteuid() == 0 && seteuid(65534) != 0)
        skip();
    int fd = open(path_of("hakmem.conf"), O_RDONLY);
    if (fd < 0)
        expect_one("hakmem.conf: cannot be read: permission denied; ignored\n");
    else
        close(fd);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
    assert_true(fd < 0);
}

/* A process may open files, but no directory: `man` runs its formatters so. */
static bool filter_directories(unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_DIRECTORY, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void what_a_sandbox_refuses_is_passed_over_in_silence(void **state)
{
    const unsigned errors[] = {ENOSYS, EPERM, EIO};

    (void)state;
    write_file("hakmem.conf", "thread_hold = 1M\n");
    for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        int status;
        pid_t child = fork();

        if (child == 0) {
            if (!filter_directories(errors[i]))
                _exit(77);
            START(NULL);
            _exit((messages[0] != '\0') << 1 | (option_now(thread_hold) != M));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
            skip_test("a kernel or a container without filters of system calls");
        assert_int_equal(WEXITSTATUS(status), errors[i] == EIO ? 2 : 0);
    }
}

static void more_than_32_files_are_not_read(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        char name[64];
        snprintf(name, sizeof name, "hakmem.conf.d/%02u.conf", i);
        write_file(name, "audit = off\n");
    }
    START("X=1");
    assert_non_null(strstr(messages, "hakmem.conf.d: has more than 32 files; the others are not read; ignored\n"));
}

/* ---- reading again ---- */

static char why[1000];
static unsigned changed, need_restart;

static bool reload(void)
{
    struct print_buffer out;

    print_begin(&out, why, sizeof why);
    bool done = options_reload(&out, &changed, &need_restart);
    print_end(&out);
    return done;
}

static void a_reload_changes_what_may_change_and_names_the_rest(void **state)
{
    (void)state;
    write_file("hakmem.conf", "thread_hold = 1M\n");
    START("HAKMEM_LARGE_CACHE=5M", "HAKMEM_AUDIT=on");
    write_file("hakmem.conf", "# moved\nthread_hold = 2M\nlarge_cache = 9M\naudit = off\n"
                              "pool_arena_max = 4M\nprewarm = 64:1\npurge_delay = 1\n");
    assert_true(reload());
    assert_string_equal(why, "needs restart: pool_arena_max, prewarm");
    assert_int_equal(changed, 2);
    assert_int_equal(need_restart, 2);
    assert_int_equal(option_now(thread_hold), 2 * M);
    assert_int_equal(option_now(large_cache), 5 * M); /* the environment is as it was */
    assert_int_equal(option_now(purge_delay), 1);
    assert_int_equal(hakmem_options.pool_arena_max, 8 * M);
    assert_true(hakmem_options.audit);
    assert_string_equal(origin("thread_hold"), origin_in("hakmem.conf:2"));
    assert_string_equal(origin("pool_arena_max"), "default");
    unlink(path_of("hakmem.conf"));
    assert_true(reload());
    assert_string_equal(why, "");
    assert_int_equal(option_now(thread_hold), 4 * M);
    assert_string_equal(origin("thread_hold"), "default");
}

static void a_bad_new_file_changes_nothing_and_says_why(void **state)
{
    char expected[600];

    (void)state;
    write_file("hakmem.conf", "thread_hold = 1M\n");
    START("X=1");
    write_file("hakmem.conf", "thread_hold = 2M\nthred_hold = 3M\nx\n");
    snprintf(expected, sizeof expected, "%s/hakmem.conf:2:1: thred_hold: no such option; the nearest is "
                                        "thread_hold", directory);
    assert_false(reload());
    assert_string_equal(why, expected);
    assert_int_equal(option_now(thread_hold), 1 * M);
    assert_string_equal(origin("thread_hold"), origin_in("hakmem.conf:1"));
}

static void reloads_without_end_find_room_for_their_values(void **state)
{
    (void)state;
    START("X=1");
    for (unsigned i = 1; i <= 300; i++) {
        char text[64];

        snprintf(text, sizeof text, "thread_hold = %u\n", i);
        write_file("hakmem.conf", text);
        assert_true(reload());
        assert_int_equal(option_now(thread_hold), i);
    }
}

/* Not a limit that fails: the figure is for who reads the log. */
static void a_file_of_200_lines_is_read_fast(void **state)
{
    static char text[20000];
    struct timespec from, to;
    struct print_buffer out;
    enum { TIMES = 200 };

    (void)state;
    print_begin(&out, text, sizeof text);
    for (unsigned i = 0; i < 200; i++) {
        static const char *const lines[] = {
            "# What one thread may hold back for itself\n", "thread_hold = 4M\n", "\n",
            "[program /usr/bin/other]\n", "large_cache_percent = 75   # of what is live\n", "[default]\n",
            "superslab_cache = 64M\n", "purge_delay = 1000\n"};
        print_text(&out, lines[i % 8]);
    }
    print_end(&out);
    write_file("hakmem.conf", text);
    START("X=1");
    assert_string_equal(messages, "");
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned i = 0; i < TIMES; i++)
        options_start(NULL, false);
    clock_gettime(CLOCK_MONOTONIC, &to);
    print_message("# 200 lines, %zu bytes: %.1f microseconds\n", strlen(text),
                  ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e3 / TIMES);
    assert_int_equal(option_now(purge_delay), 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, empty_directory)
    const struct CMUnitTest tests[] = {
        TEST(later_files_win_and_each_value_knows_its_line),
        TEST(the_environment_wins_over_every_file),
        TEST(a_relative_name_in_HAKMEM_CONF_is_kept_whole),
        TEST(this_process_is_known_by_its_name_and_path),
        TEST(a_secure_process_reads_the_two_in_etc_and_nothing_else),
        TEST(mistakes_are_named_with_what_stands),
        TEST(a_file_may_switch_the_messages_off_wherever_it_says_so),
        TEST(of_many_mistakes_in_a_file_the_first_are_named),
        TEST(what_cannot_be_read_costs_one_message),
        TEST(what_may_not_be_read_costs_one_message),
        TEST(what_a_sandbox_refuses_is_passed_over_in_silence),
        TEST(more_than_32_files_are_not_read),
        TEST(a_reload_changes_what_may_change_and_names_the_rest),
        TEST(a_bad_new_file_changes_nothing_and_says_why),
        TEST(reloads_without_end_find_room_for_their_values),
        TEST(a_file_of_200_lines_is_read_fast),
    };

    return cmocka_run_group_tests_name("files", tests, make_directory, remove_directory);
}
