#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-follow: a rotated log, each line exactly once, whatever is killed.
# shellcheck disable=SC2030,SC2031,SC2317
# sanitize

bats_require_minimum_version 1.5.0
load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	ctl n1 wait
}
teardown_file() { cluster_stop; }

setup() {
	D=$BATS_TEST_TMPDIR/log
	L=$D/messages
	S=s$BATS_TEST_NUMBER
	STATE=$BATS_TEST_TMPDIR/state
	mkdir "$D"
}
teardown() {
	stop_all
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$BATS_TEST_TMPDIR/err" || :
}

# follow [NODE [OPTION...]]: in the background; F is its pid.
follow() {
	local node=${1:-n1}
	shift || :
	spawn "$BATS_TEST_TMPDIR/err" raft-follow -v -c "$CLUSTER/$node/raft.yaml" -S "$S" --state "$STATE" "$@" "$L"
	F=$SPAWNED
}
# refused STATUS TEXT [OPTION...]: it ends by itself, with this status and one sentence.
refused() {
	local want=$1 text=$2
	shift 2
	run timeout 30 raft-follow -c "$CLUSTER/n1/raft.yaml" -S "$S" --state "$STATE" "$@" "$L"
	echo "$output"
	[ "$status" -eq "$want" ] && [ "${#lines[@]}" -eq 1 ] && [[ $output == "raft-follow: "*"$text"* ]]
}
lines() { seq -f "$S line %.0f" "$1" "$2"; } # lines FIRST LAST
serial() { ctl n1 -j session list | jq -r ".sessions[] | select(.session == \"$S\") | .serial"; }
has() { [ "$(serial)" = "$1" ]; }
# appended COUNT: the session gets this many entries, and they are the lines 1 to COUNT.
appended() {
	wait_until 30 has "$1" || { echo "$(serial) of $1 entries" && return 1; }
	lines 1 "$1" >"$BATS_TEST_TMPDIR/want"
	log_is "$BATS_TEST_TMPDIR/want"
}
# log_is FILE: what the cluster has of this test.
log_is() {
	ctl n2 barrier
	tail_all n2 | grep -a "^$S " | diff - "$1" >"$BATS_TEST_TMPDIR/diff" || { head -n 20 "$BATS_TEST_TMPDIR/diff" && return 1; }
}
# rotate [COUNT]: renames as logrotate does.
rotate() {
	local n
	for n in 8 7 6 5 4 3 2 1; do [ ! -e "$L.$n" ] || mv "$L.$n" "$L.$((n + 1))"; done
	mv "$L" "$L.1"
}
reads() { readlink "/proc/$F/fd/"* | grep -qxF "$1"; } # FILE: the follower has it open
said() { grep -q -e "$1" "$BATS_TEST_TMPDIR/err"; }
killed() { reap KILL "$F"; }

# --------------------------------------------------------------- one file

@test "follow: each line that is there and each that comes is appended once; the last one waits for its newline" {
	lines 1 500 >"$L"
	follow
	appended 500
	printf '%s' "$(lines 501 501)" >>"$L"
	lines 1 10 >"$BATS_TEST_TMPDIR/other"
	wait_until 10 said 'from byte 0'
	sleep 1.5 # longer than what is taken for an end elsewhere
	has 500
	printf '\n' >>"$L"
	lines 502 600 >>"$L"
	appended 600
}

@test "follow: a file that does not exist yet is waited for, and that is said once" {
	follow
	wait_until 10 said 'messages: No such file or directory: waiting for it'
	lines 1 3 >"$L"
	appended 3
	[ "$(grep -c waiting "$BATS_TEST_TMPDIR/err")" -eq 1 ]
}

