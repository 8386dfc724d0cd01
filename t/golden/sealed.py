# SPDX-License-Identifier: ISC
"""Either end of a connection between two raft-peerd, as raft-protocol(7) describes it: hello, reply, records, renewal."""
import hashlib
import socket
import struct

import noise

PREAMBLE_DIALER, PREAMBLE_ACCEPTOR = b"\0SP\0\0\x50\0\0", b"\0SP\0\0\x51\0\0"
DOMAIN, DOMAIN_RENEWAL = b"raft-tools peer\0", b"raft-tools renewal\0"
CLEAR_SIZE, HELLO_SIZE, REPLY_SIZE = 84, 156, 59
FRAMES, STREAM, PEERD, RENEW, RENEWED, SWITCH = range(1, 7)


def identity(name):
    return name.encode().ljust(32, b"\0")


def clear(dialer, acceptor, cluster, traffic=0, version=2, low=2, high=2):
    """The part of a hello that is not encrypted."""
    head = struct.pack(">QBBBB", HELLO_SIZE - 8, version, low, high, traffic)
    return head + identity(dialer) + identity(acceptor) + cluster[:8]


class Channel:
    """The keys of a connection; each direction counts its records."""

    def __init__(self, hand):
        there, back = hand.split()
        self.tx, self.rx = (there, back) if hand.leads else (back, there)
        self.sent = self.received = 0
        self.binding, self.hand = hand.h, hand

    def seal(self, kind, plain=b""):
        head = struct.pack(">I", kind << 24 | len(plain))
        self.sent += 1
        return head + noise.encrypt(self.tx, self.sent - 1, head, plain)

    def open(self, record):
        """Its kind and its plain bytes; ValueError: not the next of this channel."""
        plain = noise.decrypt(self.rx, self.received, record[:4], record[4:])
        self.received += 1
        return record[0], plain

    def renewal(self, ephemeral):
        """The handshake of a renewal, of the side that this one is."""
        sides = (self.hand.secret, None), (None, self.hand.peer)
        initiator, responder = sides if self.hand.leads else sides[::-1]
        return noise.Handshake(DOMAIN_RENEWAL + self.binding, initiator, responder, ephemeral)


class Dialer:
    """Makes a hello, whose clear part may be anything, and reads the reply."""

    def __init__(self, secret, public, cluster, part, ephemeral, offer):
        self.hand = noise.Handshake(DOMAIN + cluster + part, (secret, None), (None, public), ephemeral)
        self.hello = part + self.hand.write_1(struct.pack(">QQQ", *offer))

    def finish(self, reply):
        """The channel, and what message 2 holds: version and start number."""
        answer = struct.unpack(">BQ", self.hand.read_2(reply[2:]))
        return Channel(self.hand), answer


def accept(secret, public, cluster, hello, ephemeral, answer):
    """The reply, the channel, and what message 1 holds: start number, id, id seen."""
    hand = noise.Handshake(DOMAIN + cluster + hello[:CLEAR_SIZE], (None, public), (secret, None), ephemeral)
    offer = struct.unpack(">QQQ", hand.read_1(hello[CLEAR_SIZE:]))
    reply = struct.pack(">BB", answer[0], 0) + hand.write_2(struct.pack(">BQ", *answer))
    return reply, Channel(hand), offer


def exactly(sock, size):
    data = b""
    while len(data) < size:
        got = sock.recv(size - len(data))
        if not got:
            raise EOFError(f"the connection ended after {len(data)} of {size} bytes")
        data += got
    return data


def read_record(sock):
    head = exactly(sock, 4)
    return head + exactly(sock, (struct.unpack(">I", head)[0] & 0xFFFFFF) + 16)


def ended(sock):
    """Waits until the other side has closed the connection; the bytes that came before."""
    data = b""
    try:
        while got := sock.recv(1 << 16):
            data += got
    except (ConnectionResetError, BrokenPipeError):
        pass
    return data


def frame(message, body):
    return struct.pack(">IH", 2 + len(body), message) + body


def number(data):
    return struct.unpack(">H", data[4:6])[0]


def frames(data):
    out = []
    while data:
        size = 4 + struct.unpack(">I", data[:4])[0]
        out.append(data[:size])
        data = data[size:]
    return out


def config(members):
    """A configuration of voters: (id, public key, port)."""
    out = struct.pack(">I", len(members))
    for name, public, port in members:
        address = b"tcp://127.0.0.1:%d" % port
        out += identity(name) + b"\1" + public + struct.pack(">H", len(address)) + address
    return out


def cluster_id(name, members):
    """members: (id, public key), voters."""
    data = b"raft-tools cluster\0" + struct.pack(">I", len(name)) + name.encode()
    for member, public in sorted(members):
        data += identity(member) + public + b"\1"
    return hashlib.blake2b(data, digest_size=32).digest()


def dial(port, timeout):
    """A connection on which both preambles have been exchanged."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    sock.sendall(PREAMBLE_DIALER)
    found = exactly(sock, 8)
    if found != PREAMBLE_ACCEPTOR:
        raise ValueError(f"the preamble is {found.hex()}")
    return sock
