#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# How much goes through when messages take long: `make partitions`.

load helper
load net

setup() { relay_cluster "$BATS_TEST_TMPDIR/c" 3; }
teardown() {
	account_close
	cluster_stop
	stop_all
}

# rate COUNT: of entries a second through the leader, with a large window.
rate() {
	timeout 120 raft-bench -c "$CLUSTER/$L/raft.yaml" -N "$1" -w 60000 -s 256 | tee -a "$CLUSTER/rates" | tr ' ' '\n' | sed -n 's/^ops_per_s=//p'
}

middle() { sort -n "$CLUSTER/$1" | sed -n 2p; }

@test "relay: messages take 25 ms each way: four fifths of what goes through without that, at least" {
	for n in $(nodes); do
		sed -i '/^fsm:/,$d; s/election_timeout: .*/election_timeout: 1s/; s/heartbeat: .*/heartbeat: 100ms/' "$CLUSTER/$n/raft.yaml"
	done
	relay_start 8 delay=25-25
	cluster_start
	wait_until 30 agreed
	L=$(quiet_leader)
	rate 100000
	for _ in 1 2 3; do
		rate 500000 >>"$CLUSTER/near"
		relay_on
		rate 500000 >>"$CLUSTER/far"
		relay_off delayed
	done
	near=$(middle near) far=$(middle far)
	cat "$CLUSTER/rates"
	echo "entries a second: $near, and $far with 25 ms each way"
	[ $((far * 100)) -ge $((near * 80)) ]
}
