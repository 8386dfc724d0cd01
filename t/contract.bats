#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The delivery contract on real nodes: one for all replicas, changed by an entry, and a durable program of this log alone.
# shellcheck disable=SC2030,SC2031

bats_require_minimum_version 1.5.0
load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c"
	for n in $(nodes); do cp "$CLUSTER/$n/raft.yaml" "$CLUSTER/$n/bare.yaml"; done
	ERR=$BATS_TEST_TMPDIR/err
}
teardown() {
	show_logs
	cluster_stop
}

# machine NODE [LINE OF fsm:]...: raft-kv with these keys; a line that begins with a section is one of its own.
machine() {
	local node=$1 line
	{
		cat "$CLUSTER/$node/bare.yaml"
		printf 'fsm:\n  mode: machine\n  stop_timeout: 1s\n'
		for line in "${@:2}"; do echo "  $line"; done
	} >"$CLUSTER/$node/raft.yaml"
}
LINES_KV='command: [ raft-kv ]'
NETSTRINGS_KV='command: [ raft-kv, -F, netstring ]'
CHAINED_KV='command: [ raft-kv, -D, kv.db ]'
begin() { # begin [LINE OF fsm:]...: the same on all nodes
	for n in $(nodes); do machine "$n" "$@"; done
	cluster_start
	wait_until 30 agreed
}
# again NODE [LINE OF fsm:]...: raft-fsm with another configuration.
again() {
	reap TERM "$(daemon_pid "$1" fsm)"
	machine "$@"
	daemon_start "$1" fsm
}
fsm_is() { [ "$(status "$1" fsm "$2")" = "$3" ]; } # NODE KEY VALUE
stopped() { fsm_is "$1" state contract; }
# The log of n1 has a contract, and each program has come to it.
agreed() {
	local n
	for n in $(nodes); do
		fsm_is "$n" state running && [ "$(status "$n" fsm contract)" -gt 0 ] || return 1
	done
}
append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" "${@:2}"; }
query() { timeout 60 raft-query -c "$CLUSTER/$1/raft.yaml" "${@:2}"; }
# same_everywhere QUERY ANSWER
same_everywhere() {
	for n in $(nodes); do
		[ "$(query "$n" "$1")" = "$2" ] || {
			echo "$n: $(query "$n" "$1")"
			return 1
		}
	done
}
newest() { ctl "$1" -j contract show | jq '.contracts[-1].index'; }
kv() { [ "$(ctl n1 -j contract show | jq -r ".contracts[-1].$1")" = "$2" ]; }

@test "contract: nodes propose it by themselves, one is committed, and contract show prints it on each" {
	begin "$LINES_KV" 'format: kv-1' 'fields: [ time, origin ]'
	for n in $(nodes); do
		ctl "$n" -j contract show | jq -c '[.level, (.contracts | length), .contracts[0].framing, .contracts[0].fields,
			.contracts[0].reply_max, .contracts[0].entry_max, .contracts[0].format]' >"$BATS_TEST_TMPDIR/json"
		[ "$(cat "$BATS_TEST_TMPDIR/json")" = '[3,1,"line","time,origin",1048576,1048576,"kv-1"]' ]
		[ "$(newest "$n")" -eq "$(newest n1)" ]
	done
	ctl n2 contract show >"$BATS_TEST_TMPDIR/text"
	diff "$BATS_TEST_TMPDIR/text" - <<-END
		level=3  contract=$(newest n1)
		index  framing  fields       reply_max  entry_max  format
		$(newest n1 | awk '{ printf "%-5s", $1 }')  line     time,origin  1048576    1048576    kv-1
	END
	# What is the same already needs no entry.
	before=$(newest n1)
	ctl n3 -v contract set
	[ "$(newest n3)" -eq "$before" ]
}

