#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# raft-logd while its files are deleted, moved, replaced or covered: nothing is acknowledged that the next start lacks.

load helper
load logd

# ends_74 WORDS: it ends by itself and gives this reason.
ends_74() {
	local status=0
	wait_until 10 gone "$LOGD"
	wait "$LOGD" || status=$?
	grep ev=exit "$D/log"
	[ "$status" = 74 ]
	grep -q "ev=exit status=74 why=\"$1" "$D/log"
}

# stream: writes of one entry each after the ten, one after the other, until the connection ends.
# The acknowledgements go to $D/acks.
script() {
	echo 'hello B elector'
	seq 200000 | awk '{ printf "write B number=%d term=1 vote=n1 first=%d count=1\nstored B %d\n", $1, $1 + 10, $1 }'
}
stream() {
	script >"$D/script"
	spawn "$D/acks" sh -c "exec '$TBIN/logdctl' '$D/run/log' <'$D/script'"
	wait_until 20 grown "$D/acks" 50
}
acknowledged() { sed -n 's/^stored number=.* last=\([0-9]*\) .*/\1/p' "$D/acks" | tail -n 1; }

# holds_all: after a new start the log has what was acknowledged.
holds_all() {
	local acked
	acked=$(acknowledged)
	logd_start "$D"
	log_status "$D"
	echo "acknowledged $acked: $output"
	[ "$acked" -gt 50 ]
	[ "$(value last)" -ge "$acked" ]
}

# not_acknowledged: a write that comes now gets no answer.
not_acknowledged() {
	run tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=11 count=1\nstored A 1'
	echo "$output"
	[[ $output != *'stored number=1 '* ]]
}

@test "logd: ⚠ after a deleted log.db, log.db-wal or mark nothing is acknowledged, and it ends with 74" {
	for file in log.db log.db-wal mark; do
		rm -rf "$D"
		ten "$D"
		rm "$D/data/$file"
		not_acknowledged
		ends_74 'the file was deleted'
		grep -q "path=.*/data/$file\$" "$D/log"
	done
}

@test "logd: ⚠ after rm -rf of the data directory nothing is acknowledged, and the next start says how to rejoin" {
	ten "$D"
	rm -rf "$D/data"
	not_acknowledged
	ends_74 'the file was deleted'
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'no identity'*'join under a new id'* ]]
}

@test "logd: ⚠ what was acknowledged before the -wal file was deleted is not lost" {
	ten "$D"
	stream
	rm "$D/data/log.db-wal"
	ends_74 'the file was deleted'
	holds_all
	[ "$(value recovering)" = no ]
}

@test "logd: ⚠ a file replaced by an older copy is noticed at once, and nothing is acknowledged on it" {
	for file in log.db log.db-wal mark; do
		rm -rf "$D"
		ten "$D"
		cp "$D/data/$file" "$D/data/older"
		mv "$D/data/older" "$D/data/$file"
		not_acknowledged
		ends_74 'the file was deleted'
	done
}

@test "logd: ⚠ a file renamed under it is noticed, and in its place again the log has what was acknowledged" {
	for file in log.db log.db-wal mark lock identity; do
		rm -rf "$D"
		ten "$D"
		stream
		mv "$D/data/$file" "$D/data/elsewhere"
		ends_74 'the path no longer leads'
		grep -q "path=.*/data/$file\$" "$D/log"
		mv "$D/data/elsewhere" "$D/data/$file"
		holds_all
		[ "$(value recovering)" = no ]
		logd_stop
	done
}

@test "logd: ⚠ a data directory renamed under it is noticed, and at its new path the log has what was acknowledged" {
	ten "$D"
	stream
	mv "$D/data" "$D/moved"
	ends_74 'the path no longer leads'
	logd_exits "$D"
	[ "$status" = 78 ]
	sed -i 's/data: data/data: moved/' "$D/raft.yaml"
	holds_all
	[ "$(value recovering)" = no ]
}

@test "logd: ⚠ a copy put in the place of the data directory is noticed" {
	ten "$D"
	stream
	cp -a "$D/data" "$D/copy"
	mv "$D/data" "$D/moved"
	mv "$D/copy" "$D/data"
	ends_74 'the path no longer leads'
	rm -r "$D/data"
	mv "$D/moved" "$D/data"
	holds_all
}

@test "logd: ⚠ a file system mounted over the data directory is noticed, and without it the log has what was acknowledged" {
	as_root
	for over in tmpfs bind; do
		rm -rf "$D"
		ten "$D"
		stream
		MOUNTED=$D/data
		cp -a "$D/data" "$D/older"
		if [ "$over" = bind ]; then mount --bind "$D/older" "$MOUNTED"; else mount -t tmpfs none "$MOUNTED"; fi
		ends_74 'the path no longer leads'
		umount "$MOUNTED"
		MOUNTED=
		holds_all
		logd_stop
	done
}

@test "logd: ⚠ a deleted lock or identity ends it within a second or two: no second raft-logd meets it" {
	ten "$D"
	rm "$D/data/lock"
	ends_74 'the path no longer leads'
	logd_start "$D"
	rm "$D/data/identity"
	ends_74 'the path no longer leads'
	logd_exits "$D"
	[ "$status" = 78 ]
}

@test "logd: ⚠ a file replaced while it starts is noticed before anything is acknowledged" {
	for file in log.db log.db-wal; do
		rm -rf "$D"
		ten "$D"
		logd_stop
		: >"$D/log"
		# Between SQLite's opening of both files and the look at them.
		spawn "$D/log" strace -f -qq -o "$D/calls" -e trace=ftruncate,fsync -P "$D/data/log.db-wal" \
			-e inject=fsync:delay_enter=2000000 "$BIN/raft-logd" -c "$D/raft.yaml"
		LOGD=$SPAWNED
		wait_until 10 test -e "$D/data/log.db-wal"
		wait_until 10 is_syncing
		cp "$D/data/$file" "$D/data/copy"
		mv "$D/data/copy" "$D/data/$file"
		ends_74 'the file was replaced while raft-logd started'
	done
}
# is_syncing: the only thread of raft-logd waits in strace's delay of the fsync.
is_syncing() { grep -q fsync "$D/calls"; }

looked() { [ "$(grep -c /data/identity "$D/calls")" -ge 2 ]; }

@test "logd: the look at its files, also of an idle one, takes no lock of SQLite's away" {
	ten "$D"
	spawn "$D/strace" strace -f -p "$LOGD" -o "$D/calls" -e trace=%file,%desc
	wait_until 10 looked
	run sqlite3 "$D/data/log.db" 'SELECT count(*) FROM log'
	echo "$output"
	[ "$status" != 0 ]
	[[ $output == *locked* ]]
}

@test "logd: the look at its files after a commit does not ask for their times, for which each sync would write the inode" {
	ten "$D"
	spawn "$D/strace" strace -f -p "$LOGD" -o "$D/calls" -e trace=%desc,%file,%network
	wait_until 10 grep -q attached "$D/strace"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=11 count=1\nstored A 1'
	wait_until 5 sent_after_mark
	run awk '/raftmrk1/ { after = 1; next } /sendto/ { after = 0 } after' "$D/calls"
	echo "$output"
	[ "$(grep -c 'statx(.*, STATX_NLINK, ' <<<"$output")" = 3 ]
	[ "${#lines[@]}" = 3 ]
}
sent_after_mark() { awk '/raftmrk1/ { after = 1 } /sendto/ && after { sent = 1 } END { exit !sent }' "$D/calls"; }
