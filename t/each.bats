#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-each on one node: batches, repeats, the file of dead entries, signals, who owns a cursor.
# sanitize
# shellcheck disable=SC2016,SC2030,SC2031,SC2164

load helper
bats_require_minimum_version 1.5.0

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c" 1
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	wait_until 20 has_level n1 3
}
teardown_file() { cluster_stop; }

setup() {
	D=$BATS_TEST_TMPDIR
	C=c$BATS_TEST_NUMBER
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml D
	cd "$D"
	# What earlier tests have appended is consumed.
	timeout 30 raft-each -C "$C" -B 4096 --once true
}
teardown() { stop_all; }

append() { timeout 30 raft-append "$@"; }
each() { timeout 60 raft-each -C "$C" "$@"; }
# each_start OPTION... COMMAND: in the background; its pid is in EACH, what it prints in $D/log.
each_start() {
	spawn "$D/log" raft-each -C "$C" "$@"
	EACH=$SPAWNED
}
said() { grep -qE -- "$1" "$D/log"; }
# ended STATUS: the consumer ends, with that status.
ended() {
	local status=0
	wait_until 20 gone "$EACH"
	wait "$EACH" || status=$?
	[ "$status" = "$1" ] || { echo "status $status instead of $1" >&2 && return 1; }
}
holds_pid() { [ -s "$1" ] && alive "$(cat "$1")"; }

@test "each: entries come in order, up to -B per run, and a later run continues after the position" {
	seq 1 25 | append
	each -B 10 --once sh -c 'cat >part; wc -l <part >>sizes; cat part >>out'
	seq 1 25 | cmp - out
	[ "$(tr '\n' ' ' <sizes)" = '10 10 5 ' ]
	seq 26 28 | append
	each --once sh -c 'cat >part; wc -l <part >>sizes; cat part >>out'
	seq 1 28 | cmp - out
	[ "$(tr '\n' ' ' <sizes)" = '10 10 5 1 1 1 ' ]
}

@test "each: a run has what is there: it does not wait for more to fill a batch, and none is run without entries" {
	each_start -B 1000 sh -c 'cat >part; wc -l <part >>sizes; cat part >>out'
	for i in 1 2 3; do
		echo "$i" | append
		wait_until 10 grown out "$i"
	done
	[ "$(sort -u sizes)" = 1 ]
	# An opening is an entry, and of no client.
	timeout 20 raft-each -C other -B 4096 --once true
	echo 4 | append
	wait_until 10 grown out 4
	[ "$(sort -u sizes)" = 1 ]
	seq 1 4 | cmp - out
}

@test "each: the position moves over many entries of no client too, by one entry of its own" {
	local before
	commit() { status n1 log commit; }
	commit_is() { [ "$(commit)" = "$1" ]; }
	each_start -v true
	echo one | append
	wait_until 10 said 'entry [0-9]+: done$'
	before=$(commit)
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$CLUSTER/n1/run/elect" <<-'PY'
		import sys
		import wire
		conn = wire.Conn(sys.argv[1])
		conn.hello()
		for first in range(1, 5001, 100):
		    for request in range(first, first + 100):
		        conn.send("propose", request=request, count=1, entries=wire.entry(0, b"", kind=wire.NOOP))
		    for _ in range(100):
		        assert conn.expect("answer")["verdict"] == 0
	PY
	wait_until 20 commit_is $((before + 5001))
	# The next entry and its acknowledgement are all that follows.
	echo two | append
	wait_until 10 commit_is $((before + 5003))
	stop "$EACH"
}

@test "each: the command finds the indexes of its batch, its attempt, the cursor and the configuration" {
	local first
	first=$(printf 'a\nb\nc\n' | append -v | head -n 1 | cut -d' ' -f1)
	each -B 3 --once sh -c 'echo "$RAFT_FIRST $RAFT_LAST $RAFT_ATTEMPT $RAFT_CURSOR $RAFT_CONFIG" >>env; [ "$RAFT_ATTEMPT" = 3 ]'
	for i in 1 2 3; do echo "$first $((first + 2)) $i $C $RAFT_CONFIG"; done | diff - env
}

