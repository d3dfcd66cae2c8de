/* SPDX-License-Identifier: MIT */
/* hakmemctl reload, purge, audit: what a live process is asked to do. */
#include <inttypes.h>
#include <stdio.h>

#include "hakmemctl/ask.h"
#include "hakmemctl/output.h"

extern const struct command command_reload, command_purge, command_audit;

static bool never_failed(const struct hakmem_command *answer)
{
    (void)answer;
    return false;
}

static void describe_reload(const struct hakmem_command *answer)
{
    printf("reloaded, %" PRIu64 " option%s changed", answer->value, answer->value == 1 ? "" : "s");
    if (answer->more > 0)
        printf("; %s", answer->text);
}

static int reload_run(int argc, char **argv)
{
    static const struct ask ask = {
        .command = &command_reload,
        .kind = HAKMEM_COMMAND_RELOAD,
        .value_name = "changed",
        .more_name = "need_restart",
        .describe = describe_reload,
        .failed = never_failed,
    };
    return ask_run(&ask, argc, argv);
}

static void describe_purge(const struct hakmem_command *answer)
{
    char text[OUTPUT_SIZE];

    printf("gave back %s; what other threads keep follows at their next slow path",
           output_bytes(text, answer->value));
}

static int purge_run(int argc, char **argv)
{
    static const struct ask ask = {
        .command = &command_purge,
        .kind = HAKMEM_COMMAND_PURGE,
        .value_name = "bytes",
        .describe = describe_purge,
        .failed = never_failed,
    };
    return ask_run(&ask, argc, argv);
}

static void describe_audit(const struct hakmem_command *answer)
{
    printf("%" PRIu64 " mismatch%s", answer->value, answer->value == 1 ? "" : "es");
    if (answer->value > 0)
        printf("\n%s", answer->text);
}

static bool audit_failed(const struct hakmem_command *answer)
{
    return answer->value > 0;
}

static int audit_run(int argc, char **argv)
{
    static const struct ask ask = {
        .command = &command_audit,
        .kind = HAKMEM_COMMAND_AUDIT,
        .value_name = "mismatches",
        .describe = describe_audit,
        .failed = audit_failed,
    };
    return ask_run(&ask, argc, argv);
}

const struct command command_reload = {
    .name = "reload",
    .summary = "make a process read its configuration files again",
    .usage = ASK_USAGE("reload") "\n"
             "Options that may change while the program runs take their new values; the others are named\n"
             "as in need of a restart. A file with a mistake changes nothing, and the mistake is told.\n"
             "--force: also where a filter of system calls (seccomp) might end a process that opens files;\n"
             "one that its whole container has in common is no such filter.\n",
    .run = reload_run,
};

const struct command command_purge = {
    .name = "purge",
    .summary = "make a process give its free memory back to the system",
    .usage = ASK_USAGE("purge"),
    .run = purge_run,
};

const struct command command_audit = {
    .name = "audit",
    .summary = "check the allocator's counters and lists inside a process",
    .usage = ASK_USAGE("audit") "\n"
             "Exit status 1 when a mismatch was found; each is a line of the output.\n",
    .run = audit_run,
};
