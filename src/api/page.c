/* SPDX-License-Identifier: MIT */
/* hakmem_page: what a reader in another process starts from (hakmem/introspect.h). */
#include "hakmem/introspect.h"

#include <stddef.h>

#include "api/api.h"
#include "api/start.h"
#include "hakmem/hakmem.h"
#include "heap/heap.h"

HAKMEM_EXPORT extern struct hakmem_page hakmem_page;
struct hakmem_page hakmem_page = {
    .magic = {'h', 'a', 'k', 'm', 'e', 'm', 0, 1},
    .layout = HAKMEM_PAGE_LAYOUT,
    .size = sizeof(struct hakmem_page),
};

static uint64_t page_counter_names[COUNTER_COUNT];

__attribute__((constructor)) static void page_constructor(void)
{
    start_if_needed();
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        page_counter_names[i] = (uintptr_t)counters_name(i);
    hakmem_page.counter_count = COUNTER_COUNT;
    hakmem_page.counter_names = (uintptr_t)page_counter_names;
    hakmem_page.version = (uintptr_t)hakmem_version();
    hakmem_page.heaps = (uintptr_t)heap_list_head();
    hakmem_page.heap_next = offsetof(struct heap, next_heap);
    hakmem_page.heap_counters = offsetof(struct heap, counters);
    store_release(&hakmem_page.flags, HAKMEM_PAGE_STARTED); /* pairs with the reader's first look */
}
