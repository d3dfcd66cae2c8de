/* SPDX-License-Identifier: MIT */
/*
 * A machine made of files, for the checks of the doctor: a new, empty root for each test, files below
 * it, and what a check finds there. Include it after cmocka.h.
 */
#ifndef TESTS_SUPPORT_FAKE_MACHINE_H
#define TESTS_SUPPORT_FAKE_MACHINE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hakmemctl/doctor.h"
#include "hakmemctl/edit.h"
#include "hakmemctl/text.h"

enum { FAKE_PID = 77 };
#define FAKE_LIBRARY "/usr/lib/libhakmem.so.1"

static char fake_root[64];
static struct doctor_subject fake_subject;

static int fake_remove(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int fake_tear_down(void **state)
{
    (void)state;
    return nftw(fake_root, fake_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static int fake_set_up(void **state)
{
    (void)state;
    strcpy(fake_root, "/tmp/hakmem-machine.XXXXXX");
    if (mkdtemp(fake_root) == NULL || chmod(fake_root, 0755) != 0)
        return 1;
    fake_subject = (struct doctor_subject){
        .root = fake_root, .pid = 0, .program = "", .unit = NULL, .show = "", .library = FAKE_LIBRARY};
    return 0;
}

/* A file below the root, and the directories that lead to it. Returns its path, to be freed. */
static inline char *fake_bytes(const char *path, const void *bytes, size_t size)
{
    struct edit_file none = {.mode = 0644, .uid = geteuid(), .gid = getegid()};
    char *full = text_format("%s%s", fake_root, path), *directory = text_copy(full), *error = NULL;
    bool made;

    *strrchr(directory, '/') = '\0';
    if (!edit_make_directory(directory, &made, &error) || !edit_write(full, bytes, size, &none, &error))
        fail_msg("%s", error);
    free(directory);
    return full;
}

static inline void fake_file(const char *path, const char *text)
{
    free(fake_bytes(path, text, strlen(text)));
}

/*
 * Run the checks, and compare: `check` is the only one that finds something, with this severity and
 * this word in its text; NULL: nothing is found.
 */
static void fake_expect(const struct doctor_check *checks, enum doctor_scope scope, const char *check,
                        enum doctor_severity severity, const char *word)
{
    struct doctor_findings findings = {NULL, 0};

    doctor_look(checks, scope, &fake_subject, &findings);
    for (size_t i = 0; i < findings.count; i++) {
        const struct doctor_finding *one = &findings.item[i];

        if (check == NULL || strcmp(one->check, check) != 0)
            fail_msg("check %s found: %s", one->check, one->text);
        if (one->severity != severity || strstr(one->text, word) == NULL || one->remedy[0] == '\0')
            fail_msg("severity %d, \"%s\", remedy \"%s\"; expected: %d, \"%s\"", one->severity, one->text, one->remedy,
                     severity, word);
        assert_int_equal(one->pids, fake_subject.pid != 0);
    }
    if (check != NULL && findings.count == 0)
        fail_msg("nothing was found");
    doctor_free(&findings);
}

#endif
