/* SPDX-License-Identifier: MIT */
#include "hakmemctl/symbol.h"

#include <elf.h>
#include <link.h>
#include <string.h>

/* Bounds against a damaged object; real ones are far below. */
#define HEADERS_MAX 64
#define DYNAMIC_MAX 512
#define CHAIN_MAX 65536

/* What the dynamic section says, as addresses in the process. */
struct dynamic {
    uint64_t symbols, names, hash;
};

static bool symbol_read(const struct process *process, uint64_t address, void *to, size_t size)
{
    return process_read(process, address, to, size);
}

/* Where the dynamic section lies, and by how much the object was moved. */
static bool symbol_find_dynamic(const struct process *process, uint64_t base, uint64_t *dynamic, uint64_t *bias)
{
    ElfW(Ehdr) head;
    if (!symbol_read(process, base, &head, sizeof head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
        head.e_phentsize != sizeof(ElfW(Phdr)) || head.e_phnum > HEADERS_MAX)
        return false;
    bool moved = false;
    *dynamic = 0;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        ElfW(Phdr) part;
        if (!symbol_read(process, base + head.e_phoff + i * sizeof part, &part, sizeof part))
            return false;
        if (part.p_type == PT_LOAD && part.p_offset == 0) {
            *bias = base - part.p_vaddr;
            moved = true;
        } else if (part.p_type == PT_DYNAMIC) {
            *dynamic = part.p_vaddr;
        }
    }
    *dynamic += *bias;
    return moved && *dynamic != *bias;
}

static bool symbol_read_dynamic(const struct process *process, uint64_t address, uint64_t bias, struct dynamic *d)
{
    *d = (struct dynamic){0, 0, 0};
    for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
        ElfW(Dyn) entry;
        if (!symbol_read(process, address + i * sizeof entry, &entry, sizeof entry))
            return false;
        /* The loader has made addresses of them, where the section may be written to. */
        uint64_t value = entry.d_un.d_ptr < bias ? entry.d_un.d_ptr + bias : entry.d_un.d_ptr;
        if (entry.d_tag == DT_NULL)
            break;
        else if (entry.d_tag == DT_SYMTAB)
            d->symbols = value;
        else if (entry.d_tag == DT_STRTAB)
            d->names = value;
        else if (entry.d_tag == DT_GNU_HASH)
            d->hash = value;
    }
    return d->symbols != 0 && d->names != 0 && d->hash != 0;
}

static uint32_t symbol_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* Is symbol `index` the defined `name`? Its value goes to *value. */
static bool symbol_is(const struct process *process, const struct dynamic *d, uint32_t index, const char *name,
                      uint64_t *value)
{
    ElfW(Sym) symbol;
    char text[64];
    size_t length = strlen(name) + 1;
    if (length > sizeof text || !symbol_read(process, d->symbols + index * sizeof symbol, &symbol, sizeof symbol) ||
        symbol.st_shndx == SHN_UNDEF || !symbol_read(process, d->names + symbol.st_name, text, length) ||
        memcmp(text, name, length) != 0)
        return false;
    *value = symbol.st_value;
    return true;
}

uint64_t symbol_find(const struct process *process, uint64_t base, const char *name)
{
    uint64_t address, bias = 0, value = 0;
    struct dynamic d;
    struct {
        uint32_t buckets, first, filter_words, shift;
    } table;
    if (!symbol_find_dynamic(process, base, &address, &bias) ||
        !symbol_read_dynamic(process, address, bias, &d) ||
        !symbol_read(process, d.hash, &table, sizeof table) || table.buckets == 0)
        return 0;
    uint32_t hash = symbol_hash(name), index;
    uint64_t buckets = d.hash + sizeof table + (uint64_t)table.filter_words * sizeof(ElfW(Addr));
    uint64_t chain = buckets + (uint64_t)table.buckets * sizeof index;
    if (!symbol_read(process, buckets + hash % table.buckets * sizeof index, &index, sizeof index))
        return 0;
    for (unsigned i = 0; i < CHAIN_MAX && index >= table.first; i++, index++) {
        uint32_t link;
        if (!symbol_read(process, chain + (uint64_t)(index - table.first) * sizeof link, &link, sizeof link))
            return 0;
        if ((link | 1) == (hash | 1) && symbol_is(process, &d, index, name, &value))
            return bias + value;
        if ((link & 1) != 0)
            break;
    }
    return 0;
}
