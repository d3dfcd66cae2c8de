/* SPDX-License-Identifier: MIT */
/*
 * Counts of durations in nanoseconds, from 1 to about 4 x 10^9, to better than one in a hundred:
 * values up to 127 each have a bucket, each doubling above has 64 of equal width.
 *
 * With libhdr-histogram (configure finds it, BENCH_HDR_HISTOGRAM) the same counts go into an
 * HdrHistogram, which can write the percentile table that its tools plot.
 */
#ifndef HAKMEM_BENCH_HISTOGRAM_H
#define HAKMEM_BENCH_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef BENCH_HDR_HISTOGRAM
#include <hdr/hdr_histogram.h>
#endif

enum { HISTOGRAM_LINEAR = 128, HISTOGRAM_HALF = 64, HISTOGRAM_BUCKETS = HISTOGRAM_LINEAR + 25 * HISTOGRAM_HALF };

struct histogram {
    uint64_t count;
    uint64_t greatest;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline size_t histogram_index(uint64_t value)
{
    if (value < HISTOGRAM_LINEAR)
        return value;
    unsigned shift = 57u - (unsigned)__builtin_clzll(value); /* value >> shift is 64 to 127 */
    size_t index = HISTOGRAM_LINEAR + (shift - 1) * (size_t)HISTOGRAM_HALF + (value >> shift) - HISTOGRAM_HALF;
    return index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1;
}

/* The greatest value that a bucket counts. */
static inline uint64_t histogram_value(size_t index)
{
    if (index < HISTOGRAM_LINEAR)
        return index;
    size_t shift = (index - HISTOGRAM_LINEAR) / HISTOGRAM_HALF + 1;
    uint64_t top = (index - HISTOGRAM_LINEAR) % HISTOGRAM_HALF + HISTOGRAM_HALF;
    return ((top + 1) << shift) - 1;
}

static inline void histogram_record(struct histogram *h, uint64_t value)
{
    h->count++;
    h->bucket[histogram_index(value)]++;
    if (value > h->greatest)
        h->greatest = value;
}

static inline void histogram_add(struct histogram *to, const struct histogram *from)
{
    to->count += from->count;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->bucket[i] += from->bucket[i];
    if (from->greatest > to->greatest)
        to->greatest = from->greatest;
}

/* The value that `percent` of the counted values do not exceed. */
static inline uint64_t histogram_percentile(const struct histogram *h, double percent)
{
    uint64_t wanted = (uint64_t)((double)h->count * percent / 100), sum = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum += h->bucket[i];
        if (sum > wanted || sum == h->count)
            return histogram_value(i) < h->greatest ? histogram_value(i) : h->greatest;
    }
    return h->greatest;
}

/* The percentile table of HdrHistogram; false when this was built without it. */
static inline int histogram_write_hdr(const struct histogram *h, FILE *file)
{
#ifdef BENCH_HDR_HISTOGRAM
    struct hdr_histogram *hdr;
    if (hdr_init(1, INT64_C(10000000000), 3, &hdr) != 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (h->bucket[i] != 0)
            hdr_record_values(hdr, (int64_t)(i == 0 ? 1 : histogram_value(i)), (int64_t)h->bucket[i]);
    }
    int status = hdr_percentiles_print(hdr, file, 5, 1.0, CLASSIC);
    hdr_close(hdr);
    return status == 0;
#else
    (void)h;
    (void)file;
    return 0;
#endif
}

#endif
