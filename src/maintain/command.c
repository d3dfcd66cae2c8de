/* SPDX-License-Identifier: MIT */
/*
 * Commands from outside: reload, purge, audit.
 *
 *   hakmemctl                         this process
 *   request = n + 1  ───┐
 *   attention = 1       └──>  the next slow path (heap_tick): busy, attention = 0,
 *                             for each kind: request != done -> do it, answer, done = request
 *   waits for done == n + 1 <─┘
 *
 * Runs inside malloc or free, of any thread, on its stack: it takes no lock
 * that a caller of heap_tick may hold, waits for nobody, and allocates nothing.
 * One thread answers at a time; another that finds `busy` set goes on, and
 * `attention` is still there when it is set again meanwhile.
 */
#include "maintain/maintain.h"

#include <errno.h>

#include "base/print.h"
#include "options/options.h"
#include "os/fail.h"

struct hakmem_command maintain_commands[HAKMEM_COMMAND_COUNT];

static uint32_t busy; /* atomic: 1 while a thread answers; exchanged, then released by it */

static bool command_reload(struct hakmem_command *command, struct print_buffer *text)
{
    unsigned changed, need_restart;
    bool done = options_reload(text, &changed, &need_restart);

    if (done)
        heap_begin_round(false);
    command->value = changed;
    command->more = need_restart;
    return done;
}

static bool command_run(enum hakmem_command_kind kind, struct heap *h, struct hakmem_command *command,
                        struct print_buffer *text)
{
    switch (kind) {
    case HAKMEM_COMMAND_RELOAD: return command_reload(command, text);
    case HAKMEM_COMMAND_PURGE:
        command->value = maintain_purge(h, 0);
        heap_begin_round(true);
        return true;
    default:
        fail_audit_text = text;
        command->value = maintain_audit(h, FAIL_AUDIT_TEXT);
        return true;
    }
}

static void command_answer(enum hakmem_command_kind kind, struct heap *h)
{
    struct hakmem_command *command = &maintain_commands[kind];
    uint64_t request = load_acquire(&command->request);
    struct print_buffer text;

    if (request == command->done)
        return;
    print_begin(&text, command->text, sizeof command->text);
    command->value = command->more = 0;
    bool done = command_run(kind, h, command, &text);
    print_end(&text);
    command->status = done ? HAKMEM_COMMAND_DONE : HAKMEM_COMMAND_REFUSED;
    store_release(&command->done, request); /* pairs with the reader, who looks at it first */
}

void maintain_answer(struct heap *h)
{
    int saved = errno;

    if (exchange_seq_cst(&busy, 1) != 0)
        return;
    store_seq_cst(&heap_attention, 0); /* before the requests are looked at: a later one sets it again */
    for (unsigned kind = 0; kind < HAKMEM_COMMAND_COUNT; kind++)
        command_answer((enum hakmem_command_kind)kind, h);
    store_release(&busy, 0);
    errno = saved;
}

void maintain_fork_child(void)
{
    store_relaxed(&busy, 0);
}
