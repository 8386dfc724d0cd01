#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Three nodes run the same machine in awk, in Python and in C, and end with the same state whatever dies in the
# middle of the load; raft-append -r has each reply once.

load helper

setup() {
	local n
	cluster_init "$BATS_TEST_TMPDIR/c"
	machine n1 "$ROOT/etc/examples/kv.awk"
	machine n2 "$ROOT/etc/examples/kv-durable.py, kv.sqlite"
	machine n3 'raft-kv, -D, kv.db'
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

# client NODE COUNT: appends through this node, one command in two "incr sum"; replies and status in files.
client() {
	local t=$BATS_TEST_TMPDIR
	seq "$2" | sed "s/.*/put $1key$((RANDOM % 100))& value & of $1\nincr sum/" >"$t/$1.in"
	{
		s=0
		# Slowly enough that all that is killed is killed in the middle.
		while read -r line; do
			echo "$line"
			[ $((++i % 20)) -ne 0 ] || sleep 0.05
		done <"$t/$1.in" | timeout 120 raft-append -r -v -t 60s -c "$CLUSTER/$1/raft.yaml" >"$t/$1.out" 2>"$t/$1.err" || s=$?
		echo "$s" >"$t/$1.status"
	} 3>&- &
	CLIENTS+=($!)
}

some_replies() { [ "$(cat "$BATS_TEST_TMPDIR"/*.out | wc -l)" -ge $((DONE + 60)) ]; }
go_on() {
	DONE=$(cat "$BATS_TEST_TMPDIR"/*.out | wc -l)
	wait_until 30 some_replies
}

# finish COUNT: the clients have ended; every reply came once, or was said to be lost.
finish() {
	local n lost=0 all=$((3 * $1)) t=$BATS_TEST_TMPDIR
	for n in "${CLIENTS[@]}"; do wait "$n"; done
	for n in $(nodes); do
		cat "$t/$n.err"
		[ "$(wc -l <"$t/$n.out")" -eq $((2 * $1)) ]
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
}

@test "machines: awk, Python and raft-kv end equal, and every reply comes, while programs and leaders die" {
	for n in $(nodes); do client "$n" 700; done
	for _ in 1 2; do
		for n in $(nodes); do
			go_on
			kill -KILL "$(status "$n" fsm pid)"
		done
		go_on
		leads=$(leader)
		reap KILL "$(daemon_pid "$leads" elect)"
		daemon_start "$leads" elect
		wait_leader 30
	done
	finish 700
	# A durable program has no entry again, and its replies outlast it in raft-fsm: none was lost.
	[ "$(cat "$BATS_TEST_TMPDIR"/n?.status | sort -u)" = 0 ]
}
