/* SPDX-License-Identifier: MIT */
#include "base/size_class.h"

/* X(class, bytes of the class below it, bytes) */
#define SLAB_SIZES(X) \
    X(1, 0, 16) X(2, 16, 32) X(3, 32, 48) X(4, 48, 64) \
    X(5, 64, 80) X(6, 80, 96) X(7, 96, 112) X(8, 112, 128) \
    X(9, 128, 160) X(10, 160, 192) X(11, 192, 224) X(12, 224, 256) \
    X(13, 256, 320) X(14, 320, 384) X(15, 384, 448) X(16, 448, 512) \
    X(17, 512, 640) X(18, 640, 768) X(19, 768, 896) X(20, 896, 1024) \
    X(21, 1024, 1280) X(22, 1280, 1536) X(23, 1536, 1792) X(25, 1792, 2112) \
    X(26, 2112, 2304) X(27, 2304, 2560) X(28, 2560, 2816) X(29, 2816, 3072) \
    X(30, 3072, 3392) X(31, 3392, 3584) X(32, 3584, 3840) X(34, 3840, 4352) \
    X(35, 4352, 4672) X(36, 4672, 4992) X(37, 4992, 5440) X(38, 5440, 5952) \
    X(39, 5952, 6528) X(40, 6528, 7232) X(41, 7232, 8128) X(42, 8128, 8192)
/* For blocks that are to be aligned. */
#define SLAB_ALIGNED_SIZES(X) X(24, 1792, 2048) X(33, 3840, 4096)
/* X(class, units of the class below it, units) */
#define POOL_SIZES(X) \
    X(43, 8, 9) X(44, 9, 10) X(45, 10, 11) X(46, 11, 13) X(47, 13, 14) X(48, 14, 15) X(50, 15, 17) X(51, 17, 19) \
    X(52, 19, 21) X(53, 21, 23) X(54, 23, 25) X(55, 25, 27) X(56, 27, 29) X(57, 29, 31) X(59, 31, 33) \
    X(60, 33, 35) X(61, 35, 37) X(62, 37, 39) X(63, 39, 41) X(64, 41, 43) X(65, 43, 45) X(66, 45, 47) \
    X(67, 47, 49) X(68, 49, 51) X(69, 51, 53) X(70, 53, 55) X(71, 55, 57) X(72, 57, 59) X(73, 59, 61) \
    X(74, 61, 63) X(76, 63, 65)
#define POOL_ALIGNED_SIZES(X) X(49, 15, 16) X(58, 31, 32) X(75, 63, 64)
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
#define POOL(class, below, units) [class] = {(units) * POOL_UNIT - POOL_COLOUR_ROOM, 0, 0, 0, 0},
#define POOL_ALIGNED(class, below, units) [class] = {(units) * POOL_UNIT, 0, 0, 0, 0},
const struct size_class size_class_table[CLASS_COUNT] = {
    SLAB_SIZES(SLAB)
    SLAB_ALIGNED_SIZES(SLAB)
    POOL_SIZES(POOL)
    POOL_ALIGNED_SIZES(POOL_ALIGNED)
};

#define SIZE(class, below, size) [class] = size,
#define FOOTPRINT(class, below, units) [class] = (units) * POOL_UNIT,
const uint32_t size_class_footprints[CLASS_COUNT] = {
    SLAB_SIZES(SIZE)
    SLAB_ALIGNED_SIZES(SIZE)
    POOL_SIZES(FOOTPRINT)
    POOL_ALIGNED_SIZES(FOOTPRINT)
};

/* Of `below` + 1 to `size` bytes, by steps of BLOCK_ALIGN; 0 bytes are a block as well. */
#define STEPS(class, below, size) [(below) / BLOCK_ALIGN + 1 ... (size) / BLOCK_ALIGN] = class,
const uint8_t size_class_of_steps[SIZE_SLAB_MAX / BLOCK_ALIGN + 1] = {[0] = 1, SLAB_SIZES(STEPS)};

#define NEEDS(class, below, units) [(below) + 1 ... (units)] = class,
const uint8_t pool_class_of_need[POOL_UNITS_MAX + 1] = {POOL_SIZES(NEEDS)};

#define UNITS(class, below, units) [units] = class,
const uint8_t pool_class_of_units[POOL_UNITS_MAX + 1] = {POOL_SIZES(UNITS) POOL_ALIGNED_SIZES(UNITS)};
