/* SPDX-License-Identifier: MIT */
#include "options/config.h"

#include "options/parse.h"
#include "options/prewarm.h"

enum { SHOWN_NAME = 48, SHOWN_VALUE = 64, TEXT_SIZE = 256 };

/* Where the reader stands. */
struct config_state {
    struct config_reader *reader;
    const char *line;  /* start of the line */
    uint32_t number;   /* of the line, from 1 */
    unsigned rank;     /* of an explicit setting in this section */
    bool meant;        /* the section is for this process */
};

struct span {
    const char *at;
    size_t length;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span span_trim(struct span s)
{
    while (s.length > 0 && is_blank(s.at[0])) {
        s.at++;
        s.length--;
    }
    while (s.length > 0 && is_blank(s.at[s.length - 1]))
        s.length--;
    return s;
}

static struct span span_until(struct span s, size_t end)
{
    return (struct span){s.at, end};
}

static struct span span_from(struct span s, size_t start)
{
    return (struct span){s.at + start, s.length - start};
}

/* Where `c` stands, or the length. */
static size_t span_find(struct span s, char c)
{
    size_t i = 0;

    while (i < s.length && s.at[i] != c)
        i++;
    return i;
}

/* ---- mistakes ---- */

struct mistake_text {
    char text[TEXT_SIZE];
    struct print_buffer out;
};

/* Counts it. False when it is not told, and mistake_end is not to be called. */
static bool mistake_begin(struct config_state *state, struct mistake_text *mistake)
{
    struct config_reader *reader = state->reader;

    reader->mistakes++;
    reader->of_file++;
    if (reader->report == NULL || (reader->told_max != 0 && reader->of_file > reader->told_max))
        return false;
    print_begin(&mistake->out, mistake->text, sizeof mistake->text);
    return true;
}

static void mistake_end(struct config_state *state, struct mistake_text *mistake, const char *at,
                        const option_row *row)
{
    struct config_mistake found = {
        .line = state->number,
        .column = (uint32_t)(at - state->line) + 1,
        .row = row,
        .text = mistake->text,
        .length = print_stored(&mistake->out),
    };

    state->reader->report(state->reader, &found);
}

static void mistake(struct config_state *state, const char *at, const char *text)
{
    struct mistake_text made;

    if (!mistake_begin(state, &made))
        return;
    print_text(&made.out, text);
    mistake_end(state, &made, at, NULL);
}

static void mistake_unknown(struct config_state *state, struct span name)
{
    const option_row *nearest;
    struct mistake_text made;

    if (!mistake_begin(state, &made))
        return;
    nearest = option_nearest(name.at, name.length);
    print_quoted(&made.out, name.at, name.length, SHOWN_NAME);
    print_text(&made.out, ": no such option");
    if (nearest != NULL) {
        print_text(&made.out, "; the nearest is ");
        print_text(&made.out, nearest->name);
    }
    mistake_end(state, &made, name.at, NULL);
}

static void mistake_value(struct config_state *state, const option_row *row, struct span value,
                          const char *why, size_t why_length)
{
    struct mistake_text made;

    if (!mistake_begin(state, &made))
        return;
    print_text(&made.out, row->name);
    print_text(&made.out, "='");
    print_quoted(&made.out, value.at, value.length, SHOWN_VALUE);
    print_text(&made.out, "': ");
    print_bytes(&made.out, why, why_length);
    mistake_end(state, &made, value.at, row);
}

/* ---- settings ---- */

/* Of a prewarm list; the others count. */
static void mistake_item(void *context, const char *item, const char *text, size_t length)
{
    struct config_state *state = context;
    struct mistake_text made;

    if (!mistake_begin(state, &made))
        return;
    print_text(&made.out, "prewarm: ");
    print_bytes(&made.out, text, length);
    mistake_end(state, &made, item, NULL);
}

static void read_setting(struct config_state *state, struct span line)
{
    size_t equals = span_find(line, '=');
    struct span name = span_trim(span_until(line, equals));
    const option_row *row = option_find(name.at, name.length);

    if (row == NULL) {
        mistake_unknown(state, name);
        return;
    }
    if (equals == line.length) {
        mistake(state, name.at, "a setting is NAME = VALUE");
        return;
    }

    struct span value = span_trim(span_from(line, equals + 1));
    uint64_t source = option_source(HAKMEM_SOURCE_FILE, state->reader->file, state->number);
    uint64_t number;
    char why[TEXT_SIZE / 2];
    struct print_buffer out;

    if (row->type == HAKMEM_OPTION_PREWARM) {
        if (options_draft_claim(state->reader->draft, row, state->rank, source, false))
            prewarm_parse(&state->reader->draft->prewarm, value.at, value.length, mistake_item, state);
        return;
    }
    print_begin(&out, why, sizeof why);
    if (option_parse(row, value.at, value.length, &number, &out))
        options_draft_set(state->reader->draft, row, number, state->rank, source, false);
    else
        mistake_value(state, row, value, why, print_stored(&out));
}

/* ---- sections ---- */

/* A unit's name has its suffix, unless a * at the end stands for it. */
static bool is_unit_pattern(struct span pattern)
{
    return span_find(pattern, '.') < pattern.length || pattern.at[pattern.length - 1] == '*';
}

static void mistake_section(struct config_state *state, struct span kind)
{
    static const char *const kinds[] = {"default", "program", "unit"};
    const char *nearest = NULL;
    unsigned least = PARSE_WORD_MAX;
    struct mistake_text made;

    if (!mistake_begin(state, &made))
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        unsigned distance = parse_distance(kind.at, kind.length, kinds[i]);

        if (distance < least) {
            least = distance;
            nearest = kinds[i];
        }
    }
    print_char(&made.out, '[');
    print_quoted(&made.out, kind.at, kind.length, SHOWN_NAME);
    print_text(&made.out, "]: no such section; there are [default], [program NAME] and [unit NAME]");
    if (nearest != NULL && least * 2 <= kind.length) {
        print_text(&made.out, "; the nearest is ");
        print_text(&made.out, nearest);
    }
    mistake_end(state, &made, kind.at, NULL);
}

