/* SPDX-License-Identifier: MIT */
/* See explore.h. Compiled without -fsanitize=thread. */
#undef _FORTIFY_SOURCE
#include "explore.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    THREADS = EXPLORE_THREADS,
    STACK = 64 << 10,
    BUFFER = 6,
    LOCATIONS = 256,
    CELLS = 1 << 14,
    STEPS = 2000,
    VISITED_BITS = 25,
    REGIONS = 64,
    ACTIONS = THREADS * (BUFFER + 1),
};

typedef uint32_t clock_vector[THREADS];

/* A store on its way to memory. */
struct store {
    void *address;
    uint64_t value;
    unsigned size; /* 0: an unlock */
    bool release;
    clock_vector clock;
};

enum kind { OP_LOAD, OP_STORE, OP_STORE_SC, OP_CHANGE, OP_LOCK, OP_UNLOCK, OP_FLUSH };
static const char *const kind_name[] = {
    "load", "store", "store (seq_cst)", "change", "lock", "unlock", "store reaches memory",
};

struct fiber {
    void (*body)(void *);
    void *argument;
    void *first_tls, *tls;
    bool done;
    enum kind next; /* what it is about to do, and where */
    void *address;
    uint64_t history; /* hash of all it has done and read */
    clock_vector clock;
    struct store buffer[BUFFER];
    unsigned buffered;
    ucontext_t context;
    jmp_buf here;
    char *stack;
};

/* An atomic word or a lock. */
struct location {
    void *address;
    unsigned size; /* 0: a lock */
    int holder;    /* lock: thread + 1 */
    clock_vector clock;
};

/* Last clocks of each thread's accesses to one address. */
struct cell {
    void *address;
    clock_vector read, write, atomic_read, atomic_write;
};

struct region {
    char *start, *copy;
    size_t size;
    const char *name;
};

struct step {
    uint8_t thread;
    enum kind kind;
    void *address;
    uint64_t before, after;
};

struct explorer {
    const struct explore_model *model;
    struct fiber fiber[THREADS];
    unsigned fibers;
    int current; /* -1: none of the threads runs */
    jmp_buf scheduler;
    struct location location[LOCATIONS];
    unsigned locations;
    struct cell cell[CELLS];
    uint16_t used_cell[CELLS / 2];
    unsigned cells;
    struct step trace[STEPS];
    unsigned steps;
    uint8_t choice[STEPS], choices[STEPS];
    uint64_t *visited;
    uint64_t states, executions;
    struct region saved[REGIONS], named[REGIONS];
    unsigned saves, names;
    struct region fixed[REGIONS];
    unsigned fixeds;
    const void *delayed[REGIONS];
    unsigned delays;
    char *constant;
    size_t constant_size;
    void *tls;
};

/* Outside of .bss, which goes back to the first state before each execution. */
static struct explorer *x;
void **explore_tls;

extern char __data_start[], _end[];

/* ---- setup ---- */

static void *explorer_map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return p;
}

void explore_thread(void (*body)(void *), void *argument, void *tls)
{
    if (x->fibers == THREADS)
        abort();
    struct fiber *f = &x->fiber[x->fibers++];
    f->body = body;
    f->argument = argument;
    f->first_tls = tls;
    if (f->stack == NULL)
        f->stack = explorer_map(STACK);
}

void explore_save(void *start, size_t size)
{
    if (x->saves == REGIONS)
        abort();
    x->saved[x->saves++] = (struct region){start, explorer_map(size), size, NULL};
}

void explore_constant(void *start, size_t size)
{
    x->constant = start;
    x->constant_size = size;
}

void explore_fixed(const void *start, size_t size)
{
    if (x->fixeds == REGIONS)
        abort();
    x->fixed[x->fixeds++] = (struct region){(char *)(uintptr_t)start, NULL, size, NULL};
}

static bool is_fixed(const void *address)
{
    for (unsigned i = 0; i < x->fixeds; i++) {
        if ((uintptr_t)address - (uintptr_t)x->fixed[i].start < x->fixed[i].size)
            return true;
    }
    return false;
}

