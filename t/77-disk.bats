#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Disks that fail and disks that are full, in a cluster.

load helper

setup() { cluster_init "$BATS_TEST_TMPDIR/c"; with_sink; }
teardown() {
	cluster_stop
	if [ -n "${MOUNTED:-}" ]; then umount "$MOUNTED"; fi
}

# traced NODE N: raft-logd whose N-th fdatasync fails once.
traced() {
	spawn "$CLUSTER/$1/logd.log" strace -f -qq -o /dev/null -e trace=fdatasync \
		-e "inject=fdatasync:error=EIO:when=$2" "$BIN/raft-logd" -c "$CLUSTER/$1/raft.yaml"
	echo "$SPAWNED" >"$CLUSTER/$1/logd.pid"
}

@test "EIO at the n-th fdatasync of a follower, for n over a run: raft-logd exits with 74, nothing is lost" {
	cluster_start
	wait_leader
	v=$(follower)
	: >"$BATS_TEST_TMPDIR/want"
	for n in 1 2 3 4 5 6 8 10 13 17 25 40; do
		reap KILL "$(daemon_pid "$v" logd)"
		traced "$v" "$n"
		tracer=$SPAWNED
		# Until it has failed: a line at a time, through the node itself.
		while alive "$tracer"; do
			echo "line $n $RANDOM$RANDOM" >"$BATS_TEST_TMPDIR/line"
			timeout 60 raft-append -c "$CLUSTER/$v/raft.yaml" -t 20s "$BATS_TEST_TMPDIR/line"
			cat "$BATS_TEST_TMPDIR/line" >>"$BATS_TEST_TMPDIR/want"
			alive "$tracer" || break
			[ "$(wc -l <"$BATS_TEST_TMPDIR/want")" -lt 3000 ]
		done &
		feeder=$!
		wait_until 60 gone "$tracer"
		# The feeder may hang on the dead node: bring it back.
		daemon_start "$v" logd
		wait "$feeder"
		grep -q 'status=74' "$CLUSTER/$v/logd.log"
		all_out "$BATS_TEST_TMPDIR/want"
	done
}

@test "a full disk: refused, said, resumed by itself when there is space again" {
	if [ "$(id -u)" != 0 ]; then
		echo "a small file system needs root to be mounted" >&2
		false
	fi
	v=n2
	MOUNTED=$CLUSTER/$v/data
	cp -a "$MOUNTED" "$BATS_TEST_TMPDIR/data"
	mount -t tmpfs -o size=6m tmpfs "$MOUNTED"
	chmod 700 "$MOUNTED"
	cp -a "$BATS_TEST_TMPDIR/data/." "$MOUNTED/"
	sed -i '/^logd:/,$ { /reserve/d }' "$CLUSTER/$v/raft.yaml"
	printf '\nlogd:\n  reserve: 1MiB\n' >>"$CLUSTER/$v/raft.yaml"
	for n in n1 n3; do printf '\nlogd:\n  reserve: 1MiB\n' >>"$CLUSTER/$n/raft.yaml"; done
	cluster_start
	wait_leader
	lines 5000 before >"$BATS_TEST_TMPDIR/want"
	timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$BATS_TEST_TMPDIR/want"
	all_out "$BATS_TEST_TMPDIR/want"
	fallocate -l 5m "$MOUNTED/ballast" || dd if=/dev/zero of="$MOUNTED/ballast" bs=64k 2>/dev/null || :
	lines 30000 full >"$BATS_TEST_TMPDIR/more"
	timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$BATS_TEST_TMPDIR/more"
	cat "$BATS_TEST_TMPDIR/more" >>"$BATS_TEST_TMPDIR/want"
	is_full() { [ "$(status "$v" log full)" = true ]; }
	wait_until 20 is_full
	grep -q 'full' "$CLUSTER/$v/logd.log"
	alive "$(daemon_pid "$v" logd)"
	rm "$MOUNTED/ballast"
	mount -o remount,size=200m "$MOUNTED"
	all_out "$BATS_TEST_TMPDIR/want"
	[ "$(status "$v" log full)" = false ]
}
