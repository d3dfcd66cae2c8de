/* SPDX-License-Identifier: MIT */
/* Looking at the whole allocator, and giving memory back on request. */
#ifndef HAKMEM_MAINTAIN_MAINTAIN_H
#define HAKMEM_MAINTAIN_MAINTAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "hakmem/hakmem.h"
#include "hakmem/introspect.h"
#include "heap/heap.h"

/* Sums over all heaps and layers; h: the caller's heap, whose bins are counted. */
void maintain_stats(struct heap *h, struct hakmem_stats *stats);
/* The statistics as text. False with errno when it could not be written. */
bool maintain_print(struct heap *h, int fd);
/* Audits of all layers; the number of mismatches. */
size_t maintain_audit(struct heap *h, int fd);
/* Give back what is cached beyond about `keep` bytes; returns the bytes. */
size_t maintain_trim(struct heap *h, size_t keep);
/* The same without waiting for a grace period, for slow paths of malloc and free. */
size_t maintain_purge(struct heap *h, size_t keep);
/* Fill what the option `prewarm` names. */
void maintain_prewarm(struct heap *h);

/*
 * command.c: the commands from outside (hakmem/introspect.h). Answers what
 * waits, unless another thread is at it; to be called with no lock held, as
 * heap_answer. Keeps errno, waits for nothing.
 */
void maintain_answer(struct heap *h);
/* In the child of a fork: who was answering is not there. */
void maintain_fork_child(void);
extern struct hakmem_command maintain_commands[HAKMEM_COMMAND_COUNT];

#endif
