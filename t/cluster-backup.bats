#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Files that appear complete or not at all: backups (raft-ctl snapshot -o), and what raft-init makes.
# shellcheck disable=SC2030,SC2031

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c" 1
	for d in logd peerd elect; do daemon_start n1 "$d"; done
	export CLUSTER CLUSTER_COUNT
	wait_leader
	seq 300 | timeout 60 raft-append -S job -c "$CLUSTER/n1/raft.yaml"
	echo 'a small state' >"$BATS_FILE_TMPDIR/state.small"
	snapshot add "$CLUSTER/n1/run/log" 200 "$BATS_FILE_TMPDIR/state.small"
	timeout 20 raft-ctl -c "$CLUSTER/n1/raft.yaml" snapshot --newest -o "$BATS_FILE_TMPDIR/small"
	head -c 3000000 /dev/urandom >"$BATS_FILE_TMPDIR/state"
	snapshot add "$CLUSTER/n1/run/log" 250 "$BATS_FILE_TMPDIR/state"
	timeout 20 raft-ctl -c "$CLUSTER/n1/raft.yaml" snapshot --newest -o "$BATS_FILE_TMPDIR/good"
}
teardown_file() { cluster_stop; }

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	GOOD=$BATS_FILE_TMPDIR/good
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml
}
teardown() {
	stop_all
	[ ! -e "$BATS_TEST_TMPDIR/kv" ] || cluster_stop
}

snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }
# injected CALLS WHAT COMMAND...: under strace, which does WHAT at CALLS.
injected() { timeout 60 strace -f -qq -o /dev/null -e trace="$1" -e "inject=$1:$2" "${@:3}"; }
only() { [ "$(ls)" = "$*" ] || { ls; return 1; } } # NAME: nothing else is here

@test "backup: of two at once to one name the first has it and is good, the other one says so" {
	spawn slow strace -f -qq -o trace -e trace=fsync -e inject=fsync:signal=SIGSTOP:when=1 \
		raft-ctl snapshot --newest -o backup
	local slow=$SPAWNED stopped
	wait_until 20 grep -q SIGSTOP trace
	stopped=$(pgrep -P "$slow" -x raft-ctl)
	timeout 20 raft-ctl snapshot --newest -o backup
	cmp "$GOOD" backup
	kill -CONT "$stopped"
	local status=0
	wait "$slow" || status=$?
	[ "$status" -eq 74 ]
	[ "$(cat slow)" = 'raft-ctl: snapshot: backup: cannot be written: it exists: nothing is written over' ]
	cmp "$GOOD" backup
	rm slow trace
	only backup
}

@test "backup: many at once to one name: one has it, and it is good" {
	local pids=() good=0
	for i in {1..12}; do
		timeout 60 raft-ctl snapshot --newest -o backup 2>/dev/null 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		local status=0
		wait "$i" || status=$?
		[ "$status" -eq 0 ] || [ "$status" -eq 74 ]
		[ "$status" -ne 0 ] || good=$((good + 1))
	done
	[ "$good" -eq 1 ]
	cmp "$GOOD" backup
	only backup
}

@test "backup: links are not followed, and what is there is not written over" {
	echo precious >mine
	ln -s mine backup.part
	timeout 20 raft-ctl snapshot --newest -o backup
	cmp "$GOOD" backup
	ln -s nowhere link
	for name in mine link backup; do
		run timeout 20 raft-ctl snapshot --newest -o "$name"
		[ "$status" -eq 74 ]
		[ "$output" = "raft-ctl: snapshot: $name: cannot be written: it exists: nothing is written over" ]
	done
	[ "$(cat mine)" = precious ]
	[ ! -e nowhere ]
	only $'backup\nbackup.part\nlink\nmine'
}

@test "backup: what fails is one sentence with the path and 74, and nothing is left" {
	for fault in fsync:error=EIO:when=1 fsync:error=EIO:when=2 renameat2:error=ENOSPC; do
		run injected "${fault%%:*}" "${fault#*:}" raft-ctl snapshot --newest -o backup
		echo "$fault: $status $output"
		[ "$status" -eq 74 ]
		[[ $output == 'raft-ctl: snapshot: backup: cannot be written: '* ]]
		only ''
	done
	run bash -c 'ulimit -f 1000 && exec timeout 20 raft-ctl snapshot --newest -o backup'
	[ "$status" -eq 74 ]
	[ "$output" = 'raft-ctl: snapshot: backup: cannot be written: File too large' ]
	only ''
	run bash -c 'ulimit -f 1000 && exec timeout 20 raft-init --restore "$1" -N 1 r' bash "$GOOD"
	[ "$status" -eq 74 ]
	[[ $output == *'.snapshot: cannot be written: File too large' ]]
	only ''
	run timeout 20 raft-ctl snapshot --newest -o none/backup
	[ "$status" -eq 74 ]
	[ "$output" = 'raft-ctl: snapshot: none/backup: cannot be written: No such file or directory' ]
}

