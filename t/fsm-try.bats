#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-fsm --try: the contract of each mode without a cluster, and what is said of a program that breaks it.
# sanitize
# shellcheck disable=SC2016

bats_require_minimum_version 1.5.0
load helper

setup() { cd "$BATS_TEST_TMPDIR" || return; }

try() { timeout 20 raft-fsm --try --mode machine "$@"; }
# conf [LINE OF fsm:]...: a configuration with short times.
conf() {
	{
		echo 'node: { id: n1 }'
		echo 'cluster: { name: demo, members: members.yaml }'
		echo 'peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }'
		printf 'fsm:\n  mode: machine\n  command: [ none ]\n'
		for line; do echo "  $line"; done
	} >raft.yaml
}

# breaks SCRIPT SENTENCE: a shell script as the program, given the lines a, b, c: 65, and this one line.
breaks() {
	printf 'a\nb\nc\n' | try -c raft.yaml -- sh -c "$1" >out 2>err && status=0 || status=$?
	cat err
	[ "$status" -eq 65 ]
	[ "$(wc -l <err)" -eq 1 ]
	grep -q -- "^raft-fsm: the program $2" err
}

@test "try: a script whose interpreter is missing is 126, and a carriage return after its name is named" {
	printf '#!/bin/sh\r\ncat\r\n' >script
	chmod 755 script
	run timeout 10 raft-fsm --try -- ./script </dev/null
	[ "$status" -eq 126 ]
	[[ $output == "raft-fsm: ./script: cannot run: its interpreter is missing: #!/bin/sh, with a carriage return after it: "* ]]
	run -127 timeout 10 raft-fsm --try -- ./nowhere </dev/null
	[[ $output == *"no such file or directory" ]]
}

@test "try, machine: ready, entries, queries and a snapshot, each answer printed; then a restore" {
	printf 'put a 1\nnonsense\nincr n\n' | try --query 'get a' --query 'get b' --snapshot s -- raft-kv >out
	diff out - <<-'END'
		ok
		refused unknown command: put, get, del, cas, incr or list is expected
		ok 1
		ok 1
		refused no such key
		ok
	END
	[ -s s ]
	echo 'incr n' | try --restore s --from 10 --query 'get a' -- raft-kv >out
	diff out - <<<$'ok\nok 2\nok 1'
	printf 'incr n\n' | try -F netstring -- sh -c 'printf 7:ready\ 0,; head -c 17 >req; printf "8:ok a\nb c,"; cat >/dev/null' >out
	[ "$(cat req)" = '14:entry 1 incr n' ]
	[ "$(cat out)" = $'8:ok a\nb c,' ]
}

@test "try, machine: a durable program goes on behind what it has, and the exit status is its own" {
	seq 3 | sed 's/.*/incr n/' | try -- "$ROOT/etc/examples/kv-durable.py" db >/dev/null
	seq 3 | sed 's/.*/incr n/' | try --query 'get n' -- "$ROOT/etc/examples/kv-durable.py" db | tail -n 1 | grep -qx 'ok 6'
	sqlite3 db 'SELECT idx FROM applied' | grep -qx 6
	run -9 try -- sh -c 'echo ready 0; while read -r l; do echo ok; done; exit 9' <<<a
	run -137 try -- sh -c 'echo ready 0; while read -r l; do echo ok; done; kill -KILL $$' <<<a
	run -127 try -- ./none
}

@test "try, machine: after a restore entries follow what the snapshot of a durable program holds" {
	seq 5 | sed 's/.*/incr n/' | try --snapshot s -- "$ROOT/etc/examples/kv-durable.py" db >/dev/null
	printf 'incr n\nincr n\n' | try --restore s --query 'get n' -- "$ROOT/etc/examples/kv-durable.py" other >out
	diff out - <<<$'ok\nok 6\nok 7\nok 7'
	sqlite3 other 'SELECT idx FROM applied' | grep -qx 7
	# One that holds more than the snapshot goes back to it.
	echo 'incr n' | try --restore s -- "$ROOT/etc/examples/kv-durable.py" other >out
	diff out - <<<$'ok\nok 6'
	sqlite3 other 'SELECT idx FROM applied' | grep -qx 6
	# One whose state is in memory alone has no index: the first line is entry 1.
	try --restore s -- sh -c 'echo ready 0; read -r a; echo ok; read -r b || exit 0; echo "ok $b"; cat' <<<x >out
	diff out - <<<$'ok\nok entry 1 x'
}

