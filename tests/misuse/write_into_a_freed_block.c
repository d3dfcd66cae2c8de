/* SPDX-License-Identifier: MIT */
/* A freed block is written into, so that the list of free blocks leads astray. */
#include "misuse/misuse.h"

int main(void)
{
    void *block = malloc(100);
    char *same = opaque_pointer(block);

    free(block);
    memset(same, 0x41, 100);
    go_on(100);
    return 0;
}
