#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-logd by itself: logdctl plays the elector and the readers.
# sanitize

load helper

KEY1=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=
KEY2=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=

# logd_make DIR [RESERVE]: a node n1 of cluster demo that was never started.
logd_make() {
	mkdir -p "$1/data" "$1/run"
	cat >"$1/raft.yaml" <<-YAML
		node: { id: n1, data: data, run: run }
		cluster:
		  name: demo
		  members:
		    - { id: n1, address: "tcp://127.0.0.1:7101", key: $KEY1 }
		    - { id: n2, address: "tcp://127.0.0.1:7102", key: $KEY2 }
		peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }
		logd: { reserve: ${2:-16MiB} }
	YAML
	printf 'node n1\ndirectory %s\nfresh yes\n' "$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')" \
		>"$1/data/identity"
}

answers() { timeout 5 "$TBIN/logdctl" "$1/run/log" <<<'hello A client'; }
ready() { test -s "$1"; }

# logd_start DIR [COMMAND...]: starts raft-logd (behind COMMAND) and waits until it answers.
logd_start() {
	local dir=$1
	shift
	spawn "$dir/log" "$@" "$BIN/raft-logd" -c "$dir/raft.yaml"
	LOGD=$SPAWNED
	wait_until 20 answers "$dir"
}

# logd_exits DIR [OPTION...]: runs it to its end.
logd_exits() {
	local dir=$1
	shift
	run timeout 20 "$BIN/raft-logd" -c "$dir/raft.yaml" "$@"
}

logd_stop() { reap TERM "$LOGD"; }
logd_kill() { reap KILL "$LOGD"; }

# tell DIR <<SCRIPT: what logdctl prints.
tell() { timeout 60 "$TBIN/logdctl" "$1/run/log"; }

# value KEY: of the last status line in $output.
value() { tr ' ' '\n' <<<"$output" | sed -n "s/^$1=//p" | tail -n 1; }
log_status() { run tell "$1" <<<$'hello Z client\ntext Z status'; }
beyond() { log_status "$1" && [ "$(value "$2")" -gt "$3" ]; } # DIR KEY NUMBER
has_status() { log_status "$1" && [ "$(value "$2")" = "$3" ]; }
said() { grep -q "$2" "$1/log"; }

# patch FILE OFFSET: flips one bit there.
patch() {
	python3 - "$1" "$2" <<-'PY'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2]))
		    b = f.read(1)[0]
		    f.seek(int(sys.argv[2]))
		    f.write(bytes([b ^ 16]))
	PY
}
# place FILE TEXT: offset of its last occurrence.
place() { grep -abo -- "$2" "$1" | tail -n 1 | cut -d: -f1; }

# ten DIR: a started node with entries 1 to 10 of term 1, of which 8 are committed.
ten() {
	logd_make "$1"
	logd_start "$1"
	tell "$1" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=10
		stored A 1
		commit A index=8 term=1
		write A number=2 term=1 vote=n1
		stored A 2
	SCRIPT
}

answers_or_gone() { answers "$D" || gone "$SPAWNED"; }

# spawn_injected CALL:FAULT: raft-logd with that fault in its system calls (strace); answers or ends.
spawn_injected() {
	spawn "$D/log" strace -f -o /dev/null -e "trace=${1%%:*}" -e "inject=$1" "$BIN/raft-logd" -c "$D/raft.yaml"
	wait_until 10 answers_or_gone
}

# twenty: writes of one entry each, one after the other; prints the number of the last that was acknowledged.
twenty() {
	local i
	{
		echo 'hello A elector'
		for i in $(seq 20); do
			echo "write A number=$i term=$i vote=n1 first=$i count=1"
			echo "stored A $i"
		done
	} | timeout 20 "$TBIN/logdctl" "$D/run/log" 2>/dev/null | sed -n 's/^stored number=\([0-9]*\) .*/\1/p' | tail -n 1
}

as_root() { [ "$(id -u)" = 0 ] || { echo 'this test needs root: it mounts a file system of its own' >&2 && return 1; }; }

setup() {
	D=$BATS_TEST_TMPDIR/n1
	if [ "$(stat -f -c %T "$BATS_TEST_TMPDIR")" = tmpfs ]; then
		echo "$BATS_TEST_TMPDIR is a tmpfs, where nothing is ever synced: set TMPDIR to a folder on a disk" >&2
		return 1
	fi
	MOUNTED=
}

