/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with hakmem on a machine or in a process, or could be better.
 *
 * Each check is a small function in doctor_checks[]. It looks at files below `root` only, so that a
 * test can give it a machine made of files, and adds what it finds, with the remedy. What it cannot
 * read it is silent about: the doctor is asked by people without rights too.
 */
#ifndef HAKMEMCTL_DOCTOR_H
#define HAKMEMCTL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum doctor_severity {
    DOCTOR_PROBLEM, /* hakmem does not serve, or programs are harmed */
    DOCTOR_WARNING, /* it works, and may stop working or work badly */
    DOCTOR_HINT,    /* it could be better */
    DOCTOR_SEVERITIES
};

struct doctor_finding {
    const char *check; /* name of the check */
    enum doctor_severity severity;
    char *text, *remedy;
    pid_t *pid; /* the processes that it was found in; none: it concerns the machine or the unit */
    size_t pids;
};

struct doctor_findings {
    struct doctor_finding *item;
    size_t count;
};

/* What is looked at. */
struct doctor_subject {
    const char *root;    /* "" for the real machine */
    pid_t pid;           /* 0: the machine */
    const char *program; /* its name, for texts; "" without a process */
    const char *unit;    /* a service that was asked for; NULL: none */
    const char *show;    /* what systemctl shows of it; "" without one */
    const char *library; /* the installed library's file; NULL: the loader finds none */
};

enum doctor_scope { DOCTOR_MACHINE, DOCTOR_UNIT, DOCTOR_PROCESS };

struct doctor_check {
    const char *name;
    enum doctor_scope scope;
    void (*look)(const struct doctor_check *, const struct doctor_subject *, struct doctor_findings *);
};

/* All checks; one without a name ends the list. */
extern const struct doctor_check doctor_machine_checks[], doctor_process_checks[];

/* Run the checks of a list that have this scope. */
void doctor_look(const struct doctor_check *checks, enum doctor_scope scope, const struct doctor_subject *subject,
                 struct doctor_findings *findings);

/* For the checks. `text` and `remedy` are taken over. The same text of another process joins it. */
void doctor_add(struct doctor_findings *findings, const struct doctor_check *check,
                const struct doctor_subject *subject, enum doctor_severity severity, char *text, char *remedy);
void doctor_free(struct doctor_findings *findings);

/* A file below the root, whole, with a zero behind it; NULL when it cannot be read. */
char *doctor_file(const struct doctor_subject *subject, size_t *size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A number alone in such a file; -1 when it is none. */
long long doctor_number(const struct doctor_subject *subject, const char *path);

#endif
