#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Mutations: a sentence, then a unified diff of lib/raft.

    mutant.py apply PATCH FROM TO
        Writes each file of FROM that the patch changes below TO, and prints its name.
    mutant.py refresh [-f FILTER] OLD PATCH ...
        Replays mutations of the commit OLD, where each patch applies, onto the files of the work tree, and rewrites
        the patches.  FILTER is a shell command through which the old text passes first: a sed script of the renames.

A hunk's old text must be in its file exactly once, byte for byte.  Its line numbers are for readers: they
are not used, and no context is skipped (patch would call that fuzz).
"""
import functools
import getopt
import os
import subprocess
import sys
import tempfile

CONTEXT = 3
CONTEXT_MAX = 30


class Problem(Exception):
    pass


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def parse(path):
    """The sentence, and the hunks: [(file, old text, new text)]."""
    sentence, hunks, name = [], [], None
    for line in read(path).splitlines(keepends=True):
        if line.startswith("--- "):
            name = line.split()[1].removeprefix("a/")
        elif line.startswith("+++ "):
            if line.split()[1].removeprefix("b/") != name:
                raise Problem("a file changes its name")
        elif line.startswith("@@ "):
            hunks.append([name, "", ""])
        elif name is None:
            sentence.append(line)
        elif line[0] in " -+" and hunks:
            hunks[-1][1] += line[1:] if line[0] in " -" else ""
            hunks[-1][2] += line[1:] if line[0] in " +" else ""
        else:
            raise Problem(f"not a line of a unified diff: {line.rstrip()}")
    if not hunks:
        raise Problem("has no hunk")
    return "".join(sentence).rstrip("\n"), hunks


def places(text, block):
    """Where the block is in the text, as whole lines."""
    found, at = [], text.find(block)
    while at >= 0:
        if at == 0 or text[at - 1] == "\n":
            found.append(at)
        at = text.find(block, at + 1)
    return found


def mutate(hunks, texts):
    """{file: changed text}; texts(name) is the unchanged one."""
    changed = {}
    for number, (name, old, new) in enumerate(hunks, 1):
        text = changed.get(name) or texts(name)
        found = places(text, old)
        if len(found) != 1:
            raise Problem(f"the old text of hunk {number} is in {name} {len(found)} times, must be once")
        changed[name] = text[: found[0]] + new + text[found[0] + len(old) :]
    return changed


def apply(patch, source, target):
    _, hunks = parse(patch)
    for name, text in mutate(hunks, lambda name: read(os.path.join(source, name))).items():
        path = os.path.join(target, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        print(name)


# ---------------------------------------------------------------- refresh


def output(*command, text=None, good=(0,)):
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)
    if done.returncode not in good:
        raise Problem(f"{' '.join(command[:3])}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def three_texts(command, texts, good):
    """The output of a command on files with these texts."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, text in enumerate(texts):
            paths.append(os.path.join(folder, str(number)))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.write(text)
        return output(*command, *paths, good=good)


def diff(name, old, new, context):
    labels = ["--label", "a/" + name, "--label", "b/" + name]
    return three_texts(["diff", f"-U{context}", *labels], (old, new), (0, 1))


def render(sentence, changes):
    """The patch of {file: (old, new)}, with as much context as makes each hunk's old text unique."""
    for context in range(CONTEXT, CONTEXT_MAX):
        patch = sentence + "\n\n" + "".join(diff(name, *both, context) for name, both in changes.items())
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(patch)
            file.flush()
            _, hunks = parse(file.name)
        try:
            if mutate(hunks, lambda name: changes[name][0]) == {name: both[1] for name, both in changes.items()}:
                return patch
        except Problem:
            continue
    raise Problem("no context makes a hunk's place unique")


def merge(now, old, mutated):
    """The mutation of the old text, made to the present one; None where they conflict."""
    try:
        return three_texts(["git", "merge-file", "-p", "-q"], (now, old, mutated), (0,))
    except Problem:
        return None


