#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-kv and each machine in etc/examples keep to the contract: raft-fsm --try --conform.
# long

load helper

EX=$ROOT/etc/examples

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	export TMPDIR=$PWD
}

# conforms STATES COMMAND...: STATES of the 14 checks are of programs with a disk of their own, and skipped for others.
conforms() { # memory|durable [-F FRAMING] -- COMMAND...
	local skipped=0
	[ "$1" = durable ] || skipped=3
	timeout 600 raft-fsm --try --conform "${@:2}" </dev/null >out || {
		cat out
		return 1
	}
	[ "$(tail -n 1 out)" = "# 14 checks: $((14 - skipped)) ok, 0 broken, $skipped skipped, 0 not done" ]
}

@test "conform: raft-kv with lines, in memory and durable" {
	conforms memory -- raft-kv
	conforms durable -- raft-kv -D '{}/kv.db'
}

@test "conform: raft-kv with netstrings, in memory and durable" {
	conforms memory -F netstring -- raft-kv -F netstring
	conforms durable -F netstring -- raft-kv -F netstring -D '{}/kv.db'
}

@test "conform: ⚠ each durable machine keeps the chain with its index, and says both" {
	conforms memory --fields time,origin,chain -- raft-kv
	conforms durable --fields time,origin,chain -- raft-kv -D '{}/kv.db'
	conforms durable -F netstring --fields chain -- raft-kv -F netstring -D '{}/kv.db'
	conforms durable --fields chain -- "$EX/kv.awk" -v 'journal={}/journal'
	conforms durable --fields chain -- "$EX/kv-durable.py" '{}/kv.sqlite'
	conforms durable --fields chain -- "$EX/counter.sh" '{}/counters'
}

@test "conform: the database in awk, in memory and durable" {
	conforms memory -- "$EX/kv.awk"
	conforms durable -- "$EX/kv.awk" -v 'journal={}/journal'
}

@test "conform: the database in Python, in memory and durable" {
	conforms memory -- "$EX/kv.py"
	conforms durable -- "$EX/kv-durable.py" '{}/kv.sqlite'
}

@test "conform: the counters in the shell, in memory and durable" {
	conforms memory -- "$EX/counter.sh"
	conforms durable -- "$EX/counter.sh" '{}/counters'
}

@test "conform: each example that is a machine is tested here" {
	grep -l 'mode: machine' "$EX"/* >machines
	[ "$(wc -l <machines)" -ge 4 ]
	while read -r f; do
		grep -q "EX/${f##*/}" "$BATS_TEST_FILENAME" || {
			echo "${f##*/} is not tested"
			false
		}
	done <machines
}

@test "conform: what the pages show" {
	awk '/^import json/ && ++n == 2 { on = 1 } /^\.Ed/ { on = 0 } on' "$ROOT/man/raft-fsm-protocol.7" |
		sed 's/\\e/\\/g' >words.py
	{ echo '#!/usr/bin/env python3' && cat words.py; } >machine
	chmod +x machine
	grep -h '^[^#.]*raft-fsm --try --conform' "$ROOT"/man/raft-fsm.8 "$ROOT"/man/raft-fsm-protocol.7 >commands
	[ "$(wc -l <commands)" -eq 3 ]
	while read -r line; do
		echo "$line"
		timeout 600 sh -c "$line" >out
		grep -q '^# 14 checks: 1[14] ok, 0 broken, ' out
	done <commands
}
