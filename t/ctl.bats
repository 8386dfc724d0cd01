#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-ctl: what a node says of itself and its cluster; and what all tools have in common.
# sanitize

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	timeout 30 raft-ctl -c "$CLUSTER/n1/raft.yaml" wait
}
teardown_file() { cluster_stop; }

@test "ctl: status -j is one object, with an object for each daemon and an array of members" {
	for n in $(nodes); do
		ctl "$n" -j status >"$BATS_TEST_TMPDIR/out"
		[ "$(jq -s length "$BATS_TEST_TMPDIR/out")" -eq 1 ]
		[ "$(jq -r '.node, .elect.node, .log.node' "$BATS_TEST_TMPDIR/out" | sort -u)" = "$n" ]
		[ "$(jq -r '.members | map(.id) | join(" ")' "$BATS_TEST_TMPDIR/out")" = 'n1 n2 n3' ]
		[ "$(jq -r '.elect.leader' "$BATS_TEST_TMPDIR/out")" = "$(leader)" ]
		[ "$(jq -r '.log.commit | type' "$BATS_TEST_TMPDIR/out")" = number ]
	done
}

@test "ctl: a node without a section fsm has no raft-fsm that is down, and refuses orders to it at once with 78" {
	ctl n1 -j status | jq -e 'has("fsm") and .fsm == null'
	ctl n1 status | grep -qx 'fsm     none: the configuration has no fsm section'
	for command in 'fsm restart' snapshot; do
		# shellcheck disable=SC2086
		run timeout 10 raft-ctl -t 60s -c "$CLUSTER/n1/raft.yaml" $command
		[ "$status" -eq 78 ]
		[ "$output" = "raft-ctl: ${command#* }: this node runs no state machine: $CLUSTER/n1/raft.yaml has no section fsm" ]
	done
	{
		cat "$CLUSTER/n1/raft.yaml"
		echo 'fsm: { command: [ cat ] }'
	} >"$CLUSTER/n1/fsm.yaml"
	raft-ctl -c "$CLUSTER/n1/fsm.yaml" -j status | jq -e '.fsm.down | type == "string"'
}

@test "ctl: status as text names role, term, leader, daemons and members, in lines of 80 columns" {
	ctl n1 status >"$BATS_TEST_TMPDIR/out"
	head -n 1 "$BATS_TEST_TMPDIR/out" | grep -qE "^n1 of demo: (leader|follower) in term [0-9]+, the leader is n[123]$"
	for part in elect log peer fsm; do grep -q "^$part  " "$BATS_TEST_TMPDIR/out"; done
	grep -qE '^n2 +voter ' "$BATS_TEST_TMPDIR/out"
	[ "$(sed '/^members/,$d' "$BATS_TEST_TMPDIR/out" | awk 'length > 80' | wc -l)" -eq 0 ]
	for word in state since_ms heard_ms round_trip_us sent_bytes received_bytes queue_bytes refusals fingerprint why; do
		sed -n '/^peers/{n;p;}' "$BATS_TEST_TMPDIR/out" | grep -qw "$word"
	done
	fingerprint=$(ctl n2 -j status | jq -r .peer.fingerprint)
	grep -qE "^n2 .* open .* $fingerprint +-\$" "$BATS_TEST_TMPDIR/out"
}

@test "ctl and tail: an answer that came while the tool was stopped counts" {
	local node=$BATS_TEST_TMPDIR/late/n1
	raft-init -N 1 -p "$(free_ports 1)" "${node%/*}" >/dev/null
	echo 'fsm: { command: [ cat ] }' >>"$node/raft.yaml"
	mkdir -p "$node/run"
	spawn "$BATS_TEST_TMPDIR/daemon.log" python3 "$ROOT/t/tools/late-daemon.py" "$node/run" 3.5
	for name in elect log fsm; do wait_until 10 test -S "$node/run/$name"; done
	cd "$BATS_TEST_TMPDIR"
	# tool NAME COMMAND...: side by side, as each of them is stopped for longer than its -t 3s.
	local pids=()
	tool() {
		{
			timeout 60 "$2" -t 3s -c "$node/raft.yaml" "${@:3}" 2>&1 && echo 'exit 0' || echo "exit $?"
		} >"$1" 3>&- &
		pids+=("$!")
	}
	tool members raft-ctl members
	tool wait raft-ctl wait
	tool restart raft-ctl fsm restart
	tool snapshot raft-ctl snapshot -o backup
	tool tail raft-tail
	wait "${pids[@]}"
	stop_all
	head members wait restart snapshot tail
	[[ $(cat members) == *voter*$'\nexit 0' ]]
	[ "$(cat wait restart)" = $'exit 0\nexit 0' ]
	[[ $(cat snapshot) == 'raft-ctl: snapshot: this node has none: '*$'\nexit 69' ]]
	[ "$(cat tail)" = $'late\nexit 0' ]
}