class Refresh:
    def __init__(self, commit, text_filter):
        self.commit = commit
        self.filter = text_filter
        # Where a file of that commit is now: git finds the renamed ones.
        names = output("git", "diff", "-M", "--name-status", "--diff-filter=R", commit, "--", "lib/raft")
        self.renamed = dict(line.split("\t")[1:] for line in names.splitlines())

    @functools.cache
    def old(self, name):
        return output("git", "show", f"{self.commit}:{name}")

    @functools.cache
    def filtered(self, text):
        return output("sh", "-c", self.filter, text=text) if self.filter else text

    def onto_files(self, hunks):
        """{file: (now, mutated)} by a merge of each file; None where one conflicts."""
        changes = {}
        for name, mutated in mutate(hunks, self.old).items():
            place = self.renamed.get(name, name)
            if not os.path.exists(place):
                return None
            now = read(place)
            merged = merge(now, self.filtered(self.old(name)), self.filtered(mutated))
            if merged is None or merged == now:
                return None
            changes[place] = (now, merged)
        return changes

    def onto_tree(self, hunks):
        """The same for code that has moved: each hunk, with as little context as needed, is in one place of lib/raft."""
        files = {"lib/raft/" + name: None for name in sorted(os.listdir("lib/raft")) if name.endswith(".c")}
        texts = {name: read(name) for name in files}
        changed = dict(texts)
        for name, mutated in mutate(hunks, self.old).items():
            old, new = self.filtered(self.old(name)), self.filtered(mutated)
            for hunk in self.smallest_hunks(name, old, new):
                place, block, other = self.one_place(hunk, changed)
                text = changed[place]
                at = places(text, block)[0]
                changed[place] = text[:at] + other + text[at + len(block) :]
        return {name: (texts[name], changed[name]) for name in texts if texts[name] != changed[name]}

    @staticmethod
    def smallest_hunks(name, old, new):
        """Each hunk as [(old, new) with 3, 2, 1 lines of context]."""
        versions = []
        for context in (3, 2, 1):
            with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
                file.write("-\n\n" + diff(name, old, new, context))
                file.flush()
                versions.append([(hunk[1], hunk[2]) for hunk in parse(file.name)[1]])
        if len({len(version) for version in versions}) != 1:
            raise Problem("conflicts: hunks that touch each other")
        return zip(*versions)

    @staticmethod
    def one_place(versions, texts):
        for block, other in versions:
            found = [name for name, text in texts.items() for _ in places(text, block)]
            if len(found) == 1:
                return found[0], block, other
        raise Problem("conflicts: its text has changed")

    def patch(self, path):
        """Rewrites one patch; says what is worth a look."""
        sentence, hunks = parse(path)
        changes, note = self.onto_files(hunks), "refreshed"
        if changes is None:
            changes, note = self.onto_tree(hunks), "refreshed; look at it: its code has moved or changed"
        patch = render(sentence, changes)
        if patch == read(path):
            return "is as it was"
        with open(path, "w", encoding="utf-8") as file:
            file.write(patch)
        return note


def refresh(arguments):
    options, names = getopt.getopt(arguments, "f:")
    if len(names) < 2:
        raise getopt.GetoptError("OLD and PATCH are needed")
    patches = [os.path.abspath(name) for name in names[1:]]
    os.chdir(output("git", "rev-parse", "--show-toplevel").rstrip("\n"))
    todo = Refresh(names[0], dict(options).get("-f"))
    failed = 0
    for path in patches:
        try:
            note = todo.patch(path)
        except Problem as problem:
            note = f"NOT refreshed: {problem}"
            failed += 1
        print(f"{os.path.basename(path)}: {note}")
    return failed > 0


def main():
    command, arguments = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if command == "apply" and len(arguments) == 3:
        return apply(*arguments)
    if command == "refresh":
        return refresh(arguments)
    raise getopt.GetoptError("apply or refresh")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except getopt.GetoptError as error:
        print(f"mutant.py: {error}\n{__doc__}", file=sys.stderr)
        sys.exit(64)
    except (Problem, OSError) as problem:
        sys.exit(f"{problem}")
