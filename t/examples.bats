#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The examples in etc/examples: by pipe, and then each on a node of one cluster of three.
# shellcheck disable=SC2030,SC2031,SC2119,SC2120,SC2317

load helper

EX=$ROOT/etc/examples

setup_file() {
	local n d
	cluster_init "$BATS_FILE_TMPDIR/c"
	for n in $(nodes); do
		mkdir -p "$CLUSTER/$n/run"
		cp "$EX"/lines-to-sqlite3.py "$CLUSTER/$n"
		cp "$CLUSTER/$n/raft.yaml" "$CLUSTER/$n/bare.yaml"
		for d in logd peerd elect; do daemon_start "$n" "$d"; done
	done
	export CLUSTER CLUSTER_COUNT
	wait_leader
	ctl n1 wait
}
teardown_file() { cluster_stop; }
teardown() { stop_all; }

# program NODE < LINES: runs raft-fsm with this section fsm.
program() {
	cat "$CLUSTER/$1/bare.yaml" - >"$CLUSTER/$1/raft.yaml"
	daemon_start "$1" fsm
	wait_until 20 running "$1"
}
running() { [ "$(status "$1" fsm state)" = running ]; }
machine() { # machine NODE COMMAND: as the YAML's list
	# No pipeline: what is started in one is not stopped by teardown.
	program "$1" <<<$'fsm:\n  mode: machine\n  command: [ '"$2 ]"
}
append() { timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$@"; }
query() { # query NODE QUERY...
	local node=$1
	shift
	timeout 60 raft-query -c "$CLUSTER/$node/raft.yaml" "$@"
}

# ------------------------------------------------------------- by pipe

# all_kv: the same database in each language, a command a line.
all_kv() {
	echo raft-kv
	echo "raft-kv -D $BATS_TEST_TMPDIR/c.db"
	echo "$EX/kv.awk"
	echo "$EX/kv.awk -v journal=$BATS_TEST_TMPDIR/journal"
	echo "$EX/kv.py"
	echo "$EX/kv-durable.py $BATS_TEST_TMPDIR/py.db"
}

requests() {
	cat <<-'END'
		entry 3 put a hello  world
		query get a
		entry 5 incr n
		entry 6 incr n
		query list
		entry 7 cas a x y
		entry 8 cas a hello y
		entry 9 put a 1
		entry 10 cas a 1.0 2
		entry 11 cas a 1 two words
		query get a
		entry 12 del none
		entry 13 put b x
		entry 14 del b
		entry 15 incr a
		query list
		query get b
		query del a
		entry 16 put e 
		query get e
		query list e
		entry 17 get n
	END
}

@test "examples: awk, Python and C say the same to the same" {
	requests | raft-kv >"$BATS_TEST_TMPDIR/want"
	[ "$(grep -c ok "$BATS_TEST_TMPDIR/want")" -ge 12 ]
	all_kv | while read -r command; do
		echo "$command"
		# shellcheck disable=SC2086
		requests | timeout 20 $command | grep -v '^durable ' | diff "$BATS_TEST_TMPDIR/want" -
	done
}

@test "examples: what is durable is there after kill -9, each entry once; what is in memory is not" {
	cat >"$BATS_TEST_TMPDIR/drive" <<'PY'
import subprocess, sys
def start():
    kv = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    word, index = kv.stdout.readline().split()
    assert word == b"ready"
    return kv, int(index)
for round in range(3):
    kv, ready = start()
    for i in range(ready + 1, ready + 21):
        kv.stdin.write(b"entry %d incr n\n" % i)
    kv.stdin.flush()
    said = 0
    while said < ready + 10:
        words = kv.stdout.readline().split()
        said = int(words[1]) if words[0] == b"durable" else said
    kv.kill()
    kv.wait()
    kv, again = start()
    assert said <= again <= ready + 20, (said, again)
    kv.stdin.write(b"query get n\n")
    kv.stdin.flush()
    assert kv.stdout.readline() == b"ok %d\n" % again
    kv.kill()
    kv.wait()
PY
	{
		all_kv | grep "$BATS_TEST_TMPDIR"
		echo "$EX/counter.sh $BATS_TEST_TMPDIR/counters"
	} >"$BATS_TEST_TMPDIR/durable"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/durable")" -eq 4 ]
	while read -r command; do
		echo "$command"
		# shellcheck disable=SC2086
		timeout 60 python3 "$BATS_TEST_TMPDIR/drive" $command
	done <"$BATS_TEST_TMPDIR/durable"
}

