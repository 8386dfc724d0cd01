#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031,SC2317 # each test is a subshell
# Where raft-peerds listen and are found, and whom they do not take for a peer.

load helper
load peer
bats_require_minimum_version 1.5.0

# listens NODE ADDRESS; found NODE ADDRESS: in all lists of members.
listens() { sed -i "s#listen: .*#listen: \"$2\"#" "$C/$1/raft.yaml"; }
found() { sed -i "s#\(id: $1, address: \)[^,]*,#\1\"$2\",#" "$C"/n?/members.yaml; }
# talk: n1 and n2 find each other, and what is sent arrives.
talk() {
	both
	say n1 'vote n2 5'
	wait_until 10 saw n2 '^recv n1 raft_vote 5'
	say n2 'vote n1 6'
	wait_until 10 saw n1 '^recv n2 raft_vote 6'
}

@test "peerd: nodes on IPv6, one on its address and one on all of them" {
	if ! grep -q '^0*1 .* lo$' /proc/net/if_inet6; then
		[ "${CI:-}" != true ]
		skip 'there is no IPv6 here'
	fi
	listens n1 "tcp://[::1]:$(port n1)"
	listens n2 "tcp://[::]:$(port n2)"
	for n in n1 n2; do found "$n" "tcp://[::1]:$(port "$n")"; done
	talk
	grep -q "ev=listening address=tcp://\[::\]:$(port n2)" "$C/n2/log"
	# And by its address it is named when it is refused.
	timeout 5 bash -c "exec 3<>'/dev/tcp/::1/$(port n1)'; printf '\\0SP\\0\\0\\120\\0\\0\\0\\0\\0\\0\\0\\0\\0\\3abc' >&3; cat <&3 >/dev/null" || :
	wait_until 10 logged n1 'ev=refused from=unknown address=\[::1\]:[0-9]+ '
}

@test "peerd: nodes that listen on all addresses are found at one of them, by number and by name" {
	listens n1 "tcp://0.0.0.0:$(port n1)"
	listens n2 "tcp://[::]:$(port n2)"
	found n1 "tcp://127.0.0.9:$(port n1)"
	found n2 "tcp://localhost:$(port n2)"
	talk
}

# peerd_with_hosts NODE: its /etc/hosts is NODE/hosts.
peerd_with_hosts() {
	spawn "$C/$1/log" unshare -m sh -c "mount --bind '$C/$1/hosts' /etc/hosts && exec raft-peerd -c '$C/$1/raft.yaml'"
	echo "$SPAWNED" >"$C/$1/pid"
	wait_until 10 grep -q 'ev=listening' "$C/$1/log"
}

# only_n1_dials: n2's list has an address for n1 where nothing listens.
only_n1_dials() {
	sed "s/:$(port n1)/:$((PORT + 3))/" "$C/n2/members.yaml" >"$C/n2/deaf.yaml"
	printf '127.0.0.1 localhost\n::1 both six\n127.0.0.1 both\n' >"$C/n1/hosts"
	peerd_with_hosts n1
	peerd n2
	elect n1
	elect n2 demo "$C/n2/deaf.yaml"
	heard n1 n2 5
	heard n2 n1 6
}

@test "peerd: each address of a name is tried, of both families" {
	mount_or_skip
	listens n2 "tcp://127.0.0.1:$(port n2)"
	found n2 "tcp://both:$(port n2)"
	only_n1_dials
}

@test "peerd: a name that has an address of IPv6 only is dialled there" {
	mount_or_skip
	listens n2 "tcp://[::]:$(port n2)"
	found n2 "tcp://six:$(port n2)"
	only_n1_dials
}

