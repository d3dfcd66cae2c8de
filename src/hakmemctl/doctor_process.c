/* SPDX-License-Identifier: MIT */
/* Checks of a live process. */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hakmemctl/doctor.h"
#include "hakmemctl/elf_file.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/text.h"

#define CHECK(name) \
    static void name(const struct doctor_check *check, const struct doctor_subject *subject, \
                     struct doctor_findings *findings)

#define ADD(severity, text, remedy) doctor_add(findings, check, subject, severity, text, remedy)

/* ---- what the kernel says of a process ---- */

static char *process_file(const struct doctor_subject *subject, const char *name, size_t *size)
{
    return doctor_file(subject, size, "/proc/%d/%s", (int)subject->pid, name);
}

/* Is the library mapped? `*known` false: the mappings cannot be read, or it has none. */
static bool is_mapped(const struct doctor_subject *subject, bool *known, bool *deleted)
{
    char *maps = process_file(subject, "maps", NULL);
    const char *at = maps == NULL ? NULL : strstr(maps, "/libhakmem.so");

    *known = maps != NULL && maps[0] != '\0';
    if (deleted != NULL)
        *deleted = at != NULL && strncmp(at + strcspn(at, " \n"), " (deleted)", 10) == 0;
    bool mapped = at != NULL;

    free(maps);
    return mapped;
}

/* LD_PRELOAD of its environment; NULL when it has none. `*known`: the environment can be read. */
static char *preload_of(const struct doctor_subject *subject, bool *known)
{
    size_t size = 0;
    char *environment = process_file(subject, "environ", &size), *found = NULL;

    *known = environment != NULL;
    for (size_t at = 0; environment != NULL && at < size; at += strlen(environment + at) + 1)
        if (text_starts(environment + at, "LD_PRELOAD=") && found == NULL)
            found = text_copy(environment + at + strlen("LD_PRELOAD="));
    free(environment);
    return found;
}

static bool is_secure(const struct doctor_subject *subject)
{
    size_t size = 0;
    char *vector = process_file(subject, "auxv", &size);
    bool secure = false;

    for (size_t at = 0; vector != NULL && at + sizeof(ElfW(auxv_t)) <= size; at += sizeof(ElfW(auxv_t))) {
        ElfW(auxv_t) entry;

        memcpy(&entry, vector + at, sizeof entry);
        secure |= entry.a_type == AT_SECURE && entry.a_un.a_val != 0;
    }
    free(vector);
    return secure;
}

static bool read_program(const struct doctor_subject *subject, struct elf_file *elf)
{
    char *path = text_format("%s/proc/%d/exe", subject->root, (int)subject->pid);
    bool read = elf_file_read(path, elf);

    free(path);
    return read;
}

/* The number behind a word at the start of a line; -1 when it is not there. */
static long long number_in(const char *text, const char *word)
{
    const char *at = text == NULL ? NULL : strstr(text, word);

    if (at == NULL)
        return -1;
    at += strlen(word);
    at += strspn(at, " \t");
    return *at >= '0' && *at <= '9' ? atoll(at) : -1;
}

/* ---- is it served? ---- */

CHECK(look_at_readable)
{
    char *maps = process_file(subject, "maps", NULL);

    if (maps == NULL)
        ADD(DOCTOR_WARNING, text_format("%s may not be looked at: the kernel refuses it", subject->program),
            text_copy("run this as root, or as the user who runs it"));
    free(maps);
}

CHECK(look_at_static)
{
    struct elf_file elf;

    if (!read_program(subject, &elf))
        return;
    if (elf.kind == ELF_STATIC)
        ADD(DOCTOR_PROBLEM,
            text_format("%s is statically linked: no library can be preloaded into it", subject->program),
            text_copy("link it with libhakmem.a, or leave it on its own malloc"));
    else if (elf.bits != 0 && !elf_file_is_native(&elf))
        ADD(DOCTOR_PROBLEM,
            text_format("%s is a program for another kind of machine (%u bits) than the library", subject->program,
                        elf.bits),
            text_copy("install the library for it too"));
}

