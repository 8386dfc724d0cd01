# SPDX-License-Identifier: ISC
"""Writes annotated hexadecimal text (see README).  Only for whoever adds a format: no test runs it.

The names and types of a message's fields come from messages-*.txt, the first case of each in the last file that has
it.
"""
import json
import os
import struct

import golden

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ["noop", "config", "client", "session_open", "session_drop", "level", "contract", "cursor_open", "ack"]
STAMPED = 0x80  # bit of the kind
CURSOR = 0x80  # bit of the size of a session's name


def messages(files=("messages-1.txt", "messages-2.txt", "messages-3.txt")):
    """name: (number, [(field, type)])"""
    table = {}
    for path in (os.path.join(HERE, name) for name in files):
        for case in reversed(golden.read(path) if os.path.exists(path) else []):
            fields = [(f.name, f.kind) for f, _ in case.top()]
            table[case.name] = (int(case.fields[1].value.split()[0]), fields)
    return table


class Cut:
    """Bytes from which fields are taken off the front; makes the lines on the way."""

    def __init__(self, data, depth=0):
        self.data, self.depth, self.lines = data, depth, []

    def take(self, size):
        assert size <= len(self.data), "cut short"
        part, self.data = self.data[:size], self.data[size:]
        return part

    def line(self, name, kind, part, remark="", variable=None):
        self.lines.append(line("." * self.depth + name, kind, part, remark, variable))

    def field(self, name, kind, remark="", size=None, variable=None):
        """Returns its value as a number, or its bytes."""
        if kind in golden.INTEGERS:
            size = struct.calcsize(golden.INTEGERS[kind])
        elif kind == "pos":
            size = 16
        elif kind == "text":
            size = 2 + struct.unpack(">H", self.data[:2])[0]
        elif kind in golden.SIZES:
            size = golden.SIZES[kind]
        part = self.take(len(self.data) if size is None else size)
        self.line(name, kind, part, remark, variable)
        return struct.unpack(golden.INTEGERS[kind], part)[0] if kind in golden.INTEGERS else part

    def inside(self, name, kind, size, shape, remark=""):
        """A field that is made of others."""
        self.line(name, kind, b"", remark)
        inner = Cut(self.take(size), self.depth + 1)
        shape(inner)
        assert inner.data == b"", f"{name}: bytes left over"
        self.lines += inner.lines


def value(kind, part):
    if kind in golden.INTEGERS:
        return str(struct.unpack(golden.INTEGERS[kind], part)[0])
    if kind == "pos":
        return "%d:%d" % struct.unpack(">QQ", part)
    if kind == "id":
        return part.rstrip(b"\0").decode() or "-"
    if kind in ("hash", "key", "sid", "run"):
        return ""
    data = part[2:] if kind == "text" else part
    if len(data) > 1000 and data == data[:1] * len(data) and data[0] < 127:
        return f"{json.dumps(data[:1].decode())}*{len(data)}"
    text = data.decode("latin-1")
    return json.dumps(text) if data and all(32 <= ord(c) < 127 or c == "\n" for c in text) else ""


def tokens(kind, part):
    if not part:
        return ["-"]
    if kind == "text" and len(part) > 1000:
        return [part[:2].hex(), f"{part[2]:02x}*{len(part) - 2}"]
    if len(part) > 1000 and part == part[:1] * len(part):
        return [f"{part[0]:02x}*{len(part)}"]
    return [part[i : i + 16].hex() for i in range(0, len(part), 16)]


def line(name, kind, part, remark="", variable=None):
    size = "text" if kind == "text" else len(part)
    first, *others = [f"${variable}/{size}"] if variable else tokens(kind, part)
    shown = "" if variable else value(kind, part)
    says = " ".join(x for x in (shown, f"; {remark}" if remark else "") if x)
    text = f"\t{first:32}  {name:18} {kind:6} {says}".rstrip()
    return "\n".join([text] + [f"\t{t}" for t in others])


# ------------------------------------------------------- what a rest is made of


def entries(cut):
    while cut.data:
        cut.field("term", "u64")
        kind, stamped = cut.data[0] & ~STAMPED, cut.data[0] & STAMPED
        cut.field("kind", "u8", KINDS[kind] + (", with a stamp" if stamped else ""))
        cut.field("session", "sid")
        cut.field("serial", "u64")
        size = cut.field("data_size", "u32")
        if stamped:
            cut.field("time", "u64")
            cut.field("uid", "u32", "not known" if cut.data[:4] == b"\xff" * 4 else "")
            cut.field("node", "id")
        if kind == 1:
            cut.inside("data", "bytes", size, config)
        elif kind in (3, 7):
            cut.inside("data", "bytes", size, opening)
        elif kind == 5:
            cut.inside("data", "bytes", size, lambda inner: inner.field("level", "u64"))
        elif kind == 8:
            cut.inside("data", "bytes", size, lambda inner: inner.field("position", "u64"))
        else:
            cut.field("data", "bytes", size=size)


def opening(cut):
    cut.field("run", "run")
    cut.field("replaces", "u64", "the epoch; 0: none")
    cut.field("name", "bytes")


def config(cut):
    for _ in range(cut.field("members_count", "u32")):
        cut.field("id", "id")
        role = cut.field("role", "u8", {1: "voter", 2: "learner"}.get(cut.data[0], "and two keys"))
        cut.field("key", "key")
        if role & 0x80:
            cut.field("key_next", "key")
        cut.field("address", "text")
    if cut.data:
        for _ in range(cut.field("removed_count", "u32")):
            cut.field("removed", "id")


