#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# Recipes of the pages that no suite of their program runs, as they stand there; where a kill in the middle matters, they
# are killed there and run again.

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	for n in $(nodes); do printf 'fsm: { mode: machine, command: [ raft-kv ] }\n' >>"$CLUSTER/$n/raft.yaml"; done
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	ctl n1 wait
}
teardown_file() { cluster_stop; }
teardown() { stop_all; }

dl() { sed -n 's/^\.Dl \$ //p' "$ROOT/man/$1" | sed 's/\\e/\\/g'; } # the one-line examples of a page

# session FOLDER: the commands on standard input, as a person types them; its nodes are stopped at the end.
session() {
	{
		cat
		echo 'jobs -p | xargs kill; wait'
	} >"$BATS_TEST_TMPDIR/session"
	cd "$BATS_TEST_TMPDIR" || return
	PATH=$BIN:$PATH timeout 100 bash -e "$BATS_TEST_TMPDIR/session" 3>&- || [ "$?" -ge 128 ]
}

@test "recipe: the first session of the README prints what was appended" {
	text=$(sed -n '/^A first session/,/^Then kill/s/^    //p' "$ROOT/README" | grep -v '^make ')
	[ "$(wc -l <<<"$text")" -eq 4 ]
	session < <(sed "s,/tmp/demo,demo,g; s,raft-init demo,raft-init -p $(free_ports 3) demo,; s,ls -l /etc,seq 100," <<<"$text") >"$BATS_TEST_TMPDIR/out"
	seq 100 | cmp - <(grep -x '[0-9]*' "$BATS_TEST_TMPDIR/out")
}

@test "recipe: the cluster of raft(7), EXAMPLES, and of raft-init(8)" {
	for page in raft.7 raft-init.8; do
		sed -n '/^\.Sh EXAMPLES/,/^\.Ed/p' "$ROOT/man/$page" | grep -v '^\.' | sed '/^[A-Z]/d' >"$BATS_TEST_TMPDIR/lines"
		grep -q 'raft-node -c demo' "$BATS_TEST_TMPDIR/lines"
		{
			sed "s,raft-init demo,raft-init -p $(free_ports 3) demo," "$BATS_TEST_TMPDIR/lines"
			echo 'raft-ctl -c demo/n1/raft.yaml wait && echo up'
		} | session >"$BATS_TEST_TMPDIR/out"
		grep -qx up "$BATS_TEST_TMPDIR/out"
		[ "$page" != raft.7 ] || grep -qx hello "$BATS_TEST_TMPDIR/out"
		rm -r "$BATS_TEST_TMPDIR/demo"
	done
}

@test "recipe: the queries of raft-query(1)" {
	cd "$BATS_TEST_TMPDIR"
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml
	printf '%s\n' 'put colour light blue' 'put picture a b c' | timeout 30 raft-append -r
	printf '%s\n' colour picture >keys
	dl raft-query.1 >queries
	[ "$(wc -l <queries)" -eq 3 ]
	while read -r line; do timeout 30 sh -c "$line" </dev/null; done <queries >out
	printf '%s\n' 'light blue' 'colour picture' 'light blue' 'a b c' | cmp - out
	[ "$(cat picture.png)" = 'a b c' ]
}

@test "recipe: the check of raft-elect(8) and those of raft.yaml(5)" {
	cd "$CLUSTER/n1"
	line=$(dl raft-elect.8 | grep -e ' -n ')
	timeout 20 sh -c "${line/\/etc\/raft\//}"
	sed -n 's/^\.Dl //p' "$ROOT/man/raft.yaml.5" >"$BATS_TEST_TMPDIR/checks"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/checks")" -eq 2 ]
	while read -r line; do timeout 20 sh -c "$line" >"$BATS_TEST_TMPDIR/shown"; done <"$BATS_TEST_TMPDIR/checks"
	cp "$BATS_TEST_TMPDIR/shown" again.yaml
	timeout 20 raft-node -nv -c again.yaml | cmp - "$BATS_TEST_TMPDIR/shown"
}

@test "recipe: ⚠ the file of raft-append(1) with -S, killed in the middle again and again, is in the log once" {
	export RAFT_CONFIG=$CLUSTER/n1/raft.yaml
	line=$(dl raft-append.1 | grep -e '-S users-2026')
	seq -f 'put user%.0f x' 400000 >"$BATS_TEST_TMPDIR/passwd"
	line=${line/\/etc\/passwd/$BATS_TEST_TMPDIR\/passwd}
	serial() { ctl n1 -j session list | jq -r '[.sessions[] | select(.session == "users-2026") | .serial] + [0] | max'; }
	above() { [ "$(serial)" -gt "$1" ]; }
	for _ in 1 2 3; do
		before=$(serial)
		spawn "$BATS_TEST_TMPDIR/err" sh -c "exec $line"
		wait_until 20 above "$before"
		reap KILL "$SPAWNED"
	done
	[ "$(serial)" -lt 400000 ]
	timeout 60 sh -c "$line"
	timeout 60 sh -c "$line"
	[ "$(serial)" -eq 400000 ]
	tail_all n1 | grep '^put user' | cmp - "$BATS_TEST_TMPDIR/passwd"
}
