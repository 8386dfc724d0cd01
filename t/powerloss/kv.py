# SPDX-License-Identifier: ISC
"""raft-kv -D: what it has called durable, and what it is found to hold."""
import json
import os
import select
import signal
import subprocess

import disk
import node as nodes

KEYS = [b"key%d" % i for i in range(8)]
PATIENCE = nodes.PATIENCE


class KvLedger:
    """chain: (index, pairs) from the newest that it called durable on."""

    def __init__(self):
        self.chain = [(0, {})]
        self.line = b""

    def apply(self, record):
        operation, _, _, data = record
        if operation == "n":
            note = json.loads(data)
            getattr(self, "note_" + note["note"])(note)
        elif operation == "a":
            *lines, self.line = (self.line + data).split(b"\n")
            for line in lines:
                self.said(line)

    def copy(self):
        twin = KvLedger()
        twin.chain = list(self.chain)
        return twin

    def note_start(self, _):
        self.line = b""

    def note_put(self, note):
        index, pairs = self.chain[-1]
        self.chain.append((note["index"], {**pairs, note["key"]: note["value"]}))

    def note_restore(self, note):
        self.chain.append((note["index"], note["pairs"]))

    def said(self, line):
        words = line.split()
        if words and words[0] in (b"durable", b"ready"):
            index = int(words[1])
            self.chain = self.chain[[one[0] for one in self.chain].index(index) :]
            if words[0] == b"ready":
                self.chain = self.chain[:1]

    def judge(self, index, pairs):
        for known, expected in self.chain:
            if known == index:
                return None if pairs == expected else f"at index {index} it holds {pairs}, not {expected}"
        return f"it is ready from {index}, and what it called durable is {self.chain[0][0]}"


class Kv:
    def __init__(self, folder, journal=None, program=None):
        self.folder, self.journal = folder, journal
        self.program = program or os.path.join(nodes.BIN, "raft-kv")
        self.environment = {**os.environ, "LD_PRELOAD": nodes.RECORDER}
        if journal:
            self.environment["POWERLOSS_ROOT"] = os.path.realpath(folder)
            self.environment["POWERLOSS_JOURNAL"] = journal

    def note(self, note, **fields):
        if self.journal:
            disk.append_journal(self.journal, "n", json.dumps({"note": note, **fields}).encode())

    def start(self, kill_at=None):
        """The index that it is ready from."""
        if self.journal:
            self.note("start", files=disk.sums(os.path.join(self.folder, "data")))
        environment = {**self.environment, **(kill_at or {})}
        self.child = subprocess.Popen([self.program, "-D", os.path.join(self.folder, "data/kv.db")], env=environment,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.have = b""
        line = self.line()
        return int(line.split()[1])

    def line(self):
        while b"\n" not in self.have:
            assert select.select([self.child.stdout], [], [], PATIENCE)[0], "raft-kv does not answer"
            got = os.read(self.child.stdout.fileno(), 1 << 16)
            if not got:
                self.ended()
            self.have += got
        line, self.have = self.have.split(b"\n", 1)
        return line

    def ended(self):
        status = self.child.wait(PATIENCE)
        raise nodes.Died if status == -signal.SIGKILL else nodes.Ended(status, self.child.stderr.read().decode())

    def send(self, text):
        self.child.stdin.write(text)
        self.child.stdin.flush()

    def end(self, kill=True):
        if kill:
            with disk.between_records(self.journal):
                self.child.kill()
                self.child.wait(PATIENCE)
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass
        self.child.wait(PATIENCE)
        self.child.stdout.close()
        self.child.stderr.close()


def put(kv, rng, index, count):
    """Sends entries; they may become one transaction or several."""
    for i in range(index + 1, index + count + 1):
        key, value = rng.choice(KEYS).decode(), f"value-{i}-" + "x" * rng.choice((0, 50, 3000))
        kv.note("put", index=i, key=key, value=value)
        kv.send(f"entry {i} put {key} {value}\n".encode())
    return index + count


def durable(kv, index):
    while kv.line() != b"durable %d" % index:
        pass


def restore(kv, rng, folder, index):
    """As raft-fsm after a snapshot was installed: the first request."""
    index += rng.randint(1, 1000)
    pairs = {key.decode(): f"restored-{index}" + "y" * rng.choice((0, 5000)) for key in KEYS[:5]}
    path = folder + ".state"
    with open(path, "w") as file:
        file.write(f"raft-kv 1 {index}\n")
        for key, value in sorted(pairs.items()):
            file.write(f"{len(key)}:{key},{len(value)}:{value},\n")
        file.write(f"end {len(pairs)}\n")
    kv.note("restore", index=index, pairs=pairs)
    kv.send(f"restore {path}\n".encode())
    durable(kv, index)
    return index


def start(program, rng):
    """Sometimes the recorder ends it again, in the start or later."""
    kill_at = nodes.some_end(rng)
    while True:
        try:
            return program.start(kill_at)
        except nodes.Died:
            program.end()
            kill_at = None


def turn(program, rng, folder, index):
    """One thing; the index afterwards."""
    step = rng.random()
    if step < 0.6:
        index = put(program, rng, index, rng.randint(1, 10))
        durable(program, index)
        return index
    if step < 0.8:
        put(program, rng, index, rng.randint(1, 10))
    program.end(step < 0.9)
    index = start(program, rng)
    return restore(program, rng, folder, index) if rng.random() < 0.3 else index


def kv(folder, journal, rng, options):
    """Entries to raft-kv -D, restores, kills and stops between them."""
    os.makedirs(os.path.join(folder, "data"))
    image, program = disk.load(folder), Kv(folder, journal, options.program)
    index = start(program, rng)
    for _ in range(30):
        try:
            index = turn(program, rng, folder, index)
        except (nodes.Died, BrokenPipeError):
            program.end()
            index = start(program, rng)
    program.end()
    return image, None


def judge(path, ledger, rng, opts):
    program = Kv(path, None, opts.program)
    try:
        index, pairs = program.start(), {}
        for key in KEYS:
            program.send(b"query get " + key + b"\n")
            answer = program.line()
            if answer.startswith(b"ok "):
                pairs[key.decode()] = answer[3:].decode()
        return ledger.judge(index, pairs)
    except nodes.Ended as ended:
        return str(ended)
    finally:
        program.end()
