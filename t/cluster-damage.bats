#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Damage to one node's disk is found, said, and healed from the leader; nothing acknowledged is lost.

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c"
	with_sink
	cluster_start
	wait_leader
	lines 3000 first >"$BATS_TEST_TMPDIR/want"
	timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$BATS_TEST_TMPDIR/want"
	all_out "$BATS_TEST_TMPDIR/want"
	V=$(follower)
	DATA=$CLUSTER/$V/data
}

teardown() { cluster_stop; }

stop_node() {
	local d
	for d in fsm elect peerd logd; do reap "$1" "$(daemon_pid "$V" "$d")"; done
}

more() {
	lines 500 "$1" >"$BATS_TEST_TMPDIR/more"
	cat "$BATS_TEST_TMPDIR/more" >>"$BATS_TEST_TMPDIR/want"
	timeout 60 raft-append -c "$CLUSTER/$(nodes | grep -vx "$V" | head -n 1)/raft.yaml" "$BATS_TEST_TMPDIR/more"
}

says() { grep -q "$1" "$CLUSTER/$V/logd.log"; }

healed() { [ "$(status "$V" log recovering)" = false ]; }

# heals WORD: the node says it, takes part again, and has everything.
heals() {
	wait_until 30 says "$1"
	more after
	wait_until 60 healed
	all_out "$BATS_TEST_TMPDIR/want"
	echo 'one more' >>"$BATS_TEST_TMPDIR/want"
	echo 'one more' | timeout 60 raft-append -c "$CLUSTER/$V/raft.yaml"
	all_out "$BATS_TEST_TMPDIR/want"
}

# supervised COMMAND...: starts what has ended, as a supervisor does, until the node is healed.
supervised() {
	local d
	for d in logd peerd elect fsm; do
		alive "$(daemon_pid "$V" "$d")" || daemon_start "$V" "$d"
	done
	"$@"
}

@test "a flipped bit in the WAL: found at start, said, healed from the leader" {
	stop_node KILL
	[ -s "$DATA/log.db-wal" ]
	at=$(offset_of "$DATA/log.db-wal" 'first 1500 of a stream')
	[ -n "$at" ]
	flip "$DATA/log.db-wal" "$at"
	node_start "$V"
	heals 'ev=recovering'
}

@test "a deleted WAL: found at start, said, healed from the leader" {
	stop_node KILL
	rm "$DATA/log.db-wal"
	node_start "$V"
	heals 'ev=recovering'
}

@test "a database restored from yesterday beside today's mark: found at start, said, healed from the leader" {
	stop_node TERM
	cp "$DATA/log.db" "$BATS_TEST_TMPDIR/yesterday.db"
	node_start "$V"
	more today
	all_out "$BATS_TEST_TMPDIR/want"
	stop_node TERM
	rm -f "$DATA"/log.db*
	cp "$BATS_TEST_TMPDIR/yesterday.db" "$DATA/log.db"
	node_start "$V"
	heals 'ev=recovering'
}

@test "a flipped bit in a row: never served, said, healed from the leader" {
	stop_node TERM
	# After a clean stop all is in the database; the old write-ahead log would only hide the damage.
	rm "$DATA/log.db-wal"
	at=$(offset_of "$DATA/log.db" 'first 1500 of a stream')
	[ -n "$at" ]
	flip "$DATA/log.db" "$at"
	node_start "$V"
	wait_until 60 supervised says 'ev=damage'
	more after
	wait_until 60 supervised healed
	all_out "$BATS_TEST_TMPDIR/want"
}

@test "a missing mark: found at start, said, healed by a leader that commits without this node" {
	stop_node TERM
	rm "$DATA/mark"
	node_start "$V"
	heals 'ev=recovering.*mark file'
}

@test "a wiped data directory: raft-logd refuses with 78 and says how to rejoin; the others go on" {
	stop_node TERM
	rm -rf "$DATA"
	run timeout 20 raft-logd -c "$CLUSTER/$V/raft.yaml"
	[ "$status" -eq 78 ]
	[[ "$output" == *"raft-init"* ]]
	V2=$V
	more after
	for n in $(nodes | grep -vx "$V2"); do wait_until 30 same "$BATS_TEST_TMPDIR/want" "$CLUSTER/$n/out"; done
}

# rid NODE: its raft-logd ended by itself with 74 after its directory was removed.
rid() {
	local status=0
	wait_until 10 gone "$(daemon_pid "$1" logd)"
	wait "$(daemon_pid "$1" logd)" || status=$?
	[ "$status" = 74 ]
	grep -q 'ev=exit status=74' "$CLUSTER/$1/logd.log"
}

@test "⚠ rm -rf of a data directory: raft-logd ends with 74, on a follower and on a leader, and the others go on" {
	first=$V second=
	rm -rf "$DATA"
	more removed
	rid "$first"
	run timeout 20 raft-logd -c "$CLUSTER/$first/raft.yaml"
	[ "$status" -eq 78 ]
	[[ $output == *'join under a new id'* ]]
	# Two of three are left: without the leader's log nothing is committed any more, and nothing is lost.
	wait_leader
	second=$(leader)
	third=$(nodes | grep -vxe "$first" -e "$second")
	wait_until 30 same "$BATS_TEST_TMPDIR/want" "$CLUSTER/$third/out"
	rm -rf "$CLUSTER/$second/data"
	run timeout 30 raft-append -t 3s -c "$CLUSTER/$third/raft.yaml" <<<'too late'
	[ "$status" -ne 0 ]
	rid "$second"
	run tail_all "$third"
	[[ $output != *'too late'* ]]
}

@test "⚠ rm -rf of the data directories of all nodes: nothing is acknowledged after that" {
	rm -rf "$CLUSTER"/n?/data
	run timeout 30 raft-append -t 3s -c "$CLUSTER/$V/raft.yaml" <<<'nowhere'
	echo "$status $output"
	[ "$status" -ne 0 ]
	for n in $(nodes); do rid "$n"; done
}
