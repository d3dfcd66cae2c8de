/* SPDX-License-Identifier: MIT */
/*
 * What another process reads of a live hakmem process: the layout of the
 * exported object `hakmem_page`.
 *
 * A reader finds the library in /proc/PID/maps, the dynamic symbol
 * `hakmem_page` in it, and reads the page and what it points to with
 * process_vm_readv or /proc/PID/mem. The target does not take part. All of the
 * page is constant. What it points to stays mapped for the life of the process,
 * so that an address that was once valid never leaves the map; the values move
 * while they are read.
 *
 *   hakmem_page    word    newest heap           older heap
 *   +---------------+      +------------------+      +--------
 *   | magic ...     |  +-->| ...              |  +-->|
 *   | heaps  --> [--+--+   | at heap_next:  --+--+   |
 *   | ...           |      | at heap_counters:|
 *   +---------------+      |  uint64[count]   |
 *                          +------------------+
 *
 * All fields are of fixed size, in the byte order of the machine.
 * Pointers are addresses in the target. A field is never removed or moved
 * within a layout version; new ones are added at the end and `size` grows.
 * Since version 0.1.
 */
#ifndef HAKMEM_INTROSPECT_H
#define HAKMEM_INTROSPECT_H

#include <stdint.h>

#define HAKMEM_PAGE_MAGIC "hakmem\0\1" /* 8 bytes, the final NUL not counted */
#define HAKMEM_PAGE_LAYOUT 2u

/* Bits of hakmem_page.flags */
#define HAKMEM_PAGE_FILLED 1u /* the fields below are filled; always, since they are constants */

struct hakmem_page {
    char magic[8];          /* constant: HAKMEM_PAGE_MAGIC */
    uint32_t layout;        /* constant: HAKMEM_PAGE_LAYOUT */
    uint32_t size;          /* constant: bytes of this structure */
    uint32_t flags;         /* constant: HAKMEM_PAGE_... */
    uint32_t counter_count; /* counters of a heap */
    uint64_t counter_names; /* address of uint64[counter_count]: addresses of their names */
    uint64_t version;       /* address of the text of hakmem_version */
    uint64_t heaps;         /* address of the uint64 that holds the address of the newest heap */
    uint32_t heap_next;     /* offset in a heap of the uint64 address of the next older one; 0 ends */
    uint32_t heap_counters; /* offset in a heap of uint64[counter_count] */
    uint64_t structures;    /* address of a struct hakmem_structures; see below */
    /* The operator's settings and commands; see below. */
    uint64_t options;       /* address of a struct hakmem_page_options */
    uint64_t commands;      /* address of struct hakmem_command[HAKMEM_COMMAND_COUNT] */
    uint64_t attention;     /* address of the uint32 that is set to 1 after a request was written */
};

/* ---- structures: how the allocator's own structures are walked from outside ---- */

/*
 * Everything that hakmem maps can be found from here:
 *
 *   metadata    chunks: each begins with the address of the older one and its size in bytes. All
 *               structures below lie in them, or in the library's own data; they never move, and
 *               memory that was one kind of structure stays that kind.
 *   leaves      of the region map: entries of the directory, each an offset from `directory_base`
 *   regions     SuperSlabs and pool chunks: a ring of links; `next` leads from link to link, and
 *               back to the head
 *   spans       large blocks, live and free, and huge mappings: a ring of links likewise
 *   heaps       one for each thread that there ever was at the same time; see hakmem_page.heaps
 *
 * A field named in one word is the offset of a field of the structure, from its
 * start; its width stands beside it. `sequence` is the address of a uint32 that
 * is odd while the structures are being changed: copy, and copy again when it
 * was odd or has changed. Slabs in use and the heap's own fields are written by
 * their thread without it: each value is one that was true at some moment, and
 * `used` of a slab is exact when its thread rests.
 *
 * The blocks of a slab (`used` as in the arithmetic of the slab):
 *
 *   carved <= capacity;  used = role == held ? carved : min(level + countdown, carved)
 *   used = live + in the heap's bin of the class (held only) + on their way home from other threads
 */

