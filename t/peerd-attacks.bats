#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# What anybody on the network, and a peer that has its key, may send to raft-peerd: t/tools/attack.py is the network,
# the peer n2 and the raft-elect of n1.  raft-protocol(7) has the rules.
# sanitize

load helper
load peer

export PYTHONDONTWRITEBYTECODE=1

# attack NAME: and n1 is still the same process.
attack() {
	peerd n1
	timeout 120 python3 "$ROOT/t/tools/attack.py" "$C" "$PORT" "$1"
	alive "$(pid n1)"
}

@test "peerd attacks: a preamble or hello altered in any byte is refused, and the live connection stays" {
	attack altered-hello
}

@test "peerd attacks: a hello that ends after any byte changes nothing" {
	attack cut-hello
}

@test "peerd attacks: a hello of another version, node, cluster, id or key is refused with its reason" {
	attack foreign-hello
}

@test "peerd attacks: ⚠ a replayed hello ends and displaces no live connection" {
	attack replayed-hello
}

@test "peerd attacks: replayed hellos that wait after their reply are closed, and an honest one gets in" {
	attack replayed-flood
}

@test "peerd attacks: ⚠ a replayed hello does not end a dial that waits for its reply" {
	attack replayed-in-dial
}

@test "peerd attacks: dialers that send a byte per second are closed, and an honest one gets in" {
	attack slow
}

@test "peerd attacks: an acceptor that answers garbage, a refusal or nothing is dialled again" {
	attack garbage
}

@test "peerd attacks: an acceptor that sends a byte per second is given up and dialled again" {
	attack slow-acceptor
}

@test "peerd attacks: a preamble or reply altered in any byte opens no connection" {
	attack altered-reply
}

@test "peerd attacks: the reply to another hello opens no connection" {
	attack replayed-reply
}

@test "peerd attacks: a record altered in any byte ends its connection, and delivers nothing" {
	attack altered-records
}

@test "peerd attacks: a record that comes twice, back, from elsewhere or after a missing one ends its connection" {
	attack wrong-order
}

@test "peerd attacks: a peer that sends unknown kinds and malformed frames loses its connection" {
	attack sealed-rubbish
}

@test "peerd attacks: a peer that sends malformed addresses loses its connection, and may come back" {
	attack wrong-addresses
}

@test "peerd attacks: a step of a renewal that is not the next one ends its connection" {
	attack renewals
}

@test "peerd attacks: ⚠ a node that was removed or has another key opens no connection with an earlier hello" {
	attack late-proof
}

@test "peerd attacks: a first record that is not empty proves nothing" {
	attack first-record
}