@test "each: what fails comes again, the same batch each time, after pauses that grow; nothing is skipped" {
	seq 1 5 | append
	each_start -B 3 sh -c 'cat >part; md5sum <part >>tried; [ -e mended ] || exit 7; cat part >>out'
	wait_until 20 grown tried 3
	seq 6 9 | append
	wait_until 20 grown tried 4
	[ "$(sort -u tried | wc -l)" = 1 ]
	said 'entries [0-9]+ to [0-9]+: the command exited with 7: again in 100 ms$'
	said 'the command exited with 7: again in 400 ms$'
	[ ! -e out ]
	touch mended
	wait_until 30 grown out 9
	seq 1 9 | cmp - out
}

@test "each: a command that is killed, and one that exits with 126 or 127, has failed like any other" {
	echo one | append
	each --once sh -c 'echo "$RAFT_ATTEMPT" >>tried; case $RAFT_ATTEMPT in 1) kill -9 $$ ;; 2) exit 126 ;; 3) exit 127 ;; esac' 2>log
	seq 1 4 | cmp - tried
	said 'entry [0-9]+: the command was killed by SIGKILL: again'
	said 'entry [0-9]+: the command exited with 127: again'
}

@test "each: what a failed run has left in its group is killed before the next run" {
	echo one | append
	each --once sh -c '[ "$RAFT_ATTEMPT" = 1 ] || exit 0; sleep 600 & echo $! >left; exit 1'
	wait_until 5 gone "$(cat left)"
}

@test "each: -0, netstring, json and whole bring any bytes; an entry may be empty or huge" {
	printf 'a\nb\0\0c' | append -0
	each -B 9 -0 --once sh -c 'cat >out'
	printf 'a\nb\0\0c\0' | cmp - out
	printf 'a\nb\0\0c' | append -0
	each -B 9 -F netstring --once sh -c 'cat >out'
	printf '3:a\nb,0:,1:c,' | cmp - out
	printf 'a\nb\0\377' | append -0
	each -B 9 -F json --once sh -c 'cat >out'
	[ "$(jq -c '[.data, .base64]' out | tr '\n' ' ')" = '["a\nb",null] [null,"/w=="] ' ]
	head -c 1000000 /dev/urandom >huge
	append -F whole huge
	each -F whole --once sh -c 'cat >out'
	cmp huge out
	append -F whole huge
	append -F whole huge
	append -F whole huge
	each -B 3 -F json --once sh -c 'wc -l >>lines'
	[ "$(awk '{ n += $1 } END { print n }' lines)" = 3 ]
}

@test "each: a command may leave its input unread" {
	head -c 3000000 /dev/zero | tr '\0' x | fold -w 1000 | append
	each -B 4096 --once true
	each --once sh -c 'touch again'
	[ ! -e again ]
}

@test "each: --once ends after what was committed before it began, and with 0; what comes later stays" {
	seq 1 3 | append
	each -B 10 --once sh -c 'cat >>out; [ -e more ] || { touch more; seq 4 6 | raft-append; }'
	seq 1 3 | cmp - out
	each -B 10 --once sh -c 'cat >>out'
	seq 1 6 | cmp - out
	# Nor is what comes later in a batch with what came before: the second read, which two large entries need, has both.
	rm out more
	for size in 1000000 100000; do head -c "$size" /dev/zero | tr '\0' x | append -F whole; done
	each -B 10 --once sh -c 'cut -c 1 >>out; [ -e more ] || { touch more; echo late | raft-append; }'
	printf 'x\nx\n' | cmp - out
}

