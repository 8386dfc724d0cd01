#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# A node that was removed while it ran reports that, and stops connecting to the others.
# sanitize

bats_require_minimum_version 1.5.0

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/$n/raft.yaml"
		printf '\nfsm: { mode: machine, command: [ raft-kv ] }\n' >>"$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	wait_leader
	echo 'put a 1' | timeout 60 raft-append -r -c "$CLUSTER/n1/raft.yaml"
}
teardown() {
	show_logs
	cluster_stop
}

# removed_at NODE: the entry, from its status; fails while it is a member.
removed_at() {
	local index
	index=$(status "$1" elect removed)
	[ -n "$index" ] && [ "$index" -gt 0 ] && echo "$index"
}

# remove NODE THROUGH: until the node knows; the entry is in AT.
remove() {
	ctl "$2" member remove --yes "$1"
	wait_until 20 removed_at "$1"
	AT=$(removed_at "$1")
	[ "$AT" = "$(status "$2" elect config)" ]
}

# says SENTENCE COMMAND...: it ends at once with 78 and that sentence.
says() {
	local sentence=$1
	shift
	run timeout 20 "$@"
	echo "$* -> $status $output"
	[ "$status" -eq 78 ]
	[[ $output == "$sentence"* && $output != *$'\n'* ]]
}

# all_say NODE: status and each tool, although -t gives them half a minute.
all_say() {
	local c=$CLUSTER/$1/raft.yaml sentence="this node was removed from the cluster at entry $AT"
	run ctl "$1" status
	[ "$status" -eq 78 ]
	[ "${lines[0]}" = "$1 of $(ctl "$1" -j status | jq -r .cluster): $sentence" ]
	run ctl "$1" -j status
	[ "$status" -eq 78 ]
	[ "$(jq .elect.removed <<<"$output")" = "$AT" ]
	echo 'put a 2' >"$BATS_TEST_TMPDIR/line"
	says "raft-append: $sentence" raft-append -t 30s -c "$c" "$BATS_TEST_TMPDIR/line"
	says "raft-append: $sentence" raft-append -t 30s -S name -c "$c" "$BATS_TEST_TMPDIR/line"
	says "raft-query: $sentence" raft-query -t 30s -c "$c" 'get a'
	says "raft-ctl: $sentence" raft-ctl -t 30s -c "$c" wait
	says "raft-ctl: $sentence" raft-ctl -t 30s -c "$c" barrier
	says "raft-ctl: transfer: $sentence" raft-ctl -t 30s -c "$c" transfer
	says "raft-ctl: session name: $sentence" raft-ctl -t 30s -c "$c" session drop name
	says "raft-ctl: remove $1: $sentence" raft-ctl -t 30s -c "$c" member remove --yes "$1"
	# Its log can be read.
	[ "$(tail_all "$1" | head -n 1)" = 'put a 1' ]
	[ "$(grep -c "ev=removed index=$AT" "$CLUSTER/$1/elect.log")" -ge 1 ]
}

# works NODE: the rest of the cluster.
works() {
	echo 'put a 3' | timeout 60 raft-append -r -c "$CLUSTER/$1/raft.yaml"
	[ "$(timeout 20 raft-query -c "$CLUSTER/$1/raft.yaml" 'get a')" = 3 ]
}

has_no_peers() { [ "$(ctl "$1" -j status | jq -c '[.peer.peers, .peers]')" = '[0,[]]' ]; }

# refused_by NODE OTHER...: how often they have logged a refusal of it.
refused_by() {
	local node=$1 n
	shift
	for n; do grep -E 'ev=refused' "$CLUSTER/$n/peerd.log" || :; done | grep -cE "from=$node " || :
}

@test "removed: a follower says so at once, in status and by each tool, with the entry and 78" {
	l=$(leader)
	f=$(follower)
	remove "$f" "$l"
	all_say "$f"
	works "$l"
}

@test "removed: a leader says so at once, in status and by each tool, with the entry and 78" {
	l=$(leader)
	f=$(follower)
	remove "$l" "$f"
	all_say "$l"
	works "$f"
}

@test "removed: it still says so after a restart, and then connects to no peer" {
	l=$(leader)
	f=$(follower)
	remove "$f" "$l"
	kept() { [ "$(ctl "$f" -j status | jq .log.commit)" -ge "$AT" ] && sleep 1.5; }
	wait_until 20 kept # the commit index is stored after a second
	for d in fsm elect peerd logd; do reap TERM "$(daemon_pid "$f" "$d")"; done
	node_start "$f"
	wait_until 20 removed_at "$f"
	[ "$(removed_at "$f")" = "$AT" ]
	all_say "$f"
	has_no_peers "$f"
}

@test "removed: a node that knows it stops connecting to the others, which have no refusal to log" {
	l=$(leader)
	remove "$(follower)" "$l"
	gone=$(grep -l ev=removed "$CLUSTER"/*/elect.log)
	gone=$(basename "$(dirname "$gone")")
	wait_until 30 has_no_peers "$gone"
	others=$(nodes | grep -vx "$gone")
	# shellcheck disable=SC2086
	[ "$(refused_by "$gone" $others)" -eq 0 ]
	works "$l"
}
