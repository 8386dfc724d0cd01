# SPDX-License-Identifier: ISC
"""What is done while the recorder listens.

Each takes a folder, a journal, a random number generator and options, and returns what the data directory was
before, as (image, first state of the model).
"""
import hashlib
import os
import shutil
import struct
import subprocess
import time

import disk
import node as nodes
from kv import kv
from ledger import State
from node import Driver, Node

FORMAT_1 = os.path.join(nodes.ROOT, "t/data/logd-format-1")
FORMAT_2 = os.path.join(nodes.ROOT, "t/golden/database-2")
FORMAT_3 = os.path.join(nodes.ROOT, "t/golden/database-3")


def prepared(folder, keep_tail="256MiB"):
    nodes.make(folder, keep_tail)
    nodes.give_identity(folder)
    return image_of(folder)


def image_of(folder):
    """Of a node's folder, its data directory."""
    image = disk.Folder()
    image.live["data"] = image.durable["data"] = disk.load(os.path.join(folder, "data"))
    return image


def some_sizes(rng, count=8):
    return [rng.choice((0, 10, 100, 700, 3000, 9000)) for _ in range(rng.randint(1, count))]


def held(driver):
    """The last index that is acknowledged."""
    return driver.ledger.chain[0].last[0]


# --------------------------------------------------------------- one step


def step_append(driver):
    driver.write(some_sizes(driver.rng))
    driver.stored()


def step_vote(driver):
    """A term, with a vote or without."""
    driver.write(term=driver.state.term + driver.rng.randint(1, 3))
    driver.stored()


def step_truncate(driver):
    """A leader of a later term has another end of the log."""
    last, lowest = driver.state.last[0], max(driver.ledger.commit_high, driver.state.base[0])
    if lowest < last:
        driver.write(some_sizes(driver.rng), term=driver.state.term + 1, after=driver.rng.randint(lowest, last - 1))
        driver.stored()


def step_burst(driver):
    """Several writes in one transaction."""
    for _ in range(driver.rng.randint(2, 6)):
        driver.write(some_sizes(driver.rng, 3))
    driver.stored()


def step_commit(driver):
    driver.stored()
    if held(driver) > driver.ledger.commit_high:
        driver.commit(driver.rng.randint(driver.ledger.commit_high + 1, held(driver)))


def step_cursor(driver):
    driver.cursor(driver.rng.choice(nodes.CURSORS), driver.rng.randint(1, 1000))


def step_move(driver):
    """Of the replicated cursor, committed or not, or cut off again."""
    driver.move()
    driver.stored()
    if driver.rng.random() < 0.5:
        driver.rng.choice((step_commit, step_truncate))(driver)


def step_kill(driver):
    """With writes in flight; what the next process finds is told as durable."""
    for _ in range(driver.rng.randint(0, 4)):
        driver.write(some_sizes(driver.rng, 4))
    if driver.rng.random() < 0.5:
        driver.conn.sock.settimeout(0.002)
        try:
            driver.stored()
        except TimeoutError:
            pass
    driver.kill()
    driver.start()


def step_stop(driver):
    driver.stop()
    driver.start()


STEPS = [step_append] * 6 + [step_vote] * 2 + [step_truncate] * 4 + [step_burst] * 2 + [step_commit] * 3
STEPS += [step_cursor] * 2 + [step_kill] * 2 + [step_stop]


def walk(driver, count, steps=STEPS):
    for _ in range(count):
        driver.survive(driver.rng.choice(steps), driver)


# -------------------------------------------------------------- workloads


def appends(folder, journal, rng, options, free=nodes.NARROW):
    """Appends, truncations, votes, cursors, commits; kills and stops between them."""
    image = prepared(folder)
    driver = Driver(Node(folder, journal, free, options.program), rng)
    driver.start()
    walk(driver, 60)
    driver.kill()
    return image, State()


def consumers(folder, journal, rng, options):
    """A replicated cursor that is opened and moved, between all that happens to a log, and snapshots with it."""
    image = prepared(folder, "0B")
    driver = Driver(Node(folder, journal, nodes.NARROW, options.program), rng)
    driver.start()
    for _ in range(3):
        walk(driver, 12, STEPS + [step_move] * 12)
        driver.survive(fill, driver, [20] * rng.randint(100, 300))
        driver.survive(step_move, driver)
        driver.survive(step_snapshot, driver)
    walk(driver, 6, STEPS + [step_move] * 12)
    driver.kill()
    return image, State()