@test "try: a signal that ends raft-fsm ends the program with its process group" {
	mkfifo pipe
	for mode in sink machine; do
		raft-fsm --try --mode "$mode" -- sh -c 'sleep 600 & echo $! >left; echo ready 0; wait' <pipe >/dev/null 3>&- &
		pid=$!
		exec 8>pipe
		wait_until 10 test -s left
		kill -TERM "$pid"
		exec 8>&-
		wait "$pid" && status=0 || status=$?
		[ "$status" -eq 143 ]
		wait_until 10 gone "$(cat left)"
		rm left
	done
}

@test "try, machine: a hundred thousand entries are pipelined, and the answers are all there" {
	seq 100000 | sed 's/.*/put k &/' | try --query 'get k' -- raft-kv | tail -n 1 | grep -qx 'ok 100000'
}

@test "try, machine: an answer is printed while the input is still open" {
	mkfifo pipe
	try -- raft-kv <pipe >out 3>&- &
	pid=$!
	exec 8>pipe
	for i in 1 2 3; do
		echo 'incr n' >&8
		wait_until 10 grep -qx "ok $i" out
	done
	exec 8>&-
	wait "$pid"
}

@test "try, machine: each breach of the contract is one line that says what was expected" {
	conf 'reply_max: 1KiB'
	ready='echo ready 0; read -r a;'
	breaks 'echo hello; exec sleep 20' 'breaks the contract: it says what is neither .*: "hello"; expected: "ready N"'
	breaks 'echo ok; exec sleep 20' 'does not say ready first; expected: "ready N"'
	breaks 'echo ready; exec sleep 20' 'breaks the contract: it says ready or durable without a number .*: "ready"; expected: "ready N"'
	breaks 'exit 3' 'exited with 3; expected: "ready N"'
	breaks "$ready exit 3" 'exited with 3; expected: "ok" or "refused", in answer to entry 1'
	breaks "$ready echo ok; exec kill -KILL \$\$" 'was killed by SIGKILL; expected: "ok" or "refused", in answer to entry 2'
	breaks "$ready printf 'ok cut'" 'exited with 0 in the middle of an answer; expected: .* to entry 1'
	breaks "$ready echo 'what?'; exec sleep 20" 'breaks the contract: .*: "what?"; expected: "ok" or "refused", in answer to entry 1'
	breaks "$ready printf 'what \\000\\n'; exec sleep 20" 'breaks the contract: .*: "what .x00"; expected: .* to entry 1'
	breaks "$ready yes | tr -d '\\n'" 'breaks the contract: .*longer than fsm.reply_max, or has no newline.*: "y*\.\.\."; expected: .* to entry 1'
	breaks "$ready echo ready 0; exec sleep 20" 'says ready twice; expected: .* to entry 1'
	breaks "$ready echo durable 4; exec sleep 20" 'says durable 4, an entry that it was not given'
	breaks "$ready yes ok" 'answers what it was not asked, or twice; expected: nothing, or "durable N"'
	breaks "$ready read -r b; read -r c; printf 'ok\\nok\\nok\\n'; exit 4" 'exited with 4 before its input ended' ||
		[ "$status" -eq 4 ]
	# What is found out by its deadline alone.
	conf 'timeout: 2s' 'stop_timeout: 2s' 'reply_max: 1KiB'
	breaks 'exec sleep 20' 'has said nothing for 2000 ms: is its output buffered?; expected: "ready N"'
	breaks "$ready printf 'ok '; tr '\\000' x </dev/zero" 'has said nothing for 2000 ms: is its output buffered?; expected: .* to entry 1'
	breaks "$ready exec sleep 20" 'has said nothing for 2000 ms: is its output buffered?; expected: .* to entry 1'
	breaks "$ready exec >&-; exec sleep 20" 'closed its standard output and goes on; expected: .* to entry 1'
	breaks "$ready read -r b; read -r c; printf 'ok\\nok\\nok\\n'; exec sleep 20" 'does not end after its input ended, for 2000 ms'
}

