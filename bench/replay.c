/* SPDX-License-Identifier: MIT */
/*
 * Plays the allocation calls of a program, as bench/record wrote them, against the allocator that is
 * preloaded: the same calls with the same sizes, by as many threads, each begun where the program
 * began it. Where a call needs what another thread did (a free of its block), it waits for it.
 *
 *   replay [-n PASSES] [-w WRITTEN] TRACE
 *     -n  times that the trace is played (1); what is left at the end of a pass is freed
 *     -w  bytes at the beginning of each new block that are written (256); a byte of each 4 KiB is
 *         written in any case
 *     TRACE  as it is, or compressed: .xz, .zst, .gz
 *
 * peak_kib is without the trace itself, which lies decoded in memory (own_kib). waits are operations
 * that found another thread behind.
 */
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>

#include "bench.h"
#include "bench/trace.h"

static const char usage[] = "usage: replay [-n PASSES] [-w WRITTEN] TRACE\n";

struct operation {
    uint8_t kind; /* with TRACE_SHARED */
    uint8_t alignment;
    uint16_t turn;
    uint32_t slot; /* THREAD, EPOCH: the number */
    uint64_t size;
};

/* The thread alone writes, but for `reached`. */
struct thread {
    struct operation *operation;
    size_t count;
    char **slot; /* of its own blocks */
    size_t slots;
    bool started_by_another;
    uint64_t waits;
    size_t reached __attribute__((aligned(64))); /* atomic: the epoch that it is in; SIZE_MAX: not alive */
};

/* pointer: whose turn it is; turn: released by one operation, acquired by the next */
struct shared_slot {
    char *pointer;
    uint32_t turn;
};

static struct thread *thread;
static size_t threads, shared_slots, operations;
static struct shared_slot *shared;
static size_t alive; /* atomic: threads that have not ended */
static size_t written = 256;

/* ---- reading: into mapped memory, before the clock starts ---- */

struct reader {
    const uint8_t *at, *end;
};

static uint64_t get(struct reader *r)
{
    uint64_t n = 0;
    for (unsigned shift = 0; r->at < r->end && shift < 64; shift += 7) {
        uint8_t byte = *r->at++;
        n |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return n;
    }
    bench_fail("the trace ends too early");
}

/* Standard output of `xz -dc PATH` and the like, on the C library's malloc. */
static int open_decompressed(const char *program, const char *path)
{
    extern char **environ;
    int ends[2], status;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    char *words[] = {(char *)program, (char *)"-dc", (char *)path, NULL};
    char *environment[256];
    size_t n = 0;
    for (char **e = environ; *e != NULL && n + 1 < sizeof environment / sizeof environment[0]; e++) {
        if (strncmp(*e, "LD_PRELOAD=", 11) != 0)
            environment[n++] = *e;
    }
    environment[n] = NULL;
    if (pipe(ends) != 0)
        bench_fail("pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    status = posix_spawnp(&pid, program, &actions, NULL, words, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (status != 0)
        bench_fail("the trace is compressed, and the program that unpacks it is not installed");
    return ends[0];
}

static int open_trace(const char *path)
{
    static const char *const program[][2] = {{".xz", "xz"}, {".zst", "zstd"}, {".gz", "gzip"}};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(path), suffix = strlen(program[i][0]);
        if (length > suffix && strcmp(path + length - suffix, program[i][0]) == 0)
            return open_decompressed(program[i][1], path);
    }
    return open(path, O_RDONLY | O_CLOEXEC);
}

static struct reader read_all(const char *path)
{
    size_t room = (size_t)4 << 30, length = 0;
    int fd = access(path, R_OK) == 0 ? open_trace(path) : -1;
    if (fd < 0)
        bench_fail("the trace cannot be read");
    uint8_t *bytes = bench_map(room);
    for (ssize_t n; length < room && (n = read(fd, bytes + length, room - length)) != 0; length += (size_t)n) {
        if (n < 0)
            bench_fail("the trace cannot be read");
    }
    close(fd);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    return (struct reader){bytes, bytes + length};
}

/* The value of a text line of the head. */
static size_t head_value(const char *head, const char *key)
{
    const char *at = strstr(head, key);
    if (at == NULL || at[-1] != '\n')
        bench_fail("not a trace of bench/record");
    return strtoul(at + strlen(key), NULL, 10);
}

