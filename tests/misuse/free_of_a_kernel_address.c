/* SPDX-License-Identifier: MIT */
/* An address of the kernel is freed. */
#include "misuse/misuse.h"

int main(void)
{
    free(opaque_pointer((void *)(uintptr_t)0xffffffff80000000));
    return 0;
}
