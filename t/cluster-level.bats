#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# From the programs of levels 1 and 2 to those of today, node by node, under load: raft(7), UPGRADES.
# Tests follow one another: each begins with the cluster that the one before has left.
# shellcheck disable=SC2030,SC2031
# long

load helper
load old
bats_require_minimum_version 1.5.0

setup_file() {
	# The last commits whose programs support no higher level than 2, and 1.
	old_programs e2476d762745f530b9e45cbc2ee553609d9a4e1d
	OLD_2=$OLD
	old_programs 374fb4fbb2a7ed24c4ba3699db57c4e3f27fea11
	export OLD OLD_2 NEW=$BIN
	cluster_init "$BATS_FILE_TMPDIR/c" 3
	with_sink
	export CLUSTER CLUSTER_COUNT
}
teardown_file() { cluster_stop; }
teardown() {
	touch "$BATS_FILE_TMPDIR/stop"
	show_logs
}

# produce: lines to the file `input`, until the file `stop` is there.
produce() {
	local i=0
	while [ ! -e "$BATS_FILE_TMPDIR/stop" ]; do
		seq -f 'line %.0f of a stream' $((i + 1)) $((i += 20))
		sleep 0.1
	done
}

# append_all FILE: all of its lines, through whichever node takes them; each run passes over what is in the log already.
append_all() {
	local n
	while :; do
		for n in $(nodes); do
			[ ! -S "$CLUSTER/$n/run/elect" ] || ! timeout 20 raft-append -c "$CLUSTER/$n/raft.yaml" -t 5s -S load "$1" || return 0
		done
	done
}

# load: lines and runs in the background, until `stop`; `input` is then in the log once.
load_start() {
	rm -f "$BATS_FILE_TMPDIR/stop"
	produce >"$BATS_FILE_TMPDIR/input" 3>&- &
	PRODUCER=$!
	(
		cd "$BATS_FILE_TMPDIR" || exit
		while [ ! -e stop ]; do
			# Whole lines.
			head -n "$(wc -l <input)" input >part
			append_all part
			wc -l <part >acknowledged
		done
	) >"$BATS_FILE_TMPDIR/append.out" 2>&1 3>&- &
	APPENDER=$!
}
load_stop() {
	touch "$BATS_FILE_TMPDIR/stop"
	wait "$PRODUCER" "$APPENDER"
	append_all "$BATS_FILE_TMPDIR/input"
}

# acknowledged MORE: that number of lines more than when it was asked first.
acknowledged() { [ "$(cat "$BATS_FILE_TMPDIR/acknowledged")" -ge "$1" ]; }
more_lines() { wait_until 30 acknowledged $(($(cat "$BATS_FILE_TMPDIR/acknowledged" 2>/dev/null || echo 0) + $1)); }

# members_report LEVEL...: what the leader has heard of the members' levels, those that it has not heard of as null.
members_report() { [ "$(ctl "$(leader)" -j status | jq -c '[.members[].level] | sort')" = "$1" ]; }

# rows NODE SQL: of its log; the node is stopped.
rows() { timeout 10 sqlite3 "$CLUSTER/$1/data/log.db" "$2"; }
# caught_up NODE: it holds what the leader has committed by now.
caught_up() { wait_until 30 holds "$1" "$(status "$(leader)" elect commit)"; }
holds() { [ "$(status "$1" elect commit)" -ge "$2" ]; }

@test "level: ⚠ three nodes are upgraded one by one under load: nothing is lost or doubled, and no stamp is written before the last" {
	local n last first
	for n in $(nodes); do start_with OLD "$n"; done
	wait_leader 30
	load_start
	more_lines 60
	# A follower, then the leader, then the other one.
	first=$(follower)
	upgrade "$first"
	more_lines 60
	caught_up "$first"
	n=$(leader)
	[ "$n" != "$first" ] || n=$(follower 1)
	upgrade "$n"
	more_lines 60
	wait_leader 60
	caught_up "$n"
	last=$(printf 'n1\nn2\nn3\n' | grep -vx -e "$first" -e "$n")
	stop_node "$last"
	more_lines 60
	before=$(status "$first" elect commit)
	[ -z "$(timeout 20 raft-tail -c "$CLUSTER/$first/raft.yaml" -F json | jq -r 'select(.time or .origin)')" ]
	start_with NEW "$last"
	wait_until 60 members_report '[3,3,3]'
	more_lines 60
	load_stop
	for n in $(nodes); do
		tail_all "$n" | diff "$BATS_FILE_TMPDIR/input" -
		wait_until 30 same "$BATS_FILE_TMPDIR/input" "$CLUSTER/$n/out"
	done
	echo "$before $last" >"$BATS_FILE_TMPDIR/passed"
}