@test "each: wrong usage is 64, a command that is missing 127, one that cannot be run 126: before the cursor is opened" {
	echo 'exit 0' >plain
	each_start -v true
	echo one | append
	wait_until 10 said 'entry [0-9]+: done$'
	refused() { # STATUS SENTENCE ARGS...
		local want=$1 sentence=$2
		shift 2
		run "-$want" timeout 10 raft-each "$@"
		[ "${#lines[@]}" = 1 ] && [[ $output == "raft-each: $sentence"* ]] ||
			{ echo "$status: $output" >&2 && return 1; }
	}
	refused 64 '-C NAME is missing: usage: ' true
	refused 64 "-C: a cursor's name holds no blanks" -C 'a b' true
	refused 64 "-C: a cursor's name has 1 to 64 bytes" -C '' true
	refused 64 'a command is missing: usage: ' -C "$C"
	refused 64 '--tries and --dead need each other' -C "$C" --tries 3 true
	refused 64 '--tries and --dead need each other' -C "$C" --dead dead true
	refused 64 '-B: must be from 1 to ' -C "$C" -B 0 true
	refused 64 '-F whole: with -B above 1 the command could not tell' -C "$C" -B 2 -F whole true
	refused 74 "--dead $D: cannot open: Is a directory" -C "$C" --tries 1 --dead "$D" true
	refused 127 'nowhere: cannot run in .: no such file' -C "$C" nowhere
	refused 127 './nowhere: cannot run in .: no such file' -C "$C" -- ./nowhere
	refused 126 './plain: cannot run in .: permission denied' -C "$C" ./plain
	# The options after the command are its own.
	echo two | append
	wait_until 10 grown log 2
	alive "$EACH"
	stop "$EACH"
	echo three | append
	each --once sh -c 'cat >out; echo "$*" >>out' sh -c -B --once
	printf 'three\n-c -B --once\n' | cmp - out
}

# ---------------------------------------------------------------- --tries and --dead

@test "each: ⚠ a batch that fails --tries times is run entry by entry, and what still fails is in the file of --dead, once" {
	seq 1 10 | append
	each -B 5 --tries 2 --dead dead --once sh -c 'cat >part; echo "$(wc -l <part) $RAFT_ATTEMPT" >>runs; ! grep -qx -e 2 -e 4 part || exit 9; cat part >>out' 2>log
	printf '%s\n' 1 3 5 6 7 8 9 10 | cmp - out
	printf '%s\n' '5 1' '5 2' '1 1' '1 1' '1 2' '1 1' '1 1' '1 2' '1 1' '5 1' | diff - runs
	[ "$(jq -r .data dead | tr '\n' ' ')" = '2 4 ' ]
	[ "$(jq -r 'keys | join(" ")' dead | sort -u)" = 'data index origin serial session term time' ]
	[ "$(stat -c %a dead)" = 600 ]
	said 'entries [0-9]+ to [0-9]+: the command exited with 9 in 2 attempts: now each entry by itself$'
	said "entry $(jq -r .index dead | head -n 1): the command exited with 9 in 2 attempts: written to dead\$"
	each --once touch again
	[ ! -e again ]
	# What is in the file can be appended again.
	jq -r .data dead | append
	each --once sh -c 'cat >>out'
	[ "$(tail -n 2 out | tr '\n' ' ')" = '2 4 ' ]
}

@test "each: ⚠ an entry is on the disk in the file of --dead before its position moves" {
	echo bad | append
	# The first fsync is that of the folder, at the start.
	run -74 timeout 60 strace -f -o trace -e trace=fsync -e inject=fsync:error=EIO:when=2+ \
		raft-each -C "$C" --tries 1 --dead dead --once false
	grep -qF 'cannot write it to dead: Input/output error' <<<"$output"
	[ ! -s dead ]
	each --tries 1 --dead dead --once false 2>log
	[ "$(jq -r .data dead)" = bad ]
}

