/* SPDX-License-Identifier: MIT */
/* A number is taken for a pointer. */
#include "misuse/misuse.h"

int main(void)
{
    free(opaque_pointer((void *)(uintptr_t)48));
    return 0;
}
