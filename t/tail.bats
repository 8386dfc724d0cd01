#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-tail: committed entries, each once, in order.
# sanitize

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	timeout 30 raft-ctl -c "$CLUSTER/n1/raft.yaml" wait
	lines 5000 tail >"$BATS_FILE_TMPDIR/lines"
	timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml" -v "$BATS_FILE_TMPDIR/lines" | cut -d' ' -f1 >"$BATS_FILE_TMPDIR/indexes"
}
teardown_file() { cluster_stop; }

append() { timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$@"; }
tail_n2() { timeout 30 raft-tail -c "$CLUSTER/n2/raft.yaml" "$@"; }
index_of() { sed -n "$1p" "$BATS_FILE_TMPDIR/indexes"; }

@test "tail: prints everything committed, and nothing of the log's own" {
	tail_n2 | head -n 5000 | cmp - "$BATS_FILE_TMPDIR/lines"
}

@test "tail: --from, --to and -N choose, both ends included" {
	tail_n2 --from "$(index_of 100)" --to "$(index_of 200)" | cmp - <(sed -n 100,200p "$BATS_FILE_TMPDIR/lines")
	tail_n2 --from "$(index_of 300)" -N 10 | cmp - <(sed -n 300,309p "$BATS_FILE_TMPDIR/lines")
	[ "$(tail_n2 -N 1)" = "$(head -n 1 "$BATS_FILE_TMPDIR/lines")" ]
	[ -z "$(tail_n2 -N 0)" ]
	tail_n2 --from 1000000 >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
	# A place from another log would miss entries without a word.
	grep -qE '^raft-tail: --from 1000000: the log is known to be committed up to [0-9]+ only; a place that was kept' "$BATS_TEST_TMPDIR/err"
	end=$(ctl n2 -j status | jq .log.commit)
	tail_n2 --from $((end + 1)) >"$BATS_TEST_TMPDIR/out" 2>&1
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
	tail_n2 --from $((end + 2)) 2>&1 | grep -q "up to $end only"
	[ -z "$(tail_n2 --from 5 --to 4)" ]
}

@test "tail: what was acknowledged anywhere before it began is there" {
	for i in $(seq 30); do
		echo "seen $i" | timeout 10 raft-append -c "$CLUSTER/n$((i % 3 + 1))/raft.yaml"
		[ "$(tail_n2 | tail -n 1)" = "seen $i" ]
	done
}

@test "tail: -F json names index, term, session and serial, and tells text from bytes" {
	index=$(printf 'a"b\\\t\303\251\0\377\0' | append -0 -v | head -n 1 | cut -d' ' -f1)
	tail_n2 -F json --from "$index" -N 2 >"$BATS_TEST_TMPDIR/out"
	[ "$(jq -s length "$BATS_TEST_TMPDIR/out")" -eq 2 ]
	[ "$(jq -r 'select(.serial == 1) | .data' "$BATS_TEST_TMPDIR/out")" = $'a"b\\\t\303\251' ]
	[ "$(jq -r 'select(.serial == 1) | .index' "$BATS_TEST_TMPDIR/out")" = "$index" ]
	[ "$(jq -r 'select(.serial == 2) | .base64' "$BATS_TEST_TMPDIR/out")" = /w== ]
	[ "$(jq -r 'select(.serial == 2) | .data' "$BATS_TEST_TMPDIR/out")" = null ]
	[ "$(jq -s '.[0].session == .[1].session' "$BATS_TEST_TMPDIR/out")" = true ]
}

@test "tail: -f goes on with what is appended later, through a restart of raft-logd" {
	from=$(($(status n2 log commit) + 1))
	raft-tail -c "$CLUSTER/n2/raft.yaml" -f --from "$from" >"$BATS_TEST_TMPDIR/out" 3>&- &
	p=$!
	lines 500 first | append
	wait_until 10 grown "$BATS_TEST_TMPDIR/out" 500
	kill_9 n2 logd
	lines 500 second | append
	daemon_start n2 logd
	wait_until 20 grown "$BATS_TEST_TMPDIR/out" 1000
	lines 1 third | append
	wait_until 10 grown "$BATS_TEST_TMPDIR/out" 1001
	kill "$p"
	wait "$p" || :
	cmp "$BATS_TEST_TMPDIR/out" <(lines 500 first && lines 500 second && lines 1 third)
}

@test "tail: -f -N 3 ends after three" {
	from=$(($(status n1 log commit) + 1))
	timeout 20 raft-tail -c "$CLUSTER/n2/raft.yaml" -f -N 3 --from "$from" >"$BATS_TEST_TMPDIR/out" 3>&- &
	p=$!
	lines 5 three | append
	wait "$p"
	cmp "$BATS_TEST_TMPDIR/out" <(lines 3 three)
}

@test "tail: dies quietly with its reader, also while it waits" {
	raft-tail -c "$CLUSTER/n2/raft.yaml" 2>"$BATS_TEST_TMPDIR/err" | head -n 1
	timeout 10 raft-tail -c "$CLUSTER/n2/raft.yaml" -f 2>>"$BATS_TEST_TMPDIR/err" | head -n 1
	SECONDS=0
	timeout 20 raft-tail -c "$CLUSTER/n2/raft.yaml" -f --from $(($(ctl n2 -j status | jq .log.commit) + 1)) 2>>"$BATS_TEST_TMPDIR/err" | :
	[ "$SECONDS" -lt 10 ]
	[ ! -s "$BATS_TEST_TMPDIR/err" ]
}

@test "tail: an output that cannot be written is 74" {
	run timeout 10 sh -c "raft-tail -c '$CLUSTER/n2/raft.yaml' >/dev/full"
	[ "$status" -eq 74 ]
	[ "$output" = 'raft-tail: standard output: No space left on device' ]
}

@test "tail: without raft-elect, or without a leader, it prints what is here" {
	for d in elect peerd; do
		kill_9 n2 "$d"
		tail_n2 | head -n 5000 | cmp - "$BATS_FILE_TMPDIR/lines"
	done
	daemon_start n2 peerd
	daemon_start n2 elect
	ctl n2 wait
	kill -STOP "$(daemon_pid n2 elect)"
	tail_n2 | head -n 5000 | cmp - "$BATS_FILE_TMPDIR/lines"
	kill -CONT "$(daemon_pid n2 elect)"
	ctl n2 wait
}

@test "tail: no node is 69 after the time, in one sentence" {
	raft-init -i x1 -l "tcp://127.0.0.1:$(free_ports 1)" "$BATS_TEST_TMPDIR/x" >/dev/null
	for follow in -N1 -f; do
		run timeout 10 raft-tail -c "$BATS_TEST_TMPDIR/x/raft.yaml" "$follow" -t 300ms
		[ "$status" -eq 69 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ "$output" == *"is the node running?"* ]]
	done
}

