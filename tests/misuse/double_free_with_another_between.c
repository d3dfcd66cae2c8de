/* SPDX-License-Identifier: MIT */
/* A block is freed, then another, then the first again. */
#include "misuse/misuse.h"

int main(void)
{
    void *block = malloc(100);
    void *same = opaque_pointer(block);
    void *other = malloc(100);

    free(block);
    free(other);
    free(same);
    go_on(100);
    return 0;
}
