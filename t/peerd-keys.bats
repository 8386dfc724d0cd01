#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031,SC2034,SC2317
# Keys that are replaced while the cluster runs, by the recipe of raft-peerd(8).
# sanitize

load helper
load net
bats_require_minimum_version 1.5.0
# The restart of a raft-peerd is shorter.
ELECTION_MS=2000

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	quicken
	with_sink
	account_open
	cluster_start
	wait_until 30 agreed
	cp -r "$CLUSTER" "$BATS_TEST_TMPDIR/old"
}
teardown() {
	show_logs
	account_close
	cluster_stop
	stop_all
}

# recipe NODE FIRST LAST: these lines of the page's recipe, for this node.
recipe() {
	awk '/^\.Ss / { on = /Replacing a key/ } on && /^\.Dl \$ / { sub(/^\.Dl \$ /, ""); print }' "$ROOT/man/raft-peerd.8" |
		sed -n "s/n2/$1/g; $2,$3p" >"$BATS_TEST_TMPDIR/recipe"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/recipe")" -eq $(($3 - $2 + 1)) ]
	while read -r line; do
		echo "$line"
		(cd "$CLUSTER" && timeout 60 sh -c "$line" </dev/null)
	done <"$BATS_TEST_TMPDIR/recipe"
}
count_recipe() { awk '/^\.Ss / { on = /Replacing a key/ } on && /^\.Dl \$ / { n++ } END { print n }' "$ROOT/man/raft-peerd.8"; }

restart_peerd() {
	reap TERM "$(daemon_pid "$1" peerd)"
	daemon_start "$1" peerd
}

key_of() { raft-init --public-key "$1"; }
fingerprint() { ctl "$1" -j status | jq -r --arg id "$2" '.peers[] | select(.id == $id).fingerprint'; }
received() { ctl "$1" -j status | jq -r --arg id "$2" '.peers[] | select(.id == $id).received_bytes'; }
sees() { [ "$(fingerprint "$1" "$2")" = "$3" ]; }
peers_log() { cat "$CLUSTER/$1/peerd.log"; }
refused() { peers_log "$1" | grep -q "ev=refused from=$2 .*not made with the key"; }

# connected NODE PEER: it can send to that one.
connected() { [ "$(ctl "$1" -j status | jq -r --arg id "$2" '.peers[] | select(.id == $id).connected')" = true ]; }

@test "keys: each node's key is replaced while lines are appended: nothing is lost, and at most the restart of one raft-peerd is noticed" {
	T=$(term)
	streams rotation
	for n in $(nodes); do
		recipe "$n" 1 2
		[ "$(key_of "$CLUSTER/$n/old.key")" = "$(key_of "$BATS_TEST_TMPDIR/old/$n/$n.key")" ]
		[ "$(key_of "$CLUSTER/$n/old.key")" != "$(key_of "$CLUSTER/$n/$n.key")" ]
		# Two keys, and the sessions made with the first one stay.
		all_go_on rotation 50 40
		restart_peerd "$n"
		recipe "$n" 3 "$(count_recipe)"
		[ ! -e "$CLUSTER/$n/old.key" ]
		all_go_on rotation 50 40
	done
	recovered rotation "$T" 3
	for n in $(nodes); do
		ctl n1 -j members | jq -r '.members[].key' | grep -qxF "$(key_of "$CLUSTER/$n/$n.key")"
		# A peer that dials first after the restart may try the former key, once for each class.
		[ "$(peers_log "$n" | grep -c 'ev=refused from=n[123] .*not made with the key')" -le 4 ]
	done
}

@test "keys: two nodes change theirs at once, and find each other without knowing which the other has" {
	for n in n1 n2; do recipe "$n" 1 2; done
	for n in n1 n2; do reap TERM "$(daemon_pid "$n" peerd)"; done
	for n in n1 n2; do daemon_start "$n" peerd; done
	for n in $(nodes); do
		for p in $(others "$n"); do wait_until 20 connected "$n" "$p"; done
	done
	for n in n1 n2; do recipe "$n" 3 "$(count_recipe)"; done
	wait_until 20 agreed
}

