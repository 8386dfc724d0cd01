#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-tail --last, --from -COUNT and --from end: counted back from the end, entry by entry that is printed.
# sanitize

bats_require_minimum_version 1.5.0

load helper
load logd

BASE=1700000000000

iso() { date -u -d "@$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" +%Y-%m-%dT%H:%M:%S.%3NZ; } # MS

# entries FIRST COUNT [KIND]: committed ones, a second apart by their stamps.
entries() {
	{
		echo 'hello A elector'
		echo "write A number=1 term=1 vote=n1 first=$1 count=$2 kind=${3:-client} time=$((BASE + $1 * 1000)) step=1000"
		echo 'stored A 1'
		echo "commit A index=$(($1 + $2 - 1)) term=1"
		echo 'hello Z client'
		echo 'text Z status' # in order: it is committed then
	} | tell "$D" >/dev/null
}

# node [KEYS]: 1,000 entries; the multiples of 100 are followed by some of the log's own, and so is the last.
node() {
	local i at=1
	logd_make "$D"
	sed -i "s/logd: {/logd: { ${1:+$1,}/" "$D/raft.yaml"
	logd_start "$D"
	for i in 0 1 2 3 4 5 6 7 8 9; do
		entries $at $((90 - i)) noop
		entries $((at + 90 - i)) $((10 + i))
		at=$((at + 100))
	done
	entries 1001 70 noop
	raft-tail -c "$D/raft.yaml" >"$D/all"
	[ "$(wc -l <"$D/all")" -eq 145 ]
}

tail_d() { timeout 20 raft-tail -c "$D/raft.yaml" "$@" 2>"$D/err"; }

# prints FILE OPTION...: raft-tail with these options prints exactly that, without a word.
prints() {
	local want=$1
	shift
	tail_d "$@" >"$D/out"
	diff "$want" "$D/out" || { echo "$*" && return 1; }
	[ ! -s "$D/err" ]
}

@test "tail: --last prints the last entries, however many of other kinds are between them" {
	node
	for count in 1 2 18 19 20 36 37 38 54 100 134 135 144 145; do
		prints <(tail -n $count "$D/all") --last $count
		prints <(tail -n $count "$D/all") --from -$count
	done
	prints "$D/all" --last 146
	prints "$D/all" --last 18446744073709551614
	prints /dev/null --last 0
	prints /dev/null --from -0
	prints /dev/null --from end
}

@test "tail: --last counts among the entries that --from, --to, --since and --until leave" {
	node
	for count in 1 5 19 30 60 200; do
		prints <(grep -xE 'entry-[1-6]?[0-9]{1,2}' "$D/all" | tail -n $count) --last $count --to 699
		prints <(grep -xE 'entry-[3-9][0-9]{2}|entry-1000' "$D/all" | tail -n $count) --last $count --from 300
		prints <(grep -xE 'entry-[1-6]?[0-9]{1,2}' "$D/all" | tail -n $count) --last $count --until "$(iso $((BASE + 699000)))"
		prints <(grep -xE 'entry-[3-9][0-9]{2}|entry-1000' "$D/all" | tail -n $count) --from -$count --since "$(iso $((BASE + 300000)))"
		prints <(grep -xE 'entry-[3-6][0-9]{2}' "$D/all" | tail -n $count) --last $count \
			--since "$(iso $((BASE + 300000)))" --until "$(iso $((BASE + 699000)))"
		prints <(tail -n $count "$D/all" | head -n 4) --last $count -N 4
	done
	tail_d --last 5 --from 5000000 >"$D/out"
	[ ! -s "$D/out" ]
	grep -q 'up to 1070 only' "$D/err"
	prints /dev/null --last 5 --until "$(iso $((BASE - 1000)))"
	prints /dev/null --last 5 --since "$(iso $((BASE + 9000000)))"
	prints /dev/null --last 5 --to 50
	prints /dev/null --from end --to 50
}

@test "tail: --last reads back from the end, in windows that grow, and not the log" {
	logd_make "$D"
	# Client entries have an even index below 99001.
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$D/run/log" "$D/reads" <<-'PY' 3>&- &
		import sys
		from wire import *
		COUNT = 100000
		def one(index):
		    return entry(1, b"entry-%d" % index, b"", CLIENT_ENTRY if index % 2 == 0 and index < 99001 else NOOP, 1)
		listener = listen(sys.argv[1])
		while True:
		    c = accept(listener, 60)
		    c.expect("hello")
		    c.send("hello_reply", version=1, low=1, high=1, node="n1", start=1)
		    with open(sys.argv[2], "w") as reads:
		        while (got := c.recv()) is not None:
		            m = got[1]
		            count = min(m["count_max"], COUNT + 1 - m["from"], 4096)
		            print(m["from"], count, file=reads, flush=True)
		            c.send("log_entries", request=m["request"], first_index=m["from"], first_available=1, commit=COUNT,
		                   count=count, entries=b"".join(one(m["from"] + i) for i in range(count)))
	PY
	server=$!
	wait_until 10 test -S "$D/run/log"
	for count in 1 10 1000 20000; do
		diff <(seq -f 'entry-%.0f' $((99002 - 2 * count)) 2 99000) <(tail_d --last $count)
		[ ! -s "$D/err" ]
		read_back=$(awk '{ n += $2 } END { print n }' "$D/reads")
		echo "$count: $(wc -l <"$D/reads") reads, $read_back entries"
		# Twice what there is from the first that is printed on, to find it and to print it, and half as much beyond it.
		[ "$read_back" -le $((3 * (1000 + 2 * count) + 10)) ]
		[ "$(wc -l <"$D/reads")" -le $((30 + 2 * (1000 + 2 * count) / 4096)) ]
	done
	kill "$server"
}

