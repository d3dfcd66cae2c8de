/* SPDX-License-Identifier: MIT */
/* The usable size of a static variable is asked for. */
#include "misuse/misuse.h"

static char variable[4096] __attribute__((aligned(4096)));

int main(void)
{
    return malloc_usable_size(opaque_pointer(variable)) == 1;
}
