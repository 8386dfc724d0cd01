#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-node: supervision.  raft-node(8).
#
# raft-node runs the programs that lie beside it, so most of this is tested with small
# stand-ins whose behaviour is chosen by files; the last tests run the daemons themselves.

# shellcheck disable=SC2016,SC2030,SC2031

bats_require_minimum_version 1.5.0
load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir bin
	cp "$BIN/raft-node" bin/
	for d in logd peerd elect fsm; do stand_in >bin/raft-$d && chmod +x bin/raft-$d; done
	raft-init -N 1 demo
	CONF=demo/n1/raft.yaml
	echo 'fsm: {}' >>"$CONF"
	: >events
}

teardown() { stop_all; }

# stand_in: NAME.exit holds the status it ends with at once, NAME.unready, NAME.stuck, NAME.deaf and NAME.leaves are switches.
stand_in() {
	cat <<-'EOF'
		#!/bin/bash
		name=$(basename "$0")
		cd "$(dirname "$0")/.." || exit 71
		say() { echo "$1 $name $$ $2" >>events; }
		say start "$*"
		if [ -e "$name.exit" ]; then exit "$(cat "$name.exit")"; fi
		if [ -e "$name.stuck" ]; then trap 'say deaf' TERM; else trap 'say term; exit 0' TERM; fi
		[ -e "$name.unready" ] || echo >&3
		exec 3>&-
		env >"$name.env"
		[ "$name" != raft-fsm ] || echo "output of $name"
		if [ -e "$name.leaves" ]; then for i in {1..20}; do (sleep 1 &); done; say left; fi
		while :; do
			read -r -t 0.1 -u "$RAFT_PARENT_FD"
			[ $? -gt 128 ] || break
		done
		say orphan
		[ ! -e "$name.slow" ] || sleep "$(cat "$name.slow")"
	EOF
}

# node ARGS...: raft-node with stand-ins in the background; NODE is its pid.
node() {
	spawn node.log bin/raft-node -c "$CONF" "$@"
	NODE=$SPAWNED
}

seen() { grep -qE "$1" events; }
count() { [ "$(grep -cE "$1" events)" -ge "$2" ]; }
logged() { grep -qE "$1" node.log; }
pid_of() { awk -v n="raft-$1" '$1 == "start" && $2 == n { p = $3 } END { print p }' events; }
all_started() { for d in logd peerd elect fsm; do seen "start raft-$d " || return 1; done; }
all_gone() { awk '$1 == "start" { print $3 }' events | while read -r p; do gone "$p" || return 1; done; }
exited() { gone "$NODE"; }

# ended STATUS: waits for raft-node, which must exit so.
ended() {
	wait_until 30 exited
	local status=0
	wait "$NODE" || status=$?
	echo "status $status"
	[ "$status" -eq "$1" ]
}

@test "node: the daemons are started with the same file, raft-fsm's output is raft-node's" {
	node -v
	wait_until 10 all_started
	for d in logd peerd elect fsm; do
		grep -q "^start raft-$d [0-9]* -c $PWD/$CONF -d 3 -v$" events
	done
	wait_until 10 grep -qx 'output of raft-fsm' node.log
}

@test "node: raft-fsm runs only with an fsm section" {
	sed -i '/^fsm:/d' "$CONF"
	node
	wait_until 10 seen 'start raft-elect'
	reap TERM "$NODE"
	run ! seen 'start raft-fsm'
	ended 0
}

@test "node: ready means that log, peers and elector are" {
	touch raft-peerd.unready raft-fsm.unready
	mkfifo ready
	spawn node.log bash -c "exec bin/raft-node -c $CONF -d 9 9>ready"
	NODE=$SPAWNED
	exec 7<ready
	wait_until 10 logged 'child=raft-elect from=starting to=ready'
	run -142 read -r -t 0.3 -u 7
	rm raft-peerd.unready
	kill -KILL "$(pid_of peerd)"
	read -r -t 10 -u 7
	exec 7<&-
}

