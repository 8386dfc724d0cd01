#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-ctl cursor, and what a replicated cursor is on real nodes.
# shellcheck disable=SC2030,SC2031

bats_require_minimum_version 1.5.0
load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	cd "$BATS_TEST_TMPDIR" || return 1
}
teardown() {
	show_logs
	cluster_stop
}

# begin: a cluster at level 3.
begin() {
	cluster_start
	wait_until 30 at_level
}
at_level() { has_level n1 3 && has_level n2 3 && has_level n3 3; }

append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" "${@:2}"; }
# of CURSOR KEY NODE: what the list has.
of() { ctl "$3" -j cursor list | jq -r ".cursors[] | select(.cursor == \"$1\") | .$2"; }
committed() { ctl "$1" -j cursor list | jq .commit; }

# consumer NODE NAME: opens the cursor; takes positions from descriptor 7 and prints to `consumer`.
consumer() {
	rm -f positions consumer
	mkfifo positions
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 120 \
		python3 "$ROOT/t/tools/cursor.py" "$CLUSTER/$1/run" "$2" <positions >consumer 3>&- &
	CONSUMER=$!
	exec 7>positions
	wait_until 20 grep -q opened consumer
}
consumer_end() {
	exec 7>&-
	wait "$CONSUMER"
}

# wrong STATUS SENTENCE ARGS...
wrong() {
	run "-$1" ctl n1 "${@:3}"
	echo "${*:3} -> $output"
	[ "${#lines[@]}" -eq 1 ]
	# shellcheck disable=SC2053
	[[ $output == $2 ]]
}

@test "cursor: set, list and drop; the list is that of each node, and of JSON" {
	begin
	seq 20 | append n1
	[ "$(ctl n1 cursor list)" = "level=3  first=1  commit=$(committed n1)" ]
	ctl n1 cursor set mail 7
	[ "$(of mail position n1)" = 7 ]
	[ "$(of mail serial n1)" = 1 ]
	[ "$(of mail missing n1)" = 0 ]
	[ "$(of mail lag n1)" = $(($(committed n1) - 7)) ]
	ctl n2 cursor set mail 12
	ctl n2 cursor set other begin
	[ "$(of other position n2)" = 0 ]
	for n in $(nodes); do ctl "$n" barrier; done
	for n in $(nodes); do ctl "$n" cursor list | awk 'NR > 1 { print $1, $2, $4 }'; done | sort | uniq -c >all
	[ "$(awk '{ $1 = $1; print }' all)" = $'3 cursor position missing\n3 mail 12 0\n3 other 0 0' ]
	# A named session of the same name is another thing.
	echo one | append n3 -S mail
	[ "$(of mail position n1)" = 12 ]
	[ "$(ctl n3 -j session list | jq -r '.sessions[].session')" = mail ]
	ctl n3 cursor drop mail
	[ "$(ctl n3 -j cursor list | jq -c '[.cursors[].cursor]')" = '["other"]' ]
	[ "$(ctl n3 -j session list | jq -r '.sessions[].session')" = mail ]
	wrong 65 'raft-ctl: cursor mail: there is none of that name' cursor drop mail
	# One that is made again begins at the beginning, and its former epoch is over.
	ctl n1 cursor set mail 0
	[ "$(of mail position n1)" = 0 ]
}

@test "cursor: end is all that is committed, whichever node is asked" {
	begin
	for n in $(nodes); do
		last=$(echo "entry of $n" | append n1 -v)
		last=$(ctl "$(leader)" -j status | jq .elect.commit)
		ctl "$n" cursor set mail end
		[ "$(of mail position "$n")" -ge "$last" ]
		[ "$(of mail position "$n")" -lt "$(of mail epoch "$n")" ]
	done
}

@test "cursor: ⚠ beyond the end is one sentence with the end, 65, and nothing is opened" {
	begin
	seq 5 | append n1
	ctl n1 cursor set mail 2
	epoch=$(of mail epoch n1)
	wrong 65 'raft-ctl: cursor set mail: 1000000 is beyond the end of the log: entry [0-9]* is the last one that is committed' \
		cursor set mail 1000000
	wrong 65 'raft-ctl: cursor set new: 18446744073709551615 is beyond the end of the log: *' cursor set new 18446744073709551615
	[ "$(of mail epoch n1)" = "$epoch" ]
	[ "$(of mail position n1)" = 2 ]
	[ "$(ctl n1 -j cursor list | jq -c '[.cursors[].cursor]')" = '["mail"]' ]
}