CHECK(look_at_secure)
{
    bool known, mapped = is_mapped(subject, &known, NULL);

    if (known && is_secure(subject))
        ADD(mapped ? DOCTOR_HINT : DOCTOR_PROBLEM,
            text_format("%s got more rights when it started (setuid, setgid, or capabilities): LD_PRELOAD and "
                        "HAKMEM_... of its environment do not count", subject->program),
            text_copy("hakmemctl enable --system reaches it; its options belong into /etc/hakmem.conf"));
}

/* Why a library that was asked for is not there; NULL when nothing is seen. */
static char *why_not_loaded(const struct doctor_subject *subject)
{
    struct stat status;
    char *reason = NULL, *text = process_file(subject, "status", NULL);
    long long uid = number_in(text, "\nUid:");

    free(text);
    if (subject->library == NULL)
        return NULL;
    char *path = text_format("%s/proc/%d/root%s", subject->root, (int)subject->pid, subject->library);

    if (stat(path, &status) != 0)
        reason = text_format("%s is not in the root directory that the process sees", subject->library);
    else if (uid > 0 && (status.st_mode & S_IROTH) == 0 && status.st_uid != (uid_t)uid)
        reason = text_format("%s cannot be read by user %lld, who runs it", subject->library, uid);
    free(path);
    return reason;
}

CHECK(look_at_loaded)
{
    bool known, environment_known;
    struct elf_file elf;

    if (is_mapped(subject, &known, NULL) || !known || (read_program(subject, &elf) && elf.kind == ELF_STATIC) ||
        is_secure(subject))
        return; /* it is, or another check says why not */
    char *preload = preload_of(subject, &environment_known);

    if (preload != NULL && preload_has_ours(preload)) {
        char *why = why_not_loaded(subject);

        ADD(DOCTOR_PROBLEM,
            text_format("%s was started with LD_PRELOAD=%s, and the library is not loaded%s%s", subject->program, preload,
                        why != NULL ? ": " : "", why != NULL ? why : ""),
            text_copy(why != NULL ? "make the library readable there, then restart it"
                                  : "LD_DEBUG=libs shows where the loader looks; see also what AppArmor and SELinux log"));
        free(why);
    } else if (environment_known) {
        ADD(DOCTOR_PROBLEM, text_format("%s was started without hakmem", subject->program),
            subject->unit != NULL ? text_format("hakmemctl enable --now %s", subject->unit)
                                  : text_copy("hakmem-run starts a command on it, hakmemctl enable a service"));
    }
    free(preload);
}

/* The file of a library that the process has mapped, by its name; below the process's own root. */
static char *mapped_file(const struct doctor_subject *subject, const char *entry, size_t length)
{
    char *maps = process_file(subject, "maps", NULL), *found = NULL;
    const char *slash = memrchr(entry, '/', length);
    char *name = slash != NULL ? text_format("/%.*s", (int)(entry + length - slash - 1), slash + 1)
                               : text_format("/%.*s", (int)length, entry);
    char *at = maps == NULL ? NULL : strstr(maps, name);

    if (at != NULL) {
        char *line = at, *end = at + strcspn(at, "\n");

        while (line > maps && line[-1] != '\n')
            line--;
        char *path = memchr(line, '/', (size_t)(end - line));

        *end = '\0';
        if (path != NULL)
            found = text_format("%s/proc/%d/root%s", subject->root, (int)subject->pid, path);
    }
    free(maps);
    free(name);
    return found;
}

CHECK(look_at_other_allocators)
{
    struct elf_file elf;
    bool known, mapped = is_mapped(subject, &known, NULL);
    char *preload = preload_of(subject, &known);
    const char *at = preload, *entry;
    size_t length;

    while (mapped && at != NULL && preload_next(&at, &entry, &length) && !preload_entry_is_ours(entry, length)) {
        char *file = mapped_file(subject, entry, length);

        if (file != NULL && elf_file_read(file, &elf) && elf.defines_malloc)
            ADD(DOCTOR_PROBLEM,
                text_format("LD_PRELOAD of %s names %.*s in front of hakmem, which has a malloc of its own: that one "
                            "serves", subject->program, (int)length, entry),
                text_copy("put libhakmem.so.1 first"));
        free(file);
    }
    free(preload);
    if (mapped && read_program(subject, &elf) && elf.defines_malloc)
        ADD(DOCTOR_PROBLEM,
            text_format("%s has a malloc of its own in the program itself, which no preload replaces", subject->program),
            text_copy("build it without (redis: make MALLOC=libc), or leave it on its own"));
}

