#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-logd: a log that went backwards, damaged rows, directories that were wiped or mixed up.
# sanitize

load helper
load logd

# ------------------------------------------------- the log went backwards

@test "logd: ⚠ a bit flip in the write-ahead log, which SQLite hides, makes it recover (H5)" {
	ten "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=2 vote=n2 first=11 count=1 text=late
		stored A 1
	SCRIPT
	logd_kill
	patch "$D/data/log.db-wal" "$(place "$D/data/log.db-wal" late-11)"
	logd_start "$D"
	said "$D" 'ev=recovering.*lacks transactions'
	run tell "$D" <<<'hello A elector'
	# The vote of the lost transaction is known from the mark.
	[[ $output == *'state term=2 vote=n2 last=10 last_term=1 commit=8 recovering=1 mark_valid=1 full=0 mark_term=2'* ]]
}

@test "logd: ⚠ a write-ahead log that was deleted makes it recover (H7)" {
	ten "$D"
	logd_kill
	rm "$D/data/log.db-wal"
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=1 vote=n1 last=0 last_term=0 commit=0 recovering=1 mark_valid=1 full=0 mark_term=1'* ]]
	# And it stays so until a leader's log is here, over a restart too.
	logd_kill
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *' recovering=1 mark_valid=1 '* ]]
}

@test "logd: ⚠ yesterday's database beside today's mark makes it recover, and a leader heals it (H13)" {
	ten "$D"
	logd_stop
	cp "$D/data/log.db" "$D/yesterday"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=5 vote=n2 first=11 count=5
		stored A 1
	SCRIPT
	logd_stop
	rm "$D/data/log.db-wal"
	mv "$D/yesterday" "$D/data/log.db"
	logd_start "$D"
	said "$D" 'ev=recovering.*old copy'
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=6 vote= first=11 count=5 eterm=5 recovered
		stored A 1
	SCRIPT
	[[ $output == *'state term=5 vote=n2 last=10 last_term=1 commit=8 recovering=1 mark_valid=1 full=0 mark_term=5'* ]]
	has_status "$D" recovering no
	logd_kill
	logd_start "$D"
	has_status "$D" recovering no
	[ "$(value last)" = 15 ]
}

@test "logd: ⚠ another log of as many transactions is told by its chain" {
	ten "$D"
	logd_stop
	cp -a "$D/data" "$D/other"
	logd_start "$D"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=2 first=11 count=1 text=one\nstored A 1'
	logd_stop
	cp "$D/data/mark" "$D/mark"
	rm -r "$D/data"
	mv "$D/other" "$D/data"
	logd_start "$D"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=2 first=11 count=1 text=two\nstored A 1'
	logd_stop
	mv "$D/mark" "$D/data/mark"
	logd_start "$D"
	said "$D" 'ev=recovering.*another log'
}

@test "logd: ⚠ without its mark file it recovers, and knows no former vote" {
	ten "$D"
	logd_stop
	rm "$D/data/mark"
	logd_start "$D"
	said "$D" 'ev=recovering.*mark file is missing'
	run tell "$D" <<<'hello A elector'
	[[ $output == *'last=10 last_term=1 commit=8 recovering=1 mark_valid=0 full=0 mark_term=0'* ]]
	# The new mark is good, but what the old one knew stays unknown.
	logd_stop
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'recovering=1 mark_valid=0'* ]]
}

@test "logd: ⚠ one damaged slot of the mark is no harm, two make it recover" {
	ten "$D"
	logd_kill
	cp -a "$D/data" "$D/copy"
	# The older slot: the newer one is the mark.
	for slot in 0 4096; do
		rm -r "$D/data"
		cp -a "$D/copy" "$D/data"
		patch "$D/data/mark" $((slot + 100))
		logd_start "$D"
		has_status "$D" recovering no
		logd_kill
	done
	rm -r "$D/data"
	cp -a "$D/copy" "$D/data"
	patch "$D/data/mark" 100
	patch "$D/data/mark" 4196
	logd_start "$D"
	said "$D" 'ev=recovering.*mark file is damaged'
	has_status "$D" recovering yes
}

@test "logd: ⚠ a flipped vote in the database is not taken for the truth" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 'n2' WHERE key = 'vote'"
	logd_start "$D"
	said "$D" 'ev=recovering.*are damaged'
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=1 vote=n1 last=10 last_term=1 commit=8 recovering=1 mark_valid=1'* ]]
}

@test "logd: a damaged commit index is taken from the mark, as far as the log goes" {
	ten "$D"
	logd_stop
	cp "$D/data/log.db" "$D/yesterday"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=5 vote=n2 first=11 count=5
		stored A 1
		commit A index=15 term=5
		write A number=2 term=5 vote=n2
		stored A 2
	SCRIPT
	logd_stop
	rm "$D/data/log.db-wal"
	mv "$D/yesterday" "$D/data/log.db"
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 99 WHERE key = 'commit_index'"
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=5 vote=n2 last=10 last_term=1 commit=10 recovering=1 mark_valid=1 full=0 mark_term=5'* ]]
}

# --------------------------------------------------------- damaged rows

@test "logd: ⚠ an entry with a flipped bit is never served: it is cut off, and a leader heals the log (H6)" {
	ten "$D"
	logd_stop
	patch "$D/data/log.db" "$(place "$D/data/log.db" entry-7)"
	logd_exits "$D"
	[ "$status" = 74 ]
	[[ $output == *'ev=damage bad=7 last=6 was=10'* ]]
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		read A from=1
		write A number=1 term=2 first=7 count=4 eterm=1 recovered
		stored A 1
		commit A index=8 term=1
		hello B reader
		read B from=7
	SCRIPT
	[[ $output == *'state term=1 vote=n1 last=6 last_term=1 commit=6 recovering=1 mark_valid=1 full=0 mark_term=1'* ]]
	[[ $output == *'entry index=8 term=1 kind=client data=entry-8 '* ]]
	has_status "$D" recovering no
}

