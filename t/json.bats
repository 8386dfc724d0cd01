#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# JSON of raft-ctl and raft-tail: the type of each value depends on its key alone.  raft-ctl(1), section JSON.
# shellcheck disable=SC2030,SC2031
# sanitize

load helper

SCHEMA=$BATS_TEST_DIRNAME/tools/schema.py
KEYS=$BATS_TEST_DIRNAME/../bin/raft-ctl/keys.def

setup() {
	O=$BATS_TEST_TMPDIR/o
	mkdir "$O"
	export PYTHONDONTWRITEBYTECODE=1
}
teardown() { cluster_stop; }

# kv: each node has raft-kv, keeps nothing that a snapshot covers, and sends snapshots slowly.
kv() {
	local n
	for n in $(nodes); do
		sed -i 's/^peerd:/peerd:\n  bulk_rate: 128KiB/' "$CLUSTER/$n/raft.yaml"
		printf '%s\n' 'logd: { keep_tail: 0B, reserve: 1MiB }' \
			'fsm: { mode: machine, format: "1", command: [ raft-kv ] }' >>"$CLUSTER/$n/raft.yaml"
	done
}
append() { timeout 60 raft-append -c "$CLUSTER/$1/raft.yaml" "${@:2}" >/dev/null; } # NODE ARGS... <LINES

# cluster_of_a_stand_in FILE: what watch prints of a raft-elect that reports more than it may print.
cluster_of_a_stand_in() {
	local run=$BATS_TEST_TMPDIR/stand-in
	mkdir -p "$run/n1/run"
	cp "$CLUSTER/n1/raft.yaml" "$CLUSTER/n1/members.yaml" "$run/n1/"
	cat >"$run/elect.py" <<-'PY'
		import sys
		import wire
		conn = wire.accept(wire.listen(sys.argv[1]))
		conn.expect("hello")
		conn.send("hello_reply", version=1, low=1, high=1, node="n1")
		request = conn.expect("watch")["request"]
		conn.send("text_reply", request=request, lines=b"kind=now missed=3\n")
		for i in range(100):
		    conn.send("text_reply", request=request, lines=b"kind=peer id=n2 state=%s time_ms=1 reason=x\n" % (b"down", b"up")[i % 2])
		conn.recv()
	PY
	PYTHONPATH=$ROOT/t/tools spawn "$run/log" python3 "$run/elect.py" "$run/n1/run/elect"
	wait_until 10 test -S "$run/n1/run/elect"
	raft-ctl -c "$run/n1/raft.yaml" -j watch >"$1" 3>&- &
	PIDS+=($!)
	wait_until 20 grep -q muted "$1"
}

@test "json: keys.def, the schema of raft-ctl(1) and the pages of the daemons have the same keys" {
	sed -nE 's/^\tK\((\w+), (\w+), (\w+)\).*/\1 \2 \3/p' "$KEYS" | sort >"$O/table"
	[ "$(grep -c '	K(' "$KEYS")" -eq "$(sort -u "$O/table" | wc -l)" ]
	diff "$O/table" <("$SCHEMA" table | sort)
	while read -r page kinds; do
		echo "$page"
		sed '1,/^\.Ss Status/d' "$ROOT/man/$page.8" | sed '/^\.S[hs] /,$d' >"$O/section"
		awk -v k="$kinds" 'index(" " k " ", " " $1 " ") { print $2 }' "$O/table" | sort -u >"$O/keys"
		# Each key of the table is on the page; each key that the page lists is in the table.
		sed -nE 's/^\.(It )?(Pq )?Cm //p' "$O/section" | tr ' ' '\n' | sort -u >"$O/words"
		comm -23 "$O/keys" "$O/words" >"$O/differ"
		sed -nE 's/^\.It Cm //p' "$O/section" | sed 's/ , /\n/g' | grep -vx part | sort -u >"$O/listed"
		[ -s "$O/listed" ]
		comm -13 "$O/keys" "$O/listed" >>"$O/differ"
		cat "$O/differ"
		[ ! -s "$O/differ" ]
	done <<-'END'
		raft-elect elect member transfer state
		raft-logd log session cursor
		raft-peerd peerd peer
		raft-fsm fsm
	END
}

