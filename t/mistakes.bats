#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Mistakes get one clear sentence and the right status, from every program alike.
# shellcheck disable=SC2016,SC2030,SC2031

bats_require_minimum_version 1.5.0
load helper

DAEMONS='raft-logd raft-peerd raft-elect raft-fsm'
ALL="$DAEMONS raft-node raft-append raft-follow raft-query raft-tail raft-ctl raft-bench"

setup_file() {
	load helper
	export MADE=$BATS_FILE_TMPDIR/made
	export PORT
	PORT=$(free_ports 1)
	raft-init -i n1 -l "tcp://127.0.0.1:$PORT" "$MADE" >"$BATS_FILE_TMPDIR/members"
	mv "$BATS_FILE_TMPDIR/members" "$MADE/members.yaml"
	echo 'fsm: {}' >>"$MADE/raft.yaml"
}

setup() {
	N=$BATS_TEST_TMPDIR/n
	C=$N/raft.yaml
	cp -a "$MADE" "$N"
}

teardown() {
	stop_all
}

# mistake STATUS SENTENCE COMMAND...: one sentence that says so (a pattern), from the program itself; that status.
mistake() {
	local want=$1 sentence=$2 said
	shift 2
	run "-$want" timeout 10 "$@" </dev/null
	echo "$* -> $status: $output"
	[ "$status" -eq "$want" ]
	# Diagnostics of a daemon that came up before it found out are no sentences.
	said=$(grep -v '^lvl=\(info\|warn\)' <<<"$output")
	[ "$(wc -l <<<"$said")" -eq 1 ]
	[[ $said == "${1##*/}: "* || $said == "lvl=error prog=${1##*/} "*'why="'* ]]
	# shellcheck disable=SC2053
	[[ $said == *$sentence* ]]
	[ "${#said}" -lt 500 ]
}

# with PROGRAM: the words that make it do something with the configuration.
with() {
	case $1 in
	raft-ctl) echo "raft-ctl -t 300ms -c $C wait" ;;
	raft-follow) echo "raft-follow -t 300ms -c $C -S mistakes --state $N/state $N/raft.yaml" ;;
	raft-append | raft-query | raft-tail | raft-bench) echo "$1 -t 300ms -c $C" ;;
	*) echo "$1 -c $C" ;;
	esac
}

# all STATUS SENTENCE: from each program that reads the configuration.
all() {
	local p
	for p in $ALL; do
		# shellcheck disable=SC2046
		mistake "$1" "$2" $(with "$p")
	done
}

# daemon PROGRAM SOCKET: it runs, and listens.
daemon() {
	spawn "$N/$1.log" "$1" -c "$C"
	wait_until 10 test -S "$N/run/$2"
}

# ---------------------------------------------------------- command line

@test "an unknown option, long or short, and a missing value are 64 everywhere" {
	for p in $ALL raft-init raft-kv; do
		mistake 64 '--bogus*usage: '"$p" "$p" --bogus
		mistake 64 '-Q*usage: '"$p" "$p" -Q
	done
	for p in $ALL; do mistake 64 '-c: needs a value' "$p" -c; done
	mistake 64 '-p' raft-init -p
}

@test "an operand that a program has no use for is 64, not ignored" {
	for p in raft-logd raft-peerd raft-elect raft-node; do
		mistake 64 'stop: no operand is expected' "$p" -c "$C" stop
		mistake 64 'stop: no operand is expected' "$p" -n -c "$C" stop
	done
	for p in raft-tail raft-bench; do mistake 64 'stop: ' "$p" -c "$C" stop; done
	mistake 64 'stop: ' raft-ctl -c "$C" status stop
}

@test "raft-follow without a session, a state or one file is 64" {
	mistake 64 'the session is missing: -S NAME' raft-follow -c "$C" --state "$N/state" "$N/lines"
	mistake 64 'the state file is missing: --state FILE' raft-follow -c "$C" -S s "$N/lines"
	mistake 64 'one file to follow is expected' raft-follow -c "$C" -S s --state "$N/state"
	mistake 64 'one file to follow is expected' raft-follow -c "$C" -S s --state "$N/state" "$N/lines" "$N/lines"
	mistake 64 "-S: a session's name holds no blanks" raft-follow -c "$C" -S 'a b' --state "$N/state" "$N/lines"
	mistake 78 'none/state.lock: No such file or directory' raft-follow -c "$C" -S s --state "$N/none/state" "$N/lines"
}

