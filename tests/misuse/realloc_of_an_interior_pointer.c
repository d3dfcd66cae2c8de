/* SPDX-License-Identifier: MIT */
/* The middle of a block is given to realloc. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(640);
    void *moved = realloc(opaque_pointer(block + 320), 5000);

    go_on(640);
    free(moved);
    return 0;
}
