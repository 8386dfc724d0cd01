#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2046
# As peerd-partition.bats, what takes longer: `make partitions`.

load helper
load net

setup_file() {
	need_namespaces
	net_cluster "$BATS_FILE_TMPDIR/c" 3
}
teardown_file() { [ -z "${CLUSTER:-}" ] || net_cluster_down; }

setup() {
	mend
	within 40 agreed
	L=$(quiet_leader)
	read -r F G < <(others "$L" | xargs)
	T=$(term)
}
teardown() {
	mend
	account_close
}

# flapping WORD MS COUNT
flapping() {
	streams "$1"
	for _ in $(seq "$3"); do
		isolate "$L"
		for_ms "$2"
		mend
		for_ms "$2"
	done
	heal
	recovered "$1" "$T" $(($3 + 1))
}

@test "the leader's links flap every half election timeout: leaders change no oftener than the links" {
	flapping half $((ELECTION_MS / 2)) 12
}

@test "the leader's links flap every two election timeouts: leaders change no oftener than the links" {
	flapping two $((ELECTION_MS * 2)) 5
}

@test "each node in turn is cut off, and comes back in the same order (swizzle-clog)" {
	streams swizzle
	for n in "$F" "$L" "$G"; do
		isolate "$n"
		for_ms "$ELECTION_MS"
	done
	mend
	isolate "$L"
	isolate "$G"
	for_ms "$ELECTION_MS"
	mend
	isolate "$G"
	for_ms "$ELECTION_MS"
	heal
	recovered swizzle "$T" 6
}

@test "a follower hears nothing, then says nothing: nobody else notices" {
	streams single
	for n in "$L" "$G"; do cut "$n" "$F"; done
	goes_on "single-$L" 300
	goes_on "single-$G" 50
	not_committed single-deaf "$F"
	heal
	within 20 agreed
	for n in "$L" "$G"; do cut "$F" "$n"; done
	goes_on "single-$L" 300
	not_committed single-mute "$F"
	heal
	recovered single "$T" 0
}

@test "a cut of twenty seconds, one way: the other way round and all else works within the same bounds" {
	streams long
	cut "$L" "$F"
	goes_on "long-$G" 1500 45
	heal
	recovered long "$T" 2
}

@test "all connections of the leader die without a word: all goes on over new ones" {
	streams dead
	half_open "$L"
	all_go_on dead 300 20
	within 20 agreed
	heal
	recovered dead "$T" 3
}

@test "the leader's one connection to a follower dies, the follower's to the leader lives: it is noticed" {
	streams oneway
	dead_to "$L" "$F"
	goes_on "oneway-$G" 50
	within 60 agreed
	goes_on "oneway-$F" 50 40
	heal
	recovered oneway "$T" 3
}

@test "a hundredth, a twentieth, a tenth of all packets is lost: entries are committed all the while" {
	streams loss
	for p in 1 5 10; do
		lose "$p"
		all_go_on loss 300 40
		heal
	done
	recovered loss "$T" 10
}

@test "half of all packets is lost: nothing else is, and all is well within the bounds after it" {
	streams half-lost
	lose 50
	for_ms 10000
	heal
	within 40 agreed
	recovered half-lost "$T" 20
}

# megabytes WORD NODE COUNT: lines of a kilobyte, in the background.
megabytes() {
	python3 -c 'import sys
for i in range(int(sys.argv[2])): print(sys.argv[1], i, "x" * 1000)' "$1" "$3" >"$CLUSTER/account/$1.sent"
	timeout 100 raft-append -c "$CLUSTER/$2/raft.yaml" -t 20s "$CLUSTER/account/$1.sent" 3>&- 4>&- &
	APPENDS+=("$!")
	echo 0 >"$CLUSTER/account/$1.status"
}

@test "10 Mbit/s and streams that want more, through the leader and a follower: heartbeats are in time, the leader stays" {
	for n in $(nodes); do slow "$n"; done
	megabytes slow-follower "$F" 4000
	megabytes slow-leader "$L" 4000
	for p in "${APPENDS[@]}"; do wait "$p"; done
	within 40 settled || settled
	for n in $(nodes); do fast "$n"; done
	now=$(term)
	echo "terms: $T before, $now after"
	[ "$now" -eq "$T" ]
}