@test "node: systemd is told when it is ready, and only by raft-node" {
	timeout 20 python3 - "$PWD/notify" >got <<-'PY' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1])
		s.settimeout(15)
		print(s.recv(100).decode(), flush=True)
	PY
	wait_until 10 test -S notify
	NOTIFY_SOCKET=$PWD/notify node
	wait_until 10 grep -qx 'READY=1' got
	wait_until 10 all_started
	wait_until 10 test -s raft-fsm.env
	run ! grep -h NOTIFY_SOCKET raft-*.env
}

@test "node: a daemon that is killed is started again, with its signal in words" {
	node
	wait_until 10 all_started
	kill -KILL "$(pid_of elect)"
	wait_until 10 count 'start raft-elect' 2
	logged 'lvl=warn .*child=raft-elect .*to=waiting why="killed by signal 9, Killed"'
	[ "$(grep -c 'start raft-logd' events)" -eq 1 ]
}

@test "node: processes that it inherits, as process 1 or as a subreaper, are reaped" {
	touch raft-fsm.leaves
	# 36 is PR_SET_CHILD_SUBREAPER.
	spawn node.log python3 -c 'import ctypes, os, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])' bin/raft-node -c "$CONF"
	NODE=$SPAWNED
	inherits() { pgrep -P "$NODE" -x sleep; }
	wait_until 10 seen '^left'
	inherits
	wait_until 10 eval '! inherits'
	# Its own are still seen to end.
	kill -KILL "$(pid_of elect)"
	wait_until 10 count 'start raft-elect' 2
	reap TERM "$NODE"
	ended 0
}

@test "node: a daemon that fails again and again is started less and less often" {
	echo 74 >raft-logd.exit
	begun=$(date +%s%3N)
	node
	wait_until 10 count 'start raft-logd' 4
	logged 'child=raft-logd .*why="exit status 74, an input or output error"'
	# After 0, 20, 60, 140, 300 ms and so on: the pauses double.
	sleep 1
	starts=$(grep -c 'start raft-logd' events)
	[ $((((1 << (starts - 1)) - 1) * 20)) -le $(($(date +%s%3N) - begun)) ]
	[ "$(grep -c 'start raft-peerd' events)" -eq 1 ]
	rm raft-logd.exit
	wait_until 10 logged 'child=raft-logd from=starting to=ready'
}

@test "node: a daemon that finds its configuration wrong ends the node with 78" {
	for status in 78 64; do
		: >events
		: >node.log
		echo $status >raft-elect.exit
		node
		ended 78
		all_gone
		logged "lvl=error prog=raft-node node=n1 ev=stop status=78 why=\"raft-elect can't work with this configuration"
	done
}

@test "node: a daemon that ends with what may pass by itself is started again" {
	for status in 71 74 75 70 77; do
		: >events
		: >node.log
		echo $status >raft-elect.exit
		node
		wait_until 10 count 'start raft-elect' 2
		logged "child=raft-elect .*to=waiting why=\"exit status $status, "
		rm raft-elect.exit
		wait_until 10 logged 'child=raft-elect from=starting to=ready'
		reap TERM "$NODE"
	done
}

@test "node: a daemon whose program is away for a moment, as in an upgrade, is started again when it is back" {
	node
	wait_until 10 all_started
	mv bin/raft-elect elect
	kill -KILL "$(pid_of elect)"
	wait_until 10 logged 'child=raft-elect .*to=waiting why="no such file or directory"'
	mv elect bin/raft-elect
	wait_until 10 count 'start raft-elect' 2
	alive "$NODE"
	[ "$(grep -c 'start raft-logd' events)" -eq 1 ]
}

@test "node: a process that cannot be made is tried again" {
	spawn node.log strace -qq -o calls -e trace=fork,vfork,clone,clone3 -e 'inject=fork,vfork,clone,clone3:error=EAGAIN:when=1' \
		bin/raft-node -c "$CONF"
	wait_until 10 all_started
	grep -q 'EAGAIN.*INJECTED' calls
	logged 'child=raft-logd .*to=waiting why="resource temporarily unavailable"'
	adopt "$(pgrep -P "$SPAWNED")"
	reap TERM "$(pgrep -P "$SPAWNED")"
}

