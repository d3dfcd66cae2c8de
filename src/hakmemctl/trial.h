/* SPDX-License-Identifier: MIT */
/*
 * Real programs under a new /etc/ld.so.preload, before anybody else has it.
 *
 * Each program runs in a mount namespace of its own, in which the new contents stand in the place of
 * the file; the machine's file is not touched:
 *
 *     the file is there    the new one is bound over it
 *     it is not there      /etc becomes a directory in memory, whose entries are links to the real
 *                          ones (bound elsewhere), with ld.so.preload beside them
 *
 * What a program does is compared with what it does without. Where a mount namespace is not
 * permitted, LD_PRELOAD takes its place, which the setuid program does not obey.
 */
#ifndef HAKMEMCTL_TRIAL_H
#define HAKMEMCTL_TRIAL_H

#include <stdbool.h>

struct trial {
    bool by_variable; /* no namespace was to be had: tried with LD_PRELOAD */
    unsigned tried, failed;
    bool only_32_bit; /* all that failed are 32-bit programs, which work, but write an error */
};

/*
 * Run them all under a file with these contents; a line for each goes to standard output. False with
 * `*error` when the trial could not be made.
 */
bool trial_run(const char *contents, struct trial *trial, char **error);

#endif
