/* SPDX-License-Identifier: MIT */
/* The audit: every counter and list of the heaps that may be looked at, against each other. */
#include <string.h>

#include "base/lock.h"
#include "base/print.h"
#include "heap/internal.h"
#include "os/fail.h"

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
    if (audit->fd == -1)
        return;
    print_begin(&out, text, sizeof text);
    print_text(&out, "hakmem: audit: slab ");
    print_hex(&out, s->base);
    print_text(&out, " (class ");
    print_decimal(&out, slab_block_size(s));
    print_text(&out, "): ");
    print_text(&out, what);
    print_text(&out, ": expected ");
    print_decimal(&out, expected);
    print_text(&out, ", found ");
    print_decimal(&out, found);
    print_char(&out, '\n');
    fail_audit_line(audit->fd, text, print_stored(&out));
}

/* Count b once. False when it is no carved block of s, or was met before. */
static bool audit_meet(struct heap_audit *audit, const struct slab *s, const struct block *b)
{
    uintptr_t offset = (uintptr_t)b - s->base;
    if (offset >= (uintptr_t)s->carved * slab_block_size(s) || offset % slab_block_size(s) != 0)
        return false;
    unsigned n = (unsigned)(offset / slab_block_size(s));
    if ((audit->seen[n / 64] >> n % 64 & 1) != 0)
        return false;
    audit->seen[n / 64] |= (uint64_t)1 << n % 64;
    return true;
}

/* Are the free blocks of s in the bin of class c? */
static bool heap_serves_bin(const struct heap *h, unsigned c, const struct slab *s)
{
    const struct list *at = h->joined[c].next;
    while (at != &h->joined[c] && at != &s->link)
        at = at->next;
    return s == h->held[c] || at == &s->link;
}

/* No bin of slabs is longer: all blocks of the held one and those that joined. */
#define BIN_BLOCKS_MOST ((JOIN_MOST(true) + 1) * (GRANULE / BLOCK_ALIGN))

