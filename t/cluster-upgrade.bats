#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# From the programs before the present protocol between nodes to those of today, node by node: raft(7), UPGRADES.
# shellcheck disable=SC2030,SC2031,SC2034
# long

load helper
load old

setup_file() {
	# The last commit whose raft-peerds speak version 1.
	old_programs 7679c89e9c48d84d342b783e9519d49ad2c6f785
	export OLD
}
setup() {
	NEW=$BIN
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	with_sink
}
teardown() {
	show_logs
	cluster_stop
}

says() { grep -qE "$2" "$CLUSTER/$1/peerd.log"; } # NODE PATTERN
committed() { seq "$1" "$2" | timeout 60 raft-append -c "$CLUSTER/$3/raft.yaml"; } # FROM TO NODE

@test "upgrade: node by node, old and new refuse each other in one sentence, and nothing is lost" {
	for n in $(nodes); do start_with OLD "$n"; done
	wait_leader 30
	committed 1 100 n1
	upgrade n1
	# Two old ones are a majority, and the new one is alone.
	wait_until 30 says n1 'ev=refused .*protocol version that is not spoken here'
	for n in n2 n3; do wait_until 30 says "$n" 'ev=refused .*protocol version that is not spoken here'; done
	wait_until 30 says n1 'ev=unreachable peer=n2 .*as an older raft-peerd does'
	committed 101 200 n2
	upgrade n2
	# Now the new ones are.
	wait_leader 60
	committed 201 300 n1
	upgrade n3
	wait_leader 60
	committed 301 400 n3
	seq 400 >"$BATS_TEST_TMPDIR/all"
	for n in $(nodes); do
		tail_all "$n" >"$BATS_TEST_TMPDIR/$n"
		cmp "$BATS_TEST_TMPDIR/all" "$BATS_TEST_TMPDIR/$n"
	done
}
