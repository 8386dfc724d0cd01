#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Ways in which a program of mode machine or batch fails, besides those of its contract's suites: each ends in one
# clear line and a new start, in bounded memory, and nobody else is disturbed.
# sanitize
# shellcheck disable=SC2016,SC2030,SC2031

bats_require_minimum_version 1.5.0

setup() {
	load helper.bash
	N=$BATS_TEST_TMPDIR/n
	mkdir -p "$N/run"
	chmod 700 "$N/run"
	IN=$N/in LOG=$N/log
	: >"$IN"
}
teardown() { stop_all; }

# yaml MODE [LINE OF fsm:]...: the program is ./program, with short times.
yaml() {
	{
		echo 'node: { id: n1 }'
		echo 'cluster: { name: demo, members: members.yaml }'
		echo 'peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }'
		printf 'fsm:\n  command: [ ./program ]\n  mode: %s\n  stop_timeout: 300ms\n' "$1"
		for line in "${@:2}"; do echo "  $line"; done
	} >"$N/raft.yaml"
}
program() { # program [INTERPRETER] <SCRIPT: complete and with its mode at once, for it may be started at any time
	{ echo "#!${1:-/bin/bash}" && cat; } >"$N/program.new"
	chmod "${MODE:-+x}" "$N/program.new"
	mv "$N/program.new" "$N/program"
}
# What goes well: it counts entries, and a query gives the count.
good() {
	program "$(command -v python3) -u" <<-'END'
		import sys
		print("ready 0")
		n = 0
		for line in sys.stdin:
		    n += line.startswith("entry ")
		    print("ok", n)
	END
}
logd() {
	spawn "$N/logd.log" "$TBIN/fake-logd" "$N/run/log" n1 "$IN"
	LOGD=$SPAWNED
	wait_until 5 test -S "$N/run/log"
}
fsm() {
	spawn "$LOG" raft-fsm -c "$N/raft.yaml"
	FSM=$SPAWNED
}
start() {
	logd
	fsm
}
status_line() { timeout 10 "$TBIN/ask" "$N/run/fsm"; }
key() { status_line | tr ' ' '\n' | sed -n "s/^$1=//p"; }
key_is() { [ "$(key "$1")" = "$2" ]; }
said() { grep -q -- "$1" "$LOG"; }
query() { timeout 20 raft-query -c "$N/raft.yaml" --stale "$1"; }
counted() { [ "$(query count)" = "$1" ]; }
restart() { timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart; }

