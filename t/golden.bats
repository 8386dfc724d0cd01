#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Bytes and files as they were fixed once (t/golden/README): the programs must write exactly these, and accept them.

load helper
bats_require_minimum_version 1.5.0

G=$ROOT/t/golden
export PYTHONDONTWRITEBYTECODE=1

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }
teardown() { stop_all; }

golden() { timeout 60 python3 "$G/golden.py" "$@"; }
database() { timeout 60 python3 "$G/database.py" "$@"; }

# logd DIR: raft-logd of that node; golden play waits for its socket.
logd() {
	mkdir -p "$1/run"
	spawn "$1/log" raft-logd -c "$1/raft.yaml"
}

# fresh DIR NODE DIRECTORY: a node of the golden cluster that was never started.
fresh() {
	mkdir -p "$1/data"
	sed "s/id: n1, data/id: $2, data/" "$G/database-2/raft.yaml" >"$1/raft.yaml"
	printf 'node %s\ndirectory %s\nfresh yes\n' "$2" "$3" >"$1/data/identity"
}

# used DIR [FORMAT]: a copy of the golden data directory of that format of the database, or of format 2.  In that the mark
# and the head of the snapshot are of version 1.
used() { cp -R "$G/database-${2:-2}" "$1"; }

# The boot id in mark-2.txt and in the marks of database-3 and database-4.
MARK_BOOT=0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff

# ------------------------------------------------------------- the files

@test "golden: each line of a golden file is what its type and value say" {
	golden check "$G"/*.txt
}

@test "golden: raft-protocol(7) has the messages, numbers and fields of the golden file, in their order" {
	awk '
		/^\.Sh / { messages = $2 == "MESSAGES" }
		messages && /^\.It Em / { n = $5; gsub(/[()]/, "", n); print $3, n }
		messages && /^\.It Va / { print "  " $3, $5 }' "$ROOT/man/raft-protocol.7" >page
	golden fields "$G"/messages-*.txt >list
	sort_messages() { awk '/^[^ ]/ { n = $2 } { printf "%d\t%d\t%s\n", n, NR, $0 }' "$1" | sort -k1,1n -k2,2n | cut -f3; }
	diff -u <(sort_messages list) <(sort_messages page)
}

# tables SECTION: "offset type name" of its tables.
tables() {
	awk -v section="$1" '
		/^\.Ss / { on = substr($0, 5) == section }
		on && /^\.It [0-9]+ Ta / { sub(/^\.It /, ""); split($0, cell, " Ta "); sub(/[,:;].*/, "", cell[3]); print cell[1], cell[2], cell[3] }' \
		"$ROOT/man/raft-protocol.7"
}

@test "golden: raft-protocol(7) has hello, offer, reply and answer as in the golden file, each field at its place" {
	for part in hello:Hello offer:Hello reply:Reply answer:Reply; do
		golden places "$G/noise-2.txt" "own-${part%%:*}"
	done >list
	{
		tables Hello
		tables Reply
	} >page
	[ "$(wc -l <list)" = 21 ]
	diff -u list page
}

@test "golden: what is wrong by one byte is found, in a file and in a dialogue" {
	sed '0,/^\t0001 /s//\t0002 /' "$G/messages-1.txt" >wrong
	run ! golden check wrong
	[[ $output == *': number u16 1 '*' is 0001, not 0002' ]]
	used n1
	logd n1
	sed '0,/^\t000000000000000c  \(.*seen.*\) 12/s//\t000000000000000d  \1 13/' "$G/talk-logd-restart-1.txt" >wrong
	golden check wrong
	run ! golden play n1/run wrong
	[[ $output == *': seen is 000000000000000c, not 000000000000000d' ]]
}

@test "golden: of long bytes that differ, an error shows the offset and 16 bytes" {
	sed 's/^\tfdfeff2c/\tfdfefe2c/' "$G/talk-logd-restart-1.txt" >wrong
	golden check wrong
	used n1
	logd n1
	run ! golden play n1/run wrong
	[[ $output == *': data is ff2c0a656e6420350a, not fe2c0a656e6420350a, at offset 962' ]]
}

# ---------------------------------------------------------- the messages

@test "golden: every message is encoded into its golden bytes" {
	for file in "$G"/messages-*.txt; do
		golden frames "$file" >expected
		golden cases "$file" | "$TBIN/golden" encode >encoded
		cmp encoded expected
	done
	[ "$(golden frames "$G/messages-1.txt" | wc -l)" -gt 100 ]
}

