/* SPDX-License-Identifier: MIT */
/*
 * What another process reads of a live hakmem process: the layout of the
 * exported object `hakmem_page`.
 *
 * A reader finds the library in /proc/PID/maps, the dynamic symbol
 * `hakmem_page` in it, and reads the page and what it points to with
 * process_vm_readv or /proc/PID/mem. The target does not take part. Heaps and
 * counters stay mapped for the life of the process, so that an address that
 * was once valid never leaves the map; the values move while they are read.
 *
 *   hakmem_page    word    newest heap           older heap
 *   +---------------+      +------------------+      +--------
 *   | magic ...     |  +-->| ...              |  +-->|
 *   | heaps  --> [--+--+   | at heap_next:  --+--+   |
 *   | ...           |      | at heap_counters:|
 *   +---------------+      |  uint64[count]   |
 *                          +------------------+
 *
 * All fields are of fixed size, in the byte order of the machine.
 * Pointers are addresses in the target. A field is never removed or moved
 * within a layout version; new ones are added at the end and `size` grows.
 * Since version 0.1.
 */
#ifndef HAKMEM_INTROSPECT_H
#define HAKMEM_INTROSPECT_H

#include <stdint.h>

#define HAKMEM_PAGE_MAGIC "hakmem\0\1" /* 8 bytes, the final NUL not counted */
#define HAKMEM_PAGE_LAYOUT 1u

/* Bits of hakmem_page.flags */
#define HAKMEM_PAGE_STARTED 1u /* the fields below are filled */

struct hakmem_page {
    char magic[8];          /* constant: HAKMEM_PAGE_MAGIC */
    uint32_t layout;        /* constant: HAKMEM_PAGE_LAYOUT */
    uint32_t size;          /* constant: bytes of this structure */
    uint32_t flags;         /* written last, with release order; all below is constant after it */
    uint32_t counter_count; /* counters of a heap */
    uint64_t counter_names; /* address of uint64[counter_count]: addresses of their names */
    uint64_t version;       /* address of the text of hakmem_version */
    uint64_t heaps;         /* address of the uint64 that holds the address of the newest heap */
    uint32_t heap_next;     /* offset in a heap of the uint64 address of the next older one; 0 ends */
    uint32_t heap_counters; /* offset in a heap of uint64[counter_count] */
};

#endif