@test "follow: empty lines, bytes of all kinds and a line of the largest size are entries" {
	python3 -c 'import sys
w = sys.argv[1].encode()
f = sys.stdout.buffer
f.write(w + b" \0\xff\r\x1b[2J\n" + w + b" " + b"x" * ((1 << 20) - len(w) - 1) + b"\n\n\n" + w + b" end\n")' "$S" >"$L"
	follow
	wait_until 30 has 5
	grep -a . "$L" >"$BATS_TEST_TMPDIR/want"
	log_is "$BATS_TEST_TMPDIR/want"
	[ "$(tail_all n2 | grep -c '^$')" -eq 2 ]
}

@test "follow: an orderly end is 0, and the state is exact then; a second run adds nothing" {
	lines 1 100 >"$L"
	for signal in TERM HUP; do
		follow
		appended 100
		kill -s "$signal" "$F"
		status=0
		wait "$F" || status=$?
		[ "$status" -eq 0 ]
		grep -q '^place 100 ' "$STATE"
	done
	log_is "$BATS_TEST_TMPDIR/want"
}

# --------------------------------------------------------------- rotations

@test "follow: create and rename: each line once, in order, also of files that are rotated while it is down" {
	lines 1 50 >"$L"
	follow
	appended 50
	at=50
	for i in $(seq 3); do
		rotate
		lines $((at + 1)) $((at + 30)) >"$L"
		at=$((at + 30))
		appended $at
	done
	killed
	for i in $(seq 5); do
		lines $((at + 1)) $((at + 7)) >>"$L"
		rotate
		: >"$L" # an empty one now and then
		[ "$i" -ne 3 ] || rotate
		[ "$i" -ne 3 ] || : >"$L"
		at=$((at + 7))
	done
	follow n2
	appended $at
	lines $((at + 1)) $((at + 5)) >>"$L"
	appended $((at + 5))
}

@test "follow: names with a date, as of dateext" {
	lines 1 10 >"$L"
	follow
	appended 10
	mv "$L" "$L-20261128"
	lines 11 20 >"$L"
	appended 20
	killed
	lines 21 25 >>"$L"
	mv "$L" "$L-20261129"
	lines 26 30 >"$L"
	mv "$L" "$L-20261130"
	lines 31 35 >"$L"
	follow
	appended 35
}

@test "follow: a last line without a newline is one of its own once the next file has begun" {
	{ lines 1 9 && printf '%s' "$(lines 10 10)"; } >"$L"
	follow
	wait_until 20 has 9
	rotate
	lines 11 20 >"$L"
	appended 20
	killed
	printf '%s' "$(lines 21 21)" >>"$L"
	rotate
	lines 22 22 >"$L"
	follow
	appended 22
}

@test "follow: what a process writes to the file that was left comes too, also after kill -9" {
	lines 1 5 >"$L"
	follow
	appended 5
	rotate
	lines 6 8 >"$L"
	appended 8
	lines 9 9 >>"$L.1"
	appended 9
	lines 10 12 >>"$L"
	appended 12
	for i in 13 15 17; do
		killed
		lines $i $i >>"$L.1"
		follow
		appended $i
		lines $((i + 1)) $((i + 1)) >>"$L"
		appended $((i + 1))
	done
}

@test "follow: a file that is removed or compressed when it was read to its end is not missed" {
	lines 1 5 >"$L"
	follow
	appended 5
	rotate
	gzip "$L.1"
	lines 6 8 >"$L"
	appended 8
	rm "$L"
	lines 9 10 >"$L"
	appended 10
	killed
	follow
	lines 11 12 >>"$L"
	appended 12
}

# ------------------------------------------------------ what cannot be found

@test "follow: a file that was removed or compressed before it was read is one error, 65, and nothing is appended" {
	lines 1 5 >"$L"
	follow
	appended 5
	killed
	lines 6 7 >>"$L"
	mv "$L" "$L.1"
	gzip "$L.1"
	lines 8 9 >"$L"
	refused 65 'is not among its rotated files, or is compressed: nothing was appended'
	has 5
	gunzip "$L.1.gz"
	mv "$L.1" "$L.2"
	lines 1 1 | gzip >"$L.1.gz"
	touch "$L.1.gz"
	follow
	wait_until 10 gone "$F"
	said 'messages.1.gz has not been read, and is compressed'
	appended 7
	rm "$L.1.gz"
	mv "$L.2" "$L.3"
	refused 65 'messages.2 is missing, and has not been read'
	mv "$L.3" "$L.1"
	follow
	appended 9
}

