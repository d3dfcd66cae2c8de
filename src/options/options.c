/* SPDX-License-Identifier: MIT */
#include "options/options.h"

#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/print.h"
#include "options/files.h"
#include "options/parse.h"
#include "options/prewarm.h"
#include "os/os.h"

#define INITIAL_SWITCH(value) value
#define INITIAL_BYTES(value) value
#define INITIAL_COUNT(value) value
#define INITIAL_MILLIS(value) value
#define INITIAL_ALLOCATOR(value) value
#define INITIAL_PRESET(value) value
#define INITIAL_PREWARM(value) {.count = value}

#define INITIAL_OF_START(name, type, initial) .name = INITIAL_##type(initial),
#define INITIAL_OF_RUN(name, type, initial)
#define OPTION(name, type, initial, least, greatest, unit, when, help)                            \
    INITIAL_OF_##when(name, type, initial)
struct options hakmem_options = {
#include "options/table.h"
};
#undef INITIAL_OF_START
#undef INITIAL_OF_RUN

#define INITIAL_OF_START(name, type, initial)
#define INITIAL_OF_RUN(name, type, initial) .name = INITIAL_##type(initial),
#define OPTION(name, type, initial, least, greatest, unit, when, help)                            \
    INITIAL_OF_##when(name, type, initial)
struct options_run hakmem_options_run[OPTIONS_COPIES] = {{
#include "options/table.h"
}};
uint32_t options_current;

_Static_assert(sizeof(struct options) == OPTIONS_ALIGNMENT, "the settings fill their pages");

const struct hakmem_page_options options_page = {
    .size = sizeof options_page,
    .count = OPTION_TOTAL,
    .row_size = sizeof option_rows[0],
    .start_sources = offsetof(struct options, source),
    .run_size = sizeof hakmem_options_run[0],
    .run_sources = offsetof(struct options_run, source),
    .file_size = FILE_NAME_SIZE,
    .file_count = FILE_NAMES,
    .rows = (uintptr_t)option_rows,
    .start = (uintptr_t)&hakmem_options,
    .run = (uintptr_t)hakmem_options_run,
    .run_current = (uintptr_t)&options_current,
    .files = (uintptr_t)files_name,
};

/* Absolute name of the file of HAKMEM_CONF; "": none. Constant after options_start. */
static char conf_path[FILE_PATH_SIZE];

static const char prefix[] = "HAKMEM_";
enum { PREFIX_LENGTH = sizeof prefix - 1, SHOWN_NAME = 48, SHOWN_VALUE = 64, LINE_SIZE = 512 };

/* ---- the values in force ---- */

/* Where the value of `row` is: in the START block, or in `run`. */
static void *place_of(const option_row *row, const struct options_run *run)
{
    return (row->when == HAKMEM_OPTION_START ? (char *)&hakmem_options : (char *)run) + row->offset;
}

static uint64_t load(const option_row *row)
{
    const void *place = place_of(row, options_run());

    switch (row->width) {
    case 1: return load_relaxed((const uint8_t *)place);
    case 4: return load_relaxed((const uint32_t *)place);
    default: return load_relaxed((const uint64_t *)place);
    }
}

static void store(const option_row *row, struct options_run *run, uint64_t value)
{
    void *place = place_of(row, run);

    switch (row->width) {
    case 1: store_relaxed((uint8_t *)place, (uint8_t)value); break;
    case 4: store_relaxed((uint32_t *)place, (uint32_t)value); break;
    default: store_relaxed((uint64_t *)place, value); break;
    }
}

static uint64_t source_of(const option_row *row)
{
    size_t i = (size_t)(row - option_rows);

    return row->when == HAKMEM_OPTION_START ? hakmem_options.source[i]
                                            : load_relaxed(&options_run()->source[i]);
}

static void print_value(struct print_buffer *out, const option_row *row)
{
    if (row->type == HAKMEM_OPTION_PREWARM)
        prewarm_format(out, &hakmem_options.prewarm);
    else
        option_print(out, row, load(row));
}

/* ---- messages ---- */

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
    os_write(2, out->start, print_stored(out));
}

