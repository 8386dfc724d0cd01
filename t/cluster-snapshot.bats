#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2317
# Snapshots between nodes (chapter 5): who was down past compaction comes back, whatever dies meanwhile.
# sanitize

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		# Seconds for the largest of these snapshots, so that what is killed in the middle of it is.
		sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/
			s/^peerd:/peerd:\n  bulk_rate: 16MiB/' "$CLUSTER/$n/raft.yaml"
		echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	ctl n1 wait
}
teardown() { cluster_stop; }

snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }
append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml"; } # NODE <LINES
log_is() { [ "$(status "$1" log "$2")" = "$3" ]; }            # NODE KEY VALUE
leader() { status n1 elect leader; }
others() { nodes | grep -vx "$1"; }
stop_node() { for d in elect peerd logd; do kill_9 "$1" "$d"; done; }

# compacted NODE INDEX: has a snapshot of the state file there and no entries before it.
compacted() {
	snapshot add "$CLUSTER/$1/run/log" "$2" "$BATS_TEST_TMPDIR/state" >/dev/null
	wait_until 20 log_is "$1" first $(($2 + 1))
}

# equal: all logs end alike, with one chain.
equal() {
	local n last=
	for n in $(nodes); do
		[ -z "$last" ] || [ "$(status "$n" log last)" = "$last" ] || return 1
		last=$(status "$n" log last)
		log_is "$n" commit "$last" || return 1
	done
}
# The chain at the end that all have: a leader that is stopped hands over, and the next one's no-op may come to few.
chains_equal() {
	local n one='' last
	wait_until 30 equal
	last=$(status n1 log last)
	cluster_stop
	for n in $(nodes); do
		chain=$(timeout 10 sqlite3 "$CLUSTER/$n/data/log.db" "SELECT hex(chain) FROM log WHERE idx = $last")
		[ -n "$chain" ]
		[ -z "$one" ] || [ "$chain" = "$one" ]
		one=$chain
	done
}

# behind SIZE: n-th follower $F is down, and the others have cut what it lacks; their state has so many bytes.
behind() {
	L=$(leader)
	F=$(others "$L" | tail -n 1)
	O=$(others "$L" | head -n 1)
	head -c "$1" /dev/urandom >"$BATS_TEST_TMPDIR/state"
	seq 100 | append "$L"
	stop_node "$F"
	seq 101 3000 | append "$L"
	for n in "$L" "$O"; do compacted "$n" 2500; done
}

@test "snapshot: a follower that was down past compaction comes back by a snapshot, while lines are appended" {
	behind 20000000
	seq 3001 20000 | append "$O" 3>&- &
	writer=$!
	node_start "$F"
	wait_until 30 log_is "$F" snapshot 2500
	wait "$writer"
	cmp "$BATS_TEST_TMPDIR/state" "$CLUSTER/$F"/data/snapshots/*.snapshot
	log_is "$F" first 2501
	wait_until 30 equal
	[ "$(timeout 20 raft-tail -c "$CLUSTER/$F/raft.yaml" --from 2600 | tail -n 1)" = 20000 ]
	grep -q 'ev=snapshot peer=.* why="the peer has it"' "$CLUSTER/$L/elect.log"
	chains_equal
}

@test "snapshot: kill -9 of the receiver's daemons and of the leader in the middle of it: it goes on or begins anew (E5, E16)" {
	behind 60000000
	moving() { [ "$(stat -c %s "$CLUSTER/$F/data/snapshots/incoming" 2>/dev/null || echo 0)" -gt 1000000 ]; }
	node_start "$F"
	wait_until 20 moving
	kill_9 "$F" elect
	daemon_start "$F" elect
	wait_until 20 moving
	kill_9 "$F" logd
	daemon_start "$F" logd
	wait_until 20 moving
	stop_node "$L"
	wait_until 30 log_is "$F" snapshot 2500
	cmp "$BATS_TEST_TMPDIR/state" "$CLUSTER/$F"/data/snapshots/*.snapshot
	seq 3001 3100 | append "$O"
	node_start "$L"
	chains_equal
}

@test "snapshot: a node whose log is gone, but for its beginning, heals through one (D19)" {
	behind 1000000
	# Its log goes backwards: an older database beside a newer mark.
	cp "$CLUSTER/$F/data/mark" "$BATS_TEST_TMPDIR/mark"
	timeout 10 sqlite3 "$CLUSTER/$F/data/log.db" 'DELETE FROM log WHERE idx > 50; DELETE FROM terms WHERE idx > 50;'
	node_start "$F"
	wait_until 30 log_is "$F" snapshot 2500
	wait_until 30 log_is "$F" recovering false
	seq 3001 3010 | append "$O"
	chains_equal
}
