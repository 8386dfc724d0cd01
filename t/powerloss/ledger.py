# SPDX-License-Identifier: ISC
"""What raft-logd was asked for and what it has acknowledged, read from the journal.

The notes of the driver say what it asks for, before it is sent; the frames that raft-logd sent say
what is acknowledged.  So at each place of the journal these are known:

  chain     the states that the log may be in: the first is the newest that is acknowledged, each later
            one follows from the one before by a write that was asked for
  commit    the lowest and the highest commit index
  cursors   of each name the values it may have
  snapshots those that may be the newest
"""
import copy
import hashlib
import json
import struct

import wire

CLIENT, OPEN, DROP, LEVEL, CURSOR_OPEN, ACK = 2, 3, 4, 5, 7, 8


class Entry:
    """As in the log: all that is compared is in the record."""

    def __init__(self, term, kind, sid, serial, data, stamp):
        self.term, self.kind, self.sid, self.serial, self.data, self.stamp = term, kind, sid, serial, data, stamp

    def record(self):
        return wire.entry(self.serial, self.data, self.sid, self.kind, self.term, self.stamp)


def entries_of(records):
    """The entries of a run."""
    out = []
    while records:
        term, kind, sid, serial, size = struct.unpack(">QB16sQI", records[:37])
        at = 37 + (wire.STAMP_SIZE if kind & wire.STAMPED else 0)
        out.append(Entry(term, kind & ~wire.STAMPED, sid, serial, records[at : at + size], records[37:at]))
        records = records[at + size :]
    return out


class State:
    """Term, vote and log: base is the place before its first entry, sessions are the table there, or at index since."""

    def __init__(self, number=0, term=0, vote="", base=(0, 0), entries=(), sessions=None, commit=0, content=None,
                 since=None):
        self.number, self.term, self.vote, self.base, self.commit = number, term, vote, base, commit
        self.content = content  # hash of the snapshot that it begins with
        self.entries = list(entries)
        self.sessions = sessions or {}
        self.since = base[0] if since is None else since
        self.cursors = {}
        self.level = (1, 0)  # and the time in the last stamp, at the base

    @property
    def last(self):
        if not self.entries:
            return self.base
        return (self.base[0] + len(self.entries), self.entries[-1].term)

    def at(self, index):
        return self.entries[index - self.base[0] - 1]

    def term_at(self, index):
        return self.base[1] if index == self.base[0] else self.at(index).term

    def after(self, number, note):
        """The state after a write."""
        state = State(number, note["term"], note["vote"], self.base, self.entries, self.sessions, since=self.since)
        state.level = self.level
        if note.get("after") is not None:
            del state.entries[note["after"] - self.base[0] :]
        state.entries += entries_of(bytes.fromhex(note["entries"]))
        return state

    def sessions_at(self, commit):
        """(serial, last index, epoch, digest, position) of each session: a function of the log alone."""
        table = dict(self.sessions)
        for index in range(self.since + 1, commit + 1):
            entry = self.at(index)
            serial, last, epoch, digest, position = table.get(entry.sid, (0, 0, 0, bytes(32), 0))
            if entry.kind in (OPEN, CURSOR_OPEN):
                table[entry.sid] = (serial, index if serial == 0 else last, index, digest, position)
            elif entry.kind == DROP:
                del table[entry.sid]
            elif entry.kind == ACK and entry.serial == serial + 1:
                table[entry.sid] = (entry.serial, index, epoch, digest, struct.unpack(">Q", entry.data)[0])
            elif entry.kind == CLIENT and entry.serial == serial + 1:
                if entry.sid[0] & 0x80:
                    size = struct.pack(">I", len(entry.data))
                    digest = hashlib.blake2b(digest + size + entry.data, digest_size=32).digest()
                table[entry.sid] = (entry.serial, index, epoch, digest, 0)
        return table

    def level_at(self, commit):
        """Level, and the time in the last stamp."""
        entries = self.entries[: commit - self.base[0]]
        levels = [struct.unpack(">Q", entry.data)[0] for entry in entries if entry.kind == LEVEL]
        times = [struct.unpack(">Q", entry.stamp[:8])[0] for entry in entries if entry.stamp]
        return (levels or self.level[:1])[-1], (times or self.level[1:])[-1]