void explore_delay(const void *address)
{
    if (x->delays == REGIONS)
        abort();
    x->delayed[x->delays++] = address;
}

void explore_name(const void *address, size_t size, const char *name)
{
    if (x->names < REGIONS)
        x->named[x->names++] = (struct region){(char *)(uintptr_t)address, NULL, size, name};
}

static void state_save_all(void)
{
    char *middle = x->constant != NULL ? x->constant : _end;
    explore_save(__data_start, (size_t)(middle - __data_start));
    if (x->constant != NULL)
        explore_save(x->constant + x->constant_size, (size_t)(_end - x->constant) - x->constant_size);
    for (unsigned i = 0; i < x->saves; i++)
        memcpy(x->saved[i].copy, x->saved[i].start, x->saved[i].size);
}

static void state_restore(void)
{
    for (unsigned i = 0; i < x->saves; i++)
        memcpy(x->saved[i].start, x->saved[i].copy, x->saved[i].size);
    if (explore_tls != NULL)
        *explore_tls = x->tls;
    for (unsigned i = 0; i < x->cells; i++)
        memset(&x->cell[x->used_cell[i]], 0, sizeof x->cell[0]);
    x->cells = x->locations = x->steps = 0;
}

/* ---- failure ---- */

static void print_address(const void *address)
{
    for (unsigned i = x->names; i-- > 0;) {
        struct region *r = &x->named[i];
        if ((const char *)address >= r->start && (const char *)address < r->start + r->size) {
            printf("%s+%zu", r->name, (size_t)((const char *)address - r->start));
            return;
        }
    }
    printf("%p", address);
}

void explore_fail(const char *text, const char *file, int line)
{
    printf("# %s: FAILED: %s (%s:%d), thread %d, after %lu executions:\n", x->model->name, text, file, line,
           x->current, (unsigned long)x->executions);
    for (unsigned i = 0; i < x->steps; i++) {
        struct step *s = &x->trace[i];
        printf("#   %*s%u: %s ", s->thread * 4, "", s->thread, kind_name[s->kind]);
        print_address(s->address);
        printf(" %#lx -> %#lx\n", (unsigned long)s->before, (unsigned long)s->after);
    }
    fflush(stdout);
    _Exit(1);
}

/* ---- threads ---- */

static void fiber_leave(void)
{
    struct fiber *f = &x->fiber[x->current];
    if (explore_tls != NULL)
        f->tls = *explore_tls;
    if (_setjmp(f->here) == 0)
        _longjmp(x->scheduler, 1);
}

static void fiber_main(void)
{
    struct fiber *f = &x->fiber[x->current];
    f->body(f->argument);
    f->done = true;
    _longjmp(x->scheduler, 1);
}

/* Run thread t up to its next operation. */
static void fiber_run(unsigned t, bool first)
{
    struct fiber *f = &x->fiber[t];
    x->current = (int)t;
    if (explore_tls != NULL)
        *explore_tls = f->tls;
    if (_setjmp(x->scheduler) == 0) {
        if (first)
            setcontext(&f->context);
        else
            _longjmp(f->here, 1);
    }
    x->current = -1;
}

static void fiber_start(unsigned t)
{
    struct fiber *f = &x->fiber[t];
    f->done = false;
    f->tls = f->first_tls;
    f->buffered = 0;
    f->history = 1;
    memset(f->clock, 0, sizeof f->clock);
    f->clock[t] = 1;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    makecontext(&f->context, fiber_main, 0);
    fiber_run(t, true);
}

/* On the stack of the running thread, or its thread-local word. */
static bool is_private(const void *address)
{
    const char *stack = x->fiber[x->current].stack;
    return ((const char *)address >= stack && (const char *)address < stack + STACK) ||
           address == (const void *)explore_tls;
}

/* ---- clocks and races ---- */

static void clock_join(clock_vector to, const clock_vector from)
{
    for (unsigned i = 0; i < THREADS; i++)
        to[i] = to[i] > from[i] ? to[i] : from[i];
}