/* What a slab or span is; the value of its `tag`, part of the layout. */
#define HAKMEM_TAG_SLAB_FREE 0xa0u
#define HAKMEM_TAG_SLAB 0xa1u      /* blocks of one size class */
#define HAKMEM_TAG_POOL 0xa2u      /* chunk of the pool */
#define HAKMEM_TAG_LARGE 0xa4u     /* live span */
#define HAKMEM_TAG_HUGE 0xa5u      /* live mapping of its own */
#define HAKMEM_TAG_SPAN_FREE 0xa8u

/* Value of `role` of a slab. */
#define HAKMEM_ROLE_UNLISTED 0u
#define HAKMEM_ROLE_HELD 1u
#define HAKMEM_ROLE_FRESH 2u
#define HAKMEM_ROLE_LISTED 3u

/* Value of `state` of a heap. */
#define HAKMEM_HEAP_ALIVE 1u
#define HAKMEM_HEAP_DEAD 2u
#define HAKMEM_HEAP_BUSY 3u
#define HAKMEM_HEAP_FROZEN 4u
#define HAKMEM_HEAP_SHARED 5u

/* Entries of the map of a pool chunk, one for each unit. */
#define HAKMEM_RUN_FREE 0x8000u   /* first and last of a free run, and its links */
#define HAKMEM_RUN_CLEAN 0x4000u  /* a free run: its pages are not resident */
#define HAKMEM_RUN_UNITS 0x3fffu
#define HAKMEM_BLOCK_UNITS 0x7fu  /* first of a block; above them: which 64 bytes of the unit it begins with, from 1 */
/* Below the address of the first block of a chain: the number of its blocks. */
#define HAKMEM_CHAIN_BLOCKS 0x3fu

struct hakmem_structures {
    uint32_t size;            /* bytes of this structure; it grows at its end */
    uint32_t granule;         /* bytes of a slab, and of an entry of the region map */
    uint32_t superslab_slabs; /* slabs of a SuperSlab */
    uint32_t pool_unit;       /* bytes of a unit of the pool */

    /* Size classes: an array. Classes from `pool_class` on live in the pool. */
    uint64_t classes;         /* address */
    uint32_t class_count;
    uint32_t class_stride;    /* bytes from one to the next */
    uint32_t class_bytes;     /* uint32: bytes of a block */
    uint32_t pool_class;

    /* Memory system calls since the start. */
    uint64_t calls;           /* address of uint64[call_count] */
    uint64_t call_names;      /* address of call_count texts, one behind the other, each with a NUL */
    uint32_t call_count;

    struct {                  /* metadata */
        uint32_t next, bytes; /* uint64, uint64: at the start of a chunk */
        uint64_t newest;      /* address of the uint64 address of the newest chunk */
        uint64_t left;        /* address of the uint64 number of bytes of it that nobody has yet */
        uint64_t sequence;
    } meta;

    struct {                  /* leaves of the region map */
        uint32_t bytes;       /* of a leaf */
        uint32_t unused;
        uint64_t count;       /* address of a uint32, followed by uint16[count]: entries of the directory */
        uint64_t directory;   /* address of uint64[]: offset of the leaf from the base */
        uint64_t directory_base;
    } leaf;

    struct {                  /* heap; counters, next: see hakmem_page */
        uint32_t bytes;
        uint32_t state;         /* uint32: HAKMEM_HEAP_... */
        uint32_t bins;          /* uint64[class_count]: first free block, or 0; linked by their first word */
        uint32_t ready_count;   /* uint64: empty slabs that it keeps */
        uint32_t arena_bytes;   /* uint64: in its bins of pool classes */
        uint32_t arena_limit;   /* uint64: the most that these may hold now; 0: not known yet */
        uint32_t gathered;      /* uint64: bytes of other threads' blocks that it is to hand over */
        uint32_t queue;         /* uint64: rings << 48 | address of the newest ring that others handed over */
        uint32_t thread;        /* int32: its thread's id (in the thread's namespace); 0: not known */
        uint32_t ring_link;     /* in a ring, uint64: blocks << 48 | next ring, an address in the same way */
        uint32_t batches;       /* what `gathered` consists of: an array */
        uint32_t batch_count;   /* its entries */
        uint32_t batch_stride;  /* bytes from one to the next */
        uint32_t batch_slab;    /* uint64: address of the slab; 0: free */
        uint32_t batch_blocks;  /* uint32: blocks of that slab */
        uint32_t unused;
    } heap;

