# SPDX-License-Identifier: ISC
"""Plays node n2 of noise-2.txt, and raft-elect, around a raft-peerd of n1 whose randomness is fixed.

peer.py RUN LISTEN DIAL: RUN is the run directory of n1; n2 listens on 127.0.0.1:LISTEN; n1 does on 127.0.0.1:DIAL.
n1 renews its keys after a second.
"""
import os
import socket
import struct
import sys

import golden
import sealed

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = {case.name: case for case in golden.check(os.path.join(HERE, "noise-2.txt"))}
PING, MEMBERS, RECV, LOST, SEND, CONFIG = 97, 99, 66, 67, 65, 64


def bytes_of(name):
    return CASES[name].data()


def field(name, wanted):
    return next(f.data for f in CASES[name].fields if f.name == wanted)


def numbers(name):
    data = bytes_of(name)
    return struct.unpack(">BQ" if len(data) == 9 else ">QQQ", data)


SECRET, PUBLIC, EPHEMERAL = field("keys", "n2_secret"), field("keys", "n1_public"), field("keys", "n2_ephemeral")
CLUSTER = field("own-prologue", "cluster")


class Link:
    """A connection of n2 to n1.  Pings of n1, which come at any time, are answered and left out."""

    def __init__(self, sock, channel):
        self.sock, self.channel, self.frames = sock, channel, []

    def send(self, name, kind, plain=b""):
        """A record that the golden file has."""
        record = self.channel.seal(kind, plain)
        golden.same(name, record, bytes_of(name))
        self.sock.sendall(record)

    def record(self):
        """The next one but pings: its kind and plain bytes."""
        while True:
            record = sealed.read_record(self.sock)
            try:
                kind, plain = self.channel.open(record)
            except ValueError as error:
                raise golden.Wrong(f"a record of kind {record[0]} and {len(record)} bytes is {error}")
            if kind != sealed.PEERD or not plain or sealed.number(plain) != PING:
                return kind, plain
            self.sock.sendall(self.channel.seal(sealed.PEERD, sealed.frame(98, plain[6:])))

    def expect(self, what, kind, plain):
        found = self.record()
        golden.same(f"the kind of {what}", found[0], kind)
        golden.same(what, found[1], plain)


def peer_frame(number, *parts):
    return sealed.frame(number, b"".join(parts))


class Elect(golden.Talk):
    """raft-elect of n1, on the socket peer."""

    def __init__(self, run, members):
        super().__init__(run)
        self.connect("E", "peer")
        self.send(sealed.frame(1, struct.pack(">HHBH", 1, 1, 2, 10) + b"raft-elect"))
        start = field("own-offer", "start")
        reply = struct.pack(">HHH", 1, 1, 1) + sealed.identity("n1") + bytes(32) + start + bytes(8)
        golden.same("hello_reply", self.frame("E"), sealed.frame(2, reply))
        self.send(peer_frame(CONFIG, CLUSTER, struct.pack(">Q", 10), members))

    def send(self, data):
        self.conns["E"].sendall(data)

    def expect(self, wanted):
        golden.same("a frame to raft-elect", self.frame("E"), wanted)


def own(listener, members, elect):
    """n1 dials n2, which answers."""
    sock = listener.accept()[0]
    sock.settimeout(golden.TIMEOUT)
    sock.sendall(bytes_of("preamble-acceptor"))
    golden.same("the preamble", sealed.exactly(sock, 8), bytes_of("preamble-dialer"))
    hello = sealed.exactly(sock, sealed.HELLO_SIZE)
    golden.same("own-hello", hello, bytes_of("own-hello"))
    reply, channel, offer = sealed.accept(SECRET, PUBLIC, CLUSTER, hello, EPHEMERAL, numbers("own-answer"))
    golden.same("own-offer", offer, numbers("own-offer"))
    golden.same("own-reply", reply, bytes_of("own-reply"))
    golden.same("own-binding", channel.binding, bytes_of("own-binding"))
    sock.sendall(reply)
    golden.same("own-record-first", sealed.read_record(sock), bytes_of("own-record-first"))
    channel.received = 1
    link = Link(sock, channel)
    link.expect("peer_members", sealed.PEERD, members)
    vote = bytes_of("own-frames")
    elect.send(peer_frame(SEND, sealed.identity("n2"), b"\0", vote))
    link.expect("own-frames", sealed.FRAMES, vote)
    link.send("own-record-frames", sealed.FRAMES, vote)
    elect.expect(peer_frame(RECV, sealed.identity("n2"), vote))
    return link


