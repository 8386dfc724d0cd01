#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# raft-fsm, mode batch, against a stand-in for raft-logd: at least once, in order, batch by batch.

bats_require_minimum_version 1.5.0

setup() {
	load helper.bash
	N=$BATS_TEST_TMPDIR/n
	mkdir -p "$N/run"
	chmod 700 "$N/run"
	IN=$N/in OUT=$N/out LOG=$N/log
	: >"$IN"
}

teardown() { stop_all; }

yaml() { # yaml SCRIPT [LINE OF fsm:]...
	local script=$1
	shift
	{
		echo 'node: { id: n1 }'
		echo 'cluster: { name: demo, members: members.yaml }'
		echo 'peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }'
		echo 'fsm:'
		echo "  command: [ sh, -c, '$script' ]"
		echo '  mode: batch'
		for line; do echo "  $line"; done
	} >"$N/raft.yaml"
}

logd() {
	spawn "$N/logd.log" "$TBIN/fake-logd" "$N/run/log" n1 "$IN" "$@"
	wait_until 5 test -S "$N/run/log"
}

fsm() {
	spawn "$LOG" raft-fsm -c "$N/raft.yaml"
	FSM=$SPAWNED
}

status_line() { timeout 10 "$TBIN/ask" "$N/run/fsm"; }
key() { status_line | tr ' ' '\n' | sed -n "s/^$1=//p"; }
key_is() { [ "$(key "$1")" = "$2" ]; }
said() { grep -q -- "$1" "$LOG"; }

@test "batch: each batch is one run of the command, within its limits, and nothing is missing" {
	yaml 'cat >part && wc -l <part >>sizes && cat part >>out' 'batch: { entries: 100 }'
	seq 1 1050 >"$IN"
	logd
	fsm
	wait_until 30 cmp "$IN" "$OUT"
	[ "$(head -n 10 "$N/sizes" | sort -u)" = 100 ]
	[ "$(tail -n 1 "$N/sizes")" = 50 ]
	wait_until 5 key_is lag 0
	# a few more come after the time of a batch
	echo more >>"$IN"
	wait_until 10 cmp "$IN" "$OUT"
}

@test "batch: bytes bound it too, and a larger entry is alone" {
	yaml 'cat >part && wc -c <part >>sizes && cat part >>out' 'batch: { bytes: 10B }'
	printf '%s\n' aaaa bbbb cccc dddddddddddddddddddd ee >"$IN"
	logd
	fsm
	wait_until 20 cmp "$IN" "$OUT"
	[ "$(tr '\n' ' ' <"$N/sizes")" = '10 5 21 3 ' ]
}

@test "batch: what failed comes again whole, until it succeeds; nothing is skipped" {
	yaml 'cat >part; [ -e mended ] || { echo no >>tries; exit 7; }; cat part >>out'
	seq 1 10 >"$IN"
	logd
	fsm
	tried() { [ "$(wc -l <"$N/tries")" -ge 3 ]; }
	wait_until 20 tried
	key_is state backoff
	said 'the command exited with 7'
	[ ! -e "$OUT" ]
	touch "$N/mended"
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	wait_until 20 cmp "$IN" "$OUT"
	key_is state running
}

@test "batch: at least once over kill -9 of raft-fsm and of the command, and on from the cursor" {
	yaml 'cat >>out' 'batch: { entries: 20, time: 10ms }'
	seq 1 400 >"$IN"
	logd
	fsm
	for i in 1 2 3 4; do
		some() { [ "$(wc -l <"$OUT")" -ge $((i * 60)) ]; }
		wait_until 20 some
		kill -KILL "$FSM"
		wait_until 10 gone "$FSM"
		fsm
	done
	all() { sort -nu "$OUT" | cmp -s "$IN" -; }
	wait_until 30 all
	wait_until 5 key_is lag 0
	# in order but for what came again: the first of each is in order
	awk '!seen[$0]++' "$OUT" | cmp "$IN" -
	# an orderly stop, and nothing comes again
	reap TERM "$FSM"
	cp "$OUT" "$N/before"
	fsm
	wait_until 10 key_is lag 0
	cmp "$OUT" "$N/before"
}

@test "batch: a command that reads nothing and succeeds has its way; one that lingers is ended at the stop" {
	yaml 'exit 0'
	seq 1 5000 >"$IN"
	logd
	fsm
	wait_until 20 key_is lag 0
	reap TERM "$FSM"
	yaml 'echo $$ >pid; exec sleep 1000' 'stop_timeout: 200ms'
	seq 1 10 >>"$IN"
	fsm
	wait_until 10 test -s "$N/pid"
	reap TERM "$FSM"
	wait_until 10 gone "$(cat "$N/pid")"
}

@test "batch: a gap is an error, not a skip" {
	yaml 'cat >>out'
	seq 1 100 >"$IN"
	logd 50
	fsm
	wait_until 10 key_is state gap
	[ ! -e "$OUT" ]
}
