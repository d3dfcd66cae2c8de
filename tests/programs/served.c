/* SPDX-License-Identifier: MIT */
/*
 * served PID: does hakmem serve that live process?
 *
 * Finds the library in /proc/PID/maps, the object `hakmem_page` in its dynamic
 * symbols, and reads page, heaps and counters out of the process. Prints
 * version and counters, one "name value" a line. Exit status: 0 blocks were
 * served, 1 hakmem is not there or serves nothing, 2 the process cannot be read.
 *
 * That the library is mapped proves little: a program with an allocator of its
 * own maps it too and never calls it. That refills were counted and grow under
 * load proves it.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <hakmem/introspect.h>

#ifndef COUNTERS_MAX
enum { COUNTERS_MAX = 256 };
#endif

static pid_t target;

static void fail(int status, const char *what)
{
    fprintf(stderr, "served: process %d: %s\n", (int)target, what);
    exit(status);
}

static void read_target(uint64_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
    ssize_t got = process_vm_readv(target, &local, 1, &remote, 1, 0);
    if (got != (ssize_t)size)
        fail(2, got < 0 ? strerror(errno) : "its memory ends too early");
}

static void read_text(uint64_t address, char *text, size_t size)
{
    size_t i = 0;
    do
        read_target(address + i, &text[i], 1);
    while (text[i] != '\0' && ++i < size - 1);
    text[i] = '\0';
}

/* Start of the first mapping of libhakmem, and a path at which its file can be opened. */
static uint64_t find_library(char *path, size_t size)
{
    char name[64], line[4096];
    snprintf(name, sizeof name, "/proc/%d/maps", (int)target);
    FILE *maps = fopen(name, "r");
    if (maps == NULL)
        fail(2, strerror(errno));
    while (fgets(line, sizeof line, maps) != NULL) {
        uint64_t start, end, offset;
        int at = 0;
        char *file;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &start, &end, &offset,
                   &at) < 3 || at == 0)
            continue;
        file = line + at;
        if (offset != 0 || strstr(file, "/libhakmem.so") == NULL)
            continue;
        fclose(maps);
        snprintf(path, size, "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)target, start, end);
        if (access(path, R_OK) != 0) {
            file[strcspn(file, "\n")] = '\0';
            snprintf(path, size, "/proc/%d/root%s", (int)target, file);
        }
        return start;
    }
    fail(1, "libhakmem is not mapped");
    return 0;
}

/* Value of dynamic symbol `name` in the file at `path`. */
static uint64_t find_symbol(const char *path, const char *name)
{
    int fd = open(path, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        fail(2, "the library's file cannot be read");
    size_t size = (size_t)status.st_size;
    const char *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED)
        fail(2, "the library's file cannot be mapped");
    close(fd);
    const ElfW(Ehdr) *head = (const void *)file;
    const ElfW(Shdr) *section = (const void *)(file + head->e_shoff);
    for (unsigned i = 0; i < head->e_shnum; i++) {
        if (section[i].sh_type != SHT_DYNSYM)
            continue;
        const ElfW(Sym) *symbol = (const void *)(file + section[i].sh_offset);
        const char *names = file + section[section[i].sh_link].sh_offset;
        for (size_t k = 0; k < section[i].sh_size / sizeof *symbol; k++)
            if (symbol[k].st_shndx != SHN_UNDEF && strcmp(names + symbol[k].st_name, name) == 0)
                return symbol[k].st_value;
    }
    fail(1, "its library has no hakmem_page");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2 || (target = (pid_t)atol(argv[1])) <= 0) {
        fprintf(stderr, "usage: served PID\n");
        return 2;
    }
    char path[4200], text[1024];
    uint64_t base = find_library(path, sizeof path);
    struct hakmem_page page;
    read_target(base + find_symbol(path, "hakmem_page"), &page, sizeof page);
    if (memcmp(page.magic, HAKMEM_PAGE_MAGIC, sizeof page.magic) != 0)
        fail(1, "hakmem_page has another magic");
    if (page.layout != HAKMEM_PAGE_LAYOUT || page.size < sizeof page)
        fail(1, "hakmem_page has another layout");
    if ((page.flags & HAKMEM_PAGE_FILLED) == 0 || page.counter_count > COUNTERS_MAX)
        fail(1, "hakmem has not started in it");

    uint64_t sum[COUNTERS_MAX] = {0}, one[COUNTERS_MAX], names[COUNTERS_MAX], heaps = 0;
    uint64_t heap;
    for (read_target(page.heaps, &heap, sizeof heap); heap != 0; heaps++) {
        read_target(heap + page.heap_counters, one, page.counter_count * sizeof one[0]);
        for (unsigned i = 0; i < page.counter_count; i++)
            sum[i] += one[i];
        read_target(heap + page.heap_next, &heap, sizeof heap);
    }
    read_text(page.version, text, sizeof text);
    printf("version %s\n", text);
    printf("heaps_read %" PRIu64 "\n", heaps);
    read_target(page.counter_names, names, page.counter_count * sizeof names[0]);
    uint64_t refilled = 0;
    for (unsigned i = 0; i < page.counter_count; i++) {
        read_text(names[i], text, sizeof text);
        printf("%s %" PRIu64 "\n", text, sum[i]);
        if (strcmp(text, "refilled_blocks") == 0)
            refilled = sum[i];
    }
    if (refilled == 0)
        fail(1, "hakmem is mapped and serves nothing");
    return 0;
}
