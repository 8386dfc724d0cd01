#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# A command of raft-ctl whose time is over says which of its steps are done, what is missing, and what is left to do.
# long

bats_require_minimum_version 1.5.0

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 3s/' "$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	wait_leader
	ctl n1 wait
}
teardown() {
	for p in ${BEGUN:-} $(cat "$BATS_TEST_TMPDIR/stopped" 2>/dev/null); do kill -CONT "$p" 2>/dev/null || :; done
	show_logs
	cluster_stop
}

# late STATUS SENTENCE NODE ARGS...: one line that has the sentence (a pattern).
late() {
	local want=$1 sentence=$2
	shift 2
	run "-$want" ctl "$@"
	echo "$* -> $status: $output"
	[ "${#lines[@]}" -eq 1 ]
	# shellcheck disable=SC2053
	[[ $output == $sentence ]]
}

# unreachable WHY ADDRESS: n5 becomes a learner, and no voter, for that reason (a pattern).
unreachable() {
	local left='left to do: raft-ctl member promote n5'
	raft-init --join -i n5 -l "$2" "$CLUSTER/n5" >"$CLUSTER/n5.line"
	late 76 "raft-ctl: n5 was added as a learner, and is not a voter yet: * (given up after 4000 ms)*; this node cannot connect to n5: $1; $left" \
		n1 -t 4s member add "$CLUSTER/n5.line"
	[ "$(ctl n1 -j members | jq -r '.members[] | select(.id == "n5") | .role')" = learner ]
	# When only the promotion is asked for nothing is pending, but for an attempt that had no answer by the end.
	run ctl n1 -t 1s member promote n5
	echo "promote -> $status: $output"
	local doubt=''
	[ "$status" -ne 76 ] || doubt=': it may still be done'
	[[ $status == 69 || $status == 76 ]]
	# shellcheck disable=SC2053
	[[ $output == "raft-ctl: "*" (given up after 1000 ms)$doubt; this node cannot connect to n5: "$1 ]]
}

# halt NODE PROGRAM: it answers nothing.
halt() {
	daemon_pid "$1" "$2" >>"$BATS_TEST_TMPDIR/stopped"
	kill -STOP "$(daemon_pid "$1" "$2")"
}

@test "steps: a new node whose name cannot be looked up is a learner, and the sentence says so and why" {
	unreachable 'its name cannot be looked up: *' tcp://no-such-host.invalid:7101
}

@test "steps: a new node that does not run is a learner, and the sentence says so and why" {
	unreachable 'Connection refused' "tcp://127.0.0.1:$(free_ports 1)"
}

@test "steps: a new node with another key than its line is a learner, and the sentence says so and why" {
	port=$(free_ports 1)
	raft-init --join -i n5 -l "tcp://127.0.0.1:$port" "$CLUSTER/other" >"$BATS_TEST_TMPDIR/line"
	{
		ctl n1 members -y
		cat "$BATS_TEST_TMPDIR/line"
	} >"$CLUSTER/other/members.yaml"
	node_start other
	unreachable '*key*' "tcp://127.0.0.1:$port"
}

@test "steps: a new node whose address is that of a node that does not know the others is a learner, and the sentence says so and why" {
	port=$(free_ports 1)
	raft-init --cluster other -i n5 -l "tcp://127.0.0.1:$port" "$CLUSTER/other" >"$BATS_TEST_TMPDIR/line"
	mv "$BATS_TEST_TMPDIR/line" "$CLUSTER/other/members.yaml"
	node_start other
	unreachable "no member there has this node's id: *" "tcp://127.0.0.1:$port"
}

@test "steps: what is committed and not in this node's log is said to be so, with 76" {
	f=$(follower)
	key=$(raft-init --new-key "$BATS_TEST_TMPDIR/key")
	echo 1 | timeout 20 raft-append -S name -c "$CLUSTER/$f/raft.yaml"
	wait_until 20 has_level "$f" 3
	ctl "$f" cursor set mail 1
	halt "$f" logd
	missing=', and the log of this node does not have entry [0-9]*: * (given up after 1000 ms)'
	late 76 "raft-ctl: the barrier is committed$missing" "$f" -t 1s barrier
	late 76 "raft-ctl: the session is dropped$missing" "$f" -t 1s session drop name
	late 76 "raft-ctl: the cursor is dropped$missing" "$f" -t 1s cursor drop mail
	late 76 "raft-ctl: key add $f is committed$missing" "$f" -t 1s key add "$f" "$key"
	late 76 "raft-ctl: demote $f is committed$missing" "$f" -t 1s member demote --yes "$f"
	raft-init --join -i n5 -l tcp://127.0.0.1:1 "$CLUSTER/n5" >"$CLUSTER/n5.line"
	late 76 "raft-ctl: add n5 is committed$missing; left to do: raft-ctl member promote n5" "$f" -t 1s member add "$CLUSTER/n5.line"
	# Nothing was asked of the cluster.
	late 69 "raft-ctl: a majority follows the leader$missing" "$f" -t 1s wait
}

