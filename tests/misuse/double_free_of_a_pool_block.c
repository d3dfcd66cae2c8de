/* SPDX-License-Identifier: MIT */
/* A block of 20 KiB is freed twice. */
#include "misuse/misuse.h"

int main(void)
{
    void *block = malloc(20480);
    void *same = opaque_pointer(block);
    void *other = malloc(20480);

    free(block);
    free(same);
    go_on(20480);
    free(other);
    return 0;
}
