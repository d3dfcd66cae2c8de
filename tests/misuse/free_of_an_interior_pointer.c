/* SPDX-License-Identifier: MIT */
/* The middle of a block is freed by its owner. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(640);

    free(opaque_pointer(block + 320));
    go_on(640);
    return 0;
}