@test "level: one LEVEL entry comes after the last member was upgraded, stamps after it, and all logs are equal" {
	local n level before last
	read -r before last <"$BATS_FILE_TMPDIR/passed"
	for n in $(nodes); do caught_up "$n"; done
	for n in $(nodes); do stop_node "$n"; done
	level=$(rows n1 'SELECT idx FROM log WHERE kind = 5')
	[ "$level" -gt "$before" ]
	[ "$(rows n1 'SELECT hex(data) FROM log WHERE kind = 5')" = 0000000000000003 ]
	# Between the entry and its commit there may be entries without stamp; after the first one with it all have it.
	[ "$(rows n1 "SELECT count(*) FROM log WHERE idx <= $level AND (time NOTNULL OR origin NOTNULL)")" = 0 ]
	first=$(rows n1 'SELECT min(idx) FROM log WHERE time NOTNULL')
	[ "$(rows n1 "SELECT count(*) FROM log WHERE idx >= $first AND (time ISNULL OR origin ISNULL)")" = 0 ]
	[ "$(rows n1 "SELECT count(*) FROM log WHERE idx >= $first AND kind = 2 AND origin LIKE 'n_:$(id -u)'")" -ge 20 ]
	[ "$(rows n1 "SELECT count(*) FROM (SELECT time < lag(time) OVER (ORDER BY idx) AS back FROM log) WHERE back")" = 0 ]
	# Nodes that were down at the end of a leadership may have entries that are not committed.
	last=$(for n in $(nodes); do rows "$n" "SELECT value FROM meta WHERE key = 'commit_index'"; done | sort -n | head -n 1)
	for n in $(nodes); do rows "$n" "SELECT *, hex(chain) FROM log WHERE idx <= $last" | sha256sum; done >"$BATS_TEST_TMPDIR/sums"
	[ "$(sort -u "$BATS_TEST_TMPDIR/sums" | wc -l)" = 1 ]
}

@test "level: an older raft-logd refuses a data directory that was upgraded, with 78 and one sentence, and leaves it as it is" {
	local before
	before=$(find "$CLUSTER/n1/data" -type f -exec cat {} + | cksum)
	run timeout 20 "$OLD/raft-logd" -c "$CLUSTER/n1/raft.yaml"
	[ "$status" -eq 78 ]
	[ "$(grep -c lvl=error <<<"$output")" = 1 ]
	[[ $output == *'the log is of format 4, this raft-logd knows format 2: use a newer raft-logd'* ]]
	[ "$before" = "$(find "$CLUSTER/n1/data" -type f -exec cat {} + | cksum)" ]
	for n in $(nodes); do start_with NEW "$n"; done
	wait_leader 30
	for n in $(nodes); do tail_all "$n" | diff "$BATS_FILE_TMPDIR/input" -; done
}

# join NODE: a learner with the older programs.
join() {
	PATH=$OLD:$PATH raft-init --join -i "$1" -l "tcp://127.0.0.1:$(free_ports 1)" "$CLUSTER/$1" >"$CLUSTER/$1.line"
	ctl n1 member add --learner "$CLUSTER/$1.line"
	ctl n1 members -y >"$CLUSTER/$1/members.yaml"
	start_with OLD "$1"
}

@test "level: ⚠ an older node that joins a cluster of a newer level ends with 78, says which entry it is and what to do, and stores nothing of it" {
	local pid status=0 level
	join n4
	pid=$(daemon_pid n4 elect)
	wait_until 30 gone "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 78 ]
	[ "$(grep -c lvl=error "$CLUSTER/n4/elect.log")" = 1 ]
	level=$(sed -n 's/.*lvl=error .*ev=exit status=78 why="from n[123]: entry \([0-9]*\) is of kind 5, which this program does not know: the cluster is at a newer level than 1: upgrade this program"$/\1/p' "$CLUSTER/n4/elect.log")
	[ "$level" -gt 1 ]
	stop_node n4
	[ "$(rows n4 'SELECT coalesce(max(idx), 0) FROM log')" -lt "$level" ]
	# Upgraded, it catches up.
	start_with NEW n4
	tail_is() { [ "$(tail_all n4 | sha256sum)" = "$(sha256sum <"$BATS_FILE_TMPDIR/input")" ]; }
	wait_until 30 tail_is
	cluster_stop
}