@test "json: what a cluster prints with -j has the types of the schema, and each of its keys" {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	kv
	cluster_start
	ctl n1 wait
	raft-ctl -c "$CLUSTER/n1/raft.yaml" -j watch state >"$O/state.state" 3>&- &
	PIDS+=($!)
	raft-ctl -c "$CLUSTER/n1/raft.yaml" -j watch role >"$O/state.role" 3>&- &
	PIDS+=($!)
	for n in $(nodes); do
		raft-ctl -c "$CLUSTER/$n/raft.yaml" -j watch --lag 100 >"$O/watch.$n" 3>&- &
		PIDS+=($!)
	done
	echo 'put a 1' | append n1 -r -S 7
	wait_until 20 has_level n1 3
	ctl n1 cursor set 7 begin
	ctl n1 key add n2 "$(raft-init --new-key "$O/key")"
	address=$(ctl n1 -j members | jq -r '.members[] | select(.id == "n2").address')
	ctl n1 -j member address n2 "$address" >"$O/member.address"

	# n3 needs a snapshot, while another one leads and sends it.
	for d in fsm elect peerd logd; do kill_9 n3 "$d"; done
	for i in $(seq 200); do printf 'put key%d %02000d\n' "$i" "$i"; done | append n1 -r -S yes
	ctl n1 cursor set 7 end
	for n in n1 n2; do
		ctl "$n" barrier
		ctl "$n" snapshot
	done
	compacted() { [ "$(status n1 log first)" -gt 200 ] && [ "$(status n2 log first)" -gt 200 ]; }
	wait_until 20 compacted
	node_start n3
	sends() {
		ctl "$(leader)" -j status >"$O/status.sends"
		jq -e '.transfers | length > 0' "$O/status.sends"
	}
	wait_until 20 sends
	# Without a leader, as on a loaded machine, the exit status is 69.
	for n in $(nodes); do
		ctl "$n" -j status >"$O/status.$n" || [ "$?" -eq 69 ]
		ctl "$n" -j members >"$O/members.$n"
		ctl "$n" -j session list >"$O/sessions.$n"
		ctl "$n" -j cursor list >"$O/cursors.$n"
		ctl "$n" -j contract show >"$O/contract.$n"
	done
	kill_9 n1 elect
	wait_until 10 grep -q none "$O/state.role"
	# What a slow reader has missed, and what was muted: of a daemon that reports both.
	cluster_of_a_stand_in "$O/watch.flood"
	run ctl n1 -j status
	[ "$status" -eq 69 ]
	echo "$output" >"$O/status.down"

	for what in status members sessions cursors contract watch state member; do "$SCHEMA" read "$what" "$O/$what".*; done >"$O/seen"
	diff <("$SCHEMA" table | cut -d' ' -f1,2 | sort) <(sort -u "$O/seen")
	stop_all
}

@test "json: a session, a node, a cluster or a format that looks like a number or a boolean is a string" {
	CLUSTER=$BATS_TEST_TMPDIR/c
	mkdir "$CLUSTER"
	raft-init --cluster no -i 7 -l "tcp://127.0.0.1:$(free_ports 1)" "$CLUSTER/7" >"$CLUSTER/members.yaml"
	mv "$CLUSTER/members.yaml" "$CLUSTER/7/"
	printf '%s\n' 'logd: { reserve: 1MiB }' 'fsm: { mode: machine, format: "1", command: [ raft-kv ] }' >>"$CLUSTER/7/raft.yaml"
	node_start 7
	ctl 7 wait
	for s in 5 yes no true null 1e3 007; do echo 'put a 1' | append 7 -r -S "$s"; done
	ctl 7 snapshot
	ctl 7 -j session list >"$O/sessions"
	[ "$(jq -c '[.sessions[].session] | sort' "$O/sessions")" = '["007","1e3","5","no","null","true","yes"]' ]
	ctl 7 -j status >"$O/status"
	jq -e '.node == "7" and .cluster == "no" and .elect.leader == "7" and .log.vote == "7"' "$O/status"
	jq -e '.log.snapshot_format == "1" and .members[0].id == "7" and .log.full == "no" and .elect.full == false' "$O/status"
	"$SCHEMA" read status "$O/status"
	"$SCHEMA" read sessions "$O/sessions"
}

@test "json: no vote is an empty string, and a peer that was never heard has a null" {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	sed -i 's/election_timeout: .*/election_timeout: 1h/' "$CLUSTER/n1/raft.yaml"
	node_start n1
	known() { { ctl n1 -j status >"$O/status" || :; } && jq -e '.members | length == 3' "$O/status"; }
	wait_until 20 known
	jq -e '.log.vote == "" and .elect.leader == "" and [.peers[].heard_ms] == [null, null]' "$O/status"
	"$SCHEMA" read status "$O/status"
}

