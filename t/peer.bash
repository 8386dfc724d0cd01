# SPDX-License-Identifier: ISC
# raft-peerds of a cluster of three in $C, between themselves and clients that play raft-elect.
# shellcheck shell=bash
# shellcheck disable=SC2030,SC2031,SC2317 # each test is a subshell

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	PORT=$(free_ports 6)
	C=$BATS_TEST_TMPDIR/c
	raft-init -N 3 -p "$PORT" "$C" >/dev/null
}

teardown() {
	stop_all
	# A build with sanitizers has nothing to say.
	! grep -E 'runtime error|AddressSanitizer|LeakSanitizer|ThreadSanitizer' "$C"/*/log
}

port() { echo $((PORT + ${1#n} - 1)); }

# peerd NODE [OPTION...]: starts one and waits for its socket.
peerd() {
	local node=$1 before
	shift
	before=$(listened "$node")
	before=${before:-0}
	spawn "$C/$node/log" raft-peerd -c "$C/$node/raft.yaml" "$@"
	echo "$SPAWNED" >"$C/$node/pid"
	listens_again() { [ "$(listened "$node")" -gt "$before" ]; } 2>/dev/null
	wait_until 10 listens_again
}
# listened NODE: how often, in its log.
listened() { grep -c 'ev=listening' "$C/$1/log" 2>/dev/null || :; }

pid() { cat "$C/$1/pid"; }

# elect NODE [NAME [MEMBERS]]: a client that plays its raft-elect; events in NODE/events.
elect() {
	local node=$1
	rm -f "$C/$node/fifo"
	mkfifo "$C/$node/fifo"
	# shellcheck disable=SC2016
	spawn "$C/$node/events" bash -c 'exec <"$0" "$@"' "$C/$node/fifo" \
		"$TBIN/peer-client" talk "$C/$node/run" "${2:-demo}" "${3:-$C/$node/members.yaml}"
	echo "$SPAWNED" >"$C/$node/elect.pid"
	exec {fd}>"$C/$node/fifo"
	eval "FD_$node=$fd"
}

# say NODE COMMAND: to the client.
say() {
	local fd=FD_$1
	echo "$2" >&"${!fd}"
}

# saw NODE PATTERN: the client has had such an event.
saw() { grep -qE "$2" "$C/$1/events"; }

both() {
	peerd n1
	peerd n2
	elect n1
	elect n2
	say n1 'vote n2 1'
	say n2 'vote n1 1'
	connected n1 n2
	connected n2 n1
}

# field NODE KEY [PEER]: from the status lines of raft-peerd.
field() {
	local line="part=peerd "
	[ -z "${3:-}" ] || line="part=peer id=$3 "
	timeout 10 "$TBIN/peer-client" status "$C/$1/run" | grep "^$line" | tr ' ' '\n' | sed -n "s/^$2=//p"
}

is_connected() { [ "$(field "$1" connected "$2")" = yes ]; }
connected() { wait_until 10 is_connected "$1" "$2"; }

# appends NODE FROM COUNT: so many have come.
appends() {
	say "$1" report
	grep -q "^appends $2 count=$3 " "$C/$1/events"
}

# last NODE FROM N: the newest append of that sender has this number.
last() {
	say "$1" report
	grep -q "^appends $2 .*last=$3\$" "$C/$1/events"
}

logged() { grep -qE "$2" "$C/$1/log"; }

# A relay between n1 and n2: n1 dials it instead of n2, and n2 cannot dial n1.
relay_between() {
	local there
	there=$((PORT + 5))
	mkfifo "$C/relay.in"
	# shellcheck disable=SC2016
	spawn "$C/relay" bash -c 'exec <"$0" "$@"' "$C/relay.in" "$TBIN/peer-relay" "$there" "$(port n2)" "$@"
	exec {RELAY}>"$C/relay.in"
	wait_until 10 grep -q listening "$C/relay"
	sed "s/:$(port n2)/:$there/" "$C/n1/members.yaml" >"$C/n1/relayed.yaml"
	peerd n1
	peerd n2
	sed "s/:$(port n1)/:$((PORT + 3))/" "$C/n2/members.yaml" >"$C/n2/relayed.yaml"
	elect n1 demo "$C/n1/relayed.yaml"
	elect n2 demo "$C/n2/relayed.yaml"
	connected n1 n2
	connected n2 n1
	greeted() { say n1 'vote n2 1' && saw n2 '^recv n1 raft_vote 1'; }
	wait_until 10 greeted
}

# heard FROM TO NUMBER: a vote that is said until it has come.
heard() { wait_until 20 said_and_heard "$@"; }
said_and_heard() { say "$1" "vote $2 $3" && saw "$2" "^recv $1 raft_vote $3\$"; }

# tell COMMAND: to the relay.
tell() {
	local before
	before=$(grep -c "^done" "$C/relay" || :)
	echo "$1" >&"$RELAY"
	more() { [ "$(grep -c '^done' "$C/relay")" -gt "$before" ]; } 2>/dev/null
	wait_until 10 more
}
