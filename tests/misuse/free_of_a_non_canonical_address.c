/* SPDX-License-Identifier: MIT */
/* An address that no x86-64 process can have is freed. */
#include "misuse/misuse.h"

int main(void)
{
    free(opaque_pointer((void *)(uintptr_t)0x8000000000001000));
    return 0;
}
