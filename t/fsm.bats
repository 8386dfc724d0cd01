#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# raft-fsm, mode sink, against a stand-in for raft-logd: what a program gets, and all the ways it can end.

bats_require_minimum_version 1.5.0

setup() {
	load helper.bash
	N=$BATS_TEST_TMPDIR/n
	mkdir -p "$N/run"
	chmod 700 "$N/run"
	IN=$N/in OUT=$N/out LOG=$N/log
	: >"$IN"
	yaml
}

teardown() { stop_all; }

# yaml [LINE OF fsm:]...: the node's raft.yaml.
yaml() {
	{
		echo 'node: { id: n1 }'
		echo 'cluster:'
		echo '  name: demo'
		echo '  members: members.yaml'
		echo 'peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }'
		[ $# -eq 0 ] || echo 'fsm:'
		for line; do echo "  $line"; done
	} >"$N/raft.yaml"
}

numbered() { seq -f '%g a line of text' "$1" "$2"; }

logd() { # logd [FIRST]: the stand-in
	spawn "$N/logd.log" "$TBIN/fake-logd" "$N/run/log" n1 "$IN" "$@"
	LOGD=$SPAWNED
	wait_until 5 test -S "$N/run/log"
}

fsm() { # fsm [ARGS]: raft-fsm in the background
	spawn "$LOG" raft-fsm -c "$N/raft.yaml" "$@"
	FSM=$SPAWNED
}

status_line() { timeout 10 "$TBIN/ask" "$N/run/fsm"; }
key() { status_line | tr ' ' '\n' | sed -n "s/^$1=//p"; }
key_is() { [ "$(key "$1")" = "$2" ]; }
# kill_program: the whole group of the program that runs.
kill_program() {
	local pid
	pid=$(key pid)
	[ "$pid" -gt 1 ] && kill -KILL -- "-$pid"
}
arrived() { cmp "$IN" "$OUT"; }
# gone, or a zombie that nobody has reaped yet
ended() { gone "$1" || grep -q "^State:.Z" "/proc/$1/status"; }
said() { grep -q -- "$1" "$LOG"; }
count() { wc -l <"$1"; }
at_least() { [ "$(count "$1")" -ge "$2" ]; }

delivered_some() { [ "$(key delivered || echo 0)" -gt 0 ]; }

@test "fsm: the program gets all client entries, in order, each once, and nothing else" {
	numbered 1 5000 >"$IN"
	logd
	fsm -- sh -c "cat >'$OUT'"
	wait_until 10 arrived
	numbered 5001 7000 >>"$IN"
	wait_until 10 arrived
	# 1 no-op at the start, one more after each thousand
	wait_until 5 key_is lag 0
	key_is state running
	key_is restarts 0
	[ "$(key delivered)" -gt 7000 ]
	reap TERM "$FSM"
	arrived
}

@test "fsm: an idle program is up to date though no-ops come last" {
	numbered 1 998 >"$IN"
	logd
	fsm -- sh -c "cat >'$OUT'"
	wait_until 10 arrived
	numbered 999 999 >>"$IN"
	wait_until 10 arrived
	wait_until 5 key_is lag 0
}

@test "fsm: without a command entries go to stdout, and a reader that goes ends it quietly" {
	numbered 1 20000 >"$IN"
	logd
	timeout 10 raft-fsm -c "$N/raft.yaml" 2>"$LOG" | head -n 20000 >"$OUT"
	[ "${PIPESTATUS[0]}" -eq 0 ]
	arrived
	run ! grep -E 'lvl=(warn|error)' "$LOG"
	timeout 10 raft-fsm -c "$N/raft.yaml" 2>"$LOG" | head -n 3 >"$OUT"
	[ "${PIPESTATUS[0]}" -eq 0 ]
	[ "$(count "$OUT")" -eq 3 ]
	run ! grep -E 'lvl=(warn|error)' "$LOG"
}

@test "fsm: stdout may be a file" {
	numbered 1 20000 >"$IN"
	logd
	setsid raft-fsm -c "$N/raft.yaml" >"$OUT" 2>"$LOG" </dev/null 3>&- &
	PIDS+=($!)
	wait_until 10 arrived
	numbered 20001 20100 >>"$IN"
	wait_until 10 arrived
}

@test "fsm: a full disk behind stdout is an error, 74" {
	numbered 1 2000 >"$IN"
	logd
	run timeout 10 sh -c "raft-fsm -c '$N/raft.yaml' >/dev/full"
	[ "$status" -eq 74 ]
	[[ $output == *"No space left on device"* ]]
}

@test "fsm: a program that exits is started again after a back-off and gets the whole log" {
	numbered 1 1000 >"$IN"
	logd
	fsm -- sh -c "echo start >>'$N/starts'; head -n 10 >>'$OUT'; exit 3"
	wait_until 10 at_least "$N/starts" 3
	said 'the program exited with 3; started again in 100 ms'
	wait_until 5 said 'started again in 200 ms'
	[ "$(key restarts)" -ge 2 ]
	reap TERM "$FSM"
	[ "$(sort "$OUT" | uniq -c | awk '{ print $1 }' | sort -u | wc -l)" -eq 1 ]
	head -n 10 "$OUT" | cmp - <(head -n 10 "$IN")
}

@test "fsm: a program that is killed in the middle is rebuilt from the start" {
	numbered 1 300000 >"$IN"
	logd
	fsm -- sh -c "exec cat >'$OUT'"
	for _ in 1 2 3; do
		wait_until 10 test -s "$OUT"
		wait_until 10 kill_program
	done
	wait_until 20 arrived
	said 'killed by SIGKILL'
}

@test "fsm: a program that never reads costs a bounded amount of memory, and only its own lag grows" {
	yes "$(printf '%01000d' 1)" | head -n 100000 >"$IN"
	logd
	fsm -- sleep 1000
	wait_until 10 key_is commit 100101
	wait_until 10 key_is state running
	lag=$(key lag)
	[ "$lag" -gt 90000 ]
	numbered 1 1000 >>"$IN"
	wait_until 10 key_is commit 101102
	[ "$(key lag)" -gt "$lag" ]
	rss=$(awk '/VmRSS/ { print $2 }' "/proc/$FSM/status")
	if nm -D "$(command -v raft-fsm)" | grep -q __asan; then skip_memory=1; fi
	[ -n "${skip_memory-}" ] || [ "$rss" -lt 20000 ]
}

@test "fsm: framings line, nul, netstring and json carry every entry" {
	printf 'one\n\nthree \303\251\n\377\n"quoted"\\ \001\n' >"$IN"
	logd
	for framing in line nul netstring json; do
		yaml "framing: $framing"
		rm -f "$OUT"
		fsm -- sh -c "cat >'$OUT'"
		wait_until 10 key_is lag 0
		reap TERM "$FSM"
		case $framing in
		line) arrived ;;
		nul) tr '\n' '\0' <"$IN" | cmp - "$OUT" ;;
		netstring) printf '3:one,0:,8:three \303\251,1:\377,11:"quoted"\\ \001,' | cmp - "$OUT" ;;
		json)
			[ "$(count "$OUT")" -eq 5 ]
			[ "$(jq -r .data "$OUT" | head -n 3)" = "$(head -n 3 "$IN")" ]
			[ "$(jq -r 'select(.base64).base64' "$OUT")" = /w== ]
			[ "$(jq -c .index "$OUT" | tr '\n' ' ')" = '2 3 4 5 6 ' ]
			;;
		esac
	done
}