teardown() {
	stop_all
	[ -z "$MOUNTED" ] || umount -l "$MOUNTED"
	# What a sanitizer has found is in the log.
	! grep -s Sanitizer "$BATS_TEST_TMPDIR"/*/log
}

# ------------------------------------------------------------- durable

@test "logd: an acknowledged append, term and vote survive kill -9 (§3.8)" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=3 vote=n2 first=1 count=5 eterm=2
		stored A 1
	SCRIPT
	[[ $output == *'stored number=1 last=5 last_term=2'* ]]
	logd_kill
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=3 vote=n2 last=5 last_term=2 commit=0 recovering=0'* ]]
	[[ $output == *'entry index=5 term=2 kind=client data=entry-5 '* ]]
}

@test "logd: a write is acknowledged only after it was synced and marked (H19, §10.2.1)" {
	logd_make "$D"
	logd_start "$D"
	spawn "$D/strace.log" strace -f -p "$LOGD" -e trace=fdatasync,pwrite64,sendto -o "$D/calls"
	wait_until 10 grep -q attached "$D/strace.log"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 text=needle
		stored A 1
	SCRIPT
	wait_until 5 grep -q raftmrk "$D/calls"
	# From the entry to its acknowledgement: frames of the log, sync, mark, send.
	run awk '/pwrite64.*raftmrk/ { print "mark" } /fdatasync/ { print "sync" } /sendto.*\\24\\0/ { print "ack" }' "$D/calls"
	[[ $(tr '\n' ' ' <<<"$output") == *'sync mark ack '* ]]
}

@test "logd: kill -9 at any write or sync loses nothing that was acknowledged" {
	local call n acked hit=0
	for call in pwrite64 fdatasync; do
		for n in 1 2 3 5 8 9 12 13 14 15 16 17 18 19 20 21 22 24 27 31 36 44; do
			rm -rf "$D"
			logd_make "$D"
			spawn_injected "$call:signal=KILL:when=$n"
			acked=$(twenty)
			if [ "${acked:-0}" != 20 ]; then
				hit=$((hit + 1))
				wait_until 10 gone "$SPAWNED"
			fi
			reap KILL "$SPAWNED"
			logd_start "$D"
			log_status "$D"
			echo "$call $n: acknowledged ${acked:-0}, $output"
			[ "$(value recovering)" = no ]
			[ "$(value last)" -ge "${acked:-0}" ]
			[ "$(value term)" -ge "${acked:-0}" ]
			logd_stop
		done
	done
	# A fault that was never hit is a failure.
	[ "$hit" -ge 30 ]
}

@test "logd: EIO at the n-th fdatasync ends it with 74, and nothing acknowledged is lost (H1)" {
	local n acked hit=0
	for n in $(seq 1 24); do
		rm -rf "$D"
		logd_make "$D"
		spawn_injected "fdatasync:error=EIO:when=$n"
		acked=$(twenty)
		if [ "${acked:-0}" != 20 ]; then
			hit=$((hit + 1))
			wait_until 10 gone "$SPAWNED"
			wait "$SPAWNED" || status=$?
			echo "EIO at $n: status $status, acknowledged ${acked:-0}"
			[ "$status" = 74 ]
			grep -q 'ev=exit status=74' "$D/log"
		else
			reap KILL "$SPAWNED"
		fi
		logd_start "$D"
		log_status "$D"
		[ "$(value recovering)" = no ]
		[ "$(value last)" -ge "${acked:-0}" ]
		logd_stop
	done
	# A fault that was never hit is a failure.
	[ "$hit" -ge 20 ]
}

@test "logd: EIO of the directory's sync, which SQLite hides, ends the start with 74 (H2)" {
	logd_make "$D"
	run timeout 20 strace -f -o /dev/null -e trace=fsync -e inject=fsync:error=EIO "$BIN/raft-logd" -c "$D/raft.yaml"
	[ "$status" = 74 ]
	[[ $output == *'cannot sync the data directory'* ]]
}

@test "logd: every pragma that durability needs is read back (H3)" {
	logd_make "$D"
	spawn "$D/log" "$BIN/raft-logd" -v -c "$D/raft.yaml"
	wait_until 20 answers "$D"
	for p in 'locking_mode value=exclusive' 'journal_mode value=wal' 'synchronous value=2' 'wal_autocheckpoint value=0'; do
		said "$D" "ev=pragma name=$p"
	done
	# One that does not take is fatal: a journal that can't become a write-ahead log.
	stop_all
	rm -rf "$D"
	logd_make "$D"
	mkdir "$D/data/log.db-wal"
	logd_exits "$D"
	[ "$status" = 74 ]
}

@test "logd: an open log refuses the sqlite3 shell, and a stopped one is read by it" {
	ten "$D"
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT count(*) FROM log'
	[ "$status" -ne 0 ]
	[[ $output == *locked* ]]
	logd_stop
	run timeout 10 sqlite3 "$D/data/log.db" \
		'SELECT count(*), min(idx), max(idx), max(term), min(kind), length(max(chain)) FROM log'
	[ "$output" = '10|1|10|1|2|32' ]
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT CAST(data AS TEXT) FROM log WHERE idx = 7'
	[ "$output" = entry-7 ]
	run timeout 10 sqlite3 "$D/data/log.db" \
		"SELECT group_concat(value, ' ') FROM (SELECT value FROM meta WHERE key IN ('format', 'node', 'term', 'vote') ORDER BY key)"
	[ "$output" = '1 n1 1 n1' ]
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT idx, term FROM terms; SELECT idx FROM configs; PRAGMA integrity_check'
	[ "$output" = $'1|1\n0\nok' ]
}

@test "logd: logs of one cluster have equal chains, whatever the addresses" {
	ten "$D"
	logd_stop
	mv "$D" "$D.first"
	logd_make "$D"
	sed -i 's/7101/7201/' "$D/raft.yaml"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=4
		write A number=2 term=1 vote=n1 first=5 count=6
		stored A 2
	SCRIPT
	logd_stop
	for d in "$D" "$D.first"; do
		timeout 10 sqlite3 "$d/data/log.db" 'SELECT idx, hex(chain) FROM log' >"$d/chains"
	done
	same "$D/chains" "$D.first/chains"
	[ "$(wc -l <"$D/chains")" = 10 ]
}

# ------------------------------------------------- the log went backwards

@test "logd: ⚠ a bit flip in the write-ahead log, which SQLite hides, makes it recover (H5)" {
	ten "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=2 vote=n2 first=11 count=1 text=late
		stored A 1
	SCRIPT
	logd_kill
	patch "$D/data/log.db-wal" "$(place "$D/data/log.db-wal" late-11)"
	logd_start "$D"
	said "$D" 'ev=recovering.*lacks transactions'
	run tell "$D" <<<'hello A elector'
	# The vote of the lost transaction is known from the mark.
	[[ $output == *'state term=2 vote=n2 last=10 last_term=1 commit=8 recovering=1 mark_valid=1 full=0 mark_term=2'* ]]
}

@test "logd: ⚠ a write-ahead log that was deleted makes it recover (H7)" {
	ten "$D"
	logd_kill
	rm "$D/data/log.db-wal"
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=1 vote=n1 last=0 last_term=0 commit=0 recovering=1 mark_valid=1 full=0 mark_term=1'* ]]
	# And it stays so until a leader's log is here, over a restart too.
	logd_kill
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *' recovering=1 mark_valid=1 '* ]]
}

@test "logd: ⚠ yesterday's database beside today's mark makes it recover, and a leader heals it (H13)" {
	ten "$D"
	logd_stop
	cp "$D/data/log.db" "$D/yesterday"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=5 vote=n2 first=11 count=5
		stored A 1
	SCRIPT
	logd_stop
	rm "$D/data/log.db-wal"
	mv "$D/yesterday" "$D/data/log.db"
	logd_start "$D"
	said "$D" 'ev=recovering.*old copy'
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=6 vote= first=11 count=5 eterm=5 recovered
		stored A 1
	SCRIPT
	[[ $output == *'state term=5 vote=n2 last=10 last_term=1 commit=8 recovering=1 mark_valid=1 full=0 mark_term=5'* ]]
	has_status "$D" recovering no
	logd_kill
	logd_start "$D"
	has_status "$D" recovering no
	[ "$(value last)" = 15 ]
}

@test "logd: ⚠ another log of as many transactions is told by its chain" {
	ten "$D"
	logd_stop
	cp -a "$D/data" "$D/other"
	logd_start "$D"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=2 first=11 count=1 text=one\nstored A 1'
	logd_stop
	cp "$D/data/mark" "$D/mark"
	rm -r "$D/data"
	mv "$D/other" "$D/data"
	logd_start "$D"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=2 first=11 count=1 text=two\nstored A 1'
	logd_stop
	mv "$D/mark" "$D/data/mark"
	logd_start "$D"
	said "$D" 'ev=recovering.*another log'
}

@test "logd: ⚠ without its mark file it recovers, and knows no former vote" {
	ten "$D"
	logd_stop
	rm "$D/data/mark"
	logd_start "$D"
	said "$D" 'ev=recovering.*mark file is missing'
	run tell "$D" <<<'hello A elector'
	[[ $output == *'last=10 last_term=1 commit=8 recovering=1 mark_valid=0 full=0 mark_term=0'* ]]
	# The new mark is good, but what the old one knew stays unknown.
	logd_stop
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'recovering=1 mark_valid=0'* ]]
}

@test "logd: ⚠ one damaged slot of the mark is no harm, two make it recover" {
	ten "$D"
	logd_kill
	cp -a "$D/data" "$D/copy"
	# The older slot: the newer one is the mark.
	for slot in 0 4096; do
		rm -r "$D/data"
		cp -a "$D/copy" "$D/data"
		patch "$D/data/mark" $((slot + 100))
		logd_start "$D"
		has_status "$D" recovering no
		logd_kill
	done
	rm -r "$D/data"
	cp -a "$D/copy" "$D/data"
	patch "$D/data/mark" 100
	patch "$D/data/mark" 4196
	logd_start "$D"
	said "$D" 'ev=recovering.*mark file is damaged'
	has_status "$D" recovering yes
}

@test "logd: ⚠ a flipped vote in the database is not taken for the truth" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 'n2' WHERE key = 'vote'"
	logd_start "$D"
	said "$D" 'ev=recovering.*are damaged'
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=1 vote=n1 last=10 last_term=1 commit=8 recovering=1 mark_valid=1'* ]]
}

@test "logd: a damaged commit index is taken from the mark, as far as the log goes" {
	ten "$D"
	logd_stop
	cp "$D/data/log.db" "$D/yesterday"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=5 vote=n2 first=11 count=5
		stored A 1
		commit A index=15 term=5
		write A number=2 term=5 vote=n2
		stored A 2
	SCRIPT
	logd_stop
	rm "$D/data/log.db-wal"
	mv "$D/yesterday" "$D/data/log.db"
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 99 WHERE key = 'commit_index'"
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=5 vote=n2 last=10 last_term=1 commit=10 recovering=1 mark_valid=1 full=0 mark_term=5'* ]]
}

# --------------------------------------------------------- damaged rows

@test "logd: ⚠ an entry with a flipped bit is never served: it is cut off, and a leader heals the log (H6)" {
	ten "$D"
	logd_stop
	patch "$D/data/log.db" "$(place "$D/data/log.db" entry-7)"
	logd_exits "$D"
	[ "$status" = 74 ]
	[[ $output == *'ev=damage bad=7 last=6 was=10'* ]]
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		read A from=1
		write A number=1 term=2 first=7 count=4 eterm=1 recovered
		stored A 1
		commit A index=8 term=1
		hello B reader
		read B from=7
	SCRIPT
	[[ $output == *'state term=1 vote=n1 last=6 last_term=1 commit=6 recovering=1 mark_valid=1 full=0 mark_term=1'* ]]
	[[ $output == *'entry index=8 term=1 kind=client data=entry-8 '* ]]
	has_status "$D" recovering no
}

@test "logd: ⚠ damage far from the end is found by the reader that meets it" {
	logd_make "$D"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=5000 size=300
		stored A 1
		commit A index=5000 term=1
	SCRIPT
	logd_stop
	patch "$D/data/log.db" "$(place "$D/data/log.db" entry-1234x)"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello B reader
		read B from=1 count=1000
		read B from=1001
	SCRIPT
	[[ $output != *'index=1234 '* ]]
	wait_until 10 gone "$LOGD"
	said "$D" 'ev=damage bad=1234 last=1233 was=5000'
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'last=1233 last_term=1 commit=1233 recovering=1'* ]]
	# The session table is of the shorter log, too.
	run tell "$D" <<<$'hello A client\ntext A sessions'
	[[ $output == *'index=1233'* ]]
}

@test "logd: a flipped bit in a chain spoils that entry, not the one before" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE log SET chain = zeroblob(32) WHERE idx = 5"
	logd_exits "$D"
	[ "$status" = 74 ]
	[[ $output == *'ev=damage bad=5 last=4 was=10'* ]]
}

@test "logd: tables that do not fit the log are made again from it" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE terms SET term = 9"
	logd_start "$D"
	said "$D" 'ev=derive'
	run tell "$D" <<<'hello A elector'
	[[ $output == *'run index=1 term=1'* ]]
	has_status "$D" recovering no
}

@test "logd: a database that SQLite cannot read is said to be so, with what to do" {
	ten "$D"
	logd_stop
	dd if=/dev/urandom of="$D/data/log.db" bs=4096 count=1 conv=notrunc status=none
	logd_exits "$D"
	[ "$status" = 74 ]
	[[ $output == *'remove this node from the cluster and let it join under a new id'* ]]
}

# ---------------------------------------------------- whose directory it is

@test "logd: ⚠ a wiped data directory never starts as itself: it says how to rejoin" {
	ten "$D"
	logd_stop
	cp "$D/data/identity" "$D/identity"
	rm -r "$D/data"
	logd_exits "$D"
	[ "$status" = 78 ]
	mkdir "$D/data"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'no identity'*'join under a new id'* ]]
	[ -z "$(ls "$D/data")" ]
	# The identity alone is not enough either.
	cp "$D/identity" "$D/data/identity"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'the log of this node is gone'*'join under a new id'* ]]
}

@test "logd: ⚠ fresh is cleared before the first hello is answered" {
	logd_make "$D"
	cp "$D/data/identity" "$D/fresh"
	logd_start "$D"
	run cat "$D/data/identity"
	[[ $output != *fresh* && $output == *$'\ncluster '* ]]
	# A fresh identity beside a mark of a log that was in use is no first start.
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=1 count=1\nstored A 1'
	logd_stop
	cp "$D/fresh" "$D/data/identity"
	rm "$D"/data/log.db*
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'the log of this node is gone'* ]]
}

@test "logd: a second raft-logd on the directory is refused at once (H15)" {
	logd_make "$D"
	logd_start "$D"
	ln -s "$D/data" "$D/link"
	sed 's/data: data, run: run/data: link, run: run2/' "$D/raft.yaml" >"$D/second.yaml"
	run timeout 5 "$BIN/raft-logd" -c "$D/second.yaml"
	[ "$status" = 78 ]
	[[ $output == *'another raft-logd holds its lock'* ]]
	has_status "$D" part log
}

@test "logd: the directory of another node or of another cluster is refused" {
	ten "$D"
	logd_stop
	sed -i 's/id: n1, data/id: n2, data/' "$D/raft.yaml"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'the data directory of node n1'* ]]
	sed -i 's/id: n2, data/id: n1, data/' "$D/raft.yaml"
	# The identity of another cluster's node of the same name.
	mkdir -p "$D.other"
	logd_make "$D.other"
	sed -i 's/name: demo/name: other/' "$D.other/raft.yaml"
	logd_start "$D.other"
	logd_stop
	cp "$D/data/identity" "$D/identity"
	cp "$D.other/data/identity" "$D/data/identity"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'log of another cluster'* ]]
	# The same cluster, another directory.
	sed "s/^directory .*/directory $(printf '%032d' 7)/" "$D/identity" >"$D/data/identity"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'another data directory'* ]]
}

