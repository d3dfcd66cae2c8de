/* SPDX-License-Identifier: MIT */
/*
 * hakmem for every program of the machine: its line in /etc/ld.so.preload.
 *
 * What the file was before is kept, byte for byte, in SYSTEM_STATE, because the file itself has no
 * place for a note (see preload.h on comments):
 *
 *     hakmemctl 1 existed=1 entry=/usr/lib/libhakmem.so.1\n   then the bytes
 */
#ifndef HAKMEMCTL_SYSTEM_H
#define HAKMEMCTL_SYSTEM_H

#include <stdbool.h>

#define SYSTEM_FILE "/etc/ld.so.preload"
#define SYSTEM_STATE_DIRECTORY "/var/lib/hakmem"
#define SYSTEM_STATE SYSTEM_STATE_DIRECTORY "/ld.so.preload.before"

/* `library`: a file, or NULL for the installed one. `force`: 32-bit programs may write an error. */
int system_enable(const char *library, bool force);
int system_disable(void);

/* Does the file name hakmem? False also when it cannot be read. */
bool system_enabled(void);

#endif
