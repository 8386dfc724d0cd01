# SPDX-License-Identifier: ISC
"""A command for raft-lead: lead-worker.py FOLDER NODE [stubborn]

Each run is a file FOLDER/NODE.TERM.PID.  Its lines are times of CLOCK_BOOTTIME in milliseconds: one
when the run starts, one whenever it has run for some more milliseconds, and "term TIME" when TERM
came.  stubborn: TERM does not end it, and it has a child in its group that writes as well.
"""
import os
import signal
import sys
import time

FOLDER, NODE = sys.argv[1:3]
STUBBORN = len(sys.argv) > 3


def boot_ms():
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000)


def on_term(_number, _frame):
    os.write(OUT, b"term %d\n" % boot_ms())
    if not STUBBORN:
        os._exit(0)


signal.signal(signal.SIGTERM, on_term)
OUT = os.open(f"{FOLDER}/{NODE}.{os.environ['RAFT_TERM']}.{os.getpid()}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
if STUBBORN and os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    os.write(OUT, b"%d\n" % boot_ms())
    time.sleep(0.003)