CHECK(look_at_version)
{
    bool known, deleted, mapped = is_mapped(subject, &known, &deleted);

    if (mapped && deleted)
        ADD(DOCTOR_WARNING,
            text_format("%s runs on a library whose file was replaced or removed", subject->program),
            subject->unit != NULL ? text_format("systemctl restart %s", subject->unit) : text_copy("restart it"));
}

/* ---- what the system refuses ---- */

/* The last line of the kernel's log that has all three words; the caller frees it. */
static char *kernel_line(const struct doctor_subject *subject, const char *one, const char *two, const char *three)
{
    char *log = doctor_file(subject, NULL, "/dev/kmsg"), *found = NULL;

    for (char *save = NULL, *line = log == NULL ? NULL : strtok_r(log, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, one) == NULL || strstr(line, two) == NULL || strstr(line, three) == NULL)
            continue;
        const char *words = strchr(line, ';');

        free(found);
        found = text_copy(words == NULL ? line : words + 1);
    }
    free(log);
    return found;
}

CHECK(look_at_seccomp)
{
    char *status = process_file(subject, "status", NULL);
    char *comm = text_format("comm=\"%.15s\"", subject->program);
    char *line = kernel_line(subject, "type=1326", comm, "syscall=");

    if (line != NULL)
        ADD(DOCTOR_WARNING, text_format("seccomp refused a system call of %s: %s", subject->program, line),
            text_copy("compare with the list of calls in hakmem(7); allow it (SystemCallFilter=), or switch the "
                      "feature off that makes it"));
    else if (number_in(status, "\nSeccomp:") == 2)
        ADD(DOCTOR_HINT,
            text_format("%s runs under a seccomp filter; nothing was refused as far as the kernel's log says",
                        subject->program),
            text_copy("a filter must let through mmap, munmap, mprotect, madvise and mremap"));
    free(line);
    free(comm);
    free(status);
}

CHECK(look_at_apparmor)
{
    char *line = kernel_line(subject, "apparmor=\"DENIED\"", "hakmem", "profile=");
    char *profile = process_file(subject, "attr/current", NULL);
    bool known, mapped = is_mapped(subject, &known, NULL);

    if (profile != NULL)
        profile[strcspn(profile, "\n")] = '\0';
    if (line != NULL)
        ADD(mapped ? DOCTOR_WARNING : DOCTOR_PROBLEM, text_format("AppArmor refused it: %s", line),
            text_copy("add the path to the profile in /etc/apparmor.d/local, and reload it"));
    else if (profile != NULL && strstr(profile, "(enforce)") != NULL && subject->library != NULL &&
             !text_starts(subject->library, "/usr/lib") && !text_starts(subject->library, "/lib"))
        ADD(mapped ? DOCTOR_HINT : DOCTOR_PROBLEM,
            text_format("%s is confined by AppArmor's profile %s, and %s lies outside of the directories that "
                        "profiles let libraries come from", subject->program, profile, subject->library),
            text_copy("install the library to /usr/lib, or add its path in /etc/apparmor.d/local"));
    free(line);
    free(profile);
}

/* ---- limits ---- */

CHECK(look_at_mappings)
{
    char *maps = process_file(subject, "maps", NULL);
    long long most = doctor_number(subject, "/proc/sys/vm/max_map_count"), count = 0;

    for (const char *at = maps; at != NULL && (at = strchr(at, '\n')) != NULL; at++)
        count++;
    if (most > 0 && count * 2 >= most)
        ADD(count * 10 >= most * 9 ? DOCTOR_PROBLEM : DOCTOR_WARNING,
            text_format("%s has %lld mappings of at most %lld (vm.max_map_count): at the limit malloc fails although "
                        "memory is free", subject->program, count, most),
            text_format("sysctl vm.max_map_count=%lld, and for good in /etc/sysctl.d", most * 4));
    free(maps);
}

