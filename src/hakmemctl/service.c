/* SPDX-License-Identifier: MIT */
#include "hakmemctl/service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hakmemctl/child.h"
#include "hakmemctl/cluster.h"
#include "hakmemctl/command.h"
#include "hakmemctl/elf_file.h"
#include "hakmemctl/library.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/serving.h"
#include "hakmemctl/text.h"
#include "hakmemctl/unit.h"
#include "hakmemctl/unit_files.h"

enum { LOOK_MILLISECONDS = 200, STEADY_LOOKS = 10 }; /* it must stay served for two seconds */

static int fail(char *error)
{
    fflush(stdout); /* what was said before stands before */
    command_message("%s", error);
    free(error);
    return STATUS_FAILED;
}

/* ---- the live service ---- */

/* Set by a signal that would end this in the middle: the change is taken back first. */
static volatile sig_atomic_t interrupted;

static void note_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static void sleep_milliseconds(unsigned milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000L}, NULL);
}

static bool is_active(const struct unit *unit)
{
    return unit_property_is(unit, "ActiveState", "active") || unit_property_is(unit, "ActiveState", "reloading");
}

/* One look at the unit: STATUS_OK when its main process (or, without one, any) is served. */
static int look_at_processes(const struct unit *unit, char **why, unsigned *served, unsigned *all)
{
    struct serving serving;
    pid_t main_process = unit_main_process(unit);
    size_t count;
    pid_t *pid = unit_processes(unit, &count);
    int status = STATUS_NOT_HAKMEM;

    *served = 0;
    *all = (unsigned)count;
    free(*why);
    *why = text_copy("it has no process");
    for (size_t i = 0; i < count; i++) {
        serving_look(pid[i], &serving);
        *served += serving.status == STATUS_OK;
        if (pid[i] != main_process && main_process > 0)
            continue;
        if (status != STATUS_OK) {
            status = serving.status;
            free(*why);
            *why = text_copy(serving.why);
        }
    }
    free(pid);
    return status;
}

/* What the service itself said last. */
static void show_journal(const struct unit *unit)
{
    char *argv[] = {"journalctl", unit->user ? "--user" : "--system", "--no-pager", "--quiet", "--output=cat",
                    "--lines=10", "--unit", unit->name, NULL};
    struct child_result result;

    if (unit->user)
        argv[6] = "--user-unit";
    if (child_run(argv, 10, NULL, NULL, &result) && result.status == 0 && result.output.length > 0)
        fprintf(stderr, "the last lines of its journal:\n%s", result.output.text);
    child_free(&result);
}

/*
 * Wait until the service is up and, when `served`, on hakmem, and stays so. False with `*why`.
 */
static bool wait_until_up(struct unit *unit, bool served, unsigned seconds, char **why, unsigned counts[2])
{
    unsigned steady = 0, looks = seconds * 1000 / LOOK_MILLISECONDS;
    char *restarts = NULL, *main_process = NULL, *error = NULL;

    *why = text_copy("it did not come up in time");
    for (unsigned look = 0; look < looks + STEADY_LOOKS && steady < STEADY_LOOKS; look++) {
        if (look > 0)
            sleep_milliseconds(LOOK_MILLISECONDS);
        if (interrupted) {
            free(*why);
            *why = text_copy("this was interrupted before it was seen to be served");
            break;
        }
        if (!unit_refresh(unit, &error)) {
            free(*why);
            *why = error;
            break;
        }
        if (unit_property_is(unit, "ActiveState", "failed") ||
            (unit_property_is(unit, "ActiveState", "inactive") && look > STEADY_LOOKS)) {
            char *result = unit_property(unit, "Result");

            free(*why);
            *why = text_format("it does not run (result: %s)", result);
            free(result);
            break;
        }
        char *now = unit_property(unit, "NRestarts"), *pid = unit_property(unit, "MainPID");
        bool same = restarts != NULL && strcmp(now, restarts) == 0 && strcmp(pid, main_process) == 0;

        free(restarts);
        free(main_process);
        restarts = now;
        main_process = pid;
        bool good = is_active(unit) && (!served || look_at_processes(unit, why, &counts[0], &counts[1]) == STATUS_OK);

        steady = good && (same || steady == 0) ? steady + 1 : 0;
    }
    free(restarts);
    free(main_process);
    return steady >= STEADY_LOOKS;
}

/* ---- enable ---- */

/* Does its program look as if it could be served? */
static bool program_can_be_served(const struct unit *unit, char **error)
{
    char *path = unit_program(unit);
    struct elf_file elf;
    bool can = true;

    if (path != NULL && elf_file_read(path, &elf)) {
        if (elf.kind == ELF_STATIC)
            *error = text_format("%s runs %s, which is statically linked: no library can be preloaded into it "
                                 "(--force enables it all the same)", unit->name, path);
        else if (elf.bits != 0 && !elf_file_is_native(&elf))
            *error = text_format("%s runs %s, a program for another kind of machine (%u bits) than the library "
                                 "(--force enables it all the same)", unit->name, path, elf.bits);
        can = *error == NULL;
    }
    free(path);
    return can;
}

