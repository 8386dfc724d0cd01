#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-query and raft-append -r before a raft-fsm that does what a test says, behind a real cluster of one.
# sanitize
# shellcheck disable=SC2030,SC2031

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c" 1
	echo 'fsm: {}' >>"$CLUSTER/n1/raft.yaml"
	mkdir -p "$CLUSTER/n1/run"
	for d in logd peerd elect; do daemon_start n1 "$d"; done
	export CLUSTER CLUSTER_COUNT
	wait_leader
}
teardown_file() { cluster_stop; }

setup() {
	N=$CLUSTER/n1
	ERR=$BATS_TEST_TMPDIR/err
	rm -f "$N/run/asked" "$N/run/go"
}
teardown() { stop_all; }

# fsm [MODE] [PLAN ...]: see t/tools/fake-fsm.py
fsm() {
	rm -f "$N/run/fsm"
	spawn "$BATS_TEST_TMPDIR/fsm.log" python3 "$ROOT/t/tools/fake-fsm.py" "$N/run" "$@"
	[[ " $* " == *' late '* ]] || wait_until 10 test -S "$N/run/fsm"
}
query() { timeout 30 raft-query -c "$N/raft.yaml" "$@"; }
append() { timeout 60 raft-append -c "$N/raft.yaml" "$@"; }
asked() { cat "$N/run/asked"; }
commit() { status n1 log commit; }

@test "protocol: each daemon answers each request by its number, refused ones among good ones, for several clients at once" {
	cat >"$BATS_TEST_TMPDIR/ask.py" <<-'PY'
		import os, struct, sys
		sys.path.insert(0, sys.argv[1])
		import wire
		ROUNDS = 40
		unknown = lambda request: struct.pack(">IHQ", 10, 999, request)
		text = lambda what: lambda request: wire.put("query_text", request=request, what=what)
		entry = lambda serial: lambda request: wire.put("propose", request=request, count=1,
		    entries=wire.entry(serial, "x", session=bytes([1]) + os.urandom(15)))
		ask = lambda message, /, **fields: lambda request: wire.put(message, request=request, **fields)
		mixtures = {
		    "elect": [(text("status"), "text_reply"), (unknown, "refusal"), (ask("read_index"), "read_index_reply"),
		        (text("weather"), "refusal"), (entry(1), "answer"), (entry(9), "answer"), (text("members"), "text_reply")],
		    "log": [(ask("log_read", **{"from": 1}, size_max=100, count_max=1), "log_entries"), (unknown, "refusal"),
		        (ask("session_get", session=b"s"), "session"), (ask("cursor_set", name="c", index=1), "refusal"),
		        (ask("cursor_get", name="c"), "cursor"), (text("weather"), "refusal"), (text("status"), "text_reply")],
		    "peer": [(text("status"), "text_reply"), (unknown, "refusal"), (text("weather"), "refusal"),
		        (text("status"), "text_reply")],
		}
		for daemon, mixture in mixtures.items():
		    conns = [wire.Conn(os.path.join(sys.argv[2], daemon), timeout=60) for _ in range(5)]
		    for conn in conns:
		        conn.hello()
		    for conn in conns:
		        conn.raw(b"".join(mixture[i % len(mixture)][0](i + 1) for i in range(ROUNDS * len(mixture))))
		    for conn in conns:
		        got = {}
		        while len(got) < ROUNDS * len(mixture):
		            name, m = conn.recv()
		            assert m["request"] not in got, (daemon, name, m)
		            got[m["request"]] = name
		        for i in range(ROUNDS * len(mixture)):
		            assert got[i + 1] == mixture[i % len(mixture)][1], (daemon, i + 1, got[i + 1])
		        assert conn.query("status", request=1 << 40).startswith("part="), daemon
	PY
	PYTHONDONTWRITEBYTECODE=1 timeout 120 python3 "$BATS_TEST_TMPDIR/ask.py" "$ROOT/t/tools" "$N/run"
}

# ---------------------------------------------------------------- raft-query