@test "level: ⚠ a learner with older programs holds the level back until it is upgraded" {
	cluster_init "$BATS_TEST_TMPDIR/d" 1
	start_with NEW n1
	# Of one member that supports it the level is 3 at once; so the older programs begin.
	wait_leader
	stop_node n1
	[ "$(rows n1 'SELECT count(*) FROM log WHERE kind = 5')" = 1 ]
	cluster_stop
	cluster_init "$BATS_TEST_TMPDIR/e" 1
	start_with OLD n1
	wait_leader
	join n2
	upgrade n1
	wait_leader
	wait_until 30 members_report '[1,3]'
	echo held | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
	stop_node n1
	[ "$(rows n1 'SELECT count(*) FROM log WHERE kind = 5 OR time NOTNULL')" = 0 ]
	start_with NEW n1
	wait_leader
	upgrade n2
	stamped() {
		echo stamped | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
		timeout 20 raft-tail -c "$CLUSTER/n1/raft.yaml" -F json | tail -n 1 | grep -q '"time":'
	}
	wait_until 30 stamped
	[ "$(timeout 20 raft-tail -c "$CLUSTER/n1/raft.yaml" -F json | jq -r 'select(.time) | .origin' | sort -u)" = "n1:$(id -u)" ]
	cluster_stop
}

@test "level: ⚠ a node whose log begins with a snapshot has its level and time: it leads with stamps, and raises no level again" {
	local id last
	snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }
	log_is() { [ "$(status "$1" log "$2")" = "$3" ]; } # NODE KEY VALUE
	cluster_init "$BATS_TEST_TMPDIR/f" 1
	echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/n1/raft.yaml"
	start_with NEW n1
	wait_leader
	seq 50 | timeout 30 raft-append -c "$CLUSTER/n1/raft.yaml"
	echo state >"$BATS_TEST_TMPDIR/state"
	last=$(status n1 elect commit)
	wait_until 20 log_is n1 commit "$last"
	snapshot add "$CLUSTER/n1/run/log" "$last" "$BATS_TEST_TMPDIR/state"
	wait_until 20 log_is n1 first $((last + 1))
	OLD=$NEW join n2
	ctl n1 member promote n2
	CLUSTER_COUNT=2
	ctl n1 transfer n2
	wait_until 30 has_role n2 leader
	echo 'of n2' | timeout 30 raft-append -c "$CLUSTER/n2/raft.yaml"
	id=$(id -u)
	timeout 20 raft-tail -c "$CLUSTER/n2/raft.yaml" --from $((last + 1)) -F json >"$BATS_TEST_TMPDIR/out"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out" | jq -r '[.data, .origin] | join(" ")')" = "of n2 n2:$id" ]
	for n in n2 n1; do stop_node "$n"; done
	[ "$(rows n2 "SELECT value FROM meta WHERE key = 'before'" | cut -d' ' -f1,5)" = "$last 3" ]
	[ "$(rows n2 'SELECT count(*) FROM log WHERE kind = 5 OR time ISNULL')" = 0 ]
	[ "$(rows n2 'SELECT min(time) FROM log')" -ge "$(rows n2 "SELECT value FROM meta WHERE key = 'before'" | cut -d' ' -f6)" ]
	cluster_stop
}

# ---------------------------------------------------- from level 2 to level 3

# in_force NODE LEVEL: as its log has it, whichever programs it has.
in_force() { [ "$(timeout 10 "$TBIN/logdctl" "$CLUSTER/$1/run/log" <<<$'hello Z client\ntext Z contract' | sed -n 's/^level=//p')" = "$2" ]; }
position_is() { [ "$(ctl "$1" -j cursor list | jq '.cursors[0].position')" = "$2" ]; } # NODE POSITION
snapshot_add() {                                                                      # NODE INDEX
	PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" add "$CLUSTER/$1/run/log" "$2" "$BATS_FILE_TMPDIR/state"
}

# no_cursor NODE: it cannot be opened there, by raft-ctl nor by a client that does not ask first.
no_cursor() {
	run -75 ctl "$1" cursor set mail 0
	[ "$output" = 'raft-ctl: cursor set: the cluster is at level 2, and cursors need level 3, which it reaches when all members have programs that support it' ]
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 \
		python3 "$ROOT/t/tools/cursor.py" "$CLUSTER/$1/run" mail >"$BATS_TEST_TMPDIR/refused" </dev/null
	[ "$(cat "$BATS_TEST_TMPDIR/refused")" = 'refused 33' ]
}

