/* SPDX-License-Identifier: MIT */
/* Each check of a machine and of a service finds what it is for, and nothing on one that is well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/fake_machine.h"
#include <sys/xattr.h>

static void machine(const char *check, enum doctor_severity severity, const char *word)
{
    fake_expect(doctor_machine_checks, DOCTOR_MACHINE, check, severity, word);
}

static void unit(const char *show, const char *check, enum doctor_severity severity, const char *word)
{
    fake_subject.unit = "x.service";
    fake_subject.show = show;
    fake_expect(doctor_machine_checks, DOCTOR_UNIT, check, severity, word);
}

/* A machine on which nothing is wrong. */
static int well(void **state)
{
    if (fake_set_up(state) != 0)
        return 1;
    fake_file(FAKE_LIBRARY, "library");
    fake_file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
    fake_file("/proc/sys/vm/overcommit_memory", "0\n");
    fake_file("/proc/meminfo", "MemTotal: 100 kB\nCommitLimit:  1000 kB\nCommitted_AS:  500 kB\n");
    fake_file("/proc/sys/kernel/yama/ptrace_scope", "1\n");
    fake_file("/sys/fs/selinux/enforce", "0");
    return 0;
}

static void a_machine_that_is_well_has_no_findings(void **state)
{
    (void)state;
    machine(NULL, 0, NULL);
}

static void an_empty_machine_has_no_findings_but_the_library(void **state)
{
    (void)state;
    fake_subject.root = "/nowhere/at/all";
    machine("library", DOCTOR_PROBLEM, FAKE_LIBRARY);
}

static void a_library_that_nobody_finds_or_reads_is_a_problem(void **state)
{
    char *directory = text_format("%s/usr", fake_root);

    (void)state;
    assert_int_equal(chmod(directory, 0700), 0);
    machine("library", DOCTOR_PROBLEM, directory);
    assert_int_equal(chmod(directory, 0755), 0);
    fake_subject.library = NULL;
    machine("library", DOCTOR_PROBLEM, "does not find libhakmem.so.1");
    free(directory);
}

static void selinux_that_forbids_the_label_is_a_problem(void **state)
{
    static const char good[] = "system_u:object_r:lib_t:s0", bad[] = "unconfined_u:object_r:user_home_t:s0";
    char *path = text_format("%s" FAKE_LIBRARY, fake_root);

    (void)state;
    fake_file("/sys/fs/selinux/enforce", "1");
    bool permitted = setxattr(path, "security.selinux", bad, sizeof bad, 0) == 0;

    if (permitted) {
        machine("selinux", DOCTOR_PROBLEM, "user_home_t");
        assert_int_equal(setxattr(path, "security.selinux", good, sizeof good, 0), 0);
        machine(NULL, 0, NULL);
    }
    free(path);
    if (!permitted)
        skip();
}

static void a_preload_for_all_that_is_not_there_is_a_problem(void **state)
{
    (void)state;
    fake_file("/etc/ld.so.preload", FAKE_LIBRARY "\n");
    machine(NULL, 0, NULL);
    fake_file("/etc/ld.so.preload", "/usr/lib/gone.so\n");
    machine("system-preload", DOCTOR_PROBLEM, "/usr/lib/gone.so, which is not there");
}

static void a_preload_for_all_in_front_of_hakmem_is_a_warning(void **state)
{
    (void)state;
    fake_file("/etc/ld.so.preload", "libother.so\n" FAKE_LIBRARY "\n");
    machine("system-preload", DOCTOR_WARNING, "libother.so in front of hakmem");
}

static void several_comments_in_the_preload_are_a_warning(void **state)
{
    (void)state;
    fake_file("/etc/ld.so.preload", "# one\nlibm.so.6\n");
    machine(NULL, 0, NULL);
    fake_file("/etc/ld.so.preload", "# one\nlibm.so.6 # two\n");
    machine("system-preload", DOCTOR_WARNING, "several comments");
}

static void huge_pages_always_are_a_hint(void **state)
{
    (void)state;
    fake_file("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n");
    machine("huge-pages", DOCTOR_HINT, "always");
}

static void overcommit_is_a_problem_once_it_is_used_up(void **state)
{
    (void)state;
    fake_file("/proc/sys/vm/overcommit_memory", "2\n");
    machine("overcommit", DOCTOR_HINT, "vm.overcommit_memory is 2");
    fake_file("/proc/meminfo", "MemTotal: 100 kB\nCommitLimit:  1000 kB\nCommitted_AS:  950 kB\n");
    machine("overcommit", DOCTOR_PROBLEM, "95 %");
}

static void forbidden_ptrace_is_a_warning(void **state)
{
    (void)state;
    fake_file("/proc/sys/kernel/yama/ptrace_scope", "3\n");
    machine("ptrace", DOCTOR_WARNING, "ptrace_scope is 3");
}

static void a_service_without_the_library_in_its_root_is_a_problem(void **state)
{
    (void)state;
    unit("RootDirectory=/srv/x\n", "unit-root", DOCTOR_PROBLEM, "RootDirectory=/srv/x");
    fake_file("/srv/x" FAKE_LIBRARY, "library");
    unit("RootDirectory=/srv/x\nRootImage=\n", NULL, 0, NULL);
    unit("RootImage=/srv/x.raw\n", "unit-root", DOCTOR_HINT, "/srv/x.raw");
}

static void a_service_that_may_not_map_the_library_is_a_problem(void **state)
{
    (void)state;
    unit("NoExecPaths=/\nExecPaths=/usr/bin\n", "unit-paths", DOCTOR_PROBLEM, "NoExecPaths=/");
    unit("NoExecPaths=/\nExecPaths=/usr/bin -/usr/lib\n", NULL, 0, NULL);
}

static void a_service_that_drops_the_variable_is_a_problem(void **state)
{
    (void)state;
    unit("UnsetEnvironment=A LD_PRELOAD\n", "unit-variable", DOCTOR_PROBLEM, "LD_PRELOAD is taken away");
    unit("UnsetEnvironment=A\nResult=success\n", NULL, 0, NULL);
}

static void how_a_service_ended_is_told(void **state)
{
    (void)state;
    unit("Result=oom-kill\n", "unit-result", DOCTOR_PROBLEM, "no memory left");
    unit("Result=core-dump\n", "unit-result", DOCTOR_WARNING, "core-dump");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, well, fake_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_machine_that_is_well_has_no_findings),
        TEST(an_empty_machine_has_no_findings_but_the_library),
        TEST(a_library_that_nobody_finds_or_reads_is_a_problem),
        TEST(selinux_that_forbids_the_label_is_a_problem),
        TEST(a_preload_for_all_that_is_not_there_is_a_problem),
        TEST(a_preload_for_all_in_front_of_hakmem_is_a_warning),
        TEST(several_comments_in_the_preload_are_a_warning),
        TEST(huge_pages_always_are_a_hint),
        TEST(overcommit_is_a_problem_once_it_is_used_up),
        TEST(forbidden_ptrace_is_a_warning),
        TEST(a_service_without_the_library_in_its_root_is_a_problem),
        TEST(a_service_that_may_not_map_the_library_is_a_problem),
        TEST(a_service_that_drops_the_variable_is_a_problem),
        TEST(how_a_service_ended_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
