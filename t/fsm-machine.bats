#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# raft-fsm, mode machine, against a stand-in for raft-logd: the contract, and each way to break it.
# sanitize

bats_require_minimum_version 1.5.0

setup() {
	load helper.bash
	N=$BATS_TEST_TMPDIR/n
	mkdir -p "$N/run"
	chmod 700 "$N/run"
	IN=$N/in LOG=$N/log
	: >"$IN"
	program
	yaml
}

teardown() { stop_all; }

# yaml [LINE OF fsm:]...: mode machine with short times.
yaml() {
	{
		echo 'node: { id: n1 }'
		echo 'cluster:'
		echo '  name: demo'
		echo '  members: members.yaml'
		echo 'peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }'
		echo 'fsm:'
		echo '  command: [ python3, machine.py ]'
		echo '  mode: machine'
		echo '  stop_timeout: 300ms'
		for line; do echo "  $line"; done
	} >"$N/raft.yaml"
}

# The program: it keeps a list of the entries; some entries and files make it misbehave.
program() {
	cat >"$N/machine.py" <<'PY'
import os, signal, sys, time

state, path = [], None
durable = os.path.exists("durable")
applied = 0
if durable and os.path.exists("db"):
    state = open("db").read().splitlines()
    applied = int(state.pop()) if state else 0

def say(text, end="\n"):
    sys.stdout.write(text + end)
    sys.stdout.flush()

def once(name):
    if os.path.exists(name):
        return False
    open(name, "w").close()
    return True

def misbehave(what):
    if what == "exit": sys.exit(3)
    if what == "abort": os.abort()
    if what == "half": say("ok cut", end=""); sys.exit(0)
    if what == "killed": os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang": time.sleep(1000)
    if what == "twice": say("ok one"); say("ok two"); time.sleep(1000)
    if what == "garbage": say("what?"); time.sleep(1000)
    if what == "close":
        os.close(1)
        time.sleep(1000)

with open("starts", "a") as f:
    print(os.getpid(), file=f)
if os.path.exists("silent"):
    time.sleep(1000)
say("ready %d" % applied)
for line in sys.stdin:
    word, _, rest = line.rstrip("\n").partition(" ")
    if word == "entry":
        index, _, data = rest.partition(" ")
        how, _, what = data.partition(":")
        if how == "once" and once("did-" + what):
            misbehave(what)
        if how == "always" and not os.path.exists("mended"):
            misbehave(what)
        if how == "no":
            say("refused because " + what)
            continue
        state.append(data)
        if how == "reply":
            say("ok \0" if what == "nul" else "ok " + "x" * 3000000)
            continue
        if durable:
            with open("db.new", "w") as f:
                f.write("\n".join(state + [index]) + "\n")
            os.rename("db.new", "db")
            say("durable " + index)
        say("ok %d" % len(state))
    elif word == "query":
        if rest == "die": sys.exit(5)
        say({"nul": "ok \0", "long": "ok " + "x" * 3000000}[rest] if rest in ("nul", "long") else
            "ok %d" % len(state) if rest == "count" else "ok " + ",".join(state[-3:]))
    elif word == "snapshot":
        if os.path.exists("snap-refused"): say("refused not today"); continue
        # In the order in which the test renames one into the next: none is missed on the way.
        if os.path.exists("snap-empty"): say("ok"); continue
        if os.path.exists("snap-hang"): time.sleep(1000)
        open(rest, "w").write("".join(s + "\n" for s in state))
        say("ok")
    elif word == "restore":
        state = open(rest).read().splitlines()
        open("restored", "w").write(rest)
        say("ok")
PY
}

logd() { # logd [FIRST]: the stand-in
	spawn "$N/logd.log" "$TBIN/fake-logd" "$N/run/log" n1 "$IN" "$@"
	LOGD=$SPAWNED
	wait_until 5 test -S "$N/run/log"
}

fsm() {
	spawn "$LOG" raft-fsm -c "$N/raft.yaml"
	FSM=$SPAWNED
}