@test "follow: --continue goes on with the first line of the file, and says what is lost" {
	lines 1 5 >"$L"
	follow
	appended 5
	killed
	rm "$L"
	lines 6 9 >"$L"
	refused 65 'not among its rotated files'
	follow n1 --continue
	appended 9
	said '--continue: continuing with the first line of'
	killed
	: >"$BATS_TEST_TMPDIR/err"
	lines 10 12 >>"$L"
	follow n1 --continue
	appended 12
	run ! said continuing
}

@test "follow: the inode of a file that is gone is not taken for it when another has it now" {
	lines 1 5 >"$L"
	follow
	appended 5
	killed
	rm "$L"
	lines 101 105 >"$L"
	sed -i "s/^at [0-9]* /at $(stat -c %i "$L") /" "$STATE"
	refused 65 'not among its rotated files'
	has 5
}

@test "follow: ⚠ lines that the cluster has and the file has lost are an error, 65" {
	lines 1 1000 >"$L"
	follow
	appended 1000
	stop "$F"
	head -n 900 "$L" >"$BATS_TEST_TMPDIR/short"
	cat "$BATS_TEST_TMPDIR/short" >"$L" # the same inode
	refused 65 'is no longer in the file'
	lines 1001 1200 >>"$L"
	refused 65 'is no longer in the file'
	# With a place before what is lost only the digest tells.
	rm "$STATE"
	refused 65 'its 1000 entries are not the lines before'
	has 1000
}

@test "follow: without its state the session is compared with the file: equal, it continues; else 65" {
	lines 1 400 >"$L"
	follow
	appended 400
	killed
	rm "$STATE"
	lines 401 410 >>"$L"
	follow
	appended 410
	killed
	rm "$STATE"
	sed -i '7s/line/LINE/' "$L"
	lines 411 420 >>"$L"
	refused 65 "its 410 entries are not the lines before"
	sed -i '7s/LINE/line/; 300,$d' "$L"
	refused 65 'it has 410 entries, and the files have the lines of 299 only'
	has 410
}

@test "follow: an older state is good as long as the files are there" {
	lines 1 100 >"$L"
	follow
	appended 100
	stop "$F"
	cp "$STATE" "$STATE.old"
	follow
	rotate
	lines 101 200 >"$L"
	appended 200
	rotate
	lines 201 300 >"$L"
	appended 300
	stop "$F"
	cp "$STATE.old" "$STATE"
	lines 301 310 >>"$L"
	follow
	appended 310
}

@test "follow: an older state in the middle of a rotation: the next file is waited for" {
	lines 1 100 >"$L"
	follow
	appended 100
	cp "$STATE" "$STATE.old"
	rotate
	lines 101 200 >"$L"
	appended 200
	stop "$F"
	cp "$STATE.old" "$STATE"
	mv "$L" "$D/held"
	follow
	wait_until 20 reads "$L.1"
	mv "$D/held" "$L"
	lines 201 210 >>"$L"
	appended 210
}

@test "follow: a session that was dropped, a state of another session or none at all: 65" {
	lines 1 20 >"$L"
	follow
	appended 20
	stop "$F"
	mine=$S S=other
	refused 65 "is of the session $mine, not of other"
	S=$mine
	ctl n1 session drop "$S"
	refused 65 'it was dropped, or the cluster was restored from an older backup'
	echo 'place x' >"$STATE"
	refused 65 'is not one of a state of raft-follow'
	: >"$STATE"
	refused 65 'it ends too early'
	head -c 100 /dev/urandom | tr -d '\0' >"$STATE"
	refused 65 'line 1 is not one'
}

