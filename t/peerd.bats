#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-peerd between itself and a client that plays raft-elect.
# shellcheck disable=SC2030,SC2031,SC2317 # each test is a subshell
# sanitize

load helper
load peer
bats_require_minimum_version 1.5.0

@test "peerd: frames of each sender arrive whole and in order" {
	both
	say n1 'burst n2 1 5000 300'
	say n2 'burst n1 1 5000 300'
	wait_until 20 appends n2 n1 5000
	wait_until 20 appends n1 n2 5000
	run ! grep -h out-of-order "$C/n1/events" "$C/n2/events"
	say n1 'append n2 6000 16000000'
	say n1 'append n2 6001 0'
	wait_until 20 saw n2 '^recv n1 beat 6001'
	wait_until 20 appends n2 n1 5001
}

@test "peerd: bulk frames go their own way" {
	both
	say n1 'bulk n2 7 1000000'
	wait_until 10 appends n2 n1 1
}

@test "peerd: nothing but ciphertext passes between nodes" {
	relay_between
	tell "record $C/record"
	say n1 'append n2 1 100000'
	wait_until 10 appends n2 n1 1
	# The records are zeros: a hundred thousand of them compress to nothing, their ciphertext does not.
	[ "$(wc -c <"$C/record")" -gt 100000 ]
	[ "$(gzip -c "$C/record" | wc -c)" -gt 100000 ]
}

@test "peerd: after kill -9 of a peer raft-elect is told, and they find each other again" {
	both
	reap KILL "$(pid n2)"
	wait_until 10 saw n1 '^lost n2'
	peerd n2
	elect n2
	connected n1 n2
	connected n2 n1
	say n1 'vote n2 77'
	wait_until 10 saw n2 '^recv n1 raft_vote 77'
	say n2 'vote n1 78'
	wait_until 10 saw n1 '^recv n2 raft_vote 78'
	logged n1 'ev=restarted peer=n2'
}

@test "peerd: what was sent to an absent peer is dropped after a second, but for the newest" {
	both
	reap KILL "$(pid n2)"
	wait_until 10 saw n1 '^lost n2'
	for i in $(seq 100 120); do say n1 "beat n2 $i"; done
	say n1 'propose n2 9'
	sleep 2.5
	say n1 'beat n2 500'
	[ "$(field n1 queue_bytes n2)" -lt 1000 ]
	[ "$(grep -c '^lost n2' "$C/n1/events")" -ge 2 ]
	peerd n2
	elect n2
	connected n1 n2
	say n1 'beat n2 501'
	wait_until 10 saw n2 '^recv n1 beat 501'
	run ! saw n2 '^recv n1 beat 1[01]'
	run ! saw n2 '^recv n1 raft_propose 9'
}

@test "peerd: a peer that stops reading delays no other, and its queue is bounded" {
	sed -i 's/^peerd:/peerd:\n  queue: 4MiB/' "$C/n1/raft.yaml"
	both
	peerd n3
	elect n3
	connected n1 n3
	connected n3 n1
	kill -STOP "$(pid n2)"
	say n1 'burst n2 1 400 100000'
	say n1 'burst n3 1 30 100000'
	wait_until 5 appends n3 n1 30
	wait_until 10 saw n1 '^lost n2'
	[ "$(field n1 dropped n2)" -gt 100 ]
	[ "$(field n1 queue_bytes n2)" -le $((5 << 20)) ]
	logged n1 'ev=queue peer=n2'
	# Heartbeats take each other's place.
	before=$(field n1 queue_bytes n2)
	for i in $(seq 1000 1200); do say n1 "beat n2 $i"; done
	say n1 'append n3 401 10'
	wait_until 5 appends n3 n1 31
	[ "$(field n1 queue_bytes n2)" -le $((before + 1000)) ]
	kill -CONT "$(pid n2)"
	wait_until 20 connected n1 n2
	say n1 'append n2 5000 10'
	wait_until 20 last n2 n1 5000
	run ! grep out-of-order "$C/n2/events"
}

