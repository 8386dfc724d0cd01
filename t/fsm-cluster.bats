#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Machines on three nodes with all daemons: poison, and snapshots of the program.
# shellcheck disable=SC2030,SC2031,SC2317

bats_require_minimum_version 1.5.0
load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c"
	for n in $(nodes); do
		program >"$CLUSTER/$n/machine.py"
		echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"
		cp "$CLUSTER/$n/raft.yaml" "$CLUSTER/$n/bare.yaml"
	done
	ERR=$BATS_TEST_TMPDIR/err
}
teardown() {
	show_logs
	cluster_stop
}

# A list of the entries.  Some entries and files make it misbehave; the file requests has what each incarnation
# was asked: restore, and the first entry.
program() {
	cat <<-'PY'
		import os, sys, time
		state, first = [], True
		def say(text):
		    print(text, flush=True)
		def note(text):
		    with open("requests", "a") as f:
		        print(text, file=f)
		say("ready 0")
		for line in sys.stdin:
		    word, _, rest = line.rstrip("\n").partition(" ")
		    if word == "entry":
		        index, _, data = rest.partition(" ")
		        if first: note("entry " + index)
		        first = False
		        if data == "large":
		            state.append(data)
		            say("ok " + 1000000 * "x")
		            continue
		        if data == "poison" and not os.path.exists("mended"): sys.exit(3)
		        state.append(data)
		        say("ok %d" % len(state))
		    elif word == "query":
		        say("ok %d" % len(state))
		    elif word == "snapshot":
		        if os.path.exists("snap-refuse"): say("refused not today"); continue
		        if os.path.exists("snap-hang"): time.sleep(1000)
		        with open(rest, "w") as f:
		            f.write("".join(s + "\n" for s in state))
		            if os.path.exists("snap-die"): f.flush(); os.unlink("snap-die"); sys.exit(4)
		        say("ok")
		    elif word == "restore":
		        note("restore")
		        state = open(rest).read().splitlines()
		        say("ok")
	PY
}

# configure NODE [LINE OF fsm:]...
configure() {
	local node=$1
	shift
	{
		cat "$CLUSTER/$node/bare.yaml"
		printf 'fsm:\n  mode: machine\n  command: [ python3, machine.py ]\n  stop_timeout: 1s\n'
		for line; do echo "  $line"; done
	} >"$CLUSTER/$node/raft.yaml"
}
begin() { # begin [LINE OF fsm:]...
	for n in $(nodes); do configure "$n" "$@"; done
	cluster_start
	ctl n1 wait
	for n in $(nodes); do wait_until 30 fsm_is "$n" state running; done
}
fsm_is() { [ "$(status "$1" fsm "$2")" = "$3" ]; } # NODE KEY VALUE
log_is() { [ "$(status "$1" log "$2")" = "$3" ]; } # NODE KEY VALUE
append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" "${@:2}"; }
query_is() { [ "$(timeout 30 raft-query -c "$CLUSTER/$1/raft.yaml" count)" = "$2" ]; }
snapshot_of() { find "$CLUSTER/$1/data/snapshots" -name '*.snapshot'; }
hash_of() { sha256sum <"$(snapshot_of "$1")"; }
# prefix INDEX: the entries of clients up to there, as the log has them.
prefix() { timeout 60 raft-tail -c "$CLUSTER/$1/raft.yaml" --to "$2"; }
node_kill() { for d in fsm elect peerd logd; do kill_9 "$1" "$d"; done; }
requests_are() { [ "$(paste -sd, "$CLUSTER/$1/requests")" = "$2" ]; }

