#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The schema of raft-ctl -j, as section JSON of raft-ctl(1) states it.

    schema.py table              prints "kind key TYPE" for each key, as bin/raft-ctl/keys.def has them
    schema.py read NAME FILE...  reads outputs of status, members, sessions, cursors, contract, watch, state or member, and prints "kind key" for
                                 each key in them; exits 1 with a line for each value that is not as the page says
"""
import json
import os
import re
import sys

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../man/raft-ctl.1")
DAEMONS = {"elect": "elect", "log": "log", "peer": "peerd", "fsm": "fsm"}
ARRAYS = {"members": "member", "peers": "peer", "transfers": "transfer"}
KINDS = {**DAEMONS, **ARRAYS, "sessions": "session", "cursors": "cursor", "contracts": "contract", "watch": "change", "state": "state",
         "member": "tolerance"}
TYPES = {"string": "STRING", "enumeration": "ENUM", "boolean": "BOOLEAN", "integer": "INTEGER",
         "integer or null": "INTEGER_OR_NULL"}


def keys_of(name, words):
    """Each key of one block, and its values where they are listed."""
    if name != "enumeration":
        return {key.strip(): None for key in words.split(",")}
    found = {}
    for group in words.split(";"):
        keys, values = group.split(":")
        found.update({key.strip(): {value.strip() for value in values.split(",")} for key in keys.split(",")})
    return found


def page_schema():
    """(kind, key) to (type, values)."""
    with open(PAGE) as page:
        text = page.read()
    text = re.search(r"^\.Ss JSON\n.*?^\.Bl.*?\n(.*?)^\.S[hs] ", text, re.M | re.S).group(1)
    schema = {}
    for name, body in re.findall(r"^\.It Cm (\w+)\n\.Bl .*?\n(.*?)^\.El\n", text, re.M | re.S):
        for type_name, block in re.findall(r"^\.It ([a-z ]+)\n((?:\.Cm .*\n)+)", body, re.M):
            words = " ".join(re.findall(r"^\.Cm (.*)", block, re.M))
            for key, values in keys_of(type_name, words).items():
                assert (KINDS[name], key) not in schema, f"{name}: {key} is listed twice"
                schema[KINDS[name], key] = (TYPES[type_name], values)
    return schema


def fits(value, kind, values):
    return {"STRING": type(value) is str,
            "ENUM": type(value) is str and value in (values or ()),
            "BOOLEAN": type(value) is bool,
            "INTEGER": type(value) is int,
            "INTEGER_OR_NULL": type(value) is int or value is None}[kind]


class Reader:
    def __init__(self):
        self.schema, self.seen, self.faults = page_schema(), set(), []

    def fault(self, where, value):
        self.faults.append(f"{where}: {json.dumps(value)}")

    def keys(self, where, value, keys):
        """It is an object of exactly these keys."""
        if type(value) is not dict or set(value) != set(keys):
            self.fault(f"{where}: not an object of {', '.join(keys)}", value)
            return False
        return True

    def line(self, kind, value):
        """An object that was a line of a daemon."""
        if type(value) is not dict or not value:
            self.fault(f"{kind}: not an object with keys", value)
            return
        for key, item in value.items():
            self.seen.add((kind, key))
            if (kind, key) not in self.schema:
                self.fault(f"{kind}.{key} is not on the page", item)
            elif not fits(item, *self.schema[kind, key]):
                self.fault(f"{kind}.{key} is no {self.schema[kind, key]}", item)

    def array(self, kind, value):
        if type(value) is not list:
            self.fault(f"{kind}: not an array", value)
            return
        for item in value:
            self.line(kind, item)

    def status(self, value):
        if not self.keys("status", value, ["node", "cluster", *DAEMONS, *ARRAYS]):
            return
        for key in "node", "cluster":
            if type(value[key]) is not str:
                self.fault(key, value[key])
        for name, kind in DAEMONS.items():
            if name == "fsm" and value[name] is None:
                continue
            if type(value[name]) is dict and set(value[name]) == {"down"}:
                if type(value[name]["down"]) is not str:
                    self.fault(f"{name}.down", value[name])
            else:
                self.line(kind, value[name])
        for name, kind in ARRAYS.items():
            self.array(kind, value[name])

    def members(self, value):
        if self.keys("members", value, ["members"]):
            self.array("member", value["members"])

    def sessions(self, value):
        if self.keys("sessions", value, ["sessions"]):
            self.array("session", value["sessions"])

    def numbers(self, value, *keys):
        for key in keys:
            if type(value[key]) is not int:
                self.fault(key, value[key])

    def cursors(self, value):
        if self.keys("cursors", value, ["level", "first", "commit", "cursors"]):
            self.array("cursor", value["cursors"])
            self.numbers(value, "level", "first", "commit")

    def contract(self, value):
        if self.keys("contract", value, ["level", "contracts"]):
            self.array("contract", value["contracts"])
            self.numbers(value, "level")

    def watch(self, value):
        self.line("change", value)

    def state(self, value):
        self.line("state", value)

    def member(self, value):
        self.line("tolerance", value)


def once(pairs):
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), f"a key twice: {keys}"
    return dict(pairs)


def values_of(path):
    """The JSON values of a file: one, or one per line."""
    with open(path) as file:
        values = [json.loads(line, object_pairs_hook=once) for line in file]
    assert values, f"{path}: empty"
    return values


if sys.argv[1] == "table":
    for (kind, key), (type_name, _) in page_schema().items():
        print(kind, key, type_name)
else:
    reader = Reader()
    for path in sys.argv[3:]:
        for value in values_of(path):
            getattr(reader, sys.argv[2])(value)
    for kind, key in sorted(reader.seen):
        print(kind, key)
    print(*reader.faults, sep="\n", end="\n" if reader.faults else "", file=sys.stderr)
    sys.exit(1 if reader.faults else 0)
