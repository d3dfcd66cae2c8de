/* SPDX-License-Identifier: MIT */
/*
 * Stands in front of src/base/atomic.h for the models: fields of one thread
 * are plain accesses here, so that a second thread at them is found; hints for
 * ThreadSanitizer are none for the explorer.
 */
#ifndef HAKMEM_MODELS_ATOMIC_H
#define HAKMEM_MODELS_ATOMIC_H

#include_next "base/atomic.h"

#undef plain_load
#undef owner_load
#undef owner_store
#undef owner_decrement
#undef tsan_acquire
#undef tsan_release
#undef tsan_acquire_all
#define tsan_acquire_all() ((void)0)
#define tsan_acquire(p) ((void)(p))
#define tsan_release(p) ((void)(p))
#define plain_load(p) (*(p))
#define owner_load(p) (*(p))
#define owner_store(p, v) ((void)(*(p) = (v)))
#define owner_decrement(p) (--*(p))

#endif
