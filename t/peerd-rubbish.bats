#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Connections that raft-peerd closes in the middle of what they say.
# sanitize

load helper

setup() { cluster_init "$BATS_TEST_TMPDIR/c" 1; }
teardown() { cluster_stop; }

# peerd_start: until it accepts connections of others; its socket for raft-elect is there before that.
peerd_start() {
	local had
	: >>"$CLUSTER/n1/peerd.log"
	had=$(listened)
	daemon_start n1 peerd
	wait_until 10 listens_after "$had"
}
listened() { grep -c 'ev=listening' "$CLUSTER/n1/peerd.log" || :; }
listens_after() { [ "$(listened)" -gt "$1" ]; }

# rubbish PORT COUNT: connects so often, and sends whole messages of no kind until it is thrown out;
# and then looks whether an honest one is still greeted.
rubbish() {
	timeout 60 python3 - "$@" <<-'PY'
		import socket, sys
		message = (200).to_bytes(8, "big") + b"x" * 200
		for _ in range(int(sys.argv[2])):
		    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
		    try:
		        s.sendall(b"\0SP\0\0\x50\0\0" + message)
		        while True:
		            s.sendall(message)
		    except OSError:
		        pass
		    s.close()
		s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
		s.sendall(b"\0SP\0\0\x50\0\0")
		assert s.recv(8) == b"\0SP\0\0\x51\0\0"
	PY
}

@test "peerd: it closes a thousand connections in the middle of a message, and still takes others, and still stops" {
	mkdir -p "$CLUSTER/n1/run"
	peerd_start
	port=$(sed -n 's/.*listen: .*:\([0-9]*\)$/\1/p' "$CLUSTER/n1/raft.yaml")
	rubbish "$port" 1000
	peer=$(daemon_pid n1 peerd)
	kill -TERM "$peer"
	wait_until 5 gone "$peer"
	grep -q 'ev=refused' "$CLUSTER/n1/peerd.log"
}

@test "peerd: it stops while connections are in the middle of a message" {
	mkdir -p "$CLUSTER/n1/run"
	port=$(sed -n 's/.*listen: .*:\([0-9]*\)$/\1/p' "$CLUSTER/n1/raft.yaml")
	for _ in 1 2 3 4 5 6 7 8; do
		peerd_start
		had=$(grep -c 'ev=refused' "$CLUSTER/n1/peerd.log" || :)
		rubbish "$port" 1000000 2>/dev/null 3>&- &
		sender=$!
		more_refused() { [ "$(grep -c 'ev=refused' "$CLUSTER/n1/peerd.log")" -gt "$had" ]; }
		wait_until 10 more_refused
		kill -TERM "$(daemon_pid n1 peerd)"
		wait_until 5 gone "$(daemon_pid n1 peerd)"
		wait "$sender" || :
	done
}
