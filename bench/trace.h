/* SPDX-License-Identifier: MIT */
/*
 * Two formats: the raw file that bench/recorder.c writes while a program runs, and the compact trace
 * that bench/trace_pack.c makes of it and bench/replay.c plays.
 *
 * ---- raw: one file a process, shared mappings, so that a process that is killed loses nothing ----
 *
 *   struct raw_header      4 KiB
 *   struct raw_chunk       64 KiB each; each belongs to one thread, a thread's chunks are in its order
 *
 * An event is written tag last; a zero tag is the end of a chunk that is not full. `sequence` numbers
 * all events of a process: an allocation takes its number after the call, a free before it, a realloc
 * both (two events). So an address is free in the numbered order before it is handed out again, and a
 * block is there before it is freed, whatever the threads did at the same time.
 *
 * ---- trace: text lines `key value`, an empty line, then for each thread ----
 *
 *   varint  bytes of the stream
 *   varint  operations in it
 *   varint  slots that its own blocks need
 *   varint  1 when a THREAD operation starts it, 0 when it is there from the beginning
 *   stream  operations
 *
 * An operation is a byte: kind, plus TRACE_SHARED when another thread, too, has to do with the block.
 * Blocks lie in slots. A block that one thread allocates and frees has a slot of that thread; the slot
 * is the one freed last, or a new one, and is not written down for an allocation. A shared block has a
 * slot of the process, and each operation on it has a turn: it waits until as many operations on that
 * slot have been done as its turn says (modulo 2^16). After the byte, as varints:
 *
 *   MALLOC, CALLOC         size                 shared: slot, turn, size
 *   ALIGNED                log2(alignment), size      : slot, turn, log2(alignment), size
 *   FREE                   slot                       : slot, turn
 *   REALLOC                slot, size                 : slot, turn, size
 *   THREAD                 number of the thread that starts here
 *   EPOCH                  epochs that have begun since the last one
 *
 * EPOCH stands before the first operation of a thread in each TRACE_EPOCH_EVENTS events of the process. The
 * replay lets no thread begin an epoch while another one is more than one behind: without it, a
 * producer would run ahead of its consumers as it never could in the program.
 */
#ifndef HAKMEM_BENCH_TRACE_H
#define HAKMEM_BENCH_TRACE_H

#include <stdint.h>

enum { RAW_HEADER = 4096, RAW_CHUNK = 65536, RAW_EVENTS = (RAW_CHUNK - 24) / 24 };

#define RAW_MAGIC "hakraw1"

struct raw_header {
    char magic[8];
    uint32_t pid, parent;
    char program[1024];
};

/* THREAD: pointer is the number of the new thread. */
enum raw_kind { RAW_MALLOC = 1, RAW_CALLOC, RAW_ALIGNED, RAW_FREE, RAW_REALLOC_BEGIN, RAW_REALLOC_END, RAW_THREAD };

struct raw_event {
    uint64_t tag; /* sequence << 16 | log2(alignment) << 8 | raw_kind */
    uint64_t pointer;
    uint64_t size; /* requested; FREE and REALLOC_BEGIN: usable size of the block that goes */
};

struct raw_chunk {
    uint64_t thread; /* number in the process, from 1 */
    uint64_t unused[2];
    struct raw_event event[RAW_EVENTS];
};

_Static_assert(sizeof(struct raw_chunk) <= RAW_CHUNK, "a chunk holds its events");
_Static_assert(sizeof(struct raw_header) <= RAW_HEADER, "the header has its place");

#define TRACE_MAGIC "hakmem-trace 1"

enum trace_kind { TRACE_MALLOC, TRACE_CALLOC, TRACE_ALIGNED, TRACE_FREE, TRACE_REALLOC, TRACE_THREAD, TRACE_EPOCH };

enum { TRACE_SHARED = 8, TRACE_EPOCH_EVENTS = 4096 };

#endif
