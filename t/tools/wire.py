# SPDX-License-Identifier: ISC
"""Frames of raft-protocol(7) for the suites, made from lib/wire/messages.def and lib/raft/fields.def.

A message is put with put(name, field=value, ...) and got as (name, {field: value}).
Conn speaks over a socket; serve() is one that is connected to.
"""
import errno
import hashlib
import os
import re
import socket
import struct
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def read_list(name):
    with open(os.path.join(HERE, "../../lib", name), encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/", " ", file.read().replace("\\\n", " "), flags=re.S)


def macros(text, prefix, parameters):
    """The bodies of #define PREFIX_name(parameters), by name."""
    return dict(re.findall(rf"#define {prefix}_(\w+)\({parameters}\)(.*)", text))


DEF = read_list("wire/messages.def")
CORE = macros(read_list("raft/fields.def"), "RAFT_FIELDS", "X, F")
CORE = {name: re.sub(r"RAFT_FIELDS_(\w+)\(X, F\)", lambda m: CORE[m[1]], body) for name, body in CORE.items()}
WIRE_OF = macros(DEF, "WIRE_OF", "F, field")


def fields(body):
    """[(type, field)] of the body of a FIELDS_name; those of the core follow its own."""
    of_core = "".join(
        re.sub(r"\bfield\b", field, WIRE_OF[kind])
        for core in re.findall(r"RAFT_FIELDS_(\w+)", body)
        for kind, field in re.findall(r"X\(F, (\w+), (\w+)\)", CORE[core]))
    return re.findall(r"F\((\w+), (\w+)\)", body.split("RAFT_FIELDS")[0] + of_core)


FIELDS = {name: fields(body) for name, body in macros(DEF, "FIELDS", "F").items()}
NUMBERS = {m[2]: int(m[1]) for m in re.finditer(r"M\((\d+), \w+, (\w+)\)", DEF)}
NAMES = {number: name for name, number in NUMBERS.items()}
INTS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "flag": "B"}
BYTES = {"id": 32, "sid": 16, "run": 16, "hash": 32}
CLIENT, ELECTOR, READER, FSM = 1, 2, 3, 4
NOOP, CLIENT_ENTRY, SESSION_OPEN, CURSOR_OPEN, ACK = 0, 2, 3, 7, 8
STAMPED, STAMP_SIZE = 0x80, 44  # bit of the kind; time u64, uid u32, node id


def put_field(kind, value):
    if kind in INTS:
        return struct.pack(">" + INTS[kind], value or 0)
    if kind == "opt":
        return struct.pack(">Q", value) if value else b""
    if kind == "pos":
        return struct.pack(">QQ", *(value or (0, 0)))
    if isinstance(value, str):
        value = value.encode()
    value = value or b""
    if kind in BYTES:
        return value.ljust(BYTES[kind], b"\0")
    return (struct.pack(">H", len(value)) if kind == "text" else b"") + value


def put(name, /, **fields):
    body = b"".join(put_field(kind, fields.pop(field, None)) for kind, field in FIELDS[name])
    assert not fields, f"{name} has no {fields}"
    return struct.pack(">IH", 2 + len(body), NUMBERS[name]) + body


def get_field(kind, body):
    if kind in INTS:
        size = struct.calcsize(INTS[kind])
        return struct.unpack(">" + INTS[kind], body[:size])[0], body[size:]
    if kind == "opt":
        return (struct.unpack(">Q", body[:8])[0], body[8:]) if body else (0, b"")
    if kind == "pos":
        return struct.unpack(">QQ", body[:16]), body[16:]
    if kind in BYTES:
        value = body[: BYTES[kind]]
        return (value.rstrip(b"\0").decode() if kind == "id" else value), body[BYTES[kind] :]
    if kind == "text":
        size = struct.unpack(">H", body[:2])[0]
        return body[2 : 2 + size].decode(), body[2 + size :]
    return body, b""


def get(number, body):
    name, message = NAMES[number], {}
    for kind, field in FIELDS[name]:
        message[field], body = get_field(kind, body)
    assert body == b"", f"{name} has bytes left over"
    return name, message


def entry(serial, data, session=b"", kind=CLIENT_ENTRY, term=0, stamp=b""):
    if isinstance(data, str):
        data = data.encode()
    return struct.pack(">QB16sQI", term, kind | (STAMPED if stamp else 0), session, serial, len(data)) + stamp + data


def named_id(kind, name):
    """Of a session or a cursor of that name."""
    sid = bytearray(hashlib.blake2b(f"raft-tools {kind}\0{name}".encode(), digest_size=16).digest())
    sid[0] |= 0x80
    return bytes(sid)


def stamp(time, node, uid=0xFFFFFFFF):
    return struct.pack(">QI32s", time, uid, node.encode())


def config(*members):
    """Members are (id, role, key, address), sorted by id."""
    out = struct.pack(">I", len(members))
    for name, role, key, address in members:
        out += struct.pack(">32sB32sH", name.encode(), role, key, len(address)) + address.encode()
    return out


class Conn:
    def __init__(self, sock, timeout=10):
        if isinstance(sock, str):
            path, sock = sock, socket.socket(socket.AF_UNIX)
            sock.settimeout(timeout)
            while (error := sock.connect_ex(path)) == errno.EAGAIN:  # its queue is full
                time.sleep(0.01)
            if error:
                raise OSError(error, os.strerror(error), path)
        self.sock = sock
        self.sock.settimeout(timeout)
        self.have = b""

    def send(self, name, /, **fields):
        self.sock.sendall(put(name, **fields))

    def raw(self, data):
        self.sock.sendall(data)

    def hello(self, kind=CLIENT, low=1, high=1):
        self.send("hello", low=low, high=high, kind=kind, program="test")
        return self.expect("hello_reply")

    def recv(self):
        """The next frame; None at the end."""
        while True:
            if len(self.have) >= 4:
                size = 4 + struct.unpack(">I", self.have[:4])[0]
                if len(self.have) >= size:
                    frame, self.have = self.have[:size], self.have[size:]
                    return get(struct.unpack(">H", frame[4:6])[0], frame[6:])
            try:
                got = self.sock.recv(1 << 20)
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            self.have += got

    def expect(self, name):
        got = self.recv()
        assert got is not None, f"the end, not {name}"
        assert got[0] == name, f"{got}, not {name}"
        return got[1]

    def propose(self, request, entries, count=None, **fields):
        entries = [entries] if isinstance(entries, bytes) else entries
        self.send("propose", request=request, count=len(entries) if count is None else count,
                  entries=b"".join(entries), **fields)

    def query(self, what, request=1):
        self.send("query_text", request=request, what=what)
        return self.expect("text_reply")["lines"].decode()

    def close(self):
        self.sock.close()


def listen(path):
    if os.path.exists(path):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen(16)
    return sock


def accept(listener, timeout=10):
    listener.settimeout(timeout)
    return Conn(listener.accept()[0])


def logfmt(text):
    """The keys of the first line."""
    return dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', text.split("\n")[0]))
