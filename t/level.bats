#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# What is of a newer level than a program's own: it ends with 78 and one sentence, and changes nothing.
# sanitize

bats_require_minimum_version 1.5.0

load helper
load logd

# py DIR [ARGUMENT...]: Python on stdin, with the frames, the stand-ins and the following at hand.
py() {
	local dir=$1
	shift
	{
		cat <<-'PY'
			import hashlib, os, sqlite3, struct, sys, time
			from wire import *
			from fakes import *
			D = sys.argv[1]
			run = D + "/run"
			NEWER = 9   # the first kind that level 3 does not have
			def blake(*parts):
			    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()
			def newer_entry(term=1):
			    return entry(0, b"\x02", kind=NEWER, term=term)
			def newer_head(head):
			    """A head of the next version, with the right hash."""
			    head = head[:8] + struct.pack(">I", struct.unpack(">I", head[8:12])[0] + 1) + head[12:-32]
			    return head + blake(head)
			def elector():
			    c = Conn(run + "/log")
			    start = c.hello(ELECTOR)["start"]
			    while c.recv()[0] != "log_end":
			        pass
			    return c, start
		PY
		cat
	} | PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$dir" "$@"
}

snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }

# The database and the snapshots, as they are read.
content() {
	timeout 10 sqlite3 "$D/data/log.db" .dump
	(cd "$D/data" && find . -name '*.snapshot*' -exec sha256sum {} + | sort)
}

# ends_with_78 PID LOG PATTERN: the process ended so, and its one error says that.
ends_with_78() {
	local status=0
	wait_until 20 gone "$1"
	wait "$1" || status=$?
	cat "$2"
	[ "$status" -eq 78 ]
	[ "$(grep -c 'lvl=error' "$2")" -eq 1 ]
	grep -qE "lvl=error .*ev=exit status=78 why=\"$3" "$2"
	grep -q 'upgrade this program"' "$2"
}

SENTENCE='entry %s is of kind 9, which this program does not know: the cluster is at a newer level than 3'
# shellcheck disable=SC2059
of_entry() { printf "$SENTENCE" "$1"; }

# add_row KIND: a row behind the last one, with the chain that a newer program would give it.
add_row() {
	py "$D" "$1" <<-'PY'
		db = sqlite3.connect(D + "/data/log.db")
		index, term, chain = db.execute("SELECT idx, term, chain FROM log ORDER BY idx DESC LIMIT 1").fetchone()
		record = entry(0, b"\x02", kind=int(sys.argv[2]), term=term)
		db.execute("INSERT INTO log (idx, term, kind, session, serial, data, chain) VALUES (?, ?, ?, NULL, 0, ?, ?)",
		           (index + 1, term, int(sys.argv[2]), b"\x02", blake(chain, struct.pack(">Q", index + 1), record)))
		db.commit()
		db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
	PY
}

# -------------------------------------------------------------- raft-logd

@test "level: ⚠ raft-logd that finds an entry of a newer level in its log ends with 78 and leaves the log as it is" {
	cd "$BATS_TEST_TMPDIR"
	ten "$D"
	logd_stop
	add_row 9
	content >before
	logd_exits "$D"
	[ "$status" -eq 78 ]
	[[ $output == *"$D/data/log.db: $(of_entry 11)"*'upgrade this program"'* ]]
	[[ $output != *ev=damage* && $output != *ev=recovering* ]]
	content | diff before -
	# Nor is it cut off by a flag, or behind a damaged row.
	logd_exits "$D" --accept-loss --yes
	[ "$status" -eq 78 ]
	content | diff before -
	# The highest kind that a record can have is one, too.
	timeout 10 sqlite3 "$D/data/log.db" 'DELETE FROM log WHERE idx = 11'
	add_row 255
	logd_exits "$D"
	[ "$status" -eq 78 ]
	[[ $output == *'entry 11 is of kind 255,'* ]]
}

@test "level: ⚠ a kind on disk that its chain does not know is damage, not a newer level" {
	for kind in 9 255 256 -1; do
		dir=$BATS_TEST_TMPDIR/k$kind
		ten "$dir"
		logd_stop
		timeout 10 sqlite3 "$dir/data/log.db" "UPDATE log SET kind = $kind WHERE idx = 6"
		logd_exits "$dir"
		[ "$status" -eq 74 ]
		[[ $output == *'ev=damage bad=6 last=5 was=10'* ]]
	done
}

