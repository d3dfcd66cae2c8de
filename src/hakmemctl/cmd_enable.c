/* SPDX-License-Identifier: MIT */
/* hakmemctl enable, hakmemctl disable: turn hakmem on and off for a service, or for the system. */
#include <stdlib.h>
#include <string.h>

#include "hakmemctl/command.h"
#include "hakmemctl/service.h"
#include "hakmemctl/system.h"
#include "hakmemctl/unit.h"

extern const struct command command_enable, command_disable;

struct enable_arguments {
    const char *unit;
    bool system, user;
    struct service_options options;
};

/* The value of an option that takes one, behind "=" or in the next word. */
static bool take_value(char **argv, int *at, const char *option, const char **value)
{
    size_t length = strlen(option);

    if (strncmp(argv[*at], option, length) != 0)
        return false;
    if (argv[*at][length] == '=')
        *value = argv[*at] + length + 1;
    else if (argv[*at][length] == '\0' && argv[*at + 1] != NULL)
        *value = argv[++*at];
    else
        return false;
    return true;
}

static int read_arguments(const struct command *command, int argc, char **argv, struct enable_arguments *to)
{
    bool enabling = command == &command_enable;
    const char *value;
    char *end;

    *to = (struct enable_arguments){.options.wait = 15};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--system") == 0)
            to->system = true;
        else if (strcmp(argv[i], "--user") == 0)
            to->user = true;
        else if (strcmp(argv[i], "--now") == 0)
            to->options.now = true;
        else if (enabling && strcmp(argv[i], "--force") == 0)
            to->options.force = true;
        else if (enabling && take_value(argv, &i, "--library", &value))
            to->options.library = value;
        else if (take_value(argv, &i, "--wait", &value)) {
            unsigned long seconds = strtoul(value, &end, 10);

            if (value[0] < '0' || value[0] > '9' || *end != '\0' || seconds > 3600)
                return command_usage_error(command, "--wait takes seconds, up to 3600, not '%s'", value);
            to->options.wait = (unsigned)seconds;
        } else if (argv[i][0] == '-')
            return command_usage_error(command, "'%s' is not known, or needs a value", argv[i]);
        else if (to->unit != NULL)
            return command_usage_error(command, "one unit at a time, not '%s' too", argv[i]);
        else
            to->unit = argv[i];
    }
    if (to->system == (to->unit != NULL))
        return command_usage_error(command, "it needs a UNIT, or --system");
    if (to->system && (to->user || to->options.now))
        return command_usage_error(command, "--user and --now belong to a UNIT, not to --system");
    return STATUS_OK;
}

static int run_on_unit(const struct enable_arguments *arguments,
                       int (*what)(struct unit *, const struct service_options *))
{
    struct unit unit;
    int status = unit_open(&unit, arguments->unit, arguments->user);

    if (status == STATUS_OK)
        status = what(&unit, &arguments->options);
    unit_close(&unit);
    return status;
}

static int enable_run(int argc, char **argv)
{
    struct enable_arguments arguments;
    int status = read_arguments(&command_enable, argc, argv, &arguments);

    if (status != STATUS_OK)
        return status;
    if (arguments.system)
        return system_enable(arguments.options.library, arguments.options.force);
    return run_on_unit(&arguments, service_enable);
}

static int disable_run(int argc, char **argv)
{
    struct enable_arguments arguments;
    int status = read_arguments(&command_disable, argc, argv, &arguments);

    if (status != STATUS_OK)
        return status;
    return arguments.system ? system_disable() : run_on_unit(&arguments, service_disable);
}

const struct command command_enable = {
    .name = "enable",
    .summary = "run a service, or every program, on hakmem",
    .usage =
        "usage: hakmemctl enable [--now] [--user] [--wait SECONDS] [--library FILE] [--force] UNIT\n"
        "       hakmemctl enable --system [--library FILE] [--force]\n"
        "\n"
        "Gives the service UNIT a drop-in that preloads hakmem; an LD_PRELOAD that it has is kept.\n"
        "For a PostgreSQL cluster of Debian (postgresql@15-main) it is a line in the cluster's file\n"
        "/etc/postgresql/15/main/environment: the server gets what stands there, and nothing else.\n"
        "\n"
        "  --now           restart it, and verify in the live process that hakmem serves it; when it\n"
        "                  does not come up or is not served, take the change back and restart it\n"
        "  --wait SECONDS  how long it may take for that (15)\n"
        "  --user          a unit of the user's own systemd\n"
        "  --library FILE  this library instead of the installed one\n"
        "  --force         although its program looks as if it could not be served; with --system,\n"
        "                  although 32-bit programs would write an error\n"
        "  --system        every program of the machine, by a line in /etc/ld.so.preload, after real\n"
        "                  programs were tried under the new file where nobody else sees it\n",
    .run = enable_run,
};

const struct command command_disable = {
    .name = "disable",
    .summary = "take back what enable did",
    .usage =
        "usage: hakmemctl disable [--now] [--user] [--wait SECONDS] UNIT\n"
        "       hakmemctl disable --system\n"
        "\n"
        "Takes away what enable wrote, and nothing else.\n"
        "\n"
        "  --now           restart the service when it runs, and see that it comes up\n"
        "  --wait SECONDS  how long it may take for that (15)\n"
        "  --user          a unit of the user's own systemd\n"
        "  --system        the line in /etc/ld.so.preload; the file is again what it was, byte for byte\n",
    .run = disable_run,
};
