#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-logd: what it writes, tells its elector, and gives its readers.
# sanitize

load helper
load logd

# --------------------------------------------------------- the elector

@test "logd: ⚠ a new elector's hello ends the old connection unread, and forgets its queued writes" {
	logd_make "$D"
	logd_start "$D"
	# Each sync takes a second: what comes meanwhile waits in the sockets.
	spawn "$D/strace.log" strace -f -p "$LOGD" -o /dev/null -e trace=fdatasync -e 'inject=fdatasync:delay_exit=1000000'
	wait_until 10 grep -q attached "$D/strace.log"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		open B
		hello C client
		write A number=1 term=1 vote=n1 first=1 count=5
		sleep A ms=300
		write A number=2 term=1 vote=n1 after=2 first=3 count=1 text=evil
		ask B elector
		heard B
		closed A
		write B number=1 term=2 vote=n1
		stored B 1
		text B status
	SCRIPT
	echo "$output"
	# B was told of five entries, and five there are.
	[[ $output == *'state term=1 vote=n1 last=5 '* ]]
	[ "$(value last)" = 5 ]
	[ "$(value truncations)" = 0 ]
}

@test "logd: ⚠ what a replaced elector goes on sending changes nothing" {
	logd_make "$D"
	logd_start "$D"
	timeout 60 "$TBIN/logdctl" "$D/run/log" >"$D/flood" 2>&1 3>&- <<-'SCRIPT' &
		hello A elector
		flood A writes=200000 count=10 size=200 term=1 vote=n1
		closed A
	SCRIPT
	client=$!
	wait_until 20 beyond "$D" last 1000
	run tell "$D" <<-'SCRIPT'
		hello B elector
		text B status
		sleep B ms=300
		text B status
	SCRIPT
	wait "$client" || :
	told=$(sed -n 's/^state .* last=\([0-9]*\) .*/\1/p' <<<"$output")
	[ "$told" = "$(value last)" ]
	grep -q 'flood cut' "$D/flood"
}

@test "logd: ⚠ a write that carries another connection's number is discarded" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 start=12345 term=1 vote=n1 first=1 count=5
		write A number=2 term=1 vote=n1 first=1 count=2
		stored A 2
	SCRIPT
	[[ $output == *'stored number=2 last=2 '* ]]
}

@test "logd: ⚠ a commit index is ignored unless the log holds that very entry" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=5
		stored A 1
		commit A index=4 term=2
		commit A index=6 term=1
		commit A index=9 term=9
		text A status
	SCRIPT
	[ "$(value commit)" = 0 ]
	# In order with the writes: one that names an entry on its way counts.
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=2 first=6 count=1 hold
		commit A index=6 term=2
		stored A 1
		text A status
	SCRIPT
	[ "$(value commit)" = 6 ]
}

@test "logd: ⚠ readers get nothing above the commit index, and a waiting one gets it when it is committed" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		hello B reader
		write A number=1 term=1 vote=n1 first=1 count=9
		stored A 1
		read B from=1
		ask-read B from=3 wait
		commit A index=4 term=1
		got B
		read A from=8
	SCRIPT
	[[ $output == *$'first=1 available=1 commit=0 count=0\n'* ]]
	[[ $output == *$'first=3 available=1 commit=4 count=2\n'* ]]
	# The elector itself reads what is not committed.
	[[ $output == *$'first=8 available=1 commit=4 count=2\n'* ]]
}

@test "logd: a write that cannot be ends the elector's connection, and changes nothing" {
	ten "$D"
	for w in \
		'number=1 term=2 after=5' \
		'number=1 term=0' \
		'number=1 term=0 first=11 count=1 eterm=1' \
		'number=1 term=1 vote=n2 first=11 count=1' \
		'number=1 term=2 first=12 count=1' \
		'number=1 term=2 first=11 count=1 eterm=3' \
		'number=1 term=2 after=9 first=11 count=1' \
		'number=0 term=2 first=11 count=1' \
		'number=1 term=2 first=11 count=1 kind=config'; do
		run tell "$D" <<<"$(printf 'hello A elector\nwrite A %s\nclosed A\n' "$w")"
		echo "$w: $output"
		[[ $output == *closed* ]]
		log_status "$D"
		[ "$(value last)/$(value term)/$(value transactions)" = '10/1/4' ]
	done
	said "$D" 'a truncation after 5, where 8 is committed'
	alive "$LOGD"
}