@test "fsm: from: cursor goes on where the last run stopped" {
	numbered 1 1000 >"$IN"
	logd
	yaml 'from: cursor'
	fsm -- sh -c "cat >>'$OUT'"
	wait_until 10 arrived
	reap TERM "$FSM"
	[ "$(cat "$N/run/log.cursor")" = 1002 ]
	numbered 1001 2000 >>"$IN"
	fsm -- sh -c "cat >>'$OUT'"
	wait_until 10 arrived
	# also while it runs, soon
	wait_until 5 grep -qx 2003 "$N/run/log.cursor"
}

@test "fsm: from: cursor: what a killed program left in its pipe comes again to the next one" {
	numbered 1 20000 >"$IN"
	logd
	yaml 'from: cursor'
	# Reads ten lines by bytes, no more, and is killed while the pipe is full.
	fsm -- sh -c "for i in 1 2 3 4 5 6 7 8 9 10; do read -r l; echo \"\$l\" >>'$OUT'; done
		echo >>'$N/starts'; test \$(wc -l <'$N/starts') -gt 1 || sleep 1000; exec cat >>'$OUT'"
	wait_until 10 test -s "$N/starts"
	wait_until 10 kill_program
	wait_until 20 arrived
}

@test "fsm: from: cursor: after kill -9 of raft-fsm nothing is missing, something may come again" {
	numbered 1 50000 >"$IN"
	logd
	yaml 'from: cursor'
	# The last line may be cut: read says so.
	program="while IFS= read -r l; do echo \"\$l\"; done >>'$OUT'"
	fsm -- sh -c "$program"
	wait_until 10 test -s "$OUT"
	reap KILL "$FSM"
	fsm -- sh -c "$program"
	wait_until 10 key_is lag 0
	reap TERM "$FSM"
	sort -nu "$OUT" | cmp - "$IN"
}