@test "golden: the golden bytes of every message are decoded into its fields" {
	for file in "$G"/messages-*.txt; do
		golden cases "$file" >given
		golden frames "$file" | "$TBIN/golden" decode >decoded
		cmp decoded given
	done
}

# -------------------------------------------------------------- raft-logd

@test "golden: raft-logd answers byte by byte, and leaves the golden database, mark and snapshot on disk" {
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	logd n1
	golden play n1/run "$G/talk-logd-2.txt"
	reap TERM "$SPAWNED"
	database check n1 1 4 2 2
}

@test "golden: the database, mark and snapshot that are kept are those of the dialogue" {
	database check "$G/database-2" 1 2 1 1
	golden bytes "$G/mark-1.txt" | cmp - "$G/database-2/data/mark"
	golden bytes "$G/kv-snapshot-1.txt" file | cmp - "$G/database-2/data/snapshots/00000000000000000005-1.snapshot"
}

@test "golden: the mark of version 2 that is kept is that of the dialogue, under its boot id" {
	used n1
	golden bytes "$G/mark-2.txt" >n1/data/mark
	database check n1 1 2 1 2 "$MARK_BOOT"
	run ! database check n1 1 2 1 2
	[[ $output == *'slot 1 of the mark is '*', not '*', at offset 176' ]]
}

@test "golden: raft-logd starts on a data directory with a mark and a snapshot of version 1, and what it serves is what was stored" {
	used n1
	logd n1
	golden play n1/run "$G/talk-logd-restart-1.txt"
	reap TERM "$SPAWNED"
}

@test "golden: raft-logd keeps a snapshot of version 1 unchanged, and writes version 2 into the mark" {
	used n1
	# Each start ends with a slot more.
	for slot in 0 1; do
		logd n1
		golden play n1/run "$G/talk-logd-restart-1.txt"
		reap TERM "$SPAWNED"
		database check n1 1 4 1 2
		size=$(stat -c %s n1/data/mark)
		[ "$size" = $((4096 + 176 + slot * 48)) ]
	done
}

@test "golden: raft-logd recovers on the golden data directory when the mark is missing or both of its slots are damaged" {
	for way in missing damaged; do
		used "$way"
		if [ "$way" = missing ]; then
			rm "$way/data/mark"
		else
			flip "$way/data/mark" 100
			flip "$way/data/mark" $((4096 + 100))
		fi
		logd "$way"
		golden play "$way/run" "$G/talk-logd-recover-1.txt"
		reap TERM "$SPAWNED"
	done
}

# either_slot VERSION: raft-logd starts on the golden data directory with one good slot of the golden mark.
either_slot() {
	for at in 0 4096; do
		used "n$at"
		golden bytes "$G/mark-$1.txt" >"n$at/data/mark"
		flip "n$at/data/mark" $((at + 100))
		logd "n$at"
		golden play "n$at/run" "$G/talk-logd-restart-1.txt"
		reap TERM "$SPAWNED"
	done
}

@test "golden: raft-logd accepts either slot of a mark of version 1" {
	either_slot 1
}

@test "golden: raft-logd accepts either slot of a mark of version 2" {
	either_slot 2
}

# install_snapshot TALK: a node receives the golden snapshot of that dialogue.
install_snapshot() {
	fresh n2 n2 101112131415161718191a1b1c1d1e1f
	logd n2
	golden play n2/run "$G/talk-logd-install-$1.txt"
	reap TERM "$SPAWNED"
}

@test "golden: raft-logd receives and installs a snapshot of version 1, and serves it unchanged" {
	install_snapshot 1
}

@test "golden: raft-logd receives and installs a snapshot of version 2, and serves it unchanged" {
	install_snapshot 2
}

# before DIR: the row of the database for the beginning of the log.
before() { sqlite3 "$1/data/log.db" "SELECT value FROM meta WHERE key = 'before'"; }

@test "golden: raft-logd receives and installs a snapshot of level 2, and its log begins at that level and time" {
	install_snapshot level-1
	used n3 3
	[ "$(before n2)" = "$(before n3)" ]
}

