/* SPDX-License-Identifier: MIT */
/* A variable of the stack is freed. */
#include "misuse/misuse.h"

int main(void)
{
    char variable[64] __attribute__((aligned(64)));

    free(opaque_pointer(variable));
    return 0;
}
