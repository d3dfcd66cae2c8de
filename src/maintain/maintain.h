/* SPDX-License-Identifier: MIT */
/* Looking at the whole allocator, and giving memory back on request. */
#ifndef HAKMEM_MAINTAIN_MAINTAIN_H
#define HAKMEM_MAINTAIN_MAINTAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "hakmem/hakmem.h"
#include "heap/heap.h"

/* Sums over all heaps and layers; h: the caller's heap, whose bins are counted. */
void maintain_stats(struct heap *h, struct hakmem_stats *stats);
/* The statistics as text. False with errno when it could not be written. */
bool maintain_print(struct heap *h, int fd);
/* Audits of all layers; the number of mismatches. */
size_t maintain_audit(struct heap *h, int fd);
/* Give back what is cached beyond about `keep` bytes; returns the bytes. */
size_t maintain_trim(struct heap *h, size_t keep);
/* Fill what the option `prewarm` names. */
void maintain_prewarm(struct heap *h);

#endif
