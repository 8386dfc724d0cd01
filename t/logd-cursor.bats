#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# raft-logd: replicated cursors, whose positions are in the log, and what they hold back.
# sanitize

bats_require_minimum_version 1.5.0

load helper
load logd

setup() {
	D=$BATS_TEST_TMPDIR/n1
	S=$BATS_TEST_TMPDIR
	head -c 3000 /dev/urandom >"$S/state"
}
teardown() { stop_all; }

# py DIR [ARGUMENT...]: Python on stdin, with an elector of that raft-logd and the following at hand.
py() {
	local dir=$1
	shift
	{
		cat <<-'PY'
			import struct, sys
			from wire import *
			BASE = 1700000000000
			class Elector:
			    def __init__(self, dir):
			        self.conn, self.number = Conn(dir + "/run/log", timeout=60), 0
			        self.start = self.conn.hello(ELECTOR)["start"]
			        while (got := self.conn.recv())[0] != "log_end":
			            if got[0] == "log_state":
			                self.term, self.last, self.committed = max(1, got[1]["term"]), got[1]["last"][0], got[1]["commit"]
			    def write(self, *records, after=None, term=None):
			        """Stored when it returns; a record is a function of the term."""
			        self.number, self.term = self.number + 1, term or self.term
			        last = self.last if after is None else after
			        self.conn.send("log_write", start=self.start, number=self.number, term=self.term, vote="n1",
			                       flags=0 if after is None else 1, truncate_after=after or 0, first_index=last + 1,
			                       count=len(records), entries=b"".join(record(self.term) for record in records))
			        while (got := self.conn.recv())[0] != "log_stored":
			            assert got[0] == "log_before", got
			        self.last = last + len(records)
			    def commit(self, index=None):
			        """Committed when it returns."""
			        self.conn.send("log_commit", start=self.start, commit=(index or self.last, self.term))
			        self.write()
			    def add(self, *records):
			        self.write(*records)
			        self.commit()
			def stamped(time):
			    return stamp(time, "n1") if time else b""
			def plain(size=10, time=0):
			    return lambda term: entry(0, b"x" * size, bytes(16), CLIENT_ENTRY, term, stamped(time))
			def opening(name, replaces=0, run=b"r" * 16, time=0):
			    data = run + struct.pack(">Q", replaces) + name.encode()
			    return lambda term: entry(0, data, named_id("cursor", name), CURSOR_OPEN, term, stamped(time))
			def move(name, serial, position, time=0):
			    data = struct.pack(">Q", position)
			    return lambda term: entry(serial, data, named_id("cursor", name), ACK, term, stamped(time))
			def drop(name, time=0):
			    return lambda term: entry(0, name, named_id("cursor", name), 4, term, stamped(time))
		PY
		cat
	} | PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 120 python3 - "$dir" "$@"
}
snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }

