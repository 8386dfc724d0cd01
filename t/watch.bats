#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-ctl watch: each change of a node is reported once, with time and reason.  raft-ctl(1), section Changes.
# shellcheck disable=SC2030,SC2031,SC2034

load helper

teardown() {
	cluster_stop
	stop_all
	if [ -n "${MOUNTED:-}" ]; then umount "$MOUNTED"; fi
}

# cluster COUNT: each node with raft-kv, and a log that keeps nothing that a snapshot covers.
cluster() {
	local n
	cluster_init "$BATS_TEST_TMPDIR/c" "$1"
	for n in $(nodes); do
		printf '%s\n' 'logd: { keep_tail: 0B, reserve: 1MiB }' 'fsm: { mode: machine, format: "1", command: [ raft-kv ] }' \
			>>"$CLUSTER/$n/raft.yaml"
	done
}
# watch NODE ARGS...: in the background, as JSON; what it prints is in the file NODE.
watch() {
	raft-ctl -c "$CLUSTER/$1/raft.yaml" -j watch "${@:2}" >"$BATS_TEST_TMPDIR/$1" 3>&- &
	PIDS+=($!)
}
# reported NODE FILTER: a line of which jq says true.
reported() { jq -se "any(.[]; $2)" "$BATS_TEST_TMPDIR/$1"; }
reports() { wait_until 20 reported "$@" || { cat "$BATS_TEST_TMPDIR/$1" && false; }; }
count() { jq -s "map(select($2)) | length" "$BATS_TEST_TMPDIR/$1"; } # NODE FILTER
append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" "${@:2}" >/dev/null; }
puts() { seq "$1" "$2" | sed 's/.*/put k& v/'; } # FROM TO

# stand_in: the raft-elect of a cluster of one, whose script is on standard input; the other daemons do not run.
stand_in() {
	cluster_init "$BATS_TEST_TMPDIR/c" 1
	mkdir -p "$CLUSTER/n1/run"
	{
		cat <<-'PY'
			import sys, time, wire
			listener = wire.listen(sys.argv[1])

			def accepted():
			    conn = wire.accept(listener)
			    conn.expect("hello")
			    conn.send("hello_reply", version=1, low=1, high=1, node="n1")
			    return conn, conn.expect("watch")["request"]

			def tell(*lines):
			    conn.send("text_reply", request=request, lines="".join(line + "\n" for line in lines))

			conn, request = accepted()
		PY
		cat
		echo 'time.sleep(600)'
	} >"$BATS_TEST_TMPDIR/elect.py"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 spawn "$BATS_TEST_TMPDIR/elect.log" \
		python3 "$BATS_TEST_TMPDIR/elect.py" "$CLUSTER/n1/run/elect"
	wait_until 10 test -S "$CLUSTER/n1/run/elect"
}