status_line() { timeout 10 "$TBIN/ask" "$N/run/fsm"; }
key() { status_line | tr ' ' '\n' | sed -n "s/^$1=//p"; }
key_is() { [ "$(key "$1")" = "$2" ]; }
said() { grep -q -- "$1" "$LOG"; }
query() { timeout 20 raft-query -c "$N/raft.yaml" --stale "$1"; }
query_is() { [ "$(query "$1")" = "$2" ]; }
starts() { wc -l <"$N/starts"; }
restart() { timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart; }
applied() { query_is count "$1"; } # so many entries

# misbehaves WHAT SENTENCE: it does so once, is said to, and all goes on: nothing missing, nothing twice.
misbehaves() {
	seq 1 20 >"$IN"
	echo "once:$1" >>"$IN"
	seq 21 40 >>"$IN"
	logd
	fsm
	wait_until 20 applied 41
	said "$2"
	key_is state running
	[ "$(starts)" -eq 2 ]
	alive "$LOGD"
	[ "$(grep -c 'to=raft-logd state=up' "$LOG")" -eq 1 ] # not each time that it begins to read elsewhere
}

@test "machine: entries are answered in order, queries see them, and nobody else is asked" {
	seq 1 3000 >"$IN"
	logd
	fsm
	wait_until 20 applied 3000
	query_is last 2998,2999,3000
	wait_until 5 key_is lag 0
	key_is unanswered 0
	key_is replies 3000
	# queries pass while no entries come
	query_is count 3000
	[ "$(starts)" -eq 1 ]
	reap TERM "$FSM"
}

@test "machine: an exit in the middle is a new incarnation, built from the log" { misbehaves exit 'exited with 3'; }
@test "machine: an abort likewise" { misbehaves abort 'killed by SIGABRT'; }
@test "machine: an end in the middle of a line is said" { misbehaves half 'in the middle of an answer'; }
@test "machine: killed from outside" { misbehaves killed 'killed by SIGKILL'; }

@test "machine: an answer twice" {
	seq 1 20 >"$IN"
	echo once:twice >>"$IN"
	logd
	fsm
	wait_until 20 applied 21
	said 'not asked, or twice'
	[ "$(starts)" -eq 2 ]
}

@test "machine: garbage" { misbehaves garbage 'neither ok, refused, ready nor durable'; }

# harmless WHAT SENTENCE: a reply that cannot be passed on, to an entry and to a query.  Who asked hears why, and nothing ends.
harmless() {
	seq 1 20 >"$IN"
	echo "reply:$1" >>"$IN"
	seq 21 40 >>"$IN"
	logd
	fsm
	wait_until 20 applied 41
	run -65 query "$1"
	[[ $output == "raft-query: $1: refused: $2" ]]
	query_is count 41
	key_is state running
	[ "$(starts)" -eq 1 ]
	cat >"$N/ask.py" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import wire
conn = wire.Conn(sys.argv[2], timeout=60)
conn.hello()
conn.send("fsm_reply_get", request=1, session=b"", serial=22, count=2, index=22, until=0)
for _ in range(2):
    m = conn.expect("fsm_reply")
    print(m["state"], m["index"], m["data"].decode())
PY
	timeout 20 python3 "$N/ask.py" "$ROOT/t/tools" "$N/run/fsm" | diff - <(printf '2 22 %s\n0 23 22\n' "$2")
}
@test "machine: a NUL in a line" { harmless nul 'the reply holds a NUL, which framing: line cannot give to a client'; }
@test "machine: an answer that is too long" { harmless long 'the reply is longer than fsm.reply_max'; }
@test "machine: closes its output only" { misbehaves close 'closed its standard output'; }

@test "machine: no answer in time" {
	yaml 'timeout: 8s'
	misbehaves hang 'has not answered to entry'
	said 'is its output buffered'
}

@test "machine: a program that never says ready is ended and tried again" {
	yaml 'timeout: 3s'
	touch "$N/silent"
	logd
	fsm
	wait_until 10 said 'has not answered to ready'
	rm "$N/silent"
	wait_until 20 applied 0
}

@test "machine: a program that cannot be run is tried again, and said" {
	yaml
	sed -i 's/python3, machine.py/.\/none/' "$N/raft.yaml"
	logd
	fsm
	wait_until 10 said 'cannot run'
	wait_until 5 key_is state backoff
}