@test "each: ⚠ where the disk of --dead is full nothing of the entry is left there and its position does not move" {
	[ "$(id -u)" = 0 ]
	mkdir disk
	mount -t tmpfs -o size=64k none disk
	head -c 100000 /dev/zero | tr '\0' x | append -F whole
	run each --tries 1 --dead disk/dead --once false
	size=$(stat -c %s disk/dead)
	umount disk
	echo "$output"
	[ "$status" = 74 ]
	[[ $output == *'cannot write it to disk/dead: No space left on device' ]]
	[ "$size" = 0 ]
	each --tries 1 --dead dead --once false
	[ "$(jq -r '.data | length' dead)" = 100000 ]
}

@test "each: the file of --dead is locked, and a line that is not complete is cut off" {
	printf '{"index":1}\n{"index":2,"da' >dead
	each_start --tries 1 --dead dead false
	cut_off() { printf '{"index":1}\n' | cmp -s - dead; }
	wait_until 10 cut_off
	run timeout 10 raft-each -C another --tries 1 --dead dead true
	[ "$status" = 75 ]
	[ "$output" = 'raft-each: --dead dead: another process has locked it: each raft-each needs a file of its own' ]
	echo bad | append
	wait_until 10 grown dead 2
	[ "$(jq -c '[.index > 0, .data]' dead | tr '\n' ' ')" = '[true,null] [true,"bad"] ' ]
}

# ---------------------------------------------------------------- who owns the cursor

@test "each: ⚠ another consumer of the cursor ends the command of the former one, which exits 77 and moves nothing" {
	seq 1 3 | append
	each_start sh -c 'trap "echo TERM >>ended; exit 0" TERM; cat >part; echo $$ >pid; while :; do sleep 0.1; done'
	wait_until 10 holds_pid pid
	FORMER=$EACH
	spawn "$D/log2" raft-each -C "$C" sh -c 'cat >>out'
	wait_until 10 gone "$(cat pid)"
	[ "$(cat ended)" = TERM ]
	ended 77
	said 'another consumer has opened it, with entry [0-9]+$'
	# Its command had exited with 0: the entry comes to the new owner all the same.
	wait_until 10 grown out 3
	seq 1 3 | cmp - out
	alive "$SPAWNED"
	[ "$FORMER" = "$EACH" ]
}

@test "each: ⚠ a former owner's command that does not end on TERM is killed, with what it has started" {
	echo one | append
	each_start sh -c 'trap "" TERM; sleep 600 & echo $! >left; echo $$ >pid; while :; do sleep 0.1; done'
	wait_until 10 holds_pid pid
	spawn "$D/log2" raft-each -C "$C" sh -c 'cat >>out'
	wait_until 20 gone "$(cat pid)"
	wait_until 5 gone "$(cat left)"
	ended 77
	wait_until 10 grown out 1
}

@test "each: a former owner that waits for entries ends with 77" {
	each_start -v true
	echo one | append
	wait_until 10 said ': done$'
	timeout 20 raft-each -C "$C" --once true
	ended 77
}

@test "each: ⚠ a kill -9 of the consumer ends its command and what that has started; its entries come again" {
	seq 1 3 | append
	each_start -B 3 sh -c 'cat >>out; sleep 600 & echo $! >left; echo $$ >pid; wait'
	wait_until 10 holds_pid pid
	# The other process is not to end by what is sent to all of a service.
	pkill -TERM -x -P "$EACH" raft-guard
	reap KILL "$EACH"
	wait_until 5 gone "$(cat pid)"
	wait_until 5 gone "$(cat left)"
	each -B 3 --once sh -c 'cat >>out'
	{ seq 1 3 && seq 1 3; } | cmp - out
}

# ---------------------------------------------------------------- signals