@test "cursor: what cannot be is one sentence and 64" {
	begin
	for index in +1 1.5 start '' 18446744073709551616; do
		wrong 64 "raft-ctl: cursor set: $index: a number, begin or end is expected: the last entry that is consumed" \
			cursor set mail "$index"
	done
	wrong 64 "raft-ctl: cursor set: a cursor's name has 1 to 64 bytes" cursor set '' 1
	wrong 64 "raft-ctl: cursor drop: a cursor's name has 1 to 64 bytes" cursor drop "$(printf 'n%.0s' $(seq 65))"
	wrong 64 "raft-ctl: cursor set: a cursor's name is UTF-8" cursor set $'\xff' 1
	for args in '' 'list all' set 'set mail' drop 'drop a b' other; do
		# shellcheck disable=SC2086
		wrong 64 'raft-ctl: cursor: list, set NAME INDEX or drop NAME is expected' cursor $args
	done
	wrong 64 'raft-ctl: cursor set: -j does not apply' -j cursor set mail 1
	[ "$(ctl n1 -j cursor list | jq -c .cursors)" = '[]' ]
}

@test "cursor: ⚠ below level 3 none can be opened, and the sentence has the level and what is missing" {
	# A member that has never answered keeps the cluster at level 1.
	node_start n1
	node_start n2
	ctl n1 wait
	[ "$(ctl n1 -j cursor list | jq -c '[.level, .cursors]')" = '[1,[]]' ]
	wrong 75 'raft-ctl: cursor set: the cluster is at level 1, and cursors need level 3, which it reaches when all members have programs that support it' \
		cursor set mail 0
	# Nor by a client that does not ask first.
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/cursor.py" "$CLUSTER/n1/run" mail >out </dev/null
	[ "$(cat out)" = 'refused 33' ]
	node_start n3
	wait_until 30 at_level
	ctl n1 cursor set mail 0
	[ "$(of mail position n1)" = 0 ]
}

@test "cursor: ⚠ set takes the cursor from a running consumer, whose next move is refused and changes nothing" {
	begin
	seq 20 | append n1
	consumer n2 mail
	[[ $(cat consumer) == 'opened '*' 0 0' ]]
	echo 5 >&7
	wait_until 20 grep -q committed consumer
	ctl n1 barrier
	[ "$(of mail position n1)" = 5 ]
	ctl n3 cursor set mail 3
	echo 9 >&7
	wait_until 20 grep -q refused consumer
	[ "$(tail -n 1 consumer)" = 'refused 13' ]
	consumer_end
	ctl n1 barrier
	[ "$(of mail position n1)" = 3 ]
	# The next one continues there.
	consumer n1 mail
	[[ $(cat consumer) == 'opened '*' 2 3' ]]
	# One whose cursor is dropped is refused as well.
	ctl n2 cursor drop mail
	echo 9 >&7
	wait_until 20 grep -q refused consumer
	[ "$(tail -n 1 consumer)" = 'refused 12' ]
	consumer_end
}

@test "cursor: ⚠ the position survives kill -9 of each node in turn, and of all" {
	begin
	seq 30 | append n1
	position=0
	for n in $(nodes); do
		consumer "$n" mail
		[ "$(head -n 1 consumer | cut -d' ' -f4)" = "$position" ]
		echo $((position += 7)) >&7
		wait_until 20 grep -q committed consumer
		for d in elect logd; do reap KILL "$(daemon_pid "$n" "$d")"; done
		exec 7>&-
		wait "$CONSUMER" || :
		daemon_start "$n" logd
		daemon_start "$n" elect
		wait_leader 30
	done
	for n in $(nodes); do for d in elect logd; do reap KILL "$(daemon_pid "$n" "$d")"; done; done
	for n in $(nodes); do for d in logd elect; do daemon_start "$n" "$d"; done; done
	wait_leader 30
	for n in $(nodes); do
		ctl "$n" barrier
		[ "$(of mail position "$n")" = 21 ]
		[ "$(of mail serial "$n")" = 3 ]
	done
}