@test "level: ⚠ three nodes of level 2 are upgraded one by one under load: no cursor is opened before the last, and then one works" {
	local n first last=0 level
	OLD=$OLD_2
	cluster_init "$BATS_FILE_TMPDIR/g" 3
	with_sink
	for n in $(nodes); do
		echo 'logd: { keep_tail: 0B }' >>"$CLUSTER/$n/raft.yaml"
		start_with OLD "$n"
	done
	wait_leader 30
	for n in $(nodes); do wait_until 30 in_force "$n" 2; done
	rm -f "$BATS_FILE_TMPDIR/acknowledged"
	load_start
	more_lines 60
	first=$(follower)
	upgrade "$first"
	more_lines 60
	caught_up "$first"
	no_cursor "$first"
	n=$(leader)
	[ "$n" != "$first" ] || n=$(follower 1)
	upgrade "$n"
	more_lines 60
	wait_leader 60
	caught_up "$n"
	no_cursor "$n"
	last=$(printf 'n1\nn2\nn3\n' | grep -vx -e "$first" -e "$n")
	stop_node "$last"
	more_lines 60
	no_cursor "$first"
	level=$(status "$first" elect commit)
	start_with NEW "$last"
	wait_until 60 in_force "$last" 3
	ctl "$last" cursor set mail 40
	more_lines 60
	ctl "$first" cursor set mail 60
	load_stop
	for n in $(nodes); do
		ctl "$n" barrier
		position_is "$n" 60
		tail_all "$n" | diff "$BATS_FILE_TMPDIR/input" -
		wait_until 30 same "$BATS_FILE_TMPDIR/input" "$CLUSTER/$n/out"
	done
	for n in $(nodes); do stop_node "$n"; done
	[ "$(rows n1 'SELECT hex(data) FROM log WHERE kind = 5 ORDER BY idx')" = $'0000000000000002\n0000000000000003' ]
	[ "$(rows n1 'SELECT max(idx) FROM log WHERE kind = 5')" -gt "$level" ]
	[ "$(rows n1 'SELECT count(*) FROM log WHERE kind IN (7, 8) AND idx > (SELECT max(idx) FROM log WHERE kind = 5)')" = 4 ]
	[ "$(rows n1 'SELECT count(*) FROM log WHERE kind > 6')" = 4 ]
	last=$(for n in $(nodes); do rows "$n" "SELECT value FROM meta WHERE key = 'commit_index'"; done | sort -n | head -n 1)
	for n in $(nodes); do rows "$n" "SELECT *, hex(chain) FROM log WHERE idx <= $last" | sha256sum; done >"$BATS_TEST_TMPDIR/sums"
	[ "$(sort -u "$BATS_TEST_TMPDIR/sums" | wc -l)" = 1 ]
	run -78 timeout 20 "$OLD/raft-logd" -c "$CLUSTER/n1/raft.yaml"
	[[ $output == *'the log is of format 4, this raft-logd knows format 3: use a newer raft-logd'* ]]
	for n in $(nodes); do start_with NEW "$n"; done
	wait_leader 30
	for n in $(nodes); do wait_until 30 position_is "$n" 60; done
	echo "$CLUSTER" >"$BATS_FILE_TMPDIR/level_3"
}

# ends_78 NODE SENTENCE: its raft-elect or raft-logd ended with 78, with that sentence (a pattern of grep).
ends_78() {
	wait_until 30 grep -q 'ev=exit status=78' "$CLUSTER/$1/elect.log" "$CLUSTER/$1/logd.log"
	grep -h 'ev=exit status=78' "$CLUSTER/$1/elect.log" "$CLUSTER/$1/logd.log"
	grep -qh "ev=exit status=78 why=\"$2" "$CLUSTER/$1/elect.log" "$CLUSTER/$1/logd.log"
}

@test "level: ⚠ a node of level 2 that joins a cluster of level 3 ends with 78, and once it is upgraded has the cursor" {
	OLD=$OLD_2
	CLUSTER=$(cat "$BATS_FILE_TMPDIR/level_3") CLUSTER_COUNT=3
	join n4
	ends_78 n4 'from n[123]: entry [0-9]* .* upgrade this program'
	stop_node n4
	[ "$(rows n4 'SELECT count(*) FROM log WHERE kind > 6')" = 0 ]
	start_with NEW n4
	wait_until 30 position_is n4 60
	stop_node n4
	ctl n1 member remove --yes n4
}

@test "level: ⚠ a snapshot with a cursor ends a node of level 2 that joins, and gives the cursor to one of today" {
	local n last
	OLD=$OLD_2
	CLUSTER=$(cat "$BATS_FILE_TMPDIR/level_3") CLUSTER_COUNT=3
	echo state >"$BATS_FILE_TMPDIR/state"
	ctl n1 cursor set mail end
	last=$(ctl n1 -j cursor list | jq '.cursors[0].position')
	for n in $(nodes); do
		ctl "$n" barrier
		snapshot_add "$n" "$last"
	done
	begins() { [ "$(status "$1" log first)" = $((last + 1)) ]; }
	for n in $(nodes); do wait_until 20 begins "$n"; done
	# A move before the snapshot is in it alone.
	join n5
	ends_78 n5 '.*it was written by a program of a newer level'
	stop_node n5
	[ "$(rows n5 'SELECT count(*) FROM log')" = 0 ]
	start_with NEW n5
	wait_until 30 position_is n5 "$last"
	grep -q ev=install "$CLUSTER/n5/logd.log"
	[ "$(ctl n5 -j cursor list | jq -c '.cursors[0] | [.cursor, .serial]')" = '["mail",3]' ]
	stop_node n5
	cluster_stop
}