@test "logd: ⚠ damage far from the end is found by the reader that meets it" {
	logd_make "$D"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=5000 size=300
		stored A 1
		commit A index=5000 term=1
	SCRIPT
	logd_stop
	patch "$D/data/log.db" "$(place "$D/data/log.db" entry-1234x)"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello B reader
		read B from=1 count=1000
		read B from=1001
	SCRIPT
	[[ $output != *'index=1234 '* ]]
	wait_until 10 gone "$LOGD"
	said "$D" 'ev=damage bad=1234 last=1233 was=5000'
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'last=1233 last_term=1 commit=1233 recovering=1'* ]]
	# The session table is of the shorter log, too.
	run tell "$D" <<<$'hello A client\ntext A sessions'
	[[ $output == *'index=1233'* ]]
}

@test "logd: a flipped bit in a chain spoils that entry, not the one before" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE log SET chain = zeroblob(32) WHERE idx = 5"
	logd_exits "$D"
	[ "$status" = 74 ]
	[[ $output == *'ev=damage bad=5 last=4 was=10'* ]]
}

@test "logd: tables that do not fit the log are made again from it" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE terms SET term = 9"
	logd_start "$D"
	said "$D" 'ev=derive'
	run tell "$D" <<<'hello A elector'
	[[ $output == *'run index=1 term=1'* ]]
	has_status "$D" recovering no
}

@test "logd: a database that SQLite cannot read is said to be so, with what to do" {
	ten "$D"
	logd_stop
	dd if=/dev/urandom of="$D/data/log.db" bs=4096 count=1 conv=notrunc status=none
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'remove this node from the cluster and let it join under a new id'* ]]
}

@test "logd: a flipped bit in any block of any file never gives a wrong answer" {
	local file at size
	ten "$D"
	logd_kill
	cp -a "$D/data" "$D/copy"
	# The database itself as a stopped node leaves it, the other files as a killed one does.
	logd_start "$D"
	logd_stop
	cp -a "$D/data" "$D/stopped"
	for file in log.db log.db-wal mark identity; do
		if [ $file = log.db ]; then from=stopped; else from=copy; fi
		size=$(stat -c %s "$D/$from/$file")
		# The zeros behind the write-ahead log's frames are never read.
		[ "$size" -lt 65536 ] || size=24576
		for at in $(seq 77 512 "$size"); do
			rm -r "$D/data"
			cp -a "$D/$from" "$D/data"
			patch "$D/data/$file" "$at"
			echo "$file at $at:"
			what_is_left
		done
	done
}

# ---------------------------------------------------- whose directory it is

@test "logd: ⚠ a wiped data directory never starts as itself: it says how to rejoin" {
	ten "$D"
	logd_stop
	cp "$D/data/identity" "$D/identity"
	rm -r "$D/data"
	logd_exits "$D"
	[ "$status" = 78 ]
	mkdir "$D/data"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'no identity'*'join under a new id'* ]]
	[ -z "$(ls "$D/data")" ]
	# The identity alone is not enough either.
	cp "$D/identity" "$D/data/identity"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'the log of this node is gone'*'join under a new id'* ]]
}

@test "logd: ⚠ fresh is cleared before the first hello is answered" {
	logd_make "$D"
	cp "$D/data/identity" "$D/fresh"
	logd_start "$D"
	run cat "$D/data/identity"
	[[ $output != *fresh* && $output == *$'\ncluster '* ]]
	# A fresh identity beside a mark of a log that was in use is no first start.
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=1 count=1\nstored A 1'
	logd_stop
	cp "$D/fresh" "$D/data/identity"
	rm "$D"/data/log.db*
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'the log of this node is gone'* ]]
}

@test "logd: a second raft-logd on the directory is refused at once (H15)" {
	logd_make "$D"
	logd_start "$D"
	ln -s "$D/data" "$D/link"
	sed 's/data: data, run: run/data: link, run: run2/' "$D/raft.yaml" >"$D/second.yaml"
	run timeout 5 "$BIN/raft-logd" -c "$D/second.yaml"
	[ "$status" = 75 ]
	[[ $output == *'another raft-logd holds its lock'* ]]
	has_status "$D" part log
}

@test "logd: the directory of another node or of another cluster is refused" {
	ten "$D"
	logd_stop
	sed -i 's/id: n1, data/id: n2, data/' "$D/raft.yaml"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'the data directory of node n1'* ]]
	sed -i 's/id: n2, data/id: n1, data/' "$D/raft.yaml"
	# The identity of another cluster's node of the same name.
	mkdir -p "$D.other"
	logd_make "$D.other"
	sed -i 's/name: demo/name: other/' "$D.other/raft.yaml"
	logd_start "$D.other"
	logd_stop
	cp "$D/data/identity" "$D/identity"
	cp "$D.other/data/identity" "$D/data/identity"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'log of another cluster'* ]]
	# The same cluster, another directory.
	sed "s/^directory .*/directory $(printf '%032d' 7)/" "$D/identity" >"$D/data/identity"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'another data directory'* ]]
}

@test "logd: a first start needs members with this node among them" {
	logd_make "$D"
	sed -i '/id: n1, address/d' "$D/raft.yaml"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'is not among them'* || $output == *members* ]]
}

@test "logd: a newer format is refused before anything is written (H23)" {
	ten "$D"
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" "UPDATE meta SET value = 5 WHERE key = 'format'"
	before=$(find "$D/data" -type f -exec cat {} + | cksum)
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'format 5'* ]]
	[ "$before" = "$(find "$D/data" -type f -exec cat {} + | cksum)" ]
}
