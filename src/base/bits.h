/* SPDX-License-Identifier: MIT */
/* Bits, alignment, and hints to the compiler. */
#ifndef HAKMEM_BASE_BITS_H
#define HAKMEM_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

#define CACHE_LINE 64

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* A miss of the fast path: out of line, away from the hot code. */
#define COLD __attribute__((noinline, cold))

/* On a declaration: another source of the library has it, so that it is reached without the GOT. */
#define HIDDEN __attribute__((visibility("hidden")))

#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline unsigned bits_lowest32(uint32_t x) { return (unsigned)__builtin_ctz(x); }
static inline unsigned bits_lowest64(uint64_t x) { return (unsigned)__builtin_ctzll(x); }
/* Position of the highest set bit; x must not be 0. */
static inline unsigned bits_highest(size_t x)
{
    return (unsigned)(8 * sizeof(long long) - 1) - (unsigned)__builtin_clzll(x);
}
static inline unsigned bits_count32(uint32_t x) { return (unsigned)__builtin_popcount(x); }
static inline unsigned bits_count64(uint64_t x) { return (unsigned)__builtin_popcountll(x); }

static inline bool bits_is_power_of_two(size_t x) { return x != 0 && (x & (x - 1)) == 0; }
/* `align` is a power of two; the result wraps to 0 when x is within `align` of SIZE_MAX. */
static inline size_t bits_round_up(size_t x, size_t align) { return (x + align - 1) & ~(align - 1); }
static inline size_t bits_round_down(size_t x, size_t align) { return x & ~(align - 1); }

#endif
