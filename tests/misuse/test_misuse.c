/* SPDX-License-Identifier: MIT */
/*
 * Each program of this folder makes one mistake. It must end by SIGABRT, and
 * the line that tells of it names the function, the address, and what is wrong.
 */
#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

#define ADDRESS "\\(0x[0-9a-f]+\\): "
/* Seen at once, in the call that makes the mistake. */
#define AT_ONCE(function, what) "^hakmem: " function ADDRESS what
/* Seen later, when the block comes up again; for certain with HAKMEM_AUDIT=1. */
#define LATER(what) "^hakmem: [a-z_]+" ADDRESS what

static const struct misuse {
    const char *program;
    const char *message; /* extended regular expression, against single lines */
    bool audit;          /* with HAKMEM_AUDIT=1 */
} misuses[] = {
    {"double_free_in_a_row", AT_ONCE("free", ".*double free"), false},
    {"double_free_with_another_between", LATER(".*double free"), true},
    {"double_free_of_a_pool_block", AT_ONCE("free", ".*double free"), false},
    {"double_free_of_pool_blocks_in_turns", LATER(".*double free"), false},
    {"double_free_of_a_large_block", AT_ONCE("free", ".*(double free|not a block)"), false},
    {"double_free_of_a_huge_block", AT_ONCE("free", ".*(double free|not a block)"), false},
    {"double_free_by_two_threads", LATER(".*double free"), true},
    {"double_free_by_another_thread", LATER(".*double free"), true},
    {"free_of_a_stack_pointer", AT_ONCE("free", ".*not a block"), false},
    {"free_of_a_static_object", AT_ONCE("free", ".*not a block"), false},
    {"free_of_a_misaligned_pointer", AT_ONCE("free", ".*misaligned"), false},
    {"free_of_a_pointer_aligned_to_8", AT_ONCE("free", ".*misaligned"), false},
    {"free_of_an_interior_pointer", LATER(".*interior"), true},
    {"free_of_an_interior_pointer_by_another_thread", LATER(".*interior"), true},
    {"free_of_an_interior_pointer_of_a_pool_block", AT_ONCE("free", ".*interior"), false},
    {"free_of_an_interior_pointer_of_a_large_block", AT_ONCE("free", ".*interior"), false},
    {"free_of_an_interior_pointer_of_a_huge_block", AT_ONCE("free", ".*interior"), false},
    {"free_of_an_unmapped_address", AT_ONCE("free", ".*not a block"), false},
    {"free_of_a_small_number", AT_ONCE("free", ".*not a block"), false},
    {"free_of_a_non_canonical_address", AT_ONCE("free", ".*not a block"), false},
    {"free_of_a_kernel_address", AT_ONCE("free", ".*not a block"), false},
    {"realloc_of_a_foreign_pointer", AT_ONCE("realloc", ".*not a block"), false},
    {"realloc_of_a_misaligned_pointer", AT_ONCE("realloc", ".*misaligned"), false},
    {"realloc_of_an_interior_pointer", LATER(".*interior"), true},
    {"usable_size_of_a_foreign_pointer", AT_ONCE("malloc_usable_size", ".*not a block"), false},
    {"write_into_a_freed_block", LATER(".*(corrupt|double free|bad block)"), true},
};

enum { MISUSES = sizeof misuses / sizeof misuses[0] };

static void program_stops_with_its_message(void **state)
{
    const struct misuse *misuse = *state;
    char path[4096], text[8192];
    const char *arguments[] = {path, NULL};
    const char *environment[] = {misuse->audit ? "HAKMEM_AUDIT=1" : "HAKMEM_AUDIT=0", NULL};
    regex_t pattern;
    int status, found;

    program_beside(misuse->program, path, sizeof path);
    status = program_output(arguments, environment, text, sizeof text);
    assert_int_equal(regcomp(&pattern, misuse->message, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
    found = regexec(&pattern, text, 0, NULL, 0) == 0;
    regfree(&pattern);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !found)
        fail_msg("wait status 0x%x, expected SIGABRT and %s, output:\n%s", (unsigned)status,
                 misuse->message, text);
}

/* The same programs' correct parts: no false alarm in a process that makes no mistake. */
static void a_correct_program_is_not_stopped(void **state)
{
    enum { BLOCKS = 3000 };
    static void *block[BLOCKS];
    uint64_t random = 1;

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            block[i] = malloc(random_size(&random, KIB(100)));
            assert_non_null(block[i]);
        }
        for (int i = 0; i < BLOCKS; i++)
            free(block[i]);
        assert_int_equal(hakmem_audit(STDERR_FILENO), 0);
    }
}

int main(void)
{
    static struct CMUnitTest tests[MISUSES + 1];
    static char name[MISUSES][128];
    struct rlimit none = {0, 0};

    require_allocator();
    setrlimit(RLIMIT_CORE, &none);
    for (int i = 0; i < MISUSES; i++) {
        snprintf(name[i], sizeof name[i], "%s_stops_the_program", misuses[i].program);
        tests[i] = (struct CMUnitTest){name[i], program_stops_with_its_message, NULL, NULL,
                                       (void *)&misuses[i]};
    }
    tests[MISUSES] = (struct CMUnitTest)cmocka_unit_test(a_correct_program_is_not_stopped);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