@test "logd: a first start needs members with this node among them" {
	logd_make "$D"
	sed -i '/id: n1, address/d' "$D/raft.yaml"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'is not among them'* || $output == *members* ]]
}

@test "logd: a newer format is refused before anything is written (H23)" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 2 WHERE key = 'format'"
	before=$(cat "$D"/data/* | cksum)
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'format 2'* ]]
	[ "$before" = "$(cat "$D"/data/* | cksum)" ]
}

# --------------------------------------------------------- the elector

@test "logd: ⚠ a new elector's hello ends the old connection unread, and forgets its queued writes" {
	logd_make "$D"
	logd_start "$D"
	# Each sync takes a second: what comes meanwhile waits in the sockets.
	spawn "$D/strace.log" strace -f -p "$LOGD" -o /dev/null -e trace=fdatasync -e 'inject=fdatasync:delay_exit=1000000'
	wait_until 10 grep -q attached "$D/strace.log"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		open B
		hello C client
		write A number=1 term=1 vote=n1 first=1 count=5
		sleep A ms=300
		write A number=2 term=1 vote=n1 after=2 first=3 count=1 text=evil
		ask B elector
		heard B
		closed A
		write B number=1 term=2 vote=n1
		stored B 1
		text B status
	SCRIPT
	echo "$output"
	# B was told of five entries, and five there are.
	[[ $output == *'state term=1 vote=n1 last=5 '* ]]
	[ "$(value last)" = 5 ]
	[ "$(value truncations)" = 0 ]
}

@test "logd: ⚠ what a replaced elector goes on sending changes nothing" {
	logd_make "$D"
	logd_start "$D"
	timeout 60 "$TBIN/logdctl" "$D/run/log" >"$D/flood" 2>&1 3>&- <<-'SCRIPT' &
		hello A elector
		flood A writes=200000 count=10 size=200 term=1 vote=n1
		closed A
	SCRIPT
	client=$!
	wait_until 20 beyond "$D" last 1000
	run tell "$D" <<-'SCRIPT'
		hello B elector
		text B status
		sleep B ms=300
		text B status
	SCRIPT
	wait "$client" || :
	told=$(sed -n 's/^state .* last=\([0-9]*\) .*/\1/p' <<<"$output")
	[ "$told" = "$(value last)" ]
	grep -q 'flood cut' "$D/flood"
}