@test "query: operands and lines are asked in order, and the answers come in it" {
	fsm
	[ "$(query 'get a' 'get b' '')" = 'to get a
to get b
to ' ]
	seq -f 'get %.0f' 5000 >"$BATS_TEST_TMPDIR/in"
	query <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	sed 's/^/to /' "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/out"
	query </dev/null >"$BATS_TEST_TMPDIR/out"
	[ ! -s "$BATS_TEST_TMPDIR/out" ]
}

@test "query: asks for what is committed now, and --stale for whatever there is, without raft-elect" {
	fsm
	echo line | append
	before=$(commit)
	query one >/dev/null
	read -r _ index _ < <(tail -n 1 "$N/run/asked")
	[ "$index" -ge "$before" ]
	kill -STOP "$(daemon_pid n1 elect)"
	[ "$(query --stale two)" = 'to two' ]
	[ "$(tail -n 1 "$N/run/asked")" = 'query 0 two' ]
	run query -t 3s three
	echo "$output"
	kill -CONT "$(daemon_pid n1 elect)"
	[ "$status" -eq 69 ]
	[ "$output" = 'raft-query: no answer from raft-elect (given up after 3000 ms)' ]
	[ "$(query four)" = 'to four' ]
}

@test "query: an answer comes while the input is still open" {
	fsm
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	query <"$BATS_TEST_TMPDIR/pipe" >"$BATS_TEST_TMPDIR/out" 3>&- &
	PIDS+=($!)
	exec 8>"$BATS_TEST_TMPDIR/pipe"
	for i in 1 2 3; do
		echo "get $i" >&8
		wait_until 10 grep -qx "to get $i" "$BATS_TEST_TMPDIR/out"
	done
	exec 8>&-
}

@test "query: a refused one is 65 once the rest is done, with its line, and an empty answer" {
	fsm refuse:2
	printf 'a\nb\nc\n' | query >"$BATS_TEST_TMPDIR/out" 2>"$ERR" || status=$?
	[ "$status" -eq 65 ]
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = 'to a

to c' ]
	[ "$(cat "$ERR")" = 'raft-query: line 2: refused: not to b' ]
	stop_all
	fsm refuse:1
	run query 'get x'
	[ "$status" -eq 65 ]
	[ "$output" = 'raft-query: get x: refused: not to get x
' ] || [ "${lines[0]}" = 'raft-query: get x: refused: not to get x' ]
}

@test "query: answers that come out of turn are printed in turn, each once, also when raft-fsm goes away meanwhile" {
	fsm hold:2 hold:4 hold:5 hold:50 hold:59 die:60
	seq 1 100 >"$BATS_TEST_TMPDIR/in"
	query <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	sed 's/^/to /' "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "query: an operand that is larger than elect.entry_max is one sentence, and none is asked" {
	fsm
	cp "$N/raft.yaml" "$N/small.yaml"
	sed -i 's/^elect:/&\n  entry_max: 1KiB/' "$N/small.yaml"
	RAFT_CONFIG=$N/small.yaml run timeout 30 raft-query a "$(printf '%100000s' x)" b
	[ "$status" -eq 65 ]
	[ "$output" = 'raft-query: query 2 is larger than 1024 bytes, the limit elect.entry_max' ]
	[ ! -s "$N/run/asked" ]
}

@test "query: is asked again when raft-fsm goes away, or raft-elect, or one of them talks nonsense" {
	fsm die:30 nonsense:60
	seq 100 >"$BATS_TEST_TMPDIR/in"
	query <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	sed 's/^/to /' "$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/out"
	stop_all
	fsm late
	query a b >"$BATS_TEST_TMPDIR/out" 3>&- &
	asking=$!
	reap KILL "$(daemon_pid n1 elect)"
	touch "$N/run/go"
	daemon_start n1 elect
	unset 'PIDS[-1]' # it stays for the other tests
	wait "$asking"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = 'to a
to b' ]
	wait_leader
}

@test "query: framings, and data of any bytes that they allow" {
	fsm
	printf 'a\0b\n' | query -0 | cmp - <(printf 'to a\0to b\n\0')
	printf '3:a\nb,1:c,' | query -F netstring | cmp - <(printf '6:to a\nb,4:to c,')
	printf 'a\nb' | query -F whole | cmp - <(printf 'to a\nb')
	run query -F netstring <<<'x'
	[ "$status" -eq 65 ]
	[[ $output == *'not a netstring'* ]]
}

@test "query and append -r: a program that does not answer is waited for as long as -t says" {
	fsm silent:1
	run query -t 3s a
	[ "$status" -eq 69 ]
	[ "$output" = 'raft-query: the program of this node has not answered (given up after 3000 ms)' ]
	stop_all
	fsm silent:2
	run append -r -t 3s <<<$'a\nb\nc'
	echo "$output"
	[ "$status" -eq 76 ]
	[[ ${lines[0]} == 'reply 1' ]]
	[[ $output == *'has not replied (given up after 3000 ms): committed 3'* ]]
	[[ $output == *'raft-append: the replies to what is committed are lost'* ]]
}

@test "query and append -r: the reason of a refusal is not lost when the next connection is up, and ends with an answer" {
	fsm not-now:1 silent:1
	run query -t 3s a
	[ "$status" -eq 69 ]
	[ "$output" = 'raft-query: entry 52: it is to blame (given up after 3000 ms)' ]
	stop_all
	fsm not-now:2 silent:2
	run append -r -t 3s <<<$'a\nb'
	[ "$status" -eq 76 ]
	[[ $output == *'entry 52: it is to blame (given up after 3000 ms): committed 2'* ]]
	stop_all
	fsm not-now:1 silent:2
	run query -t 3s a b
	[ "$output" = "to a
raft-query: the program of this node has not answered (given up after 3000 ms)" ]
}

# unread PID: it has received what it has not read yet, on a Unix socket.
unread() { ss -xpH state established | grep "pid=$1," | awk '$2 > 0 { found = 1 } END { exit !found }'; }

# asleep CLIENT DAEMON: a stopped daemon has been asked; it answers while the client is stopped, for longer than -t 1s.
asleep() {
	wait_until 10 unread "$2"
	kill -STOP "$1"
	kill -CONT "$2"
	wait_until 10 unread "$1"
	sleep 1.5 # the length of the stop
	kill -CONT "$1"
}

# client COMMAND...: reads what is written to descriptor 8; its output goes to the file out, and "first" is asked.
client() {
	rm -f "$BATS_TEST_TMPDIR/pipe"
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	"$BIN/$1" -c "$N/raft.yaml" -t 1s "${@:2}" <"$BATS_TEST_TMPDIR/pipe" >"$BATS_TEST_TMPDIR/out" 2>"$ERR" 3>&- &
	CLIENT=$!
	PIDS+=("$CLIENT")
	exec 8>"$BATS_TEST_TMPDIR/pipe"
	echo first >&8
	wait_until 10 test -s "$BATS_TEST_TMPDIR/out"
}

@test "query and append: an answer that came while the client was stopped counts" {
	fsm
	for daemon in "$SPAWNED raft-query --stale" "$SPAWNED raft-append -r" "$(daemon_pid n1 elect) raft-append -v"; do
		echo "$daemon"
		read -r pid command <<<"$daemon"
		# shellcheck disable=SC2086
		client $command
		kill -STOP "$pid"
		echo second >&8
		exec 8>&-
		asleep "$CLIENT" "$pid"
		wait "$CLIENT"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 2 ]
	done
}

@test "query and append -r: no state machine is one sentence, and nothing is appended" {
	fsm sink
	before=$(commit)
	run query a
	[ "$status" -eq 78 ]
	[[ $output == 'raft-query: this node runs no state machine: the program of raft-fsm is of mode sink'* ]]
	run append -r <<<line
	[ "$status" -eq 78 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == 'raft-append: this node runs no state machine: '*': nothing was appended' ]]
	stop_all
	rm -f "$N/run/fsm"
	run append -r -t 300ms <<<line
	[ "$status" -eq 69 ]
	[[ $output == *'nobody listens there: is the node running? (given up after 300 ms): nothing was appended' ]]
	grep -v '^fsm:' "$N/raft.yaml" >"$N/other.yaml"
	for p in 'raft-append -r' 'raft-query a'; do
		# shellcheck disable=SC2086
		run timeout 10 $p -c "$N/other.yaml" </dev/null
		[ "$status" -eq 78 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *'this node runs no state machine: '*'other.yaml has no section fsm' ]]
	done
	[ "$(commit)" -eq "$before" ]
}

