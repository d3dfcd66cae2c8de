/* SPDX-License-Identifier: MIT */
#include "hakmemctl/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hakmemctl/output.h"
#include "hakmemctl/settings.h"
#include "hakmemctl/target.h"

/* One process that was asked. */
struct asked {
    struct process process;
    char program[TARGET_NAME_SIZE];
    uint64_t request;
    struct hakmem_command answer; /* once `answered` */
    bool answered;
};

struct asking {
    const struct ask *ask;
    bool force, all;
    double wait;
    json_t *json; /* NULL: text */
    struct asked *asked;
    size_t count;
    int status;   /* the first that is not STATUS_OK */
};

static void asking_failed(struct asking *asking, int status)
{
    if (asking->status == STATUS_OK)
        asking->status = status;
}

static uint64_t place_of(const struct asked *asked, enum hakmem_command_kind kind)
{
    return asked->process.page.commands + (uint64_t)kind * sizeof(struct hakmem_command);
}

/* Value of the line "NAME:" of /proc/PID/status, or -1. */
static int kernel_status(pid_t pid, const char *name)
{
    char path[64], line[256];
    int value = -1;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            value = atoi(line + strlen(name));
    }
    if (file != NULL)
        fclose(file);
    return value;
}

/*
 * How strict the filter is that the process was not born with: 0 none, 1 the
 * strict mode, 2 a filter. What it has in common with this program or with its
 * parent is that of a container, under which both have opened files.
 */
static int seccomp_of_its_own(pid_t pid)
{
    int mode = kernel_status(pid, "Seccomp:");
    int filters = kernel_status(pid, "Seccomp_filters:");
    pid_t parent = kernel_status(pid, "PPid:");

    if (mode == 2 && filters > 0 &&
        (filters == kernel_status(getpid(), "Seccomp_filters:") ||
         (parent > 0 && filters == kernel_status(parent, "Seccomp_filters:"))))
        return 0;
    return mode;
}

/*
 * A reload opens files in the process. Where a filter of system calls ends a
 * process that does so, a reload would end it; the filter cannot be looked at.
 */
static bool is_allowed(const struct asking *asking, struct asked *asked)
{
    char allocator[32];

    if (asked->process.page.commands == 0 || asked->process.page.attention == 0) {
        snprintf(asked->process.error, sizeof asked->process.error,
                 "process %d runs a hakmem that is older than commands: restart it", (int)asked->process.pid);
        return false;
    }
    settings_value(&asked->process, "allocator", allocator, sizeof allocator);
    if (strcmp(allocator, "libc") == 0) {
        snprintf(asked->process.error, sizeof asked->process.error,
                 "process %d uses the C library's allocator (allocator = libc): hakmem does nothing there",
                 (int)asked->process.pid);
        return false;
    }
    int seccomp = asking->ask->kind == HAKMEM_COMMAND_RELOAD ? seccomp_of_its_own(asked->process.pid) : 0;
    if (seccomp == 1 || (seccomp > 1 && !asking->force)) {
        snprintf(asked->process.error, sizeof asked->process.error,
                 "process %d runs under a filter of system calls (seccomp) of its own, which may end it when it opens "
                 "files: restart it%s", (int)asked->process.pid,
                 seccomp > 1 ? ", or say --force when the filter allows open, read and fstat" : "");
        return false;
    }
    return true;
}

static bool request(const struct asking *asking, struct asked *asked)
{
    struct process *process = &asked->process;
    uint64_t place = place_of(asked, asking->ask->kind), last;
    uint32_t attention = 1;

    if (!process_read(process, place + offsetof(struct hakmem_command, request), &last, sizeof last)) {
        snprintf(process->error, sizeof process->error, "the page of hakmem in process %d is damaged",
                 (int)process->pid);
        return false;
    }
    asked->request = last + 1;
    if (process_write(process, place + offsetof(struct hakmem_command, request), &asked->request,
                      sizeof asked->request) &&
        process_write(process, process->page.attention, &attention, sizeof attention))
        return true;
    snprintf(process->error, sizeof process->error, "process %d cannot be written to: %s%s", (int)process->pid,
             strerror(errno), errno == EPERM ? "; it needs the same user and a process that may be traced, or root"
                                             : "");
    return false;
}

static int ask_one(pid_t pid, void *context)
{
    struct asking *asking = context;
    struct asked *asked = realloc(asking->asked, (asking->count + 1) * sizeof *asked);

    if (asked == NULL)
        return STATUS_FAILED;
    asking->asked = asked;
    asked += asking->count;
    memset(asked, 0, sizeof *asked);

    int status = process_open(&asked->process, pid);
    if (status == STATUS_OK) {
        target_program(pid, asked->program);
        if (!is_allowed(asking, asked))
            status = STATUS_FAILED;
        else if (!request(asking, asked))
            status = STATUS_REFUSED;
    }
    if (status == STATUS_OK) {
        asking->count++;
        return status;
    }
    /* With --all, what is of another user or has no hakmem is passed over. */
    if (status != STATUS_NOT_HAKMEM && !(asking->all && (status == STATUS_NO_TARGET || status == STATUS_REFUSED)))
        command_message("%s", asked->process.error);
    process_close(&asked->process);
    return status;
}

/* ---- answers ---- */

