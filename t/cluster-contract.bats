#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# One contract of the state machine for all nodes: proposed at any of them, in force on each, kept over kills and snapshots.
# sanitize

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	for n in $(nodes); do
		sed -i 's/election_timeout: .*/election_timeout: 500ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/$n/raft.yaml"
		echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"
	done
	cluster_start
	ctl n1 wait
	wait_until 30 at_level_3
}
teardown() {
	show_logs
	cluster_stop
}

# py: Python on stdin, with the frames at hand.
py() { PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$@"; }
snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }
contracts() { timeout 10 "$TBIN/logdctl" "$CLUSTER/$1/run/log" <<<$'hello Z client\ntext Z contract' | tail -n +2; } # NODE
at_level_3() { local n && for n in $(nodes); do [[ $(contracts "$n") == *level=3 ]] || return 1; done; }
on_all() { local n && for n in $(nodes); do [[ $(contracts "$n") == *"$1"* ]] || return 1; done; } # TEXT
begins_after() { [ "$(status "$1" log first)" -gt "$2" ]; }                                           # NODE INDEX
elect_is() { [ "$(status "$1" elect "$2")" = "$3" ]; }                                                # NODE KEY VALUE

# propose NODE FRAMING ENTRY_MAX FORMAT REPLACES: a contract; prints verdict, reason and index.  Again while that may help.
propose() {
	py "$CLUSTER/$1/run/elect" "${@:2}" <<-'PY'
		import struct, sys, time
		from wire import *
		c = Conn(sys.argv[1])
		c.hello()
		name = sys.argv[4].encode()
		data = struct.pack(">BBQQB", int(sys.argv[2]), 3, 100, int(sys.argv[3]), len(name)) + name
		while True:
		    c.send("propose", request=1, epoch=int(sys.argv[5]), count=1, entries=entry(0, data, kind=6))
		    a = c.expect("answer")
		    if a["verdict"] == 0 or a["reason"] >= 33:
		        break
		    time.sleep(0.05)
		print(a["verdict"], a["reason"], a["pos"][0])
	PY
}

# append NODE HEX...: one entry each, all in one proposal of a new session; prints verdict, reason, serial and count of each answer.
append() {
	py "$CLUSTER/$1/run/elect" "${@:2}" <<-'PY'
		import os, sys
		from wire import *
		c = Conn(sys.argv[1])
		seen = c.hello()["seen"]
		sid = b"\1" + os.urandom(15)
		run = b"".join(entry(i, bytes.fromhex(h), session=sid) for i, h in enumerate(sys.argv[2:], 1))
		count = len(sys.argv) - 2
		c.send("propose", request=1, seen=seen, count=count, entries=run)
		while count > 0:
		    a = c.expect("answer")
		    print(a["verdict"], a["reason"], a["serial"], a["count"])
		    count -= a["count"]
	PY
}

@test "contract: ⚠ proposed at a follower it is in force everywhere, and a newline is refused at any node" {
	f=$(follower)
	l=$(leader)
	[ "$(append "$f" 610a62)" = '0 0 1 1' ]
	run propose "$f" 0 20 kv-1 0
	echo "$output"
	[[ $output == '0 0 '* ]]
	at=${output##* }
	wait_until 20 on_all "index=$at framing=line fields=time,origin reply_max=100 entry_max=20 format=kv-1"
	wait_until 20 elect_is "$f" contract "$at"
	for n in $(nodes); do
		[ "$(append "$n" 610a62)" = '1 34 1 1' ]
		[ "$(append "$n" 610062)" = '1 34 1 1' ]
		[ "$(append "$n" 6162636465666768696a6b6c6d6e6f707172737475)" = '1 16 1 1' ]
		[ "$(append "$n" 61 0a 62)" = '1 34 1 3' ]
		[ "$(append "$n" 61 62)" = '0 0 1 2' ]
	done
	# Only who knows the present one replaces it.
	[ "$(propose "$l" 1 20 kv-2 0 | cut -d' ' -f 1-2)" = '1 35' ]
	[ "$(propose "$f" 1 20 kv-2 $((at + 1)) | cut -d' ' -f 1-2)" = '1 35' ]
	[ "$(propose "$f" 1 20 kv-2 "$at" | cut -d' ' -f 1-2)" = '0 0' ]
	[ "$(append "$f" 610a62)" = '0 0 1 1' ]
	wait_until 20 on_all format=kv-2
}

@test "contract: ⚠ it is in force after kill -9 of all nodes, and after compaction" {
	run propose "$(leader)" 0 20 kv-1 0
	at=${output##* }
	append "$(leader)" 61
	wait_until 20 on_all "index=$at"
	echo state >"$BATS_TEST_TMPDIR/state"
	for n in $(nodes); do
		snapshot add "$CLUSTER/$n/run/log" "$at" "$BATS_TEST_TMPDIR/state"
		wait_until 20 begins_after "$n" "$at"
	done
	for n in $(nodes); do for d in elect peerd logd; do kill_9 "$n" "$d"; done; done
	for n in $(nodes); do node_start "$n"; done
	ctl n1 wait
	on_all "index=$at framing=line"
	for n in $(nodes); do [ "$(append "$n" 610a62)" = '1 34 1 1' ]; done
	[ "$(propose n1 0 20 kv-2 0 | cut -d' ' -f 1-2)" = '1 35' ]
}

@test "contract: ⚠ a node that is brought up by a snapshot goes by the contract in it when it leads" {
	f=$(follower)
	for d in elect peerd logd; do kill_9 "$f" "$d"; done
	l=$(leader)
	run propose "$l" 0 20 kv-1 0
	at=${output##* }
	[ "$(append "$l" 61 62 63)" = '0 0 1 3' ]
	echo state >"$BATS_TEST_TMPDIR/state"
	has_it() { [[ $(contracts "$1") == *"index=$at"* ]] && [ "$(status "$1" log commit)" -ge $((at + 3)) ]; }
	for n in $(nodes | grep -vx "$f"); do
		wait_until 20 has_it "$n"
		snapshot add "$CLUSTER/$n/run/log" $((at + 3)) "$BATS_TEST_TMPDIR/state"
		wait_until 20 begins_after "$n" "$at"
	done
	node_start "$f"
	wait_until 30 has_it "$f"
	begins_after "$f" "$at"
	elect_is "$f" contract "$at"
	ctl "$f" -t 30s transfer "$f"
	wait_until 20 has_role "$f" leader
	[ "$(append "$f" 610a62)" = '1 34 1 1' ]
	[ "$(append "$f" 61)" = '0 0 1 1' ]
	[ "$(propose "$f" 0 20 kv-2 0 | cut -d' ' -f 1-2)" = '1 35' ]
	[ "$(propose "$f" 0 20 kv-2 "$at" | cut -d' ' -f 1-2)" = '0 0' ]
}