@test "node: a daemon that is not there ends the node with 127, one that can't be run with 126" {
	mv bin/raft-elect elect
	node
	ended 127
	all_gone
	install -m 644 elect bin/raft-elect
	node
	ended 126
	logged "raft-elect can't be started from $PWD/bin"
}

@test "node: TERM stops the program first and the log last, each waited for" {
	node
	wait_until 10 all_started
	wait_until 10 test -s raft-fsm.env
	kill -TERM "$NODE"
	ended 0
	[ "$(awk '$1 == "term" { print $2 }' events | xargs)" = 'raft-fsm raft-elect raft-peerd raft-logd' ]
	all_gone
}

@test "node: INT stops it as TERM does, and the daemons do not see it" {
	spawn node.log python3 -c 'import os, signal, sys
# The shell starts background programs with INT ignored.
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv("bin/raft-node", ["raft-node", "-c", sys.argv[1]])' "$CONF"
	NODE=$SPAWNED
	wait_until 10 test -s raft-fsm.env
	kill -INT -- "-$NODE"
	ended 0
	[ "$(awk '$1 == "term" { print $2 }' events | xargs)" = 'raft-fsm raft-elect raft-peerd raft-logd' ]
}

@test "node: a daemon that waits to be started again does not delay the stop" {
	echo 74 >raft-elect.exit
	node
	wait_until 10 count 'start raft-elect' 5
	start=$SECONDS
	kill -TERM "$NODE"
	ended 0
	# Less than the ten seconds that a daemon has to stop.
	[ $((SECONDS - start)) -lt 9 ]
}

@test "node: a daemon that does not stop is killed after ten seconds" {
	touch raft-elect.stuck
	node
	wait_until 10 test -s raft-fsm.env
	start=$SECONDS
	kill -TERM "$NODE"
	ended 0
	[ $((SECONDS - start)) -ge 9 ]
	all_gone
	logged 'child=raft-elect why="did not stop on TERM in time, it is killed"'
	seen 'term raft-logd'
}

@test "node: a second TERM kills all at once" {
	touch raft-fsm.stuck
	node
	wait_until 10 test -s raft-fsm.env
	kill -TERM "$NODE"
	wait_until 10 seen 'deaf raft-fsm'
	start=$SECONDS
	kill -TERM "$NODE"
	ended 71
	[ $((SECONDS - start)) -lt 9 ]
	wait_until 5 all_gone
}

@test "node: HUP says so and does nothing" {
	node
	wait_until 10 all_started
	kill -HUP "$NODE"
	wait_until 10 logged 'ev=hup'
	alive "$NODE"
	[ "$(grep -c start events)" -eq 4 ]
}

@test "node: kill -9 leaves no daemon behind" {
	node
	wait_until 10 all_started
	wait_until 10 test -s raft-fsm.env
	kill -KILL "$NODE"
	wait_until 10 all_gone
	count '^orphan' 4
}

@test "node: after kill -9 a new one waits for the old daemons" {
	echo 2 >raft-logd.slow
	node
	wait_until 10 all_started
	wait_until 10 test -s raft-fsm.env
	old=$(pid_of logd)
	reap KILL "$NODE"
	node
	wait_until 10 logged 'why="daemons of a former raft-node are still stopping"'
	[ "$(grep -c 'start raft-logd' events)" -eq 1 ]
	alive "$old"
	wait_until 10 count 'start raft-logd' 2
	wait_until 2 gone "$old"
	rm raft-logd.slow
	reap TERM "$NODE"
}

@test "node: a second one is refused with 75 and does the first no harm" {
	node
	wait_until 10 all_started
	run timeout 10 bin/raft-node -c "$CONF"
	echo "$output"
	[ "$status" -eq 75 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"a raft-node is already running in $PWD/demo/n1/run: stop it first"* ]]
	alive "$NODE"
	[ "$(grep -c start events)" -eq 4 ]
}

@test "node: the run directory is made private, and a missing folder above it is said" {
	rmdir demo/n1/run
	node
	wait_until 10 all_started
	[ "$(stat -c %a demo/n1/run)" = 700 ]
	reap TERM "$NODE"
	sed -i "s,run: run,run: no/run," "$CONF"
	run timeout 10 bin/raft-node -c "$CONF"
	[ "$status" -eq 78 ]
	[[ $output == *"$PWD/demo/n1/no/run: cannot be made: No such file or directory"* ]]
}

