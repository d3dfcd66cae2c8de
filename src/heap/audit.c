/* SPDX-License-Identifier: MIT */
/* The audit: every counter and list of the heaps that may be looked at, against each other. */
#include <string.h>

#include "base/lock.h"
#include "base/print.h"
#include "heap/internal.h"
#include "os/os.h"

#define BITMAP_WORDS (GRANULE / BLOCK_ALIGN / 64)

struct heap_audit {
    struct heap *heap;
    size_t mismatches;
    int fd;
    uint64_t seen[BITMAP_WORDS]; /* blocks of one slab that were met */
};

static void audit_report(struct heap_audit *audit, const struct slab *s, const char *what,
                         uint64_t expected, uint64_t found)
{
    char text[200];
    struct print_buffer out;
    audit->mismatches++;
    if (audit->fd < 0)
        return;
    print_begin(&out, text, sizeof text);
    print_text(&out, "hakmem: audit: slab ");
    print_hex(&out, s->base);
    print_text(&out, " (class ");
    print_decimal(&out, s->block_size);
    print_text(&out, "): ");
    print_text(&out, what);
    print_text(&out, ": expected ");
    print_decimal(&out, expected);
    print_text(&out, ", found ");
    print_decimal(&out, found);
    print_char(&out, '\n');
    os_write(audit->fd, text, print_stored(&out));
}

/* Count b once. False when it is no carved block of s, or was met before. */
static bool audit_meet(struct heap_audit *audit, const struct slab *s, const struct block *b)
{
    uintptr_t offset = (uintptr_t)b - s->base;
    if (offset >= (uintptr_t)s->carved * s->block_size || offset % s->block_size != 0)
        return false;
    unsigned n = (unsigned)(offset / s->block_size);
    if ((audit->seen[n / 64] >> n % 64 & 1) != 0)
        return false;
    audit->seen[n / 64] |= (uint64_t)1 << n % 64;
    return true;
}

static void audit_slab(struct heap_audit *audit, const struct slab *s)
{
    const struct size_class *class = &size_class_table[s->size_class];
    uint32_t used = slab_used(s);
    uint32_t length = 0, binned = 0;
    memset(audit->seen, 0, sizeof audit->seen);
    if (s->block_size != class->size || s->capacity != class->capacity)
        audit_report(audit, s, "block size of its class", class->size, s->block_size);
    if (s->carved > s->capacity || used > s->carved)
        audit_report(audit, s, "blocks in use at most as many as carved", s->carved, used);
    if (s->role != ROLE_UNLISTED && s->level != 0)
        audit_report(audit, s, "event level of a listed or held slab", 0, s->level);
    const struct block *b;
    for (b = s->free; b != NULL && length <= s->carved; b = b->next, length++) {
        if (!audit_meet(audit, s, b)) {
            audit_report(audit, s, "bad block in the free list (double free, or interior pointer), "
                                   "offset",
                         0, (uintptr_t)b - s->base);
            return;
        }
    }
    if (length != s->carved - used)
        audit_report(audit, s, "length of the free list", s->carved - used, length);
    uintptr_t end = s->base + (size_t)class->granules * GRANULE;
    for (b = audit->heap->bin[s->size_class]; b != NULL; b = b->next) {
        if (load_relaxed(&registry_find(b)->owner) != audit->heap) {
            audit_report(audit, s, "corrupt bin: a freed block was written to, address", 0, (uintptr_t)b);
            return;
        }
        if ((uintptr_t)b < s->base || (uintptr_t)b >= end)
            continue;
        binned++;
        if (!audit_meet(audit, s, b)) {
            audit_report(audit, s, "bad block in the bin (double free, or written to), offset", 0, (uintptr_t)b - s->base);
            return;
        }
    }
    if (binned > used)
        audit_report(audit, s, "blocks in the bin at most as many as in use", used, binned);
}

/*
 * What the audit needs of s. False when s is not a slab of h: who frees the
 * last blocks of a slab that h neither holds nor lists may give it back at any
 * moment (foreign.c), also while it is looked at. Its owner changes before
 * anything else does, so an owner that is still h says that the copy is whole.
 */
static bool audit_copy(struct slab *copy, const struct slab *s, const struct heap *h)
{
    uint8_t tag = load_acquire(&s->tag);
    if ((tag != TAG_SMALL && tag != TAG_POOL) || load_acquire(&s->owner) != h)
        return false;
    *copy = (struct slab){
        .free = load_acquire(&s->free),
        .countdown = load_acquire(&s->countdown),
        .level = load_acquire(&s->level),
        .block_size = load_acquire(&s->block_size),
        .carved = load_acquire(&s->carved),
        .capacity = load_acquire(&s->capacity),
        .size_class = load_acquire(&s->size_class),
        .role = load_acquire(&s->role),
        .base = s->base,
    };
    return load_acquire(&s->owner) == h;
}

static void audit_region(struct region *region, void *context)
{
    struct heap_audit *audit = context;
    size_t granules = region->size >> GRANULE_SHIFT;
    for (size_t i = 0; i < granules; i++) {
        struct slab copy;
        if (audit_copy(&copy, &region->slabs[i], audit->heap))
            audit_slab(audit, &copy);
    }
}

/* Partial lists hold slabs of their class in the listed role. */
static void audit_lists(struct heap_audit *audit)
{
    struct heap *h = audit->heap;
    for (unsigned c = 1; c < CLASS_COUNT; c++) {
        for (struct list *at = h->partial[c].next; at != &h->partial[c]; at = at->next) {
            struct slab *s = container_of(at, struct slab, link);
            if (s->role != ROLE_LISTED || s->size_class != c || s->owner != h)
                audit_report(audit, s, "role of a slab in a partial list", ROLE_LISTED, s->role);
            else if (slab_free_count(s) == 0 && s->carved == s->capacity)
                audit_report(audit, s, "free blocks of a listed slab", 1, 0);
        }
        struct slab *held[] = {h->fresh[c], h->current[c]};
        for (unsigned i = 0; i < 2; i++) {
            if (held[i] != NULL && (held[i]->role != ROLE_HELD || held[i]->owner != h))
                audit_report(audit, held[i], "role of a held slab", ROLE_HELD, held[i]->role);
        }
    }
    size_t ready = 0;
    for (struct list *at = h->ready.next; at != &h->ready; at = at->next)
        ready++;
    if (ready != h->ready_count) {
        struct slab none = {.base = 0};
        audit_report(audit, &none, "length of the list of ready slabs", h->ready_count, ready);
    }
}

static void audit_one_heap(struct heap *h, struct heap_audit *audit)
{
    audit->heap = h;
    foreign_drain(h);
    registry_walk(audit_region, audit);
    audit_lists(audit);
}

static void audit_dead_heap(struct heap *h, void *context)
{
    uint32_t dead = HEAP_DEAD;
    if (!cas_strong_seq_cst(&h->state, &dead, HEAP_BUSY))
        return;
    audit_one_heap(h, context);
    store_seq_cst(&h->state, HEAP_DEAD);
    if (!remote_queue_is_empty(&h->queue))
        foreign_drain_dead(h);
}

size_t heap_audit(struct heap *h, int fd)
{
    struct heap_audit audit = {.fd = fd};
    if (heap_is_real(h)) {
        foreign_flush(h);
        audit_one_heap(h, &audit);
    }
    heap_walk(audit_dead_heap, &audit);
    lock_take(&heap_orphan_lock);
    if (load_relaxed(&heap_orphan.state) == HEAP_SHARED)
        audit_one_heap(&heap_orphan, &audit);
    lock_release(&heap_orphan_lock);
    return audit.mismatches;
}
