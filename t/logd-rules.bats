#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Rules whose absence loses data, each by the interleaving that shows it.

load helper
bats_require_minimum_version 1.5.0

setup() {
	if [ "$(stat -f -c %T "$BATS_TEST_TMPDIR")" = tmpfs ]; then
		echo "$BATS_TEST_TMPDIR is a tmpfs, where nothing is ever synced: set TMPDIR to a folder on a disk" >&2
		return 1
	fi
	cluster_init "$BATS_TEST_TMPDIR/c"
}

teardown() {
	stop_all
	cluster_stop
}

# ---------------------------------------------------------------- raft-logd

# fresh: node n1 as raft-init makes it; only its raft-logd runs.
fresh() {
	N=$BATS_TEST_TMPDIR/n1
	rm -rf "$N"
	cp -a "$CLUSTER/n1" "$N"
	mkdir -p "$N/run"
}

answers() { timeout 5 "$TBIN/logdctl" "$N/run/log" <<<'hello A client'; }

answers_or_ends() { answers || gone "$LOGD"; }

# logd [COMMAND...]: starts it behind COMMAND, and waits until it answers or ends.
logd() {
	spawn "$N/log" "$@" "$BIN/raft-logd" -c "$N/raft.yaml"
	LOGD=$SPAWNED
	wait_until 20 answers_or_ends
}

# twenty: entries 1 to 20, each in a term and a write of its own; prints the number of the last acknowledged one.
twenty() {
	local i
	{
		echo 'hello A elector'
		for i in $(seq 20); do
			echo "write A number=$i term=$i vote=n1 first=$i count=1"
			echo "stored A $i"
		done
	} | timeout 30 "$TBIN/logdctl" "$N/run/log" 2>/dev/null | sed -n 's/^stored number=\([0-9]*\) .*/\1/p' | tail -n 1
}

# injected FAULT PATH...: strace's words for a raft-logd whose pwrite of these files has the fault.
injected() {
	local fault=$1 path
	shift
	INJECTED=(strace -f -o /dev/null -e trace=pwrite64 -e "inject=pwrite64:$fault")
	for path in "$@"; do INJECTED+=(-P "$N/data/$path"); done
}