@test "contract: ⚠ a node whose configuration differs in one key stops its program, names the key, and continues once it agrees" {
	begin "$LINES_KV"
	echo 'put a 1' | append n1
	for differs in 'framing: netstring' 'fields: [chain]' 'reply_max: 2MiB' 'format: other'; do
		command=$LINES_KV
		[ "$differs" != 'framing: netstring' ] || command=$NETSTRINGS_KV
		again n3 "$command" "$differs"
		wait_until 20 stopped n3
		key=${differs%%:*} here=${differs#*: }
		[[ $(status n3 fsm why) == "fsm.$key is $here here, and "*" in the contract of entry $(newest n1), to which all nodes keep: "* ]]
		run -69 timeout 30 raft-query -t 3s -c "$CLUSTER/n3/raft.yaml" 'get a'
		[[ $output == *"fsm.$key is $here here"* ]]
	done
	sed -i 's/^elect:/&\n  entry_max: 2MiB/' "$CLUSTER/n3/bare.yaml"
	again n3 "$LINES_KV"
	wait_until 20 stopped n3
	ctl n3 status | grep -q '^  *why=elect.entry_max is 2MiB here, and 1MiB in the contract of entry '
	# The others are not concerned, and the node is a member like before.
	echo 'put b 2' | append n3
	[ "$(query n1 'list')" = 'a b' ]
	sed -i 's/entry_max: 2MiB/entry_max: 1MiB/' "$CLUSTER/n3/bare.yaml"
	again n3 "$LINES_KV"
	wait_until 20 fsm_is n3 state running
	same_everywhere list 'a b'
}

@test "contract: ⚠ a change is in force from its index, also for a program from the first entry and from a snapshot" {
	begin "$LINES_KV"
	printf 'put a 1\nput b 2\n' | append n1
	# A newline is refused at each node, before it is in the log.
	for n in $(nodes); do
		printf '23:3:put,2:nl,9:two\nlines,,' | append "$n" -F netstring 2>"$ERR" && status=0 || status=$?
		[ "$status" -eq 65 ]
	done
	last=$(status n1 elect last)
	again n1 "$NETSTRINGS_KV" 'framing: netstring'
	wait_until 20 stopped n1
	[ "$(status n1 elect last)" -eq "$last" ]
	ctl n1 -v contract set 2>"$ERR"
	[ "$(cat "$ERR")" = 'raft-ctl: contract set: fsm.framing is netstring, was line' ]
	change=$(newest n1)
	[ "$change" -gt "$last" ]
	# This one continues by itself, the others stop at that entry.
	wait_until 20 fsm_is n1 state running
	for n in n2 n3; do
		wait_until 20 stopped "$n"
		fsm_is "$n" delivered "$change"
		ctl "$n" status | grep -q "why=fsm.framing is line here, and netstring in the contract of entry $change,"
	done
	printf '23:3:put,2:nl,9:two\nlines,,' | append n1 -F netstring
	for n in n2 n3; do
		again "$n" "$NETSTRINGS_KV" 'framing: netstring'
		wait_until 20 fsm_is "$n" state running
	done
	# n2 and n3 have begun at the first entry, in memory; n1 restores a snapshot.
	ctl n1 snapshot >/dev/null
	kill_9 n1 fsm
	daemon_start n1 fsm
	same_everywhere 4:list, $'1:a,1:1,1:b,1:2,2:nl,9:two\nlines,'
	grep -q 'ev=restore' "$CLUSTER/n1/fsm.log"
	# Back to lines: a program in memory cannot have what lines cannot hold, unless a snapshot is after it.
	for n in $(nodes); do again "$n" "$LINES_KV"; done
	ctl n2 contract set
	wait_until 20 fsm_is n1 state running
	[ "$(query n1 'get a')" = 1 ]
	for n in n2 n3; do
		wait_until 20 stopped "$n"
		wait_until 20 why_is "$n" 'holds a newline, which the contract of entry .* allowed'
	done
}
why_is() { ctl "$1" status | grep -qE "^  *why=.*$2"; }

@test "contract: ⚠ of two nodes that start with different configurations one is agreed with, and the other one stops" {
	machine n1 "$LINES_KV" 'format: one'
	machine n2 "$LINES_KV" 'format: two'
	cluster_start
	ctl n3 wait
	settled() { [ "$(status n1 fsm state) $(status n2 fsm state)" = "$1" ]; }
	wait_until 30 eval 'settled "running contract" || settled "contract running"'
	[ "$(ctl n3 -j contract show | jq '.contracts | length')" -eq 1 ]
	winner=n1 loser=n2
	if fsm_is n2 state running; then winner=n2 loser=n1; fi
	echo 'put a 1' | append n3
	[ "$(query "$winner" 'get a')" = 1 ]
	[ "$(status "$loser" fsm delivered)" -le "$(newest n3)" ]
	# It may make its own the cluster's: then the other one stops.
	ctl "$loser" contract set
	wait_until 20 fsm_is "$loser" state running
	wait_until 20 stopped "$winner"
	[ "$(query "$loser" 'get a')" = 1 ]
}

@test "contract: at level 1 there is none, and entries are delivered by the configuration" {
	# A member that has never answered keeps the cluster at level 1.
	for n in $(nodes); do machine "$n" "$LINES_KV"; done
	node_start n1
	node_start n2
	ctl n1 wait
	printf 'put a 1\nput b 2\n' | append n1 -r
	[ "$(query n2 list)" = 'a b' ]
	[ "$(ctl n1 contract show)" = 'level=1  contract=none' ]
	[ "$(ctl n1 -j contract show)" = '{"level":1,"contracts":[]}' ]
	run -75 ctl n1 contract set
	[ "$output" = 'raft-ctl: contract set: the cluster is at level 1, and contracts need level 2, which it reaches when all members have programs that support it' ]
	fsm_is n1 contract 0
	# It comes with the level, without a start of anything.
	node_start n3
	wait_until 30 agreed
	echo 'put c 3' | append n3 -r
	same_everywhere list 'a b c'
	fsm_is n1 restarts 0
}

@test "contract: set without a machine, and what is no command, are one sentence" {
	machine n1 "$LINES_KV"
	echo 'fsm: { command: [ cat ] }' >>"$CLUSTER/n2/raft.yaml"
	for node in n2 n3; do
		run -78 ctl "$node" contract set
		[[ $output == "raft-ctl: contract set: fsm.mode is not machine in $CLUSTER/$node/raft.yaml: only machines have a contract" ]]
	done
	for wrong in '' 'what' 'show more'; do
		# shellcheck disable=SC2086
		run -64 ctl n1 contract $wrong
		[ "${#lines[@]}" -eq 1 ]
	done
	run -64 ctl n1 -j contract set
}

# ------------------------------------------------------- durable programs

@test "chain: ⚠ a durable program that kept its files is refused after a restore from a backup, though its index is committed" {
	cluster_stop
	cluster_init "$BATS_TEST_TMPDIR/one" 1
	cp "$CLUSTER/n1/raft.yaml" "$CLUSTER/n1/bare.yaml"
	app=$BATS_TEST_TMPDIR/app
	mkdir "$app"
	begin "command: [ raft-kv, -D, $app/kv.db ]" 'fields: [ chain ]'
	seq 100 | sed 's/.*/put k& old/' | append n1 -r >/dev/null
	ctl n1 snapshot -o "$BATS_TEST_TMPDIR/backup"
	seq 50 | sed 's/.*/put later& old/' | append n1 -r >/dev/null
	cluster_stop
	raft-init --restore "$BATS_TEST_TMPDIR/backup" --cluster again -N 1 -p "$(free_ports 1)" "$BATS_TEST_TMPDIR/again"
	CLUSTER=$BATS_TEST_TMPDIR/again
	cp "$CLUSTER/n1/raft.yaml" "$CLUSTER/n1/bare.yaml"
	# Beyond the index that the program holds before it starts.
	machine n1 'command: [ raft-kv ]' 'fields: [ chain ]'
	node_start n1
	ctl n1 wait
	seq 300 | sed 's/.*/put new& x/' | append n1 -r >/dev/null
	again n1 "command: [ raft-kv, -D, $app/kv.db ]" 'fields: [ chain ]'
	wait_until 20 fsm_is n1 state foreign
	ctl n1 status | grep -qE 'why=the program holds entries up to [0-9]+ with the chain [0-9a-f]{32}, and the log has the chain [0-9a-f]{32} there: its state is of another history'
	run -69 timeout 30 raft-query -t 3s -c "$CLUSTER/n1/raft.yaml" 'get new1'
	[[ $output == *'its state is of another history'* ]]
	[ "$(sqlite3 "$app/kv.db" "SELECT count(*) FROM pairs WHERE key = CAST('new1' AS BLOB)")" -eq 0 ]
	mkdir "$app/away"
	mv "$app"/kv.db* "$app/away"
	ctl n1 fsm restart
	wait_until 20 fsm_is n1 state running
	[ "$(query n1 'get new300')" = x ]
	run ! query n1 'get later1'
}

# The program has ended, so that its file can be read.
has_chain() { [ "$(sqlite3 "file:$CLUSTER/$1/kv.db?mode=ro" 'SELECT length(chain) FROM chain' 2>/dev/null)" = 32 ]; }

@test "chain: a database of raft-kv without chains continues when the contract gets them, and has one from the next entry on" {
	begin "$CHAINED_KV"
	printf 'put a 1\nput b 2\n' | append n1 -r
	for n in $(nodes); do again "$n" "$CHAINED_KV" 'fields: [ chain ]'; done
	wait_until 20 stopped n2
	ctl n1 contract set
	wait_until 30 agreed
	same_everywhere list 'a b'
	echo 'put c 3' | append n2 -r
	same_everywhere list 'a b c'
	for n in $(nodes); do
		kill_9 "$n" fsm
		wait_until 20 has_chain "$n"
		daemon_start "$n" fsm
	done
	echo 'incr n' | append n3 -r
	same_everywhere list 'a b c n'
	for n in $(nodes); do fsm_is "$n" restarts 0; done
}

@test "chain: the durable machines of etc/examples and raft-kv say the chain of the log after each start" {
	ex=$ROOT/etc/examples
	machine n1 "$CHAINED_KV" 'fields: [ chain ]'
	machine n2 "command: [ $ex/kv.awk, -v, journal=kv.journal ]" 'fields: [ chain ]'
	machine n3 "command: [ $ex/kv-durable.py, kv.sqlite ]" 'fields: [ chain ]'
	cluster_start
	wait_until 30 agreed
	for round in 1 2 3; do
		seq 10 | sed "s/.*/put k& $round/" | append n1 -r >/dev/null
		echo 'incr n' | append n2
		same_everywhere 'get n' "$round"
		# One after a snapshot, which replaces what the program of n3 holds.
		[ "$round" -ne 2 ] || ctl n3 snapshot >/dev/null
		for n in $(nodes); do
			kill_9 "$n" fsm
			daemon_start "$n" fsm
		done
		same_everywhere 'get k7' "$round"
		for n in $(nodes); do fsm_is "$n" state running; done
	done
	# A file of another history, of the same index, is refused.
	for n in $(nodes); do kill_9 "$n" fsm; done
	sqlite3 "$CLUSTER/n1/kv.db" "UPDATE chain SET chain = '00112233445566778899aabbccddeeff'"
	sqlite3 "$CLUSTER/n3/kv.sqlite" "UPDATE chain SET chain = CAST('00112233445566778899aabbccddeeff' AS BLOB)"
	tail -n 2 "$CLUSTER/n2/kv.journal"
	sed -i -E 's/^([0-9]+):[0-9a-f]{32} /\1:00112233445566778899aabbccddeeff /' "$CLUSTER/n2/kv.journal"
	for n in $(nodes); do
		daemon_start "$n" fsm
		wait_until 20 fsm_is "$n" state foreign
	done
}
