# SPDX-License-Identifier: ISC
"""Snapshots of raft-logd, for the suites: snapshot.py COMMAND SOCKET ...

add SOCKET INDEX FILE [FORMAT]   as raft-fsm would: the file's content is the state after INDEX
add-at SOCKET INDEX PATH         with a path of one's own
get SOCKET FILE                  the stream of the newest one
find SOCKET                      index, size, format and path of the newest one
put SOCKET FILE [UPTO]           as raft-elect would: the stream in FILE, its first UPTO bytes; what raft-logd says in the end
install SOCKET FILE              the same, and then the write that installs it
install-bad SOCKET FILE GOOD     FILE is a damaged copy of GOOD
version-1 FILE OLD               the stream in FILE as it was written when a head had no hash
"""
import hashlib
import shutil
import struct
import sys

from wire import CLIENT, ELECTOR, FSM, Conn

PIECE = 1 << 18


def connect(path, kind):
    conn = Conn(path, timeout=120)
    conn.hello(kind)
    return conn


def add(path, index, file, form="test", at=None):
    conn = connect(path, FSM)
    target = at
    if at is None:
        conn.send("snap_path", request=1)
        target = conn.expect("snap_path_reply")["path"]
    if at is None:
        shutil.copyfile(file, target)
    conn.send("snap_add", request=2, index=int(index), path=target, format=form)
    reply = conn.expect("snap_added")
    print(reply["ok"], reply["index"], reply["why"])
    return 0 if reply["ok"] else 1


def get(path, file):
    conn = connect(path, CLIENT)
    conn.send("snap_open", request=1)
    opened = conn.expect("snap_opened")
    if not opened["found"]:
        print("none")
        return 1
    with open(file, "wb") as out:
        while out.tell() < opened["size"]:
            conn.send("snap_read", request=2, offset=out.tell(), size_max=PIECE)
            data = conn.expect("snap_data")["data"]
            assert data, "no data before the end"
            out.write(data)
    print(opened["pos"][0], opened["size"])
    return 0


def find(path):
    conn = connect(path, FSM)
    conn.send("snap_find", request=1)
    found = conn.expect("snap_found")
    print(found["found"], found["pos"][0], found["size"], found["format"], found["path"])
    return 0


def skip_log(conn):
    """What the elector is told first; the present term and vote."""
    while (got := conn.recv())[0] != "log_end":
        if got[0] == "log_state":
            state = got[1]
    return state["term"], state["vote"]


def put(path, file, upto=None, install=False, good=None):
    conn = Conn(path, timeout=120)
    start = conn.hello(ELECTOR)["start"]
    term, vote = skip_log(conn)
    stream = open(file, "rb").read()
    # What is said of it: of the good one, when this is a damaged copy.
    said = open(good, "rb").read() if good else stream
    size = struct.unpack(">I", said[12:16])[0]
    pos = struct.unpack(">QQ", said[16:32])
    digest = hashlib.blake2b(said[:size], digest_size=32).digest()
    upto = int(upto) if upto else len(stream)

    def piece(offset, data):
        conn.send("snap_put", start=start, request=1, pos=pos, size=len(stream), hash=digest, offset=offset, data=data)
        while (got := conn.recv())[0] != "snap_taken":
            pass
        return got[1]

    taken = piece(0, b"")
    print("from", taken["offset"], flush=True)
    while taken["state"] == 0 and taken["offset"] < upto:
        at = taken["offset"]
        taken = piece(at, stream[at : min(at + PIECE, upto)])
    print("state", taken["state"], taken["offset"], flush=True)
    if not install or taken["state"] != 1:
        return 0
    conn.send("log_write", start=start, number=1, term=max(term, pos[1]), vote=vote if term >= pos[1] else "",
              flags=4, truncate_after=pos[0], first_index=pos[0] + 1, count=0)
    got = conn.recv()
    print(got[0], got[1].get("last") if got else None)
    return 0


def version_1(file, old):
    """The same without what version 2 has at the end of the head: the further fields and the hash."""
    stream = open(file, "rb").read()
    size, end = struct.unpack(">I", stream[12:16])[0], 96  # of the head; after the cluster's id
    for before, form in ((0, ">H"), (0, ">H"), (40, ">I"), (0, ">I")):  # name, format, configuration, sessions
        end += before + struct.calcsize(form)
        end += struct.unpack(form, stream[end - struct.calcsize(form) : end])[0]
    assert stream[8:12] == bytes([0, 0, 0, 2]) and end + 36 + struct.unpack(">I", stream[end : end + 4])[0] == size
    with open(old, "wb") as out:
        out.write(stream[:8] + struct.pack(">II", 1, end) + stream[16:end] + stream[size:])
    return 0


command, args = sys.argv[1], sys.argv[2:]
if command == "add":
    sys.exit(add(*args))
if command == "add-at":
    sys.exit(add(args[0], args[1], None, at=args[2]))
if command == "install-bad":
    sys.exit(put(args[0], args[1], install=True, good=args[2]))
if command == "install":
    sys.exit(put(*args, install=True))
sys.exit({"get": get, "find": find, "put": put, "version-1": version_1}[command](*args))
