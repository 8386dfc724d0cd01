# SPDX-License-Identifier: ISC
"""A consumer that has a cursor: cursor.py RUN NAME

Opens the cursor through raft-elect in that run directory and prints "opened EPOCH SERIAL POSITION", then moves it to each
position on standard input, and prints "committed INDEX", or "refused REASON" and ends.
"""
import os
import struct
import sys
import time

from wire import *

OLD_EPOCH = 13
COMMITTED, REFUSED = 0, 1
# Refusals before a leader is known and has committed an entry of its term.
EARLY = (1, 2, 3, 4, 5, 30)


class Consumer:
    def __init__(self, run, name):
        self.conn = Conn(os.path.join(run, "elect"), timeout=60)
        self.conn.hello(CLIENT)
        self.sid, self.name, self.run, self.requests = named_id("cursor", name), name, os.urandom(16), 0

    def propose(self, record, **fields):
        """Until it is committed or refused; tries an unknown outcome again."""
        while True:
            self.requests += 1
            self.conn.propose(self.requests, record, **fields)
            answer = self.conn.expect("answer")
            if answer["verdict"] == COMMITTED or (answer["verdict"] == REFUSED and answer["reason"] not in EARLY):
                return answer
            time.sleep(0.05)

    def open(self):
        replaces = 0
        while True:
            data = self.run + struct.pack(">Q", replaces) + self.name.encode()
            answer = self.propose(entry(0, data, self.sid, CURSOR_OPEN))
            if answer["verdict"] == COMMITTED or answer["reason"] != OLD_EPOCH or answer["epoch"] == replaces:
                break
            replaces = answer["epoch"]
        self.epoch, self.serial, self.position = answer["epoch"], answer["last_serial"], answer["position"]
        return answer

    def move(self, position):
        answer = self.propose(entry(self.serial + 1, struct.pack(">Q", position), self.sid, ACK), epoch=self.epoch)
        if answer["verdict"] == COMMITTED:
            self.serial, self.position = self.serial + 1, position
        return answer


def main(run, name):
    consumer = Consumer(run, name)
    answer = consumer.open()
    if answer["verdict"] == COMMITTED:
        print("opened", consumer.epoch, consumer.serial, consumer.position, flush=True)
        for line in sys.stdin:
            answer = consumer.move(int(line))
            if answer["verdict"] != COMMITTED:
                break
            print("committed", answer["pos"][0], flush=True)
    if answer["verdict"] != COMMITTED:
        print("refused", answer["reason"], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
