/* SPDX-License-Identifier: MIT */
/* Checks of the machine, and of a service as systemd has it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hakmemctl/doctor.h"
#include "hakmemctl/dropin.h"
#include "hakmemctl/library.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/text.h"

#define CHECK(name) \
    static void name(const struct doctor_check *check, const struct doctor_subject *subject, \
                     struct doctor_findings *findings)

#define ADD(severity, text, remedy) doctor_add(findings, check, subject, severity, text, remedy)

CHECK(look_at_library)
{
    if (subject->library == NULL) {
        ADD(DOCTOR_PROBLEM, text_format("the dynamic loader does not find %s", PRELOAD_SONAME),
            text_copy("install the library and run ldconfig; where it lies elsewhere, name its path"));
        return;
    }
    char *path = text_format("%s%s", subject->root, subject->library), *hidden = library_hidden_by(path);

    if (hidden != NULL)
        ADD(DOCTOR_PROBLEM,
            text_format("%s cannot be read by every user, because of %s: services of other users run on the C "
                        "library's malloc, and write an error when they start", subject->library, hidden),
            text_format("chmod o+rX %s", hidden));
    free(hidden);
    free(path);
}

CHECK(look_at_selinux)
{
    char label[256] = "";

    if (subject->library == NULL || doctor_number(subject, "/sys/fs/selinux/enforce") != 1)
        return;
    char *path = text_format("%s%s", subject->root, subject->library);
    ssize_t length = getxattr(path, "security.selinux", label, sizeof label - 1);

    free(path);
    if (length <= 0 || strstr(label, ":lib_t") != NULL || strstr(label, ":textrel_shlib_t") != NULL)
        return;
    ADD(DOCTOR_PROBLEM,
        text_format("SELinux is enforcing, and %s is labelled %s, which services may not map", subject->library, label),
        text_format("restorecon -v %s", subject->library));
}

/* The first entry with a slash of which there is no file. */
static char *missing_entry(const struct doctor_subject *subject, const char *list)
{
    const char *entry;
    size_t length;

    while (list != NULL && preload_next(&list, &entry, &length)) {
        if (memchr(entry, '/', length) == NULL || memchr(entry, '$', length) != NULL)
            continue;
        char *path = text_format("%s%.*s", subject->root, (int)length, entry);
        bool there = access(path, F_OK) == 0;

        free(path);
        if (!there)
            return text_copy_length(entry, length);
    }
    return NULL;
}

static unsigned comments(const char *text)
{
    unsigned count = 0;

    for (; (text = strchr(text, '#')) != NULL; text += strcspn(text, "\n"))
        count++;
    return count;
}

CHECK(look_at_system_list)
{
    char *text = doctor_file(subject, NULL, "/etc/ld.so.preload");

    if (text == NULL)
        return;
    char *all = preload_file_entries(text), *missing = missing_entry(subject, all);
    char *front = preload_file_has_ours(text) ? preload_file_in_front(text) : NULL;

    if (missing != NULL)
        ADD(DOCTOR_PROBLEM,
            text_format("/etc/ld.so.preload names %s, which is not there: every program writes an error when it "
                        "starts", missing),
            preload_entry_is_ours(missing, strlen(missing)) ? text_copy("hakmemctl disable --system")
                                                            : text_copy("take that line out"));
    if (front != NULL)
        ADD(DOCTOR_WARNING,
            text_format("/etc/ld.so.preload names %s in front of hakmem: when one of them has a malloc, that one "
                        "serves", front),
            text_copy("hakmemctl disable --system, then hakmemctl enable --system, which puts hakmem first"));
    if (comments(text) > 1)
        ADD(DOCTOR_WARNING,
            text_copy("/etc/ld.so.preload has several comments; the loader of glibc takes words of the later ones for "
                      "libraries"),
            text_copy("keep one comment at most"));
    free(text);
    free(all);
    free(missing);
    free(front);
}

CHECK(look_at_huge_pages)
{
    char *text = doctor_file(subject, NULL, "/sys/kernel/mm/transparent_hugepage/enabled");

    if (text != NULL && strstr(text, "[always]") != NULL)
        ADD(DOCTOR_HINT,
            text_copy("transparent huge pages are set to always: the kernel may make 2 MiB resident where a program "
                      "uses a few blocks"),
            text_copy("echo madvise >/sys/kernel/mm/transparent_hugepage/enabled, where memory counts more than the "
                      "last few percent of speed"));
    free(text);
}