@test "cursor: ⚠ a node that received a snapshot has the same cursors, and a consumer continues there" {
	for n in $(nodes); do
		printf '%s\n' 'logd: { keep_tail: 0B }' 'fsm: { mode: machine, format: kv-1, command: [ raft-kv ] }' >>"$CLUSTER/$n/raft.yaml"
	done
	begin
	for d in fsm elect peerd logd; do reap KILL "$(daemon_pid n3 "$d")"; done
	seq -f 'put key%g value' 300 | append n1 -r
	last=$(committed n1)
	ctl n1 cursor set mail "$((last - 10))"
	ctl n1 cursor set mail "$last"
	ctl n2 cursor set other "$((last - 5))"
	echo 'put last one' | append n1 -r
	for n in n1 n2; do
		ctl "$n" barrier
		ctl "$n" snapshot
	done
	# The cursors keep what is after them, and nothing else is left.
	compacted() { [ "$(status n1 log first)" = $((last - 4)) ] && [ "$(status n2 log first)" = $((last - 4)) ]; }
	wait_until 20 compacted
	node_start n3
	installed() { grep -q ev=install "$CLUSTER/n3/logd.log"; }
	wait_until 30 installed
	for n in $(nodes); do
		ctl "$n" barrier
		ctl "$n" -j cursor list | jq -c '.cursors[] | [.cursor, .position, .epoch, .serial, .last_index]'
	done | sort | uniq -c >all
	[ "$(awk '{ print $1 }' all)" = $'3\n3' ] || { cat all && false; }
	[ "$(of other missing n1)" = 0 ]
	# Entries between a position and the snapshot are not on this node.
	[ "$(of mail missing n3)" -gt 0 ]
	ctl n3 transfer n3
	wait_until 30 has_role n3 leader
	consumer n3 mail
	[[ $(cat consumer) == "opened "*" 2 $last" ]]
	echo "$((last + 1))" >&7
	wait_until 20 grep -q committed consumer
	consumer_end
	ctl n1 barrier
	[ "$(of mail position n1)" = $((last + 1)) ]
}

@test "cursor: ⚠ its entries are given to no reader and no program" {
	printf '%s\n' 'fsm:' '  mode: sink' '  framing: json' "  command: [ sh, -c, 'exec cat >$PWD/n1.out' ]" >>"$CLUSTER/n1/raft.yaml"
	printf '%s\n' 'fsm:' '  mode: batch' "  command: [ sh, -c, 'exec cat >>$PWD/n2.out' ]" >>"$CLUSTER/n2/raft.yaml"
	printf '%s\n' 'fsm:' '  mode: machine' '  format: kv-1' '  command: [ raft-kv ]' >>"$CLUSTER/n3/raft.yaml"
	begin
	echo 'put a 1' | append n1
	consumer n2 mail
	seq 3 >&7
	four() { [ "$(grep -c committed consumer)" = "$1" ]; }
	wait_until 20 four 3
	ctl n1 cursor set other end
	echo 'put b 2' | append n3 -r
	ctl n1 cursor set other end
	for n in $(nodes); do
		ctl "$n" barrier
		passed() { [ "$(status "$1" fsm lag)" = 0 ]; }
		wait_until 20 passed "$n"
		for framing in line nul netstring json; do
			timeout 20 raft-tail -c "$CLUSTER/$n/raft.yaml" -F "$framing" >"in.$framing"
		done
		[ "$(cat in.line)" = $'put a 1\nput b 2' ]
		[ "$(tr '\0' '\n' <in.nul)" = $'put a 1\nput b 2' ]
		[ "$(cat in.netstring)" = '7:put a 1,7:put b 2,' ]
		[ "$(jq -r .data in.json)" = $'put a 1\nput b 2' ]
		[ "$(timeout 20 raft-tail -c "$CLUSTER/$n/raft.yaml" -N 2 | wc -l)" = 2 ]
		[ "$(status "$n" fsm restarts)" = 0 ]
	done
	[ "$(jq -r .data n1.out)" = $'put a 1\nput b 2' ]
	[ "$(cat n2.out)" = $'put a 1\nput b 2' ]
	[ "$(timeout 20 raft-query -c "$CLUSTER/n3/raft.yaml" list)" = 'a b' ]
	# Nor does a client meet them.
	timeout 60 raft-bench -c "$CLUSTER/n1/raft.yaml" -N 50 >bench
	consumer_end
	[ "$(timeout 20 raft-tail -c "$CLUSTER/n2/raft.yaml" | wc -l)" = 52 ]
}

