# SPDX-License-Identifier: ISC
"""Annotated hexadecimal text (see README), and the fields of the formats, from no source but themselves.

check FILE...             each line's bytes are what its type and value say, and each size is right
cases FILE                "name field=value ..." of each message, for build/t/golden encode
frames FILE               the bytes of each case, one line of hexadecimal each
fields FILE...            name, number and fields of each message, as in the last file that has it
places FILE CASE          offset, type and name of each field of the case
bytes FILE [CASE]         the bytes of the case of that name; of all, one after the other
play RUN FILE [NAME=TEXT] plays a dialogue with the sockets in the run directory; the text is a variable of that name
"""
import json
import os
import re
import socket
import struct
import sys
import time

INTEGERS = {"u8": ">B", "flag": ">B", "u16": ">H", "u32": ">I", "u64": ">Q", "opt": ">Q"}
SIZES = {"id": 32, "sid": 16, "run": 16, "hash": 32, "key": 32}
LINE = re.compile(r"\t(\S+)(?:\s+(\S+)\s+(\S+)(?:\s+(.*))?)?")
HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 30


class Wrong(Exception):
    pass


def difference(found, expected):
    """What is there and what should be: of long ones 16 bytes or characters, from the first that differs."""
    show = lambda part: part[:16].hex() or "nothing" if isinstance(part, bytes) else repr(part)[:80]
    sequences = type(found) is type(expected) and isinstance(found, (bytes, str))
    if not sequences or max(len(found), len(expected)) <= 16:
        return f"{show(found)}, not {show(expected)}"
    at = len(os.path.commonprefix([found, expected]))
    sizes = "" if len(found) == len(expected) else f", with a size of {len(found)}, not {len(expected)}"
    return f"{show(found[at : at + 16])}, not {show(expected[at : at + 16])}, at offset {at}{sizes}"


def same(what, found, expected):
    if found != expected:
        raise Wrong(f"{what} is {difference(found, expected)}")


# What a message or a field ("message.field") is called in lib/wire now, where that is not its name here.
RENAMED = {}

# ------------------------------------------------------------------ one field


def value_of(text):
    """A value without its remark: a number, a pair, a word, or text in quotes, perhaps repeated."""
    return re.match(r'((?:"(?:[^"\\]|\\.)*"(?:\*\d+)?)|[^;\s]+)?\s*(?:;.*)?$', text or "")[1]


def text_of(value):
    quoted, _, times = value.rpartition("*") if not value.endswith('"') else (value, "", "1")
    return (json.loads(quoted) * int(times)).encode()


def encode(kind, value):
    """The bytes of a value; None: only its hexadecimal form says."""
    if value is None:
        return None
    if kind in INTEGERS:
        return struct.pack(INTEGERS[kind], int(value))
    if kind == "pos":
        return struct.pack(">QQ", *map(int, value.split(":")))
    if kind == "id":
        return (b"" if value == "-" else value.encode()).ljust(32, b"\0")
    data = text_of(value)
    if kind == "text":
        return struct.pack(">H", len(data)) + data
    if kind in SIZES:
        return data.ljust(SIZES[kind], b"\0")
    return data  # bytes, rest


class Field:
    """A line: its bytes, or the name and size of what is different each time."""

    def __init__(self, name, kind, value, data=b"", variable=None, place=""):
        self.name, self.kind, self.value, self.place = name, kind, value, place
        self.data, self.variable = data, variable

    @property
    def depth(self):
        return len(self.name) - len(self.name.lstrip("."))

    def size(self, frame=b""):
        """frame: from this field on; it tells the size of a variable text."""
        if not self.variable:
            return len(self.data)
        return self.variable[1] or 2 + int.from_bytes(frame[:2], "big")

    def take(self, token):
        if token == "-":
            return
        if token[0] == "$":
            name, size = token[1:].split("/")
            self.variable = (name, None if size == "text" else int(size))
            return
        byte, _, times = token.partition("*")
        self.data += bytes.fromhex(byte) * int(times or 1)

    def check(self):
        if self.variable:
            return
        if self.kind not in INTEGERS and self.kind not in SIZES and self.kind not in ("pos", "text", "rest", "bytes"):
            raise Wrong(f"{self.place}: {self.kind} is no type")
        expected = encode(self.kind, value_of(self.value))
        if expected is not None and expected != self.data:
            raise Wrong(f"{self.place}: {self.name} {self.kind} {self.value[:40]} is {difference(expected, self.data)}")
        if self.kind in SIZES and len(self.data) != SIZES[self.kind]:
            raise Wrong(f"{self.place}: {self.name}: {len(self.data)} bytes")


