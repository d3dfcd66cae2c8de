/* SPDX-License-Identifier: MIT */
#include "hakmemctl/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hakmemctl/elf_file.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/text.h"

#ifndef HAKMEM_LIBDIR
#error HAKMEM_LIBDIR is the directory that the library is installed to
#endif

/* In a child, so that the allocator is not loaded into this process. */
static void __attribute__((noreturn)) tell_path(int to)
{
    struct link_map *map = NULL;
    int null = open("/dev/null", O_RDWR);

    clearenv(); /* settings for the program that is to be started are none of this one's */
    dup2(null, STDERR_FILENO);
    dup2(null, STDOUT_FILENO);
    void *handle = dlopen(PRELOAD_SONAME, RTLD_LAZY | RTLD_LOCAL);

    if (handle == NULL || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
        _exit(1);
    size_t length = strlen(map->l_name);

    _exit(write(to, map->l_name, length) == (ssize_t)length ? 0 : 1);
}

/* What the loader finds under the soname; NULL when it finds nothing. */
static char *loader_finds(void)
{
    char path[PATH_MAX];
    int ends[2], status = 0;
    size_t length = 0;
    ssize_t got;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    pid_t child = fork();

    if (child == 0)
        tell_path(ends[1]);
    close(ends[1]);
    while (child > 0 && length < sizeof path - 1 &&
           ((got = read(ends[0], path + length, sizeof path - 1 - length)) > 0 ||
            (got < 0 && errno == EINTR)))
        length += got > 0 ? (size_t)got : 0;
    close(ends[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0 || length == 0)
        return NULL;
    return text_copy_length(path, length);
}

/* Did LD_LIBRARY_PATH lead there? A service does not have it. */
static bool by_library_path(const char *path)
{
    const char *list = getenv("LD_LIBRARY_PATH"), *name = strrchr(path, '/');

    if (list == NULL || name == NULL)
        return false;
    for (const char *at = list; *at != '\0'; at += *at == ':' || *at == ';') {
        size_t length = strcspn(at, ":;"), plain = length;

        while (plain > 1 && at[plain - 1] == '/')
            plain--;
        if (plain == (size_t)(name - path) && strncmp(at, path, plain) == 0)
            return true;
        at += length;
    }
    return false;
}

/* Is it hakmem's library for this machine, as far as a file can tell? */
static bool check_file(const char *path, char **error)
{
    struct elf_file file;

    if (!elf_file_read(path, &file)) {
        *error = text_format("%s: %s", path, strerror(errno));
        return false;
    }
    if ((file.kind != ELF_LIBRARY && file.kind != ELF_DYNAMIC) || !file.defines_malloc) {
        *error = text_format(file.bits != 0 && !elf_file_is_native(&file)
                                 ? "%s is for another kind of machine"
                                 : "%s is no library that has a malloc",
                             path);
        return false;
    }
    return true;
}

static bool take(struct library *library, char *entry, char *path)
{
    *library = (struct library){entry, path};
    return true;
}

bool library_find(const char *wanted, bool services, struct library *library, char **error)
{
    *library = (struct library){NULL, NULL};
    if (wanted != NULL) {
        char *path = realpath(wanted, NULL);

        if (path == NULL) {
            *error = text_format("%s: %s", wanted, strerror(errno));
            return false;
        }
        if (strpbrk(path, " \t\n:") != NULL) {
            *error = text_format("%s: a path with blanks or colons cannot be preloaded", path);
        } else if (check_file(path, error)) {
            if (wanted[0] != '/') /* the program may start in another directory */
                return take(library, text_copy(path), path);
            free(path); /* a link stays as it was given: it may move to the next version */
            return take(library, text_copy(wanted), text_copy(wanted));
        }
        free(path);
        return false;
    }
    char *found = loader_finds();

    if (found != NULL && !(services && by_library_path(found)))
        return take(library, text_copy(PRELOAD_SONAME), found);
    free(found);
    const char *installed = HAKMEM_LIBDIR "/" PRELOAD_SONAME;

    if (access(installed, R_OK) == 0)
        return check_file(installed, error) &&
               take(library, text_copy(installed), text_copy(installed));
    *error = text_format("%s was not found: the dynamic loader does not know it, and there is no %s that "
                         "can be read. Install the library, or name its file with --library",
                         PRELOAD_SONAME, installed);
    return false;
}

void library_free(struct library *library)
{
    free(library->entry);
    free(library->path);
    *library = (struct library){NULL, NULL};
}

char *library_hidden_by(const char *path)
{
    char *end = realpath(path, NULL);

    if (end == NULL)
        return text_copy(path);
    for (char *slash = strchr(end + 1, '/');; slash = strchr(slash + 1, '/')) {
        struct stat status;

        if (slash != NULL)
            *slash = '\0';
        mode_t need = slash != NULL ? S_IXOTH : S_IROTH;

        if (stat(end, &status) != 0 || (status.st_mode & need) == 0)
            return end;
        if (slash == NULL)
            break;
        *slash = '/';
    }
    free(end);
    return NULL;
}