@test "logd: ⚠ a write that carries another connection's number is discarded" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 start=12345 term=1 vote=n1 first=1 count=5
		write A number=2 term=1 vote=n1 first=1 count=2
		stored A 2
	SCRIPT
	[[ $output == *'stored number=2 last=2 '* ]]
}

@test "logd: ⚠ a commit index is ignored unless the log holds that very entry" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=5
		stored A 1
		commit A index=4 term=2
		commit A index=6 term=1
		commit A index=9 term=9
		text A status
	SCRIPT
	[ "$(value commit)" = 0 ]
	# In order with the writes: one that names an entry on its way counts.
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=2 first=6 count=1 hold
		commit A index=6 term=2
		stored A 1
		text A status
	SCRIPT
	[ "$(value commit)" = 6 ]
}

@test "logd: ⚠ readers get nothing above the commit index, and a waiting one gets it when it is committed" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		hello B reader
		write A number=1 term=1 vote=n1 first=1 count=9
		stored A 1
		read B from=1
		ask-read B from=3 wait
		commit A index=4 term=1
		got B
		read A from=8
	SCRIPT
	[[ $output == *$'first=1 available=1 commit=0 count=0\n'* ]]
	[[ $output == *$'first=3 available=1 commit=4 count=2\n'* ]]
	# The elector itself reads what is not committed.
	[[ $output == *$'first=8 available=1 commit=4 count=2\n'* ]]
}

