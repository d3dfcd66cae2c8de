/* SPDX-License-Identifier: MIT */
#include "api/libc.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

struct libc_allocator libc_allocator;

/* The dynamic symbols of one object. */
struct symbols {
    const ElfW(Sym) *table;
    const char *names;
    const uint32_t *hash; /* DT_GNU_HASH */
    ElfW(Addr) base;
};

/* An address in a dynamic section is relocated by glibc, but not in every object. */
static const void *dynamic_address(ElfW(Addr) base, ElfW(Addr) value)
{
    return (const void *)(value < base ? base + value : value);
}

static bool symbols_open(struct symbols *s, const struct dl_phdr_info *info)
{
    const ElfW(Dyn) *dynamic = NULL;

    memset(s, 0, sizeof *s);
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    }
    s->base = info->dlpi_addr;
    for (; dynamic != NULL && dynamic->d_tag != DT_NULL; dynamic++) {
        const void *at = dynamic_address(s->base, dynamic->d_un.d_ptr);

        switch (dynamic->d_tag) {
        case DT_SYMTAB: s->table = at; break;
        case DT_STRTAB: s->names = at; break;
        case DT_GNU_HASH: s->hash = at; break;
        default: break;
        }
    }
    return s->table != NULL && s->names != NULL && s->hash != NULL;
}

/* The function of this name that the object defines, or NULL. */
static void *symbols_find(const struct symbols *s, const char *name)
{
    uint32_t h = 5381, buckets = s->hash[0], first = s->hash[1], bloom = s->hash[2];
    const uint32_t *bucket = s->hash + 4 + bloom * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;

    for (const char *c = name; *c != '\0'; c++)
        h = h * 33 + (unsigned char)*c;
    if (buckets == 0)
        return NULL;
    uint32_t i = bucket[h % buckets];
    if (i < first)
        return NULL;
    do {
        const ElfW(Sym) *symbol = &s->table[i];

        if (((chain[i - first] ^ h) >> 1) == 0 && strcmp(s->names + symbol->st_name, name) == 0 &&
            symbol->st_shndx != SHN_UNDEF && (symbol->st_info & 15) == STT_FUNC)
            return (void *)(s->base + symbol->st_value);
    } while ((chain[i++ - first] & 1) == 0);
    return NULL;
}

static bool is_ours(const struct dl_phdr_info *info)
{
    uintptr_t here = (uintptr_t)&libc_allocator - info->dlpi_addr;

    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && here - part->p_vaddr < part->p_memsz)
            return true;
    }
    return false;
}

/* A pointer to a function, from where it was found. */
#define FIND(s, name) (libc_allocator.name = (__typeof__(libc_allocator.name))symbols_find((s), #name))

static int look_into(struct dl_phdr_info *info, size_t size, void *found)
{
    struct symbols s;

    (void)size;
    if (is_ours(info) || !symbols_open(&s, info) || symbols_find(&s, "__libc_malloc") == NULL)
        return 0;
    FIND(&s, mallinfo2);
    *(bool *)found = FIND(&s, malloc) != NULL && FIND(&s, calloc) != NULL && FIND(&s, realloc) != NULL &&
                     FIND(&s, free) != NULL && FIND(&s, memalign) != NULL &&
                     FIND(&s, malloc_usable_size) != NULL && FIND(&s, malloc_trim) != NULL &&
                     FIND(&s, mallopt) != NULL && FIND(&s, malloc_stats) != NULL &&
                     FIND(&s, malloc_info) != NULL && FIND(&s, mallinfo) != NULL;
    return 1;
}

bool libc_find(void)
{
    bool found = false;

    dl_iterate_phdr(look_into, &found);
    return found;
}
