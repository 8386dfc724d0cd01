#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Power loss: raft-logd and raft-kv on the disks that it could leave (t/powerloss/README).
# long

load helper
load logd

setup() {
	D=$BATS_TEST_TMPDIR/n1
	export BIN TBIN
	export TMPDIR=$BATS_TEST_TMPDIR
}
teardown() { stop_all; }

powerloss() { timeout 600 "$ROOT/t/powerloss/run" "$@"; }

# finds SENTENCE OPTION...: the rig says so of at least one disk.
finds() {
	local sentence=$1
	shift
	run powerloss --seeds 2 --count 60 "$@"
	echo "$output"
	[ "$status" -eq 1 ]
	grep -qE "$sentence" <<<"$output"
}

faulty() { "$ROOT/t/powerloss/fault" "$1" "$(dirname "$BIN")" "$BATS_TEST_TMPDIR/$1"; }

@test "power loss: appends, truncations, votes, commits and cursors that were acknowledged are there (H4)" {
	powerloss --seeds 3 --count 40 appends
}

@test "power loss: ⚠ positions of a replicated cursor that were acknowledged are there, also in snapshots" {
	powerloss --seeds 3 --count 40 consumers
}

@test "power loss: the same with a write-ahead log that is filled beforehand" {
	powerloss --count 14 wide
}

@test "power loss: a write-ahead log that a stop has emptied, and the next start fills" {
	powerloss --seeds 2 --count 30 zeros
}

@test "power loss: the same while the write-ahead log is moved and begins again" {
	powerloss --count 40 checkpoints
}

@test "power loss: snapshots that were taken, and the log that was compacted (E3, E4)" {
	powerloss --seeds 2 --count 40 snapshots
}

@test "power loss: snapshots of a leader that were installed (E3, E4)" {
	powerloss --seeds 2 --count 40 received
}

@test "power loss: raft-init and a first start, whatever killed it meanwhile" {
	powerloss --seeds 3 --count 40 first
}

@test "power loss: a log of which the oldest entries were cut without a snapshot" {
	powerloss --count 30 keep
}

@test "power loss: a node that raft-init --restore made" {
	powerloss --seeds 2 --count 30 restored
}

@test "power loss: the migration of a log of format 1 (H23)" {
	powerloss --seeds 2 --count 40 migration
}

@test "power loss: ⚠ the migration of a log of format 2, which begins with a snapshot, and stamps after it" {
	powerloss --seeds 3 --count 60 migration_2
}

@test "power loss: ⚠ the migration of a log of format 3, with stamps, and a replicated cursor after it" {
	powerloss --seeds 3 --count 60 migration_3
}

@test "power loss: raft-kv -D holds what it called durable, also what a killed process had not synced (H18)" {
	powerloss --seeds 6 --count 60 kv
}

@test "power loss: ⚠ with one damaged row no vote is given twice, and no entry is another" {
	powerloss --damage --seeds 2 --count 60 appends snapshots received
}

# ------------------------------------------------------- the rig itself

@test "power loss: no kill comes between a change of a file and its record" {
	mkdir -p "$D/folder"
	exec 9>"$D.journal"
	flock 9
	LD_PRELOAD=$TBIN/record.so POWERLOSS_ROOT=$(realpath "$D") POWERLOSS_JOURNAL=$D.journal rmdir "$D/folder" 9>&- &
	local pid=$! number
	# It is in the system call: /proc/locks would say it, but is empty in a pid namespace of some kernels.
	number=$(printf '#include <sys/syscall.h>\nSYS_flock\n' | cc -E -P - | tail -n 1)
	wait_until 10 grep -q "^$number " "/proc/$pid/syscall"
	kill -9 "$pid"
	wait "$pid" || [ $? -eq 137 ]
	exec 9>&-
	[ -d "$D/folder" ]
	[ ! -s "$D.journal" ]
}

@test "power loss: the rig finds a write that is missing in the journal" {
	finds 'the journal has a hole before [0-9]+: it does not lead to the content of ' --hole appends
}

@test "power loss: ⚠ the rig finds synchronous=OFF, which loses what was acknowledged (H4)" {
	finds 'none of those|it recovers|ends with' --drop 'data/log.db*' appends
	finds 'called durable' --drop 'data/kv.db*' kv
}

@test "power loss: ⚠ the rig finds that a snapshot of a leader is not synced (E3)" {
	finds 'received: .*it recovers' --drop data/snapshots/incoming received
}

@test "power loss: the rig finds that a snapshot of the own program is not synced (E3)" {
	finds 'snapshots: .*it recovers' --drop 'data/snapshots/new-*' snapshots
}

@test "power loss: the rig finds that the folder of the snapshots is not synced (E3)" {
	finds 'snapshots: .*it recovers' --drop data/snapshots snapshots
}

@test "power loss: the rig finds that the data directory is not synced" {
	finds 'first: .*ends with 78' --drop data first
}

