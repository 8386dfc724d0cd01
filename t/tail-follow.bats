#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-tail -f: through restarts of its node's daemons and over gaps; how it ends.
# sanitize
# shellcheck disable=SC2030,SC2031
# long

bats_require_minimum_version 1.5.0

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c"
	for n in $(nodes); do echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"; done
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
}
teardown() {
	stop_all
	cluster_stop
}

append() { timeout 120 raft-append -c "$CLUSTER/$1/raft.yaml" "${@:2}"; } # NODE OPTION...
log_is() { [ "$(status "$1" log "$2")" = "$3" ]; }                        # NODE KEY VALUE
told() { [ "$(grep -c "$1" "$ERR")" -ge "${2:-1}" ]; }                    # TEXT [COUNT]: on standard error

# follow OPTION...: raft-tail -f of n2 to $OUT and $ERR; its pid is in $TAIL.
follow() {
	raft-tail -f -c "$CLUSTER/n2/raft.yaml" "$@" >"$OUT" 2>"$ERR" 3>&- &
	TAIL=$!
	PIDS+=("$TAIL")
	adopt "$TAIL"
}

# compact NODE INDEX: has a snapshot there, and no entries before it.
compact() {
	head -c "${3:-100}" /dev/urandom >"$BATS_TEST_TMPDIR/state"
	PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" \
		add "$CLUSTER/$1/run/log" "$2" "$BATS_TEST_TMPDIR/state" >/dev/null
	wait_until 20 log_is "$1" first $(($2 + 1))
}

waiting="raft-tail: .*/n2/run/log: .*: waiting for raft-logd"

@test "tail: -f loses and doubles nothing when the daemons of its node are killed again and again, and says when it waits" {
	cluster_start
	wait_leader
	follow -v --from end
	wait_until 20 told 'beginning at index'
	lines 60000 kill >"$BATS_TEST_TMPDIR/in"
	append n1 -S kill "$BATS_TEST_TMPDIR/in" 3>&- &
	appending=$!
	for round in 1 2 3 4; do
		wait_until 30 grown "$OUT" $((round * 4000))
		daemons=logd
		[ $((round % 2)) -eq 1 ] || daemons='elect peerd logd'
		for d in $daemons; do kill_9 n2 "$d"; done
		wait_until 10 told "^$waiting$" "$round"
		for d in $daemons; do daemon_start n2 "$d"; done
		wait_until 20 told '^raft-tail: raft-logd is back$' "$round"
	done
	wait "$appending"
	wait_until 60 grown "$OUT" 60000
	append n1 <<<last
	wait_until 60 grown "$OUT" 60001
	reap TERM "$TAIL"
	cmp "$OUT" <(cat "$BATS_TEST_TMPDIR/in" && echo last)
	[ "$(grep -c "^$waiting$" "$ERR")" -eq 4 ]
	[ "$(grep -c '^raft-tail: raft-logd is back$' "$ERR")" -eq 4 ]
}

@test "tail: -f says once that it waits, without -v too, and gives up after -t" {
	cluster_start
	wait_leader
	follow -t 1s -N 1000
	append n1 <<<one
	wait_until 20 grown "$OUT" 1
	# It was quiet for longer than that.
	sleep 1.5
	alive "$TAIL"
	kill_9 n2 logd
	status=0
	wait "$TAIL" || status=$?
	[ "$status" -eq 69 ]
	[ "$(wc -l <"$ERR")" -eq 2 ]
	sed -n 1p "$ERR" | grep -qx "$waiting"
	sed -n 2p "$ERR" | grep -qE '^raft-tail: .*/n2/run/log: .* \(given up after 1000 ms\)$'
}

@test "tail: -f of a quiet log stays when raft-logd is back" {
	cluster_start
	wait_leader
	follow -v -t 2s --from end
	wait_until 20 told 'beginning at index'
	kill_9 n2 logd
	wait_until 10 told "^$waiting$"
	daemon_start n2 logd
	wait_until 20 told '^raft-tail: raft-logd is back$'
	# For longer than that.
	sleep 2.5
	alive "$TAIL"
	append n1 <<<one
	wait_until 20 grown "$OUT" 1
}

@test "tail: -f prints a gap in one line, and continues: entries compacted away while its output was full" {
	cluster_start
	wait_leader
	seq -f "%04.0f $(printf 'x%.0s' $(seq 1000))" 6000 >"$BATS_TEST_TMPDIR/in"
	last=$(append n1 -v "$BATS_TEST_TMPDIR/in" | tail -n 1 | cut -d' ' -f1)
	ctl n2 barrier
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	raft-tail -f -F json -N 5000 -c "$CLUSTER/n2/raft.yaml" >&7 2>"$ERR" 3>&- 7>&- &
	TAIL=$!
	PIDS+=("$TAIL")
	adopt "$TAIL"
	# It waits for room in its output, and has asked for more.
	full() { python3 -c 'import select, sys; sys.exit(select.select([], [7], [], 0)[1] != [])'; }
	wait_until 20 full
	compact n2 $((last - 100))
	jq -c .index <"$BATS_TEST_TMPDIR/fifo" >"$OUT" 3>&- 7>&- &
	reader=$!
	exec 7>&-
	wait_until 20 told continuing
	append n1 <"$BATS_TEST_TMPDIR/in" >/dev/null # up to -N
	status=0
	wait "$TAIL" || status=$?
	wait "$reader"
	[ "$(wc -l <"$ERR")" -eq 1 ]
	from=$(sed -nE "s/^raft-tail: the entries ([0-9]+) to $((last - 100)) are compacted away: continuing with $((last - 99))\$/\1/p" "$ERR")
	[ -n "$from" ]
	# All before the gap, and all after it.
	first=$(head -n 1 "$OUT")
	diff <(seq "$first" $((from - 1)) && seq $((last - 99)) "$last") <(head -n $((from - first + 100)) "$OUT")
	# Where it comes to an end, that says so, too.
	[ "$status" -eq 4 ]
}

