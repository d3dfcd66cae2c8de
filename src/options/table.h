/* SPDX-License-Identifier: MIT */
/*
 * Every setting of hakmem, once. The includer defines
 *
 *     OPTION(name, type, default, least, greatest, unit, when, help)
 *
 * and includes this file (so there is no include guard); it is undefined at
 * the end. struct options, its defaults, the parser and the list of names come
 * from here, and so do the manual page, the sample file and the operators' tool.
 *
 * type      C type    written as
 * SWITCH    bool      on off, 1 0, yes no, true false
 * BYTES     size_t    digits with an optional k, M, G or T (powers of 1024)
 * COUNT     uint32_t  digits
 * MILLIS    uint32_t  digits
 * ALLOCATOR uint32_t  hakmem libc
 * PRESET    uint32_t  latency balanced lowmem hardened (options/presets.h)
 * PREWARM   struct option_prewarm   a list, see its help
 *
 * when      START: read once when the process starts
 *           RUN:   every part of hakmem looks at it anew, so that a running
 *                  process takes a new value when it is told to reload
 * unit      for people; "" where there is none
 */
#define OPTION_K(n) ((uint64_t)(n) << 10)
#define OPTION_M(n) ((uint64_t)(n) << 20)
#define OPTION_G(n) ((uint64_t)(n) << 30)
#define OPTION_T(n) ((uint64_t)(n) << 40)

/* Whose allocator, and sets of values */
OPTION(allocator, ALLOCATOR, 0, 0, 1, "", START,
       "hakmem, or libc: the program uses the C library's own allocator although hakmem is "
       "loaded. The way out for one program where hakmem is enabled for all.")
OPTION(preset, PRESET, 1, 0, 3, "", RUN,
       "A set of values: balanced is the defaults; latency keeps more free memory, for longer; "
       "lowmem gives it back soon; hardened checks counters and lists while the program runs. "
       "An option that is set by its own name in the same place keeps that value.")

/* The pool: blocks of 8 to 64 KiB */
OPTION(pool_arena_init, BYTES, OPTION_M(1), OPTION_K(256), OPTION_M(8), "bytes", START,
       "Size of the first chunk of memory for blocks of 8 to 64 KiB, which the threads' arenas "
       "are filled from. Smaller saves address space in programs that use few such blocks.")
OPTION(pool_arena_max, BYTES, OPTION_M(8), OPTION_K(256), OPTION_M(8), "bytes", START,
       "Size of the largest chunk of memory for blocks of 8 to 64 KiB. Larger means fewer system calls in "
       "programs that hold many such blocks.")
OPTION(pool_arena_growth, COUNT, 4, 1, 16, "levels", START,
       "Number of levels in which these chunks grow from pool_arena_init to "
       "pool_arena_max; each level is twice the size of the one before. "
       "1 keeps every chunk at pool_arena_init.")

/* Memory made ready at start */
OPTION(prewarm, PREWARM, 0, 0, 0, "", START,
       "What to make ready when the program starts: items separated by commas, each "
       "SIZE:COUNT (blocks for the first thread), superslabs:COUNT, or pool:SIZE, for "
       "example 64:1000,4k:100,superslabs:8,pool:4M. At most 16 items.")

/* What is kept instead of being given back */
OPTION(superslab_cache, BYTES, OPTION_M(64), 0, OPTION_T(1), "bytes", RUN,
       "Empty SuperSlabs (2 MiB each) are kept for reuse up to this many bytes, the least "
       "recently used is unmapped first; and as much free memory of blocks of 8 to 64 KiB. Larger means fewer system calls, smaller less memory.")
OPTION(superslab_cache_percent, COUNT, 50, 0, 100, "percent", RUN,
       "Or up to this share of the memory that is mapped for blocks up to 8 KiB (and likewise for "
       "blocks up to 64 KiB), where that is more than superslab_cache: a program that frees "
       "much and soon needs it again keeps its pages for purge_delay.")
OPTION(superslab_reuse, SWITCH, 1, 0, 1, "", RUN,
       "Take an empty SuperSlab from the cache before mapping a new one. Off to isolate a fault.")