@test "poison: each node's program stops at the same entry, the status says so, consensus goes on, and restart clears it" {
	begin
	seq 100 | append n1
	echo poison | append n2
	seq 101 200 | append n3
	for n in $(nodes); do wait_until 60 fsm_is "$n" state poison; done
	poison=$(timeout 30 raft-tail -F json -c "$CLUSTER/n1/raft.yaml" | jq 'select(.data == "poison").index')
	for n in $(nodes); do
		fsm_is "$n" poison "$poison"
		# As text, which a person reads.
		ctl "$n" status >"$BATS_TEST_TMPDIR/status"
		grep -q "^fsm  *state=poison  mode=machine" "$BATS_TEST_TMPDIR/status"
		grep -q "  poison=$poison\$" "$BATS_TEST_TMPDIR/status"
		grep -q "why=entry $poison: the program exited with 3, each time .* raft-ctl fsm restart" "$BATS_TEST_TMPDIR/status"
		# All before it were answered, and nothing behind.
		fsm_is "$n" delivered $((poison - 1))
	done
	seq 201 300 | append n2
	[ "$(tail_all n3 | wc -l)" -eq 301 ]
	run -76 append n1 -r -t 10s <<<'more'
	[[ $output == *"entry $poison: the program exited with 3"* ]]
	run -69 timeout 30 raft-query -t 5s -c "$CLUSTER/n2/raft.yaml" count
	[[ $output == *"entry $poison: the program exited with 3"* ]]
	# Restarted without being mended it stops there again.
	ctl n1 fsm restart
	wait_until 60 fsm_is n1 state poison
	fsm_is n1 poison "$poison"
	for n in $(nodes); do
		touch "$CLUSTER/$n/mended"
		ctl "$n" fsm restart
		wait_until 30 query_is "$n" 302
		fsm_is "$n" state running
		fsm_is "$n" poison 0
		fsm_is "$n" why ''
	done
}

@test "faults: whatever the program of one node does, its daemons and the other nodes go on" {
	# A leader that waits for its turn of a busy processor stays the leader, and only the programs here are in a hurry.
	for n in $(nodes); do sed -i 's/election_timeout: .*/election_timeout: 5s/' "$CLUSTER/$n/bare.yaml"; done
	begin
	configure n1 'timeout: 2s'
	reap TERM "$(daemon_pid n1 fsm)"
	daemon_start n1 fsm
	wait_until 30 fsm_is n1 state running
	mv "$CLUSTER/n1/machine.py" "$CLUSTER/n1/good.py"
	leads=$(leader)
	sent=0
	while read -r script; do
		printf 'import os, sys, time\nos.write(1, b"ready 0\\n")\nopen("began", "w")\n%s\n' "$script" >"$CLUSTER/n1/new.py"
		mv "$CLUSTER/n1/new.py" "$CLUSTER/n1/machine.py"
		# Not a kill: by the time its pid is known it may wait to be started again.
		rm -f "$CLUSTER/n1/began"
		ctl n1 fsm restart
		wait_until 30 test -e "$CLUSTER/n1/began"
		for via in n1 n2 n3; do seq 100 | append "$via" -t 20s; done
		sent=$((sent + 300))
		query_is n2 "$sent"
		query_is n3 "$sent"
		for d in logd peerd elect fsm; do alive "$(daemon_pid n1 "$d")"; done
	done <<-'END'
		time.sleep(1000)
		while True: os.write(1, b"garbage" * 1000)
		while True: os.write(2, b"a diagnostic\n" * 10) and time.sleep(0.001)
		for line in sys.stdin: pass
		os.close(1); time.sleep(1000)
		os.fork(); os.setsid() if os.fork() == 0 else None; time.sleep(1000)
	END
	[ "$(leader)" = "$leads" ]
	fsm_is n2 restarts 0
	fsm_is n3 restarts 0
	mv "$CLUSTER/n1/good.py" "$CLUSTER/n1/machine.py"
	ctl n1 fsm restart
	wait_until 60 query_is n1 "$sent"
}

