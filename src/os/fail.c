/* SPDX-License-Identifier: MIT */
#include "os/fail.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/print.h"
#include "os/os.h"

void fail_invariant(const char *condition, const char *file, int line)
{
    char text[256];
    struct print_buffer out;
    print_begin(&out, text, sizeof text);
    print_text(&out, "hakmem: broken invariant: ");
    print_text(&out, condition);
    print_text(&out, " (");
    print_text(&out, file);
    print_char(&out, ':');
    print_decimal(&out, (uint64_t)line);
    print_text(&out, "); please report this\n");
    os_write(STDERR_FILENO, text, print_stored(&out));
    abort();
}

void fail_misuse(const char *function, const void *p, const char *what, size_t block_size)
{
    char text[256];
    struct print_buffer out;
    print_begin(&out, text, sizeof text);
    print_text(&out, "hakmem: ");
    print_text(&out, function);
    print_char(&out, '(');
    print_pointer(&out, p);
    print_text(&out, "): ");
    print_text(&out, what);
    if (block_size != 0) {
        print_text(&out, " (class ");
        print_decimal(&out, block_size);
        print_char(&out, ')');
    }
    print_char(&out, '\n');
    os_write(STDERR_FILENO, text, print_stored(&out));
    abort();
}

struct print_buffer *fail_audit_text;

void fail_audit_line(int fd, const char *line, size_t length)
{
    if (fd == FAIL_AUDIT_TEXT)
        print_bytes(fail_audit_text, line, length);
    else if (fd >= 0)
        os_write(fd, line, length);
}

size_t fail_audit(int fd, const char *kind, uintptr_t at, const char *what)
{
    char text[256];
    struct print_buffer out;
    if (fd == -1)
        return 1;
    print_begin(&out, text, sizeof text);
    print_text(&out, "hakmem: audit: ");
    print_text(&out, kind);
    print_char(&out, ' ');
    print_hex(&out, at);
    print_text(&out, ": ");
    print_text(&out, what);
    print_char(&out, '\n');
    fail_audit_line(fd, text, print_stored(&out));
    return 1;
}
