/* SPDX-License-Identifier: MIT */
/* Stands in front of liburcu for the models: a reader is nothing but a walk that is counted. */
#ifndef HAKMEM_MODELS_URCU_BP_H
#define HAKMEM_MODELS_URCU_BP_H

static inline void rcu_read_lock(void) {}
static inline void rcu_read_unlock(void) {}
static inline int rcu_read_ongoing(void) { return 0; }
static inline void synchronize_rcu(void) {}
static inline void urcu_bp_before_fork(void) {}
static inline void urcu_bp_after_fork_parent(void) {}
static inline void urcu_bp_after_fork_child(void) {}

#endif
