#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-tail --since and --until: entries by their time, found by bisection.
# sanitize

bats_require_minimum_version 1.5.0

load helper
load logd

BASE=1700000000000

iso() { date -u -d "@$(($1 / 1000)).$(printf %03d $(($1 % 1000)))" +%Y-%m-%dT%H:%M:%S.%3NZ; } # MS

# entries FIRST COUNT [TIME STEP]: committed ones, with stamps from TIME on, or without stamps.
entries() {
	{
		echo 'hello A elector'
		echo "write A number=1 term=1 vote=n1 first=$1 count=$2 ${3:+time=$3 step=$4}"
		echo 'stored A 1'
		echo "commit A index=$(($1 + $2 - 1)) term=1"
		echo 'hello Z client'
		echo 'text Z status' # in order: it is committed then
	} | tell "$D" >/dev/null
}

# node [KEYS]: ten entries of level 1, then, from BASE on, a hundred a second apart.
node() {
	logd_make "$D"
	sed -i "s/logd: {/logd: { ${1:+$1,}/" "$D/raft.yaml"
	logd_start "$D"
	entries 1 10
	entries 11 100 $BASE 1000
}

tail_d() { timeout 20 raft-tail -c "$D/raft.yaml" "$@" 2>"$D/err"; }

# prints FIRST LAST OPTION...: raft-tail with these options prints exactly these entries, without a word.
prints() {
	local first=$1 last=$2
	shift 2
	tail_d "$@" >"$D/out"
	diff <(seq -f 'entry-%.0f' "$first" "$last") "$D/out" || { echo "$*" && return 1; }
	[ ! -s "$D/err" ]
}

@test "tail: --since and --until include their time, to the millisecond" {
	node
	for i in 11 12 13 60 61 109 110; do
		at=$((BASE + (i - 11) * 1000))
		prints $i 110 --since "$(iso $at)"
		prints $i 110 --since "$(iso $((at - 1)))"
		prints $((i + 1)) 110 --since "$(iso $((at + 1)))"
		prints 1 $i --until "$(iso $at)"
		prints 1 $((i - 1)) --until "$(iso $((at - 1)))"
		prints 1 $i --until "$(iso $((at + 1)))"
	done
	prints 21 30 --since "$(iso $((BASE + 10000)))" --until "$(iso $((BASE + 19000)))"
	prints 1 0 --since "$(iso $((BASE + 19000)))" --until "$(iso $((BASE + 10000)))"
	# The zone of the one who asks.
	prints 21 110 --since "$(TZ=Asia/Kolkata date -d "@$(((BASE + 10000) / 1000))" +%Y-%m-%dT%H:%M:%S%:z)"
}

@test "tail: entries without a time are before any" {
	node
	prints 11 110 --since 1970-01-01T00:00:00.001Z
	prints 1 110 --since 1970-01-01
	prints 1 10 --until 2000-01-01
	prints 1 10 --until 1960-01-01
	prints 11 110 --since 2000-01-01
	tail_d -F json >"$D/out"
	[ "$(jq -c 'select(.index <= 10) | [has("time"), has("origin")]' "$D/out" | sort -u)" = '[false,false]' ]
	[ "$(jq -c 'select(.index == 12) | [.time, .origin]' "$D/out")" = "[\"$(iso $((BASE + 1000)))\",\"n2:1000\"]" ]
}

@test "tail: of entries of one time --since and --until take all or none" {
	node
	entries 111 50 $((BASE + 200000)) 0
	prints 111 160 --since "$(iso $((BASE + 200000)))"
	prints 161 160 --since "$(iso $((BASE + 200001)))"
	prints 1 160 --until "$(iso $((BASE + 200000)))"
	prints 1 110 --until "$(iso $((BASE + 199999)))"
}

@test "tail: --since and --until go with --from, --to and -N" {
	node
	at=$(iso $((BASE + 39000))) # entry 50
	prints 60 110 --since "$at" --from 60
	prints 50 110 --since "$at" --from 40
	prints 50 55 --since "$at" --to 55
	prints 1 0 --since "$at" --to 49
	prints 50 52 --since "$at" -N 3
	prints 45 50 --until "$at" --from 45
	prints 1 0 --until "$at" --from 51
	prints 1 40 --until "$at" --to 40
}

@test "tail: an age is counted back from now" {
	logd_make "$D"
	logd_start "$D"
	now=$(date +%s%3N)
	# Each ten minutes, up to five minutes ago.
	entries 1 288 $((now - 48 * 3600000 + 300000)) 600000
	prints 283 288 --since 1h
	prints 145 288 --since 1d
	prints 1 288 --since 99999d
	prints 289 288 --since 4m
	prints 1 282 --until 1h
	prints 145 282 --since 24h --until 1h
	prints 1 288 --until 0s
}

