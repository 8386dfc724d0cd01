#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# An error of the system at a start gives 78 only for what a person must change: a supervisor stops at 78.

load helper

TOOLS='raft-append raft-follow raft-query raft-tail raft-ctl raft-bench'

setup_file() {
	load helper
	export MADE=$BATS_FILE_TMPDIR/made
	raft-init -N 1 -p "$(free_ports 1)" "$MADE" >/dev/null
	echo 'fsm: {}' >>"$MADE/n1/raft.yaml"
	# With a log that is in use, and without a file for the members.
	export CLUSTER=$MADE
	node_start n1
	wait_until 20 ctl n1 -t 5s wait
	stop_all
}

setup() {
	cp -a "$MADE" "$BATS_TEST_TMPDIR/c"
	N=$BATS_TEST_TMPDIR/c/n1
	C=$N/raft.yaml
}

teardown() { stop_all; }

# row CALL:ERRNO[:WHEN] PATH STATUS PROGRAM...: with that error of the call (on the path; "-": on any) it ends with one
# sentence and the status, and the error was injected.
row() {
	local call=${1%%:*} rest=${1#*:} only=() status=0
	local when=1 error=${rest%%:*}
	[ "$error" = "$rest" ] || when=${rest#*:}
	[ "$2" = - ] || only=(-P "$2")
	timeout 20 strace -f -qq -o "$N/calls" "${only[@]}" -e trace="$call" -e inject="$call:error=$error:when=$when" \
		"${@:4}" </dev/null >"$N/said" 2>&1 || status=$?
	echo "$* -> $status: $(grep -v 'lvl=\(info\|warn\)' "$N/said")"
	grep -q INJECTED "$N/calls"
	[ "$status" -eq "$3" ]
	[ "$(grep -cv 'lvl=\(info\|warn\)' "$N/said")" -eq 1 ]
}

# file PATH PROGRAM...: each kind of error at opening it.
file() {
	local path=$1 error
	shift
	for error in ENFILE EMFILE ENOMEM EINTR; do row "openat:$error" "$path" 71 "$@"; done
	for error in EIO ENOSPC EROFS; do row "openat:$error" "$path" 74 "$@"; done
	for error in EACCES EPERM ELOOP; do row "openat:$error" "$path" 78 "$@"; done
}

@test "an error at opening raft.yaml or the members list: 71 for a shortage, 74 for the disk, 78 for permission, everywhere" {
	for p in raft-logd raft-peerd raft-elect raft-fsm raft-node; do file "$C" "$p" -c "$C"; done
	for p in $TOOLS; do
		args=()
		[ "$p" != raft-ctl ] || args=(wait)
		row openat:ENFILE "$C" 71 "$p" -c "$C" "${args[@]}"
		row openat:EIO "$C" 74 "$p" -c "$C" "${args[@]}"
		row openat:EACCES "$C" 78 "$p" -c "$C" "${args[@]}"
	done
	row read:EIO "$C" 74 raft-logd -c "$C"
	for p in raft-logd raft-node raft-append; do
		row openat:ENFILE "$N/members.yaml" 71 "$p" -c "$C"
		row openat:EIO "$N/members.yaml" 74 "$p" -c "$C"
		row openat:EACCES "$N/members.yaml" 78 "$p" -c "$C"
	done
	# The one in the working directory is not passed over for /etc/raft/raft.yaml.
	cd "$N"
	run timeout 20 strace -qq -o calls -P raft.yaml -e trace=access,faccessat,faccessat2 \
		-e inject=access,faccessat,faccessat2:error=EIO raft-logd -n
	grep -q INJECTED calls
	[ "$status" -eq 0 ]
}

@test "an error at opening a file of the data directory: 71 for a shortage, 74 for the disk, 78 for permission" {
	for f in identity lock log.db mark; do
		echo "$f"
		file "$N/data/$f" raft-logd -c "$C"
	done
	# The second is SQLite's own, which then opens it read-only: the first write finds out.
	for error in ENFILE EIO EACCES; do
		row "openat:$error:2" "$N/data/log.db" 74 raft-logd -c "$C"
	done
	row openat:ENFILE:2+ "$N/data/log.db" 71 raft-logd -c "$C"
	row openat:EIO:2+ "$N/data/log.db" 74 raft-logd -c "$C"
	row openat:ENFILE:1+ "$N/data/log.db-wal" 71 raft-logd -c "$C"
	row openat:EIO:1+ "$N/data/log.db-wal" 74 raft-logd -c "$C"
	row newfstatat,stat:EIO "$N/data/log.db" 74 raft-logd -c "$C"
	row flock:EINTR - 71 raft-logd -c "$C"
	row flock:EAGAIN - 75 raft-logd -c "$C"
	row mkdir:EIO "$N/data/snapshots" 74 raft-logd -c "$C"
	row mkdir:EACCES "$N/data/snapshots" 78 raft-logd -c "$C"
}

@test "an error at opening the secret key: 71 for a shortage, 74 for the disk, 78 for permission" {
	file "$N/n1.key" raft-peerd -c "$C"
	row read:EIO "$N/n1.key" 74 raft-peerd -c "$C"
}

@test "an error at making the run directory, its lock or a socket: 78 only for what a person must change" {
	for p in raft-node raft-logd; do
		row mkdir:ENOSPC "$N/run" 74 "$p" -c "$C"
		row mkdir:ENOMEM "$N/run" 71 "$p" -c "$C"
		row mkdir:EACCES "$N/run" 78 "$p" -c "$C"
	done
	file "$N/run/lock" raft-node -c "$C"
	row flock:ENOLCK - 71 raft-node -c "$C"
	mkdir -p "$N/run"
	for p in raft-logd raft-peerd raft-elect raft-fsm; do
		row socket:EMFILE - 71 "$p" -c "$C"
		row bind:EADDRINUSE - 75 "$p" -c "$C"
		row bind:ENOSPC - 74 "$p" -c "$C"
		row bind:EACCES - 78 "$p" -c "$C"
	done
	# NNG's own come after that of the run directory.
	row bind:EADDRINUSE:2 - 75 raft-peerd -c "$C"
	row bind:EADDRNOTAVAIL:2 - 75 raft-peerd -c "$C"
	row bind:EACCES:2 - 78 raft-peerd -c "$C"
	row socket:EMFILE:2 - 71 raft-peerd -c "$C"
}

@test "a socket is removed only when nobody listens there, not when that cannot be found out" {
	for p in raft-logd raft-peerd raft-elect raft-fsm; do
		name=${p#raft-}
		name=${name%d}
		[ "$p" != raft-peerd ] || name=peer
		spawn "$N/log" "$p" -c "$C"
		wait_until 10 test -S "$N/run/$name"
		reap KILL "$SPAWNED"
		row socket:ENFILE - 71 "$p" -c "$C"
		row connect:EACCES - 78 "$p" -c "$C"
		[ -S "$N/run/$name" ]
		# And then it is.
		spawn "$N/log" "$p" -c "$C"
		answers_again() { timeout 5 python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$N/run/$name"; }
		wait_until 10 answers_again
		reap TERM "$SPAWNED"
	done
}

@test "a group that does not exist is 78 with the same sentence from every daemon" {
	sed -i 's/run: run/run: run\n  group: no-such-group/' "$C"
	for p in raft-logd raft-peerd raft-elect raft-fsm raft-node; do
		run timeout 10 "$p" -c "$C"
		[ "$status" -eq 78 ]
		[[ $output == *'node.group no-such-group: there is no such group'* ]]
	done
}

@test "a snapshot that cannot be opened for want of descriptors is not taken for a lost one" {
	printf 'snapshot' >"$BATS_TEST_TMPDIR/state"
	spawn "$N/log" raft-logd -c "$C"
	wait_until 10 test -S "$N/run/log"
	PYTHONDONTWRITEBYTECODE=1 timeout 20 python3 "$ROOT/t/tools/snapshot.py" add "$N/run/log" 1 "$BATS_TEST_TMPDIR/state"
	reap TERM "$SPAWNED"
	snapshot=$(echo "$N"/data/snapshots/*.snapshot)
	row openat:ENFILE "$snapshot" 71 raft-logd -c "$C"
	[ -e "$snapshot" ]
}
