# SPDX-License-Identifier: ISC
"""Plays node n2 of noise-1.txt, and raft-elect, around a raft-peerd of n1 whose randomness is fixed.

peer.py RUN LISTEN DIAL: RUN is the run directory of n1; n2 listens on 127.0.0.1:LISTEN; n1 does on 127.0.0.1:DIAL
"""
import os
import queue
import socket
import struct
import sys
import threading
import time

import golden
import noise

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = {case.name: case for case in golden.check(os.path.join(HERE, "noise-1.txt"))}
HEAD = 51  # of a transport message


def bytes_of(name):
    return CASES[name].data()


def field(name, wanted):
    return next(f.data for f in CASES[name].fields if f.name == wanted)


def exactly(sock, size):
    data = b""
    while len(data) < size:
        got = sock.recv(size - len(data))
        if not got:
            raise EOFError
        data += got
    return data


class Listener:
    """What comes to n2, on any connection."""

    def __init__(self, port):
        self.messages, self.conns = queue.Queue(), []
        self.sock = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            conn = self.sock.accept()[0]
            self.conns.append(conn)
            threading.Thread(target=self.receive, args=(conn,), daemon=True).start()

    def receive(self, conn):
        try:
            conn.sendall(bytes_of("sp-pull"))
            header = exactly(conn, 8)
            if header != bytes_of("sp-push"):
                self.messages.put(b"SP header " + header)
            while True:
                self.messages.put(exactly(conn, struct.unpack(">Q", exactly(conn, 8))[0]))
        except (EOFError, ConnectionResetError):
            pass

    def expect(self, what, fits):
        """The next message that fits; the others are in the error when none does."""
        others, end = [], time.monotonic() + golden.TIMEOUT
        while True:
            try:
                message = self.messages.get(timeout=max(0, end - time.monotonic()))
            except queue.Empty:
                raise golden.Wrong(f"no {what} came, but {[m[:16].hex() for m in others[:8]]}")
            if fits(message):
                return message
            others.append(message)

    def expect_case(self, name):
        self.expect(name, lambda message: message == bytes_of(name))

    def close(self):
        self.sock.close()
        for conn in self.conns:
            conn.shutdown(socket.SHUT_RDWR)


def dial(port):
    sock = socket.create_connection(("127.0.0.1", port), timeout=golden.TIMEOUT)
    sock.sendall(bytes_of("sp-push"))
    header = exactly(sock, 8)
    if header != bytes_of("sp-pull"):
        raise golden.Wrong(f"the SP header is {header.hex()}")
    return sock


def send(sock, message):
    sock.sendall(struct.pack(">Q", len(message)) + message)


def split(data):
    out = []
    while data:
        size = 4 + struct.unpack(">I", data[:4])[0]
        out.append(data[:size])
        data = data[size:]
    return out


def number(frame):
    return struct.unpack(">H", frame[4:6])[0]


class Session:
    """From n1 to n2; its frames, pings left out."""

    def __init__(self, listener):
        hand = noise.Handshake(bytes_of("own-prologue"), (None, field("keys", "n1_public")),
                               (field("keys", "n2_secret"), None), field("keys", "n2_ephemeral"))
        hello = bytes_of("own-hello")
        if hand.read_1(hello[-48:]) != b"":
            raise golden.Wrong("own-hello: a payload")
        golden.same("own-reply", bytes_of("own-reply")[-64:], hand.write_2(bytes_of("own-payload")))
        self.key, self.counter, self.listener, self.frames = hand.split(), 0, listener, []

    def take(self, message):
        head = bytes([1, 3, 0]) + b"n1".ljust(32, b"\0") + field("own-payload", "session") + struct.pack(">Q", self.counter)
        golden.same("the head of a transport message", message[:HEAD], head)
        frames = noise.decrypt(self.key, self.counter, head, message[HEAD:])
        golden.same("a transport message", message, head + noise.encrypt(self.key, self.counter, head, frames))
        self.counter += 1
        self.frames += [f for f in split(frames) if number(f) != 97]

    def expect(self, frame):
        while not self.frames:
            self.take(self.listener.expect("transport message", lambda m: m[:3] == b"\1\3\0"))
        golden.same("a frame to n2", self.frames.pop(0), frame)


