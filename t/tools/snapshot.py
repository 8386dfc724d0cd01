# SPDX-License-Identifier: ISC
"""Snapshots of raft-logd, for the suites: snapshot.py COMMAND SOCKET ...

add SOCKET INDEX FILE [FORMAT]   as raft-fsm would: the file's content is the state after INDEX
add-at SOCKET INDEX PATH         with a path of one's own
get SOCKET FILE                  the stream of the newest one
find SOCKET                      index, size, format and path of the newest one
"""
import shutil
import sys

from wire import CLIENT, FSM, Conn

PIECE = 1 << 18


def connect(path, kind):
    conn = Conn(path, timeout=120)
    conn.hello(kind)
    return conn


def add(path, index, file, form="test", at=None):
    conn = connect(path, FSM)
    conn.send("snap_path", request=1)
    target = at or conn.expect("snap_path_reply")["path"]
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


command, args = sys.argv[1], sys.argv[2:]
if command == "add":
    sys.exit(add(*args))
if command == "add-at":
    sys.exit(add(args[0], args[1], None, at=args[2]))
sys.exit({"get": get, "find": find}[command](*args))