@test "logd: a write that cannot be ends the elector's connection, and changes nothing" {
	ten "$D"
	for w in \
		'number=1 term=2 after=5' \
		'number=1 term=0 first=11 count=1 eterm=1' \
		'number=1 term=1 vote=n2 first=11 count=1' \
		'number=1 term=2 first=12 count=1' \
		'number=1 term=2 first=11 count=1 eterm=3' \
		'number=1 term=2 after=9 first=11 count=1' \
		'number=0 term=2 first=11 count=1' \
		'number=1 term=2 first=11 count=1 kind=config'; do
		run tell "$D" <<<"$(printf 'hello A elector\nwrite A %s\nclosed A\n' "$w")"
		echo "$w: $output"
		[[ $output == *closed* ]]
		log_status "$D"
		[ "$(value last)/$(value term)/$(value transactions)" = '10/1/4' ]
	done
	said "$D" 'a truncation after 5, where 8 is committed'
	alive "$LOGD"
}

@test "logd: truncation replaces a tail, in the tables of terms and configurations too" {
	ten "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=3 after=8 first=9 count=3 eterm=2 text=new
		write A number=2 term=3 after=10 first=11 count=1 eterm=3 text=newer
		stored A 2
		read A from=8
	SCRIPT
	[[ $output == *'entry index=10 term=2 kind=client data=new-10 '*'entry index=11 term=3 kind=client data=newer-11 '* ]]
	logd_kill
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=3 vote=- last=11 last_term=3 commit=8 recovering=0'* ]]
	[[ $output == *$'run index=1 term=1\nrun index=9 term=2\nrun index=11 term=3\n'* ]]
}