# between RAFT-CTL-OUTPUT <<PLAN: raft-ctl cursor set mail 40 between a raft-logd and a raft-elect that do what PLAN says:
# e is the connection to raft-elect, opened() answers the opening, and the first move is expected by moved().
between() {
	mkdir -p "$CLUSTER/n1/run"
	{
		cat <<-'PY'
			import struct, subprocess, sys
			from wire import *
			run, conf, want, sentence = sys.argv[1:]
			log, elect = listen(run + "/log"), listen(run + "/elect")
			tool = subprocess.Popen(["raft-ctl", "-c", conf, "-t", "2s", "cursor", "set", "mail", "40"], stderr=subprocess.PIPE, text=True)
			def met(listener):
			    conn = accept(listener)
			    conn.expect("hello")
			    conn.send("hello_reply", version=1, low=1, high=1, node="n1", cluster=b"c" * 32)
			    return conn
			conn = met(log)
			assert conn.expect("query_text")["what"] == "cursors"
			conn.send("text_reply", request=1, lines="level=3 first=1 commit=50\n")
			e = met(elect)
			def answer(request, **fields):
			    e.send("answer", request=request, count=1, **fields)
			def opening(replaces):
			    got = e.expect("propose")
			    assert got["entries"][8] == CURSOR_OPEN and got["entries"][9:25] == named_id("cursor", "mail")
			    assert struct.unpack(">Q", got["entries"][37 + 16:37 + 24])[0] == replaces
			    return got["request"]
			def opened():
			    answer(opening(0), verdict=0, epoch=51, pos=(51, 1), last_serial=4, position=7)
			def moved():
			    """The number of the request: each attempt has the same epoch and serial."""
			    got = e.expect("propose")
			    assert got["epoch"] == 51 and got["entries"][8] == ACK
			    assert struct.unpack(">Q", got["entries"][25:33])[0] == 5 and got["entries"][37:] == struct.pack(">Q", 40)
			    return got["request"]
			def arrived(index):
			    conn = met(log)
			    assert conn.expect("log_read")["from"] == index
			    conn.send("log_entries", request=1, first_index=index, first_available=1, commit=index)
		PY
		cat
		cat <<-'PY'
			said = tool.communicate(timeout=30)[1].strip()
			print(said)
			assert tool.returncode == int(want), (tool.returncode, want)
			assert said.startswith(sentence) if sentence else said == "", said
		PY
	} | PATH=$BIN:$PATH PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 \
		python3 - "$CLUSTER/n1/run" "$CLUSTER/n1/raft.yaml" "$@"
}

@test "cursor: ⚠ set tries the same move again until it is answered, and says 76 when it may be done" {
	between 0 '' <<-'PY'
		answer(opening(0), verdict=1, reason=13, epoch=33)
		answer(opening(33), verdict=0, epoch=51, pos=(51, 1), last_serial=4)
		answer(moved(), verdict=2, reason=4)
		e.close()
		e = met(elect)
		answer(moved(), verdict=1, reason=1)
		answer(moved(), verdict=0, serial=5, pos=(52, 1))
		arrived(52)
	PY
	# An earlier attempt is in the log, at a place that is no longer at hand.
	between 0 '' <<-'PY'
		opened()
		answer(moved(), verdict=2, reason=4)
		answer(moved(), verdict=0, serial=5, pos=(0, 0))
		arrived(51)
	PY
	between 76 'raft-ctl: the cursor is opened: ' <<-'PY'
		opened()
		moved()
	PY
	between 76 'raft-ctl: the cursor is opened: no leader is known (given up after 2000 ms)' <<-'PY'
		opened()
		answer(moved(), verdict=1, reason=1)
		try:
		    while True:
		        answer(moved(), verdict=1, reason=1)
		except (AssertionError, BrokenPipeError):
		    pass
	PY
	between 77 'raft-ctl: cursor set mail: a consumer has opened the cursor meanwhile' <<-'PY'
		opened()
		answer(moved(), verdict=1, reason=13)
	PY
	between 77 'raft-ctl: cursor set mail: the cursor was dropped meanwhile' <<-'PY'
		opened()
		answer(moved(), verdict=1, reason=12)
	PY
	between 76 'raft-ctl: cursor set mail: a consumer has opened the cursor meanwhile: it may be set' <<-'PY'
		opened()
		answer(moved(), verdict=2, reason=4)
		answer(moved(), verdict=1, reason=13)
	PY
	between 75 'raft-ctl: cursor set mail: a member of the cluster runs a program that is too old for it' <<-'PY'
		answer(opening(0), verdict=1, reason=33)
	PY
	between 69 'raft-ctl: ' <<-'PY'
		answer(opening(0), verdict=1, reason=1)
		e.close()
		elect.close()
	PY
}