@test "logd: truncation replaces a tail, in the tables of terms and configurations too" {
	ten "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=3 after=8 first=9 count=3 eterm=2 text=new
		write A number=2 term=3 after=10 first=11 count=1 eterm=3 text=newer
		stored A 2
		read A from=8
	SCRIPT
	[[ $output == *'entry index=10 term=2 kind=client data=new-10 '*'entry index=11 term=3 kind=client data=newer-11 '* ]]
	logd_kill
	logd_start "$D"
	run tell "$D" <<<'hello A elector'
	[[ $output == *'state term=3 vote=- last=11 last_term=3 commit=8 recovering=0'* ]]
	[[ $output == *$'run index=1 term=1\nrun index=9 term=2\nrun index=11 term=3\n'* ]]
}

@test "logd: an idle commit index is stored within a few seconds" {
	logd_make "$D"
	logd_start "$D"
	tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=5
		stored A 1
		commit A index=5 term=1
	SCRIPT
	wait_until 10 beyond "$D" transactions 3
	logd_kill
	logd_start "$D"
	log_status "$D"
	[ "$(value commit)" = 5 ]
}

@test "logd: malformed frames end that connection alone" {
	ten "$D"
	# No hello, a size of 0, a huge size, a cut body, two hellos, an unknown kind of request, a field out of range.
	run tell "$D" <<-'SCRIPT'
		hello Z client
		open A
		raw A 0000000a00040000000000000001
		closed A
		open A
		raw A 00000000
		closed A
		open A
		raw A ffffffff0001
		closed A
		hello A client
		raw A 000000030017ff
		closed A
		hello A client
		raw A 0000000c000100010001010003616263
		closed A
		hello A client
		raw A 0000000a03e70000000000000007
		hear A
		hello B elector
		raw B 000000100013000000000000000000000000000000
		closed B
		hello B client
		write B number=1 term=2 first=11 count=1
		hear B
		text Z status
	SCRIPT
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *'refusal request=7 status=64'* ]]
	[[ $output == *'status=77 why=only a daemon of this node'* ]]
	[ "$(grep -c '^closed' <<<"$output")" = 6 ]
	[ "$(value last)" = 10 ]
}

@test "logd: versions that do not meet are told so" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<<$'open A\nask A client low=7 high=9\nheard A\nclosed A'
	[[ $output == *'hello version=0 '* ]]
}

# ------------------------------------------------------------- contents

@test "logd: entries of 0 bytes, with NUL, newline and 0xff, and large ones come back as they were (H20)" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 data=
		write A number=2 term=1 vote=n1 first=2 count=1 data=000aff0d22
		write A number=3 term=1 vote=n1 first=3 count=1 size=1048576
		write A number=4 term=1 vote=n1 first=4 count=1 size=8388608
		stored A 4
		commit A index=4 term=1
		read A from=1 count=2
		read A from=3
		read A from=4
	SCRIPT
	[[ $output == *'entry index=1 term=1 kind=client data= size=0'* ]]
	[[ $output == *'index=4 term=1 kind=client data=entry-4'*' size=8388608'* ]]
	logd_stop
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT length(data), hex(substr(data, 1, 5)) FROM log'
	[ "$output" = $'0|\n5|000AFF0D22\n1048576|656E747279\n8388608|656E747279' ]
	# From the disk, verified.
	logd_start "$D"
	run tell "$D" <<<$'hello B reader\nread B from=1\nread B from=4'
	[[ $output == *'index=2 term=1 kind=client data=...." size=5'*' size=8388608'* ]]
}