static struct cell *cell_of(void *address)
{
    unsigned at = (unsigned)(((uintptr_t)address * 0x9e3779b97f4a7c15u) >> 50);
    while (x->cell[at].address != address) {
        if (x->cell[at].address == NULL) {
            if (x->cells == CELLS / 2)
                explore_fail("too many addresses for the explorer", __FILE__, __LINE__);
            x->cell[at].address = address;
            x->used_cell[x->cells++] = (uint16_t)at;
            break;
        }
        at = (at + 1) % CELLS;
    }
    return &x->cell[at];
}

static void race_check(const clock_vector seen, void *address, const char *text)
{
    struct fiber *f = &x->fiber[x->current];
    for (unsigned i = 0; i < x->fibers; i++) {
        if ((int)i == x->current || seen[i] <= f->clock[i])
            continue;
        printf("# race with thread %u at ", i);
        print_address(address);
        printf(", from %p\n", __builtin_return_address(0));
        explore_fail(text, "explore", 0);
    }
}

static void store_flush(unsigned t, unsigned at);

/* A plain access cannot look into the buffer: what waits there for its address goes to memory. */
static void buffer_uncover(const void *address)
{
    struct fiber *f = &x->fiber[x->current];
    for (unsigned i = f->buffered; i-- > 0;) {
        if (f->buffer[i].address != address)
            continue;
        for (unsigned n = i + 1; n > 0; n--)
            store_flush((unsigned)x->current, 0);
        return;
    }
}

static void plain_access(void *address, bool write)
{
    if (x->current < 0 || is_private(address))
        return;
    buffer_uncover(address);
    struct cell *c = cell_of(address);
    race_check(c->write, address, "data race: plain access after plain write");
    race_check(c->atomic_write, address, "data race: plain access after atomic write");
    if (write) {
        race_check(c->read, address, "data race: plain write after plain read");
        race_check(c->atomic_read, address, "data race: plain write after atomic read");
    }
    uint32_t now = x->fiber[x->current].clock[x->current];
    *(write ? &c->write[x->current] : &c->read[x->current]) = now;
}

static void atomic_access(void *address, bool write)
{
    struct cell *c = cell_of(address);
    race_check(c->write, address, "data race: atomic access after plain write");
    if (write)
        race_check(c->read, address, "data race: atomic write after plain read");
    uint32_t now = x->fiber[x->current].clock[x->current];
    *(write ? &c->atomic_write[x->current] : &c->atomic_read[x->current]) = now;
}

/* ---- memory ---- */

static uint64_t memory_get(const void *address, unsigned size)
{
    switch (size) {
    case 1: return *(const uint8_t *)address;
    case 2: return *(const uint16_t *)address;
    case 4: return *(const uint32_t *)address;
    default: return *(const uint64_t *)address;
    }
}

static void memory_set(void *address, unsigned size, uint64_t value)
{
    switch (size) {
    case 1: *(uint8_t *)address = (uint8_t)value; break;
    case 2: *(uint16_t *)address = (uint16_t)value; break;
    case 4: *(uint32_t *)address = (uint32_t)value; break;
    default: *(uint64_t *)address = value; break;
    }
}

static struct location *location_of(void *address, unsigned size)
{
    for (unsigned i = 0; i < x->locations; i++) {
        if (x->location[i].address == address)
            return &x->location[i];
    }
    if (x->locations == LOCATIONS)
        explore_fail("too many atomic words for the explorer", __FILE__, __LINE__);
    struct location *l = &x->location[x->locations++];
    memset(l, 0, sizeof *l);
    l->address = address;
    l->size = size;
    return l;
}

static bool order_acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool order_releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    hash *= 0xff51afd7ed558ccdu;
    return hash ^ hash >> 32;
}

/* ---- operations of the running thread ---- */

static void op_announce(enum kind kind, void *address)
{
    struct fiber *f = &x->fiber[x->current];
    f->next = kind;
    f->address = address;
    fiber_leave();
}

static void op_record(enum kind kind, unsigned thread, void *address, uint64_t before, uint64_t after)
{
    if (x->steps < STEPS)
        x->trace[x->steps] = (struct step){(uint8_t)thread, kind, address, before, after};
    x->steps++;
    if (kind != OP_FLUSH) {
        struct fiber *f = &x->fiber[thread];
        f->history = mix(mix(mix(f->history, kind), (uintptr_t)address), before);
    }
}