@test "peerd: a vote goes before the appends that wait, a heartbeat behind them" {
	both
	kill -STOP "$(pid n2)"
	say n1 'burst n2 1 300 100000'
	say n1 'beat n2 5'
	say n1 'vote n2 6'
	waits() { [ "$(field n1 queue_bytes n2)" -gt 1000000 ]; }
	wait_until 10 waits
	kill -CONT "$(pid n2)"
	wait_until 20 saw n2 '^recv n1 beat 5'
	wait_until 20 last n2 n1 300
	[ "$(grep -E '^recv n1 (beat 5|raft_vote 6)' "$C/n2/events" | head -n 1)" = 'recv n1 raft_vote 6' ]
}

@test "peerd: a raft-elect that does not read stops the senders, and memory stays bounded" {
	sed -i 's/^peerd:/peerd:\n  queue: 8MiB/' "$C/n1/raft.yaml"
	both
	say n2 pause
	sleep 0.2
	say n1 'burst n2 1 1000 200000'
	wait_until 20 saw n1 '^lost n2'
	for n in n1 n2; do
		rss=$(awk '/VmHWM/ {print $2}' "/proc/$(pid $n)/status")
		echo "$n: $rss KiB"
		[ "$rss" -lt 200000 ]
	done
	say n2 go
	connected n1 n2
	say n1 'append n2 5000 10'
	wait_until 20 last n2 n1 5000
	run ! grep out-of-order "$C/n2/events"
}

@test "peerd: without raft-elect what comes is dropped and counted, and the connection stays" {
	both
	say n2 quit
	wait_until 10 logged n2 'ev=elector state=gone'
	say n1 'burst n2 1 100 1000'
	unheard() { [ "$(field n2 unheard)" -ge 100 ]; }
	wait_until 10 unheard
	is_connected n1 n2
	elect n2
	again() { [ "$(grep -c 'ev=elector state=connected' "$C/n2/log")" -eq 2 ]; }
	wait_until 10 again
	say n1 'append n2 200 10'
	wait_until 10 appends n2 n1 1
}

@test "peerd: a newer raft-elect takes the older one's place" {
	both
	mv "$C/n1/events" "$C/n1/events.old"
	cp "$C/n1/events.old" "$C/n1/events"
	elect n1
	wait_until 10 logged n1 'ev=elector state=replaced'
	say n2 'vote n1 5'
	wait_until 10 saw n1 '^recv n2 raft_vote 5'
	run ! grep -q 'raft_vote 5' "$C/n1/events.old"
}

@test "peerd: a malformed frame on its socket ends that connection alone" {
	both
	mkdir -p "$C/x"
	ln -s "$C/n1/run" "$C/x/run"
	for raw in 00000000 ffffffff0001 00000003000100 0000000200420000 000000080041000000000000 00000006004000000000; do
		cp "$C/n1/members.yaml" "$C/x/"
		# A client that is no elector, and one that is and sends rubbish after its hello.
		timeout 10 "$TBIN/peer-client" raw "$C/n1/run" "$raw" >/dev/null || :
	done
	alive "$(pid n1)"
	say n1 'vote n2 31'
	wait_until 10 saw n2 '^recv n1 raft_vote 31'
	say n1 'raw ffffffff0041'
	wait_until 10 saw n1 '^closed '
	elect n1
	say n1 'vote n2 32'
	wait_until 10 saw n2 '^recv n1 raft_vote 32'
}

