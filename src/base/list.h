/* SPDX-License-Identifier: MIT */
/* Circular doubly linked list with a head; a node is embedded in what it links. */
#ifndef HAKMEM_BASE_LIST_H
#define HAKMEM_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_is_empty(const struct list *l) { return l->next == l; }

static inline void list_insert_after(struct list *at, struct list *node)
{
    node->next = at->next;
    node->prev = at;
    at->next->prev = node;
    at->next = node;
}

static inline void list_push_front(struct list *l, struct list *node) { list_insert_after(l, node); }
static inline void list_push_back(struct list *l, struct list *node) { list_insert_after(l->prev, node); }

/* The node may be removed once; afterwards it is a list of its own. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* All nodes of `from`, which is empty then, behind those of l. */
static inline void list_append(struct list *l, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = l->prev;
    l->prev->next = from->next;
    from->prev->next = l;
    l->prev = from->prev;
    list_init(from);
}

static inline struct list *list_front(const struct list *l) { return list_is_empty(l) ? NULL : l->next; }

#endif
