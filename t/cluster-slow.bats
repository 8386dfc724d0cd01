#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# A slow program slows only itself; an idle cluster costs next to nothing.

load helper

setup() { cluster_init "$BATS_TEST_TMPDIR/c"; }
teardown() { cluster_stop; }

@test "a program that never reads does not slow commits, and memory stays bounded while a hundred million bytes wait" {
	for n in $(nodes); do
		printf '\nfsm:\n  command: [ sleep, "1000" ]\n  mode: sink\n' >>"$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	wait_leader
	f=$(follower)
	# 1,000,000 lines of 100 bytes.
	yes "$(printf 'x%.0s' $(seq 99))" | head -n 1000000 >"$BATS_TEST_TMPDIR/input"
	timeout 240 raft-append -c "$CLUSTER/$f/raft.yaml" -t 30s "$BATS_TEST_TMPDIR/input"
	for n in $(nodes); do
		for d in logd peerd elect fsm; do
			kib=$(rss_kib "$(daemon_pid "$n" "$d")")
			echo "$n raft-$d: $kib KiB"
			[ "$kib" -lt 160000 ]
		done
	done
	[ "$(status "$f" fsm lag)" -gt 900000 ]
}

# switches PID...: how often their threads have gone to sleep, or were put off the core.
switches() {
	local p
	for p in "$@"; do cat /proc/"$p"/task/*/status; done | awk '/ctxt_switches/ { n += $2 } END { print n + 0 }'
}

# What a wakeup costs differs by machine, so they are counted; a fast one stays well below 1 % of a core.
@test "an idle cluster wakes rarely, uses next to no processor, and holds no election" {
	with_sink
	# One that waits for a busy core is no reason for an election.
	for n in $(nodes); do sed -i 's/election_timeout: .*/election_timeout: 5s/' "$CLUSTER/$n/raft.yaml"; done
	cluster_start
	wait_leader
	echo warm | timeout 20 raft-append -c "$CLUSTER/n1/raft.yaml"
	sleep 3
	term=$(status "$(leader)" elect term)
	pids=$(cat "$CLUSTER"/*/*.pid)
	# shellcheck disable=SC2086
	before=$(cpu_ticks $pids) slept=$(switches $pids)
	sleep 20
	# shellcheck disable=SC2086
	used=$(($(cpu_ticks $pids) - before)) slept=$(($(switches $pids) - slept))
	hz=$(getconf CLK_TCK)
	echo "$used ticks of $((20 * hz)), $((slept / 20)) wakeups a second"
	# Ten heartbeats a second to each of two followers, by way of two raft-peerd.
	[ "$slept" -le $((20 * 700)) ]
	[ "$used" -le $((20 * hz * 5 / 100)) ]
	[ "$(status "$(leader)" elect term)" = "$term" ]
	for p in $pids; do [ "$(rss_kib "$p")" -lt 40000 ]; done
}