@test "logd: an idle commit index is stored within a few seconds" {
	logd_make "$D"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=5
		stored A 1
		commit A index=5 term=1
	SCRIPT
	wait_until 10 beyond "$D" transactions 3
	logd_kill
	logd_start "$D"
	log_status "$D"
	[ "$(value commit)" = 5 ]
}

@test "logd: malformed frames end that connection alone" {
	ten "$D"
	# No hello, a size of 0, a huge size, a cut body, two hellos, an unknown kind of request, a field out of range.
	run tell "$D" <<-'SCRIPT'
		hello Z client
		open A
		raw A 0000000a00040000000000000001
		closed A
		open A
		raw A 00000000
		closed A
		open A
		raw A ffffffff0001
		closed A
		hello A client
		raw A 000000030017ff
		closed A
		hello A client
		raw A 0000000c000100010001010003616263
		closed A
		hello A client
		raw A 0000000a03e70000000000000007
		hear A
		hello B elector
		raw B 000000100013000000000000000000000000000000
		closed B
		hello B client
		write B number=1 term=2 first=11 count=1
		hear B
		text Z status
	SCRIPT
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'refusal request=7 status=65'* ]]
	[[ $output == *'status=77 why=this is for a daemon'* ]]
	[ "$(grep -c '^closed' <<<"$output")" = 6 ]
	[ "$(value last)" = 10 ]
}

@test "logd: versions that do not meet are told so" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<<$'open A\nask A client low=7 high=9\nheard A\nclosed A'
	[[ $output == *'hello version=0 '* ]]
}

# ------------------------------------------------------------- contents

@test "logd: entries of 0 bytes, with NUL, newline and 0xff, and large ones come back as they were (H20)" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 data=
		write A number=2 term=1 vote=n1 first=2 count=1 data=000aff0d22
		write A number=3 term=1 vote=n1 first=3 count=1 size=1048576
		write A number=4 term=1 vote=n1 first=4 count=1 size=8388608
		stored A 4
		commit A index=4 term=1
		read A from=1 count=2
		read A from=3
		read A from=4
	SCRIPT
	[[ $output == *'entry index=1 term=1 kind=client data= size=0'* ]]
	[[ $output == *'index=4 term=1 kind=client data=entry-4'*' size=8388608'* ]]
	logd_stop
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT length(data), hex(substr(data, 1, 5)) FROM log'
	[ "$output" = $'0|\n5|000AFF0D22\n1048576|656E747279\n8388608|656E747279' ]
	# From the disk, verified.
	logd_start "$D"
	run tell "$D" <<<$'hello B reader\nread B from=1\nread B from=4'
	[[ $output == *'index=2 term=1 kind=client data=...." size=5'*' size=8388608'* ]]
}