@test "watch: role, members, a peer's loss and return, lag, snapshots and program faults are reported, with time and reason" {
	cluster 3
	sed -i 's/^peerd:/peerd:\n  bulk_rate: 1MiB/' "$CLUSTER"/n?/raft.yaml
	cluster_start
	ctl n1 wait
	for n in $(nodes); do watch "$n" --lag 100; done
	l=$(leader)
	f=$(follower)
	reports "$l" '.kind == "role" and .state == "leader" and .leader == "'"$l"'" and .term >= 1'
	reports "$f" '.kind == "role" and .state == "follower" and .leader == "'"$l"'"'
	reports "$l" '.kind == "member" and .id == "n2" and .state == "voter" and .address != ""'
	reports "$l" '.kind == "peer" and .id == "'"$f"'" and .state == "up"'
	reports "$f" '.kind == "program" and .state == "running" and .pid > 1'
	reports "$l" '.kind == "disk" and .state == "room"'

	# A member that is stopped lags, and is back at last by a snapshot.
	puts 1 200 | append "$l" -r
	for d in fsm elect peerd logd; do kill_9 "$f" "$d"; done
	reports "$l" '.kind == "peer" and .id == "'"$f"'" and .state == "down"'
	for d in raft-elect raft-logd raft-peerd raft-fsm; do
		reports "$f" '.kind == "daemon" and .id == "'"$d"'" and .state == "gone"'
	done
	puts 201 500 | append "$l" -r
	reports "$l" '.kind == "lag" and .id == "'"$f"'" and .state == "high" and .entries > 100 and .limit == 100'
	ctl "$l" snapshot
	reports "$l" '.kind == "snapshot" and (has("id") | not) and .state == "taken" and .index > 500 and .bytes > 0'
	compacted() { [ "$(status "$l" log first)" -gt 500 ]; }
	wait_until 20 compacted
	node_start "$f"
	reports "$l" '.kind == "snapshot" and .id == "'"$f"'" and .state == "sent"'
	reports "$f" '.kind == "snapshot" and .state == "received" and .index > 500'
	reports "$l" '.kind == "lag" and .id == "'"$f"'" and .state == "normal" and .entries <= 50'
	[ "$(jq -r 'select(.kind == "snapshot" and .id == "'"$f"'").state' "$BATS_TEST_TMPDIR/$l" | tr '\n' ' ')" = 'sending sent ' ]
	[ "$(jq -r 'select(.kind == "peer" and .id == "'"$f"'").state' "$BATS_TEST_TMPDIR/$l" | tr '\n' ' ')" = 'up down up ' ]

	# Members.
	ctl "$l" member demote --yes "$f" >/dev/null
	reports "$l" '.kind == "member" and .id == "'"$f"'" and .state == "learner"'
	reports "$f" '.kind == "member" and .id == "'"$f"'" and .state == "learner"'
	ctl "$l" key add "$f" "$(raft-init --new-key "$BATS_TEST_TMPDIR/key")"
	reports "$l" '.kind == "member" and .id == "'"$f"'" and .keys == 2'
	ctl "$l" member remove --yes "$f" >/dev/null
	reports "$l" '.kind == "member" and .id == "'"$f"'" and .state == "removed"'

	# A program that ends.
	program_kill "$l"
	reports "$l" '.kind == "program" and .state == "backoff" and (.reason | test("killed by SIGKILL"))'
	reports "$l" '.kind == "program" and .state == "running" and .restarts >= 1'

	for n in $(nodes); do
		# Each has its time and reason.
		jq -se 'all(.[]; (.time | test("^20[0-9-]{8}T[0-9:]{8}\\.[0-9]{3}Z$")) and .node == "'"$n"'" and .reason != "" and .kind != "other")' \
			"$BATS_TEST_TMPDIR/$n"
	done
}

@test "watch: poison, and a full disk and room again" {
	if [ "$(id -u)" != 0 ]; then
		echo "a small file system needs root to be mounted" >&2
		false
	fi
	cluster 1
	MOUNTED=$CLUSTER/n1/data
	cp -a "$MOUNTED" "$BATS_TEST_TMPDIR/data"
	mount -t tmpfs -o size=6m tmpfs "$MOUNTED"
	chmod 700 "$MOUNTED"
	cp -a "$BATS_TEST_TMPDIR/data/." "$MOUNTED"
	cat >"$BATS_TEST_TMPDIR/machine" <<-'END'
		#!/bin/sh
		echo ready 0
		while read -r word rest; do case $rest in *poison*) exit 3 ;; esac; echo ok; done
	END
	chmod +x "$BATS_TEST_TMPDIR/machine"
	sed -i "s#^fsm:.*#fsm: { mode: machine, command: [ $BATS_TEST_TMPDIR/machine ] }#" "$CLUSTER/n1/raft.yaml"
	cluster_start
	ctl n1 wait
	watch n1
	# Once nothing is written any longer: the room is measured nevertheless.
	idle() { [ -z "$(find "$MOUNTED" -type f -newermt '-3 seconds')" ]; }
	wait_until 20 idle
	head -c 20000000 /dev/zero >"$MOUNTED/filler" 2>/dev/null || :
	reports n1 '.kind == "disk" and (.state == "low" or .state == "full") and (.reason | test("reserve|full"))'
	rm "$MOUNTED/filler"
	roomy() { [ "$(jq -r 'select(.kind == "disk").state' "$BATS_TEST_TMPDIR/n1" | tail -n 1)" = room ]; }
	wait_until 20 roomy
	[ "$(count n1 '.kind == "disk"')" -ge 3 ]
	printf '%s\n' one poison | append n1
	reports n1 '.kind == "program" and .state == "poison" and (.reason | test("^entry [0-9]+: "))'
	[ "$(count n1 '.kind == "program" and .state == "poison"')" -eq 1 ]
}

