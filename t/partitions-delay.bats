#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2046,SC2030,SC2031
# As peerd-relay.bats, what takes longer: `make partitions`.

load helper
load net

setup() { relay_cluster "$BATS_TEST_TMPDIR/c" 3; }
teardown() {
	account_close
	cluster_stop
	stop_all
}

begin() { # WORD SEED KEY=VALUE...
	local word=$1
	shift
	relay_start "$@"
	cluster_start
	wait_until 30 agreed
	T=$(term)
	streams "$word"
	relay_on
}

@test "relay: messages take 0 to 2 s: no bound but safety while they do, all is well after it" {
	begin late 5 delay=0-2000
	for_ms 8000
	relay_off delayed
	recovered late "$T" 12
}

@test "relay: messages take 0 to 2 s and the election timeout is 10 s: the leader stays, all goes on" {
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 10s/; s/heartbeat: .*/heartbeat: 500ms/' "$CLUSTER/$n/raft.yaml"
	done
	relay_start 6 delay=0-2000
	cluster_start
	wait_until 60 agreed
	T=$(term)
	streams patient
	relay_on
	all_go_on patient 300 60
	relay_off delayed
	recovered patient "$T" 0
}

@test "relay: lost, doubled, overtaken, late and reset, all at once" {
	relay_start 7 drop=50 swap=50 twice=50 delay=0-60 reset=300
	cluster_start
	wait_until 30 agreed
	T=$(term)
	streams seeds
	relay_on
	all_go_on seeds 2000 120
	relay_off dropped
	recovered seeds "$T" 20
}
