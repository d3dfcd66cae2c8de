/* SPDX-License-Identifier: MIT */
#include "hakmemctl/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hakmemctl/text.h"

static const char label_name[] = "security.selinux";

/* What can be done about a failed call, where it is known. */
static const char *remedy(int code)
{
    switch (code) {
    case ENOSPC:
    case EDQUOT:
        return ": make room on the file system, then try again";
    case EROFS:
        return ": the file system is mounted read-only";
    case EACCES:
    case EPERM:
        return geteuid() == 0 ? ": refused although this runs as root (immutable file, or a "
                                "security policy)"
                              : ": run this as root";
    case EBUSY:
        return ": it is a mount point (a container binds it from outside)";
    default:
        return "";
    }
}

static bool failed(char **error, const char *doing, const char *path)
{
    int code = errno;

    *error = text_format("%s %s: %s%s", doing, path, strerror(code), remedy(code));
    return false;
}

static bool read_all(int fd, struct edit_file *file)
{
    for (;;) {
        ssize_t got = read(fd, file->text + file->size, EDIT_SIZE_MAX + 1 - file->size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        file->size += (size_t)got;
        if (file->size > EDIT_SIZE_MAX) {
            errno = EFBIG;
            return false;
        }
    }
    file->text[file->size] = '\0';
    return true;
}

bool edit_read(const char *path, struct edit_file *file, char **error)
{
    struct stat status;

    *file = (struct edit_file){.text = text_copy(""), .mode = 0644, .uid = geteuid(), .gid = getegid()};
    /* O_NONBLOCK: a FIFO that someone put there must not hold us up */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT || failed(error, "cannot read", path);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        *error = text_format("%s is no regular file: leaving it alone", path);
        return false;
    }
    free(file->text);
    file->text = malloc(EDIT_SIZE_MAX + 2);
    if (file->text == NULL || !read_all(fd, file)) {
        bool result = failed(error, "cannot read", path);

        close(fd);
        return result;
    }
    close(fd);
    file->exists = true;
    file->mode = status.st_mode & 07777;
    file->uid = status.st_uid;
    file->gid = status.st_gid;
    return true;
}

void edit_free(struct edit_file *file)
{
    free(file->text);
    *file = (struct edit_file){.text = NULL};
}

bool edit_same(const struct edit_file *a, const struct edit_file *b)
{
    return a->exists == b->exists && a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, text, size);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        text += put;
        size -= (size_t)put;
    }
    return true;
}

/* The security label of the file that is replaced. Without one the policy labels the new file. */
static bool copy_label(const char *from, int to)
{
    char label[256];
    ssize_t length = getxattr(from, label_name, label, sizeof label);

    if (length <= 0)
        return true;
    return fsetxattr(to, label_name, label, (size_t)length, 0) == 0 || errno == ENOTSUP;
}

static bool fill(int fd, const char *path, const char *text, size_t size, const struct edit_file *like)
{
    if (fchmod(fd, like->mode) != 0)
        return false;
    if (like->exists && (like->uid != geteuid() || like->gid != getegid()) &&
        (fchown(fd, like->uid, like->gid) != 0 || fchmod(fd, like->mode) != 0))
        return false;
    if (like->exists && !copy_label(path, fd))
        return false;
    return write_all(fd, text, size) && fsync(fd) == 0;
}

/* Where the last part of a path begins. */
static size_t name_offset(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

/* The name itself is on the disk once its directory is. A file system that cannot do it is content. */
static void sync_directory(const char *path)
{
    size_t length = name_offset(path);
    char *directory = length == 0 ? text_copy(".") : text_copy_length(path, length);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(directory);
}

static bool replace(const char *path, const char *text, size_t size, const struct edit_file *like,
                    char **error)
{
    size_t name = name_offset(path);
    char *temporary = text_format("%.*s.%s.XXXXXX", (int)name, path, path + name);
    int fd = mkostemp(temporary, O_CLOEXEC);
    bool done = fd >= 0 && fill(fd, path, text, size, like);

    if (fd >= 0 && close(fd) != 0)
        done = false;
    if (done && rename(temporary, path) != 0)
        done = false;
    if (!done) {
        failed(error, "cannot write", path);
        if (fd >= 0)
            unlink(temporary);
    } else {
        sync_directory(path);
    }
    free(temporary);
    return done;
}

bool edit_write(const char *path, const char *text, size_t size, const struct edit_file *like,
                char **error)
{
    char *end = realpath(path, NULL); /* NULL: the file is new, or a link leads nowhere */
    bool done = replace(end != NULL ? end : path, text, size, like, error);

    free(end);
    return done;
}

bool edit_restore(const char *path, const struct edit_file *before, char **error)
{
    return before->exists ? edit_write(path, before->text, before->size, before, error)
                          : edit_remove(path, error);
}

bool edit_remove(const char *path, char **error)
{
    if (unlink(path) != 0)
        return errno == ENOENT || failed(error, "cannot remove", path);
    sync_directory(path);
    return true;
}

bool edit_make_directory(const char *path, bool *made, char **error)
{
    struct stat status;

    *made = false;
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode))
            return true;
        errno = ENOTDIR;
        return failed(error, "cannot use", path);
    }
    size_t name = name_offset(path);

    if (name > 1) {
        char *above = text_copy_length(path, name - 1);
        bool ignored, there = edit_make_directory(above, &ignored, error);

        free(above);
        if (!there)
            return false;
    }
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return failed(error, "cannot make directory", path);
    (void)chmod(path, 0755); /* whatever the umask is: systemd and users read what lies in it */
    *made = true;
    return true;
}
