#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# A cluster that grows from one node to five, shrinks, and replaces every node it began with.
# The tests follow one another: each begins with the cluster that the one before has left.
# sanitize

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c" 1
	echo n1 >"$CLUSTER/now"
	: >"$CLUSTER/want"
	prepare n1
	node_start n1
	export CLUSTER CLUSTER_COUNT
	wait_leader
}
teardown_file() { cluster_stop; }
teardown() { touch "$BATS_FILE_TMPDIR"/stop.*; }

# The members now.
nodes() { cat "$CLUSTER/now"; }

prepare() { # NODE: short timeouts, and a program that keeps what it gets
	sed -i 's/election_timeout: .*/election_timeout: 1500ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/$1/raft.yaml"
	printf '\nfsm:\n  command: [ sh, -c, "exec cat >%s/out" ]\n  mode: sink\n' "$CLUSTER/$1" >>"$CLUSTER/$1/raft.yaml"
}

# join NODE THROUGH: a new node, as raft-init(8) shows it, up to its promotion.
join() {
	raft-init --join -i "$1" -l "tcp://127.0.0.1:$(free_ports 1)" "$CLUSTER/$1" >"$CLUSTER/$1.line"
	prepare "$1"
	ctl "$2" member add --learner "$CLUSTER/$1.line"
	ctl "$2" members -y >"$CLUSTER/$1/members.yaml"
	node_start "$1"
	ctl "$2" member promote "$1"
	echo "$1" >>"$CLUSTER/now"
}

# leave NODE THROUGH: it stays up, and is no member any more.
leave() {
	ctl "$2" member remove --yes "$1"
	sed -i "/^$1$/d" "$CLUSTER/now"
	if ctl "$2" members -y | grep -q "id: $1,"; then return 1; fi
}

# produce WORD: lines that all differ, until the stop file is there.
produce() {
	local i=0
	while [ ! -e "$BATS_FILE_TMPDIR/stop.$1" ]; do
		seq -f "$1 %.0f of a stream of lines" $((i * 50 + 1)) $(((i + 1) * 50))
		i=$((i + 1))
		sleep 0.02
	done
}

# stream WORD NODE: appends through the node in the background, until finish.
stream() {
	WORD=$1
	produce "$1" 3>&- | tee "$BATS_TEST_TMPDIR/input" 3>&- |
		timeout 120 raft-append -c "$CLUSTER/$2/raft.yaml" -t 60s >"$BATS_TEST_TMPDIR/append.out" 2>&1 3>&- &
	APPEND=$!
	wait_until 30 grown "$CLUSTER/$2/out" $(($(wc -l <"$CLUSTER/want") + 100))
}

finish() {
	local status=0
	alive "$APPEND"
	touch "$BATS_FILE_TMPDIR/stop.$WORD"
	wait "$APPEND" || status=$?
	cat "$BATS_TEST_TMPDIR/append.out"
	[ "$status" -eq 0 ]
	cat "$BATS_TEST_TMPDIR/input" >>"$CLUSTER/want"
	all_out "$CLUSTER/want"
}

# says STATUS SENTENCE COMMAND...: it fails so, and says so.
says() {
	local status=0 want=$1 sentence=$2
	shift 2
	"$@" >"$BATS_TEST_TMPDIR/said" 2>&1 || status=$?
	cat "$BATS_TEST_TMPDIR/said"
	[ "$status" -eq "$want" ] && grep -qF -- "$sentence" "$BATS_TEST_TMPDIR/said"
}

@test "members: one node becomes three and five while a stream is appended: nothing lost, nothing twice" {
	stream grow n1
	join n2 n1
	join n3 n2
	ctl n1 members -y | grep -c 'id:' | grep -qx 3
	join n4 n3
	join n5 n1
	[ "$(ctl n4 members -y | grep -c 'id:')" -eq 5 ]
	finish
}

@test "members: five nodes of which two are dead go on" {
	l=$(leader)
	mapfile -t others < <(nodes | grep -vx "$l")
	for n in "${others[@]:0:2}"; do for d in elect logd peerd fsm; do kill_9 "$n" "$d"; done; done
	lines 500 dead >"$BATS_TEST_TMPDIR/input"
	cat "$BATS_TEST_TMPDIR/input" >>"$CLUSTER/want"
	timeout 60 raft-append -c "$CLUSTER/${others[2]}/raft.yaml" -t 30s <"$BATS_TEST_TMPDIR/input"
	wait_until 30 same "$CLUSTER/want" "$CLUSTER/$l/out"
	for n in "${others[@]:0:2}"; do node_start "$n"; done
	all_out "$CLUSTER/want"
}