def wide(folder, journal, rng, options):
    """The same in a write-ahead log that is full of zeros."""
    return appends(folder, journal, rng, options, nodes.WIDE)


def zeros(folder, journal, rng, options):
    """Starts after clean stops, killed while they fill the write-ahead log with zeros."""
    image = prepared(folder)
    driver = Driver(Node(folder, journal, nodes.WIDE, options.program), rng)
    driver.start()
    for _ in range(4):
        for _ in range(3):
            driver.survive(step_vote, driver)
            driver.survive(step_append, driver)
        driver.survive(driver.stop)
        driver.start({"POWERLOSS_KILL": str(rng.randint(15, 300))})
    driver.kill()
    return image, State()


def step_checkpoint(driver):
    """A write-ahead log that is moved once raft-logd has been quiet, and then begins again."""
    driver.write([9000] * 130)
    driver.stored()
    while int(driver.status()["wal_bytes"]) > 1 << 20:
        time.sleep(0.05)
    step_truncate(driver)
    step_append(driver)


def checkpoints(folder, journal, rng, options):
    """The write-ahead log is moved into the database while the log is in use."""
    image = prepared(folder)
    driver = Driver(Node(folder, journal, nodes.NARROW, options.program), rng)
    driver.start()
    for _ in range(2):
        driver.survive(step_checkpoint, driver)
        walk(driver, 5)
    driver.kill()
    return image, State()


def fill(driver, sizes, **write):
    """Entries that are committed, and known to be on disk."""
    driver.write(sizes, **write)
    driver.stored()
    driver.commit(held(driver))
    driver.write()
    driver.stored()


def step_snapshot(driver):
    """Of raft-fsm; then the beginning of the log goes."""
    newest, rng = driver.ledger.snapshots[0], driver.rng
    for name in nodes.CURSORS:
        driver.cursor(name, 1 << 40)
    index = driver.ledger.commit_low - rng.randint(0, 50)
    if index > (newest[0] if newest else 0):
        driver.snapshot(index, rng.randbytes(rng.choice((0, 5000, 30000))))
    while driver.status()["compacting"] == "yes":
        time.sleep(0.01)


def snapshots(folder, journal, rng, options):
    """Snapshots of the own program, each of which makes the beginning of the log go."""
    image = prepared(folder, "0B")
    driver = Driver(Node(folder, journal, nodes.NARROW, options.program), rng)
    driver.start()
    for _ in range(3):
        driver.survive(fill, driver, [rng.choice((20, 40)) for _ in range(rng.randint(700, 1500))])
        walk(driver, 3)
        driver.survive(step_snapshot, driver)
        walk(driver, 3)
    driver.kill()
    return image, State()


def source_streams(folder, rng, options):
    """What a leader of the same cluster would send: (stream, sessions, content) of several indexes."""
    prepared(folder)
    driver = Driver(Node(folder, None, nodes.NARROW, options.program), rng)
    driver.start()
    streams = []
    for _ in range(3):
        fill(driver, [50] * rng.randint(200, 400), term=driver.state.term + 1)
        content = rng.randbytes(rng.choice((0, 3000, 50000)))
        driver.snapshot(held(driver), content)
        streams.append((driver.stream(), driver.state.sessions_at(held(driver)), content))
    driver.kill()
    return streams