@test "-d with a descriptor that is not open is 64" {
	for p in $DAEMONS raft-node; do mistake 64 '-d 77: not an open descriptor' "$p" -d 77 -c "$C"; done
}

@test "each option that a usage line names is in the page, and each one of the page's synopsis in the usage" {
	for p in $ALL raft-init raft-kv; do
		page=$(echo "$ROOT/man/$p."[18])
		usage=$("$p" -h)
		grep -oE -- '--[a-z-]+' <<<"$usage" | sort -u >"$N/used"
		sed -n 's/.*Fl -\([a-z][a-z-]*\).*/--\1/p' "$page" | sort -u >"$N/paged"
		sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/s/.*Fl -\([a-z][a-z-]*\).*/--\1/p' "$page" | sort -u >"$N/synopsis"
		echo "$p: not in the page, or in its synopsis and not in the usage:"
		[ -z "$(comm -23 "$N/used" "$N/paged"; comm -23 "$N/synopsis" "$N/used")" ]
	done
}

@test "what cannot be printed is 74, also where stdout is closed" {
	for p in $DAEMONS raft-node; do
		for to in '>&-' '>/dev/full'; do
			run timeout 10 sh -c "exec $p -nv -c '$C' 2>'$N/err' $to"
			echo "$p $to -> $status: $(cat "$N/err")"
			[ "$status" -eq 74 ]
			grep -q "^$p: standard output: " "$N/err"
		done
	done
}

# --------------------------------------------------------- configuration

@test "a configuration that is missing, a folder or unreadable is 78 everywhere" {
	C=$N/none.yaml all 78 'none.yaml: cannot be read: No such file or directory'
	C=$N all 78 'cannot be read: Is a directory'
	cd "$N/run"
	for p in $ALL; do mistake 78 'no configuration: neither ./raft.yaml nor /etc/raft/raft.yaml is there' "$p"; done
}

# spoil SED: the configuration as it was made, but for that.
spoil() { sed "$1" "$MADE/raft.yaml" >"$C"; }

@test "a mistake in the configuration is 78 everywhere, and names file, line and column" {
	spoil 's/heartbeat:/hartbeat:/'
	all 78 'raft.yaml:*:*: unknown key elect.hartbeat: did you mean elect.heartbeat?'
	spoil 's/  heartbeat: .*/&\n&/'
	all 78 'raft.yaml:*:*: *heartbeat*'
	spoil 's/heartbeat: .*/heartbeat: 100/'
	all 78 'raft.yaml:*:*: elect.heartbeat 100 is no duration'
	spoil 's/heartbeat: .*/heartbeat: [ 100ms ]/'
	all 78 'raft.yaml:*:*: elect.heartbeat'
	spoil 's/heartbeat: .*/heartbeat: 1s/'
	all 78 'raft.yaml:*:*: *heartbeat*election_timeout*'
	spoil "s,run: run,run: $(printf 'r%.0s' {1..120}),"
	all 78 'raft.yaml:*:*: node.run *is too long for a socket*choose a shorter path'
}

@test "a first start without members, or with those of others, is 78" {
	rm "$N/members.yaml"
	mistake 78 'members.yaml: no such file; a first start needs the members' raft-logd -c "$C"
	sed 's/id: n1/id: n7/' "$MADE/members.yaml" >"$N/members.yaml"
	mistake 78 'node n1 is not among them' raft-logd -c "$C"
}

@test "a node that joins a cluster under another name than the cluster has is 78, and nothing is lost" {
	local id
	id=$(printf '0%.0s' $(seq 64))
	raft-init --join --cluster ops -i n4 -l tcp://127.0.0.1:7104 "$BATS_TEST_TMPDIR/n4" >/dev/null
	C=$BATS_TEST_TMPDIR/n4/raft.yaml
	{
		echo "- { cluster: \"$id\", index: 7, name: demo }"
		cat "$MADE/members.yaml"
	} >"$BATS_TEST_TMPDIR/n4/members.yaml"
	for option in '' -n; do
		# shellcheck disable=SC2086
		mistake 78 'cluster: name: it is ops, and the members list is of the running cluster demo: write that name, or remove the key' raft-logd $option -c "$C"
	done
	sed -i '/name: ops/d' "$C"
	N=$BATS_TEST_TMPDIR/n4
	daemon raft-logd log
}

# ------------------------------------------------- data, run directory, key

