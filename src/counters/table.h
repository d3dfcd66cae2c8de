/* SPDX-License-Identifier: MIT */
/* The one table of counters: COUNTER(name, unit, help). Included, not guarded. */
COUNTER(refills, "calls", "slow paths of malloc that found blocks for a bin")
COUNTER(refilled_blocks, "blocks", "blocks that refills moved to bins")
COUNTER(carved_blocks, "blocks", "blocks made from untouched room of a slab")
COUNTER(slabs_started, "slabs", "slabs and runs that were given a class")
COUNTER(slabs_emptied, "slabs", "slabs and runs that became empty")
COUNTER(slabs_rejoined, "slabs", "full slabs that came back with enough free blocks")
COUNTER(remote_posts, "batches", "batches of foreign frees handed over")
COUNTER(remote_blocks, "blocks", "blocks in these batches")
COUNTER(drained_rings, "batches", "batches taken home by their owner")
COUNTER(drained_blocks, "blocks", "blocks in these batches")
COUNTER(collected_slabs, "slabs", "slabs given back for an owner that sleeps")
COUNTER(large_allocs, "blocks", "blocks above 64 KiB allocated")
