#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The commands of raft-kv(1) in Python, durable: a program of mode machine (raft-fsm-protocol(7)).

  fsm: { mode: machine, fields: [ chain ], command: [ kv-durable.py, kv.sqlite ] }

The index of the last entry, and the chain that came with it, are changed in the same transaction as the state, so
each entry counts once, and raft-fsm can tell whether the file belongs to this log.
All requests that wait are one transaction, and they are answered once it is durable.
"""
import os
import re
import select
import sqlite3
import sys

NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,17}")  # bounded: int() refuses thousands of digits
KEY_MAX, VALUE_MAX = 1024, (1 << 20) - 1024
CHAINED = os.environ.get("RAFT_FIELDS") == "chain"
MISSING = b"refused no such key"
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA synchronous = FULL")
db.execute("CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
db.execute("CREATE TABLE IF NOT EXISTS applied (one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL)")
db.execute("INSERT OR IGNORE INTO applied VALUES (1, 0)")
db.execute("CREATE TABLE IF NOT EXISTS chain (one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER, chain BLOB)")


def get(key):
    row = db.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
    return row and bytes(row[0])


def put(key, value):
    if len(value) > VALUE_MAX:
        return b"refused a value has up to 1047552 bytes"
    db.execute("INSERT OR REPLACE INTO pairs VALUES (?, ?)", (key, value))
    return b"ok"


def applied():
    return db.execute("SELECT idx FROM applied").fetchone()[0]


def chain():
    """The chain of the last entry; empty where none came with it."""
    row = db.execute("SELECT chain FROM chain WHERE idx = ?", (applied(),)).fetchone()
    return bytes(row[0]) if row else b""


def set_applied(index, chain):
    db.execute("UPDATE applied SET idx = ?", (index,))
    if chain not in (b"", b"-"):
        db.execute("INSERT OR REPLACE INTO chain VALUES (1, ?, ?)", (index, chain))


def apply(command, may_change):
    name, _, rest = command.partition(b" ")
    key, _, value = rest.partition(b" ")
    if name == b"list" and b" " not in rest:
        keys = (bytes(row[0]) for row in db.execute("SELECT key FROM pairs ORDER BY key"))
        return b"ok " + b" ".join(key for key in keys if key.startswith(rest))
    if not 1 <= len(key) <= KEY_MAX:
        return b"refused a key has 1 to 1024 bytes"
    if name == b"get":
        value = get(rest)
        return MISSING if value is None else b"ok " + value
    if not may_change:
        return b"refused a query changes nothing: append it"
    if name == b"put" and b" " in rest:
        return put(key, value)
    if name == b"incr" and b" " not in rest:
        value = get(rest) or b"0"
        if not NUMBER.fullmatch(value):
            return b"refused the value is no number"
        put(rest, b"%d" % (int(value) + 1))
        return b"ok %d" % (int(value) + 1)
    if name == b"del":
        return b"ok" if db.execute("DELETE FROM pairs WHERE key = ?", (rest,)).rowcount else MISSING
    if name == b"cas" and rest.count(b" ") >= 2:
        key, old, new = rest.split(b" ", 2)
        value = get(key)
        if value == old:
            return put(key, new)
        return MISSING if value is None else b"refused the value is " + value
    return b"refused not a command"


def write_snapshot(path):
    with open(path, "wb") as f:
        f.write(b"%d %b\n" % (applied(), chain()))
        for key, value in db.execute("SELECT key, value FROM pairs ORDER BY key"):
            f.write(bytes(key) + b" " + bytes(value) + b"\n")


def read_snapshot(path):
    with open(path, "rb") as f:
        index, _, chain = f.readline().rstrip(b"\n").partition(b" ")
        set_applied(int(index), chain)
        db.execute("DELETE FROM pairs")
        for line in f:
            put(*line.rstrip(b"\n").split(b" ", 1))


def answer(request):
    kind, _, rest = request.partition(b" ")
    if kind == b"entry":
        number, _, command = rest.partition(b" ")
        came = b""
        if CHAINED:
            came, _, command = command.partition(b" ")
        set_applied(int(number), came)
        return apply(command, True)
    if kind == b"query":
        return apply(rest, False)
    try:
        {b"snapshot": write_snapshot, b"restore": read_snapshot}[kind](rest)
    except OSError as e:
        return b"refused " + str(e).encode()
    return b"ok"


def requests():
    """All that wait, a list at a time; what is cut at the end was no request."""
    waiting = b""
    while more := os.read(0, 1 << 16):
        waiting += more
        while len(waiting) < 1 << 20 and select.select([0], [], [], 0)[0] and (more := os.read(0, 1 << 16)):
            waiting += more
        *lines, waiting = waiting.split(b"\n")
        yield lines


def say(lines):
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
    sys.stdout.buffer.flush()


ready = b"ready %d" % applied()
if CHAINED and applied() > 0:
    ready += b" " + (chain() or b"-")
say([ready])
for lines in requests():
    db.execute("BEGIN IMMEDIATE")
    replies = [answer(line) for line in lines]
    db.execute("COMMIT")
    say(replies + [b"durable %d" % applied()])