@test "peerd: an address that cannot be reached has its reason in log and status, also while the other side's connection is used" {
	sed "s/:$(port n2)/:$((PORT + 3))/" "$C/n1/members.yaml" >"$C/n1/wrong.yaml"
	peerd n1
	elect n1 demo "$C/n1/wrong.yaml"
	wait_until 20 logged n1 'lvl=warn .*ev=unreachable peer=n2 .*Connection refused'
	peerd n2
	elect n2
	heard n2 n1 5
	reason() { [ "$(field n1 state n2)" = open ] && [ "$(field n1 why n2)" = '"Connection' ]; }
	wait_until 20 reason
	# The right one has none.
	say n1 "config demo $C/n1/members.yaml"
	right() { [ "$(field n1 state n2)" = open ] && [ -z "$(field n1 why n2 | tr -d '"')" ]; }
	wait_until 20 right
}

mount_or_skip() {
	if ! timeout 10 unshare -m sh -c 'mount --bind /etc/passwd /etc/hosts' || ! grep -q '^0*1 .* lo$' /proc/net/if_inet6; then
		[ "${CI:-}" != true ]
		skip 'no mount namespaces can be made here, or there is no IPv6'
	fi
}

@test "peerd: a name is looked up anew when the connection is made anew" {
	if ! timeout 10 unshare -m sh -c 'mount --bind /etc/passwd /etc/hosts'; then
		[ "${CI:-}" != true ]
		skip 'no mount namespaces can be made here'
	fi
	found n2 "tcp://second.invalid:$(port n2)"
	listens n2 "tcp://127.0.0.2:$(port n2)"
	echo '127.0.0.2 second.invalid' >"$C/n1/hosts"
	peerd_with_hosts n1
	peerd n2
	elect n1
	elect n2
	connected n1 n2
	reap KILL "$(pid n2)"
	wait_until 10 saw n1 '^lost n2'
	# It is elsewhere now, and only the name says so.  Written in place: a look at an empty file asks the name server.
	echo '127.0.0.3 second.invalid' 1<>"$C/n1/hosts"
	listens n2 "tcp://127.0.0.3:$(port n2)"
	peerd n2
	elect n2
	wait_until 20 connected n1 n2
	beaten() { say n1 'beat n2 9' && saw n2 '^recv n1 beat 9'; }
	wait_until 10 beaten
}

# switches NODE: how often the threads of its raft-peerd have waited.
switches() { awk '/^voluntary/ { n += $2 } END { print n }' "/proc/$(pid "$1")"/task/*/status; }

@test "peerd: without a free descriptor it tries a few times a second, and accepts once there is one" {
	peerd n1
	elect n1
	wait_until 10 logged n1 'ev=dial peer=n2'
	prlimit --pid "$(pid n1)" --nofile=3:
	exec 9<>"/dev/tcp/127.0.0.1/$(port n1)"
	wait_until 10 logged n1 'ev=dial peer=n2 .*Out of files'
	before=$(switches n1)
	sleep 1
	[ $(($(switches n1) - before)) -lt 1000 ]
	prlimit --pid "$(pid n1)" --nofile=1024:
	peerd n2
	elect n2
	heard n2 n1 5
}

@test "peerd: a name that nobody knows is tried again, and others are not delayed" {
	found n2 "tcp://second.invalid:$(port n2)"
	peerd n1
	peerd n3
	elect n1
	elect n3
	connected n1 n3
	say n1 'vote n3 5'
	wait_until 10 saw n3 '^recv n1 raft_vote 5'
	[ "$(field n1 state n2)" = down ]
}

@test "peerd: a session is renewed by time, under load, and nothing is lost" {
	sed -i 's/^peerd:/peerd:\n  queue: 8MiB/' "$C/n1/raft.yaml"
	relay_between
	reap TERM "$(pid n1)"
	peerd n1 -v --renew-after 200ms
	elect n1 demo "$C/n1/relayed.yaml"
	wait_until 10 connected n1 n2
	: >"$C/n1/events"
	i=0
	renewed() {
		i=$((i + 1))
		say n1 "burst n2 $((i * 100)) 100 50"
		[ "$(grep -c 'ev=renewed' "$C/n1/log")" -ge 4 ]
	}
	wait_until 30 renewed
	say n1 'beat n2 9'
	wait_until 10 saw n2 '^recv n1 beat 9'
	wait_until 10 appends n2 n1 $((i * 100))
	run ! grep out-of-order "$C/n2/events"
	run ! saw n1 '^lost'
	run ! logged n2 'ev=refused'
}

@test "peerd: a session that is to be renewed at once, or after no time that is known, is wrong usage" {
	for t in 0ms 5 never -1s; do
		run timeout 10 raft-peerd -c "$C/n1/raft.yaml" --renew-after "$t"
		[ "$status" -eq 64 ]
		[[ $output == *"--renew-after $t: not a time, such as 15m"* ]]
	done
}

@test "peerd: its own messages sent back to it are refused, and it goes on when the right node is there" {
	relay_between
	tell "target $(port n1)"
	tell cut
	wait_until 10 logged n1 "ev=refused from=n1 .*gives this node's own id"
	run ! saw n1 '^recv n1'
	tell "target $(port n2)"
	tell cut
	wait_until 20 connected n1 n2
	beaten() { say n1 'beat n2 9' && saw n2 '^recv n1 beat 9'; }
	wait_until 10 beaten
}

@test "peerd: two nodes with each other's keys are refused, and say so themselves" {
	mv "$C/n2/n2.key" "$C/key"
	mv "$C/n3/n3.key" "$C/n2/n2.key"
	mv "$C/key" "$C/n3/n3.key"
	for n in n1 n2 n3; do
		peerd "$n"
		elect "$n"
	done
	for n in n2 n3; do
		wait_until 10 logged n1 "ev=refused from=$n .*not made with the key"
		wait_until 10 logged "$n" 'ev=key .*another key for this node'
		say "$n" 'vote n1 5'
	done
	[ "$(field n1 connected n2)" = no ]
	[ "$(field n1 connected n3)" = no ]
	run ! saw n1 '^recv'
}