@test "fsm: TERM: the program sees the end of its input, finishes, and raft-fsm exits 0" {
	numbered 1 100 >"$IN"
	logd
	fsm -- sh -c "cat >'$OUT'; echo done >'$N/bye'"
	wait_until 10 arrived
	kill -TERM "$FSM"
	wait_until 5 gone "$FSM"
	wait "$FSM"
	[ "$(cat "$N/bye")" = "done" ]
	[ ! -e "$N/run/fsm" ]
}

@test "fsm: a program that is stopped in the middle gets whole entries only" {
	yes "$(printf '%0100000d' 7)" | head -n 200 >"$IN"
	logd
	fsm -- sh -c "while [ ! -e '$N/go' ]; do sleep 0.1; done; cat >'$OUT'"
	wait_until 5 key_is state running
	wait_until 5 delivered_some
	kill -TERM "$FSM"
	wait_until 5 said to=stopping
	touch "$N/go"
	wait_until 20 gone "$FSM"
	[ -s "$OUT" ]
	[ "$(tail -c 1 "$OUT" | od -An -tx1 | tr -d ' ')" = 0a ]
	[ "$(awk '{ print length }' "$OUT" | sort -u)" = 100000 ]
	[ "$(count "$OUT")" -lt 200 ]
}

@test "fsm: a program that ignores the end of its input gets TERM, then KILL, with its whole group" {
	numbered 1 10 >"$IN"
	logd
	yaml 'stop_timeout: 200ms'
	fsm -- sh -c "trap 'echo term >>\"$N/terms\"' TERM; sleep 1001 & echo \$! >'$N/grandchild'; while :; do sleep 0.1; done"
	wait_until 5 test -s "$N/grandchild"
	pid=$(key pid)
	reap TERM "$FSM"
	said 'ended: TERM'
	said 'on TERM: KILL'
	[ -s "$N/terms" ]
	ended "$pid"
	ended "$(cat "$N/grandchild")"
}

@test "fsm: TERM twice: raft-fsm exits at once and leaves nothing behind" {
	logd
	fsm -- sh -c "trap '' TERM; echo \$\$ >'$N/child'; while :; do sleep 0.1; done"
	wait_until 5 test -s "$N/child"
	kill -TERM "$FSM"
	wait_until 5 said to=stopping
	kill -TERM "$FSM"
	wait_until 2 gone "$FSM"
	wait_until 2 ended "$(cat "$N/child")"
}

@test "fsm: what a program that died has left of its group is killed before the next one starts" {
	numbered 1 10 >"$IN"
	logd
	fsm -- bash -c "echo \$\$ >>'$N/starts'; (sleep 1000 & echo \$! >>'$N/left'; wait) &
		until cmp -s <(wc -l <'$N/starts') <(wc -l <'$N/left'); do sleep 0.05; done; exit 1"
	wait_until 10 at_least "$N/starts" 3
	wait_until 2 ended "$(head -n 1 "$N/left")"
	wait_until 2 ended "$(sed -n 2p "$N/left")"
}

