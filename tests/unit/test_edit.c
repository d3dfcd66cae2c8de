/* SPDX-License-Identifier: MIT */
/* A file of the system is replaced whole or not at all, and keeps its mode. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "hakmemctl/edit.h"
#include "hakmemctl/text.h"

static char directory[] = "/tmp/hakmem-edit.XXXXXX";
static char *path;

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL)
        return 1;
    path = text_format("%s/file", directory);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(path);
    return rmdir(directory); /* fails when something was left beside the files */
}

static unsigned entries(void)
{
    unsigned count = 0;
    DIR *open = opendir(directory);

    while (readdir(open) != NULL)
        count++;
    closedir(open);
    return count - 2;
}

static void put(const char *text)
{
    struct edit_file none = {.mode = 0644, .uid = geteuid(), .gid = getegid()};
    char *error = NULL;

    if (!edit_write(path, text, strlen(text), &none, &error))
        fail_msg("%s", error);
}

static void expect_contents(const char *text)
{
    struct edit_file file;
    char *error = NULL;

    assert_true(edit_read(path, &file, &error));
    assert_true(file.exists);
    assert_int_equal(file.size, strlen(text));
    assert_string_equal(file.text, text);
    edit_free(&file);
}

static void a_file_that_is_not_there_reads_as_nothing(void **state)
{
    struct edit_file file;
    char *error = NULL;

    (void)state;
    assert_true(edit_read(path, &file, &error));
    assert_false(file.exists);
    assert_int_equal(file.size, 0);
    edit_free(&file);
}

static void a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it(void **state)
{
    struct edit_file before;
    struct stat status;
    char *error = NULL;

    (void)state;
    put("one\n");
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(edit_read(path, &before, &error));
    assert_true(edit_write(path, "two\n", 4, &before, &error));
    expect_contents("two\n");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_int_equal(entries(), 1);
    assert_true(edit_restore(path, &before, &error));
    expect_contents("one\n");
    edit_free(&before);
    assert_true(edit_remove(path, &error));
}

static void restoring_a_file_that_was_not_there_removes_it(void **state)
{
    struct edit_file before;
    char *error = NULL;

    (void)state;
    assert_true(edit_read(path, &before, &error));
    put("new\n");
    assert_true(edit_restore(path, &before, &error));
    assert_int_equal(access(path, F_OK), -1);
    assert_true(edit_restore(path, &before, &error));
    edit_free(&before);
}

static void bytes_of_any_value_survive(void **state)
{
    static const char bytes[] = "a\0b\r\n\377";
    struct edit_file none = {.mode = 0600, .uid = geteuid(), .gid = getegid()}, file;
    char *error = NULL;

    (void)state;
    assert_true(edit_write(path, bytes, sizeof bytes, &none, &error));
    assert_true(edit_read(path, &file, &error));
    assert_int_equal(file.size, sizeof bytes);
    assert_memory_equal(file.text, bytes, sizeof bytes);
    edit_free(&file);
    assert_true(edit_remove(path, &error));
}

static void a_link_stays_a_link_and_the_file_behind_it_is_replaced(void **state)
{
    char *link = text_format("%s/link", directory), *error = NULL;
    struct edit_file before;
    struct stat status;

    (void)state;
    put("one\n");
    assert_int_equal(symlink("file", link), 0);
    assert_true(edit_read(link, &before, &error));
    assert_true(edit_write(link, "two\n", 4, &before, &error));
    expect_contents("two\n");
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    edit_free(&before);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(unlink(path), 0);
    free(link);
}

/* As a full disk does it: the write stops in the middle. */
static void when_the_write_fails_the_old_file_stands(void **state)
{
    struct rlimit before, little = {8, 8};
    struct edit_file file;
    char *error = NULL;

    (void)state;
    put("the old contents\n");
    assert_true(edit_read(path, &file, &error));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    bool written = edit_write(path, "the new contents, longer\n", 25, &file, &error);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_false(written);
    assert_non_null(strstr(error, path));
    expect_contents("the old contents\n");
    assert_int_equal(entries(), 1);
    free(error);
    edit_free(&file);
    assert_int_equal(unlink(path), 0);
}

static void what_is_no_regular_file_is_left_alone(void **state)
{
    struct edit_file file;
    char *error = NULL;

    (void)state;
    assert_false(edit_read(directory, &file, &error));
    assert_non_null(strstr(error, "no regular file"));
    free(error);
    edit_free(&file);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(edit_read(path, &file, &error));
    free(error);
    edit_free(&file);
    assert_int_equal(unlink(path), 0);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    struct edit_file file;
    char *error = NULL;
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    (void)state;
    assert_int_equal(ftruncate(fd, EDIT_SIZE_MAX + 1), 0);
    close(fd);
    assert_false(edit_read(path, &file, &error));
    free(error);
    edit_free(&file);
    assert_int_equal(unlink(path), 0);
}

static void directories_are_made_and_it_is_told_whether_they_were(void **state)
{
    char *deep = text_format("%s/a/b", directory), *above = text_format("%s/a", directory), *error = NULL;
    bool made = false;

    (void)state;
    assert_true(edit_make_directory(deep, &made, &error));
    assert_true(made);
    assert_true(edit_make_directory(deep, &made, &error));
    assert_false(made);
    assert_int_equal(rmdir(deep), 0);
    assert_int_equal(rmdir(above), 0);
    put("in the way");
    free(deep);
    deep = text_format("%s/b", path);
    assert_false(edit_make_directory(deep, &made, &error));
    free(error);
    assert_int_equal(unlink(path), 0);
    free(deep);
    free(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_not_there_reads_as_nothing),
        cmocka_unit_test(a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it),
        cmocka_unit_test(restoring_a_file_that_was_not_there_removes_it),
        cmocka_unit_test(bytes_of_any_value_survive),
        cmocka_unit_test(a_link_stays_a_link_and_the_file_behind_it_is_replaced),
        cmocka_unit_test(when_the_write_fails_the_old_file_stands),
        cmocka_unit_test(what_is_no_regular_file_is_left_alone),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
        cmocka_unit_test(directories_are_made_and_it_is_told_whether_they_were),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