@test "keys: the old key is good beside the new one, and refused once it is dropped" {
	L=$(quiet_leader)
	F=$(follower)
	P=$(others "$F" | head -n 1)
	recipe "$F" 1 2
	# Still the old one: it says so when it is asked.
	cp "$CLUSTER/$F/$F.key" "$CLUSTER/$F/new.key"
	cp -p "$CLUSTER/$F/old.key" "$CLUSTER/$F/$F.key"
	old=$(status "$F" peer fingerprint)
	restart_peerd "$F"
	for n in $(others "$F"); do wait_until 20 connected "$n" "$F"; done
	wait_until 20 sees "$P" "$F" "$old"
	# And then the new one, both ways.
	cp -p "$CLUSTER/$F/new.key" "$CLUSTER/$F/$F.key"
	restart_peerd "$F"
	wait_until 20 other_key "$F" "$old"
	new=$(status "$F" peer fingerprint)
	for n in $(others "$F"); do
		wait_until 20 sees "$n" "$F" "$new"
		wait_until 20 connected "$n" "$F"
		wait_until 20 connected "$F" "$n"
	done
	# The old one comes back, and is dropped while its sessions are open.
	cp -p "$CLUSTER/$F/old.key" "$CLUSTER/$F/$F.key"
	restart_peerd "$F"
	for n in $(others "$F"); do
		wait_until 20 sees "$n" "$F" "$old"
		wait_until 20 connected "$n" "$F"
	done
	ctl "$P" key drop "$F" "$(key_of "$CLUSTER/$F/old.key")"
	parted() { ! connected "$L" "$F"; }
	wait_until 20 parted
	had=$(received "$L" "$F")
	for n in $(others "$F"); do
		wait_until 20 refused "$n" "$F"
		run ! connected "$n" "$F"
		run ! connected "$F" "$n"
	done
	# Not a byte of what the thief still sent in the session that was open.
	[ "$(received "$L" "$F")" -eq "$had" ]
	wait_until 20 grep -q 'ev=unreachable peer=.*its members list has another key' "$CLUSTER/$F/peerd.log"
	# What the thief has is of no use; the node itself is back at once.
	cp -p "$CLUSTER/$F/new.key" "$CLUSTER/$F/$F.key"
	restart_peerd "$F"
	wait_until 20 agreed
}
other_key() {
	local now
	now=$(status "$1" peer fingerprint)
	[ -n "$now" ] && [ "$now" != "$2" ]
}

@test "keys: a new key is written once, for its owner alone, and its public key printed" {
	K=$BATS_TEST_TMPDIR/next.key
	one=$(umask 0 && raft-init --new-key "$K")
	[ "${#one}" -eq 44 ]
	[ "$(stat -c %a "$K")" = 600 ]
	[ "$(raft-init --public-key "$K")" = "$one" ]
	run raft-init --new-key "$K"
	[ "$status" -eq 78 ]
	[ "$output" = "raft-init: $K exists: nothing is written over, choose another name" ]
	[ "$(raft-init --public-key "$K")" = "$one" ]
	run raft-init --public-key "$K.none"
	[ "$status" -eq 78 ]
	[ "$output" = "raft-init: $K.none: cannot open the secret key: No such file or directory" ]
	run raft-init --new-key -i n1 "$K.2"
	[ "$status" -eq 64 ]
	[[ $output == 'raft-init: --new-key takes a file and no other option'* ]]
	run raft-init --new-key --public-key "$K.2"
	[ "$status" -eq 64 ]
	run raft-init --new-key
	[ "$status" -eq 64 ]
	[ ! -e "$K.2" ]
	run bash -c "raft-init --new-key '$K.3' >/dev/full"
	[ "$status" -eq 74 ]
	[ ! -e "$K.3" ]
}
