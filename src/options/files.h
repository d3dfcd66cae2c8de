/* SPDX-License-Identifier: MIT */
/*
 * Which configuration files there are, in what order, and whom their sections
 * mean. Private to src/options, and for the operators' tool. One caller at a
 * time: the text of a file and the names are in static memory.
 */
#ifndef HAKMEM_OPTIONS_FILES_H
#define HAKMEM_OPTIONS_FILES_H

#include "options/config.h"

enum {
    FILE_SIZE_MAX = 128 << 10, /* a longer one is taken for something else */
    FILE_NAMES = 32,           /* files of one process; of conf.d as many */
    FILE_NAME_SIZE = 256,
    FILE_PATH_SIZE = 4096,
};

/* Names of the files that a source may name, from number 1; "" ends. Written before a source is. */
extern char files_name[FILE_NAMES][FILE_NAME_SIZE];
const char *files_name_of(uint64_t source);

/* The directory of hakmem.conf and hakmem.conf.d; a test may set another one. Never from outside. */
extern const char *files_directory;

/*
 * Read DIRECTORY/hakmem.conf, DIRECTORY/hakmem.conf.d/NAME.conf in the order of
 * their bytes, then `conf` ("": none). A file that is not there is no mistake,
 * but for `conf`. Fills path, file and rank of the reader.
 */
void files_read(struct config_reader *reader, const char *conf);
/* One file; `required`: that it is not there is a mistake. */
void files_read_one(struct config_reader *reader, const char *path, bool required);

/*
 * For config_reader.is_meant. A program is known by its executable, and by the
 * name that it was started by (a link to it, a script), which AT_SECURE leaves out.
 */
bool files_is_meant(enum config_section section, const char *pattern, size_t length);

#endif
