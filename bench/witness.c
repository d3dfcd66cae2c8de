/* SPDX-License-Identifier: MIT */
/*
 * Preloaded behind an allocator into the processes of real programs, this tells who served them. Each
 * process appends to the file $HAKMEM_BENCH_WITNESSES, one line at its start and one at its end:
 *
 *   start PID MALLOC FREE PROGRAM    the objects that malloc and free are bound to in this process
 *   end PID PEAK_KIB LIBC_KIB        the largest resident size, and what came from the C library's heap
 *
 * A preloaded library proves nothing by being mapped; that malloc is bound to it, and that the C
 * library's own heap has stayed empty, does. A process that is killed or calls _exit has no end line.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void append(const char *line, int length)
{
    const char *path = getenv("HAKMEM_BENCH_WITNESSES");
    int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0)
        return;
    if (write(fd, line, (size_t)length) != length)
        _exit(125); /* the driver sees the status: a run without witness does not count */
    close(fd);
}

/* The first object in the order of loading, behind the program itself, that defines `function`. */
static const char *first_definition(const char *function)
{
    struct link_map *program = dlopen(NULL, RTLD_LAZY);
    for (struct link_map *m = program != NULL ? program->l_next : NULL; m != NULL; m = m->l_next) {
        Dl_info info;
        void *handle = m->l_name[0] != '\0' ? dlopen(m->l_name, RTLD_LAZY | RTLD_NOLOAD) : NULL;
        void *address = handle != NULL ? dlsym(handle, function) : NULL;
        if (address != NULL && dladdr(address, &info) != 0 && info.dli_fbase == (void *)m->l_addr)
            return m->l_name;
    }
    return "?";
}

/*
 * A program at a fixed address that takes the address of malloc has an entry for it in its own jump
 * table, which every lookup by name finds: the symbol is undefined there, and the definition elsewhere.
 */
static const char *object_of(const char *function)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    void *address = dlsym(RTLD_DEFAULT, function);
    if (address == NULL || dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0)
        return "?";
    return symbol != NULL && symbol->st_shndx == SHN_UNDEF ? first_definition(function) : info.dli_fname;
}

static long peak_kib(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, "VmHWM:");
    return at != NULL ? strtol(at + 6, NULL, 10) : 0;
}

/* What the C library's own malloc has taken from the system, whoever serves the program. */
static size_t libc_kib(void)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    struct mallinfo2 (*info)(void) = NULL;
    if (libc != NULL)
        *(void **)&info = dlsym(libc, "mallinfo2");
    if (info == NULL)
        return 0;
    struct mallinfo2 m = info();
    return (m.arena + m.hblkhd) / 1024;
}

static void __attribute__((constructor)) tell_start(void)
{
    char program[1024], line[4096];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    append(line, snprintf(line, sizeof line, "start %d %s %s %s\n", (int)getpid(), object_of("malloc"),
                          object_of("free"), program));
}

static void __attribute__((destructor)) tell_end(void)
{
    char line[128];
    append(line, snprintf(line, sizeof line, "end %d %ld %zu\n", (int)getpid(), peak_kib(), libc_kib()));
}