# ---------------------------------------------------------------- raft-append -r

@test "append -r: a reply for each line, in order, in the framing of the input" {
	fsm
	seq 20000 | append -r >"$BATS_TEST_TMPDIR/out"
	seq -f 'reply %.0f' 20000 | cmp - "$BATS_TEST_TMPDIR/out"
	[ "$(asked | awk '{ n += $3 } END { print n }')" -eq 20000 ]
	[ "$(asked | wc -l)" -lt 10000 ]
	printf 'a\0b' | append -r -0 | cmp - <(printf 'reply 1\0reply 2\0')
	printf '1:a,1:b,' | append -r -F netstring | cmp - <(printf '7:reply 1,7:reply 2,')
	[ -z "$(append -r </dev/null)" ]
}

@test "append -r: a reply comes while the input is still open" {
	fsm
	mkfifo "$BATS_TEST_TMPDIR/pipe"
	append -r <"$BATS_TEST_TMPDIR/pipe" >"$BATS_TEST_TMPDIR/out" 3>&- &
	PIDS+=($!)
	exec 8>"$BATS_TEST_TMPDIR/pipe"
	for i in 1 2 3; do
		echo "line $i" >&8
		wait_until 10 grep -qx "reply $i" "$BATS_TEST_TMPDIR/out"
	done
	exec 8>&-
}