/* What holds in spite of a mistake. */
static void print_standing(struct print_buffer *out, const struct options_draft *draft,
                           const option_row *row)
{
    if (row == NULL) {
        print_text(out, "; ignored");
        return;
    }
    uint64_t source = draft->source[row - option_rows];
    bool from_default = HAKMEM_SOURCE_KIND(source) == HAKMEM_SOURCE_DEFAULT;

    print_text(out, from_default ? "; the default " : "; ");
    options_draft_print(out, draft, row);
    if (!from_default) {
        print_text(out, " of ");
        option_source_print(out, source, files_name_of(source));
    }
    print_text(out, " stands");
}

/* ---- the environment ---- */

struct environment {
    struct options_draft *draft;
    const struct options_draft *told; /* what to name as standing; NULL: be silent */
    unsigned mistakes;
};

static void complain_value(struct environment *env, const option_row *row, const char *text,
                           const struct print_buffer *why)
{
    char line[LINE_SIZE];
    struct print_buffer out;

    env->mistakes++;
    if (env->told == NULL)
        return;
    message_begin(&out, line);
    print_variable(&out, row->name);
    print_text(&out, "='");
    print_quoted(&out, text, strlen(text), SHOWN_VALUE);
    print_text(&out, "': ");
    print_bytes(&out, why->start, print_stored(why));
    print_standing(&out, env->told, row);
    message_end(&out);
}

static void complain_item(void *context, const char *item, const char *text, size_t length)
{
    struct environment *env = context;
    char line[LINE_SIZE];
    struct print_buffer out;

    (void)item;
    env->mistakes++;
    if (env->told == NULL)
        return;
    message_begin(&out, line);
    print_variable(&out, option_rows[OPTION_INDEX_prewarm].name);
    print_text(&out, ": ");
    print_bytes(&out, text, length);
    print_standing(&out, env->told, NULL);
    message_end(&out);
}

static void complain_unknown(struct environment *env, const char *name, size_t length)
{
    const option_row *nearest = option_nearest(name, length);
    char line[LINE_SIZE];
    struct print_buffer out;

    env->mistakes++;
    if (env->told == NULL)
        return;
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

/* The option of a variable, whose name is in upper case throughout. */
static const option_row *find_variable(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (name[i] != parse_upper(name[i]))
            return NULL;
    }
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        if (parse_same_word(name, length, option_rows[i].name))
            return &option_rows[i];
    }
    return NULL;
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

/* Of a variable that occurs twice the first good one counts, as with getenv. */
static void set_variable(struct environment *env, const option_row *row, const char *text)
{
    enum { RANK = OPTION_RANK_ENVIRONMENT | OPTION_RANK_EXPLICIT };
    uint64_t source = option_source(HAKMEM_SOURCE_ENVIRONMENT, 0, 0), value;
    char reason[128];
    struct print_buffer why;

    if (env->draft->rank[row - option_rows] == RANK)
        return;
    if (row->type == HAKMEM_OPTION_PREWARM) {
        options_draft_claim(env->draft, row, RANK, source, true);
        prewarm_parse(&env->draft->prewarm, text, strlen(text), complain_item, env);
        return;
    }
    print_begin(&why, reason, sizeof reason);
    if (option_parse(row, text, strlen(text), &value, &why))
        options_draft_set(env->draft, row, value, RANK, source, true);
    else
        complain_value(env, row, text, &why);
}

static void read_environment(struct environment *env, char *const *envp)
{
    for (; *envp != NULL; envp++) {
        size_t length;
        const char *name = own_variable(*envp, &length);
        const option_row *row;

        if (name == NULL)
            continue;
        row = find_variable(name, length);
        if (row != NULL)
            set_variable(env, row, name + length + 1);
        else if (!parse_same_word(name, length, "CONF"))
            complain_unknown(env, name, length);
    }
}

/* HAKMEM_CONF, with the present directory in front when it is relative: a reload may find another. */
static bool find_conf(char *const *envp)
{
    static const char name[] = "HAKMEM_CONF=";
    struct print_buffer out;

    while (*envp != NULL && strncmp(*envp, name, sizeof name - 1) != 0)
        envp++;
    if (*envp == NULL)
        return true;
    const char *path = *envp + sizeof name - 1;
    print_begin(&out, conf_path, sizeof conf_path);
    if (path[0] != '/' && path[0] != '\0') {
        out.length = os_directory(conf_path, sizeof conf_path);
        print_char(&out, '/');
    }
    print_text(&out, path);
    if (print_end(&out) < sizeof conf_path)
        return true;
    conf_path[0] = '\0';
    return false;
}

/* ---- the files ---- */

