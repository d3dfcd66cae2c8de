/* SPDX-License-Identifier: MIT */
/*
 * What the tests of single modules share. They call the functions inside of
 * the library, which is linked statically under its prefix, so that nothing of
 * the test program but the test itself uses the module.
 */
#ifndef TESTS_SUPPORT_UNIT_H
#define TESTS_SUPPORT_UNIT_H

#include <stdbool.h>

/* A RUN option, to be read and set. START options are in hakmem_options. */
#define OPTION_SET(name) (hakmem_options_run[options_current].name)

/*
 * Set-up of a group, or of a test: every option has its default and can be
 * written (the library seals its settings before main), and no call to the
 * system is made to fail.
 */
int unit_defaults(void **state);

/*
 * options_start(envp, secure); what it writes to standard error is in
 * unit_messages afterwards, which ends with a 0.
 */
void unit_options_start(char *const *envp, bool secure);
extern char unit_messages[8192];

/*
 * Run `body` in a forked child, which ends with status 0 when it returns.
 * Returns the wait status. In the child, `require` checks, not cmocka's asserts.
 */
int unit_child_status(void (*body)(void));

#endif
