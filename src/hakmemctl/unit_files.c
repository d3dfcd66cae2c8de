/* SPDX-License-Identifier: MIT */
#include "hakmemctl/unit_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmemctl/cluster.h"
#include "hakmemctl/dropin.h"
#include "hakmemctl/text.h"
#include "hakmemctl/unit.h"

/*
 * The cluster's directory belongs to the server's user, who could put a link there and have another
 * file of root's written: none is followed.
 */
static bool read_cluster(const char *path, struct edit_file *file, char **error)
{
    char *end = realpath(path, NULL);
    bool straight = end == NULL || strcmp(end, path) == 0;

    free(end);
    if (!straight)
        *error = text_format("%s is reached through a symbolic link, which is not followed: write into it by hand",
                             path);
    return straight && edit_read(path, file, error);
}

bool unit_files_read(const struct unit *unit, struct unit_files *files, char **error)
{
    memset(files, 0, sizeof *files);
    return edit_read(unit->dropin, &files->dropin, error) &&
           edit_read(unit->environment, &files->environment, error) &&
           (unit->cluster == NULL || read_cluster(unit->cluster, &files->cluster, error));
}

void unit_files_free(struct unit_files *files)
{
    edit_free(&files->dropin);
    edit_free(&files->environment);
    edit_free(&files->cluster);
}

bool unit_files_are_ours(const struct unit_files *files)
{
    struct dropin dropin = {.ours = false};

    if (files->dropin.text != NULL)
        dropin_read(files->dropin.text, &dropin);
    free(dropin.rest);
    return dropin.ours || (files->cluster.text != NULL && cluster_is_ours(files->cluster.text));
}

/* ---- writing ---- */

static bool write_cluster(const char *path, const struct edit_file *file, const char *preload, char **error)
{
    if (!file->exists || cluster_includes(file->text)) {
        *error = file->exists ? text_format("%s takes other files in, which may set LD_PRELOAD too: write it by hand",
                                            path)
                              : text_format("there is no %s, from which the server would take it", path);
        return false;
    }
    char *text = cluster_with(file->text, preload);
    bool written = edit_write(path, text, strlen(text), file, error);

    free(text);
    return written;
}

/* The drop-in, and the environment file where one is needed. */
static bool write_dropin(const struct unit *unit, struct unit_files *files, const char *preload, bool from_file,
                         char **error)
{
    struct dropin old;

    dropin_read(files->dropin.text, &old);
    if (files->dropin.exists && !old.ours) {
        *error = text_format("%s was not made by hakmemctl enable; move it away first", unit->dropin);
        free(old.rest);
        return false;
    }
    if (!edit_make_directory(unit->directory, &files->made_directory, error)) {
        free(old.rest);
        return false;
    }
    char *variables = dropin_environment_text(preload);
    char *mine = dropin_text(preload, from_file ? unit->environment : NULL,
                             files->made_directory || old.made_directory);
    char *text = text_format("%s%s", mine, old.rest == NULL ? "" : old.rest);
    bool written = (!from_file || edit_write(unit->environment, variables, strlen(variables),
                                             &files->environment, error)) &&
                   edit_write(unit->dropin, text, strlen(text), &files->dropin, error);

    free(variables);
    free(mine);
    free(text);
    free(old.rest);
    return written;
}

bool unit_files_write(const struct unit *unit, struct unit_files *files, const char *preload, bool from_file,
                      char **error)
{
    return unit->cluster != NULL ? write_cluster(unit->cluster, &files->cluster, preload, error)
                                 : write_dropin(unit, files, preload, from_file, error);
}

/* ---- taking out ---- */

static bool remove_from_cluster(const char *path, const struct edit_file *file, char **error)
{
    char *text = cluster_without(file->text);
    bool done = edit_write(path, text, strlen(text), file, error);

    free(text);
    return done;
}

static bool remove_dropin(const struct unit *unit, const struct unit_files *files, char **error)
{
    struct dropin dropin;

    dropin_read(files->dropin.text, &dropin);
    bool done;

    if (!dropin.ours) {
        *error = text_format("%s was not made by hakmemctl enable; leaving it alone", unit->dropin);
        done = false;
    } else if (dropin.rest != NULL) {
        done = edit_write(unit->dropin, dropin.rest, strlen(dropin.rest), &files->dropin, error);
        if (done)
            printf("%s has lines that hakmemctl did not write: they stay\n", unit->dropin);
    } else {
        done = edit_remove(unit->dropin, error);
    }
    if (done && dropin.environment_file)
        done = edit_remove(unit->environment, error);
    if (done && dropin.made_directory)
        rmdir(unit->directory); /* stays when something else lies in it */
    free(dropin.rest);
    return done;
}

bool unit_files_remove(const struct unit *unit, const struct unit_files *files, char **error)
{
    if (unit->cluster != NULL && cluster_is_ours(files->cluster.text) &&
        !remove_from_cluster(unit->cluster, &files->cluster, error))
        return false;
    return !files->dropin.exists || remove_dropin(unit, files, error);
}

bool unit_files_restore(const struct unit *unit, const struct unit_files *files, char **error)
{
    bool done = edit_restore(unit->dropin, &files->dropin, error) &&
                edit_restore(unit->environment, &files->environment, error) &&
                (unit->cluster == NULL || edit_restore(unit->cluster, &files->cluster, error));

    if (done && files->made_directory)
        rmdir(unit->directory);
    return done;
}
