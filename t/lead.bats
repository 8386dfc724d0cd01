#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-lead: a command that runs only where the node leads, and never at two nodes.
# shellcheck disable=SC2016,SC2046
# long

load helper
bats_require_minimum_version 1.5.0

setup() {
	RUNS=$BATS_TEST_TMPDIR/runs
	mkdir "$RUNS"
}
teardown() {
	show_logs
	# Before raft-lead, which would report that the nodes are gone.
	stop $(cat "$CLUSTER"/*/lead.pid 2>/dev/null)
	cluster_stop
	stop_all
}

# cluster COUNT TIMEOUT: nodes with that election timeout, at level 3.
cluster() {
	cluster_init "$BATS_TEST_TMPDIR/c" "$1"
	for n in $(nodes); do timeout_set "$n" "$2"; done
	cluster_start
	wait_until 20 at_level_3
}
timeout_set() { sed -i "s/election_timeout: .*/election_timeout: $2/; s/heartbeat: .*/heartbeat: 20ms/" "$CLUSTER/$1/raft.yaml"; }
at_level_3() {
	local l
	l=$(leader) && [ "$(status "$l" elect level_min)" = 3 ]
}

# lead NODE COMMAND...: raft-lead there; its pid is in NODE/lead.pid, its exit status in NODE/lead.status in the end.
# A shell starts what is in the background with INT and QUIT ignored.
lead() {
	local node=$1
	shift
	rm -f "$CLUSTER/$node/lead.status"
	spawn "$CLUSTER/$node/lead.log" bash -c '"$@" & echo $! >"$0/lead.pid"; wait $!; echo $? >"$0/lead.status"' \
		"$CLUSTER/$node" env --default-signal raft-lead -c "$CLUSTER/$node/raft.yaml" -- "$@"
	wait_until 5 test -s "$CLUSTER/$node/lead.pid"
	adopt "$(cat "$CLUSTER/$node/lead.pid")"
}
work() { lead "$1" python3 "$ROOT/t/tools/lead-worker.py" "$RUNS" "$@"; } # NODE [stubborn]
work_all() { for n in $(nodes); do work "$n" "$@"; done; }
lead_pid() { cat "$CLUSTER/$1/lead.pid"; }
ended() { [ -s "$CLUSTER/$1/lead.status" ]; }
status_is() { ended "$1" && [ "$(cat "$CLUSTER/$1/lead.status")" = "$2" ]; }
watchdog_of() { pgrep -P "$(lead_pid "$1")" -x raft-lead-watch; }

# runs_of NODE: its files.  runs at NODE: there is one that has written in the last moments.
runs_of() { find "$RUNS" -name "$1.*" | sort -t. -k2n; }
runs_at() {
	local file size
	file=$(runs_of "$1" | tail -n 1)
	[ -n "$file" ] || return 1
	size=$(stat -c %s "$file")
	sleep 0.1
	[ "$(stat -c %s "$file")" -gt "$size" ]
}
ran_at() { [ -n "$(runs_of "$1")" ]; }
runs_at_one_of() { for n; do ! runs_at "$n" || return 0; done && return 1; }
first_of() { grep -m 1 -E '^[0-9]+$' "$1"; }
last_of() { grep -E '^[0-9]+$' "$1" | tail -n 1; }
file_at() { runs_of "$1" | tail -n 1; }
boot_now() { python3 -c 'import time; print(int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000))'; }

# disjoint COUNT: there were that many runs at least, each over before the next began.
disjoint() {
	local file end=0 first count=0
	while read -r first file; do
		echo "$file: $first to $(last_of "$file")"
		[ "$first" -gt "$end" ] || return 1
		end=$(last_of "$file")
		count=$((count + 1))
	done < <(for file in "$RUNS"/*; do echo "$(first_of "$file") $file"; done | sort -n)
	[ "$count" -ge "$1" ]
}

signal_node() { kill -s "$1" $(cat "$CLUSTER/$2"/{logd,peerd,elect}.pid); }

@test "lead: the command runs at the node that leads, in the term that it gets" {
	cluster 3 1s
	work_all
	wait_until 20 runs_at_one_of $(nodes)
	l=$(leader)
	runs_at "$l"
	[ "$(basename "$(file_at "$l")" | cut -d. -f2)" = "$(status "$l" elect term)" ]
	# Renewed for as long as the node leads: for several election timeouts.
	first=$(first_of "$(file_at "$l")")
	lasted() { [ $(($(last_of "$(file_at "$l")") - first)) -gt 5000 ]; }
	wait_until 20 lasted
	[ "$(find "$RUNS" -type f | wc -l)" = 1 ]
	run ! ended "$l"
}

@test "lead: ⚠ a transfer moves the command: TERM at once, 75, and the wait of the next leader is not shortened" {
	cluster 3 1s
	work_all
	wait_until 20 runs_at_one_of $(nodes)
	l=$(leader)
	n=$(follower)
	before=$(boot_now)
	ctl "$l" transfer "$n"
	wait_until 20 runs_at "$n"
	wait_until 5 status_is "$l" 75
	grep -q 'no longer leads' "$CLUSTER/$l/lead.log"
	grep -q '^term' "$(file_at "$l")"
	disjoint 2
	# 1.1 x (election_timeout + lead.grace).
	[ $(($(first_of "$(file_at "$n")") - before)) -ge 1375 ]
}

@test "lead: kill -9 of the leader's node: the command moves within the stated time, and does not overlap" {
	cluster 3 1s
	work_all stubborn
	wait_until 20 runs_at_one_of $(nodes)
	l=$(leader)
	before=$(boot_now)
	kill -KILL $(cat "$CLUSTER/$l"/{logd,peerd,elect}.pid) "$(lead_pid "$l")"
	wait_until 20 runs_at_one_of $(nodes | grep -vx "$l")
	disjoint 2
	for n in $(nodes | grep -vx "$l"); do
		! ran_at "$n" || took=$(($(first_of "$(file_at "$n")") - before))
	done
	echo "took $took ms"
	# An election takes at most 2 timeouts where the machine is not loaded; the wait is 1.375, and the limit three times as much.
	[ "$took" -lt 10125 ]
}

@test "lead: ⚠ a leader that is cut off: its command is ended before another begins, TERM or not" {
	cluster 3 1s
	work_all stubborn
	wait_until 20 runs_at_one_of $(nodes)
	l=$(leader)
	kill -STOP "$(daemon_pid "$l" peerd)"
	wait_until 20 runs_at_one_of $(nodes | grep -vx "$l")
	wait_until 5 status_is "$l" 75
	disjoint 2
	# TERM came lead.grace before KILL; half of that is asserted.
	file=$(file_at "$l")
	term=$(sed -n 's/^term //p' "$file" | head -n 1)
	[ $(($(last_of "$file") - term)) -ge 125 ]
	kill -CONT "$(daemon_pid "$l" peerd)"
}

@test "lead: ⚠ with election timeouts that differ, a new leader waits for the longest that it or a voter has heard" {
	cluster 3 1s
	timeout_set n1 5s
	for d in logd peerd elect; do reap TERM "$(daemon_pid n1 "$d")"; done
	node_start n1
	wait_until 20 at_level_3
	wait_until 20 ctl n1 transfer n1
	wait_until 20 has_role n1 leader
	# What n2 has heard it forgets: only n3, or n1 itself, can report it.
	kill_elect() { reap KILL "$(daemon_pid n2 elect)" && daemon_start n2 elect; }
	work_all stubborn
	wait_until 30 runs_at n1
	reap KILL "$(daemon_pid n2 peerd)"
	kill_elect
	daemon_start n2 peerd
	kill -STOP "$(daemon_pid n1 peerd)"
	wait_until 30 runs_at_one_of n2 n3
	disjoint 2
	kill -CONT "$(daemon_pid n1 peerd)"
}

@test "lead: ⚠ raft-lead is killed: the watchdog ends the command by its deadline, the next one here waits for that" {
	cluster 1 1s
	work n1 stubborn
	wait_until 20 runs_at n1
	dog=$(watchdog_of n1)
	kill -KILL "$(lead_pid n1)"
	work n1
	two_runs() { [ "$(runs_of n1 | wc -l)" = 2 ]; }
	wait_until 20 two_runs
	wait_until 5 gone "$dog"
	disjoint 2
	grep -q '^term' "$(runs_of n1 | head -n 1)" || grep -q '^term' "$(runs_of n1 | tail -n 1)"
}

@test "lead: ⚠ raft-lead is stopped: the watchdog ends the command, which is 75 when it runs again" {
	cluster 1 1s
	work n1 stubborn
	wait_until 20 runs_at n1
	kill -STOP "$(lead_pid n1)"
	silent() { ! runs_at n1; }
	wait_until 10 silent
	file=$(file_at n1)
	term=$(sed -n 's/^term //p' "$file" | head -n 1)
	[ $(($(last_of "$file") - term)) -ge 125 ]
	kill -CONT "$(lead_pid n1)"
	wait_until 5 status_is n1 75
}

@test "lead: ⚠ the watchdog is killed: so is the command, at once" {
	cluster 1 1s
	work n1 stubborn
	wait_until 20 runs_at n1
	kill -KILL "$(watchdog_of n1)"
	wait_until 5 status_is n1 71
	run ! runs_at n1
	grep -q 'the watchdog is gone' "$CLUSTER/n1/lead.log"
}

@test "lead: under a pause two commands may run at once; the fence stops the stale one" {
	cluster 3 1s
	# It appends when it finds the file go.NODE, with its own term as the fence.
	cat >"$BATS_TEST_TMPDIR/fenced" <<-'SH'
		#!/bin/bash
		: >"$1/$2.$RAFT_TERM.$$"
		until [ -e "$1/go.$2" ]; do sleep 0.02; done
		echo "from $2" | timeout 60 raft-append -c "$3" --fence
		echo $? >"$1/status.$2"
		exec sleep 60
	SH
	chmod +x "$BATS_TEST_TMPDIR/fenced"
	for n in $(nodes); do lead "$n" "$BATS_TEST_TMPDIR/fenced" "$RUNS" "$n" "$CLUSTER/$n/raft.yaml"; done
	wait_until 20 test -n "$(leader)"
	l=$(leader)
	wait_until 20 ran_at "$l"
	command=$(basename "$(file_at "$l")" | cut -d. -f3)
	signal_node STOP "$l"
	kill -STOP "$(watchdog_of "$l")" "$(lead_pid "$l")" -- -"$command"
	other_ran() { for n in $(nodes); do [ "$n" = "$l" ] || ! ran_at "$n" || return 0; done && return 1; }
	wait_until 20 other_ran
	for n in $(nodes); do [ "$n" = "$l" ] || ! ran_at "$n" || new=$n; done
	# Both are there.
	alive "$command"
	signal_node CONT "$l"
	wait_until 20 has_role "$l" follower
	touch "$RUNS/go.$l" "$RUNS/go.$new"
	kill -CONT -- -"$command"
	wait_until 20 test -s "$RUNS/status.$l"
	wait_until 20 test -s "$RUNS/status.$new"
	[ "$(cat "$RUNS/status.$l")" = 77 ]
	[ "$(cat "$RUNS/status.$new")" = 0 ]
	# Its watchdog runs again, and ends it.
	kill -CONT "$(watchdog_of "$l")" "$(lead_pid "$l")"
	wait_until 10 status_is "$l" 75
	gone "$command"
	run -0 tail_all "$new"
	[ "$output" = "from $new" ]
}

@test "lead: the exit status is the command's own, 126 and 127 when it cannot be run" {
	cluster 1 500ms
	for status in 0 3 75; do
		lead n1 sh -c "exit $status"
		wait_until 20 status_is n1 "$status"
	done
	lead n1 sh -c 'kill -9 $$'
	wait_until 20 status_is n1 137
	# Found before this node leads, and when the file has gone meanwhile.
	run -127 timeout 20 raft-lead -c "$CLUSTER/n1/raft.yaml" ./no-such-command
	[ "$output" = 'raft-lead: ./no-such-command: cannot run in .: no such file or directory' ]
	touch "$BATS_TEST_TMPDIR/plain"
	run -126 timeout 20 raft-lead -c "$CLUSTER/n1/raft.yaml" "$BATS_TEST_TMPDIR/plain"
	reap TERM "$(daemon_pid n1 elect)"
	printf '#!/bin/sh\n' >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	lead n1 "$BATS_TEST_TMPDIR/script"
	# It has looked for the command when it watches for the end of one.
	watches() { ((0x$(sed -n 's/^SigCgt:\t//p' "/proc/$1/status") & 1 << 16)); }
	wait_until 5 watches "$(lead_pid n1)"
	rm "$BATS_TEST_TMPDIR/script"
	daemon_start n1 elect
	wait_until 20 status_is n1 127
	# Its own options are not those of raft-lead.
	run -4 timeout 20 raft-lead -c "$CLUSTER/n1/raft.yaml" sh -c 'exit 4'
	run -64 raft-lead -c "$CLUSTER/n1/raft.yaml"
	[[ $output == *'a command is missing: usage: '* ]]
}

@test "lead: signals are forwarded to the command, also a terminal stop and its end" {
	cluster 1 1s
	cat >"$BATS_TEST_TMPDIR/told" <<-'PY'
		import os, signal, sys, time
		def note(number, _):
		    os.write(OUT, (signal.Signals(number).name + "\n").encode())
		    if number == signal.SIGTERM:
		        os._exit(5)
		OUT = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
		for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
		               signal.SIGWINCH, signal.SIGCONT, signal.SIGTERM):
		    signal.signal(number, note)
		os.write(OUT, b"pid %d\n" % os.getpid())
		while True:
		    time.sleep(10)
	PY
	lead n1 python3 "$BATS_TEST_TMPDIR/told" "$RUNS/told"
	wait_until 20 test -s "$RUNS/told"
	for name in HUP QUIT USR1 USR2 ALRM WINCH; do
		kill -s "$name" "$(lead_pid n1)"
		wait_until 5 grep -qx "SIG$name" "$RUNS/told"
	done
	command=$(sed -n 's/^pid //p' "$RUNS/told")
	stopped() { grep -qE '\) T ' "/proc/$1/stat"; }
	kill -s TSTP "$(lead_pid n1)"
	wait_until 5 stopped "$command"
	wait_until 5 stopped "$(lead_pid n1)"
	kill -s CONT "$(lead_pid n1)"
	wait_until 5 grep -qx SIGCONT "$RUNS/told"
	kill -s TERM "$(lead_pid n1)"
	wait_until 5 status_is n1 5
}

@test "lead: while it waits a signal ends raft-lead itself" {
	cluster 1 1s
	reap TERM "$(daemon_pid n1 elect)"
	lead n1 true
	kill -TERM "$(lead_pid n1)"
	wait_until 5 status_is n1 143
}

@test "lead: the command inherits no descriptor but \$RAFT_LEAD_FD, and leaves no group" {
	cluster 1 500ms
	fds='import os, sys; print(*(fd for fd in range(1024) if os.path.exists(f"/proc/self/fd/{fd}")), file=open(sys.argv[1], "w"))'
	lead n1 python3 -c "$fds" "$RUNS/with"
	wait_until 20 status_is n1 0
	# What raft-lead itself was given is passed on.
	spawn "$RUNS/log" bash -c 'env --default-signal "$@" & wait $!' - python3 -c "$fds" "$RUNS/without"
	wait_until 5 test -s "$RUNS/without"
	lead n1 sh -c 'echo "$RAFT_LEAD_FD" >"$0/fd"; sleep 300 & echo $! >"$0/left"' "$RUNS"
	wait_until 20 status_is n1 0
	diff <(xargs -n 1 <"$RUNS/with") <({ xargs -n 1 <"$RUNS/without" && cat "$RUNS/fd"; } | sort -n)
	wait_until 5 gone "$(cat "$RUNS/left")"
}

@test "lead: a command that exits 75 names the member that is to lead next" {
	cluster 3 1s
	for n in $(nodes); do
		lead "$n" bash -c '[ -e "$0/$1" ] || exec sleep 300; echo bad >&"$RAFT_LEAD_FD"; cat "$0/$1" >&"$RAFT_LEAD_FD"; exit 75' "$RUNS" "$n"
	done
	l=$(leader)
	n=$(follower)
	echo "$n" >"$RUNS/$l"
	kill "$(lead_pid "$l")"
	wait_until 20 ended "$l"
	lead "$l" bash -c 'cat "$0" >&"$RAFT_LEAD_FD"; exit 75' "$RUNS/$l"
	wait_until 20 status_is "$l" 75
	wait_until 20 has_role "$n" leader
	# One that cannot lead.
	echo n9 >"$RUNS/$n"
	lead "$n" bash -c 'cat "$0" >&"$RAFT_LEAD_FD"; exit 75' "$RUNS/$n"
	wait_until 20 status_is "$n" 75
	grep -q 'leadership does not go to n9: ' "$CLUSTER/$n/lead.log"
	has_role "$n" leader
}

@test "lead: below level 3 no command is started: one sentence, 75" {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do timeout_set "$n" 500ms; done
	node_start n1
	node_start n2
	wait_leader
	l=$(leader)
	work "$l"
	wait_until 20 status_is "$l" 75
	[ "$(grep -c "^raft-lead: " "$CLUSTER/$l/lead.log")" = 1 ]
	grep -q '^raft-lead: the cluster is below level 3' "$CLUSTER/$l/lead.log"
	run ! ran_at "$l"
	node_start n3
	wait_until 20 at_level_3
	work_all
	wait_until 20 runs_at_one_of $(nodes)
}

@test "lead: raft-lead waits for a raft-elect that is not there yet" {
	cluster 1 500ms
	reap TERM "$(daemon_pid n1 elect)"
	work n1
	daemon_start n1 elect
	wait_until 20 runs_at n1
	# It goes: so does the command.
	reap KILL "$(daemon_pid n1 elect)"
	wait_until 5 status_is n1 75
	run ! runs_at n1
}

@test "lead: the example with --fence in raft-lead(1) appends as long as the node leads" {
	cluster 1 500ms
	example=$(sed -n "s/^\.Dl \$ \(raft-lead sh .*\)/\1/p" "$ROOT/man/raft-lead.1")
	[ -n "$example" ]
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml
	spawn "$CLUSTER/n1/lead.log" bash -c "exec $example"
	two_lines() { [ "$(tail_all n1 | wc -l)" -ge 2 ]; }
	wait_until 20 two_lines
	# Another term: what is appended from now on is of another command.
	reap KILL "$(daemon_pid n1 elect)"
	wait_until 10 gone "$SPAWNED"
	status=0
	wait "$SPAWNED" || status=$?
	[ "$status" = 75 ]
}
