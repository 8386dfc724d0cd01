#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031,SC2317
# raft-logd: snapshots taken, sent, installed; the log's beginning cut; the ways a disk can fail meanwhile.
# sanitize

load helper
load logd

setup() {
	D=$BATS_TEST_TMPDIR/n1
	E=$BATS_TEST_TMPDIR/n2
	S=$BATS_TEST_TMPDIR
	head -c 300000 /dev/urandom >"$S/state"
}
teardown() { stop_all; }

snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }

# entries DIR FIRST COUNT: committed ones of term 1, with a named session every hundred.
entries() {
	{
		echo 'hello A elector'
		echo "write A number=1 term=1 vote=n1 first=$2 count=$3"
		echo 'stored A 1'
		echo "commit A index=$(($2 + $3 - 1)) term=1"
		echo 'write A number=2 term=1 vote=n1'
		echo 'stored A 2'
	} | tell "$1" >/dev/null
}

# filled DIR COUNT [KEEP_TAIL]: a started node with so many committed entries.
filled() {
	logd_make "$1"
	sed -i "s/logd: {/logd: { keep_tail: ${3:-0B},/" "$1/raft.yaml"
	logd_start "$1"
	entries "$1" 1 "$2"
}
gone_or_up() { gone "$SPAWNED" || answers "$D"; }
first_is() { has_status "$1" first "$2"; } # DIR INDEX

