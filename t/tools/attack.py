# SPDX-License-Identifier: ISC
"""Attacks on the raft-peerd of n1, by a program that also plays its raft-elect and the honest node n2.

attack.py FOLDER PORT ATTACK: FOLDER has the nodes of a cluster made by raft-init; n1 listens on PORT; n2 does on PORT + 1,
and on PORT + 3 after it has moved.  Each attack ends with a check that n1 and n2 still talk.
"""
import base64
import contextlib
import os
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "golden"))
import noise  # noqa: E402
import sealed  # noqa: E402

TIMEOUT = 30
RECV, LOST, SEND, CONFIG, PING, PONG, VOTE = 66, 67, 65, 64, 97, 98, 80
N1, N2 = sealed.identity("n1"), sealed.identity("n2")


class Wrong(Exception):
    pass


def same(what, found, expected):
    if found != expected:
        raise Wrong(f"{what} is {found!r:.200}, not {expected!r:.200}")


def vote(term):
    return sealed.frame(VOTE, struct.pack(">QBBQQ", term, 0, 0, 0, 0))


def flipped(data, at):
    """One bit of that byte is another."""
    return data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


class Local:
    """A connection to the socket of n1 in the run directory."""

    def __init__(self, run, kind):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(os.path.join(run, "peer"))
        self.send(sealed.frame(1, struct.pack(">HHBH", 1, 1, kind, 6) + b"attack"))
        self.frame()

    def send(self, data):
        self.sock.sendall(data)

    def frame(self):
        size = sealed.exactly(self.sock, 4)
        return size + sealed.exactly(self.sock, struct.unpack(">I", size)[0])


class World:
    def __init__(self, folder, port):
        self.folder, self.port, self.run, self.terms = folder, port, os.path.join(folder, "n1", "run"), 0
        names = ["n1", "n2", "n3"]
        self.secrets = {n: base64.b64decode(open(os.path.join(folder, n, f"{n}.key")).read()) for n in names}
        self.publics = {n: noise.x25519(self.secrets[n]) for n in names}
        self.cluster = sealed.cluster_id("demo", list(self.publics.items()))
        self.listeners = {p: socket.create_server(("127.0.0.1", p)) for p in (port + 1, port + 3)}
        for listener in self.listeners.values():
            listener.settimeout(TIMEOUT)
        self.elect, self.index, self.seen = Local(self.run, 2), 0, 0

    def announce(self, at=None, key=None, peer="n2"):
        """The configuration to n1: n2 is at that port; None: at one where no program listens."""
        members = [("n1", self.publics["n1"], self.port), (peer, key or self.publics["n2"], at or self.port + 4)]
        data = sealed.config(members)
        self.index += 1
        self.elect.send(sealed.frame(CONFIG, self.cluster + struct.pack(">Q", self.index) + data))
        self.status()

    def status(self):
        """Also shows that n1 has read what raft-elect sent before."""
        client = Local(self.run, 1)
        client.send(sealed.frame(4, struct.pack(">QH", 1, 6) + b"status"))
        return client.frame().decode("latin-1")

    def refusals(self):
        return int(self.status().split(" refusals=")[1].split()[0])

    def dialer(self, traffic=0, secret="n2", **clear):
        part = sealed.clear(clear.pop("dialer", "n2"), clear.pop("acceptor", "n1"),
                            clear.pop("cluster", self.cluster), traffic, **clear)
        self.seen, before = int.from_bytes(os.urandom(8), "big"), self.seen
        return sealed.Dialer(self.secrets[secret], self.publics["n1"], self.cluster, part,
                             os.urandom(32), (7, self.seen, before))

    def connect(self):
        return sealed.dial(self.port, TIMEOUT)

    def live(self, instead_of=None):
        """A connection that n2 has dialled, and that works; it takes the place of that one."""
        sock, dialer = self.connect(), self.dialer()
        sock.sendall(dialer.hello)
        channel, _ = dialer.finish(sealed.exactly(sock, sealed.REPLY_SIZE))
        link = Link(self, sock, channel, dialer.hello)
        link.send(sealed.PEERD)
        if instead_of:
            closes(instead_of, "the older connection")
        link.check()
        return link

    def accept(self, port):
        """A connection that n1 has dialled, and its hello."""
        sock = self.listeners[port].accept()[0]
        sock.settimeout(TIMEOUT)
        same("the preamble", sealed.exactly(sock, 8), sealed.PREAMBLE_DIALER)
        return sock, sealed.exactly(sock, sealed.HELLO_SIZE)

    def forget(self, port):
        """Closes what n1 dialled there before n2 moved away: n1 has given it up."""
        listener = self.listeners[port]
        listener.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                listener.accept()[0].close()
        listener.settimeout(TIMEOUT)

    def reply(self, hello):
        return sealed.accept(self.secrets["n2"], self.publics["n1"], self.cluster, hello, os.urandom(32), (2, 7))

    def answer(self, sock, hello):
        """The honest node n2 does; the connection works."""
        reply, channel, _ = self.reply(hello)
        sock.sendall(sealed.PREAMBLE_ACCEPTOR + reply)
        link = Link(self, sock, channel, hello)
        same("the first record", link.receive(), (sealed.PEERD, b""))
        link.check()
        return link

    def next(self):
        self.terms += 1
        return vote(self.terms)

    def lost(self):
        same("what raft-elect reads", self.elect.frame(), sealed.frame(LOST, N2))


