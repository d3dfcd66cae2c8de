/* SPDX-License-Identifier: MIT */
#include "hakmemctl/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmemctl/text.h"

enum { FILE_MAX = 64 << 20 };

void doctor_look(const struct doctor_check *checks, enum doctor_scope scope, const struct doctor_subject *subject,
                 struct doctor_findings *findings)
{
    for (const struct doctor_check *check = checks; check->name != NULL; check++)
        if (check->scope == scope)
            check->look(check, subject, findings);
}

static void add_process(struct doctor_finding *finding, pid_t pid)
{
    pid_t *more = realloc(finding->pid, (finding->pids + 1) * sizeof *more);

    if (more == NULL)
        return;
    finding->pid = more;
    finding->pid[finding->pids++] = pid;
}

void doctor_add(struct doctor_findings *findings, const struct doctor_check *check,
                const struct doctor_subject *subject, enum doctor_severity severity, char *text, char *remedy)
{
    struct doctor_finding *finding = NULL, *more;

    text_make_printable(text); /* there are words of the process in it */
    text_make_printable(remedy);
    for (size_t i = 0; i < findings->count; i++)
        if (findings->item[i].check == check->name && strcmp(findings->item[i].text, text) == 0)
            finding = &findings->item[i];
    if (finding != NULL) {
        free(text);
        free(remedy);
    } else {
        more = realloc(findings->item, (findings->count + 1) * sizeof *more);
        if (more == NULL)
            return;
        findings->item = more;
        finding = &more[findings->count++];
        *finding = (struct doctor_finding){check->name, severity, text, remedy, NULL, 0};
    }
    if (subject->pid != 0)
        add_process(finding, subject->pid);
}

void doctor_free(struct doctor_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->item[i].text);
        free(findings->item[i].remedy);
        free(findings->item[i].pid);
    }
    free(findings->item);
    *findings = (struct doctor_findings){NULL, 0};
}

char *doctor_file(const struct doctor_subject *subject, size_t *size, const char *format, ...)
{
    struct text text = {NULL, 0};
    char *name = NULL, buffer[65536];
    va_list list;
    ssize_t got = 0;

    va_start(list, format);
    if (vasprintf(&name, format, list) < 0)
        name = NULL;
    va_end(list);
    if (name == NULL)
        return NULL;
    char *path = text_format("%s%s", subject->root, name);
    /* O_NONBLOCK: the kernel's log ends where it would wait for more */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    free(path);
    free(name);
    if (fd < 0)
        return NULL;
    text_add(&text, "", 0);
    /* EPIPE: lines of the kernel's log that were overwritten are skipped */
    while (text.length < FILE_MAX && ((got = read(fd, buffer, sizeof buffer)) > 0 ||
                                      (got < 0 && (errno == EINTR || errno == EPIPE))))
        text_add(&text, buffer, got > 0 ? (size_t)got : 0);
    close(fd);
    if (size != NULL)
        *size = text.length;
    return text.text;
}

long long doctor_number(const struct doctor_subject *subject, const char *path)
{
    char *text = doctor_file(subject, NULL, "%s", path), *end;
    long long number = -1;

    if (text != NULL && text[0] >= '0' && text[0] <= '9') {
        number = strtoll(text, &end, 10);
        if (*end != '\n' && *end != '\0')
            number = -1;
    }
    free(text);
    return number;
}