@test "ctl: a daemon that is not there is shown as down, the others as they are" {
	f=$(follower)
	kill_9 "$f" peerd
	[[ "$(status "$f" peer down)" == *"nobody listens there"* ]]
	[ "$(status "$f" log node)" = "$f" ]
	ctl "$f" status | grep -q '^peer    down: '
	kill -STOP "$(daemon_pid "$f" logd)"
	run timeout 10 raft-ctl -c "$CLUSTER/$f/raft.yaml" -t 300ms status
	kill -CONT "$(daemon_pid "$f" logd)"
	[[ "$output" == *"log     down: does not answer"* ]]
	daemon_start "$f" peerd
	ctl "$f" wait
}

@test "ctl: status exits 69 without a quorum, and 69 without a node" {
	l=$(leader)
	f=$(follower)
	for n in $(nodes | grep -vx "$f"); do kill -STOP "$(daemon_pid "$n" elect)"; done
	lost() { [ -z "$(leader_of "$f")" ]; }
	wait_until 20 lost
	run ctl "$f" status
	for n in $(nodes | grep -vx "$f"); do kill -CONT "$(daemon_pid "$n" elect)"; done
	[ "$status" -eq 69 ]
	[[ "${lines[0]}" == *"no leader is known" ]]
	raft-init -i x1 -l "tcp://127.0.0.1:$(free_ports 1)" "$BATS_TEST_TMPDIR/x" >/dev/null
	run timeout 10 raft-ctl -c "$BATS_TEST_TMPDIR/x/raft.yaml" status
	[ "$status" -eq 69 ]
	wait_leader
}

@test "ctl: wait returns once the node has what was committed; without a quorum it gives up with 69" {
	ctl n1 wait
	ctl n2 -t 5s wait
	f=$(follower)
	others=$(nodes | grep -vx "$f")
	for n in $others; do kill -STOP "$(daemon_pid "$n" elect)"; done
	run ctl "$f" wait -t 500ms
	echo "$output"
	[ "$status" -eq 69 ]
	[ "${#lines[@]}" -eq 1 ]
	timeout 20 raft-ctl -c "$CLUSTER/$f/raft.yaml" wait 3>&- &
	p=$!
	for n in $others; do kill -CONT "$(daemon_pid "$n" elect)"; done
	wait "$p"
}

@test "ctl: barrier: what was acknowledged on another node before is in this node's log" {
	for i in $(seq 20); do
		index=$(echo "barrier $i" | timeout 10 raft-append -v -c "$CLUSTER/n$((i % 3 + 1))/raft.yaml" | cut -d' ' -f1)
		run ctl n2 barrier
		[ "$status" -eq 0 ]
		[ -z "$output" ]
		[ "$(status n2 log commit)" -gt "$index" ]
	done
	# A no-op is nobody's entry.
	[ "$(tail_all n2 | wc -l)" -eq 20 ]
}

@test "ctl: members as a table, as JSON, and as YAML that a configuration takes" {
	ctl n1 members | grep -qE '^n3 +voter +tcp://127.0.0.1:[0-9]+ +[A-Za-z0-9+/]{43}=$'
	[ "$(ctl n1 -j members | jq -r '.members | map(.role) | join(" ")')" = 'voter voter voter' ]
	ctl n2 members -y >"$BATS_TEST_TMPDIR/members.yaml"
	cp "$CLUSTER/n1/raft.yaml" "$CLUSTER/n1/n1.key" "$BATS_TEST_TMPDIR/"
	timeout 10 raft-elect -n -c "$BATS_TEST_TMPDIR/raft.yaml"
	grep -qE '^- \{ cluster: "[0-9a-f]{64}", index: [1-9][0-9]*, name: demo \}$' "$BATS_TEST_TMPDIR/members.yaml"
	diff <(grep -vE '^#|cluster:' "$BATS_TEST_TMPDIR/members.yaml") <(grep -v '^#' "$CLUSTER/n1/members.yaml")
}

@test "ctl: watch tells each change; the role is none while raft-elect is away" {
	l=$(leader)
	raft-ctl -c "$CLUSTER/$l/raft.yaml" watch role >"$BATS_TEST_TMPDIR/role" 3>&- &
	p=$!
	raft-ctl -c "$CLUSTER/$l/raft.yaml" -j watch state >"$BATS_TEST_TMPDIR/state" 3>&- &
	q=$!
	wait_until 10 grep -qx leader "$BATS_TEST_TMPDIR/role"
	kill_9 "$l" elect
	wait_until 10 grep -qx none "$BATS_TEST_TMPDIR/role"
	daemon_start "$l" elect
	# It may lead again before raft-ctl has its next connection.
	back() { tail -n +3 "$BATS_TEST_TMPDIR/role" | grep -qxE 'follower|leader'; }
	wait_until 10 back
	ctl "$l" wait
	follows() { [ "$(tail -n 1 "$BATS_TEST_TMPDIR/state" | jq -r .leader)" = "$(leader)" ]; }
	wait_until 10 follows
	[ "$(head -n 2 "$BATS_TEST_TMPDIR/role" | tr '\n' ' ')" = 'leader none ' ]
	[ "$(uniq -d "$BATS_TEST_TMPDIR/role" | wc -l)" -eq 0 ]
	kill "$p" "$q"
}