@test "peerd: rubbish on the TCP port is survived, closed and named once in a while" {
	both
	local p
	p=$(port n1)
	tcp() { timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$p; $1" 2>/dev/null || :; }
	tcp 'head -c 100000 /dev/urandom >&3; cat <&3 >/dev/null'
	tcp 'printf "GET / HTTP/1.0\r\n\r\n" >&3; cat <&3 >/dev/null'
	# As a raft-peerd begins, and then a hello of 2^63 bytes, one of none, one of three, one of an older version.
	sp='printf "\0SP\0\0\120\0\0" >&3'
	tcp "$sp; printf '\\177\\377\\377\\377\\377\\377\\377\\377' >&3; cat <&3 >/dev/null"
	tcp "$sp; printf '\\0\\0\\0\\0\\0\\0\\0\\0' >&3; cat <&3 >/dev/null"
	tcp "$sp; printf '\\0\\0\\0\\0\\0\\0\\0\\3abc' >&3; cat <&3 >/dev/null"
	tcp "$sp; printf '\\0\\0\\0\\0\\0\\0\\0\\50\\11\\3\\0' >&3; head -c 37 /dev/zero >&3; cat <&3 >/dev/null"
	wait_until 10 logged n1 'ev=refused .*does not begin as a raft-peerd does'
	wait_until 10 logged n1 'ev=refused .*protocol version'
	alive "$(pid n1)"
	is_connected n2 n1
	say n2 'vote n1 41'
	wait_until 10 saw n1 '^recv n2 raft_vote 41'
	[ "$(grep -c 'ev=refused' "$C/n1/log")" -le 5 ]
	[ "$(field n1 refusals)" -ge 3 ]
}

@test "peerd: strangers that connect and say nothing are closed, and members still get in" {
	both
	"$TBIN/peer-client" flood "$(port n1)" 300 &
	flood=$!
	PIDS+=("$flood")
	reap KILL "$(pid n2)"
	peerd n2
	elect n2
	connected n2 n1
	say n2 'vote n1 51'
	wait_until 10 saw n1 '^recv n2 raft_vote 51'
	few() { [ "$(field n1 connections)" -le 40 ]; }
	wait_until 30 few
	is_connected n2 n1
}

@test "peerd: strangers at many addresses do not keep a member out" {
	# n2 is looked up at this host by n1, which cannot reach it: only n2 dials.
	sed "s/:$(port n2)/:$((PORT + 3))/" "$C/n1/members.yaml" >"$C/n1/wrong.yaml"
	peerd n1
	elect n1 demo "$C/n1/wrong.yaml"
	wait_until 10 logged n1 'ev=dial peer=n2'
	spawn "$C/flood" python3 "$BATS_TEST_DIRNAME/tools/strangers.py" "$(port n1)"
	full() { [ "$(field n1 connections)" -ge 32 ]; }
	wait_until 10 full
	peerd n2
	elect n2
	heard n2 n1 5
	full
}

@test "peerd: a message that comes twice is delivered once" {
	relay_between
	tell twice
	say n1 'vote n2 2'
	wait_until 10 logged n2 'ev=refused from=n1 .*came again'
	heard n1 n2 3
	tell again
	wait_until 10 twice_refused
	heard n1 n2 4
	[ "$(grep -c 'recv n1 raft_vote 2' "$C/n2/events")" -eq 1 ]
}

twice_refused() { [ "$(field n2 refusals n1)" -eq 2 ]; }

@test "peerd: a message that was overtaken is not delivered late" {
	relay_between
	tell swap
	say n1 'vote n2 2'
	say n1 'vote n2 3'
	heard n1 n2 4
	grep 'recv n1 raft_vote' "$C/n2/events" | awk '{print $4}' >"$C/numbers"
	sort -n -c "$C/numbers"
}

@test "peerd: an altered message closes the connection, whichever of its bits it was; then they meet anew" {
	relay_between
	n=10
	for at in 0 1 2 3 4 10 30 -1 -16; do
		# Not a ping, which may come at any time.
		tell "flip $at 40"
		say n1 "vote n2 $n"
		n=$((n + 1))
		# What is said before the altered one has come is lost with its connection.
		heard n1 n2 "$n"
		run ! saw n2 "^recv n1 raft_vote $((n - 1))\$"
		# What was said twice must not be the next to be altered.
		n=$((n + 1))
		say n1 "vote n2 $n"
		wait_until 10 saw n2 "^recv n1 raft_vote $n\$"
		n=$((n + 1))
	done
	[ "$(field n2 refusals)" -ge 9 ]
	logged n2 'ev=refused from=n1 .*fingerprint=[0-9a-f]{16} .*altered'
}

@test "peerd: raft-elect is told when the connection was cut in the middle" {
	relay_between
	say n1 'burst n2 1 200 100000'
	tell cut
	wait_until 10 saw n1 '^lost n2'
	wait_until 10 connected n1 n2
	say n1 'append n2 1000 10'
	wait_until 20 last n2 n1 1000
	run ! grep out-of-order "$C/n2/events"
}

@test "peerd: a half-open connection is given up and made anew" {
	relay_between
	tell stall
	say n1 'vote n2 5'
	wait_until 15 saw n1 '^lost n2'
	logged n1 'peer id=n2 .*state=lost .*silent'
	tell go
	heard n1 n2 6
}

@test "peerd: losses, copies and swaps at random: in order or not at all" {
	relay_between 7 100 100 100
	for i in $(seq 1 40); do
		say n1 "burst n2 $((i * 100)) 100 50"
		sleep 0.02
	done
	beaten() { say n1 'beat n2 9' && saw n2 '^recv n1 beat 9'; }
	wait_until 20 beaten
	run ! grep out-of-order "$C/n2/events"
	[ "$(field n2 refusals n1)" -gt 0 ]
}

@test "peerd: a session is renewed under load and nothing is lost" {
	peerd n1 -v --renew 20
	peerd n2 -v --renew 20
	elect n1
	elect n2
	connected n1 n2
	connected n2 n1
	for i in $(seq 1 60); do
		say n1 "burst n2 $((i * 100)) 100 50"
		sleep 0.05
	done
	wait_until 20 appends n2 n1 6000
	run ! grep out-of-order "$C/n2/events"
	run ! saw n1 '^lost'
	run ! grep 'ev=refused' "$C/n2/log"
	for n in n1 n2; do [ "$(grep -c 'ev=renewed' "$C/$n/log")" -ge 2 ]; done
}

@test "peerd: a node of another cluster is refused in one sentence, on the side that it called" {
	both
	D=$BATS_TEST_TMPDIR/d
	raft-init -N 3 -p "$PORT" "$D" >/dev/null
	# Its n3 listens where nobody of ours does, and takes our n1 for its own.
	spawn "$D/n3/log" raft-peerd -c "$D/n3/raft.yaml"
	wait_until 10 grep -q ev=listening "$D/n3/log"
	spawn "$D/n3/events" bash -c "sleep 60 | '$TBIN/peer-client' talk '$D/n3/run' demo '$D/n3/members.yaml'"
	wait_until 10 logged n1 'ev=refused from=n3 .*it is of another cluster: [0-9a-f]{16}, and this is [0-9a-f]{16}'
	wait_until 10 grep -q 'ev=unreachable peer=n1 .*it is of another cluster' "$D/n3/log"
	[ "$(grep -c 'ev=refused' "$C/n1/log")" -le 4 ]
	is_connected n1 n2
}

@test "peerd: a node with a key that is not the members list's is refused" {
	both
	rm "$C/n3/n3.key"
	head -c 32 /dev/urandom | base64 >"$C/n3/n3.key"
	chmod 600 "$C/n3/n3.key"
	peerd n3
	elect n3
	wait_until 10 logged n1 'ev=refused from=n3 .*fingerprint=[0-9a-f]{16} .*not made with the key'
	logged n3 'ev=key .*another key for this node'
	run ! saw n1 '^recv n3'
}

@test "peerd: one that takes this node for another is told apart" {
	both
	# n3 believes n2 to be where n1 is, and n2 does not call.
	reap KILL "$(pid n2)"
	sed "s/:$(port n2)/:99999/; s/:$(port n1)/:$(port n2)/; s/:99999/:$(port n1)/" "$C/n3/members.yaml" >"$C/n3/swapped.yaml"
	peerd n3
	elect n3 demo "$C/n3/swapped.yaml"
	wait_until 10 logged n1 'ev=refused from=n3 .*takes this node for n2'
}

@test "peerd: an id that no member has is refused" {
	both
	sed -i 's/id: n3/id: n9/' "$C/n3/raft.yaml" "$C/n3/members.yaml"
	peerd n3
	elect n3
	wait_until 10 logged n1 'ev=refused from=n9 .*no member has that id'
}

# A copy of n2's folder, with another port.
copy_n2() {
	cp -r "$C/n2" "$C/n2b"
	rm -rf "$C/n2b/run" "$C/n2b/events" "$C/n2b/log"
	mkdir -m 700 "$C/n2b/run"
	sed -i "s/:$(port n2)/:$((PORT + 4))/" "$C/n2b/raft.yaml"
	peerd n2b
	elect n2b demo "${1:-$C/n2b/members.yaml}"
}

@test "peerd: a copy of a node that calls while the node itself is there is shouted about" {
	both
	copy_n2
	wait_until 20 logged n1 'ev=twins peer=n2 .*two processes'
	connected n1 n2
}

@test "peerd: a process that comes back after its copy took its place is shouted about" {
	relay_between
	copy_n2 "$C/n2/relayed.yaml"
	tell "target $((PORT + 4))"
	tell cut
	wait_until 10 logged n1 'ev=restarted peer=n2'
	run ! logged n1 'ev=twins peer=n2 .*came back'
	tell "target $(port n2)"
	tell cut
	wait_until 10 logged n1 'ev=twins peer=n2 .*came back'
}

@test "peerd: a reconnect whose answers are late is not taken for a second process" {
	relay_between
	# n1 dials again, while its old connection still seems to be open at n2.
	tell leave
	heard n1 n2 9
	run ! logged n2 'ev=twins'
}

@test "peerd: ⚠ a connection that takes another's place is announced before its first frame" {
	relay_between
	for i in 1 2 3 4 5; do
		tell leave
		heard n1 n2 $((900 + i))
		# raft-elect has been told that the old one is lost, and then got the frame of the new one.
		awk -v n="$((900 + i))" '/^lost n1/ { lost++ } /^recv n1 raft_vote/ && $4 == n { exit !(lost >= n - 900) }' "$C/n2/events"
	done
	run ! grep out-of-order "$C/n2/events"
}

@test "peerd: ⚠ raft-elect is replaced again and again while frames come" {
	both
	for i in $(seq 1 15); do
		say n1 "burst n2 $((i * 1000)) 300 3000"
		elect n2
	done
	heard n1 n2 77
	heard n2 n1 78
	alive "$(pid n2)"
	run ! grep out-of-order "$C/n2/events"
}

# traced NODE: its threads are.
traced() { awk '/^TracerPid/ { exit !$2 }' "/proc/$(pid "$1")/status"; }

@test "peerd: a small record is sent at once, whichever end has dialled (TCP_NODELAY)" {
	sed "s/:$(port n1)/:$((PORT + 3))/" "$C/n2/members.yaml" >"$C/n2/deaf.yaml"
	for n in n1 n2; do
		peerd "$n"
		spawn "$C/$n/strace" strace -f -qq -p "$(pid "$n")" -e trace=setsockopt -o "$C/$n/trace"
		wait_until 10 traced "$n"
	done
	elect n2 demo "$C/n2/deaf.yaml"
	elect n1
	heard n1 n2 5
	for n in n1 n2; do wait_until 10 grep -q 'TCP_NODELAY, \[1\]' "$C/$n/trace"; done
}

@test "peerd: ⚠ the reply to a hello comes before any frame, also when it is written late" {
	both
	# What the loop sends is delayed; other threads deliver meanwhile.
	spawn "$C/strace" strace -qq -p "$(pid n2)" -e trace=sendto -e inject=sendto:delay_enter=300000
	wait_until 10 traced n2
	mv "$C/n2/events" "$C/n2/events.old"
	elect n2
	voted() { say n1 'vote n2 5' && saw n2 '^recv n1 raft_vote 5'; }
	wait_until 20 voted
	[ "$(head -n 1 "$C/n2/events")" = hello_reply ]
}

# losses: how many have been announced at n1 and n2; two dials at once may be one at the beginning.
losses() { cat "$C/n1/events" "$C/n2/events" | grep -c '^lost' || :; }

@test "peerd: ⚠ raft-elect that now reads and now does not gets every frame, in order" {
	both
	heard n1 n2 7
	before=$(losses)
	for i in $(seq 1 8); do
		say n2 pause
		say n1 "burst n2 $((i * 100)) 90 80000"
		sleep 0.1
		say n2 go
	done
	wait_until 30 appends n2 n1 720
	run ! grep out-of-order "$C/n2/events"
	[ "$(losses)" -eq "$before" ]
}

@test "peerd: raft-elect that does not read for long costs no connection" {
	both
	heard n1 n2 7
	before=$(losses)
	say n2 pause
	say n1 'burst n2 1 100 200000'
	# Longer than a silent peer is waited for.
	sleep 12
	say n2 go
	wait_until 30 appends n2 n1 100
	[ "$(losses)" -eq "$before" ]
}

@test "peerd: a member that moved is dialled at its new address, one that went is left" {
	both
	there=$((PORT + 5))
	reap TERM "$(pid n2)"
	sed -i "s/:$(port n2)/:$there/" "$C"/n?/members.yaml "$C/n2/raft.yaml"
	peerd n2
	elect n2
	say n1 "config demo $C/n1/members.yaml"
	connected n1 n2
	logged n1 "ev=address peer=n2 .*:$there"
	say n1 'vote n2 6'
	wait_until 10 saw n2 '^recv n1 raft_vote 6'
	sed '/id: n2/d' "$C/n1/members.yaml" >"$C/n1/two.yaml"
	say n1 "config demo $C/n1/two.yaml"
	wait_until 10 logged n1 'ev=gone id=n2'
	[ -z "$(field n1 connected n2)" ]
	say n1 'vote n2 7'
	wait_until 10 saw n1 '^lost n2'
}

@test "peerd: TERM sends what waits, removes the socket and ends with 0" {
	both
	say n1 'burst n2 1 100 50000'
	wait_until 10 last n2 n1 100
	kill -TERM "$(pid n1)"
	wait "$(pid n1)"
	[ ! -e "$C/n1/run/peer" ]
}

# fails STATUS SENTENCE: raft-peerd of n1 ends so.
fails() {
	run timeout 10 raft-peerd -c "$C/n1/raft.yaml"
	echo "$output"
	[ "$status" -eq "$1" ]
	grep -qE "lvl=error .*$2" <<<"$output"
}

@test "peerd: mistakes of an operator are one sentence and status 78, what may pass by itself is 75" {
	chmod 640 "$C/n1/n1.key"
	fails 78 'others can get at the secret key'
	chmod 600 "$C/n1/n1.key"
	mv "$C/n1/n1.key" "$C/n1/k"
	fails 78 'n1.key: cannot open the secret key'
	echo short >"$C/n1/n1.key"
	chmod 600 "$C/n1/n1.key"
	fails 78 'is no secret key'
	rm "$C/n1/n1.key"
	mv "$C/n1/k" "$C/n1/n1.key"
	peerd n2
	sed -i "s/:$(port n1)/:$(port n2)/" "$C/n1/raft.yaml"
	fails 75 "$(port n2): cannot listen: Address in use"
	sed -i "s/127.0.0.1:$(port n2)/192.0.2.1:$(port n1)/" "$C/n1/raft.yaml"
	fails 75 '192.0.2.1.*cannot listen'
}

@test "peerd: a second one on the same run directory leaves the first alone" {
	both
	sed "s/:$(port n1)/:$((PORT + 5))/" "$C/n1/raft.yaml" >"$C/n1/second.yaml"
	run timeout 10 raft-peerd -c "$C/n1/second.yaml"
	[ "$status" -eq 75 ]
	[[ "$output" == *"in use: another process listens there"* ]]
	say n1 'vote n2 6'
	wait_until 10 saw n2 '^recv n1 raft_vote 6'
}

@test "peerd: a build without cipher, for measuring, talks to loopback addresses only and says so" {
	B=$BATS_TEST_TMPDIR/b
	timeout 300 make -s -C "$ROOT" B="$B" SAN= CFLAGS='-O0 -DSEAL_CLEAR' "$B/bin/raft-peerd"
	sed -i "s/127.0.0.1:$(port n1)/0.0.0.0:$(port n1)/" "$C/n1/raft.yaml"
	run timeout 10 "$B/bin/raft-peerd" -c "$C/n1/raft.yaml"
	[ "$status" -eq 78 ]
	[[ "$output" == *"0.0.0.0:$(port n1): this raft-peerd was built without cipher"* ]]
	sed -i "s/0.0.0.0:$(port n1)/127.0.0.1:$(port n1)/" "$C/n1/raft.yaml"
	spawn "$C/n1/log" "$B/bin/raft-peerd" -c "$C/n1/raft.yaml"
	clear=$SPAWNED
	wait_until 10 logged n1 ev=listening
	[ "$(field n1 cipher)" = none ]
	sed 's/127.0.0.1/192.0.2.7/' "$C/n1/members.yaml" >"$C/n1/far.yaml"
	elect n1 demo "$C/n1/far.yaml"
	wait_until 10 logged n1 '192.0.2.7:[0-9]+: this raft-peerd was built without cipher'
	wait_until 10 gone "$clear"
}
