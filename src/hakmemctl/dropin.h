/* SPDX-License-Identifier: MIT */
/*
 * The drop-in that makes systemd start a service with hakmem, and what must be read of the unit to
 * write it. Pure functions on texts; results are new and the caller frees them.
 *
 *     /etc/systemd/system/NAME.service.d/zz-hakmem.conf
 *
 *         # Made by hakmemctl enable; hakmemctl disable takes it away.
 *         [Service]
 *         Environment="LD_PRELOAD=libhakmem.so.1:/usr/lib/another.so"
 *
 * `zz`: of drop-ins that set the same variable the last one by name wins, and people write
 * override.conf. What stands in an EnvironmentFile= wins over every Environment=, so where the unit
 * takes LD_PRELOAD from such a file, one of ours comes after it:
 *
 *         EnvironmentFile=/etc/systemd/system/NAME.service.d/zz-hakmem.env
 */
#ifndef HAKMEMCTL_DROPIN_H
#define HAKMEMCTL_DROPIN_H

#include <stdbool.h>
#include <stddef.h>

/* The line by which enable and disable know what is theirs. */
#define DROPIN_MARK "# Made by hakmemctl enable; hakmemctl disable takes it away."
#define DROPIN_NAME "zz-hakmem.conf"
#define DROPIN_ENVIRONMENT_NAME "zz-hakmem.env"

struct dropin {
    bool ours;             /* it begins with our first line */
    bool made_directory;   /* enable made the directory that it lies in */
    bool environment_file; /* it names an environment file beside it */
    char *rest;            /* what someone else added; NULL: nothing */
};

/* The drop-in. `environment_file`: path of ours, or NULL where none is needed. */
char *dropin_text(const char *preload, const char *environment_file, bool made_directory);
char *dropin_environment_text(const char *preload);

/* Read a drop-in; `dropin->rest` is to be freed. */
void dropin_read(const char *text, struct dropin *dropin);

/* ---- what systemd shows ---- */

/* The value of `NAME=value` among the lines of `systemctl show`; NULL when it is not there. */
char *show_property(const char *show, const char *name);

/* The value of the variable in the property Environment, a list of quoted words; NULL: not set. */
char *show_environment(const char *words, const char *variable);

/*
 * One after the other, the files of property EnvironmentFiles, one in a line as in
 * "/etc/default/x (ignore_errors=yes)". `*at` starts as `show`. NULL at the end.
 */
char *show_next_environment_file(const char **at);

/* The last value of the variable in the text of an environment file; NULL: not set. */
char *environment_file_value(const char *text, const char *variable);

#endif