def frame(message, body):
    return struct.pack(">IH", 2 + len(body), message) + body


def config(listen, port):
    """n1 and n2, with the keys of noise-1.txt."""
    out = struct.pack(">I", 2)
    for node, at in (("n1", port), ("n2", listen)):
        address = b"tcp://127.0.0.1:%d" % at
        out += node.encode().ljust(32, b"\0") + b"\1" + field("keys", f"{node}_public")
        out += struct.pack(">H", len(address)) + address
    return out


class Elect(golden.Talk):
    """raft-elect of n1, on the socket peer."""

    def __init__(self, run, members):
        super().__init__(run)
        cluster = field("prologue", "cluster")
        self.connect("E", "peer")
        self.send(frame(1, struct.pack(">HHBH", 1, 1, 2, 10) + b"raft-elect"))
        start = field("payload", "start")
        reply = struct.pack(">HHH", 1, 1, 1) + b"n1".ljust(32, b"\0") + bytes(32) + start + bytes(8)
        golden.same("hello_reply", self.frame("E"), frame(2, reply))
        self.send(frame(64, cluster + struct.pack(">Q", 10) + members))

    def send(self, data):
        self.conns["E"].sendall(data)

    def expect(self, wanted):
        """Losses that were reported before are left out."""
        got = self.frame("E")
        while got != wanted and number(got) == 67:
            got = self.frame("E")
        golden.same("a frame to raft-elect", got, wanted)


def play(run, listen, port):
    n2 = b"n2".ljust(32, b"\0")
    listener = Listener(listen)
    members = config(listen, port)
    elect = Elect(run, members)
    # Its greeting is repeated until it is answered.  Once there is one, it knows the members.
    listener.expect_case("own-hello")
    # n2 to n1, in both classes.
    for suffix in ("", "-bulk"):
        sock = dial(port)
        send(sock, bytes_of("hello" + suffix))
        listener.expect_case("reply" + suffix)
        send(sock, bytes_of("transport" + suffix))
        inner = split(bytes_of("frames" + suffix))[1]
        elect.expect(frame(66, n2 + inner))
    # n1 to n2.
    send(sock, bytes_of("own-reply"))
    session = Session(listener)
    session.expect(frame(96, field("payload", "start")))
    session.expect(frame(99, struct.pack(">Q", 10) + members))
    vote = split(bytes_of("frames"))[1]
    elect.send(frame(65, n2 + b"\0" + vote))
    session.expect(vote)
    # A ping, in the session that is open; a session that is not known.
    ask(sock, CASES["transport-bulk"], frame(97, bytes(range(0xB1, 0xB9))))
    session.expect(frame(98, bytes(range(0xB1, 0xB9))))
    unknown = bytes_of("transport")[:35] + field("hint", "session") + bytes_of("transport")[43:]
    send(sock, unknown)
    listener.expect_case("hint")
    listener.close()
    elect.expect(frame(67, n2))


def ask(sock, case, plain):
    """The next message of the session of n2 that this one began."""
    hand = noise.Handshake(bytes_of("prologue-bulk"), (field("keys", "n2_secret"), None), (None, field("keys", "n1_public")),
                           field("keys", "n2_ephemeral"))
    golden.same("hello-bulk", bytes_of("hello-bulk")[-48:], hand.write_1())
    golden.same("payload-bulk", hand.read_2(bytes_of("reply-bulk")[-64:]), bytes_of("payload-bulk"))
    head = case.data()[:43] + struct.pack(">Q", 1)
    send(sock, head + noise.encrypt(hand.split(), 1, head, plain))


if __name__ == "__main__":
    try:
        play(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except golden.Wrong as wrong:
        sys.exit(f"golden: {wrong}")
