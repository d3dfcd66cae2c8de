/* SPDX-License-Identifier: MIT */
/* A block of 1 MiB is freed twice. */
#include "misuse/misuse.h"

int main(void)
{
    void *block = malloc(1 << 20);
    void *same = opaque_pointer(block);

    free(block);
    free(same);
    go_on(1 << 20);
    return 0;
}