# ------------------------------------------------------------------- one file


class Case:
    def __init__(self, header, place):
        self.words, self.place, self.fields = header.split(), place, []

    @property
    def name(self):
        return self.words[0]

    def data(self, variables=None):
        """With the variables put in; a frame_size that is one is the size of what follows it."""
        parts = [variables.get(f.variable[0]) if f.variable else f.data for f in self.fields]
        if parts[0] is None:
            parts[0] = struct.pack(">I", sum(map(len, parts[1:])))
        return b"".join(parts)

    def top(self):
        """The fields of a message, each with what stands below it; without size and number."""
        out = []
        for field in self.fields[2:]:
            if field.depth == 0:
                out.append((field, [field.data]))
            else:
                out[-1][1].append(field.data)
        return [(field, b"".join(data)) for field, data in out]


def read(path):
    cases = []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        line, place = line.rstrip("\n"), f"{path}:{number}"
        if line.startswith("#") or not line.strip():
            continue
        if not line.startswith("\t"):
            cases.append(Case(line, place))
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise Wrong(f"{place}: neither a field nor bytes")
        if match[2]:
            cases[-1].fields.append(Field(match[2], match[3], match[4], place=place))
        cases[-1].fields[-1].take(match[1])
    return cases


def below(fields, at):
    """The size of what stands below a field: the lines after it that are deeper."""
    size = 0
    for field in fields[at + 1 :]:
        if field.depth <= fields[at].depth:
            break
        size += field.size()
    return size


def check_sizes(case):
    """frame_size counts all up to the next frame, X_size the field X and what stands below it.

    X follows it at once, or after a stamp, which is of three fields.  Bit 7 of a size of one byte is not part of it.
    """
    fields = case.fields
    for i, field in enumerate(fields[:-1]):
        word = field.name.lstrip(".")
        sized = next((k for k in range(i + 1, min(i + 5, len(fields))) if fields[k].name + "_size" == field.name), None)
        if field.variable:
            continue
        if word == "frame_size":
            ends = lambda f: f.depth < field.depth or f.name == field.name
            end = next((k for k in range(i + 1, len(fields)) if ends(fields[k])), len(fields))
            size = sum(f.size() for f in fields[i + 1 : end])
        elif sized:
            size = fields[sized].size() + below(fields, sized)
        else:
            continue
        if int(value_of(field.value)) & (0x7F if field.kind == "u8" else -1) != size:
            raise Wrong(f"{field.place}: {field.name} says {field.value}, there are {size} bytes")


def check(path):
    cases = read(path)
    if not cases:
        raise Wrong(f"{path}: holds nothing")
    for case in cases:
        for field in case.fields:
            field.check()
        check_sizes(case)
    return cases


def find(path, name):
    found = [case for case in check(path) if case.name == name]
    if len(found) != 1:
        raise Wrong(f"{path}: {name} is there {len(found)} times")
    return found[0]


def argument(message, field, data):
    """field=value, as build/t/golden takes it."""
    name, value = RENAMED.get(f"{message}.{field.name}", field.name), value_of(field.value)
    if field.kind in INTEGERS or field.kind == "pos":
        return f"{name}={value}"
    if field.kind == "id":
        return f"{name}={'' if value == '-' else value}"
    return f"{name}={data[2:].hex() if field.kind == 'text' else data.hex()}"


# ------------------------------------------------------------------- dialogues


