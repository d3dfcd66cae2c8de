/* SPDX-License-Identifier: MIT */
/*
 * The language of configuration files. Pure: text in, settings and mistakes
 * out; used by the library, by `hakmemctl config check`, and by the fuzzer.
 *
 *     # a comment line; also ; at the start of a line
 *     thread_hold = 2M           # blanks around, and a comment after a blank
 *     [default]                  as before the first section: for every program
 *     [program redis-server]     the file name of the program; * and ? are wild
 *     [program /opt/x/bin/?*]    with a slash: its whole path; a * also spans slashes
 *     [unit redis*.service]      the systemd unit that the process belongs to
 *
 * A mistake costs its own line; the others count. A last line without a line
 * end is a mistake (the file may be half-written), and so is a byte of 0, for
 * which no line of the file counts (it is no text).
 */
#ifndef HAKMEM_OPTIONS_CONFIG_H
#define HAKMEM_OPTIONS_CONFIG_H

#include "options/value.h"

enum config_section { CONFIG_DEFAULT, CONFIG_PROGRAM, CONFIG_UNIT };

struct config_reader;

struct config_mistake {
    uint32_t line, column; /* from 1; 0: of the file as a whole */
    const option_row *row; /* whose old value stands; NULL: the line is ignored */
    const char *text;      /* one line without an end, printable */
    size_t length;
};

/* Of who reads. */
struct config_reader {
    struct options_draft *draft;
    /* Is this process meant? NULL: all sections are read (to check a file). */
    bool (*is_meant)(enum config_section section, const char *pattern, size_t length);
    void (*report)(struct config_reader *reader, const struct config_mistake *mistake);
    void *context;     /* of `report` */
    unsigned told_max; /* mistakes of one file that are told; 0: all. To name the nearest word takes time */
    unsigned rank;     /* of the class of files: OPTION_RANK_ETC or OPTION_RANK_CONF */
    unsigned file;     /* its number in a source */
    const char *path;  /* its name, for `report` */
    unsigned mistakes; /* counted up */
    unsigned of_file;  /* the same, of this file */
};

void config_read(struct config_reader *reader, const char *text, size_t length);

/* Whole text against a pattern with * and ?. */
bool config_match(const char *pattern, size_t length, const char *text);

/*
 * The unit in /proc/PID/cgroup, of version 1 or 2: the last part of the path of
 * systemd's hierarchy that names a service, a scope, or another unit that runs
 * processes. NULL when there is none; else *length is set.
 */
const char *config_unit(const char *cgroup, size_t size, size_t *length);

#endif
