/* SPDX-License-Identifier: MIT */
/* Two blocks of 20 KiB are freed in turns, the first one twice; the program goes on without an audit. */
#include "misuse/misuse.h"

int main(void)
{
    enum { MORE = 300 };
    static void *block[MORE];
    void *first = malloc(20480);
    void *same = opaque_pointer(first);
    void *other = malloc(20480);

    free(first);
    free(other);
    free(same);
    for (int i = 0; i < MORE; i++)
        block[i] = malloc(20480);
    for (int i = 0; i < MORE; i++)
        free(block[i]);
    return 0;
}
