/* SPDX-License-Identifier: MIT */
/* What lies below src/registry, for model_registry_walk.c. Runs unseen. */
#include "base/lock.h"
#include "explore.h"
#include "os/os.h"

void lock_take(struct lock *lock) { explore_lock(lock); }
void lock_release(struct lock *lock) { explore_unlock(lock); }

/* Room for a reader's registration: only asked for, never used. */
void *os_map(size_t size, size_t align)
{
    static char room;
    (void)size, (void)align;
    return &room;
}
bool os_unmap(void *start, size_t size) { return (void)start, (void)size, true; }
bool os_map_zeros(void *start, size_t size) { return (void)start, (void)size, true; }
bool os_protect_writable(void *start, size_t size) { return (void)start, (void)size, true; }
bool os_no_huge_pages(void *start, size_t size) { return (void)start, (void)size, true; }
size_t os_page_size(void) { return 4096; }
