/* SPDX-License-Identifier: MIT */
/*
 * A dynamic symbol of a library in a live process, found in the memory of the
 * process alone: the file may be deleted, or lie in another mount namespace.
 */
#ifndef HAKMEMCTL_SYMBOL_H
#define HAKMEMCTL_SYMBOL_H

#include "hakmemctl/process.h"

/* Address of `name` in the object whose ELF header is mapped at `base`; 0: it has none, or is damaged. */
uint64_t symbol_find(const struct process *process, uint64_t base, const char *name);

#endif
