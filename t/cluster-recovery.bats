#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2317,SC2030,SC2031,SC2034
# The recipes of raft(7), RECOVERY, as they stand there: hosts are folders here.

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/; s/name: demo/name: ops/' "$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	ctl n1 wait
	seq 500 | append n1
}
teardown() { cluster_stop; }

append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" "${@:2}"; } # NODE ARGS... <LINES
stop_node() { for d in elect peerd logd; do kill_9 "$1" "$d"; done; }
lines() { timeout 20 raft-tail -c "$CLUSTER/$1/raft.yaml"; }
has_lines() { [ "$(lines "$1" | wc -l)" = "$2" ]; } # NODE COUNT
snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }

# recipe TITLE: the commands below that title, each in a shell of its own, with this test's places for the page's.
recipe() {
	awk -v title="$1" '/^\.Ss / { on = substr($0, 5) == title } /^\.Sh / { on = 0 }
		on && /^\.Dl \$ / { sub(/^\.Dl \$ /, ""); print }' "$ROOT/man/raft.7" |
		sed -e 's/\\e/\\/g' -e "s#tcp://d:7101#tcp://127.0.0.1:$(free_ports 1)#g" -e "s#@\([a-z0-9]*\)/#$CLUSTER/\1/#g" \
			-e "s#@\([a-z0-9]*\)#$CLUSTER/\1#g" -e "s#-p 7201#-p $(free_ports 3)#g" >"$BATS_TEST_TMPDIR/recipe"
	[ -s "$BATS_TEST_TMPDIR/recipe" ]
	while read -r line; do
		echo "$line"
		(cd "$CLUSTER" && timeout 60 sh -c "$line" </dev/null)
	done <"$BATS_TEST_TMPDIR/recipe"
}

@test "recovery: a dead host is replaced by a new one under a new id" {
	stop_node n3
	rm -r "$CLUSTER/n3/data"
	# The page starts raft-node on the new host between two of its commands.
	recipe 'A dead host' 3>&- &
	pid=$!
	there() { grep -q cluster: "$CLUSTER/n4/members.yaml"; }
	wait_until 30 there
	node_start n4
	wait "$pid"
	seq 501 600 | append n1
	wait_until 20 has_lines n4 600
	[ "$(ctl n1 -j members | jq -r '[.members[] | .id + "=" + .role] | sort | join(" ")')" = 'n1=voter n2=voter n4=voter' ]
	# The recipe does not name the cluster; the list does.
	[ "$(ctl n4 -j status | jq -r .cluster)" = ops ]
	CLUSTER_COUNT=4
}

@test "recovery: a wiped disk is refused under its old id, and the sentence says what to do" {
	stop_node n3
	rm -r "$CLUSTER/n3/data"
	mkdir "$CLUSTER/n3/data"
	run timeout 20 raft-logd -c "$CLUSTER/n3/raft.yaml"
	[ "$status" -eq 78 ]
	[[ $output == *'raft-ctl member remove'* && $output == *'raft-init --join'* && $output == *'raft-ctl member add'* ]]
}

@test "recovery: of a cluster that lost its quorum one node goes on alone, and others join it" {
	for n in n1 n2 n3; do stop_node "$n"; done
	run timeout 20 raft-logd -c "$CLUSTER/n2/raft.yaml" --recover-alone
	[ "$status" -eq 75 ]
	[[ $output == *'would become a cluster of one'* && $output == *'Nothing has been changed'* ]]
	recipe 'A lost quorum'
	node_start n2
	ctl n2 wait
	has_lines n2 500
	seq 501 510 | append n2
	[ "$(ctl n2 -j members | jq -r '[.members[].id] | join(" ")')" = n2 ]
	# The others come back: two clusters that do not mix.
	node_start n1
	node_start n3
	alone() { [ "$(status n1 elect role)" = leader ] || [ "$(status n3 elect role)" = leader ]; }
	wait_until 20 alone
	has_lines n2 510
	[ "$(status n2 elect cluster)" != "$(status n1 elect cluster)" ]
	# Once more would be another one again; and their ids are used up.
	run ctl n2 member add "$CLUSTER/n1/members.yaml"
	[ "$status" -ne 0 ]
}