@test "fsm: a program that closes its input and lives on is ended and started again" {
	numbered 1 10000 >"$IN"
	logd
	yaml 'stop_timeout: 100ms'
	fsm -- sh -c "echo x >>'$N/starts'; exec <&-; sleep 1000"
	wait_until 10 at_least "$N/starts" 2
}

lived() { [ "$(tr '\n' ' ' <"$N/life")" = "$1" ]; }
@test "fsm: after kill -9 of raft-fsm the next one waits until the old program has read to its end" {
	numbered 1 1000 >"$IN"
	logd
	fsm -- sh -c "echo start >>'$N/life'; cat >/dev/null; sleep 1; echo end >>'$N/life'"
	wait_until 5 key_is lag 0
	reap KILL "$FSM"
	fsm -- sh -c "echo start >>'$N/life'; cat >/dev/null; sleep 1; echo end >>'$N/life'"
	wait_until 10 key_is lag 0
	wait_until 5 lived 'start end start '
}

@test "fsm: after kill -9 of raft-fsm an old program that never reads is ended" {
	logd
	yaml 'stop_timeout: 200ms'
	fsm -- sleep 1000
	wait_until 5 key_is state running
	old=$(key pid)
	reap KILL "$FSM"
	fsm -- sleep 1000
	wait_until 10 key_is state running
	ended "$old"
}

@test "fsm: a command that cannot be run: 127 and 126 and a sentence" {
	run -127 timeout 10 raft-fsm -c "$N/raft.yaml" -- no-such-command
	[[ $output == *"no-such-command: cannot run in $N: no such file or directory"* ]]
	run timeout 10 raft-fsm -c "$N/raft.yaml" -- ./raft.yaml
	[ "$status" -eq 126 ]
	[[ $output == *"permission denied"* ]]
	printf '#!/no/such/interpreter\n' >"$N/script"
	chmod +x "$N/script"
	run timeout 10 raft-fsm -c "$N/raft.yaml" -- ./script
	[ "$status" -eq 126 ]
	[[ $output == *"its interpreter is missing"* ]]
}

@test "fsm: a command of the YAML that cannot be run is tried again until it can" {
	numbered 1 100 >"$IN"
	logd
	yaml 'command: [ ./apply ]'
	fsm
	wait_until 5 said './apply: cannot run'
	key_is state backoff
	printf '#!/bin/sh\nexec cat >out\n' >"$N/apply.new"
	chmod +x "$N/apply.new"
	mv "$N/apply.new" "$N/apply"
	wait_until 10 arrived
}

@test "fsm: raft-logd may come later, go, and come back: no gap, no repeat, one complaint" {
	numbered 1 100000 >"$IN"
	fsm -- sh -c "cat >'$OUT'"
	wait_until 5 said 'ev=wait for=raft-logd'
	sleep 0.3
	for _ in 1 2 3 4; do
		logd
		wait_until 5 test -s "$OUT"
		reap KILL "$LOGD"
		numbered 100001 100100 >>"$IN"
	done
	logd
	wait_until 10 arrived
	key_is restarts 0
	[ "$(grep -c 'ev=wait for=raft-logd' "$LOG")" -eq 1 ]
	[ "$(grep -c 'to=raft-logd state=down' "$LOG")" -le 4 ]
}

@test "fsm: a gap is an error, never silence: 4 on the command line" {
	numbered 1 1000 >"$IN"
	logd 500
	run timeout 10 raft-fsm -c "$N/raft.yaml" -- sh -c "cat >'$OUT'"
	[ "$status" -eq 4 ]
	[[ $output == *"entry 1 is needed and compacted away, the first one left is 500"* ]]
	[ ! -s "$OUT" ]
	run timeout 10 raft-fsm -c "$N/raft.yaml"
	[ "$status" -eq 4 ]
}

@test "fsm: a gap under a command of the YAML stops the program; the status says why" {
	numbered 1 1000 >"$IN"
	logd 500
	yaml "command: [ sh, -c, 'cat >out; echo >ended' ]"
	fsm
	wait_until 5 key_is state gap
	[[ $(status_line) == *"the first one left is 500"* ]]
	wait_until 5 test -e "$N/ended"
	[ ! -s "$OUT" ]
	reap TERM "$FSM"
}

