#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# No order of starting the four daemons is required.

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
