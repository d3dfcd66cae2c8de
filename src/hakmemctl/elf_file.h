/* SPDX-License-Identifier: MIT */
/*
 * What a program's or a library's file says about preloading. Every offset in it is checked: the
 * file may be anything.
 */
#ifndef HAKMEMCTL_ELF_FILE_H
#define HAKMEMCTL_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum elf_kind {
    ELF_NONE,    /* another kind of file */
    ELF_SCRIPT,  /* begins with #! */
    ELF_STATIC,  /* a program without a dynamic loader: nothing can be preloaded */
    ELF_DYNAMIC, /* a program that the dynamic loader starts */
    ELF_LIBRARY, /* a shared object that is no program */
};

struct elf_file {
    enum elf_kind kind;
    uint8_t bits;          /* 32 or 64; 0 when it is no ELF file */
    uint16_t machine;      /* e_machine */
    bool defines_malloc;   /* malloc is among its dynamic symbols, defined */
    char interpreter[256]; /* of a script: the program in its first line; else "" */
};

/* False, with errno, when the file cannot be read. */
bool elf_file_read(const char *path, struct elf_file *file);

/* Machine and word size of this very program, which a library for it must have. */
bool elf_file_is_native(const struct elf_file *file);

#endif
