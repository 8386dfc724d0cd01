#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Nodes that move, and one that was away meanwhile.
# sanitize

load helper
bats_require_minimum_version 1.5.0

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	wait_leader
}
teardown() { cluster_stop; }

stop_node() { for d in elect peerd logd; do kill_9 "$1" "$d"; done; }
commit_is() { [ "$(status "$1" log commit)" = "$2" ]; } # NODE INDEX
leads() { [ "$(status "$1" elect role)" = leader ]; }

# comes_back LEADER: n3 starts, and soon has what that one has committed, which leads on.
comes_back() {
	local last
	last=$(status "$1" log commit)
	node_start n3
	wait_until 30 commit_is n3 "$last"
	leads "$1"
}

# move NODE: to another port; another node is told first, and that is committed once it is there.
move() {
	local to teller other=n2
	[ "$1" != n2 ] || other=n1
	to=tcp://127.0.0.1:$(free_ports 1)
	ctl "$other" member address "$1" "$to" 3>&- &
	teller=$!
	wait_until 20 grep -q "ev=address peer=$1 .*$to" "$CLUSTER/$other/peerd.log"
	sed -i "s#listen: .*#listen: $to#" "$CLUSTER/$1/raft.yaml"
	kill_9 "$1" peerd
	daemon_start "$1" peerd
	wait "$teller"
}

@test "moved: a node that was down while the leader moved is told by another where it is now" {
	stop_node n3
	move n1
	wait_until 20 ctl n2 transfer n1
	wait_until 20 leads n1
	seq 100 | timeout 30 raft-append -c "$CLUSTER/n2/raft.yaml"
	comes_back n1
	grep -q 'ev=learned' "$CLUSTER/n3/peerd.log"
	# Its own log says the same now; what was learned is no longer needed.
	ctl n3 members | grep -q "$(sed -n 's/.*listen: //p' "$CLUSTER/n1/raft.yaml")"
}

@test "moved: a node that was down while all others moved is given their list" {
	stop_node n3
	move n1
	move n2
	seq 100 | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
	wait_leader
	l=$(leader_of n1)
	ctl n1 members -y >"$CLUSTER/n3/members.yaml"
	grep -qE '^- \{ cluster: "[0-9a-f]{64}", index: [1-9][0-9]*, name: demo \}$' "$CLUSTER/n3/members.yaml"
	comes_back "$l"
	# Its own log is as new now; at the next start the list is of no use, and of no harm.
	stop_node n3
	node_start n3
	seq 10 | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
	wait_until 30 commit_is n3 "$(status "$l" log commit)"
}

@test "moved: a node that was down while a member came, which leads now, lets it in" {
	raft-init --join -i n4 -l "tcp://127.0.0.1:$(free_ports 1)" "$CLUSTER/n4" >"$CLUSTER/n4.line"
	sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/n4/raft.yaml"
	stop_node n3
	ctl n1 member add --learner "$CLUSTER/n4.line"
	ctl n1 members -y >"$CLUSTER/n4/members.yaml"
	node_start n4
	wait_until 30 ctl n1 member promote n4
	wait_until 20 ctl n1 transfer n4
	wait_until 20 leads n4
	seq 100 | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
	comes_back n4
}

@test "moved: all nodes have other addresses at once, and a list of the same entry brings them together" {
	seq 50 | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
	ctl n1 members -y >"$CLUSTER/all.yaml"
	for n in $(nodes); do stop_node "$n"; done
	port=$(free_ports 3)
	for n in $(nodes); do
		old=$(sed -n 's/.*listen: //p' "$CLUSTER/$n/raft.yaml")
		sed -i "s#$old,#tcp://127.0.0.1:$port,#" "$CLUSTER/all.yaml"
		sed -i "s#listen: .*#listen: tcp://127.0.0.1:$port#" "$CLUSTER/$n/raft.yaml"
		port=$((port + 1))
	done
	# A list that does not say which entry it is of is not taken, and the log says what to do.
	sed '/cluster:/d' "$CLUSTER/all.yaml" >"$CLUSTER/n1/members.yaml"
	node_start n1
	wait_until 20 grep -q 'ev=addresses .*raft-ctl members -y' "$CLUSTER/n1/peerd.log"
	stop_node n1
	for n in $(nodes); do
		cp "$CLUSTER/all.yaml" "$CLUSTER/$n/members.yaml"
		node_start "$n"
	done
	wait_leader
	seq 50 | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
	# The log gets them too, one by one, and meanwhile no node goes back to an old one.
	for n in $(nodes); do ctl n1 member address "$n" "$(sed -n 's/.*listen: //p' "$CLUSTER/$n/raft.yaml")"; done
	run ! grep -h 'ev=address peer' "$CLUSTER"/*/peerd.log
	# Then the lists are of no use, and of no harm.
	for n in $(nodes); do
		stop_node "$n"
		node_start "$n"
	done
	wait_leader
	seq 50 | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
}