@test "machine: a refusal is a reply, and no death" {
	printf '%s\n' a no:reason b >"$IN"
	logd
	fsm
	wait_until 20 applied 2
	[ "$(starts)" -eq 1 ]
}

@test "machine: an entry with a newline is refused without asking the program" {
	seq 1 3 >"$IN"
	yaml
	logd
	fsm
	wait_until 20 applied 3
	printf 'a\nb\0c\0' | timeout 20 raft-query -c "$N/raft.yaml" --stale -0 >/dev/null 2>"$N/err" && status=0 || status=$?
	[ "$status" -eq 65 ]
	grep -q 'holds a newline, which framing: line cannot give to the program' "$N/err"
	run -65 query $'a\nb'
	query_is count 3
}

@test "machine: among good queries one with a newline is refused in its turn, for each of several clients" {
	seq 1 3 >"$IN"
	logd
	fsm
	wait_until 20 applied 3
	for i in {1..300}; do
		printf '%s\0' count $'a\nb' last
	done >"$N/queries"
	local asking=()
	for client in {1..12}; do
		timeout 60 raft-query -c "$N/raft.yaml" --stale -0 <"$N/queries" >"$N/out$client" 2>"$N/err$client" 3>&- &
		asking+=($!)
	done
	for i in "${asking[@]}"; do
		local status=0
		wait "$i" || status=$?
		[ "$status" -eq 65 ]
	done
	for i in {1..300}; do printf '%s\0' 3 '' 1,2,3; done >"$N/expected"
	for client in {1..12}; do
		cmp "$N/expected" "$N/out$client"
		[ "$(wc -l <"$N/err$client")" -eq 300 ]
		[ "$(head -n 1 "$N/err$client")" = \
			'raft-query: query 2: refused: the query holds a newline, which framing: line cannot give to the program' ]
	done
}

@test "machine: a request that is refused or not known ends no other question of its connection" {
	seq 1 3 >"$IN"
	logd
	fsm
	wait_until 20 applied 3
	cat >"$N/ask.py" <<'PY'
import struct, sys
sys.path.insert(0, sys.argv[1])
import wire
conn = wire.Conn(sys.argv[2], timeout=60)
conn.hello()
ask = lambda name, request, **fields: wire.put(name, request=request, **fields)
conn.raw(
    ask("fsm_query", 1, data=b"count")
    + ask("fsm_query", 2, data=b"a\nb")
    + ask("fsm_reply_get", 3, session=b"", serial=2, count=2, index=2)
    + ask("query_text", 4, what="weather")
    + struct.pack(">IHQ", 10, 999, 5)
    + ask("fsm_command", 6, what="dance")
    + ask("query_text", 7, what="status")
    + ask("fsm_query", 8, data=b"last"))
got = {}
while len(got) < 8 or any(len(each) < 2 for request, each in got.items() if request == 3):
    name, m = conn.recv()
    got.setdefault(m["request"], []).append((name, m.get("state"), m.get("serial"), m.get("data", b"")[:4]))
for request in sorted(got):
    print(request, *got[request])
# those of the program come in the order of their questions
print([request for request in got if request in (1, 2, 8)])
PY
	timeout 60 python3 "$N/ask.py" "$ROOT/t/tools" "$N/run/fsm" >"$N/said"
	diff - "$N/said" <<-'EOF'
		1 ('fsm_reply', 0, 0, b'3')
		2 ('fsm_reply', 1, 0, b'the ')
		3 ('fsm_reply', 0, 2, b'1') ('fsm_reply', 0, 3, b'2')
		4 ('refusal', None, None, b'')
		5 ('refusal', None, None, b'')
		6 ('refusal', None, None, b'')
		7 ('text_reply', None, None, b'')
		8 ('fsm_reply', 0, 0, b'1,2,')
		[1, 2, 8]
	EOF
}

