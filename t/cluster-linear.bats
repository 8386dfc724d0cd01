#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-kv on three nodes is linearizable, whatever dies (§6.4): many writers and readers on all nodes, and the
# history of each key checked by t/tools/lincheck.c.
# long

load helper

setup() {
	local n
	cluster_init "$BATS_TEST_TMPDIR/c"
	# One in memory, two on disk: they have to agree.
	for n in $(nodes); do
		printf 'fsm:\n  mode: machine\n  command: [ raft-kv%s ]\n' "$([ "$n" = n1 ] || echo ', -D, kv.db')" >>"$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	wait_leader
	ctl n1 wait
	HISTORY=$BATS_TEST_TMPDIR/history
}
teardown() {
	touch "$BATS_TEST_TMPDIR/stop"
	stop_all
}

# load_begin: the clients; load_end OPERATIONS: and what they have seen is linearizable.
load_begin() {
	: >"$HISTORY"
	spawn "$BATS_TEST_TMPDIR/load.log" python3 "$ROOT/t/tools/kvload.py" "$CLUSTER" "$CLUSTER_COUNT" "$BATS_TEST_TMPDIR/stop" "$HISTORY"
	LOAD=$SPAWNED
}
load_end() {
	touch "$BATS_TEST_TMPDIR/stop"
	wait_until 40 gone "$LOAD"
	cat "$BATS_TEST_TMPDIR/load.log"
	[ ! -s "$BATS_TEST_TMPDIR/load.log" ]
	timeout 120 "$TBIN/lincheck" -m "$1" "$HISTORY" >"$BATS_TEST_TMPDIR/verdict" || status=$?
	cat "$BATS_TEST_TMPDIR/verdict"
	[ "${status:-0}" -eq 0 ]
	echo "# $(tail -n 1 "$BATS_TEST_TMPDIR/verdict")" >&3
}

# all_equal: each node's database has the same in it.
all_equal() {
	local n
	for n in $(nodes); do
		timeout 60 raft-query -F netstring -c "$CLUSTER/$n/raft.yaml" '4:list,' >"$BATS_TEST_TMPDIR/$n"
		cmp "$BATS_TEST_TMPDIR/n1" "$BATS_TEST_TMPDIR/$n"
	done
	[ -s "$BATS_TEST_TMPDIR/n1" ]
}

some_done() { [ "$(wc -l <"$HISTORY")" -ge $((DONE + 150)) ]; }
# go_on: until the clients have done some more.
go_on() {
	DONE=$(wc -l <"$HISTORY")
	wait_until 30 some_done
}

node_kill() { # NODE: all of it at once
	local d
	for d in fsm elect peerd logd; do kill -KILL "$(daemon_pid "$1" "$d")"; done
	for d in fsm elect peerd logd; do wait_until 10 gone "$(daemon_pid "$1" "$d")"; done
}

@test "linear: many writers and readers on all nodes while nodes die by kill -9" {
	load_begin
	for n in n1 n2 n3 leader n2 leader; do
		go_on
		[ "$n" != leader ] || n=$(leader)
		node_kill "$n"
		go_on
		node_start "$n"
		wait_until 30 has_fsm "$n"
	done
	go_on
	load_end 2000
	all_equal
}
has_fsm() { [ "$(status "$1" fsm state)" = running ]; }

@test "linear: while programs, raft-fsm and raft-elect die" {
	load_begin
	for _ in 1 2 3; do
		for n in $(nodes); do
			go_on
			program_kill "$n"
			go_on
			reap KILL "$(daemon_pid "$n" fsm)"
			daemon_start "$n" fsm
			reap KILL "$(daemon_pid "$n" elect)"
			daemon_start "$n" elect
			wait_until 30 has_fsm "$n"
		done
	done
	load_end 2000
	all_equal
}