    struct {                  /* slab: descriptor of a granule; also at the start of a span */
        uint32_t bytes;       /* from one to the next in a SuperSlab */
        uint32_t owner;       /* uint64: address of its heap */
        uint32_t countdown;   /* uint32 */
        uint32_t level;       /* uint16 */
        uint32_t carved;      /* uint16: blocks made so far */
        uint32_t capacity;    /* uint16: blocks that there is room for */
        uint32_t tag;         /* uint8: HAKMEM_TAG_... */
        uint32_t size_class;  /* uint8 */
        uint32_t role;        /* uint8: HAKMEM_ROLE_... */
        uint32_t touched;     /* uint8: sixteenths of it, from its first byte on, that may be resident */
        uint32_t base;        /* uint64: address of its first byte */
        uint32_t unused;
    } slab;

    struct {                  /* region: part of a SuperSlab or a pool chunk; offsets from its link */
        uint64_t head;        /* address of the ring's head */
        uint64_t sequence;    /* of the ring itself */
        uint32_t next;        /* uint64 */
        uint32_t slabs;       /* uint64: address of the SuperSlab's descriptors; 0: it is a pool chunk */
        uint32_t base;        /* uint64: address of its memory */
        uint32_t bytes;       /* uint64 */
    } region;

    struct {                  /* SuperSlab; offsets from its region's link, less than 0 too */
        uint64_t sequence;
        int32_t free_mask;    /* uint32: bit for each slab that nobody has */
        int32_t dirty_mask;   /* uint32: bit for each slab whose pages may be resident */
    } superslab;

    struct {                  /* pool chunk; offsets from its region's link */
        uint64_t sequence;
        int32_t units;        /* uint32 */
        int32_t used;         /* uint32: units of blocks */
        int32_t dirty;        /* uint32: units of free runs that are not clean */
        int32_t map;          /* uint16[units] */
    } pool;

    struct {                  /* span; offsets from its link in the ring */
        uint64_t head;        /* address of the ring's head */
        uint64_t sequence;
        uint64_t lost;        /* address of the uint64 number of mapped bytes that are in no span */
        int32_t next;         /* uint64 */
        int32_t slab;         /* the slab at its start: tag, base */
        int32_t bytes;        /* uint64: of the mapping or span */
        int32_t usable;       /* uint64: live: of the block */
        int32_t touched;      /* uint64: live: bytes from its start that may be resident */
        int32_t dirty_from;   /* uint64: free: what lies outside of [dirty_from, dirty_to) is not resident */
        int32_t dirty_to;     /* uint64 */
        int32_t previous;     /* uint64: back, from link to link */
    } span;

    /*
     * Free blocks of the pool that wait for the next arena; in the map they are
     * blocks. A chain is the address of its first block and the number of its
     * blocks (HAKMEM_CHAIN_BLOCKS). Guarded by pool.sequence.
     */
    struct {
        uint64_t counts;      /* address of uint16[class_count - pool_class]: chains */
        uint64_t chains;      /* address of uint64[depth][class_count - pool_class] */
        uint32_t depth;
        uint32_t unused;
    } transfer;

    struct {                  /* window of the region map: slab descriptors side by side, one for each granule */
        uint64_t descriptors; /* address of the first */
        uint64_t bytes;       /* of all; most of them were never touched */
        uint64_t start;       /* address of a uint64: a sixteenth of the address that the first is for */
    } window;
};

/* ---- options: every value in force, and where it came from ---- */

