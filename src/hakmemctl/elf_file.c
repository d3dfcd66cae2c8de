/* SPDX-License-Identifier: MIT */
#include "hakmemctl/elf_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Tables of a file are at most this long; a longer one is read as damage. */
enum { TABLE_MAX = 64 << 20 };

/* `count` things of `size` bytes at `offset`; NULL when the file does not hold them. */
static void *load(int fd, uint64_t offset, uint64_t count, size_t size)
{
    uint64_t length;

    if (__builtin_mul_overflow(count, size, &length) || length == 0 || length > TABLE_MAX ||
        offset > INT64_MAX)
        return NULL;
    char *bytes = malloc(length);

    for (size_t have = 0; bytes != NULL && have < length;) {
        ssize_t got = pread(fd, bytes + have, length - have, (off_t)(offset + have));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            free(bytes);
            return NULL;
        }
        have += (size_t)got;
    }
    return bytes;
}

static void read_script(const char *line, size_t size, struct elf_file *file)
{
    const char *at = line + 2, *end = line + size;
    size_t length = 0;

    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (at + length < end && strchr(" \t\r\n", at[length]) == NULL &&
           length < sizeof file->interpreter - 1)
        length++;
    memcpy(file->interpreter, at, length);
    file->kind = ELF_SCRIPT;
}

/* Is malloc defined in this table of dynamic symbols? */
static bool table_defines_malloc(int fd, const ElfW(Shdr) *table, const ElfW(Shdr) *names)
{
    size_t count = table->sh_size / sizeof(ElfW(Sym));
    ElfW(Sym) *symbol = load(fd, table->sh_offset, count, sizeof *symbol);
    char *text = load(fd, names->sh_offset, names->sh_size, 1);
    bool found = false;

    for (size_t i = 0; symbol != NULL && text != NULL && i < count && !found; i++)
        found = symbol[i].st_shndx != SHN_UNDEF && symbol[i].st_name < names->sh_size &&
                names->sh_size - symbol[i].st_name >= sizeof "malloc" &&
                memcmp(text + symbol[i].st_name, "malloc", sizeof "malloc") == 0;
    free(symbol);
    free(text);
    return found;
}

static bool defines_malloc(int fd, const ElfW(Ehdr) *head)
{
    ElfW(Shdr) *section = NULL;
    bool found = false;

    if (head->e_shentsize == sizeof *section)
        section = load(fd, head->e_shoff, head->e_shnum, sizeof *section);
    for (unsigned i = 0; section != NULL && i < head->e_shnum && !found; i++)
        found = section[i].sh_type == SHT_DYNSYM && section[i].sh_link < head->e_shnum &&
                table_defines_malloc(fd, &section[i], &section[section[i].sh_link]);
    free(section);
    return found;
}

/* DT_FLAGS_1 has DF_1_PIE: a program, although of type ET_DYN. */
static bool says_pie(int fd, const ElfW(Phdr) *dynamic)
{
    size_t count = dynamic->p_filesz / sizeof(ElfW(Dyn));
    ElfW(Dyn) *entry = load(fd, dynamic->p_offset, count, sizeof *entry);
    bool pie = false;

    for (size_t i = 0; entry != NULL && i < count && entry[i].d_tag != DT_NULL; i++)
        if (entry[i].d_tag == DT_FLAGS_1)
            pie = (entry[i].d_un.d_val & DF_1_PIE) != 0;
    free(entry);
    return pie;
}

static void read_native(int fd, const ElfW(Ehdr) *head, struct elf_file *file)
{
    ElfW(Phdr) *segment = NULL;
    bool loader = false, pie = false;

    if (head->e_phentsize == sizeof *segment)
        segment = load(fd, head->e_phoff, head->e_phnum, sizeof *segment);
    if (segment == NULL)
        return;
    for (unsigned i = 0; i < head->e_phnum; i++) {
        loader |= segment[i].p_type == PT_INTERP;
        pie |= segment[i].p_type == PT_DYNAMIC && says_pie(fd, &segment[i]);
    }
    free(segment);
    file->defines_malloc = defines_malloc(fd, head);
    if (loader && (head->e_type == ET_EXEC || head->e_type == ET_DYN))
        file->kind = ELF_DYNAMIC;
    else if (head->e_type == ET_EXEC || (head->e_type == ET_DYN && pie))
        file->kind = ELF_STATIC;
    else if (head->e_type == ET_DYN)
        file->kind = ELF_LIBRARY;
}

/* Of the other word size only this much is asked: has it a loader? */
#if __ELF_NATIVE_CLASS == 64
typedef Elf32_Ehdr other_head;
typedef Elf32_Phdr other_segment;
#else
typedef Elf64_Ehdr other_head;
typedef Elf64_Phdr other_segment;
#endif

static void read_other(int fd, struct elf_file *file)
{
    other_head *head = load(fd, 0, 1, sizeof *head);
    other_segment *segment = NULL;

    if (head != NULL && head->e_phentsize == sizeof *segment)
        segment = load(fd, head->e_phoff, head->e_phnum, sizeof *segment);
    if (segment != NULL) {
        if (head->e_type == ET_EXEC)
            file->kind = ELF_STATIC;
        else if (head->e_type == ET_DYN)
            file->kind = ELF_LIBRARY;
        for (unsigned i = 0; i < head->e_phnum; i++)
            if (segment[i].p_type == PT_INTERP)
                file->kind = ELF_DYNAMIC;
    }
    free(segment);
    free(head);
}

static void read_elf(int fd, const unsigned char *ident, uint16_t machine, struct elf_file *file)
{
    bool big = ident[EI_DATA] == ELFDATA2MSB;

    file->bits = ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
    if (big != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
        return;
    file->machine = machine;
    if (file->bits == __ELF_NATIVE_CLASS) {
        ElfW(Ehdr) *head = load(fd, 0, 1, sizeof *head);

        if (head != NULL)
            read_native(fd, head, file);
        free(head);
    } else {
        read_other(fd, file);
    }
}

bool elf_file_read(const char *path, struct elf_file *file)
{
    struct stat status;
    char start[sizeof file->interpreter];
    uint16_t machine;

    *file = (struct elf_file){.kind = ELF_NONE};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return false;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        errno = EACCES;
        return false;
    }
    ssize_t got = pread(fd, start, sizeof start, 0);

    if (got >= 2 && memcmp(start, "#!", 2) == 0) {
        read_script(start, (size_t)got, file);
    } else if (got >= (ssize_t)sizeof(Elf32_Ehdr) && memcmp(start, ELFMAG, SELFMAG) == 0) {
        memcpy(&machine, start + offsetof(ElfW(Ehdr), e_machine), sizeof machine);
        read_elf(fd, (unsigned char *)start, machine, file);
    }
    close(fd);
    return got >= 0;
}

bool elf_file_is_native(const struct elf_file *file)
{
    static struct elf_file self;

    if (self.bits == 0 && !elf_file_read("/proc/self/exe", &self))
        return file->bits == __ELF_NATIVE_CLASS;
    return file->bits == self.bits && file->machine == self.machine;
}
