/* SPDX-License-Identifier: MIT */
/* A thread frees a block of the main thread twice. */
#include "misuse/misuse.h"

static void *twice(void *block)
{
    void *same = opaque_pointer(block);

    free(block);
    free(same);
    return NULL;
}

int main(void)
{
    in_another_thread(twice, malloc(100));
    go_on(100);
    return 0;
}
