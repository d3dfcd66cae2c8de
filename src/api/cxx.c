/* SPDX-License-Identifier: MIT */
/*
 * Every form of the C++ operators new and delete, in C, so that the library
 * needs no C++ run-time library of its own.
 *
 * Compile with -fexceptions: what a new_handler throws must pass through here.
 *
 *     operator new ── this thread's bin has a block ──> return    (as short as malloc)
 *          │ no
 *          ├── malloc ── has memory ──> return
 *          │ NULL
 *          └─> new_throwing: new_handler, again, ... or throw std::bad_alloc
 *              new_nothrow:  no handler: NULL; else the C++ library's own
 *                            nothrow form, which calls operator new in a try
 *
 * What misses goes through the public names: a program with a malloc and free of
 * its own gets its blocks from new as well. Since it may still get blocks of
 * ours (a bin was prewarmed, it called memalign), delete asks the map first.
 *
 * What the slow paths need of the C++ library is looked up when memory is
 * short. A weak reference alone would stay null in a C program that loads C++
 * with dlopen later.
 */
#include "api/api.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "base/bits.h"
#include "heap/heap.h"
#include "os/os.h"

/*
 * A shared library is compiled with -fPIC (not -fPIE). A static one leaves out
 * dlopen, which would draw in the dynamic loader, and the nothrow forms: those
 * of libstdc++.a call our operator new in a try block, which C cannot have.
 */
#if defined __PIC__ && !defined __PIE__
#define SHARED_LIBRARY 1
#else
#define SHARED_LIBRARY 0
#endif

/* In a prefixed build the program keeps its operators; ours are only type-checked. */
#ifdef HAKMEM_PREFIXED
#define OPERATOR_LINKAGE static __attribute__((unused))
#else
#define OPERATOR_LINKAGE HAKMEM_EXPORT
#endif

/* The mangled names hold the type of size_t: unsigned long or unsigned int. */
#if __SIZEOF_SIZE_T__ == 8
#define NEW(form) _Znwm##form
#define NEW_ARRAY(form) _Znam##form
#define DELETE_SIZED(form) _ZdlPvm##form
#define DELETE_ARRAY_SIZED(form) _ZdaPvm##form
#else
#define NEW(form) _Znwj##form
#define NEW_ARRAY(form) _Znaj##form
#define DELETE_SIZED(form) _ZdlPvj##form
#define DELETE_ARRAY_SIZED(form) _ZdaPvj##form
#endif

#define OPERATOR(result, name, ...)                                                               \
    OPERATOR_LINKAGE result name(__VA_ARGS__);                                                    \
    OPERATOR_LINKAGE result name(__VA_ARGS__)

#define STRING_OF(name) #name
#define STRING(name) STRING_OF(name)

#pragma weak _ZSt15get_new_handlerv
#pragma weak _ZSt17__throw_bad_allocv
#pragma weak __cxa_allocate_exception
#pragma weak __cxa_throw
#pragma weak _ZNSt9bad_allocC1Ev
#pragma weak _ZNSt9bad_allocD1Ev
#pragma weak _ZTISt9bad_alloc

typedef void (*new_handler)(void);

extern new_handler _ZSt15get_new_handlerv(void);         /* std::get_new_handler() */
extern void _ZSt17__throw_bad_allocv(void);              /* std::__throw_bad_alloc() */
extern void *__cxa_allocate_exception(size_t size);      /* the C++ ABI of exceptions */
extern void __cxa_throw(void *object, void *type, void (*destroy)(void *));
extern void _ZNSt9bad_allocC1Ev(void *object);           /* std::bad_alloc::bad_alloc() */
extern void _ZNSt9bad_allocD1Ev(void *object);           /* std::bad_alloc::~bad_alloc() */
extern char _ZTISt9bad_alloc[];                          /* typeid(std::bad_alloc) */

/* ---- finding the C++ library ---- */

/*
 * A symbol of a C++ library that is loaded already, wherever its own names are
 * visible. The address stays good after dlclose, because who called operator
 * new needs that library as well.
 */
static COLD void *library_symbol(const char *name)
{
    static const char libraries[][16] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};

    if (!SHARED_LIBRARY)
        return NULL;
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        void *symbol = library != NULL ? dlsym(library, name) : NULL;

        if (library != NULL)
            dlclose(library);
        if (symbol != NULL)
            return symbol;
    }
    return NULL;
}

