# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A real redis server under a given malloc, and a real load. Sourced after common.sh.
#
# Debian's redis-server is linked with libjemalloc and calls its plain malloc: the run "on glibc" is
# therefore one with the C library preloaded, so that its malloc is found first.

redis_command() { command -v redis-server || die "redis-server is missing: install redis-server (Debian) or redis (Fedora)"; }

# redis_start PRELOAD DIRECTORY: sets redis_port and redis_pid
redis_start() {
    mkdir -p "$2"
    local server
    server=$(redis_command)
    redis_port=$(free_port)
    env LD_PRELOAD="$1" "$server" --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no \
        --dir "$2" --dbfilename dump.rdb --enable-debug-command local --daemonize no \
        --activerehashing yes --lazyfree-lazy-user-del yes >"$2/redis.log" 2>&1 &
    redis_pid=$!
    wait_for 10 redis-cli -p "$redis_port" ping || {
        tail -n 20 "$2/redis.log" >&2
        say "redis-server did not start with LD_PRELOAD=$1 (its log is above)" >&2
        return 1
    }
}

redis_stop() {
    redis-cli -p "$redis_port" shutdown nosave >/dev/null 2>&1 || kill "$redis_pid" 2>/dev/null || true
    wait "$redis_pid" || true
}

# redis_bound_to PRELOAD: which library redis's own malloc calls would reach
redis_bound_to() {
    env LD_PRELOAD="$1" LD_BIND_NOW=1 LD_DEBUG=bindings "$(redis_command)" --version 2>&1 >/dev/null |
        sed -n "s/.*binding file [^ ]*redis-[^ ]* \[0\] to \([^ ]*\) .*symbol .malloc'.*/\1/p" | head -n 1
}

# redis_random_load REQUESTS: many clients, mixed commands and sizes; prints the number of requests made.
# Keys come from a fixed range, so that the data set breathes instead of growing for ever.
redis_random_load() {
    local requests=$1 total=0 size
    local bench=(redis-benchmark -p "$redis_port" -c 50 -P 8 -q -r 20000)
    for size in 24 200 1500 9000; do
        "${bench[@]}" -n "$requests" -d $size -t set,get,lpush,lpop,sadd,hset,zadd >&2
        total=$((total + 7 * requests))
        "${bench[@]}" -n "$requests" del key:__rand_int__ >&2
        "${bench[@]}" -n "$requests" append grow:__rand_int__ "$(printf '%0*d' $((size / 4)) 7)" >&2
        "${bench[@]}" -n "$requests" del grow:__rand_int__ >&2
        "${bench[@]}" -n "$((requests / 4))" hdel myhash element:__rand_int__ >&2
        total=$((total + 3 * requests + requests / 4))
    done
    # a child of fork that reads all data, while the parent goes on writing
    redis-cli -p "$redis_port" bgsave >&2
    "${bench[@]}" -n "$requests" -d 600 -t set >&2
    echo $((total + requests))
}

# redis_fixed_load: a load without chance; prints size and digest of the data, the same on every malloc
redis_fixed_load() {
    redis-cli -p "$redis_port" flushall sync >/dev/null
    awk 'BEGIN {
        for (i = 0; i < 40000; i++) {
            n = (i * 2654435761) % 3000; v = sprintf("%0" (n + 1) "d", i)
            printf "SET s:%d %s\r\n", i % 15000, v
            printf "HSET h:%d f%d %s\r\n", i % 300, i % 1000, substr(v, 1, n % 200 + 1)
            printf "RPUSH l:%d %s\r\n", i % 500, substr(v, 1, n % 90 + 1)
            printf "ZADD z:%d %d m%d\r\n", i % 200, n, i
            if (i % 3 == 0) printf "DEL s:%d\r\n", (i * 7) % 15000
            if (i % 5 == 0) printf "LPOP l:%d\r\n", (i * 3) % 500
            if (i % 7 == 0) printf "APPEND s:%d %s\r\n", i % 15000, v
        }
    }' | redis-cli -p "$redis_port" --pipe | tail -n 1
    redis-cli -p "$redis_port" dbsize
    redis-cli -p "$redis_port" debug digest
}

# redis_live_bytes: what redis itself counts as allocated
redis_live_bytes() { redis-cli -p "$redis_port" info memory | tr -d '\r' | sed -n 's/^used_memory:\(.*\)/\1/p'; }
