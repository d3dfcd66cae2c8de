/* SPDX-License-Identifier: MIT */
/* A static variable is freed. */
#include "misuse/misuse.h"

static char variable[4096] __attribute__((aligned(4096)));

int main(void)
{
    free(opaque_pointer(variable));
    return 0;
}