@test "snapshot: by policy on each node by itself, and at one index the states of all are equal" {
	begin 'snapshot: { entries: 700 }'
	for _ in $(seq 10); do
		seq 300
		sleep 0.1
	done | append n1
	for n in $(nodes); do
		wait_until 30 fsm_is "$n" lag 0
		wait_until 30 fsm_is "$n" snapshot_step idle
		label=$(status "$n" fsm snapshot)
		[ "$label" -ge 700 ]
		log_is "$n" snapshot "$label"
	done
	# Their own are each at an index of its own; asked for when all is quiet they are at one.
	echo last | append n2
	for n in $(nodes); do
		wait_until 30 query_is "$n" 3001
		ctl "$n" snapshot >/dev/null
	done
	for n in $(nodes); do
		wait_until 20 log_is "$n" snapshot "$(status n1 log snapshot)"
		[ "$(hash_of "$n")" = "$(hash_of n1)" ]
		[ "$(wc -l <"$(snapshot_of "$n")")" -eq 3001 ]
	done
}

@test "snapshot: each is the prefix of the log that its index names, while lines are appended" {
	begin
	# Here the log stays whole, so that each can be compared with it.
	for n in $(nodes); do sed -i 's/keep_tail: .*/keep_tail: 1GiB }/' "$CLUSTER/$n/bare.yaml" && configure "$n"; done
	for n in $(nodes); do reap TERM "$(daemon_pid "$n" logd)" && daemon_start "$n" logd; done
	for n in $(nodes); do wait_until 30 fsm_is "$n" state running; done
	until [ -e "$BATS_TEST_TMPDIR/enough" ]; do
		seq 50
		sleep 0.02
	done | append n1 -t 60s 3>&- &
	writer=$!
	for i in 1 2 3; do
		for n in $(nodes); do
			more() { [ "$(status "$n" fsm delivered)" -gt $((i * 500)) ]; }
			wait_until 30 more
			ctl "$n" snapshot >/dev/null
			label=$(status "$n" fsm snapshot)
			prefix "$n" "$label" | cmp - "$(snapshot_of "$n")"
			echo "$label" >>"$BATS_TEST_TMPDIR/labels"
		done
	done
	touch "$BATS_TEST_TMPDIR/enough"
	wait "$writer"
	[ "$(sort -u "$BATS_TEST_TMPDIR/labels" | wc -l)" -ge 3 ]
}

@test "snapshot: a node that was down past compaction restores first, then is fed what follows" {
	begin
	seq 500 | append n1
	for n in $(nodes); do wait_until 30 query_is "$n" 500; done
	node_kill n3
	seq 501 2000 | append n1
	for n in n1 n2; do
		wait_until 30 query_is "$n" 2000
		ctl "$n" snapshot >/dev/null
	done
	label=$(status n1 fsm snapshot)
	for n in n1 n2; do wait_until 30 log_is "$n" first $((label + 1)); done
	seq 2001 2010 | append n2
	rm "$CLUSTER/n3/requests"
	node_start n3
	wait_until 60 query_is n3 2010
	# A fresh program was begun with what it had, then the snapshot came from another node.
	grep -q "ev=restore index=$label" "$CLUSTER/n3/fsm.log"
	tail -n 2 "$CLUSTER/n3/requests" | head -n 1 | grep -qx restore
	[ "$(tail -n 1 "$CLUSTER/n3/requests")" = "$(timeout 30 raft-tail -F json -c "$CLUSTER/n3/raft.yaml" --from $((label + 1)) |
		jq -r '"entry \(.index)"' | head -n 1)" ]
	log_is n3 first $((label + 1))
	[ "$(hash_of n3)" = "$(hash_of n1)" ]
	# And it goes on from there after a kill of the program alone.
	program_kill n3
	wait_until 30 query_is n3 2010
}

