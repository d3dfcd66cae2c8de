/* SPDX-License-Identifier: MIT */
#include "hakmemctl/target.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmemctl/command.h"
#include "hakmemctl/text.h"

/* The process id that `text` is, or 0. */
static pid_t target_number(const char *text)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return 0;
    errno = 0;
    long n = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' && n > 0 && n <= INT_MAX ? (pid_t)n : 0;
}

/* The first line of /proc/PID/FILE, without its end. False: no process, or no such file. */
static bool target_line(pid_t pid, const char *file, char *line, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool ok = fgets(line, (int)size, f) != NULL;
    fclose(f);
    if (ok)
        line[strcspn(line, "\n")] = '\0';
    return ok;
}

static bool ends_in(const char *text, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length > n && memcmp(text + length - n, end, n) == 0;
}

/* The deepest part of a cgroup's path that is a unit; what lies below it are its own groups. */
static void target_unit_of_path(const char *path, char name[TARGET_NAME_SIZE])
{
    while (*path != '\0') {
        size_t length = strcspn(path, "/\n");
        if ((ends_in(path, length, ".service") || ends_in(path, length, ".scope")) &&
            length < TARGET_NAME_SIZE) {
            memcpy(name, path, length);
            name[length] = '\0';
        }
        path += length;
        path += strspn(path, "/\n");
    }
}

bool target_unit(pid_t pid, char name[TARGET_NAME_SIZE])
{
    char path[64], line[4096];
    name[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    /* "0::/path" is the unified hierarchy, "N:name=systemd:/path" systemd's own of the old kind. */
    while (fgets(line, sizeof line, f) != NULL) {
        char *controllers = strchr(line, ':');
        char *at = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (at != NULL && (at == controllers + 1 || strncmp(controllers, ":name=systemd:", 14) == 0))
            target_unit_of_path(at + 1, name);
    }
    fclose(f);
    text_make_printable(name);
    return true;
}

/* Base name of the file that it runs. */
static bool target_executable(pid_t pid, char name[TARGET_NAME_SIZE])
{
    char path[64], file[PATH_MAX + 1];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(path, file, sizeof file - 1);
    if (length <= 0)
        return false;
    file[length] = '\0';
    if (ends_in(file, (size_t)length, " (deleted)"))
        file[length - 10] = '\0';
    const char *slash = strrchr(file, '/');
    snprintf(name, TARGET_NAME_SIZE, "%.*s", TARGET_NAME_SIZE - 1, slash != NULL ? slash + 1 : file);
    return true;
}

bool target_program(pid_t pid, char name[TARGET_NAME_SIZE])
{
    char file[TARGET_NAME_SIZE];
    if (!target_line(pid, "comm", name, TARGET_NAME_SIZE))
        return false;
    /* The kernel cuts it after 15 characters. */
    if (strlen(name) == 15 && target_executable(pid, file) && strncmp(file, name, 15) == 0)
        memcpy(name, file, sizeof file);
    text_make_printable(name); /* a process calls itself what it likes */
    return true;
}

static int target_compare(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;
    return (x > y) - (x < y);
}

/* Processes for which `matches` is true, or all of them when it is NULL. */
static int target_select(struct targets *targets, bool (*matches)(pid_t pid, const char *word),
                         const char *word)
{
    *targets = (struct targets){NULL, 0};
    size_t room = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL) {
        command_message("/proc cannot be read: %s", strerror(errno));
        return STATUS_FAILED;
    }
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        pid_t pid = target_number(entry->d_name);
        if (pid == 0 || pid == getpid() || (matches != NULL && !matches(pid, word)))
            continue;
        if (targets->count == room) {
            room = room == 0 ? 64 : 2 * room;
            pid_t *more = realloc(targets->pid, room * sizeof *more);
            if (more == NULL) {
                closedir(proc);
                target_free(targets);
                command_message("memory is short");
                return STATUS_FAILED;
            }
            targets->pid = more;
        }
        targets->pid[targets->count++] = pid;
    }
    closedir(proc);
    if (targets->count > 1)
        qsort(targets->pid, targets->count, sizeof *targets->pid, target_compare);
    return STATUS_OK;
}

static bool target_is_program(pid_t pid, const char *word)
{
    char name[TARGET_NAME_SIZE];
    return (target_executable(pid, name) && strcmp(name, word) == 0) ||
           (target_line(pid, "comm", name, sizeof name) && strcmp(name, word) == 0);
}

static bool target_is_unit(pid_t pid, const char *word)
{
    char name[TARGET_NAME_SIZE];
    if (!target_unit(pid, name) || name[0] == '\0')
        return false;
    size_t length = strlen(word);
    return strncmp(name, word, length) == 0 &&
           (name[length] == '\0' || strcmp(name + length, ".service") == 0);
}

static bool target_is_pid(pid_t pid, const char *word)
{
    return pid == target_number(word);
}

int target_resolve(const char *word, struct targets *targets)
{
    bool number = target_number(word) != 0;
    int status = target_select(targets, number ? target_is_pid : target_is_program, word);
    if (status == STATUS_OK && targets->count == 0 && !number)
        status = target_select(targets, target_is_unit, word);
    if (status == STATUS_OK && targets->count == 0) {
        command_message(number ? "there is no process %s"
                               : "no process runs the program %s, or belongs to a unit of that name",
                        word);
        status = STATUS_NO_TARGET;
    }
    return status;
}

int target_each(const char *word, int (*visit)(pid_t pid, void *context), void *context)
{
    struct targets targets;
    int result = target_resolve(word, &targets);
    if (result != STATUS_OK)
        return result;
    size_t passed = 0;
    for (size_t i = 0; i < targets.count; i++) {
        int status = visit(targets.pid[i], context);
        passed += status == STATUS_NOT_HAKMEM;
        if (result == STATUS_OK && status != STATUS_NOT_HAKMEM)
            result = status;
    }
    if (passed == targets.count) {
        result = STATUS_NOT_HAKMEM;
        if (passed == 1)
            command_message("process %d does not run under hakmem", (int)targets.pid[0]);
        else
            command_message("none of the %zu processes of %s runs under hakmem", passed, word);
    }
    target_free(&targets);
    return result;
}

int target_all(struct targets *targets)
{
    return target_select(targets, NULL, NULL);
}

void target_free(struct targets *targets)
{
    free(targets->pid);
    *targets = (struct targets){NULL, 0};
}
