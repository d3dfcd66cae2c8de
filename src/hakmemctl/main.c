/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "build_identity.h"

#include "hakmemctl/command.h"

extern const struct command command_list, command_stat, command_top, command_map, command_metrics;
extern const struct command command_enable, command_disable, command_status, command_doctor;
extern const struct command command_complete;
extern const struct command command_config, command_reload, command_purge, command_audit;

/* In the order of the help text. */
static const struct command *const commands[] = {
    &command_list,
    &command_stat,
    &command_top,
    &command_map,
    &command_metrics,
    &command_config,
    &command_reload,
    &command_purge,
    &command_audit,
    &command_enable,
    &command_disable,
    &command_status,
    &command_doctor,
    &command_complete,
};
#define COMMANDS (sizeof commands / sizeof commands[0])

const struct command *command_at(size_t index)
{
    return index < COMMANDS ? commands[index] : NULL;
}

static void help(void)
{
    printf("usage: hakmemctl COMMAND [ARGUMENT...]\n"
           "       hakmemctl COMMAND --help | --version\n"
           "\n"
           "Looks into live processes that run on hakmem, and steers them.\n"
           "A TARGET is a process id, the name of a program, or a systemd unit.\n"
           "\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n"
           "Exit status: 0 done, 1 not done, 2 wrong command line, 3 no such target, 4 not under\n"
           "hakmem, 5 refused by the kernel, 6 the process's page is damaged or newer than this\n"
           "tool, 7 pending until the process next calls its allocator.\n");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

/* Is --help among the arguments, in front of "--"? */
static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        command_message("a command is missing; see hakmemctl --help");
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help();
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hakmemctl %s, commit %s\n", PACKAGE_VERSION, HAKMEM_COMMIT);
        return STATUS_OK;
    }
    const struct command *command = find(argv[1]);
    if (command == NULL) {
        command_message("there is no command '%s'; see hakmemctl --help", argv[1]);
        return STATUS_USAGE;
    }
    if (wants_help(argc - 1, argv + 1)) {
        printf("%s: %s\n\n%s", command->name, command->summary, command->usage);
        return STATUS_OK;
    }
    int status = command->run(argc - 1, argv + 1);
    if (fflush(stdout) != 0 && status == STATUS_OK) {
        command_message("the output could not be written");
        status = STATUS_FAILED;
    }
    return status;
}
