#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031,SC2317
# Time and origin of entries on three nodes with clocks of their own, which differ, jump, and go back.

bats_require_minimum_version 1.5.0

load helper

HOUR=3600000
CENTURY=2300000000000 # to about the year 2100
SLACK=10000           # how far a time may be after a majority's clocks

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/$n/raft.yaml"
		echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"
		clock "$n" 0
	done
}
teardown() {
	show_logs
	cluster_stop
}

now_ms() { date +%s%3N; }

# clock NODE MS: its clock is that far from the system's from now on.
clock() {
	echo "$2" >"$CLUSTER/$1/clock.new"
	mv "$CLUSTER/$1/clock.new" "$CLUSTER/$1/clock"
}

# In the place of the helper's: each with the clock of its node.
daemon_start() {
	spawn "$CLUSTER/$1/$2.log" env LD_PRELOAD="$TBIN/clock.so" CLOCK_FILE="$CLUSTER/$1/clock" \
		"$BIN/raft-$2" -c "$CLUSTER/$1/raft.yaml"
	echo "$SPAWNED" >"$CLUSTER/$1/$2.pid"
}

# stamps NODE: of each committed entry that the node has: index, kind, time, uid, node.
stamps() {
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 20 python3 - "$CLUSTER/$1/run/log" <<-'PY'
		import sys
		from wire import *
		c = Conn(sys.argv[1])
		c.hello()
		index, commit = 1, 1
		while index <= commit:
		    c.send("log_read", request=index, **{"from": index}, size_max=1 << 20, count_max=1000)
		    m = c.expect("log_entries")
		    commit, run = m["commit"], m["entries"]
		    if m["first_available"] > index:
		        index = m["first_available"]
		        continue
		    for _ in range(m["count"]):
		        kind, size, head = run[8], struct.unpack(">I", run[33:37])[0], 37
		        time, uid, node = 0, -1, ""
		        if kind & 0x80:
		            time, uid, node = struct.unpack(">QI32s", run[37:81])
		            node, head = node.rstrip(b"\0").decode(), 81
		        print(index, kind & 0x7f, time, uid, node)
		        run, index = run[head + size:], index + 1
		    assert run == b""
	PY
}

# in_order NODE [LEAST]: its times are all LEAST or later, and never decrease; those of level 1 come first.
in_order() {
	stamps "$1" >"$BATS_TEST_TMPDIR/stamps"
	[ -s "$BATS_TEST_TMPDIR/stamps" ]
	awk -v least="${2:-0}" '{ if ($3 < least) { print "decreases:", $0; exit 1 } least = $3 }' "$BATS_TEST_TMPDIR/stamps"
}
newest() { stamps "$1" | tail -n 1 | cut -d' ' -f3; } # NODE: the time of the newest entry