# ------------------------------------------------------------- copytruncate

@test "follow: copytruncate: it continues with the copy and then with the file, and says so; without a copy too" {
	lines 1 100 >"$L"
	follow
	appended 100
	lines 101 150 >>"$L"
	cp "$L" "$L.1"
	: >"$L"
	wait_until 10 said 'was truncated'
	lines 151 160 >>"$L"
	appended 160
	killed
	lines 161 165 >>"$L"
	mv "$L.1" "$L.2"
	cp "$L" "$L.1"
	lines 166 400 >"$L" # longer than it was: only its bytes tell
	follow
	appended 400
	stop "$F" # with an exact state, else what is gone cannot be counted
	lines 401 401 >"$L"
	follow
	wait_until 10 said 'was truncated: lines written before that are lost'
	appended 401
}

# ---------------------------------------------------------------- one follower

@test "follow: two with one state: the second ends with 75; two with one session: the first with 77" {
	lines 1 10 >"$L"
	follow
	appended 10
	refused 75 'another raft-follow uses it'
	first=$F
	STATE=$STATE.2
	follow n2
	lines 11 20 >>"$L"
	appended 20
	status=0
	wait "$first" || status=$?
	[ "$status" -eq 77 ]
}

@test "follow: what is no regular file, a line that is too long or does not fit the program: 65, and where it is" {
	mkfifo "$L"
	refused 65 'is not a regular file'
	rm "$L"
	mkdir "$L"
	refused 65 'is not a regular file'
	rmdir "$L"
	{ cat "$CLUSTER/n1/raft.yaml" && printf 'fsm: { mode: machine, command: [ cat ] }\n'; } >"$CLUSTER/n1/lines.yaml"
	{ lines 1 2 && printf '%s\0\n' "$S x" && lines 4 4; } >"$L"
	run timeout 30 raft-follow -c "$CLUSTER/n1/lines.yaml" -S "$S" --state "$STATE" "$L"
	[ "$status" -eq 65 ]
	[[ $output == *'holds a NUL'*"session $S has 2 entries; the next run continues there" ]]
	S=$S.long STATE=$STATE.long L=$L.long
	{ lines 1 2 && head -c 1100000 /dev/zero | tr '\0' x && echo && lines 4 4; } >"$L"
	refused 65 "byte $(lines 1 2 | wc -c): the line that begins here is longer than elect.entry_max"
	appended 2
}

@test "follow: without a node it ends with 69, and the next run continues" {
	lines 1 10 >"$L"
	follow
	appended 10
	stop "$F"
	lines 11 20 >>"$L"
	sed 's,^,,' "$CLUSTER/n1/raft.yaml" >"$BATS_TEST_TMPDIR/raft.yaml" # its run folder is another
	run timeout 30 raft-follow -t 300ms -c "$BATS_TEST_TMPDIR/raft.yaml" -S "$S" --state "$STATE" "$L"
	echo "$output"
	[ "$status" -eq 69 ]
	follow
	appended 20
}

# ------------------------------------------------------ kills of everything

# write_lines COUNT SEED: as a daemon that opens its log again some time after a rotation, and whose lines come in pieces.
write_lines() {
	cat >"$BATS_TEST_TMPDIR/writer" <<'PY'
import os, random, sys, time
path, word, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
rng = random.Random(seed)
late = 0
f = open(path, "ab", buffering=0)
for i in range(1, count + 1):
    line = b"%s line %d\n" % (word.encode(), i)
    cut = rng.randrange(len(line)) if rng.random() < 0.02 else 0
    f.write(line[:cut])
    if cut:
        time.sleep(0.01)
    f.write(line[cut:])
    if rng.random() < 0.02:
        time.sleep(rng.random() * 0.1)
    late = late - 1
    if late < 0 and os.path.exists(path) and os.stat(path).st_ino != os.fstat(f.fileno()).st_ino:
        late = rng.randrange(40)
    if late == 0:
        f = open(path, "ab", buffering=0)
PY
	python3 "$BATS_TEST_TMPDIR/writer" "$L" "$S" "$1" "$2"
}