@test "level: raft-logd ends with 78 when a reader comes to an entry of a newer level" {
	ten "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=11 count=2000
		stored A 1
		commit A index=2010 term=1
		write A number=2 term=1 vote=n1
		stored A 2
	SCRIPT
	logd_stop
	# Entry 500 becomes one, and all behind it has the chain that follows.
	py "$D" <<-'PY'
		db = sqlite3.connect(D + "/data/log.db")
		chain = db.execute("SELECT chain FROM log WHERE idx = 499").fetchone()[0]
		for index, term, kind, sid, serial, data in db.execute(
		        "SELECT idx, term, kind, session, serial, data FROM log WHERE idx >= 500 ORDER BY idx").fetchall():
		    kind = NEWER if index == 500 else kind
		    record = struct.pack(">QB16sQI", term, kind, sid or b"", serial, len(data)) + data
		    chain = blake(chain, struct.pack(">Q", index), record)
		    db.execute("UPDATE log SET kind = ?, chain = ? WHERE idx = ?", (kind, chain, index))
		db.commit()
		db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
	PY
	rm "$D/data/mark" # it is of the log before
	logd_start "$D"
	run tell "$D" <<<$'hello A client\nread A from=490'
	ends_with_78 "$LOGD" "$D/log" "$D/data/log.db: $(of_entry 500)"
	run ! said "$D" ev=damage
	[ "$(timeout 10 sqlite3 "$D/data/log.db" 'SELECT max(idx) FROM log')" = 2010 ]
}

@test "level: ⚠ raft-logd that is to write an entry of a newer level ends with 78, and stores and acknowledges nothing" {
	ten "$D"
	py "$D" <<-'PY'
		c, start = elector()
		run = entry(0, b"before", kind=NOOP, term=1) + newer_entry() + b"another form"
		c.send("log_write", start=start, number=1, term=1, vote="n1", first_index=11, count=3, entries=run)
		assert c.recv() is None
	PY
	ends_with_78 "$LOGD" "$D/log" "from raft-elect: $(of_entry 12)"
	logd_start "$D"
	has_status "$D" last 10
}

@test "level: ⚠ raft-logd keeps a snapshot of a newer level, and the log that begins with it, and ends with 78" {
	ten "$D"
	cd "$BATS_TEST_TMPDIR"
	echo state >state
	snapshot add "$D/run/log" 8 state
	logd_stop
	py "$D" <<-'PY'
		db = sqlite3.connect(D + "/data/log.db")
		head, file = db.execute("SELECT head, file FROM snapshot").fetchone()
		head = newer_head(head)
		db.execute("UPDATE snapshot SET head = ?, sum = ?", (head, blake(head, file.encode())))
		db.commit()
		db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
	PY
	content >before
	logd_exits "$D"
	[ "$status" -eq 78 ]
	[[ $output == *"$D/data/snapshots/"*'-1.snapshot: it was written by a program of a newer level than this one: upgrade this program"'* ]]
	content | diff before -
}

@test "level: raft-logd that is sent a snapshot of a newer level ends with 78, and its log stays" {
	ten "$D"
	cd "$BATS_TEST_TMPDIR"
	echo state >state
	snapshot add "$D/run/log" 8 state
	snapshot get "$D/run/log" stream
	logd_stop
	E=$BATS_TEST_TMPDIR/n1b
	logd_make "$E"
	sed 's/^node: .*/node: { id: n1, data: data, run: run }/' "$D/raft.yaml" >"$E/raft.yaml"
	py "$D" stream <<-'PY'
		stream = open(sys.argv[2], "rb").read()
		size = struct.unpack(">I", stream[12:16])[0]
		open("newer", "wb").write(newer_head(stream[:size]) + stream[size:])
	PY
	logd_start "$E"
	run snapshot put "$E/run/log" newer
	ends_with_78 "$LOGD" "$E/log" 'the snapshot of index 8 from the leader: it was written by a program of a newer level'
	logd_start "$E"
	has_status "$E" last 0
}

# ---------------------------------------------------------- backups

# backup FILE: the stream of a snapshot, and in FILE.newer the same of a newer level.
backup() {
	ten "$D"
	cd "$BATS_TEST_TMPDIR" || return 1
	echo state >state
	snapshot add "$D/run/log" 8 state
	snapshot get "$D/run/log" "$1"
	logd_stop
	py "$D" "$1" <<-'PY'
		stream = open(sys.argv[2], "rb").read()
		size = struct.unpack(">I", stream[12:16])[0]
		open(sys.argv[2] + ".newer", "wb").write(newer_head(stream[:size]) + stream[size:])
	PY
}

