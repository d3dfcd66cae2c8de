/* SPDX-License-Identifier: MIT */
/*
 * A service of systemd, as systemctl shows it, and the place of hakmem's drop-in for it.
 *
 * systemctl is asked instead of the bus: its output is a promised interface, it works for the
 * system's and for a user's manager, and it says in its own words why it cannot.
 */
#ifndef HAKMEMCTL_UNIT_H
#define HAKMEMCTL_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

struct unit {
    char *name;        /* canonical, "redis-server.service"; of a template "name@.service" */
    bool user;         /* of the user's manager */
    bool is_template;  /* no instance is named; `show` is of an instance that nobody started */
    char *show;        /* what systemctl shows of it: "Property=value" lines */
    char *directory;   /* of the drop-in */
    char *dropin;      /* the drop-in */
    char *environment; /* the environment file that is sometimes needed beside it */
    char *cluster;     /* the file that gives the server its environment instead of systemd; or NULL */
};

/*
 * Ask systemd. STATUS_OK also when there is no such unit (see unit_exists): a drop-in may be left of
 * one that was removed. Otherwise a message was written. To be closed in every case.
 */
int unit_open(struct unit *unit, const char *word, bool user);
void unit_close(struct unit *unit);

/* Ask again. False with `*error`. */
bool unit_refresh(struct unit *unit, char **error);

/* Is it a loaded service that can be given a drop-in? Else the reason, which the caller frees. */
bool unit_usable(const struct unit *unit, char **error);

/* A property; "" when it is not shown. The caller frees it. */
char *unit_property(const struct unit *unit, const char *name);
bool unit_property_is(const struct unit *unit, const char *name, const char *value);

/* Does its program take the environment from a file of its own (cluster.h)? Then no drop-in reaches it. */
bool unit_has_own_environment(const struct unit *unit);

/* The services that it stands for when it runs nothing itself ("a.service b.service"); NULL: none. */
char *unit_stands_for(const struct unit *unit);

/*
 * The LD_PRELOAD that its processes are started with; NULL: none. `*from_file`: it comes out of an
 * EnvironmentFile, which no Environment= can overrule.
 */
char *unit_preload(const struct unit *unit, bool *from_file);

/* systemctl VERB [NAME]; false with `*error`. */
bool unit_call(const struct unit *unit, const char *verb, bool with_name, char **error);

/* The program of its first ExecStart; NULL when it has none. The caller frees it. */
char *unit_program(const struct unit *unit);

/* Its processes, in rising order; the caller frees them. */
pid_t *unit_processes(const struct unit *unit, size_t *count);
pid_t unit_main_process(const struct unit *unit);

#endif
