/* SPDX-License-Identifier: MIT */
#include "options/prewarm.h"
#include "options/parse.h"

static bool in_range(uint64_t value, uint64_t greatest)
{
    return value >= 1 && value <= greatest;
}

bool prewarm_parse_item(const char *text, size_t length, struct option_prewarm_item *item)
{
    size_t colon = 0;

    while (colon < length && text[colon] != ':')
        colon++;
    if (colon == length)
        return false;

    const char *after = text + colon + 1;
    size_t after_length = length - colon - 1;
    uint64_t size = 0, count = 1;

    if (parse_same_word(text, colon, "pool")) {
        if (!parse_size(after, after_length, &size) || !in_range(size, PTRDIFF_MAX))
            return false;
        item->kind = OPTION_PREWARM_POOL;
    } else {
        bool superslabs = parse_same_word(text, colon, "superslabs");

        if (!superslabs && (!parse_size(text, colon, &size) || !in_range(size, PTRDIFF_MAX)))
            return false;
        if (!parse_number(after, after_length, &count) || !in_range(count, UINT32_MAX))
            return false;
        item->kind = superslabs ? OPTION_PREWARM_SUPERSLABS : OPTION_PREWARM_BLOCKS;
    }
    item->size = size;
    item->count = (uint32_t)count;
    return true;
}

static void tell_bad(const char *item, size_t length, const char *what, prewarm_bad *bad,
                     void *context)
{
    enum { SHOWN_ITEM = 64, TEXT_SIZE = 192 };
    char text[TEXT_SIZE];
    struct print_buffer out;

    print_begin(&out, text, sizeof text);
    print_text(&out, "item '");
    print_quoted(&out, item, length, SHOWN_ITEM);
    print_text(&out, what);
    bad(context, item, text, print_stored(&out));
}

void prewarm_parse(struct option_prewarm *list, const char *text, size_t length, prewarm_bad *bad,
                   void *context)
{
    list->count = 0;
    while (length > 0) {
        struct option_prewarm_item item;
        size_t end = 0;

        while (end < length && text[end] != ',')
            end++;
        if (!prewarm_parse_item(text, end, &item)) {
            tell_bad(text, end, "' is not SIZE:COUNT, superslabs:COUNT or pool:SIZE", bad, context);
        } else if (list->count == OPTION_PREWARM_ITEMS) {
            tell_bad(text, end, "' and what follows is too much (16 are possible)", bad, context);
            return;
        } else {
            list->item[list->count++] = item;
        }
        end += end < length;
        text += end;
        length -= end;
    }
}

void prewarm_format(struct print_buffer *out, const struct option_prewarm *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct option_prewarm_item *item = &list->item[i];

        if (i > 0)
            print_char(out, ',');
        switch (item->kind) {
        case OPTION_PREWARM_POOL:
            print_text(out, "pool:");
            print_size(out, item->size);
            break;
        case OPTION_PREWARM_SUPERSLABS:
            print_text(out, "superslabs:");
            print_decimal(out, item->count);
            break;
        case OPTION_PREWARM_BLOCKS:
            print_size(out, item->size);
            print_char(out, ':');
            print_decimal(out, item->count);
            break;
        }
    }
}
