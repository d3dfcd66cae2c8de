/* SPDX-License-Identifier: MIT */
/*
 * The files that turn hakmem on for a unit: the drop-in with, where one is needed, its environment
 * file (dropin.h), or the line in the file of a PostgreSQL cluster (cluster.h). They are read as they
 * are before anything is written, so that everything can be brought back.
 */
#ifndef HAKMEMCTL_UNIT_FILES_H
#define HAKMEMCTL_UNIT_FILES_H

#include <stdbool.h>

#include "hakmemctl/edit.h"

struct unit;

struct unit_files {
    struct edit_file dropin, environment, cluster; /* as they were when they were read */
    bool made_directory;                           /* unit_files_write made the drop-in's */
};

/* Functions that can fail return false and say why in `*error`, a text that the caller frees. */

/* To be freed in every case. */
bool unit_files_read(const struct unit *unit, struct unit_files *files, char **error);
void unit_files_free(struct unit_files *files);

/* Did enable write there? */
bool unit_files_are_ours(const struct unit_files *files);

/* Preload this. `from_file`: the unit has its LD_PRELOAD from an EnvironmentFile. */
bool unit_files_write(const struct unit *unit, struct unit_files *files, const char *preload, bool from_file,
                      char **error);

/* Take out what enable wrote, and nothing else. */
bool unit_files_remove(const struct unit *unit, const struct unit_files *files, char **error);

/* As they were when they were read. */
bool unit_files_restore(const struct unit *unit, const struct unit_files *files, char **error);

#endif
