#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-each on three nodes: whatever is killed, each entry is delivered, in order, and repeated at most once per kill.
# long
# shellcheck disable=SC2016,SC2030,SC2031

load helper
bats_require_minimum_version 1.5.0

BATCH=20

setup() {
	D=$BATS_TEST_TMPDIR
	cluster_init "$D/c" 3
	cluster_start
	wait_leader
	for n in $(nodes); do wait_until 20 has_level "$n" 3; done
}
teardown() {
	stop_all
	cluster_stop
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$D"/*.log
	show_logs
}

append() { timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$@"; }
# each_start NODE OPTION...: a consumer on that node, whose command writes its entries, one after the other, to the file `out`,
# with a pause in the middle, so that it is killed there now and then.
each_start() {
	AT=$1
	spawn "$D/each.log" raft-each -c "$CLUSTER/$1/raft.yaml" -C run "${@:2}" \
		sh -c 'i=0; while read -r line; do echo "$line" >>"$0"; [ $((i += 1)) != 10 ] || sleep 0.04; done' "$D/out"
	EACH=$SPAWNED
}
ended() { # STATUS
	local status=0
	wait_until 30 gone "$EACH"
	wait "$EACH" || status=$?
	[ "$status" = "$1" ] || { echo "status $status instead of $1" >&2 && return 1; }
}
node_kill() {
	local d
	for d in logd elect peerd; do kill -KILL "$(daemon_pid "$1" "$d")"; done
	for d in logd elect peerd; do wait_until 10 gone "$(daemon_pid "$1" "$d")"; done
}
# running: the consumer's second child, beside its guard, is the command; its pid is in COMMAND.  Without a process of its own:
# a command does not live long.
running() {
	read -r _ COMMAND _ <"/proc/$EACH/task/$EACH/children"
	[ -n "$COMMAND" ]
}
command_killed() { running && kill -KILL "$COMMAND"; }
next_node() { printf 'n%d\n' $((${1#n} % 3 + 1)); }

# kill_one KIND: what is killed is started again.
kill_one() {
	local l
	case $1 in
	consumer)
		reap KILL "$EACH"
		each_start "$AT" -B "$BATCH"
		REPEATS=$((REPEATS + 1))
		;;
	command)
		wait_until 20 command_killed
		REPEATS=$((REPEATS + 1))
		;;
	node) # and the consumer stays
		node_kill "$AT"
		node_start "$AT"
		;;
	machine) # and the consumer is started on another one
		node_kill "$AT"
		reap KILL "$EACH"
		l=$AT
		each_start "$(next_node "$AT")" -B "$BATCH"
		node_start "$l"
		REPEATS=$((REPEATS + 1))
		;;
	leader)
		wait_leader
		l=$(leader)
		node_kill "$l"
		wait_leader
		node_start "$l"
		;;
	esac
}

@test "each: ⚠ 10,000 entries while consumer, command, node, machine and leader are killed: each is delivered, in order, and a batch is repeated at most once per kill" {
	local kind count=0 delivered
	REPEATS=0
	lines 10000 mail >"$D/input"
	: >"$D/out"
	append -S input "$D/input"
	each_start n1 -B "$BATCH"
	for _ in 1 2 3; do
		for kind in consumer command node machine leader; do
			count=$((count + 600))
			wait_until 60 grown "$D/out" "$count"
			kill_one "$kind"
		done
	done
	delivered_all() { awk '!seen[$0]++' "$D/out" | cmp -s "$D/input" -; }
	wait_until 120 delivered_all
	delivered=$(wc -l <"$D/out")
	echo "$delivered deliveries, $REPEATS kills that may repeat a batch"
	[ "$delivered" -le $((10000 + REPEATS * BATCH)) ]
	# The position has moved past all of them.
	kill -TERM "$EACH"
	ended 0
	each_start n3 --once
	ended 0
	[ "$(wc -l <"$D/out")" = "$delivered" ]
}

@test "each: ⚠ a consumer on another node takes the cursor over: the former one ends with 77, its command before that" {
	append <<<one
	spawn "$D/former.log" raft-each -c "$CLUSTER/n1/raft.yaml" -C run sh -c 'cat >/dev/null; while :; do sleep 0.1; done'
	EACH=$SPAWNED
	wait_until 20 running
	FORMER=$EACH
	: >"$D/out"
	each_start n2
	wait_until 20 grown "$D/out" 1
	wait_until 20 gone "$COMMAND"
	EACH=$FORMER
	ended 77
	grep -q 'another consumer has opened it, with entry' "$D/former.log"
}

@test "each: ⚠ on a node that is cut off a former owner runs on, moves nothing, and ends with 77 when it is back" {
	wait_leader
	F=$(follower)
	O=$(follower 2)
	spawn "$D/former.log" raft-each -c "$CLUSTER/$F/raft.yaml" -C run sh -c 'cat >>"$0"; while [ ! -e "$0.go" ]; do sleep 0.1; done' "$D/former"
	FORMER=$SPAWNED
	append -c "$CLUSTER/$O/raft.yaml" <<<one
	wait_until 20 grown "$D/former" 1
	kill -STOP "$(daemon_pid "$F" peerd)"
	: >"$D/out"
	each_start "$O"
	wait_until 30 grown "$D/out" 1
	alive "$FORMER"
	# Its command succeeds: that must not count.
	append -c "$CLUSTER/$O/raft.yaml" <<<two
	touch "$D/former.go"
	wait_until 30 grown "$D/out" 2
	alive "$FORMER"
	kill -CONT "$(daemon_pid "$F" peerd)"
	EACH=$FORMER
	ended 77
	[ "$(cat "$D/former")" = one ]
	printf 'one\ntwo\n' | cmp - "$D/out"
}

