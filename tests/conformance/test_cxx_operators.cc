/* SPDX-License-Identifier: MIT */
/*
 * Operator new and delete as the C++ standard has them, in every form, on a
 * program that runs on hakmem (linked or preloaded). Speaks TAP by itself:
 * cmocka's assertions leave by longjmp, which does not go with exceptions.
 */
#include <dlfcn.h>
#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <hakmem/hakmem.h>

extern "C" bool is_served(const void *block); /* support/support.h, which is C */
extern "C" bool test_excluded(const char *name);

/* clang declares these only with -fsized-deallocation. */
void operator delete(void *, std::size_t) noexcept;
void operator delete[](void *, std::size_t) noexcept;
void operator delete(void *, std::size_t, std::align_val_t) noexcept;
void operator delete[](void *, std::size_t, std::align_val_t) noexcept;

namespace {

struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

#define CHECK(condition)                                                                          \
    do {                                                                                          \
        if (!(condition))                                                                         \
            throw failure(std::string("line ") + std::to_string(__LINE__) + ": " #condition);     \
    } while (0)

/* The compiler may fold pairs of new and delete, and warns of impossible sizes. */
template <typename T> T opaque(T value)
{
    __asm__ volatile("" : "+r"(value) : : "memory");
    return value;
}

const std::size_t impossible = opaque(SIZE_MAX / 2 + 1);

std::align_val_t align(std::size_t value)
{
    return static_cast<std::align_val_t>(opaque(value));
}

bool aligned_to(const void *block, std::size_t alignment)
{
    return reinterpret_cast<std::uintptr_t>(block) % alignment == 0;
}

/* A new form and a delete form that belong together, as functions of size and alignment. */
using make = void *(*)(std::size_t, std::size_t);
using unmake = void (*)(void *, std::size_t, std::size_t);

const make plain_throwing[] = {
    [](std::size_t n, std::size_t) { return ::operator new(n); },
    [](std::size_t n, std::size_t) { return ::operator new[](n); },
};
const make plain_nothrow[] = {
    [](std::size_t n, std::size_t) { return ::operator new(n, std::nothrow); },
    [](std::size_t n, std::size_t) { return ::operator new[](n, std::nothrow); },
};
const make aligned_throwing[] = {
    [](std::size_t n, std::size_t a) { return ::operator new(n, align(a)); },
    [](std::size_t n, std::size_t a) { return ::operator new[](n, align(a)); },
};
const make aligned_nothrow[] = {
    [](std::size_t n, std::size_t a) { return ::operator new(n, align(a), std::nothrow); },
    [](std::size_t n, std::size_t a) { return ::operator new[](n, align(a), std::nothrow); },
};
const unmake plain_delete[] = {
    [](void *p, std::size_t, std::size_t) { ::operator delete(p); },
    [](void *p, std::size_t n, std::size_t) { ::operator delete(p, n); },
    [](void *p, std::size_t, std::size_t) { ::operator delete(p, std::nothrow); },
    [](void *p, std::size_t, std::size_t) { ::operator delete[](p); },
    [](void *p, std::size_t n, std::size_t) { ::operator delete[](p, n); },
    [](void *p, std::size_t, std::size_t) { ::operator delete[](p, std::nothrow); },
};
const unmake aligned_delete[] = {
    [](void *p, std::size_t, std::size_t a) { ::operator delete(p, align(a)); },
    [](void *p, std::size_t n, std::size_t a) { ::operator delete(p, n, align(a)); },
    [](void *p, std::size_t, std::size_t a) { ::operator delete(p, align(a), std::nothrow); },
    [](void *p, std::size_t, std::size_t a) { ::operator delete[](p, align(a)); },
    [](void *p, std::size_t n, std::size_t a) { ::operator delete[](p, n, align(a)); },
    [](void *p, std::size_t, std::size_t a) { ::operator delete[](p, align(a), std::nothrow); },
};

const std::size_t sizes[] = {0, 1, 16, 17, 64, 1000, 1024, 4096, 9000, 65536, 100000, 3u << 20};

template <std::size_t M, std::size_t N, std::size_t D>
void allocate_and_free(const make (&first)[M], const make (&second)[N], const unmake (&frees)[D],
                       std::size_t alignment)
{
    auto round = [&](make form) {
        for (std::size_t size : sizes) {
            for (unmake release : frees) {
                void *block = opaque(form(size, alignment));

                CHECK(block != nullptr);
                CHECK(is_served(block));
                CHECK(aligned_to(block, alignment));
                std::memset(block, 0x5a, size);
                release(block, size, alignment);
            }
        }
    };
    for (make form : first)
        round(form);
    for (make form : second)
        round(form);
}

void every_plain_form_is_served_by_hakmem_and_freed_by_every_delete()
{
    allocate_and_free(plain_throwing, plain_nothrow, plain_delete,
                      __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}

void every_aligned_form_is_aligned_and_freed_by_every_delete()
{
    for (std::size_t alignment = 1; alignment <= 4u << 20; alignment *= 2)
        allocate_and_free(aligned_throwing, aligned_nothrow, aligned_delete, alignment);
}

void each_operator_of_the_process_is_in_libhakmem()
{
    static const char *const names[] = {
        "_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_ZnamRKSt9nothrow_t", "_ZnwmSt11align_val_t",
        "_ZnamSt11align_val_t", "_ZnwmSt11align_val_tRKSt9nothrow_t",
        "_ZnamSt11align_val_tRKSt9nothrow_t", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm",
        "_ZdlPvRKSt9nothrow_t", "_ZdaPvRKSt9nothrow_t", "_ZdlPvSt11align_val_t",
        "_ZdaPvSt11align_val_t", "_ZdlPvmSt11align_val_t", "_ZdaPvmSt11align_val_t",
        "_ZdlPvSt11align_val_tRKSt9nothrow_t", "_ZdaPvSt11align_val_tRKSt9nothrow_t",
    };
    Dl_info core, info;

    if (dladdr(reinterpret_cast<void *>(&hakmem_owns), &core) == 0 ||
        std::strstr(core.dli_fname, "libhakmem") == nullptr)
        return; /* the static library: there is one object only */
    for (std::string name : names) {
        if (sizeof(std::size_t) == 4) { /* size_t is 'j' there, not 'm' */
            for (char *c = &name[4]; *c != '\0'; c++)
                *c = *c == 'm' && (c[1] == '\0' || c[1] == 'R' || c[1] == 'S') ? 'j' : *c;
        }
        void *symbol = dlsym(RTLD_DEFAULT, name.c_str());

        CHECK(symbol != nullptr);
        CHECK(dladdr(symbol, &info) != 0);
        if (std::strstr(info.dli_fname, "libhakmem") == nullptr)
            throw failure(name + " is in " + info.dli_fname);
    }
}

void new_of_nothing_gives_distinct_blocks()
{
    std::set<void *> seen;
    std::vector<void *> plain, aligned;

    for (int i = 0; i < 1000; i++) {
        plain.push_back(::operator new(opaque<std::size_t>(0)));
        aligned.push_back(::operator new(opaque<std::size_t>(0), align(64)));
        CHECK(seen.insert(plain.back()).second);
        CHECK(seen.insert(aligned.back()).second);
        CHECK(aligned_to(aligned.back(), 64));
    }
    for (int i = 0; i < 1000; i++) {
        ::operator delete(plain[i], std::size_t(0));
        ::operator delete(aligned[i], std::size_t(0), align(64));
    }
}

void delete_of_null_does_nothing()
{
    for (unmake release : plain_delete)
        release(opaque<void *>(nullptr), 16, 16);
    for (unmake release : aligned_delete)
        release(opaque<void *>(nullptr), 64, 64);
}

/* Calls the form and tells what came: a block is a failure of the test. */
template <typename Exception> bool throws(make form, std::size_t size, std::size_t alignment)
{
    try {
        form(size, alignment);
    } catch (const Exception &) {
        return true;
    }
    return false;
}

template <typename Exception> void all_throw()
{
    for (make form : plain_throwing)
        CHECK(throws<Exception>(form, impossible, 0));
    for (make form : aligned_throwing)
        CHECK(throws<Exception>(form, impossible, 64));
    CHECK(std::uncaught_exceptions() == 0);
}

void all_give_null()
{
    for (make form : plain_nothrow)
        CHECK(form(impossible, 0) == nullptr);
    for (make form : aligned_nothrow)
        CHECK(form(impossible, 64) == nullptr);
    CHECK(std::uncaught_exceptions() == 0);
}

void without_memory_and_handler_new_throws_bad_alloc_and_nothrow_gives_null()
{
    CHECK(std::get_new_handler() == nullptr);
    all_throw<std::bad_alloc>();
    all_give_null();
}

void an_alignment_that_is_no_power_of_two_is_refused()
{
    for (std::size_t alignment : {0, 3, 24, 48, 65}) {
        for (make form : aligned_throwing)
            CHECK(throws<std::bad_alloc>(form, 64, alignment));
        for (make form : aligned_nothrow)
            CHECK(form(64, alignment) == nullptr);
    }
}

/* Installs a handler for the life of a block. */
struct with_handler {
    explicit with_handler(std::new_handler handler) { std::set_new_handler(handler); }
    ~with_handler() { std::set_new_handler(nullptr); }
};

int calls;

struct own_exception : std::bad_alloc {
    int figure = 42;
};

void what_a_handler_throws_passes_unchanged()
{
    with_handler guard([] { throw own_exception(); });

    all_throw<own_exception>();
    std::set_new_handler([] { throw 7; });
    try {
        opaque(::operator new(impossible));
        CHECK(!"reached");
    } catch (int value) {
        CHECK(value == 7);
    }
    CHECK(std::uncaught_exceptions() == 0);
}

void nothrow_gives_null_when_the_handler_throws()
{
    with_handler guard([] {
        calls++;
        throw std::bad_alloc();
    });

    calls = 0;
    all_give_null();
    CHECK(calls == 4);
    std::set_new_handler([] { throw own_exception(); });
    all_give_null();
}

void a_handler_that_removes_itself_ends_in_bad_alloc()
{
    for (int nothrow = 0; nothrow < 2; nothrow++) {
        with_handler guard([] {
            if (++calls == 3)
                std::set_new_handler(nullptr);
        });

        calls = 0;
        if (nothrow)
            CHECK(::operator new(impossible, std::nothrow) == nullptr);
        else
            CHECK(throws<std::bad_alloc>(plain_throwing[0], impossible, 0));
        CHECK(calls == 3);
    }
}

rlimit normal_limit;

/* The address space is limited until the handler is called the third time. */
void a_handler_that_makes_room_is_called_until_there_is_room()
{
    const std::size_t size = std::size_t(1) << 30;
    rlimit tight;

    CHECK(getrlimit(RLIMIT_AS, &normal_limit) == 0);
    for (std::size_t i = 0; i < 8; i++) {
        make form = i < 2   ? plain_throwing[i]
                    : i < 4 ? aligned_throwing[i - 2]
                    : i < 6 ? plain_nothrow[i - 4]
                            : aligned_nothrow[i - 6];
        with_handler guard([] {
            if (++calls == 3)
                setrlimit(RLIMIT_AS, &normal_limit);
        });

        calls = 0;
        tight = normal_limit;
        tight.rlim_cur = std::size_t(900) << 20;
        CHECK(setrlimit(RLIMIT_AS, &tight) == 0);
        void *block = nullptr;
        try {
            block = form(size, 64);
        } catch (const std::bad_alloc &) {
        }
        setrlimit(RLIMIT_AS, &normal_limit);
        CHECK(block != nullptr);
        CHECK(is_served(block));
        CHECK(calls == 3);
        ::operator delete(block, align(64));
    }
}

struct alignas(256) wide {
    char bytes[256];
    explicit wide(bool fail = false)
    {
        if (fail)
            throw std::logic_error("constructor");
    }
};

void new_expressions_use_the_right_forms()
{
    wide *one = new wide, *many = new wide[7];

    CHECK(aligned_to(opaque(one), 256) && aligned_to(opaque(many), 256));
    delete one;
    delete[] many;
    try {
        opaque(new wide(true));
        CHECK(!"reached");
    } catch (const std::logic_error &) {
    }
    try {
        opaque(new int[opaque<std::ptrdiff_t>(-1)]);
        CHECK(!"reached");
    } catch (const std::bad_alloc &) { /* or bad_array_new_length, which is one */
    }
}

void every_thread_can_throw_and_free_what_others_made()
{
    std::vector<std::thread> threads;
    std::vector<std::string *> made(4000);
    int caught[4] = {};

    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 1000; i++) {
                made[t * 1000 + i] = new std::string(i % 200, 'a');
                caught[t] += throws<std::bad_alloc>(plain_throwing[i % 2], impossible, 0);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    for (int t = 0; t < 4; t++)
        CHECK(caught[t] == 1000);
    threads.clear();
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 1000; i++)
                delete made[(t + 1) % 4 * 1000 + i];
        });
    for (std::thread &thread : threads)
        thread.join();
}