@test "level: a backup of a newer level is refused with 78, by raft-init --restore and by the first start" {
	backup b
	run timeout 20 raft-init --restore b.newer -N 1 r
	[ "$status" -eq 78 ]
	[ "$output" = 'raft-init: --restore b.newer: it was written by a program of a newer level than this one: upgrade this program' ]
	[ ! -e r ]
	timeout 20 raft-init --restore b -N 1 r
	py "$D" r/n1/data/snapshots/restore.head <<-'PY'
		head = newer_head(open(sys.argv[2], "rb").read())
		open(sys.argv[2], "wb").write(head)
	PY
	logd_exits r/n1
	[ "$status" -eq 78 ]
	[[ $output == *'/restore.head: it was written by a program of a newer level than this one: upgrade this program"'* ]]
	[ -e r/n1/data/snapshots/restore.head ]
}

@test "level: raft-ctl snapshot -o leaves no file of a snapshot of a newer level, and ends with 78" {
	backup b
	py "$D" b.newer <<-'PY' 3>&- &
		stream = open(sys.argv[2], "rb").read()
		size = struct.unpack(">I", stream[12:16])[0]
		c = accept(listen(run + "/log"), 60)
		c.expect("hello")
		c.send("hello_reply", version=1, low=1, high=1, node="n1")
		c.expect("snap_open")
		c.send("snap_opened", request=1, found=1, pos=(8, 1), size=len(stream), hash=blake(stream[:size]))
		c.expect("snap_read")
		c.send("snap_data", request=2, offset=0, data=stream)
		c.recv()
	PY
	wait_until 20 test -S "$D/run/log"
	run timeout 20 raft-ctl -c "$D/raft.yaml" snapshot --newest -o out
	[ "$status" -eq 78 ]
	[ "$output" = 'raft-ctl: snapshot: it was written by a program of a newer level than this one: upgrade this program' ]
	[ ! -e out ]
	wait
}

# ---------------------------------------------------------- raft-elect

elect() {
	logd_make "$D"
	sed -i 's/^logd:/elect: { election_timeout: 5s, heartbeat: 500ms }\nlogd:/' "$D/raft.yaml"
	spawn "$D/log" raft-elect -c "$D/raft.yaml"
	ELECT=$SPAWNED
}

@test "level: ⚠ raft-elect that is sent an entry of a newer level ends with 78, and stores and acknowledges nothing of that append" {
	elect
	py "$D" <<-'PY'
		logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()
		peerd = Peerd(run).accept()
		peerd.config()
		peerd.deliver("n2", "raft_append", term=1, round=1, last=1, count=1, entries=entry(0, b"", kind=NOOP, term=1))
		while logd.store_next()["count"] == 0:
		    pass
		while peerd.sent("raft_append_reply")["match"] != 1:
		    pass
		run = entry(0, b"", kind=NOOP, term=1) + newer_entry() + b"another form"
		peerd.deliver("n2", "raft_append", term=1, prev=(1, 1), round=2, last=4, count=3, entries=run)
		while (got := peerd.conn.recv()) is not None:
		    frame = got[1]["frame"]
		    assert struct.unpack(">H", frame[4:6])[0] != NUMBERS["raft_append_reply"], got
		while (got := logd.conn.recv()) is not None:
		    assert got[0] != "log_write", got
	PY
	ends_with_78 "$ELECT" "$D/log" "from n2: $(of_entry 3)"
}

@test "level: what an earlier term, or anything but an append, says of a newer level ends no raft-elect" {
	elect
	py "$D" <<-'PY'
		logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()
		peerd = Peerd(run).accept()
		peerd.config()
		peerd.deliver("n2", "raft_append", term=7, round=1)
		assert logd.store_next()["term"] == 7
		peerd.deliver("n3", "raft_append", term=6, round=1, last=1, count=1, entries=newer_entry())
		peerd.deliver("n3", "raft_propose", term=7, start_number=1, request=1, count=1, entries=newer_entry())
		c = Conn(run + "/elect")
		c.hello()
		wait_until(lambda: logfmt(c.query("status"))["malformed"] == "2")
		bad = Conn(run + "/elect")
		bad.hello()
		bad.propose(1, newer_entry())
		got = bad.recv()
		assert got[0] == "refusal", got
		assert logfmt(c.query("status"))["term"] == "7"
	PY
	alive "$ELECT"
}