# ends_with_74 ACKED: it ended so, and whoever starts next has all that was acknowledged.
ends_with_74() {
	local status=0
	wait_until 20 gone "$LOGD"
	wait "$LOGD" || status=$?
	echo "status $status, acknowledged ${1:-0}"
	[ "$status" = 74 ]
	grep -q 'ev=exit status=74' "$N/log"
	logd
	run timeout 10 "$TBIN/logdctl" "$N/run/log" <<<$'hello Z client\ntext Z status'
	echo "$output"
	[[ $output == *recovering=no* ]]
	[[ $output =~ \ last=([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -ge "${1:-0}" ]
	reap KILL "$LOGD"
}

@test "⚠ EIO at the n-th write of the log ends raft-logd with 74, and nothing acknowledged is lost" {
	local n acked hit=0 late=0
	# Of a first start.
	for n in 1 2 3 5 8 12 18 24; do
		fresh
		injected "error=EIO:when=$n" log.db log.db-wal
		logd "${INJECTED[@]}"
		acked=$(twenty)
		echo "EIO at write $n of a first start"
		ends_with_74 "$acked"
	done
	# Of the writes that come later: one for each entry.
	for n in 1 2 3 4 5 6 7 8 11 14 17 19 20; do
		fresh
		logd
		injected "error=EIO:when=$n" log.db log.db-wal
		spawn "$N/strace" "${INJECTED[@]}" -p "$LOGD"
		wait_until 10 grep -q attached "$N/strace"
		acked=$(twenty)
		echo "EIO at write $n of the entries"
		[ "${acked:-0}" -lt 20 ]
		hit=$((hit + 1))
		[ "${acked:-0}" -eq 0 ] || late=$((late + 1))
		ends_with_74 "$acked"
	done
	# A fault that was never hit is a failure.
	[ "$hit" = 13 ]
	[ "$late" -ge 4 ]
}

@test "⚠ a mark that cannot be written ends raft-logd with 74 before the acknowledgement" {
	local n acked
	# Two of a start, then one for each write: the n-th is of write n - 2.
	for n in 1 2 3 4 9; do
		for fault in error=EIO error=ENOSPC retval=100; do
			fresh
			injected "$fault:when=$n" mark
			logd "${INJECTED[@]}"
			acked=$(twenty)
			echo "$fault at write $n of the mark: acknowledged ${acked:-0}"
			[ "${acked:-0}" -eq $((n > 3 ? n - 3 : 0)) ]
			ends_with_74 "$acked"
		done
	done
}

# tell <<SCRIPT: to raft-logd, and what it answers.
tell() { timeout 30 "$TBIN/logdctl" "$N/run/log"; }

# five: a started node with entries 1 to 5 of term 1; then it is stopped, and its data copied.
five() {
	fresh
	logd
	tell <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=1 count=5\nstored A 1'
	reap TERM "$LOGD"
	cp -a "$N/data" "$N/before"
}

# beside_that_mark: the copy's database, which goes on by the script on stdin, beside the mark of what was done so far.
beside_that_mark() {
	cp "$N/data/mark" "$N/mark"
	rm -r "$N/data"
	cp -a "$N/before" "$N/data"
	logd
	tell
	reap TERM "$LOGD"
	cp "$N/mark" "$N/data/mark"
	logd
}

@test "⚠ a database that lacks a truncation of the mark is another log, though it has more transactions" {
	five
	logd
	tell <<<$'hello A elector\nwrite A number=1 term=2 vote=n2 after=3 first=4 count=1 text=two\nstored A 1'
	reap TERM "$LOGD"
	beside_that_mark <<-'SCRIPT'
		hello A elector
		write A number=1 term=2 vote=n3
		stored A 1
		write A number=2 term=3
		stored A 2
	SCRIPT
	grep -q 'ev=recovering.*lacks a truncation' "$N/log"
	run tell <<<'hello A elector'
	[[ $output == *'state term=3 '*' recovering=1 mark_valid=1 '* ]]
}

@test "⚠ a database with another vote than the mark's, and as many transactions, makes it recover" {
	five
	logd
	tell <<<$'hello A elector\nwrite A number=1 term=2 vote=n2\nstored A 1'
	reap TERM "$LOGD"
	beside_that_mark <<<$'hello A elector\nwrite A number=1 term=2 vote=n3\nstored A 1'
	grep -q 'ev=recovering.*another term or vote' "$N/log"
	run tell <<<'hello A elector'
	[[ $output == *'state term=2 vote=n2 last=5 '*' recovering=1 mark_valid=1 '* ]]
}

@test "⚠ what a missing mark knew stays unknown when the log goes backwards once more beside a good one" {
	five
	rm "$N/data/mark"
	logd
	reap TERM "$LOGD"
	cp "$N/data/log.db" "$N/old.db"
	logd
	tell <<<$'hello A elector\nwrite A number=1 term=2 vote=n2\nstored A 1'
	reap TERM "$LOGD"
	rm "$N"/data/log.db*
	cp "$N/old.db" "$N/data/log.db"
	logd
	grep -q 'ev=recovering.*lacks transactions' "$N/log"
	run tell <<<'hello A elector'
	[[ $output == *'state term=2 vote=n2 '*' recovering=1 mark_valid=0 '* ]]
}

@test "⚠ the mark of another data directory is none" {
	five
	sed 's/^directory .*/directory 00112233445566778899aabbccddeeff/' "$CLUSTER/n1/data/identity" >"$N/identity"
	mv "$N/data" "$N/mine"
	cp -a "$CLUSTER/n1/data" "$N/data"
	cp "$N/identity" "$N/data/identity"
	logd
	tell <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=1 count=5\nstored A 1'
	reap TERM "$LOGD"
	cp "$N/data/mark" "$N/mine/mark"
	rm -r "$N/data"
	mv "$N/mine" "$N/data"
	logd
	grep -q 'ev=recovering.*mark file is damaged' "$N/log"
}

@test "another user, though of the group that may be a client, neither writes the log nor sends to peers" {
	[ "$(id -u)" = 0 ] || { echo 'this test needs root: it is two users' >&2 && return 1; }
	fresh
	chmod a+x "$BATS_RUN_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")" "$BATS_TEST_TMPDIR" "$N"
	cp "$TBIN/logdctl" "$TBIN/peer-client" "$N/members.yaml" "$BATS_TEST_TMPDIR/"
	rm -r "$N/run"
	sed -i "s/^\( *\)id: n1.*/&\n\1group: $(getent group 65534 | cut -d: -f1)/" "$N/raft.yaml"
	logd
	spawn "$N/peerd.log" "$BIN/raft-peerd" -c "$N/raft.yaml"
	wait_until 10 grep -q ev=listening "$N/peerd.log"
	# As a client it is heard.
	other() { timeout 10 setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; }
	run other "$BATS_TEST_TMPDIR/logdctl" "$N/run/log" <<<$'hello A client\ntext A status'
	[[ $output == *'part=log'* ]]
	run other "$BATS_TEST_TMPDIR/logdctl" "$N/run/log" <<<$'hello A elector\nwrite A number=1 term=9\nstored A 1'
	echo "$output"
	[[ $output != *stored* && $output == *"only a process of this node's user"* ]]
	run tell <<<$'hello A client\ntext A status'
	[[ $output == *' term=0 '* ]]
	# Its input stays open, so that it is raft-peerd that ends it.
	mkfifo "$N/fifo"
	exec {fd}<>"$N/fifo"
	run other "$BATS_TEST_TMPDIR/peer-client" talk "$N/run" demo "$BATS_TEST_TMPDIR/members.yaml" <&"$fd"
	exec {fd}>&-
	echo "$status $output"
	[ "$status" -ne 124 ]
	run timeout 10 "$TBIN/peer-client" status "$N/run"
	[[ $output == *'elector=no '*'cluster=unknown'* ]]
}

# as_user COMMAND...: with the rights of an ordinary user, who then owns the node.
as_user() {
	if [ "$(id -u)" = 0 ]; then
		chown -R 65534 "$N"
		set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	fi
	timeout 10 "$@"
}

@test "a data directory that cannot be written is one sentence and 78" {
	fresh
	# Where that user may come: neither the source nor the folders of bats are sure to be.
	chmod a+x "$BATS_RUN_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")" "$BATS_TEST_TMPDIR"
	cp "$BIN/raft-logd" "$N/raft-logd"
	chmod 500 "$N/data"
	run as_user "$N/raft-logd" -c "$N/raft.yaml"
	echo "$output"
	[ "$status" -eq 78 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"n1/data: the data directory cannot be written: Permission denied"* ]]
	chmod 700 "$N/data"
	[ "$(ls "$N/data")" = "$(ls "$CLUSTER/n1/data")" ]
}

