# SPDX-License-Identifier: ISC
"""What a data directory must hold after dialogues with raft-logd, computed from these alone.

check DIR LEVEL FORMAT HEAD MARK [BOOT]
          the directory DIR/data: database, mark, identity, snapshot; DIR/raft.yaml names the members.  LEVEL is that of the
          last dialogue (TALKS); FORMAT, HEAD and MARK are the versions of the database, of the snapshot's head and of the
          mark; the mark was written under the boot id BOOT, or that of this machine
dump DIR  the database as text, without what may differ: the count of transactions, and the sum over it
"""
import base64
import hashlib
import os
import re
import sqlite3
import struct
import sys

import golden
from golden import same

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT_ID = "/proc/sys/kernel/random/boot_id"
APART = 4096  # of the two slots of a mark
TALKS = {"1": ["talk-logd-2.txt"]}
TALKS["2"] = TALKS["1"] + ["talk-logd-level-1.txt", "talk-logd-level-snapshot-1.txt"]
TALKS["3"] = TALKS["2"] + ["talk-logd-cursors-1.txt"]
HEADS = {("1", "1"): "snapshot-1.txt", ("1", "2"): "snapshot-2.txt", ("2", "2"): "snapshot-level-2.txt",
         ("3", "2"): "snapshot-level-3.txt"}
STAMPED = 0x80  # bit of the kind
CURSOR = 0x80  # bit of the size of a session's name
STAMP = ">QI32s"
STATE = ["transactions", "truncations", "term", "commit_index", "commit_term", "sessions_index", "recovering",
         "mark_valid", "mark_term"]


def blake(*parts, size=32):
    return hashlib.blake2b(b"".join(parts), digest_size=size).digest()


def u64(*numbers):
    return struct.pack(f">{len(numbers)}Q", *numbers)


def cluster_id(yaml):
    """Of the members in raft.yaml: id, key and role of each, in rising order of id."""
    name = re.search(r"^  name: (.*)$", yaml, re.M)[1].encode()
    members = re.findall(r"- \{ id: (\S+), .*key: (\S+?)(?:, role: (learner))? \}", yaml)
    out = [b"raft-tools cluster\0", struct.pack(">I", len(name)), name]
    for node, key, learner in sorted(members):
        out += [node.encode().ljust(32, b"\0"), base64.b64decode(key), bytes([2 if learner else 1])]
    return blake(*out)


class Entry:
    def __init__(self, run):
        """The first one of a run of records."""
        self.term, kind, self.sid, self.serial, size = struct.unpack(">QB16sQI", run[:37])
        self.kind, self.time, self.origin, header = kind & ~STAMPED, None, None, 37
        if kind & STAMPED:
            header += struct.calcsize(STAMP)
            self.time, uid, node = struct.unpack(STAMP, run[37:header])
            self.origin = node.rstrip(b"\0").decode() + ("" if uid == 0xFFFFFFFF else f":{uid}")
        self.record, self.data = run[: header + size], run[header : header + size]


def split(run):
    while run:
        entry = Entry(run)
        yield entry
        run = run[len(entry.record) :]