@test "level: raft-elect that reads an entry of a newer level from raft-logd ends with 78" {
	elect
	py "$D" <<-'PY'
		logd = Logd(run, members=("n1", "n2", "n3")).accept()
		logd.entries = [entry(0, b"", kind=NOOP, term=1), newer_entry()]
		logd.term = 1
		logd.tell()
		assert logd.conn.recv() is None
	PY
	ends_with_78 "$ELECT" "$D/log" "from raft-logd: $(of_entry 2)"
	spawn "$D/again" raft-elect -c "$D/raft.yaml"
	py "$D" <<-'PY'
		logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()
		logd.conn.send("log_entries", first_index=1, first_available=1, count=2,
		               entries=entry(0, b"", kind=NOOP, term=1) + newer_entry())
		while logd.conn.recv() is not None:
		    pass
	PY
	ends_with_78 "$SPAWNED" "$D/again" "from raft-logd: $(of_entry 2)"
}

# ------------------------------------------------------------- readers

# serve_entries: a raft-logd whose entries are a line, one of a newer level and a line.
serve_entries() {
	py "$D" <<-'PY' 3>&- &
		lines = [entry(1, b"first", b"s", term=1), newer_entry(), entry(2, b"last", b"s", term=1)]
		listener = listen(run + "/log")
		listener.settimeout(60)
		while True:
		    c = Conn(listener.accept()[0])
		    c.expect("hello")
		    c.send("hello_reply", version=1, low=1, high=1, node="n1")
		    while (got := c.recv()) is not None:
		        name, m = got
		        if name == "log_read":
		            c.send("log_entries", request=m["request"], first_index=m["from"], first_available=1, commit=3,
		                   count=4 - m["from"], entries=b"".join(lines[m["from"] - 1:]))
		        elif name == "cursor_get":
		            c.send("cursor", request=m["request"], index=0)
		        elif name == "snap_find":
		            c.send("snap_found", request=m["request"])
		        elif name == "contracts_get":
		            c.send("contracts", request=m["request"], level=1)
	PY
	SERVER=$!
	wait_until 20 test -S "$D/run/log"
}

@test "level: raft-tail prints what is before an entry of a newer level, and ends with 78" {
	logd_make "$D"
	serve_entries
	ended=0
	timeout 20 raft-tail -c "$D/raft.yaml" --from 1 >"$D/out" 2>"$D/err" || ended=$?
	[ "$ended" -eq 78 ]
	[ "$(cat "$D/out")" = first ]
	[ "$(cat "$D/err")" = "raft-tail: $(of_entry 2): upgrade this program" ]
	# It may not be asked for.
	run timeout 20 raft-tail -c "$D/raft.yaml" --from 1 --to 1
	[ "$status" -eq 0 ]
	[ "$output" = first ]
	kill "$SERVER"
}

@test "level: raft-tail that meets an entry of a newer level while it looks for the first one ends with 78" {
	logd_make "$D"
	serve_entries
	for options in '--last 5' '--since 1h' '-f --last 5'; do
		# shellcheck disable=SC2086
		run timeout 20 raft-tail -c "$D/raft.yaml" $options
		echo "$options -> $status $output"
		[ "$status" -eq 78 ]
		[ "$output" = "raft-tail: $(of_entry 2): upgrade this program" ]
	done
	kill "$SERVER"
}

@test "level: raft-fsm ends with 78 at an entry of a newer level, in each mode" {
	logd_make "$D"
	serve_entries
	for mode in sink batch machine; do
		program='cat'
		[ $mode != machine ] || program=raft-kv
		sed -i '/^fsm:/d' "$D/raft.yaml"
		echo "fsm: { mode: $mode, command: [$program] }" >>"$D/raft.yaml"
		spawn "$D/$mode" raft-fsm -c "$D/raft.yaml"
		ends_with_78 "$SPAWNED" "$D/$mode" "from raft-logd: $(of_entry 2)"
	done
	kill "$SERVER"
}

# ------------------------------------------------------------- replies

@test "level: the leader's status has the level of each member and the lowest of them, a follower's its own" {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	cluster_start
	wait_leader
	l=$(leader)
	all_known() { [ "$(ctl "$l" -j status | jq -c '[.elect.level, .elect.level_min, [.members[].level]]')" = '[3,3,[3,3,3]]' ]; }
	wait_until 20 all_known
	[ "$(ctl "$(follower)" -j status | jq -c '[.elect.level, .elect.level_min, [.members[].level]]')" = '[3,null,[null,null,null]]' ]
}