@test "fsm: a gap in the middle, while raft-logd was away, is seen too" {
	numbered 1 1000 >"$IN"
	logd
	yaml "command: [ sh, -c, 'cat >out' ]"
	fsm
	wait_until 10 arrived
	reap KILL "$LOGD"
	numbered 1001 3000 >>"$IN"
	logd 2500
	wait_until 10 key_is state gap
	[ "$(count "$OUT")" -eq 1000 ]
}

@test "fsm: from: cursor: a gap leaves the cursor where it is" {
	numbered 1 1000 >"$IN"
	logd
	yaml 'from: cursor' "command: [ sh, -c, 'cat >>out' ]"
	fsm
	wait_until 10 arrived
	wait_until 5 grep -qx 1002 "$N/run/log.cursor"
	reap KILL "$LOGD"
	numbered 1001 3000 >>"$IN"
	logd 2500
	wait_until 10 key_is state gap
	reap TERM "$FSM"
	grep -qx 1002 "$N/run/log.cursor"
}

@test "fsm: the program's folder, environment and group" {
	logd
	cd /
	fsm -- sh -c "{ pwd; echo \"\$RAFT_NODE \$RAFT_CLUSTER \$RAFT_CONFIG \$RAFT_MODE \${RAFT_PARENT_FD-none} \${NOTIFY_SOCKET-none}\"; ps -o pgid= -p \$\$ | tr -d ' '; echo \$\$; } >'$OUT'; trap | grep -c PIPE; cat"
	wait_until 5 at_least "$OUT" 4
	[ "$(sed -n 1p "$OUT")" = "$N" ]
	[ "$(sed -n 2p "$OUT")" = "n1 demo $N/raft.yaml sink none none" ]
	[ "$(sed -n 3p "$OUT")" = "$(sed -n 4p "$OUT")" ]
}

@test "fsm: SIGPIPE is as usual in the program" {
	logd
	fsm -- sh -c "yes | head -n 1 >'$OUT'; kill -PIPE \$\$; echo survived >'$N/survived'; cat"
	wait_until 5 said 'killed by SIGPIPE'
	[ ! -e "$N/survived" ]
}

@test "fsm: --try feeds lines to a command and exits as it does" {
	numbered 1 50000 >"$IN"
	run timeout 10 sh -c "raft-fsm --try -- sh -c 'cat >\"$OUT\"; exit 5' <'$IN'"
	[ "$status" -eq 5 ]
	arrived
	[ "$(printf 'a\n\nb' | timeout 10 raft-fsm --try -- cat | od -An -c | tr -d ' ')" = 'a\n\nb\n' ]
	[ "$(printf 'a\nb\n' | timeout 10 raft-fsm --try -F netstring -- cat)" = '1:a,1:b,' ]
	[ "$(printf 'a\nb\n' | timeout 10 raft-fsm --try -0 cat | od -An -c | tr -d ' ')" = 'a\0b\0' ]
	[ "$(printf 'a\nb\n' | timeout 10 raft-fsm --try -F json -- jq -c '[.index, .data]' | tr '\n' ' ')" = '[1,"a"] [2,"b"] ' ]
	run timeout 10 sh -c "yes | raft-fsm --try -- head -n 2"
	[ "$status" -eq 0 ]
	[ "$output" = $'y\ny' ]
	run timeout 10 sh -c "raft-fsm --try -- sh -c 'kill -TERM \$\$' </dev/null"
	[ "$status" -eq 143 ]
	run -127 timeout 10 raft-fsm --try -- no-such-command
	printf 'a\n' | timeout 10 raft-fsm -c "$N/raft.yaml" --try -- grep -qx a
	run timeout 10 raft-fsm --try -d 1 -- cat
	[ "$status" -eq 64 ]
	run timeout 10 raft-fsm --try
	[ "$status" -eq 64 ]
	yaml 'framing: nul' "command: [ tr, '\\0', x ]"
	[ "$(printf 'a\nb\n' | timeout 10 raft-fsm --try -c "$N/raft.yaml")" = axbx ]
}

