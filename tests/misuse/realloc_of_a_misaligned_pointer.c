/* SPDX-License-Identifier: MIT */
/* The address of the second byte of a block is given to realloc. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(100);

    return realloc(opaque_pointer(block + 1), 5000) == NULL;
}