@test "power loss: ⚠ the rig finds a truncation that is counted late" {
	finds 'appends: .*it recovers' --program "$(faulty truncation-counted-late)" appends
}

@test "power loss: ⚠ the rig finds writes of the log that were gathered and reach the file only after the sync" {
	finds 'none of those|it recovers|ends with' --program "$(faulty gathered-after-the-sync)" appends
}

@test "power loss: ⚠ the rig finds that the mark of another boot is believed" {
	finds 'for its last, recovering 1' --damage --program "$(faulty mark-of-another-boot)" appends
}

@test "power loss: ⚠ the rig finds zeros written over a write-ahead log that the disk still has" {
	finds 'zeros: .*(ends with 78|none of those)' --seeds 4 --program "$(faulty zeros-over-an-old-log)" zeros
}

@test "power loss: ⚠ the rig finds a migration in two transactions" {
	finds 'ends with 74: .*(duplicate column name|table snapshot already exists)' --seeds 4 --count 80 \
		--program "$(faulty migrated-in-two-transactions)" migration migration_2
}

@test "power loss: ⚠ the rig finds a format that is written before its columns" {
	finds 'ends with 74: .*no such column: time' --seeds 4 --count 80 \
		--program "$(faulty format-before-its-columns)" migration migration_2
	finds 'ends with 74: .*no such column: position' --seeds 4 --count 80 \
		--program "$BATS_TEST_TMPDIR/format-before-its-columns/raft-logd" migration_3
}

@test "power loss: ⚠ the rig finds a move of a cursor that is not stored" {
	finds 'consumers: .*session .* is \(' --program "$(faulty move-not-stored)" consumers
}

@test "power loss: the rig finds that a raft-kv does not sync what it inherits" {
	finds 'called durable' --seeds 10 --count 100 --program "$(faulty inherited-not-synced)" kv
}

# ------------------------------------------------------------- the mark

# booted ID: raft-logd starts as on a machine with that boot id.
booted() {
	echo "$1" >"$BATS_TEST_TMPDIR/boot_id"
	logd_start "$D" env LD_PRELOAD="$TBIN/record.so" POWERLOSS_BOOT_ID="$BATS_TEST_TMPDIR/boot_id"
}
one=11111111-2222-3333-4444-555555555555
two=11111111-2222-3333-4444-666666666666

# voted: n1 has voted for n2 in term 7, then its database loses the vote.
voted() {
	logd_make "$D"
	booted "$one"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=7 vote=n2 first=1 count=2 eterm=6\nstored A 1'
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 'n3' WHERE key = 'vote'"
}

@test "logd: ⚠ a damaged vote is taken from the mark only if that is of this boot" {
	voted
	cp -a "$D/data" "$D/copy"
	booted "$one"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=7 vote=n2 last=2 last_term=6 commit=0 recovering=1 mark_valid=1 full=0 mark_term=7'* ]]
	logd_stop
	rm -r "$D/data"
	mv "$D/copy" "$D/data"
	booted "$two"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=7 vote=n2 last=2 last_term=6 commit=0 recovering=1 mark_valid=0 full=0 mark_term=7'* ]]
	# What is not known stays unknown, also when the next mark is of this boot.
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 'n3' WHERE key = 'vote'"
	booted "$two"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'recovering=1 mark_valid=0'* ]]
}

@test "logd: ⚠ an old copy of the database beside a mark of another boot: the last vote is not known" {
	logd_make "$D"
	booted "$one"
	logd_stop
	cp "$D/data/log.db" "$D/yesterday"
	booted "$one"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=7 vote=n2 first=1 count=2\nstored A 1'
	logd_stop
	rm "$D/data/log.db-wal"
	mv "$D/yesterday" "$D/data/log.db"
	booted "$two"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=7 vote=n2 last=0 last_term=0 commit=0 recovering=1 mark_valid=0 full=0 mark_term=7'* ]]
}

# old_mark: as a raft-logd wrote it that did not know of boots.
old_mark() {
	python3 - "$D/data/mark" <<-'PY'
		import sys
		mark = open(sys.argv[1], "rb").read()
		with open(sys.argv[1], "wb") as file:
		    file.write(mark[:176] + bytes(4096 - 176) + mark[4096:4096 + 176])
	PY
}

@test "logd: a mark without a boot id is read, and counts as one of another boot" {
	voted
	old_mark
	cp -a "$D/data" "$D/copy"
	booted "$one"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=7 vote=n2 '*'recovering=1 mark_valid=0 full=0 mark_term=7'* ]]
	logd_stop
	# Without damage nothing is amiss.
	rm -r "$D/data"
	mv "$D/copy" "$D/data"
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 'n2' WHERE key = 'vote'"
	booted "$one"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=7 vote=n2 last=2 last_term=6 commit=0 recovering=0'* ]]
}
