/* SPDX-License-Identifier: MIT */
#include "hakmemctl/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All of a file of /proc, with a NUL behind it; NULL with errno. */
static char *read_all(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t size = 0, room = 64 * 1024;
    char *text = malloc(room);
    while (text != NULL) {
        ssize_t n = read(fd, text + size, room - size - 1);
        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0)
            size += (size_t)n;
        char *more = n < 0 ? NULL : text;
        if (n > 0 && size == room - 1)
            more = realloc(text, room *= 2);
        if (more == NULL) {
            int saved = errno;
            free(text);
            errno = saved;
        }
        text = more;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    if (text != NULL)
        text[size] = '\0';
    return text;
}

/* One line, which is changed; false when it does not look like one. */
static bool maps_parse(char *line, struct mapping *m)
{
    int at = 0;
    unsigned long inode;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %lu%n", &m->start, &m->end, m->access,
               &m->offset, &inode, &at) < 5 || m->end <= m->start)
        return false;
    char *path = line + at;
    path += strspn(path, " ");
    size_t length = strlen(path);
    m->deleted = length > 10 && strcmp(path + length - 10, " (deleted)") == 0;
    if (m->deleted)
        path[length - 10] = '\0';
    m->path = path;
    m->anonymous = inode == 0 && path[0] == '\0';
    return true;
}

bool maps_read(struct maps *maps, pid_t pid)
{
    char path[64];
    *maps = (struct maps){NULL, 0, NULL};
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    maps->text = read_all(path);
    if (maps->text == NULL)
        return false;
    size_t lines = 0;
    for (const char *at = maps->text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    maps->item = calloc(lines + 1, sizeof *maps->item);
    if (maps->item == NULL) {
        maps_free(maps);
        errno = ENOMEM;
        return false;
    }
    for (char *line = maps->text; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        maps->count += maps_parse(line, &maps->item[maps->count]);
        line = end;
    }
    return true;
}

const struct mapping *maps_find(const struct maps *maps, uint64_t address)
{
    size_t low = 0, high = maps->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (maps->item[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < maps->count && maps->item[low].start <= address ? &maps->item[low] : NULL;
}

bool maps_cover(const struct maps *maps, uint64_t start, uint64_t size)
{
    if (size > UINT64_MAX - start)
        return false;
    for (uint64_t at = start; at < start + size;) {
        const struct mapping *m = maps_find(maps, at);
        if (m == NULL || m->access[0] != 'r')
            return false;
        at = m->end;
    }
    return true;
}

void maps_free(struct maps *maps)
{
    free(maps->item);
    free(maps->text);
    *maps = (struct maps){NULL, 0, NULL};
}
