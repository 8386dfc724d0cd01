#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# No order of starting the four daemons is required; an orderly start and stop is quiet.

load helper

setup() { cluster_init "$BATS_TEST_TMPDIR/c" 1; with_sink; mkdir -p "$CLUSTER/n1/run"; }
teardown() { cluster_stop; }

orders() { # all permutations of the arguments, a line each
	python3 -c 'import itertools, sys
for p in itertools.permutations(sys.argv[1:]): print(*p)' "$@"
}

@test "each of the 24 orders of starting the four daemons: the line comes out, once" {
	: >"$BATS_TEST_TMPDIR/want"
	n=0
	while read -r order; do
		n=$((n + 1))
		for d in $order; do
			daemon_start n1 "$d"
			sleep 0.02
		done
		echo "line $n after $order" >>"$BATS_TEST_TMPDIR/want"
		tail -n 1 "$BATS_TEST_TMPDIR/want" | timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml"
		all_out "$BATS_TEST_TMPDIR/want"
		cluster_stop
	done < <(orders logd peerd elect fsm)
	[ "$n" -eq 24 ]
}

@test "a cluster that is started, stopped and started again logs no warning, and nothing of a crash" {
	cluster_init "$BATS_TEST_TMPDIR/three" 3
	for n in $(nodes); do
		printf '%s\n' 'logd: { reserve: 1MiB }' 'fsm: { mode: machine, format: "1", command: [ raft-kv ] }' \
			>>"$CLUSTER/$n/raft.yaml"
	done
	for round in 1 2 3; do
		for n in $(nodes); do
			spawn "$CLUSTER/$n/node.log" "$BIN/raft-node" -c "$CLUSTER/$n/raft.yaml"
			echo "$SPAWNED" >"$CLUSTER/$n/node.pid"
		done
		for n in $(nodes); do ctl "$n" wait; done
		echo "put round $round" | timeout 60 raft-append -r -c "$CLUSTER/n1/raft.yaml"
		for n in $(nodes); do wait_until 20 ctl "$n" snapshot; done
		for n in $(nodes); do kill -TERM "$(daemon_pid "$n" node)"; done
		for n in $(nodes); do wait "$(daemon_pid "$n" node)"; done
	done
	[ "$(cat "$CLUSTER"/*/node.log | grep -c 'ev=start ')" -eq 9 ]
	run grep -iE 'lvl=(warn|error)|crash' "$CLUSTER"/*/node.log
	[ "$status" -eq 1 ]
}