@test "machine: replies to entries whose place is not known are waited for as far as the client says" {
	seq 1 20 >"$IN"
	logd
	fsm
	wait_until 20 applied 20
	cat >"$N/ask.py" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import wire
conn = wire.Conn(sys.argv[2], timeout=60)
conn.hello()
for request, serial, until in (1, 3, 21), (2, 31, 31):
    conn.send("fsm_reply_get", request=request, session=b"", serial=serial, count=1, index=0, until=until)
    m = conn.expect("fsm_reply")
    print(request, m["state"], m["serial"], flush=True)
PY
	timeout 60 python3 "$N/ask.py" "$ROOT/t/tools" "$N/run/fsm" >"$N/said" 2>&1 3>&- &
	local pid=$!
	wait_until 10 grep -q . "$N/said"
	seq 21 29 >>"$IN"
	wait_until 20 applied 29
	[ "$(wc -l <"$N/said")" -eq 1 ]
	echo 30 >>"$IN"
	wait "$pid" || { cat "$N/said"; false; }
	cat "$N/said"
}

@test "machine: poison stops it at that entry, nothing is skipped, and fsm restart goes on" {
	seq 1 50 >"$IN"
	echo always:exit >>"$IN"
	seq 51 100 >>"$IN"
	logd
	fsm
	wait_until 30 key_is state poison
	# no-op 1, entries 2 to 51, poison 52
	key_is poison 52
	status_line | grep -q 'entry 52: the program exited with 3'
	[ "$(starts)" -eq 3 ]
	run timeout 20 raft-query -t 5s -c "$N/raft.yaml" --stale count
	[ "$status" -eq 69 ]
	[[ $output == *'entry 52'* ]]
	touch "$N/mended"
	restart
	wait_until 20 applied 101
	key_is state running
}

@test "machine: kills from outside are never poison" {
	seq 1 5 >"$IN"
	echo always:killed >>"$IN"
	logd
	fsm
	more_starts() { [ "$(starts)" -ge 5 ]; }
	wait_until 30 more_starts
	key_is poison 0
}

@test "machine: a query that it dies of is refused, and the entries are not to blame" {
	seq 1 5 >"$IN"
	logd
	fsm
	wait_until 20 applied 5
	for _ in 1 2 3; do run query die; done
	[ "$status" -ne 0 ]
	wait_until 20 applied 5
	key_is state running
}

@test "machine: a durable program is given each index once, whatever is killed" {
	touch "$N/durable"
	seq 1 200 >"$IN"
	logd
	fsm
	local pid
	for i in 1 2 3 4 5; do
		wait_until 20 applied $((200 * i))
		pid=$(key pid)
		seq $((200 * i + 1)) $((200 * i + 200)) >>"$IN"
		kill -KILL "$pid"
		[ "$i" -ne 3 ] || { kill_fsm && fsm; }
	done
	wait_until 20 applied 1200
	head -n 1200 "$N/db" | cmp - <(seq 1 1200)
}
kill_fsm() { kill -KILL "$FSM" && wait_until 10 gone "$FSM"; }

@test "machine: a snapshot stands for exactly its index, and a new incarnation starts from it" {
	yaml 'snapshot: { entries: 100 }'
	seq 1 250 >"$IN"
	logd
	fsm
	wait_until 20 applied 250
	wait_until 10 test -s "$N/run/log.snap"
	local index format path
	read -r index format path <"$N/run/log.snap"
	[ "$format" = state ]
	[ "$index" -le 251 ]
	# no-op at 1: entry i has index i + 1
	seq 1 $((index - 1)) | cmp - "$path"
	[ ! -e "$N/restored" ]
	kill -KILL "$(key pid)"
	wait_until 20 test -e "$N/restored"
	wait_until 20 applied 250
	query_is last 248,249,250
}

@test "machine: refused, empty and hung snapshots leave the old one, and all goes on" {
	yaml 'snapshot: { entries: 50 }' 'snapshot_timeout: 2s'
	seq 1 60 >"$IN"
	logd
	fsm
	wait_until 20 test -s "$N/run/log.snap"
	cp "$N/run/log.snap" "$N/old"
	touch "$N/snap-refused"
	seq 61 120 >>"$IN"
	wait_until 20 said 'not today'
	mv "$N/snap-refused" "$N/snap-empty"
	seq 121 180 >>"$IN"
	retried() { said 'has written no file' || { echo more >>"$IN" && false; }; }
	wait_until 20 retried
	mv "$N/snap-empty" "$N/snap-hang"
	hung() { said 'has not answered to snapshot' || { echo more >>"$IN" && false; }; }
	wait_until 30 hung
	cmp "$N/old" "$N/run/log.snap"
	rm "$N/snap-hang"
	newer() { echo more >>"$IN" && ! cmp -s "$N/old" "$N/run/log.snap"; }
	wait_until 40 newer
}