logrotate_now() { logrotate -f -s "$BATS_TEST_TMPDIR/logrotate.state" "$BATS_TEST_TMPDIR/logrotate.conf"; }

daemon_again() { # daemon_again NODE DAEMON...
	local node=$1 d
	shift
	for d; do kill_9 "$node" "$d"; done
	for d; do
		daemon_start "$node" "$d"
		unset 'PIDS[-1]' # it stays for the other tests
	done
}

# disturb: one of the things that happen, drawn from RANDOM.
disturb() {
	local node=n$((RANDOM % 3 + 1)) all=(elect logd peerd)
	case $((RANDOM % 7)) in
	0 | 1) logrotate_now ;;
	2)
		killed
		follow "$node"
		;;
	3)
		killed
		logrotate_now
		logrotate_now
		follow "$node"
		;;
	4) # between two steps of the start
		killed
		follow "$node"
		sleep "0.0$((RANDOM % 10))"
		killed
		follow n1
		;;
	5) daemon_again "$node" "${all[RANDOM % 3]}" ;;
	6) daemon_again "$(leader || echo n2)" elect logd peerd ;;
	esac
}

@test "follow: ⚠ 30000 lines through logrotate, with kill -9 of the follower, the daemons and whole nodes: each once, in order" {
	printf '%s {\n\trotate 900\n\tcreate\n\tnocompress\n}\n' "$L" >"$BATS_TEST_TMPDIR/logrotate.conf"
	for seed in 1 2 $((BASHPID % 10000)); do
		echo "seed $seed"
		S=seed$seed STATE=$BATS_TEST_TMPDIR/state.$seed L=$D/messages
		rm -f "$D"/*
		: >"$L"
		RANDOM=$seed
		follow
		write_lines 10000 "$seed" 3>&- &
		writer=$!
		disturbed=0
		while kill -0 "$writer" 2>/dev/null; do
			disturb
			disturbed=$((disturbed + 1))
			sleep "0.$((RANDOM % 3))"
		done
		wait "$writer"
		killed
		follow
		appended 10000
		{ printf '%s\0' "$L".* | sort -zrV | xargs -0 cat && cat "$L"; } | cmp - "$BATS_TEST_TMPDIR/want"
		[ "$disturbed" -ge 8 ] && [ "$(find "$D" -name 'messages.*' | wc -l)" -ge 3 ]
		stop "$F"
	done
	# Nothing but the kills ended it.
	run ! said 'raft-follow: session\|No such\|committed'
}

# traced TEXT: the number of the first line of the trace that has it.
traced() { grep -nE -m 1 -e "$1" "$BATS_TEST_TMPDIR/trace" | cut -d: -f1; }

@test "follow: ⚠ the place and the lines are on the disk before the lines are sent" {
	lines 1 3 >"$L"
	spawn "$BATS_TEST_TMPDIR/err" strace -f -y -s 8192 -e trace=fdatasync,fsync,rename,write,writev,sendmsg,sendto \
		-o "$BATS_TEST_TMPDIR/trace" raft-follow -c "$CLUSTER/n1/raft.yaml" -S "$S" --state "$STATE" "$L"
	appended 3
	F=$(pgrep -P "$SPAWNED") # it outlives strace
	PIDS+=("$F")
	adopt "$F"
	synced=$(traced "fdatasync\(.*$L") named=$(traced "rename\(.*\"$STATE\"") folder=$(traced "fsync\(.*$BATS_TEST_TMPDIR>") sent=$(traced "$S line 1")
	echo "$synced $named $folder $sent"
	[ "$synced" -lt "$named" ] && [ "$named" -lt "$folder" ] && [ "$folder" -lt "$sent" ]
	lines 4 4 >>"$L"
	appended 4
	sent=$(traced "$S line 4")
	sed -n "$((sent - 4)),${sent}p" "$BATS_TEST_TMPDIR/trace" | grep -q "fdatasync(.*$L"
	rotate
	lines 5 5 >"$L"
	appended 5
	sent=$(traced "$S line 5")
	sed -n "$(traced "$S line 4"),${sent}p" "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/between"
	grep -q "fdatasync(.*$L>" "$BATS_TEST_TMPDIR/between"
	grep -q "rename(.*\"$STATE\"" "$BATS_TEST_TMPDIR/between"
}

@test "follow: a follower that waits costs next to nothing" {
	lines 1 100 >"$L"
	follow
	appended 100
	wait_until 20 grep -q '^place 100 ' "$STATE"
	before=$(cpu_ticks "$F")
	sleep 3
	[ $(($(cpu_ticks "$F") - before)) -le 6 ]
}

@test "follow: the unit and the configuration of logrotate that are installed do what the page says" {
	unit=$ROOT/etc/raft-follow@.service
	grep -qx 'RestartPreventExitStatus=64 65 78' "$unit"
	grep -qx 'Restart=on-failure' "$unit"
	grep -qx 'StartLimitIntervalSec=0' "$unit"
	grep -qx 'StateDirectory=raft-follow' "$unit"
	places="s,/var/log/,$D/,g; s,/var/lib/raft-follow,$BATS_TEST_TMPDIR,; s,/etc/raft/raft.yaml,$CLUSTER/n1/raft.yaml,; s,/usr/local/bin,$BIN,; s,%i,messages,g; s,%H,$S,"
	command=$(sed -n "s/^ExecStart=//; T; $places; p" "$unit")
	# The page has the same configuration, and its writer is signalled as rsyslog's is.
	sed -n '/^\/var/,$p' "$ROOT/etc/raft-follow.logrotate" |
		diff - <(sed -n '/^\.Bd/,/^\.Ed/p' "$ROOT/man/raft-follow.1" | grep -v '^\.')
	sed "$places; s,/usr/lib/rsyslog/rsyslog-rotate,kill -HUP \$(cat $D/pid)," "$ROOT/etc/raft-follow.logrotate" >"$BATS_TEST_TMPDIR/logrotate.conf"
	chmod 600 "$BATS_TEST_TMPDIR/logrotate.conf"
	cat >"$BATS_TEST_TMPDIR/syslog" <<'SH'
exec >>"$1"
trap 'exec >>"$1"' HUP
i=0
until [ -e "$1.stop" ]; do
	printf '%s line %s\n' "$2" $((i = i + 1))
	[ $((i % 20)) != 0 ] || sleep 0.05
done
SH
	spawn "$BATS_TEST_TMPDIR/syslog.err" bash "$BATS_TEST_TMPDIR/syslog" "$L" "$S"
	writer=$SPAWNED
	echo "$writer" >"$D/pid"
	wait_until 10 test -e "$L"
	S=$S/messages
	for _ in 1 2 3 4; do
		# shellcheck disable=SC2086
		spawn "$BATS_TEST_TMPDIR/err" $command
		F=$SPAWNED
		wait_until 10 test -s "$BATS_TEST_TMPDIR/messages"
		logrotate_now
		sleep 0.2
		killed
		logrotate_now
	done
	: >"$L.stop"
	wait_until 20 gone "$writer"
	count=$(cat "$L" "$L".[0-9]* | wc -l)
	# shellcheck disable=SC2086
	spawn "$BATS_TEST_TMPDIR/err" $command
	wait_until 30 has "$count"
	S=s$BATS_TEST_NUMBER
	lines 1 "$count" >"$BATS_TEST_TMPDIR/want"
	log_is "$BATS_TEST_TMPDIR/want"
	[ -e "$L.4" ]
}