@test "steps: ⚠ a cursor whose opening is not answered may still be set, and is 76; nothing is asked of a leader that is not there" {
	f=$(follower)
	wait_until 20 has_level "$f" 3
	ctl "$f" cursor set mail 1
	halt "$(leader)" elect
	late 76 'raft-ctl: * (given up after 500 ms): it may still be done' "$f" -t 500ms cursor set mail 2
	late 69 'raft-ctl: no answer from raft-elect to where the log ends (given up after 500 ms)' "$f" -t 500ms cursor set mail end
	[ "$(ctl "$f" -j cursor list | jq -c '[.cursors[].position]')" = '[1]' ]
}

@test "steps: a transfer that is not answered may still be done, and is 76" {
	f=$(follower)
	halt "$(leader)" elect
	late 76 'raft-ctl: * (given up after 500 ms): it may still be done' "$f" -t 500ms transfer
}

# begun NODE ARGS...: in the background; late_begun waits for its end.
begun() {
	local node=$1
	shift
	raft-ctl -c "$CLUSTER/$node/raft.yaml" "$@" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	BEGUN=$!
}
late_begun() { # SENTENCE
	local status=0
	wait "$BEGUN" || status=$?
	cat "$BATS_TEST_TMPDIR/said"
	[ "$status" -eq 76 ]
	# shellcheck disable=SC2053
	[[ $(cat "$BATS_TEST_TMPDIR/said") == $1 ]]
}
is_learner() { ctl "$1" -j members | jq -e --arg id "$2" '.members[] | select(.id == $id) | .role == "learner"'; } # NODE ID

@test "steps: a learner that is connected and has not caught up is said to be so" {
	port=$(free_ports 1)
	raft-init --join -i n5 -l "tcp://127.0.0.1:$port" "$CLUSTER/n5" >"$CLUSTER/n5.line"
	ctl n1 member add --learner "$CLUSTER/n5.line"
	ctl n1 members -y >"$CLUSTER/n5/members.yaml"
	node_start n5
	connected() { [ "$(ctl n1 -j status | jq -c '.peers[] | select(.id == "n5") | [.connected, .why]')" = '[true,""]' ]; }
	wait_until 20 connected
	# A new leader does not know that it had caught up.
	halt n5 elect
	ctl n1 transfer
	late 69 'raft-ctl: * (given up after 1000 ms); this node is connected to n5' n1 -t 1s member promote n5
}

@test "steps: when raft-peerd does not answer, the reason is not known" {
	raft-init --join -i n5 -l tcp://127.0.0.1:1 "$CLUSTER/n5" >"$CLUSTER/n5.line"
	ctl n1 member add --learner "$CLUSTER/n5.line"
	begun n1 -t 3s member promote n5
	tried() { grep -q 'ev=dial peer=n5' "$CLUSTER/n1/peerd.log"; }
	wait_until 10 tried
	halt n1 peerd
	local status=0
	wait "$BEGUN" || status=$?
	cat "$BATS_TEST_TMPDIR/said"
	[[ $(cat "$BATS_TEST_TMPDIR/said") == 'raft-ctl: '*' (given up after 3000 ms)'*'; whether it can be reached is not known: raft-peerd: '* ]]
	[ "$status" -ne 0 ]
}

@test "steps: a learner that is removed while it is to be promoted was added, and the sentence says both" {
	raft-init --join -i n5 -l tcp://127.0.0.1:1 "$CLUSTER/n5" >"$CLUSTER/n5.line"
	begun n1 -t 15s member add "$CLUSTER/n5.line"
	wait_until 10 is_learner n1 n5
	ctl n2 member remove n5
	late_begun 'raft-ctl: n5 was added as a learner, and is not a voter yet: promote n5: there is no such member'
}

@test "steps: a change that is made is said to be so when what it prints is not known" {
	f=$(follower)
	halt "$f" logd
	begun "$f" -t 10s member demote --yes "$f"
	# It waits for the log: it is no client of raft-elect any more, and only who asks is.
	waits() { is_learner "$(leader)" "$f" && [ "$(ctl "$f" -t 500ms -j status | jq .elect.clients)" = 1 ]; }
	wait_until 5 waits
	kill -STOP "$BEGUN"
	kill -CONT "$(daemon_pid "$f" logd)"
	arrived() { [ "$(status "$f" log commit)" -ge "$(status "$f" elect config)" ] && [ "$(status "$f" elect config)" -gt 0 ]; }
	wait_until 10 arrived
	halt "$f" elect
	kill -CONT "$BEGUN"
	late_begun 'raft-ctl: the change is made: *'
}