@test "golden: raft-logd receives and installs a snapshot of level 3, and has the cursor in it" {
	install_snapshot cursors-1
	used n3 4
	[ "$(before n2)" = "$(before n3)" ]
	# In each later start, too.
	for node in n2 n3; do
		sqlite3 "$node/data/log.db" "SELECT hex(sid), name, serial, last_index, epoch, position FROM sessions WHERE position NOTNULL"
	done >cursors
	[ "$(uniq cursors | wc -l)" = 1 ]
}

# format_is DIR FORMAT: of its database.
format_is() { [ "$(sqlite3 "$1/data/log.db" "SELECT value FROM meta WHERE key = 'format'")" = "$2" ]; }

@test "golden: raft-logd brings a log of format 2 to format 4: old records keep their bytes, and those with a stamp follow" {
	used n1
	format_is n1 2
	logd n1
	golden play n1/run "$G/talk-logd-level-1.txt"
	reap TERM "$SPAWNED"
	format_is n1 4
	# It has read levels and stamps from its database.
	logd n1
	golden play n1/run "$G/talk-logd-level-snapshot-1.txt"
	reap TERM "$SPAWNED"
	database check n1 2 4 2 2
}

@test "golden: raft-logd brings a log of format 1, without snapshots, to format 4, and all that was stored is in it" {
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	sed '/^connect F log/,$d' "$G/talk-logd-2.txt" >dialogue
	logd n1
	golden play n1/run dialogue
	reap TERM "$SPAWNED"
	database dump n1 >stored
	sqlite3 n1/data/log.db 'DROP TABLE snapshot; DROP INDEX rules' 'ALTER TABLE log DROP COLUMN time' \
		'ALTER TABLE log DROP COLUMN origin' 'ALTER TABLE sessions DROP COLUMN position' "UPDATE meta SET value = 1 WHERE key = 'format'"
	logd n1
	wait_until 30 grep -q ev=start n1/log
	reap TERM "$SPAWNED"
	grep -q 'ev=migrate from=1 to=4' n1/log
	[ "$(grep -c '^INSERT INTO "log"' stored)" = 13 ]
	database dump n1 | diff stored -
}

@test "golden: the database of format 3 that is kept, with its mark and snapshot, is that of the dialogues" {
	database check "$G/database-3" 2 3 2 2 "$MARK_BOOT"
}

@test "golden: raft-logd starts on a data directory of format 3, and what it serves is what was stored" {
	used n1 3
	logd n1
	golden play n1/run "$G/talk-logd-level-restart-1.txt"
	reap TERM "$SPAWNED"
}

@test "golden: raft-logd brings a log of format 3 to format 4, in which a cursor has its position" {
	used n1 3
	format_is n1 3
	logd n1
	golden play n1/run "$G/talk-logd-cursors-1.txt"
	reap TERM "$SPAWNED"
	database check n1 3 4 2 2
}

@test "golden: the database of format 4 that is kept, with its mark and snapshot, is that of the dialogues" {
	database check "$G/database-4" 3 4 2 2 "$MARK_BOOT"
}

@test "golden: raft-logd starts on a data directory of format 4, and what it serves is what was stored" {
	used n1 4
	logd n1
	golden play n1/run "$G/talk-logd-cursors-restart-1.txt"
	reap TERM "$SPAWNED"
}

# ------------------------------------------------------------- raft-elect

# elect TALK: raft-elect of a node that was never started, in that dialogue.
elect() {
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	mkdir n1/run
	# No timer of it runs out in this test.
	echo 'elect: { election_timeout: 10m, heartbeat: 2m }' >>n1/raft.yaml
	spawn n1/log raft-elect -c n1/raft.yaml
	golden play n1/run "$G/talk-elect-$1.txt"
}

@test "golden: raft-elect follows, forwards, votes and leads in golden messages" {
	elect 3
}

@test "golden: raft-elect brings a cluster to level 2, stamps entries, and reports its clock in golden messages" {
	elect level-2
}

@test "golden: raft-elect opens and moves a cursor, and refuses an old epoch and a position beyond the end, in golden messages" {
	elect cursors-1
}

