/* SPDX-License-Identifier: MIT */
/* The address of the ninth byte of a block is freed. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(100);

    free(opaque_pointer(block + 8));
    return 0;
}
