/* SPDX-License-Identifier: MIT */
/* The middle of a block of 20 KiB is freed. */
#include "misuse/misuse.h"

int main(void)
{
    char *block = malloc(20480);

    free(opaque_pointer(block + 4096));
    go_on(20480);
    return 0;
}