static void begin_section(struct config_state *state, enum config_section section, struct span pattern)
{
    static const unsigned ranks[] = {0, OPTION_RANK_PROGRAM, OPTION_RANK_UNIT};
    struct config_reader *reader = state->reader;

    state->rank = reader->rank | ranks[section] | OPTION_RANK_EXPLICIT;
    state->meant = section == CONFIG_DEFAULT || reader->is_meant == NULL ||
                   reader->is_meant(section, pattern.at, pattern.length);
}

/* After a bad header nobody knows whom the settings are for: they are passed over. */
static void read_section(struct config_state *state, struct span line)
{
    size_t end = span_find(line, ']');
    struct span inside = span_trim(span_from(span_until(line, end), 1));
    size_t i = 0;

    state->meant = false;
    if (end == line.length || span_trim(span_from(line, end + 1)).length > 0) {
        mistake(state, line.at, "a section is [default], [program NAME] or [unit NAME]");
        return;
    }
    while (i < inside.length && !is_blank(inside.at[i]))
        i++;

    struct span kind = span_until(inside, i), name = span_trim(span_from(inside, i));

    if (parse_same_word(kind.at, kind.length, "default")) {
        if (name.length > 0)
            mistake(state, name.at, "[default] has no name");
        else
            begin_section(state, CONFIG_DEFAULT, name);
    } else if (parse_same_word(kind.at, kind.length, "program")) {
        if (name.length == 0)
            mistake(state, kind.at, "[program NAME] needs a name: redis-server, /usr/bin/redis-*");
        else
            begin_section(state, CONFIG_PROGRAM, name);
    } else if (parse_same_word(kind.at, kind.length, "unit")) {
        if (name.length == 0 || !is_unit_pattern(name))
            mistake(state, kind.at, "[unit NAME] needs a name with its suffix: redis.service");
        else
            begin_section(state, CONFIG_UNIT, name);
    } else {
        mistake_section(state, kind);
    }
}

