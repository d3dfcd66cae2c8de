/* SPDX-License-Identifier: MIT */
/* The options of a live process: each value in force, and where it came from. */
#ifndef HAKMEMCTL_SETTINGS_H
#define HAKMEMCTL_SETTINGS_H

#include "hakmemctl/process.h"

struct setting {
    char name[sizeof ((struct hakmem_page_option *)0)->name];
    char value[512];   /* as a configuration file accepts it */
    char origin[512];  /* "default", "environment", "/etc/hakmem.conf:3", "preset lowmem, ..." */
    bool at_run_time;  /* a reload may change it */
};

/*
 * Call visit for each option, in the order of the process's own table. False
 * with the reason in process->error: it is too old to tell, or damaged.
 */
bool settings_read(struct process *process, void (*visit)(const struct setting *setting, void *context),
                   void *context);

/* The value of one option, "" when it has none of that name or cannot tell. */
void settings_value(struct process *process, const char *name, char *value, size_t size);

#endif
