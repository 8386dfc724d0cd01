#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-fsm behind a real raft-logd: one node, all four daemons.
# shellcheck disable=SC2030,SC2031

setup() {
	load helper.bash
	cluster_init "$BATS_TEST_TMPDIR/c" 1
	N=$CLUSTER/n1
	IN=$BATS_TEST_TMPDIR/in OUT=$N/out
	mkdir -p "$N/run"
	seq -f '%.0f words of a line' 1 100000 >"$IN"
	for d in logd peerd elect; do daemon_start n1 "$d"; done
	wait_leader
}

teardown() { stop_all; }

append() { timeout 60 raft-append -c "$N/raft.yaml"; }
no_lag() { [ "$(status n1 fsm lag)" -eq 0 ]; }
arrived() { cmp "$IN" "$OUT"; }
fsm() { # fsm LINES OF fsm:...
	sed -i '/^fsm:/,$d' "$N/raft.yaml"
	{
		echo fsm:
		printf '  %s\n' "$@"
	} >>"$N/raft.yaml"
	daemon_start n1 fsm
}

@test "fsm and logd: all lines, once, in order, while raft-logd is killed again and again" {
	fsm 'command: [ sh, -c, "cat >out" ]'
	append <"$IN" 3>&- &
	appending=$!
	for _ in 1 2 3; do
		wait_until 20 test -s "$OUT"
		reap KILL "$(daemon_pid n1 logd)"
		daemon_start n1 logd
	done
	wait "$appending"
	wait_until 30 arrived
	[ "$(status n1 fsm restarts)" -eq 0 ]
	wait_until 10 no_lag
	[ "$(status n1 fsm state)" = running ]
}

@test "fsm and logd: while raft-fsm is killed again and again" {
	fsm 'command: [ sh, -c, "cat >out" ]'
	append <"$IN" 3>&- &
	appending=$!
	for _ in 1 2 3; do
		wait_until 20 test -s "$OUT"
		reap KILL "$(daemon_pid n1 fsm)"
		daemon_start n1 fsm
	done
	wait "$appending"
	wait_until 30 arrived
}

@test "fsm and logd: from: cursor, the cursor outlasts both" {
	fsm 'from: cursor' 'command: [ sh, -c, "cat >>out" ]'
	head -n 50000 "$IN" | append
	wait_until 20 grown "$OUT" 50000
	reap TERM "$(daemon_pid n1 fsm)"
	reap KILL "$(daemon_pid n1 logd)"
	daemon_start n1 logd
	tail -n +50001 "$IN" | append
	daemon_start n1 fsm
	wait_until 20 arrived
	reap TERM "$(daemon_pid n1 fsm)"
	daemon_start n1 fsm
	wait_until 10 no_lag
	arrived
}

@test "fsm and logd: a program that reads nothing for a while gets all of it afterwards" {
	fsm 'command: [ sh, -c, "while [ ! -e go ]; do sleep 0.1; done; cat >out" ]'
	append <"$IN"
	[ "$(status n1 fsm lag)" -gt 1000 ]
	touch "$N/go"
	wait_until 20 arrived
}

@test "tail, fsm and ctl watch: a reader that has only shut down its sending half still reads" {
	append <"$IN"
	timeout 120 python3 - "$N/raft.yaml" <<-'PY'
		import socket, subprocess, sys

		def lines(command, wanted):
		    ours, theirs = socket.socketpair()
		    program = subprocess.Popen(command, stdout=theirs, stdin=subprocess.DEVNULL)
		    theirs.close()
		    ours.shutdown(socket.SHUT_WR)
		    ours.settimeout(60)
		    got = 0
		    while got < wanted:
		        data = ours.recv(65536)
		        assert data, f"{command[0]} ended after {got} lines"
		        got += data.count(b"\n")
		    # Once it is gone altogether, so is the program.
		    ours.close()
		    program.wait(60)

		for command, wanted in (["raft-tail", "-f"], 100000), (["raft-fsm"], 100000), (["raft-ctl"], 1):
		    rest = ["watch"] if command[0] == "raft-ctl" else []
		    lines(command + ["-c", sys.argv[1]] + rest, wanted)
	PY
}