@test "machine: a snapshot that a stop interrupts is no warning" {
	yaml 'snapshot: { entries: 50 }'
	touch "$N/snap-hang"
	seq 1 60 >"$IN"
	logd
	fsm
	wait_until 20 said 'ev=snapshot label='
	reap TERM "$FSM"
	said 'lvl=info .*ev=snapshot label=.* why='
	run ! grep -q 'lvl=warn.*ev=snapshot' "$LOG"
}

@test "machine: a gap without a snapshot is an error, with one it is a restore, another format is none" {
	seq 1 100 >"$IN"
	logd 50
	fsm
	wait_until 10 key_is state gap
	said 'no snapshot that reaches so far'
	seq 1 59 >"$N/s"
	echo "60 other $N/s" >"$N/run/log.snap"
	restart
	wait_until 10 said 'of format other, not state'
	echo "60 state $N/s" >"$N/run/log.snap"
	restart
	wait_until 20 applied 100
	query_is last 98,99,100
	: >"$N/s"
	kill -KILL "$(key pid)"
	wait_until 10 said 'cut by logd.keep'
}

@test "machine: one that falls below the first index is started again, with restore" {
	seq 1 20 >"$IN"
	yaml 'timeout: 1h'
	logd
	fsm
	wait_until 20 applied 20
	kill -STOP "$FSM"
	reap KILL "$LOGD"
	seq 21 100 >>"$IN"
	seq 1 59 >"$N/s"
	echo "60 state $N/s" >"$N/run/log.snap"
	rm -f "$N/run/log"
	logd 50
	kill -CONT "$FSM"
	wait_until 20 applied 100
	test -e "$N/restored"
	query_is last 98,99,100
}

@test "machine: netstring framing is safe for any data" {
	yaml 'framing: netstring'
	cat >"$N/machine.py" <<'PY'
import sys
i, o = sys.stdin.buffer, sys.stdout.buffer
def say(b):
    o.write(b"%d:%s," % (len(b), b)); o.flush()
say(b"ready 0")
last = b""
while True:
    n = b""
    while (c := i.read(1)) not in (b":", b""): n += c
    if not c: break
    m = i.read(int(n)); i.read(1)
    word, _, rest = m.partition(b" ")
    if word == b"entry": last = rest.partition(b" ")[2]
    say(b"ok " + (last if word == b"query" else b""))
PY
	printf 'a b  c\n' >"$IN"
	logd
	fsm
	wait_until 20 query_is x 'a b  c'
	query_is $'x\ny' 'a b  c'
}

@test "machine: TERM stops it in the order EOF, TERM, KILL, and nothing is left" {
	seq 1 5 >"$IN"
	sed -i '1i import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)' "$N/machine.py"
	echo 'time.sleep(1000)' >>"$N/machine.py"
	logd
	fsm
	wait_until 20 applied 5
	local pid
	pid=$(key pid)
	reap TERM "$FSM"
	said 'does not end on TERM: KILL'
	wait_until 5 gone "$pid"
}

@test "machine: the example of the page counts words, before and after a restore" {
	awk '/^import json/ && ++n == 2 { on = 1 } /^\.Ed/ { on = 0 } on' "$ROOT/man/raft-fsm-protocol.7" |
		sed 's/\\e/\\/g' >"$N/machine.py"
	yaml 'snapshot: { entries: 2 }'
	printf '%s\n' 'to be' 'or not to be' >"$IN"
	logd
	fsm
	wait_until 20 query_is to 2
	query_is be 2
	wait_until 20 test -s "$N/run/log.snap"
	kill -KILL "$(key pid)"
	wait_until 20 query_is not 1
	said 'ev=restore'
}

