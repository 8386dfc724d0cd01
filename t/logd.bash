# SPDX-License-Identifier: ISC
# For the suites of raft-logd by itself: logdctl plays the elector and the readers.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154

KEY1=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=
KEY2=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=

# logd_make DIR [RESERVE]: a node n1 of cluster demo that was never started.
logd_make() {
	mkdir -p "$1/data" "$1/run"
	cat >"$1/raft.yaml" <<-YAML
		node: { id: n1, data: data, run: run }
		cluster:
		  name: demo
		  members:
		    - { id: n1, address: "tcp://127.0.0.1:7101", key: $KEY1 }
		    - { id: n2, address: "tcp://127.0.0.1:7102", key: $KEY2 }
		peerd: { listen: "tcp://127.0.0.1:7101", secret: n1.key }
		logd: { reserve: ${2:-16MiB} }
	YAML
	printf 'node n1\ndirectory %s\nfresh yes\n' "$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')" \
		>"$1/data/identity"
}

answers() { timeout 5 "$TBIN/logdctl" "$1/run/log" <<<'hello A client'; }
ready() { test -s "$1"; }

# logd_start DIR [COMMAND...]: starts raft-logd (behind COMMAND) and waits until it answers.
logd_start() {
	local dir=$1
	shift
	spawn "$dir/log" "$@" "$BIN/raft-logd" -c "$dir/raft.yaml"
	LOGD=$SPAWNED
	wait_until 20 answers "$dir"
}

# logd_exits DIR [OPTION...]: runs it to its end.
logd_exits() {
	local dir=$1
	shift
	run timeout 20 "$BIN/raft-logd" -c "$dir/raft.yaml" "$@"
}

logd_stop() { reap TERM "$LOGD"; }
logd_kill() { reap KILL "$LOGD"; }

# tell DIR <<SCRIPT: what logdctl prints.
tell() { timeout 60 "$TBIN/logdctl" "$1/run/log"; }

# value KEY: of the last status line in $output.
value() { tr ' ' '\n' <<<"$output" | sed -n "s/^$1=//p" | tail -n 1; }
log_status() { run tell "$1" <<<$'hello Z client\ntext Z status'; }
beyond() { log_status "$1" && [ "$(value "$2")" -gt "$3" ]; } # DIR KEY NUMBER
has_status() { log_status "$1" && [ "$(value "$2")" = "$3" ]; }
said() { grep -q "$2" "$1/log"; }

# patch FILE OFFSET: flips one bit there.
patch() {
	python3 - "$1" "$2" <<-'PY'
		import sys
		with open(sys.argv[1], "r+b") as f:
		    f.seek(int(sys.argv[2]))
		    b = f.read(1)[0]
		    f.seek(int(sys.argv[2]))
		    f.write(bytes([b ^ 16]))
	PY
}
# place FILE TEXT: offset of its last occurrence.
place() { grep -abo -- "$2" "$1" | tail -n 1 | cut -d: -f1; }

# ten DIR: a started node with entries 1 to 10 of term 1, of which 8 are committed.
ten() {
	logd_make "$1"
	logd_start "$1"
	tell "$1" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=10
		stored A 1
		commit A index=8 term=1
		write A number=2 term=1 vote=n1
		stored A 2
	SCRIPT
}

answers_or_gone() { answers "$D" || gone "$SPAWNED"; }

# injected_kill: strace and what it traces, which would live on without it.
injected_kill() {
	local traced p
	traced=$(pgrep -P "$SPAWNED" || :)
	for p in $traced; do adopt "$p"; done
	reap KILL "$SPAWNED"
	for p in $traced; do reap KILL "$p"; done
}

# spawn_injected CALL:FAULT: raft-logd with that fault in its system calls (strace); answers or ends.
spawn_injected() {
	spawn "$D/log" strace -f -o /dev/null -e "trace=${1%%:*}" -e "inject=$1" "$BIN/raft-logd" -c "$D/raft.yaml"
	wait_until 10 answers_or_gone
}

# twenty: writes of one entry each, one after the other; prints the number of the last that was acknowledged.
twenty() {
	local i
	{
		echo 'hello A elector'
		for i in $(seq 20); do
			echo "write A number=$i term=$i vote=n1 first=$i count=1"
			echo "stored A $i"
		done
	} | timeout 20 "$TBIN/logdctl" "$D/run/log" 2>/dev/null | sed -n 's/^stored number=\([0-9]*\) .*/\1/p' | tail -n 1
}

# what_is_left: with a flipped bit somewhere, either the truth, or less of it and known to be less, or an exit that says why.
what_is_left() {
	local try status=0
	for try in 1 2; do
		: >"$D/log"
		spawn "$D/log" "$BIN/raft-logd" -c "$D/raft.yaml"
		LOGD=$SPAWNED
		wait_until 10 answers_or_gone
		if alive "$LOGD" && answers "$D"; then break; fi
		wait "$LOGD" || status=$?
		echo "try $try: status $status: $(grep ev=exit "$D/log")"
		[ "$status" = 74 ] || [ "$status" = 78 ]
		grep -q "ev=exit status=$status" "$D/log"
		# Damage that was cut off is healed by the next start.
		grep -q ev=damage "$D/log" || return 0
	done
	run tell "$D" <<<$'hello A elector\nread A from=1'
	logd_kill
	echo "$output"
	# No entry is another than it was.
	if grep '^entry' <<<"$output" | grep -vE '^entry index=([0-9]+) term=1 kind=client data=entry-\1 size=[78]$'; then
		return 1
	fi
	[[ $output == *'recovering=1'* ]] || [[ $output == *'state term=1 vote=n1 last=10 last_term=1 commit=8 recovering=0'* ]]
}

as_root() { [ "$(id -u)" = 0 ] || { echo 'this test needs root: it mounts a file system of its own' >&2 && return 1; }; }

# small DIR SIZE RESERVE: a node whose data lies on a tmpfs of that size.
small() {
	as_root
	logd_make "$1" "$3"
	mkdir "$1/disk"
	mount -t tmpfs -o "size=$2" none "$1/disk"
	MOUNTED=$1/disk
	mv "$1/data" "$1/disk/data"
	ln -s disk/data "$1/data"
}

setup() {
	D=$BATS_TEST_TMPDIR/n1
	if [ "$(stat -f -c %T "$BATS_TEST_TMPDIR")" = tmpfs ]; then
		echo "$BATS_TEST_TMPDIR is a tmpfs, where nothing is ever synced: set TMPDIR to a folder on a disk" >&2
		return 1
	fi
	MOUNTED=
}

teardown() {
	stop_all
	[ -z "$MOUNTED" ] || umount -l "$MOUNTED"
	# What a sanitizer has found is in the log.
	! grep -s Sanitizer "$BATS_TEST_TMPDIR"/*/log
}
