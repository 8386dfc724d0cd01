# SPDX-License-Identifier: ISC
"""A raft-logd by itself: started with or without the recorder, driven, and looked at."""
import hashlib
import json
import os
import select
import signal
import struct
import subprocess
import uuid

import disk
import wire
from ledger import LEVEL, Ledger, State, entries_of

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BIN = os.environ.get("BIN", os.path.join(ROOT, "build/bin"))
TBIN = os.environ.get("TBIN", os.path.join(ROOT, "build/t"))
RECORDER = os.path.join(TBIN, "record.so")
# Space that raft-logd finds: enough, and too little or enough to fill the write-ahead log with zeros.
NARROW, WIDE = 300 << 20, 1 << 30
PATIENCE = 60
SESSION, NAMED = b"\x07" * 16, wire.named_id("session", "feed")
# Those of t/golden/database-2.
GOLDEN = bytes(range(0x21, 0x31)), wire.named_id("session", "orders")
CURSORS = ("batch", "sink")  # of this node
REPLICATED = wire.named_id("cursor", "mail")
LEVEL_PART = 5  # of log_part
KEYS = ["A" * 42 + "E=", "A" * 42 + "I="]
YAML = """node: { id: n1, data: data, run: run }
cluster:
  name: demo
  members:
    - { id: n1, address: "tcp://127.0.0.1:7101", key: %s }
    - { id: n2, address: "tcp://127.0.0.1:7102", key: %s }
peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }
logd: { reserve: 256MiB, keep_tail: %s }
"""


class Ended(Exception):
    """The program did not start: its exit status and what it printed."""

    def __init__(self, status, log):
        super().__init__(f"it ends with {status}: {log}")
        self.status = status


def make(folder, keep_tail="256MiB"):
    """What an administrator makes; the identity is raft-init's."""
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    with open(os.path.join(folder, "raft.yaml"), "w") as file:
        file.write(YAML % (*KEYS, keep_tail))


def give_identity(folder):
    with open(os.path.join(folder, "data/identity"), "w") as file:
        file.write("node n1\ndirectory %s\nfresh yes\n" % uuid.uuid4().hex)


def new_boot(folder):
    """As after a reboot; beside the folder, since it is not on its disk."""
    with open(folder + ".boot", "w") as file:
        file.write(f"{uuid.uuid4()}\n")


class Died(Exception):
    """raft-logd was killed by the recorder."""


def some_end(rng):
    """When the recorder kills a process: mostly with something written and not synced."""
    kind = rng.choice(("", "POWERLOSS_KILL", "POWERLOSS_KILL_SYNC", "POWERLOSS_KILL_SYNC"))
    return {kind: str(rng.randint(1, 150 if kind == "POWERLOSS_KILL" else 30))} if kind else {}


