/* SPDX-License-Identifier: MIT */
/*
 * Makes the compact trace that bench/replay plays of a raw file of bench/recorder.c; bench/trace.h has
 * both formats. bench/record calls it.
 *
 *   trace_pack [-n EVENTS] RAW >TRACE
 *     -n  only the first EVENTS calls (all)
 *
 * Blocks that are freed but whose allocation is not in the file (they come from before a fork) are
 * allocated at the beginning of the trace, by its first thread.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/trace.h"

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "trace_pack: %s\n", what);
    exit(1);
}

/* Zeroed; nothing is ever given back, the process is short. */
static void *table(size_t count, size_t size)
{
    void *p = mmap(NULL, (count + 1) * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                   0);
    if (p == MAP_FAILED)
        fail("out of memory");
    return p;
}

/* ---- the events in their order ---- */

struct entry {
    const struct raw_event *event; /* NULL: the number was given and never written */
    uint32_t thread;
};

static struct entry *order; /* by sequence, from 1 */
static size_t order_count;
static uint32_t thread_count; /* greatest number of a thread */

static const struct raw_chunk *chunk_at(const char *raw, size_t i)
{
    return (const void *)(raw + RAW_HEADER + i * RAW_CHUNK);
}

static void read_order(const char *raw, size_t size, size_t most)
{
    size_t chunks = (size - RAW_HEADER) / RAW_CHUNK;
    for (size_t i = 0; i < chunks; i++) {
        const struct raw_chunk *c = chunk_at(raw, i);
        for (size_t k = 0; k < RAW_EVENTS && c->event[k].tag != 0; k++) {
            if (c->event[k].tag >> 16 > order_count)
                order_count = c->event[k].tag >> 16;
        }
    }
    if (order_count > most)
        order_count = most;
    order = table(order_count + 1, sizeof *order);
    for (size_t i = 0; i < chunks; i++) {
        const struct raw_chunk *c = chunk_at(raw, i);
        for (size_t k = 0; k < RAW_EVENTS && c->event[k].tag != 0; k++) {
            if (c->event[k].tag >> 16 <= order_count) {
                order[c->event[k].tag >> 16] = (struct entry){&c->event[k], (uint32_t)c->thread};
                if (c->thread > thread_count)
                    thread_count = (uint32_t)c->thread;
            }
        }
    }
}

/* ---- operations on blocks ---- */

struct block {
    uint32_t thread; /* that allocated it */
    bool shared;     /* another one frees or reallocates it */
    uint32_t slot;
};

struct operation {
    uint8_t kind, alignment;
    uint32_t thread;
    uint32_t block; /* THREAD: the number of the thread */
    uint64_t size;
};

static struct block *block;
static struct operation *operation;
static size_t block_count, operation_count, prelude_count;
static struct operation *prelude;

/* address -> block + 1, open addressing; a removed one leaves a mark */
struct place {
    uint64_t address;
    uint32_t block;
};
enum { REMOVED = UINT32_MAX };
static struct place *place;
static size_t place_mask;

static struct place *place_find(uint64_t address)
{
    size_t i = (size_t)((address >> 4) * 0x9e3779b97f4a7c15u >> 20) & place_mask;
    struct place *reusable = NULL;
    for (; place[i].block != 0; i = (i + 1) & place_mask) {
        if (place[i].block == REMOVED)
            reusable = reusable != NULL ? reusable : &place[i];
        else if (place[i].address == address)
            return &place[i];
    }
    return reusable != NULL ? reusable : &place[i];
}

static uint32_t block_at(uint64_t address)
{
    struct place *p = place_find(address);
    return p->block == 0 || p->block == REMOVED ? 0 : p->block;
}

static void block_put(uint64_t address, uint32_t number)
{
    *place_find(address) = (struct place){address, number};
}

static void block_remove(uint64_t address)
{
    place_find(address)->block = REMOVED;
}

static void add(uint8_t kind, uint8_t alignment, uint32_t thread, uint32_t number, uint64_t size)
{
    operation[operation_count++] = (struct operation){kind, alignment, thread, number, size};
}

/* The block that a free or realloc is about; one from before a fork is allocated in the prelude. */
static uint32_t known_block(const struct entry *e)
{
    uint32_t number = block_at(e->event->pointer);
    if (number == 0) {
        number = (uint32_t)++block_count;
        block[number].thread = 1;
        prelude[prelude_count++] = (struct operation){TRACE_MALLOC, 0, 1, number, e->event->size};
    }
    if (block[number].thread != e->thread)
        block[number].shared = true;
    return number;
}

