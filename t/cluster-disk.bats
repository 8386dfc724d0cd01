#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Disks that fail, disks that are full, and a directory that is moved away, in a cluster.

load helper

setup() { cluster_init "$BATS_TEST_TMPDIR/c"; with_sink; }
teardown() {
	cluster_stop
	if [ -n "${MOUNTED:-}" ]; then umount "$MOUNTED"; fi
}

# traced NODE N: raft-logd whose N-th fdatasync of the log fails once.
traced() {
	spawn "$CLUSTER/$1/logd.log" strace -f -qq -o /dev/null -e trace=fdatasync \
		-P "$CLUSTER/$1/data/log.db" -P "$CLUSTER/$1/data/log.db-wal" \
		-e "inject=fdatasync:error=EIO:when=$2" "$BIN/raft-logd" -c "$CLUSTER/$1/raft.yaml"
	echo "$SPAWNED" >"$CLUSTER/$1/logd.pid"
}

# feed: a line every few milliseconds until the file stop is there; all of them go to want.
feed() {
	local i=0
	while [ ! -e "$BATS_TEST_TMPDIR/stop" ]; do
		i=$((i + 1))
		echo "line $i of a slow stream"
		sleep 0.005
	done | tee "$BATS_TEST_TMPDIR/want" | timeout 240 raft-append -c "$CLUSTER/$1/raft.yaml" -t 60s
}

@test "EIO at the n-th fdatasync of a follower, for n over a run: raft-logd exits with 74, nothing is lost" {
	cluster_start
	wait_leader
	v=$(follower)
	feed "$(nodes | grep -vx "$v" | head -n 1)" >"$BATS_TEST_TMPDIR/feed.log" 2>&1 3>&- &
	feeder=$!
	for n in 1 2 3 4 5 6 8 11 15 21 30 50; do
		reap KILL "$(daemon_pid "$v" logd)"
		traced "$v" "$n"
		echo "EIO at fdatasync $n"
		wait_until 40 gone "$SPAWNED"
		[ "$(grep -c 'status=74' "$CLUSTER/$v/logd.log")" -ge 1 ]
		: >"$CLUSTER/$v/logd.log"
		daemon_start "$v" logd
	done
	touch "$BATS_TEST_TMPDIR/stop"
	wait "$feeder"
	all_out "$BATS_TEST_TMPDIR/want"
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
	is_full() { [[ $(status "$v" log full) =~ full|low ]]; }
	wait_until 20 is_full
	grep -q 'full' "$CLUSTER/$v/logd.log"
	alive "$(daemon_pid "$v" logd)"
	rm "$MOUNTED/ballast"
	mount -o remount,size=200m "$MOUNTED"
	all_out "$BATS_TEST_TMPDIR/want"
	[ "$(status "$v" log full)" = no ]
}

@test "⚠ a sole voter's data directory moved in a stream: all that was acknowledged is in it, and no more is acknowledged" {
	cluster_init "$BATS_TEST_TMPDIR/one" 1
	cluster_start
	wait_leader
	data=$CLUSTER/n1/data
	spawn "$BATS_TEST_TMPDIR/err" sh -c "seq 10000000 | timeout 120 raft-append -t 3s -w 64 -c '$CLUSTER/n1/raft.yaml' 2>&1"
	feeder=$SPAWNED
	streaming() { [ "$(status n1 log commit)" -gt 5000 ]; }
	wait_until 30 streaming
	mv "$data" "$CLUSTER/n1/elsewhere"
	logd=$(daemon_pid n1 logd)
	wait_until 10 gone "$logd"
	ended=0
	wait "$logd" || ended=$?
	[ "$ended" = 74 ]
	run raft-logd -c "$CLUSTER/n1/raft.yaml"
	[ "$status" -eq 78 ]
	ended=0
	wait "$feeder" || ended=$?
	cat "$BATS_TEST_TMPDIR/err"
	[ "$ended" != 0 ]
	acknowledged=$(sed -n 's/.*: committed \([0-9]*\),.*/\1/p' "$BATS_TEST_TMPDIR/err")
	[ "$acknowledged" -gt 1000 ]
	mv "$CLUSTER/n1/elsewhere" "$data"
	daemon_start n1 logd
	wait_until 20 wait_all
	tail_all n1 >"$BATS_TEST_TMPDIR/lines"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/lines")" -ge "$acknowledged" ]
	head -n "$acknowledged" "$BATS_TEST_TMPDIR/lines" | cmp - <(seq "$acknowledged")
}
wait_all() { ctl n1 -t 5s wait; }