def session(cut):
    cut.field("session", "sid")
    cut.field("serial", "u64")
    cut.field("last_index", "u64")
    cut.field("epoch", "u64")
    cut.field("run", "run")
    cut.field("digest", "hash")
    size = cut.data[0]
    cut.field("name_size", "u8", f"{size & ~CURSOR}, of a cursor" if size & CURSOR else "")
    cut.field("name", "bytes", size=size & ~CURSOR)
    if size & CURSOR:
        cut.field("position", "u64")


def sessions(cut):
    while cut.data:
        session(cut)


def terms(cut):
    while cut.data:
        cut.field("index", "u64")
        cut.field("term", "u64")


def configs(cut):
    while cut.data:
        cut.field("index", "u64")
        cut.inside("config", "bytes", cut.field("config_size", "u32"), config)


def level(cut):
    cut.field("level", "u64")
    cut.field("time", "u64")


def ready(config_size):
    def shape(cut):
        cut.inside("config", "bytes", config_size, config)
        cut.inside("sessions", "bytes", len(cut.data), sessions)
    return shape


def snapshot_head(cut):
    cut.field("magic", "bytes", size=8)
    cut.field("version", "u32")
    cut.field("size", "u32", "of this head")
    cut.field("index", "u64", "of the last entry that the snapshot stands for")
    cut.field("term", "u64", "of that entry")
    cut.field("chain", "hash", "at that entry")
    cut.field("cluster", "hash", "cluster id")
    cut.field("name", "text", "of the cluster")
    cut.field("format", "text", "of the file; empty: no file")
    state_size = cut.field("state_size", "u64", "of the file, which follows the head")
    cut.field("state_hash", "hash", "BLAKE2b-256 of the file")
    cut.inside("config", "bytes", cut.field("config_size", "u32"), config, "the configuration at that index")
    cut.inside("sessions", "bytes", cut.field("sessions_size", "u32"), sessions, "the session table at that index")
    size = cut.field("further_size", "u32")
    if size:
        cut.inside("further", "bytes", size, level)
    else:
        cut.field("further", "bytes", size=0)
    cut.field("sum", "hash", "BLAKE2b-256 of the head before")
    return state_size


def shape_of(message, field, values):
    """What a rest holds; None: bytes without a form of their own."""
    if field == "entries":
        return entries
    if field == "config":
        return config
    if field == "frame":
        return frame
    if (message, field) == ("log_part", "records"):
        return {1: terms, 2: configs, 3: sessions, 4: entries, 5: level}.get(values["what"])
    if (message, field) == ("snap_ready", "records"):
        return ready(values["config_size"])
    return None


def frame(cut, variables=(), remarks=()):
    """variables: fields that are different each time."""
    table = {number: (name, fields) for name, (number, fields) in messages().items()}
    cut.field("frame_size", "u32")
    name, fields = table[struct.unpack(">H", cut.data[:2])[0]]
    cut.field("number", "u16", name)
    values = {}
    for field, kind in fields:
        if kind == "opt" and not cut.data:
            continue
        remark = dict(remarks).get(field, "")
        shape = shape_of(name, field, values) if cut.data else None
        if shape:
            cut.inside(field, kind, len(cut.data), shape, remark)
        else:
            values[field] = cut.field(field, kind, remark, variable=dict(variables).get(field))
    return name


def case(header, data, shape=frame, **more):
    cut = Cut(data)
    shape(cut, **more)
    assert cut.data == b"", "bytes left over"
    return "\n".join([header] + cut.lines) + "\n"


# ------------------------------------------------------------- dialogues


class Recorder(golden.Talk):
    """Plays a dialogue that exists only as calls, and writes it down."""

    def __init__(self, run, title):
        super().__init__(run)
        self.text = ["".join(f"# {line}\n" for line in title.strip().split("\n"))]

    def step(self, *words):
        getattr(self, words[0])(*words[1:])
        self.text.append(" ".join(words) + "\n")

    def send(self, conn, name, /, **fields):
        """A value is text as in the files, bytes, or "$variable"."""
        number, types = messages()[name]
        parts, variables = [], {}
        for field, kind in types:
            given = fields.pop(field)
            if isinstance(given, str) and given.startswith("$"):
                variables[field] = given[1:]
                parts.append(self.variables[given[1:]])
            else:
                parts.append(given if isinstance(given, bytes) else golden.encode(kind, str(given)))
        assert not fields, fields
        body = struct.pack(">H", number) + b"".join(parts)
        self.conns[conn].sendall(struct.pack(">I", len(body)) + body)
        self.note(f"{conn}> {name}", struct.pack(">I", len(body)) + body, variables)

    def receive(self, conn, name, /, **variables):
        """variables: field="name" of what is different each time."""
        data = self.frame(conn)
        cut = Cut(data)
        got = frame(cut)
        assert got == name, f"{got}, not {name}"
        for field, text in zip(messages()[name][1], self.fields_of(name, data)):
            if field[0] in variables:
                self.variables.setdefault(variables[field[0]], text)
        self.note(f"{conn}< {name}", data, variables)
        return dict(zip([f for f, _ in messages()[name][1]], self.fields_of(name, data)))

    def ended(self, conn):
        assert self.frame(conn) == b""
        self.text.append(f"{conn}< end\n")

    def fields_of(self, name, data):
        cut, out = Cut(data[6:]), []
        for field, kind in messages()[name][1]:
            before = cut.data
            if kind != "opt" or before:
                cut.field(field, kind)
            out.append(before[: len(before) - len(cut.data)])
        return out

    def note(self, header, data, variables):
        text = case(header, data, variables=variables)
        if any("/text" in t for t in text.split("\n")):
            text = text.replace(text.split("\n")[1], line("frame_size", "u32", b"....", variable="size"))
        self.text.append(text)

    def save(self, path):
        with open(path, "w") as out:
            out.write("\n".join(self.text))
