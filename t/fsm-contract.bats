#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-fsm and the delivery contract, against a stand-in for raft-logd: what governs an entry, and when nothing is given.
# sanitize
# shellcheck disable=SC2030,SC2031

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

# yaml [LINE OF fsm:]...: mode machine.
yaml() {
	{
		echo 'node: { id: n1 }'
		echo 'cluster: { name: demo, members: members.yaml }'
		echo 'peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }'
		echo 'elect: { entry_max: 1000B }'
		echo 'fsm:'
		echo '  command: [ python3, machine.py ]'
		echo '  mode: machine'
		echo '  stop_timeout: 300ms'
		echo '  reply_max: 2KiB'
		for line; do echo "  $line"; done
	} >"$N/raft.yaml"
}
# The contract that this yaml is, and the line of the log that has it.
OWN='line - 2048 1000 state'
contract() { echo "@contract $*"; } # FRAMING FIELDS REPLY_MAX ENTRY_MAX FORMAT

# The program writes each request to the file requests, a line each; its greeting is in the file ready.
program() {
	cat >"$N/machine.py" <<'PY'
import os, sys, time

netstring = os.path.exists("netstring")
def say(text):
    data = text.encode()
    sys.stdout.buffer.write(b"%d:%b," % (len(data), data) if netstring else data + b"\n")
    sys.stdout.buffer.flush()
def requests():
    source = sys.stdin.buffer
    while True:
        if not netstring:
            line = source.readline()
            if not line.endswith(b"\n"):
                return
            yield line[:-1].decode()
            continue
        size = b""
        while (byte := source.read(1)) not in (b":", b""):
            size += byte
        if byte == b"":
            return
        yield source.read(int(size)).decode()
        source.read(1)
def note(text):
    with open("requests", "a") as f:
        print(text.replace("\n", "|"), file=f)

note("start")
say(open("ready").read().strip() if os.path.exists("ready") else "ready 0")
for request in requests():
    word, _, rest = request.partition(" ")
    if word == "snapshot":
        open(rest, "w").write("state")
    elif word == "restore":
        rest = ""
    while rest.endswith(" until") and not os.path.exists("answer"):
        time.sleep(0.01)
    note((word + " " + rest).strip() if word in ("entry", "query") else word)
    say("ok " + "x" * int(rest.split()[-1]) if word == "entry" and " long " in rest else "ok")
PY
}