@test "fsm: rubbish on its socket ends that connection alone" {
	logd
	fsm -- cat
	wait_until 5 key_is state running
	python3 - "$N/run/fsm" <<'PY'
import socket, sys
for rubbish in (b"\xff" * 100, b"\0\0\0\2\0\1", b"\0\0\0\0", b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\2\0\4"):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(sys.argv[1])
    s.sendall(rubbish)
    while s.recv(4096):
        pass
PY
	key_is state running
	run "$TBIN/ask" "$N/run/fsm" nonsense
	[ "$status" -eq 1 ]
	[[ $output == *'raft-fsm answers no query but: status'* ]]
}

@test "fsm: a second raft-fsm of the same node is refused with a sentence" {
	logd
	fsm -- cat
	wait_until 5 key_is state running
	run timeout 10 raft-fsm -c "$N/raft.yaml" -- cat
	[ "$status" -eq 75 ]
	[[ $output == *"in use: another process listens there"* ]]
}

@test "fsm: a raft-logd of another node is not read from" {
	numbered 1 10 >"$IN"
	spawn "$N/logd.log" "$TBIN/fake-logd" "$N/run/log" n2 "$IN"
	wait_until 5 test -S "$N/run/log"
	fsm -- sh -c "cat >'$OUT'"
	wait_until 5 said 'the raft-logd there is of node n2'
	[ ! -s "$OUT" ]
}

@test "fsm: ready is told on the descriptor, and -nv prints the section" {
	logd
	mkfifo "$N/ready"
	setsid sh -c "exec raft-fsm -c '$N/raft.yaml' -d 5 5>'$N/ready' -- cat" 2>"$LOG" </dev/null 3>&- &
	PIDS+=($!)
	[ "$(timeout 10 cat "$N/ready" | od -An -c | tr -d ' ')" = '\n' ]
	yaml "command: [ cat, '-u' ]" 'framing: netstring' 'from: cursor'
	run timeout 10 raft-fsm -nv -c "$N/raft.yaml"
	[ "$status" -eq 0 ]
	[[ $output == *netstring* ]]
}

# dl PAGE: the one-line examples of a page, as they are printed.
dl() { sed -n 's/^\.Dl //p' "$ROOT/man/$1" | sed 's/\\e/\\/g'; }

@test "fsm: the examples of the pages run" {
	numbered 1 100 >"$IN"
	logd
	export RAFT_CONFIG=$N/raft.yaml
	cd "$N"
	dl raft-fsm.8 | grep -e --try >"$N/tries"
	dl raft-fsm-protocol.7 | grep -e --try | grep -v -e --mode >>"$N/tries"
	[ "$(count "$N/tries")" -eq 3 ]
	while read -r line; do timeout 10 sh -c "$line" </dev/null >>"$OUT"; done <"$N/tries"
	[ "$(tr '\n' ' ' <"$OUT")" = '3 1:a,1:b,1:c,6 ' ]
	[ "$(dl raft-fsm.8 | grep -c -e '--try' -e "^raft-fsm -- sh -c 'cat >copy'$" -e '^raft-fsm | cat -n$')" -eq 4 ]
	fsm -- sh -c 'cat >copy'
	wait_until 10 cmp "$IN" "$N/copy"
	reap TERM "$FSM"
	timeout 10 sh -c 'raft-fsm 2>/dev/null | cat -n | head -n 100' | cmp - <(cat -n "$IN")
	dl raft-fsm-protocol.7 | grep '^fsm:' >"$N/sections"
	[ "$(count "$N/sections")" -eq 2 ]
	while read -r line; do
		yaml
		echo "$line" >>"$N/raft.yaml"
		timeout 10 raft-fsm -n
	done <"$N/sections"
	sed -n '/^import json/,/^\.Ed/{p;/^\.Ed/q;}' "$ROOT/man/raft-fsm-protocol.7" | sed '/^\.Ed/d' >"$N/program.py"
	[ "$(printf 'x\n"y\n' | timeout 10 raft-fsm --try -F json -- python3 "$N/program.py" | tr '\n' ' ')" = "1 'x' 2 '\"y' " ]
}
