#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""lines-to-sqlite3.py FILE: entries as JSON lines on standard input to the table lines of an SQLite database.

The data reaches SQLite as a bound value and never as text of a statement: whatever an entry holds, it is only stored.
Data that is not UTF-8 is stored as a blob.  The index is the key: an entry that comes again changes nothing.
All entries that wait are one transaction.
"""
import base64
import json
import os
import sqlite3
import sys


def batches():
    """The complete lines of each read; a line that is cut at the end was no entry."""
    waiting = b""
    while more := os.read(0, 1 << 20):
        *lines, waiting = (waiting + more).split(b"\n")
        yield lines


def store(entry):
    data = entry["data"] if "data" in entry else base64.b64decode(entry["base64"])
    row = (entry["index"], data)
    if db.execute("INSERT OR IGNORE INTO lines VALUES (?, ?)", row).rowcount == 1:
        return
    if db.execute("SELECT line FROM lines WHERE idx = ?", row[:1]).fetchone()[0] != data:
        sys.exit("%s: entry %d differs from the row: the table is of another log; move it away" % (sys.argv[1], row[0]))


db = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
db.execute("CREATE TABLE IF NOT EXISTS lines (idx INTEGER PRIMARY KEY, line TEXT NOT NULL)")
for lines in batches():
    db.execute("BEGIN IMMEDIATE")
    for line in lines:
        store(json.loads(line))
    db.execute("COMMIT")
