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

/*
 * Read a list of items. A bad item, and what is beyond the room, is told to
 * `bad` as one line of text and left out; the others count.
 */
typedef void prewarm_bad(void *context, const char *item, const char *text, size_t length);
void prewarm_parse(struct option_prewarm *list, const char *text, size_t length, prewarm_bad *bad,
                   void *context);

/* The list as the option accepts it. */
void prewarm_format(struct print_buffer *out, const struct option_prewarm *list);

#endif
