#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-append: what it takes, and what its exit status promises.
# sanitize

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	# Each node is asked below, so each has to be there.
	for n in $(nodes); do timeout 60 raft-ctl -t 50s -c "$CLUSTER/$n/raft.yaml" wait; done
}
teardown_file() { cluster_stop; }
teardown() {
	show_logs
	stop_all
}

append() { timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$@"; }
commit() { ctl n1 barrier && status n1 log commit; }
tail_from() { timeout 20 raft-tail -c "$CLUSTER/n2/raft.yaml" --from "$@"; }

# elects SIGNAL NODE...: the signal to raft-elect of each.
elects() {
	local signal=$1 n
	shift
	for n in "$@"; do kill -s "$signal" "$(daemon_pid "$n" elect)"; done
}

@test "append: exits 0, silently, and the lines are on every node in order (design 5)" {
	from=$(($(commit) + 1))
	lines 3000 order >"$BATS_TEST_TMPDIR/in"
	run append "$BATS_TEST_TMPDIR/in"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	for n in $(nodes); do
		timeout 20 raft-tail -c "$CLUSTER/$n/raft.yaml" --from "$from" | cmp - "$BATS_TEST_TMPDIR/in"
	done
}

@test "append: empty lines and an unterminated last line are entries" {
	from=$(($(commit) + 1))
	printf 'a\n\nb' | append
	[ "$(tail_from "$from" -F json | jq -r .data | tr '\n' '|')" = 'a||b|' ]
}

@test "append: -v prints index and term of each entry in order, through leader and follower" {
	for n in $(nodes); do
		lines 2000 verbose | timeout 30 raft-append -c "$CLUSTER/$n/raft.yaml" -v >"$BATS_TEST_TMPDIR/out"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 2000 ]
		sort -n -c "$BATS_TEST_TMPDIR/out"
		index=$(sed -n 1234p "$BATS_TEST_TMPDIR/out" | cut -d' ' -f1)
		[ "$(tail_from "$index" -N 1)" = "$(lines 2000 verbose | sed -n 1234p)" ]
	done
}

@test "append: files follow one another, and none shares an entry; - is standard input" {
	from=$(($(commit) + 1))
	printf 'one' >"$BATS_TEST_TMPDIR/a"
	printf 'three\n' >"$BATS_TEST_TMPDIR/b"
	echo two | append "$BATS_TEST_TMPDIR/a" - "$BATS_TEST_TMPDIR/b"
	[ "$(tail_from "$from" | tr '\n' ' ')" = 'one two three ' ]
}

@test "append: -F whole takes each file as one entry, and an empty input as an empty entry" {
	from=$(($(commit) + 1))
	printf 'a\nb\n' >"$BATS_TEST_TMPDIR/a"
	: >"$BATS_TEST_TMPDIR/empty"
	append -F whole "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/empty"
	append -F whole </dev/null
	[ "$(tail_from "$from" -F netstring)" = $'4:a\nb\n,0:,0:,' ]
}

@test "append: an empty input of lines appends nothing, and exits 0" {
	from=$(($(commit) + 1))
	append </dev/null
	: | append -0
	[ -z "$(tail_from "$from")" ]
}

@test "append: a line is committed while its pipe stays open" {
	from=$(($(commit) + 1))
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	append <"$BATS_TEST_TMPDIR/fifo" 3>&- &
	exec 7>"$BATS_TEST_TMPDIR/fifo"
	echo at-once >&7
	there() { [ "$(tail_from "$from" -N 1)" = at-once ]; }
	wait_until 10 there
	echo later >&7
	exec 7>&-
	wait $!
	[ "$(tail_from "$from" | tail -n 1)" = later ]
}

@test "append: -w 1 and -w 100000 append the same" {
	for w in 1 100000; do
		from=$(($(commit) + 1))
		lines 300 window | append -w "$w"
		tail_from "$from" | cmp - <(lines 300 window)
	done
}

@test "append: a netstring that is none ends the run with 65, what is before it is committed" {
	from=$(($(commit) + 1))
	run append -F netstring <<<'1:a,2:bc,x'
	[ "$status" -eq 65 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"entry 3"*"committed 2"* ]]
	[ "$(tail_from "$from" | tr '\n' ' ')" = 'a bc ' ]
}