append() { printf 'line of %s\n' "$1" | timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" >/dev/null; } # NODE

leads() { [ "$(status "$1" elect role)" = leader ]; }
# lead NODE: it leads from now on.
lead() {
	handed() { leads "$1" || ctl "$1" transfer "$1"; }
	wait_until 20 handed "$1"
	wait_until 20 leads "$1"
	append "$1"
}

level_2() {
	wait_leader
	for n in $(nodes); do wait_until 20 has_level "$n" 3; done
}

caught_up() { [ "$(status "$1" log commit)" = "$(status "$2" log last)" ]; } # NODE NODE

@test "time: ⚠ times never decrease, whoever leads and whatever its clock says, and are never 10 s after a majority's" {
	# A century ahead, right, and a day behind: the middle one is what a majority has.
	clock n1 $CENTURY
	clock n3 -$((24 * HOUR))
	cluster_start
	level_2
	for n in n1 n3 n2 n1; do
		lead "$n"
		for _ in 1 2 3; do append "$n"; done
		in_order "$n"
		[ "$(newest "$n")" -le $(($(now_ms) + SLACK)) ]
	done
	# The one in the year 2100 uses the ten seconds, and no more.
	asked=$(now_ms)
	append n1
	[ "$(newest n1)" -gt "$asked" ]
	# Clocks jump, one back by an hour and one ahead by half of one, while they lead and while they follow.
	before=$(newest n1)
	clock n1 -$HOUR
	clock n2 $((HOUR / 2))
	for n in n1 n2 n3; do
		lead "$n"
		append "$n"
		in_order "$n"
		[ "$(newest "$n")" -ge "$before" ]
		# A majority has no more than n1 then.
		[ "$(newest "$n")" -le $((before > $(now_ms) + SLACK ? before : $(now_ms) + SLACK)) ]
	done
	# A leader that is killed: the next one has another clock.
	for n in n1 n2; do
		lead "$n"
		kill_9 "$n" elect
		other=$([ "$n" = n1 ] && echo n3 || echo n1)
		wait_until 30 led_by_another "$other" "$n"
		append "$other"
		daemon_start "$n" elect
		wait_until 20 has_level "$n" 3
	done
	for n in $(nodes); do
		append "$n"
		in_order "$n"
	done
	[ "$(stamps n1 | awk '$3 == 0' | wc -l)" -lt 5 ] # what came before level 2
}

@test "time: ⚠ times do not decrease after a compaction, an installed snapshot and a restart of all" {
	clock n1 $((2 * HOUR))
	clock n2 $((2 * HOUR))
	cluster_start
	level_2
	lead n1
	append n1
	before=$(newest n1)
	[ "$before" -gt $(($(now_ms) + HOUR)) ]
	for n in $(nodes); do clock "$n" 0; done
	# What raft-logd keeps of an installed snapshot counts, in memory and on the disk, not what raft-elect has received.
	for kept in elect 'elect logd'; do
		for d in elect peerd logd; do kill_9 n3 "$d"; done
		lead n1
		compacted n1 n2
		node_start n3
		wait_until 30 first_is n3 "$FIRST"
		for d in $kept; do kill_9 n3 "$d"; done
		for d in $kept; do daemon_start n3 "$d"; done
		wait_until 20 has_level n3 3
		lead n3
		in_order n3 "$before"
	done
	# And what it keeps of a log that was compacted.
	compacted n3 n1 n2
	again elect
	compacted n1 n2 n3
	again elect peerd logd
}
# compacted NODE...: they have equal logs, all of it is in a snapshot, and the first entry would be number FIRST.
compacted() {
	local n last
	for n in "$@"; do wait_until 20 caught_up "$n" "$1"; done
	last=$(status "$1" log commit)
	FIRST=$((last + 1))
	echo state >"$BATS_TEST_TMPDIR/state"
	for n in "$@"; do
		PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" add "$CLUSTER/$n/run/log" "$last" "$BATS_TEST_TMPDIR/state"
		wait_until 20 first_is "$n" "$FIRST"
	done
}
# again DAEMON...: those of all nodes are killed and started; the next leader continues from the time before.
again() {
	local n d
	for n in $(nodes); do for d; do kill_9 "$n" "$d"; done; done
	for n in $(nodes); do for d; do daemon_start "$n" "$d"; done; done
	wait_leader
	for n in $(nodes); do
		append "$n"
		in_order "$n" "$before"
	done
}
first_is() { [ "$(status "$1" log first)" = "$2" ]; } # NODE INDEX

@test "time: ⚠ when all clocks go back time stands still, and moves again when they have come back" {
	cluster_start
	level_2
	lead n1
	append n1
	before=$(newest n1)
	for n in $(nodes); do clock "$n" -$HOUR; done
	for n in n2 n3; do
		lead "$n"
		append "$n"
		[ "$(newest "$n")" -ge "$before" ]
		[ "$(newest "$n")" -le $((before + SLACK)) ]
	done
	for n in $(nodes); do clock "$n" 60000; done
	moved_on() { append n3 && [ "$(newest n3)" -ge $((before + 50000)) ]; }
	wait_until 20 moved_on
	in_order n3
}

@test "time: ⚠ origin is the node that took an entry and the uid of its client there, whatever the client wrote" {
	[ "$(id -u)" = 0 ] || { echo 'this test needs root: it becomes another user' >&2 && return 1; }
	for n in $(nodes); do sed -i "s/^\( *\)id: $n.*/&\n\1group: users/" "$CLUSTER/$n/raft.yaml"; done
	bin=$BATS_TEST_TMPDIR/bin
	cp -R "$BIN" "$bin"
	chmod -R a+rX "$bin"
	chmod a+x "$BATS_RUN_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")" "$BATS_TEST_TMPDIR" "$CLUSTER" "$CLUSTER/n2"
	chmod a+r "$CLUSTER/n2/raft.yaml" "$CLUSTER"/*.yaml 2>/dev/null || :
	for n in $(nodes); do install -d -m 750 -g users "$CLUSTER/$n/run"; done
	cluster_start
	level_2
	lead n1
	as_1000() { setpriv --reuid=1000 --regid="$(getent group users | cut -d: -f3)" --clear-groups -- timeout 20 "$@"; }
	echo 'of a user' | as_1000 "$bin/raft-append" -c "$CLUSTER/n2/raft.yaml"
	echo 'of root' | timeout 20 raft-append -c "$CLUSTER/n2/raft.yaml"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 20 python3 - "$CLUSTER/n2/run/elect" <<-'PY'
		import sys
		from wire import *
		record = entry(1, b"with a stamp", b"\x01" * 16)
		stamp = struct.pack(">QI32s", 4102444800000, 1234, b"n9")
		c = Conn(sys.argv[1])
		c.hello()
		c.propose(1, record[:8] + bytes([record[8] | 0x80]) + record[9:37] + stamp + record[37:])
		assert c.expect("answer")["pos"] != (0, 0)
	PY
	echo 'at the leader' | timeout 20 raft-append -c "$CLUSTER/n1/raft.yaml"
	timeout 20 raft-tail -c "$CLUSTER/n1/raft.yaml" -F json >"$BATS_TEST_TMPDIR/out"
	jq -r 'select(.data | test("line") | not) | [.origin, .data] | @tsv' "$BATS_TEST_TMPDIR/out" |
		diff - <(printf '%s\t%s\n' n2:1000 'of a user' n2:0 'of root' n2:0 'with a stamp' n1:0 'at the leader')
	[ "$(jq -r 'select(.data == "with a stamp").time' "$BATS_TEST_TMPDIR/out" | cut -c1-4)" = "$(date -u +%Y)" ]
	# Changes of the members, too: also those that are asked for at a follower.
	as_1000 "$bin/raft-ctl" -c "$CLUSTER/n2/raft.yaml" member demote --yes n3
	ctl n1 member promote n3
	caught_up_config() { [ "$(stamps n1 | awk '$2 == 1 && $3 > 0' | wc -l)" -eq 2 ]; }
	wait_until 20 caught_up_config
	[ "$(stamps n1 | awk '$2 == 1 && $3 > 0 { print $5 ":" $4 }' | tr '\n' ' ')" = 'n2:1000 n1:0 ' ]
	in_order n1
}

@test "time: framing json gives programs of mode sink and batch what raft-tail -F json prints" {
	echo "fsm: { framing: json, command: [ sh, -c, 'exec cat >$CLUSTER/n1/out' ] }" >>"$CLUSTER/n1/raft.yaml"
	echo "fsm: { framing: json, mode: batch, batch: { entries: 2 }, command: [ sh, -c, 'cat >>$CLUSTER/n2/out' ] }" >>"$CLUSTER/n2/raft.yaml"
	cluster_start
	level_2
	for n in $(nodes); do append "$n"; done
	timeout 20 raft-tail -c "$CLUSTER/n3/raft.yaml" -F json >"$CLUSTER/want"
	[ "$(jq -r .origin "$CLUSTER/want" | tr '\n' ' ')" = "n1:$(id -u) n2:$(id -u) n3:$(id -u) " ]
	for n in n1 n2; do wait_until 20 same "$CLUSTER/want" "$CLUSTER/$n/out"; done
}