static void decode_operation(struct reader *r, struct thread *t, struct operation *o, size_t *epoch)
{
    if (r->at == r->end)
        bench_fail("the trace ends too early");
    o->kind = *r->at++;
    unsigned kind = o->kind & 7u;
    if (kind == TRACE_EPOCH) {
        *epoch += get(r);
        o->size = *epoch;
        return;
    }
    bool is_shared = (o->kind & TRACE_SHARED) != 0;
    if (is_shared || kind == TRACE_FREE || kind == TRACE_REALLOC || kind == TRACE_THREAD)
        o->slot = (uint32_t)get(r);
    if (is_shared)
        o->turn = (uint16_t)get(r);
    if (kind == TRACE_ALIGNED)
        o->alignment = (uint8_t)get(r);
    if (kind != TRACE_FREE && kind != TRACE_THREAD)
        o->size = get(r);
    size_t limit = kind == TRACE_THREAD ? threads : is_shared ? shared_slots : t->slots;
    if (kind > TRACE_EPOCH || (o->slot >= limit && (is_shared || kind > TRACE_ALIGNED)) || o->alignment > 40)
        bench_fail("the trace is damaged");
}

/* Own slots are a stack of free ones, as trace_pack has it. */
static void decode_stream(struct reader *r, struct thread *t)
{
    uint32_t *free_slot = bench_map((t->slots + 1) * sizeof *free_slot);
    size_t free_count = 0, used = 0, epoch = 0;
    t->operation = bench_map((t->count + 1) * sizeof *t->operation);
    t->slot = bench_map((t->slots + 1) * sizeof *t->slot);
    for (size_t i = 0; i < t->count; i++) {
        struct operation *o = &t->operation[i];
        decode_operation(r, t, o, &epoch);
        if (o->kind <= TRACE_ALIGNED) {
            o->slot = free_count > 0 ? free_slot[--free_count] : (uint32_t)used++;
            if (o->slot >= t->slots)
                bench_fail("the trace is damaged");
        } else if (o->kind == TRACE_FREE) {
            free_slot[free_count++] = o->slot;
        }
    }
    munmap(free_slot, (t->slots + 1) * sizeof *free_slot);
}

static void read_trace(const char *path)
{
    struct reader r = read_all(path), all = r;
    const uint8_t *body = memmem(r.at, (size_t)(r.end - r.at), "\n\n", 2);
    if (r.end - r.at < 16 || memcmp(r.at, TRACE_MAGIC "\n", sizeof TRACE_MAGIC) != 0 || body == NULL ||
        body - r.at > 4000)
        bench_fail("not a trace of bench/record");
    char head[4096] = {0};
    memcpy(head, r.at, (size_t)(body - r.at) + 1);
    r.at = body + 2;
    threads = head_value(head, "threads ");
    shared_slots = head_value(head, "shared_slots ");
    thread = bench_map((threads + 1) * sizeof *thread);
    shared = bench_map((shared_slots + 1) * sizeof *shared);
    for (size_t i = 0; i < threads; i++) {
        uint64_t length = get(&r);
        thread[i].count = get(&r);
        thread[i].slots = get(&r);
        thread[i].started_by_another = get(&r) != 0;
        if (length > (uint64_t)(r.end - r.at) || thread[i].count > length || thread[i].slots > length)
            bench_fail("the trace is damaged");
        struct reader stream = {r.at, r.at + length};
        decode_stream(&stream, &thread[i]);
        r.at += length;
        operations += thread[i].count;
    }
    munmap((void *)all.at, (size_t)4 << 30);
}

/* ---- playing ---- */

static void pause_thread(unsigned *tries)
{
    if (++*tries < 32)
        __asm__ volatile("" : : : "memory");
    else if (*tries < 64)
        sched_yield();
    else
        nanosleep(&(struct timespec){0, 20000}, NULL);
}

static struct shared_slot *wait_for_turn(struct thread *t, const struct operation *o)
{
    struct shared_slot *s = &shared[o->slot];
    unsigned tries = 0;
    while ((uint16_t)__atomic_load_n(&s->turn, __ATOMIC_ACQUIRE) != o->turn)
        pause_thread(&tries);
    t->waits += tries != 0;
    return s;
}

/* No thread is more than one epoch behind one that goes on. */
static void enter_epoch(struct thread *t, size_t epoch)
{
    unsigned tries = 0;
    __atomic_store_n(&t->reached, epoch, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < threads; i++) {
        while (__atomic_load_n(&thread[i].reached, __ATOMIC_SEQ_CST) + 1 < epoch && &thread[i] != t)
            pause_thread(&tries);
    }
    t->waits += tries != 0;
}

static char *fill(char *p, size_t size)
{
    if (p == NULL && size != 0)
        bench_fail("out of memory");
    if (p != NULL) {
        memset(p, 1, size < written ? size : written);
        bench_touch(p, 0, size);
    }
    return p;
}

