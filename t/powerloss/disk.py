# SPDX-License-Identifier: ISC
"""The journal of record.c, and the disks that a loss of power at a place in it could leave.

A file is what was last synced, and the changes since then, none of which the disk has promised
to keep.  A folder is the same, its changes being names.  A disk keeps some of them:

  nothing   what was synced
  all       everything
  prefix    all changes up to some moment, as a journaling file system may
  own       of each file and folder its first changes, how many differs
  pages     of each write any of its pages (few, half or most of them), of each folder any of its changes
  sectors   the same by sectors of 512 bytes
  mixed     each file and folder by another of these

For pages and sectors the size of the file is independent of its data: it may be the old one,
or the new one, and where it grew without data there are zeros or rubbish.
"""
import contextlib
import fcntl
import fnmatch
import os
import struct
import zlib

HEAD = struct.Struct(">cQQI")
CREATED, TRUNCATED = 1, 2
MODES = ("nothing", "all", "prefix", "own", "pages", "sectors", "mixed")
PAGE, SECTOR = 4096, 512


def read_journal(path):
    records = []
    with open(path, "rb") as file:
        bytes_ = file.read()
    at = 0
    while at < len(bytes_):
        operation, a, b, size = HEAD.unpack_from(bytes_, at)
        at += HEAD.size
        records.append((operation.decode(), a, b, bytes_[at : at + size]))
        at += size
        if operation == b"x":
            take_back(records, a, b)
    return records


def take_back(records, descriptor, size):
    """Of what was last recorded as sent."""
    at = max(i for i, record in enumerate(records) if record[:2] == ("a", descriptor))
    records[at] = (*records[at][:3], records[at][3][: len(records[at][3]) - size])


