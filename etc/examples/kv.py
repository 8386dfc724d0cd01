#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The commands of raft-kv(1) in Python, as a program of mode machine (raft-fsm-protocol(7)), in memory.

  fsm: { mode: machine, command: [ kv.py ] }

Bytes, not str: an entry need not be UTF-8.
"""
import re
import sys

NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,17}")  # bounded: int() refuses thousands of digits
KEY_MAX, VALUE_MAX = 1024, (1 << 20) - 1024
state = {}
index = 0


def put(key, value):
    if len(value) > VALUE_MAX:
        return b"refused a value has up to 1047552 bytes"
    state[key] = value
    return b"ok"


def apply(command, may_change):
    """The reply to a command; it depends on the state and the command, and on nothing else."""
    name, _, rest = command.partition(b" ")
    key, _, value = rest.partition(b" ")
    if name == b"list" and b" " not in rest:
        return b"ok " + b" ".join(sorted(key for key in state if key.startswith(rest)))
    if not 1 <= len(key) <= KEY_MAX:
        return b"refused a key has 1 to 1024 bytes"
    if name == b"get":
        return b"ok " + state[rest] if rest in state else b"refused no such key"
    if not may_change:
        return b"refused a query changes nothing: append it"
    if name == b"put" and b" " in rest:
        return put(key, value)
    if name == b"incr" and b" " not in rest:
        value = state.get(rest, b"0")
        if not NUMBER.fullmatch(value):
            return b"refused the value is no number"
        state[rest] = b"%d" % (int(value) + 1)
        return b"ok " + state[rest]
    if name == b"del":
        return b"ok" if state.pop(rest, None) is not None else b"refused no such key"
    if name == b"cas" and rest.count(b" ") >= 2:
        key, old, new = rest.split(b" ", 2)
        if key not in state:
            return b"refused no such key"
        if state[key] != old:
            return b"refused the value is " + state[key]
        return put(key, new)
    return b"refused not a command"


def write_snapshot(path):
    with open(path, "wb") as f:
        f.write(b"%d\n" % index)
        for key in sorted(state):
            f.write(key + b" " + state[key] + b"\n")


def read_snapshot(path):
    global index
    with open(path, "rb") as f:
        index = int(f.readline())
        state.clear()
        state.update(line.rstrip(b"\n").split(b" ", 1) for line in f)


def answer(request):
    global index
    kind, _, rest = request.partition(b" ")
    if kind == b"entry":
        number, _, command = rest.partition(b" ")
        index = int(number)
        return apply(command, True)
    if kind == b"query":
        return apply(rest, False)
    try:
        {b"snapshot": write_snapshot, b"restore": read_snapshot}[kind](rest)
    except OSError as e:
        return b"refused " + str(e).encode()
    return b"ok"


def say(line):
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()  # else it stays in the buffer: a pipe is no terminal


say(b"ready 0")
for line in sys.stdin.buffer:
    if line.endswith(b"\n"):  # what is cut at the end was no request
        say(answer(line[:-1]))