/* ---- lines ---- */

/* What stands before a comment: a # at the start, or after a blank. */
static struct span strip_comment(struct span line)
{
    for (size_t i = 0; i < line.length; i++) {
        if (line.at[i] == '#' && (i == 0 || is_blank(line.at[i - 1])))
            return span_until(line, i);
    }
    return line;
}

static void read_line(struct config_state *state, struct span line)
{
    line = span_trim(strip_comment(line));
    if (line.length == 0 || line.at[0] == ';')
        return;
    if (line.at[0] == '[')
        read_section(state, line);
    else if (state->meant)
        read_setting(state, line);
}

void config_read(struct config_reader *reader, const char *text, size_t length)
{
    struct config_state state = {.reader = reader, .line = text, .number = 1};
    struct span rest = {text, length};
    size_t zero = span_find(rest, '\0');

    if (zero < length) {
        for (size_t i = 0; i < zero; i++) {
            if (text[i] == '\n') {
                state.number++;
                state.line = text + i + 1;
            }
        }
        mistake(&state, text + zero, "a byte of 0: this is no text file; all of it is ignored");
        return;
    }
    begin_section(&state, CONFIG_DEFAULT, rest);
    while (rest.length > 0) {
        size_t end = span_find(rest, '\n');

        state.line = rest.at;
        if (end == rest.length) {
            struct span last = span_trim(strip_comment(rest));
            if (last.length > 0)
                mistake(&state, rest.at, "the last line has no end: the file may be half-written");
            return;
        }
        read_line(&state, span_until(rest, end));
        rest = span_from(rest, end + 1);
        state.number++;
    }
}

/* ---- names ---- */

bool config_match(const char *pattern, size_t length, const char *text)
{
    size_t at = 0, star = SIZE_MAX;
    const char *star_text = text;

    while (*text != '\0') {
        if (at < length && pattern[at] == '*') {
            star = at++;
            star_text = text;
        } else if (at < length && (pattern[at] == '?' || pattern[at] == *text)) {
            at++;
            text++;
        } else if (star != SIZE_MAX) {
            /* The last star takes one character more. */
            at = star + 1;
            text = ++star_text;
        } else {
            return false;
        }
    }
    while (at < length && pattern[at] == '*')
        at++;
    return at == length;
}

static bool ends_in(struct span s, const char *suffix)
{
    size_t length = __builtin_strlen(suffix);

    return s.length > length && __builtin_memcmp(s.at + s.length - length, suffix, length) == 0;
}

/* The last part of a path of a cgroup that is the name of a unit; length 0: none is. */
static struct span unit_of_path(struct span path)
{
    struct span unit = {path.at, 0};

    while (path.length > 0) {
        size_t end = span_find(path, '/');
        struct span part = span_until(path, end);

        if (ends_in(part, ".service") || ends_in(part, ".scope") || ends_in(part, ".socket") ||
            ends_in(part, ".mount") || ends_in(part, ".swap"))
            unit = part;
        path = span_from(path, end < path.length ? end + 1 : end);
    }
    return unit;
}

const char *config_unit(const char *cgroup, size_t size, size_t *length)
{
    struct span rest = {cgroup, size};

    while (rest.length > 0) {
        /* hierarchy:controllers:path */
        size_t end = span_find(rest, '\n');
        struct span line = span_until(rest, end);
        size_t first = span_find(line, ':');
        struct span after = span_from(line, first < line.length ? first + 1 : first);
        size_t second = span_find(after, ':');
        struct span controllers = span_until(after, second);

        if (controllers.length == 0 || parse_same_word(controllers.at, controllers.length, "name=systemd")) {
            struct span unit = unit_of_path(span_from(after, second));
            if (unit.length > 0) {
                *length = unit.length;
                return unit.at;
            }
        }
        rest = span_from(rest, end < rest.length ? end + 1 : end);
    }
    return NULL;
}
