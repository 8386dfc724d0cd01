#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The simulator's trace in the event form of etcd-io/raft (t/sim/README), and the checker of that form.

# shellcheck disable=SC2016,SC2094,SC2238

load helper

sim() { timeout 60 "$TBIN/sim" "$@"; }

# form FILE: what is wrong with it; nothing when all is well.
form() { timeout 60 jq -nr -f "$ROOT/t/sim/etcd-form.jq" "$1"; }

# good FILE: it has the form, and its lines are in the order of their time stamps as text.
good() {
	local wrong
	wrong=$(form "$1")
	[ -z "$wrong" ] || { echo "$1: ${wrong:0:500}"; return 1; }
	LC_ALL=C sort -c -t: -k3 "$1"
}

# has FILE NAME...: events of these names are in it.
has() {
	local file=$1 name
	shift
	for name; do
		grep -q "\"name\":\"$name\"" "$file" || { echo "$file has no $name"; return 1; }
	done
}

# spoilt SCRIPT SENTENCE: a trace that jq's SCRIPT has changed is found to be wrong, and why.
spoilt() {
	jq -cn "[inputs] | $1 | .[]" good >spoilt
	! cmp -s good spoilt || { echo "nothing was changed: $1"; return 1; }
	run form spoilt
	[[ $output == *"$2"* ]] || { echo "$1: ${output:0:300}"; return 1; }
}

setup() { cd "$BATS_TEST_TMPDIR" || return; }

@test "trace: runs of all fault profiles have etcd's form" {
	for profile in $(sim --list); do
		sim --seed 2 --profile "$profile" --steps 500 --trace=etcd >"$profile"
		good "$profile"
	done
	[ "$(cat -- * | wc -l)" -gt 5000 ]
	cat -- * >all
	has all {Send,Receive}{AppendEntries,RequestVote}{Request,Response} InitState Become{Follower,Candidate,Leader} \
		Commit Replicate Ready
}

@test "trace: so have the scenarios; a change of the members and a snapshot are in it" {
	for story in grow-and-shrink figure-8 snapshot-after-absence transfer; do
		sim --trace=etcd --scenario "$ROOT/t/sim/scenarios/$story.txt" >"$story"
		good "$story"
	done
	has grow-and-shrink ChangeConf ApplyConfChange
	grep -q '"action":"AddLearner"' grow-and-shrink
	grep -q '"action":"AddNewServer"' grow-and-shrink
	grep -q '"action":"RemoveServer"' grow-and-shrink
	grep -q '"ReceiveAppendEntriesRequest".*"MsgSnap"' snapshot-after-absence
}

@test "trace: where the specification ends is said once" {
	sim --trace=etcd --scenario "$ROOT/t/sim/scenarios/grow-and-shrink.txt" >grow
	[ "$(jq -r 'select(.tag == "beyond").why' grow)" = 'a configuration is in force before it is committed' ]
	sim --trace=etcd --scenario "$ROOT/t/sim/scenarios/cut-off-leader.txt" >cut
	[ "$(grep -c beyond cut)" -eq 0 ]
}

@test "trace: the same run is the same with it and without, and a trace is of one run" {
	sim --seed 5 --steps 3000 --trace | grep -aE '(send|lost) .* append$' >plain
	sim --seed 5 --steps 3000 --trace=etcd >first
	sim --seed 5 --steps 3000 --trace=etcd >second
	cmp first second
	[ "$(grep -c '"name":"SendAppendEntriesRequest".*"MsgApp"' first)" -eq "$(wc -l <plain)" ]
	run sim --seeds 3 --trace=etcd
	[ "$status" -eq 64 ]
	run sim --trace=json
	[ "$status" -eq 64 ]
}

@test "trace: a spoilt trace is found to be spoilt" {
	sim --trace=etcd --scenario "$ROOT/t/sim/scenarios/cut-off-leader.txt" >good
	good good
	at='(map(.event.name) | index("%s")) as $i |'
	# The form.
	spoilt '.[7].event.name = "BecomeKing"' '8: no such event'
	spoilt '.[7].event.role = "StatePreCandidate"' '8: no such role'
	spoilt '.[7].event.nid = 1' '8: of no node'
	spoilt '.[7].event.state.term = "1"' '8: state is none'
	spoilt 'del(.[7].event.conf)' '8: event has other fields'
	spoilt '.[7].event.conf = [["1"],["2"]]' '8: conf is none'
	spoilt '.[7].event.state.commit = 999' '8: committed beyond the log'
	spoilt 'del(.[7].level)' '8: no line of a trace'
	# shellcheck disable=SC2059
	for change in '.[$i].event.msg.entries = -1=a number of msg' '.[$i].event.msg.type = "MsgVote"=a MsgVote in' \
		'del(.[$i].event.msg.reject)=msg has other fields' '.[$i].event.msg.from = "9"=the message of another' \
		'del(.[$i].event.msg)=a message belongs to'; do
		spoilt "$(printf "$at" SendAppendEntriesRequest) ${change%=*}" "${change##*=}"
	done
	# What must hold from line to line.
	received=$(printf '%s' '(map(.event.name) | index("ReceiveRequestVoteRequest")) as $i |')
	spoilt "$received .[\$i].event.msg.term += 1" 'received, but not sent'
	spoilt "$received .[:\$i + 1] + .[\$i:]" 'received, but not sent'
	spoilt "$received .[\$i].event.log += 1" 'changed before it received'
	spoilt '.[1:]' 'a node begins with InitState'
	spoilt '.[-1].event.state.term = 0' 'the term falls'
	spoilt '.[-1].event.state.commit = 0' 'the commit index falls'
	spoilt 'map(select(.event.name != "BecomeLeader"))' 'leads without a line'
	spoilt 'map(select(.event.name != "BecomeCandidate"))' 'stands without a line'
	spoilt '(map(.event.name) | index("BecomeLeader")) as $i | .[$i].event.nid |= (tonumber % 3 + 1 | tostring)' 'leads without having stood'
	spoilt '(map(.event.name) | index("Commit")) as $i | .[$i].event.state.commit = 0' 'commits nothing'
	spoilt '(map(.event.name) | index("Replicate")) as $i | .[$i].event.log += 1' 'not one entry more'
	spoilt '(map(.event.name) | index("BecomeCandidate")) as $i | .[$i].event.state.vote = "0"' 'stands otherwise'
	spoilt '(map(.event.name) | rindex("BecomeLeader")) as $i | .[$i:] |= map(if .event.state.term == 2 then .event.state.term = 1 else . end)' 'a second leader of the term'
	: >empty
	run form empty
	[[ $output == *'no line at all'* ]]
}