@test "examples: each restores its own snapshot" {
	{
		all_kv | tail -n +3
		echo "$EX/counter.sh"
		echo "$EX/counter.sh $BATS_TEST_TMPDIR/counters"
	} | while read -r command; do
		echo "$command"
		snap=$BATS_TEST_TMPDIR/snap
		# shellcheck disable=SC2086
		printf '%s\n' 'entry 4 incr a' 'entry 5 incr a' 'entry 6 incr b' "snapshot $snap" 'entry 7 incr a' |
			timeout 20 $command | grep -v '^durable ' | diff - <(printf '%s\n' 'ready 0' 'ok 1' 'ok 2' 'ok 1' ok 'ok 3')
		rm -f "$BATS_TEST_TMPDIR"/{counters,journal,py.db}*
		# shellcheck disable=SC2086
		printf '%s\n' "restore $snap" 'query get a' 'entry 7 incr a' 'query get b' |
			timeout 20 $command | grep -v '^durable ' | diff - <(printf '%s\n' 'ready 0' ok 'ok 2' 'ok 3' 'ok 1')
		# shellcheck disable=SC2086
		if [ -n "$(find "$BATS_TEST_TMPDIR" -name counters -o -name journal -o -name py.db)" ]; then
			[ "$(timeout 20 $command </dev/null | head -n 1)" = 'ready 7' ]
		fi
		rm -f "$BATS_TEST_TMPDIR"/{counters,journal,py.db}*
		rm "$snap"
	done
}

# ---------------------------------------------------------- on three nodes

@test "examples: a counter in sh, in memory and durable, and in awk" {
	machine n1 "$EX/counter.sh"
	machine n2 "$EX/counter.sh, counters"
	machine n3 "$EX/kv.awk, -v, journal=kv.journal"
	for i in $(seq 30); do echo "incr c$((i % 3))"; done | append -r >"$BATS_TEST_TMPDIR/out"
	seq 10 | sed p | sed p | sort -n | awk 'NR % 4' | cmp - "$BATS_TEST_TMPDIR/out"
	for n in $(nodes); do
		program_kill "$n"
		[ "$(query "$n" 'get c0' 'get c1' 'get c2' | paste -sd' ')" = '10 10 10' ]
	done
	head -n 1 "$CLUSTER/n2/counters" | grep -qx "$(status n2 log commit)"
}

@test "examples: the database in awk and in Python, in memory and durable" {
	machine n1 "$EX/kv.awk"
	machine n2 "$EX/kv.py"
	machine n3 "$EX/kv-durable.py, kv.sqlite"
	seq 200 | sed 's/.*/put key& value of &/; n; s/.*/incr sum/' | append -r >/dev/null
	echo 'cas key1 value of 1' | append -r 2>"$BATS_TEST_TMPDIR/err" || status=$?
	[ "$status" -eq 65 ]
	grep -qx 'raft-append: line 1: refused: the value is value of 1' "$BATS_TEST_TMPDIR/err"
	for n in $(nodes); do
		query "$n" list 'get sum' 'get key99' >"$BATS_TEST_TMPDIR/$n"
		cmp "$BATS_TEST_TMPDIR/n1" "$BATS_TEST_TMPDIR/$n"
	done
	[ "$(tail -n 2 "$BATS_TEST_TMPDIR/n1" | paste -sd' ')" = '100 value of 99' ]
}

@test "examples: sinks: tee, jq and sqlite3" {
	before=$(tail_all n1 | wc -l)
	seq 100 | sed "s/.*/a line's & and no more/; s/.*7/an error &/" | append
	program n1 <"$EX/sink-tee.yaml"
	program n2 <"$EX/sink-jq.yaml"
	program n3 <"$EX/sink-sqlite3.yaml"
	seq 101 200 | sed "s/.*/a line's & and no more/; s/.*7/an error &/" | append
	tail_all n1 >"$BATS_TEST_TMPDIR/all"
	wait_until 20 cmp "$BATS_TEST_TMPDIR/all" "$CLUSTER/n1/all"
	[ "$(grep -c error "$BATS_TEST_TMPDIR/all")" -ge 20 ]
	errors() { cmp <(grep error "$BATS_TEST_TMPDIR/all") <(jq -r '.[1]' "$CLUSTER/n2/errors"); }
	wait_until 20 errors
	rows() { sqlite3 -cmd '.timeout 5000' "$CLUSTER/n3/lines.db" 'SELECT line FROM lines ORDER BY idx' | cmp - "$BATS_TEST_TMPDIR/all"; }
	wait_until 20 rows
	[ "$(wc -l <"$BATS_TEST_TMPDIR/all")" -eq $((before + 200)) ]
}

