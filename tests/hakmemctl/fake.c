/* SPDX-License-Identifier: MIT */
/*
 * A library that says that it is hakmem and has a page that is not as it should
 * be: the environment variable FAKE says in which way. It allocates nothing;
 * the program that preloads it runs on the C library's malloc.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hakmem/introspect.h>

__attribute__((visibility("default"))) extern struct hakmem_page hakmem_page;
struct hakmem_page hakmem_page = {
    .magic = {'h', 'a', 'k', 'm', 'e', 'm', 0, 1},
    .layout = HAKMEM_PAGE_LAYOUT,
    .size = sizeof(struct hakmem_page),
    .flags = HAKMEM_PAGE_FILLED,
};

static struct hakmem_structures structures;
static uint64_t ring[2], heap, chunk[512] __attribute__((aligned(4096)));
static uint32_t sequence, leaves;
static uint64_t newest, left, calls, classes[2] = {0, 16};
static const char version[] = "hakmem 0.0.0, commit fake";

/* All that a reader checks at first, and lists that are empty. */
static void make_sane(void)
{
    structures = (struct hakmem_structures){
        .size = sizeof structures, .granule = 65536, .superslab_slabs = 32, .pool_unit = 1024,
        .classes = (uintptr_t)classes, .class_count = 2, .class_stride = 8, .pool_class = 2,
        .calls = (uintptr_t)&calls, .call_names = (uintptr_t)version,
        .meta = {.next = 0, .bytes = 8, .newest = (uintptr_t)&newest, .left = (uintptr_t)&left,
                 .sequence = (uintptr_t)&sequence},
        .leaf = {.bytes = 4096, .count = (uintptr_t)&leaves, .directory = (uintptr_t)&calls},
        .heap = {.bytes = 1024},
        .slab = {.bytes = 64},
        .region = {.head = (uintptr_t)ring, .sequence = (uintptr_t)&sequence},
        .superslab = {.sequence = (uintptr_t)&sequence},
        .pool = {.sequence = (uintptr_t)&sequence},
        .span = {.head = (uintptr_t)ring, .sequence = (uintptr_t)&sequence, .lost = (uintptr_t)&calls, .previous = 8},
    };
    ring[0] = ring[1] = (uintptr_t)ring;
    hakmem_page.version = (uintptr_t)version;
    hakmem_page.heaps = (uintptr_t)&heap;
    hakmem_page.structures = (uintptr_t)&structures;
}

__attribute__((constructor)) static void fake_constructor(void)
{
    const char *kind = getenv("FAKE");
    make_sane();
    if (kind == NULL || strcmp(kind, "empty") == 0)
        return;
    if (strcmp(kind, "magic") == 0)
        memset(hakmem_page.magic, 'x', sizeof hakmem_page.magic);
    else if (strcmp(kind, "newer") == 0)
        hakmem_page.layout++;
    else if (strcmp(kind, "truncated") == 0)
        hakmem_page.size = 16;
    else if (strcmp(kind, "junk") == 0)
        memset(&hakmem_page.size + 1, 0xa5, sizeof hakmem_page - 16);
    else if (strcmp(kind, "older-structures") == 0)
        structures.size = 64;
    else if (strcmp(kind, "junk-structures") == 0)
        memset(&structures.granule, 0x5a, sizeof structures - 4);
    else if (strcmp(kind, "metadata-loop") == 0) {
        newest = chunk[0] = (uintptr_t)chunk;
        chunk[1] = sizeof chunk;
    } else if (strcmp(kind, "heap-loop") == 0)
        heap = (uintptr_t)chunk, chunk[0] = (uintptr_t)chunk;
    else if (strcmp(kind, "ring-away") == 0)
        ring[0] = (uintptr_t)chunk;
    else if (strcmp(kind, "never-at-rest") == 0)
        sequence = 1;
    else
        abort();
}