class Link:
    """An authenticated connection between n1 and n2."""

    def __init__(self, world, sock, channel, hello):
        self.world, self.sock, self.channel, self.hello = world, sock, channel, hello
        self.sent = []

    def send(self, kind, plain=b""):
        self.sent.append(self.channel.seal(kind, plain))
        self.sock.sendall(self.sent[-1])

    def receive(self):
        """The next record; pings are answered, and members lists left out."""
        while True:
            kind, plain = self.channel.open(sealed.read_record(self.sock))
            number = sealed.number(plain) if plain else 0
            if number == PING:
                self.send(sealed.PEERD, sealed.frame(PONG, plain[6:]))
            elif number != 99:
                return kind, plain

    def check(self):
        """A frame each way, and nothing else: no connection was lost meanwhile, and no frame came from elsewhere."""
        frame = self.world.next()
        self.send(sealed.FRAMES, frame)
        same("what raft-elect reads", self.world.elect.frame(), sealed.frame(RECV, N2 + frame))
        self.world.elect.send(sealed.frame(SEND, N2 + b"\0" + frame))
        same("what n2 receives", self.receive(), (sealed.FRAMES, frame))


def ends(sock):
    """n1 closes the connection; what came before that."""
    try:
        return sealed.ended(sock)
    except TimeoutError:
        raise Wrong("n1 has not closed the connection")


def closes(link, what):
    """n1 closes an authenticated connection, and raft-elect is notified of that and of nothing else."""
    try:
        ends(link.sock)
        link.world.lost()
    except Wrong as wrong:
        raise Wrong(f"{what}: {wrong}")


# ------------------------------------------------------------ hellos


def refused(world, data):
    """n1 closes the connection, perhaps after a refusal, whose reason is returned."""
    with socket.create_connection(("127.0.0.1", world.port), timeout=TIMEOUT) as sock:
        sock.sendall(data)
        answer = ends(sock)
    same("the preamble", answer[:8], sealed.PREAMBLE_ACCEPTOR)
    if len(answer) > 8:
        same("the size of a refusal", len(answer), 8 + sealed.REPLY_SIZE)
        same("a refusal", (answer[8], answer[10:]), (0, bytes(57)))
    return answer[9] if len(answer) > 8 else None


def altered_hello(world):
    world.announce()
    link, before = world.live(), world.refusals()
    data = sealed.PREAMBLE_DIALER + world.dialer().hello
    for at in range(len(data)):
        refused(world, flipped(data, at))
        if at % 8 == 0:
            link.check()
    same("the number of refusals", world.refusals() - before, len(data))
    link.check()


def cut_hello(world):
    world.announce()
    link = world.live()
    data = sealed.PREAMBLE_DIALER + world.dialer().hello
    for size in range(len(data)):
        with socket.create_connection(("127.0.0.1", world.port), timeout=TIMEOUT) as sock:
            sock.sendall(data[:size])
            sock.shutdown(socket.SHUT_WR)
            same("what n1 sends", ends(sock)[8:].strip(b"\0"), b"")
    link.check()