/* Who hears of mistakes: standard error, or who asked for a reload (the first only). */
struct listener {
    const struct options_draft *told; /* standard error: what to name as standing */
    struct print_buffer *why;
};

/* Mistakes of one file that are named; `hakmemctl config check` names them all. */
enum { MISTAKES_SHOWN = 4 };

static void print_mistake(struct print_buffer *out, const struct config_reader *reader,
                          const struct config_mistake *mistake)
{
    print_text(out, reader->path);
    print_text(out, mistake->line != 0 ? ":" : ": ");
    if (mistake->line != 0) {
        print_decimal(out, mistake->line);
        print_char(out, ':');
        print_decimal(out, mistake->column);
        print_text(out, ": ");
    }
    print_bytes(out, mistake->text, mistake->length);
}

static void tell_mistake(struct config_reader *reader, const struct config_mistake *mistake)
{
    struct listener *listener = reader->context;
    char line[LINE_SIZE];
    struct print_buffer out;

    if (listener->why != NULL && reader->mistakes == 1)
        print_mistake(listener->why, reader, mistake);
    if (listener->told == NULL)
        return;
    message_begin(&out, line);
    if (reader->of_file == MISTAKES_SHOWN + 1) {
        print_text(&out, reader->path);
        print_text(&out, ": more mistakes: hakmemctl config check names them");
    } else {
        print_mistake(&out, reader, mistake);
        print_standing(&out, listener->told, mistake->row);
    }
    message_end(&out);
}

/* A first chunk over the largest: who set only the largest means both. */
static unsigned fit_pool_arena(struct options_draft *draft, bool speak)
{
    const option_row *first = &option_rows[OPTION_INDEX_pool_arena_init];
    const option_row *largest = &option_rows[OPTION_INDEX_pool_arena_max];
    uint64_t *init = &draft->value[OPTION_INDEX_pool_arena_init];
    uint64_t *most = &draft->value[OPTION_INDEX_pool_arena_max];
    uint64_t source = draft->source[OPTION_INDEX_pool_arena_init];
    bool meant = HAKMEM_SOURCE_KIND(source) != HAKMEM_SOURCE_DEFAULT && HAKMEM_SOURCE_PRESET(source) == 0;
    char line[LINE_SIZE];
    struct print_buffer out;

    if (*init <= *most)
        return 0;
    if (speak && meant) {
        message_begin(&out, line);
        print_text(&out, first->name);
        print_text(&out, ": ");
        option_print(&out, first, *init);
        print_text(&out, " is over ");
        print_text(&out, largest->name);
        print_text(&out, "; ");
        option_print(&out, largest, *most);
        print_text(&out, " is used for both");
        message_end(&out);
    }
    if (!speak)
        *init = *most;
    return meant;
}

static unsigned read_files(struct options_draft *draft, struct listener *listener)
{
    struct config_reader reader = {
        .draft = draft,
        .is_meant = files_is_meant,
        .report = listener->told != NULL || listener->why != NULL ? tell_mistake : NULL,
        .context = listener,
        .told_max = MISTAKES_SHOWN + 1, /* the last of them stands for all that follow */
    };

    files_read(&reader, conf_path);
    return reader.mistakes;
}

/* ---- start ---- */

static void store_run(struct options_run *run, const struct options_draft *draft)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        if (option_rows[i].when == HAKMEM_OPTION_RUN)
            store(&option_rows[i], run, draft->value[i]);
        store_relaxed(&run->source[i], draft->source[i]);
    }
}

static void store_start(const struct options_draft *draft)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        if (option_rows[i].when == HAKMEM_OPTION_START && option_rows[i].type != HAKMEM_OPTION_PREWARM)
            store(&option_rows[i], NULL, draft->value[i]);
        hakmem_options.source[i] = draft->source[i];
    }
    hakmem_options.prewarm = draft->prewarm;
}

/*
 * The files and the environment are read without a word. Only when there was a
 * mistake, and `messages` is on in the end, are they read once more to name it.
 */
static COLD void name_mistakes(struct options_draft *draft, char *const *envp, bool conf_fits)
{
    struct options_draft again;
    struct environment env = {.draft = &again, .told = draft};
    struct listener listener = {.told = draft};
    char line[LINE_SIZE];
    struct print_buffer out;

    options_draft_begin(&again);
    if (envp != NULL)
        read_environment(&env, envp);
    if (!conf_fits) {
        message_begin(&out, line);
        print_text(&out, "HAKMEM_CONF: the name of the file is too long; ignored");
        message_end(&out);
    }
    read_files(&again, &listener);
    fit_pool_arena(&again, true);
}