static void release_to(struct location *l, struct fiber *f, bool join)
{
    if (!join)
        memset(l->clock, 0, sizeof l->clock);
    clock_join(l->clock, f->clock);
    f->clock[f - x->fiber]++;
}

static uint64_t op_load(void *address, unsigned size, int order)
{
    if (x->current < 0 || is_private(address) || is_fixed(address))
        return memory_get(address, size);
    op_announce(OP_LOAD, address);
    struct fiber *f = &x->fiber[x->current];
    atomic_access(address, false);
    for (unsigned i = f->buffered; i-- > 0;) {
        if (f->buffer[i].address == address) {
            op_record(OP_LOAD, (unsigned)x->current, address, f->buffer[i].value, f->buffer[i].value);
            return f->buffer[i].value;
        }
    }
    uint64_t value = memory_get(address, size);
    op_record(OP_LOAD, (unsigned)x->current, address, value, value);
    if (order_acquires(order))
        clock_join(f->clock, location_of(address, size)->clock);
    else
        location_of(address, size);
    return value;
}

static bool store_is_delayed(const void *address)
{
    for (unsigned i = 0; i < x->delays; i++) {
        if (x->delayed[i] == address)
            return true;
    }
    return false;
}

static void op_store(void *address, unsigned size, uint64_t value, int order)
{
    if (x->current < 0 || is_private(address)) {
        memory_set(address, size, value);
        return;
    }
    if (is_fixed(address))
        explore_fail("a word is written that was said to be fixed", __FILE__, __LINE__);
    bool direct = order == __ATOMIC_SEQ_CST || !store_is_delayed(address);
    op_announce(order == __ATOMIC_SEQ_CST ? OP_STORE_SC : OP_STORE, address);
    struct fiber *f = &x->fiber[x->current];
    struct location *l = location_of(address, size);
    atomic_access(address, true);
    op_record(f->next, (unsigned)x->current, address, 0, value);
    if (direct) {
        memory_set(address, size, value);
        if (order_releases(order))
            release_to(l, f, false);
        else
            memset(l->clock, 0, sizeof l->clock);
        return;
    }
    struct store *s = &f->buffer[f->buffered++];
    *s = (struct store){.address = address, .value = value, .size = size, .release = order_releases(order)};
    if (s->release) {
        memcpy(s->clock, f->clock, sizeof s->clock);
        f->clock[x->current]++;
    }
}

enum change { CHANGE_SET, CHANGE_ADD, CHANGE_SUB, CHANGE_OR, CHANGE_AND, CHANGE_XOR, CHANGE_NONE };

static uint64_t op_change(void *address, unsigned size, enum change change, uint64_t operand,
                          const uint64_t *expected, int order, int order_failed)
{
    struct location *l = NULL;
    struct fiber *f = NULL;
    bool seen = x->current >= 0 && !is_private(address);
    if (seen) {
        if (is_fixed(address))
            explore_fail("a word is written that was said to be fixed", __FILE__, __LINE__);
        op_announce(OP_CHANGE, address);
        f = &x->fiber[x->current];
        l = location_of(address, size);
    }
    uint64_t old = memory_get(address, size), new = operand;
    switch (change) {
    case CHANGE_SET: break;
    case CHANGE_ADD: new = old + operand; break;
    case CHANGE_SUB: new = old - operand; break;
    case CHANGE_OR: new = old | operand; break;
    case CHANGE_AND: new = old & operand; break;
    case CHANGE_XOR: new = old ^ operand; break;
    case CHANGE_NONE: new = old; break;
    }
    bool failed = expected != NULL && old != *expected;
    if (failed) {
        new = old;
        order = order_failed;
    }
    if (seen) {
        atomic_access(address, !failed);
        op_record(OP_CHANGE, (unsigned)x->current, address, old, new);
        if (order_acquires(order))
            clock_join(f->clock, l->clock);
        if (!failed && order_releases(order))
            release_to(l, f, true); /* a read-modify-write goes on with the release sequence */
    }
    if (!failed)
        memory_set(address, size, new);
    return old;
}