def foreign_hello(world):
    """Everything that must be equal on both sides is another; the reasons of raft-protocol(7)."""
    world.announce()
    link = world.live()
    cases = [
        (1, dict(low=1, high=1)), (1, dict(low=3, high=9)), (1, dict(version=1)),
        (2, dict(acceptor="n3")), (3, dict(cluster=bytes(32))), (4, dict(dialer="n9")),
        (5, dict(secret="n3")), (5, dict(dialer="n2", secret="n1")), (6, dict(dialer="n1", acceptor="n2")),
        (0, dict(traffic=2)), (0, dict(dialer="..//")), (0, dict(acceptor="")),
    ]
    for reason, change in cases:
        hello = world.dialer(**change).hello
        same(f"the reason for {change}", refused(world, sealed.PREAMBLE_DIALER + hello), reason)
    link.check()


def replayed_hello(world):
    """A copy gets an answer, because nothing shows that it is one; it displaces nothing."""
    world.announce()
    first = world.live()
    link = world.live(first)
    for hello, records in ((link.hello, link.sent), (first.hello, first.sent)):
        copies = [world.connect() for _ in range(4)]
        for sock in copies:
            sock.sendall(hello)
            same("the version of the reply", sealed.exactly(sock, sealed.REPLY_SIZE)[0], 2)
            link.check()
        # Its records are copies, too, and are of another key; others are made up.
        for sock, first in zip(copies, (b"".join(records), b"\3\0\0\0" + bytes(16), b"\1\0\0\x20" + bytes(48))):
            sock.sendall(first)
            same("what n1 sends", ends(sock), b"")
            link.check()
        # One ends before its first record.
        copies[3].close()
        link.check()


def replayed_flood(world):
    """Forty copies that wait for nothing after their answer, and an honest dialer."""
    world.announce()
    link = world.live()
    copies = [world.connect() for _ in range(40)]
    for sock in copies:
        with contextlib.suppress(OSError):
            sock.sendall(link.hello)
    link.check()
    link = world.live(link)
    end = time.monotonic() + TIMEOUT
    while copies:
        copies = [sock for sock in copies if goes(sock, b"")]
        link.check()
        if time.monotonic() > end:
            raise Wrong("a copy of a hello is open still")
        time.sleep(0.1)


def replayed_in_dial(world):
    """n1 dials n2, which has not answered yet, when a copy of a hello of n2 comes."""
    world.announce()
    old = world.live()
    old.sock.close()
    world.lost()
    world.announce(world.port + 1)
    sock, hello = world.accept(world.port + 1)
    copies = [world.connect() for _ in range(4)]
    for copy in copies:
        copy.sendall(old.hello)
        same("the version of the reply", sealed.exactly(copy, sealed.REPLY_SIZE)[0], 2)
    copies[0].sendall(b"".join(old.sent))
    ends(copies[0])
    copies[1].close()
    # Its own hello comes back to it.
    mirror = world.connect()
    mirror.sendall(hello)
    same("a refusal of its own hello", ends(mirror)[:2], b"\0\6")
    link = world.answer(sock, hello)
    link.check()


def slow(world):
    """Forty dialers that send a byte per second, and an honest one."""
    world.announce()
    link = world.live()
    data = sealed.PREAMBLE_DIALER + world.dialer().hello
    socks = [socket.create_connection(("127.0.0.1", world.port), timeout=TIMEOUT) for _ in range(40)]
    for at in range(len(data)):
        socks = [sock for sock in socks if goes(sock, data[at : at + 1])]
        if not socks:
            break
        link.check()
        time.sleep(1)
    else:
        raise Wrong("a hello of a byte per second was received to its end")
    world.live(link)


def goes(sock, data):
    """The bytes can be sent and the connection has not been closed."""
    try:
        sock.sendall(data)
        sock.setblocking(False)
        return len(sock.recv(8 + sealed.REPLY_SIZE)) > 0
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        sock.setblocking(True)


# ------------------------------------------------------------ acceptors


def moved(world):
    """Ports, one after the other: n1 dials a peer that has moved at once."""
    at = 0
    while True:
        port = world.port + (1, 3)[at % 2]
        world.forget(port)
        world.announce(port)
        yield port
        at += 1