def own_renewal(link, elect):
    """n1 renews the keys of the connection that it dialled."""
    hand = link.channel.renewal(EPHEMERAL)
    link.expect("own-renew", sealed.RENEW, bytes_of("own-renew"))
    golden.same("own-renew", hand.read_1(bytes_of("own-renew")), b"")
    golden.same("own-renewed", hand.write_2(b""), bytes_of("own-renewed"))
    link.sock.sendall(link.channel.seal(sealed.RENEWED, bytes_of("own-renewed")))
    fresh = sealed.Channel(hand)
    link.channel.tx, link.channel.sent = fresh.tx, 0
    link.expect("the end of a renewal", sealed.SWITCH, b"")
    link.channel = fresh
    vote = bytes_of("own-frames")
    elect.send(peer_frame(SEND, sealed.identity("n2"), b"\0", vote))
    link.expect("a frame under the new key", sealed.FRAMES, vote)
    link.sock.sendall(link.channel.seal(sealed.FRAMES, vote))
    elect.expect(peer_frame(RECV, sealed.identity("n2"), vote))


def dial(port, name):
    """n2 dials n1; a connection that has shown that its hello was no copy."""
    sock = sealed.dial(port, golden.TIMEOUT)
    part = bytes_of(f"{name}-hello")[: sealed.CLEAR_SIZE]
    dialer = sealed.Dialer(SECRET, PUBLIC, CLUSTER, part, EPHEMERAL, numbers(f"{name}-offer"))
    golden.same(f"{name}-hello", dialer.hello, bytes_of(f"{name}-hello"))
    sock.sendall(dialer.hello)
    reply = sealed.exactly(sock, sealed.REPLY_SIZE)
    golden.same(f"{name}-reply", reply, bytes_of(f"{name}-reply"))
    channel, answer = dialer.finish(reply)
    golden.same(f"{name}-answer", answer, numbers(f"{name}-answer"))
    golden.same(f"{name}-binding", channel.binding, bytes_of(f"{name}-binding"))
    link = Link(sock, channel)
    link.send(f"{name}-record-first", sealed.PEERD)
    return link


def renewal(link, elect):
    """n2 renews the keys of the connection that it dialled."""
    hand = link.channel.renewal(EPHEMERAL)
    link.send("consensus-record-renew", sealed.RENEW, hand.write_1())
    link.expect("consensus-renewed", sealed.RENEWED, bytes_of("consensus-renewed"))
    golden.same("consensus-renewed", hand.read_2(bytes_of("consensus-renewed")), b"")
    fresh = sealed.Channel(hand)
    link.channel.rx, link.channel.received = fresh.rx, 0
    vote = bytes_of("own-frames")
    elect.send(peer_frame(SEND, sealed.identity("n2"), b"\0", vote))
    link.expect("a frame under the new key", sealed.FRAMES, vote)
    link.send("consensus-record-switch", sealed.SWITCH)
    link.channel.tx, link.channel.sent = fresh.tx, 0
    link.send("consensus-record-frames", sealed.FRAMES, vote)
    elect.expect(peer_frame(RECV, sealed.identity("n2"), vote))


def bulk(port, members, elect):
    """A frame that is cut into two records."""
    link = dial(port, "bulk")
    link.expect("peer_members", sealed.PEERD, members)
    chunk = bytes_of("bulk-frames")
    link.send("bulk-record-stream", sealed.STREAM, chunk[:50])
    link.send("bulk-record-rest", sealed.STREAM, chunk[50:])
    elect.expect(peer_frame(RECV, sealed.identity("n2"), chunk))
    return link


def refused(port):
    """A hello for another cluster."""
    sock = sealed.dial(port, golden.TIMEOUT)
    hello = bytearray(bytes_of("consensus-hello"))
    hello[sealed.CLEAR_SIZE - 1] ^= 1
    sock.sendall(hello)
    golden.same("refusal", sealed.ended(sock), bytes_of("refusal"))


def play(run, listen, port):
    config = sealed.config([(n, field("keys", f"{n}_public"), p) for n, p in (("n1", port), ("n2", listen))])
    members = peer_frame(MEMBERS, struct.pack(">Q", 10), config)
    listener = socket.create_server(("127.0.0.1", listen))
    listener.settimeout(golden.TIMEOUT)
    elect = Elect(run, config)
    first = own(listener, members, elect)
    own_renewal(first, elect)
    refused(port)
    chunks = bulk(port, members, elect)
    # The connection that n2 dials takes the place of the one that n1 has dialled.
    second = dial(port, "consensus")
    second.expect("peer_members", sealed.PEERD, members)
    lost = peer_frame(LOST, sealed.identity("n2"))
    elect.expect(lost)
    sealed.ended(first.sock)
    second.send("consensus-record-ping", sealed.PEERD, bytes_of("consensus-ping"))
    second.expect("a pong", sealed.PEERD, sealed.frame(98, bytes_of("consensus-ping")[6:]))
    renewal(second, elect)
    listener.close()
    for link in chunks, second:
        link.sock.shutdown(socket.SHUT_RDWR)
    elect.expect(lost)


if __name__ == "__main__":
    try:
        play(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except (golden.Wrong, EOFError, OSError, ValueError) as wrong:
        sys.exit(f"golden: {wrong}")
