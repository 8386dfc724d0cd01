#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# raft-logd: logd.keep_for, by which entries go when they are old, whatever the clock says.

bats_require_minimum_version 1.5.0

load helper
load logd

# After the setup of logd.bash: some minute of 2023.
eval "$(declare -f setup | sed '1s/setup/logd_setup/')"
setup() {
	logd_setup
	S=$BATS_TEST_TMPDIR
	BASE=1700000000000
	HOUR=3600000
	head -c 3000 /dev/urandom >"$S/state"
}

snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }
now_ms() { date +%s%3N; }
first_is() { has_status "$D" first "$1"; }
quiet() { has_status "$D" compacting no && [ "$(value taking)" = no ]; }

# node KEYS [FSM]: a node that was never started, with these keys of logd, and this section fsm.
node() {
	logd_make "$D"
	sed -i "s/logd: {/logd: { $1,/" "$D/raft.yaml"
	[ $# = 1 ] || echo "fsm: { $2 }" >>"$D/raft.yaml"
}

# keys KEYS: those of a stopped node from now on.
keys() { sed -i "s/^logd: .*/logd: { reserve: 16MiB, $1 }/" "$D/raft.yaml"; }

# entries FIRST COUNT [TIME STEP]: committed ones, with stamps from TIME on, or without stamps.
entries() {
	{
		echo 'hello A elector'
		echo "write A number=1 term=1 vote=n1 first=$1 count=$2 ${3:+time=$3 step=$4}"
		echo 'stored A 1'
		echo "commit A index=$(($1 + $2 - 1)) term=1"
		echo 'write A number=2 term=1 vote=n1'
		echo 'stored A 2'
	} | tell "$D" >/dev/null
}

# oldest_kept NOW KEEP BASE STEP: the first entry that is not older than KEEP, where entry i is of BASE + (i - 1) STEP.
# The limit moves in steps of a sixty-fourth.
oldest_kept() {
	local edge=$(($1 - $2))
	edge=$((edge - edge % ($2 / 64 + 1)))
	echo $(((edge - $3 + $4 - 1) / $4 + 1))
}

# settled TIME: with one more entry, of that time, what is old has been planned again and is gone.
settled() {
	wait_until 20 quiet
	log_status "$D"
	local next=$(($(value last) + 1))
	output=$(
		tell "$D" <<-SCRIPT
			hello A elector
			write A number=1 term=1 vote=n1 first=$next count=1 time=$1
			stored A 1
			commit A index=$next term=1
			hello Z client
			text Z status
		SCRIPT
	)
	# The timer that stores the commit index of a quiet log has planned what to remove before that.
	wait_until 20 beyond "$D" transactions "$(value transactions)"
	wait_until 20 quiet
	log_status "$D"
}

# clock_start MS: raft-logd with a clock that is so far from that of the system.
clock_start() {
	echo "$1" >"$S/clock"
	logd_start "$D" env LD_PRELOAD="$TBIN/clock.so" CLOCK_FILE="$S/clock"
}

@test "keep_for: what is older goes when a snapshot stands for it, what is younger stays" {
	local want
	want=$(oldest_kept $((BASE + 999000)) 500000 "$BASE" 1000)
	[ "$want" -gt 480 ]
	[ "$want" -lt 501 ]
	# A machine: nothing is cut before there is a snapshot.
	node 'keep_for: 500s, keep_tail: 0B' 'mode: machine, command: [ cat ]'
	logd_start "$D"
	entries 1 1000 "$BASE" 1000
	snapshot add "$D/run/log" 300 "$S/state"
	wait_until 10 first_is 301
	snapshot add "$D/run/log" 900 "$S/state"
	wait_until 10 first_is "$want"
	wait_until 10 quiet
	logd_kill
	logd_start "$D"
	first_is "$want"
	settled $((BASE + 999000))
	[ "$(value first)" = "$want" ]
}

@test "keep_for: the tail is kept in any case, however old it is" {
	node 'keep_for: 1s, keep_tail: 1MiB'
	logd_start "$D"
	entries 1 20000 "$BASE" 1000
	snapshot add "$D/run/log" 20000 "$S/state"
	settled $((BASE + 20000000))
	[ "$(value first)" -gt 1 ]
	[ "$(value log_bytes)" -ge 900000 ]
}

@test "keep_for: ⚠ a log at rest, and a clock in the year 2100, make no entry old" {
	local now
	now=$(now_ms)
	node 'keep_for: 1h, keep_tail: 0B'
	clock_start 2300000000000
	entries 1 1000 $((now - 999 * 10000)) 10000
	snapshot add "$D/run/log" 1000 "$S/state"
	want=$(oldest_kept "$now" "$HOUR" $((now - 999 * 10000)) 10000)
	wait_until 10 first_is "$want"
	settled "$now"
	[ "$(value first)" = "$want" ]
}

@test "keep_for: ⚠ a clock that went back makes entries younger, not older" {
	local now back=$((24 * HOUR))
	now=$(now_ms)
	node 'keep_for: 1h, keep_tail: 0B'
	clock_start -$back
	# Three days, an entry every five minutes; the limit is between two of them, however long this takes.
	entries 1 865 $((now - 3 * back + 150000)) 300000
	snapshot add "$D/run/log" 865 "$S/state"
	past_some() { beyond "$D" first 400; }
	wait_until 10 past_some
	settled "$now"
	# By the clock two days are gone, less an hour and the step.
	[ "$(value first)" -ge $((576 - 12 - 1)) ]
	[ "$(value first)" -le $((576 - 12 + 1)) ]
	# In 1970 nothing is old.
	logd_stop
	keys 'keep_for: 1s, keep_tail: 0B'
	clock_start -"$now"
	first=$(value first)
	settled "$now"
	[ "$(value first)" = "$first" ]
	# And with the right clock all of it goes but the last hour.
	logd_stop
	logd_start "$D"
	settled "$now"
	[ "$(value first)" -gt 860 ]
}

@test "keep_for: ⚠ what a cursor or a reader of a snapshot needs is kept, however old it is" {
	node 'keep_for: 100s, keep_tail: 0B' 'mode: machine, command: [ cat ]'
	logd_start "$D"
	entries 1 500 "$BASE" 1000
	snapshot add "$D/run/log" 100 "$S/state"
	mkfifo "$S/hold" "$S/held"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$D/run/log" "$S" <<-'PY' 3>&- &
		import sys
		from wire import *
		c = Conn(sys.argv[1])
		c.hello(FSM)
		c.send("cursor_set", request=1, name="p", index=200)
		c.expect("cursor")
		c.send("snap_find", request=2)
		assert c.expect("snap_found")["pos"][0] == 100
		open(sys.argv[2] + "/held", "w").close()
		open(sys.argv[2] + "/hold").read()
		c.send("snap_read", request=3, size_max=0)
		c.expect("snap_data")
		open(sys.argv[2] + "/held", "w").close()
		open(sys.argv[2] + "/hold").read()
		c.send("cursor_set", request=4, name="p", index=300)
		c.expect("cursor")
	PY
	reader=$!
	cat "$S/held"
	snapshot add "$D/run/log" 500 "$S/state"
	settled $((BASE + 499000))
	[ "$(value first)" = 101 ]
	: >"$S/hold"
	cat "$S/held"
	settled $((BASE + 499000))
	[ "$(value first)" = 201 ]
	: >"$S/hold"
	wait "$reader"
	settled $((BASE + 499000))
	[ "$(value first)" = 301 ]
}

@test "keep_for: without a machine the log is cut without a snapshot, up to what a cursor needs" {
	node 'keep_for: 500s, keep_tail: 0B' 'mode: sink, from: cursor'
	logd_start "$D"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$D/run/log" <<-'PY'
		import sys
		from wire import *
		c = Conn(sys.argv[1])
		c.hello(FSM)
		c.send("cursor_set", request=1, name="p", index=300)
		c.expect("cursor")
	PY
	entries 1 1000 "$BASE" 1000
	wait_until 10 first_is 301
	settled $((BASE + 999000))
	[ "$(value first)" = 301 ]
	run snapshot find "$D/run/log"
	[[ $output == '1 300 0  ' ]]
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" 'DELETE FROM cursors'
	logd_start "$D"
	settled $((BASE + 999000))
	[ "$(value first)" = "$(oldest_kept $((BASE + 999000)) 500000 "$BASE" 1000)" ]
	# The chain continues, and nothing of this is a reason to warn.
	logd_kill
	logd_start "$D"
	has_status "$D" recovering no
	has_status "$D" commit 1002
	run ! said "$D" lvl=warn
}

@test "keep_for: ⚠ a machine that has no snapshot yet, or an older one, loses nothing" {
	node 'keep_for: 500s, keep_tail: 0B' 'mode: machine, command: [ raft-kv ]'
	logd_start "$D"
	entries 1 1000 "$BASE" 1000
	settled $((BASE + 999000))
	[ "$(value first)" = 1 ]
	snapshot add "$D/run/log" 100 "$S/state"
	settled $((BASE + 999000))
	[ "$(value first)" = 101 ]
	# Nor a node whose newest snapshot has come from another.
	logd_stop
	sed -i '/^fsm:/d' "$D/raft.yaml"
	logd_start "$D"
	settled $((BASE + 999000))
	[ "$(value first)" = 101 ]
}

@test "keep_for: ⚠ where the log has a contract, other nodes have machines: nothing is cut without a snapshot" {
	node 'keep_for: 500s, keep_tail: 0B'
	logd_start "$D"
	entries 1 1000 "$BASE" 1000
	wait_until 10 beyond "$D" first 400
	log_status "$D"
	first=$(value first)
	# Lines, no fields, reply_max 1KiB, entry_max 1MiB, format "state".
	tell "$D" <<-SCRIPT >/dev/null
		hello A elector
		write A number=1 term=1 vote=n1 first=1001 count=1 kind=contract time=$((BASE + 1000000)) data=000000000000000004000000000000100000057374617465
		stored A 1
		commit A index=1001 term=1
	SCRIPT
	entries 1002 1000 $((BASE + 1001000)) 1000
	settled $((BASE + 2001000))
	[ "$(value first)" = "$first" ]
}

@test "keep_for: ⚠ entries of level 1 have no time: they are as old as the first entry after them that has" {
	node 'keep_for: 500s, keep_tail: 0B'
	logd_start "$D"
	entries 1 100
	snapshot add "$D/run/log" 90 "$S/state"
	settled 0
	[ "$(value first)" = 1 ]
	entries 102 400 "$BASE" 1000
	snapshot add "$D/run/log" 400 "$S/state"
	settled $((BASE + 400000))
	[ "$(value first)" = 1 ]
	# A bit more than the step later the first one with a stamp is old, and those before it.
	entries 503 1 $((BASE + 520000)) 0
	past_stamp() { beyond "$D" first 102; }
	wait_until 10 past_stamp
	wait_until 20 quiet
	log_status "$D"
	[ "$(value first)" -lt 123 ]
	# From there on the log begins with entries that have a time, and that is known after a start.
	logd_kill
	logd_start "$D"
	log_status "$D"
	first=$(value first)
	settled $((BASE + 520000))
	[ "$(value first)" = "$first" ]
}

@test "keep_for: the first entry that stays is found by bisection: rows between are not read" {
	node 'keep_tail: 64MiB'
	logd_start "$D"
	entries 1 20000 "$BASE" 1000
	snapshot add "$D/run/log" 19900 "$S/state"
	logd_stop
	# A row that raft-logd reads and that fails its chain would end it.
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE log SET data = 'other' WHERE idx % 11000 BETWEEN 5001 AND 5900"
	keys 'keep_for: 5100s, keep_tail: 0B, tail: 64KiB'
	logd_start "$D"
	settled $((BASE + 19999000))
	[ "$(value first)" = "$(oldest_kept $((BASE + 19999000)) 5100000 "$BASE" 1000)" ]
	alive "$LOGD"
}

@test "keep_for: logd.keep comes first, and takes no more than it must" {
	node 'keep: 1MiB, keep_for: 1000d, keep_tail: 0B'
	logd_start "$D"
	entries 1 20000 "$BASE" 1
	snapshot add "$D/run/log" 19900 "$S/state"
	settled $((BASE + 20000))
	[ "$(value first)" -gt 1 ]
	[ "$(value first)" -lt 19000 ]
	[ "$(value log_bytes)" -le 1048576 ]
	[ "$(value log_bytes)" -gt 800000 ]
}
