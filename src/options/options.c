/* SPDX-License-Identifier: MIT */
#include "options/options.h"

#include <errno.h>

#include "base/print.h"
#include "options/parse.h"
#include "options/prewarm.h"
#include "os/os.h"

#define INITIAL_SWITCH(value) value
#define INITIAL_BYTES(value) value
#define INITIAL_COUNT(value) value
#define INITIAL_MILLIS(value) value
#define INITIAL_PREWARM(value) {.count = value}

#define OPTION(name, type, initial, least, greatest, unit, when, help)                            \
    .name = INITIAL_##type(initial),
struct options hakmem_options = {
#include "options/table.h"
};

_Static_assert(sizeof(struct options) == OPTIONS_ALIGNMENT, "the settings fill their pages");

enum option_type { SWITCH, BYTES, COUNT, MILLIS, PREWARM };

struct option_row {
    const char *name;
    enum option_type type;
    unsigned offset; /* of the value in struct options */
    uint64_t initial, least, greatest;
};

#define OPTION(name, type, initial, least, greatest, unit, when, help)                            \
    {#name, type, offsetof(struct options, name), initial, least, greatest},
static const struct option_row rows[OPTION_TOTAL] = {
#include "options/table.h"
};

static const char prefix[] = "HAKMEM_";
enum { PREFIX_LENGTH = sizeof prefix - 1, SHOWN_NAME = 48, SHOWN_VALUE = 64, LINE_SIZE = 384 };

static void *value_of(const struct option_row *row)
{
    return (char *)&hakmem_options + row->offset;
}

static void store(const struct option_row *row, uint64_t value)
{
    switch (row->type) {
    case SWITCH: *(bool *)value_of(row) = value != 0; break;
    case BYTES: *(size_t *)value_of(row) = (size_t)value; break;
    case COUNT:
    case MILLIS: *(uint32_t *)value_of(row) = (uint32_t)value; break;
    case PREWARM: ((struct option_prewarm *)value_of(row))->count = 0; break;
    }
}

static void print_number(struct print_buffer *out, const struct option_row *row, uint64_t value)
{
    switch (row->type) {
    case SWITCH: print_text(out, value != 0 ? "on" : "off"); break;
    case BYTES: print_size(out, value); break;
    case COUNT:
    case MILLIS: print_decimal(out, value); break;
    case PREWARM: break; /* the default is the empty list */
    }
}

static void print_value(struct print_buffer *out, const struct option_row *row)
{
    switch (row->type) {
    case SWITCH: print_number(out, row, *(bool *)value_of(row)); break;
    case BYTES: print_number(out, row, *(size_t *)value_of(row)); break;
    case COUNT:
    case MILLIS: print_number(out, row, *(uint32_t *)value_of(row)); break;
    case PREWARM: prewarm_format(out, value_of(row)); break;
    }
}

/* The variable's name of an option. */
static void print_variable(struct print_buffer *out, const char *name)
{
    print_text(out, prefix);
    while (*name != '\0')
        print_char(out, parse_upper(*name++));
}

/* One line is one write, so that lines of several processes do not mix. */
static void message_begin(struct print_buffer *out, char *line)
{
    print_begin(out, line, LINE_SIZE);
    print_text(out, "hakmem: ");
}

static void message_end(struct print_buffer *out)
{
    print_char(out, '\n');
    if (hakmem_options.messages)
        os_write(2, out->start, print_stored(out));
}

static void message_value_begin(struct print_buffer *out, char *line,
                                const struct option_row *row, const char *text)
{
    message_begin(out, line);
    print_variable(out, row->name);
    print_text(out, "='");
    print_quoted(out, text, __builtin_strlen(text), SHOWN_VALUE);
    print_text(out, "': ");
}

static void message_value_end(struct print_buffer *out, const struct option_row *row)
{
    print_text(out, "; the default ");
    print_number(out, row, row->initial);
    print_text(out, " stands");
    message_end(out);
}

static void complain_syntax(const struct option_row *row, const char *text)
{
    static const char *const wanted[] = {
        [SWITCH] = "not a switch (on or off)",
        [BYTES] = "not a size (digits with an optional k, M, G or T)",
        [COUNT] = "not a number (digits only)",
        [MILLIS] = "not a number of milliseconds (digits only)",
    };
    char line[LINE_SIZE];
    struct print_buffer out;

    message_value_begin(&out, line, row, text);
    print_text(&out, wanted[row->type]);
    message_value_end(&out, row);
}

static void complain_range(const struct option_row *row, const char *text, bool over,
                           uint64_t limit)
{
    char line[LINE_SIZE];
    struct print_buffer out;

    message_value_begin(&out, line, row, text);
    print_text(&out, over ? "over the greatest value " : "under the least value ");
    print_number(&out, row, limit);
    message_value_end(&out, row);
}

static void complain_item(const char *text, size_t length, bool full)
{
    char line[LINE_SIZE];
    struct print_buffer out;

    message_begin(&out, line);
    print_variable(&out, rows[OPTION_INDEX_prewarm].name);
    print_text(&out, ": item '");
    print_quoted(&out, text, length, SHOWN_VALUE);
    print_text(&out, full ? "' is one too many (16 are possible); it and the rest are ignored"
                          : "' is not SIZE:COUNT, superslabs:COUNT or pool:SIZE; ignored");
    message_end(&out);
}

/* A bad item is named and left out; the others count. */
static void set_prewarm(struct option_prewarm *list, const char *text)
{
    list->count = 0;
    while (*text != '\0') {
        struct option_prewarm_item item;
        size_t length = 0;

        while (text[length] != '\0' && text[length] != ',')
            length++;
        if (!prewarm_parse_item(text, length, &item)) {
            complain_item(text, length, false);
        } else if (list->count == OPTION_PREWARM_ITEMS) {
            complain_item(text, length, true);
            return;
        } else {
            list->item[list->count++] = item;
        }
        text += length;
        text += *text == ',';
    }
}

static bool set_value(const struct option_row *row, const char *text, enum option_origin origin)
{
    uint64_t greatest = row->greatest, value = 0;
    size_t length = __builtin_strlen(text);
    bool parsed = false, on = false;

    switch (row->type) {
    case SWITCH:
        parsed = parse_switch(text, length, &on);
        value = on;
        break;
    case BYTES:
        /* A limit of 1T does not exist where an address has 32 bits. */
        greatest = greatest < SIZE_MAX ? greatest : SIZE_MAX;
        parsed = parse_size(text, length, &value);
        break;
    case COUNT:
    case MILLIS: parsed = parse_number(text, length, &value); break;
    case PREWARM:
        set_prewarm(value_of(row), text);
        parsed = true;
        break;
    }

    if (!parsed) {
        complain_syntax(row, text);
        return false;
    }
    if (value < row->least || value > greatest) {
        complain_range(row, text, value > greatest, value > greatest ? greatest : row->least);
        return false;
    }
    if (row->type != PREWARM)
        store(row, value);
    hakmem_options.origin[row - rows] = (uint8_t)origin;
    return true;
}

static const struct option_row *find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        size_t j = 0;

        while (j < length && rows[i].name[j] == name[j])
            j++;
        if (j == length && rows[i].name[j] == '\0')
            return &rows[i];
    }
    return NULL;
}

