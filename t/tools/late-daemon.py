#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Daemons whose answers come while the asker is stopped: late-daemon.py RUN SECONDS

It listens at RUN/elect, RUN/log and RUN/fsm.  Each request but read_index stops the process that has sent it, which continues
SECONDS after the answer was sent.
"""
import os
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire

ANSWERS = {
    "read_index": ("read_index_reply", {"ok": 1, "index": 1}),
    "query_text": ("text_reply", {"lines": "id=n1 role=voter key=k address=a\n"}),
    "fsm_command": ("text_reply", {}),
    "snap_open": ("snap_opened", {}),
    "log_read": ("log_entries", {"commit": 1, "first_available": 1, "first_index": 1, "count": 1,
                                 "entries": wire.entry(1, "late", session=b"s")}),
}


def stopped(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def serve(conn):
    pid = struct.unpack("3i", conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    conn.expect("hello")
    conn.send("hello_reply", version=1, low=1, high=1, node="n1")
    while (got := conn.recv()) is not None:
        name, fields = ANSWERS[got[0]]
        late = got[0] != "read_index"
        if late:
            os.kill(pid, signal.SIGSTOP)
            while not stopped(pid):
                time.sleep(0.01)
        conn.send(name, request=got[1]["request"], **fields)
        if late:
            time.sleep(float(sys.argv[2]))
            os.kill(pid, signal.SIGCONT)


def listen(path):
    listener = wire.listen(path)
    while True:
        threading.Thread(target=serve, args=(wire.accept(listener, timeout=3600),), daemon=True).start()


threads = [threading.Thread(target=listen, args=(os.path.join(sys.argv[1], name),)) for name in ("elect", "log", "fsm")]
for thread in threads:
    thread.start()