@test "tail: -f --since prints what comes with that time or later, and no older ones" {
	node
	timeout 60 raft-tail -c "$D/raft.yaml" -f --since "$(iso $((BASE + 300000)))" --until "$(iso $((BASE + 400000)))" \
		>"$D/out" 2>"$D/err" 3>&- &
	tailing=$!
	reading() { log_status "$D" && [ "$(value readers)" -ge 1 ]; }
	wait_until 10 reading
	entries 111 10 $((BASE + 200000)) 1000
	entries 121 10 $((BASE + 300000)) 1000
	wait_until 10 grown "$D/out" 10
	entries 131 1 $((BASE + 400000)) 0
	wait_until 10 grown "$D/out" 11
	# A later one ends it, and is not printed.
	entries 132 1 $((BASE + 400001)) 0
	wait "$tailing"
	diff <(seq -f 'entry-%.0f' 121 131) "$D/out"
	[ ! -s "$D/err" ]
}

@test "tail: --since says so when entries of that time may be compacted away, and only then" {
	node 'keep_tail: 0B'
	head -c 100 /dev/urandom >"$D/state"
	PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" add "$D/run/log" 50 "$D/state"
	wait_until 10 has_status "$D" first 51
	prints 52 110 --since "$(iso $((BASE + 41000)))"
	prints 61 110 --since "$(iso $((BASE + 50000)))"
	for since in "$(iso $((BASE + 40000)))" "$(iso $BASE)" 2000-01-01; do
		tail_d --since "$since" >"$D/out"
		diff <(seq -f 'entry-%.0f' 51 110) "$D/out"
		[ "$(cat "$D/err")" = 'raft-tail: the entries before 51 are compacted away, and with them perhaps some of the time that is asked for' ]
	done
	# What begins after the gap misses nothing.
	prints 60 110 --since 2000-01-01 --from 60
	# Without --since it is as ever.
	run timeout 20 raft-tail -c "$D/raft.yaml" --until 1h
	[ "$status" -eq 4 ]
}

@test "tail: --since asks for an entry per step of a bisection: 100000 entries, 17 steps" {
	logd_make "$D"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$D/run/log" "$D/reads" <<-'PY' 3>&- &
		import sys
		from wire import *
		COUNT, BASE = 100000, 1700000000000
		def stamped(index):
		    data = b"entry-%d" % index
		    return (struct.pack(">QB16sQI", 1, CLIENT_ENTRY | 0x80, b"", 0, len(data))
		            + struct.pack(">QI32s", BASE + index * 1000, 1000, b"n2") + data)
		listener = listen(sys.argv[1])
		while True:
		    c = accept(listener, 60)
		    c.expect("hello")
		    c.send("hello_reply", version=1, low=1, high=1, node="n1", start=1)
		    with open(sys.argv[2], "w") as reads:
		        while (got := c.recv()) is not None:
		            m = got[1]
		            count = min(m["count_max"], COUNT + 1 - m["from"], 1000)
		            print(m["from"], count, file=reads, flush=True)
		            c.send("log_entries", request=m["request"], first_index=m["from"], first_available=1, commit=COUNT,
		                   count=count, entries=b"".join(stamped(m["from"] + i) for i in range(count)))
	PY
	server=$!
	wait_until 10 test -S "$D/run/log"
	for i in 1 2 33333 50000 77777 99998 100000; do
		prints $i $((i + 2 > 100000 ? 100000 : i + 2)) --since "$(iso $((BASE + i * 1000)))" -N 3
		# One to know the log's ends, one per step, and those that are printed.
		[ "$(awk '$2 == 1' "$D/reads" | wc -l)" -le $((1 + 17 + 1)) ]
		[ "$(wc -l <"$D/reads")" -le $((1 + 17 + 2)) ]
	done
	kill "$server"
}

@test "tail: --since and --until that are no time are one sentence and 64" {
	for option in --since --until; do
		for value in '' yesterday 2026-13-01 2026-02-29 2026-11-30T25:00 2026-11-30T07 90 -1h 1.5h 10000-01-01 99999999999999999999d; do
			run timeout 10 raft-tail -c "$D/raft.yaml" "$option" "$value"
			echo "$option $value -> $status $output"
			[ "$status" -eq 64 ]
			[ "$output" = "raft-tail: $option $value: not a time as 2026-11-30T07:05Z (UTC), nor an age as 90s, 2h or 3d" ]
		done
	done
}