OPTION(thread_hold, BYTES, OPTION_M(4), 0, OPTION_T(1), "bytes", RUN,
       "What one thread may hold back for itself in empty slabs and in free blocks of 8 to 64 KiB, "
       "before it hands memory to the others.")
OPTION(process_hold, BYTES, OPTION_M(64), 0, OPTION_T(1), "bytes", RUN,
       "What all threads together may hold back for themselves; past it each thread gives "
       "its share to the others, so that a thousand threads cannot hold gigabytes.")
OPTION(large_cache, BYTES, OPTION_M(64), 0, OPTION_T(1), "bytes", RUN,
       "Free memory of large blocks is kept resident for reuse up to this many bytes, and besides "
       "what was given back a moment ago and needed again.")
OPTION(large_cache_percent, COUNT, 75, 0, 1000, "percent", RUN,
       "Or up to this share of the large blocks that are live, where that is more than "
       "large_cache.")
OPTION(huge_threshold, BYTES, OPTION_M(64), OPTION_M(1), OPTION_T(1), "bytes", START,
       "A block of this size or more gets a mapping of its own, which is unmapped when the "
       "block is freed; not while such blocks are freed and taken in turns.")
OPTION(purge_delay, MILLIS, 1000, 0, 3600000, "milliseconds", RUN,
       "Free memory that was not used for this long is given back to the system when the "
       "program next calls the allocator. 0 gives it back at once.")

/* Switches: each optimisation can be turned off to isolate a fault */
OPTION(batch_refill, SWITCH, 1, 0, 1, "", RUN,
       "Refill an empty bin with many blocks at a time. Off: one block at a time.")
OPTION(remote_batch, BYTES, OPTION_K(128), 0, OPTION_M(1), "bytes", RUN,
       "A thread collects blocks that belong to other threads up to this many bytes before it "
       "hands them over, and never more than a sixteenth of what it may hold. 0 hands each over "
       "at once.")
OPTION(remote_drain, SWITCH, 1, 0, 1, "", RUN,
       "Take back blocks that other threads freed whenever a bin runs empty. Off: only when a "
       "new slab would be needed.")
OPTION(merged_cache, SWITCH, 1, 0, 1, "", START,
       "Serve small blocks from the bins of the thread. Off: every call takes the slow path.")
OPTION(hot_first, SWITCH, 1, 0, 1, "", RUN,
       "Allocate from the fuller SuperSlabs first, so that the emptier ones can be given back.")
OPTION(populate, SWITCH, 1, 0, 1, "", RUN,
       "Ask the system for the next 64 KiB of a size class that grows in one call, instead of "
       "one page fault for each page. Likewise for blocks of 8 to 64 KiB, while those that come back show "
       "that the program fills them.")
OPTION(huge_pages, SWITCH, 1, 0, 1, "", RUN,
       "Ask for transparent huge pages for blocks up to 8 KiB from 8 MiB in use on, where a thread has several "
       "slabs of the size, and from 64 MiB on in any case; for blocks of 8 to 64 KiB from 8 MiB on, while those "
       "that come back show that the program fills them; and for most of a block of 8 MiB or more that was not "
       "asked for zeroed; each up to 32 GiB. Far fewer page faults while a heap grows. What is given back "
       "afterwards comes back in small pages. Of effect where "
       "/sys/kernel/mm/transparent_hugepage/enabled is madvise.")

/* Watching */
OPTION(audit, SWITCH, 0, 0, 1, "", START,
       "Check counters and lists while the program runs and at its end, and write each "
       "mismatch to standard error. Costs time.")
OPTION(stats_on_exit, SWITCH, 0, 0, 1, "", START,
       "Write the statistics to standard error when the program ends: those of libhakmem(3), how often "
       "each lock was taken (locked_...), and the counters of the slow paths.")
OPTION(messages, SWITCH, 1, 0, 1, "", START,
       "Name unknown options and bad values on standard error. Off: stay silent; reports of "
       "misuse that stop the program are written all the same.")

#undef OPTION
#undef OPTION_K
#undef OPTION_M
#undef OPTION_G
#undef OPTION_T