@test "a data directory of another node, another cluster, without identity or gone is 78, a locked one is 75" {
	daemon raft-logd log
	mistake 75 'in use: another raft-logd holds its lock' raft-logd -c "$C"
	stop_all
	spoil 's/id: n1/id: n2/'
	mistake 78 'data directory of node n1, and *raft.yaml names node n2' raft-logd -c "$C"
	spoil 's/name: demo/name: other/'
	mistake 78 'data directory of cluster demo, and *raft.yaml names cluster other' raft-logd -c "$C"
	spoil ''
	mv "$N/data/identity" "$N/identity"
	mistake 78 'no identity: a new node is made by raft-init' raft-logd -c "$C"
	mv "$N/identity" "$N/data/identity"
	rm -r "$N/data"
	mistake 78 "$N/data: " raft-logd -c "$C"
}

@test "a socket in use, or something else in its place, is one sentence from each daemon" {
	for p in $DAEMONS; do
		name=${p#raft-}
		name=${name%d}
		[ "$p" != raft-peerd ] || name=peer
		: >"$N/run/$name"
		mistake 78 "run/$name: is there and is not a socket: remove it" "$p" -c "$C"
		rm "$N/run/$name"
		daemon "$p" "$name"
		[ "$p" = raft-logd ] || mistake 75 "run/$name: in use: another process listens there" "$p" -c "$C"
		stop_all
	done
}

@test "a port in use, and an address that this host does not have, are 75: both may pass by themselves" {
	python3 -c 'import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
open(sys.argv[2], "w")
time.sleep(60)' "$PORT" "$N/bound" 3>&- &
	PIDS+=($!)
	wait_until 10 test -e "$N/bound"
	mistake 75 "tcp://127.0.0.1:$PORT: cannot listen: Address in use" raft-peerd -c "$C"
	spoil 's,listen: .*,listen: tcp://192.0.2.1:7101,'
	mistake 75 'tcp://192.0.2.1:7101: cannot listen' raft-peerd -c "$C"
}

@test "a secret key that is missing, open to others or no key is 78" {
	chmod 644 "$N/n1.key"
	mistake 78 'n1.key: others can get at the secret key (mode 0644): chmod 600 it' raft-peerd -c "$C"
	chmod 600 "$N/n1.key"
	echo hello >"$N/n1.key"
	mistake 78 'n1.key: is no secret key' raft-peerd -c "$C"
	rm "$N/n1.key"
	mistake 78 'n1.key: cannot open the secret key: No such file or directory' raft-peerd -c "$C"
}

@test "a run directory that others can enter is 78, with what to do" {
	chmod 755 "$N/run"
	mistake 78 'run is open to others (mode 0755): chmod 0700 it' raft-node -c "$C"
}

# errors: who complains of what, in the lines of a daemon.
errors() { sed -nE '/^lvl=error/s/.* (prog=[^ ]*).* (why=.*)/\1 \2/p' <<<"$output"; }

# as_start STATUS: raft-node -n and raft-node end with it and the same sentences, and -n makes and changes nothing.
as_start() {
	local before said
	before=$(cd "$N" && find . -printf '%p %m %T@\n' | sort)
	run timeout 10 raft-node -n -c "$C"
	echo "-n: $status: $output"
	[ "$status" -eq "$1" ]
	[ "$before" = "$(cd "$N" && find . -printf '%p %m %T@\n' | sort)" ]
	said=$(errors)
	[ -n "$said" ]
	run timeout 20 raft-node -c "$C" </dev/null
	echo "start: $status: $output"
	[ "$status" -eq "$1" ]
	[ "$said" = "$(errors)" ]
	rm -rf "$N"
	cp -a "$MADE" "$N"
}

@test "raft-node -n refuses what the start refuses, with the same sentences and status, and changes nothing" {
	rmdir "$N/run" # it may not be there yet
	timeout 10 raft-node -n -c "$C"
	[ ! -e "$N/run" ]
	chmod 644 "$N/n1.key"
	as_start 78
	rm "$N/n1.key"
	as_start 78
	echo hello >"$N/n1.key"
	as_start 78
	echo 'node: { id: n1, group: no-such-group }' | cat - <(sed '/^node:/,/^[a-z]*:/{/^node:/d;/^ /d}' "$MADE/raft.yaml") >"$C"
	as_start 78
	sed -i 's/^fsm:.*/fsm: { mode: machine }/' "$C"
	as_start 78
	rm "$N/data/identity"
	as_start 78
	sed -i 's/^node .*/node n2/' "$N/data/identity"
	as_start 78
	rm "$N/members.yaml"
	as_start 78
	chmod 755 "$N/run"
	as_start 78
	rm -r "$N/run"
	sed -i 's,^  run: .*,  run: no/such,' "$C"
	as_start 78
}

@test "-n refuses a command that is not there or cannot be run, with the sentence of the start" {
	sed -i 's,^fsm:.*,fsm: { command: [ ./apply ] },' "$C"
	mistake 127 "./apply: cannot run in $N: no such file or directory" raft-fsm -n -c "$C"
	run -127 timeout 10 raft-node -n -c "$C"
	daemon raft-fsm fsm
	wait_until 10 grep -qF "./apply: cannot run in $N: no such file or directory" "$N/raft-fsm.log"
	printf '#!/nowhere/sh\n' >"$N/apply"
	mistake 126 './apply: cannot run in' raft-fsm -n -c "$C"
	chmod 755 "$N/apply"
	mistake 126 './apply: cannot run: its interpreter is missing: #!/nowhere/sh' raft-fsm -n -c "$C"
	printf '#!/bin/sh\n' >"$N/apply"
	timeout 10 raft-node -n -c "$C"
	mistake 127 'no-such-program: cannot run in' raft-fsm -n -c "$C" -- no-such-program
	timeout 10 raft-fsm -n -c "$C" -- cat
}

@test "raft-node -n finds a daemon that is not beside it: 127, and one that cannot be run: 126" {
	mkdir "$N/bin"
	cp "$BIN/raft-node" "$N/bin"
	mistake 127 "raft-logd can't be started from $N/bin" "$N/bin/raft-node" -n -c "$C"
	: >"$N/bin/raft-logd"
	mistake 126 "raft-logd can't be started from $N/bin" "$N/bin/raft-node" -n -c "$C"
}

# ---------------------------------------------------------------- clients

@test "no node running is 69 from each client, and asks whether it runs" {
	for p in 'raft-tail -t 300ms' 'raft-bench -t 300ms' 'raft-query -t 300ms a' "$(with raft-follow)"; do
		# shellcheck disable=SC2086
		mistake 69 'nobody listens there: is the node running?' $p -c "$C"
	done
	for p in wait barrier members 'session list' 'cursor list' watch; do
		# shellcheck disable=SC2086
		mistake 69 'nobody listens there: is the node running?' raft-ctl -t 300ms -c "$C" $p
	done
	run timeout 10 raft-append -t 300ms -c "$C" <<<line
	[ "$status" -eq 69 ]
	[[ $output == 'raft-append: '*'is the node running?'*'committed 0, resume with line 1' ]]
}

@test "a user without permission is told so within seconds, not after the time of -t: 77" {
	[ "$(id -u)" = 0 ] || { echo 'this test needs root: it becomes nobody' >&2 && return 1; }
	daemon raft-elect elect
	daemon raft-logd log
	bin=$BATS_FILE_TMPDIR/bin
	cp -R "$BIN" "$bin"
	chmod -R a+rX "$bin" "$BATS_FILE_TMPDIR"
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR" "$N" "$(dirname "$BATS_TEST_TMPDIR")"
	nobody() { timeout 10 setpriv --reuid=65534 --regid=65534 --clear-groups "$bin/$1" -t 1m -c "$C" "${@:2}"; }
	chmod a+rwx "$N"
	for p in 'raft-ctl wait' 'raft-ctl watch' raft-tail raft-bench raft-append raft-query "raft-follow -S s --state $N/state.other $N/raft.yaml"; do
		# shellcheck disable=SC2086
		run nobody $p <<<line
		echo "$p -> $status: $output"
		[ "$status" -eq 77 ]
		[[ $output == *'permission denied: be the user who runs the node, or of its node.group'* ]]
	done
}

@test "raft-append shows its progress on a terminal, also of a file, and nowhere else" {
	yes 'a line' | head -n 3000 >"$N/lines"
	timeout 20 script -qefc "raft-append -t 2500ms -c $C $N/lines" /dev/null >"$N/tty" </dev/null || :
	grep -q 'committed, 0/s, waiting: .*is the node running?' "$N/tty"
	run timeout 20 raft-append -t 2500ms -c "$C" "$N/lines" </dev/null
	[ "$status" -eq 69 ]
	[ "${#lines[@]}" -eq 1 ]
}
