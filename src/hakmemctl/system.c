/* SPDX-License-Identifier: MIT */
#include "hakmemctl/system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmemctl/child.h"
#include "hakmemctl/command.h"
#include "hakmemctl/edit.h"
#include "hakmemctl/library.h"
#include "hakmemctl/preload.h"
#include "hakmemctl/text.h"
#include "hakmemctl/trial.h"

static int fail(char *error)
{
    fflush(stdout); /* what was said before stands before */
    command_message("%s", error);
    free(error);
    return STATUS_FAILED;
}

/* Texts in it are handled as texts. */
static bool read_list(struct edit_file *file, char **error)
{
    if (!edit_read(SYSTEM_FILE, file, error))
        return false;
    if (memchr(file->text, '\0', file->size) == NULL)
        return true;
    *error = text_format("%s has a zero byte in it: it is no list of libraries; leaving it alone", SYSTEM_FILE);
    return false;
}

bool system_enabled(void)
{
    struct edit_file file;
    char *error = NULL;
    bool ours = read_list(&file, &error) && preload_file_has_ours(file.text);

    free(error);
    edit_free(&file);
    return ours;
}

/* ---- what the file was before ---- */

static bool save_state(const struct edit_file *before, const char *entry, char **error)
{
    struct edit_file none = {.mode = 0600, .uid = geteuid(), .gid = getegid()};
    struct text text = {NULL, 0};
    bool made;

    text_add_format(&text, "hakmemctl 1 existed=%d entry=%s\n", before->exists, entry);
    text_add(&text, before->text, before->size);
    bool saved = edit_make_directory(SYSTEM_STATE_DIRECTORY, &made, error) &&
                 edit_write(SYSTEM_STATE, text.text, text.length, &none, error);

    text_free(&text);
    return saved;
}

struct state {
    struct edit_file file; /* as it was saved */
    bool existed;
    char *entry;
    const char *before; /* the bytes, in file */
};

/* False when there is none that can be understood. */
static bool load_state(struct state *state)
{
    char *error = NULL;
    int existed, at = 0;
    char entry[4096];

    *state = (struct state){.existed = false};
    bool read = edit_read(SYSTEM_STATE, &state->file, &error) && state->file.exists &&
                sscanf(state->file.text, "hakmemctl 1 existed=%d entry=%4095s%n", &existed, entry, &at) == 2 &&
                at > 0 && state->file.text[at] == '\n';

    free(error);
    if (!read)
        return false;
    state->existed = existed != 0;
    state->entry = text_copy(entry);
    state->before = state->file.text + at + 1;
    return true;
}

static void free_state(struct state *state)
{
    free(state->entry);
    edit_free(&state->file);
}

/* ---- enable ---- */

/* After the change, for real: does a new program have the library, and is the loader content? */
static bool works_now(void)
{
    char *argv[] = {"cat", "/proc/self/maps", NULL};
    struct child_result result;
    bool works = child_run(argv, 10, NULL, NULL, &result) && result.status == 0 &&
                 strstr(result.output.text, "/libhakmem.so") != NULL &&
                 strstr(result.errors.text, "libhakmem.so") == NULL;

    child_free(&result);
    return works;
}

static int judge_trial(const char *contents, bool force)
{
    struct trial trial;
    char *error = NULL;

    printf("Trying real programs under the new %s, which nobody else sees yet:\n", SYSTEM_FILE);
    fflush(stdout);
    if (!trial_run(contents, &trial, &error))
        return fail(text_format("the trial could not be made, nothing was changed: %s", error));
    if (trial.failed == 0)
        return STATUS_OK;
    if (trial.only_32_bit && force)
        return STATUS_OK;
    return fail(trial.only_32_bit
                    ? text_format("32-bit programs cannot load the library, and each would write an error "
                                  "when it starts; nothing was changed. --force accepts that")
                    : text_format("%u of %u programs fail under it; nothing was changed", trial.failed,
                                  trial.tried));
}