/* The option of a variable, whose name is in upper case throughout. */
static const struct option_row *find_variable(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (name[i] != parse_upper(name[i]))
            return NULL;
    }
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        if (parse_same_word(name, length, rows[i].name))
            return &rows[i];
    }
    return NULL;
}

static void complain_unknown(const char *name, size_t length)
{
    const struct option_row *nearest = NULL;
    unsigned least = PARSE_WORD_MAX;
    char line[LINE_SIZE];
    struct print_buffer out;

    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        unsigned distance = parse_distance(name, length, rows[i].name);
        size_t longer = __builtin_strlen(rows[i].name);

        longer = longer > length ? longer : length;
        /* With more than half of it changed it is another word, no slip of the pen. */
        if (distance < least && distance * 2 <= longer) {
            least = distance;
            nearest = &rows[i];
        }
    }

    message_begin(&out, line);
    print_text(&out, prefix);
    print_quoted(&out, name, length, SHOWN_NAME);
    print_text(&out, ": no such option; ");
    if (nearest != NULL) {
        print_text(&out, "the nearest is ");
        print_variable(&out, nearest->name);
        print_text(&out, "; ");
    }
    print_text(&out, "ignored");
    message_end(&out);
}

/* The name after the prefix and its length; NULL when the entry is not ours. */
static const char *own_variable(const char *entry, size_t *length)
{
    const char *name = entry + PREFIX_LENGTH;

    for (size_t i = 0; i < PREFIX_LENGTH; i++) {
        if (entry[i] != prefix[i])
            return NULL;
    }
    *length = 0;
    while (name[*length] != '=') {
        if (name[*length] == '\0')
            return NULL;
        ++*length;
    }
    return name;
}

