#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Many clients of raft-kv on all nodes: kvload.py CLUSTER NODES STOP HISTORY

On each node writers (raft-append -r) and readers (raft-query), each with one operation under way, until the file
STOP is there.  Each operation is a line of HISTORY, as lincheck reads it: one whose outcome is not known
has no end.
"""
import os
import random
import select
import subprocess
import sys
import threading
import time

WRITERS, READERS, KEYS, COUNTERS = 3, 3, 6, 2
PATIENCE = 20  # seconds for one operation; the tools give up before

cluster, nodes, stop, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
history = open(path, "w", buffering=1)
lock = threading.Lock()


def record(start, end, key, op, result):
    with lock:
        history.write(f"{start} {end} {key} {op} {result}\n")


class Tool:
    """A tool that answers a line with a line; started when it is needed."""

    def __init__(self, *command):
        self.command, self.process = command, None

    def ask(self, line):
        """The answer; None: it has ended, or says nothing."""
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.DEVNULL)
            self.have = b""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            return self.drop()
        end = time.monotonic() + PATIENCE
        while b"\n" not in self.have:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                return self.drop()
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                return self.drop()
            self.have += more
        answer, _, self.have = self.have.partition(b"\n")
        return answer.decode()

    def drop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
        time.sleep(0.05)


def some_write(rng, name, number, seen):
    """A key and an operation."""
    if rng.random() < 0.25:
        return f"c{rng.randrange(COUNTERS)}", "incr"
    key = f"k{rng.randrange(KEYS)}"
    kind = rng.random()
    if kind < 0.07:
        return key, "del"
    if kind < 0.4 and key in seen:
        return key, f"cas {seen[key]} {name}-{number}"
    return key, f"put {name}-{number}"


def command_of(key, op):
    word, _, rest = op.partition(" ")
    return f"{word} {key} {rest}".rstrip()


def result_of(op, answer):
    """As lincheck has it; None: not known."""
    words = answer.split(" ", 2)[2] if answer.count(" ") >= 2 else ""
    if words.startswith("ok"):
        return "ok " + words[3:] if op == "incr" else "ok"
    if words == "refused no such key":
        return "none"
    if words.startswith("refused the value is "):
        return "is " + words[len("refused the value is "):]
    assert words == "lost", answer
    return None


def write(node, name, rng, seen):
    tool = Tool("raft-append", "-rv", "-t", "15s", "-c", f"{cluster}/n{node}/raft.yaml")
    number = 0
    while not os.path.exists(stop):
        number += 1
        key, op = some_write(rng, name, number, seen)
        start = time.monotonic_ns()
        answer = tool.ask(command_of(key, op))
        result = result_of(op, answer) if answer is not None else None
        end = time.monotonic_ns() if result else "-"
        record(start, end, key, op, result or "")
    tool.drop()


def read(node, name, rng, seen):
    tool = Tool("raft-query", "-t", "15s", "-c", f"{cluster}/n{node}/raft.yaml")
    while not os.path.exists(stop):
        key = rng.choice([f"k{i}" for i in range(KEYS)] + [f"c{i}" for i in range(COUNTERS)])
        start = time.monotonic_ns()
        value = tool.ask(f"get {key}")
        if value is None:
            continue
        record(start, time.monotonic_ns(), key, "get", f"ok {value}" if value else "none")
        if value:
            seen[key] = value
    tool.drop()


threads = []
for node in range(1, nodes + 1):
    seen = {}
    for kind, count in (write, WRITERS), (read, READERS):
        for i in range(count):
            name = f"{kind.__name__[0]}{node}{i}"
            threads.append(threading.Thread(target=kind, args=(node, name, random.Random(name), seen)))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
history.close()
