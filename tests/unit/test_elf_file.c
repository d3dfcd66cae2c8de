/* SPDX-License-Identifier: MIT */
/* What a program's file says about preloading is told, and a damaged file is no danger. */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "hakmemctl/elf_file.h"

static char path[] = "/tmp/hakmem-elf.XXXXXX";

static int set_up(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 || close(fd) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static void put(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "w");

    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static struct elf_file read_back(void)
{
    struct elf_file file;

    assert_true(elf_file_read(path, &file));
    return file;
}

static void this_program_has_a_loader(void **state)
{
    struct elf_file file;

    (void)state;
    assert_true(elf_file_read("/proc/self/exe", &file));
    assert_int_equal(file.kind, ELF_DYNAMIC);
    assert_true(elf_file_is_native(&file));
}

static void a_script_names_its_interpreter(void **state)
{
    (void)state;
    put("#! /bin/sh -e\necho\n", 19);
    assert_int_equal(read_back().kind, ELF_SCRIPT);
    assert_string_equal(read_back().interpreter, "/bin/sh");
    put("#!", 2);
    assert_string_equal(read_back().interpreter, "");
}

static void other_files_are_nothing(void **state)
{
    struct elf_file file;

    (void)state;
    put("", 0);
    assert_int_equal(read_back().kind, ELF_NONE);
    put("\177ELF", 4);
    assert_int_equal(read_back().kind, ELF_NONE);
    assert_false(elf_file_read("/nowhere/at/all", &file));
    assert_false(elf_file_read("/tmp", &file));
}

static struct {
    ElfW(Ehdr) head;
    ElfW(Phdr) segment[2];
} image;

static void make_image(uint16_t type, uint32_t segment)
{
    memset(&image, 0, sizeof image);
    memcpy(image.head.e_ident, ELFMAG, SELFMAG);
    image.head.e_ident[EI_CLASS] = __ELF_NATIVE_CLASS == 64 ? ELFCLASS64 : ELFCLASS32;
    image.head.e_ident[EI_DATA] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB;
    image.head.e_type = type;
    image.head.e_phoff = offsetof(__typeof__(image), segment);
    image.head.e_phentsize = sizeof image.segment[0];
    image.head.e_phnum = 2;
    image.segment[0].p_type = segment;
}

static void a_program_without_a_loader_is_static(void **state)
{
    (void)state;
    make_image(ET_EXEC, PT_LOAD);
    put(&image, sizeof image);
    assert_int_equal(read_back().kind, ELF_STATIC);
    make_image(ET_EXEC, PT_INTERP);
    put(&image, sizeof image);
    assert_int_equal(read_back().kind, ELF_DYNAMIC);
    make_image(ET_DYN, PT_LOAD);
    put(&image, sizeof image);
    assert_int_equal(read_back().kind, ELF_LIBRARY);
}

static void the_other_word_size_is_told(void **state)
{
    (void)state;
    make_image(ET_EXEC, PT_LOAD);
    image.head.e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
    put(&image, sizeof image);
    assert_int_equal(read_back().bits, 96 - __ELF_NATIVE_CLASS);
    struct elf_file file = read_back();

    assert_false(elf_file_is_native(&file));
}

/* Every byte of head and segments gets other values, and the file every shorter length. */
static void damage_is_read_as_something_and_never_crashes(void **state)
{
    static const unsigned char values[] = {0, 1, 2, 0x7f, 0x80, 0xff};

    (void)state;
    make_image(ET_DYN, PT_DYNAMIC);
    image.segment[0].p_offset = sizeof image - 64;
    image.segment[0].p_filesz = 64;
    image.head.e_shoff = offsetof(__typeof__(image), segment);
    image.head.e_shentsize = sizeof(ElfW(Shdr));
    image.head.e_shnum = 1;
    for (size_t i = 0; i < sizeof image; i++) {
        unsigned char saved = ((unsigned char *)&image)[i];

        for (size_t k = 0; k < sizeof values; k++) {
            ((unsigned char *)&image)[i] = values[k];
            put(&image, sizeof image);
            assert_true(read_back().kind <= ELF_LIBRARY);
        }
        ((unsigned char *)&image)[i] = saved;
        put(&image, i);
        assert_true(read_back().kind <= ELF_LIBRARY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_program_has_a_loader),
        cmocka_unit_test(a_script_names_its_interpreter),
        cmocka_unit_test(other_files_are_nothing),
        cmocka_unit_test(a_program_without_a_loader_is_static),
        cmocka_unit_test(the_other_word_size_is_told),
        cmocka_unit_test(damage_is_read_as_something_and_never_crashes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