@test "node: a run directory that others can enter is refused, not changed" {
	chmod 755 demo/n1/run
	run timeout 10 bin/raft-node -c "$CONF"
	echo "$output"
	[ "$status" -eq 78 ]
	[[ $output == *"is open to others (mode 0755): chmod 0700 it, or choose another node.run"* ]]
	[ "$(stat -c %a demo/n1/run)" = 755 ]
}

@test "node: a run directory below a set-gid folder is as private as any other" {
	chmod 2700 demo/n1/run
	node
	wait_until 10 all_started
	reap TERM "$NODE"
	chmod 2750 demo/n1/run
	run timeout 10 bin/raft-node -c "$CONF"
	[ "$status" -eq 78 ]
	[[ $output == *"is open to others (mode 2750): chmod 0700 it"* ]]
}

@test "node: with node.group the run directory is of that group" {
	group=$(id -gn)
	sed -i "s/  run: run/&\n  group: $group/" "$CONF"
	node
	wait_until 10 all_started
	[ "$(stat -c '%a %G' demo/n1/run)" = "750 $group" ]
	reap TERM "$NODE"
	sed -i 's/group: .*/group: no-such-group/' "$CONF"
	run timeout 10 bin/raft-node -c "$CONF"
	[ "$status" -eq 78 ]
	[[ $output == *'node.group no-such-group: there is no such group'* ]]
}

@test "node: something else in the place of the lock is refused" {
	touch demo/n1/run/lock
	run timeout 10 bin/raft-node -c "$CONF"
	[ "$status" -eq 78 ]
	[[ $output == *"run/lock is in the way of raft-node's lock: remove it"* ]]
}

@test "node: wrong usage is 64" {
	for args in '-x' '--nodes' '-d 77' '-d x' 'argument' '-c'; do
		# shellcheck disable=SC2086
		run timeout 10 bin/raft-node -c "$CONF" $args
		echo "$output"
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}

@test "node: descriptors that were left open are not handed on" {
	touch raft-fsm.unready
	sed -i 's,^env >.*,ls -l /proc/self/fd >"$name.fds"; &,' bin/raft-fsm
	spawn node.log bash -c "exec 20<$CONF; exec bin/raft-node -c $CONF"
	wait_until 10 test -s raft-fsm.env
	run ! grep -q raft.yaml raft-fsm.fds
}

# ------------------------------------------------------------ with the daemons themselves