@test "try, machine: fsm.stop_timeout begins when the input has ended, not before" {
	conf 'stop_timeout: 0ms'
	run -65 try -c raft.yaml -- sh -c 'echo ready 0; read -r a; echo ok; exec sleep 20' <<<a
	[ "${lines[0]}" = ok ]
	[[ ${lines[1]} = 'raft-fsm: the program does not end after its input ended, for 0 ms; expected: '* ]]
}

@test "try, machine: data that does not fit the framing is answered in place of the program, and a reply that does not is lost" {
	conf 'reply_max: 1KiB'
	long=$(head -c 2000 /dev/zero | tr '\000' x)
	printf 'put n x\0y\nput a 1\n\0\nput long %s\nget long\nincr a\n' "$long" |
		try -c raft.yaml --query 'get n' --query 'get long' --query 'get a' --snapshot s -- raft-kv >out
	diff out - <<-'END'
		refused the entry holds a NUL, which framing: line cannot give to the program
		ok
		refused the entry holds a NUL, which framing: line cannot give to the program
		ok
		lost the reply is longer than fsm.reply_max
		ok 2
		refused no such key
		refused the reply is longer than fsm.reply_max
		ok 2
		ok
	END
	# As netstrings any data is given to the program, and the indexes are the same.
	printf 'put a 1\nput long %s\nget long\n' "$long" | try -c raft.yaml -F netstring -- raft-kv -F netstring >out
	[ "$(cat out)" = '2:ok,2:ok,43:lost the reply is longer than fsm.reply_max,' ]
	# Nothing but such entries, more than can be in flight, and the input still open.
	seq 20000 | tr '\n' '\0' | sed 's/\x00/\x00\n/g' | try -- raft-kv >out
	[ "$(sort out | uniq -c | awk '{ print $1 }')" = 20000 ]
}

@test "try, machine: what is wrong with restore and snapshot is said" {
	run -65 try --snapshot "$PWD/s" -- sh -c 'echo ready 0; read -r a; echo ok; exec sleep 20' </dev/null
	[ "${lines[-1]}" = "raft-fsm: the program says ok to snapshot and has written no file, or an empty one: $PWD/s; expected: \"refused\", or a file that is complete when it answers ok" ]
	run -65 try --restore /dev/null -- sh -c 'echo ready 0; read -r a; echo refused no; exec sleep 20' </dev/null
	[ "${lines[0]}" = 'refused no' ]
	[ "${lines[-1]}" = 'raft-fsm: the program refuses to restore /dev/null; expected: "ok", and the state that is in the file' ]
	run -0 try --snapshot s -- sh -c 'echo ready 0; read -r a; echo refused not now; read -r a' </dev/null || [ "$status" -eq 1 ]
	[ "$output" = 'refused not now' ]
}

@test "try, machine: fields are given with each entry, and a chain is expected with ready" {
	echo 'echo ready 0; while read -r l; do echo "$l $RAFT_FIELDS" >>got; echo ok; done' >machine.sh
	seq 7 | try --fields origin,time,chain -- sh machine.sh >out
	[ "$(wc -l <out)" -eq 7 ]
	grep -xE 'entry 1 1700000001000 n1:1000 [0-9a-f]{32} 1 time,origin,chain' got
	grep -xE 'entry 7 - - [0-9a-f]{32} 7 time,origin,chain' got
	[ "$(cut -d' ' -f5 got | sort -u | wc -l)" -eq 7 ]
	rm got
	try --fields '' -- sh machine.sh <<<x >out
	[ "$(cat got)" = 'entry 1 x ' ]
	# A second run continues after what a durable program says.
	for i in 1 2; do try --fields chain -- raft-kv -D kv.db <<<'incr n' >out; done
	[ "$(cat out)" = 'ok 2' ]
	run -65 try --fields chain -- sh -c 'echo ready 3' <<<x
	[[ $output == 'raft-fsm: the program says ready 3 without the chain of that entry, which fsm.fields names; expected: "ready N CHAIN", '* ]]
	run -65 try -- sh -c 'echo ready 3 -' <<<x
	[[ $output == *'says ready with a chain, and fsm.fields does not name chain; expected: "ready N", '* ]]
	for wrong in clock time,time "time," ,time 'time chain'; do
		run -64 try --fields "$wrong" -- cat <<<x
		[[ $output == "raft-fsm: --fields $wrong: is no list of fields: "* ]]
	done
	run -64 timeout 20 raft-fsm --try --fields time -- cat <<<x
	[[ $output == 'raft-fsm: --fields is of mode machine: add --mode machine' ]]
}

