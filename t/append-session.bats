#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Named sessions: the same input again adds nothing (design 5).
# sanitize

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	timeout 30 raft-ctl -c "$CLUSTER/n1/raft.yaml" wait
}
teardown_file() { cluster_stop; }

append() { timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$@"; }
of_word() { tail_all n2 | grep " $1 " || :; }         # entries of the log that belong to a test
input() { seq -f "%.0f $2 of a stream that is one" "$1"; } # input COUNT WORD
serial_is() { [ "$(serial "$1")" = "$2" ]; }
serial() { ctl n1 -j session list | jq -r ".sessions[] | select(.session == \"$1\") | .serial"; }

@test "session: a second run of the same input adds nothing, through any node, and exits 0" {
	input 2000 again >"$BATS_TEST_TMPDIR/in"
	append -S again "$BATS_TEST_TMPDIR/in"
	for n in $(nodes); do
		run timeout 60 raft-append -c "$CLUSTER/$n/raft.yaml" -S again "$BATS_TEST_TMPDIR/in"
		[ "$status" -eq 0 ]
		[ -z "$output" ]
	done
	of_word again | cmp - "$BATS_TEST_TMPDIR/in"
}

@test "session: a longer input appends only what is new" {
	input 300 grow | append -S grow
	input 500 grow | append -S grow -v >"$BATS_TEST_TMPDIR/out"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 200 ]
	of_word grow | cmp - <(input 500 grow)
}

@test "session: other data is refused with 65, in one sentence, and nothing is appended" {
	input 50 other | append -S other
	run append -S other < <(input 80 other | sed '7s/^/x/')
	[ "$status" -eq 65 ]
	[ "${#lines[@]}" -eq 1 ]
	run append -S other < <(input 49 other)
	[ "$status" -eq 65 ]
	[[ "$output" == *"50 entries"*"only 49"* ]]
	run append -S other </dev/null
	[ "$status" -eq 65 ]
	of_word other | cmp - <(input 50 other)
}

@test "session: a run that is killed is completed by the next, again and again" {
	input 200000 killed >"$BATS_TEST_TMPDIR/in"
	count=0
	for n in n1 n2 n3 n1 n2; do
		raft-append -c "$CLUSTER/$n/raft.yaml" -S killed -v -w 512 "$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		p=$!
		wait_until 20 grown "$BATS_TEST_TMPDIR/out" 1000
		kill -KILL "$p" 2>/dev/null || count=9
		wait "$p" || :
	done
	[ "$count" -eq 0 ]
	[ "$(serial killed)" -lt 200000 ]
	append -S killed "$BATS_TEST_TMPDIR/in"
	of_word killed | cmp - "$BATS_TEST_TMPDIR/in"
}

@test "session: what a killed producer left in flight does not land between the lines of the next" {
	# 40 times: kill at once after the first answers, and let the next run go on without a pause.
	for i in $(seq 40); do
		input $((i * 500)) flight >"$BATS_TEST_TMPDIR/in"
		n=n$((i % 3 + 1))
		raft-append -c "$CLUSTER/$n/raft.yaml" -S flight -v "$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		p=$!
		wait_until 20 grown "$BATS_TEST_TMPDIR/out" 1
		kill -KILL "$p" 2>/dev/null || :
		wait "$p" || :
	done
	append -S flight "$BATS_TEST_TMPDIR/in"
	of_word flight | cmp - "$BATS_TEST_TMPDIR/in"
}

@test "session: --continue skips nothing and numbers on" {
	input 10 more | append -S more
	input 5 more | append -S more --continue
	wait_until 10 serial_is more 15
	[ "$(of_word more | wc -l)" -eq 15 ]
	{ input 10 more && input 5 more; } | append -S more
	[ "$(of_word more | wc -l)" -eq 15 ]
}

@test "session: who is taken over is told (77), and nothing of it lands any more" {
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	raft-append -c "$CLUSTER/n1/raft.yaml" -S taken -v <"$BATS_TEST_TMPDIR/fifo" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	p=$!
	exec 7>"$BATS_TEST_TMPDIR/fifo"
	input 3 taken >&7
	wait_until 20 grown "$BATS_TEST_TMPDIR/out" 3
	input 5 taken | timeout 30 raft-append -c "$CLUSTER/n2/raft.yaml" -S taken
	echo '4 taken from the first' >&7
	status=0
	wait "$p" || status=$?
	exec 7>&-
	[ "$status" -eq 77 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/err")" -eq 1 ]
	of_word taken | cmp - <(input 5 taken)
}

@test "session: kill -9 of the leader's whole node in mid run: all is there once" {
	wait_leader
	l=$(leader)
	f=$(follower)
	input 60000 leader >"$BATS_TEST_TMPDIR/in"
	timeout 60 raft-append -c "$CLUSTER/$f/raft.yaml" -S leader -v -w 512 "$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" 3>&- &
	p=$!
	wait_until 20 grown "$BATS_TEST_TMPDIR/out" 1000
	for d in elect logd peerd; do kill -KILL "$(daemon_pid "$l" "$d")"; done
	for d in elect logd peerd; do wait_until 10 gone "$(daemon_pid "$l" "$d")"; done
	node_start "$l"
	wait "$p"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 60000 ]
	ctl n2 wait
	of_word leader | cmp - "$BATS_TEST_TMPDIR/in"
	append -S leader "$BATS_TEST_TMPDIR/in"
	[ "$(of_word leader | wc -l)" -eq 60000 ]
}

@test "session: it is there after all nodes were killed and started again" {
	input 1000 restart >"$BATS_TEST_TMPDIR/in"
	append -S restart "$BATS_TEST_TMPDIR/in"
	for n in $(nodes); do for d in elect logd peerd; do kill -KILL "$(daemon_pid "$n" "$d")"; done; done
	for n in $(nodes); do
		for d in elect logd peerd; do wait_until 10 gone "$(daemon_pid "$n" "$d")"; done
		node_start "$n"
	done
	append -S restart "$BATS_TEST_TMPDIR/in"
	of_word restart | cmp - "$BATS_TEST_TMPDIR/in"
}

@test "session: list shows it, drop forgets it, and a producer that has it open is told (77)" {
	wait_leader
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	raft-append -c "$CLUSTER/n1/raft.yaml" -S drop -v <"$BATS_TEST_TMPDIR/fifo" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	p=$!
	exec 7>"$BATS_TEST_TMPDIR/fifo"
	input 3 drop >&7
	wait_until 20 grown "$BATS_TEST_TMPDIR/out" 3
	ctl n1 barrier
	ctl n1 session list | grep -q '^drop '
	ctl n2 session drop drop
	wait_until 10 serial_is drop ''
	echo one more >&7
	status=0
	wait "$p" || status=$?
	exec 7>&-
	[ "$status" -eq 77 ]
	run ctl n1 session drop drop
	[ "$status" -eq 65 ]
	[ "${#lines[@]}" -eq 1 ]
}
