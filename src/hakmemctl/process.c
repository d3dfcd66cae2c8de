/* SPDX-License-Identifier: MIT */
#include "hakmemctl/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hakmemctl/command.h"
#include "hakmemctl/symbol.h"
#include "hakmemctl/text.h"

/* The page had at least this much when it was first published. */
#define PAGE_SIZE_MIN (offsetof(struct hakmem_page, structures) + sizeof(uint64_t))

__attribute__((format(printf, 3, 4))) static int process_fail(struct process *process, int status,
                                                              const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(process->error, sizeof process->error, format, arguments);
    va_end(arguments);
    return status;
}

static bool process_read_live(const struct process *process, uint64_t address, void *to, size_t size)
{
    char *at = to;
    while (size > 0) {
        struct iovec local = {at, size}, remote = {(void *)(uintptr_t)address, size};
        ssize_t got = process_vm_readv(process->pid, &local, 1, &remote, 1, 0);
        if (got <= 0)
            return false;
        at += got;
        address += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

bool process_read(const struct process *process, uint64_t address, void *to, size_t size)
{
    return address <= UINT64_MAX - size && process->read(process, address, to, size);
}

/* Pages whose presence is looked up at once. */
bool process_is_mapped(const struct process *process, uint64_t address, uint64_t size)
{
    struct maps now;
    if (maps_cover(&process->maps, address, size))
        return true;
    bool is_mapped = maps_read(&now, process->pid) && maps_cover(&now, address, size);
    maps_free(&now);
    return is_mapped;
}

#define PRESENT_BATCH 64
#define PRESENT ((uint64_t)3 << 62) /* resident or swapped out */

/* What pagemap says of the first pages of a range, at most PRESENT_BATCH. */
struct present {
    uint64_t entries[PRESENT_BATCH];
    uint64_t page;  /* bytes */
    uint64_t first; /* number of the first page */
    size_t pages;
    size_t part;    /* bytes of the range on them */
};

/* False when the kernel does not say. */
static bool present_read(const struct process *process, uint64_t address, size_t size, struct present *present)
{
    present->page = (uint64_t)sysconf(_SC_PAGESIZE);
    present->first = address / present->page;
    present->part = (size_t)((present->first + PRESENT_BATCH) * present->page - address);
    present->part = present->part < size ? present->part : size;
    present->pages = (size_t)((address + present->part - 1) / present->page - present->first + 1);
    size_t wanted = present->pages * sizeof present->entries[0];
    off_t at = (off_t)(present->first * sizeof present->entries[0]);
    return process->pagemap >= 0 && pread(process->pagemap, present->entries, wanted, at) == (ssize_t)wanted;
}

bool process_is_touched(const struct process *process, uint64_t address, size_t size)
{
    struct present present;
    for (; size > 0; address += present.part, size -= present.part) {
        if (!present_read(process, address, size, &present))
            return true;
        for (size_t i = 0; i < present.pages; i++) {
            if ((present.entries[i] & PRESENT) != 0)
                return true;
        }
    }
    return false;
}

bool process_read_present(const struct process *process, uint64_t address, void *to, size_t size)
{
    struct present present;
    char *at = to;
    for (; size > 0; address += present.part, size -= present.part) {
        if (!present_read(process, address, size, &present))
            return process_read(process, address, at, size);
        const uint64_t *entries = present.entries;
        size_t pages = present.pages;
        for (size_t i = 0, next; i < pages; i = next) {
            bool there = (entries[i] & PRESENT) != 0;
            for (next = i + 1; next < pages && ((entries[next] & PRESENT) != 0) == there; next++)
                ;
            uint64_t start = i == 0 ? address : (present.first + i) * present.page;
            uint64_t end = next == pages ? address + present.part : (present.first + next) * present.page;
            if (!there)
                memset(at, 0, (size_t)(end - start));
            else if (!process_read(process, start, at, (size_t)(end - start)))
                return false;
            at += end - start;
        }
    }
    return true;
}

bool process_write(const struct process *process, uint64_t address, const void *from, size_t size)
{
    struct iovec local = {(void *)(uintptr_t)from, size}, remote = {(void *)(uintptr_t)address, size};
    return process_vm_writev(process->pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

bool process_read_text(const struct process *process, uint64_t address, char *text, size_t size)
{
    size_t length = 0;
    while (length + 1 < size) {
        /* What is left of the text may lie just in front of the end of a mapping. */
        size_t page = 4096 - (size_t)((address + length) % 4096);
        size_t part = size - 1 - length < page ? size - 1 - length : page;
        if (!process_read(process, address + length, text + length, part))
            return false;
        if (memchr(text + length, '\0', part) != NULL) {
            text_make_printable(text);
            return true;
        }
        length += part;
    }
    text[length] = '\0';
    text_make_printable(text);
    return true;
}

static bool is_library(const struct mapping *m)
{
    const char *slash = strrchr(m->path, '/');
    return slash != NULL && strncmp(slash, "/libhakmem", 10) == 0;
}

bool process_has_library(const struct maps *maps)
{
    for (size_t i = 0; i < maps->count; i++) {
        if (is_library(&maps->item[i]))
            return true;
    }
    return false;
}

/*
 * The library's page: first in what is called libhakmem, then in the program
 * itself, which may be linked with the archive and export it.
 */
static bool process_find_page(struct process *process)
{
    char path[64], program[PATH_MAX];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)process->pid);
    ssize_t length = readlink(path, program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    for (size_t i = 0; i < process->maps.count; i++) {
        const struct mapping *m = &process->maps.item[i];
        if (m->offset != 0 || m->path[0] != '/' || !(is_library(m) || strcmp(m->path, program) == 0))
            continue;
        uint64_t page = symbol_find(process, m->start, "hakmem_page");
        if (page != 0) {
            process->page_address = page;
            process->library = m->path;
            process->deleted = m->deleted;
            return true;
        }
    }
    return false;
}

/* What a refusal of the kernel comes from, as far as it can be seen. */
static int process_refused(struct process *process)
{
    char scope = '0';
    FILE *f = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (f != NULL) {
        scope = (char)fgetc(f);
        fclose(f);
    }
    if (geteuid() != 0 && scope > '0')
        return process_fail(process, STATUS_REFUSED,
                            "the kernel refuses to let process %d be read: kernel.yama.ptrace_scope is %c; "
                            "run this as root", (int)process->pid, scope);
    return process_fail(process, STATUS_REFUSED,
                        "the kernel refuses to let process %d be read: it needs %s", (int)process->pid,
                        geteuid() == 0 ? "CAP_SYS_PTRACE, which a container may lack"
                                       : "the same user and a process that may be traced, or root");
}

/* Its mappings show no libhakmem, or could not be read. */
static int process_without_library(struct process *process, int error)
{
    if (error == EACCES || error == EPERM)
        return process_refused(process);
    if (error == ENOENT || error == ESRCH || kill(process->pid, 0) != 0)
        return process_fail(process, STATUS_NO_TARGET, "there is no process %d", (int)process->pid);
    return process_fail(process, STATUS_NOT_HAKMEM, "process %d does not run under hakmem",
                        (int)process->pid);
}

int process_check_page(struct process *process)
{
    const struct hakmem_page *page = &process->page;
    if (memcmp(page->magic, HAKMEM_PAGE_MAGIC, sizeof page->magic) != 0)
        return process_fail(process, STATUS_UNREADABLE, "the page of hakmem in process %d is damaged: no magic",
                            (int)process->pid);
    if (page->layout != HAKMEM_PAGE_LAYOUT)
        return process_fail(process, STATUS_UNREADABLE,
                            "process %d runs a hakmem whose page has layout %u; this hakmemctl reads %u: use "
                            "the one of the same version", (int)process->pid, page->layout, HAKMEM_PAGE_LAYOUT);
    if (page->size < PAGE_SIZE_MIN)
        return process_fail(process, STATUS_UNREADABLE,
                            "the page of hakmem in process %d is damaged: it says that it has %u bytes",
                            (int)process->pid, page->size);
    return STATUS_OK;
}

static int process_read_page(struct process *process)
{
    struct hakmem_page *page = &process->page;
    size_t head = offsetof(struct hakmem_page, size) + sizeof page->size;
    if (!process_read(process, process->page_address, page, head))
        return process_fail(process, STATUS_UNREADABLE, "the page of hakmem in process %d is not mapped",
                            (int)process->pid);
    int status = process_check_page(process);
    if (status != STATUS_OK)
        return status;
    /* Of an older library the page is shorter: what it does not have reads as 0. */
    size_t size = page->size < sizeof *page ? page->size : sizeof *page;
    if (!process_read(process, process->page_address, page, size) ||
        !process_read_text(process, page->version, process->version, sizeof process->version))
        return process_fail(process, STATUS_UNREADABLE,
                            "the page of hakmem in process %d is damaged: it points to what is not mapped",
                            (int)process->pid);
    return STATUS_OK;
}

int process_open(struct process *process, pid_t pid)
{
    char path[64];
    memset(process, 0, sizeof *process);
    process->pid = pid;
    process->read = process_read_live;
    snprintf(path, sizeof path, "/proc/%d/pagemap", (int)pid);
    process->pagemap = open(path, O_RDONLY | O_CLOEXEC);
    if (!maps_read(&process->maps, pid))
        return process_without_library(process, errno);
    if (!process_has_library(&process->maps) && process->maps.count == 0)
        return process_without_library(process, 0); /* a kernel thread, or a process that is ending */
    errno = 0;
    if (!process_find_page(process)) {
        if (errno == EPERM || errno == EACCES)
            return process_refused(process);
        return process_without_library(process, 0);
    }
    return process_read_page(process);
}

bool process_has_ended(const struct process *process)
{
    uint32_t layout;
    return !process_read(process, process->page_address + offsetof(struct hakmem_page, layout), &layout,
                         sizeof layout);
}

void process_close(struct process *process)
{
    maps_free(&process->maps);
    if (process->pagemap >= 0)
        close(process->pagemap);
    process->pagemap = -1;
}

void process_version_number(const struct process *process, char *text, size_t size)
{
    const char *number = process->version;
    number += strcspn(number, "0123456789");
    snprintf(text, size, "%.*s", (int)strcspn(number, ", "), number);
}
