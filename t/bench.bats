#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-bench: what it does, and that its figures are those of what was done.
# sanitize
# shellcheck disable=SC2030,SC2031,SC2154

bats_require_minimum_version 1.5.0
load helper

# One node.  Its program writes each query to the file `asked`, with the number of entries that it has had.  It refuses
# the query "refuse" and each third query "third", and it holds its replies to "hold", but the first, until another request.
setup_file() {
	load helper
	cluster_init "$BATS_FILE_TMPDIR/c" 1
	cat >"$CLUSTER/n1/machine.py" <<-'PY'
		import sys
		asked = open("asked", "a", buffering=1)
		entries, thirds, holds, held = 0, 0, 0, 0
		print("ready 0", flush=True)
		for line in sys.stdin:
		    words = line.rstrip("\n").split(" ", 1)
		    if words == ["query", "hold"] and holds > 0:
		        asked.write("%d hold\n" % entries)
		        held += 1
		        continue
		    print("ok\n" * held, end="", flush=True)
		    held = 0
		    if words[0] == "query":
		        holds += words[1] == "hold"
		        thirds += words[1] == "third"
		        asked.write("%d %s\n" % (entries, words[1]))
		        refused = words[1] == "refuse" or (words[1] == "third" and thirds % 3 == 0)
		        print("refused as it likes" if refused else "ok", flush=True)
		    else:
		        entries += 1
		        print("ok", flush=True)
	PY
	printf 'fsm:\n  mode: machine\n  command: [ python3, machine.py ]\n' >>"$CLUSTER/n1/raft.yaml"
	export CLUSTER CLUSTER_COUNT
	cluster_start
	wait_leader
}
teardown_file() { cluster_stop; }