@test "recovery: a new cluster begins with a backup" {
	echo 'fsm: { mode: machine, command: [ raft-kv ] }' >>"$CLUSTER/n1/raft.yaml"
	daemon_start n1 fsm
	seq 100 | sed 's/.*/put k& v/' | append n1 -r >/dev/null
	recipe 'A restore from a backup'
	taken=$(status n1 log snapshot)
	[ "$taken" -gt 600 ]
	cp "$CLUSTER"/n1/data/snapshots/*.snapshot "$BATS_TEST_TMPDIR/state"
	cluster_stop
	CLUSTER=$CLUSTER/again
	for n in $(nodes); do node_start "$n"; done
	ctl n1 wait
	[ "$(status n3 log snapshot)" = "$taken" ]
	cmp "$BATS_TEST_TMPDIR/state" "$CLUSTER"/n2/data/snapshots/*.snapshot
	seq 10 | append n2
	[ "$(timeout 20 raft-tail -c "$CLUSTER/n3/raft.yaml" --from $((taken + 1)) | tail -n 1)" = 10 ]
	# What was acknowledged to a session before counts as appended.
	for n in $(nodes); do [ ! -e "$CLUSTER/$n/data/snapshots/restore.head" ]; done
}

@test "recovery: after a restore what is of the old cluster is reported, and once it is moved away all goes on" {
	for n in $(nodes); do
		echo 'fsm: { mode: machine, command: [ raft-kv, -D, ../../kv.db ] }' | sed "s#../../#$BATS_TEST_TMPDIR/$n.#" >>"$CLUSTER/$n/raft.yaml"
		daemon_start "$n" fsm
	done
	# With replies: then the program is there.
	seq 100 | sed 's/.*/put k& old/' | append n1 -r >/dev/null
	ctl n1 snapshot -o "$CLUSTER/backup"
	seq 200 | sed 's/.*/put later& old/' >"$BATS_TEST_TMPDIR/more"
	timeout 60 raft-append -S job -c "$CLUSTER/n1/raft.yaml" <"$BATS_TEST_TMPDIR/more"
	held=$(status n1 log commit)
	for n in $(nodes); do wait_until 20 [ "$(status "$n" fsm durable)" -ge "$held" ]; done
	grep fsm: "$CLUSTER/n1/raft.yaml" >"$BATS_TEST_TMPDIR/section"
	cluster_stop
	raft-init --restore "$CLUSTER/backup" --cluster again -p "$(free_ports 3)" "$CLUSTER/again" >/dev/null
	CLUSTER=$CLUSTER/again
	# The files of n1 and n2 are kept; on n3 there is a batch.
	for n in n1 n2; do sed "s#n1.kv#$n.kv#" "$BATS_TEST_TMPDIR/section" >>"$CLUSTER/$n/raft.yaml"; done
	echo 'fsm: { mode: batch, command: [ cat ] }' >>"$CLUSTER/n3/raft.yaml"
	for n in $(nodes); do node_start "$n"; done
	ctl n1 wait
	for n in n1 n2; do
		wait_until 20 foreign "$n"
		ctl "$n" status | grep -q 'state=foreign'
		[[ $(status "$n" fsm why) == "the program holds entries up to $held, and the cluster has committed only "*'another history'*'raft-ctl fsm restart' ]]
	done
	gap() { [ "$(status n3 fsm state)" = gap ]; }
	wait_until 20 gap
	# A place that a reader has kept.
	ctl n1 wait
	timeout 20 raft-tail -c "$CLUSTER/n1/raft.yaml" --from "$held" 2>&1 | grep -q 'before a restore from a backup'
	# The producer's session is as far as the backup: what it lacks is appended again.
	timeout 60 raft-append -S job -c "$CLUSTER/n1/raft.yaml" <"$BATS_TEST_TMPDIR/more"
	echo put new here | append n2
	for n in n1 n2; do
		foreign "$n"
		rm "$BATS_TEST_TMPDIR/$n".kv.db*
		ctl "$n" fsm restart
		[ "$(timeout 20 raft-query -c "$CLUSTER/$n/raft.yaml" 'get new' 'get k100' 'get later200' | paste -sd' ')" = 'here old old' ]
	done
}
foreign() { [ "$(status "$1" fsm state)" = foreign ]; }

@test "recovery: a file that is no backup, or a damaged one, is refused, and nothing is left" {
	head -c 100000 /dev/urandom >"$BATS_TEST_TMPDIR/state"
	cd "$BATS_TEST_TMPDIR"
	run ctl n1 snapshot --newest -o none
	[ "$status" -eq 69 ]
	[[ $output == *'this node has none'* ]]
	snapshot add "$CLUSTER/n1/run/log" 300 state
	ctl n1 snapshot --newest -o backup
	run ctl n1 snapshot --newest -o backup
	[ "$status" -eq 74 ]
	[[ $output == *'exists'* ]]
	for cut in 10 200 50000 100100; do
		head -c "$cut" backup >bad
		run timeout 10 raft-init --restore bad new
		[ "$status" -eq 65 ]
		[ ! -e new ]
	done
	{ cat backup; echo; } >bad
	run timeout 10 raft-init --restore bad new
	[ "$status" -eq 65 ]
	run timeout 10 raft-init --restore missing new
	[ "$status" -eq 74 ]
	[ ! -e none.part ] && [ ! -e backup.part ]
}