logd() { # logd [FIRST]: the stand-in
	spawn "$N/logd.log" "$TBIN/fake-logd" "$N/run/log" n1 "$IN" "$@"
	LOGD=$SPAWNED
	wait_until 5 test -S "$N/run/log"
}
fsm() {
	spawn "$LOG" raft-fsm -c "$N/raft.yaml"
}
begin() { # begin [FIRST]
	logd "$@"
	fsm
}
key() { timeout 10 "$TBIN/ask" "$N/run/fsm" | grep -oP "(?<= $1=)(\"[^\"]*\"|[^ ]*)" | head -n 1; }
key_is() { [ "$(key "$1")" = "$2" ]; }
delivered() { wait_until 20 key_is delivered "$1"; }
state() { wait_until 20 key_is state "$1"; }
requests() { grep -v '^start' "$N/requests"; }
# given LINE...: exactly these requests came, to one or more incarnations.
given() { diff <(requests) <([ $# -eq 0 ] || printf '%s\n' "$@"); }
why() { key why; }
# chain INDEX: the first digits of the chain of the log in the file IN, as the program is given it.
chain() {
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 python3 - "$IN" "$1" <<-'PY'
		import hashlib, struct, sys
		from wire import entry
		chain = b"\1" + bytes(31)
		records = [entry(0, b"", kind=0, term=1)]
		for line in open(sys.argv[1], "rb"):
		    line = line.rstrip(b"\n")
		    if line.startswith(b"@level "):
		        records.append(entry(0, struct.pack(">Q", int(line[7:])), kind=5, term=1))
		    elif line.startswith(b"@contract "):
		        framing, fields, reply, size, form = line[10:].split()
		        bits = sum(1 << b"time origin chain".split().index(f) for f in fields.split(b",") if f != b"-")
		        records.append(entry(0, struct.pack(">BBQQB", framing != b"line", bits, int(reply), int(size), len(form)) + form,
		                             kind=6, term=1))
		    else:
		        records.append(entry(0, line, term=1))
		for index, record in enumerate(records[:int(sys.argv[2])], 1):
		    record = record[:25] + struct.pack(">Q", index) + record[33:]
		    chain = hashlib.blake2b(chain + struct.pack(">Q", index) + record, digest_size=32).digest()
		print(chain.hex()[:32])
	PY
}

# ------------------------------------------------------- what governs an entry

@test "contract: ⚠ an entry is delivered by the contract that governs it, the first one also those before it" {
	touch "$N/netstring"
	yaml 'framing: netstring'
	# Entries 2, 3, 6, 7, 9.
	{
		echo one
		echo '@lines two|lines'
		echo '@level 2'
		contract line - 2048 1000 state
		echo three
		echo '@lines also|two'
		contract netstring - 2048 1000 state
		echo '@lines now|given'
	} >"$IN"
	begin
	delivered 9
	given 'entry 2 one' 'entry 6 three' 'entry 9 now|given'
	key_is state running
	key_is contract 8
}

@test "contract: ⚠ reply_max is that of the contract that governs the entry" {
	# A reply of 1500 bytes is lost under the first one, which governs entry 2, and kept under the second one.
	{
		echo 'long 1500'
		echo '@level 2'
		contract line - 1024 1000 state
		echo 'long 1500'
		contract line - 2048 1000 state
		echo 'long 1500'
	} >"$IN"
	begin
	delivered 7
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 20 python3 - "$N/run/fsm" >"$N/states" <<-'PY'
		import sys
		from wire import *
		c = Conn(sys.argv[1])
		c.hello()
		for index in (2, 5, 7):
		    c.send("fsm_reply_get", request=index, session=bytes(16), serial=index, count=1, index=index, until=0)
		    print(index, c.expect("fsm_reply")["state"])
	PY
	diff "$N/states" - <<<$'2 2\n5 2\n7 0'
}

@test "contract: ⚠ fields are given as the newest contract has them, and - where the one of the entry does not" {
	yaml 'fields: [ origin, time ]'
	{
		echo '@stamp 1700000000123 1000 before'
		echo '@level 2'
		contract line time 2048 1000 state
		echo '@stamp 1700000000456 0 first'
		contract line time,origin 2048 1000 state
		echo '@stamp 1700000000789 4294967295 second'
		echo 'unstamped'
	} >"$IN"
	begin
	delivered 8
	given 'entry 2 1700000000123 - before' 'entry 5 1700000000456 - first' 'entry 7 1700000000789 n1 second' \
		'entry 8 - - unstamped'
}

@test "contract: ⚠ the chain that is given is that of the log" {
	yaml 'fields: [ chain ]'
	printf '%s\n' one '@level 2' "$(contract line chain 2048 1000 state)" two >"$IN"
	begin
	delivered 5
	given "entry 2 $(chain 2) one" "entry 5 $(chain 5) two"
}

@test "contract: at level 1 entries are delivered by the configuration, and the chain is given" {
	yaml 'fields: [ time, chain ]'
	printf '%s\n' one two >"$IN"
	begin
	delivered 3
	given "entry 2 - $(chain 2) one" "entry 3 - $(chain 3) two"
	key_is contract 0
}

# ------------------------------------------------------- when nothing is given

@test "contract: ⚠ from the level on that has contracts nothing is given before there is one" {
	printf '%s\n' one '@level 2' two >"$IN"
	begin
	wait_until 20 grep -q 'the log has no contract yet: raft-elect' "$LOG"
	given
	key_is state running
	contract "$OWN" >>"$IN"
	delivered 5
	given 'entry 2 one' 'entry 4 two'
	wait_until 20 key_is why '""'
}

@test "contract: ⚠ nothing after the entry of the level is given before there is a contract" {
	printf '%s\n' one >"$IN"
	begin
	delivered 2
	printf '%s\n' '@level 2' two >>"$IN"
	wait_until 20 grep -q 'the log has no contract yet: raft-elect' "$LOG"
	given 'entry 2 one'
	contract line - 2048 999 state >>"$IN"
	state contract
	[[ $(why) == *'elect.entry_max is 1000B here, and 999B in the contract of entry 5'* ]]
	given 'entry 2 one'
}

# differs KEY HERE THERE CONTRACT: a program of this configuration is given nothing under that contract.
differs() {
	: >"$N/requests"
	printf '%s\n' one '@level 2' "$(contract "$4")" two >"$IN"
	begin
	state contract
	given
	[[ $(why) == "\"$1 is $2 here, and $3 in the contract of entry 4, to which all nodes keep: "*'change the key and restart raft-fsm, or change the contract: raft-ctl contract set"' ]]
	grep -q 'lvl=error .*ev=state .*to=contract' "$LOG"
	stop_all
	rm -f "$N/run/log" "$LOG"
}

@test "contract: ⚠ each key that differs stops the program at its start, and is named" {
	differs fsm.framing line netstring 'netstring - 2048 1000 state'
	differs fsm.fields '[]' '[time,chain]' 'line time,chain 2048 1000 state'
	differs fsm.reply_max 2KiB 3KiB 'line - 3072 1000 state'
	differs elect.entry_max 1000B 1MiB 'line - 2048 1048576 state'
	differs fsm.format state state-2 'line - 2048 1000 state-2'
}

@test "contract: ⚠ a contract that differs stops the program at its entry, with all before it answered" {
	printf '%s\n' '@level 2' "$(contract "$OWN")" one >"$IN"
	begin
	delivered 4
	printf '%s\n' two "$(contract line - 2048 1000 state-2)" three >>"$IN"
	state contract
	key_is delivered 6
	given 'entry 4 one' 'entry 5 two'
	[[ $(why) == *'fsm.format is state here, and state-2 in the contract of entry 6'* ]]
	# An order changes nothing about that.
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	state contract
	run -69 timeout 20 raft-query -t 2s -c "$N/raft.yaml" --stale x
	[[ $output == *'fsm.format is state here'* ]]
	# The contract becomes this node's again: it continues by itself, from the beginning of the log.
	: >"$N/requests"
	printf '%s\n' "$(contract "$OWN")" >>"$IN"
	delivered 8
	given 'entry 4 one' 'entry 5 two' 'entry 7 three'
	key_is state running
}

@test "contract: ⚠ who waits for the reply to an entry before the one that differs gets it" {
	printf '%s\n' '@level 2' "$(contract "$OWN")" >"$IN"
	begin
	delivered 3
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 -u - "$N/run/fsm" >"$N/asked" 2>&1 3>&- <<-'PY' &
		import sys
		from wire import *
		c = Conn(sys.argv[1], timeout=50)
		c.hello()
		c.send("fsm_reply_get", request=1, session=bytes(16), serial=4, count=1, index=4, until=0)
		print(c.query("status", request=2) and "asked")
		print(c.expect("fsm_reply")["state"])
	PY
	PIDS+=($!)
	wait_until 20 grep -qs asked "$N/asked"
	printf '%s\n' 'not until' "$(contract line - 2048 1000 other)" >>"$IN"
	wait_until 20 key_is sent 5
	key_is state running
	touch "$N/answer"
	state contract
	wait_until 20 grep -qx 0 "$N/asked"
}

@test "contract: one that is older than the newest known stops nothing" {
	{
		echo '@level 2'
		contract line time 2048 1000 other
		echo one
		contract netstring - 9999 1 another
		echo two
		contract "$OWN"
		echo three
	} >"$IN"
	begin
	delivered 8
	given 'entry 4 one' 'entry 6 two' 'entry 8 three'
}

@test "contract: a program of the command line that differs ends raft-fsm with 78" {
	printf '%s\n' '@level 2' "$(contract line - 2048 1000 state-2)" one >"$IN"
	logd
	run -78 timeout 20 raft-fsm -c "$N/raft.yaml" -- python3 machine.py
	[[ $output == *'fsm.format is state here, and state-2 in the contract of entry 3'* ]]
}

@test "contract: ⚠ what a contract allowed and lines cannot hold stops the program, until a snapshot is after it" {
	{
		echo '@level 2'
		contract netstring - 2048 1000 state
		echo one
		echo '@lines two|lines'
		contract "$OWN"
		echo three
	} >"$IN"
	begin
	state contract
	[[ $(why) == *'entry 5 holds a newline, which the contract of entry 3 allowed, and fsm.framing line cannot give it to the program: '*'a snapshot after that entry is needed'* ]]
	key_is delivered 4
	given 'entry 4 one'
	# One that is before it is no help; for a durable program that stands there one that is after it is.
	echo 'ready 4' >"$N/ready"
	echo state >"$N/snapshot"
	echo "4 state $N/snapshot" >"$N/run/log.snap"
	: >"$N/requests"
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	state contract
	echo "5 state $N/snapshot" >"$N/run/log.snap"
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	delivered 7
	given restore 'entry 7 three'
}

@test "contract: ⚠ those up to the snapshot with which a program begins are known, though they came while it was looked for" {
	printf '%s\n' '@level 2' "$(contract line - 2048 1000 state)" one >"$IN"
	printf '%s\n' "$(contract line - 2048 1000 other)" two >"$N/run/log.more"
	echo state >"$N/snapshot"
	echo "5 state $N/snapshot" >"$N/run/log.snap"
	begin
	state contract
	[[ $(why) == *'fsm.format is state here, and other in the contract of entry 5'* ]]
	[ ! -e "$N/run/log.more" ]
	given
}

# ------------------------------------------------------- ready with a chain

# chained GREETING [FIRST]: a program that says this, at a log of six entries whose contract has the chain.
chained() {
	yaml 'fields: [ chain ]'
	printf '%s\n' '@level 2' "$(contract line chain 2048 1000 state)" one two three >"$IN"
	echo "$1" >"$N/ready"
	begin "${@:2}"
}

@test "chain: a durable program that says the chain of the log is given what follows" {
	yaml 'fields: [ chain ]'
	printf '%s\n' '@level 2' "$(contract line chain 2048 1000 state)" one two three >"$IN"
	echo "ready 4 $(chain 4)" >"$N/ready"
	begin
	delivered 6
	given "entry 5 $(chain 5) two" "entry 6 $(chain 6) three"
}

@test "chain: ⚠ a durable program with another chain is of another history, though its index is committed" {
	chained "ready 4 00112233445566778899aabbccddeeff"
	state foreign
	given
	[[ $(why) == *'the program holds entries up to 4 with the chain 00112233445566778899aabbccddeeff, and the log has the chain '"$(chain 4)"' there: its state is of another history'*'move its files away, then raft-ctl fsm restart"' ]]
	key_is delivered 0
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	wait_until 20 sh -c "[ \$(grep -c start '$N/requests') -eq 2 ]"
	state foreign
	given
	rm "$N/ready"
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	delivered 6
	[ "$(requests | wc -l)" -eq 3 ]
}

@test "chain: ⚠ a program that says no chain, or one that was not asked for, breaks the contract" {
	chained 'ready 4'
	wait_until 20 grep -q 'the program says ready 4 without the chain of that entry, which fsm.fields names' "$LOG"
	given
	stop_all
	rm -f "$N/run/log"
	yaml
	printf '%s\n' one two three >"$IN"
	echo "ready 2 $(chain 2)" >"$N/ready"
	begin
	wait_until 20 grep -q 'the program says ready with a chain, and fsm.fields does not name chain' "$LOG"
	given
	stop_all
	rm -f "$N/run/log"
	echo "ready 2 0011" >"$N/ready"
	begin
	wait_until 20 grep -q 'ready N with something that is neither 32 lower-case hexadecimal digits nor a minus sign' "$LOG"
	given
}

@test "chain: ⚠ one whose chain is compacted away is restored from the snapshot, and is a gap without one" {
	yaml 'fields: [ chain ]'
	printf '%s\n' '@level 2' "$(contract line chain 2048 1000 state)" one two three >"$IN"
	echo "ready 3 00112233445566778899aabbccddeeff" >"$N/ready"
	begin 5
	state gap
	[[ $(why) == *'the chain of entry 3, with which the program'"'"'s state is compared, is compacted away, and there is no snapshot that reaches so far'* ]]
	given
	echo state >"$N/snapshot"
	echo "5 state $N/snapshot" >"$N/run/log.snap"
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	delivered 6
	given restore "entry 6 $(chain 6) three"
}

@test "chain: ⚠ what raft-logd no longer knows to be committed after its own start is waited for, and is no gap" {
	chained 'ready 0'
	delivered 6
	echo "ready 6 $(chain 6)" >"$N/ready"
	reap TERM "$LOGD"
	rm "$N/run/log"
	sed -i '4,$d' "$IN"
	logd
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	state ahead
	printf '%s\n' two three four >>"$IN"
	delivered 7
	[ "$(requests | tail -n 1)" = "entry 7 $(chain 7) four" ]
	key_is state running
}

@test "chain: a program that holds nothing is a gap like any other where the log begins later" {
	chained 'ready 0' 4
	state gap
	[[ $(why) == *'entry 1 is needed and compacted away, the first one left is 4, and there is no snapshot that reaches so far'* ]]
	echo state >"$N/snapshot"
	echo "4 state $N/snapshot" >"$N/run/log.snap"
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	delivered 6
	given restore "entry 5 $(chain 5) two" "entry 6 $(chain 6) three"
}

@test "chain: ⚠ a program without the chain of its entry is restored from a snapshot, and refused without one" {
	chained 'ready 5 -'
	state foreign
	[[ $(why) == *'the program holds entries up to 5 without a chain, so whether its state is of this log is not known, and there is no snapshot'*'move its files away'* ]]
	given
	echo state >"$N/snapshot"
	echo "4 state $N/snapshot" >"$N/run/log.snap"
	timeout 20 raft-ctl -c "$N/raft.yaml" fsm restart
	delivered 6
	given restore "entry 5 $(chain 5) two" "entry 6 $(chain 6) three"
}

@test "chain: where the contract of its entry has no chain, a program without one is given what follows" {
	yaml 'fields: [ chain ]'
	printf '%s\n' '@level 2' "$(contract "$OWN")" one "$(contract line chain 2048 1000 state)" two >"$IN"
	echo 'ready 3 -' >"$N/ready"
	begin
	delivered 6
	given 'entry 4 - one' "entry 6 $(chain 6) two"
}