# ---------------------------------------------------------------- entries that this node no longer has

first_of() { status "$1" log first; }
leads() { [ "$(status "$1" elect role)" = leader ]; }
make_leader() {
	leads "$1" || ctl n1 transfer "$1"
	wait_until 20 leads "$1"
}
# compacting NODE...: these keep 1 MiB of the log at most.
compacting() {
	local n
	for n; do
		# shellcheck disable=SC2046
		stop $(cat "$CLUSTER/$n"/*.pid)
		echo 'logd: { keep: 1MiB, keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"
		node_start "$n"
	done
	wait_leader 30
}
# cut_on NODE...: more is appended until these have compacted the beginning of the log away.
cut_on() {
	local n
	head -c 2000000 /dev/zero | tr '\0' x | fold -w 1000 | timeout 60 raft-append -c "$CLUSTER/n3/raft.yaml"
	for n; do [ "$(first_of "$n")" -gt 20 ] || return 1; done
}
# reported NODE...: the leader knows that.
reported() {
	local n
	for n; do [ "$(ctl "$(leader)" -j status | jq ".members[] | select(.id == \"$n\") | .first")" -gt 20 ] || return 1; done
}
# each_on STATUS NODE: a consumer there ends with that status, and says why in $output; its wish is in the file `wish`.
each_on() {
	run "-$1" env RAFT_LEAD_FD=7 timeout 60 raft-each -c "$CLUSTER/$2/raft.yaml" -C run -B 4096 --once \
		sh -c 'grep -v x >>"$0" || :' "$D/out" 7>"$D/wish"
	echo "$2: $output"
}
silent() { [ "$(ctl n1 -j status | jq '.members[] | select(.id == "n3") | .heard_ms')" -gt 5000 ]; }

@test "each: a node that has compacted the entries hands over to one that has them, and 4 means that no member does" {
	local away='^raft-each: cursor run: the entries 1 to [0-9]+ are compacted away on this node:'
	seq 1 30 | append
	compacting n1 n2
	wait_until 60 cut_on n1 n2
	# The leader names a voter that has them, and wishes that it leads.
	make_leader n1
	wait_until 20 reported n1 n2
	each_on 75 n1
	[[ $output =~ $away\ n3\ still\ has\ them:\ run\ this\ there$ ]]
	[ "$(cat "$D/wish")" = n3 ]
	# A follower names the leader.
	each_on 75 n2
	[[ $output =~ $away\ n1\ leads\ and\ knows\ which\ member\ still\ has\ them$ ]]
	[ ! -s "$D/wish" ]
	# The one that has them may be away.
	kill -STOP "$(daemon_pid n3 elect)"
	wait_until 30 silent
	each_on 75 n1
	[[ $output =~ $away\ which\ member\ still\ has\ them\ is\ not\ known\ now$ ]]
	kill -CONT "$(daemon_pid n3 elect)"
	[ ! -e "$D/out" ]
	# Nothing has moved the position; and without those entries nothing does.
	make_leader n3
	compacting n3
	wait_until 60 cut_on n3
	make_leader n1
	wait_until 20 reported n1 n2 n3
	each_on 4 n1
	[[ $output =~ $away\ no\ member\ has\ them ]]
	[ ! -e "$D/out" ]
}

@test "each: a follower that has the entries consumes them, whatever the leader has compacted" {
	seq 1 30 | append
	compacting n1 n2
	wait_until 60 cut_on n1 n2
	make_leader n1
	each_on 0 n3
	seq 1 30 | cmp - "$D/out"
}

# led NODE: raft-lead with a consumer there, again each time that they end.
led() {
	spawn "$D/lead-$1.log" bash -c 'trap "kill \$!; wait; exit" TERM; while :; do
		raft-lead -c "$0" -- raft-each -c "$0" -C run -B 4096 sh -c "grep -v x >>\"\$0\" || :" "$1" & wait $!; sleep 0.1; done' \
		"$CLUSTER/$1/raft.yaml" "$D/out"
}
has_thirty() { [ -e "$D/out" ] && [ "$(wc -l <"$D/out")" -ge 30 ]; }

@test "each: under raft-lead leadership goes to the member that still has the entries, and they are consumed there" {
	seq 1 30 | append
	compacting n1 n2
	wait_until 60 cut_on n1 n2
	make_leader n1
	wait_until 20 reported n1 n2
	for n in $(nodes); do led "$n"; done
	wait_until 60 has_thirty
	leads n3
	seq 1 30 | cmp - "$D/out"
	grep -q 'n3 still has them: run this there' "$D/lead-n1.log"
}