CHECK(look_at_overcommit)
{
    char *text = doctor_file(subject, NULL, "/proc/meminfo");
    const char *limit = text == NULL ? NULL : strstr(text, "\nCommitLimit:");
    const char *used = text == NULL ? NULL : strstr(text, "\nCommitted_AS:");

    if (doctor_number(subject, "/proc/sys/vm/overcommit_memory") == 2 && limit != NULL && used != NULL) {
        long long most = atoll(limit + strlen("\nCommitLimit:")), now = atoll(used + strlen("\nCommitted_AS:"));

        if (most > 0 && now * 10 >= most * 9)
            ADD(DOCTOR_PROBLEM,
                text_format("vm.overcommit_memory is 2, and %lld %% of what may be promised is: malloc fails although "
                            "memory is free", now * 100 / most),
                text_copy("raise vm.overcommit_ratio, or set vm.overcommit_memory to 0"));
        else
            ADD(DOCTOR_HINT,
                text_copy("vm.overcommit_memory is 2: mapped memory counts although it is not used"),
                text_copy("preset = lowmem in /etc/hakmem.conf keeps less mapped"));
    }
    free(text);
}

CHECK(look_at_ptrace)
{
    if (doctor_number(subject, "/proc/sys/kernel/yama/ptrace_scope") == 3)
        ADD(DOCTOR_WARNING,
            text_copy("kernel.yama.ptrace_scope is 3: nobody, not even root, can look into a live process, so "
                      "hakmemctl can neither show nor verify anything"),
            text_copy("set it to 2 or less in /etc/sysctl.d, and boot again"));
}

/* ---- a service ---- */

static char *property(const struct doctor_subject *subject, const char *name)
{
    char *value = show_property(subject->show, name);

    return value == NULL ? text_copy("") : value;
}

CHECK(look_at_unit_root)
{
    char *top = property(subject, "RootDirectory"), *image = property(subject, "RootImage");

    if (subject->library != NULL && top[0] != '\0' && strcmp(top, "/") != 0) {
        char *path = text_format("%s%s%s", subject->root, top, subject->library);

        if (access(path, R_OK) != 0)
            ADD(DOCTOR_PROBLEM,
                text_format("%s runs in RootDirectory=%s, where there is no %s", subject->unit, top, subject->library),
                text_format("install the library there too, or bind it: BindReadOnlyPaths=%s", subject->library));
        free(path);
    }
    if (image[0] != '\0')
        ADD(DOCTOR_HINT,
            text_format("%s runs in RootImage=%s; whether the library is in it was not looked at", subject->unit, image),
            text_copy("BindReadOnlyPaths= can bring it in"));
    free(top);
    free(image);
}

CHECK(look_at_unit_paths)
{
    char *forbidden = property(subject, "NoExecPaths"), *allowed = property(subject, "ExecPaths");

    if (subject->library != NULL && forbidden[0] != '\0') {
        const char *name = strrchr(subject->library, '/');
        bool covered = false;

        for (char *save = NULL, *word = strtok_r(allowed, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
            covered |= text_starts(subject->library, word + strspn(word, "-+"));
        if (!covered)
            ADD(DOCTOR_PROBLEM,
                text_format("%s has NoExecPaths=%s, and no ExecPaths= that holds %s: it may not map the library",
                            subject->unit, forbidden, subject->library),
                text_format("ExecPaths=%.*s", name == NULL ? 0 : (int)(name - subject->library), subject->library));
    }
    free(forbidden);
    free(allowed);
}

CHECK(look_at_unit_variable)
{
    char *names = property(subject, "UnsetEnvironment");

    if (strstr(names, "LD_PRELOAD") != NULL)
        ADD(DOCTOR_PROBLEM,
            text_format("%s has UnsetEnvironment=%s: LD_PRELOAD is taken away again", subject->unit, names),
            text_copy("take LD_PRELOAD out of it"));
    free(names);
}

CHECK(look_at_unit_restarts)
{
    char *result = property(subject, "Result");

    if (strcmp(result, "oom-kill") == 0)
        ADD(DOCTOR_PROBLEM, text_format("%s was ended because it had no memory left", subject->unit),
            text_copy("raise MemoryMax=, or set preset = lowmem for it in /etc/hakmem.conf"));
    else if (strcmp(result, "signal") == 0 || strcmp(result, "core-dump") == 0)
        ADD(DOCTOR_WARNING, text_format("%s was ended by a signal (%s) at its last run", subject->unit, result),
            text_format("journalctl -u %s; hakmemctl disable --now shows whether it is hakmem's doing", subject->unit));
    free(result);
}

const struct doctor_check doctor_machine_checks[] = {
    {"library", DOCTOR_MACHINE, look_at_library},
    {"selinux", DOCTOR_MACHINE, look_at_selinux},
    {"system-preload", DOCTOR_MACHINE, look_at_system_list},
    {"huge-pages", DOCTOR_MACHINE, look_at_huge_pages},
    {"overcommit", DOCTOR_MACHINE, look_at_overcommit},
    {"ptrace", DOCTOR_MACHINE, look_at_ptrace},
    {"unit-root", DOCTOR_UNIT, look_at_unit_root},
    {"unit-paths", DOCTOR_UNIT, look_at_unit_paths},
    {"unit-variable", DOCTOR_UNIT, look_at_unit_variable},
    {"unit-result", DOCTOR_UNIT, look_at_unit_restarts},
    {NULL, DOCTOR_MACHINE, NULL},
};