const struct {
    const char *name;
    void (*run)();
} tests[] = {
#define TEST(name) {#name, name}
    TEST(each_operator_of_the_process_is_in_libhakmem),
    TEST(every_plain_form_is_served_by_hakmem_and_freed_by_every_delete),
    TEST(every_aligned_form_is_aligned_and_freed_by_every_delete),
    TEST(new_of_nothing_gives_distinct_blocks),
    TEST(delete_of_null_does_nothing),
    TEST(without_memory_and_handler_new_throws_bad_alloc_and_nothrow_gives_null),
    TEST(an_alignment_that_is_no_power_of_two_is_refused),
    TEST(what_a_handler_throws_passes_unchanged),
    TEST(nothrow_gives_null_when_the_handler_throws),
    TEST(a_handler_that_removes_itself_ends_in_bad_alloc),
    TEST(a_handler_that_makes_room_is_called_until_there_is_room),
    TEST(new_expressions_use_the_right_forms),
    TEST(every_thread_can_throw_and_free_what_others_made),
};

} // namespace

int main()
{
    const int total = sizeof tests / sizeof tests[0];
    int failed = 0;

    std::printf("1..%d\n", total);
    for (int i = 0; i < total; i++) {
        const char *reason = nullptr;
        std::string text;

        if (test_excluded(tests[i].name)) {
            std::printf("ok %d # SKIP %s\n", i + 1, tests[i].name);
            continue;
        }
        try {
            tests[i].run();
        } catch (const std::exception &e) {
            text = e.what();
            reason = text.c_str();
        }
        failed += reason != nullptr;
        std::printf("%s %d - %s\n", reason == nullptr ? "ok" : "not ok", i + 1, tests[i].name);
        if (reason != nullptr)
            std::printf("# %s\n", reason);
        std::fflush(stdout);
    }
    return failed != 0;
}