def garbage(world):
    zeros = bytes(sealed.REPLY_SIZE - 2)
    answers = [b"", b"\0", b"HTTP/1.1 400 Bad Request\r\n\r\n", sealed.PREAMBLE_DIALER, sealed.PREAMBLE_ACCEPTOR,
               bytes(1000), os.urandom(1000), sealed.PREAMBLE_ACCEPTOR + b"\2\0" + os.urandom(57),
               sealed.PREAMBLE_ACCEPTOR + b"\2\0" + zeros]
    answers += [sealed.PREAMBLE_ACCEPTOR + bytes([0, reason]) + zeros for reason in (*range(8), 255)]
    ports = moved(world)
    for answer in answers:
        sock, _ = world.accept(next(ports))
        sock.sendall(answer)
        # One that n1 has closed by now cannot be shut down.
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        ends(sock)
    # One that does not answer at all.
    port = next(ports)
    sock, _ = world.accept(port)
    ends(sock)
    world.answer(*world.accept(port))


def slow_acceptor(world):
    """A right reply, a byte per second."""
    port = world.port + 1
    world.announce(port)
    sock, hello = world.accept(port)
    for byte in sealed.PREAMBLE_ACCEPTOR + world.reply(hello)[0]:
        if not goes(sock, bytes([byte])):
            break
        time.sleep(1)
    else:
        raise Wrong("a reply of a byte per second was received to its end")
    world.answer(*world.accept(port))


def altered_reply(world):
    ports = moved(world)
    for at in range(8 + sealed.REPLY_SIZE):
        sock, hello = world.accept(next(ports))
        reply = sealed.PREAMBLE_ACCEPTOR + world.reply(hello)[0]
        sock.sendall(flipped(reply, at))
        same("what n1 sends", ends(sock), b"")
    world.answer(*world.accept(next(ports)))


def replayed_reply(world):
    """The reply to another hello of n1."""
    ports = moved(world)
    sock, hello = world.accept(next(ports))
    old = world.reply(hello)[0]
    for _ in range(3):
        sock, hello = world.accept(next(ports))
        sock.sendall(sealed.PREAMBLE_ACCEPTOR + old)
        same("what n1 sends", ends(sock), b"")
    world.answer(*world.accept(next(ports)))


# ------------------------------------------------------------ records


def altered_records(world):
    world.announce()
    size = len(vote(0)) + 20
    for at in range(size):
        link = world.live()
        record = flipped(link.channel.seal(sealed.FRAMES, world.next()), at)
        # Where the size is larger now, what follows is a part of it.
        link.sock.sendall(record + bytes(1 << 16 if 1 <= at <= 3 else 0))
        closes(link, f"byte {at} of a record")
    world.live()


def wrong_order(world):
    world.announce()
    link = world.live()
    link.sock.sendall(link.sent[-1])
    closes(link, "a record twice")
    link = world.live()
    link.channel.seal(sealed.FRAMES, vote(1))
    link.send(sealed.FRAMES, vote(2))
    closes(link, "a record after one that is missing")
    link = world.live()
    link.world.elect.send(sealed.frame(SEND, N2 + b"\0" + vote(3)))
    link.sock.sendall(sealed.read_record(link.sock))
    closes(link, "a record of n1 that comes back")
    link = world.live()
    other = world.live(link)
    other.sock.sendall(link.sent[-1])
    closes(other, "a record of another connection")
    world.live()


def sealed_rubbish(world):
    """Of a peer that has its key."""
    world.announce()
    ping = sealed.frame(PING, bytes(8))
    cases = [(kind, b"") for kind in (0, 7, 128, 255)]
    cases += [(sealed.FRAMES, ping), (sealed.STREAM, ping), (sealed.PEERD, vote(1)), (sealed.PEERD, ping + b"\0"),
              (sealed.FRAMES, vote(1)[:-1]), (sealed.PEERD, ping[:-1]), (sealed.PEERD, sealed.frame(PING, b"")),
              (sealed.PEERD, sealed.frame(96, bytes(8))), (sealed.PEERD, sealed.frame(99, bytes(9))),
              (sealed.FRAMES, bytes(4)), (sealed.STREAM, b"\0\0\0\1"), (sealed.STREAM, b"\xff\xff\xff\xff"),
              (sealed.STREAM, struct.pack(">I", 18 << 20)), (sealed.RENEW, bytes(48)), (sealed.RENEW, b""),
              (sealed.RENEWED, bytes(48)), (sealed.RENEWED, b""), (sealed.SWITCH, b""), (sealed.SWITCH, b"x")]
    for kind, plain in cases:
        link = world.live()
        link.send(kind, plain)
        closes(link, f"kind {kind}, {plain.hex()}")
    world.live()