@test "json: a value that does not fit its type is null, and a key that the schema lacks is a string" {
	cluster_init "$BATS_TEST_TMPDIR/c" 1
	cat >"$O/elect.py" <<-'PY'
		import sys
		import wire
		listener = wire.listen(sys.argv[1])
		conn = wire.accept(listener)
		conn.expect("hello")
		conn.send("hello_reply", version=1, low=1, high=1, node="n1")
		conn.send("text_reply", request=conn.expect("query_text")["request"], lines=b"""\
		part=elect node=5 term=high commit=007 last=18446744073709551615 full=maybe recovering=yes new=5 leader=n1
		part=member id=1 role=voter heard_ms=
		part=peer id=2 heard_ms=never
		part=extra term=5 text="a \\"b\\""
		""".replace(b"\t", b""))
		conn.recv()
	PY
	PYTHONPATH=$ROOT/t/tools spawn "$O/log" python3 "$O/elect.py" "$CLUSTER/n1/run/elect"
	wait_until 10 test -S "$CLUSTER/n1/run/elect"
	ctl n1 -j status >"$O/status"
	grep -qF '"last":18446744073709551615,' "$O/status"
	[ "$(jq -c '.elect | del(.last)' "$O/status")" = \
		'{"node":"5","term":null,"commit":null,"full":null,"recovering":true,"new":"5","leader":"n1"}' ]
	[ "$(jq -c '[.members, .peers, .transfers, .extras]' "$O/status")" = \
		'[[{"id":"1","role":"voter","heard_ms":null}],[{"id":"2","heard_ms":null}],[],[{"term":"5","text":"a \"b\""}]]' ]
	# The reader of this suite finds all of them.
	jq 'del(.extras)' -c "$O/status" >"$O/known"
	run "$SCHEMA" read status "$O/known"
	[ "$status" -eq 1 ]
	for key in term commit full new; do [[ $output == *"elect.$key "* ]]; done
	stop_all
}

@test "json: -j is for exactly the commands that the page names; the others refuse it with 64" {
	cluster_init "$BATS_TEST_TMPDIR/c" 1
	sed -n '/^\.It Fl j /,/^do that/p' "$ROOT/man/raft-ctl.1" | sed -n 's/^\.Cm //p' | sed 's/ [,:]/\n/g' |
		sed 's/^ *//' | grep . | sort >"$O/with"
	[ "$(xargs -d '\n' printf '%s,' <"$O/with")" = 'contract show,cursor list,member,members,session list,status,watch,' ]
	sed -n '/^\.It Cm status$/,/^\.El/s/^\.It Cm //p' "$ROOT/man/raft-ctl.1" | sed -E 's/ (O[opc]|Ar) .*//' | sort -u >"$O/commands"
	[ "$(wc -l <"$O/commands")" -ge 15 ]
	while read -r command; do
		echo "$command"
		operands=()
		case $command in member* | key* | 'session drop' | 'cursor set' | 'cursor drop') operands=(n1) ;; esac
		case $command in *address | key* | 'cursor set') operands+=(x) ;; esac
		# Nothing runs: what is not refused gives up.
		# shellcheck disable=SC2086
		run timeout 10 raft-ctl -c "$CLUSTER/n1/raft.yaml" -t 50ms -j $command "${operands[@]}" </dev/null
		if grep -qx -e "$command" -e "${command%% *}" "$O/with"; then
			[[ $output != *' -j'* ]]
		else
			[ "$status" -eq 64 ]
			[[ $output == "raft-ctl: ${command%% *}"*' -j'* ]]
		fi
	done <"$O/commands"
}

@test "json: raft-tail prints the keys of its page: integers, and strings whatever they hold" {
	cluster_init "$BATS_TEST_TMPDIR/c" 1
	cluster_start
	ctl n1 wait
	wait_until 20 has_level n1 3
	printf '7\nyes\nnull\n\n"\\\t\n' | append n1
	printf '8\n' | append n1 -S 5
	printf '\377\n' | append n1
	timeout 20 raft-tail -c "$CLUSTER/n1/raft.yaml" -F json >"$O/out"
	[ "$(wc -l <"$O/out")" -eq 7 ]
	jq -e -s 'all(.[]; ([.index, .term, .serial] | all(type == "number")) and (.session | test("^[0-9a-f]{32}$")))' "$O/out"
	# The first ones may have come before the cluster, of one node, was at level 2.
	[ "$(jq -c 'keys - ["time", "origin"]' "$O/out" | sort -u | tr '\n' ' ')" = \
		'["base64","index","serial","session","term"] ["data","index","serial","session","term"] ' ]
	[ "$(jq -c '.data // .base64' "$O/out" | tr '\n' ' ')" = '"7" "yes" "null" "" "\"\\\t" "8" "/w==" ' ]
	tail -n 1 "$O/out" | jq -e '(.time | test("^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z$"))'
	[ "$(tail -n 1 "$O/out" | jq -r .origin)" = "n1:$(id -u)" ]
	for key in index term serial session data base64 time origin; do
		sed -n '/^\.It Cm json/,/^\.El/p' "$ROOT/man/raft-tail.1" | grep -qE "^\.Cm $key( |\$)"
	done
}