class Model:
    """The log, and what follows from it."""

    def __init__(self, talks, cluster):
        self.entries, self.commit, self.cursors, self.truncations = [None], (0, 0), {}, 0
        self.chains, self.snapshot = [cluster], 0
        for case in (case for talk in talks for case in golden.read(os.path.join(HERE, talk))):
            fields = {f.name: (f, data) for f, data in case.top()} if case.words[0].endswith(">") else {}
            if case.words[-1] == "log_write":
                self.write(*(self.number(fields, n) for n in ("flags", "truncate_after")), fields["entries"][1])
                self.term, self.vote = self.number(fields, "term"), fields["vote"][0].data
            elif case.words[-1] == "log_commit":
                self.commit = struct.unpack(">QQ", fields["commit"][0].data)
            elif case.words[-1] == "cursor_set":
                self.cursors[fields["name"][0].data[2:].decode()] = self.number(fields, "index")
            elif case.words[-1] == "snap_add":
                self.snapshot = max(self.snapshot, self.number(fields, "index"))

    @staticmethod
    def number(fields, name):
        return int(golden.value_of(fields[name][0].value))

    def write(self, flags, after, run):
        if flags & 1:
            del self.entries[after + 1 :], self.chains[after + 1 :]
            self.truncations += 1
        for entry in split(run):
            self.chains.append(blake(self.chains[-1], u64(len(self.entries)), entry.record))
            self.entries.append(entry)

    def sessions(self, upto):
        """sid: [name, serial, last_index, epoch, run, digest, position]; None: it is no cursor"""
        table = {}
        for index in range(1, upto + 1):
            entry = self.entries[index]
            if entry.kind in (3, 7):
                old = table.get(entry.sid)
                last, serial, digest = (old[2], old[1], old[5]) if old and old[1] else (index, 0, bytes(32))
                position = (old[6] if old else 0) if entry.kind == 7 else None
                table[entry.sid] = [entry.data[24:].decode(), serial, last, index, entry.data[:16], digest, position]
            elif entry.kind == 4:
                del table[entry.sid]
            elif entry.kind == 8:
                row = table[entry.sid]
                row[1:3], row[6] = (entry.serial, index), struct.unpack(">Q", entry.data)[0]
            elif entry.kind == 2:
                row = table.setdefault(entry.sid, [None, 0, 0, 0, bytes(16), bytes(32), None])
                row[1:3] = entry.serial, index
                if row[0]:
                    row[5] = blake(row[5], struct.pack(">I", len(entry.data)), entry.data)
        return table

    def config_at(self, index):
        at = max(i for i in range(1, index + 1) if self.entries[i].kind == 1)
        return at, self.entries[at].data

    def level_at(self, index):
        """Level and time as bytes; none at level 1."""
        passed = self.entries[1 : index + 1]
        levels = [e.data for e in passed if e.kind == 5]
        return levels[-1] + u64(max(e.time or 0 for e in passed)) if levels else b""

    def before(self):
        index, level = self.snapshot, self.level_at(self.snapshot)
        numbers = u64(index, self.entries[index].term) + self.chains[index] + blake(self.config_at(index)[1])
        words = [str(index), str(self.entries[index].term), numbers[16:48].hex(), numbers[48:].hex()]
        words += map(str, struct.unpack(f">{len(level) // 8}Q", level))
        return " ".join(words + [blake(numbers, level).hex()])


def session_records(table):
    """As in a snapshot's head."""
    out = b""
    for sid, (name, serial, last, epoch, run, digest, position) in sorted(table.items(), key=lambda item: item[1][2]):
        text, cursor = (name or "").encode(), position is not None
        out += sid + u64(serial, last, epoch) + run + digest + bytes([len(text) | (CURSOR if cursor else 0)]) + text
        out += u64(position) if cursor else b""
    return out


def snapshot_head(model, cluster, state, version):
    index = model.snapshot
    config, sessions = model.config_at(index)[1], session_records(model.sessions(index))
    tail = u64(index, model.entries[index].term) + model.chains[index] + cluster
    tail += b"\0\6golden" + b"\0\4kv-1" + u64(len(state)) + blake(state)
    tail += struct.pack(">I", len(config)) + config + struct.pack(">I", len(sessions)) + sessions
    if version == 1:
        return b"raftsnap" + struct.pack(">II", 1, 16 + len(tail)) + tail
    level = model.level_at(index)
    tail += struct.pack(">I", len(level)) + level
    head = b"raftsnap" + struct.pack(">II", 2, 16 + len(tail) + 32) + tail
    return head + blake(head)


def tables(model, cluster, directory, state, head, transactions, format):
    """Each table's rows, in order of its key."""
    first, last, commit = model.snapshot + 1, len(model.entries) - 1, model.commit
    meta = {
        "before": model.before(), "cluster": cluster.hex(), "commit_index": commit[0], "commit_term": commit[1],
        "directory": directory, "format": format, "mark_term": 0, "mark_valid": 1, "name": "golden", "node": "n1",
        "recovering": 0, "sessions_index": commit[0], "term": model.term, "transactions": transactions,
        "truncations": model.truncations, "vote": model.vote.rstrip(b"\0").decode(),
    }
    meta["sum"] = blake(u64(*(meta[key] for key in STATE)), model.vote).hex()
    log = [(i, e.term, e.kind, e.sid if any(e.sid) else None, e.serial, e.data, model.chains[i], e.time, e.origin)
           for i, e in enumerate(model.entries) if i >= first]
    log = [row[: 7 if format < 3 else 9] for row in log]
    sessions = []
    for sid, (name, *numbers, run, digest, position) in sorted(model.sessions(commit[0]).items()):
        summed = numbers if position is None else [*numbers, position]
        row = (sid, name, *numbers, run, digest, blake(sid, u64(*summed), run, digest, (name or "").encode()))
        sessions.append(row if format < 4 else (*row, position))
    name = f"{model.snapshot:020}-{model.entries[model.snapshot].term}.snapshot"
    return {
        "meta": sorted(meta.items()),
        "log": log,
        "terms": [(i, e[0]) for i, *e in log if i == first or model.entries[i - 1].term != e[0]],
        "configs": [model.config_at(model.snapshot)] + [(i, e[4]) for i, *e in log if e[1] == 1],
        "sessions": sessions,
        "cursors": sorted(model.cursors.items()),
        "snapshot": [(1, model.snapshot, model.entries[model.snapshot].term, "kv-1", name, len(state), head,
                      blake(head, name.encode()))],
    }