def append_journal(path, operation, data=b"", a=0, b=0):
    """For those who change files without the recorder: one write, so it stays whole."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    record = HEAD.pack(operation.encode(), a, b, len(data)) + data
    assert os.write(fd, record) == len(record)
    os.close(fd)


@contextlib.contextmanager
def between_records(path):
    """No recorded process is in a call that changes something, or has made it and not recorded it."""
    with open(path, "ab") if path else contextlib.nullcontext() as journal:
        if journal:
            fcntl.flock(journal, fcntl.LOCK_EX)
        yield


def sums(path):
    """Of all files below the path: what a journal must lead to."""
    out = {}
    for folder, _, names in os.walk(path):
        for name in names:
            whole = os.path.join(folder, name)
            with open(whole, "rb") as file:
                out[os.path.relpath(whole, path)] = zlib.crc32(file.read())
    return out


class File:
    def __init__(self, content=b""):
        self.durable = bytearray(content)
        self.pending = []  # (sequence, offset, data), or (sequence, size, None)
        self.path = ""

    def live(self):
        return self.put_pending(bytearray(self.durable))

    def put_pending(self, content):
        for _, at, data in self.pending:
            change(content, at, data)
        return content

    def sync(self):
        self.put_pending(self.durable)
        self.pending = []


class Folder:
    def __init__(self):
        self.durable = {}
        self.live = {}
        self.pending = []  # (sequence, [(name, inode or None)])
        self.path = ""

    def change(self, sequence, *names):
        for name, inode in names:
            put_name(self.live, name, inode)
        self.pending.append((sequence, names))

    def sync(self):
        self.durable = dict(self.live)
        self.pending = []


def put_name(names, name, inode):
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


def change(content, at, data):
    if data is None:
        if at < len(content):
            del content[at:]
        else:
            content.extend(bytes(at - len(content)))
        return
    if at > len(content):
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def load(path):
    """A folder as it is, all of it synced."""
    folder = Folder()
    for name in sorted(os.listdir(path)):
        whole = os.path.join(path, name)
        if os.path.isdir(whole):
            folder.live[name] = load(whole)
        elif os.path.isfile(whole):
            with open(whole, "rb") as file:
                folder.live[name] = File(file.read())
    folder.durable = dict(folder.live)
    return folder


class Disk:
    """dropped: patterns of paths whose syncs are not heard."""

    def __init__(self, root, image, dropped=()):
        self.root = os.path.realpath(root)
        self.top = image
        self.inodes = {}
        self.dropped = dropped
        self.sequence = 0

    # ------------------------------------------------------------ replay

    def find(self, path):
        """The folder that holds the path, and its last name; the root itself: None, ''."""
        assert path == self.root or path.startswith(self.root + "/"), path
        names = [name for name in path[len(self.root) :].split("/") if name not in ("", ".")]
        folder = self.top
        for name in names[:-1]:
            folder = folder.live[name]
        return (folder, names[-1]) if names else (None, "")

    def inode(self, path):
        folder, name = self.find(path)
        inode = folder.live[name] if folder else self.top
        inode.path = path[len(self.root) + 1 :]
        return inode

    def apply(self, record):
        operation, a, b, data = record
        self.sequence += 1
        call = getattr(self, "do_" + operation, None)
        if call:
            call(a, b, data)

    def do_o(self, number, flags, path):
        path = path.decode()
        folder, name = self.find(path)
        if flags & CREATED:
            folder.change(self.sequence, (name, File()))
        inode = self.inode(path)
        if flags & TRUNCATED:
            inode.pending.append((self.sequence, 0, None))
        self.inodes[number] = inode

    def do_w(self, number, offset, data):
        self.inodes[number].pending.append((self.sequence, offset, data))

    def do_t(self, number, size, _):
        self.inodes[number].pending.append((self.sequence, size, None))

    def do_s(self, number, *_):
        inode = self.inodes[number]
        if not any(fnmatch.fnmatch(inode.path, pattern) for pattern in self.dropped):
            inode.sync()

    def do_m(self, _number, _b, path):
        folder, name = self.find(path.decode())
        folder.change(self.sequence, (name, Folder()))

    def do_u(self, _a, _b, path):
        folder, name = self.find(path.decode())
        folder.change(self.sequence, (name, None))

    def do_l(self, _a, _b, paths):
        old, new = paths.decode().split("\0")
        folder, name = self.find(new)
        folder.change(self.sequence, (name, self.inode(old)))

    def do_r(self, _a, _b, paths):
        old, new = paths.decode().split("\0")
        inode = self.inode(old)
        (old_folder, old_name), (new_folder, new_name) = self.find(old), self.find(new)
        if old_folder is new_folder:
            old_folder.change(self.sequence, (old_name, None), (new_name, inode))
        else:
            old_folder.change(self.sequence, (old_name, None))
            new_folder.change(self.sequence, (new_name, inode))
        self.inode(new)

    def sums(self, path):
        """As sums(), of what the processes saw."""
        out = {}
        self.sum_up(self.find(os.path.join(self.root, path, "x"))[0], "", out)
        return out

    def sum_up(self, folder, path, out):
        for name, inode in folder.live.items():
            if isinstance(inode, Folder):
                self.sum_up(inode, os.path.join(path, name), out)
            else:
                out[os.path.join(path, name)] = zlib.crc32(inode.live())

    # ------------------------------------------------------------- disks

    def build(self, path, rng, mode):
        self.moment = rng.randint(0, self.sequence)
        self.build_folder(self.top, path, rng, mode)

    def build_folder(self, folder, path, rng, mode):
        os.mkdir(path, 0o700)
        names = dict(folder.durable)
        for _, changes in self.chosen(folder.pending, rng, self.mode_of(rng, mode)):
            for name, inode in changes:
                put_name(names, name, inode)
        for name in sorted(names):
            whole = os.path.join(path, name)
            if isinstance(names[name], Folder):
                self.build_folder(names[name], whole, rng, mode)
            else:
                write_file(whole, self.content(names[name], rng, self.mode_of(rng, mode)))

    @staticmethod
    def mode_of(rng, mode):
        return rng.choice(MODES[:-1]) if mode == "mixed" else mode

    def chosen(self, pending, rng, mode):
        """Of whole changes."""
        if mode == "nothing":
            return []
        if mode == "all":
            return pending
        if mode == "prefix":
            return [one for one in pending if one[0] <= self.moment]
        if mode == "own":
            return pending[: rng.randint(0, len(pending))]
        return [one for one in pending if rng.random() < 0.5]

    def content(self, file, rng, mode):
        content = bytearray(file.durable)
        if mode not in ("pages", "sectors"):
            for _, at, data in self.chosen(file.pending, rng, mode):
                change(content, at, data)
            return content
        unit, part = PAGE if mode == "pages" else SECTOR, rng.choice((0.1, 0.5, 0.9))
        for _, at, data in file.pending:
            if data is None:
                if rng.random() < part:
                    change(content, at, None)
                continue
            for begin, end in pieces(at, len(data), unit):
                if rng.random() < part:
                    change(content, begin, data[begin - at : end - at])
        resize(content, self.size_of(file, content, rng), rng)
        return content

    @staticmethod
    def size_of(file, content, rng):
        size = len(file.durable)
        for _, at, data in file.pending:
            size = at if data is None else max(size, at + len(data))
        return rng.choice((size, size, len(file.durable), len(content)))


def pieces(at, size, unit):
    begin, end = at, at + size
    while begin < end:
        stop = min(end, (begin // unit + 1) * unit)
        yield begin, stop
        begin = stop


def resize(content, size, rng):
    grown = size - len(content)
    change(content, size, None)
    if grown > 0 and rng.random() < 0.25:
        content[size - grown :] = rng.randbytes(grown)


def write_file(path, content):
    """Zeros at the end are left to the file system."""
    with open(path, "wb") as file:
        file.write(content.rstrip(b"\0"))
        file.truncate(len(content))