@test "watch: ⚠ no change of role is missed, however short: each line of raft-elect's log is a line of watch" {
	cluster 3
	cluster_start
	ctl n1 wait
	watch n1
	reports n1 '.kind == "role"'
	begun=$(grep -c ev=state "$CLUSTER/n1/elect.log")
	for i in 1 2 3; do
		for to in n2 n1; do
			until ctl "$(leader || echo n1)" transfer "$to" 2>/dev/null; do :; done
		done
	done
	settled() {
		sed -n 's/.* ev=state from=[a-z-]* to=\([a-z-]*\) term=\([0-9]*\) leader=\([a-z0-9]*\) .*/\1 \2 \3/p' "$CLUSTER/n1/elect.log" |
			tail -n +"$begun" >"$BATS_TEST_TMPDIR/log"
		jq -r 'select(.kind == "role") | "\(.state) \(.term) \(.leader)"' "$BATS_TEST_TMPDIR/n1" >"$BATS_TEST_TMPDIR/roles"
		diff "$BATS_TEST_TMPDIR/log" "$BATS_TEST_TMPDIR/roles"
	}
	wait_until 20 settled || { diff "$BATS_TEST_TMPDIR/log" "$BATS_TEST_TMPDIR/roles"; false; }
	grep -q '^candidate' "$BATS_TEST_TMPDIR/roles"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/roles")" -gt 8 ]
}

@test "watch: it survives restarts of each daemon, says that it is gone and back, and repeats nothing" {
	cluster 1
	cluster_start
	ctl n1 wait
	watch n1
	reports n1 '.kind == "role" and .state == "leader"'
	for d in peerd fsm logd elect; do
		reports n1 '.kind == "program" and .state == "running"'
		kill_9 n1 "$d"
		reports n1 '.kind == "daemon" and .id == "raft-'$d'" and .state == "gone"'
		daemon_start n1 "$d"
		reports n1 '.kind == "daemon" and .id == "raft-'$d'" and .state == "back"'
	done
	# While raft-elect or raft-logd is away the role is none.
	[ "$(jq -r 'select(.kind == "role" or .kind == "daemon") | .id // .state' "$BATS_TEST_TMPDIR/n1" | sed -n '/^raft-elect/{n;p;q;}')" = none ]
	jq -se '[.[] | select(.kind == "role").state] | index(["leader", "none"]) != null' "$BATS_TEST_TMPDIR/n1"
	back() { [ "$(jq -r 'select(.kind == "role").state' "$BATS_TEST_TMPDIR/n1" | tail -n 1)" = leader ]; }
	wait_until 20 back
	[ "$(count n1 '.kind == "disk"')" -eq 1 ]
	[ "$(count n1 '.kind == "member"')" -le 2 ]
	[ "$(count n1 '.kind == "daemon"')" -eq 8 ]
}

@test "watch: what changed while a daemon was away is reported when it is back" {
	stand_in <<-'PY'
		tell("kind=now missed=0", "kind=member id=n1 state=voter keys=1 time_ms=1 reason=x", "kind=member id=n2 state=voter keys=1 time_ms=1 reason=x")
		conn.sock.close()
		conn, request = accepted()
		tell("kind=now missed=0", "kind=member id=n1 state=learner keys=1 time_ms=2 reason=y")
	PY
	watch n1
	reports n1 '.kind == "member" and .id == "n2" and .state == "removed"'
	[ "$(jq -rc 'select(.kind == "member") | [.id, .state]' "$BATS_TEST_TMPDIR/n1" | tr '\n' ' ')" = \
		'["n1","voter"] ["n2","voter"] ["n1","learner"] ["n2","removed"] ' ]
}

