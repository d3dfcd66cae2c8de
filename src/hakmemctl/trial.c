/* SPDX-License-Identifier: MIT */
#include "hakmemctl/trial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hakmemctl/child.h"
#include "hakmemctl/elf_file.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/text.h"

enum { TRIAL_SECONDS = 20, NOBODY = 65534, NO_NAMESPACE = 125 };

static const char file_path[] = "/etc/ld.so.preload";
static const char refused_text[] = "no namespace: ";

/* What the child of one program does before it becomes the program. */
struct trial_child {
    const char *contents; /* of the file; NULL: leave everything as it is */
    const char *list;     /* for LD_PRELOAD; NULL: make the namespace */
    char *directory;      /* an empty one, for the mounts */
    bool as_nobody;
};

static void __attribute__((noreturn)) refuse(const char *what)
{
    dprintf(STDERR_FILENO, "%s%s: %s\n", refused_text, what, strerror(errno));
    _exit(NO_NAMESPACE);
}

/* As readable as the real file is. */
static void put_contents(const char *path, const char *contents)
{
    struct stat status = {.st_mode = 0644};

    if (stat(file_path, &status) != 0)
        status.st_mode = 0644;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    size_t length = strlen(contents);

    if (fd < 0 || write(fd, contents, length) != (ssize_t)length || fchmod(fd, status.st_mode & 0777) != 0)
        refuse(path);
    close(fd);
}

/* /etc in memory: links to the entries of the real one, which is bound to `old`. */
static void make_etc(const char *old, const char *new)
{
    DIR *open = opendir("/etc");

    if (open == NULL || mkdir(old, 0755) != 0 || mkdir(new, 0755) != 0 ||
        mount("/etc", old, NULL, MS_BIND, NULL) != 0)
        refuse("/etc");
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *from = text_format("%s/%s", new, entry->d_name), *to = text_format("%s/%s", old, entry->d_name);

        if (symlink(to, from) != 0)
            refuse(from);
        free(from);
        free(to);
    }
    closedir(open);
}