@test "members: every node it began with is replaced while a stream is appended: nothing lost, nothing twice" {
	stream shrink n5
	for n in n1 n2; do leave "$n" n5; done
	[ "$(ctl n5 members -y | grep -c 'id:')" -eq 3 ]
	join n6 n4
	leave n3 n5
	finish
	[ "$(nodes | tr '\n' ' ')" = 'n4 n5 n6 ' ]
}

@test "members: removed nodes that still run stand for nothing and raise no term" {
	wait_leader
	l=$(leader)
	term=$(status "$l" elect term)
	for n in n1 n2 n3; do alive "$(daemon_pid "$n" elect)"; done
	sleep 6 # four election timeouts
	[ "$(leader)" = "$l" ]
	[ "$(status "$l" elect term)" -eq "$term" ]
	# Also when they have forgotten all but what is on their disks.
	for n in n1 n2; do
		kill_9 "$n" elect
		daemon_start "$n" elect
	done
	sleep 6 # four election timeouts
	[ "$(leader)" = "$l" ]
	[ "$(status "$l" elect term)" -eq "$term" ]
	for n in n1 n2 n3; do [ "$(status "$n" elect role)" != leader ]; done
}

@test "members: what cannot be is refused in one sentence, and changes nothing" {
	wait_leader
	before=$(ctl n5 members -y)
	says 65 'remove n9: there is no such member' ctl n5 member remove n9
	says 65 'add n2: the id belonged to a member that was removed' ctl n5 member add "$CLUSTER/n2.line"
	says 77 'promote n5: the change is not allowed now' ctl n5 member promote n5
	sed 's/id: n6,/id: n8,/' "$CLUSTER/n6.line" >"$BATS_TEST_TMPDIR/twin"
	says 65 'add n8: a member with this id, key or address exists' ctl n5 member add "$BATS_TEST_TMPDIR/twin"
	says 75 'say --yes if that is wanted' ctl n5 member remove n6
	[ "$(ctl n5 members -y)" = "$before" ]
}

@test "members: a wiped node does not start, and the commands that it names bring another in its place" {
	for d in elect peerd fsm logd; do reap TERM "$(daemon_pid n6 "$d")"; done
	rm -r "$CLUSTER/n6/data"
	mkdir -m 700 "$CLUSTER/n6/data"
	says 78 'remove this node from the cluster (raft-ctl member remove) and let it join under a new id (raft-init --join, raft-ctl member add)' \
		timeout 20 raft-logd -c "$CLUSTER/n6/raft.yaml"
	leave n6 n5
	join n7 n5
	stream again n7
	finish
}

@test "members: the logs of the nodes at the end have equal chains" {
	cluster_stop
	for n in n4 n5 n7; do
		timeout 60 sqlite3 "$CLUSTER/$n/data/log.db" "SELECT CAST(data AS TEXT) FROM log WHERE kind = 2 ORDER BY idx" \
			>"$BATS_TEST_TMPDIR/lines"
		cmp "$BATS_TEST_TMPDIR/lines" "$CLUSTER/want"
		timeout 60 sqlite3 "$CLUSTER/$n/data/log.db" "SELECT idx, hex(chain) FROM log WHERE idx <= (SELECT max(idx) FROM log WHERE kind = 2) ORDER BY idx" >"$BATS_TEST_TMPDIR/$n"
	done
	# A last heartbeat may have brought one of them an entry more.
	l=$(wc -l "$BATS_TEST_TMPDIR"/n[457] | awk '$2 != "total" { print $1 }' | sort -n | head -n 1)
	for n in n4 n5 n7; do head -n "$l" "$BATS_TEST_TMPDIR/$n" >"$BATS_TEST_TMPDIR/$n.cut"; done
	cmp "$BATS_TEST_TMPDIR/n4.cut" "$BATS_TEST_TMPDIR/n5.cut"
	cmp "$BATS_TEST_TMPDIR/n4.cut" "$BATS_TEST_TMPDIR/n7.cut"
}
