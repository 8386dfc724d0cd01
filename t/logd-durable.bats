#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-logd: what was acknowledged is there, whatever dies; a full disk is not a broken one.
# sanitize

load helper
load logd

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
	[[ $(tr '\n' ' ' <<<"$output") == 'sync mark ack '* ]]
}

acknowledged_both() { [ "$(grep -c raftmrk "$D/calls")" = 2 ] && tail -n 1 "$D/calls" | grep -q sendto; }

@test "logd: ⚠ what was gathered of the write-ahead log is in the file before the sync, and only then acknowledged" {
	logd_make "$D"
	logd_start "$D"
	spawn "$D/strace.log" strace -f -y -s 70000 -p "$LOGD" -e trace=fdatasync,pwrite64,sendto -o "$D/calls"
	wait_until 10 grep -q attached "$D/strace.log"
	# One that fits into a piece, and one of several pieces.
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 text=first
		stored A 1
		write A number=2 term=1 vote=n1 first=2 count=50 size=9000 text=second
		stored A 2
	SCRIPT
	wait_until 5 acknowledged_both
	run awk '
		/pwrite64.*log.db-wal>.*first/ { first = NR }
		/pwrite64.*log.db-wal>.*second/ { second = NR }
		/pwrite64.*log.db-wal>/ { print "frames" }
		/fdatasync/ { print first && second ? "sync of both" : first ? "sync of first" : "sync" }
		/pwrite64.*raftmrk/ { print "mark" }
		/sendto/ { print "send" }' "$D/calls"
	echo "$output"
	# Nothing of the log is written between a sync and what it acknowledges.
	[[ $(uniq <<<"$output" | tr '\n' ' ') == 'send frames sync of first mark send frames sync of both mark send ' ]]
	[ "$(grep -c '^frames' <<<"$output")" -ge 8 ]
}

@test "logd: no acknowledgement waits for the write-ahead log to be moved" {
	logd_make "$D"
	logd_start "$D"
	spawn "$D/strace.log" strace -f -y -p "$LOGD" -e trace=pwrite64,sendto -o "$D/calls"
	wait_until 10 grep -q attached "$D/strace.log"
	tell "$D" <<<$'hello A elector\nflood A writes=60 count=100 size=3000 term=1 vote=n1\nstored A 60'
	wait_until 5 grep -q 'pwrite64.*log.db>' "$D/calls"
	# The last one before the database is written is of the newest transaction.
	run awk '/raftmrk1/ { last = "mark" } /sendto/ { last = "ack" } /pwrite64.*log.db>/ { print last; exit }' "$D/calls"
	[ "$output" = ack ]
}

# sent_in_order TEXT: in the trace; an acknowledgement is 30 bytes.
sent_in_order() {
	local order
	order=$(awk '/fdatasync/ { printf "sync " } /sendto/ { printf / = 30$/ ? "ack " : "sent " }' "$D/calls")
	[[ $order == *"$1"* ]]
}

@test "logd: raft-fsm is answered before the transaction, the elector right after it, then the other readers" {
	logd_make "$D"
	logd_start "$D"
	spawn "$D/strace.log" strace -f -p "$LOGD" -e trace=fdatasync,sendto -o "$D/calls"
	wait_until 10 grep -q attached "$D/strace.log"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1
		stored A 1
		hello B fsm
		hello C reader
		ask-read B from=1 wait
		ask-read C from=1 wait
		write A number=2 term=1 vote=n1 first=2 count=1 hold
		commit A index=1 term=1
		stored A 2
		got B
		got C
	SCRIPT
	# Two hellos, and then the turn with both the second write and the commit of the first.
	wait_until 5 sent_in_order 'sync ack sent sent sent sync ack sent '
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
			injected_kill
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
			injected_kill
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
	[ "$output" = '4 n1 1 n1' ]
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

# ---------------------------------------------------------- a full disk

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

@test "logd: a file size limit that the end of a transaction meets first is a full disk, too (H14)" {
	logd_make "$D"
	logd_start "$D"
	prlimit --fsize=4096:unlimited --pid "$LOGD"
	timeout 60 "$TBIN/logdctl" "$D/run/log" >"$D/told" 2>&1 3>&- <<-'SCRIPT' &
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1
		stored A 1
	SCRIPT
	client=$!
	wait_until 20 has_status "$D" full full
	prlimit --fsize=unlimited:unlimited --pid "$LOGD"
	wait "$client"
	grep -q 'stored number=1 last=1 ' "$D/told"
}

@test "logd: ⚠ EIO after a full disk is no full disk: it ends it with 74 (H1, H14)" {
	local status=0
	logd_make "$D"
	logd_start "$D"
	# More than the cache holds meets the limit within a statement; SQLite keeps the number of that error.
	prlimit --fsize=$((1 << 20)):unlimited --pid "$LOGD"
	timeout 60 "$TBIN/logdctl" "$D/run/log" >"$D/told" 2>&1 3>&- <<-'SCRIPT' &
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=12000 size=1000
		stored A 1
	SCRIPT
	client=$!
	wait_until 20 has_status "$D" full full
	# Then only the state is tried, which is one COMMIT.
	prlimit --fsize=4096:unlimited --pid "$LOGD"
	kill "$client"
	wait_until 20 has_status "$D" waiting 0
	spawn "$D/strace" strace -f -p "$LOGD" -o "$D/calls" -e trace=pwrite64 -e inject=pwrite64:error=EIO
	wait_until 20 gone "$LOGD"
	wait "$LOGD" || status=$?
	[ "$status" = 74 ]
	grep -q 'ev=exit status=74 why="a read, write or sync of the database failed' "$D/log"
}

refused_twice() { [ "$(grep -c EFBIG "$D/calls")" -ge 2 ]; }

@test "logd: ⚠ a transaction that meets a full disk in its middle leaves nothing of itself, and is not taken for damage (H14)" {
	logd_make "$D"
	logd_start "$D"
	# SQLite's cache holds 2 MiB.  Of the entries it writes the rest beforehand, for which there is room; the
	# deletion needs those pages again, and has none.  What is left of the log after it is in no table.
	prlimit --fsize=$((7 << 20)):unlimited --pid "$LOGD"
	mkfifo "$D/script"
	timeout 120 "$TBIN/logdctl" "$D/run/log" <"$D/script" >"$D/told" 2>&1 3>&- &
	client=$!
	exec 9>"$D/script"
	cat >&9 <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=6000 size=1000
		write A number=2 term=1 vote=n1 after=100 first=101 count=1
	SCRIPT
	wait_until 20 has_status "$D" full full
	wait_until 20 has_status "$D" waiting 2
	# Twice: the second of these has tried both.
	spawn "$D/strace" strace -f -p "$LOGD" -e trace=pwrite64 -o "$D/calls" 9>&-
	wait_until 20 refused_twice
	log_status "$D"
	[ "$(value last)/$(value waiting)" = 0/2 ]
	prlimit --fsize=unlimited:unlimited --pid "$LOGD"
	echo 'stored A 2' >&9
	exec 9>&-
	wait "$client"
	grep -q 'stored number=2 last=101 ' "$D/told"
	logd_kill
	logd_start "$D"
	log_status "$D"
	[ "$(value last)/$(value recovering)/$(value truncations)" = 101/no/1 ]
	run tell "$D" <<<$'hello A elector\nread A from=100'
	[[ $output == *'entry index=100 '*'entry index=101 '* ]]
}