@test "each: TERM goes to the command's group, and the consumer ends after it; a run that exits with 0 counts" {
	seq 1 3 | append
	each_start sh -c 'trap "touch ended; exit 0" TERM; cat >>out; echo $$ >pid; while :; do sleep 0.1; done'
	wait_until 10 holds_pid pid
	kill -TERM "$EACH"
	ended 0
	[ -e ended ]
	each --once sh -c 'cat >>out'
	seq 1 3 | cmp - out
}

@test "each: ⚠ a run that TERM, INT or HUP ends with anything but 0 does not count" {
	echo 1 | append
	for signal in TERM INT HUP; do
		rm -f pid
		each_start sh -c 'cat >>out; echo $$ >pid; while :; do sleep 0.1; done'
		wait_until 10 holds_pid pid
		kill "-$signal" "$EACH"
		ended 0
		gone "$(cat pid)"
	done
	each --once sh -c 'cat >>out'
	printf '1\n1\n1\n1\n' | cmp - out
}

@test "each: a second signal kills a command that does not end on the first" {
	echo 1 | append
	each_start sh -c 'trap "touch ignored" TERM; echo $$ >pid; while :; do sleep 0.1; done'
	wait_until 10 holds_pid pid
	kill -TERM "$EACH"
	wait_until 10 test -e ignored
	alive "$EACH"
	alive "$(cat pid)"
	kill -TERM "$EACH"
	ended 0
	gone "$(cat pid)"
}

@test "each: a signal during a pause, and while there is nothing to do, ends it at once; with --once the status is 75" {
	each_start -v true
	echo 0 | append
	wait_until 10 said ': done$'
	kill -TERM "$EACH"
	ended 0
	echo 1 | append
	each_start --once false
	wait_until 10 said 'again in 1600 ms'
	kill -TERM "$EACH"
	ended 75
}

# ---------------------------------------------------------------- the node

@test "each: entries that this node's log no longer has are 4, never silence" {
	local G=$D/g config
	raft-init -N 1 -p "$(free_ports 1)" "$G" >/dev/null
	config=$G/n1/raft.yaml
	echo 'logd: { keep: 1MiB, keep_tail: 0B }' >>"$config"
	spawn "$D/node.log" raft-node -c "$config"
	export RAFT_CONFIG=$config
	wait_until 20 raft-ctl -t 1s wait
	echo first | append -t 20s
	timeout 30 raft-each -C gap --once true
	cut_away() {
		head -c 2000000 /dev/zero | tr '\0' x | fold -w 1000 | raft-append
		[ "$(raft-ctl -j status | jq .log.first)" -gt 10 ]
	}
	wait_until 30 cut_away
	run timeout 20 raft-each -C gap touch out
	echo "$output"
	[ "$status" = 4 ]
	[[ $output =~ ^raft-each:\ cursor\ gap:\ the\ entries\ [0-9]+\ to\ [0-9]+\ are\ compacted\ away\ on\ this\ node:\ no\ member\ has\ them ]]
	[ ! -e out ]
}

@test "each: the pipe to raft-lead is not for the command" {
	echo one | append
	RAFT_LEAD_FD=7 each --once sh -c 'echo "${RAFT_LEAD_FD-none}" >env; [ ! -e /proc/$$/fd/7 ]' 7>wish
	[ "$(cat env)" = none ]
	[ ! -s wish ]
}