@test "tail: entries that are compacted away are 4, and the first available index is told" {
	raft-init -i x1 -l "tcp://127.0.0.1:$(free_ports 1)" "$BATS_TEST_TMPDIR/x" >/dev/null
	mkdir -p "$BATS_TEST_TMPDIR/x/run"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 20 python3 - "$BATS_TEST_TMPDIR/x/run/log" 3>&- <<-'PY' &
		import sys
		import wire
		listener = wire.listen(sys.argv[1])
		conn = wire.accept(listener)
		conn.expect("hello")
		conn.send("hello_reply", version=1, low=1, high=1, node="x1", start=1)
		read = conn.expect("log_read")
		conn.send("log_entries", request=read["request"], first_index=900, first_available=900, commit=1000)
		conn.sock.recv(1)
	PY
	p=$!
	listens() { [ -S "$BATS_TEST_TMPDIR/x/run/log" ]; }
	wait_until 10 listens
	run timeout 10 raft-tail -c "$BATS_TEST_TMPDIR/x/raft.yaml" --from 17
	kill "$p" 2>/dev/null || :
	[ "$status" -eq 4 ]
	[ "$output" = 'raft-tail: the entries 17 to 899 are compacted away: the first available index is 900' ]
}

@test "tail: mistakes are one sentence and 64" {
	wrong() {
		run timeout 10 raft-tail -c "$CLUSTER/n1/raft.yaml" "$@" </dev/null
		echo "$* -> $status $output"
		[ "$status" -eq 64 ] && [ "${#lines[@]}" -eq 1 ] && [[ "$output" == raft-tail:* ]]
	}
	wrong -x
	wrong -N -1
	wrong -N
	wrong --from 0
	wrong --from x
	wrong --to 99999999999999999999
	wrong -F xml
	wrong operand
}
