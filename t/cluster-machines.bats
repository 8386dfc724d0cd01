#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Three nodes run the same machine in awk, in Python and in C, and end with the same state whatever dies in the
# middle of the load; raft-append -r has each reply once, and a durable program each index.

bats_require_minimum_version 1.5.0
load helper

setup() {
	local n
	cluster_init "$BATS_TEST_TMPDIR/c"
	machine n1 "$ROOT/etc/examples/kv.awk"
	machine n2 "$ROOT/etc/examples/kv-durable.py, kv.sqlite"
	machine n3 'raft-kv, -D, kv.db'
	# What n2's program makes durable, an index for each entry; one that came again would be an error there.
	timeout 10 sqlite3 "$CLUSTER/n2/kv.sqlite" 'CREATE TABLE seen (idx INTEGER PRIMARY KEY);
		CREATE TABLE applied (one INTEGER PRIMARY KEY CHECK (one = 1), idx INTEGER NOT NULL);
		CREATE TRIGGER once AFTER UPDATE ON applied BEGIN INSERT INTO seen VALUES (new.idx); END'
	cluster_start
	wait_leader
	for n in $(nodes); do wait_until 30 has_fsm "$n"; done
	CLIENTS=()
}
teardown() { stop_all; }

machine() { printf 'fsm:\n  mode: machine\n  command: [ %s ]\n' "$2" >>"$CLUSTER/$1/raft.yaml"; }
has_fsm() { [ "$(status "$1" fsm state)" = running ]; }
query() { # query NODE QUERY...
	local node=$1
	shift
	timeout 60 raft-query -c "$CLUSTER/$node/raft.yaml" "$@"
}

# client NODE: appends through this node, one command in two "incr sum", until there is a file "enough"; what it has
# put, its replies and its status are in files.  It puts 20 lines at a time, so that all that is killed is
# killed in the middle.
client() {
	local t=$BATS_TEST_TMPDIR
	: >"$t/$1.in"
	: >"$t/$1.out"
	{
		s=0
		for ((i = 1; ; i++)); do
			printf "put $1key%d value %d of $1\nincr sum\n" "$i" "$i"
			[ $((i % 10)) -ne 0 ] || [ ! -e "$t/enough" ] || break
			[ $((i % 10)) -ne 0 ] || sleep 0.05
		done | tee "$t/$1.in" |
			timeout 150 raft-append -r -v -t 60s -c "$CLUSTER/$1/raft.yaml" >"$t/$1.out" 2>"$t/$1.err" || s=$?
		echo "$s" >"$t/$1.status"
	} 3>&- &
	CLIENTS+=($!)
}

some_replies() { [ "$(cat "$BATS_TEST_TMPDIR"/*.out | wc -l)" -ge $((DONE + 60)) ]; }
go_on() {
	DONE=$(cat "$BATS_TEST_TMPDIR"/*.out | wc -l)
	wait_until 30 some_replies
}

# finish: the clients are told to end; every reply came once, or was said to be lost.
finish() {
	local n lost=0 all t=$BATS_TEST_TMPDIR
	: >"$t/enough"
	for n in "${CLIENTS[@]}"; do wait "$n"; done
	all=$(cat "$t"/n?.in | grep -cx 'incr sum')
	for n in $(nodes); do
		cat "$t/$n.err"
		[ "$(wc -l <"$t/$n.out")" -eq "$(wc -l <"$t/$n.in")" ]
		# Refused is nothing here: only a lost reply may end a client badly.
		if grep -q ' lost$' "$t/$n.out"; then
			[ "$(cat "$t/$n.status")" -eq 76 ]
		else
			[ "$(cat "$t/$n.status")" -eq 0 ]
		fi
		[ "$(grep -c 'its reply is lost' "$t/$n.err")" -eq "$(grep -c ' lost$' "$t/$n.out")" ]
		# An entry a line: no index twice, and in order.
		cut -d' ' -f1 "$t/$n.out" | sort -nuC
	done
	# A program in memory is given all again, so its replies are never lost.  A durable one may be killed
	# between its commit and its word.
	[ "$(cat "$t/n1.status")" -eq 0 ]
	run ! grep -qh "^0 " "$t"/n?.out
	# The sums that were replied: each at most once, and all but those that were lost.
	paste -d'|' <(cat "$t"/n?.in) <(cat "$t"/n?.out) | sed -n 's/^incr sum|//p' >"$t/sums"
	lost=$(grep -c ' lost$' "$t/sums" || :)
	sed -n 's/.* ok //p' "$t/sums" | sort -n >"$t/replied"
	[ "$(uniq -d "$t/replied" | wc -l)" -eq 0 ]
	[ $(($(wc -l <"$t/replied") + lost)) -eq "$all" ]
	[ "$(tail -n 1 "$t/replied")" -le "$all" ]
	echo "# $all increments: $(wc -l <"$t/replied") replies, each once, and $lost said to be lost" >&3
	# Applied once each, on every node, and all else is the same too.
	for n in $(nodes); do
		[ "$(query "$n" 'get sum')" = "$all" ]
		query "$n" list | tr ' ' '\n' >"$t/$n.keys"
		sed 's/^/get /' "$t/$n.keys" | query "$n" >"$t/$n.values"
		cmp "$t/n1.keys" "$t/$n.keys"
		cmp "$t/n1.values" "$t/$n.values"
	done
	[ "$(wc -l <"$t/n1.keys")" -eq $((all + 1)) ]
	# The durable program had each index once, and every one.
	timeout 60 raft-tail -F json -c "$CLUSTER/n2/raft.yaml" | jq .index >"$t/indexes"
	[ "$(wc -l <"$t/indexes")" -eq $((2 * all)) ]
	sqlite3 -cmd '.timeout 5000' "$CLUSTER/n2/kv.sqlite" 'SELECT idx FROM seen ORDER BY idx' | cmp - "$t/indexes"
}

@test "machines: awk, Python and raft-kv end equal, and every reply comes, while programs and leaders die" {
	for n in $(nodes); do client "$n"; done
	for _ in 1 2; do
		for n in $(nodes); do
			go_on
			program_kill "$n"
		done
		go_on
		leads=$(leader)
		reap KILL "$(daemon_pid "$leads" elect)"
		daemon_start "$leads" elect
		wait_leader 30
	done
	finish
}

node_kill() { # NODE: all of it at once
	local d
	for d in fsm elect peerd logd; do kill -KILL "$(daemon_pid "$1" "$d")"; done
	for d in fsm elect peerd logd; do wait_until 10 gone "$(daemon_pid "$1" "$d")"; done
}

@test "machines: awk, Python and raft-kv end equal while each daemon of each node and whole nodes die" {
	for n in $(nodes); do client "$n"; done
	for n in $(nodes); do
		for d in logd peerd elect fsm; do
			go_on
			kill_9 "$n" "$d"
			daemon_start "$n" "$d"
		done
		go_on
		node_kill "$n"
		go_on
		node_start "$n"
		wait_until 30 has_fsm "$n"
	done
	finish
}
