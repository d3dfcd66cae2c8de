/* SPDX-License-Identifier: MIT */
#include "hakmemctl/command.h"

#include <stdarg.h>
#include <stdio.h>

void command_message(const char *format, ...)
{
    va_list arguments;
    fputs("hakmemctl: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int command_usage_error(const struct command *command, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "hakmemctl %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "; see hakmemctl %s --help\n", command->name);
    return STATUS_USAGE;
}