@test "each: it waits while the node is away and says so once, and -t ends the wait with 69" {
	local G=$D/g
	raft-init -N 1 -p "$(free_ports 1)" "$G" >/dev/null
	run timeout 20 raft-each -c "$G/n1/raft.yaml" -C away -t 300ms true
	echo "$output"
	[ "$status" = 69 ]
	[[ $output == *'is the node running? (given up after 300 ms)' ]]
	spawn "$D/log" raft-each -c "$G/n1/raft.yaml" -C away sh -c 'cat >>out'
	EACH=$SPAWNED
	wait_until 20 said '^raft-each: cursor away: waiting: .*is the node running'
	spawn "$D/node.log" raft-node -c "$G/n1/raft.yaml"
	NODE=$SPAWNED
	wait_until 20 raft-ctl -c "$G/n1/raft.yaml" -t 1s wait
	echo one | append -c "$G/n1/raft.yaml" -t 20s
	wait_until 20 grown out 1
	# And again, with the cursor open.
	stop "$NODE"
	waited_twice() { [ "$(grep -c waiting "$D/log")" = 2 ]; }
	wait_until 20 waited_twice
	spawn "$D/node.log" raft-node -c "$G/n1/raft.yaml"
	wait_until 20 raft-ctl -c "$G/n1/raft.yaml" -t 1s wait
	echo two | append -c "$G/n1/raft.yaml" -t 20s
	wait_until 20 grown out 2
	printf 'one\ntwo\n' | cmp - out
	[ "$(wc -l <"$D/log")" = 2 ]
}

@test "each: -t ends a wait for a node that goes away, however often the connection is tried" {
	local G=$D/g
	raft-init -N 1 -p "$(free_ports 1)" "$G" >/dev/null
	export RAFT_CONFIG=$G/n1/raft.yaml
	spawn "$D/node.log" raft-node -c "$RAFT_CONFIG"
	NODE=$SPAWNED
	wait_until 20 raft-ctl -t 1s wait
	each_start -v -t 1500ms true
	append -t 20s <<<one
	wait_until 20 said ': done$'
	stop "$NODE"
	ended 69
	said 'given up after 1500 ms'
}

@test "each: progress is shown on a terminal, and nowhere else" {
	seq 1 40 | append
	timeout 60 script -qefc "raft-each -C $C --once sleep 0.05" tty </dev/null >/dev/null
	grep -qE 'raft-each: [0-9]+ entries done, 0 dead, position [0-9]+ of [0-9]+' tty
	seq 1 40 | append
	each --once sleep 0.05 >out 2>&1
	[ ! -s out ]
}

@test "each: under s6 and systemd it is not started again after what a person must change" {
	for status in 4 64 78 126 127; do [ "$("$ROOT/etc/s6/raft-each/finish" "$status" || echo $?)" = 125 ]; done
	for status in 0 69 71 74 75 76 77 256; do "$ROOT/etc/s6/raft-each/finish" "$status"; done
	grep -qx 'RestartPreventExitStatus=4 64 78 126 127' "$ROOT/etc/raft-each@.service"
	# Their command lines are complete: only the node, the command and raft-lead are missing here.
	sed -n 's/^exec s6-setuidgid raft raft-lead -- //p; s/^ExecStart=.* -- .*\/\(raft-each .*\)/\1/p' \
		"$ROOT/etc/s6/raft-each/run" "$ROOT/etc/raft-each@.service" >lines
	[ "$(wc -l <lines)" = 2 ]
	while read -r line; do
		run -127 timeout 10 sh -c "$(sed "s,/etc/raft/raft.yaml,$RAFT_CONFIG,; s,%i,mail,g" <<<"$line")"
		[[ $output == *': cannot run in .: no such file or directory' ]]
	done <lines
}

@test "each: the examples of its page run" {
	# Of what earlier tests have appended they see nothing.
	for cursor in print archive parse; do timeout 30 raft-each -C "$cursor" -B 4096 --once true; done
	printf '{"a":1}\nno JSON\n' | append
	sed -n 's/^\.Dl \$ //p' "$ROOT/man/raft-each.1" | sed 's/\\(dq/"/g; s/\\e/\\/g' >examples
	[ "$(wc -l <examples)" = 4 ]
	while read -r line; do
		timeout 60 sh -c "$line" </dev/null >>out 2>>log
	done <examples
	grep -qx 'no JSON' out
	zcat archive.gz | grep -qx 'no JSON'
	[ "$(jq -r .data dead.json | tail -n 1)" = 'no JSON' ]
	[ "$(raft-tail | tail -n 1)" = 'no JSON' ]
}
