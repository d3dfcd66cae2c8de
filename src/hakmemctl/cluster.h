/* SPDX-License-Identifier: MIT */
/*
 * A PostgreSQL cluster of Debian. Its unit postgresql@VERSION-CLUSTER.service starts pg_ctlcluster,
 * which throws systemd's environment away and takes the cluster's own file for it:
 *
 *     /etc/postgresql/VERSION/CLUSTER/environment
 *
 *         LD_PRELOAD = 'libone.so'                 somebody's; stays as it is
 *         # Made by hakmemctl enable; hakmemctl disable takes it away.
 *         LD_PRELOAD = 'libhakmem.so.1:libone.so'  ours; of several lines the last one counts
 *
 * No drop-in reaches the server, so hakmem's line goes there. Pure functions on texts; results are
 * new and the caller frees them.
 */
#ifndef HAKMEMCTL_CLUSTER_H
#define HAKMEMCTL_CLUSTER_H

#include <stdbool.h>

#define CLUSTER_STARTER "pg_ctlcluster"
#define CLUSTER_ROOT "/etc/postgresql" /* unless this variable, which pg_ctlcluster heeds, says otherwise */
#define CLUSTER_ROOT_VARIABLE "PG_CLUSTER_CONF_ROOT"

/* The environment file of the cluster whose unit has this name; NULL when it names none. */
char *cluster_environment_path(const char *root, const char *unit_name);

/* The value that the server is given; NULL: none. */
char *cluster_variable(const char *text, const char *variable);

/* Does the file take others in, which may set variables too? */
bool cluster_includes(const char *text);

/* Is there a line that enable wrote? */
bool cluster_is_ours(const char *text);

/* The file with our line at its end, for one that may be there already; and without it. */
char *cluster_with(const char *text, const char *preload);
char *cluster_without(const char *text);

#endif