@test "logd: a reader far behind reads from the disk in slices, and the writes go on" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		flood A writes=120 count=500 size=500 term=1 vote=n1
		stored A 120
		commit A index=60000 term=1
		hello B reader
		read B from=1 size=4000000
		read B from=59999
	SCRIPT
	run grep -E '^entries' <<<"$output"
	# The first one stops at a mebibyte.
	[[ ${lines[0]} =~ count=([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -gt 1000 ]
	[ "${BASH_REMATCH[1]}" -lt 2200 ]
	[[ ${lines[1]} == *'count=2' ]]
}

@test "logd: sessions and their digests survive kill -9, and a truncation" {
	logd_make "$D"
	logd_start "$D"
	# A session_open's data: run id (16 bytes), epoch it replaces (8), name.
	open=$(printf '%032d%016d' 5 0)$(printf job | od -An -tx1 | tr -d ' \n')
	run tell "$D" <<-SCRIPT
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 kind=session_open name=job data=$open
		write A number=2 term=1 vote=n1 first=2 count=10 name=job serial=1
		write A number=3 term=1 vote=n1 first=12 count=3 session=00112233445566778899aabbccddeeff serial=1
		stored A 3
		commit A index=9 term=1
		session A name=job
		write A number=4 term=2 after=9 first=10 count=2 name=job serial=9 text=other
		stored A 4
		commit A index=11 term=2
		session A name=job
		session A session=00112233445566778899aabbccddeeff
		text A sessions
	SCRIPT
	echo "$output"
	[[ $output == *'session found=1 epoch=1 serial=8 last_index=9 digest='* ]]
	[[ $output == *'session found=1 epoch=1 serial=10 last_index=11 digest='* ]]
	[[ $output == *'session found=0'* ]]
	[[ $output == *'session=job epoch=1 serial=10 last_index=11'* ]]
	# With another write the commit index is stored, too.
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=2\nstored A 1'
	digest=$(sed -n 's/.*serial=10 last_index=11 digest=//p' <<<"$output" | head -n 1)
	[ "${#digest}" = 64 ]
	logd_kill
	logd_start "$D"
	run tell "$D" <<<$'hello A elector\nsession A name=job'
	[[ $output == *"serial=10 last_index=11 digest=$digest"* ]]
	[[ $output == *'session name=job epoch=1 serial=10 last_index=11'* ]]
	# Stored at a clean stop, and loaded.
	logd_stop
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT name, serial, lower(hex(digest)) FROM sessions'
	[ "$output" = "job|10|$digest" ]
	logd_start "$D"
	run tell "$D" <<<$'hello A client\nsession A name=job'
	[[ $output == *"serial=10 last_index=11 digest=$digest"* ]]
	# A damaged row: the table is made again.
	logd_stop
	timeout 10 sqlite3 "$D/data/log.db" 'UPDATE sessions SET serial = 3'
	logd_start "$D"
	said "$D" 'ev=sessions.*made again'
	run tell "$D" <<<$'hello A client\nsession A name=job'
	[[ $output == *"serial=10 last_index=11 digest=$digest"* ]]
	# What is dropped goes from the database, too.
	tell "$D" <<-SCRIPT
		hello A elector
		write A number=1 term=2 first=12 count=1 kind=session_drop name=job data=$(printf job | od -An -tx1 | tr -d ' \n')
		stored A 1
		commit A index=12 term=2
	SCRIPT
	logd_stop
	run timeout 10 sqlite3 "$D/data/log.db" 'SELECT count(*) FROM sessions'
	[ "$output" = 0 ]
}

@test "logd: cursors are durable when they are answered, and for raft-fsm alone" {
	logd_make "$D"
	logd_start "$D"
	run tell "$D" <<-'SCRIPT'
		hello F fsm
		cursor F name=sink
		cursor F name=sink index=41
		cursor F name=sink index=42
		hello B client
		cursor B name=sink
		cursor B name=sink index=7
	SCRIPT
	[[ $output == *$'cursor index=0\ncursor index=41\ncursor index=42\n'*$'cursor index=42\nrefusal request=1 status=77'* ]]
	logd_kill
	logd_start "$D"
	run tell "$D" <<<$'hello B client\ncursor B name=sink'
	[[ $output == *'cursor index=42'* ]]
}

# -------------------------------------------------------------- the rest

@test "logd: --accept-loss asks twice, says what it does, and lets a recovering node take part" {
	ten "$D"
	logd_stop
	logd_exits "$D" --accept-loss
	[ "$status" = 0 ]
	[[ $output == *'is not recovering'* ]]
	rm "$D/data/mark"
	logd_exits "$D" --accept-loss
	[ "$status" = 75 ]
	[[ $output == *'--accept-loss --yes'* ]]
	logd_start "$D"
	has_status "$D" recovering yes
	logd_stop
	logd_exits "$D" --accept-loss --yes
	[ "$status" = 0 ]
	[[ $output == *'ev=accept_loss last=10'* ]]
	logd_start "$D"
	has_status "$D" recovering no
	logd_exits "$D" --yes
	[ "$status" = 64 ]
}

@test "logd: stops on TERM within a second or two, moves its log into the database, and removes its socket" {
	ten "$D"
	kill -TERM "$LOGD"
	wait_until 5 gone "$LOGD"
	[ ! -e "$D/run/log" ]
	# The write-ahead log holds nothing more: without it nothing is missing.
	rm "$D/data/log.db-wal"
	logd_start "$D"
	has_status "$D" recovering no
	[ "$(value last)" = 10 ]
}

@test "logd: a socket path that is too long or taken is one sentence" {
	logd_make "$D"
	sed -i "s#run: run#run: $(printf 'r%.0s' $(seq 120))#" "$D/raft.yaml"
	logd_exits "$D"
	[ "$status" = 78 ]
	[[ $output == *'too long for a socket'* ]]
}

@test "logd: -d on a standard descriptor leaves it taken" {
	logd_make "$D"
	for fd in 1 2; do
		setsid "$BIN/raft-logd" -v -c "$D/raft.yaml" -d "$fd" >"$D/fd1" 2>"$D/fd2" </dev/null 3>&- &
		LOGD=$!
		PIDS+=("$LOGD")
		wait_until 20 answers "$D"
		grep -qx '' "$D/fd$fd"
		# Nothing but a file is there, and what is logged from then on is in it.
		[ "$(readlink "/proc/$LOGD/fd/1")" = "$([ "$fd" = 1 ] && echo /dev/null || echo "$D/fd1")" ]
		[ "$(readlink "/proc/$LOGD/fd/2")" = "$D/fd2" ]
		answers "$D"
		wait_until 10 grep -q 'ev=closed\|ev=frame' "$D/fd2"
		logd_stop
	done
}

@test "logd: the newest entries in memory are counted with their places, and stay below logd.tail" {
	logd_make "$D"
	sed -i 's/logd: {/logd: { tail: 64KiB,/' "$D/raft.yaml"
	logd_start "$D"
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=1 count=100 size=1\nstored A 1'
	log_status "$D"
	[ "$(value tail_bytes)" -ge $((100 * (56 + 38))) ]
	tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=101 count=1000 size=1\nstored A 1'
	log_status "$D"
	[ "$(value tail_bytes)" -le 65536 ]
	[ "$(value tail_bytes)" -gt 60000 ]
}

@test "logd: the write-ahead log has all of its size from the first start on" {
	for start in first second; do
		[ "$start" = second ] || logd_make "$D"
		logd_start "$D"
		[ "$(stat -c %s "$D/data/log.db-wal")" = $((18 << 20)) ]
		tell "$D" <<<$'hello A elector\nwrite A number=1 term=1 vote=n1\nstored A 1'
		[ "$(stat -c %s "$D/data/log.db-wal")" = $((18 << 20)) ]
		logd_stop
		[ "$(stat -c %s "$D/data/log.db-wal")" = 0 ]
	done
}

@test "logd: the examples of its page that read a stopped node's database run, and print time and origin" {
	logd_make "$D"
	logd_start "$D"
	{
		echo 'hello A elector'
		echo 'write A number=1 term=1 vote=n1 first=1 count=3'
		echo 'stored A 1'
		echo 'write A number=2 term=1 vote=n1 first=4 count=3 time=1796022309250 step=1000'
		echo 'stored A 2'
	} | tell "$D"
	logd_stop
	cd "$BATS_TEST_TMPDIR"
	sed -n 's/^\.Dl \$ sqlite3 /sqlite3 /p' "$ROOT/man/raft-logd.8" >examples
	[ "$(wc -l <examples)" -eq 3 ]
	while read -r line; do
		run timeout 10 sh -c "$line"
		echo "$line -> $status $output"
		[ "$status" -eq 0 ]
		case $line in
		*count*) [ "$output" = '1|6' ] ;;
		*CAST*) [ "${lines[0]}" = '6|1|entry-6' ] ;;
		*origin*) [ "${lines[0]} ${lines[3]}" = '6|2026-11-30T07:05:11.250Z|n2:1000 3||' ] ;;
		*) false ;;
		esac
	done <examples
}
