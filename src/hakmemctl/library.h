/* SPDX-License-Identifier: MIT */
/*
 * Where is the library, as the dynamic loader of this machine finds it, and can everyone read it?
 */
#ifndef HAKMEMCTL_LIBRARY_H
#define HAKMEMCTL_LIBRARY_H

#include <stdbool.h>

struct library {
    char *entry; /* what stands in LD_PRELOAD: the soname when the loader knows it, else a path */
    char *path;  /* its file */
};

/*
 * `wanted`: a file that was asked for, or NULL: then the soname is tried, and after it the path it
 * was installed to. `services`: as a service finds it, so that LD_LIBRARY_PATH of this process does
 * not count. On failure `*error` is a text that the caller frees.
 */
bool library_find(const char *wanted, bool services, struct library *library, char **error);
void library_free(struct library *library);

/*
 * Which part of `path` keeps other users from reading the file: a directory that they may not pass,
 * or the file. NULL: nothing does. A text that the caller frees.
 */
char *library_hidden_by(const char *path);

#endif