static char *allocate(const struct operation *o)
{
    switch (o->kind & 7u) {
    case TRACE_CALLOC:
        return fill(calloc(1, o->size), o->size);
    case TRACE_ALIGNED: {
        void *p = NULL;
        size_t alignment = (size_t)1 << o->alignment;
        if (posix_memalign(&p, alignment < sizeof p ? sizeof p : alignment, o->size) != 0)
            bench_fail("out of memory");
        return fill(p, o->size);
    }
    default:
        return fill(malloc(o->size), o->size);
    }
}

static void play_on(char **at, const struct operation *o)
{
    char *p = *at;
    switch (o->kind & 7u) {
    case TRACE_FREE:
        *at = NULL;
        free(p);
        break;
    case TRACE_REALLOC: {
        char *grown = realloc(p, o->size);
        if (grown == NULL && o->size != 0)
            bench_fail("out of memory");
        if (o->size != 0)
            ((volatile char *)grown)[o->size - 1] = 1;
        *at = grown;
        break;
    }
    default:
        *at = allocate(o);
    }
}

static void *play(void *argument);

static void start_thread(struct thread *t, size_t epoch)
{
    pthread_attr_t attributes;
    pthread_t id;
    __atomic_store_n(&t->reached, epoch, __ATOMIC_SEQ_CST);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 * BENCH_KIB);
    if (pthread_create(&id, &attributes, play, t) != 0)
        bench_fail("cannot start a thread");
    pthread_attr_destroy(&attributes);
}

static void *play(void *argument)
{
    struct thread *t = argument;
    for (size_t i = 0; i < t->count; i++) {
        const struct operation *o = &t->operation[i];
        if ((o->kind & TRACE_SHARED) != 0) {
            struct shared_slot *s = wait_for_turn(t, o);
            play_on(&s->pointer, o);
            __atomic_store_n(&s->turn, s->turn + 1, __ATOMIC_RELEASE);
        } else if (o->kind == TRACE_EPOCH) {
            enter_epoch(t, o->size);
        } else if (o->kind == TRACE_THREAD) {
            start_thread(&thread[o->slot], t->reached);
        } else {
            play_on(&t->slot[o->slot], o);
        }
    }
    __atomic_store_n(&t->reached, SIZE_MAX - 1, __ATOMIC_SEQ_CST);
    __atomic_sub_fetch(&alive, 1, __ATOMIC_ACQ_REL);
    return NULL;
}

/* Once through the trace; this thread is the first of it. */
static void pass(void)
{
    for (size_t i = 0; i < shared_slots; i++)
        shared[i].turn = 0;
    for (size_t i = 0; i < threads; i++)
        thread[i].reached = thread[i].started_by_another ? SIZE_MAX - 1 : 0;
    alive = threads;
    for (size_t i = 1; i < threads; i++) {
        if (!thread[i].started_by_another)
            start_thread(&thread[i], 0);
    }
    play(&thread[0]);
    unsigned tries = 0;
    while (__atomic_load_n(&alive, __ATOMIC_ACQUIRE) != 0)
        pause_thread(&tries);
}

static void free_rest(void)
{
    for (size_t i = 0; i < threads; i++) {
        for (size_t k = 0; k < thread[i].slots; k++) {
            free(thread[i].slot[k]);
            thread[i].slot[k] = NULL;
        }
    }
    for (size_t i = 0; i < shared_slots; i++) {
        free(shared[i].pointer);
        shared[i].pointer = NULL;
    }
}

/* What reading needed is not part of the peak. */
static void reset_peak(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "5", 1) != 1)
        fputs("replay: the peak cannot be reset: peak_kib is too large\n", stderr);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    size_t passes = 1;
    if (argc < 2 || (argc % 2 != 0 && argv[1][0] != '-')) {
        fputs(usage, stderr);
        return 2;
    }
    const char *path = argc % 2 == 0 ? argv[argc - 1] : "";
    bench_arguments(argc % 2 == 0 ? argc - 1 : argc, argv,
                    (struct bench_option[]){BENCH_NUMBER('n', passes), BENCH_NUMBER('w', written), BENCH_END}, usage);
    bench_print_allocator();
    read_trace(path);
    reset_peak();
    bench_own_kib = bench_status_kib("VmRSS");
    double start = bench_seconds();
    for (size_t i = 0; i < passes; i++) {
        pass();
        if (i + 1 < passes)
            free_rest();
    }
    double seconds = bench_seconds() - start;
    uint64_t waits = 0;
    for (size_t i = 0; i < threads; i++)
        waits += thread[i].waits;
    printf("threads %zu\nwaits %llu\nown_kib %zu\n", threads, (unsigned long long)waits, bench_own_kib);
    bench_print_result((double)operations * (double)passes, seconds);
    return 0;
}