@test "append: an input that cannot be read is 74, and one that is not there is told before anything is appended" {
	from=$(($(commit) + 1))
	echo first >"$BATS_TEST_TMPDIR/first"
	run append "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/nowhere"
	[ "$status" -eq 74 ]
	[ "$output" = "raft-append: $BATS_TEST_TMPDIR/nowhere: No such file or directory" ]
	[ -z "$(tail_from "$from")" ]
	run append "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR"
	[ "$status" -eq 74 ]
	[[ "$output" == *"Is a directory: committed 1, resume with line 2" ]]
	# shellcheck disable=SC2016
	run timeout 10 sh -c 'exec raft-append -c "$1" <&-' sh "$CLUSTER/n1/raft.yaml"
	[ "$status" -eq 74 ]
}

@test "append: mistakes are one sentence and 64" {
	wrong() {
		run timeout 10 raft-append -c "$CLUSTER/n1/raft.yaml" "$@" </dev/null
		echo "$* -> $status $output"
		[ "$status" -eq 64 ] && [ "${#lines[@]}" -eq 1 ] && [[ "$output" == raft-append:* ]]
	}
	wrong -x
	wrong --nonsense
	wrong -F
	wrong -F yaml
	wrong -F json
	wrong -w 0
	wrong -w many
	wrong -t 5
	wrong -S ''
	wrong -S 'two words'
	wrong -S $'no\xffutf'
	wrong -S "$(printf 'x%.0s' $(seq 65))"
	wrong --continue
	wrong --fence
	wrong --fence=0
	wrong --verbose=yes
	run raft-append -c "$BATS_TEST_TMPDIR/none"
	[ "$status" -eq 78 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "append: --fence appends in its term only; the log refuses another with 77 (design 5)" {
	term=$(status n1 elect term)
	echo fenced | append "--fence=$term"
	echo fenced | RAFT_TERM=$term append --fence
	from=$(($(commit) + 1))
	run append "--fence=$((term + 1))" <<<late
	[ "$status" -eq 77 ]
	[[ "$output" == *"committed 0, resume with line 1" ]]
	[ -z "$(tail_from "$from")" ]
}

@test "append: no node is 69 after the time, in one sentence" {
	raft-init -i x1 -l "tcp://127.0.0.1:$(free_ports 1)" "$BATS_TEST_TMPDIR/x" >/dev/null
	run timeout 10 raft-append -c "$BATS_TEST_TMPDIR/x/raft.yaml" -t 300ms <<<lost
	[ "$status" -eq 69 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"is the node running?"*"committed 0, resume with line 1" ]]
}

@test "append: no quorum and nothing pending is 69, and nothing is appended" {
	l=$(leader)
	f=$(follower)
	others=$(nodes | grep -vx "$f")
	# shellcheck disable=SC2086
	elects STOP $others
	lost() { [ -z "$(leader_of "$f")" ]; }
	wait_until 20 lost
	run timeout 20 raft-append -c "$CLUSTER/$f/raft.yaml" -t 700ms <<<refused
	# shellcheck disable=SC2086
	elects CONT $others
	[ "$status" -eq 69 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"committed 0, resume with line 1" ]]
	wait_leader
	ctl n1 wait
	[ "$(tail_all n1 | grep -cx refused)" -eq 0 ]
}

@test "append: an entry that a leader without quorum took is in doubt (76), and is there at most once" {
	l=$(leader)
	others=$(nodes | grep -vx "$l")
	# shellcheck disable=SC2086
	elects STOP $others
	run timeout 20 raft-append -c "$CLUSTER/$l/raft.yaml" -t 2500ms <<<doubtful
	# shellcheck disable=SC2086
	elects CONT $others
	[ "$status" -eq 76 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"committed 0"*"up to 1 may be committed"* ]]
	wait_leader
	ctl n1 wait
	[ "$(tail_all n1 | grep -cx doubtful)" -le 1 ]
}

@test "append: SIGINT ends it with what is known" {
	wait_leader
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	# The shell starts background programs with INT ignored.
	env --default-signal=INT raft-append -c "$CLUSTER/n1/raft.yaml" -v <"$BATS_TEST_TMPDIR/fifo" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	p=$!
	exec 7>"$BATS_TEST_TMPDIR/fifo"
	printf 'a\nb\n' >&7
	wait_until 20 grown "$BATS_TEST_TMPDIR/out" 2
	kill -INT "$p"
	status=0
	wait "$p" || status=$?
	exec 7>&-
	[ "$status" -eq 75 ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = 'raft-append: interrupted: committed 2, resume with line 3' ]
}

