/* SPDX-License-Identifier: MIT */
/* The owner frees its block, and another thread does so again. */
#include "misuse/misuse.h"

int main(void)
{
    void *block = malloc(100);
    void *same = opaque_pointer(block);

    free(block);
    in_another_thread(freeing_thread, same);
    go_on(100);
    return 0;
}
