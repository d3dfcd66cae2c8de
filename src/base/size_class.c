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
#define POOL(size) {size, 0, 0, 0, 0}
const struct size_class size_class_table[CLASS_COUNT] = {
    SLAB_SIZES(SLAB)
    POOL(9216),
    POOL(10240),
    POOL(11264),
    POOL(12288),
    POOL(13312),
    POOL(14336),
    POOL(15360),
    POOL(16384),
    POOL(18432),
    POOL(20480),
    POOL(22528),
    POOL(24576),
    POOL(26624),
    POOL(28672),
    POOL(30720),
    POOL(32768),
    POOL(34816),
    POOL(36864),
    POOL(38912),
    POOL(40960),
    POOL(43008),
    POOL(45056),
    POOL(47104),
    POOL(49152),
    POOL(51200),
    POOL(53248),
    POOL(55296),
    POOL(57344),
    POOL(59392),
    POOL(61440),
    POOL(63488),
    POOL(65536),
};

/* Of `below` + 1 to `size` bytes, by steps of BLOCK_ALIGN; 0 bytes are a block as well. */
#define STEPS(class, below, size) [(below) / BLOCK_ALIGN + 1 ... (size) / BLOCK_ALIGN] = class,
const uint8_t size_class_of_steps[SIZE_SLAB_MAX / BLOCK_ALIGN + 1] = {[0] = 1, SLAB_SIZES(STEPS)};