static void add_allocation(const struct entry *e, uint8_t kind)
{
    uint32_t number = (uint32_t)++block_count;
    block[number].thread = e->thread;
    block_put(e->event->pointer, number);
    add(kind, (uint8_t)(e->event->tag >> 8), e->thread, number, e->event->size);
}

/* The end of a realloc; `begun` is its block. */
static void add_realloc(const struct entry *e, uint32_t begun, uint64_t old)
{
    if (e->event->pointer == 0) {
        if (e->event->size == 0)
            add(TRACE_FREE, 0, e->thread, begun, 0);
        else
            block_put(old, begun); /* it failed, the block is still there */
        return;
    }
    block_put(e->event->pointer, begun);
    add(TRACE_REALLOC, 0, e->thread, begun, e->event->size);
}

struct pending {
    uint32_t block; /* the thread is inside realloc of it; 0: it is not */
    uint64_t address;
};

static void make_operation(const struct entry *e, struct pending *pending)
{
    static const uint8_t kinds[] = {[RAW_MALLOC] = TRACE_MALLOC, [RAW_CALLOC] = TRACE_CALLOC,
                                    [RAW_ALIGNED] = TRACE_ALIGNED};
    unsigned kind = (uint8_t)e->event->tag;
    switch (kind) {
    case RAW_MALLOC:
    case RAW_CALLOC:
    case RAW_ALIGNED:
        add_allocation(e, kinds[kind]);
        break;
    case RAW_FREE:
        add(TRACE_FREE, 0, e->thread, known_block(e), 0);
        block_remove(e->event->pointer);
        break;
    case RAW_REALLOC_BEGIN:
        *pending = (struct pending){known_block(e), e->event->pointer};
        block_remove(e->event->pointer);
        break;
    case RAW_REALLOC_END:
        if (pending->block != 0)
            add_realloc(e, pending->block, pending->address);
        pending->block = 0;
        break;
    case RAW_THREAD:
        add(TRACE_THREAD, 0, e->thread, (uint32_t)e->event->pointer, 0);
        break;
    default:
        fail("an event of unknown kind");
    }
}

static void make_operations(void)
{
    size_t places = 1024;
    while (places < order_count * 2)
        places *= 2;
    place = table(places, sizeof *place);
    place_mask = places - 1;
    block = table(order_count + 1, sizeof *block);
    operation = table(order_count, sizeof *operation);
    prelude = table(order_count, sizeof *prelude);
    struct pending *pending = table(thread_count + 1, sizeof *pending);
    for (size_t i = 1; i <= order_count; i++) {
        if (order[i].event != NULL)
            make_operation(&order[i], &pending[order[i].thread]);
    }
}

/* ---- streams ---- */

struct stream {
    uint8_t *bytes;
    size_t length, room, operations;
    uint32_t number; /* in the trace; 0: the thread has no operation */
    uint32_t *free_slot;
    size_t free_count, free_room, slots;
    size_t epoch;
    bool started; /* by a THREAD operation */
};

static struct stream *stream;

static void put_byte(struct stream *s, uint8_t byte)
{
    if (s->length == s->room) {
        s->room = s->room * 2 + 1024;
        s->bytes = realloc(s->bytes, s->room);
        if (s->bytes == NULL)
            fail("out of memory");
    }
    s->bytes[s->length++] = byte;
}

static void put(struct stream *s, uint64_t n)
{
    for (; n >= 128; n >>= 7)
        put_byte(s, (uint8_t)(n | 128));
    put_byte(s, (uint8_t)n);
}

/* Slots of shared blocks: taken in the order in which they came free, and late, so that no thread waits. */
static struct {
    uint32_t *queue;
    size_t first, end, slots;
    uint16_t *turn;
} shared;

enum { SHARED_IDLE = 4096 };

static uint32_t shared_slot(void)
{
    if (shared.end - shared.first > SHARED_IDLE)
        return shared.queue[shared.first++];
    return (uint32_t)shared.slots++;
}

static uint32_t own_slot(struct stream *s)
{
    return s->free_count > 0 ? s->free_slot[--s->free_count] : (uint32_t)s->slots++;
}

static void own_slot_free(struct stream *s, uint32_t slot)
{
    if (s->free_count == s->free_room) {
        s->free_room = s->free_room * 2 + 64;
        s->free_slot = realloc(s->free_slot, s->free_room * sizeof *s->free_slot);
        if (s->free_slot == NULL)
            fail("out of memory");
    }
    s->free_slot[s->free_count++] = slot;
}

