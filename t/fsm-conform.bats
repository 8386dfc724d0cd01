#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-fsm --try --conform: each way to break the contract of a machine is found, and none is made up.
# shellcheck disable=SC2016

bats_require_minimum_version 1.5.0
load helper

MACHINE=$ROOT/t/data/machine-with-fault

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir tmp
	export TMPDIR=$PWD/tmp
	conf 30s
}

# conf TIME: a configuration whose entries are small, with this time for an answer.
conf() {
	cat >raft.yaml <<-END
		node: { id: n1 }
		cluster: { name: demo, members: members.yaml }
		peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }
		elect: { entry_max: 64KiB }
		fsm: { mode: machine, command: [ none ], timeout: $1, stop_timeout: $1 }
	END
}

# Few entries make it short; none: it makes them up.
lines() { [ -n "${MADE_UP:-}" ] || printf '%s\n' a 'b c' none d e f; }
conform() { timeout 300 raft-fsm --try --conform -c raft.yaml "$@"; }

# finds FAULT NUMBER CAME: the check of this number fails for a durable machine with the fault, with this in the line
# of what came, and with a section that the page has.  No check before it fails.
finds() {
	local status=0 section
	lines | conform --query q -- "$MACHINE" "$1" '{}/state' >out 2>err || status=$?
	cat out err
	[ "$status" -eq 65 ]
	grep -m 1 '^not ok' out | grep -q "^not ok $2 - "
	grep -A 2 "^not ok $2 - " out | tail -n 1 | grep -qE "^#   came: $3"
	grep -A 1 "^not ok $2 - " out | tail -n 1 | grep -qE '^#   sent: .'
	section=$(grep -A 3 "^not ok $2 - " out | sed -n 's/^#   demanded: .* (raft-fsm-protocol(7), \(.*\))$/\1/p')
	grep -qx ".Ss $section" "$ROOT/man/raft-fsm-protocol.7"
}

@test "conform: a machine that keeps to the contract passes, in memory and durable, and its folders are removed" {
	lines | conform -- "$MACHINE" none '{}/state' >out
	cat out
	[ "$(grep -c '^ok [0-9]* - ' out)" -eq 14 ]
	[ "$(head -n 1 out)" = 1..14 ]
	[ "$(tail -n 1 out)" = '# 14 checks: 14 ok, 0 broken, 0 skipped, 0 not done' ]
	run ! grep SKIP out
	# Without input, and without a disk.
	conform -- "$MACHINE" none </dev/null >out
	[ "$(tail -n 1 out)" = '# 14 checks: 11 ok, 0 broken, 3 skipped, 0 not done' ]
	[ "$(grep -c '^ok [0-9]* - .* # SKIP it keeps nothing on a disk$' out)" -eq 3 ]
	[ -z "$(ls tmp)" ]
}

@test "conform: one that refuses snapshots keeps to the contract, and what cannot be tested is said" {
	lines | conform -- "$MACHINE" refuses-snapshots '{}/state' >out
	cat out
	[ "$(grep -c '# SKIP it refuses to write a snapshot: not now$' out)" -eq 4 ]
	[ "$(tail -n 1 out)" = '# 14 checks: 10 ok, 0 broken, 4 skipped, 0 not done' ]
}

@test "conform: a wrong start or end is found, and ends it" {
	finds greeting 1 'the program breaks the contract: .*: "hello"$'
	grep -qx 'Bail out!  the other checks need this one' out
	[ "$(tail -n 1 out)" = '# 14 checks: 0 ok, 1 broken, 0 skipped, 13 not done' ]
	conf 3s
	finds stays 1 'the program does not end after its input ended, for 3000 ms$'
}

@test "conform: a program that keeps its files elsewhere is told where they belong" {
	lines | conform -- "$MACHINE" none elsewhere >out && status=0 || status=$?
	cat out
	[ "$status" -eq 65 ]
	grep -q '^not ok 3 - ' out
	grep -q '^#   came: ready 8, as if it held entries of an earlier run: let the program keep its files in {}, or in \$RAFT_TRY_DIR' out
	lines | conform -- sh -c 'exec "$0" none "$RAFT_TRY_DIR/state"' "$MACHINE" >out
	[ "$(grep -c '^ok [0-9]* - ' out)" -eq 14 ]
}

@test "conform: an answer too many, or too late, is found" {
	finds extra-answer 2 'the program answers what it was not asked, or twice$'
	conf 3s
	finds late-answer 2 'the program has said nothing for 3000 ms: is its output buffered\?$'
	finds lost-requests 4 '.'
}

@test "conform: what is said to be durable and is not, is found" {
	finds durable-beyond 2 'durable [0-9]*, beyond what the program was given, entries up to [0-9]*$'
	finds durable-back 2 'durable 1, after the program had said that it holds entries up to 2$'
	finds never-kept 2 'ready 0, after the program had said that it holds entries up to [0-9]*$'
	finds kept-at-the-end 7 'ready 0, after the program had said that it holds entries up to [0-9]*$'
}