def wrong_addresses(world):
    """In a members list that is newer than that of n1, of a peer that has its key."""
    world.announce()
    addresses = [b"x", b"tcp://", b"tcp://[", b"tcp://[]:1", b"tcp://:", b"udp://host:1", b"tcp://h", b"tcp://" + b"h" * 200,
                 b"tcp://%s:1", b"tcp://127.0.0.1:99999"]
    for number, address in enumerate(addresses):
        link = world.live()
        data = sealed.config([("n1", world.publics["n1"], world.port), ("n2", world.publics["n2"], 1)])
        data = data[: data.rindex(b"tcp://") - 2] + struct.pack(">H", len(address)) + address
        link.send(sealed.PEERD, sealed.frame(99, struct.pack(">Q", 1000 + number) + data))
        closes(link, f"the address {address}")
    world.live()


def renewals(world):
    """A renewal that is not the next step of one."""
    world.announce()
    for second in (sealed.RENEW, sealed.RENEWED):
        link = world.live()
        hand = link.channel.renewal(os.urandom(32))
        message = hand.write_1()
        link.send(sealed.RENEW, message)
        link.send(second, message)
        closes(link, f"kind {second} after kind {sealed.RENEW}")
    # A record under the new key before the end of the renewal; one under the old key after it.
    for early in (True, False):
        link = world.live()
        hand = link.channel.renewal(os.urandom(32))
        link.send(sealed.RENEW, hand.write_1())
        hand.read_2(link.receive()[1])
        fresh = sealed.Channel(hand)
        if not early:
            link.send(sealed.SWITCH)
        record = (fresh if early else link.channel).seal(sealed.FRAMES, vote(9))
        link.sock.sendall(record)
        closes(link, "a record under the wrong key")
    world.live()


def unproven(world):
    """A connection on which n2 has not shown its key yet."""
    sock, dialer = world.connect(), world.dialer()
    sock.sendall(dialer.hello)
    return sock, dialer.finish(sealed.exactly(sock, sealed.REPLY_SIZE))[0]


def late_proof(world):
    """n2 leaves the configuration, or has another key, between its hello and its first record."""
    for change in (dict(peer="n3"), dict(key=world.publics["n3"])):
        world.announce()
        links = [unproven(world), unproven(world)]
        world.announce(**change)
        links[0][0].close()
        sock, channel = links[1]
        with contextlib.suppress(OSError):
            sock.sendall(channel.seal(sealed.PEERD) + channel.seal(sealed.FRAMES, vote(1)))
        same("what n1 sends", ends(sock), b"")
    world.announce()
    world.live()


def first_record(world):
    """The first record of a dialer is empty, and shows that it has its key."""
    world.announce()
    link = world.live()
    for kind, plain in ((sealed.FRAMES, vote(1)), (sealed.PEERD, bytes(100)), (sealed.STREAM, bytes(1 << 16))):
        sock, dialer = world.connect(), world.dialer()
        sock.sendall(dialer.hello)
        channel, _ = dialer.finish(sealed.exactly(sock, sealed.REPLY_SIZE))
        sock.sendall(channel.seal(kind, plain))
        same("what n1 sends", ends(sock), b"")
        link.check()


ATTACKS = [altered_hello, cut_hello, foreign_hello, replayed_hello, replayed_flood, replayed_in_dial, slow, garbage,
           slow_acceptor, altered_reply, replayed_reply, altered_records, wrong_order, sealed_rubbish, wrong_addresses,
           renewals, late_proof, first_record]


def main(folder, port, name):
    attack = {a.__name__: a for a in ATTACKS}[name.replace("-", "_")]
    attack(World(folder, int(port)))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Wrong, EOFError, TimeoutError, OSError) as wrong:
        sys.exit(f"attack: {type(wrong).__name__}: {wrong} (line {wrong.__traceback__.tb_next.tb_next.tb_lineno})")