void options_start(char *const *envp, bool secure)
{
    struct environment env = {.draft = &hakmem_options.base};
    struct listener listener = {0};
    struct options_draft draft;
    bool conf_fits = true;

    options_draft_begin(&hakmem_options.base);
    if (conf_path[0] != '\0')
        conf_path[0] = '\0';
    if (secure)
        envp = NULL;
    if (envp != NULL) {
        conf_fits = find_conf(envp);
        read_environment(&env, envp);
    }
    draft = hakmem_options.base;

    unsigned mistakes = env.mistakes + !conf_fits + read_files(&draft, &listener);

    mistakes += fit_pool_arena(&draft, false);
    if (mistakes > 0 && draft.value[OPTION_INDEX_messages] != 0)
        name_mistakes(&draft, envp, conf_fits);
    store_start(&draft);
    store_run(&hakmem_options_run[options_current], &draft);
}

void options_seal(void)
{
    (void)os_protect_read_only(&hakmem_options, sizeof hakmem_options);
}

/* ---- reload ---- */

static bool is_changed(const struct options_draft *draft, const option_row *row)
{
    const struct option_prewarm *was = &hakmem_options.prewarm, *is = &draft->prewarm;

    if (row->type != HAKMEM_OPTION_PREWARM)
        return load(row) != draft->value[row - option_rows];
    if (was->count != is->count)
        return true;
    for (uint32_t i = 0; i < is->count; i++) {
        if (was->item[i].kind != is->item[i].kind || was->item[i].count != is->item[i].count ||
            was->item[i].size != is->item[i].size)
            return true;
    }
    return false;
}

bool options_reload(struct print_buffer *why, unsigned *changed, unsigned *need_restart)
{
    struct options_draft draft = hakmem_options.base;
    struct listener listener = {.why = why};
    uint32_t next = (options_current + 1) % OPTIONS_COPIES;

    *changed = *need_restart = 0;
    if (read_files(&draft, &listener) > 0)
        return false;
    fit_pool_arena(&draft, false);
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        const option_row *row = &option_rows[i];

        if (!is_changed(&draft, row))
            continue;
        if (row->when == HAKMEM_OPTION_RUN) {
            ++*changed;
            continue;
        }
        print_text(why, (*need_restart)++ == 0 ? "needs restart: " : ", ");
        print_text(why, row->name);
    }
    store_run(&hakmem_options_run[next], &draft);
    store_release(&options_current, next); /* pairs with options_run */
    return true;
}

/* ---- by name ---- */

static const option_row *find(const char *name)
{
    return option_find(name, strlen(name));
}

bool options_set(const char *name, const char *value)
{
    const option_row *row = find(name);
    struct options_draft draft;
    struct environment env = {.draft = &draft, .told = &draft};

    if (row == NULL)
        return false;
    options_draft_begin(&draft);
    set_variable(&env, row, value);
    if (draft.rank[row - option_rows] == 0)
        return false;
    if (row->type == HAKMEM_OPTION_PREWARM)
        hakmem_options.prewarm = draft.prewarm;
    else
        store(row, &hakmem_options_run[options_current], draft.value[row - option_rows]);
    hakmem_options.source[row - option_rows] = option_source(HAKMEM_SOURCE_CALL, 0, 0);
    store_relaxed(&hakmem_options_run[options_current].source[row - option_rows],
                  option_source(HAKMEM_SOURCE_CALL, 0, 0));
    return true;
}

int options_format(const char *name, char *buf, size_t len)
{
    const option_row *row = find(name);
    struct print_buffer out;

    if (row == NULL) {
        errno = ENOENT;
        return -1;
    }
    print_begin(&out, buf, len);
    print_value(&out, row);
    return (int)print_end(&out);
}

int options_origin(const char *name, char *buf, size_t len)
{
    const option_row *row = find(name);
    struct print_buffer out;

    if (row == NULL) {
        errno = ENOENT;
        return -1;
    }
    uint64_t source = source_of(row);
    print_begin(&out, buf, len);
    option_source_print(&out, source, files_name_of(source));
    return (int)print_end(&out);
}

const char *options_name(size_t index)
{
    return index < OPTION_TOTAL ? option_rows[index].name : NULL;
}
