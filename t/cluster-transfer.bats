#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Leadership goes from node to node: because it is wanted, or because the leader is stopped.
# sanitize

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c" 3
	# No election that is not wanted, however busy the machine is.
	for n in $(nodes); do sed -i 's/election_timeout: .*/election_timeout: 3s/' "$CLUSTER/$n/raft.yaml"; done
	with_sink
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	: >"$CLUSTER/want"
}
teardown_file() { cluster_stop; }

# others NODE: the two that are not it.
others() { nodes | grep -vx "$1"; }

leads() { [ "$(leader)" = "$1" ]; }
# known NODE: every node knows that it leads.
known() { local m; for m in $(nodes); do [ "$(leader_of "$m")" = "$1" ] || return 1; done; }

# says STATUS SENTENCE COMMAND...: it fails so, and says so.
says() {
	local status=0 want=$1 sentence=$2
	shift 2
	"$@" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
	cat "$BATS_TEST_TMPDIR/said"
	[ "$status" -eq "$want" ] && grep -qF -- "$sentence" "$BATS_TEST_TMPDIR/said"
}

now_ms() { date +%s%3N; }

# append_one NODE WORD: one line, until it is committed.
append_one() {
	echo "$2" >>"$CLUSTER/want"
	echo "$2" | timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" -t 50s
}

# soon NODE WORD START ALLOWED: the next commit through the node comes well within ALLOWED ms since START.
soon() {
	append_one "$1" "$2"
	local took=$(($(now_ms) - $3))
	echo "committed $took ms after, of $4"
	[ $((took * 5)) -lt $(($4 * 4)) ]
}

@test "transfer: to the node that is named, in one term, asked of any node" {
	l=$(leader)
	term=$(status "$l" elect term)
	mapfile -t f < <(others "$l")
	ctl "$l" transfer "${f[0]}"
	leads "${f[0]}"
	[ "$(status "${f[0]}" elect term)" -eq $((term + 1)) ]
	wait_until 10 known "${f[0]}"
	ctl "$l" transfer "${f[1]}"
	leads "${f[1]}"
	# To the one that leads: there is nothing to do.
	ctl "$l" transfer "${f[1]}"
	leads "${f[1]}"
	append_one "$l" one
}

@test "transfer: to the best one, when none is named" {
	wait_leader
	l=$(leader)
	wait_until 10 known "$l"
	ctl "$(follower)" transfer
	[ "$(leader)" != "$l" ]
}

@test "transfer: again and again under load: nothing is lost, nothing comes twice" {
	wait_leader
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	timeout 300 raft-append -c "$CLUSTER/n1/raft.yaml" -t 60s <"$BATS_TEST_TMPDIR/pipe" >"$BATS_TEST_TMPDIR/append.out" 2>&1 3>&- &
	append=$!
	{
		i=0
		until [ -e "$BATS_TEST_TMPDIR/enough" ]; do
			i=$((i + 1))
			seq -f "load %.0f of a stream of lines" $((i * 100)) $((i * 100 + 99))
			sleep 0.02
		done
	} 3>&- | tee -a "$CLUSTER/want" >"$BATS_TEST_TMPDIR/pipe" 3>&- &
	for i in 1 2 3 4 5; do
		wait_until 20 wait_leader
		ctl n2 transfer "$(follower $((i % 2 + 1)))"
	done
	alive "$append"
	touch "$BATS_TEST_TMPDIR/enough"
	wait "$append"
	all_out "$CLUSTER/want"
}

@test "transfer: to an unknown node, a learner or a dead one is refused, and the leader goes on" {
	wait_leader
	l=$(leader)
	mapfile -t f < <(others "$l")
	wait_until 10 known "$l"
	says 65 'transfer n9: there is no such member' ctl "$l" transfer n9
	ctl "$l" member demote --yes "${f[0]}"
	says 65 "transfer ${f[0]}: the target is not a voter" ctl "${f[1]}" transfer "${f[0]}"
	ctl "$l" member promote "${f[0]}"
	kill_9 "${f[0]}" elect
	term=$(status "$l" elect term)
	append_one "$l" two
	says 75 "transfer ${f[0]}: the target did not take over in time" ctl "$l" transfer "${f[0]}"
	append_one "$l" three
	leads "$l"
	[ "$(status "$l" elect term)" -eq "$term" ]
	daemon_start "${f[0]}" elect
	wait_until 20 known "$l"
}

@test "transfer: a leader's raft-elect that is told to end hands over: no election timeout passes" {
	wait_leader
	l=$(leader)
	mapfile -t f < <(others "$l")
	for n in $(nodes); do sed -i 's/election_timeout: .*/election_timeout: 10s/' "$CLUSTER/$n/raft.yaml"; done
	for n in "${f[@]}"; do
		reap TERM "$(daemon_pid "$n" elect)"
		daemon_start "$n" elect
		wait_until 20 known "$l"
		append_one "$l" "with $n"
	done
	start=$(now_ms)
	kill -TERM "$(daemon_pid "$l" elect)"
	soon "${f[0]}" four "$start" 10000
	wait_until 10 gone "$(daemon_pid "$l" elect)"
	[ "$(leader)" != "$l" ]
	daemon_start "$l" elect
	wait_until 20 known "$(leader)"
}

@test "transfer: so does a leader's raft-node" {
	l=$(leader)
	n=$(follower)
	other=$(nodes | grep -vxe "$l" -e "$n")
	for d in fsm elect peerd logd; do
		reap TERM "$(daemon_pid "$n" "$d")"
		rm "$CLUSTER/$n/$d.pid"
	done
	spawn "$CLUSTER/$n/node.log" "$BIN/raft-node" -c "$CLUSTER/$n/raft.yaml"
	echo "$SPAWNED" >"$CLUSTER/$n/node.pid"
	wait_until 20 known "$l"
	append_one "$n" five
	ctl "$l" transfer "$n"
	leads "$n"
	wait_until 10 known "$n"
	append_one "$n" six
	start=$(now_ms)
	kill -TERM "$(daemon_pid "$n" node)"
	soon "$other" seven "$start" 10000
	wait_until 20 gone "$(daemon_pid "$n" node)"
	for m in "$l" "$other"; do wait_until 20 same "$CLUSTER/want" "$CLUSTER/$m/out"; done
}