archived() { zcat "$CLUSTER/n1/archive"/*.gz | jq -r .data | cmp - "$BATS_TEST_TMPDIR/all"; }

@test "examples: batches: gzip, curl and sqlite3" {
	port=$(free_ports 1)
	cat >"$BATS_TEST_TMPDIR/server" <<'PY'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    refused = False
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 204 if Handler.refused else 503  # the first is to come again
        Handler.refused = True
        if status == 204:
            open(sys.argv[2], "ab").write(body)
        self.send_response(status)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
	spawn "$BATS_TEST_TMPDIR/server.log" python3 "$BATS_TEST_TMPDIR/server" "$port" "$BATS_TEST_TMPDIR/posted"
	rm -f "$CLUSTER/n3/lines.db"
	begin() { cat "$CLUSTER/$1/bare.yaml" - >"$CLUSTER/$1/raft.yaml" && daemon_start "$1" fsm; }
	begin n1 <"$EX/batch-gzip.yaml"
	begin n2 < <(sed "s/:8080/:$port/" "$EX/batch-curl.yaml")
	begin n3 <"$EX/batch-sqlite3.yaml"
	seq 3000 | sed 's/.*/batched &/' | append
	tail_all n1 >"$BATS_TEST_TMPDIR/all"
	wait_until 30 archived
	wait_until 30 cmp "$BATS_TEST_TMPDIR/all" "$BATS_TEST_TMPDIR/posted"
	rows() { sqlite3 -cmd '.timeout 5000' "$CLUSTER/n3/lines.db" 'SELECT line FROM lines ORDER BY idx' | cmp - "$BATS_TEST_TMPDIR/all"; }
	wait_until 30 rows
}

@test "examples: ⚠ a batch to gzip whose command is killed, or whose node dies when it is done, is in the archive once" {
	rm -rf "$CLUSTER/n1/archive" "$CLUSTER/n1/calls"
	mkdir "$BATS_TEST_TMPDIR/stub"
	cat >"$BATS_TEST_TMPDIR/stub/gzip" <<-SH
		#!/bin/sh
		echo call >>calls
		case \$(wc -l <calls) in
		1) $(command -v gzip) | head -c 200; kill -KILL \$PPID ;;
		2) $(command -v gzip); kill -KILL \$(cat fsm.pid) ;;
		*) exec $(command -v gzip) "\$@" ;;
		esac
	SH
	chmod +x "$BATS_TEST_TMPDIR/stub/gzip"
	cat "$CLUSTER/n1/bare.yaml" "$EX/batch-gzip.yaml" >"$CLUSTER/n1/raft.yaml"
	first=$(($(status n1 log commit) + 1))
	seq 3000 | sed 's/.*/archived &/' | append
	again() { PATH=$BATS_TEST_TMPDIR/stub:$PATH daemon_start n1 fsm; }
	again
	wait_until 20 gone "$(daemon_pid n1 fsm)"
	again
	timeout 60 raft-tail -c "$CLUSTER/n1/raft.yaml" --from "$first" >"$BATS_TEST_TMPDIR/all"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/all")" -eq 3000 ]
	has_all() {
		zcat "$CLUSTER/n1/archive"/*.gz | jq -r ".index, .data" | paste - - | awk -v first="$first" '$1 >= first' | cut -f2 |
			cmp - "$BATS_TEST_TMPDIR/all"
	}
	wait_until 30 has_all
	[ "$(wc -l <"$CLUSTER/n1/calls")" -ge 3 ]
}

@test "examples: raft-fsm in a pipeline, with a command and without" {
	cp "$CLUSTER/n1/bare.yaml" "$CLUSTER/n1/raft.yaml"
	tail_all n1 >"$BATS_TEST_TMPDIR/all"
	count=$(wc -l <"$BATS_TEST_TMPDIR/all")
	timeout 30 raft-fsm -c "$CLUSTER/n1/raft.yaml" 2>/dev/null 3>&- | head -n "$count" | cmp - "$BATS_TEST_TMPDIR/all"
	timeout 30 raft-fsm -c "$CLUSTER/n2/bare.yaml" -- head -n "$count" 2>/dev/null 3>&- |
		head -n "$count" | cmp - "$BATS_TEST_TMPDIR/all"
}

@test "examples: each that is there is run by a test of this suite or of lead-each" {
	for f in "$EX"/*; do
		grep -qE "(EX\"*|examples)/${f##*/}" "$BATS_TEST_FILENAME" "$ROOT/t/lead-each.bats" || {
			echo "${f##*/} is run by none"
			false
		}
	done
}
