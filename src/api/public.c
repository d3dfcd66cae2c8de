/* SPDX-License-Identifier: MIT */
/* The functions of hakmem.h, except hakmem_version (identity.c). */
#include <errno.h>

#include "api/api.h"
#include "api/start.h"
#include "hakmem/hakmem.h"
#include "maintain/maintain.h"
#include "options/options.h"

HAKMEM_EXPORT int hakmem_owns(const void *p)
{
    const struct slab *s = registry_find((const void *)((uintptr_t)p & ~(BLOCK_ALIGN - 1)));
    return load_relaxed(&s->tag) != TAG_NONE;
}

HAKMEM_EXPORT int hakmem_stats_get(struct hakmem_stats *stats, size_t size)
{
    struct hakmem_stats now;
    if (stats == NULL || size == 0 || size % 8 != 0) {
        errno = EINVAL;
        return -1;
    }
    start_if_needed();
    maintain_stats(heap_self, &now);
    char *out = (char *)stats;
    for (size_t i = 0; i < size; i++)
        out[i] = i < sizeof now ? ((char *)&now)[i] : 0;
    return 0;
}

HAKMEM_EXPORT int hakmem_stats_print(int fd)
{
    start_if_needed();
    return maintain_print(heap_self, fd) ? 0 : -1;
}

HAKMEM_EXPORT size_t hakmem_audit(int fd)
{
    start_if_needed();
    return maintain_audit(heap_self, fd);
}

HAKMEM_EXPORT size_t hakmem_trim(size_t keep)
{
    start_if_needed();
    return maintain_trim(heap_self, keep);
}

HAKMEM_EXPORT size_t hakmem_prewarm(size_t size, size_t count)
{
    if (start_if_needed())
        return 0;
    struct heap *h = heap_of_thread();
    return h == NULL ? 0 : heap_prewarm(h, size, count);
}

HAKMEM_EXPORT int hakmem_option_get(const char *name, char *buf, size_t len)
{
    start_if_needed();
    return options_format(name, buf, len);
}

HAKMEM_EXPORT int hakmem_option_origin(const char *name, char *buf, size_t len)
{
    start_if_needed();
    return options_origin(name, buf, len);
}
