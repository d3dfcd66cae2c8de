/* SPDX-License-Identifier: MIT */
/*
 * hakmem-run: one command under hakmem.
 *
 * Looks before it leaps: a preload fails open, so what cannot be served is refused with the reason
 * instead of being run on another allocator.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hakmemctl/elf_file.h"
#include "hakmemctl/library.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/text.h"
#include "options/prewarm.h"
#include "options/value.h"

/* As env(1) and nice(1) have them. */
enum { EXIT_OURS = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

static const char usage[] =
    "usage: hakmem-run [--set OPTION=VALUE]... [--library FILE] [--] COMMAND [ARGUMENT]...\n"
    "Runs COMMAND with the allocator hakmem, in place of the C library's malloc.\n"
    "\n"
    "  --set OPTION=VALUE   an option of hakmem for this command; hakmemctl config explain\n"
    "                       OPTION and hakmem.conf(5) tell what there is\n"
    "  --library FILE       use this library instead of the installed one\n"
    "  --list-options       the names of all options, one in a line\n"
    "  --help               this text\n"
    "  --version            the version\n"
    "\n"
    "An LD_PRELOAD that is there is kept, behind hakmem. Exit status: COMMAND's own; 125 when\n"
    "hakmem-run itself fails; 126 when COMMAND cannot be run, or cannot be served: a static\n"
    "program, one that gets more rights when it starts; 127 when it is not found.\n";

static void __attribute__((noreturn, format(printf, 2, 3))) fail(int status, const char *format, ...)
{
    va_list list;

    fputs("hakmem-run: ", stderr);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(status);
}

static void bad_item(void *context, const char *item, const char *text, size_t length)
{
    (void)context;
    (void)item;
    fail(EXIT_OURS, "prewarm: %.*s", (int)length, text);
}

/* The library would go on with the default, and say so in the middle of the command's own words. */
static void check_value(const option_row *row, const char *value)
{
    struct option_prewarm list = {.count = 0};
    struct print_buffer why;
    char reason[160];
    uint64_t number;

    print_begin(&why, reason, sizeof reason);
    if (row->type == HAKMEM_OPTION_PREWARM)
        prewarm_parse(&list, value, strlen(value), bad_item, NULL);
    else if (!option_parse(row, value, strlen(value), &number, &why))
        fail(EXIT_OURS, "%s: '%s' is %s", row->name, value, reason);
}

static void set_option(const char *setting)
{
    const char *equals = strchr(setting, '=');

    if (equals == NULL || equals == setting)
        fail(EXIT_OURS, "--set takes OPTION=VALUE, not '%s'", setting);
    size_t length = (size_t)(equals - setting);
    const option_row *row = option_find(setting, length);

    if (row == NULL) {
        const option_row *near = option_nearest(setting, length);

        if (near != NULL)
            fail(EXIT_OURS, "there is no option '%.*s'; did you mean '%s'?", (int)length, setting, near->name);
        fail(EXIT_OURS, "there is no option '%.*s'; --list-options names them", (int)length, setting);
    }
    check_value(row, equals + 1);
    char *variable = text_format("HAKMEM_%s", row->name);

    for (char *c = variable; *c != '\0'; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    if (setenv(variable, equals + 1, 1) != 0)
        fail(EXIT_OURS, "%s: %s", variable, strerror(errno));
    free(variable);
}

/* The value of an option that takes one: behind "=", or the next word. NULL: not this option. */
static const char *value_of(char **argv, int *at, const char *option)
{
    size_t length = strlen(option);

    if (strncmp(argv[*at], option, length) != 0)
        return NULL;
    if (argv[*at][length] == '=')
        return argv[*at] + length + 1;
    if (argv[*at][length] != '\0')
        return NULL;
    if (argv[*at + 1] == NULL)
        fail(EXIT_OURS, "%s needs a value (see --help)", option);
    return argv[++*at];
}

/* The file that execvp would take; NULL with errno when there is none. */
static char *find_command(const char *command)
{
    const char *path = getenv("PATH");
    int code = ENOENT;

    if (strchr(command, '/') != NULL)
        return text_copy(command);
    if (path == NULL)
        path = "/bin:/usr/bin";
    for (const char *at = path;; at++) {
        size_t length = strcspn(at, ":");
        char *file = text_format("%.*s%s%s", (int)length, at, length > 0 ? "/" : "", command);
        struct stat status;

        if (access(file, X_OK) == 0 && stat(file, &status) == 0 && S_ISREG(status.st_mode))
            return file;
        if (errno == EACCES)
            code = EACCES;
        free(file);
        at += length;
        if (*at == '\0')
            break;
    }
    errno = code;
    return NULL;
}

/* Does the kernel give a program more rights than we have? Then LD_PRELOAD is not obeyed. */
static const char *more_rights(const char *file)
{
    struct stat status;
    char capabilities[64];

    if (stat(file, &status) != 0)
        return NULL;
    if ((status.st_mode & S_ISUID) != 0 && status.st_uid != geteuid())
        return "is a setuid program";
    if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 && status.st_gid != getegid())
        return "is a setgid program";
    if (geteuid() != 0 && getxattr(file, "security.capability", capabilities, sizeof capabilities) > 0)
        return "has capabilities of its file";
    return NULL;
}

/* Ends with the reason when `file`, or the interpreter of a script, cannot be served. */
static void check_program(const char *command, const char *file)
{
    struct elf_file elf;
    char interpreter[sizeof elf.interpreter];
    const char *rights = more_rights(file);

    for (int depth = 0;; depth++) {
        if (rights != NULL)
            fail(EXIT_CANNOT_RUN,
                 "%s %s: the dynamic loader ignores a preload there, so hakmem cannot serve it "
                 "(hakmemctl enable --system can)", file, rights);
        if (!elf_file_read(file, &elf))
            return; /* it may be run without being readable: the kernel decides */
        if (elf.kind != ELF_SCRIPT || depth == 4)
            break;
        memcpy(interpreter, elf.interpreter, sizeof interpreter);
        file = interpreter;
        rights = more_rights(file);
    }
    if (elf.kind == ELF_STATIC)
        fail(EXIT_CANNOT_RUN,
             "%s is statically linked%s%s: no library can be preloaded into it, so hakmem cannot serve it",
             file, strcmp(command, file) == 0 ? "" : ", and is what runs ",
             strcmp(command, file) == 0 ? "" : command);
    if (elf.bits != 0 && !elf_file_is_native(&elf))
        fail(EXIT_CANNOT_RUN, "%s is a program for another kind of machine (%u bits) than the library",
             file, elf.bits);
}

static void set_preload(const char *wanted)
{
    const char *before = getenv("LD_PRELOAD");
    struct library library;
    char *error = NULL;

    if (wanted == NULL && preload_has_ours(before))
        return;
    if (!library_find(wanted, false, &library, &error))
        fail(EXIT_OURS, "%s", error);
    char *list = preload_with(before, library.entry);

    if (setenv("LD_PRELOAD", list, 1) != 0)
        fail(EXIT_OURS, "LD_PRELOAD: %s", strerror(errno));
    free(list);
    library_free(&library);
}

static int list_options(void)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++)
        puts(option_rows[i].name);
    return fflush(stdout) != 0;
}

int main(int argc, char **argv)
{
    const char *library = NULL, *value;
    int at = 1;

    for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            return fputs(usage, stdout) < 0;
        if (strcmp(argv[at], "--list-options") == 0)
            return list_options();
        if (strcmp(argv[at], "--version") == 0)
            return puts("hakmem-run (hakmem) " PACKAGE_VERSION) < 0;
        if ((value = value_of(argv, &at, "--set")) != NULL)
            set_option(value);
        else if ((value = value_of(argv, &at, "--library")) != NULL)
            library = value;
        else
            fail(EXIT_OURS, "unknown option '%s' (see --help)", argv[at]);
    }
    if (at >= argc)
        fail(EXIT_OURS, "no command (see --help)");
    char *file = find_command(argv[at]);

    if (file == NULL)
        fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, "%s: %s", argv[at],
             errno == ENOENT ? "no such command" : strerror(errno));
    check_program(argv[at], file);
    set_preload(library);
    execvp(argv[at], argv + at);
    fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, "%s: %s", argv[at], strerror(errno));
}