static void enter_namespace(const struct trial_child *child)
{
    char *old = text_format("%s/etc.real", child->directory), *new = text_format("%s/etc", child->directory);
    char *file = text_format("%s/ld.so.preload", child->directory);

    if (unshare(CLONE_NEWNS) != 0)
        refuse("unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("hakmemctl", child->directory, "tmpfs", MS_NODEV, "mode=0755,size=4m") != 0)
        refuse("mount");
    if (access(file_path, F_OK) == 0) {
        put_contents(file, child->contents);
        if (mount(file, file_path, NULL, MS_BIND, NULL) != 0)
            refuse(file_path);
    } else {
        char *inside = text_format("%s/ld.so.preload", new);

        make_etc(old, new);
        put_contents(inside, child->contents);
        if (mount(new, "/etc", NULL, MS_BIND, NULL) != 0)
            refuse("/etc");
    }
}

/* What the one who runs this has set for his own programs is not on trial. */
static void clear_settings(void)
{
    unsetenv("LD_PRELOAD");
    for (char **at = environ; *at != NULL;) {
        char *name = text_copy_length(*at, strcspn(*at, "="));

        if (!text_starts(name, "HAKMEM_") || unsetenv(name) != 0)
            at++;
        free(name);
    }
}

static void prepare(void *data)
{
    const struct trial_child *child = data;

    clear_settings();
    if (child->contents != NULL && child->list == NULL)
        enter_namespace(child);
    else if (child->contents != NULL)
        setenv("LD_PRELOAD", child->list, 1);
    if (child->as_nobody &&
        (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        refuse("setresuid");
}

/* A program that is tried. */
struct trial_program {
    const char *name; /* as the report has it */
    char *argv[6];
    const char *expect; /* must be in its output; NULL: the output without is not compared either */
    bool as_nobody;
};

static bool complains(const struct child_result *result)
{
    return strstr(result->errors.text, "ERROR: ld.so") != NULL || text_starts(result->errors.text, "hakmem:") ||
           strstr(result->errors.text, "\nhakmem:") != NULL;
}

static void first_line(char *text)
{
    text[strcspn(text, "\n")] = '\0';
}

/* False: it does not do what it does without. */
static bool judge(const struct trial_program *program, const struct child_result *with,
                  const struct child_result *without)
{
    if (with->timed_out)
        printf("  %-24s does not end\n", program->name);
    else if (with->status != without->status)
        printf("  %-24s ends with status %d instead of %d\n", program->name, with->status, without->status);
    else if (complains(with) && !complains(without)) {
        first_line(with->errors.text);
        printf("  %-24s writes: %s\n", program->name, with->errors.text);
    } else if (program->expect != NULL && strstr(with->output.text, program->expect) == NULL)
        printf("  %-24s is started without the library\n", program->name);
    else {
        printf("  %-24s works\n", program->name);
        return true;
    }
    return false;
}

/* True also when it works. `trial` counts. False with `*error`: no namespace. */
static bool try_program(const struct trial_program *program, struct trial_child *child, struct trial *trial,
                        char **error)
{
    struct trial_child plain = {.as_nobody = program->as_nobody};
    struct child_result without, with;
    bool made = true;

    child->as_nobody = program->as_nobody;
    if (!child_run(program->argv, TRIAL_SECONDS, prepare, &plain, &without)) {
        *error = text_format("no process could be started: %s", strerror(errno));
        child_free(&without);
        return false;
    }
    if (without.status == 127 || without.timed_out) {
        printf("  %-24s is not on this machine, or does not run\n", program->name);
        child_free(&without);
        return true;
    }
    if (!child_run(program->argv, TRIAL_SECONDS, prepare, child, &with)) {
        *error = text_format("no process could be started: %s", strerror(errno));
        made = false;
    } else if (with.status == NO_NAMESPACE && text_starts(with.errors.text, refused_text)) {
        first_line(with.errors.text);
        *error = text_copy(with.errors.text + sizeof refused_text - 1);
        made = false;
    } else {
        trial->tried++;
        if (!judge(program, &with, &without))
            trial->failed++;
    }
    child_free(&without);
    child_free(&with);
    return made;
}

static const struct trial_program programs[] = {
    /* the first one also shows whether a namespace is permitted, and that the file is read */
    {"cat", {"cat", "/proc/self/maps", NULL}, "/libhakmem.so", false},
    {"sh", {"sh", "-c", "for i in 1 2 3; do echo \"$(echo $i)\"; done", NULL}, "1\n2\n3\n", false},
    {"ls", {"ls", "-la", "/", NULL}, "usr", false},
    {"python3",
     {"python3", "-c",
      "import json, threading\n"
      "def work(): return [bytearray(n) for n in range(4000)]\n"
      "threads = [threading.Thread(target=work) for _ in range(4)]\n"
      "[t.start() for t in threads]; [t.join() for t in threads]\n"
      "print(json.dumps({'done': len(threads)}))\n", NULL},
     "{\"done\": 4}", false},
};

/* A setuid program: the loader takes its preloads from the file alone. Run by an ordinary user. */
static bool find_setuid(struct trial_program *program)
{
    static const char *const candidates[][2] = {
        {"/usr/bin/su", "--version"},     {"/bin/su", "--version"},        {"/usr/bin/mount", "--version"},
        {"/bin/mount", "--version"},      {"/usr/bin/sudo", "-V"},         {"/usr/bin/newgrp", "--help"},
        {"/usr/bin/passwd", "--help"},    {"/usr/bin/chsh", "--help"},     {"/usr/bin/umount", "--version"},
    };
    struct stat status;
    struct elf_file elf;

    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        const char *path = candidates[i][0];

        if (stat(path, &status) == 0 && (status.st_mode & S_ISUID) != 0 && elf_file_read(path, &elf) &&
            elf.kind == ELF_DYNAMIC && elf_file_is_native(&elf)) {
            *program = (struct trial_program){
                .name = text_format("%s (setuid)", strrchr(path, '/') + 1),
                .argv = {(char *)path, (char *)candidates[i][1], NULL},
                .as_nobody = true,
            };
            return true;
        }
    }
    return false;
}

/* A program of 32 bits; it is only loaded, not run: nobody knows what it would do. */
static bool find_32_bit(struct trial_program *program)
{
    static const char *const directories[] = {"/usr/bin", "/bin", "/usr/sbin", "/usr/games", "/usr/local/bin"};
    struct elf_file elf;

    for (size_t i = 0; i < sizeof directories / sizeof directories[0] && sizeof(void *) == 8; i++) {
        DIR *open = opendir(directories[i]);

        for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
            char *path = text_format("%s/%s", directories[i], entry->d_name);

            if (entry->d_type == DT_REG && elf_file_read(path, &elf) && elf.bits == 32 && elf.kind == ELF_DYNAMIC) {
                *program = (struct trial_program){
                    .name = text_format("%s (32-bit)", entry->d_name),
                    .argv = {"env", "LD_TRACE_LOADED_OBJECTS=1", path, NULL},
                };
                closedir(open);
                return true;
            }
            free(path);
        }
        if (open != NULL)
            closedir(open);
    }
    return false;
}

static bool try_all(struct trial_child *child, struct trial *trial, char **error)
{
    struct trial_program program;

    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        if (!try_program(&programs[i], child, trial, error))
            return false;
    if (child->list != NULL)
        printf("  %-24s was not tried: it does not obey LD_PRELOAD\n", "a setuid program");
    else if (!find_setuid(&program))
        printf("  %-24s is not on this machine\n", "a setuid program");
    else if (!try_program(&program, child, trial, error))
        return false;
    unsigned failed = trial->failed;

    if (find_32_bit(&program) && !try_program(&program, child, trial, error))
        return false;
    trial->only_32_bit = failed == 0 && trial->failed > 0;
    return true;
}

bool trial_run(const char *contents, struct trial *trial, char **error)
{
    char directory[] = "/tmp/hakmemctl-trial.XXXXXX";
    struct trial_child child = {.contents = contents, .directory = directory};
    char *list = NULL;

    *trial = (struct trial){.tried = 0};
    if (mkdtemp(directory) == NULL) {
        *error = text_format("no directory for the trial: %s: %s", directory, strerror(errno));
        return false;
    }
    bool made = try_all(&child, trial, error);

    if (!made && trial->tried == 0) {
        printf("A mount namespace is not permitted here (%s): the file itself cannot be tried.\n"
               "Trying with LD_PRELOAD instead:\n", *error);
        free(*error);
        child.list = list = preload_file_entries(contents);
        trial->by_variable = true;
        made = try_all(&child, trial, error);
    }
    free(list);
    rmdir(directory);
    return made;
}
