# SPDX-License-Identifier: MIT
"""What Python programs do all day: parse, match, count, sort, cache, and throw away.

load.py [AMOUNT]: 100 takes about a second. Run with PYTHONMALLOC=malloc, each object is a block of
the malloc under test, not of Python's own arenas.
"""
import collections
import heapq
import io
import json
import random
import re
import sys
import threading


class Node:
    __slots__ = ("key", "left", "right", "text")

    def __init__(self, key):
        self.key, self.left, self.right = key, None, None
        self.text = f"node {key}"


def documents(generator, count):
    """Records to JSON and back, as a web service does."""
    size = 0
    for i in range(count):
        record = {"id": i, "tags": [f"tag{generator.randrange(500)}" for _ in range(8)],
                  "body": "x" * generator.randrange(400), "nested": {"a": i / 7, "b": [None, True, i]}}
        size += len(json.loads(json.dumps(record))["body"])
    return size


def words(generator, count):
    """Text to counted words."""
    text = " ".join(f"w{generator.randrange(3000)}-{generator.randrange(9)}" for _ in range(count))
    counter = collections.Counter(re.findall(r"w(\d+)-[1-7]", text))
    return counter.most_common(3)[0][1], len(re.sub(r"-(\d)", r"+\1\1", text))


def tree(generator, count):
    """A search tree of small objects."""
    root = Node(count)
    for _ in range(count):
        node, key = root, generator.randrange(1 << 30)
        while True:
            side = "left" if key < node.key else "right"
            below = getattr(node, side)
            if below is None:
                setattr(node, side, Node(key))
                break
            node = below
    return root.right.text if root.right else root.text


def cache(generator, count):
    """An ordered dictionary that drops its oldest entries, and a heap beside it."""
    entries, heap = collections.OrderedDict(), []
    for i in range(count):
        key = f"key:{generator.randrange(20000)}"
        entries[key] = bytes(generator.randrange(16, 900))
        entries.move_to_end(key)
        heapq.heappush(heap, (generator.random(), key))
        if len(entries) > 4000:
            entries.popitem(last=False)
        if len(heap) > 3000:
            heapq.heappop(heap)
    return len(entries), sum(map(len, entries.values()))


def text_building(count):
    """Strings that grow, lines, slices, sorting."""
    out = io.StringIO()
    for i in range(count):
        out.write("%d:%s\n" % (i, format(i * i, "x")))
    rows = [line.split(":") for line in out.getvalue().splitlines()]
    rows.sort(key=lambda row: row[1][::-1])
    return rows[0], rows[-1]


def main():
    amount = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    generator = random.Random(1)
    print(documents(generator, 40 * amount), *words(generator, 500 * amount), tree(generator, 80 * amount),
          *cache(generator, 300 * amount), *text_building(200 * amount))
    results = [None] * 4

    def in_thread(n):
        results[n] = documents(random.Random(n), 5 * amount), cache(random.Random(n), 30 * amount)

    threads = [threading.Thread(target=in_thread, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(results)


if __name__ == "__main__":
    main()
