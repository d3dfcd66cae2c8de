/* SPDX-License-Identifier: MIT */
#include "options/files.h"

#include <errno.h>
#include <string.h>

#include "os/os.h"

#ifndef HAKMEM_SYSCONFDIR
#define HAKMEM_SYSCONFDIR "/etc"
#endif

char files_name[FILE_NAMES][FILE_NAME_SIZE];
const char *files_directory = HAKMEM_SYSCONFDIR;

/*
 * Of one reading; no page of it is touched before it is needed, and where there
 * is no file the first one only.
 */
static struct {
    unsigned count;
    bool too_many, program_known, unit_known;
    char path[FILE_PATH_SIZE];
    char listed[FILE_NAMES][FILE_NAME_SIZE]; /* conf.d, in order */
    char program[FILE_PATH_SIZE];
    char unit[FILE_NAME_SIZE];
    char text[FILE_SIZE_MAX + 1];
} work __attribute__((aligned(64)));

const char *files_name_of(uint64_t source)
{
    unsigned number = HAKMEM_SOURCE_FILE_NUMBER(source);

    return number >= 1 && number <= FILE_NAMES ? files_name[number - 1] : "a file";
}

/* The number of a name, which is kept; 0 when there is no room for it. */
static unsigned file_number(const char *path)
{
    size_t length = strlen(path);

    if (length >= FILE_NAME_SIZE)
        return 0;
    for (unsigned i = 0; i < FILE_NAMES; i++) {
        if (files_name[i][0] == '\0')
            memcpy(files_name[i], path, length + 1);
        if (strcmp(files_name[i], path) == 0)
            return i + 1;
    }
    return 0;
}

/* ---- who this process is ---- */

/* The path of the executable; "": not known. */
static const char *files_program(void)
{
    static const char deleted[] = " (deleted)"; /* after an upgrade, as the kernel says it */

    if (!work.program_known) {
        work.program_known = true;
        if (!os_executable(work.program, sizeof work.program))
            work.program[0] = '\0';
        size_t length = strlen(work.program);
        if (length > sizeof deleted - 1 &&
            strcmp(work.program + length - (sizeof deleted - 1), deleted) == 0)
            work.program[length - (sizeof deleted - 1)] = '\0';
    }
    return work.program;
}

/* "": not known, or no unit. */
static const char *files_unit(void)
{
    char text[1024]; /* systemd's line is the first or the last but one of a dozen */
    size_t length;

    if (work.unit_known)
        return work.unit;
    work.unit_known = true;
    work.unit[0] = '\0';
    int fd = os_open("/proc/self/cgroup");
    if (fd < 0)
        return work.unit;
    long size = os_read(fd, text, sizeof text);
    os_close(fd);
    const char *unit = config_unit(text, size > 0 ? (size_t)size : 0, &length);
    if (unit != NULL && length < sizeof work.unit) {
        memcpy(work.unit, unit, length);
        work.unit[length] = '\0';
    }
    return work.unit;
}

/* A pattern with a slash means a whole path, else the last part of it. */
static bool is_program(const char *path, const char *pattern, size_t length)
{
    const char *slash = strrchr(path, '/');

    if (memchr(pattern, '/', length) == NULL && slash != NULL)
        path = slash + 1;
    return config_match(pattern, length, path);
}

bool files_is_meant(enum config_section section, const char *pattern, size_t length)
{
    if (section == CONFIG_UNIT)
        return config_match(pattern, length, files_unit());

    const char *started_as = os_started_as();

    return is_program(files_program(), pattern, length) ||
           (started_as != NULL && is_program(started_as, pattern, length));
}

/* ---- reading ---- */

static void file_mistake(struct config_reader *reader, const char *text)
{
    struct config_mistake found = {.text = text, .length = strlen(text)};

    reader->mistakes++;
    reader->of_file++;
    if (reader->report != NULL && (reader->told_max == 0 || reader->of_file <= reader->told_max))
        reader->report(reader, &found);
}

static const char *file_error(long error)
{
    switch (error) {
    case -ENOENT: return "there is no such file";
    case -EACCES:
    case -EPERM: return "cannot be read: permission denied";
    case -EISDIR: return "is a directory";
    case -EINVAL: return "is no regular file";
    case -EFBIG: return "is longer than 128 KiB: not read";
    case -ENAMETOOLONG: return "has too long a name";
    case -EMFILE:
    case -ENFILE: return "cannot be read: too many open files";
    default: return "cannot be read";
    }
}

/*
 * Not worth a word, unless the file was asked for: there is none, or a sandbox
 * lets nobody look (seccomp filters answer so; a file's own rights are EACCES).
 */
static bool is_silent(long error)
{
    return error == -ENOENT || error == -ENOSYS || error == -EPERM;
}

void files_read_one(struct config_reader *reader, const char *path, bool required)
{
    int fd = os_open(path);
    long size = fd;

    reader->path = path;
    reader->of_file = 0;
    if (fd >= 0) {
        size = os_file_size(fd);
        if (size > FILE_SIZE_MAX)
            size = -EFBIG;
        if (size >= 0)
            size = os_read(fd, work.text, sizeof work.text);
        if (size > FILE_SIZE_MAX)
            size = -EFBIG;
        os_close(fd);
    }
    if (size < 0) {
        if (required || !is_silent(size))
            file_mistake(reader, file_error(size));
        return;
    }
    reader->file = file_number(path);
    config_read(reader, work.text, (size_t)size);
}

/* Keep the list in order. */
static void list_name(const char *name)
{
    size_t length = strlen(name);
    unsigned at = work.count;

    if (name[0] == '.' || length < sizeof ".conf" || length >= FILE_NAME_SIZE ||
        strcmp(name + length - 5, ".conf") != 0)
        return;
    if (at == FILE_NAMES) {
        work.too_many = true;
        return;
    }
    while (at > 0 && strcmp(work.listed[at - 1], name) > 0) {
        memcpy(work.listed[at], work.listed[at - 1], FILE_NAME_SIZE);
        at--;
    }
    memcpy(work.listed[at], name, length + 1);
    work.count++;
}

/* DIRECTORY `middle` `name`; false when it is too long. */
static bool make_path(const char *middle, const char *name)
{
    struct print_buffer out;

    print_begin(&out, work.path, sizeof work.path);
    print_text(&out, files_directory);
    print_text(&out, middle);
    print_text(&out, name);
    return print_end(&out) < sizeof work.path;
}

static void read_directory(struct config_reader *reader)
{
    if (!make_path("/hakmem.conf.d", ""))
        return;
    int fd = os_open_directory(work.path);
    reader->path = work.path;
    reader->of_file = 0;
    if (fd < 0) {
        if (!is_silent(fd))
            file_mistake(reader, fd == -ENOTDIR ? "is no directory" : file_error(fd));
        return;
    }
    work.count = 0;
    work.too_many = false;
    os_read_names(fd, list_name);
    os_close(fd);
    if (work.too_many)
        file_mistake(reader, "has more than 32 files; the others are not read");
    for (unsigned i = 0; i < work.count; i++) {
        if (make_path("/hakmem.conf.d/", work.listed[i]))
            files_read_one(reader, work.path, false);
    }
}

void files_read(struct config_reader *reader, const char *conf)
{
    work.program_known = work.unit_known = false;
    reader->rank = OPTION_RANK_ETC;
    if (make_path("/hakmem.conf", ""))
        files_read_one(reader, work.path, false);
    read_directory(reader);
    reader->rank = OPTION_RANK_CONF;
    if (conf[0] != '\0')
        files_read_one(reader, conf, true);
}