/* `s` is a copy of `original`. */
static void audit_slab(struct heap_audit *audit, const struct slab *s, const struct slab *original)
{
    const struct size_class *class = &size_class_table[s->size_class];
    /* Not slab_used, which for the walkers never says more than carved. */
    uint32_t used = s->role == ROLE_HELD ? s->carved : s->level + s->countdown;
    uint32_t length = 0;
    memset(audit->seen, 0, sizeof audit->seen);
    if (s->capacity != class->capacity)
        audit_report(audit, s, "capacity of its class", class->capacity, s->capacity);
    if (s->carved > s->capacity || used > s->carved)
        audit_report(audit, s, "blocks in use at most as many as carved", s->carved, used);
    if (s->role != ROLE_UNLISTED && s->level != 0)
        audit_report(audit, s, "event level of a slab that is held, fresh or listed", 0, s->level);
    bool in_bin = s->role == ROLE_HELD;
    if (in_bin ? !heap_serves_bin(audit->heap, s->size_class, original) : s->list != &original->free)
        audit_report(audit, s, "the slab's frees go to its own list unless it serves the bin, role", 0, s->role);
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
    if (!in_bin)
        return;
    uint32_t others = 0; /* blocks of other slabs: a ring of these never ends, and has none of s */
    for (b = audit->heap->bin[s->size_class]; b != NULL && others <= BIN_BLOCKS_MOST; b = b->next) {
        if ((uintptr_t)b - s->base >= GRANULE) {
            others++;
            continue;
        }
        if (!audit_meet(audit, s, b)) {
            audit_report(audit, s, "bad block in the bin (double free, or written to), offset", 0,
                         (uintptr_t)b - s->base);
            return;
        }
    }
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
    if (tag != TAG_SMALL || load_acquire(&s->owner) != h)
        return false;
    *copy = (struct slab){
        .list = load_acquire(&s->list),
        .free = load_acquire(&s->free),
        .countdown = load_acquire(&s->countdown),
        .level = load_acquire(&s->level),
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
    size_t slabs = region->slabs != NULL ? region->size >> GRANULE_SHIFT : 0;
    for (size_t i = 0; i < slabs; i++) {
        const struct slab *s = &region->slabs[i];
        struct slab copy;
        if (audit_copy(&copy, s, audit->heap))
            audit_slab(audit, &copy, s);
    }
}

/* A list of partial slabs of class c: they have the listed role. */
static void audit_partial(struct heap_audit *audit, const struct list *partial, unsigned c)
{
    for (const struct list *at = partial->next; at != partial; at = at->next) {
        const struct slab *s = container_of(at, struct slab, link);
        if (s->role != ROLE_LISTED || s->size_class != c || s->owner != audit->heap)
            audit_report(audit, s, "role of a slab in a partial list", ROLE_LISTED, s->role);
        else if (slab_free_count(s) == 0 && s->carved == s->capacity)
            audit_report(audit, s, "free blocks of a listed slab", 1, 0);
    }
}

/* Each block of the bin of class c is of a slab that serves it; a ring is found where the slabs are looked at. */
static void audit_bin(struct heap_audit *audit, unsigned c)
{
    const struct heap *h = audit->heap;
    size_t left = BIN_BLOCKS_MOST;
    for (const struct block *b = h->bin[c]; b != NULL && left > 0; b = b->next, left--) {
        const struct slab *s = registry_find(b);
        if (!heap_serves_bin(h, c, s)) {
            audit_report(audit, s, "a block in the bin of a class that its slab does not serve", 0, (uintptr_t)b);
            return;
        }
    }
}

static void audit_lists(struct heap_audit *audit)
{
    struct heap *h = audit->heap;
    size_t joined = 0;
    for (unsigned c = 1; c < SLAB_CLASSES; c++) {
        audit_partial(audit, &h->partial[c], c);
        audit_partial(audit, &h->inherited[c], c);
        struct slab *held = h->held[c], *fresh = h->fresh[c];
        if (held != NULL && (held->role != ROLE_HELD || held->owner != h || held->list != &h->bin[c]))
            audit_report(audit, held, "role of a held slab", ROLE_HELD, held->role);
        for (const struct list *at = h->joined[c].next; at != &h->joined[c]; at = at->next, joined++) {
            const struct slab *s = container_of(at, struct slab, link);
            if (s->role != ROLE_HELD || s->owner != h || s->size_class != c || s->list != &h->bin[c] || held == NULL)
                audit_report(audit, s, "role of a slab that joined the held one", ROLE_HELD, s->role);
        }
        audit_bin(audit, c);
        if (fresh != NULL && fresh != held && (fresh->role != ROLE_FRESH || fresh->owner != h))
            audit_report(audit, fresh, "role of a fresh slab", ROLE_FRESH, fresh->role);
    }
    if (joined != h->joined_count) {
        struct slab none = {.base = 0};
        audit_report(audit, &none, "slabs that joined the held ones", h->joined_count, joined);
    }
    size_t ready = 0;
    for (struct list *at = h->ready.next; at != &h->ready; at = at->next)
        ready++;
    if (ready != h->ready_count) {
        struct slab none = {.base = 0};
        audit_report(audit, &none, "length of the list of ready slabs", h->ready_count, ready);
    }
}

/* The arena holds as many bytes as it counts, in blocks that start where the pool has one. */
static void audit_arena(struct heap_audit *audit)
{
    struct heap *h = audit->heap;
    struct slab none = {.base = 0};
    size_t bytes = 0;
    for (unsigned c = SLAB_CLASSES; c < CLASS_COUNT; c++) {
        for (struct block *b = h->bin[c]; b != NULL && bytes <= h->arena_bytes; b = b->next) {
            struct slab *s = registry_find(b);
            if (s->tag != TAG_POOL || pool_class_of(s, b, "free") != c) {
                audit_report(audit, &none, "class of a block in the arena, address", c, (uintptr_t)b);
                return;
            }
            bytes += size_class_footprint(c);
        }
    }
    if (bytes != h->arena_bytes)
        audit_report(audit, &none, "bytes in the arena", h->arena_bytes, bytes);
}

static void audit_one_heap(struct heap *h, struct heap_audit *audit)
{
    audit->heap = h;
    foreign_drain(h);
    registry_walk(audit_region, audit);
    audit_lists(audit);
    audit_arena(audit);
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