# elect: a stand-in for raft-elect.  The index that it gives is in the file N/index; without one it knows no leader.
elect() {
	cat >"$N/elect.py" <<'PY'
import os, sys
sys.path.insert(0, sys.argv[1])
import wire
listener = wire.listen(sys.argv[2])
while True:
    conn = wire.accept(listener, 600)
    conn.sock.settimeout(600)
    conn.expect("hello")
    conn.send("hello_reply", version=1, low=1, high=1, node="n1", cluster=b"\1")
    while (got := conn.recv()) is not None:
        index = int(open(sys.argv[3]).read() or 0) if os.path.exists(sys.argv[3]) else 0
        conn.send("read_index_reply", request=got[1]["request"], ok=index > 0, reason=0 if index else 2, index=index)
        print(got, index, flush=True)
PY
	spawn "$N/elect.log" python3 "$N/elect.py" "$ROOT/t/tools" "$N/run/elect" "$N/index"
}
# ahead: a durable program that holds entries up to 7, on a node that knows 4 to be committed.
ahead() {
	seq 1 3 >"$IN"
	touch "$N/durable"
	printf '%s\n' a b c d e f 7 >"$N/db"
	logd
	fsm
	wait_until 20 key_is state ahead
	[[ $(status_line) == *'why="the program holds entries up to 7, and this node knows only 4 to be committed: it waits for the others, '* ]]
	# Its state does not count yet, and it is given nothing.
	key_is delivered 0
	key_is lag 4
	run -69 timeout 20 raft-query -t 300ms -c "$N/raft.yaml" --stale count
}

@test "machine: a durable program that is ahead of a late node waits until the node has its entries, then goes on behind them" {
	elect
	ahead
	# No leader answers, then one does.
	wait_until 10 grep -q 'read_index.* 0$' "$N/elect.log"
	echo 7 >"$N/index"
	wait_until 10 grep -q 'read_index.* 7$' "$N/elect.log"
	seq 4 5 >>"$IN"
	wait_until 10 key_is commit 6
	key_is state ahead
	seq 6 8 >>"$IN"
	wait_until 20 applied 8
	key_is state running
	query_is last 'f,7,8'
	[ "$(starts)" -eq 1 ]
}

@test "machine: likewise when the entries come without an answer of raft-elect, and are compacted away" {
	ahead
	printf '12\n' >"$N/run/log.first"
	seq 4 20 >>"$IN"
	wait_until 20 key_is state gap
	[ "$(key commit)" -eq 21 ]
}

@test "machine: a durable program that holds more than the cluster has committed is of another history: it is refused" {
	elect
	ahead
	echo 4 >"$N/index"
	wait_until 20 key_is state foreign
	why='the program holds entries up to 7, and the cluster has committed only 4: its state is of another history'
	[[ $(status_line) == *"why=\"$why"*'move its files away, then raft-ctl fsm restart"'* ]]
	run -69 timeout 20 raft-query -t 300ms -c "$N/raft.yaml" --stale count
	[[ $output == *"$why"* ]]
	# Nothing is applied, also when the log grows past what it holds, and it stays down.
	seq 4 20 >>"$IN"
	wait_until 10 key_is commit 21
	wait_until 10 key_is pid 0
	key_is state foreign
	[ "$(tail -n 1 "$N/db")" = 7 ]
	[ "$(starts)" -eq 1 ]
	# The cure is what the sentence says.
	mv "$N/db" "$N/db.old"
	restart
	wait_until 20 applied 20
	key_is state running
}

@test "machine: one that is refused stays so when it is started again with the same files" {
	elect
	ahead
	echo 4 >"$N/index"
	wait_until 20 key_is state foreign
	restart
	wait_until 20 key_is durable 7
	wait_until 20 key_is state foreign
	reap TERM "$FSM"
	fsm
	wait_until 20 key_is state foreign
	reap TERM "$FSM"
	run -65 timeout 20 raft-fsm -c "$N/raft.yaml" -- python3 machine.py
	[[ $output == *'of another history'* ]]
}

@test "machine: what the cluster has committed is asked again for each start of the program" {
	elect
	ahead
	echo 4 >"$N/index"
	wait_until 20 key_is state foreign
	count() { grep -c read_index "$N/elect.log"; }
	before=$(count)
	echo 9 >"$N/index"
	restart
	wait_until 20 key_is state ahead
	again() { [ "$(count)" -gt "$before" ]; }
	wait_until 10 again
	key_is state ahead
	seq 4 8 >>"$IN"
	wait_until 20 applied 8
}