@test "conform: a state that is lost or counted twice is found" {
	finds forgets 2 '"ok 0 f"; it was "ok 6 f" when one request came at a time$'
	finds index-later 7 '"ok [0-9]"; it was "ok [0-9]" when one request came at a time$'
}

@test "conform: an answer that depends on more than the entries is found" {
	finds node 3 '"ok 1 n2"; it was "ok 1 n1" when one request came at a time$'
	finds clock 3 '"ok 1 [0-9]*"; it was "ok 1 [0-9]*" when one request came at a time$'
}

@test "conform: a query that changes the state, or is answered from another one, is found" {
	finds query-changes 5 '"ok [0-9]*"; it was "ok 1" when one request came at a time$'
	# Whether it shows before depends on when the requests come.
	run -65 conform --query q -- "$MACHINE" early-query '{}/state' < <(lines)
	grep -q '^not ok 6 - ' <<<"$output"
}

@test "conform: ⚠ a chain that is not kept with its entry is found" {
	lines | conform --fields chain -- "$MACHINE" none '{}/state' >out
	[ "$(tail -n 1 out)" = '# 14 checks: 14 ok, 0 broken, 0 skipped, 0 not done' ]
	conform() { timeout 300 raft-fsm --try --conform --fields chain -c raft.yaml "$@"; }
	finds chain-forgotten 2 'the program says ready with "-", and has been given the chain of that entry'
	finds chain-of-before 2 'the program says ready [0-9]* with the chain [0-9a-f]*, which did not come with that entry'
	finds restore-without-chain 1[0-4] 'the program says ready with "-", and has been given the chain of that entry'
}

@test "conform: a request that is taken without its end is found" {
	finds cut 8 'ready 1004, beyond what the program was given, entries up to 4$'
}

@test "conform: data that the program cannot bear is found" {
	finds carriage-return 10 'the program answers what it was not asked, or twice$'
	finds not-utf-8 10 'the program exited with 3$'
	finds large 11 'the program exited with 4$'
	conf 3s
	finds empty 10 'the program has said nothing for 3000 ms: is its output buffered\?$'
}

@test "conform: a snapshot that is not the state is found" {
	finds no-snapshot 9 'the program says ok to snapshot and has written no file, or an empty one: '
	finds snapshot-changes 9 '"ok 1"; it was "ok 4" when one request came at a time$'
	finds half-a-snapshot 12 '"ok  *"; it was "ok 3 none" with queries between the entries$'
	finds snapshot-of-less 12 '"ok 2 none"; it was "ok 3 none" with queries between the entries$'
	finds snapshot-elsewhere 12 'the program refuses to restore '
}

@test "conform: a restore that is not the state in the file is found" {
	finds restore-of-less 12 '"ok 3 *"; it was "ok 3 none" with queries between the entries$'
	finds restore-adds 13 '"ok [0-9]* none"; it was "ok 3 none" with queries between the entries$'
	MADE_UP=1 finds restore-index 14 'ready 14, which is neither the entry of the snapshot nor the last one before it$'
	finds half-a-restore 14 '"ok 3 none"; it was "ok [0-9]* [a-f ]*" in a folder of its own$'
}

@test "conform: a program has the lock of its incarnation, as in a cluster" {
	lines | conform -- sh -c 'test -f /proc/self/fd/3 && exec "$0" none' "$MACHINE" >out
	[ "$(tail -n 1 out)" = '# 14 checks: 11 ok, 0 broken, 3 skipped, 0 not done' ]
}

@test "conform: wrong usage and a command that cannot be run are one sentence, and nothing is left" {
	refused() { # STATUS WORDS...
		run "-$1" timeout 20 raft-fsm --try --conform "${@:2}" </dev/null
		echo "$output"
		[ "$(grep -c '^raft-fsm: ' <<<"$output")" -eq 1 ]
	}
	refused 64 --mode sink -- cat
	refused 64 --restore raft.yaml -- cat
	refused 64 --snapshot s -- cat
	refused 64 --from 3 -- cat
	refused 64 -F json -- cat
	refused 64 --query $'a\nb' -- cat
	refused 64
	refused 127 -- ./none
	touch file
	refused 126 -- ./file
	seq 1001 | conform -- cat 2>err && status=0 || status=$?
	[ "$status" -eq 65 ]
	grep -qx 'raft-fsm: standard input has more than 1000 lines: give fewer with --conform' err
	printf 'a\0b\n' | conform -- cat 2>err && status=0 || status=$?
	[ "$status" -eq 65 ]
	grep -qx 'raft-fsm: line 1 holds a NUL, which framing line cannot give to a program' err
	[ -z "$(ls tmp)" ]
}

@test "conform: a signal ends it, the program and its processes, and removes the folders" {
	raft-fsm --try --conform -- sh -c 'sleep 600 & echo $! >left; wait' </dev/null >out 2>&1 3>&- &
	pid=$!
	wait_until 10 test -s left
	kill -TERM "$pid"
	wait "$pid" && status=0 || status=$?
	[ "$status" -eq 143 ]
	wait_until 10 gone "$(cat left)"
	[ -z "$(ls tmp)" ]
}