/* True when there is nothing left to wait for: an answer, or the process has ended. */
static bool look_for_answer(const struct ask *ask, struct asked *asked)
{
    struct hakmem_command *answer = &asked->answer;
    uint64_t done;

    if (asked->answered)
        return true;
    if (!process_read(&asked->process, place_of(asked, ask->kind), answer, sizeof *answer) ||
        !process_read(&asked->process, place_of(asked, ask->kind) + offsetof(struct hakmem_command, done), &done,
                      sizeof done))
        return true;
    /* `done` is written last, and the text is whole when it did not change meanwhile. */
    asked->answered = answer->done == done && done >= asked->request;
    answer->text[sizeof answer->text - 1] = '\0';
    return asked->answered;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void wait_for_answers(struct asking *asking)
{
    const struct timespec pause = {0, 5000000};
    double end = now() + asking->wait;

    for (;;) {
        size_t missing = 0;
        for (size_t i = 0; i < asking->count; i++)
            missing += !look_for_answer(asking->ask, &asking->asked[i]);
        if (missing == 0 || now() >= end)
            return;
        nanosleep(&pause, NULL);
    }
}

static const char *state_of(const struct asked *asked)
{
    if (!asked->answered)
        return "pending";
    return asked->answer.status == HAKMEM_COMMAND_DONE ? "done" : "refused";
}

static json_t *answer_json(const struct ask *ask, const struct asked *asked)
{
    json_t *json = json_pack("{s:i, s:s, s:s}", "pid", (int)asked->process.pid, "program", asked->program, "state",
                             state_of(asked));

    if (!asked->answered)
        return json;
    if (ask->value_name != NULL)
        json_object_set_new(json, ask->value_name, json_integer((json_int_t)asked->answer.value));
    if (ask->more_name != NULL)
        json_object_set_new(json, ask->more_name, json_integer((json_int_t)asked->answer.more));
    json_object_set_new(json, "text", json_string(asked->answer.text));
    return json;
}

static void show_answer(struct asking *asking, struct asked *asked)
{
    const struct ask *ask = asking->ask;
    bool done = asked->answered && asked->answer.status == HAKMEM_COMMAND_DONE;

    if (!asked->answered)
        asking_failed(asking, STATUS_PENDING);
    else if (!done || ask->failed(&asked->answer))
        asking_failed(asking, STATUS_FAILED);
    if (asking->json != NULL) {
        json_array_append_new(asking->json, answer_json(ask, asked));
        return;
    }
    printf("%d %s: ", (int)asked->process.pid, asked->program);
    if (!asked->answered)
        printf("pending: takes effect when the process next calls its allocator");
    else if (!done)
        printf("refused, nothing has changed: %s", asked->answer.text);
    else
        ask->describe(&asked->answer);
    putchar('\n');
}

/* ---- the command line ---- */

/* All words that are no options become targets, at the front of argv; their number, or -1. */
static int read_options(struct asking *asking, int argc, char **argv)
{
    const struct command *command = asking->ask->command;
    int words = 0;

    for (int i = 1; i < argc; i++) {
        char *end = NULL;

        if (strcmp(argv[i], "--json") == 0) {
            if (asking->json == NULL)
                asking->json = json_array();
        } else if (strcmp(argv[i], "--all") == 0) {
            asking->all = true;
        } else if (strcmp(argv[i], "--force") == 0) {
            asking->force = true;
        } else if (strcmp(argv[i], "--wait") == 0) {
            asking->wait = i + 1 < argc ? strtod(argv[++i], &end) : -1;
            if (end == NULL || end == argv[i] || *end != '\0' || !(asking->wait >= 0))
                return command_usage_error(command, "--wait needs a number of seconds"), -1;
        } else if (argv[i][0] == '-') {
            return command_usage_error(command, "'%s' is not expected", argv[i]), -1;
        } else {
            argv[words++] = argv[i];
        }
    }
    if ((words == 0) != asking->all)
        return command_usage_error(command, asking->all ? "--all and a target" : "a target is missing"), -1;
    return words;
}

static void ask_all(struct asking *asking)
{
    struct targets targets;
    int status = target_all(&targets);

    if (status != STATUS_OK) {
        asking_failed(asking, status);
        return;
    }
    for (size_t i = 0; i < targets.count; i++) {
        status = ask_one(targets.pid[i], asking);
        if (status != STATUS_NOT_HAKMEM && status != STATUS_NO_TARGET && status != STATUS_REFUSED)
            asking_failed(asking, status);
    }
    target_free(&targets);
}

int ask_run(const struct ask *ask, int argc, char **argv)
{
    struct asking asking = {.ask = ask, .wait = 1};
    int words = read_options(&asking, argc, argv);

    if (words < 0) {
        json_decref(asking.json);
        return STATUS_USAGE;
    }
    if (asking.all)
        ask_all(&asking);
    for (int i = 0; i < words; i++)
        asking_failed(&asking, target_each(argv[i], ask_one, &asking));
    wait_for_answers(&asking);
    for (size_t i = 0; i < asking.count; i++) {
        show_answer(&asking, &asking.asked[i]);
        process_close(&asking.asked[i].process);
    }
    free(asking.asked);
    if (asking.json != NULL && output_json(asking.json) != STATUS_OK)
        asking_failed(&asking, STATUS_FAILED);
    return asking.status;
}
