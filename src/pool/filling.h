/* SPDX-License-Identifier: MIT */
/*
 * Does the program fill the blocks of the pool that it takes?
 *
 *   a block   | link, header, text .... | . . . x . . | never written? |
 *             0                           3/4 of it: 4 KiB there are looked at
 *
 *   history   1 1 0 1 1 1 1 1    a bit for each of the last eight blocks that came back and were looked at
 *
 * Where it does, pages are faulted in ahead, many in one call, and huge ones are
 * asked for. Where it does not (buffers of 64 KiB for lines of 100 bytes), that
 * would make resident what nobody touches. So both wait until six of eight blocks
 * that came back had been written to, and stop when fewer had. Blocks in use are
 * never looked at: the program may have taken away the access to their pages. The
 * kernel is not asked, either: doc/DECISIONS.md.
 *
 * Eight more looks are asked for whenever new memory was handed out, so that what
 * is known is of now, and costs nothing while nothing grows.
 *
 * All of it is guarded by pool_lock, which each caller holds.
 */
#ifndef HAKMEM_POOL_FILLING_H
#define HAKMEM_POOL_FILLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct filling {
    uint8_t history; /* the youngest look is bit 0 */
    uint8_t asked;   /* looks still to be taken */
};
extern struct filling filling;

#define FILLING_PIECE ((size_t)4096) /* what is looked at of a block: a page of the usual size */

/*
 * Look at a block of `size` bytes that has come back from the program; only while
 * looks are asked for. Returns the piece that was looked at, all of it in the
 * block, when it holds nothing: it may have been touched by the look alone.
 */
void *filling_look(void *block, size_t size);
/* New memory is handed out: eight more looks. */
void filling_ask(void);
/* Will blocks that are handed out now be filled? */
bool filling_expected(void);

#endif