class Talk:
    """Connections by name, and what was different this time."""

    def __init__(self, run):
        self.run, self.listeners, self.conns, self.have, self.variables = run, {}, {}, {}, {}

    def connect(self, name, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT)
        end = time.time() + TIMEOUT
        while (error := sock.connect_ex(os.path.join(self.run, path))) and time.time() < end:
            time.sleep(0.02)
        if error:
            raise Wrong(f"{path}: {os.strerror(error)}")
        self.conns[name], self.have[name] = sock, b""

    def listen(self, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(TIMEOUT)
        sock.bind(os.path.join(self.run, path))
        sock.listen(16)
        self.listeners[path] = sock

    def accept(self, name, path):
        self.conns[name] = self.listeners[path].accept()[0]
        self.conns[name].settimeout(TIMEOUT)
        self.have[name] = b""

    def write(self, source, name, variable):
        """The bytes of a case to the path that a text named."""
        with open(self.variables[variable][2:].decode(), "wb") as out:
            out.write(find(os.path.join(HERE, source), name).data())

    def frame(self, name, place=None):
        """The next frame; what is left when there is none before the end."""
        while True:
            have = self.have[name]
            if len(have) >= 4 and len(have) >= 4 + struct.unpack(">I", have[:4])[0]:
                size = 4 + struct.unpack(">I", have[:4])[0]
                self.have[name] = have[size:]
                return have[:size]
            try:
                got = self.conns[name].recv(1 << 20)
            except ConnectionResetError:
                got = b""
            except TimeoutError:
                raise Wrong(f"{place or name}: nothing came in {TIMEOUT} s")
            if not got:
                return have
            self.have[name] += got

    def match(self, case, frame):
        at, known = 0, dict(self.variables)
        for field in case.fields:
            size = field.size(frame[at:])
            part = frame[at : at + size]
            at += size
            expected = field.data
            if field.name == "frame_size" and field.variable:
                expected = struct.pack(">I", len(frame) - 4)
            elif field.variable:
                expected = part if field.variable[0] == "_" else known.setdefault(field.variable[0], part)
            if part != expected:
                return f"{field.place}: {field.name} is {difference(part, expected)}"
        if at != len(frame):
            return f"{case.place}: {len(frame)} bytes, not {at}: then comes {frame[at : at + 16].hex()}"
        self.variables = known
        return None

    def play(self, case):
        word, rest = case.words[0], case.words[1:]
        if word in ("connect", "listen", "accept", "write"):
            getattr(self, word)(*rest)
        elif word.endswith(">"):
            self.conns[word[:-1]].sendall(case.data(self.variables))
        elif word.endswith("<"):
            frame = self.frame(word[:-1], case.place)
            while (wrong := self.match(case, frame)) and frame and rest[-1] == "later":
                frame = self.frame(word[:-1], case.place)
            if wrong:
                raise Wrong(wrong)
        else:
            raise Wrong(f"{case.place}: {word} is no step")


def play(run, path, *given):
    talk = Talk(run)
    for name, text in (one.split("=", 1) for one in given):
        talk.variables[name] = struct.pack(">H", len(text)) + text.encode()
    for case in check(path):
        talk.play(case)


def main(command, *args):
    if command == "check":
        for path in args:
            check(path)
    elif command == "cases":
        for case in check(args[0]):
            print(RENAMED.get(case.name, case.name), *(argument(case.name, *part) for part in case.top()))
    elif command == "fields":
        first = {case.name: case for path in args for case in reversed(check(path))}
        for case in first.values():
            print(case.name, value_of(case.fields[1].value))
            print("".join(f"  {f.name} {f.kind}\n" for f, _ in case.top()), end="")
    elif command == "frames":
        for case in check(args[0]):
            print(case.data().hex())
    elif command == "places":
        at = 0
        for field in find(*args).fields:
            kind = field.kind if field.kind in INTEGERS or field.kind == "id" else f"{field.size()} bytes"
            print(at, kind, field.name)
            at += field.size()
    elif command == "play":
        play(*args)
    elif command == "bytes":
        for case in [find(*args)] if len(args) > 1 else check(args[0]):
            sys.stdout.buffer.write(case.data())
    else:
        raise Wrong(f"{command}: is no command")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Wrong as wrong:
        sys.exit(f"golden: {wrong}")