@test "tail: --last says so when entries may be compacted away that it was to print, and only then" {
	node 'keep_tail: 0B'
	head -c 100 /dev/urandom >"$D/state"
	PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" add "$D/run/log" 895 "$D/state"
	wait_until 10 has_status "$D" first 896
	prints <(tail -n 24 "$D/all") --last 24
	prints <(tail -n 10 "$D/all") --last 10 --from 5
	for options in '--last 25' '--from -25' '--last 25 --from 7' "--last 25 --since $(iso $BASE)"; do
		# shellcheck disable=SC2086
		tail_d $options >"$D/out"
		diff <(tail -n 24 "$D/all") "$D/out"
		[ "$(cat "$D/err")" = 'raft-tail: the entries before 896 are compacted away, and with them perhaps some of the last 25' ]
	done
	# What begins after the gap misses nothing.
	prints <(tail -n 19 "$D/all") --last 25 --from 950
	prints <(tail -n 19 "$D/all") --last 25 --since "$(iso $((BASE + 950000)))"
}

# stands_in FOR SCRIPT: a stand-in for a daemon; the script has the connection, as c, after the hello.
stands_in() {
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$D/run/$1" "$2" 3>&- <<-'PY' &
		import sys
		from wire import *
		def serve(c, m, first, last, commit):
		    first = max(first, m["from"])
		    c.send("log_entries", request=m["request"], first_index=first, first_available=1, commit=commit, count=last + 1 - first,
		           entries=b"".join(entry(1, b"entry-%d" % i, b"", CLIENT_ENTRY, 1) for i in range(first, last + 1)))
		listener = listen(sys.argv[1])
		while True:
		    c = accept(listener, 60)
		    c.expect("hello")
		    c.send("hello_reply", version=1, low=1, high=1, node="n1", start=1, seen=1)
		    exec(sys.argv[2])
	PY
	STANDS_IN+=($!)
	wait_until 10 test -S "$D/run/$1"
}

@test "tail: --last and --from end go by what is committed anywhere, and wait a second for it" {
	logd_make "$D"
	stands_in elect '
c.expect("read_index")
c.send("read_index_reply", request=1, ok=1, index=110)'
	# It comes while it is waited for.
	stands_in log '
m = c.expect("log_read")
assert m["from"] == 110 and m["wait"]
serve(c, m, 110, 110, 112)
m = c.expect("log_read")
assert m["from"] == 108 and m["count_max"] == 5, m
serve(c, m, 1, 112, 112)
serve(c, c.expect("log_read"), 1, 115, 115) # what came later
c.recv()'
	prints <(seq -f 'entry-%.0f' 108 112) --last 5
	kill "${STANDS_IN[1]}"
	# It does not: what is here counts.
	logd_start "$D"
	entries 1 100
	prints <(seq -f 'entry-%.0f' 96 100) --last 5
	prints <(seq -f 'entry-%.0f' 100) --last 500
	# The end needs no waiting; what is acknowledged and not here yet is not new.
	timeout 60 raft-tail -v -c "$D/raft.yaml" --from end -f -N 3 >"$D/out" 2>"$D/err" 3>&- &
	pid=$!
	beginning() { grep -qx 'raft-tail: beginning at index 111' "$D/err"; }
	wait_until 10 beginning
	entries 101 15
	wait "$pid"
	diff <(seq -f 'entry-%.0f' 111 113) "$D/out"
	kill "${STANDS_IN[0]}"
}

@test "tail: -f --last prints the last entries and then what comes; -f --from end what comes only" {
	node
	timeout 60 raft-tail -v -c "$D/raft.yaml" -f --last 25 -N 45 >"$D/out.last" 2>"$D/err.last" 3>&- &
	pids=($!)
	timeout 60 raft-tail -v -c "$D/raft.yaml" -f --from end -N 20 >"$D/out.end" 2>"$D/err.end" 3>&- &
	pids+=($!)
	timeout 60 raft-tail -v -c "$D/raft.yaml" -f --last 3 --until "$(iso $((BASE + 1090000)))" >"$D/out.until" 2>"$D/err.until" 3>&- &
	pids+=($!)
	begun() { [ "$(cat "$D"/err.* | grep -c 'beginning at index')" -eq 3 ]; }
	wait_until 10 begun
	entries 1071 5 noop
	entries 1076 30
	wait "${pids[@]}"
	diff <(tail -n 25 "$D/all" && seq -f 'entry-%.0f' 1076 1095) "$D/out.last"
	diff <(seq -f 'entry-%.0f' 1076 1095) "$D/out.end"
	diff <(tail -n 3 "$D/all" && seq -f 'entry-%.0f' 1076 1090) "$D/out.until"
}

@test "tail: --last that cannot be counted, or is given twice over, is one sentence and 64" {
	wrong() {
		run timeout 10 raft-tail -c "$D/raft.yaml" "${@:2}"
		echo "${*:2} -> $status $output"
		[ "$status" -eq 64 ]
		[ "$output" = "raft-tail: $1" ]
	}
	logd_make "$D"
	wrong '--last: not a number: -5' --last -5
	wrong '--last: not a number: x' --last x
	wrong '--from: not a number: x' --from -x
	wrong '--from: not a number: -5' --from --5
	wrong '--from: not a number: ending' --from ending
	wrong '--from: must be from 0 to 18446744073709551614, not 18446744073709551615' --from -18446744073709551615
	for from in -5 end; do
		wrong '--last: does not go with --from -COUNT, which is the same, nor with --from end, which is --last 0' --last 5 --from $from
	done
}