@test "logd: a reader far behind reads from the disk in slices, and the writes go on" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		flood A writes=120 count=500 size=500 term=1 vote=n1
		stored A 120
		commit A index=60000 term=1
		hello B reader
		read B from=1 size=4000000
		read B from=59999
	SCRIPT
	run grep -E '^entries' <<<"$output"
	# The first one stops at a mebibyte.
	[[ ${lines[0]} =~ count=([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -gt 1000 ]
	[ "${BASH_REMATCH[1]}" -lt 2200 ]
	[[ ${lines[1]} == *'count=2' ]]
}

@test "logd: sessions and their digests survive kill -9, and a truncation" {
	logd_make "$D"
	logd_start "$D"
	# A session_open's data: run id (16 bytes), epoch it replaces (8), name.
	open=$(printf '%032d%016d' 5 0)$(printf job | od -An -tx1 | tr -d ' \n')
	run tell "$D" <<-SCRIPT
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 kind=session_open name=job data=$open
		write A number=2 term=1 vote=n1 first=2 count=10 name=job serial=1
		write A number=3 term=1 vote=n1 first=12 count=3 session=00112233445566778899aabbccddeeff serial=1
		stored A 3
		commit A index=9 term=1
		session A name=job
		write A number=4 term=2 after=9 first=10 count=2 name=job serial=9 text=other
		stored A 4
		commit A index=11 term=2
		session A name=job
		session A session=00112233445566778899aabbccddeeff
		text A sessions
	SCRIPT
	echo "$output"
	[[ $output == *'session found=1 epoch=1 serial=8 last_index=9 digest='* ]]
	[[ $output == *'session found=1 epoch=1 serial=10 last_index=11 digest='* ]]
	[[ $output == *'session found=0'* ]]
	[[ $output == *'session=job epoch=1 serial=10 last_index=11'* ]]
	# With another write the commit index is stored, too.
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=2\nstored A 1'
	digest=$(sed -n 's/.*serial=10 last_index=11 digest=//p' <<<"$output" | head -n 1)
	[ "${#digest}" = 64 ]
	logd_kill
	logd_start "$D"
	run tell "$D" <<<$'hello A elector\nsession A name=job'
	[[ $output == *"serial=10 last_index=11 digest=$digest"* ]]
	[[ $output == *'session name=job epoch=1 serial=10 last_index=11'* ]]
	# Stored at a clean stop, and loaded.
	logd_stop
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT name, serial, lower(hex(digest)) FROM sessions'
	[ "$output" = "job|10|$digest" ]
	logd_start "$D"
	run tell "$D" <<<$'hello A client\nsession A name=job'
	[[ $output == *"serial=10 last_index=11 digest=$digest"* ]]
	# A damaged row: the table is made again.
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" 'UPDATE sessions SET serial = 3'
	logd_start "$D"
	said "$D" 'ev=sessions.*made again'
	run tell "$D" <<<$'hello A client\nsession A name=job'
	[[ $output == *"serial=10 last_index=11 digest=$digest"* ]]
	# What is dropped goes from the database, too.
	tell "$D" <<-SCRIPT
		hello A elector
		write A number=1 term=2 first=12 count=1 kind=session_drop name=job data=$(printf job | od -An -tx1 | tr -d ' \n')
		stored A 1
		commit A index=12 term=2
	SCRIPT
	logd_stop
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT count(*) FROM sessions'
	[ "$output" = 0 ]
}

@test "logd: cursors are durable when they are answered, and for raft-fsm alone" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello F fsm
		cursor F name=sink
		cursor F name=sink index=41
		cursor F name=sink index=42
		hello B client
		cursor B name=sink
		cursor B name=sink index=7
	SCRIPT
	[[ $output == *$'cursor index=0\ncursor index=41\ncursor index=42\n'*$'cursor index=42\nrefusal request=1 status=77'* ]]
	logd_kill
	logd_start "$D"
	run tell "$D" <<<$'hello B client\ncursor B name=sink'
	[[ $output == *'cursor index=42'* ]]
}

# ---------------------------------------------------------- a full disk

# small DIR SIZE RESERVE: a node whose data lies on a tmpfs of that size.
small() {
	as_root
	logd_make "$1" "$3"
	mkdir "$1/disk"
	mount -t tmpfs -o "size=$2" none "$1/disk"
	MOUNTED=$1/disk
	mv "$1/data" "$1/disk/data"
	ln -s disk/data "$1/data"
}

@test "logd: below the reserve it says full, still takes term and vote, and resumes by itself (H14)" {
	small "$D" 16m 4MiB
	logd_start "$D"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=1 count=5\nstored A 1'
	dd if=/dev/zero of="$D/disk/ballast" bs=1M count=14 status=none || :
	wait_until 5 has_status "$D" full full
	timeout 60 "$TBIN/logdctl" "$D/run/log" >"$D/told" 2>&1 3>&- <<-'SCRIPT' &
		hello A elector
		write A number=1 term=2 vote=n2
		stored A 1
		write A number=2 term=2 vote=n2 first=6 count=5
		stored A 2
	SCRIPT
	client=$!
	wait_until 10 grep -q 'full=1' "$D/told"
	wait_until 10 grep -q 'stored number=1 last=5' "$D/told"
	has_status "$D" full full
	[ "$(value last)/$(value term)/$(value vote)/$(value waiting)" = 5/2/n2/1 ]
	said "$D" 'ev=space from=no to=full'
	rm "$D/disk/ballast"
	wait_until 10 grep -q 'stored number=2 last=10' "$D/told"
	wait "$client"
	grep -q 'full=0' "$D/told"
	has_status "$D" full no
	alive "$LOGD"
}

@test "logd: a disk that is really full is not a broken one: nothing is lost, and it resumes (H14)" {
	small "$D" 8m 0B
	logd_start "$D"
	timeout 120 "$TBIN/logdctl" "$D/run/log" >"$D/told" 2>&1 3>&- <<-'SCRIPT' &
		hello A elector
		flood A writes=200 count=100 size=1000 term=1 vote=n1
		stored A 200
	SCRIPT
	client=$!
	wait_until 20 grep -q 'full=1' "$D/told"
	alive "$LOGD"
	log_status "$D"
	last=$(value last)
	[ "$last" -gt 1000 ]
	[ "$last" -lt 20000 ]
	[ "$(value full)" = full ]
	mount -o remount,size=200m "$D/disk"
	wait "$client"
	grep -q 'stored number=200 last=20000' "$D/told"
	wait_until 5 has_status "$D" full no
	logd_kill
	logd_start "$D"
	log_status "$D"
	[ "$(value last)/$(value recovering)" = 20000/no ]
	run tell "$D" <<<$'hello A elector\nread A from=19999'
	[[ $output == *'entry index=20000 '* ]]
}

@test "logd: a file size limit is a full disk, not a broken one (H14)" {
	logd_make "$D"
	logd_start "$D"
	logd_stop
	logd_start "$D" prlimit --fsize=$((20 << 20)):unlimited
	timeout 60 "$TBIN/logdctl" "$D/run/log" >"$D/told" 2>&1 3>&- <<-'SCRIPT' &
		hello A elector
		flood A writes=300 count=100 size=1000 term=1 vote=n1
		stored A 300
	SCRIPT
	client=$!
	wait_until 30 grep -q 'full=1' "$D/told"
	alive "$LOGD"
	prlimit --fsize=unlimited:unlimited --pid "$LOGD"
	wait "$client"
	grep -q 'stored number=300 last=30000' "$D/told"
}

# -------------------------------------------------------------- the rest

@test "logd: --accept-loss asks twice, says what it does, and lets a recovering node take part" {
	ten "$D"
	logd_stop
	logd_exits "$D" --accept-loss
	[ "$status" = 0 ]
	[[ $output == *'is not recovering'* ]]
	rm "$D/data/mark"
	logd_exits "$D" --accept-loss
	[ "$status" = 75 ]
	[[ $output == *'--accept-loss --yes'* ]]
	logd_start "$D"
	has_status "$D" recovering yes
	logd_stop
	logd_exits "$D" --accept-loss --yes
	[ "$status" = 0 ]
	[[ $output == *'ev=accept_loss last=10'* ]]
	logd_start "$D"
	has_status "$D" recovering no
	logd_exits "$D" --yes
	[ "$status" = 64 ]
}

@test "logd: stops on TERM within a second or two, moves its log into the database, and removes its socket" {
	ten "$D"
	kill -TERM "$LOGD"
	wait_until 5 gone "$LOGD"
	[ ! -e "$D/run/log" ]
	# The write-ahead log holds nothing more: without it nothing is missing.
	rm "$D/data/log.db-wal"
	logd_start "$D"
	has_status "$D" recovering no
	[ "$(value last)" = 10 ]
}

@test "logd: a socket path that is too long or taken is one sentence" {
	logd_make "$D"
	sed -i "s#run: run#run: $(printf 'r%.0s' $(seq 120))#" "$D/raft.yaml"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'too long for a socket'* ]]
}