@test "backup: the file and its folder are synced before it is done" {
	timeout 60 strace -f -qq -y -o trace -e trace=fsync raft-ctl snapshot --newest -o backup
	grep -qE "fsync\([0-9]+<$PWD/backup\.[0-9a-f]{16}>\) *= 0" trace
	tail -n 1 trace | grep -qE "fsync\([0-9]+<$PWD>\) *= 0"
}

@test "backup: a signal in the middle leaves nothing, and one that is ignored is ignored" {
	# In the background, as a shell ends itself when its command is interrupted.
	interrupted() { # DISPOSITION SIGNAL STATUS
		local status=0
		spawn "$BATS_FILE_TMPDIR/log" env "--$1-signal=$2" strace -f -qq -o /dev/null -e trace=write \
			-e "inject=write:signal=SIG$2:when=2" raft-ctl snapshot --newest -o backup
		wait "$SPAWNED" || status=$?
		echo "$1 $2: $status"
		[ "$status" -eq "$3" ]
	}
	for signal in INT TERM HUP; do
		interrupted default "$signal" $((128 + $(kill -l "$signal")))
		only ''
		interrupted ignore "$signal" 0
		cmp "$GOOD" backup
		rm backup
	done
}

@test "files: a file system without hard links, or without renameat2, is enough" {
	for fault in link,linkat:error=EPERM renameat2:error=EINVAL; do
		injected "${fault%%:*}" "${fault#*:}" raft-ctl snapshot --newest -o backup
		cmp "$GOOD" backup
		run injected "${fault%%:*}" "${fault#*:}" raft-ctl snapshot --newest -o backup
		[ "$status" -eq 74 ]
		[[ $output == *'nothing is written over' ]]
		injected "${fault%%:*}" "${fault#*:}" raft-init --restore backup -N 1 r
		cmp "$BATS_FILE_TMPDIR/state" r/n1/data/snapshots/*.snapshot
		run injected "${fault%%:*}" "${fault#*:}" raft-init -N 1 r
		[ "$status" -eq 78 ]
		rm -r r backup
		only ''
	done
	run timeout 60 strace -f -qq -o /dev/null -e trace=renameat2,link,linkat -e inject=renameat2:error=EINVAL \
		-e inject=link,linkat:error=EPERM raft-ctl snapshot --newest -o backup
	[ "$status" -eq 74 ]
	[ "$output" = 'raft-ctl: snapshot: backup: cannot be written: Operation not permitted' ]
	only ''
}

@test "init: a signal that ends it leaves nothing, or a complete node, and one that is ignored is ignored" {
	local signal n none=0 status
	interrupted() { # DISPOSITION SIGNAL N: at the Nth fsync
		status=0
		spawn "$BATS_FILE_TMPDIR/log" env "--$1-signal=$2" strace -f -qq -o /dev/null -e trace=fsync \
			-e "inject=fsync:signal=SIG$2:when=$3" raft-init --restore "$GOOD" -N 2 r
		wait "$SPAWNED" || status=$?
	}
	for signal in INT TERM HUP; do
		for n in {3..40}; do
			interrupted default "$signal" "$n"
			[ "$status" -ne 0 ] || break
			echo "$signal $n: $status"
			[ "$status" -eq $((128 + $(kill -l "$signal"))) ]
			if [ -e r ]; then
				[ -s r/n1/data/identity ] && [ -s r/n2/data/identity ]
				rm -r r
			else
				none=$((none + 1))
			fi
			only ''
		done
		[ "$n" -gt 10 ] && [ "$n" -lt 40 ]
		rm -r r
		interrupted ignore "$signal" 8
		[ "$status" -eq 0 ] && [ -s r/n2/data/identity ]
		rm -r r
	done
	[ "$none" -gt 30 ]
}

@test "init: kill -9 at any write, sync or rename leaves no half of a file under its name" {
	timeout 20 raft-init --restore "$GOOD" -N 1 whole
	local call n
	for call in write fsync renameat2; do
		for n in {1..30}; do
			local status=0
			injected "$call" "signal=SIGKILL:when=$n" raft-init --restore "$GOOD" -N 1 r 2>/dev/null || status=$?
			for file in n1.key raft.yaml members.yaml data/identity data/snapshots/restore.head; do
				# One key in 64 is quoted in the members list.
				[ ! -e "r/n1/$file" ] || [ "$(tr -d '"' <"r/n1/$file" | wc -c)" -eq "$(tr -d '"' <"whole/n1/$file" | wc -c)" ]
			done
			for file in r/n1/data/snapshots/*.snapshot; do
				[ ! -e "$file" ] || cmp "$BATS_FILE_TMPDIR/state" "$file"
			done
			rm -rf r
			[ "$status" -ne 0 ] || break
		done
		[ "$n" -gt 3 ] && [ "$n" -lt 30 ]
	done
}

@test "backup: a bit flipped anywhere, bytes cut off or added, is one sentence and 65, and nothing is left" {
	python3 - "$BATS_FILE_TMPDIR/small" <<-'PY'
		import os, subprocess, sys
		good = open(sys.argv[1], "rb").read()

		def restore(data):
		    with open("b", "wb") as out:
		        out.write(data)
		    done = subprocess.run(["raft-init", "--restore", "b", "-N", "1", "r"], capture_output=True, text=True, timeout=60)
		    return done.returncode, done.stdout, done.stderr

		def refused(what, data):
		    status, out, err = restore(data)
		    assert status == 65 and out == "" and err.startswith("raft-init: --restore b: ") and err.count("\n") == 1, (what, status, out, err)
		    assert os.listdir() == ["b"], (what, os.listdir())

		for at in range(len(good)):
		    bad = bytearray(good)
		    bad[at] ^= 1 << at % 8
		    refused(f"bit {at % 8} of byte {at}", bad)
		for size in range(len(good)):
		    refused(f"the first {size} bytes", good[:size])
		for more in b"\0", b"\n", good:
		    refused(f"{len(more)} bytes more", good + more)
		assert restore(good)[0] == 0
	PY
	cmp "$BATS_FILE_TMPDIR/state.small" r/n1/data/snapshots/*.snapshot
}

@test "backup: one whose head is of version 1 is restored" {
	snapshot version-1 "$GOOD" backup
	timeout 20 raft-init --restore backup -N 1 -p "$(free_ports 1)" r
	cluster_of_one_is_restored() {
		local CLUSTER=$PWD/r CLUSTER_COUNT=1
		unset RAFT_CONFIG
		for d in logd peerd elect; do daemon_start n1 "$d"; done
		timeout 60 raft-ctl -t 30s -c r/n1/raft.yaml wait
		[ "$(status n1 log snapshot)" = 250 ]
		cmp "$BATS_FILE_TMPDIR/state" r/n1/data/snapshots/*.snapshot
		[ ! -e r/n1/data/snapshots/restore.head ]
		# What it took over is of the present version from then on.
		timeout 20 raft-ctl -c r/n1/raft.yaml snapshot --newest -o again
	}
	cluster_of_one_is_restored
	[ "$(head -c 12 again | od -An -tx1 | tr -d ' ')" = 72616674736e617000000002 ]
}

@test "backup: what raft-init left for the first start is refused when it is damaged meanwhile" {
	timeout 20 raft-init --restore "$BATS_FILE_TMPDIR/small" -N 1 -p "$(free_ports 1)" r
	cp -r r good
	size=$(stat -c %s r/n1/data/snapshots/restore.head)
	for at in 20 30 40 90 150 $((size - 60)) $((size - 1)); do
		rm -r r
		cp -r good r
		flip r/n1/data/snapshots/restore.head "$at"
		run timeout 20 raft-logd -c r/n1/raft.yaml
		echo "$at: $status $output"
		[ "$status" -eq 78 ]
		[[ $output == *'restore.head: it is damaged: make the node again by raft-init --restore'* ]]
	done
}

# with_kv: a cluster of one whose program is raft-kv.
with_kv() {
	cluster_init "$PWD/kv" 1
	echo 'fsm: { mode: machine, command: [ raft-kv ] }' >>"$CLUSTER/n1/raft.yaml"
	cluster_start
	ctl n1 wait
	wait_until 20 has_level n1 2
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml
	echo 'put a 1' | timeout 20 raft-append -r
}

@test "backup: a new snapshot is taken unless --newest is given, and a sentence says of which entry and age it is" {
	local index time='20[0-9-]{8}T[0-9:.]{12}Z'
	with_kv
	taken_is() { # WHICH FILE: the last index is in $index
		index=$(status n1 log snapshot)
		grep -qE "^raft-ctl: snapshot: $1, of the state after entry $index, of $time, [0-9]+s ago\$" said
		[ -s "$2" ]
	}
	timeout 20 raft-ctl snapshot -o one 2>said
	taken_is 'a new one' one
	local first=$index
	echo 'put a 2' | timeout 20 raft-append -r
	timeout 20 raft-ctl snapshot --newest -o old 2>said
	taken_is 'the newest one' old
	[ "$index" -eq "$first" ]
	cmp one old
	timeout 20 raft-ctl snapshot -o two 2>said
	taken_is 'a new one' two
	[ "$index" -gt "$first" ]

	# None is taken for a file that exists.
	echo 'put a 3' | timeout 20 raft-append -r
	run -74 timeout 20 raft-ctl snapshot -o two
	[ "$(status n1 log snapshot)" -eq "$index" ]
	run -64 timeout 20 raft-ctl snapshot --newest
	[ "$output" = 'raft-ctl: snapshot: --newest fetches one: it needs -o FILE' ]
	sed '/^fsm:/d' "$RAFT_CONFIG" >bare.yaml
	sed -i "s#run: .*#run: $CLUSTER/n1/none#" bare.yaml
	run -78 timeout 20 raft-ctl -c bare.yaml snapshot -o three
	[[ $output == *'has no section fsm; with --newest the last one is fetched' ]]
}

@test "backup: -o - writes to a pipe what raft-init --restore - reads, and no failed write exits 0" {
	with_kv
	# More than a pipe takes.
	seq 2000 | awk '{ printf "put key%d %01000d\n", $1, $1 }' | timeout 60 raft-append -r >/dev/null
	timeout 20 raft-ctl snapshot -o - 2>said | timeout 20 raft-init --restore - --cluster again -N 1 -p "$(free_ports 1)" again
	grep -q '^raft-ctl: snapshot: a new one' said
	timeout 20 raft-ctl snapshot --newest -o file 2>/dev/null
	timeout 20 raft-ctl snapshot --newest -o - 2>/dev/null | cmp - file
	timeout 20 raft-init --restore - -N 1 other <file
	cmp again/n1/data/snapshots/*.snapshot other/n1/data/snapshots/*.snapshot
	(
		CLUSTER=$PWD/again
		echo 'fsm: { mode: machine, command: [ raft-kv ] }' >>"$CLUSTER/n1/raft.yaml"
		cluster_start
		ctl n1 wait
		[ "$(timeout 20 raft-query -c "$CLUSTER/n1/raft.yaml" <<<'get key2000' | sed 's/^0*//')" = 2000 ]
		cluster_stop
	)

	run -74 sh -c 'raft-ctl snapshot --newest -o - >/dev/full'
	[ "$output" = 'raft-ctl: standard output: No space left on device' ]
	timeout 20 raft-ctl snapshot --newest -o - 2>said | head -c 10 >left
	[ "${PIPESTATUS[0]}" -eq 141 ]
	[ ! -s said ]
	timeout 20 env --ignore-signal=PIPE raft-ctl snapshot --newest -o - 2>said | head -c 10 >left
	[ "${PIPESTATUS[0]}" -eq 141 ]
	[ ! -s said ]
	run -65 sh -c 'raft-ctl snapshot --newest -o - | head -c 100000 | raft-init --restore - -N 1 part'
	[ "$output" = 'raft-init: --restore standard input: it is cut short: give a file that raft-ctl snapshot -o wrote' ]
	[ ! -e part ]
	[ -z "$(find . -name 'raft-init.*')" ]
	run -74 sh -c 'raft-ctl snapshot --newest -o - 2>/dev/null | sh -c "ulimit -f 100; exec raft-init --restore - -N 1 part"'
	[[ $output == *"$PWD/part: no room for what comes from a pipe: File too large" ]]
	[ ! -e part ]
	[ -z "$(find . -name 'raft-init.*')" ]
	run -64 timeout 20 script -qefc 'raft-ctl snapshot -o -' /dev/null </dev/null
	[[ $output == 'raft-ctl: snapshot: a snapshot is no text for a terminal'* ]]
}
