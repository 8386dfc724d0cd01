#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# What one entry costs: counts, and no times, so they hold on a busy machine.  The limits are in cost.table.

bats_require_minimum_version 1.5.0
load helper

teardown() { cluster_stop; }

@test "cost: the instructions of the core and the codec per entry are within their limits" {
	"$ROOT/t/cost" check instructions
}

@test "cost: the system calls of each process per entry are within their limits, at 1 in flight and at 64" {
	"$ROOT/t/cost" check calls
}

@test "cost: the context switches of each process per entry are within their limits, at 1 in flight" {
	"$ROOT/t/cost" check switches
}

@test "cost: a figure above its limit fails, and so does one without a limit, and a limit without a figure" {
	cd "$BATS_TEST_TMPDIR"
	printf '%s\n' '# figure measured factor more limit' 'calls-a 9.00 1.10 0.10 10.00' 'calls-b 80 1.25 0 100.00' 'switches-c 1 1.25 0 1.25' >table
	printf '%s\n' 'calls-a 9.99' 'calls-b 100.00' >figures
	"$ROOT/t/cost" compare table figures calls
	sed -i 's/9.99/10.01/' figures
	run -1 "$ROOT/t/cost" compare table figures calls
	grep -qx 'above its limit: calls-a 10.01, limit 10' <<<"$output"
	printf '%s\n' 'calls-a 1' 'calls-b 1' 'calls-d 1' >figures
	run -1 "$ROOT/t/cost" compare table figures calls
	grep -qx 'not in the table: calls-d' <<<"$output"
	printf '%s\n' 'calls-a 1' >figures
	run -1 "$ROOT/t/cost" compare table figures calls
	grep -qx 'not measured: calls-b' <<<"$output"
}

# grow COUNT: COUNT entries more.
grow() { timeout 120 raft-bench -c "$CLUSTER/n1/raft.yaml" -N "$1" -w 512 -s 64 >/dev/null; }

# reads_of_start: how often raft-logd reads its database at a start after an orderly stop.
reads_of_start() {
	reap TERM "$(daemon_pid n1 logd)"
	spawn "$CLUSTER/n1/logd.log" strace -D -f -qq -e trace=pread64 -o "$CLUSTER/reads" "$BIN/raft-logd" -c "$CLUSTER/n1/raft.yaml"
	echo "$SPAWNED" >"$CLUSTER/n1/logd.pid"
	wait_until 20 ctl n1 status
	wait_leader
	grep -c '^[0-9]* *pread64' "$CLUSTER/reads"
}

@test "cost: raft-logd reads no more at its start when the log has twenty times as many entries" {
	cluster_init "$BATS_TEST_TMPDIR/c" 1
	cluster_start
	wait_leader
	grow 5000
	short=$(reads_of_start)
	grow 95000
	long=$(reads_of_start)
	echo "$short reads, $long reads"
	# The tree of the table may be two levels higher.
	[ "$short" -gt 10 ]
	[ "$long" -le $((short + 20)) ]
}
