# SPDX-License-Identifier: ISC
"""A raft-logd and a raft-peerd that do what a test says, around a real raft-elect."""
import os
import struct
import time

import wire

CLUSTER = b"c" * 32
LEVEL = 5  # a kind


class Logd:
    """One node's log in memory: answers a raft-elect until it is closed."""

    def __init__(self, run, node="n1", members=("n1",)):
        self.listener = wire.listen(os.path.join(run, "log"))
        self.node, self.start = node, 0
        self.term, self.vote = 0, ""
        self.entries = []  # records from index 1 on
        self.commit = (0, 0)
        config = wire.config(*((m, 1, m.encode().ljust(32, b"k"), "") for m in members))
        self.configs = struct.pack(">QI", 0, len(config)) + config
        self.conn = None
        self.writes = []  # all that came
        self.commits = []
        self.flags = 2

    def accept(self, **reply):
        self.conn = wire.accept(self.listener)
        self.hello = self.conn.expect("hello")
        self.start += 1
        fields = {"version": 1, "low": 1, "high": 1, "node": self.node, "cluster": CLUSTER, "start": self.start}
        self.conn.send("hello_reply", **{**fields, **reply})
        return self

    def record_term(self, index):
        return struct.unpack(">Q", self.entries[index - 1][:8])[0] if index else 0

    def last(self):
        return (len(self.entries), self.record_term(len(self.entries)))

    def tell(self):
        """The log, as it is."""
        terms = b""
        for index in range(1, len(self.entries) + 1):
            if self.record_term(index) != self.record_term(index - 1):
                terms += struct.pack(">QQ", index, self.record_term(index))
        # In one write: the program may end at any part of it.
        told = wire.put("log_state", term=self.term, vote=self.vote, last=self.last(), commit=self.commit, flags=self.flags)
        told += wire.put("log_part", what=1, records=terms)
        told += wire.put("log_part", what=2, records=self.configs)
        passed = self.entries[: self.commit[0]]
        levels = [record[-8:] for record in passed if record[8] & ~wire.STAMPED == LEVEL]
        times = [record[37:45] for record in passed if record[8] & wire.STAMPED]
        if levels:
            told += wire.put("log_part", what=5, records=levels[-1] + (times or [bytes(8)])[-1])
        if self.last()[0] > self.commit[0]:
            told += wire.put("log_part", what=4, first_index=self.commit[0] + 1,
                        records=b"".join(self.entries[self.commit[0]:]))
        self.conn.raw(told + wire.put("log_end", start=self.start))
        return self

    def take(self, name, message):
        """What a write or a commit does to the log; says nothing."""
        if name == "log_commit":
            self.commit = message["commit"]
            self.commits.append(message)
            return
        assert name == "log_write", name
        assert message["start"] == self.start, "a write of another start"
        self.writes.append(message)
        self.term, self.vote = message["term"], message["vote"]
        if message["flags"] & 1:
            del self.entries[message["truncate_after"]:]
        run = message["entries"]
        if run:
            assert message["first_index"] == len(self.entries) + 1
        while run:
            size = 37 + (wire.STAMP_SIZE if run[8] & wire.STAMPED else 0) + struct.unpack(">I", run[33:37])[0]
            self.entries.append(run[:size])
            run = run[size:]

    def write(self):
        """The next write; commits on the way are taken in."""
        while True:
            name, message = self.conn.recv()
            self.take(name, message)
            if name == "log_write":
                return message

    def store(self, message):
        self.conn.send("log_stored", number=message["number"], last=self.last())
        return message

    def store_next(self):
        return self.store(self.write())

    def led_alone(self, client):
        """Stores what a sole voter writes until it leads at the highest level: the no-op and the LEVEL entry."""
        while not any(record[8] == LEVEL for record in self.entries):
            self.store_next()
        wait_until(lambda: wire.logfmt(client.query("status"))["commit"] == str(len(self.entries)))

    def close(self):
        self.conn.close()
        self.conn = None


class Peerd:
    def __init__(self, run, node="n1"):
        self.listener = wire.listen(os.path.join(run, "peer"))
        self.node = node

    def accept(self):
        self.conn = wire.accept(self.listener)
        self.conn.expect("hello")
        self.conn.send("hello_reply", version=1, low=1, high=1, node=self.node)
        return self

    def config(self):
        return self.conn.expect("peer_config")

    def deliver(self, sender, name, **fields):
        self.conn.send("peer_recv", **{"from": sender, "frame": wire.put(name, **fields)})

    def sent(self, name, to=None):
        """The next message of this kind; others on the way are left out."""
        while True:
            got, message = self.conn.recv()
            if got != "peer_send" or (to and message["to"] != to):
                continue
            frame = message["frame"]
            inner, body = wire.get(struct.unpack(">H", frame[4:6])[0], frame[6:])
            if inner == name:
                return body

    def close(self):
        self.conn.close()


def wait_until(condition, seconds=10):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "never became true"
        time.sleep(0.01)