def mark_body(model, directory, transactions):
    body = b"raftmrk1" + bytes.fromhex(directory) + u64(transactions, model.truncations, model.term) + model.vote
    return body + u64(len(model.entries) - 1, model.entries[-1].term, *model.commit) + model.chains[-1]


def slot(place, body, version, boot):
    """Slot 0 reaches up to slot 1."""
    out = body + blake(body)
    if version > 1:
        out += boot + blake(out, boot)
    return out if place else out.ljust(APART, b"\0")


def check_mark(mark, body, version, boot):
    """body: of the newest slot.  The other one is older: of the same version, or left from mark-1.txt."""
    slots = [mark[:APART], mark[APART:]]
    newest = max((0, 1), key=lambda place: slots[place][24:32])
    same(f"slot {newest} of the mark", slots[newest], slot(newest, body, version, boot))
    other = 1 - newest
    body = body[:24] + slots[other][24:144]
    if body == golden.find(os.path.join(HERE, "mark-1.txt"), f"slot-{other}").data()[:144]:
        version = 1 if slots[other] == slot(other, body, 1, boot) else version
    same(f"slot {other} of the mark", slots[other], slot(other, body, version, boot))


def same_rows(table, columns, found, expected):
    same(f"the number of rows in {table}", len(found), len(expected))
    for one, other in zip(found, expected):
        for column, value, wanted in zip(columns, one, other):
            same(f"{table}: in row {other[0]!r:.40}: {column}", value, wanted)


def same_texts(found, level, format):
    """What dump gives and what is kept.  Of other rows than those kept the tables and indexes are compared."""
    kept = read(HERE, f"database-{format}.sql").decode().splitlines()
    found, expected = ([line for line in lines if re.match("CREATE" if level < format - 1 else "(?!--)", line)]
                       for lines in (found, kept))
    for one, other in zip(found, expected):
        same(other[:40], one, other)
    same("the number of rows and tables", len(found), len(expected))


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def check(folder, level, format, head_version, mark_version, boot=None):
    data = os.path.join(folder, "data")
    cluster = cluster_id(read(folder, "raft.yaml").decode())
    model = Model(TALKS[level], cluster)
    state = golden.find(os.path.join(HERE, "kv-snapshot-1.txt"), "file").data()
    head = snapshot_head(model, cluster, state, int(head_version))
    same("the golden head", golden.find(os.path.join(HERE, HEADS[level, head_version]), "head").data(), head)
    directory = bytes(range(16)).hex()
    same("identity", read(data, "identity").decode(), f"node n1\ndirectory {directory}\ncluster {cluster.hex()}\n")
    db = open_database(folder)
    transactions = db.execute("SELECT value FROM meta WHERE key = 'transactions'").fetchone()[0]
    expected = tables(model, cluster, directory, state, head, transactions, int(format))
    for table, rows in expected.items():
        query = db.execute(f"SELECT * FROM {table} ORDER BY 1")
        same_rows(table, [column[0] for column in query.description], query.fetchall(), rows)
    same_texts(list(dump(folder)), int(level), int(format))
    same("the snapshot's file", read(data, "snapshots", expected["snapshot"][0][4]), state)
    boot = bytes.fromhex((boot or read(BOOT_ID).decode()).strip().replace("-", ""))
    check_mark(read(data, "mark"), mark_body(model, directory, transactions), int(mark_version), boot)


def open_database(folder):
    return sqlite3.connect(f"file:{folder}/data/log.db?mode=ro&immutable=1", uri=True)


def dump(folder):
    for text in open_database(folder).iterdump():
        if not re.match(r"INSERT INTO \"?meta\"? VALUES\('(transactions|sum)'", text):
            yield text


if __name__ == "__main__":
    try:
        if sys.argv[1] == "check":
            check(*sys.argv[2:])
        else:
            print(*{"dump": dump}[sys.argv[1]](sys.argv[2]), sep="\n")
    except golden.Wrong as wrong:
        sys.exit(f"golden: {wrong}")
