/* SPDX-License-Identifier: MIT */
/*
 * A live process that runs on hakmem: its mappings, its page, its memory.
 *
 *   /proc/PID/maps --> libhakmem's first mapping --> dynamic symbol hakmem_page
 *                                                      --> struct hakmem_page
 *
 * All of it is read with process_vm_readv; the process takes no part, and does
 * not notice. What is read is never trusted: it may be damaged, or change in
 * the middle. Nothing here writes a message; `error` has it.
 */
#ifndef HAKMEMCTL_PROCESS_H
#define HAKMEMCTL_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <hakmem/introspect.h>

#include "hakmemctl/maps.h"

struct process {
    pid_t pid;
    struct maps maps;       /* as they were when it was opened */
    const char *library;    /* path, as the process sees it */
    bool deleted;           /* the library's file was replaced or removed: restart needed */
    uint64_t page_address;
    struct hakmem_page page;
    char version[512];      /* what hakmem_version() says there */
    int pagemap;            /* which pages are there; -1: the kernel does not say */
    char error[256];        /* why it could not be opened or read */
    /* Reads its memory; another one in tests, which may fail or lie. */
    bool (*read)(const struct process *process, uint64_t address, void *to, size_t size);
    void *read_context;     /* for such a one */
};

/*
 * Find hakmem in a process. STATUS_OK, or STATUS_NO_TARGET, STATUS_NOT_HAKMEM,
 * STATUS_REFUSED, STATUS_UNREADABLE with the reason in `error`. To be closed
 * in every case.
 */
int process_open(struct process *process, pid_t pid);
/* Check the page that was read; as process_open. */
int process_check_page(struct process *process);
/* Is the library mapped? Cheaper than opening, and says nothing about the page. */
bool process_has_library(const struct maps *maps);
void process_close(struct process *process);
/* Is it gone, or a zombie? */
bool process_has_ended(const struct process *process);

/* All `size` bytes at an address of the process; false when they cannot be had. */
bool process_read(const struct process *process, uint64_t address, void *to, size_t size);
/*
 * The same, but pages that are not there are not asked for, and read as zeros: reading
 * them would fault them in. For memory that is mapped, and may never have been
 * written: what is not mapped gives zeros, too.
 */
bool process_read_present(const struct process *process, uint64_t address, void *to, size_t size);
/* Is all of the range mapped? Looks once more where it was not when the process was opened. */
bool process_is_mapped(const struct process *process, uint64_t address, uint64_t size);
/* Is a page of the range there? True as well when the kernel does not say. */
bool process_is_touched(const struct process *process, uint64_t address, size_t size);
/* Write into its memory; false with errno. */
bool process_write(const struct process *process, uint64_t address, const void *from, size_t size);
/* A text that ends within `size` bytes (cut otherwise), fit to be printed; false when it cannot be read. */
bool process_read_text(const struct process *process, uint64_t address, char *text, size_t size);

/* Version number alone: "0.1.0" of what hakmem_version() says. */
void process_version_number(const struct process *process, char *text, size_t size);

#endif