# --------------------------------------------------------------- raft-peerd

# say NODE WORDS: to the client that plays its raft-elect.
say() {
	local fd=FD_$1
	echo "$2" >&"${!fd}"
}
saw() { grep -qE "$2" "$CLUSTER/$1/events"; }

# peerd NODE MEMBERS: a raft-peerd, and a client that plays its raft-elect.
peerd() {
	mkdir -p "$CLUSTER/$1/run"
	spawn "$CLUSTER/$1/log" raft-peerd -c "$CLUSTER/$1/raft.yaml"
	wait_until 10 grep -q ev=listening "$CLUSTER/$1/log"
	mkfifo "$CLUSTER/$1/fifo"
	# shellcheck disable=SC2016
	spawn "$CLUSTER/$1/events" bash -c 'exec <"$0" "$@"' "$CLUSTER/$1/fifo" \
		"$TBIN/peer-client" talk "$CLUSTER/$1/run" demo "$2"
	exec {fd}>"$CLUSTER/$1/fifo"
	eval "FD_$1=$fd"
}

@test "⚠ a first handshake message that comes again does not displace the live session" {
	local port from relay silent i
	port=$(sed -n 's/.*listen:.*:\([0-9]*\).*/\1/p' "$CLUSTER/n2/raft.yaml")
	from=$(sed -n 's/.*listen:.*:\([0-9]*\).*/\1/p' "$CLUSTER/n1/raft.yaml")
	relay=$(free_ports 2)
	silent=$((relay + 1))
	mkfifo "$BATS_TEST_TMPDIR/relay.in"
	# shellcheck disable=SC2016
	spawn "$BATS_TEST_TMPDIR/relay" bash -c 'exec <"$0" "$@"' "$BATS_TEST_TMPDIR/relay.in" \
		"$TBIN/peer-relay" "$relay" "$port"
	exec {to_relay}>"$BATS_TEST_TMPDIR/relay.in"
	wait_until 10 grep -q listening "$BATS_TEST_TMPDIR/relay"
	sed "s/:$port/:$relay/" "$CLUSTER/n1/members.yaml" >"$CLUSTER/n1/relayed.yaml"
	# n1 alone finds the other one: of two connections that are made at once the later may replace the earlier.
	sed "s/:$from/:$silent/" "$CLUSTER/n2/members.yaml" >"$CLUSTER/n2/silent.yaml"
	peerd n1 "$CLUSTER/n1/relayed.yaml"
	peerd n2 "$CLUSTER/n2/silent.yaml"
	wait_until 10 eval "say n1 'vote n2 1'; saw n2 '^recv n1 raft_vote 1'"
	wait_until 10 eval "say n2 'vote n1 1'; saw n1 '^recv n2 raft_vote 1'"
	# More often than raft-peerd keeps sessions that are not confirmed; each followed by one message that must come.
	for i in $(seq 2 13); do
		echo hello >&"$to_relay"
		wait_until 10 eval "[ \"\$(grep -c '^done hello' '$BATS_TEST_TMPDIR/relay')\" -eq $((i - 1)) ]"
		sleep 0.05
		say n1 "vote n2 $i"
		wait_until 10 saw n2 "^recv n1 raft_vote $i\$"
	done
	run ! saw n1 '^lost'
	run ! saw n2 '^lost'
}