class Ledger:
    def __init__(self, first=None):
        first = first or State()
        self.chain = [first]
        self.commit_low = self.commit_high = self.chain[0].commit
        self.commit_told = self.commit_low  # to the present process
        self.commits = {}  # of each write, the commit index that goes with it
        self.cursors = {name: [index] for name, index in first.cursors.items()}
        self.cursor_requests = {}
        self.snapshots = [(first.base[0], first.content) if first.content else None]
        self.installs = set()
        self.streams = {}
        self.made = True  # the directory was made: it must start

    def copy(self):
        twin = copy.copy(self)
        twin.cursors = dict(self.cursors)
        twin.streams = {}
        return twin

    def apply(self, record):
        operation, a, _, data = record
        if operation == "n":
            note = json.loads(data)
            getattr(self, "note_" + note["note"])(note)
        elif operation == "a":
            self.sent(a, data)
        elif operation == "c":
            self.streams.pop(a, None)

    # ------------------------------------------------------------- asked

    def note_start(self, _):
        self.streams = {}

    def note_init(self, note):
        self.made = note["done"]

    def note_write(self, note):
        self.chain.append(self.chain[-1].after(note["number"], note))
        self.commits[note["number"]] = self.commit_told

    def note_install(self, note):
        sessions = {bytes.fromhex(sid): (*row[:3], bytes.fromhex(row[3]), row[4])
                    for sid, row in note["sessions"].items()}
        base = tuple(note["pos"])
        self.chain.append(State(note["number"], note["term"], note["vote"], base, (), sessions))
        self.commits[note["number"]] = self.commit_told = base[0]
        self.installs.add(note["number"])
        self.snapshots.append((base[0], note["hash"]))

    def note_commit(self, note):
        self.commit_told = note["index"]
        self.commit_high = max(self.commit_high, note["index"])

    def note_cursor(self, note):
        self.cursors.setdefault(note["name"], [0]).append(note["index"])
        self.cursor_requests[note["request"]] = note["name"], note["index"]

    def note_snapshot(self, note):
        self.snapshots.append((note["index"], note["hash"]))

    # ------------------------------------------------------ acknowledged

    def sent(self, fd, data):
        have = self.streams.get(fd, b"") + data
        while len(have) >= 4:
            size = 4 + struct.unpack(">I", have[:4])[0]
            if len(have) < size:
                break
            name, message = wire.get(struct.unpack(">H", have[4:6])[0], have[6:size])
            have = have[size:]
            getattr(self, "sent_" + name, lambda message: None)(message)
        self.streams[fd] = have

    def settle(self, at):
        """The state at that place of the chain is durable."""
        for state in self.chain[: at + 1]:
            self.commit_low = max(self.commit_low, self.commits.get(state.number, 0))
            if state.number in self.installs:
                self.have_snapshot(state.base[0])
        self.commit_high = max(self.commit_high, self.commit_low)
        self.chain = self.chain[at:]

    def have_snapshot(self, index):
        at = [i for i, one in enumerate(self.snapshots) if one and one[0] == index]
        self.snapshots = self.snapshots[at[0] :]

    def sent_log_stored(self, message):
        numbers = [state.number for state in self.chain]
        self.settle(numbers.index(message["number"]))
        # What is told is the log after all writes of the transaction, of which this is the last.
        assert self.chain[0].last == message["last"], (self.chain[0].last, message)

    def sent_log_state(self, message):
        """To an elector, which takes it for durable; what it had asked for before is forgotten."""
        told = (message["term"], message["vote"], message["last"])
        for at in reversed(range(len(self.chain))):
            state = self.chain[at]
            commit = self.commits.get(state.number, 0)
            if (state.term, state.vote, state.last) == told and commit <= message["commit"][0]:
                self.settle(at)
                self.chain = self.chain[:1]
                self.commit_told = message["commit"][0]
                return
        raise AssertionError(f"raft-logd says {told}, which is none of {[(s.term, s.vote, s.last) for s in self.chain]}")

    def sent_cursor(self, message):
        name, index = self.cursor_requests.get(message["request"], (None, 0))
        if name:
            values = self.cursors[name]
            self.cursors[name] = values[values.index(index) :]

    def sent_snap_added(self, message):
        if message["ok"]:
            self.have_snapshot(message["index"])

    # ------------------------------------------------------------- judging

    def judge(self, found):
        """None, or what is wrong with what a raft-logd has found on a disk."""
        if found.recovering:
            return "it recovers, though nothing but power was lost"
        wrong = [self.compare(state, found) for state in self.chain]
        if all(wrong):
            return f"its log is none of those it may be: {wrong[0]}"
        state = self.chain[wrong.index(None)]
        return self.judge_commit(state, found) or self.judge_rest(state, found)

    @staticmethod
    def compare(state, found):
        told = (found.term, found.vote, found.last)
        if told != (state.term, state.vote, state.last):
            return f"(term, vote, last) {told}, not {(state.term, state.vote, state.last)}"
        if found.before[0] < state.base[0] or found.before != (found.before[0], state.term_at(found.before[0])):
            return f"it begins after {found.before}, not after {state.base}"
        if len(found.entries) != found.last[0] - found.before[0]:
            return f"it has {len(found.entries)} entries from {found.before} to {found.last}"
        for index, entry in enumerate(found.entries, found.before[0] + 1):
            if entry.record() != state.at(index).record():
                return f"entry {index} is not what was written"
        return None

    def judge_commit(self, state, found):
        index, term = found.commit
        if not self.commit_low <= index <= max(self.commit_high, state.base[0]):
            return f"commit index {index}, not from {self.commit_low} to {self.commit_high}"
        if index > state.last[0] or (index >= state.base[0] and state.term_at(index) != term):
            return f"commit index {found.commit}, which is no entry of its log"
        return None

    def judge_rest(self, state, found):
        for name, values in self.cursors.items():
            if found.cursors[name] not in values:
                return f"cursor {name} is {found.cursors[name]}, not one of {values}"
        cut = found.snapshot and found.snapshot[1] is None  # no file: the log is only cut
        if found.snapshot not in self.snapshots and not (cut and found.snapshot[0] <= found.commit[0]):
            return f"its snapshot is {found.snapshot}, not one of {self.snapshots}"
        covered = found.snapshot[0] if found.snapshot else 0
        if found.before[0] > covered:
            return f"it begins after {found.before}, and its snapshot is of {covered}"
        expected = state.sessions_at(found.commit[0])
        for sid in set(expected) | set(found.sessions):
            if sid != bytes(16) and found.sessions.get(sid) != expected.get(sid):
                return f"session {sid.hex()} is {found.sessions.get(sid)}, not {expected.get(sid)}"
        if found.level != state.level_at(found.commit[0]):
            return f"level and time are {found.level}, not {state.level_at(found.commit[0])}"
        return None