/*
 * One pass over the environment: over `messages` alone, because it rules
 * whether the other pass, over all the rest, may speak. Of a variable that
 * occurs twice the first counts, as with getenv.
 */
static void read_environment(char *const *envp, bool messages_pass)
{
    for (; *envp != NULL; envp++) {
        size_t length;
        const char *name = own_variable(*envp, &length);

        if (name == NULL)
            continue;

        const struct option_row *row = find_variable(name, length);

        if ((row == &rows[OPTION_INDEX_messages]) != messages_pass)
            continue;
        if (row == NULL) {
            /* The name of the configuration file is for the reader of that file. */
            if (!parse_same_word(name, length, "CONF"))
                complain_unknown(name, length);
        } else if (hakmem_options.origin[row - rows] != OPTION_FROM_ENVIRONMENT) {
            set_value(row, name + length + 1, OPTION_FROM_ENVIRONMENT);
        }
    }
}

/* A first chunk over the largest: who set only the largest means both. */
static void fit_pool_arena(void)
{
    char line[LINE_SIZE];
    struct print_buffer out;

    if (hakmem_options.pool_arena_init <= hakmem_options.pool_arena_max)
        return;
    if (hakmem_options.origin[OPTION_INDEX_pool_arena_init] != OPTION_FROM_DEFAULT) {
        message_begin(&out, line);
        print_variable(&out, rows[OPTION_INDEX_pool_arena_init].name);
        print_text(&out, ": ");
        print_value(&out, &rows[OPTION_INDEX_pool_arena_init]);
        print_text(&out, " is over pool_arena_max; ");
        print_value(&out, &rows[OPTION_INDEX_pool_arena_max]);
        print_text(&out, " is used for both");
        message_end(&out);
    }
    hakmem_options.pool_arena_init = hakmem_options.pool_arena_max;
}

void options_start(char *const *envp, bool secure)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        store(&rows[i], rows[i].initial);
        hakmem_options.origin[i] = OPTION_FROM_DEFAULT;
    }
    if (envp == NULL || secure)
        return;
    read_environment(envp, true);
    read_environment(envp, false);
    fit_pool_arena();
}

void options_seal(void)
{
    (void)os_protect_read_only(&hakmem_options, sizeof hakmem_options);
}

bool options_set(const char *name, const char *value)
{
    const struct option_row *row = find(name, __builtin_strlen(name));

    return row != NULL && set_value(row, value, OPTION_FROM_CALL);
}

int options_format(const char *name, char *buf, size_t len)
{
    const struct option_row *row = find(name, __builtin_strlen(name));
    struct print_buffer out;

    if (row == NULL) {
        errno = ENOENT;
        return -1;
    }
    print_begin(&out, buf, len);
    print_value(&out, row);
    return (int)print_end(&out);
}

const char *options_origin(const char *name)
{
    static const char *const text[] = {
        [OPTION_FROM_DEFAULT] = "default",
        [OPTION_FROM_ENVIRONMENT] = "environment",
        [OPTION_FROM_CALL] = "call",
    };
    const struct option_row *row = find(name, __builtin_strlen(name));

    return row != NULL ? text[hakmem_options.origin[row - rows]] : NULL;
}

const char *options_name(size_t index)
{
    return index < OPTION_TOTAL ? rows[index].name : NULL;
}