@test "snapshot: its row is the newest, and the log before it goes; readers are told the first entry (§5.1)" {
	filled "$D" 5000
	[ "$(snapshot add "$D/run/log" 3000 "$S/state")" = '1 3000 ' ]
	wait_until 10 first_is "$D" 3001
	log_status "$D"
	[ "$(value snapshot)" = 3000 ]
	[ "$(value snapshot_bytes)" = 300000 ]
	[ "$(value snapshot_format)" = test ]
	[ "$(value last)" = 5000 ]
	run snapshot find "$D/run/log"
	[[ $output == "1 3000 300000 test $D/data/snapshots/"* ]]
	cmp "$S/state" "$D"/data/snapshots/*-1.snapshot
	run timeout 10 raft-tail -c "$D/raft.yaml"
	[ "$status" -eq 4 ]
	[[ $output == *'first available index is 3001'* ]]
	# And so after a stop, and after a kill.
	logd_stop
	logd_start "$D"
	has_status "$D" first 3001
	logd_kill
	logd_start "$D"
	has_status "$D" snapshot 3000
	entries "$D" 5001 10
	has_status "$D" commit 5010
}

@test "snapshot: one that cannot be is refused, and the one before it stays (E12)" {
	filled "$D" 100
	no() {
		run snapshot "$@"
		echo "$* -> $output"
		[ "$status" -eq 1 ]
	}
	no add "$D/run/log" 101 "$S/state"
	[[ $output == *'not committed'* ]]
	no add "$D/run/log" 0 "$S/state"
	no add-at "$D/run/log" 50 "$S/state"
	[[ $output == *'not one that raft-logd has given out'* ]]
	no add-at "$D/run/log" 50 "$D/data/snapshots/../identity"
	no add-at "$D/run/log" 50 "$D/data/snapshots/new-0000000000000000-1"
	[[ $output == *'No such file'* ]]
	snapshot add "$D/run/log" 60 "$S/state"
	no add "$D/run/log" 60 "$S/state"
	no add "$D/run/log" 59 "$S/state"
	[[ $output == '0 60 there is one of that index'* ]]
	[ "$(ls "$D/data/snapshots")" = "$(cd "$D/data/snapshots" && echo 0*60-1.snapshot)" ]
}

@test "compaction: a tail is kept, what a cursor needs is kept, appends do not wait" {
	filled "$D" 30000 1MiB
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 python3 - "$D/run/log" <<-'PY'
		import sys
		from wire import *
		c = Conn(sys.argv[1])
		c.hello(FSM)
		c.send("cursor_set", request=1, name="p", index=20000)
		c.expect("cursor")
	PY
	snapshot add "$D/run/log" 29000 "$S/state"
	beyond_first() { beyond "$D" first 1000; }
	wait_until 10 beyond_first
	quiet() { has_status "$D" compacting no; }
	wait_until 10 quiet
	log_status "$D"
	# Not beyond the cursor, and not below the tail.
	[ "$(value first)" -le 20001 ]
	[ "$(value log_bytes)" -ge 900000 ]
	entries "$D" 30001 10
	has_status "$D" commit 30010
}

@test "keep: without a snapshot the oldest entries are cut, with a warning; the rest is good after a restart" {
	logd_make "$D"
	sed -i 's/logd: {/logd: { keep: 1MiB, keep_tail: 0B,/' "$D/raft.yaml"
	logd_start "$D"
	entries "$D" 1 20000
	beyond_first() { beyond "$D" first 1; }
	wait_until 20 beyond_first
	said "$D" 'ev=keep'
	run snapshot find "$D/run/log"
	[[ $output == '1 '*' 0  ' ]]
	logd_kill
	logd_start "$D"
	beyond "$D" first 1
	has_status "$D" last 20000
}

@test "snapshot: a stream taken from one node and put into another makes equal logs (§5.1)" {
	filled "$D" 2000
	snapshot add "$D/run/log" 1500 "$S/state"
	snapshot get "$D/run/log" "$S/stream"
	logd_make "$E"
	sed -i 's/id: n1, data/id: n2, data/' "$E/raft.yaml"
	sed -i 's/node n1/node n2/' "$E/data/identity"
	logd_start "$E"
	# Half of it, then the rest where it broke, on another connection.
	run snapshot put "$E/run/log" "$S/stream" 200000
	[[ $output == $'from 0\nstate 0 200000' ]]
	run snapshot install "$E/run/log" "$S/stream"
	echo "$output"
	[[ $output == $'from 200000\nstate 1 0\nlog_stored (1500, 1)' ]]
	has_status "$E" first 1501
	has_status "$E" commit 1500
	has_status "$E" truncations 1
	# The entries after it continue the chain of the first node.
	entries "$E" 1501 500
	logd_stop
	wait_until 10 gone "$LOGD"
	stop_all
	a=$(sqlite3 "$D/data/log.db" 'SELECT hex(chain) FROM log WHERE idx = 2000')
	b=$(sqlite3 "$E/data/log.db" 'SELECT hex(chain) FROM log WHERE idx = 2000')
	[ "$a" = "$b" ]
	logd_start "$E"
	has_status "$E" snapshot 1500
	has_status "$E" recovering no
	run snapshot put "$E/run/log" "$S/stream"
	[[ $output == *'state 3 0' ]]
}

@test "snapshot: where no thread can be made, one is taken and one is received all the same" {
	filled "$D" 2000
	logd_stop
	wait_until 10 gone "$LOGD"
	no_threads=(strace -f -qq -o /dev/null -e "trace=clone,clone3" -e "inject=clone,clone3:error=EAGAIN")
	logd_start "$D" "${no_threads[@]}"
	[ "$(snapshot add "$D/run/log" 1500 "$S/state")" = '1 1500 ' ]
	grep -q 'lvl=warn .*ev=thread why="resource temporarily unavailable"' "$D/log"
	cmp "$S/state" "$D"/data/snapshots/*-1.snapshot
	snapshot get "$D/run/log" "$S/stream"
	logd_make "$E"
	sed -i 's/id: n1, data/id: n2, data/' "$E/raft.yaml"
	sed -i 's/node n1/node n2/' "$E/data/identity"
	logd_start "$E" "${no_threads[@]}"
	run snapshot install "$E/run/log" "$S/stream"
	[[ $output == *'state 1 0'*'log_stored (1500, 1)' ]]
	grep -q 'ev=thread' "$E/log"
	has_status "$E" commit 1500
}

@test "snapshot: a stream whose head is of version 1 is taken, kept as it is, and backed up as the present version" {
	filled "$D" 300
	snapshot add "$D/run/log" 200 "$S/state"
	snapshot get "$D/run/log" "$S/stream"
	snapshot version-1 "$S/stream" "$S/old"
	logd_stop
	logd_make "$E"
	sed -i 's/id: n1, data/id: n2, data/' "$E/raft.yaml"
	sed -i 's/node n1/node n2/' "$E/data/identity"
	logd_start "$E"
	run snapshot install "$E/run/log" "$S/old"
	[[ $output == *'log_stored (200, 1)' ]]
	logd_stop
	logd_start "$E"
	has_status "$E" snapshot 200
	has_status "$E" recovering no
	snapshot get "$E/run/log" "$S/again"
	cmp "$S/old" "$S/again"
	timeout 20 raft-ctl -c "$E/raft.yaml" snapshot --newest -o "$S/backup"
	cmp "$S/stream" "$S/backup"
}

@test "snapshot: a damaged stream is refused and thrown away, wherever the damage is (E14)" {
	filled "$D" 100
	snapshot add "$D/run/log" 100 "$S/state"
	snapshot get "$D/run/log" "$S/stream"
	size=$(stat -c %s "$S/stream")
	logd_stop
	logd_make "$E"
	sed -i 's/id: n1, data/id: n2, data/' "$E/raft.yaml"
	sed -i 's/node n1/node n2/' "$E/data/identity"
	logd_start "$E"
	for at in 20 40 80 150 $((size - 300000)) $((size / 2)) $((size - 1)); do
		cp "$S/stream" "$S/bad"
		patch "$S/bad" "$at"
		run snapshot install-bad "$E/run/log" "$S/bad" "$S/stream"
		echo "$at: $output"
		[[ $output != *log_stored* ]]
	done
	[ -z "$(find "$E/data/snapshots" -name '*.snapshot')" ]
	has_status "$E" last 0
	run snapshot install "$E/run/log" "$S/stream"
	[[ $output == *'log_stored (100, 1)' ]]
}

@test "snapshot: a flipped bit in its file or row is found at the start; with others there the node heals, alone it says so (H6)" {
	filled "$D" 3000
	snapshot add "$D/run/log" 2000 "$S/state"
	wait_until 10 first_is "$D" 2001
	logd_stop
	file=$(echo "$D"/data/snapshots/*.snapshot)
	patch "$file" 100000
	logd_start "$D"
	has_status "$D" recovering yes
	has_status "$D" last 0
	has_status "$D" snapshot 0
	[ -e "$file.damaged" ]
	said "$D" 'its content is not what was written'
	run tell "$D" <<<'hello A elector'
	[[ $output == *'recovering=1'* ]]
}

@test "snapshot: kill -9 at any write, sync or rename of taking one leaves the old or the new one (E3, E4)" {
	local call n hit=0
	for call in fsync rename pwrite64 fdatasync unlink; do
		for n in 1 2 5; do
			case $call$n in rename2 | rename5 | unlink2 | unlink5 | fsync5) continue ;; esac
			rm -rf "$D"
			logd_make "$D"
			sed -i 's/logd: {/logd: { keep_tail: 0B,/' "$D/raft.yaml"
			logd_start "$D"
			entries "$D" 1 500
			snapshot add "$D/run/log" 100 "$S/state" >/dev/null
			wait_until 10 first_is "$D" 101
			spawn "$S/strace" strace -f -p "$LOGD" -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$n"
			wait_until 10 grep -q attached "$S/strace"
			snapshot add "$D/run/log" 300 "$S/state" >"$S/said" 2>&1 || :
			if alive "$LOGD" && ! gone "$LOGD"; then logd_kill; else hit=$((hit + 1)); fi
			: >"$S/strace"
			logd_start "$D"
			log_status "$D"
			echo "$call $n: $(tail -n 1 "$S/said") -> $output"
			[ "$(value recovering)" = no ]
			[ "$(value last)" = 500 ]
			if grep -q '^1 300' "$S/said"; then [ "$(value snapshot)" = 300 ]; fi
			[ "$(value snapshot)" = 100 ] || [ "$(value snapshot)" = 300 ]
			[ "$(find "$D/data/snapshots" -type f | wc -l)" = 1 ]
			logd_kill
		done
	done
	[ "$hit" -ge 5 ]
}

@test "snapshot: kill -9 at any write, sync or rename of installing one leaves the old or the new log (E3, E4)" {
	local call n hit=0 new=0
	filled "$D" 2000
	snapshot add "$D/run/log" 1500 "$S/state" >/dev/null
	snapshot get "$D/run/log" "$S/stream"
	logd_kill
	for call in pwrite64 fdatasync fsync rename; do
		for n in 1 3 6; do
			case $call$n in rename3 | rename6 | fsync6) continue ;; esac
			rm -rf "$E"
			logd_make "$E"
			sed -i 's/id: n1, data/id: n2, data/' "$E/raft.yaml"
			sed -i 's/node n1/node n2/' "$E/data/identity"
			logd_start "$E"
			entries "$E" 1 20
			: >"$S/strace"
			spawn "$S/strace" strace -f -p "$LOGD" -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$n"
			wait_until 10 grep -q attached "$S/strace"
			snapshot install "$E/run/log" "$S/stream" >"$S/said" 2>&1 || :
			if alive "$LOGD" && ! gone "$LOGD"; then logd_kill; else hit=$((hit + 1)); fi
			logd_start "$E"
			log_status "$E"
			echo "$call $n: $(tail -n 1 "$S/said") -> $output"
			[ "$(value recovering)" = no ]
			[ "$(value last)" = 20 ] || [ "$(value last)" = 1500 ]
			if grep -q log_stored "$S/said"; then [ "$(value last)" = 1500 ]; fi
			if [ "$(value last)" = 1500 ]; then
				new=$((new + 1))
				[ "$(value snapshot)" = 1500 ]
			else
				[ "$(value first)" = 1 ]
			fi
			logd_kill
		done
	done
	[ "$hit" -ge 5 ]
	[ "$new" -ge 1 ]
}

@test "snapshot: a disk that is full meanwhile is no loss: the old one and the log stay (E12, H14)" {
	[ "$(id -u)" = 0 ]
	mkdir -p "$D"
	mount -t tmpfs -o size=24m tmpfs "$D"
	filled "$D" 500
	sed -i 's/reserve: 16MiB/reserve: 0B/' "$D/raft.yaml"
	logd_kill
	logd_start "$D"
	snapshot add "$D/run/log" 100 "$S/state"
	head -c 20000000 /dev/zero >"$D/ballast" || :
	head -c 200000000 /dev/zero >"$D/ballast2" 2>/dev/null || :
	run snapshot add "$D/run/log" 300 "$S/state"
	[ "$status" -ne 0 ]
	rm -f "$D/ballast" "$D/ballast2"
	has_status "$D" snapshot 100
	logd_kill
	logd_start "$D"
	has_status "$D" last 500
	[ "$(snapshot add "$D/run/log" 300 "$S/state")" = '1 300 ' ]
	stop_all
	umount "$D"
}

@test "snapshot: ⚠ one of a leader that was not installed does not take the file of the own one with it" {
	filled "$D" 2000
	snapshot add "$D/run/log" 1500 "$S/state"
	snapshot get "$D/run/log" "$S/stream"
	snapshot add "$D/run/log" 1900 "$S/state"
	snapshot get "$D/run/log" "$S/later"
	logd_stop
	logd_make "$E"
	sed -i 's/id: n1, data/id: n2, data/' "$E/raft.yaml"
	sed -i 's/node n1/node n2/' "$E/data/identity"
	logd_start "$E"
	run snapshot put "$E/run/log" "$S/stream"
	[[ $output == *'state 1 0' ]]
	# Its elector ends, the entries come by themselves, and the own program takes a snapshot of that very index.
	entries "$E" 1 1600
	[ "$(snapshot add "$E/run/log" 1500 "$S/state")" = '1 1500 ' ]
	# The next one of a leader takes the place of the first.
	snapshot put "$E/run/log" "$S/later" 1000
	cmp "$S/state" "$E/data/snapshots/00000000000000001500-1.snapshot"
	logd_kill
	logd_start "$E"
	has_status "$E" snapshot 1500
	has_status "$E" recovering no
}

@test "logd: a log of format 1 is migrated in one transaction, whatever kills it meanwhile (H23)" {
	local n
	mkdir -p "$D"
	for n in 0 1 2 3; do
		rm -rf "$D"
		cp -R "$ROOT/t/data/logd-format-1" "$D"
		mkdir -p "$D/run"
		if [ "$n" -gt 0 ]; then
			spawn "$D/log" strace -f -o /dev/null -e trace=pwrite64 -e "inject=pwrite64:signal=KILL:when=$n" \
				"$BIN/raft-logd" -c "$D/raft.yaml"
			wait_until 10 gone_or_up
			injected_kill
		fi
		logd_start "$D"
		log_status "$D"
		echo "$n: $output"
		[ "$(value last)" = 10 ]
		[ "$(value recovering)" = no ]
		entries "$D" 11 5
		snapshot add "$D/run/log" 12 "$S/state"
		logd_stop
		[ "$(sqlite3 "$D/data/log.db" "SELECT value FROM meta WHERE key = 'format'")" = 4 ]
	done
}


@test "snapshot: who waits for entries below the beginning is told of the gap at once, also when nothing lies behind it" {
	filled "$D" 100
	snapshot add "$D/run/log" 100 "$S/state"
	wait_until 10 first_is "$D" 101
	run timeout 20 raft-tail -c "$D/raft.yaml" --from 50
	[ "$status" -eq 4 ]
	[[ $output == *'first available index is 101'* ]]
	# With -f it is no end.
	spawn "$D/tail.log" raft-tail -f -c "$D/raft.yaml" --from 50
	wait_until 10 grep -qx 'raft-tail: the entries 50 to 100 are compacted away: continuing with 101' "$D/tail.log"
	alive "$SPAWNED"
}

@test "snapshot: ⚠ one whose file is gone is reported and stands for nothing: the log keeps its entries until it is back" {
	filled "$D" 100 1MiB
	[ "$(snapshot add "$D/run/log" 100 "$S/state")" = '1 100 ' ]
	mv "$D"/data/snapshots/*100-1.snapshot "$S/away"
	wait_until 10 said "$D" 'lvl=error .*ev=snapshot .*100-1.snapshot.*take a new snapshot'
	run snapshot find "$D/run/log"
	[[ $output == '0 '* ]]
	entries "$D" 101 30000
	# The timer that empties the write-ahead log of a quiet node has planned what to cut before that.
	wait_until 20 has_status "$D" wal_bytes 0
	log_status "$D"
	[ "$(value first)" = 1 ]
	[ "$(value log_bytes)" -gt 1100000 ]
	mv "$S/away" "$D/data/snapshots/00000000000000000100-1.snapshot"
	entries "$D" 30101 10
	wait_until 10 first_is "$D" 101
}

@test "snapshot: ⚠ a lost folder of snapshots is an error for readers, not a crash, and a new snapshot makes it again" {
	filled "$D" 2000 64KiB
	first_past() { beyond "$D" first 400; }
	[ "$(snapshot add "$D/run/log" 500 "$S/state")" = '1 500 ' ]
	wait_until 10 first_past
	rm -r "$D/data/snapshots"
	wait_until 10 said "$D" 'lvl=error .*ev=snapshot .*take a new snapshot'
	# Raft-fsm and the other nodes hear that there is none, and raft-logd goes on.
	run snapshot find "$D/run/log"
	[[ $output == '0 '* ]]
	entries "$D" 2001 3000
	log_status "$D"
	[ "$(value first)" = 501 ]
	[ "$(snapshot add "$D/run/log" 4000 "$S/state")" = '1 4000 ' ]
	wait_until 10 first_is "$D" 4001
	logd_kill
	logd_start "$D"
	run snapshot find "$D/run/log"
	[[ $output == '1 4000 '* ]]
}