/* Is it one process, or one program with many, and not a name for several services? */
static bool is_one_service(const struct unit *unit, char **error)
{
    char *services = unit_stands_for(unit);

    if (services != NULL)
        *error = text_format("%s runs nothing itself; enable what it stands for: %s", unit->name, services);
    else if (unit_has_own_environment(unit) && unit->cluster == NULL)
        *error = text_format("%s starts " CLUSTER_STARTER ", which takes the environment from each cluster's own "
                             "file: enable one cluster (postgresql@VERSION-CLUSTER.service)", unit->name);
    free(services);
    return *error == NULL;
}

static bool removes_the_variable(const struct unit *unit, char **error)
{
    char *names = unit_property(unit, "UnsetEnvironment");
    bool removed = false;

    for (char *save = NULL, *word = strtok_r(names, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
        removed |= strcmp(word, "LD_PRELOAD") == 0 || text_starts(word, "LD_PRELOAD=");
    free(names);
    if (removed)
        *error = text_format("%s has UnsetEnvironment=LD_PRELOAD: take that out first", unit->name);
    return removed;
}

/* The files are as they were, and systemd knows. */
static bool bring_back(struct unit *unit, const struct unit_files *before, char **error)
{
    return unit_files_restore(unit, before, error) && unit_call(unit, "daemon-reload", false, error) &&
           unit_refresh(unit, error);
}

/* Take it back, and bring the service to where it was. */
static int roll_back(struct unit *unit, const struct unit_files *before, bool was_active, unsigned wait,
                     const char *why)
{
    char *error = NULL, *again = NULL;
    unsigned counts[2];

    fflush(stdout);
    command_message("%s was restarted with hakmem, but %s", unit->name, why);
    show_journal(unit);
    interrupted = 0; /* the way back is gone to its end */
    if (!bring_back(unit, before, &error))
        return fail(text_format("the change could not be taken back: %s", error));
    if (!was_active) {
        if (!unit_call(unit, "stop", true, &error))
            return fail(error);
        return fail(text_format("the change was taken back; %s is stopped, as it was", unit->name));
    }
    unit_call(unit, "reset-failed", true, &error); /* too many starts in a row would refuse the next one */
    free(error);
    error = NULL;
    if (!unit_call(unit, "restart", true, &error) || !wait_until_up(unit, false, wait, &again, counts)) {
        command_message("the change was taken back and %s restarted, but it does not come up: %s", unit->name,
                        error != NULL ? error : again);
        free(error);
        free(again);
        return STATUS_FAILED;
    }
    free(again);
    return fail(text_format("the change was taken back; %s was restarted and runs without hakmem, as before",
                            unit->name));
}

static int restart_and_verify(struct unit *unit, const struct unit_files *before,
                              const struct service_options *options)
{
    char *error = NULL, *why = NULL;
    unsigned counts[2] = {0, 0};
    bool was_active = is_active(unit) || unit_property_is(unit, "ActiveState", "activating");
    int status = STATUS_OK;

    printf("restarting %s\n", unit->name);
    fflush(stdout);
    catch_signals();
    if (!unit_call(unit, "restart", true, &error)) {
        why = text_format("it did not start: %s", error);
        free(error);
        status = roll_back(unit, before, was_active, options->wait, why);
    } else if (!wait_until_up(unit, true, options->wait, &why, counts)) {
        status = roll_back(unit, before, was_active, options->wait, why);
    } else {
        struct serving serving;

        serving_look(unit_main_process(unit), &serving);
        printf("%s runs on hakmem%s%s: %u of its %u process%s served, verified in the live process%s\n", unit->name,
               serving.version[0] != '\0' ? " " : "", serving.version, counts[0], counts[1],
               counts[1] == 1 ? " is" : "es are", counts[1] == 1 ? "" : "es");
    }
    free(why);
    return status;
}

/* Nothing is left to do for a service of which all processes are served, by the library of now. */
static bool is_served(const struct unit *unit)
{
    unsigned served, all;
    char *why = NULL;
    struct serving serving;
    bool good = is_active(unit) && look_at_processes(unit, &why, &served, &all) == STATUS_OK && served == all;

    free(why);
    serving_look(unit_main_process(unit), &serving);
    return good && !serving.deleted;
}

/* The files are written: does systemd read them as they are meant? */
static bool took_effect(struct unit *unit, char **error)
{
    bool from_file;

    if (!unit_call(unit, "daemon-reload", false, error) || !unit_refresh(unit, error))
        return false;
    char *preload = unit_preload(unit, &from_file);
    bool ours = preload_has_ours(preload);

    if (!ours)
        *error = text_format("systemd does not show hakmem in the LD_PRELOAD of %s after the change (it shows %s)",
                             unit->name, preload == NULL ? "none" : preload);
    free(preload);
    return ours;
}

static int enable_with(struct unit *unit, const struct service_options *options, const struct library *library)
{
    struct unit_files before;
    char *error = NULL, *back = NULL;
    bool from_file;
    char *now = unit_preload(unit, &from_file), *preload = preload_with(now, library->entry);
    int status = STATUS_OK;

    if (!unit_files_read(unit, &before, &error)) {
        status = fail(error);
    } else if (preload_has_ours(now) && !unit_files_are_ours(&before)) {
        printf("%s has hakmem in its LD_PRELOAD already, not by hakmemctl; nothing was changed\n", unit->name);
    } else if (!unit_files_write(unit, &before, preload, from_file, &error) || !took_effect(unit, &error)) {
        status = fail(error);
        if (!bring_back(unit, &before, &back))
            status = fail(back);
    } else {
        printf("%s: %s\n", preload_has_ours(now) ? "enabled already" : "enabled",
               unit->cluster != NULL ? unit->cluster : unit->dropin);
        if (options->now && preload_has_ours(now) && is_served(unit))
            printf("%s runs on hakmem already; it was not restarted\n", unit->name);
        else if (options->now)
            status = restart_and_verify(unit, &before, options);
        else
            printf("hakmem serves it from its next start on (--now restarts it)\n");
    }
    free(now);
    free(preload);
    unit_files_free(&before);
    return status;
}

int service_enable(struct unit *unit, const struct service_options *options)
{
    struct library library;
    char *error = NULL;

    if (!unit_usable(unit, &error)) {
        int status = unit_property_is(unit, "LoadState", "not-found") ? STATUS_NO_TARGET : STATUS_FAILED;

        fail(error);
        return status;
    }
    if (!is_one_service(unit, &error))
        return fail(error);
    if (options->now && unit->is_template)
        return fail(text_format("%s is a template: --now needs an instance (%.*sNAME.service)", unit->name,
                                (int)strcspn(unit->name, "."), unit->name));
    if (options->now && unit_property_is(unit, "Type", "oneshot"))
        return fail(text_format("%s runs once and ends (Type=oneshot): there is nothing that --now could verify",
                                unit->name));
    if ((!options->force && !program_can_be_served(unit, &error)) || removes_the_variable(unit, &error) ||
        !library_find(options->library, true, &library, &error))
        return fail(error);
    int status = enable_with(unit, options, &library);

    library_free(&library);
    return status;
}

/* ---- disable ---- */

static int restart_without(struct unit *unit, unsigned wait)
{
    char *error = NULL, *why = NULL;
    unsigned counts[2], served = 0, all = 0;

    if (!is_active(unit)) {
        printf("%s does not run: nothing to restart\n", unit->name);
        return STATUS_OK;
    }
    printf("restarting %s\n", unit->name);
    fflush(stdout);
    if (!unit_call(unit, "restart", true, &error))
        return fail(error);
    if (!wait_until_up(unit, false, wait, &why, counts)) {
        show_journal(unit);
        error = text_format("%s was restarted without hakmem, but %s", unit->name, why);
        free(why);
        return fail(error);
    }
    look_at_processes(unit, &why, &served, &all);
    free(why);
    if (served > 0)
        printf("%s runs; %u of its %u processes are still on hakmem, through another setting (see hakmemctl "
               "status)\n", unit->name, served, all);
    else
        printf("%s runs without hakmem\n", unit->name);
    return STATUS_OK;
}

int service_disable(struct unit *unit, const struct service_options *options)
{
    struct unit_files before;
    char *error = NULL;
    int status = STATUS_OK;

    if (!unit_files_read(unit, &before, &error)) {
        status = fail(error);
    } else if (!before.dropin.exists && !unit_files_are_ours(&before)) {
        bool from_file;
        char *preload = unit_preload(unit, &from_file);

        printf("%s is not enabled by hakmemctl; nothing to do\n", unit->name);
        if (preload_has_ours(preload))
            printf("(its own settings, or the system's, have LD_PRELOAD=%s)\n", preload);
        free(preload);
    } else if (!unit_files_remove(unit, &before, &error) || !unit_call(unit, "daemon-reload", false, &error) ||
               !unit_refresh(unit, &error)) {
        status = fail(error);
    } else {
        printf("disabled: %s%s\n", unit->name, options->now ? "" : " (it goes on as it runs until its next start)");
        if (options->now && !unit->is_template)
            status = restart_without(unit, options->wait);
    }
    unit_files_free(&before);
    return status;
}