@test "snapshot: one that is refused, hangs or dies leaves the old one and the log, says why, and consensus goes on" {
	begin 'snapshot_timeout: 10s'
	seq 100 | append n1
	wait_until 30 query_is n1 100
	ctl n1 snapshot >/dev/null
	label=$(status n1 fsm snapshot)
	wait_until 20 log_is n1 first $((label + 1))
	hash_of n1 >"$BATS_TEST_TMPDIR/old"
	seq 101 200 | append n1
	unchanged() {
		log_is n1 snapshot "$label"
		log_is n1 first $((label + 1))
		fsm_is n1 snapshot_step idle
		hash_of n1 | cmp "$BATS_TEST_TMPDIR/old" -
		[ "$(find "$CLUSTER/n1/data/snapshots" -type f | wc -l)" -eq 1 ]
		wait_until 30 query_is n1 "$1"
		query_is n2 "$1"
	}
	touch "$CLUSTER/n1/snap-refuse"
	run -75 ctl n1 snapshot
	[[ $output == *'the program refuses: not today'* ]]
	[[ $(status n1 fsm snapshot_why) == *'not today'* ]]
	unchanged 200
	fsm_is n1 restarts 0
	mv "$CLUSTER/n1/snap-refuse" "$CLUSTER/n1/snap-die"
	run -75 ctl n1 snapshot
	[[ $output == *'the program exited with 4'* ]]
	unchanged 200
	touch "$CLUSTER/n1/snap-hang"
	ctl n1 snapshot >"$BATS_TEST_TMPDIR/out" 2>"$ERR" 3>&- &
	asked=$!
	# Meanwhile the status shows how far it is, lines are committed, and other nodes answer.
	wait_until 20 fsm_is n1 snapshot_step writing
	seq 201 250 | append n1
	wait_until 20 query_is n2 250
	ctl n1 status | grep -q 'snapshot_step=writing'
	rm "$CLUSTER/n1/snap-hang"
	status=0
	wait "$asked" || status=$?
	[ "$status" -eq 75 ]
	grep -q 'has not answered to snapshot for 10000 ms' "$ERR"
	unchanged 250
	# And then it works, and the old one is gone.
	ctl n1 snapshot >/dev/null
	[ "$(status n1 fsm snapshot)" -gt "$label" ]
	fsm_is n1 snapshot_why ''
	wait_until 20 log_is n1 first $(($(status n1 fsm snapshot) + 1))
	[ "$(wc -l <"$(snapshot_of n1)")" -eq 250 ]
}

@test "snapshot: of another format it is not restored; nothing is skipped, and the right format goes on" {
	begin 'format: list.1'
	seq 300 | append n1
	wait_until 30 query_is n2 300
	ctl n2 snapshot >/dev/null
	label=$(status n2 fsm snapshot)
	wait_until 20 log_is n2 first $((label + 1))
	for format in list.2 list.1; do
		reap TERM "$(daemon_pid n2 fsm)"
		configure n2 "format: $format"
		rm -f "$CLUSTER/n2/requests"
		daemon_start n2 fsm
		wait_until 20 fsm_is n2 state contract
		ctl n2 contract set
		if [ "$format" = list.2 ]; then
			wait_until 20 fsm_is n2 state gap
			ctl n2 status | grep -q 'the snapshot is of format list.1, not list.2'
			[ ! -e "$CLUSTER/n2/requests" ]
		fi
	done
	wait_until 20 query_is n2 300
	requests_are n2 restore
	query_is n1 300
}

# ---------------------------------------------------------------- replies

@test "replies: of a session that another node appended come on a node that has just come back, too" {
	begin
	seq 10 | append n1 -r -S again >"$BATS_TEST_TMPDIR/one"
	node_kill n2
	seq 20 | append n1 -r -S again >"$BATS_TEST_TMPDIR/two"
	node_start n2
	seq 20 | append n2 -r -S again | cmp "$BATS_TEST_TMPDIR/two" -
	seq 20 | append n3 -r -S again | cmp "$BATS_TEST_TMPDIR/two" -
	[ "$(tail_all n1 | wc -l)" -eq 20 ]
}

