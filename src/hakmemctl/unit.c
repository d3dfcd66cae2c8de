/* SPDX-License-Identifier: MIT */
#include "hakmemctl/unit.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmemctl/child.h"
#include "hakmemctl/cluster.h"
#include "hakmemctl/command.h"
#include "hakmemctl/dropin.h"
#include "hakmemctl/edit.h"
#include "hakmemctl/target.h"
#include "hakmemctl/text.h"

enum { SHOW_SECONDS = 30, CALL_SECONDS = 600 };

static const char instance_word[] = "hakmemctl"; /* of a template: an instance that nobody starts */
static const char properties[] =
    "--property=Id,LoadState,LoadError,ActiveState,SubState,Result,Type,MainPID,NRestarts,FragmentPath,"
    "DropInPaths,Environment,EnvironmentFiles,UnsetEnvironment,User,ExecStart,RootDirectory,RootImage,"
    "Transient,ConsistsOf,NoExecPaths,ExecPaths,SystemCallFilter,MemoryMax";

/* systemctl with these arguments, of the right manager. False with `*error`. */
static bool systemctl(bool user, const char *const *arguments, unsigned seconds, char **output, char **error)
{
    char *argv[8] = {"systemctl", user ? "--user" : "--system", "--no-pager"};
    struct child_result result;

    for (int i = 0; arguments[i] != NULL; i++)
        argv[3 + i] = (char *)arguments[i];
    bool done = child_run(argv, seconds, NULL, NULL, &result);

    if (!done || result.status != 0) {
        result.errors.text[strcspn(result.errors.text, "\n")] = '\0';
        if (result.status == 127)
            *error = text_copy("there is no systemctl: this machine does not run systemd");
        else if (result.timed_out)
            *error = text_format("systemctl %s did not end within %u seconds", arguments[0], seconds);
        else
            *error = text_format("systemctl %s: %s", arguments[0],
                                 result.errors.length > 0 ? result.errors.text : "failed");
        done = false;
    } else if (output != NULL) {
        *output = text_copy(result.output.text);
    }
    child_free(&result);
    return done;
}

/* The name that systemctl is asked about. */
static char *shown_name(const struct unit *unit)
{
    if (!unit->is_template)
        return text_copy(unit->name);
    const char *at = strchr(unit->name, '@');

    return text_format("%.*s%s%s", (int)(at + 1 - unit->name), unit->name, instance_word, at + 1);
}

bool unit_refresh(struct unit *unit, char **error)
{
    char *name = shown_name(unit), *show = NULL;
    bool done = systemctl(unit->user, (const char *[]){"show", properties, "--", name, NULL}, SHOW_SECONDS,
                          &show, error);

    free(name);
    if (done) {
        free(unit->show);
        unit->show = show;
    }
    return done;
}

/* Where drop-ins of this manager lie. */
static char *configuration(bool user)
{
    const char *directory = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

    if (!user)
        return text_copy("/etc/systemd/system");
    if (directory != NULL && directory[0] == '/')
        return text_format("%s/systemd/user", directory);
    return text_format("%s/.config/systemd/user", home != NULL ? home : "");
}

static bool good_name(const char *word)
{
    for (const char *c = word; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == '/' || *c == '*' || *c == '?')
            return false;
    return word[0] != '\0' && word[0] != '-' && word[0] != '.' && strlen(word) < 250;
}

static char *with_suffix(const char *word)
{
    static const char *const kinds[] = {".service", ".socket", ".mount", ".swap", ".timer", ".target",
                                        ".slice", ".scope", ".path", ".device", ".automount"};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (text_ends(word, kinds[i]))
            return text_copy(word);
    return text_format("%s.service", word);
}

bool unit_has_own_environment(const struct unit *unit)
{
    char *program = unit_program(unit);
    bool has = program != NULL && text_ends(program, "/" CLUSTER_STARTER);

    free(program);
    return has;
}

/* The environment file of the cluster that it runs; NULL when it runs none. */
static char *cluster_file(const struct unit *unit)
{
    if (unit->is_template || !unit_has_own_environment(unit))
        return NULL;
    char *words = unit_property(unit, "Environment"), *root = show_environment(words, CLUSTER_ROOT_VARIABLE);
    char *path = cluster_environment_path(root != NULL ? root : CLUSTER_ROOT, unit->name);

    free(words);
    free(root);
    return path;
}

int unit_open(struct unit *unit, const char *word, bool user)
{
    char *error = NULL;

    *unit = (struct unit){.user = user};
    if (!good_name(word)) {
        command_message("'%s' is no name of a unit", word);
        return STATUS_USAGE;
    }
    unit->name = with_suffix(word);
    unit->is_template = strstr(unit->name, "@.") != NULL;
    if (!text_ends(unit->name, ".service")) {
        command_message("%s is no service: only a service runs a program that could be served", unit->name);
        return STATUS_NO_TARGET;
    }
    if (!unit_refresh(unit, &error)) {
        command_message("%s", error);
        free(error);
        return STATUS_FAILED;
    }
    char *id = unit_property(unit, "Id"); /* of an alias: the unit's own name */

    if (!unit->is_template && text_ends(id, ".service")) {
        free(unit->name);
        unit->name = text_copy(id);
    }
    free(id);
    char *top = configuration(user);

    unit->directory = text_format("%s/%s.d", top, unit->name);
    unit->dropin = text_format("%s/" DROPIN_NAME, unit->directory);
    unit->environment = text_format("%s/" DROPIN_ENVIRONMENT_NAME, unit->directory);
    unit->cluster = cluster_file(unit);
    free(top);
    return STATUS_OK;
}

