/* SPDX-License-Identifier: MIT */
/* The middle of a block is freed by a thread that does not own it. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(640);

    in_another_thread(freeing_thread, block + 320);
    go_on(640);
    return 0;
}
