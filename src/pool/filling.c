/* SPDX-License-Identifier: MIT */
#include "pool/filling.h"

#include "base/bits.h"

#define LOOKS 8
/* Of the last LOOKS, so many must have been filled. */
#define FILLED_LEAST 6

struct filling filling = {.asked = LOOKS};

/* Has somebody written into the piece? What the kernel gives is zero. */
static bool filling_is_written(const uint64_t *piece)
{
    for (size_t i = 0; i < FILLING_PIECE / sizeof *piece; i++) {
        if (piece[i] != 0)
            return true;
    }
    return false;
}

void *filling_look(void *block, size_t size)
{
    filling.asked--;
    uintptr_t start = bits_round_down((uintptr_t)block + size / 4 * 3, FILLING_PIECE);
    if (start + FILLING_PIECE > (uintptr_t)block + size)
        start -= FILLING_PIECE; /* a block is larger than two pieces: its first one, with the link, is another */
    bool filled = filling_is_written((void *)start);
    filling.history = (uint8_t)(filling.history << 1 | filled);
    return filled ? NULL : (void *)start;
}

void filling_ask(void)
{
    filling.asked = LOOKS;
}

bool filling_expected(void)
{
    return bits_count32(filling.history) >= FILLED_LEAST;
}
