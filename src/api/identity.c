/* SPDX-License-Identifier: MIT */
/*
 * Which build this is: for hakmem_version, and for who runs the shared object
 * as a program (by itself or through the dynamic loader) to tell an installed
 * library from another build.
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "build_identity.h"

#include <hakmem/hakmem.h>

#include "api/api.h"
#include "api/identity.h"

const char hakmem_identity[] = "hakmem " PACKAGE_VERSION ", commit " HAKMEM_COMMIT
                               ", compiler " HAKMEM_COMPILER ", flags " HAKMEM_BUILD_FLAGS;

HAKMEM_EXPORT const char *hakmem_version(void)
{
    return hakmem_identity;
}

/* A shared library is compiled with -fPIC, not -fPIE: a static program keeps its own way to start. */
#if !defined HAKMEM_PREFIXED && defined HAKMEM_INTERPRETER && defined __PIC__ && !defined __PIE__

/* Makes the linker write a program header that names the dynamic loader. */
extern const char hakmem_interpreter[];
__attribute__((section(".interp"), used)) const char hakmem_interpreter[] = HAKMEM_INTERPRETER;

static const char identity_text[] =
    "hakmem " PACKAGE_VERSION "\n"
    "commit:   " HAKMEM_COMMIT "\n"
    "compiler: " HAKMEM_COMPILER "\n"
    "flags:    " HAKMEM_BUILD_FLAGS "\n"
    "\n"
    "A malloc. To run a program on it: LD_PRELOAD=libhakmem.so.1 PROGRAM\n";

/*
 * Where the loader jumps to. It has relocated us and initialised the C library,
 * but there is no caller, the stack is aligned as it was for the process, and
 * our own constructors have not run: so write and end, and allocate nothing.
 */
#if defined __x86_64__ || defined __i386__
__attribute__((force_align_arg_pointer))
#endif
__attribute__((noreturn, used)) void
hakmem_identity_main(void);

void hakmem_identity_main(void)
{
    const char *text = identity_text;
    size_t rest = sizeof identity_text - 1;
    while (rest > 0) {
        ssize_t written = write(STDOUT_FILENO, text, rest);
        if (written <= 0)
            _exit(1);
        text += written;
        rest -= (size_t)written;
    }
    _exit(0);
}

#endif