/* `linked` is the weak reference: null when the name was not there at load time. */
static COLD void *runtime_symbol(void *linked, const char *name)
{
    void *symbol = linked;

    if (symbol == NULL && SHARED_LIBRARY)
        symbol = dlsym(RTLD_DEFAULT, name);
    return symbol != NULL ? symbol : library_symbol(name);
}

/* Casts by the linker's name, since C has no value of a pointer's own type. */
#define RUNTIME(name) ((__typeof__(&(name)))runtime_symbol((void *)(name), #name))

static COLD new_handler current_handler(void)
{
    __typeof__(&_ZSt15get_new_handlerv) get = RUNTIME(_ZSt15get_new_handlerv);

    return get != NULL ? get() : NULL;
}

static _Noreturn COLD void throw_bad_alloc(void)
{
    static const char message[] =
        "hakmem: operator new: out of memory, and no C++ library is there to throw "
        "std::bad_alloc\n";
    __typeof__(&_ZSt17__throw_bad_allocv) throw_it = RUNTIME(_ZSt17__throw_bad_allocv);

    if (throw_it != NULL)
        throw_it();

    __typeof__(&__cxa_allocate_exception) allocate = RUNTIME(__cxa_allocate_exception);
    __typeof__(&__cxa_throw) raise_it = RUNTIME(__cxa_throw);
    __typeof__(&_ZNSt9bad_allocC1Ev) construct = RUNTIME(_ZNSt9bad_allocC1Ev);
    __typeof__(&_ZNSt9bad_allocD1Ev) destroy = RUNTIME(_ZNSt9bad_allocD1Ev);
    void *type = RUNTIME(_ZTISt9bad_alloc);

    if (allocate != NULL && raise_it != NULL && construct != NULL && destroy != NULL &&
        type != NULL) {
        /* std::bad_alloc is one pointer, to its virtual functions. */
        void *object = allocate(sizeof(void *));

        construct(object);
        raise_it(object, type, destroy);
    }
    os_write(2, message, sizeof message - 1);
    abort();
}

/* ---- when memory is short ---- */

enum { NO_ALIGNMENT = 0 };

static void *attempt(size_t size, size_t alignment)
{
    return alignment == NO_ALIGNMENT ? API(malloc)(size) : API(memalign)(alignment, size);
}

static COLD void *new_throwing(size_t size, size_t alignment)
{
    void *block;

    do {
        new_handler handler = current_handler();

        if (handler == NULL)
            throw_bad_alloc();
        handler();
        block = attempt(size, alignment);
    } while (block == NULL);
    return block;
}

static COLD void *new_aligned_throwing(size_t size, size_t alignment)
{
    if (!bits_is_power_of_two(alignment))
        throw_bad_alloc();
    return new_throwing(size, alignment);
}

/* Not cold: blocks above the heap's table of small sizes come here each time. */
static __attribute__((noinline)) void *new_missed(size_t size)
{
    void *block = API(malloc)(size);

    return likely(block != NULL) ? block : new_throwing(size, NO_ALIGNMENT);
}

static inline __attribute__((always_inline)) void *new_plain(size_t size)
{
    void *block = heap_pop(heap_self, size);

    return likely(block != NULL) ? block : new_missed(size);
}

static inline __attribute__((always_inline)) void *new_aligned(size_t size, size_t alignment)
{
    void *block = NULL;

    if (likely(bits_is_power_of_two(alignment)))
        block = API(memalign)(alignment, size);
    return likely(block != NULL) ? block : new_aligned_throwing(size, alignment);
}

/* ---- new ---- */

OPERATOR(void *, NEW(), size_t size)
{
    return new_plain(size);
}

OPERATOR(void *, NEW_ARRAY(), size_t size)
{
    return new_plain(size);
}

OPERATOR(void *, NEW(St11align_val_t), size_t size, size_t alignment)
{
    return new_aligned(size, alignment);
}

OPERATOR(void *, NEW_ARRAY(St11align_val_t), size_t size, size_t alignment)
{
    return new_aligned(size, alignment);
}

#if SHARED_LIBRARY
/*
 * The nothrow forms after malloc failed. A handler may throw std::bad_alloc,
 * which must become NULL: the C++ library's own form (`name`) calls our
 * operator new in a try block. `self` is ours, which is no way out. Without
 * that library's form, what a handler throws reaches a caller who does not
 * expect it; nobody sets a handler without such a library.
 */