class Node:
    """journal: its data directory is recorded there."""

    def __init__(self, folder, journal=None, free=NARROW, program=None):
        self.folder, self.journal = folder, journal
        self.program = program or os.path.join(BIN, "raft-logd")
        self.environment = {**os.environ, "LD_PRELOAD": RECORDER, "POWERLOSS_FREE": str(free),
                            "POWERLOSS_BOOT_ID": folder + ".boot"}
        if journal:
            self.environment["POWERLOSS_ROOT"] = os.path.realpath(folder)
            self.environment["POWERLOSS_JOURNAL"] = journal
        if not os.path.exists(folder + ".boot"):
            new_boot(folder)
        self.child = None
        self.kill_at = {}  # when the recorder kills the next process

    def note(self, note, **fields):
        if self.journal:
            disk.append_journal(self.journal, "n", json.dumps({"note": note, **fields}).encode())

    def begin(self):
        """Starts it; wait() waits until it is ready."""
        if self.journal:
            self.note("start", files=disk.sums(os.path.join(self.folder, "data")))
        environment = {**self.environment, **self.kill_at}
        self.kill_at = {}
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.ready, ready = os.pipe()
        self.child = subprocess.Popen(
            [self.program, "-c", os.path.join(self.folder, "raft.yaml"), "-d", str(ready)], env=environment,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, pass_fds=[ready])
        os.close(ready)

    def wait(self):
        if not select.select([self.ready], [], [], PATIENCE)[0]:
            raise Ended("no end", self.words())
        came = os.read(self.ready, 1)
        os.close(self.ready)
        if not came:
            self.ended()

    def ended(self):
        """By itself: it was killed, or it did not want to."""
        status, words = self.child.wait(PATIENCE), self.words()
        self.end()
        raise Died if status == -signal.SIGKILL else Ended(status, words)

    def start(self):
        self.begin()
        self.wait()
        return self

    def words(self):
        self.log.seek(0)
        return self.log.read()[-2000:]

    def end(self, how=signal.SIGKILL):
        if self.child is None:
            return
        with disk.between_records(self.journal if how == signal.SIGKILL else None):
            self.child.send_signal(how)
            status = self.child.wait(PATIENCE)
        self.log.close()
        self.child = None
        if how != signal.SIGKILL and status == -signal.SIGKILL:
            raise Died
        assert how == signal.SIGKILL or status == 0, f"raft-logd stops with {status}"

    def hear(self, conn):
        """The next frame."""
        got = conn.recv()
        if got is None:
            self.ended()
        return got

    def expect(self, conn, name):
        got = self.hear(conn)
        assert got[0] == name, f"{got}, not {name}"
        return got[1]

    def connect(self, kind):
        conn = wire.Conn(os.path.join(self.folder, "run/log"), timeout=PATIENCE)
        conn.send("hello", low=1, high=1, kind=kind, program="powerloss")
        return conn, self.expect(conn, "hello_reply")


