/* SPDX-License-Identifier: MIT */
/* The list type of the option `prewarm`. Private to src/options. */
#ifndef HAKMEM_OPTIONS_PREWARM_H
#define HAKMEM_OPTIONS_PREWARM_H

#include "base/print.h"
#include "options/options.h"

/*
 * Read one item, SIZE:COUNT, superslabs:COUNT or pool:SIZE. Sizes and counts
 * are 1 at least; a count fits 32 bits, a size PTRDIFF_MAX.
 */
bool prewarm_parse_item(const char *text, size_t length, struct option_prewarm_item *item);

/* The list as the option accepts it. */
void prewarm_format(struct print_buffer *out, const struct option_prewarm *list);

#endif
