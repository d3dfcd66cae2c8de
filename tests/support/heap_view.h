/* SPDX-License-Identifier: MIT */
/* What the tests of the heap share: the heap of the main thread, seen from outside. */
#ifndef TESTS_SUPPORT_HEAP_VIEW_H
#define TESTS_SUPPORT_HEAP_VIEW_H

#include "heap/heap.h"

/* Of the main thread; set by heap_view_start. */
extern struct heap *mine;

/*
 * Set-up of a test: default options, except that no memory goes back because of
 * its age; no heap has a slab, nothing is in use.
 */
int heap_view_start(void **state);
/* The same for a thread that may hold so little that no slab joins the held one. */
int heap_view_start_without_joining(void **state);
#define TEST_WITHOUT_JOINING(name) cmocka_unit_test_setup_teardown(name, heap_view_start_without_joining, heap_view_end)
/* Tear-down: fails when something is in use after a trim, or the audit finds a mismatch. */
int heap_view_end(void **state);

size_t list_length(const struct block *list);
/* Blocks of the slabs of h that are neither free nor in a bin: live, or on their way home. */
size_t heap_view_live(struct heap *h);

/*
 * Ends the program unless every slab of h and every bin is as heap.h and
 * registry.h say. Owner only.
 */
void heap_view_check(struct heap *h);

/* Run body(argument) in a thread of its own, to its end. */
void run_in_thread(void (*body)(void *), void *argument);

/* Slabs and bytes that somebody uses. */
size_t slabs_in_use(void);
size_t pool_in_use(void);
/* Bytes of memory that the live block p takes: in the pool, of whole units. */
size_t footprint_of(const void *p);

#endif
