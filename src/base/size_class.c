/* SPDX-License-Identifier: MIT */
#include "base/size_class.h"

/* X(class, bytes of the class below it, bytes) */
#define SLAB_SIZES(X) \
    X(1, 0, 16) X(2, 16, 32) X(3, 32, 48) X(4, 48, 64) \
    X(5, 64, 80) X(6, 80, 96) X(7, 96, 112) X(8, 112, 128) \
    X(9, 128, 160) X(10, 160, 192) X(11, 192, 224) X(12, 224, 256) \
    X(13, 256, 320) X(14, 320, 384) X(15, 384, 448) X(16, 448, 512) \
    X(17, 512, 640) X(18, 640, 768) X(19, 768, 896) X(20, 896, 1024) \
    X(21, 1024, 1280) X(22, 1280, 1536) X(23, 1536, 1792) X(24, 1792, 2048) \
    X(25, 2048, 2304) X(26, 2304, 2560) X(27, 2560, 2816) X(28, 2816, 3072) \
    X(29, 3072, 3392) X(30, 3392, 3584) X(31, 3584, 3840) X(32, 3840, 4096) \
    X(33, 4096, 4352) X(34, 4352, 4672) X(35, 4672, 4992) X(36, 4992, 5440) \
    X(37, 5440, 5952) X(38, 5952, 6528) X(39, 6528, 7232) X(40, 7232, 8192)
/* The same in KiB. */
#define POOL_SIZES(X) \
    X(41, 8, 9) X(42, 9, 10) X(43, 10, 11) X(44, 11, 12) \
    X(45, 12, 13) X(46, 13, 14) X(47, 14, 15) X(48, 15, 16) \
    X(49, 16, 18) X(50, 18, 20) X(51, 20, 22) X(52, 22, 24) \
    X(53, 24, 26) X(54, 26, 28) X(55, 28, 30) X(56, 30, 32) \
    X(57, 32, 34) X(58, 34, 36) X(59, 36, 38) X(60, 38, 40) \
    X(61, 40, 42) X(62, 42, 44) X(63, 44, 46) X(64, 46, 48) \
    X(65, 48, 50) X(66, 50, 52) X(67, 52, 54) X(68, 54, 56) \
    X(69, 56, 58) X(70, 58, 60) X(71, 60, 62) X(72, 62, 64)
/*
 * batch: 64, or 4 KiB, but at least 1; rejoin: a sixteenth of the capacity, but
 * at least 1: a full slab that came back with its first free block would cost
 * a refill for each malloc. tests/unit/test_size_class.c checks each row
 * against these rules.
 */
#define CAPACITY(size) ((unsigned)GRANULE / (size))
#define AT_LEAST_1(n) ((n) > 1 ? (n) : 1)
#define BATCH(size) ((size) <= 64 ? 64 : AT_LEAST_1(4096 / (size)))
#define SLAB(class, below, size) \
    [class] = {size, CAPACITY(size), BATCH(size), AT_LEAST_1(CAPACITY(size) / 16), ((1ull << 32) + size - 1) / size},
#define POOL(class, below, kib) [class] = {(kib) * 1024, 0, 0, 0, 0},
const struct size_class size_class_table[CLASS_COUNT] = {
    SLAB_SIZES(SLAB)
    POOL_SIZES(POOL)
};

/* Of `below` + 1 to `size` bytes, by steps of BLOCK_ALIGN; 0 bytes are a block as well. */
#define STEPS(class, below, size) [(below) / BLOCK_ALIGN + 1 ... (size) / BLOCK_ALIGN] = class,
const uint8_t size_class_of_steps[SIZE_SLAB_MAX / BLOCK_ALIGN + 1] = {[0] = 1, SLAB_SIZES(STEPS)};

#define KIBS(class, below, kib) [(below) + 1 ... (kib)] = class,
const uint8_t pool_class_of_kib[SIZE_POOL_MAX / KIB + 1] = {POOL_SIZES(KIBS)};
