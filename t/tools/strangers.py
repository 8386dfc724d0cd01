# SPDX-License-Identifier: ISC
"""strangers.py PORT: from each of 12 addresses of loopback, 8 connections that say nothing; one that is closed is made again."""
import selectors
import socket
import sys

ADDRESSES, EACH = 12, 8
chosen = selectors.DefaultSelector()


def connect(address):
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=(address, 0))
    chosen.register(sock, selectors.EVENT_READ, address)


for number in range(ADDRESSES):
    for _ in range(EACH):
        connect(f"127.0.1.{number + 1}")
while True:
    for key, _ in chosen.select():
        try:
            if key.fileobj.recv(64):
                continue
        except OSError:
            pass
        chosen.unregister(key.fileobj)
        key.fileobj.close()
        connect(key.data)