@test "watch: a flood is bounded for each kind, the last state is printed, and what is muted is counted" {
	stand_in <<-'PY'
		tell("kind=now missed=0")
		for i in range(2000):
		    tell("kind=peer id=n%d state=%s time_ms=%d reason=x" % (i % 2, ("down", "up")[i // 2 % 2], i))
		tell("kind=role id= state=leader term=5 leader=n1 time_ms=7 reason=x")
	PY
	watch n1
	# The flood of one kind does not delay another.
	reports n1 '.kind == "role" and .state == "leader"'
	[ "$(count n1 '.kind == "peer"')" -le 25 ]
	held() { [ "$(count n1 '.kind == "peer" and .muted > 900')" -eq 2 ]; }
	wait_until 20 held
	jq -se '([.[] | select(.kind == "peer")] | length) + ([.[].muted // 0] | add) == 2000' "$BATS_TEST_TMPDIR/n1"
	[ "$(jq -r 'select(.kind == "peer") | "\(.id) \(.state)"' "$BATS_TEST_TMPDIR/n1" | tail -n 2 | sort | tr '\n' ' ')" = 'n0 up n1 up ' ]
}

@test "watch: a lag around its limit is reported once, and again only when it has halved" {
	stand_in <<-'PY'
		tell("kind=now missed=0", "kind=role id= state=leader term=5 leader=n1 time_ms=7 reason=x")
		for entries in 5, 99, 100, 101, 99, 120, 51, 101, 50, 100, 60, 101:
		    tell("kind=lag id=n2 entries=%d time_ms=1 reason=x" % entries)
		tell("kind=role id= state=follower term=6 leader=n2 time_ms=8 reason=x")
		tell("kind=role id= state=leader term=7 leader=n1 time_ms=9 reason=x")
		tell("kind=lag id=n2 entries=102 time_ms=1 reason=x")
	PY
	watch n1 --lag 100
	reports n1 '.kind == "lag" and .entries == 102'
	[ "$(jq -rc 'select(.kind == "lag") | [.state, .entries]' "$BATS_TEST_TMPDIR/n1" | tr '\n' ' ')" = \
		'["high",101] ["normal",50] ["high",101] ["high",102] ' ]
}

@test "watch: a daemon that knows no changes is named, and watched once it is replaced" {
	stand_in <<-'PY'
		conn.send("refusal", request=request, exit_status=64, sentence="of raft-elect only its state can be watched")
		conn.sock.close()
		conn, request = accepted()
		tell("kind=now missed=5", "kind=role id= state=leader term=5 leader=n1 time_ms=7 reason=x")
	PY
	watch n1
	reports n1 '.kind == "daemon" and .id == "raft-elect" and .state == "old"'
	reports n1 '.kind == "role" and .state == "leader"'
	reports n1 '.kind == "watch" and .state == "missed" and .changes == 5'
}

@test "watch: lines are key=value pairs as the JSON, each change is written at once, and it ends with its reader" {
	cluster 1
	cluster_start
	ctl n1 wait
	watch n1
	reports n1 '.kind == "role" and .state == "leader"'
	raft-ctl -c "$CLUSTER/n1/raft.yaml" watch >"$BATS_TEST_TMPDIR/text" 3>&- &
	PIDS+=($!)
	led() { grep -qE '^time=20[0-9T:.-]+Z node=n1 kind=role state=leader term=[0-9]+ leader=n1 reason="?elected' "$BATS_TEST_TMPDIR/text"; }
	wait_until 20 led
	# Both an idle one whose reader goes, and one that writes to a reader that is gone.
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	raft-ctl -c "$CLUSTER/n1/raft.yaml" watch >"$BATS_TEST_TMPDIR/fifo" 3>&- &
	local quiet=$!
	head -n 1 "$BATS_TEST_TMPDIR/fifo" | grep -q kind=
	wait_until 10 gone "$quiet"
	local status=0
	timeout 10 raft-ctl -c "$CLUSTER/n1/raft.yaml" watch >/dev/full 2>"$BATS_TEST_TMPDIR/err" || status=$?
	[ "$status" -eq 74 ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = 'raft-ctl: standard output: No space left on device' ]
}

@test "watch: with -t it gives up once no daemon has answered for that time, without it only at the start" {
	cluster 1
	cluster_start
	ctl n1 wait
	watch n1
	raft-ctl -c "$CLUSTER/n1/raft.yaml" watch -t 1s >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- &
	local timed=$! patient=${PIDS[-1]} status=0
	reports n1 '.kind == "role" and .state == "leader"'
	wait_until 10 grep -q kind=role "$BATS_TEST_TMPDIR/out"
	for d in fsm elect peerd logd; do kill_9 n1 "$d"; done
	wait "$timed" || status=$?
	[ "$status" -eq 69 ]
	cat "$BATS_TEST_TMPDIR/err"
	grep -q 'is the node running?.*given up after' "$BATS_TEST_TMPDIR/err"
	reports n1 '.kind == "daemon" and .id == "raft-logd" and .state == "gone"'
	kill -0 "$patient"
	run timeout 10 raft-ctl -c "$CLUSTER/n1/raft.yaml" -t 300ms watch
	[ "$status" -eq 69 ]
	[ "${#lines[@]}" -eq 1 ]
	node_start n1
	reports n1 '.kind == "daemon" and .id == "raft-elect" and .state == "back"'
}