def step_install(driver, stream, sessions, content):
    """A leader's snapshot, perhaps given up half way first."""
    index, rng = int.from_bytes(stream[16:24], "big"), driver.rng
    if index <= driver.ledger.commit_high:
        return
    if rng.random() < 0.3:
        driver.put(stream, len(stream) // 2)
        driver.kill()
        driver.start()
    assert driver.put(stream)
    driver.install(stream, sessions, content)
    if rng.random() < 0.5:
        driver.write(some_sizes(rng), term=driver.state.term)
    driver.stored()


def received(folder, journal, rng, options):
    """Snapshots of a leader, each over the one before."""
    streams = source_streams(folder + "-source", rng, options)
    image = prepared(folder, "0B")
    driver = Driver(Node(folder, journal, nodes.NARROW, options.program), rng)
    driver.start()
    walk(driver, 5)
    for stream in streams:
        driver.survive(step_install, driver, *stream)
        walk(driver, 3)
    driver.kill()
    return image, State()


def made(folder, journal, rng, options, *init):
    """A node by raft-init, recorded from there on."""
    os.makedirs(folder)
    node = Node(folder, journal, nodes.WIDE if rng.random() < 0.2 else nodes.NARROW, options.program)
    node.note("init", done=False)
    command = [os.path.join(nodes.BIN, "raft-init"), *init, "-i", "n1", "-l", "tcp://127.0.0.1:7101", folder]
    member = subprocess.run(command, env=node.environment, check=True, stdout=subprocess.PIPE).stdout
    with open(os.path.join(folder, "members.yaml"), "wb") as members:
        members.write(member)
    node.note("init", done=True)
    return node


def first(folder, journal, rng, options):
    """raft-init and the first start, which may be killed and begin again."""
    driver = Driver(made(folder, journal, rng, options), rng)
    driver.start()
    walk(driver, 5)
    driver.kill()
    return disk.Folder(), State()


def restored(folder, journal, rng, options):
    """raft-init --restore and the first start, which may be killed and begin again."""
    stream, sessions, content = rng.choice(source_streams(folder + "-source", rng, options))
    with open(folder + ".backup", "wb") as backup:
        backup.write(stream)
    pos = struct.unpack(">QQ", stream[16:32])
    state = State(0, pos[1], "", pos, (), sessions, pos[0], hashlib.sha256(content).hexdigest())
    driver = Driver(made(folder, journal, rng, options, "--restore", folder + ".backup"), rng, state)
    driver.start()
    walk(driver, 5)
    driver.kill()
    return disk.Folder(), state


def keep(folder, journal, rng, options):
    """Without a snapshot the oldest entries are cut."""
    nodes.make(folder, "0B, keep: 1MiB")
    nodes.give_identity(folder)
    image = image_of(folder)
    driver = Driver(Node(folder, journal, nodes.NARROW, options.program), rng)
    driver.start()
    driver.survive(fill, driver, [700] * 1800)
    walk(driver, 2)
    driver.survive(step_wait_cut, driver)
    walk(driver, 5)
    driver.kill()
    return image, State()


def step_wait_cut(driver):
    """raft-logd looks once a second, while there is something to do."""
    while int(driver.status()["first"]) == 1:
        step_append(driver)
        time.sleep(0.05)


def step_level(driver):
    """Level 2, from which on what is appended has stamps, and level 3; committed."""
    for number in 2, 3:
        if driver.state.level_at(driver.state.last[0])[0] < number:
            driver.level(number)
    driver.stored()
    driver.commit(held(driver))


def copied(fixture, folder):
    """With the reserve that the space of NARROW and WIDE is meant for."""
    shutil.copytree(fixture, folder)
    path = os.path.join(folder, "raft.yaml")
    with open(path) as file:
        yaml = file.read()
    with open(path, "w") as file:
        file.write(yaml.replace("reserve: 16MiB", "reserve: 256MiB"))


def migrated(fixture, folder, journal, rng, options):
    """A log of an older format, and what is done with it afterwards."""
    copied(fixture, folder + "-before")
    before = Node(folder + "-before", None, nodes.NARROW, options.program).start()
    found = nodes.Found(before)
    before.end()
    copied(fixture, folder)
    image = image_of(folder)
    driver = Driver(Node(folder, journal, nodes.NARROW, options.program), rng, found.state())
    driver.start()
    walk(driver, 5)
    driver.survive(step_level, driver)
    for _ in range(4):
        walk(driver, 2)
        driver.survive(step_append, driver)
        driver.survive(step_move, driver)
        driver.survive(step_commit, driver)
    driver.survive(step_snapshot, driver)
    walk(driver, 5)
    driver.kill()
    return image, found.state()


def migration(folder, journal, rng, options):
    """From format 1, without snapshots."""
    return migrated(FORMAT_1, folder, journal, rng, options)


def migration_2(folder, journal, rng, options):
    """From format 2: a log that begins with a snapshot."""
    return migrated(FORMAT_2, folder, journal, rng, options)


def migration_3(folder, journal, rng, options):
    """From format 3: a log with stamps."""
    return migrated(FORMAT_3, folder, journal, rng, options)


ALL = {f.__name__: f for f in (appends, consumers, wide, zeros, checkpoints, snapshots, received, keep, first, restored, migration,
                               migration_2, migration_3, kv)}
MIGRATIONS = ("migration", "migration_2", "migration_3")
MADE_THERE = ("first", "restored")  # their journals begin with raft-init