def content_of(node, path):
    """A hash; None: there is no file."""
    if not path:
        return None
    with open(os.path.join(node.folder, "data/snapshots", os.path.basename(path)), "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Found:
    """All that a raft-logd has."""

    def __init__(self, node):
        conn, hello = node.connect(wire.ELECTOR)
        self.level = (1, 0)
        while (got := node.hear(conn))[0] != "log_end":
            if got[0] == "log_state":
                told = got[1]
            elif got[0] == "log_part" and got[1]["what"] == LEVEL_PART:
                self.level = struct.unpack(">QQ", got[1]["records"])
        self.term, self.vote, self.before, self.last, self.commit = (
            told[key] for key in ("term", "vote", "before", "last", "commit"))
        self.recovering, self.mark_valid = told["flags"] & 1, told["flags"] & 2
        self.mark_term = told["mark_term"]
        self.entries = []
        while self.before[0] + len(self.entries) < self.last[0]:
            conn.send("log_read", request=1, size_max=1 << 20, **{"from": self.before[0] + len(self.entries) + 1})
            while (got := node.hear(conn))[0] != "log_entries":
                pass
            self.entries += entries_of(got[1]["entries"])
        self.elector, self.start = conn, hello["start"]
        self.look_elsewhere(node)

    def look_elsewhere(self, node):
        conn, _ = node.connect(wire.FSM)
        self.cursors = {}
        for name in CURSORS:
            conn.send("cursor_get", request=1, name=name)
            self.cursors[name] = node.expect(conn, "cursor")["index"]
        self.sessions = {}
        for sid in (SESSION, NAMED, REPLICATED, *GOLDEN):
            conn.send("session_get", request=1, session=sid)
            got = node.expect(conn, "session")
            if got["found"]:
                self.sessions[sid] = tuple(got[key] for key in ("serial", "last_index", "epoch", "digest", "position"))
        conn.send("snap_find", request=1)
        found = node.expect(conn, "snap_found")
        self.snapshot = None
        if found["found"]:
            self.snapshot = (found["pos"][0], content_of(node, found["path"]))
        conn.close()

    def state(self):
        """As the beginning of a model."""
        content = self.snapshot and self.snapshot[1]
        state = State(0, self.term, self.vote, self.before, self.entries, self.sessions, self.commit[0], content,
                      self.commit[0])
        state.cursors, state.level = self.cursors, self.level
        return state


class Driver:
    """Asks for things, notes it first, and takes what is answered."""

    def __init__(self, node, rng, first=None):
        self.node, self.rng = node, rng
        self.ledger = Ledger(first)
        self.numbers = self.requests = 0
        self.serial = {}
        self.conn = None

    @property
    def state(self):
        return self.ledger.chain[-1]

    def note(self, note, **fields):
        self.node.note(note, **fields)
        getattr(self.ledger, "note_" + note)({"note": note, **fields})

    def start(self, kill_at=None):
        """May take several lives: sometimes the recorder ends one, in the start or later."""
        self.node.kill_at = some_end(self.rng) if kill_at is None else kill_at
        while True:
            try:
                self.node.start()
                return self.hello()
            except (Died, OSError):
                self.node.end()

    def survive(self, action, *args):
        """Does it, again when raft-logd was killed meanwhile."""
        while True:
            try:
                return action(*args)
            except (Died, BrokenPipeError, ConnectionError):
                self.node.end()
                self.start()

    def hello(self):
        self.conn, hello = self.node.connect(wire.ELECTOR)
        self.begun = hello["start"]
        self.hear("log_end")
        self.fsm, _ = self.node.connect(wire.FSM)

    def hear(self, *wanted):
        """Takes all up to one of these frames."""
        while True:
            got = self.node.hear(self.conn)
            getattr(self.ledger, "sent_" + got[0], lambda message: None)(got[1])
            if got[0] in wanted:
                return got[1]

    def kill(self):
        self.node.end(signal.SIGKILL)

    def stop(self):
        self.node.end(signal.SIGTERM)

    # ------------------------------------------------------------ writes

    def next_number(self):
        self.numbers += 1
        return self.numbers

    def make_entries(self, number, after, term, sizes):
        """Of the two sessions in turn, each with its next serial, or of none; with stamps after a LEVEL entry."""
        sessions = {sid: row[0] for sid, row in self.state.sessions_at(after).items()}
        level, time = self.state.level_at(after)
        records = []
        for i, size in enumerate(sizes):
            index = after + 1 + i
            sid = self.rng.choice((SESSION, NAMED, bytes(16)))
            kind, serial, data = wire.CLIENT_ENTRY, sessions.get(sid, 0) + 1, data_of(number, index, size)
            if sid == bytes(16):
                serial = 0
            elif sid == NAMED and NAMED not in sessions:
                kind, serial, data = wire.SESSION_OPEN, 0, bytes(16) + struct.pack(">Q", 0) + b"feed"
            if sid != bytes(16):
                sessions[sid] = serial
            stamp = b""
            if level > 1:
                time += self.rng.choice((0, 1, 1000))
                stamp = wire.stamp(time, self.rng.choice(("n1", "n2")), self.rng.choice((0, 1000)))
            records.append(wire.entry(serial, data, sid, kind, term, stamp))
        return b"".join(records)

    def stamp(self):
        """For one entry at the end of the log."""
        level, time = self.state.level_at(self.state.last[0])
        return wire.stamp(time, "n1") if level > 1 else b""

    def level(self, number):
        """The entry that brings it, alone; only sent."""
        record = wire.entry(0, struct.pack(">Q", number), b"", LEVEL, self.state.term, self.stamp())
        self.write(term=self.state.term, records=record)

    def move(self):
        """The replicated cursor opened, by one run or the next, or moved to any entry of the log; only sent."""
        term, last, sid = self.state.term or 1, self.state.last[0], REPLICATED
        row = self.state.sessions_at(last).get(sid)
        if row is None or self.rng.random() < 0.2:
            data = self.rng.randbytes(16) + struct.pack(">Q", row[2] if row else 0) + b"mail"
            record = wire.entry(0, data, sid, wire.CURSOR_OPEN, term, self.stamp())
        else:
            data = struct.pack(">Q", self.rng.randint(0, last))
            record = wire.entry(row[0] + 1, data, sid, wire.ACK, term, self.stamp())
        self.write(term=term, records=record)

    def write(self, sizes=(), term=None, vote=None, after=None, records=None):
        """Only sent."""
        number, state = self.next_number(), self.state
        term = term or state.term or 1
        if vote is None:
            vote = state.vote if term == state.term else self.rng.choice(("n1", "n2", ""))
        last = state.last[0] if after is None else after
        records, count = (records, 1) if records else (self.make_entries(number, last, term, sizes), len(sizes))
        self.note("write", number=number, term=term, vote=vote, after=after, entries=records.hex())
        self.conn.send("log_write", start=self.begun, number=number, term=term, vote=vote,
                       flags=0 if after is None else 1, truncate_after=after or 0, first_index=last + 1,
                       count=count, entries=records)
        return number

    def stored(self):
        """Until all writes of this connection are acknowledged."""
        while len(self.ledger.chain) > 1:
            self.hear("log_stored")

    def commit(self, index):
        self.note("commit", index=index)
        self.conn.send("log_commit", start=self.begun, commit=(index, self.state.term_at(index)))

    # ------------------------------------------------------- other things

    def answer(self, name):
        """To raft-fsm."""
        return self.node.expect(self.fsm, name)

    def request(self):
        self.requests += 1
        return 1000 + self.requests

    def cursor(self, name, index, wait=True):
        request = self.request()
        self.note("cursor", request=request, name=name, index=index)
        self.fsm.send("cursor_set", request=request, name=name, index=index)
        if wait:
            self.ledger.sent_cursor(self.answer("cursor"))

    def snapshot(self, index, content):
        """As raft-fsm and its program: the file, then the request.  The file is not synced by its maker."""
        self.fsm.send("snap_path", request=self.request())
        path = self.answer("snap_path_reply")["path"]
        with open(path, "wb") as file:
            file.write(content)
        if self.node.journal:
            number = os.stat(path).st_ino
            disk.append_journal(self.node.journal, "o", os.path.realpath(path).encode(), number, disk.CREATED)
            disk.append_journal(self.node.journal, "w", content, number, 0)
        self.note("snapshot", index=index, hash=hashlib.sha256(content).hexdigest())
        self.fsm.send("snap_add", request=self.request(), index=index, path=path, format="test")
        added = self.answer("snap_added")
        self.ledger.sent_snap_added(added)
        assert added["ok"] or added["index"] >= index, added

    def stream(self):
        """The newest snapshot as another node would get it."""
        conn, _ = self.node.connect(wire.CLIENT)
        conn.send("snap_open", request=1)
        opened = self.node.expect(conn, "snap_opened")
        out = b""
        while len(out) < opened["size"]:
            conn.send("snap_read", request=2, offset=len(out), size_max=1 << 18)
            out += self.node.expect(conn, "snap_data")["data"]
        return out

    def put(self, stream, upto=None):
        """A leader's snapshot; True once raft-logd has all of it."""
        pos = struct.unpack(">QQ", stream[16:32])
        digest = hashlib.blake2b(stream[: struct.unpack(">I", stream[12:16])[0]], digest_size=32).digest()
        taken, offset = {"state": 0}, 0
        while taken["state"] == 0 and (upto is None or offset < upto):
            self.conn.send("snap_put", start=self.begun, request=self.request(), pos=pos, size=len(stream),
                           hash=digest, offset=offset, data=stream[offset : offset + 20000])
            taken = self.hear("snap_taken")
            offset = taken["offset"]
        return taken["state"] == 1

    def install(self, stream, sessions, content):
        """The write that makes the snapshot the log."""
        pos, number = struct.unpack(">QQ", stream[16:32]), self.next_number()
        term = max(self.state.term, pos[1])
        vote = self.state.vote if term == self.state.term else ""
        rows = {sid.hex(): [*row[:3], row[3].hex(), row[4]] for sid, row in sessions.items() if sid != bytes(16)}
        self.note("install", number=number, term=term, vote=vote, pos=pos, sessions=rows,
                  hash=hashlib.sha256(content).hexdigest())
        self.conn.send("log_write", start=self.begun, number=number, term=term, vote=vote, flags=4,
                       truncate_after=pos[0], first_index=pos[0] + 1, count=0)
        return number

    def status(self):
        self.fsm.send("query_text", request=self.request(), what="status")
        return wire.logfmt(self.answer("text_reply")["lines"].decode())


def data_of(number, index, size):
    text = b"%d.%d." % (number, index)
    return (text + b"entry " * (size // 6 + 1))[: max(size, len(text))]