@test "golden: raft-append proposes in golden messages, in an anonymous and in a named session" {
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	mkdir n1/run
	printf 'first\nsecond  line\n\n' >lines
	for talk in talk-append-1.txt: 'talk-append-session-1.txt:-S orders'; do
		rm -f n1/run/elect
		golden play n1/run "$G/${talk%%:*}" 3>&- &
		player=$!
		wait_until 20 test -S n1/run/elect
		# shellcheck disable=SC2086
		timeout 60 raft-append -c n1/raft.yaml ${talk#*:} <lines
		wait "$player"
	done
}

# --------------------------------------------------------------- raft-fsm

@test "golden: raft-fsm restores, applies, answers and takes a snapshot in golden messages" {
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	mkdir n1/run
	echo 'fsm: { command: [raft-kv], mode: machine, framing: line, format: kv-1 }' >>n1/raft.yaml
	golden bytes "$G/kv-snapshot-1.txt" file >snapshot
	spawn n1/log raft-fsm -c n1/raft.yaml
	golden play n1/run "$G/talk-fsm-2.txt" "snapshot=$PWD/snapshot" "new=$PWD/new"
	[ "$(head -n 1 new)" = 'raft-kv 1 7' ]
}

# ------------------------------------------------------------- whole nodes

# key FILE: the secret key of node n1.
key() {
	echo EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8= >"$1"
	chmod 600 "$1"
}

# listening DIR PORT: its raft-peerd will listen there.
listening() { sed -i "s|listen: \"[^\"]*\"|listen: \"tcp://127.0.0.1:$2\"|" "$1/raft.yaml"; }

@test "golden: a node starts on the golden data directory, and its members list, entries and backup are the golden ones" {
	used n1
	key n1/n1.key
	listening n1 "$(free_ports 1)"
	logd n1
	for daemon in peerd elect; do spawn "n1/$daemon.log" "raft-$daemon" -c n1/raft.yaml; done
	wait_until 30 raft-ctl -c n1/raft.yaml members
	raft-ctl -c n1/raft.yaml members -y | diff -u "$G/members-2.yaml" -
	# What is stored is of version 1; a backup never is.
	raft-ctl -c n1/raft.yaml snapshot --newest -o backup
	golden bytes "$G/snapshot-2.txt" | cmp - backup
	# Its new term also commits entry 13.
	{
		printf '0:,256:'
		python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)))'
		printf ',13:not committed,'
	} >expected
	timeout 20 raft-tail -c n1/raft.yaml --from 6 -F netstring | cmp - expected
}

@test "golden: raft-ctl snapshot writes the golden backup, of version 2, of a new node" {
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	logd n1
	golden play n1/run "$G/talk-logd-2.txt"
	raft-ctl -c n1/raft.yaml snapshot --newest -o backup
	golden bytes "$G/snapshot-2.txt" | cmp - backup
}

# restore VERSION TALK FILE: raft-init and then raft-logd take the golden backup; the log begins with version 2.
restore() {
	golden bytes "$G/snapshot-$1.txt" >backup
	raft-init -N 1 -p "$(free_ports 1)" --restore backup new >/dev/null
	golden bytes "$G/snapshot-$1.txt" head | cmp - new/n1/data/snapshots/restore.head
	golden bytes "$G/snapshot-$1.txt" state | cmp - "new/n1/data/snapshots/$3.snapshot"
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	mv new/n1/data/snapshots n1/data
	logd n1
	golden play n1/run "$G/talk-logd-restored-$2.txt"
}

@test "golden: raft-init --restore accepts a backup of version 1, and raft-logd begins its log with it in version 2" {
	restore 1 2 00000000000000000005-1
}

@test "golden: raft-init --restore accepts a backup of version 2, and raft-logd begins its log with it" {
	restore 2 2 00000000000000000005-1
}

@test "golden: raft-init --restore accepts a backup of level 2, and raft-logd begins its log at that level and time" {
	restore level-2 level-1 00000000000000000018-5
}

@test "golden: raft-init --restore accepts a backup of level 3, and raft-logd begins its log with the cursor in it" {
	restore level-3 cursors-1 00000000000000000025-6
}

# join VERSION: a node joins with the list of that version.
join() {
	fresh n4 n4 202122232425262728292a2b2c2d2e2f
	echo 'join yes' >>n4/data/identity
	cp "$G/members-$1.yaml" n4/members.yaml
	sed -i '/members:/,/^peerd/ { s/members:/members: members.yaml/; /- {/d }' n4/raft.yaml
	logd n4
	wait_until 30 grep -q ev=start n4/log
	reap TERM "$SPAWNED"
	diff -u - n4/data/identity <<-'EOF'
		node n4
		directory 202122232425262728292a2b2c2d2e2f
		cluster 94746b808d32f021bdbda2c548bae46bef630dcc069393fefc05c861644cc51c
	EOF
	[ "$(sqlite3 n4/data/log.db "SELECT value FROM meta WHERE key = 'joined'")" = 1 ]
}

