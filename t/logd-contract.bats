#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# shellcheck disable=SC2030,SC2031
# raft-logd: contracts of the state machine, and the chain of a place.
# sanitize

load helper
load logd

setup() {
	D=$BATS_TEST_TMPDIR/n1
	E=$BATS_TEST_TMPDIR/n2
	S=$BATS_TEST_TMPDIR
	echo state >"$S/state"
}
teardown() { stop_all; }

snapshot() { PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 "$ROOT/t/tools/snapshot.py" "$@"; }
contracts() { run tell "$1" <<<$'hello Z client\ntext Z contract'; }
first_is() { has_status "$1" first "$2"; } # DIR INDEX

LEVEL='kind=level data=0000000000000002'
# contract FRAMING FIELDS REPLY_MAX ENTRY_MAX FORMAT: an entry of that kind for logdctl.
contract() {
	printf 'kind=contract data=%02x%02x%016x%016x%02x%s' "$1" "$2" "$3" "$4" ${#5} \
		"$(printf %s "$5" | od -An -tx1 | tr -d ' \n')"
}

# writes DIR FIRST ENTRY...: one entry each from index FIRST on, all committed.
writes() {
	local dir=$1 index=$2 number=0 entry
	shift 2
	{
		echo 'hello A elector'
		for entry; do
			echo "write A number=$((++number)) term=1 vote=n1 first=$index count=1 $entry"
			echo "stored A $number"
			index=$((index + 1))
		done
		echo "commit A index=$((index - 1)) term=1"
		# After it the commit index is stored, too.
		echo "write A number=$((++number)) term=1 vote=n1"
		echo "stored A $number"
	} | tell "$dir" >/dev/null
}

# two DIR: level 2 at index 1, contracts at 3 and 5, all up to 6 committed.
two() {
	logd_make "$1"
	sed -i "s/logd: {/logd: { keep_tail: 0B,/" "$1/raft.yaml"
	logd_start "$1"
	writes "$1" 1 "$LEVEL" text=a "$(contract 0 3 100 2000 kv-1)" text=b "$(contract 1 0 1 2 x)" text=c
}

@test "contract: each committed one is printed in order, then the level" {
	logd_make "$D"
	logd_start "$D"
	contracts "$D"
	[[ $output == *$'\nlevel=1' ]]
	[[ $output != *index=* ]]
	logd_stop
	rm -r "$D"
	two "$D"
	contracts "$D"
	[ "$(tail -n 3 <<<"$output")" = 'index=3 framing=line fields=time,origin reply_max=100 entry_max=2000 format=kv-1
index=5 framing=netstring fields= reply_max=1 entry_max=2 format=x
level=2' ]
	# Not committed, it is not among them.
	tell "$D" >/dev/null <<-SCRIPT
		hello A elector
		write A number=1 term=1 vote=n1 first=7 count=1 $(contract 0 7 1 1 later)
		stored A 1
	SCRIPT
	contracts "$D"
	[[ $output != *later* ]]
	run tell "$D" <<<$'hello R fsm\ncontracts R'
	[ "$(tail -n 3 <<<"$output")" = $'contract index=3 format=kv-1\ncontract index=5 format=x\ncontracts level=2' ]
}

@test "contract: raft-elect is given the one in force at the commit index, and the entries above it" {
	two "$D"
	tell "$D" >/dev/null <<-SCRIPT
		hello A elector
		write A number=1 term=1 vote=n1 first=7 count=1 $(contract 0 7 1 1 later)
		stored A 1
	SCRIPT
	run tell "$D" <<<'hello A elector'
	echo "$output"
	[ "$(grep '^contract' <<<"$output")" = 'contract index=5 format=x' ]
	[ "$(grep '^entry' <<<"$output" | cut -d' ' -f 1-4)" = 'entry index=7 term=1 kind=contract' ]
	[[ $output == *'level=2 time=0'* ]]
}

@test "contract: ⚠ one that is truncated is forgotten, at once and after a restart" {
	two "$D"
	tell "$D" >/dev/null <<-SCRIPT
		hello A elector
		write A number=1 term=1 vote=n1 first=7 count=1 $(contract 0 7 1 1 later)
		stored A 1
		write A number=2 term=2 vote=n1 after=6 first=7 count=2 text=other
		stored A 2
		commit A index=8 term=2
		write A number=3 term=2 vote=n1
		stored A 3
	SCRIPT
	for _ in 1 2; do
		contracts "$D"
		[[ $output == *$'format=x\nlevel=2' ]]
		[[ $output != *later* ]]
		run tell "$D" <<<'hello A elector'
		[ "$(grep '^contract' <<<"$output")" = 'contract index=5 format=x' ]
		logd_kill
		logd_start "$D"
	done
}

@test "contract: ⚠ the one in force stays when its entry is compacted away, over restarts" {
	two "$D"
	[ "$(snapshot add "$D/run/log" 4 "$S/state")" = '1 4 ' ]
	wait_until 10 first_is "$D" 5
	for _ in 1 2; do
		contracts "$D"
		[ "$(grep -o 'index=[0-9]*' <<<"$output" | paste -sd' ')" = 'index=3 index=5' ]
		logd_kill
		logd_start "$D"
	done
	[ "$(snapshot add "$D/run/log" 6 "$S/state")" = '1 6 ' ]
	wait_until 10 first_is "$D" 7
	for _ in 1 2; do
		contracts "$D"
		[[ $output == *$'\nindex=5 framing=netstring fields= reply_max=1 entry_max=2 format=x\nlevel=2' ]]
		[[ $output != *index=3* ]]
		run tell "$D" <<<'hello A elector'
		[ "$(grep '^contract' <<<"$output")" = 'contract index=5 format=x' ]
		logd_stop
		logd_start "$D"
	done
	# The next one follows it.
	writes "$D" 7 "$(contract 0 0 9 9 next)"
	contracts "$D"
	[ "$(grep -o 'index=[0-9]*' <<<"$output" | paste -sd' ')" = 'index=5 index=7' ]
}

@test "contract: a flipped bit in the one that the log begins with is found at the start" {
	two "$D"
	snapshot add "$D/run/log" 6 "$S/state"
	wait_until 10 first_is "$D" 7
	logd_stop
	row=$(sqlite3 "$D/data/log.db" "SELECT value FROM meta WHERE key = 'before'")
	# Its fields: still a contract.
	bad=${row/ 0100/ 0101}
	[ "$row" != "$bad" ]
	sqlite3 "$D/data/log.db" "UPDATE meta SET value = '$bad' WHERE key = 'before'; PRAGMA wal_checkpoint(TRUNCATE)"
	logd_exits "$D"
	[ "$status" -eq 78 ]
	[[ $output == *'where the log begins cannot be read'* ]]
}

@test "contract: ⚠ a damaged entry of it is found at the start, and taken for nothing else" {
	two "$D"
	# Far from the end of the log: only the contract makes the start read it.
	writes "$D" 7 'text=d'
	tell "$D" >/dev/null <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=8 count=2000
		stored A 1
		commit A index=2007 term=1
		write A number=2 term=1 vote=n1
		stored A 2
	SCRIPT
	logd_stop
	sqlite3 "$D/data/log.db" "UPDATE log SET data = x'00010000000000000001000000000000000201' || data WHERE idx = 5;
		PRAGMA wal_checkpoint(TRUNCATE)"
	logd_exits "$D"
	[ "$status" -eq 74 ]
	[[ $output == *'ev=damage bad=5 last=4'* ]]
	logd_start "$D"
	contracts "$D"
	[[ $output == *$'format=kv-1\nlevel=2' ]]
}

@test "contract: an index that names another entry ends the start with 78" {
	two "$D"
	logd_stop
	sqlite3 "$D/data/log.db" "DROP INDEX rules; CREATE INDEX rules ON log (idx) WHERE kind IN (5, 6);
		PRAGMA writable_schema = ON;
		UPDATE sqlite_schema SET sql = replace(sql, 'IN (5, 6)', 'IN (2, 6)') WHERE name = 'rules'"
	sqlite3 "$D/data/log.db" "REINDEX rules; PRAGMA writable_schema = ON;
		UPDATE sqlite_schema SET sql = replace(sql, 'IN (2, 6)', 'IN (5, 6)') WHERE name = 'rules';
		PRAGMA wal_checkpoint(TRUNCATE)"
	logd_exits "$D"
	[ "$status" -eq 78 ]
	[[ $output == *'the index of its levels and contracts is not that of the log'* ]]
}

# install DIR STREAM: as raft-elect does; prints what comes before the end of it.
install() {
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$1/run/log" "$2" <<-'PY'
		import hashlib, struct, sys
		from wire import *
		stream = open(sys.argv[2], "rb").read()
		size, pos = struct.unpack(">I", stream[12:16])[0], struct.unpack(">QQ", stream[16:32])
		c = Conn(sys.argv[1])
		start = c.hello(ELECTOR)["start"]
		while c.recv()[0] != "log_end":
		    pass
		c.send("snap_put", start=start, request=1, pos=pos, size=len(stream), offset=0, data=stream,
		       hash=hashlib.blake2b(stream[:size], digest_size=32).digest())
		while (got := c.recv())[0] != "snap_taken":
		    if got[0] == "snap_contract":
		        print(got[0], got[1]["index"], got[1]["contract"].hex())
		    else:
		        print(got[0])
		c.send("log_write", start=start, number=1, term=pos[1], vote="n1", flags=4, truncate_after=pos[0],
		       first_index=pos[0] + 1, count=0)
		print(c.expect("log_stored")["last"])
	PY
}

@test "contract: ⚠ a snapshot brings the one in force at its place, whatever the log had" {
	two "$D"
	snapshot add "$D/run/log" 4 "$S/state"
	snapshot get "$D/run/log" "$S/stream"
	snapshot add "$D/run/log" 6 "$S/state"
	snapshot get "$D/run/log" "$S/stream-6"
	logd_stop
	logd_make "$E"
	logd_start "$E"
	tell "$E" >/dev/null <<-SCRIPT
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 $LEVEL
		write A number=2 term=1 vote=n1 first=2 count=1 $(contract 0 7 1 1 own)
		stored A 2
	SCRIPT
	run install "$E" "$S/stream"
	echo "$output"
	[ "$output" = $'snap_level\nsnap_contract 3 0003000000000000006400000000000007d0046b762d31\nsnap_ready\n(4, 1)' ]
	for _ in 1 2; do
		contracts "$E"
		[[ $output == *$'\nindex=3 framing=line fields=time,origin reply_max=100 entry_max=2000 format=kv-1\nlevel=2' ]]
		[[ $output != *own* ]]
		logd_kill
		logd_start "$E"
	done
	# One above the other.
	install "$E" "$S/stream-6"
	contracts "$E"
	[[ $output == *$'format=x\nlevel=2' ]]
	[[ $output != *index=3* ]]
}

@test "contract: a snapshot without one tells raft-elect of none, and leaves none" {
	logd_make "$D"
	logd_start "$D"
	writes "$D" 1 "$LEVEL" text=a text=b
	snapshot add "$D/run/log" 3 "$S/state"
	snapshot get "$D/run/log" "$S/stream"
	logd_stop
	logd_make "$E"
	logd_start "$E"
	tell "$E" >/dev/null <<-SCRIPT
		hello A elector
		write A number=1 term=1 vote=n1 first=1 count=1 $(contract 0 7 1 1 own)
		stored A 1
	SCRIPT
	run install "$E" "$S/stream"
	[ "$output" = $'snap_level\nsnap_ready\n(3, 1)' ]
	for _ in 1 2; do
		contracts "$E"
		[[ $output == *$'\nlevel=2' ]]
		[[ $output != *index=* ]]
		logd_kill
		logd_start "$E"
	done
}

@test "contract: --recover-alone keeps it" {
	two "$D"
	snapshot add "$D/run/log" 4 "$S/state"
	wait_until 10 first_is "$D" 5
	logd_stop
	logd_exits "$D" --recover-alone --yes
	[ "$status" -eq 0 ]
	logd_start "$D"
	contracts "$D"
	[ "$(grep -o 'index=[0-9]*' <<<"$output" | paste -sd' ')" = 'index=3 index=5' ]
}

@test "contract: an entry of that kind is stored at level 1 as well, and what depends on it stays readable" {
	logd_make "$D"
	sed -i "s/logd: {/logd: { keep_tail: 0B,/" "$D/raft.yaml"
	logd_start "$D"
	writes "$D" 1 "$(contract 0 0 1 1 odd)" text=a
	snapshot add "$D/run/log" 2 "$S/state"
	wait_until 10 first_is "$D" 3
	for _ in 1 2; do
		contracts "$D"
		[[ $output == *$'format=odd\nlevel=1' ]]
		logd_kill
		logd_start "$D"
	done
}

@test "contract: an entry of that kind whose data is no contract is refused" {
	two "$D"
	run tell "$D" <<-'SCRIPT'
		hello A elector
		write A number=1 term=1 vote=n1 first=7 count=1 kind=contract data=0003
		closed A
	SCRIPT
	[[ $output == *closed* ]]
	said "$D" 'the entries are malformed'
	has_status "$D" last 6
}

@test "chain: that of each committed place which the log still has, and of no other" {
	two "$D"
	cluster=$(sqlite3 "file:$D/data/log.db?mode=ro&immutable=1" "SELECT value FROM meta WHERE key = 'cluster'")
	run tell "$D" <<<$'hello R fsm\nchain R index=0'
	[ "${lines[1]}" = "chain found=1 hash=$cluster" ]
	tell "$D" >/dev/null <<<$'hello A elector\nwrite A number=1 term=1 vote=n1 first=7 count=1\nstored A 1'
	run tell "$D" < <(echo 'hello R reader' && for i in 1 2 3 4 5 6 7 8 18446744073709551615; do echo "chain R index=$i"; done)
	asked=$output
	[ "$(grep -c 'found=1' <<<"$asked")" -eq 6 ]
	[ "$(tail -n 3 <<<"$asked" | sort -u)" = "chain found=0 hash=$(printf '%064d' 0)" ]
	snapshot add "$D/run/log" 4 "$S/state"
	wait_until 10 first_is "$D" 5
	run tell "$D" <<<$'hello R client\nchain R index=0\nchain R index=3\nchain R index=4\nchain R index=5'
	[ "$(cut -d' ' -f 2 <<<"$output" | tail -n 4 | paste -sd' ')" = 'found=0 found=0 found=1 found=1' ]
	# The same as before, now from the place where the log begins.
	[ "${lines[3]}" = "$(sed -n 5p <<<"$asked")" ]
	[ "${lines[4]}" = "$(sed -n 6p <<<"$asked")" ]
	logd_stop
	[ "${lines[4]}" = "chain found=1 hash=$(sqlite3 "$D/data/log.db" 'SELECT lower(hex(chain)) FROM log WHERE idx = 5')" ]
}
