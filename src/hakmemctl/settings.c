/* SPDX-License-Identifier: MIT */
#include "hakmemctl/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options/prewarm.h"
#include "options/value.h"

/* More is damage. */
enum { ROWS_MAX = 1024, ROW_SIZE_MAX = 4096, NAME_SIZE_MAX = 4096 };

struct reader {
    struct process *process;
    struct hakmem_page_options page;
    uint64_t run;  /* address of the copy of the RUN block in force */
};

static bool damaged(struct process *process, const char *what)
{
    snprintf(process->error, sizeof process->error, "the options of process %d cannot be read: %s",
             (int)process->pid, what);
    return false;
}

static bool reader_open(struct reader *reader, struct process *process)
{
    struct hakmem_page_options *page = &reader->page;
    uint32_t current;

    memset(reader, 0, sizeof *reader);
    reader->process = process;
    if (process->page.options == 0)
        return damaged(process, "its library is older than configuration files");
    if (!process_read(process, process->page.options, page, sizeof *page) || page->size < sizeof *page ||
        page->count > ROWS_MAX || page->row_size < sizeof(struct hakmem_page_option) ||
        page->row_size > ROW_SIZE_MAX || page->file_size == 0 || page->file_size > NAME_SIZE_MAX)
        return damaged(process, "its page is damaged");
    if (!process_read(process, page->run_current, &current, sizeof current))
        return damaged(process, "its page points to what is not mapped");
    reader->run = page->run + (uint64_t)current * page->run_size;
    return true;
}

/* What would break a line or a terminal becomes '?'. */
static void make_plain(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = '?';
    }
}

static bool read_prewarm(struct reader *reader, uint64_t at, const option_row *row, struct print_buffer *out)
{
    struct option_prewarm list;

    if (row->width != sizeof list || !process_read(reader->process, at, &list, sizeof list) ||
        list.count > OPTION_PREWARM_ITEMS)
        return false;
    prewarm_format(out, &list);
    return true;
}

static bool read_value(struct reader *reader, const option_row *row, struct setting *setting)
{
    uint64_t at = (row->when == HAKMEM_OPTION_START ? reader->page.start : reader->run) + row->offset;
    struct print_buffer out;
    bool ok = true;

    print_begin(&out, setting->value, sizeof setting->value);
    if (row->type == HAKMEM_OPTION_PREWARM) {
        ok = read_prewarm(reader, at, row, &out);
    } else {
        uint8_t byte = 0;
        uint32_t word = 0;
        uint64_t number = 0;

        switch (row->width) {
        case sizeof byte: ok = process_read(reader->process, at, &byte, sizeof byte); break;
        case sizeof word: ok = process_read(reader->process, at, &word, sizeof word); break;
        case sizeof number: ok = process_read(reader->process, at, &number, sizeof number); break;
        default: ok = false; break;
        }
        option_print(&out, row, number + word + byte); /* two of them are 0 */
    }
    print_end(&out);
    return ok;
}

static bool read_origin(struct reader *reader, uint32_t index, const option_row *row, struct setting *setting)
{
    const struct hakmem_page_options *page = &reader->page;
    uint64_t block = row->when == HAKMEM_OPTION_START ? page->start + page->start_sources
                                                      : reader->run + page->run_sources;
    char file[NAME_SIZE_MAX] = "a file";
    struct print_buffer out;
    uint64_t source;

    if (!process_read(reader->process, block + index * sizeof source, &source, sizeof source))
        return false;
    unsigned number = HAKMEM_SOURCE_FILE_NUMBER(source);
    if (number >= 1 && number <= page->file_count &&
        !process_read_text(reader->process, page->files + (uint64_t)(number - 1) * page->file_size, file,
                           page->file_size))
        return false;
    print_begin(&out, setting->origin, sizeof setting->origin);
    option_source_print(&out, source, file);
    print_end(&out);
    make_plain(setting->origin);
    return true;
}

bool settings_read(struct process *process, void (*visit)(const struct setting *setting, void *context),
                   void *context)
{
    struct reader reader;
    struct setting setting;

    if (!reader_open(&reader, process))
        return false;
    for (uint32_t i = 0; i < reader.page.count; i++) {
        option_row row;

        if (!process_read(process, reader.page.rows + (uint64_t)i * reader.page.row_size, &row, sizeof row))
            return damaged(process, "its page points to what is not mapped");
        memcpy(setting.name, row.name, sizeof setting.name);
        setting.name[sizeof setting.name - 1] = '\0';
        make_plain(setting.name);
        setting.at_run_time = row.when == HAKMEM_OPTION_RUN;
        if (!read_value(&reader, &row, &setting) || !read_origin(&reader, i, &row, &setting))
            return damaged(process, "its table of options is damaged");
        visit(&setting, context);
    }
    return true;
}

struct wanted {
    const char *name;
    char *value;
    size_t size;
};

static void take_wanted(const struct setting *setting, void *context)
{
    struct wanted *wanted = context;

    if (strcmp(setting->name, wanted->name) == 0)
        snprintf(wanted->value, wanted->size, "%s", setting->value);
}

void settings_value(struct process *process, const char *name, char *value, size_t size)
{
    struct wanted wanted = {name, value, size};

    value[0] = '\0';
    settings_read(process, take_wanted, &wanted);
}