/* Write what was tried, unless someone else wrote in the meantime. */
static int write_list(const struct edit_file *before, const char *contents, const char *entry)
{
    struct edit_file now;
    char *error = NULL;

    if (!read_list(&now, &error))
        return fail(error);
    bool same = edit_same(before, &now);

    edit_free(&now);
    if (!same)
        return fail(text_format("%s was changed by someone else during the trial; nothing was written",
                                SYSTEM_FILE));
    if (!save_state(before, entry, &error) ||
        !edit_write(SYSTEM_FILE, contents, strlen(contents), before, &error))
        return fail(error);
    if (works_now()) {
        printf("%s now begins with %s: every program that starts from now on runs on hakmem.\n"
               "Programs that run already do so when they are next started.\n", SYSTEM_FILE, entry);
        if ((before->mode & 0004) == 0)
            printf("But the file has mode %04o: programs of users who may not read it go on as before.\n",
                   (unsigned)before->mode);
        return STATUS_OK;
    }
    if (!edit_restore(SYSTEM_FILE, before, &error))
        return fail(error);
    unlink(SYSTEM_STATE);
    return fail(text_format("with the new %s a program did not start as it should; the file is as it was",
                            SYSTEM_FILE));
}

static int enable_found(const struct library *library, bool force)
{
    struct edit_file before;
    char *error = NULL, *hidden = library_hidden_by(library->path);

    if (hidden != NULL) {
        error = text_format("%s cannot be read by every user (because of %s): each of their programs would "
                            "write an error", library->path, hidden);
        free(hidden);
        return fail(error);
    }
    if (!read_list(&before, &error)) {
        edit_free(&before);
        return fail(error);
    }
    if (preload_file_has_ours(before.text)) {
        printf("%s names hakmem already; nothing to do.\n", SYSTEM_FILE);
        edit_free(&before);
        return STATUS_OK;
    }
    /* The path: a name without a slash is not loaded into programs that get more rights at start. */
    char *contents = preload_file_with(before.text, library->path);
    int status = judge_trial(contents, force);

    if (status == STATUS_OK)
        status = write_list(&before, contents, library->path);
    free(contents);
    edit_free(&before);
    return status;
}

int system_enable(const char *wanted, bool force)
{
    struct library library;
    char *error = NULL;

    if (geteuid() != 0)
        return fail(text_format("%s belongs to root: run this as root", SYSTEM_FILE));
    if (!library_find(wanted, true, &library, &error))
        return fail(error);
    int status = enable_found(&library, force);

    library_free(&library);
    return status;
}

/* ---- disable ---- */

/* Back to what it was before; when it was edited since, only our entry goes. */
static int take_out(const struct edit_file *now, const struct state *state)
{
    char *error = NULL, *expected = NULL;
    struct edit_file before = *now;
    size_t size = 0;

    if (state != NULL) {
        size = strlen(state->before);
        expected = preload_file_with(state->before, state->entry);
    }
    bool untouched = expected != NULL && strcmp(expected, now->text) == 0;
    char *left = untouched ? text_copy(state->before) : preload_file_without(now->text);

    before.exists = !untouched || state->existed;
    before.text = left;
    before.size = untouched ? size : strlen(left);
    bool written = edit_restore(SYSTEM_FILE, &before, &error);

    if (written && untouched)
        printf("%s is as it was before%s.\n", SYSTEM_FILE, state->existed ? "" : ": it does not exist");
    else if (written)
        printf("%s: hakmem's entry was taken out; the rest stays (%s).\n", SYSTEM_FILE,
               state == NULL ? "hakmemctl did not write it" : "it was edited since hakmem was enabled");
    free(expected);
    free(left);
    return written ? STATUS_OK : fail(error);
}

int system_disable(void)
{
    struct edit_file now;
    struct state state;
    char *error = NULL;

    if (!read_list(&now, &error)) {
        edit_free(&now);
        return fail(error);
    }
    bool saved = load_state(&state);
    int status = STATUS_OK;

    if (preload_file_has_ours(now.text))
        status = take_out(&now, saved ? &state : NULL);
    else
        printf("%s does not name hakmem; nothing to do.\n", SYSTEM_FILE);
    /* an old note is of no use, and would be wrong at the next time */
    if (status == STATUS_OK && state.file.exists && !edit_remove(SYSTEM_STATE, &error))
        status = fail(error);
    free_state(&state);
    edit_free(&now);
    return status;
}
