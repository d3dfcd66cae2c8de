/* SPDX-License-Identifier: MIT */
/*
 * hakmemctl: one binary, a subcommand in each file cmd_NAME.c. What they share:
 *
 *   target    a word of the command line -> processes
 *   process   a live process: its mappings, the exported page, reading and writing its memory
 *   output    numbers for people, JSON for programs
 *
 * The tool includes the public headers, what reads options, and the table of counters,
 * nothing else of the library: what it knows of a process comes out of its page.
 */
#ifndef HAKMEMCTL_COMMAND_H
#define HAKMEMCTL_COMMAND_H

#include <stddef.h>

/* Exit statuses, the same for all subcommands; they stand in the man page. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,     /* what was asked for could not be done; the message says why */
    STATUS_USAGE = 2,      /* the command line is wrong */
    STATUS_NO_TARGET = 3,  /* no such process, program or unit */
    STATUS_NOT_HAKMEM = 4, /* the process runs, but not under hakmem */
    STATUS_REFUSED = 5,    /* the kernel does not let this user look into the process */
    STATUS_UNREADABLE = 6, /* its page is damaged, or of a library that is newer than this tool */
    STATUS_PENDING = 7,    /* the command waits until the process next calls its allocator */
};

struct command {
    const char *name;
    const char *summary; /* one line, for hakmemctl --help */
    const char *usage;   /* arguments and options, as hakmemctl NAME --help prints them */
    /* argv[0] is the name. Returns an enum status. --help was dealt with. */
    int (*run)(int argc, char **argv);
};

/* The commands, in the order of the help text; NULL behind the last one. */
const struct command *command_at(size_t index);

/* Write "hakmemctl NAME: ...; see hakmemctl NAME --help" to standard error; returns STATUS_USAGE. */
int command_usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Write "hakmemctl: ..." to standard error. */
void command_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
