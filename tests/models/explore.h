/* SPDX-License-Identifier: MIT */
/*
 * A model checker for the real sources: every interleaving of a few threads.
 *
 * Code under test is compiled with -fsanitize=thread, but not linked with that
 * runtime: explore.c defines the functions that the compiler then calls.
 *
 *   atomic access   a point where any other thread may go on; all orders are
 *                   tried, depth first, each from the start. An execution ends
 *                   early in a state that was met before.
 *   plain access    checked for a data race with vector clocks. A clock moves
 *                   along release and acquire only, so an order that is weaker
 *                   than what the code relies on is a race in some execution.
 *                   Without races the place of plain accesses does not matter.
 *   store           to an address that explore_delay names, unless seq_cst: waits
 *                   in a buffer of its thread and reaches memory later, in any
 *                   order that a release store and one address allow: it is
 *                   passed by later loads (as on x86) and stores (as on ARM).
 *
 * Not modelled: loads that are early, failures of a weak compare-and-swap
 * without a reason, a read-modify-write that is not a full barrier.
 *
 * State of the program between two executions: .data, .bss, what explore_save
 * names, and one thread-local word. What is compiled without the flag (this
 * folder's support.c) runs unseen, as part of the step it is called from.
 */
#ifndef HAKMEM_TESTS_EXPLORE_H
#define HAKMEM_TESTS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

struct explore_model {
    const char *name;
    void (*setup)(void);  /* once, unseen: makes the first state, calls explore_thread */
    void (*finish)(void); /* after each execution, unseen: checks the last state */
};

/* The thread-local word of the code under test; NULL: none. Constant after start. */
extern void **explore_tls;

/* From setup: a thread, at most EXPLORE_THREADS; tls: its word. */
enum { EXPLORE_THREADS = 5 };
void explore_thread(void (*body)(void *argument), void *argument, void *tls);
/* From setup: memory outside .data and .bss that an execution changes. */
void explore_save(void *start, size_t size);
/* From setup: part of .bss, at most one, that no execution changes. */
void explore_constant(void *start, size_t size);
/* From setup: atomic words that no thread writes: a load of one is no step. */
void explore_fixed(const void *start, size_t size);
/* From setup: a word whose stores may be late. All others reach memory at once. */
void explore_delay(const void *address);
/* From setup: how the trace of a failure calls an address. */
void explore_name(const void *address, size_t size, const char *name);

/* The execution is wrong: prints the text and the trace, and ends the program with 1. */
_Noreturn void explore_fail(const char *text, const char *file, int line);
#define explore_require(condition) \
    ((condition) ? (void)0 : explore_fail(#condition, __FILE__, __LINE__))

/* For code that runs unseen: a plain write as if it had been seen. */
void explore_write(void *address);

/* A mutex. */
void explore_lock(void *lock);
void explore_unlock(void *lock);

/* Explore all models; exit status. Prints a line for each. */
int explore_main(const struct explore_model *models, size_t count, int argc, char **argv);

#endif
