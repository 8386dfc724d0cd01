#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# A snapshot on its way over a slow link, with and without a limit, and what is appended meanwhile.
# long

load helper
load net

RATE=$((512 << 10))

setup() {
	need_namespaces
	net_cluster "$BATS_TEST_TMPDIR/c" 3
	# Nothing is kept behind a snapshot, and no program has to have read it.
	cluster_stop
	for n in $(nodes); do
		sed -i '/^fsm:/,$d' "$CLUSTER/$n/raft.yaml"
		echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"
	done
}
teardown() { [ -z "${CLUSTER:-}" ] || net_cluster_down; }

limit() { # YAML SIZE
	for n in $(nodes); do sed -i "s/^peerd:/peerd:\n  bulk_rate: $1/" "$CLUSTER/$n/raft.yaml"; done
}
append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml"; } # NODE <LINES
last_of() { status "$1" log last; }
has_snapshot() { [ "$(status "$1" log snapshot)" = "$2" ]; }
# compacted NODE INDEX: the state file is its snapshot there.
compacted() {
	PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" add "$CLUSTER/$1/run/log" "$2" "$BATS_TEST_TMPDIR/state" >/dev/null
	wait_until 20 has_snapshot "$1" "$2"
}
moving() { [ "$(stat -c %s "$CLUSTER/$1/data/snapshots/incoming" 2>/dev/null || echo 0)" -gt 600000 ]; }

# moves SIZE: a follower was away, and needs a snapshot of that size; the median time of an append meanwhile in $P50.
moves() {
	local F G d at
	cluster_start
	wait_until 30 agreed
	L=$(quiet_leader)
	read -r F G < <(others "$L" | xargs)
	for d in elect peerd logd; do kill_9 "$F" "$d"; done
	seq 2000 | append "$L"
	head -c "$1" /dev/urandom >"$BATS_TEST_TMPDIR/state"
	at=$(($(last_of "$L") - 10))
	for n in "$L" "$G"; do compacted "$n" "$at"; done
	for n in $(nodes); do slow "$n"; done
	T=$(status "$L" elect term)
	for d in logd peerd elect; do daemon_start "$F" "$d"; done
	wait_until 20 moving "$F"
	P50=$(timeout 60 raft-bench -c "$CLUSTER/$L/raft.yaml" -N 20 -w 1 -s 100 | tr ' ' '\n' | sed -n 's/^p50_us=//p')
	moving "$F"
	wait_until 60 has_snapshot "$F" "$at"
	for n in $(nodes); do fast "$n"; done
	now=$(status "$L" elect term)
	echo "terms: $T before, $now after; an append takes $P50 us"
	grep -h 'ev=snapshot peer=.*the peer has it' "$CLUSTER/$L/elect.log" | tail -n 1 >"$BATS_TEST_TMPDIR/line"
	cat "$BATS_TEST_TMPDIR/line"
}
value() { tr ' ' '\n' <"$BATS_TEST_TMPDIR/line" | sed -n "s/^$1=//p"; }

@test "bulk: on 10 Mbit/s a limited snapshot is sent at its rate, and appends do not wait behind it as behind an unlimited one" {
	moves 5000000
	without=$P50
	cluster_stop
	limit 512KiB
	moves 5000000
	[ "$now" -eq "$T" ]
	[ "$((P50 * 2))" -lt "$without" ]
	# Pieces, not more than half again of them, and no faster than was said.
	[ "$(($(value bytes) * 1000 / $(value ms)))" -le $((RATE + RATE / 4)) ]
	sent=$(ctl "$L" -j status | jq '[.peers[].sent_bytes] | add')
	[ "$sent" -lt 12000000 ]
}