# node KEYS: started, with these keys of logd.
node() {
	logd_make "$D"
	sed -i "s/logd: {/logd: { $1,/" "$D/raft.yaml"
	[ $# = 1 ] || echo "fsm: { $2 }" >>"$D/raft.yaml"
	logd_start "$D"
}

# cursors [DIR]: what it answers, without the digits that a test does not name.
cursors() { tell "${1:-$D}" <<<$'hello A client\ntext A cursors'; }
position_is() { cursors "${2:-$D}" | grep -qE "^cursor=mail position=$1 "; } # POSITION [DIR]
first_is() { has_status "$D" first "$1"; }
settled() { has_status "$D" compacting no && [ "$(value taking)" = no ]; }

@test "cursor: ⚠ a move is in force once it is committed, and one that is cut off leaves nothing" {
	node 'keep_tail: 64MiB'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.add(*[plain()] * 9, opening("mail"), move("mail", 1, 5))
		assert e.last == 11
		e.write(move("mail", 2, 9), plain())
	PY
	position_is 5
	py "$D" <<-'PY'
		# Another leader has another move there, and then an opening by another run.
		e = Elector(sys.argv[1])
		e.write(move("mail", 2, 7), after=11, term=2)
	PY
	position_is 5
	logd_kill
	logd_start "$D"
	position_is 5
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.commit(12)
		e.add(opening("mail", 10, b"s" * 16), move("mail", 2, 1), move("mail", 3, 6))
	PY
	# An entry with a serial that is not the next one moves nothing.
	run cursors
	[[ $output == *'cursor=mail position=6 lag=9 missing=0 epoch=13 serial=3 last_index=15'* ]]
	[[ $output == *'level=1 first=1 commit=15' ]]
	logd_kill
	logd_start "$D"
	position_is 6
}

@test "cursor: it is no named session: the texts of both do not mix" {
	node 'keep_tail: 64MiB'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		session = lambda term: entry(0, b"r" * 16 + bytes(8) + b"mail", named_id("session", "mail"), SESSION_OPEN, term)
		e.add(opening("mail"), session, opening("a b"), move("mail", 1, 2))
	PY
	run tell "$D" <<<$'hello A client\ntext A sessions'
	[ "$(grep -c '^session=' <<<"$output")" = 1 ]
	[[ $output == *'session=mail epoch=2 '*$'\nsessions_named=1 sessions_anonymous=0 index=4' ]]
	run cursors
	[ "$(grep -c '^cursor=' <<<"$output")" = 2 ]
	[[ $output == *'cursor=mail position=2 lag=2 missing=0 epoch=1 serial=1 last_index=4'* ]]
	[[ $output == *'cursor="a b" position=0 lag=4 missing=0 epoch=3 serial=0 last_index=3'* ]]
}

@test "cursor: ⚠ it holds back compaction, at position 0 all of it; moved or dropped, it lets the rest go by itself" {
	node 'keep_tail: 0B'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.add(*[plain()] * 3000, opening("mail"), opening("other"))
	PY
	snapshot add "$D/run/log" 3000 "$S/state"
	settled
	first_is 1
	py "$D" <<-'PY'
		Elector(sys.argv[1]).add(move("other", 1, 2500), move("mail", 1, 2000))
	PY
	wait_until 10 first_is 2001
	py "$D" <<-'PY'
		Elector(sys.argv[1]).add(drop("mail"))
	PY
	wait_until 10 first_is 2501
	# The position counts, not that of the cursor's last entry.
	py "$D" <<-'PY'
		Elector(sys.argv[1]).add(move("other", 2, 100))
	PY
	run cursors
	[[ $output == *'cursor=other position=100 '*' missing=2400 '* ]]
	logd_kill
	logd_start "$D"
	first_is 2501
	run ! said "$D" ev=cursor
}

@test "cursor: ⚠ without one the same entries go at once" {
	node 'keep_tail: 0B'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.add(*[plain()] * 3000, opening("mail"), drop("mail"))
	PY
	snapshot add "$D/run/log" 3000 "$S/state"
	wait_until 10 first_is 3001
}

@test "cursor: ⚠ logd.keep cuts what it holds back, no more than it must, and says once which consumer loses what" {
	node 'keep: 1MiB, keep_tail: 0B'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.add(opening("mail"), opening("other"), *[plain(100)] * 3000)
		e.add(move("mail", 1, 700), move("other", 1, 2900))
	PY
	snapshot add "$D/run/log" 3000 "$S/state"
	wait_until 10 first_is 701
	settled
	for i in $(seq 8); do
		py "$D" <<-'PY'
			Elector(sys.argv[1]).add(*[plain(100)] * 1000)
		PY
		snapshot add "$D/run/log" $((2900 + 1000 * i)) "$S/state"
	done
	kept() { settled && [ "$(value log_bytes)" -le $((1 << 20)) ]; }
	wait_until 20 kept
	log_status "$D"
	first=$(value first)
	[ "$first" -gt 2901 ]
	[ "$(value log_bytes)" -gt $((3 << 18)) ]
	run cursors
	[[ $output == *"cursor=mail position=700 "*" missing=$((first - 701)) "* ]]
	[[ $output == *"cursor=other position=2900 "*" missing=$((first - 2901)) "* ]]
	[ "$(grep -c ev=cursor "$D/log")" = 2 ]
	grep -q 'lvl=warn .*ev=cursor cursor=mail position=700 first=[0-9]* why="the log is larger than logd.keep: entries that the consumer of this cursor has not taken are removed from this node"' "$D/log"
	# Its consumer gets the gap, never silence.
	run -4 timeout 10 raft-tail -c "$D/raft.yaml" --from 701
	[[ $output == *"first available index is $first"* ]]
	# What it moves to is kept from then on.
	py "$D" "$((first + 99))" <<-'PY'
		Elector(sys.argv[1]).add(move("mail", 2, int(sys.argv[2])), move("other", 2, int(sys.argv[2]) + 1000))
	PY
	wait_until 10 first_is $((first + 100))
	[ "$(grep -c ev=cursor "$D/log")" = 2 ]
}

@test "cursor: ⚠ where no snapshot is, logd.keep cuts all the same, and says which consumer loses what" {
	node 'keep: 1MiB, keep_tail: 0B'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.add(opening("mail"))
		for _ in range(10):
		    e.add(*[plain(100)] * 1000)
	PY
	beyond_first() { beyond "$D" first 1; }
	wait_until 20 beyond_first
	said "$D" 'ev=keep'
	said "$D" 'ev=cursor cursor=mail position=0 '
	run -4 timeout 10 raft-tail -c "$D/raft.yaml"
}

@test "cursor: ⚠ entries that are old enough for keep_for stay for it, with a snapshot and without a machine" {
	for with in 'mode: machine, command: [ cat ]' 'mode: sink'; do
		D=$BATS_TEST_TMPDIR/${with:6:4}
		node 'keep_for: 100s, keep_tail: 0B' "$with"
		py "$D" <<-'PY'
			e = Elector(sys.argv[1])
			e.add(opening("mail", time=BASE), *[plain(time=BASE + i * 1000) for i in range(1000)], move("mail", 1, 300, time=BASE + 999000))
		PY
		if [ "${with:6:4}" = mach ]; then snapshot add "$D/run/log" 990 "$S/state"; fi
		wait_until 10 first_is 301
		settled
		py "$D" <<-'PY'
			Elector(sys.argv[1]).add(move("mail", 2, 500, time=BASE + 999000))
		PY
		wait_until 10 first_is 501
		py "$D" <<-'PY'
			Elector(sys.argv[1]).add(drop("mail", time=BASE + 999000))
		PY
		beyond_age() { beyond "$D" first 890; }
		wait_until 10 beyond_age
		logd_stop
		run ! said "$D" ev=cursor
	done
}

@test "cursor: ⚠ a damaged position is made again from the entries and the snapshot" {
	node 'keep_tail: 0B'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.add(*[plain()] * 50, opening("mail"), move("mail", 1, 40), opening("still"), move("still", 1, 45))
	PY
	snapshot add "$D/run/log" 54 "$S/state"
	wait_until 10 first_is 41
	py "$D" <<-'PY'
		Elector(sys.argv[1]).add(move("mail", 2, 50), *[plain()] * 3)
	PY
	logd_stop
	for damage in 'position + 1' 'position - 32' NULL; do
		[ "$(timeout 10 sqlite3 "$D/data/log.db" "SELECT position FROM sessions WHERE name = 'mail'")" = 50 ]
		timeout 10 sqlite3 "$D/data/log.db" "UPDATE sessions SET position = $damage WHERE name = 'mail'"
		logd_start "$D"
		said "$D" 'ev=sessions.*made again'
		position_is 50
		run cursors
		[[ $output == *'cursor=still position=45 '* ]]
		logd_stop
		: >"$D/log"
	done
	# A session does not become a cursor, either.
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE sessions SET position = 0 WHERE name = 'still'"
	logd_start "$D"
	said "$D" 'ev=sessions.*made again'
}

@test "cursor: ⚠ a snapshot carries it at the snapshot's index, to another node and into each later start" {
	node 'keep_tail: 64MiB'
	py "$D" <<-'PY'
		e = Elector(sys.argv[1])
		e.add(*[plain()] * 50, opening("mail"), move("mail", 1, 40), move("mail", 2, 45), plain())
	PY
	# Of an index between two moves.
	snapshot add "$D/run/log" 52 "$S/state"
	position_is 45
	snapshot get "$D/run/log" "$S/stream"
	logd_stop
	N=$BATS_TEST_TMPDIR/n1b
	logd_make "$N"
	logd_start "$N"
	snapshot install "$N/run/log" "$S/stream"
	position_is 40 "$N"
	logd_kill
	logd_start "$N"
	position_is 40 "$N"
	run cursors "$N"
	[[ $output == *'cursor=mail position=40 lag=12 missing=12 epoch=51 serial=1 last_index=52'* ]]
}