static COLD void *new_nothrow(size_t size, const void *nothrow, const char *name, void *self)
{
    void *(*form)(size_t, const void *);

    if (current_handler() == NULL)
        return NULL;
    form = (void *(*)(size_t, const void *))library_symbol(name);
    if (form == NULL || (void *)form == self)
        return new_throwing(size, NO_ALIGNMENT);
    return form(size, nothrow);
}

static COLD void *new_aligned_nothrow(size_t size, size_t alignment, const void *nothrow,
                                      const char *name, void *self)
{
    void *(*form)(size_t, size_t, const void *);

    if (!bits_is_power_of_two(alignment) || current_handler() == NULL)
        return NULL;
    form = (void *(*)(size_t, size_t, const void *))library_symbol(name);
    if (form == NULL || (void *)form == self)
        return new_throwing(size, alignment);
    return form(size, alignment, nothrow);
}

#define NEW_NOTHROW(name)                                                                         \
    OPERATOR(void *, name, size_t size, const void *nothrow)                                      \
    {                                                                                             \
        void *block = API(malloc)(size);                                                          \
                                                                                                  \
        return likely(block != NULL) ? block                                                      \
                                     : new_nothrow(size, nothrow, STRING(name), (void *)name);    \
    }

#define NEW_ALIGNED_NOTHROW(name)                                                                 \
    OPERATOR(void *, name, size_t size, size_t alignment, const void *nothrow)                    \
    {                                                                                             \
        void *block = NULL;                                                                       \
                                                                                                  \
        if (likely(bits_is_power_of_two(alignment)))                                              \
            block = API(memalign)(alignment, size);                                               \
        return likely(block != NULL)                                                              \
                   ? block                                                                        \
                   : new_aligned_nothrow(size, alignment, nothrow, STRING(name), (void *)name);   \
    }

NEW_NOTHROW(NEW(RKSt9nothrow_t))
NEW_NOTHROW(NEW_ARRAY(RKSt9nothrow_t))
NEW_ALIGNED_NOTHROW(NEW(St11align_val_tRKSt9nothrow_t))
NEW_ALIGNED_NOTHROW(NEW_ARRAY(St11align_val_tRKSt9nothrow_t))
#endif

/* ---- delete: what the caller knows of the block is not needed to find its slab ---- */

/* A block of another thread, a large one, the program's own, null, or no block at all. */
static __attribute__((noinline)) void delete_other(void *block, struct slab *s)
{
    if (likely(heap_push_other(heap_self, s, block)))
        return;
    if (load_relaxed(&registry_find(block)->tag) != TAG_NONE)
        heap_free(heap_self, block, "operator delete");
    else
        API(free)(block);
}

/* No block of a slab of this thread in the window; see free_pool. */
static __attribute__((noinline)) void delete_pool(void *block, struct slab *s)
{
    if (unlikely(!heap_push_in_pool(heap_self, s, block)))
        delete_other(block, s);
}

static inline __attribute__((always_inline)) void delete_block(void *block)
{
    struct slab *s;
    if (unlikely(!heap_push_in_window(heap_self, block, &s)))
        delete_pool(block, s);
}

#define DELETE(name, ...)                                                                         \
    OPERATOR(void, name, void *block, ##__VA_ARGS__)                                              \
    {                                                                                             \
        delete_block(block);                                                                      \
    }

/* An argument that is not looked at. */
#define IGNORED(type, name) type name __attribute__((unused))

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvRKSt9nothrow_t, IGNORED(const void *, nothrow))
DELETE(_ZdaPvRKSt9nothrow_t, IGNORED(const void *, nothrow))
DELETE(_ZdlPvSt11align_val_t, IGNORED(size_t, alignment))
DELETE(_ZdaPvSt11align_val_t, IGNORED(size_t, alignment))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, IGNORED(size_t, alignment),
       IGNORED(const void *, nothrow))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, IGNORED(size_t, alignment),
       IGNORED(const void *, nothrow))
DELETE(DELETE_SIZED(), IGNORED(size_t, size))
DELETE(DELETE_ARRAY_SIZED(), IGNORED(size_t, size))
DELETE(DELETE_SIZED(St11align_val_t), IGNORED(size_t, size), IGNORED(size_t, alignment))
DELETE(DELETE_ARRAY_SIZED(St11align_val_t), IGNORED(size_t, size), IGNORED(size_t, alignment))