void explore_lock(void *lock)
{
    if (x->current < 0)
        return;
    op_announce(OP_LOCK, lock);
    struct location *l = location_of(lock, 0);
    l->holder = x->current + 1;
    op_record(OP_LOCK, (unsigned)x->current, lock, 0, 1);
    clock_join(x->fiber[x->current].clock, l->clock);
}

void explore_unlock(void *lock)
{
    if (x->current < 0)
        return;
    op_announce(OP_UNLOCK, lock);
    struct fiber *f = &x->fiber[x->current];
    struct location *l = location_of(lock, 0);
    if (l->holder != x->current + 1)
        explore_fail("unlock by another thread", __FILE__, __LINE__);
    op_record(OP_UNLOCK, (unsigned)x->current, lock, 1, 0);
    if (f->buffered > 0) {
        /* A release store and no more: later loads pass it, and what waits before it. */
        struct store *s = &f->buffer[f->buffered++];
        *s = (struct store){.address = lock, .release = true};
        memcpy(s->clock, f->clock, sizeof s->clock);
        f->clock[x->current]++;
        return;
    }
    l->holder = 0;
    release_to(l, f, false);
}

/* ---- the scheduler ---- */

/* A store may reach memory before older ones of other addresses, unless it is a release store. */
static bool store_may_flush(const struct fiber *f, unsigned at)
{
    for (unsigned i = 0; i < at; i++) {
        if (f->buffer[at].release || f->buffer[i].address == f->buffer[at].address)
            return false;
    }
    return true;
}

static void store_flush(unsigned t, unsigned at)
{
    struct fiber *f = &x->fiber[t];
    struct store s = f->buffer[at];
    struct location *l = location_of(s.address, s.size);
    memmove(&f->buffer[at], &f->buffer[at + 1], (f->buffered - at - 1) * sizeof s);
    f->buffered--;
    if (s.size == 0) {
        op_record(OP_FLUSH, t, s.address, 1, 0);
        l->holder = 0;
    } else {
        op_record(OP_FLUSH, t, s.address, memory_get(s.address, s.size), s.value);
        memory_set(s.address, s.size, s.value);
    }
    memcpy(l->clock, s.clock, sizeof l->clock);
}

static bool fiber_may_run(const struct fiber *f)
{
    if (f->done)
        return false;
    switch (f->next) {
    case OP_LOAD: return true;
    case OP_STORE: case OP_UNLOCK: return f->buffered < BUFFER;
    case OP_LOCK: return f->buffered == 0 && location_of(f->address, 0)->holder == 0;
    default: return f->buffered == 0;
    }
}

/* thread, or THREADS + thread * BUFFER + index of the store that reaches memory */
static unsigned actions_list(uint8_t list[ACTIONS])
{
    unsigned n = 0;
    for (unsigned t = 0; t < x->fibers; t++) {
        const struct fiber *f = &x->fiber[t];
        if (fiber_may_run(f))
            list[n++] = (uint8_t)t;
        for (unsigned i = 0; i < f->buffered; i++) {
            if (store_may_flush(f, i))
                list[n++] = (uint8_t)(THREADS + t * BUFFER + i);
        }
    }
    return n;
}

static uint64_t mix_clock(uint64_t hash, const clock_vector clock)
{
    for (unsigned i = 0; i < x->fibers; i++)
        hash = mix(hash, clock[i]);
    return hash;
}

/* All on which the future depends; plain memory follows from the histories. */
static uint64_t state_hash(void)
{
    uint64_t hash = 7, sum = 0;
    for (unsigned t = 0; t < x->fibers; t++) {
        const struct fiber *f = &x->fiber[t];
        hash = mix_clock(mix(hash, f->history), f->clock);
        for (unsigned i = 0; i < f->buffered; i++) {
            const struct store *s = &f->buffer[i];
            hash = mix_clock(mix(mix(hash, (uintptr_t)s->address), s->value), s->clock);
        }
        hash = mix(hash, f->buffered);
    }
    for (unsigned i = 0; i < x->locations; i++) {
        const struct location *l = &x->location[i];
        uint64_t value = l->size == 0 ? (uint64_t)l->holder : memory_get(l->address, l->size);
        sum += mix_clock(mix(mix(3, (uintptr_t)l->address), value), l->clock); /* in any order */
    }
    hash = mix(hash, sum);
    return hash != 0 ? hash : 1;
}