# well COUNT: a good program takes the place of the bad one, and has all of the entries.  Nobody else noticed.
well() {
	good
	restart
	wait_until 20 counted "$1"
	key_is state running
	alive "$LOGD"
	alive "$FSM"
}
# bounded PID: what waits for a program is in memory, and that has limits.  Sanitizers keep what was freed.
bounded() {
	[[ $BIN == */san/* ]] || [ "$(rss_kib "$1")" -lt 65536 ] || {
		echo "$(rss_kib "$1") KiB" >&2
		return 1
	}
}
# filled BYTES: many entries, more than anybody holds for a program.
filled() { yes "$(printf 'x%.0s' $(seq 999))" | head -c "$1" >"$IN"; }

# ---------------------------------------------------------------- machine

@test "faults: a program that exits at once is started again after pauses that grow, and each says so" {
	yaml machine
	program <<<'exit 3'
	seq 5 >"$IN"
	start
	for pause in 100 200 400; do
		wait_until 20 said "ev=state from=[a-z]* to=backoff why=\"the program exited with 3; started again in $pause ms\""
	done
	key_is poison 0
	run -69 timeout 20 raft-query -t 300ms -c "$N/raft.yaml" --stale count
	program <<<'exit 0'
	wait_until 20 said 'the program exited with 0; started again'
	well 5
}

@test "faults: one that cannot be run is tried again until it can be" {
	yaml machine
	seq 5 >"$IN"
	start
	wait_until 20 said 'why="./program: cannot run in .*no such file or directory; started again'
	MODE=-x good
	wait_until 20 said 'why="./program: cannot run in .*permission denied; started again'
	program /nowhere/interpreter <<<''
	wait_until 20 said 'why="./program: cannot run: its interpreter is missing: #!/nowhere/interpreter; started again'
	well 5
	reap TERM "$FSM"
	# One of the command line ends raft-fsm.
	run -127 timeout 10 raft-fsm -c "$N/raft.yaml" -- ./none
	chmod -x "$N/program"
	run -126 timeout 10 raft-fsm -c "$N/raft.yaml" -- ./program
}

@test "faults: poison ends raft-fsm with 65 when the command is that of the command line" {
	yaml machine
	printf '%s\n' 1 poison 3 >"$IN"
	logd
	program <<<'echo ready 0; while read -r word index data; do [ "$data" != poison ] || exit 3; echo ok; done'
	run -65 timeout 30 raft-fsm -c "$N/raft.yaml" -- ./program
	[[ $output == *'to=poison why="entry 3: the program exited with 3, each time'* ]]
	alive "$LOGD"
}

@test "faults: what it says before ready, or in its place, is an error" {
	yaml machine
	seq 5 >"$IN"
	program <<<'echo ok; exec sleep 1000'
	start
	wait_until 20 said 'why="the program does not say ready first; started again'
	program <<<'echo ready; exec sleep 1000'
	wait_until 20 said 'why="the program breaks the contract: it says ready or durable without a number behind it; started again'
	program <<<'echo ready 0; read -r l; echo ready 0; exec sleep 1000'
	wait_until 20 said 'why="the program says ready twice; started again'
	program <<<'echo ready 0; read -r l; echo durable 1000; exec sleep 1000'
	restart # the entry is not to blame, however often the one before was started
	wait_until 20 said 'why="the program says durable [0-9]*, an entry that it was not given; started again'
	well 5
}

@test "faults: one that has more than this node knows committed waits for it" {
	yaml machine
	seq 20 >"$IN"
	program <<-'END'
		echo ready 101
		while IFS= read -r l; do
			case $l in entry*) echo "$l" >>got ;; esac
			echo ok
		done
	END
	start
	wait_until 10 key_is state ahead
	key_is delivered 0
	seq 21 110 >>"$IN"
	# Entry i has index i + 1.
	wait_until 10 key_is state running
	wait_until 20 grep -qx 'entry 111 110' "$N/got"
	[ "$(head -n 1 "$N/got")" = 'entry 102 101' ]
	[ "$(key restarts)" -eq 0 ]
}

@test "faults: never reads: what waits for it is bounded, and the deadline ends it" {
	yaml machine 'timeout: 2s'
	filled 30000000
	program <<<'echo ready 0; exec sleep 1000'
	start
	wait_until 20 said 'why="the program has not answered to entry for 2000 ms: is its output buffered?; started again'
	bounded "$FSM"
	well 30000
}

@test "faults: reads and never answers: so many requests are under way and no more" {
	yaml machine 'timeout: 6s'
	filled 30000000
	program <<<'echo ready 0; exec grep -c nothing'
	start
	full() { [ "$(key unanswered)" -gt 1000 ]; }
	wait_until 10 full
	[ "$(key unanswered)" -le 8192 ]
	wait_until 20 said 'why="the program has not answered to entry for 6000 ms'
	bounded "$FSM"
	well 30000
}

@test "faults: queries that wait are bounded in bytes, and those above are refused" {
	yaml machine 'timeout: 1h'
	seq 5 >"$IN"
	program <<<'echo ready 0; exec sleep 1000'
	start
	wait_until 10 key_is state running
	cat >"$N/ask.py" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import wire
conn = wire.Conn(sys.argv[2], timeout=60)
conn.hello()
for request in range(1, 101):
    conn.raw(wire.put("fsm_query", request=request, data=b"x" * (1 << 20)))
# 64 MiB wait, and 4 MiB are on the way to the program.
for _ in range(25):
    name, fields = conn.recv()
    assert name == "refusal" and fields["exit_status"] == 75 and fields["request"] > 64, (name, fields)
    assert fields["sentence"] == "too many questions to the program wait", fields
PY
	python3 "$N/ask.py" "$ROOT/t/tools" "$N/run/fsm"
	[ "$(key restarts)" -eq 0 ]
	good
	restart
	wait_until 20 counted 5
}

@test "faults: answers late, but within the deadline, is no fault" {
	yaml machine 'timeout: 10s'
	seq 5 >"$IN"
	program <<<'echo ready 0; sleep 1; while IFS= read -r l; do sleep 0.1; echo ok 5; done'
	start
	wait_until 20 counted 5
	[ "$(key restarts)" -eq 0 ]
}

@test "faults: stopped by a signal: the deadline ends it" {
	yaml machine 'timeout: 2s'
	seq 5 >"$IN"
	good
	start
	wait_until 20 counted 5
	kill -STOP "$(key pid)"
	seq 6 9 >>"$IN"
	wait_until 20 said 'why="the program has not answered to entry for 2000 ms'
	wait_until 20 counted 9
}

@test "faults: an answer of 1 GiB is dropped from fsm.reply_max on, in both framings" {
	yaml machine
	seq 5 >"$IN"
	program <<<'echo ready 0; read -r l; printf "ok "; head -c 1073741824 /dev/zero | tr "\000" x; echo; sed -u "s/.*/ok/"'
	start
	wait_until 60 key_is replies 5
	[ "$(key restarts)" -eq 0 ]
	bounded "$FSM"
	program <<<'echo ready 0; read -r l; exec head -c 1073741824 /dev/zero | tr "\000" x'
	kill "$(key pid)"
	wait_until 20 said 'why="the program breaks the contract: what it says is longer than fsm.reply_max, or has no newline at its end; started again'
	bounded "$FSM"
	well 5
	yaml machine 'framing: netstring'
	# A raft-fsm for each: one that has seen an entry end several programs stops there.
	again() {
		reap TERM "$FSM"
		: >"$LOG"
		fsm
	}
	program <<<'printf 7:ready\ 0,; printf 999999999:; exec tr "\000" x </dev/zero'
	again
	wait_until 20 said 'why="the program breaks the contract: what it says is longer than fsm.reply_max; started again'
	program <<<'printf 7:ready\ 0,; printf 100000000:ok\ ; tr "\000" x </dev/zero'
	again
	wait_until 20 said 'why="the program breaks the contract: its netstring has no comma at its end; started again'
	bounded "$FSM"
	program <<<'printf 7:ready\ 0,; printf 3:ok\ x'
	again
	wait_until 20 said 'why="the program breaks the contract: its netstring has no comma at its end; started again'
	program <<<'printf 7:ready\ 0,; echo ok; exec sleep 1000'
	again
	wait_until 20 said 'why="the program breaks the contract: it says what is no netstring; started again'
	bounded "$FSM"
}

@test "faults: an answer without a newline is none" {
	yaml machine 'timeout: 3s'
	seq 5 >"$IN"
	program <<<'echo ready 0; read -r l; printf "ok 1"; exec sleep 1000'
	start
	wait_until 20 said 'why="the program has not answered to entry for 3000 ms'
	program <<<'printf "ready 0"; exec sleep 1000'
	wait_until 20 said 'why="the program has not answered to ready for 3000 ms'
	well 5
}

@test "faults: closes only its input: it is ended and started again" {
	yaml machine
	seq 5 >"$IN"
	program <<<'echo ready 0; exec <&-; exec sleep 1000'
	start
	wait_until 20 said 'it does not end after its input ended: TERM'
	wait_until 20 said 'why="the program closed its standard input and went on: was killed by SIGTERM; started again'
	well 5
}

@test "faults: garbage without end is not read to its end" {
	yaml machine
	seq 5 >"$IN"
	program <<<'exec yes garbage'
	start
	wait_until 20 said 'why="the program breaks the contract: it says what is neither ok, refused, ready nor durable; started again'
	bounded "$FSM"
	well 5
}

@test "faults: diagnostics without end hold up nobody" {
	yaml machine
	seq 200 >"$IN"
	program <<-'END'
		echo ready 0
		n=0
		yes 'a diagnostic' | head -c 20000000 >&2 &
		while IFS= read -r l; do
			case $l in entry*) n=$((n + 1)) ;; esac
			echo "ok $n"
			echo 'a diagnostic' >&2
		done
	END
	start
	wait_until 20 counted 200
	[ "$(key restarts)" -eq 0 ]
	bounded "$FSM"
}

@test "faults: what it leaves of its group, with its pipes and its turn, is killed with it" {
	yaml machine
	seq 5 >"$IN"
	program <<-'END'
		echo ready 0
		sleep 1000 &
		echo $! >>left
		read -r l
		exit 3
	END
	start
	wait_until 20 said 'why="the program exited with 3; started again in 200 ms'
	well 5
	[ "$(wc -l <"$N/left")" -ge 2 ]
	while read -r pid; do wait_until 5 gone "$pid"; done <"$N/left"
	run ! said 'going on without waiting'
}

@test "faults: one that left its group keeps the pipes: after a second it goes on without, and that one is not heard" {
	yaml machine
	seq 5 >"$IN"
	program <<-'END'
		echo ready 0
		setsid bash -c 'echo $$ >left; while [ ! -e heard ]; do sleep 0.05; done; echo "ok 1000"; touch told' &
		while [ ! -s left ]; do sleep 0.05; done
		read -r l
		while [ ! -e go ]; do sleep 0.05; done
		exit 3
	END
	start
	wait_until 20 test -s "$N/left"
	good
	touch "$N/go"
	wait_until 20 said 'a process that left the program.s group still runs; going on without waiting for it'
	wait_until 20 counted 5
	touch "$N/heard"
	wait_until 10 gone "$(cat "$N/left")"
	counted 5
	[ "$(key restarts)" -eq 1 ]
	alive "$LOGD"
}

# ---------------------------------------------------------------- batch

batch_good() { program <<<'cat >>out'; }
all_out() { cmp -s "$IN" "$N/out"; }

@test "faults, batch: cannot be run, exits at once, is killed: the same batch comes again, and is said" {
	yaml batch 'batch: { entries: 10 }'
	seq 25 >"$IN"
	start
	wait_until 20 said 'why="./program: cannot run in .*no such file or directory: the batch up to entry 11 comes again in 100 ms'
	program <<<'exit 3'
	wait_until 20 said 'why="the command exited with 3: the batch up to entry 11 comes again in'
	program <<<'head -n 3; kill -KILL $$'
	wait_until 20 said 'why="the command was killed by SIGKILL: the batch up to entry 11 comes again in'
	key_is delivered 0
	batch_good
	restart
	wait_until 20 all_out
	alive "$LOGD"
}

@test "faults, batch: one that does not end is waited for; memory is bounded, and restart does not help it" {
	yaml batch
	filled 30000000
	program <<<'echo $$ >pid; exec sleep 1000'
	start
	wait_until 20 test -s "$N/pid"
	key_is state running
	restart
	alive "$(cat "$N/pid")"
	[ "$(key lag)" -gt 1000 ]
	bounded "$FSM"
	# Its end, by whatever, is a failure, and all comes again.
	batch_good
	kill -TERM "$(cat "$N/pid")"
	wait_until 20 said 'why="the command was killed by SIGTERM: the batch up to'
	restart
	wait_until 30 all_out
}

@test "faults, batch: closing the input is no failure, diagnostics hold up nobody, what is left of its group is killed" {
	yaml batch 'batch: { entries: 10 }'
	seq 25 >"$IN"
	program <<-'END'
		sleep 1000 &
		echo $! >>left
		yes 'a diagnostic' | head -c 5000000 >&2
		head -n 2 >>first
		exec <&-
		exit 0
	END
	start
	wait_until 20 key_is lag 0
	diff "$N/first" - <<<$'1\n2\n11\n12\n21\n22'
	while read -r pid; do wait_until 5 gone "$pid"; done <"$N/left"
	[ "$(wc -l <"$N/left")" -eq 3 ]
	[ "$(key restarts)" -eq 0 ]
}

@test "faults, batch: one that left its group is not waited for longer than a second" {
	yaml batch 'batch: { entries: 10 }'
	seq 10 >"$IN"
	program <<<'setsid bash -c "echo \$\$ >left; exec sleep 1000" & while [ ! -s left ]; do sleep 0.05; done; cat >>out'
	start
	wait_until 20 said 'a process that left the program.s group still runs; going on without waiting for it'
	wait_until 20 all_out
	batch_good
	seq 11 20 >>"$IN"
	wait_until 20 all_out
	kill -KILL "$(cat "$N/left")"
}
