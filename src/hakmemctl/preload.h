/* SPDX-License-Identifier: MIT */
/*
 * Lists of libraries to preload, as the dynamic loader reads them: the value of LD_PRELOAD, where
 * blanks or colons separate, and the file /etc/ld.so.preload, where white space or colons do, and
 * where `#` begins a comment. Pure functions on texts; results are new and the caller frees them.
 *
 * hakmem's entry stands first: of several libraries that define malloc the first one serves.
 *
 * Nothing of ours is ever written as a comment: the loader of glibc 2.36 blanks the first comment
 * of the file and, depending on lengths, takes the words of later ones for libraries (seen with
 * three comment lines: "object '#' from /etc/ld.so.preload cannot be preloaded").
 */
#ifndef HAKMEMCTL_PRELOAD_H
#define HAKMEMCTL_PRELOAD_H

#include <stdbool.h>
#include <stddef.h>

#define PRELOAD_SONAME "libhakmem.so.1"

/* Is this entry some version of hakmem, by its file name? */
bool preload_entry_is_ours(const char *entry, size_t length);

/* ---- LD_PRELOAD ---- */

/* Walk through the entries: `*at` starts as the list; false at its end. */
bool preload_next(const char **at, const char **entry, size_t *length);

bool preload_has_ours(const char *list);

/* The list (NULL: none) with `entry` in front, and with hakmem's other entries taken out. */
char *preload_with(const char *list, const char *entry);

/* ---- /etc/ld.so.preload ---- */

bool preload_file_has_ours(const char *text);

/* The file with a line for `entry` in front; everything else stays as it is, byte for byte. */
char *preload_file_with(const char *text, const char *entry);

/* The file without hakmem's entries: a line that held nothing else goes, the rest stays. */
char *preload_file_without(const char *text);

/* The entries outside of comments in front of hakmem's first one, as an LD_PRELOAD; NULL: none. */
char *preload_file_in_front(const char *text);

/* All entries outside of comments, as an LD_PRELOAD; NULL: none. */
char *preload_file_entries(const char *text);

#endif