@test "ctl: mistakes are one sentence and 64" {
	wrong() {
		run timeout 10 raft-ctl -c "$CLUSTER/n1/raft.yaml" "$@" </dev/null
		echo "$* -> $status $output"
		[ "$status" -eq 64 ] && [ "${#lines[@]}" -eq 1 ] && [[ "$output" == raft-ctl:* ]]
	}
	wrong
	wrong transfer n1 n2
	wrong transfer a/b
	wrong member
	wrong member add
	wrong member remove
	wrong member remove a/b
	wrong member address n1 nowhere
	wrong member promote --learner n1
	wrong status --yes
	wrong key add n1
	wrong key add n1 short
	wrong status now
	wrong wait -j
	wrong status -y
	wrong members -j -y
	wrong session
	wrong session drop
	wrong session list all
	wrong cursor
	wrong cursor set mail
	wrong cursor list all
	wrong watch weather
	wrong -t soon wait
	wrong -q
}

@test "bench: prints one logfmt line, and each operation is in the log" {
	before=$(tail_all n1 | wc -l)
	for w in 1 64; do
		out=$(timeout 60 raft-bench -c "$CLUSTER/n1/raft.yaml" -N 300 -w "$w" -s 100)
		[[ "$out" =~ ^ops=300\ seconds=[0-9.]+\ ops_per_s=[0-9]+\ p50_us=[0-9]+\ p99_us=[0-9]+\ max_us=[0-9]+\ .*refused=0\ unknown=0$ ]]
	done
	[ "$(tail_all n1 | wc -l)" -eq $((before + 600)) ]
	[ "$(tail_all n1 | tail -n 1 | wc -c)" -eq 101 ]
	run timeout 10 raft-bench -c "$CLUSTER/n1/raft.yaml" -w 0
	[ "$status" -eq 64 ]
	run timeout 10 raft-bench -c "$CLUSTER/n1/raft.yaml" -s 100MiB
	[ "$status" -eq 64 ]
}

@test "a letter means the same option in every program" {
	# From the manual pages: the letter and its long form, as "c config".
	cat "$ROOT"/man/raft-*.[18] | sed -nE 's/^\.It Fl ([a-zA-Z0-9])( Ar [a-z]+)? , Fl -([a-z-]+).*/\1 \3/p' |
		sort -u >"$BATS_TEST_TMPDIR/letters"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/letters")" -ge 15 ]
	cat "$BATS_TEST_TMPDIR/letters"
	[ -z "$(cut -d' ' -f1 "$BATS_TEST_TMPDIR/letters" | uniq -d)" ]
}

@test "the examples of the pages run" {
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml
	cd "$BATS_TEST_TMPDIR"
	head -c 5000 /dev/urandom >picture.png
	wait_until 30 has_level n1 3
	for page in append tail ctl bench; do
		sed -n 's/^\.Dl \$ //p' "$ROOT/man/raft-$page.1" | sed 's/\\e/\\/g; s/\\(dq/"/g' >examples
		[ "$(wc -l <examples)" -ge 2 ]
		while read -r line; do
			limit=30 want=0
			# Of a node without a program; t/64 runs them with one.
			case $line in *raft-append\ -r* | *contract\ set*) want=78 ;; *snapshot*) want=65 ;; esac
			case $line in *-f\ * | *watch*) limit=2 want=124 ;; esac # for ever
			run timeout "$limit" sh -c "$line" </dev/null
			echo "$line -> $status $output"
			[ "$status" -eq "$want" ]
		done <examples
	done
	tail_all n1 | grep -qx hello
}

@test "every tool has -h and -V, and complains of an unknown option with 64" {
	for tool in raft-append raft-follow raft-tail raft-each raft-lead raft-ctl raft-bench; do
		run timeout 5 "$tool" -h
		[ "$status" -eq 0 ]
		[[ "$output" == "usage: $tool "* ]]
		run timeout 5 "$tool" -V
		[ "$status" -eq 0 ]
		[[ "$output" =~ ^$tool\ [0-9]+\.[0-9]+ ]]
		run timeout 5 "$tool" --no-such-option
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}