@test "replies: one that is no longer at hand is said to be lost, 76, and its entry counts once" {
	begin
	seq 3 | append n1 -r -S old >/dev/null
	# The newest 32 MiB are kept.
	yes large | head -n 40 | append n2
	wait_until 30 query_is n1 43
	[ "$(status n1 fsm replies)" -lt 40 ]
	seq 4 | append n1 -r -S old >"$BATS_TEST_TMPDIR/out" 2>"$ERR" || status=$?
	[ "$status" -eq 76 ]
	diff "$BATS_TEST_TMPDIR/out" - <<<$'\n\n\n44'
	diff "$ERR" - <<-'END'
		raft-append: line 1: committed and applied, and its reply is lost
		raft-append: line 2: committed and applied, and its reply is lost
		raft-append: line 3: committed and applied, and its reply is lost
	END
	for n in $(nodes); do query_is "$n" 44; done
}

@test "replies: an entry that holds a newline is refused on every node, without the program" {
	begin
	# Where the program of the node takes lines, they are not even appended, whatever else is asked for.
	for how in '-r' '' '-S door'; do
		# shellcheck disable=SC2086
		printf '1:a,3:b\nc,1:d,' | append n1 $how -F netstring >/dev/null 2>"$ERR" && status=0 || status=$?
		[ "$status" -eq 65 ]
		grep -q '^raft-append: entry 2 holds a newline, which fsm.framing: line cannot give to the program: committed 1, resume' "$ERR"
		printf 'x\0y\n' | append n2 2>"$ERR" && status=0 || status=$?
		[ "$status" -eq 65 ]
		grep -q '^raft-append: entry 1 holds a NUL, which fsm.framing: line cannot give to the program: committed 0, resume' "$ERR"
	done
	for n in $(nodes); do query_is "$n" 3; done
	# The leader refuses them where the tool does not know: at a node whose configuration says something else.
	for n in $(nodes); do { cat "$CLUSTER/$n/raft.yaml" && echo '  framing: netstring'; } >"$CLUSTER/$n/other.yaml"; done
	append() { timeout 60 raft-append -c "$CLUSTER/$1/other.yaml" "${@:2}"; }
	refusal='an entry holds a newline or a NUL, which the contract of the state machine does not allow (raft-ctl contract show)'
	count=3
	for n in $(nodes); do
		printf '1:a,3:b\nc,1:d,' | append "$n" -r -F netstring >"$BATS_TEST_TMPDIR/out" 2>"$ERR" && status=0 || status=$?
		[ "$status" -eq 65 ]
		count=$((count + 1))
		[ "$(cat "$BATS_TEST_TMPDIR/out")" = "1:$count," ]
		grep -qxF "raft-append: $refusal: committed 1, resume with entry 2" "$ERR"
		printf 'x\0y\n' | append "$n" -S "s$n" 2>"$ERR" && status=0 || status=$?
		[ "$status" -eq 65 ]
		grep -qF "raft-append: $refusal: committed 0, resume with" "$ERR"
	done
	for n in $(nodes); do query_is "$n" "$count" && fsm_is "$n" restarts 0; done
}

@test "replies: one that is longer than fsm.reply_max is lost, on every node, and all else goes on" {
	begin 'reply_max: 1KiB'
	printf 'a\nlarge\nb\n' | append n1 -r -v >"$BATS_TEST_TMPDIR/out" 2>"$ERR" && status=0 || status=$?
	[ "$status" -eq 76 ]
	[ "$(cat "$ERR")" = 'raft-append: line 2: committed and applied, and its reply is lost: the reply is longer than fsm.reply_max' ]
	[ "$(cut -d' ' -f3- "$BATS_TEST_TMPDIR/out")" = $'ok 1\nlost\nok 3' ]
	for n in $(nodes); do query_is "$n" 3 && fsm_is "$n" restarts 0; done
}