void unit_close(struct unit *unit)
{
    free(unit->name);
    free(unit->show);
    free(unit->directory);
    free(unit->dropin);
    free(unit->environment);
    free(unit->cluster);
}

bool unit_usable(const struct unit *unit, char **error)
{
    char *state = unit_property(unit, "LoadState"), *why = unit_property(unit, "LoadError");

    *error = NULL;
    if (strcmp(state, "not-found") == 0)
        *error = text_format("there is no unit %s (systemctl list-unit-files '*.service' lists them)", unit->name);
    else if (strcmp(state, "masked") == 0)
        *error = text_format("%s is masked: systemctl unmask %s first", unit->name, unit->name);
    else if (strcmp(state, "loaded") != 0)
        *error = text_format("systemd could not load %s (%s) %s", unit->name, state, why);
    else if (unit_property_is(unit, "Transient", "yes"))
        *error = text_format("%s is transient (as systemd-run makes them): start it anew with "
                             "--property=Environment=LD_PRELOAD=...", unit->name);
    free(state);
    free(why);
    return *error == NULL;
}

char *unit_property(const struct unit *unit, const char *name)
{
    char *value = unit->show == NULL ? NULL : show_property(unit->show, name);

    return value == NULL ? text_copy("") : value;
}

bool unit_property_is(const struct unit *unit, const char *name, const char *value)
{
    char *now = unit_property(unit, name);
    bool same = strcmp(now, value) == 0;

    free(now);
    return same;
}

char *unit_stands_for(const struct unit *unit)
{
    char *parts = unit_property(unit, "ConsistsOf");
    struct text services = {NULL, 0};

    if (unit_property_is(unit, "Type", "oneshot"))
        for (char *save = NULL, *word = strtok_r(parts, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
            if (text_ends(word, ".service"))
                text_add_format(&services, "%s%s", services.length > 0 ? " " : "", word);
    free(parts);
    return services.text;
}

/* LD_PRELOAD in the files that the pattern names; `*value` is replaced when one of them has it. */
static void look_into_files(const char *pattern, char **value, bool *found)
{
    glob_t files;

    if (glob(pattern, 0, NULL, &files) != 0)
        return;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct edit_file file;
        char *error = NULL, *here = NULL;

        if (edit_read(files.gl_pathv[i], &file, &error))
            here = environment_file_value(file.text, "LD_PRELOAD");
        if (here != NULL) {
            free(*value);
            *value = here;
            *found = true;
        }
        free(error);
        edit_free(&file);
    }
    globfree(&files);
}

/* LD_PRELOAD in the cluster's file. */
static char *cluster_preload(const struct unit *unit)
{
    struct edit_file file;
    char *error = NULL, *value = NULL;

    if (edit_read(unit->cluster, &file, &error))
        value = cluster_variable(file.text, "LD_PRELOAD");
    free(error);
    edit_free(&file);
    return value;
}

char *unit_preload(const struct unit *unit, bool *from_file)
{
    *from_file = false;
    if (unit->cluster != NULL)
        return cluster_preload(unit);
    char *words = unit_property(unit, "Environment"), *value = show_environment(words, "LD_PRELOAD");
    char *block = NULL, *pattern, *error = NULL;
    const char *at = unit->show == NULL ? "" : unit->show;

    free(words);
    /* what the manager itself gives to all (DefaultEnvironment=, set-environment) counts least */
    if (value == NULL &&
        systemctl(unit->user, (const char *[]){"show-environment", NULL}, SHOW_SECONDS, &block, &error))
        value = show_property(block, "LD_PRELOAD");
    free(block);
    free(error);
    while ((pattern = show_next_environment_file(&at)) != NULL) {
        look_into_files(pattern, &value, from_file);
        free(pattern);
    }
    return value;
}

bool unit_call(const struct unit *unit, const char *verb, bool with_name, char **error)
{
    return systemctl(unit->user, (const char *[]){verb, with_name ? unit->name : NULL, NULL}, CALL_SECONDS,
                     NULL, error);
}

char *unit_program(const struct unit *unit)
{
    char *start = unit_property(unit, "ExecStart"), *path = strstr(start, "path=");
    char *program = NULL;

    if (path != NULL)
        program = text_copy_length(path + 5, strcspn(path + 5, " ;\n"));
    free(start);
    return program;
}

pid_t unit_main_process(const struct unit *unit)
{
    char *number = unit_property(unit, "MainPID");
    pid_t pid = (pid_t)atol(number);

    free(number);
    return pid;
}

pid_t *unit_processes(const struct unit *unit, size_t *count)
{
    struct targets all;
    char name[TARGET_NAME_SIZE];

    *count = 0;
    if (target_all(&all) != STATUS_OK)
        return NULL;
    for (size_t i = 0; i < all.count; i++)
        if (target_unit(all.pid[i], name) && strcmp(name, unit->name) == 0)
            all.pid[(*count)++] = all.pid[i];
    return all.pid;
}