@test "tail: -f prints a gap in one line, and continues: its node was down, and came back by a snapshot" {
	cluster_start
	wait_leader
	follow --from end -v
	wait_until 20 told 'beginning at index'
	lines 10 before | append n1
	wait_until 20 grown "$OUT" 10
	had=$(status n2 log commit)
	for d in elect peerd logd; do kill_9 n2 "$d"; done
	wait_leader
	lines 300 missed | append n1
	last=$(status n1 log commit)
	for n in n1 n3; do
		wait_until 20 log_is "$n" commit "$last"
		compact "$n" "$last"
	done
	node_start n2
	wait_until 30 told continuing
	lines 10 after | append n1
	wait_until 20 grown "$OUT" 20
	reap TERM "$TAIL"
	cmp "$OUT" <(lines 10 before && lines 10 after)
	grep -qx "raft-tail: the entries $((had + 1)) to $last are compacted away: continuing with $((last + 1))" "$ERR"
	[ "$(grep -c 'compacted away' "$ERR")" -eq 1 ]
}

@test "tail: -f --from an index that the log does not have yet says so, and waits for it" {
	cluster_start
	wait_leader
	ctl n2 barrier
	next=$(($(status n2 log commit) + 1))
	# What is to come next is no reason for a word, on a node that lags neither.
	follow --from "$next" -N 1
	append n1 <<<two
	wait "$TAIL"
	[ "$(cat "$OUT")" = two ]
	[ ! -s "$ERR" ]
	follow --from $((next + 3)) -N 1
	wait_until 20 told "^raft-tail: --from $((next + 3)): the log is known to be committed up to $next only: entries are waited for; a place"
	lines 3 more | append n1
	wait "$TAIL"
	[ "$(cat "$OUT")" = "$(lines 3 more | tail -n 1)" ]
}

@test "tail: gives up a raft-logd that accepts connections and never answers" {
	mkdir -p "$CLUSTER/n2/run"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$CLUSTER/n2/run/log" 3>&- <<-'PY' &
		import sys
		import wire
		listener = wire.listen(sys.argv[1])
		while True:
		    conn = wire.accept(listener)
		    conn.expect("hello")
		    conn.send("hello_reply", version=1, low=1, high=1, node="n2", start=1)
		    conn.recv()
		    conn.close()
	PY
	PIDS+=($!)
	adopt $!
	wait_until 10 test -S "$CLUSTER/n2/run/log"
	for options in '' -f '--last 5' '-f --since 1h' '-f --last 5'; do
		# shellcheck disable=SC2086
		run timeout 20 raft-tail -c "$CLUSTER/n2/raft.yaml" -t 700ms $options
		echo "$options -> $status $output"
		[ "$status" -eq 69 ]
		[[ ${lines[-1]} == *'(given up after 700 ms)' ]]
		[ "${#lines[@]}" -le 2 ]
	done
}

@test "tail: ends by the signal that ends it: TERM, INT, and PIPE where its reader has gone, quietly" {
	cluster_start
	wait_leader
	append n1 <<<one
	for signal in TERM INT; do
		env --default-signal=INT raft-tail -f -c "$CLUSTER/n2/raft.yaml" >"$OUT" 2>"$ERR" 3>&- &
		wait_until 20 grown "$OUT" 1
		kill -s "$signal" $!
		status=0
		wait $! || status=$?
		[ "$status" -eq $((128 + $(kill -l "$signal"))) ]
		[ ! -s "$ERR" ]
	done
	# While it waits, and while it writes; also where SIGPIPE is ignored.
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	exec 8>"$BATS_TEST_TMPDIR/fifo"
	exec 7>&-
	for options in '-f --from end' ''; do
		for ignored in --default-signal=PIPE --ignore-signal=PIPE; do
			status=0
			# shellcheck disable=SC2086
			timeout 20 env "$ignored" raft-tail -c "$CLUSTER/n2/raft.yaml" $options >&8 2>"$ERR" 3>&- || status=$?
			echo "$options $ignored -> $status"
			[ "$status" -eq 141 ]
			[ ! -s "$ERR" ]
		done
	done
	exec 8>&-
	run bash -c 'timeout 20 raft-tail -c "$1" >&-' - "$CLUSTER/n2/raft.yaml"
	[ "$status" -eq 74 ]
	[ "$output" = 'raft-tail: standard output: Bad file descriptor' ]
}

@test "tail: its output stays blocking for those who share it" {
	cluster_start
	wait_leader
	append n1 <<<one
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	raft-tail -N 1 -c "$CLUSTER/n2/raft.yaml" >&7 3>&-
	[ "$(python3 -c 'import os; print(os.get_blocking(7))')" = True ]
	exec 7>&-
}
