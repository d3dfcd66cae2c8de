/* SPDX-License-Identifier: MIT */
/* Each check of a process finds what it is for, and nothing in one that is well. */
#include <elf.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/fake_machine.h"

#define PROCESS "/proc/77"
#define MAPPED "7f00-7f01 r-xp 0 00:00 1 " FAKE_LIBRARY

static void process(const char *check, enum doctor_severity severity, const char *word)
{
    fake_expect(doctor_process_checks, DOCTOR_PROCESS, check, severity, word);
}

static void environment(const char *text)
{
    free(fake_bytes(PROCESS "/environ", text, strlen(text) + 1));
}

static void secure(bool yes)
{
    ElfW(auxv_t) vector[2] = {{.a_type = AT_SECURE, .a_un.a_val = yes}, {.a_type = AT_NULL}};

    free(fake_bytes(PROCESS "/auxv", vector, sizeof vector));
}

/* The program's file: a copy of `path`. */
static void program(const char *path)
{
    struct edit_file file;
    char *error = NULL, *exe = text_format("%s" PROCESS "/exe", fake_root);

    unlink(exe);
    free(exe);
    if (!edit_read(path, &file, &error))
        fail_msg("%s", error);
    free(fake_bytes(PROCESS "/exe", file.text, file.size));
    edit_free(&file);
}

/* A process in which nothing is wrong. */
static int well(void **state)
{
    if (fake_set_up(state) != 0)
        return 1;
    fake_subject.pid = FAKE_PID;
    fake_subject.program = "redis-server";
    fake_file(PROCESS "/maps", "5500-5501 r-xp 0 00:00 1 /usr/bin/redis-server\n" MAPPED "\n");
    fake_file(PROCESS "/status", "Name: redis\nUid:\t104\t104\nVmSize:  1000 kB\nSeccomp:\t0\n");
    fake_file(PROCESS "/limits", "Limit  Soft\nMax address space         unlimited            unlimited  bytes\n");
    fake_file(PROCESS "/cgroup", "0::/system.slice/redis.service\n");
    fake_file(PROCESS "/attr/current", "unconfined\n");
    fake_file("/proc/sys/vm/max_map_count", "65530\n");
    fake_file("/sys/fs/cgroup/system.slice/redis.service/memory.max", "max\n");
    fake_file("/sys/fs/cgroup/system.slice/redis.service/memory.current", "1000\n");
    fake_file("/sys/fs/cgroup/system.slice/redis.service/memory.events", "low 0\noom 0\noom_kill 0\n");
    environment("LD_PRELOAD=libhakmem.so.1");
    secure(false);
    return 0;
}

static void not_mapped(void)
{
    fake_file(PROCESS "/maps", "5500-5501 r-xp 0 00:00 1 /usr/bin/redis-server\n");
}

static void a_process_that_is_well_has_no_findings(void **state)
{
    (void)state;
    process(NULL, 0, NULL);
}

static void a_process_that_may_not_be_read_is_a_warning(void **state)
{
    (void)state;
    fake_subject.pid = FAKE_PID + 1;
    process("readable", DOCTOR_WARNING, "redis-server");
}

static void a_static_program_is_a_problem(void **state)
{
    struct {
        ElfW(Ehdr) head;
        ElfW(Phdr) segment;
    } image = {.head = {.e_type = ET_EXEC, .e_phnum = 1, .e_phentsize = sizeof image.segment}};

    (void)state;
    memcpy(image.head.e_ident, ELFMAG, SELFMAG);
    image.head.e_ident[EI_CLASS] = __ELF_NATIVE_CLASS == 64 ? ELFCLASS64 : ELFCLASS32;
    image.head.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    image.head.e_phoff = offsetof(__typeof__(image), segment);
    not_mapped();
    free(fake_bytes(PROCESS "/exe", &image, sizeof image));
    process("static", DOCTOR_PROBLEM, "statically linked");
}

static void more_rights_are_a_problem_unless_it_is_served(void **state)
{
    (void)state;
    secure(true);
    process("secure", DOCTOR_HINT, "more rights");
    not_mapped();
    process("secure", DOCTOR_PROBLEM, "more rights");
}