CHECK(look_at_address_space)
{
    char *limits = process_file(subject, "limits", NULL), *status = process_file(subject, "status", NULL);
    long long most = number_in(limits, "\nMax address space "), used = number_in(status, "\nVmSize:");

    if (most > 0 && used >= 0)
        ADD(used * 1024 * 5 >= most * 4 ? DOCTOR_WARNING : DOCTOR_HINT,
            text_format("%s may have %lld MiB of address space (ulimit -v, LimitAS=): what is mapped counts although "
                        "it is not used", subject->program, most >> 20),
            text_copy("limit memory by the cgroup (MemoryMax=) instead"));
    free(limits);
    free(status);
}

/* The group of the unified hierarchy; NULL when there is none. */
static char *cgroup_of(const struct doctor_subject *subject)
{
    char *groups = process_file(subject, "cgroup", NULL);
    char *at = groups == NULL ? NULL : text_starts(groups, "0::/") ? groups : strstr(groups, "\n0::/");
    char *path = NULL;

    if (at != NULL) {
        at = strchr(at, '/');
        path = text_copy_length(at, strcspn(at, "\n"));
    }
    free(groups);
    return path;
}

static void look_at_group(const struct doctor_check *check, const struct doctor_subject *subject,
                          struct doctor_findings *findings, const char *group)
{
    char *name = text_format("/sys/fs/cgroup%s/memory.max", group);
    long long most = doctor_number(subject, name), used;
    const char *shown = group[0] == '\0' ? "/" : group;

    free(name);
    name = text_format("/sys/fs/cgroup%s/memory.current", group);
    used = doctor_number(subject, name);
    free(name);
    char *events = doctor_file(subject, NULL, "/sys/fs/cgroup%s/memory.events", group);
    long long killed = number_in(events, "\noom_kill ");

    free(events);
    if (killed > 0)
        ADD(DOCTOR_PROBLEM, text_format("%lld processes of cgroup %s were ended because it had no memory left", killed, shown),
            text_copy("raise MemoryMax=, or set preset = lowmem for it in /etc/hakmem.conf"));
    if (most <= 0 || used < 0)
        return;
    if (used * 10 >= most * 9)
        ADD(DOCTOR_WARNING,
            text_format("cgroup %s uses %lld of the %lld MiB that it may", shown, used >> 20, most >> 20),
            text_copy("hakmemctl purge gives back what is free; raise MemoryMax=, or set preset = lowmem"));
    else if (most < (512ll << 20))
        ADD(DOCTOR_HINT,
            text_format("cgroup %s may use %lld MiB: what hakmem keeps for reuse by default (64 MiB each of small, "
                        "middle and large blocks) is a large share of that", shown, most >> 20),
            text_copy("preset = lowmem for it in /etc/hakmem.conf"));
}

CHECK(look_at_cgroup)
{
    char *group = cgroup_of(subject), *slash;

    while (group != NULL) { /* a limit holds for all that lies below it */
        if (strcmp(group, "/") == 0)
            group[0] = '\0';
        look_at_group(check, subject, findings, group);
        slash = strrchr(group, '/');
        if (slash == NULL)
            break;
        *slash = '\0';
    }
    free(group);
}

const struct doctor_check doctor_process_checks[] = {
    {"readable", DOCTOR_PROCESS, look_at_readable},
    {"static", DOCTOR_PROCESS, look_at_static},
    {"secure", DOCTOR_PROCESS, look_at_secure},
    {"loaded", DOCTOR_PROCESS, look_at_loaded},
    {"other-allocator", DOCTOR_PROCESS, look_at_other_allocators},
    {"version", DOCTOR_PROCESS, look_at_version},
    {"seccomp", DOCTOR_PROCESS, look_at_seccomp},
    {"apparmor", DOCTOR_PROCESS, look_at_apparmor},
    {"mappings", DOCTOR_PROCESS, look_at_mappings},
    {"address-space", DOCTOR_PROCESS, look_at_address_space},
    {"cgroup", DOCTOR_PROCESS, look_at_cgroup},
    {NULL, DOCTOR_PROCESS, NULL},
};
