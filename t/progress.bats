#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Work that takes long shows its progress on a terminal, and nowhere else.
# long

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c" 1
	printf '%s\n' 'fsm: { mode: machine, command: [ raft-kv ] }' >>"$BATS_FILE_TMPDIR/c/n1/raft.yaml"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	ctl n1 wait
	# About 24 MiB of state.
	seq 400 | awk '{ printf "put k%d %065000d\n", $1, $1 }' | timeout 60 raft-append -r -c "$CLUSTER/n1/raft.yaml" >/dev/null
	timeout 60 raft-ctl -c "$CLUSTER/n1/raft.yaml" snapshot -o "$BATS_FILE_TMPDIR/backup"
}
teardown_file() { cluster_stop; }

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml
}

# terminal COLUMNS COMMAND: on a terminal of that width; what is shown there is in the file display, and its lines in shown.
terminal() {
	local status=0
	timeout 100 script -qefc "stty cols $1; $2" /dev/null </dev/null >display || status=$?
	tr '\r' '\n' <display | sed 's/\x1b\[K//g' >shown
	cat -v display
	return "$status"
}
# slowly CALLS COMMAND: each of these system calls takes 50 ms longer.
slowly() { echo "strace -f -qq -o /dev/null -e trace=$1 -e inject=$1:delay_enter=50000 $2"; }
# of_bytes WHAT: there are lines of progress of a known number of bytes.
of_bytes() {
	grep -qE "^$1: ([0-9.]+ [KM]iB|0 B) of 24\.[0-9] MiB, [0-9.]+ [KM]iB/s, [0-9]+ %(, [0-9]+s left)?$" shown
}
# nothing_left: the last thing that is written to the terminal erases the line, or ends it.
nothing_left() { tail -c 5 display | od -An -c | tr -d ' \n' | grep -qE '(\\r033\[K|\\n)$'; }

@test "progress: raft-ctl snapshot -o, raft-init --restore, and raft-tail to a file show it on a terminal, and erase it" {
	terminal 100 "$(slowly recvfrom,read 'raft-ctl snapshot --newest -o fetched')"
	of_bytes 'raft-ctl: snapshot'
	nothing_left
	grep -q '^raft-ctl: snapshot: the newest one' shown
	cmp fetched "$BATS_FILE_TMPDIR/backup"

	terminal 100 "$(slowly pread64 'raft-init --restore fetched -N 1 r')"
	of_bytes 'raft-init --restore: (checking|writing) it'
	nothing_left

	terminal 100 "raft-ctl snapshot --newest -o - 2>/dev/null | $(slowly read,write 'raft-init --restore - -N 1 s')"
	grep -qE '^raft-init --restore: reading it: [0-9.]+ [KM]iB, [0-9.]+ [KM]iB/s$' shown
	nothing_left
	cmp r/n1/data/snapshots/*.snapshot s/n1/data/snapshots/*.snapshot

	terminal 100 "$(slowly write 'raft-tail >lines')"
	grep -qE '^raft-tail: [0-9]+ entries of [0-9]+ entries, [0-9]+ entries/s, [0-9]+ %(, [0-9]+s left)?$' shown
	nothing_left
	[ "$(wc -l <lines)" -eq 400 ]
}

@test "progress: at most a few lines a second" {
	local start end
	start=$(date +%s%N)
	terminal 100 "$(slowly pread64 "raft-init --restore $BATS_FILE_TMPDIR/backup -N 3 r")"
	end=$(date +%s%N)
	awk -v shown="$(grep -c '^raft-init --restore: ' shown)" -v ms="$(((end - start) / 1000000))" \
		'BEGIN { print shown, ms; exit !(shown >= 2 && shown <= 1 + ms / 500) }'
}

@test "progress: no line is longer than the terminal is wide" {
	terminal 30 "$(slowly pread64 "raft-init --restore $BATS_FILE_TMPDIR/backup -N 1 r")"
	grep -q '^raft-init --restore: ' shown
	awk 'length > 29 { print; bad = 1 } END { exit bad }' shown
}

@test "progress: an error is on a line of its own" {
	head -c 20000000 "$BATS_FILE_TMPDIR/backup" >short
	run -65 terminal 100 "$(slowly pread64 'raft-init --restore short -N 1 r')"
	grep -q '^raft-init --restore: checking it: ' shown
	# The line is erased before it.
	grep -aq $'\r\x1b\[Kraft-init: --restore short: it is cut short' display
	run -74 terminal 100 "ulimit -f 20000; $(slowly write 'raft-ctl snapshot --newest -o full')"
	grep -aq $'\r\x1b\[Kraft-ctl: snapshot: full: cannot be written: File too large' display
	[ ! -e full ]
}

@test "progress: none where standard error is no terminal, nor of short work, nor of raft-tail to a pipe" {
	terminal 100 "$(slowly pread64 "raft-init --restore $BATS_FILE_TMPDIR/backup -N 1 r") 2>err"
	[ ! -s err ]
	[ ! -s display ]
	terminal 100 "raft-ctl snapshot --newest -o fetched"
	[ "$(wc -l <shown)" -le 2 ]
	[ "$(grep -c ' %' shown)" -eq 0 ]
	terminal 100 "$(slowly write 'raft-tail') | cat >lines"
	[ ! -s display ]
}