static void a_process_without_hakmem_is_a_problem(void **state)
{
    (void)state;
    not_mapped();
    environment("PATH=/bin");
    process("loaded", DOCTOR_PROBLEM, "was started without hakmem");
    environment("X=LD_PRELOAD=libhakmem.so.1");
    process("loaded", DOCTOR_PROBLEM, "was started without hakmem");
}

static void a_library_that_the_process_cannot_reach_is_a_problem(void **state)
{
    char *path;

    (void)state;
    not_mapped();
    process("loaded", DOCTOR_PROBLEM, "not in the root directory");
    path = fake_bytes(PROCESS "/root" FAKE_LIBRARY, "library", 7);
    assert_int_equal(chmod(path, 0600), 0);
    process("loaded", DOCTOR_PROBLEM, "cannot be read by user 104");
    assert_int_equal(chmod(path, 0644), 0);
    process("loaded", DOCTOR_PROBLEM, "the library is not loaded");
    free(path);
}

static void another_malloc_in_front_is_a_problem(void **state)
{
    (void)state;
    fake_file(PROCESS "/maps", MAPPED "\n7f02-7f03 r-xp 0 00:00 2 /opt/libother.so\n");
    environment("LD_PRELOAD=/opt/libother.so:libhakmem.so.1");
    fake_file(PROCESS "/root/opt/libother.so", "no library");
    process(NULL, 0, NULL);
    /* the C library is a library that has a malloc */
    struct link_map *map = _r_debug.r_map;

    while (map != NULL && strstr(map->l_name, "libc.so.6") == NULL)
        map = map->l_next;
    if (map == NULL)
        skip();
    char *path = text_format("%s" PROCESS "/root/opt/libother.so", fake_root);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(map->l_name, path), 0);
    process("other-allocator", DOCTOR_PROBLEM, "/opt/libother.so in front of hakmem");
    environment("LD_PRELOAD=libhakmem.so.1:/opt/libother.so");
    process(NULL, 0, NULL);
    free(path);
}

static void a_program_of_the_usual_kind_is_none(void **state)
{
    (void)state;
    program("/proc/self/exe"); /* of the same machine as this test, in a cross build, too */
    process(NULL, 0, NULL);
}

static void a_replaced_library_is_a_warning(void **state)
{
    (void)state;
    fake_file(PROCESS "/maps", MAPPED " (deleted)\n");
    process("version", DOCTOR_WARNING, "replaced or removed");
}

static void what_seccomp_refused_is_a_warning(void **state)
{
    (void)state;
    fake_file(PROCESS "/status", "Name: redis\nUid:\t104\nSeccomp:\t2\n");
    process("seccomp", DOCTOR_HINT, "seccomp filter");
    fake_file("/dev/kmsg", "6,1,1,-;audit: type=1326 pid=1 comm=\"other\" syscall=1\n"
                           "6,2,2,-;audit: type=1326 pid=77 comm=\"redis-server\" sig=31 syscall=324\n");
    process("seccomp", DOCTOR_WARNING, "syscall=324");
}

static void what_apparmor_refused_is_a_problem(void **state)
{
    static const char denial[] = "5,9,9,-;audit: type=1400 apparmor=\"DENIED\" operation=\"open\" profile=\"redis\" "
                                 "name=\"/opt/libhakmem.so.1\"\n";

    (void)state;
    not_mapped();
    free(fake_bytes(PROCESS "/root" FAKE_LIBRARY, "library", 7));
    environment("PATH=/bin");
    fake_file("/dev/kmsg", denial);
    fake_subject.library = FAKE_LIBRARY;
    /* and that it is not loaded */
    struct doctor_findings findings = {NULL, 0};

    doctor_look(doctor_process_checks, DOCTOR_PROCESS, &fake_subject, &findings);
    assert_int_equal(findings.count, 2);
    assert_string_equal(findings.item[1].check, "apparmor");
    assert_int_equal(findings.item[1].severity, DOCTOR_PROBLEM);
    assert_non_null(strstr(findings.item[1].text, "profile=\"redis\""));
    doctor_free(&findings);
}

