#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2046
# Three nodes of raft-logd, raft-peerd and raft-elect: who leads, and who leads after.

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	wait_until 20 agreed
}
teardown() {
	show_logs
	cluster_stop
}

# py: Python on stdin, with the frames at hand.
py() {
	{
		echo 'from wire import *'
		cat
	} | CLUSTER=$CLUSTER PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$@"
}

# states NODE...: a line "NODE ROLE TERM LEADER" for each whose raft-elect answers.
states() {
	py "$@" <<-'PY'
		import os, sys
		for n in sys.argv[1:]:
		    try:
		        c = Conn(f"{os.environ['CLUSTER']}/{n}/run/elect", timeout=2)
		        c.hello()
		        s = logfmt(c.query("status").splitlines()[0])
		        print(n, s["role"], s["term"], s["leader"] or "-")
		    except (OSError, AssertionError):
		        pass
	PY
}

# agreed [NODE...]: exactly one leads, and all know it, in one term.
agreed() {
	local all
	[ $# -gt 0 ] || set -- $(nodes)
	all=$(states "$@")
	[ "$(wc -l <<<"$all")" -eq $# ] && [ "$(grep -c ' leader ' <<<"$all")" -eq 1 ] &&
		[ "$(awk '{ print $3, $4 }' <<<"$all" | sort -u | wc -l)" -eq 1 ] && ! grep -q -- ' -$' <<<"$all"
}

leads() { states $(nodes) | awk '$2 == "leader" { print $1 }'; }
term() { states "$1" | awk '{ print $3 }'; }
others() { nodes | grep -vx "$1"; }
follows() { [ "$(states "$1" | awk '{ print $2 }')" = follower ]; }

# append NODE SERIAL: proposes that serial of one session, again until it is committed; prints the index.
append() {
	py "$@" <<-'PY'
		import os, sys, time
		path, serial = f"{os.environ['CLUSTER']}/{sys.argv[1]}/run/elect", int(sys.argv[2])
		end = time.time() + 30
		while time.time() < end:
		    try:
		        c = Conn(path, timeout=5)
		        c.hello()
		        c.propose(1, entry(serial, f"line {serial}", b"session of a test"[:16]))
		        a = c.expect("answer")
		        if a["verdict"] == 0:
		            print(a["pos"][0])
		            sys.exit(0)
		    except (OSError, AssertionError):
		        pass
		    time.sleep(0.05)
		sys.exit("never committed")
	PY
}

@test "elect: three nodes agree on one leader, and keep it while nothing happens" {
	# Timeouts that a busy machine does not exceed, and as long as each of them can be.
	cluster_stop
	for n in $(nodes); do sed -i 's/election_timeout: .*/election_timeout: 3s/' "$CLUSTER/$n/raft.yaml"; done
	cluster_start
	wait_until 20 agreed
	before=$(states $(nodes))
	sleep 6
	[ "$(states $(nodes))" = "$before" ]
	grep -q 'ev=state from=candidate to=leader' "$CLUSTER/$(leads)/elect.log"
}

@test "elect: proposals are committed through the leader and through a follower" {
	l=$(leads)
	f=$(others "$l" | head -n 1)
	i=$(append "$f" 1)
	j=$(append "$l" 2)
	[ "$j" -gt "$i" ]
	[ "$(append "$f" 2)" -eq "$j" ]
}

@test "elect: kill -9 of the leader's raft-elect: another leads within a few election timeouts, the old one follows" {
	l=$(leads)
	t=$(term "$l")
	kill_9 "$l" elect
	wait_until 5 agreed $(others "$l")
	[ "$(leads)" != "$l" ]
	append "$(leads)" 1
	daemon_start "$l" elect
	wait_until 10 agreed
	[ "$(term "$l")" -gt "$t" ]
	append "$l" 2
}

@test "elect: the leader's raft-logd is lost: another leads; it is back: it follows" {
	l=$(leads)
	append "$l" 1
	kill_9 "$l" logd
	wait_until 5 agreed $(others "$l")
	[ "$(states "$l" | awk '{ print $2 }')" = none ]
	append "$(leads)" 2
	daemon_start "$l" logd
	wait_until 10 agreed
	append "$l" 3
	[ "$(grep -c 'ev=state from=leader to=none' "$CLUSTER/$l/elect.log")" -eq 1 ]
}

@test "elect: the leader's raft-peerd is lost: another leads, the old leader steps down by itself; it is back: it follows" {
	l=$(leads)
	kill_9 "$l" peerd
	wait_until 5 agreed $(others "$l")
	not_leading() { [ "$(states "$l" | awk '{ print $2 }')" != leader ]; }
	wait_until 5 not_leading
	append "$(others "$l" | head -n 1)" 1
	daemon_start "$l" peerd
	wait_until 10 agreed
	append "$l" 2
}

@test "elect: a leader that was stopped for several election timeouts finds out before it acts" {
	l=$(leads)
	t=$(term "$l")
	e=$(daemon_pid "$l" elect)
	kill -STOP "$e"
	wait_until 5 agreed $(others "$l")
	append "$(others "$l" | head -n 1)" 1
	: >"$CLUSTER/mark"
	had=$(wc -l <"$CLUSTER/$l/elect.log")
	kill -CONT "$e"
	wait_until 5 agreed
	tail -n +"$((had + 1))" "$CLUSTER/$l/elect.log" | grep 'ev=state' | head -n 1 | grep 'from=leader to=follower'
	[ "$(leads)" != "$l" ]
	append "$l" 2
}

@test "elect: with one node of three nothing is committed, and a proposal gets an answer" {
	l=$(leads)
	f=$(others "$l" | head -n 1)
	for n in $(nodes | grep -vx "$f"); do kill_9 "$n" elect; done
	py "$f" <<-'PY'
		import os, sys, time
		c = Conn(f"{os.environ['CLUSTER']}/{sys.argv[1]}/run/elect", timeout=10)
		c.hello()
		verdicts = []
		for i in range(20):
		    c.propose(i, entry(1, "x", b"s"))
		    verdicts.append(c.expect("answer")["verdict"])
		    time.sleep(0.1)
		assert 0 not in verdicts and verdicts[-1] == 1, verdicts
	PY
}
