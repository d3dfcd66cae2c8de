/* SPDX-License-Identifier: MIT */
/*
 * Atomics, the only place that names the compiler's builtins. The memory order
 * stands in the name of the operation; the field that is operated on says who
 * its partner is.
 *
 * `owner_*` are for fields that one thread writes without atomics and that
 * walkers (statistics, audit) may read at any moment: a plain access in the
 * product, so that `--s->countdown` stays one instruction, and a relaxed atomic
 * under ThreadSanitizer, which would otherwise report the walkers.
 *
 * `plain_load` is for the words that the hit paths read and that cannot change
 * under them (their owner, or a live block, keeps them as they are): the same
 * distinction, so that the compiler may use the word as a memory operand.
 */
#ifndef HAKMEM_BASE_ATOMIC_H
#define HAKMEM_BASE_ATOMIC_H

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define load_seq_cst(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define store_seq_cst(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define exchange_seq_cst(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define fetch_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define fetch_add_seq_cst(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
/* What is stored before comes before what is stored after; ThreadSanitizer knows no fences. */
#define fence_release() (HAKMEM_TSAN ? (void)0 : __atomic_thread_fence(__ATOMIC_RELEASE))
/* On failure *expected holds what was found. */
#define cas_weak_seq_cst(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#define cas_strong_seq_cst(p, expected, v) \
    __atomic_compare_exchange_n((p), (expected), (v), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#if defined(__SANITIZE_THREAD__)
#define HAKMEM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAKMEM_TSAN 1
#endif
#endif
#ifndef HAKMEM_TSAN
#define HAKMEM_TSAN 0
#endif

/*
 * Order that ThreadSanitizer cannot see, because it is made by code that is not
 * instrumented (liburcu, the kernel). Nothing in the product. What comes before
 * a tsan_release(p) happens before what follows a later tsan_acquire(p);
 * tsan_acquire_all() follows all that any thread has done so far. What runs in
 * a thread after the sanitizer has ended its state of it is TSAN_BLIND.
 */
#if HAKMEM_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
void __tsan_java_finalize(void); /* made for finalizers, which follow everything as well */
#define tsan_acquire(p) __tsan_acquire((void *)(p))
#define tsan_release(p) __tsan_release((void *)(p))
#define tsan_acquire_all() __tsan_java_finalize()
#define TSAN_BLIND __attribute__((noinline, no_sanitize("thread")))
#else
#define tsan_acquire(p) ((void)(p))
#define tsan_release(p) ((void)(p))
#define tsan_acquire_all() ((void)0)
#define TSAN_BLIND
#endif

#if HAKMEM_TSAN
#define plain_load(p) load_relaxed(p)
#define owner_load(p) load_relaxed(p)
#define owner_store(p, v) store_relaxed((p), (v))
#define owner_decrement(p) __extension__({                \
        __typeof__(*(p)) decremented_ = load_relaxed(p) - 1; \
        store_relaxed((p), decremented_);                 \
        decremented_;                                     \
    })
#else
#define plain_load(p) (*(p))
#define owner_load(p) (*(p))
#define owner_store(p, v) ((void)(*(p) = (v)))
#define owner_decrement(p) (--*(p))
#endif

#endif
