# SPDX-License-Identifier: ISC
"""A raft-logd on a disk after a loss of power, compared with what it had acknowledged."""
import os
import shutil
import signal
import sqlite3

import disk
import kv
import node as nodes
import workloads
from ledger import Ledger
from node import Ended, Found, Node

EXIT_CONFIG, EXIT_IO = 78, 74
AGAIN = 0.3  # of the disks lose their power twice


def new_ledger(name, first):
    if name == "kv":
        return kv.KvLedger()
    ledger = Ledger(first)
    ledger.made = name not in workloads.MADE_THERE
    return ledger


def logd(path, ledger, rng, opts):
    """None, or what is wrong."""
    if opts.damage:
        return damaged(path, ledger, rng, opts)
    if rng.random() < AGAIN:
        return look(path, ledger, rng, opts) or twice(path, ledger, rng, opts)
    return look(path, ledger, rng, opts)


def look(path, ledger, rng, opts, journal=None):
    nodes.new_boot(path)
    node = Node(path, journal, nodes.WIDE if rng.random() < 0.1 else nodes.NARROW, opts.program)
    try:
        node.start()
        found = Found(node)
        return ledger.judge(found) or (None if journal else works(node, found, rng))
    except Ended as ended:
        if not ledger.made and ended.status == EXIT_CONFIG:
            return None
        return str(ended)
    finally:
        node.end()


def twice(path, ledger, rng, opts):
    """The power is lost again, while raft-logd starts on what the first loss has left, or after that."""
    shutil.rmtree(path)
    shutil.copytree(path + ".cut", path)
    journal, again = path + ".journal", path + "-again"
    machine = disk.Disk(path, disk.load(path), opts.drop)
    why = look(path, ledger, rng, opts, journal)
    records = disk.read_journal(journal)
    ledger = ledger.copy()
    for record in records[: rng.randint(0, len(records))]:
        machine.apply(record)
        ledger.apply(record)
    machine.build(again, rng, rng.choice(disk.MODES))
    take_rest(path, again)
    why = why or look(again, ledger, rng, opts)
    remove(again)
    os.unlink(journal)
    return why and f"lost twice: {why}"


def remove(path):
    shutil.rmtree(path)
    if os.path.exists(path + ".boot"):
        os.unlink(path + ".boot")


def take_rest(source, target):
    """What was not recorded."""
    for name in os.listdir(source):
        if name not in ("data", "run", "log"):
            shutil.copyfile(os.path.join(source, name), os.path.join(target, name))


def works(node, found, rng):
    """One more entry is acknowledged, and is there for the next process."""
    index, term = found.last[0] + 1, found.term + 1
    record = nodes.wire.entry(0, b"after", bytes(16), nodes.wire.CLIENT_ENTRY, term)
    found.elector.send("log_write", start=found.start, number=1, term=term, vote="n2", flags=0, truncate_after=0,
                       first_index=index, count=1, entries=record)
    while node.hear(found.elector)[0] != "log_stored":
        pass
    if rng.random() < 0.8:
        return None
    node.end(rng.choice((signal.SIGKILL, signal.SIGTERM)))
    node.start()
    again = Found(node)
    if (again.term, again.vote, again.last, again.recovering) != (term, "n2", (index, term), 0):
        return f"after one more entry and a restart it has {vars(again)}"
    return None


# --------------------------------------------------------------- damaged


DAMAGES = ("UPDATE meta SET value = 'n9' WHERE key = 'vote'", "UPDATE meta SET value = value + 64 WHERE key = 'term'",
           "UPDATE meta SET value = 0 WHERE key = 'term'", "UPDATE meta SET value = value || '0' WHERE key = 'sum'",
           "UPDATE log SET data = 'x' WHERE idx = (SELECT max(idx) FROM log)")


def damage(path, rng):
    """A row, as a flipped bit would; False: there are no rows yet."""
    base = sqlite3.connect(os.path.join(path, "data/log.db"), isolation_level=None)
    try:
        base.execute(rng.choice(DAMAGES))
        return True
    except sqlite3.Error:
        return False
    finally:
        base.close()


def damaged(path, ledger, rng, opts):
    """It may give up, or recover; what it says of its vote is the truth, or it says that it does not know it."""
    if not os.path.exists(os.path.join(path, "data/log.db")) or not damage(path, rng):
        return None
    nodes.new_boot(path)
    for _ in range(2):
        node = Node(path, None, nodes.NARROW, opts.program)
        try:
            node.start()
            return judge_damaged(ledger.chain, Found(node))
        except Ended as ended:
            if ended.status not in (EXIT_CONFIG, EXIT_IO):
                return str(ended)
        finally:
            node.end()
    return None


def judge_damaged(chain, found):
    """Of term and vote: they are the last ones, or raft-logd says that they may not be."""
    acknowledged, told = chain[0], (found.term, found.vote)
    if found.term < found.last[1] or not found.before[0] <= found.commit[0] <= found.last[0]:
        return f"{told}, log from {found.before} to {found.last}, committed {found.commit}: that cannot be"
    if not any(is_of(state, found) for state in chain):
        return "an entry is not what was written"
    doubts = found.recovering and (not found.mark_valid or found.term > acknowledged.term)
    if doubts or any((state.term, state.vote) == told for state in chain):
        return None
    return (f"it takes (term, vote) {told} for its last, recovering {found.recovering}, "
            f"where {(acknowledged.term, acknowledged.vote)} was acknowledged")


def is_of(state, found):
    """All entries that it has are entries of that state."""
    for index, entry in enumerate(found.entries, found.before[0] + 1):
        if index > state.base[0] and (index > state.last[0] or entry.record() != state.at(index).record()):
            return False
    return True


JUDGES = {**{name: logd for name in workloads.ALL}, "kv": kv.judge}