@test "try, machine: wrong usage is one sentence, 64, and nothing runs" {
	refused() { # WORDS...
		run -64 timeout 10 raft-fsm --try "$@" -- touch ran </dev/null
		echo "$output"
		[ "${#lines[@]}" -eq 1 ]
	}
	refused --mode none
	refused --mode machine -F json
	refused --mode machine -0
	refused --query a
	refused --mode batch --snapshot s
	refused --mode machine --from 0
	refused --mode machine --from x1
	refused --mode machine --query $'a\nb'
	run -74 timeout 10 raft-fsm --try --mode machine --restore none -- touch ran
	[ "${#lines[@]}" -eq 1 ]
	[ ! -e ran ]
}

@test "try, batch: a run for each batch, and the first that fails ends it, with its entries" {
	seq 2500 | timeout 20 raft-fsm --try --mode batch -- sh -c 'wc -l' >out
	diff out - <<<$'1000\n1000\n500'
	conf 'batch: { entries: 100, bytes: 10B }'
	sed -i 's/mode: machine/mode: batch/' raft.yaml
	printf '%s\n' aaaa bbbb cccc dddddddddddddddddddd ee | timeout 20 raft-fsm --try -c raft.yaml -- wc -c >out
	[ "$(tr '\n' ' ' <out)" = '10 5 21 3 ' ]
	run -7 timeout 20 raft-fsm --try --mode batch -- sh -c 'if grep -qx 1234; then exit 7; fi' < <(seq 5000)
	[ "$output" = 'raft-fsm: batch 2, entries 1001 to 2000: the command exited with 7: the same batch would come again' ]
	run -143 timeout 20 raft-fsm --try --mode batch -- sh -c 'kill -TERM $$' <<<a
	[ "$output" = 'raft-fsm: batch 1, entries 1 to 1: the command was killed by SIGTERM: the same batch would come again' ]
	# One that reads nothing and succeeds has its way, and its RAFT_MODE is right.
	seq 100000 | timeout 20 raft-fsm --try --mode batch -- sh -c '[ "$RAFT_MODE" = batch ]'
	timeout 20 raft-fsm --try --mode batch -- touch ran </dev/null
	[ ! -e ran ]
}

@test "try: what the pages show" {
	awk '/^import json/ && ++n == 2 { on = 1 } /^\.Ed/ { on = 0 } on' "$ROOT/man/raft-fsm-protocol.7" |
		sed 's/\\e/\\/g' >words.py
	printf 'to be\nor not\n' | try --query to -- python3 words.py >out
	diff out - <<<$'ok\nok\nok 1'
	run -1 sh -c "seq 1500 | timeout 20 raft-fsm --try --mode batch -- sh -c 'test \$(wc -l) = 1000'"
	[ "$output" = 'raft-fsm: batch 2, entries 1001 to 1500: the command exited with 1: the same batch would come again' ]
	cp words.py machine
	sed -i '1i #!/usr/bin/env python3' machine
	chmod +x machine
	seq 3 | raft-fsm --try --mode machine --snapshot s --query 2 -- ./machine | tail -n 2 | head -n 1 | grep -qx 'ok 1'
	raft-fsm --try --mode machine --restore s --query 2 -- ./machine </dev/null | tail -n 1 | grep -qx 'ok 1'
}