@test "append: a signal that was ignored at the start stays ignored, and one that was blocked ends it" {
	wait_leader
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	caught() { [ $((0x$(awk '/^SigCgt/ { print $2 }' "/proc/$pid/status") >> 14 & 1)) -eq 1 ]; } # TERM
	for setting in --ignore-signal --block-signal; do
		env "$setting=HUP,INT" raft-append -c "$CLUSTER/n1/raft.yaml" <"$BATS_TEST_TMPDIR/fifo" >/dev/null 2>"$BATS_TEST_TMPDIR/err" 3>&- &
		pid=$!
		exec 7>"$BATS_TEST_TMPDIR/fifo"
		wait_until 20 caught
		kill -HUP "$pid"
		kill -INT "$pid" || : # HUP may have ended it
		if [ "$setting" = --ignore-signal ]; then
			printf 'kept\n' >&7
			exec 7>&-
			wait "$pid"
			[ ! -s "$BATS_TEST_TMPDIR/err" ]
		else
			wait_until 20 gone "$pid"
			exec 7>&-
			grep -q interrupted "$BATS_TEST_TMPDIR/err"
		fi
	done
}

@test "append: a FIFO that nobody writes delays neither the files before it nor a signal" {
	wait_leader
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	lines 10 early >"$BATS_TEST_TMPDIR/file"
	spawn "$BATS_TEST_TMPDIR/err" raft-append -c "$CLUSTER/n1/raft.yaml" "$BATS_TEST_TMPDIR/file" "$BATS_TEST_TMPDIR/fifo"
	committed() { [ "$(tail_all n1 | grep -c '^early ')" -eq 10 ]; }
	wait_until 20 committed
	reap TERM "$SPAWNED"
	status=0
	wait "$SPAWNED" || status=$?
	[ "$status" -eq 75 ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = 'raft-append: interrupted: committed 10, resume with line 11' ]
	spawn "$BATS_TEST_TMPDIR/err2" raft-append -c "$CLUSTER/n1/raft.yaml" "$BATS_TEST_TMPDIR/fifo"
	lines 10 late >"$BATS_TEST_TMPDIR/fifo"
	wait_until 20 gone "$SPAWNED"
	wait "$SPAWNED"
	[ "$(tail_all n1 | grep -c '^late ')" -eq 10 ]
}

full() { python3 -c 'import select, sys; sys.exit(select.select([], [int(sys.argv[1])], [], 0)[1] != [])' "$1"; } # FD

@test "append: a reader of its output that hangs makes the input wait, and delays no signal" {
	wait_leader
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	lines 50000 hung >"$BATS_TEST_TMPDIR/in"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	raft-append -v -c "$CLUSTER/n1/raft.yaml" "$BATS_TEST_TMPDIR/in" >&7 2>"$BATS_TEST_TMPDIR/err" 3>&- 7>&- &
	pid=$!
	wait_until 20 full 7
	reap TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 75 ]
	[[ "$(cat "$BATS_TEST_TMPDIR/err")" =~ ^raft-append:\ interrupted:\ committed\ [0-9]{4,5},\ resume ]]
	rm "$BATS_TEST_TMPDIR/fifo"
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	append -v "$BATS_TEST_TMPDIR/in" >&7 3>&- 7>&- &
	pid=$!
	wait_until 20 full 7
	exec 8<"$BATS_TEST_TMPDIR/fifo" 7>&-
	[ "$(wc -l <&8)" -eq 50000 ]
	wait "$pid"
}

@test "append: -v on an output that fails says what is committed" {
	wait_leader
	run bash -c 'seq 500 | timeout 60 raft-append -v -c "$1" 2>&1 >/dev/full' - "$CLUSTER/n1/raft.yaml"
	[ "$status" -eq 74 ]
	[[ "$output" =~ ^raft-append:\ standard\ output:\ .*:\ committed\ [0-9]+,\ resume\ with\ line\ [0-9]+ ]]
}

@test "append: while nothing is committed the input waits, and memory is bounded" {
	wait_leader
	l=$(leader)
	others=$(nodes | grep -vx "$l")
	# shellcheck disable=SC2086
	elects STOP $others
	raft-append -c "$CLUSTER/$l/raft.yaml" -t 10s < <(yes 'a line that nobody takes, of a stream that never ends' 3>&-) \
		2>/dev/null 3>&- &
	p=$!
	sleep 2
	rss=$(rss_kib "$p")
	# shellcheck disable=SC2086
	elects CONT $others
	echo "rss $rss KiB"
	[ "$rss" -gt 0 ]
	[ "$rss" -lt 200000 ]
	reap TERM "$p"
	wait_leader
}
