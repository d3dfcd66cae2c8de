/* SPDX-License-Identifier: MIT */
/* For tests of functions that return text of their own. Include it after cmocka. */
#ifndef TESTS_SUPPORT_EXPECT_H
#define TESTS_SUPPORT_EXPECT_H

#include <stdlib.h>

/* `got` reads as expected (NULL: there is none), and is freed. */
static inline void expect(char *got, const char *expected)
{
    if (expected == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, expected);
    }
    free(got);
}

#endif
