/* SPDX-License-Identifier: MIT */
/*
 * The name that someone who mistyped one most likely meant.
 */
#ifndef HAKMEMCTL_NEAREST_H
#define HAKMEMCTL_NEAREST_H

#include <stddef.h>

/* One of `names`, or NULL when none is near. */
const char *nearest_name(const char *text, const char *const *names, size_t count);

/* The options of the library, in the order of their table. */
extern const char *const option_names[];
extern const size_t option_names_count;

/* The name in the table that is `text`, case ignored; NULL when there is none. */
const char *option_name_find(const char *text);

#endif