# --------------------------------------------------------------- raft-elect

# play TIMEOUT: raft-elect of n1 with that election timeout, and the Python program on stdin with what it needs at hand.
play() {
	local run=$CLUSTER/n1/run
	mkdir -p "$run"
	sed -i "s/election_timeout: .*/election_timeout: $1/" "$CLUSTER/n1/raft.yaml"
	grep -q "election_timeout: $1" "$CLUSTER/n1/raft.yaml" || printf '\nelect:\n  election_timeout: %s\n' "$1" >>"$CLUSTER/n1/raft.yaml"
	daemon_start n1 elect
	wait_until 10 test -S "$run/elect"
	{
		printf '%s\n' 'import os, time' 'from wire import *' 'from fakes import *' 'run = os.environ["RUN"]' \
			'logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()' 'peerd = Peerd(run).accept()' \
			'peerd.config()' 'c = Conn(run + "/elect")' 'c.hello()'
		cat
	} >"$BATS_TEST_TMPDIR/play.py"
	RUN=$run PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$BATS_TEST_TMPDIR/play.py"
}

# What a follower of n2 in term 7 is told first.
FOLLOW='
peerd.deliver("n2", "raft_append", term=7, round=1)
logd.store_next()
wait_until(lambda: logfmt(c.query("status"))["leader"] == "n2")
'

@test "⚠ a forwarded proposal is unknown once the connection to the leader has been lost, long before its time is up" {
	play 8s < <(
		echo "$FOLLOW"
		cat <<-'PY'
			c.propose(3, [entry(1, "a", b"s"), entry(2, "b", b"s")])
			assert peerd.sent("raft_propose", to="n2")["term"] == 7
			began = time.time()
			peerd.conn.send("peer_lost", peer="n3")
			peerd.conn.send("peer_lost", peer="n2")
			a = c.expect("answer")
			assert (a["request"], a["verdict"], a["serial"], a["count"]) == (3, 2, 1, 2), a
			assert time.time() - began < 4, "it waited for its time to be up"
		PY
	)
}

@test "⚠ a forwarded proposal is unknown once raft-peerd is lost" {
	play 8s < <(
		echo "$FOLLOW"
		cat <<-'PY'
			c.propose(3, entry(1, "a", b"s"))
			peerd.sent("raft_propose", to="n2")
			began = time.time()
			peerd.close()
			a = c.expect("answer")
			assert (a["request"], a["verdict"], a["serial"], a["count"]) == (3, 2, 1, 1), a
			assert time.time() - began < 4, "it waited for its time to be up"
		PY
	)
}

@test "⚠ an append is acknowledged once raft-logd has stored it, not before" {
	play 8s < <(
		echo "$FOLLOW"
		cat <<-'PY'
			peerd.deliver("n2", "raft_append", term=7, round=2, last=1, count=1,
			              entries=entry(0, "", kind=NOOP, term=7))
			w = logd.write()
			assert w["count"] == 1, w
			peerd.deliver("n2", "raft_append", term=7, prev=(1, 7), round=3, last=1)
			while True:
			    r = peerd.sent("raft_append_reply", to="n2")
			    assert r["match"] == 0, r
			    if r["round"] == 3:
			        break
			logd.store(w)
			assert peerd.sent("raft_append_reply", to="n2")["match"] == 1
		PY
	)
}