@test "append -r -v: index, term and the whole reply" {
	fsm refuse:2 lost:3
	before=$(commit)
	printf 'a\nb\nc\nd\n' | append -rv >"$BATS_TEST_TMPDIR/out" 2>"$ERR" || status=$?
	[ "$status" -eq 76 ]
	term=$(status n1 elect term)
	diff "$BATS_TEST_TMPDIR/out" - <<-END
		$((before + 1)) $term ok reply 1
		$((before + 2)) $term refused not reply 2
		$((before + 3)) $term lost
		$((before + 4)) $term ok reply 4
	END
}

@test "append -r: refused lines are 65 after the rest is done, with their numbers" {
	fsm refuse:2 refuse:4
	seq 5 | append -r >"$BATS_TEST_TMPDIR/out" 2>"$ERR" || status=$?
	[ "$status" -eq 65 ]
	diff "$BATS_TEST_TMPDIR/out" - <<<$'reply 1\n\nreply 3\n\nreply 5'
	diff "$ERR" - <<-END
		raft-append: line 2: refused: not reply 2
		raft-append: line 4: refused: not reply 4
	END
}

@test "query and append -r: control bytes of a refusal are escaped" {
	fsm refuse:1 escape:1
	for command in query 'append -r'; do
		echo a | $command >"$BATS_TEST_TMPDIR/out" 2>"$ERR" || status=$?
		[ "$status" -eq 65 ]
		[[ $(cat "$ERR") == *': line 1: refused: not '*'\x1b[2J\x0d\x7f\x0a' ]]
		[ "$(LC_ALL=C tr -cd '\000-\037\177' <"$ERR" | wc -c)" -eq 1 ]
	done
}

@test "append -r: a lost reply is said to be lost: 76, also when others were refused" {
	fsm lost:2 refuse:3
	seq 4 | append -r >"$BATS_TEST_TMPDIR/out" 2>"$ERR" || status=$?
	[ "$status" -eq 76 ]
	diff "$BATS_TEST_TMPDIR/out" - <<<$'reply 1\n\n\nreply 4'
	diff "$ERR" - <<-END
		raft-append: line 2: committed and applied, and its reply is lost
		raft-append: line 3: refused: not reply 3
	END
}

@test "append -r: each reply once, when raft-fsm goes away in the middle and talks nonsense" {
	fsm die:100 nonsense:200 die:1500 die:1501
	seq 3000 | append -r >"$BATS_TEST_TMPDIR/out"
	seq -f 'reply %.0f' 3000 | cmp - "$BATS_TEST_TMPDIR/out"
}

@test "append -r: waits for raft-fsm before it appends anything" {
	fsm late
	before=$(commit)
	seq 10 | append -r >"$BATS_TEST_TMPDIR/out" 3>&- &
	appending=$!
	seq 5 | append
	[ "$(commit)" -eq $((before + 5)) ]
	touch "$N/run/go"
	wait "$appending"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 10 ]
}

@test "append -r -S: the same input again adds nothing and gives the replies again" {
	fsm
	seq 10 | append -r -S again >"$BATS_TEST_TMPDIR/one"
	before=$(commit)
	seq 12 | append -r -S again >"$BATS_TEST_TMPDIR/two"
	seq -f 'reply %.0f' 10 | cmp - "$BATS_TEST_TMPDIR/one"
	seq -f 'reply %.0f' 12 | cmp - "$BATS_TEST_TMPDIR/two"
	# Their places are not at hand: they are waited for up to what is committed, as this node may lag.
	read -r _ serial count index until < <(asked | grep '^replies 1 10 0 ')
	echo "$serial $count $index $until"
	[ "$until" -ge "$before" ]
	[ "$(tail_all n1 | tail -n 12 | tail -n 2)" = $'11\n12' ]
}

@test "append -r: the replies of what is committed come also when the run ends badly" {
	fsm
	printf '1:a,1:b,nonsense' | append -r -F netstring >"$BATS_TEST_TMPDIR/out" 2>"$ERR" || status=$?
	[ "$status" -eq 65 ]
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = '7:reply 1,7:reply 2,' ]
	grep -q 'committed 2, resume with entry 3' "$ERR"
}