setup() {
	C=$CLUSTER/n1/raft.yaml
	O=$BATS_TEST_TMPDIR
	: >"$CLUSTER/n1/asked"
}
teardown() {
	# shellcheck disable=SC2046
	kill -CONT $(cat "$BATS_FILE_TMPDIR"/c/n1/*.pid)
	stop_all
	if [ "$CLUSTER" != "$BATS_FILE_TMPDIR/c" ]; then cluster_stop; fi
}

bench() { timeout 60 raft-bench -c "$C" "$@"; }
# bench_starts NAME ARGS...: it runs in the background; its output is in the file NAME, its errors in NAME.err.
declare -gA BENCH
bench_starts() {
	timeout 60 raft-bench -c "$C" "${@:2}" <"${INPUT:-/dev/null}" >"$O/$1" 2>"$O/$1.err" 3>&- &
	BENCH[$1]=$!
	PIDS+=("$!")
}
# bench_ends NAME STATUS (a pattern)
bench_ends() {
	local status=0
	wait "${BENCH[$1]}" || status=$?
	echo "status $status: $(cat "$O/$1" "$O/$1.err")"
	# shellcheck disable=SC2053
	[[ $status == $2 ]]
}
# bench_by_hand NAME ARGS...: with --pipe; its input is what is written to descriptor 5.
bench_by_hand() {
	mkfifo "$O/input"
	exec 5<>"$O/input"
	INPUT=$O/input bench_starts "$1" --pipe "${@:2}" 5>&-
}
committed() { [ "$(status n1 log commit)" -gt "$1" ]; } # INDEX
committed_more() { wait_until 20 committed $(($(status n1 log commit) + $1)); } # COUNT
# figure KEY [FILE]: of the last line.
figure() { tail -n 1 "${2:-$O/out}" | tr ' ' '\n' | sed -n "s/^$1=//p"; }

# ------------------------------------------------------------- operations

@test "bench: each operation of each connection is in the log once, in closed and in open loop" {
	for how in '-w 1' '-w 64' '-w 8 --connections 8' '-w 13 --connections 4' '--rate 2000' '--rate 50000 --connections 3'; do
		before=$(tail_all n1 | wc -l)
		# shellcheck disable=SC2086
		bench -N 301 -s 100 $how >"$O/out" 2>"$O/err"
		cat "$O/out" "$O/err"
		[ "$(figure ops)" -eq 301 ]
		[ "$(figure bytes)" -eq 30100 ]
		[ "$(figure refused)" -eq 0 ]
		[ "$(figure unknown)" -eq 0 ]
		[ "$(tail_all n1 | wc -l)" -eq $((before + 301)) ]
	done
	[ "$(tail_all n1 | tail -n 1 | wc -c)" -eq 101 ]
}

@test "bench: with --for it ends after that time, with what was in flight" {
	before=$(tail_all n1 | wc -l)
	bench --for 600ms -w 8 >"$O/out"
	cat "$O/out"
	awk -v s="$(figure seconds)" 'BEGIN { exit s < 0.6 }'
	[ "$(tail_all n1 | wc -l)" -eq $((before + $(figure ops))) ]
	# In open loop the time is a number of operations.
	bench --for 600ms --rate 200 >"$O/out"
	[ "$(figure ops)" -eq 120 ]
}

@test "bench: connections are distributed over the nodes, and each raft-elect sees its own" {
	cluster_init "$O/three" 3
	cluster_start
	wait_leader
	nodes=()
	for n in n1 n2; do nodes+=(-c "$CLUSTER/$n/raft.yaml"); done
	C=$CLUSTER/n3/raft.yaml
	bench_by_hand out "${nodes[@]}" --connections 7 -w 14
	# Besides, the one that asks.
	seen() { [ "$(status "$1" elect clients)" -eq $(($2 + 1)) ]; }
	# The first is that of n3.
	wait_until 20 seen n3 3
	wait_until 20 seen n1 2
	wait_until 20 seen n2 2
	seq 300 >&5
	exec 5>&-
	bench_ends out 0
	[ "$(figure ops)" -eq 300 ]
	[ "$(figure nodes)" -eq 3 ]
	[ "$(figure connections)" -eq 7 ]
	[ "$(figure in_flight)" -eq 14 ]
	for n in $(nodes); do
		ctl "$n" barrier
		tail_all "$n" | sort -n | cmp - <(seq 300)
	done
}

@test "bench: --pipe appends the lines of standard input in their order, and nothing else" {
	before=$(tail_all n1 | wc -l)
	lines 5000 'one of' >"$O/lines"
	bench --pipe <"$O/lines" >"$O/out"
	cat "$O/out"
	[ "$(figure ops)" -eq 5000 ]
	[ "$(figure bytes)" -eq $(($(wc -c <"$O/lines") - 5000)) ]
	tail_all n1 | tail -n +$((before + 1)) | cmp - "$O/lines"
	# As many as were asked for.
	bench --pipe -N 70 <"$O/lines" >"$O/out"
	[ "$(figure ops)" -eq 70 ]
	[ "$(tail_all n1 | wc -l)" -eq $((before + 5070)) ]
	run --separate-stderr bench --pipe </dev/null
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
}

@test "bench: a line that cannot be appended ends --pipe with 65, after the lines before it" {
	before=$(tail_all n1 | wc -l)
	row() { # SENTENCE, and the input
		run -65 --separate-stderr bench --pipe
		echo "$output $stderr"
		# shellcheck disable=SC2053
		[[ $stderr == "raft-bench: "$1': 2 committed, 0 refused, 0 unknown' ]]
		[[ $output == 'ops=2 '* ]]
	}
	printf 'a\nb\nc\0d\ne\n' | row 'line 3 holds a NUL, which fsm.framing: line cannot give to the program'
	{ echo a && echo b && head -c 9000000 /dev/zero | tr '\0' x; } | row '*3*larger*'
	[ "$(tail_all n1 | wc -l)" -eq $((before + 4)) ]
}

# ---------------------------------------------------------------- queries

@test "bench: each query is asked of the program, once more for each connection, after all that was acknowledged" {
	asked() { grep -c " $1\$" "$CLUSTER/n1/asked" || :; }
	for i in 1 2 3; do
		seq 10 | timeout 20 raft-append -c "$C"
		entries=$(tail_all n1 | wc -l)
		: >"$CLUSTER/n1/asked"
		bench --query 'what is it' -N 200 -w $((4 * i)) --connections "$i" >"$O/out"
		cat "$O/out"
		[ "$(figure what)" = query ]
		[ "$(figure ops)" -eq 200 ]
		[ "$(figure bytes)" -eq 2000 ]
		[ "$(asked 'what is it')" -eq $((200 + i)) ]
		[ "$(awk -v e="$entries" '$1 < e' "$CLUSTER/n1/asked" | wc -l)" -eq 0 ]
	done
	: >"$CLUSTER/n1/asked"
	bench --query old --stale -N 100 >"$O/out"
	[ "$(figure what)" = query_stale ]
	[ "$(asked old)" -eq 101 ]
	[ "$(tail_all n1 | wc -l)" -eq "$entries" ]
}

@test "bench: as many queries are in flight as -w says, on all connections together" {
	asked() { [ "$(grep -c hold "$CLUSTER/n1/asked")" -ge "$1" ]; }
	bench_starts out --query hold --connections 1 -w 5 --for 1h -t 4s
	wait_until 20 asked 6
	bench_ends out 69
	grep -qE '^raft-bench: .* \(given up after 4000 ms\): 0 answered, 0 refused$' "$O/out.err"
	[ ! -s "$O/out" ]
	[ "$(grep -c hold "$CLUSTER/n1/asked")" -eq 6 ]
}

@test "bench: stale queries need no raft-elect, others end with 69 without it" {
	kill -STOP "$(daemon_pid n1 elect)"
	bench --query a --stale -N 100 >"$O/out"
	[ "$(figure ops)" -eq 100 ]
	run -69 --separate-stderr bench --query a -t 300ms
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == 'raft-bench: no answer from raft-elect (given up after 300 ms)' ]]
}

@test "bench: queries that the program refuses are counted, and end it with 65; a first one before it begins" {
	run -65 --separate-stderr bench --query third -N 30
	[ "$stderr" = 'raft-bench: the program refused 10 of 30 queries: as it likes' ]
	[[ $output == 'ops=20 '*' refused=10 unknown=0' ]]
	run -65 --separate-stderr bench --query refuse -N 30
	[ "$stderr" = 'raft-bench: the program refuses the query: as it likes' ]
	[ -z "$output" ]
	[ "$(grep -c refuse "$CLUSTER/n1/asked")" -eq 1 ]
}

# -------------------------------------------------------------- latencies

# stall SECONDS: raft-elect is stopped for that time; $STALL_US is how long it was.
stall() {
	local began
	began=$(date +%s%N)
	kill -STOP "$(daemon_pid n1 elect)"
	sleep "$1"
	STALL_US=$((($(date +%s%N) - began) / 1000))
	kill -CONT "$(daemon_pid n1 elect)"
}

@test "bench: a stall is in p99 of the open loop, also of what waits because of -w, and only in the maximum of the closed loop" {
	bench_starts open --rate 100 --for 6s
	bench_starts narrow --rate 50 --for 6s -w 2
	committed_more 50
	stall 2
	# A third of all were due in the stall.
	for name in open narrow; do
		bench_ends "$name" 0
		[ "$(figure max_us "$O/$name")" -ge $((STALL_US * 9 / 10)) ]
		[ "$(figure p99_us "$O/$name")" -gt $((STALL_US / 2)) ]
		[ "$(figure p90_us "$O/$name")" -gt $((STALL_US / 4)) ]
	done
	[ "$(figure late "$O/narrow")" -gt 50 ]
	bench_starts closed -w 1 --for 1h
	committed_more 200
	stall 2
	committed_more 200
	kill -TERM "${BENCH[closed]}"
	bench_ends closed '7[56]'
	[ "$(figure max_us "$O/closed")" -ge $((STALL_US * 9 / 10)) ]
	[ "$(figure p99_us "$O/closed")" -lt $((STALL_US / 4)) ]
}

@test "bench: a rate that is not held is reported on standard error and in the line, with status 0" {
	# One after the other, they are not written in 10 microseconds each.
	run -0 --separate-stderr bench --rate 100000 -N 1000 -w 1
	echo "$output $stderr"
	[[ $stderr =~ ^raft-bench:\ the\ rate\ of\ 100000/s\ was\ not\ held:\ [0-9]+/s,\ and\ the\ last\ answer\ was\ [0-9]+\ ms\ late$ ]]
	[[ $output =~ \ rate=100000\ late=[1-9][0-9]*\ held=no$ ]]
	# Held or not, as the figures say: the last of 40 is due after 39/50 s.
	bench --rate 50 -N 40 >"$O/out" 2>"$O/err"
	cat "$O/out" "$O/err"
	if awk -v s="$(figure seconds)" 'BEGIN { exit s > 39 / 50 + 0.1 }'; then
		[ "$(figure held)" = yes ]
		[ ! -s "$O/err" ]
	else
		[ "$(figure held)" = no ]
		[ -s "$O/err" ]
	fi
	# It takes at least its time.
	awk -v s="$(figure seconds)" 'BEGIN { exit s < 39 / 50 }'
}

# ----------------------------------------------------------------- output

@test "bench: the rows of -H are in rising order, no wider than 80 columns, and add up to the operations" {
	bench -N 3000 -w 32 -H >"$O/out"
	cat "$O/out"
	[ "$(awk 'length > 80' "$O/out" | sed '$d' | wc -l)" -eq 0 ]
	sed -e 1d -e '$d' "$O/out" >"$O/rows"
	[ "$(sed -n 1p "$O/out" | wc -w)" -eq 5 ]
	[ "$(wc -l <"$O/rows")" -ge 2 ]
	awk -v ops="$(figure ops)" -v p50="$(figure p50_us)" -v min="$(figure min_us)" -v max="$(figure max_us)" '
		$1 < to || $2 <= $1 || $3 < 1 { exit 1 }
		{ to = $2; sum += $3; last = $5 }
		NR == 1 && !(min >= $1 && min < $2) { exit 1 }
		sum >= ops / 2 && !found { found = 1; if (!(p50 >= $1 && p50 < $2)) exit 1 }
		END { exit !(sum == ops && last == "100.00" && max < to) }' "$O/rows"
}

@test "bench: -j has the keys of the line, in their order, as numbers and booleans, and -H adds up there, too" {
	keys() { tr ' ' '\n' | sed 's/=.*//'; }
	for how in '-w 16' '--rate 1000' '--query a'; do
		# shellcheck disable=SC2086
		bench -N 300 $how >"$O/out"
		# shellcheck disable=SC2086
		bench -N 300 $how -j >"$O/json"
		[ "$(wc -l <"$O/json")" -eq 1 ]
		diff <(keys <"$O/out") <(jq -r 'keys_unsorted[]' "$O/json")
		jq -e '[to_entries[] | select(.key | IN("what", "held") | not) | .value | type] | all(. == "number")' "$O/json"
		jq -e '(.what | type) == "string" and (.held | type | IN("boolean", "null"))' "$O/json"
		[ "$(jq .ops "$O/json")" -eq 300 ]
		# Each key is on the page.
		keys <"$O/out" | while read -r key; do grep -qE "^\.(It )?Cm ([a-z0-9_]+ , )*$key( |\$)" "$ROOT/man/raft-bench.1" || { echo "$key" && exit 1; }; done
	done
	bench -N 300 -w 16 -j -H | jq -e '.ops == 300 and ([.histogram[].ops] | add) == 300 and (.histogram | all(.from_us < .below_us))'
}

@test "bench: a line a second on a terminal, and none where standard output or standard error is none" {
	terminal() { timeout 30 script -qefc "$1" /dev/null </dev/null >"$O/tty"; }
	terminal "raft-bench -c $C --for 2500ms -w 4"
	cat -v "$O/tty"
	tr '\r' '\n' <"$O/tty" >"$O/shown"
	grep -E '^raft-bench: [0-9]+ ops, [0-9]+/s, p50 [0-9]+ us, p99 [0-9]+ us, max [0-9]+ us' "$O/shown" >"$O/seconds"
	grep '^.\[Kops=' "$O/shown" >"$O/line"
	awk -v shown="$(wc -l <"$O/seconds")" -v s="$(figure seconds "$O/line")" 'BEGIN { exit !(shown >= 1 && shown <= s + 1) }'
	terminal "raft-bench -c $C --for 1500ms >$O/out"
	[ ! -s "$O/tty" ]
	terminal "raft-bench -c $C --for 1500ms 2>$O/err"
	[ ! -s "$O/err" ]
	# It says what it waits for.
	cluster_init "$O/one" 1
	terminal "raft-bench -c $CLUSTER/n1/raft.yaml -t 1500ms" || :
	grep -q 'waiting: .*is the node running?' "$O/tty"
}

@test "bench: a line that cannot be printed is 74" {
	run -74 --separate-stderr sh -c "raft-bench -c '$C' -N 10 >/dev/full"
	[ "$stderr" = 'raft-bench: standard output: No space left on device' ]
}

# --------------------------------------------------------------- outcomes

@test "bench: what has no answer is counted as unknown, with 76, and what was answered has its line" {
	bench_starts out --connections 2 -w 9 --for 1h -t 3s
	committed_more 50
	kill -STOP "$(daemon_pid n1 logd)"
	bench_ends out 76
	grep -qE '^raft-bench: .*: [0-9]+ committed, 0 refused, 9 unknown$' "$O/out.err"
	[ "$(wc -l <"$O/out.err")" -eq 1 ]
	[ "$(figure unknown)" -eq 9 ]
	[ "$(figure refused)" -eq 0 ]
	[ "$(sed -E 's/.*: ([0-9]+) committed.*/\1/' "$O/out.err")" -eq "$(figure ops)" ]
}

@test "bench: a signal ends it with 75 when all in flight is answered, else with 76" {
	before=$(status n1 log commit)
	bench_by_hand out
	seq 5 >&5
	wait_until 20 committed $((before + 4))
	# The answer follows the commit.
	ctl n1 barrier
	kill -TERM "${BENCH[out]}"
	bench_ends out 75
	[ "$(cat "$O/out.err")" = 'raft-bench: interrupted: 5 committed, 0 refused, 0 unknown' ]
	[ "$(figure ops)" -eq 5 ]
	rm "$O/input"
	before=$(status n1 log commit)
	bench_by_hand out
	seq 5 >&5
	wait_until 20 committed $((before + 4))
	ctl n1 barrier
	kill -STOP "$(daemon_pid n1 logd)"
	seq 4 >&5
	sent() { [ "$(status n1 elect outstanding)" -eq 1 ]; }
	wait_until 20 sent
	kill -TERM "${BENCH[out]}"
	bench_ends out 76
	[ "$(cat "$O/out.err")" = 'raft-bench: interrupted: 5 committed, 0 refused, 4 unknown' ]
	[ "$(figure unknown)" -eq 4 ]
}

@test "bench: without a leader each attempt is refused, nothing is unknown: 69, and no line" {
	cluster_init "$O/three" 3
	node_start n1
	C=$CLUSTER/n1/raft.yaml
	wait_until 20 has_role n1 follower
	run -69 --separate-stderr bench -w 5 -t 3s
	echo "$stderr"
	[ -z "$output" ]
	[[ $stderr == 'raft-bench: '*'(given up after 3000 ms): 0 committed, 5 refused, 0 unknown' ]]
}

@test "bench: the first node that fails is named, and ends the others" {
	cluster_init "$O/three" 3
	cluster_start
	wait_leader
	C=$CLUSTER/n1/raft.yaml
	bench_starts out -c "$CLUSTER/n2/raft.yaml" -c "$CLUSTER/n3/raft.yaml" --for 1h -t 1s
	committed_more 100
	node=$(follower)
	kill_9 "$node" elect
	# What was in flight there may be in the log.
	bench_ends out 76
	[ "$(wc -l <"$O/out.err")" -eq 1 ]
	grep -q "^raft-bench: $CLUSTER/$node/raft.yaml: .*is the node running?.* committed, 0 refused, 1 unknown\$" "$O/out.err"
	[ "$(figure ops)" -gt 100 ]
}

@test "bench: options that contradict one another, or that are out of range, are 64 with one sentence" {
	wrong() { # SENTENCE ARGS...
		run -64 --separate-stderr bench "${@:2}" </dev/null
		echo "$* -> $stderr"
		[ -z "$output" ]
		[ "${#stderr_lines[@]}" -eq 1 ]
		# shellcheck disable=SC2053
		[[ $stderr == "raft-bench: "$1* ]]
	}
	wrong '-N and --for: only one' -N 5 --for 5s
	wrong '--pipe and --rate: ' --pipe --rate 5
	wrong '--pipe and --query: ' --pipe --query a
	wrong '-s and --pipe: ' -s 5 --pipe
	wrong '-s and --query: ' -s 5 --query a
	wrong '--stale: only for a --query' --stale
	wrong '--for: must be from 1ms to 1000h' --for 0s
	wrong '--for: must be from 1ms to 1000h' --for 1001h
	wrong '--for: not a time: 5' --for 5
	wrong '--rate: must be from 1 to ' --rate 0
	wrong '--connections: must be from 1 to ' --connections 0
	wrong '--connections: must be from 1 to ' --connections 10001
	wrong '-w: must be from 1 to ' -w 0
	wrong '-w: must be from 1 to 1048576 for 1 connections, not 1048577' -w 1048577
	wrong '-w: must be from 4 to 4194304 for 4 connections, not 3' -w 3 --connections 4
	wrong '-w: must be from 1 to 1024 for 1 connections, not 1025' -w 1025 --query a
	wrong '--connections: 1 are too few for 2 nodes' -c "$C" --connections 1
	wrong '-s: 8388608 is above elect.entry_max of ' -s 8MiB
	mapfile -t many < <(yes -- "-c$C" | head -n 64)
	wrong '-c: at most 64 nodes' "${many[@]}"
	run -71 --separate-stderr bash -c "ulimit -n 100; exec raft-bench -c '$C' --connections 80"
	[[ $stderr == 'raft-bench: --connections: 80 need 112 open files, and the limit (ulimit -Hn) is 100' ]]
	run -0 --separate-stderr bash -c "ulimit -Sn 64; exec raft-bench -c '$C' --connections 80 -N 160"
	run -78 --separate-stderr bench -c "$O/none.yaml"
	[[ $stderr == "raft-bench: $O/none.yaml: "* ]]
}

@test "bench: a query of a node without a state machine is 78" {
	cluster_init "$O/one" 1
	run -78 --separate-stderr bench -c "$CLUSTER/n1/raft.yaml" --query a
	[[ $stderr == "raft-bench: --query: this node runs no state machine: $CLUSTER/n1/raft.yaml has no section fsm" ]]
}
