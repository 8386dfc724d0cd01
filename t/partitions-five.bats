#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2046
# Five nodes with a network namespace each, and messages that take long: `make partitions`.

load helper
load net

setup_file() {
	need_namespaces
	net_cluster "$BATS_FILE_TMPDIR/c" 5
}
teardown_file() { [ -z "${CLUSTER:-}" ] || net_cluster_down; }

setup() {
	mend
	within 40 agreed
	L=$(quiet_leader)
	read -r A B C D < <(others "$L" | xargs)
	T=$(term)
}
teardown() {
	mend
	account_close
}

# part NODE... -- NODE...: no link between the first and the second.
part() {
	local left=() n m
	while [ "$1" != -- ]; do
		left+=("$1")
		shift
	done
	shift
	for n in "${left[@]}"; do for m in "$@"; do cut_both "$n" "$m"; done; done
}

@test "three and two, the leader among the two: the three go on, the two commit nothing" {
	streams split
	part "$L" "$A" -- "$B" "$C" "$D"
	within 10 led "$B" "$C" "$D"
	within 10 not_leading "$L"
	not_committed split-leader "$L"
	not_committed split-other "$A"
	for n in "$B" "$C" "$D"; do goes_on "split-$n"; done
	heal
	recovered split "$T" 3
}

@test "three and two, the leader among the three: it stays, and the two commit nothing" {
	streams rest
	part "$L" "$A" "$B" -- "$C" "$D"
	for n in "$L" "$A" "$B"; do goes_on "rest-$n" 100; done
	not_committed rest-one "$C"
	not_committed rest-two "$D"
	heal
	recovered rest "$T" 1
	[ "$(quiet_leader)" = "$L" ]
}

@test "one node is the bridge between two pairs, and nobody else reaches across: terms stop rising" {
	streams bridge
	part "$A" "$B" -- "$C" "$L"
	within 20 led_somewhere
	before=$(term)
	all_go_on bridge 500 30
	[ $(($(term) - before)) -le 2 ]
	heal
	recovered bridge "$T" 5
}
led_somewhere() { states | grep -q ' leader '; }

@test "three know each other, and two hang by one of them each: a leader among the three, terms stop rising (PITFALLS: five nodes, partial links)" {
	streams partial
	part "$L" -- "$A" "$B" "$C"
	part "$D" -- "$A" "$C"
	cut_both "$D" "$L"
	within 20 led "$A" "$B" "$C"
	before=$(term)
	goes_on "partial-$A" 300 30
	[ "$(term)" -eq "$before" ]
	heal
	recovered partial "$T" 4
}

@test "a chain: its middle leads or is led, and all is well after it" {
	streams chain
	part "$L" -- "$B" "$C" "$D"
	part "$A" -- "$C" "$D"
	part "$B" -- "$D"
	for_ms 5000
	heal
	recovered chain "$T" 12
}