static void a_library_outside_of_what_profiles_allow_is_told(void **state)
{
    (void)state;
    fake_file(PROCESS "/attr/current", "redis (enforce)\n");
    process(NULL, 0, NULL);
    fake_subject.library = "/opt/libhakmem.so.1";
    process("apparmor", DOCTOR_HINT, "/opt/libhakmem.so.1 lies outside");
}

static void many_mappings_are_a_warning_and_then_a_problem(void **state)
{
    (void)state;
    fake_file("/proc/sys/vm/max_map_count", "4\n");
    process("mappings", DOCTOR_WARNING, "2 mappings of at most 4");
    fake_file("/proc/sys/vm/max_map_count", "2\n");
    process("mappings", DOCTOR_PROBLEM, "2 mappings of at most 2");
}

static void a_limit_of_address_space_is_told(void **state)
{
    (void)state;
    fake_file(PROCESS "/limits", "Limit  Soft\nMax address space         1073741824           unlimited  bytes\n");
    process("address-space", DOCTOR_HINT, "1024 MiB");
    fake_file(PROCESS "/status", "Name: redis\nUid:\t104\nVmSize:  900000 kB\n");
    process("address-space", DOCTOR_WARNING, "1024 MiB");
}

static void limits_of_the_cgroup_and_of_what_lies_above_are_told(void **state)
{
    (void)state;
    fake_file("/sys/fs/cgroup/system.slice/redis.service/memory.max", "134217728\n");
    process("cgroup", DOCTOR_HINT, "redis.service may use 128 MiB");
    fake_file("/sys/fs/cgroup/system.slice/redis.service/memory.current", "130000000\n");
    process("cgroup", DOCTOR_WARNING, "of the 128 MiB");
    fake_file("/sys/fs/cgroup/system.slice/redis.service/memory.max", "max\n");
    fake_file("/sys/fs/cgroup/system.slice/memory.max", "134217728\n");
    fake_file("/sys/fs/cgroup/system.slice/memory.current", "1000\n");
    process("cgroup", DOCTOR_HINT, "cgroup /system.slice may use 128 MiB");
    fake_file("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    fake_file("/sys/fs/cgroup/system.slice/redis.service/memory.events", "low 0\noom 2\noom_kill 2\n");
    process("cgroup", DOCTOR_PROBLEM, "2 processes of cgroup");
}

static void the_same_finding_of_two_processes_is_one(void **state)
{
    struct doctor_findings findings = {NULL, 0};

    (void)state;
    fake_file(PROCESS "/maps", MAPPED " (deleted)\n");
    fake_file("/proc/78/maps", MAPPED " (deleted)\n");
    doctor_look(doctor_process_checks, DOCTOR_PROCESS, &fake_subject, &findings);
    fake_subject.pid = 78;
    doctor_look(doctor_process_checks, DOCTOR_PROCESS, &fake_subject, &findings);
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.item[0].pids, 2);
    assert_int_equal(findings.item[0].pid[1], 78);
    doctor_free(&findings);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, well, fake_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_that_is_well_has_no_findings),
        TEST(a_process_that_may_not_be_read_is_a_warning),
        TEST(a_static_program_is_a_problem),
        TEST(more_rights_are_a_problem_unless_it_is_served),
        TEST(a_process_without_hakmem_is_a_problem),
        TEST(a_library_that_the_process_cannot_reach_is_a_problem),
        TEST(another_malloc_in_front_is_a_problem),
        TEST(a_program_of_the_usual_kind_is_none),
        TEST(a_replaced_library_is_a_warning),
        TEST(what_seccomp_refused_is_a_warning),
        TEST(what_apparmor_refused_is_a_problem),
        TEST(a_library_outside_of_what_profiles_allow_is_told),
        TEST(many_mappings_are_a_warning_and_then_a_problem),
        TEST(a_limit_of_address_space_is_told),
        TEST(limits_of_the_cgroup_and_of_what_lies_above_are_told),
        TEST(the_same_finding_of_two_processes_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
