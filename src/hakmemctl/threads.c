/* SPDX-License-Identifier: MIT */
#include "hakmemctl/threads.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hakmemctl/text.h"

static int compare(const void *a, const void *b)
{
    const struct thread *x = a, *y = b;
    return (x->inner_id > y->inner_id) - (x->inner_id < y->inner_id);
}

/* Name, and the last number of "NSpid:", the innermost namespace's. False: it has ended. */
static bool read_one(pid_t pid, struct thread *t)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", (int)pid, t->id);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    t->inner_id = t->id;
    t->name[0] = '\0';
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "Name:\t", 6) == 0) {
            snprintf(t->name, sizeof t->name, "%.15s", line + 6);
            text_make_printable(t->name);
        } else if (strncmp(line, "NSpid:", 6) == 0) {
            const char *last = strrchr(line, '\t');
            t->inner_id = last != NULL ? atoi(last + 1) : t->id;
        }
    }
    fclose(f);
    return true;
}

void threads_read(struct threads *threads, pid_t pid)
{
    char path[64];
    size_t room = 0;
    *threads = (struct threads){NULL, 0};
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        struct thread t = {.id = atoi(entry->d_name)};
        if (t.id <= 0 || !read_one(pid, &t))
            continue;
        if (threads->count == room) {
            room = room == 0 ? 16 : 2 * room;
            struct thread *more = realloc(threads->item, room * sizeof *more);
            if (more == NULL)
                break; /* the rest has no name */
            threads->item = more;
        }
        threads->item[threads->count++] = t;
    }
    closedir(tasks);
    if (threads->count > 1)
        qsort(threads->item, threads->count, sizeof *threads->item, compare);
}

void threads_free(struct threads *threads)
{
    free(threads->item);
    *threads = (struct threads){NULL, 0};
}

const struct thread *threads_find(const struct threads *threads, int inner_id)
{
    struct thread key = {.inner_id = inner_id};
    return threads->count == 0 ? NULL : bsearch(&key, threads->item, threads->count, sizeof key, compare);
}
