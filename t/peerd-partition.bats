#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2046
# Three nodes with a network namespace each, and links that are cut: what was acknowledged comes out once on
# every node, the minority commits nothing, and the cluster is itself again within 20 election timeouts.

load helper
load net

setup_file() {
	need_namespaces
	net_cluster "$BATS_FILE_TMPDIR/c" 3
}
teardown_file() { [ -z "${CLUSTER:-}" ] || net_cluster_down; }

setup() {
	mend
	within 20 agreed
	L=$(quiet_leader)
	read -r F G < <(others "$L" | xargs)
	T=$(term)
}
teardown() {
	mend
	account_close
}

@test "the leader is cut off: another leads within 6 election timeouts, the old one stops, and its clients are told" {
	streams lost
	isolate "$L"
	within 6 led "$F" "$G"
	within 6 not_leading "$L"
	before=$(acks "lost-$L")
	not_committed lost-alone "$L"
	goes_on "lost-$F"
	goes_on "lost-$G"
	[ "$(acks "lost-$L")" -eq "$before" ]
	heal
	recovered lost "$T" 2
}

@test "the leader is cut off by resets: the same" {
	streams reset
	isolate "$L" refuse
	within 6 led "$F" "$G"
	within 6 not_leading "$L"
	not_committed reset-alone "$L"
	goes_on "reset-$F"
	heal
	recovered reset "$T" 2
}

@test "a follower is cut off: nobody else notices, its clients are told, and it disturbs nobody when it is back (§9.6)" {
	streams cut
	isolate "$F"
	goes_on "cut-$L" 50
	before=$(acks "cut-$F")
	not_committed cut-alone "$F"
	goes_on "cut-$G" 50
	[ "$(acks "cut-$F")" -eq "$before" ]
	heal
	recovered cut "$T" 0
	[ "$(quiet_leader)" = "$L" ]
}

@test "the leader sends but hears nothing: it steps down, another leads" {
	streams deaf
	for n in "$F" "$G"; do cut "$n" "$L"; done
	within 10 led "$F" "$G"
	within 10 not_leading "$L"
	not_committed deaf-alone "$L"
	goes_on "deaf-$F"
	heal
	recovered deaf "$T" 2
}

@test "the leader hears but sends nothing: it steps down, another leads" {
	streams mute
	for n in "$F" "$G"; do cut "$L" "$n"; done
	within 10 led "$F" "$G"
	within 10 not_leading "$L"
	not_committed mute-alone "$L"
	goes_on "mute-$F"
	heal
	recovered mute "$T" 2
}

@test "the link between the leader and one follower is cut: the leader goes on with the other, terms stay (Cloudflare 2020)" {
	streams triangle
	cut_both "$L" "$F"
	for _ in 1 2 3 4; do
		goes_on "triangle-$L" 50
		goes_on "triangle-$G" 50
	done
	not_committed triangle-alone "$F"
	[ "$(quiet_leader)" = "$L" ]
	[ "$(term)" -le $((T + 1)) ]
	heal
	recovered triangle "$T" 1
}

@test "the leader's links flap every election timeout: all comes out, leaders change no oftener than the links" {
	streams flap
	for _ in 1 2 3 4 5 6; do
		isolate "$L"
		for_ms "$ELECTION_MS"
		mend
		for_ms "$ELECTION_MS"
	done
	heal
	recovered flap "$T" 7
}

@test "a fifth of all packets is lost: entries are committed all the while" {
	streams fifth
	lose 20
	all_go_on fifth 300 80
	heal
	recovered fifth "$T" 10
}
