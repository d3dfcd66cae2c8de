/* SPDX-License-Identifier: MIT */
/*
 * The sets of values that the option `preset` names. The includer defines
 *
 *     PRESET(option, latency, balanced, lowmem, hardened)
 *
 * and includes this file; it is undefined at the end. A preset sets every
 * option below, so that a more specific one leaves nothing of another behind;
 * balanced is the defaults. Values are numbers as the option has them.
 *
 *   latency    free memory is kept longer and in larger amounts: fewer system calls
 *   lowmem     free memory goes back soon, and threads hold back little
 *   hardened   counters and lists are checked while the program runs
 */
#define OPTION_K(n) ((uint64_t)(n) << 10)
#define OPTION_M(n) ((uint64_t)(n) << 20)

PRESET(superslab_cache, OPTION_M(256), OPTION_M(64), OPTION_M(8), OPTION_M(64))
PRESET(superslab_cache_percent, 100, 50, 0, 50)
PRESET(thread_hold, OPTION_M(16), OPTION_M(4), OPTION_M(1), OPTION_M(4))
PRESET(process_hold, OPTION_M(256), OPTION_M(64), OPTION_M(8), OPTION_M(64))
PRESET(large_cache, OPTION_M(256), OPTION_M(64), OPTION_M(4), OPTION_M(64))
PRESET(large_cache_percent, 100, 75, 10, 75)
PRESET(purge_delay, 10000, 1000, 100, 1000)
PRESET(remote_batch, OPTION_K(128), OPTION_K(128), OPTION_K(16), OPTION_K(128))
PRESET(populate, 1, 1, 0, 1)
PRESET(huge_pages, 1, 1, 0, 1)
PRESET(pool_arena_init, OPTION_M(8), OPTION_M(1), OPTION_K(256), OPTION_M(1))
PRESET(audit, 0, 0, 0, 1)

#undef PRESET
#undef OPTION_K
#undef OPTION_M
