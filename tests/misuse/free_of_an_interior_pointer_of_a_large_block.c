/* SPDX-License-Identifier: MIT */
/* The middle of a block of 1 MiB is freed. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(1 << 20);

    free(opaque_pointer(block + (1 << 18)));
    go_on(1 << 20);
    return 0;
}