@test "golden: a node joins with the golden members list" { join 2; }

@test "golden: a node joins with a members list of version 1, without the cluster's name" { join 1; }

@test "golden: raft-init writes identities, members and keys in the golden form" {
	key n1.key
	[ "$(raft-init --public-key n1.key)" = '2J47rXlDfb7Z+ENBgwT0YP8Fx/6B/kqVd6gEy5Nn/2Y=' ]
	raft-init --join -i n4 -l tcp://127.0.0.1:7104 new >line
	printf 'node n4\ndirectory \nfresh yes\njoin yes\n' | diff -u - <(sed 's/^\(directory \)[0-9a-f]\{32\}$/\1/' new/data/identity)
	public=$(raft-init --public-key new/n4.key)
	# One key in 64 begins with +, and is quoted.
	echo "- { id: n4, address: tcp://127.0.0.1:7104, key: $public }" | diff -u - <(tr -d '"' <line)
	[ "$(stat -c '%a %s' new/n4.key)" = '600 45' ]
	# The secret is 32 bytes, and the public key is the point that belongs to it.
	PYTHONPATH=$G python3 - new/n4.key "$public" <<-'EOF'
		import base64, noise, sys
		secret = base64.b64decode(open(sys.argv[1]).read(), validate=False)
		assert len(secret) == 32
		assert base64.b64encode(noise.x25519(secret)).decode() == sys.argv[2]
	EOF
}

# ---------------------------------------------------------------- raft-kv

# kv REQUESTS [OPTION...]: raft-kv in netstrings.
kv() {
	local requests=$1
	shift
	timeout 20 raft-kv -F netstring "$@" <"$requests"
}

@test "golden: raft-kv writes the golden snapshot, in memory and from its database, which is the golden one" {
	{
		golden bytes "$G/kv-snapshot-1.txt" requests
		printf '13:snapshot file,'
	} >with-snapshot
	golden bytes "$G/kv-snapshot-1.txt" file >expected
	for database in '' kv.db; do
		rm -f file
		kv with-snapshot ${database:+-D "$database"}
		cmp file expected
	done
	[ "$(sqlite3 kv.db 'PRAGMA application_id')" = $((0x726b7631)) ]
	diff -u <(sqlite3 kv.db .dump | grep -v ^PRAGMA) <(grep -vE '^(--|PRAGMA)' "$G/kv-database-1.sql")
}

@test "golden: raft-kv restores the golden snapshot, in memory and into a database" {
	golden bytes "$G/kv-snapshot-1.txt" file >snapshot
	printf '16:restore snapshot,13:query 4:list,,16:query 3:get,1:n,,14:snapshot again,' >requests
	for database in '' kv.db; do
		rm -f again
		kv requests ${database:+-D "$database"} >replies
		cmp again snapshot
		grep -aq '5:ok 41,' replies
		grep -aq '6:colour,11:light  blue,5:empty,0:,' replies
	done
	diff -u <(sqlite3 kv.db .dump | grep -v ^PRAGMA) <(grep -vE '^(--|PRAGMA)' "$G/kv-database-1.sql")
}

@test "golden: raft-kv starts on the golden database" {
	sqlite3 kv.db <"$G/kv-database-1.sql"
	golden bytes "$G/kv-snapshot-1.txt" file >expected
	printf '13:snapshot file,' >requests
	run kv requests -D kv.db
	[ "$output" = '7:ready 5,2:ok,' ]
	cmp file expected
}

# ------------------------------------------------------------ raft-peerd

@test "golden: two raft-peerd: handshakes, records and renewals have their golden bytes" {
	port=$(free_ports 2)
	fresh n1 n1 000102030405060708090a0b0c0d0e0f
	mkdir n1/run
	listening n1 "$port"
	key n1/n1.key
	cc -std=c11 -shared -fPIC -o fixed.so "$G/fixed.c"
	spawn n1/log env LD_PRELOAD="$PWD/fixed.so" "$BIN/raft-peerd" -c n1/raft.yaml --renew-after 1s
	timeout 60 python3 "$G/peer.py" n1/run $((port + 1)) "$port"
}
