#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Power loss: raft-logd and raft-kv on the disks that it could leave (t/powerloss/README).

load helper
load logd

setup() {
	D=$BATS_TEST_TMPDIR/n1
	export BIN TBIN
	export TMPDIR=$BATS_TEST_TMPDIR
}
teardown() { stop_all; }

powerloss() { timeout 600 "$ROOT/t/powerloss/run" "$@"; }

# finds SENTENCE OPTION...: the rig says so of at least one disk.
finds() {
	local sentence=$1
	shift
	run powerloss --seeds 2 --count 60 "$@"
	echo "$output"
	[ "$status" -eq 1 ]
	grep -qE "$sentence" <<<"$output"
}

faulty() { "$ROOT/t/powerloss/fault" "$1" "$(dirname "$BIN")" "$BATS_TEST_TMPDIR/$1"; }

@test "power loss: appends, truncations, votes, commits and cursors that were acknowledged are there (H4)" {
	powerloss --seeds 3 --count 40 appends
}

@test "power loss: the same with a write-ahead log that is filled beforehand" {
	powerloss --count 14 wide
}

@test "power loss: the same while the write-ahead log is moved and begins again" {
	powerloss --count 40 checkpoints
}

@test "power loss: snapshots that were taken, and the log that was compacted (E3, E4)" {
	powerloss --seeds 2 --count 40 snapshots
}

@test "power loss: snapshots of a leader that were installed (E3, E4)" {
	powerloss --seeds 2 --count 40 received
}

@test "power loss: raft-init and a first start, whatever killed it meanwhile" {
	powerloss --seeds 3 --count 40 first
}

@test "power loss: the migration of a log of format 1 (H23)" {
	powerloss --seeds 2 --count 40 migration
}

@test "power loss: raft-kv -D holds what it called durable, also what a killed process had not synced (H18)" {
	powerloss --seeds 6 --count 60 kv
}

# ------------------------------------------------------- the rig itself

@test "power loss: ⚠ the rig finds synchronous=OFF, which loses what was acknowledged (H4)" {
	finds 'none of those|it recovers|ends with' --drop 'data/log.db*' appends
	finds 'called durable' --drop 'data/kv.db*' kv
}

@test "power loss: ⚠ the rig finds that a snapshot of a leader is not synced (E3)" {
	finds 'received: .*it recovers' --drop data/snapshots/incoming received
}

@test "power loss: the rig finds that a snapshot of the own program is not synced (E3)" {
	finds 'snapshots: .*it recovers' --drop 'data/snapshots/new-*' snapshots
}

@test "power loss: the rig finds that the folder of the snapshots is not synced (E3)" {
	finds 'snapshots: .*it recovers' --drop data/snapshots snapshots
}

@test "power loss: the rig finds that the data directory is not synced" {
	finds 'first: .*ends with 78' --drop data first
}

@test "power loss: ⚠ the rig finds a truncation that is counted late" {
	finds 'appends: .*it recovers' --program "$(faulty truncation-counted-late)" appends
}

@test "power loss: the rig finds that a raft-kv does not sync what it inherits" {
	finds 'called durable' --seeds 10 --count 100 --program "$(faulty inherited-not-synced)" kv
}
