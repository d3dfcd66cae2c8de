/* SPDX-License-Identifier: MIT */
/* hakmemctl doctor: what is wrong or could be better, and what to do about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmemctl/command.h"
#include "hakmemctl/doctor.h"
#include "hakmemctl/library.h"
#include "hakmemctl/output.h"
#include "hakmemctl/target.h"
#include "hakmemctl/text.h"
#include "hakmemctl/unit.h"

extern const struct command command_doctor;

static const char *const severity_words[DOCTOR_SEVERITIES] = {"problem", "warning", "hint"};

/* Does systemd know a service of this name? Then it is open. */
static bool is_unit(struct unit *unit, const char *word)
{
    char *error = NULL;
    bool is = false;

    *unit = (struct unit){.user = false};
    /* a process id is none, and a machine without systemd has none */
    if (word[strspn(word, "0123456789")] != '\0' && strchr(word, '/') == NULL && access("/run/systemd/system", F_OK) == 0 &&
        unit_open(unit, word, false) == STATUS_OK)
        is = unit_usable(unit, &error);
    free(error);
    return is;
}

static void look_at_processes(struct doctor_subject *subject, const pid_t *pid, size_t count,
                              struct doctor_findings *findings)
{
    for (size_t i = 0; i < count; i++) {
        char program[TARGET_NAME_SIZE];

        if (!target_program(pid[i], program))
            continue;
        subject->pid = pid[i];
        subject->program = program;
        doctor_look(doctor_process_checks, DOCTOR_PROCESS, subject, findings);
    }
    subject->pid = 0;
    subject->program = "";
}

static int look_at_target(struct doctor_subject *subject, const char *word, struct doctor_findings *findings)
{
    struct unit unit;
    struct targets targets = {NULL, 0};
    int status = STATUS_OK;

    if (is_unit(&unit, word)) {
        subject->unit = unit.name;
        subject->show = unit.show;
        doctor_look(doctor_machine_checks, DOCTOR_UNIT, subject, findings);
        targets.pid = unit_processes(&unit, &targets.count);
    } else {
        status = target_resolve(word, &targets);
    }
    if (status == STATUS_OK)
        look_at_processes(subject, targets.pid, targets.count, findings);
    target_free(&targets);
    unit_close(&unit);
    return status;
}

static void print_finding(const struct doctor_finding *finding)
{
    enum { SHOWN = 8 };

    printf("%-8s %s: %s", severity_words[finding->severity], finding->check, finding->text);
    if (finding->pids > 0)
        printf(" (process%s", finding->pids == 1 ? "" : "es");
    for (size_t i = 0; i < finding->pids && i < SHOWN; i++)
        printf("%s %d", i > 0 ? "," : "", (int)finding->pid[i]);
    if (finding->pids > 0)
        printf("%s)", finding->pids > SHOWN ? ", ..." : "");
    printf("\n         -> %s\n", finding->remedy);
}

static int print_json(const struct doctor_findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++) {
        const struct doctor_finding *finding = &findings->item[i];
        json_t *pids = json_array();

        for (size_t k = 0; k < finding->pids; k++)
            json_array_append_new(pids, json_integer(finding->pid[k]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:o}", "severity", severity_words[finding->severity],
                                              "check", finding->check, "text", finding->text, "remedy",
                                              finding->remedy, "pids", pids));
    }
    return output_json(list);
}

/* Hints alone are no reason to fail. */
static int print_all(const struct doctor_findings *findings, bool json)
{
    unsigned count[DOCTOR_SEVERITIES] = {0};

    for (size_t i = 0; i < findings->count; i++)
        count[findings->item[i].severity]++;
    if (json && print_json(findings) != STATUS_OK)
        return STATUS_FAILED;
    for (int severity = 0; severity < DOCTOR_SEVERITIES && !json; severity++)
        for (size_t i = 0; i < findings->count; i++)
            if ((int)findings->item[i].severity == severity)
                print_finding(&findings->item[i]);
    if (!json)
        printf("%u problem%s, %u warning%s, %u hint%s\n", count[DOCTOR_PROBLEM], count[DOCTOR_PROBLEM] == 1 ? "" : "s",
               count[DOCTOR_WARNING], count[DOCTOR_WARNING] == 1 ? "" : "s", count[DOCTOR_HINT],
               count[DOCTOR_HINT] == 1 ? "" : "s");
    return count[DOCTOR_PROBLEM] + count[DOCTOR_WARNING] > 0 ? STATUS_FAILED : STATUS_OK;
}

static int doctor_run(int argc, char **argv)
{
    struct doctor_subject subject = {.root = "", .program = "", .show = ""};
    struct doctor_findings findings = {NULL, 0};
    struct library library;
    const char *target = NULL;
    char *error = NULL;
    bool json = false;
    int status = STATUS_OK;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (argv[i][0] == '-')
            return command_usage_error(&command_doctor, "'%s' is not known", argv[i]);
        else if (target != NULL)
            return command_usage_error(&command_doctor, "one target at a time, not '%s' too", argv[i]);
        else
            target = argv[i];
    }
    bool found = library_find(NULL, true, &library, &error);

    subject.library = found ? library.path : NULL;
    doctor_look(doctor_machine_checks, DOCTOR_MACHINE, &subject, &findings);
    if (target != NULL)
        status = look_at_target(&subject, target, &findings);
    if (status == STATUS_OK)
        status = print_all(&findings, json);
    doctor_free(&findings);
    library_free(&library);
    free(error);
    return status;
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "what is wrong or could be better, and the remedy",
    .usage =
        "usage: hakmemctl doctor [--json] [TARGET]\n"
        "\n"
        "Looks at the machine, and at TARGET (a process id, a program, or a unit) when it is given:\n"
        "the library and who can read it, other preloads, static and setuid programs, what seccomp,\n"
        "AppArmor and SELinux refuse, limits of the cgroup and of the kernel. Problems come first,\n"
        "then warnings, then hints. Exit status: 0 nothing but hints; 1 problems or warnings.\n"
        "\n"
        "  --json   for programs\n",
    .run = doctor_run,
};
