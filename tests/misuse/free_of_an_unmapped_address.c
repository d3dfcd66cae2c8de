/* SPDX-License-Identifier: MIT */
/* An address at which nothing is mapped is freed. */
#include "misuse/misuse.h"

int main(void)
{
    free(opaque_pointer((void *)(uintptr_t)0x100000000000));
    return 0;
}
