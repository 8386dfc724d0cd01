#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2046,SC2030,SC2031
# Three nodes whose messages pass a relay that loses, doubles, delays and reorders whole messages by seed, and
# resets connections: what was acknowledged comes out once on every node.
# shellcheck disable=SC2030,SC2031

load helper
load net

setup() { relay_cluster "$BATS_TEST_TMPDIR/c" 3; }
teardown() {
	show_logs
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

@test "relay: it is an honest wire until it is told otherwise" {
	relay_start 1 drop=1000 reset=1
	cluster_start
	wait_until 30 agreed
	T=$(term)
	streams honest
	recovered honest "$T" 0
	kill -USR2 "$RELAY"
	wait_until 10 grep 'off records=[1-9][0-9]* dropped=0 doubled=0 overtaken=0 delayed=0 resets=0' "$CLUSTER/relay"
}

@test "relay: every connection is reset after 50 messages: all goes on" {
	begin reset 2 reset=50
	all_go_on reset 1000 60
	relay_off resets
	recovered reset "$T" 10
}

@test "relay: a tenth of all messages overtaken, a tenth doubled, by seed: all goes on under the same leader" {
	begin mixed 3 swap=100 twice=100
	all_go_on mixed 1000 40
	relay_off overtaken
	relay_off doubled
	recovered mixed "$T" 1
}

@test "relay: a twentieth lost, doubled, overtaken, up to 40 ms late: all goes on" {
	begin all 4 drop=50 swap=50 twice=50 delay=0-40
	all_go_on all 500 60
	relay_off dropped
	relay_off delayed
	recovered all "$T" 4
}