/* True when the state is new. */
static bool visit(uint64_t hash)
{
    size_t mask = ((size_t)1 << VISITED_BITS) - 1;
    size_t at = hash & mask;
    while (x->visited[at] != 0) {
        if (x->visited[at] == hash)
            return false;
        at = (at + 1) & mask;
    }
    if (x->states > mask / 4 * 3)
        explore_fail("too many states for the explorer", __FILE__, __LINE__);
    x->visited[at] = hash;
    x->states++;
    return true;
}

/* One execution: choices [0, known) again, then the first ones. Returns the depth. */
static unsigned execute(unsigned known)
{
    unsigned depth = 0;
    state_restore();
    for (unsigned t = 0; t < x->fibers; t++)
        fiber_start(t);
    for (;;) {
        uint8_t list[ACTIONS];
        unsigned n = actions_list(list);
        if (n == 0)
            break;
        if (depth >= known) {
            if (!visit(state_hash()))
                return depth;
            if (depth == STEPS)
                explore_fail("no end in sight", __FILE__, __LINE__);
            x->choice[depth] = 0;
            x->choices[depth] = (uint8_t)n;
        }
        unsigned action = list[x->choice[depth++]];
        if (action < THREADS)
            fiber_run(action, false);
        else
            store_flush((action - THREADS) / BUFFER, (action - THREADS) % BUFFER);
    }
    for (unsigned t = 0; t < x->fibers; t++) {
        if (!x->fiber[t].done)
            explore_fail("deadlock", __FILE__, __LINE__);
    }
    x->model->finish();
    return depth;
}

static void explore_one(const struct explore_model *model)
{
    x = explorer_map(sizeof *x);
    x->model = model;
    x->current = -1;
    x->visited = explorer_map(sizeof(uint64_t) << VISITED_BITS);
    model->setup();
    x->tls = explore_tls != NULL ? *explore_tls : NULL;
    state_save_all();
    unsigned depth = 0, known = 0, deepest = 0;
    do {
        depth = execute(known);
        x->executions++;
        deepest = depth > deepest ? depth : deepest;
        while (depth > 0 && x->choice[depth - 1] + 1 == x->choices[depth - 1])
            depth--;
        if (depth > 0)
            x->choice[depth - 1]++;
        known = depth;
    } while (depth > 0);
    printf("# %s: %lu states, %lu executions, at most %u steps\n", model->name, (unsigned long)x->states,
           (unsigned long)x->executions, deepest);
}

int explore_main(const struct explore_model *models, size_t count, int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 4096);
    for (size_t i = 0; i < count; i++) {
        if (argc > 1 && strcmp(argv[1], models[i].name) != 0)
            continue;
        /* A process for each: it starts from the state of the program's start. */
        pid_t child = fork();
        if (child == 0) {
            explore_one(&models[i]);
            fflush(stdout);
            _Exit(0);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
            return 2;
        if (WEXITSTATUS(status) != 0)
            return WEXITSTATUS(status);
    }
    return 0;
}

/* ---- what the compiler calls ---- */

void explore_write(void *address)
{
    plain_access(address, true);
}

void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void);
void __tsan_func_exit(void) {}

#define PLAIN(name, is_write)           \
    void name(void *address);           \
    void name(void *address) { plain_access(address, is_write); }
