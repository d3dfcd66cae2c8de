/* SPDX-License-Identifier: MIT */
/*
 * hakmem: a multi-threaded, server-oriented malloc.
 *
 * A program needs none of this to run on hakmem: linking with -lhakmem, or
 * starting it with LD_PRELOAD=libhakmem.so.1, replaces malloc, free and the
 * rest of the family. The functions below look into the allocator and steer it.
 *
 * Unless a function says otherwise it is thread-safe, is not
 * async-signal-safe, keeps errno, and exists since version 0.1.
 */
#ifndef HAKMEM_HAKMEM_H
#define HAKMEM_HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAKMEM_VERSION_MAJOR 0
#define HAKMEM_VERSION_MINOR 1
#define HAKMEM_VERSION_PATCH 0

/*
 * Build identity as one line: version, commit, compiler, flags.
 * Constant, never NULL, not to be freed. Async-signal-safe.
 */
const char *hakmem_version(void);

/*
 * 1 when `p` lies in a block that hakmem handed out or may hand out, else 0.
 * Any address is allowed, also one that is not mapped. Async-signal-safe.
 */
int hakmem_owns(const void *p);

/*
 * What the allocator holds, in bytes unless a name says otherwise. Sums are
 * exact when no other thread is inside the allocator, otherwise each field is
 * a value that was true at some moment of the call.
 */
struct hakmem_stats {
    size_t live;               /* handed out and not freed, as block sizes, of the pool whole KiB; includes what bins hold */
    size_t binned;             /* of `live`: in this thread's bins */
    size_t mapped;             /* all that is mapped, metadata included */
    size_t metadata;           /* hakmem's own structures */
    size_t superslabs;         /* count: SuperSlabs mapped */
    size_t superslabs_empty;   /* count: of these, cached without a slab in use */
    size_t superslab_mapped;   /* superslabs x 2 MiB */
    size_t superslab_used;     /* slabs in use x 64 KiB */
    size_t pool_mapped;        /* pool chunks */
    size_t pool_used;          /* blocks in them, of whole KiB: live, or in threads' arenas */
    size_t large_mapped;       /* spans and huge mappings, live or cached */
    size_t large_live;         /* live large and huge blocks */
    size_t large_dirty;        /* free spans whose pages are still resident */
    size_t heaps;              /* count: heaps ever made (they are reused) */
    size_t heaps_alive;        /* count: heaps that belong to a running thread */
    uint64_t refills;          /* slow paths of malloc that refilled a bin */
    uint64_t refilled_blocks;  /* blocks that these moved */
    uint64_t remote_posts;     /* times that foreign frees were handed over */
    uint64_t remote_blocks;    /* blocks that were handed over */
    uint64_t memory_calls;     /* mmap, munmap, mremap, madvise, mprotect made */
};

/*
 * Fill `*stats`; `size` is sizeof *stats as the caller knows it, so that the
 * structure can grow. Returns 0, or -1 with errno EINVAL when `size` is 0 or
 * not a multiple of 8. Takes time in proportion to the number of slabs.
 */
int hakmem_stats_get(struct hakmem_stats *stats, size_t size);

/*
 * Write the statistics as text to file descriptor `fd`. Returns 0, or -1 with
 * errno of the failed write.
 */
int hakmem_stats_print(int fd);

/*
 * Check all counters and lists that may be looked at now: those of this
 * thread, of dead threads, and the shared ones. Writes one line for each
 * mismatch to `fd` (none when fd is -1). Returns the number of mismatches: 0
 * in a healthy process. Exact when no other thread is inside the allocator.
 */
size_t hakmem_audit(int fd);

/*
 * Give memory back to the system: the calling thread's bins and empty slabs,
 * cached SuperSlabs, free large spans, keeping about `keep` bytes cached.
 * Returns the number of bytes given back.
 */
size_t hakmem_trim(size_t keep);

/*
 * Make ready `count` blocks of `size` bytes for this thread, so that the first
 * mallocs find them. Returns the number of blocks that are ready now; fewer
 * than `count` when memory is short or `size` is not served from a bin.
 */
size_t hakmem_prewarm(size_t size, size_t count);

/*
 * Write the effective value of option `name` (as in HAKMEM_<NAME>, lower case)
 * as text into buf[0..len). Returns its length without the final NUL, which
 * may be len or more (then the text was cut), or -1 with errno ENOENT.
 */
int hakmem_option_get(const char *name, char *buf, size_t len);

/*
 * The same for where the value came from: "default", "environment",
 * "/etc/hakmem.conf:12", "preset lowmem, /etc/hakmem.conf:3".
 */
int hakmem_option_origin(const char *name, char *buf, size_t len);

#ifdef __cplusplus
}
#endif
#endif
