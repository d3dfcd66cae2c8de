/* SPDX-License-Identifier: MIT */
/* The middle of a block of 100 MiB is freed. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(100 << 20);

    free(opaque_pointer(block + (10 << 20)));
    go_on(100 << 20);
    return 0;
}
