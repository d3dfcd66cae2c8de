/* SPDX-License-Identifier: MIT */
/* hakmemctl top: the processes under hakmem, live, and one of them with its classes and rates. */
#include <curses.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmemctl/command.h"
#include "hakmemctl/top.h"

#define INTERVAL_MIN 0.1
#define INTERVAL_MAX 60.0
#define KEY_ESCAPE 27

static bool start_screen(void)
{
    setlocale(LC_ALL, "");
    set_escdelay(50);
    if (initscr() == NULL)
        return false;
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_GREEN, -1);
        init_pair(2, COLOR_YELLOW, -1);
        init_pair(3, COLOR_RED, -1);
    }
    return true;
}

static void change_interval(struct top *top, double factor)
{
    double interval = top->interval * factor;
    top->interval = interval < INTERVAL_MIN ? INTERVAL_MIN : interval > INTERVAL_MAX ? INTERVAL_MAX : interval;
}

static void select_by(struct top *top, long step)
{
    long at = (long)top_selected(top) + step, last = (long)top->rows - 1;
    at = at > last ? last : at;
    at = at < 0 ? 0 : at;
    if (top->rows > 0)
        top->selected = top->row[at].pid;
}

static void list_key(struct top *top, int key)
{
    long page = LINES > 5 ? LINES - 5 : 1;
    switch (key) {
    case KEY_UP:
    case 'k':
        select_by(top, -1);
        break;
    case KEY_DOWN:
    case 'j':
        select_by(top, 1);
        break;
    case KEY_PPAGE:
        select_by(top, -page);
        break;
    case KEY_NPAGE:
        select_by(top, page);
        break;
    case '<':
    case KEY_LEFT:
        top->key = (top->key + TOP_KEYS - 1) % TOP_KEYS;
        break;
    case '>':
    case KEY_RIGHT:
        top->key = (top->key + 1) % TOP_KEYS;
        break;
    case 'r':
        top->reversed = !top->reversed;
        break;
    case '\n':
    case '\r':
    case KEY_ENTER:
        if (top->rows > 0) {
            top->selected = top->row[top_selected(top)].pid;
            top->first = 0;
            memset(top->process.live, 0, sizeof top->process.live);
            top_sample_process(top, top->selected);
        }
        break;
    default:
        break;
    }
    top_sort(top);
}

static void process_key(struct top *top, int key)
{
    size_t page = LINES > 4 ? (size_t)LINES - 4 : 1;
    switch (key) {
    case KEY_UP:
    case 'k':
        top->first -= top->first > 0;
        break;
    case KEY_DOWN:
    case 'j':
        top->first++;
        break;
    case KEY_PPAGE:
        top->first -= top->first > page ? page : top->first;
        break;
    case KEY_NPAGE:
        top->first += page;
        break;
    case KEY_ESCAPE:
    case KEY_BACKSPACE:
    case KEY_LEFT:
    case '\b':
        top_close_process(top);
        top->first = 0;
        break;
    default:
        break;
    }
}

static void draw(struct top *top)
{
    if (top->process.is_open)
        top_draw_process(top);
    else
        top_draw_list(top);
}

static void sample(struct top *top)
{
    if (top->process.is_open)
        top_sample_process(top, top->selected);
    else
        top_sample(top);
}

/* Until q, or the end of the input. */
static void loop(struct top *top)
{
    double next = top_now() + top->interval;
    sample(top);
    for (;;) {
        draw(top);
        double wait = next - top_now();
        timeout(wait > 0 ? (int)(wait * 1000) + 1 : 0);
        int key = getch();
        if (key == 'q' || (key == ERR && feof(stdin)))
            return;
        if (key == '+')
            change_interval(top, 2);
        else if (key == '-')
            change_interval(top, 0.5);
        else if (key != ERR && top->process.is_open)
            process_key(top, key);
        else if (key != ERR)
            list_key(top, key);
        if (top_now() >= next) {
            sample(top);
            next = top_now() + top->interval;
        }
    }
}

static int top_run(int argc, char **argv)
{
    extern const struct command command_top;
    static struct top top;
    top.interval = 1;
    top.key = TOP_RESIDENT;
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if ((strcmp(argv[i], "-d") == 0 || strcmp(argv[i], "--interval") == 0) && i + 1 < argc)
            top.interval = strtod(argv[++i], &end);
        if (end == NULL || *end != '\0' || !(top.interval >= INTERVAL_MIN && top.interval <= INTERVAL_MAX))
            return command_usage_error(&command_top, "'%s' is not expected", argv[i]);
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        command_message("top needs a terminal; for programs there is hakmemctl list --json");
        return STATUS_FAILED;
    }
    if (!start_screen()) {
        command_message("the terminal '%s' is not known", getenv("TERM") != NULL ? getenv("TERM") : "");
        return STATUS_FAILED;
    }
    loop(&top);
    endwin();
    top_free(&top);
    return STATUS_OK;
}

const struct command command_top = {
    .name = "top",
    .summary = "a live view of all processes, and of one with its classes and rates",
    .usage =
        "usage: hakmemctl top [-d SECONDS]\n"
        "\n"
        "  -d, --interval SECONDS   between two samples: 0.1 to 60 (1)\n"
        "\n"
        "Up and Down select a process, Enter opens it, Esc goes back. < and > choose the column to\n"
        "sort by, r turns the order round, + and - double and halve the interval, q ends. BLOCKS/s:\n"
        "blocks that slow paths handed to threads; CALLS/s: system calls for memory.\n",
    .run = top_run,
};
