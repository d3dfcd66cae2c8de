/* SPDX-License-Identifier: MIT */
/*
 * Every system call that hakmem makes. All functions keep errno and are
 * async-signal-safe unless they say otherwise. Memory calls are counted.
 */
#ifndef HAKMEM_OS_OS_H
#define HAKMEM_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a page: 4, 16 or 64 KiB. */
size_t os_page_size(void);

/*
 * Map `size` bytes (a multiple of the page size) of zeroed private memory,
 * aligned to `align` (a power of two, at least the page size). NULL when the
 * system refuses.
 */
void *os_map(size_t size, size_t align);
/* Any part of mappings may be unmapped. False when the system refuses (too many mappings). */
bool os_unmap(void *start, size_t size);
/* As os_map, but address space only: touching it faults. For os_move. */
void *os_reserve(size_t size, size_t align);
/*
 * Put zeros that can only be read in the place of whole pages of this program:
 * the kernel does not count them as memory that it may have to provide. False,
 * and nothing changed, when the system refuses.
 */
bool os_map_zeros(void *start, size_t size);
/*
 * Move the pages of a mapping, without copying, to `target`, an os_reserve of
 * `new_size` bytes, which grows with zeros. False when the system refuses: then
 * the pages are where they were.
 */
bool os_move(void *start, size_t old_size, size_t new_size, void *target);
/* Give the pages back; they read as zero afterwards. False when the system refuses. */
bool os_purge(void *start, size_t size);
/* Fault pages in for writing with one call. Does nothing where the kernel cannot. */
void os_populate(void *start, size_t size);
/*
 * Back the range with huge pages when it is touched, where the kernel leaves it
 * to programs. False when it refuses; true does not say that any will be free.
 */
bool os_huge_pages(void *start, size_t size);
/* False once the kernel has refused: it knows none. */
bool os_has_huge_pages(void);
/* Never back the range with huge pages. False when the kernel refuses, or knows none. */
bool os_no_huge_pages(void *start, size_t size);
bool os_protect_read_only(void *start, size_t size);
bool os_protect_writable(void *start, size_t size);

/* Milliseconds of a clock that never goes back; no system call where the vDSO serves it. */
uint64_t os_now_ms(void);

/*
 * Files, to read the configuration. No cancellation points: malloc must not
 * become one. A result below 0 is the negative number of the error.
 */
int os_open(const char *path);           /* to read; never waits, also not for a FIFO */
int os_open_directory(const char *path);
void os_close(int fd);
/* Up to `size` bytes; less only at the end. */
long os_read(int fd, void *memory, size_t size);
/* Bytes of a regular file; -EISDIR for a directory, -EINVAL for anything else. */
long os_file_size(int fd);
/* Names of a directory: calls visit for each, as the kernel gives them. */
void os_read_names(int fd, void (*visit)(const char *name));
/* The present directory, without a NUL; its length, 0 when it is not known or too long. */
size_t os_directory(char *memory, size_t size);
/* The path of this program's executable into memory[0..size), with a NUL. False: not known. */
bool os_executable(char *memory, size_t size);
/* The name that the program was started by: a link, a script. NULL: not known, or AT_SECURE, where its starter chose it. */
const char *os_started_as(void);

/* Write all of it. False when that failed; only then errno says why. */
bool os_write(int fd, const char *text, size_t length);

/* System calls for memory, by kind. */
enum os_call { OS_MAP, OS_UNMAP, OS_MOVE, OS_PURGE, OS_POPULATE, OS_HUGE, OS_NO_HUGE, OS_PROTECT, OS_CALL_KINDS };
#define OS_CALL_NAMES \
    "mmap\0munmap\0mremap\0madvise_dontneed\0madvise_populate\0madvise_hugepage\0madvise_nohugepage\0mprotect"
/* Since the start; atomic, relaxed. */
extern uint64_t os_calls[OS_CALL_KINDS];
/* All of them. */
uint64_t os_memory_calls(void);

/*
 * For tests: the n-th following call that asks for memory (os_map, os_map_zeros,
 * os_reserve, os_move, os_protect_writable) fails (0: the next one), and all
 * later ones too until switched off with -1.
 */
extern long os_fail_countdown;
void os_fail_after(long n);

#endif