@test "node: a cluster of nodes elects, commits, and stops with nothing left running" {
	cluster_init "$PWD/real"
	for n in $(nodes); do
		spawn "real/$n.log" "$BIN/raft-node" -c "real/$n/raft.yaml"
	done
	wait_leader 20
	seq 1000 | timeout 30 raft-append -c real/n1/raft.yaml
	for n in $(nodes); do
		wait_until 20 eval "[ \"\$(tail_all $n | wc -l)\" -eq 1000 ]"
	done
	daemons=$(pgrep -f -- "-c $PWD/real/n" || :)
	[ -n "$daemons" ]
	for p in "${PIDS[@]}"; do reap TERM "$p"; done
	for p in $daemons; do gone "$p"; done
	run ! grep -h 'lvl=error' real/*.log
}

@test "node: what root starts in a node of another user runs as that user, and leaves no file of root's" {
	[ "$(id -u)" = 0 ] || { echo 'this test needs root: it starts the node of another user' >&2 && return 1; }
	root_files() { find real ! -user 65534 -printf '%p of %u\n'; }
	chmod a+x "$BATS_RUN_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")" "$BATS_TEST_TMPDIR"
	mkdir real
	chown 65534 real
	cluster_init "$PWD/real" 1
	[ -z "$(root_files)" ]
	raft-init --new-key real/n1/next.key
	printf '\nfsm: { command: [ sh, -c, "exec cat >out" ], mode: sink }\n' >>real/n1/raft.yaml
	cp "$BIN"/raft-* bin/
	spawn node.log bin/raft-node -c real/n1/raft.yaml
	wait_leader 20
	echo line | timeout 20 raft-append -c real/n1/raft.yaml
	ctl n1 snapshot || : # of this mode there is none
	wait_until 20 grep -qx line real/n1/out
	[ -z "$(root_files)" ]
	reap TERM "$SPAWNED"
	raft-logd -c real/n1/raft.yaml --recover-alone --yes
	for d in logd peerd elect fsm; do daemon_start n1 "$d"; done
	wait_leader 20
	echo more | timeout 20 raft-append -c real/n1/raft.yaml
	cluster_stop
	rm real/n1/*.log
	[ -z "$(root_files)" ]
	spawn node.log setpriv --reuid=65534 --regid=65534 --clear-groups bin/raft-node -c real/n1/raft.yaml
	wait_leader 20
	[ "$(tail_all n1)" = line$'\n'more ]
}

@test "node: a reader of the diagnostics that hangs costs no time, and what it misses is counted" {
	cluster_init "$PWD/real"
	for n in $(nodes); do
		mkfifo "real/$n.log"
		# shellcheck disable=SC2034 # it stays open, and nobody reads
		exec {fd}<>"real/$n.log"
		spawn "real/$n.log" "$BIN/raft-node" -v -c "real/$n/raft.yaml"
	done
	wait_leader 20
	seq 1500 | timeout 60 raft-append -w 1 -c real/n1/raft.yaml
	for n in $(nodes); do
		spawn "real/$n.read" cat "real/$n.log"
	done
	# What is lost is reported with the next line.
	reported() {
		echo more | timeout 20 raft-append -c real/n1/raft.yaml
		grep -q 'prog=raft-logd.* ev=log lost=[1-9]' "real/$1.read"
	}
	for n in $(nodes); do wait_until 20 reported "$n"; done
}

@test "node: kill -9 of a node, and a new one at once, goes on" {
	cluster_init "$PWD/real"
	declare -A pid
	for n in $(nodes); do
		spawn "real/$n.log" "$BIN/raft-node" -c "real/$n/raft.yaml"
		pid[$n]=$SPAWNED
	done
	wait_leader 20
	seq 100 | timeout 30 raft-append -c real/n1/raft.yaml
	for i in 1 2 3; do
		n=$(leader)
		reap KILL "${pid[$n]}"
		spawn "real/$n.log" "$BIN/raft-node" -c "real/$n/raft.yaml"
		pid[$n]=$SPAWNED
		wait_leader 20
		echo "again $i" | timeout 30 raft-append -c "real/$n/raft.yaml"
	done
	run ! grep -h 'lvl=error' real/*.log
	for n in $(nodes); do
		wait_until 20 eval "[ \"\$(tail_all $n | wc -l)\" -eq 103 ]"
	done
}

@test "node: after kill -9 a program that takes its time delays its own raft-fsm and no other daemon" {
	cluster_init "$PWD/real" 1
	cat >>real/n1/raft.yaml <<-'END'
		fsm:
		  mode: batch
		  command: [ sh, -c, 'cat >>got; [ -e slow ] || { echo $$ >slow; exec sleep 600; }' ]
		  stop_timeout: 1h
	END
	spawn real/n1.log "$BIN/raft-node" -c real/n1/raft.yaml
	first=$SPAWNED
	wait_leader 20
	echo a | timeout 30 raft-append -c real/n1/raft.yaml
	wait_until 20 test -s real/n1/slow
	slow=$(cat real/n1/slow)
	reap KILL "$first"
	spawn real/n1.log "$BIN/raft-node" -c real/n1/raft.yaml
	wait_leader 20
	echo b | timeout 30 raft-append -c real/n1/raft.yaml
	alive "$slow"
	# The next program starts when it is gone, not beside it.
	[ "$(cat real/n1/got)" = a ]
	kill -KILL "$slow"
	wait_until 30 grep -qx b real/n1/got
}

@test "node: without a command the entries come out of raft-node, in order" {
	cluster_init "$PWD/real"
	for n in $(nodes); do
		echo 'fsm: {}' >>"real/$n/raft.yaml"
		spawn "real/$n.log" bash -c "exec $BIN/raft-node -c real/$n/raft.yaml >real/$n.out"
	done
	wait_leader 20
	seq 5000 | timeout 30 raft-append -c real/n2/raft.yaml
	seq 5000 >want
	for n in $(nodes); do wait_until 20 cmp want "real/$n.out"; done
}

@test "node: each daemon of the leader killed in the middle of a stream, nothing is lost and nothing comes twice" {
	cluster_init "$PWD/real"
	for n in $(nodes); do spawn "real/$n.log" "$BIN/raft-node" -c "real/$n/raft.yaml"; done
	wait_leader 20
	{ for i in $(seq 40); do seq $((i * 500 - 499)) $((i * 500)) && sleep 0.1; done; } |
		timeout 120 raft-append -c real/n1/raft.yaml 3>&- &
	append=$!
	for d in elect peerd logd; do
		victim=$(pgrep -f "^raft-$d -c $PWD/real/$(leader)/")
		kill -KILL "$victim"
		wait_until 20 gone "$victim"
		wait_leader 20
	done
	wait $append
	seq 20000 >want
	for n in $(nodes); do
		wait_until 30 eval "[ \"\$(tail_all $n | wc -l)\" -ge 20000 ]"
		tail_all "$n" | cmp want -
	done
}

@test "node: the example of raft-node(8) that waits until it answers" {
	grep -qxF 'raft-node -c demo/n1/raft.yaml -d 3 3>ready &' "$ROOT/man/raft-node.8"
	rm -r demo
	raft-init -N 1 -p "$(free_ports 1)" demo
	cat >example <<-'EOF'
		mkfifo ready
		raft-node -c demo/n1/raft.yaml -d 3 3>ready &
		read -r _ <ready
		echo $!
	EOF
	timeout 20 sh example >pid 2>node.log 3>&-
	PIDS+=("$(cat pid)")
	timeout 20 raft-ctl -c demo/n1/raft.yaml wait
	reap TERM "$(cat pid)"
}

@test "node: the s6 folders in etc/ start the four daemons, which say that they are ready" {
	rm -r demo
	raft-init -N 1 -p "$(free_ports 1)" demo
	echo 'fsm: {}' >>demo/n1/raft.yaml
	mkdir stubs
	printf '%s\n' '#!/bin/sh' 'shift' 'exec "$@"' >stubs/s6-setuidgid
	printf '%s\n' '#!/bin/sh' 'echo "$*" >>installed' >stubs/install
	chmod +x stubs/*
	for d in logd peerd elect fsm; do
		[ "$(cat "$ROOT/etc/s6/raft-$d/notification-fd")" = 3 ]
		mkfifo ready-$d
		PATH=$PWD/stubs:$PATH RAFT_CONFIG=demo/n1/raft.yaml \
			setsid "$ROOT/etc/s6/raft-$d/run" >$d.log 3>ready-$d </dev/null 4>&- &
		PIDS+=($!)
		timeout 20 head -c 1 ready-$d | cmp - <(echo)
		[ "$("$ROOT/etc/s6/raft-$d/finish" 78 || echo $?)" = 125 ]
		for status in 0 71 74 75 256; do "$ROOT/etc/s6/raft-$d/finish" "$status"; done
	done
	[ "$(sort -u installed)" = '-d -m 0700 -o raft /run/raft' ]
	timeout 20 raft-ctl -c demo/n1/raft.yaml wait
}

@test "node: the systemd unit names options that exist, and 78 is not tried again" {
	unit=$ROOT/etc/raft-node@.service
	grep -qx 'ExecStart=/usr/local/bin/raft-node -c /etc/raft/%i.yaml' "$unit"
	grep -qx 'Type=notify' "$unit"
	grep -qx 'KillMode=mixed' "$unit"
	grep -qx 'RestartPreventExitStatus=64 78' "$unit"
	grep -qx 'Restart=on-failure' "$unit"
	# systemd would give up after five starts in ten seconds.
	grep -qx 'StartLimitIntervalSec=0' "$unit"
}