#define PLAIN_SIZE(size)                             \
    PLAIN(__tsan_read##size, false)                  \
    PLAIN(__tsan_write##size, true)                  \
    PLAIN(__tsan_unaligned_read##size, false)        \
    PLAIN(__tsan_unaligned_write##size, true)        \
    PLAIN(__tsan_volatile_read##size, false)         \
    PLAIN(__tsan_volatile_write##size, true)         \
    PLAIN(__tsan_read_write##size, true)             \
    PLAIN(__tsan_unaligned_read_write##size, true)
PLAIN_SIZE(1)
PLAIN_SIZE(2)
PLAIN_SIZE(4)
PLAIN_SIZE(8)

/* Wider and longer accesses: word by word, as the fields that lie there are. */
static void plain_range(void *address, size_t size, bool write)
{
    for (size_t i = 0; i < size; i += 8)
        plain_access((char *)address + i, write);
}

#define RANGE(name, size, is_write)     \
    void name(void *address);           \
    void name(void *address) { plain_range(address, size, is_write); }
RANGE(__tsan_read16, 16, false)
RANGE(__tsan_write16, 16, true)
RANGE(__tsan_unaligned_read16, 16, false)
RANGE(__tsan_unaligned_write16, 16, true)

void __tsan_read_range(void *address, size_t size);
void __tsan_read_range(void *address, size_t size) { plain_range(address, size, false); }
void __tsan_write_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size) { plain_range(address, size, true); }

void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    plain_range((void *)(uintptr_t)from, size, false);
    plain_range(to, size, true);
    return memcpy(to, from, size);
}
void *__tsan_memset(void *to, int value, size_t size);
void *__tsan_memset(void *to, int value, size_t size)
{
    plain_range(to, size, true);
    return memset(to, value, size);
}

#define ATOMIC_FETCH(bits, type, name, change)                                                \
    type __tsan_atomic##bits##_##name(volatile type *p, type v, int order);                   \
    type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)                    \
    {                                                                                         \
        return (type)op_change((void *)(uintptr_t)p, bits / 8, change, v, NULL, order, order); \
    }
#define ATOMIC_CAS(bits, type, name)                                                             \
    bool __tsan_atomic##bits##_##name(volatile type *p, type *expected, type v, int order,       \
                                      int failed);                                               \
    bool __tsan_atomic##bits##_##name(volatile type *p, type *expected, type v, int order,       \
                                      int failed)                                                \
    {                                                                                            \
        uint64_t want = *expected;                                                               \
        uint64_t old = op_change((void *)(uintptr_t)p, bits / 8, CHANGE_SET, v, &want, order, failed); \
        *expected = (type)old;                                                                   \
        return old == want;                                                                      \
    }
#define ATOMIC(bits, type)                                                                    \
    type __tsan_atomic##bits##_load(const volatile type *p, int order);                       \
    type __tsan_atomic##bits##_load(const volatile type *p, int order)                        \
    {                                                                                         \
        return (type)op_load((void *)(uintptr_t)p, bits / 8, order);                          \
    }                                                                                         \
    void __tsan_atomic##bits##_store(volatile type *p, type v, int order);                    \
    void __tsan_atomic##bits##_store(volatile type *p, type v, int order)                     \
    {                                                                                         \
        op_store((void *)(uintptr_t)p, bits / 8, v, order);                                   \
    }                                                                                         \
    ATOMIC_FETCH(bits, type, exchange, CHANGE_SET)                                            \
    ATOMIC_FETCH(bits, type, fetch_add, CHANGE_ADD)                                           \
    ATOMIC_FETCH(bits, type, fetch_sub, CHANGE_SUB)                                           \
    ATOMIC_FETCH(bits, type, fetch_or, CHANGE_OR)                                             \
    ATOMIC_FETCH(bits, type, fetch_and, CHANGE_AND)                                           \
    ATOMIC_FETCH(bits, type, fetch_xor, CHANGE_XOR)                                           \
    ATOMIC_CAS(bits, type, compare_exchange_strong)                                           \
    ATOMIC_CAS(bits, type, compare_exchange_weak)                                             \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,  \
                                                    int order, int failed);                   \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *p, type expected, type v,  \
                                                    int order, int failed)                    \
    {                                                                                         \
        uint64_t want = expected;                                                             \
        return (type)op_change((void *)(uintptr_t)p, bits / 8, CHANGE_SET, v, &want, order, failed); \
    }
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