enum hakmem_option_type {
    HAKMEM_OPTION_SWITCH,    /* 0 or 1 */
    HAKMEM_OPTION_BYTES,
    HAKMEM_OPTION_COUNT,
    HAKMEM_OPTION_MILLIS,
    HAKMEM_OPTION_ALLOCATOR, /* 0 hakmem, 1 libc */
    HAKMEM_OPTION_PRESET,    /* 0 latency, 1 balanced, 2 lowmem, 3 hardened */
    HAKMEM_OPTION_PREWARM,   /* uint32 n, 4 bytes nothing, n times { uint32 kind, uint32 count, uint64 size };
                                kind 0 blocks, 1 SuperSlabs, 2 bytes of pool */
};

enum hakmem_option_when { HAKMEM_OPTION_START, HAKMEM_OPTION_RUN };

/* One option; constant. */
struct hakmem_page_option {
    char name[32];    /* ends with a NUL */
    uint16_t type;    /* enum hakmem_option_type */
    uint16_t when;    /* enum hakmem_option_when: which block the value is in */
    uint32_t offset;  /* of the value in that block */
    uint32_t width;   /* bytes of the value; a whole number of the machine's byte order, but for PREWARM */
    uint32_t unused;
    uint64_t initial; /* default */
    uint64_t least;
    uint64_t greatest;
};

/* Constant. The START block and the copies of the RUN block each hold uint64[count] of sources. */
struct hakmem_page_options {
    uint32_t size;          /* bytes of this structure */
    uint32_t count;         /* options */
    uint32_t row_size;      /* bytes from one hakmem_page_option to the next */
    uint32_t start_sources; /* offset of the sources in the START block */
    uint32_t run_size;      /* bytes from one copy of the RUN block to the next */
    uint32_t run_sources;   /* offset of the sources in a copy */
    uint32_t file_size;     /* bytes from one file name to the next */
    uint32_t file_count;    /* file names there is room for */
    uint64_t rows;          /* address of hakmem_page_option[count] */
    uint64_t start;         /* address of the START block */
    uint64_t run;           /* address of the copies of the RUN block */
    uint64_t run_current;   /* address of the uint32 that is the number of the copy in force */
    uint64_t files;         /* address of the file names; a source names them from 1 on */
};

/* A source is one word: kind | (1 + preset) << 8 | file << 16 | line << 32. */
enum hakmem_source_kind {
    HAKMEM_SOURCE_DEFAULT,
    HAKMEM_SOURCE_FILE,        /* `file` and `line` are set; file 0: one without a name here */
    HAKMEM_SOURCE_ENVIRONMENT,
    HAKMEM_SOURCE_CALL,
};
#define HAKMEM_SOURCE_KIND(source) ((unsigned)((source) & 255))
#define HAKMEM_SOURCE_PRESET(source) ((unsigned)((source) >> 8 & 255)) /* not 0: by preset number this - 1 */
#define HAKMEM_SOURCE_FILE_NUMBER(source) ((unsigned)((source) >> 16 & 65535))
#define HAKMEM_SOURCE_LINE(source) ((unsigned)((source) >> 32))

/* ---- commands: what the process is asked to do ---- */

/*
 * Each kind has one place. Who asks writes `request`, one more than it reads
 * there, and then 1 to the word at hakmem_page.attention; both with
 * process_vm_writev. The process answers at its next slow path: it fills the
 * answer and stores the number of the request in `done`. Until then the
 * command is pending. Requests that meet are answered together.
 */
enum hakmem_command_kind {
    HAKMEM_COMMAND_RELOAD, /* value: RUN options that changed; more: START options that need a restart */
    HAKMEM_COMMAND_PURGE,  /* value: bytes given back */
    HAKMEM_COMMAND_AUDIT,  /* value: mismatches */
    HAKMEM_COMMAND_COUNT
};

enum hakmem_command_status {
    HAKMEM_COMMAND_DONE = 1,
    HAKMEM_COMMAND_REFUSED, /* nothing changed; the text says why */
};

struct hakmem_command {
    uint64_t request; /* written from outside */
    uint64_t done;    /* atomic: released after all below */
    uint32_t status;  /* enum hakmem_command_status; 0 before the first answer */
    uint32_t more;
    uint64_t value;
    char text[992];   /* for people; ends with a NUL */
};

#endif