static void put_shared(struct stream *s, const struct operation *o, struct block *b)
{
    if (o->kind <= TRACE_ALIGNED)
        b->slot = shared_slot();
    put_byte(s, o->kind | TRACE_SHARED);
    put(s, b->slot);
    put(s, shared.turn[b->slot]++);
    if (o->kind == TRACE_FREE)
        shared.queue[shared.end++] = b->slot;
}

static void put_own(struct stream *s, const struct operation *o, struct block *b)
{
    put_byte(s, o->kind);
    if (o->kind <= TRACE_ALIGNED)
        b->slot = own_slot(s);
    else
        put(s, b->slot);
    if (o->kind == TRACE_FREE)
        own_slot_free(s, b->slot);
}

static void put_operation(const struct operation *o, size_t epoch)
{
    struct stream *s = &stream[o->thread];
    if (o->kind == TRACE_THREAD && (o->block > thread_count || stream[o->block].number == 0))
        return; /* it made no call */
    if (epoch > s->epoch) {
        put_byte(s, TRACE_EPOCH);
        put(s, epoch - s->epoch);
        s->epoch = epoch;
        s->operations++;
    }
    s->operations++;
    if (o->kind == TRACE_THREAD) {
        put_byte(s, o->kind);
        put(s, stream[o->block].number - 1);
        stream[o->block].started = true;
        return;
    }
    struct block *b = &block[o->block];
    if (b->shared)
        put_shared(s, o, b);
    else
        put_own(s, o, b);
    if (o->kind == TRACE_ALIGNED)
        put(s, o->alignment);
    if (o->kind != TRACE_FREE)
        put(s, o->size);
}

/* Numbers in the trace, in the order of the first operation. */
static uint32_t number_threads(void)
{
    uint32_t count = 0;
    stream = table(thread_count + 1, sizeof *stream);
    stream[1].number = ++count; /* the prelude is its own */
    for (size_t i = 0; i < operation_count; i++) {
        struct stream *s = &stream[operation[i].thread];
        if (s->number == 0)
            s->number = ++count;
    }
    return count;
}

static void make_streams(void)
{
    shared.queue = table(block_count + 1, sizeof *shared.queue);
    shared.turn = table(block_count + 1, sizeof *shared.turn);
    for (size_t i = 0; i < prelude_count; i++)
        put_operation(&prelude[i], 0);
    for (size_t i = 0; i < operation_count; i++)
        put_operation(&operation[i], i / TRACE_EPOCH_EVENTS);
}

static void write_trace(const char *program, uint32_t threads)
{
    const char *name = strrchr(program, '/');
    size_t shared_blocks = 0;
    for (size_t i = 1; i <= block_count; i++)
        shared_blocks += block[i].shared;
    printf(TRACE_MAGIC "\nprogram %s\nthreads %u\noperations %zu\nblocks %zu\nshared_blocks %zu\ninherited_blocks %zu\n"
                       "shared_slots %zu\n\n",
           name != NULL ? name + 1 : program, threads, operation_count + prelude_count, block_count, shared_blocks,
           prelude_count, shared.slots);
    struct stream **by_number = table(threads, sizeof *by_number);
    for (uint32_t i = 1; i <= thread_count; i++) {
        if (stream[i].number != 0)
            by_number[stream[i].number - 1] = &stream[i];
    }
    for (uint32_t i = 0; i < threads; i++) {
        struct stream head = {0};
        put(&head, by_number[i]->length);
        put(&head, by_number[i]->operations);
        put(&head, by_number[i]->slots);
        put(&head, by_number[i]->started);
        fwrite(head.bytes, 1, head.length, stdout);
        fwrite(by_number[i]->bytes, 1, by_number[i]->length, stdout);
        free(head.bytes);
    }
    if (fflush(stdout) != 0)
        fail("the trace cannot be written");
}

int main(int argc, char **argv)
{
    size_t most = SIZE_MAX;
    if (argc == 4 && strcmp(argv[1], "-n") == 0)
        most = strtoul(argv[2], NULL, 10);
    else if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: trace_pack [-n EVENTS] RAW >TRACE\n");
        return 2;
    }
    int fd = open(argv[argc - 1], O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        fail("the raw file cannot be read");
    size_t size = (size_t)status.st_size;
    if (size < RAW_HEADER)
        fail("not a raw file of the recorder");
    const char *raw = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (raw == MAP_FAILED)
        fail("out of memory");
    const struct raw_header *header = (const void *)raw;
    if (memcmp(header->magic, RAW_MAGIC, sizeof header->magic) != 0)
        fail("not a raw file of the recorder");
    read_order(raw, size, most);
    if (order_count == 0)
        fail("no calls in it");
    make_operations();
    uint32_t threads = number_threads();
    make_streams();
    write_trace(header->program, threads);
    return 0;
}
