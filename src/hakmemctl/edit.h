/* SPDX-License-Identifier: MIT */
/*
 * Changing a file of the system so that nothing can be lost: the new contents are written to a
 * temporary file beside it, brought to the disk, and renamed over it. Whoever reads sees the old
 * file or the new one, whole; after a failure the old one stands as it was, and nothing is left
 * beside it.
 *
 *     /etc/.NAME.XXXXXX   written, mode, owner and security label of the old file, fsync
 *            | rename
 *     /etc/NAME           then fsync of the directory
 *
 * Functions that can fail return false and say why in `*error`, a text that the caller frees.
 */
#ifndef HAKMEMCTL_EDIT_H
#define HAKMEMCTL_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct edit_file {
    bool exists;
    char *text; /* its bytes, and a zero behind them; never NULL after edit_read */
    size_t size;
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

enum { EDIT_SIZE_MAX = 1 << 20 }; /* what these files never have; larger ones are refused */

/* Read a regular file whole. A file that is not there is no failure: exists is false, text is "". */
bool edit_read(const char *path, struct edit_file *file, char **error);
void edit_free(struct edit_file *file);

/* The same bytes, or both not there? */
bool edit_same(const struct edit_file *a, const struct edit_file *b);

/*
 * Give `path` these contents. `like` is the file that was read there before: its mode and owner are
 * kept; a new file is 0644 and owned by who runs this. A symbolic link is followed: the file at its
 * end is replaced. The directory must exist.
 */
bool edit_write(const char *path, const char *text, size_t size, const struct edit_file *like,
                char **error);

/* Bring `path` back to what edit_read saw: its bytes, or its absence. */
bool edit_restore(const char *path, const struct edit_file *before, char **error);

/* Remove a file; one that is not there is no failure. */
bool edit_remove(const char *path, char **error);

/* Make a directory and what leads to it (0755). `*made`: it was not there before. */
bool edit_make_directory(const char *path, bool *made, char **error);

#endif
