/* SPDX-License-Identifier: MIT */
/* A static variable is given to realloc. */
#include "misuse/misuse.h"

static char variable[4096] __attribute__((aligned(4096)));

int main(void)
{
    return realloc(opaque_pointer(variable), 100) == NULL;
}
