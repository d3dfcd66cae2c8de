/* SPDX-License-Identifier: MIT */
/* The same block is freed twice, with nothing between. */
#include "misuse/misuse.h"

int main(void)
{
    void *block = malloc(100);
    void *same = opaque_pointer(block);

    free(block);
    free(same);
    go_on(100);
    return 0;
}
