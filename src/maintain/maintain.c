/* SPDX-License-Identifier: MIT */
#include "maintain/maintain.h"

#include <string.h>

#include "base/lock.h"
#include "base/print.h"
#include "large/large.h"
#include "meta/meta.h"
#include "options/options.h"
#include "os/os.h"
#include "superslab/superslab.h"

struct stats_walk {
    struct hakmem_stats *stats;
    struct counters counters;
};

static void stats_heap(struct heap *h, void *context)
{
    struct stats_walk *walk = context;
    walk->stats->heaps++;
    counters_sum(&walk->counters, &h->counters);
}

static void stats_region(struct region *region, void *context)
{
    struct stats_walk *walk = context;
    size_t slabs = region->slabs != NULL ? region->size >> GRANULE_SHIFT : 0;
    for (size_t i = 0; i < slabs; i++) {
        const struct slab *s = &region->slabs[i];
        if (load_relaxed(&s->tag) == TAG_SMALL)
            walk->stats->live += slab_used(s) * slab_block_size(s);
    }
}

void maintain_stats(struct heap *h, struct hakmem_stats *stats)
{
    struct stats_walk walk = {.stats = stats};
    struct superslab_totals superslabs;
    struct pool_totals pool;
    struct large_totals large;
    memset(stats, 0, sizeof *stats);
    heap_walk(stats_heap, &walk);
    registry_walk(stats_region, &walk);
    superslab_get_totals(&superslabs);
    pool_get_totals(&pool);
    large_get_totals(&large);
    stats->live += pool.used + large.live;
    stats->binned = heap_binned_bytes(h);
    stats->metadata = meta_mapped();
    stats->superslabs = superslabs.superslabs;
    stats->superslabs_empty = superslabs.empty;
    stats->superslab_mapped = superslabs.superslabs * SUPERSLAB_SIZE;
    stats->superslab_used = superslabs.slabs_used * GRANULE;
    stats->pool_mapped = pool.mapped;
    stats->pool_used = pool.used;
    stats->large_mapped = large.mapped;
    stats->large_live = large.live;
    stats->large_dirty = large.dirty;
    stats->mapped = stats->metadata + stats->superslab_mapped + pool.mapped + large.mapped;
    stats->heaps_alive = heap_count_alive();
    stats->refills = walk.counters.value[COUNTER_refills];
    stats->refilled_blocks = walk.counters.value[COUNTER_refilled_blocks];
    stats->remote_posts = walk.counters.value[COUNTER_remote_posts];
    stats->remote_blocks = walk.counters.value[COUNTER_remote_blocks];
    stats->memory_calls = os_memory_calls();
}

static bool print_line(int fd, const char *name, uint64_t value)
{
    char text[128];
    struct print_buffer out;
    print_begin(&out, text, sizeof text);
    print_text(&out, name);
    while (print_stored(&out) < 20)
        print_char(&out, ' ');
    print_decimal_width(&out, value, 16);
    print_char(&out, '\n');
    return os_write(fd, text, print_stored(&out));
}

static bool print_counters(int fd)
{
    struct hakmem_stats unused;
    struct stats_walk walk = {.stats = &unused};
    memset(&unused, 0, sizeof unused);
    heap_walk(stats_heap, &walk);
    bool ok = true;
    for (unsigned i = 0; i < COUNTER_COUNT && ok; i++)
        ok = print_line(fd, counters_name(i), walk.counters.value[i]);
    return ok;
}

bool maintain_print(struct heap *h, int fd)
{
    static const char title[] = "hakmem: statistics (bytes, or a count where the name says so)\n";
    struct hakmem_stats stats;
    maintain_stats(h, &stats);
    const struct {
        const char *name;
        uint64_t value;
    } lines[] = {
        {"live", stats.live},
        {"binned", stats.binned},
        {"mapped", stats.mapped},
        {"metadata", stats.metadata},
        {"superslabs", stats.superslabs},
        {"superslabs_empty", stats.superslabs_empty},
        {"superslab_mapped", stats.superslab_mapped},
        {"superslab_used", stats.superslab_used},
        {"pool_mapped", stats.pool_mapped},
        {"pool_used", stats.pool_used},
        {"large_mapped", stats.large_mapped},
        {"large_live", stats.large_live},
        {"large_dirty", stats.large_dirty},
        {"heaps", stats.heaps},
        {"heaps_alive", stats.heaps_alive},
        {"memory_calls", stats.memory_calls},
        /* sections that each lock guarded: what threads may have to wait for */
        {"locked_heaps", lock_sections(&heaps_lock)},
        {"locked_superslab", lock_sections(&superslab_lock)},
        {"locked_pool", lock_sections(&pool_lock)},
        {"locked_large", lock_sections(&large_lock)},
        {"locked_registry", lock_sections(&registry_lock)},
    };
    bool ok = os_write(fd, title, sizeof title - 1);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0] && ok; i++)
        ok = print_line(fd, lines[i].name, lines[i].value);
    return ok && print_counters(fd);
}

size_t maintain_audit(struct heap *h, int fd)
{
    return heap_audit(h, fd) + superslab_audit(fd) + pool_audit(fd) + large_audit(fd);
}

size_t maintain_purge(struct heap *h, size_t keep)
{
    size_t bytes = 0;
    if (h != &heap_none && h != &heap_exited)
        heap_trim(h);
    heap_cool(UINT64_MAX);
    bytes += superslab_trim(keep);
    bytes += pool_trim(keep);
    bytes += large_trim(keep);
    registry_recycle();
    return bytes;
}

size_t maintain_trim(struct heap *h, size_t keep)
{
    size_t bytes = maintain_purge(h, keep);
    registry_synchronize();
    return bytes;
}

void maintain_prewarm(struct heap *h)
{
    const struct option_prewarm *prewarm = &hakmem_options.prewarm;
    for (uint32_t i = 0; i < prewarm->count; i++) {
        const struct option_prewarm_item *item = &prewarm->item[i];
        switch (item->kind) {
        case OPTION_PREWARM_BLOCKS:
            heap_prewarm(h, item->size, item->count);
            break;
        case OPTION_PREWARM_SUPERSLABS:
            superslab_prewarm(item->count);
            break;
        case OPTION_PREWARM_POOL:
            pool_prewarm(item->size);
            break;
        }
    }
}
