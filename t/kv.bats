#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-kv by pipe alone: the contract of a program of mode machine, kept by hand.
# sanitize
# shellcheck disable=SC2030,SC2031

bats_require_minimum_version 1.5.0
load helper

setup() {
	DB=$BATS_TEST_TMPDIR/kv.db
	SNAP=$BATS_TEST_TMPDIR/snap
}

# each STORE...: "memory" and "durable" are the same to who asks.  kv STORE [ARG...]
kv() {
	local store=$1
	shift
	case $store in
	memory) timeout 20 raft-kv "$@" ;;
	durable) timeout 20 raft-kv -D "$DB" "$@" ;;
	esac
}

# says STORE REQUESTS: its answers, without what only a durable one says.
says() { printf '%s\n' "$2" | kv "$1" | grep -vE '^(ready|durable) '; }

@test "kv: put, get, del, cas, incr and list, in memory and on disk" {
	requests='entry 1 put a x
entry 2 put colour light  blue
query get colour
query get none
entry 3 cas a x y z
entry 4 cas a x w
entry 5 cas none x y
entry 6 get a
entry 7 incr n
entry 9 incr n
entry 10 incr a
entry 11 put empty 
query get empty
query list
query list co
entry 12 del a
entry 13 del a
query list'
	replies='ok
ok
ok light  blue
refused no such key
ok
refused the value is y z
refused no such key
ok y z
ok 1
ok 2
refused the value is no number
ok
ok 
ok a colour empty n
ok colour
ok
refused no such key
ok colour empty n'
	for store in memory durable; do
		diff <(says "$store" "$requests") - <<<"$replies"
	done
}

@test "kv: what is no command is refused, and changes nothing" {
	requests='entry 1 put a 1
entry 2
entry 3 
entry 4 put
entry 5 put k
entry 6 put  v
entry 7 get
entry 8 get a b
entry 9 incr a b
entry 10 Put k v
entry 11 3:put,1:k,
entry 12 3:put,1:k,1:v
entry 13 99999999999999999999:put,
entry 14 cas a 1
entry 15 list a b
query put k v
query incr a
query 4:incr,1:a,'
	for store in memory durable; do
		says "$store" "$requests" >"$BATS_TEST_TMPDIR/out"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -eq 18 ]
		[ "$(grep -vc '^refused ' "$BATS_TEST_TMPDIR/out")" -eq 1 ]
		rm -f "$DB"*
	done
	long=$(printf '%01025d' 0)
	[ "$(says memory "entry 1 put $long v")" = 'refused a key has 1 to 1024 bytes' ]
	[ "$(says memory "entry 1 put ${long:1} v")" = ok ]
	# No reply is above the default of fsm.reply_max, a mebibyte.
	head -c 1047552 /dev/zero | tr '\0' v >"$BATS_TEST_TMPDIR/value"
	{
		printf 'entry 1 put k %s\nentry 2 put k %sv\nentry 3 cas k x y\n' "$(<"$BATS_TEST_TMPDIR/value")" "$(<"$BATS_TEST_TMPDIR/value")"
		seq 3000 | sed "s/.*/entry 1&000 put &${long:5} v/"
		echo 'query list'
	} | sed 's/^entry [0-9]*/entry/' | awk '/^entry/ { $1 = "entry " ++n } { print }' | kv memory >"$BATS_TEST_TMPDIR/out"
	[ "$(sed -n 3p "$BATS_TEST_TMPDIR/out")" = 'refused a value has up to 1047552 bytes' ]
	[[ $(tail -n 1 "$BATS_TEST_TMPDIR/out") == 'refused a list of more than'* ]]
	[ "$(wc -L <"$BATS_TEST_TMPDIR/out")" -le 1048576 ]
	[ "$(wc -L <"$BATS_TEST_TMPDIR/out")" -gt 1047552 ]
}

@test "kv: numbers count to the largest and no further, and only numbers count" {
	for n in 01 +1 ' 1' 1x 0x1 '' 9223372036854775808 -0 1.0; do
		[ "$(says memory "entry 1 put n $n
entry 2 incr n" | tail -n 1)" = 'refused the value is no number' ]
	done
	[ "$(says memory 'entry 1 put n 9223372036854775806
entry 2 incr n
entry 3 incr n')" = 'ok
ok 9223372036854775807
refused the value is the largest number' ]
	[ "$(says memory 'entry 1 put n -1
entry 2 incr n' | tail -n 1)" = 'ok 0' ]
}

@test "kv: any bytes, framed as netstrings" {
	cat >"$BATS_TEST_TMPDIR/drive" <<'PY'
import subprocess, sys
def net(b): return b"%d:%s," % (len(b), b)
def words(*w): return b"".join(map(net, w))
def parse(b):
    out = []
    while b:
        size, b = b.split(b":", 1)
        n = int(size)
        assert b[n:n + 1] == b","
        out.append(b[:n])
        b = b[n + 1:]
    return out
odd, value = b"k \n\0\xff", bytes(range(256)) * 300
requests = [b"entry 1 " + words(b"put", odd, value), b"query " + words(b"get", odd), b"entry 2 put plain a\nb",
            b"query get plain", b"query " + words(b"list"), b"query " + words(b"list", b"k"), b"query list",
            b"entry 3 " + words(b"cas", odd, value, b""), b"query " + words(b"get", odd)]
out = subprocess.run(sys.argv[1:], input=b"".join(map(net, requests)), stdout=subprocess.PIPE, check=True, timeout=20).stdout
replies = [r for r in parse(out) if not r.startswith((b"ready ", b"durable "))]
assert replies == [b"ok", b"ok " + value, b"ok", b"ok a\nb", b"ok " + words(odd, value, b"plain", b"a\nb"),
                   b"ok " + words(odd, value), b"refused a key holds a blank: ask with netstrings", b"ok", b"ok "], replies
PY
	timeout 20 python3 "$BATS_TEST_TMPDIR/drive" raft-kv -F netstring
	timeout 20 python3 "$BATS_TEST_TMPDIR/drive" raft-kv -F netstring -D "$DB"
	# In lines a reply with a newline would be two.
	[ "$(kv durable <<<'query get plain')" = 'ready 3
refused the reply holds a newline: it needs netstrings' ]
	printf '20:entry 9 put zero a\0b,' | timeout 20 raft-kv -F netstring -D "$DB" >/dev/null
	[ "$(kv durable <<<'query get zero')" = 'ready 9
refused the reply holds a NUL: it needs netstrings' ]
}

@test "kv: a snapshot has its index in it, is the same from memory and disk, and either restores it" {
	seq 3 2 2001 | sed 's/.*/entry & incr key&/' >"$BATS_TEST_TMPDIR/in"
	{
		cat "$BATS_TEST_TMPDIR/in"
		printf 'entry 3000 put last 3:a,\\n\n'
	} >"$BATS_TEST_TMPDIR/all"
	for store in memory durable; do
		{ cat "$BATS_TEST_TMPDIR/all"; echo "snapshot $SNAP.$store"; } | kv "$store" >/dev/null
	done
	cmp "$SNAP.memory" "$SNAP.durable"
	[ "$(head -n 1 "$SNAP.memory")" = 'raft-kv 1 3000' ]
	[ "$(tail -n 1 "$SNAP.memory")" = 'end 1001' ]
	for store in memory durable; do
		DB=$BATS_TEST_TMPDIR/other.db
		printf '%s\n' "restore $SNAP.memory" 'entry 3001 incr key7' 'query get last' "snapshot $SNAP.again" \
			'entry 3001 incr key7' | kv "$store" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
		[ "$status" -eq 65 ]
		grep -qx 'ok 2' "$BATS_TEST_TMPDIR/out"
		grep -qx 'ok 3:a,\\n' "$BATS_TEST_TMPDIR/out"
		grep -q 'entry 3001 came after entry 3001' "$BATS_TEST_TMPDIR/err"
		[ "$(head -n 1 "$SNAP.again")" = 'raft-kv 1 3001' ]
	done
	[ "$(kv durable </dev/null)" = 'ready 3001' ]
}

@test "kv: a snapshot that cannot be written leaves the one before it, and a link is replaced, not followed" {
	echo precious >"$BATS_TEST_TMPDIR/mine"
	ln -s mine "$SNAP"
	printf '%s\n' 'entry 7 put a 1' "snapshot $SNAP" | kv memory >/dev/null
	[ "$(cat "$BATS_TEST_TMPDIR/mine")" = precious ]
	cp "$SNAP" "$SNAP.first"
	grep -q '^1:a,1:1,$' "$SNAP.first"
	printf '%s\n' 'entry 7 put b 2' "snapshot $SNAP" |
		timeout 20 strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:error=EIO raft-kv |
		grep -qx 'refused the snapshot cannot be written: Input/output error'
	cmp "$SNAP.first" "$SNAP"
	[ "$(cd "$BATS_TEST_TMPDIR" && echo snap*)" = 'snap snap.first' ]
}

@test "kv: a snapshot that is cut, changed or missing is refused, and the state stays" {
	printf '%s\n' 'entry 7 put a 1' 'entry 8 put b 2' "snapshot $SNAP" | kv durable >/dev/null
	size=$(stat -c %s "$SNAP")
	for cut in 0 5 12 20 $((size - 1)); do
		head -c "$cut" "$SNAP" >"$SNAP.bad"
		for store in memory durable; do
			kv "$store" <<<"restore $SNAP.bad" | grep -q '^refused '
		done
	done
	sed 's/end 2/end 3/' "$SNAP" >"$SNAP.bad"
	kv durable <<<"restore $SNAP.bad" | grep -q '^refused '
	{ cat "$SNAP"; echo; } >"$SNAP.bad"
	kv durable <<<"restore $SNAP.bad" | grep -q '^refused '
	kv durable <<<"restore $SNAP.none" | grep -q '^refused .*No such file'
	kv durable <<<"snapshot $BATS_TEST_TMPDIR/no/folder" | grep -q '^refused .*No such file'
	printf '%s\n' 'query list' "restore $SNAP" | kv durable | grep -q '^refused a snapshot is restored before'
	[ "$(kv durable <<<'query list')" = 'ready 8
ok a b' ]
}

@test "kv: the chain of the last entry is kept beside its index, and both are said" {
	C1=00112233445566778899aabbccddeeff C2=ffeeddccbbaa99887766554433221100
	chained() { RAFT_FIELDS=chain timeout 20 raft-kv -D "$DB"; }
	run chained <<<"entry 1 $C1 put a 1"
	[ "${lines[0]}" = 'ready 0' ]
	[ "$(chained </dev/null)" = "ready 1 $C1" ]
	printf 'entry 2 %s incr n\nentry 4 %s \nquery get a\n' "$C1" "$C2" | chained >"$BATS_TEST_TMPDIR/out"
	grep -qx 'ok 1' "$BATS_TEST_TMPDIR/out"
	[ "$(chained </dev/null)" = "ready 4 $C2" ]
	# One that came without has none.
	chained <<<'entry 5 - put b 2' >/dev/null
	[ "$(chained </dev/null)" = 'ready 5 -' ]
	chained <<<"entry 6 $C1 put b 2" >/dev/null
	# Time and origin are skipped; without the field the chain is neither said nor kept for the next entry.
	RAFT_FIELDS=time,origin,chain timeout 20 raft-kv -D "$DB" <<<"entry 7 1700000000000 n1:0 $C2 put c 3" >/dev/null
	[ "$(chained </dev/null)" = "ready 7 $C2" ]
	RAFT_FIELDS='' timeout 20 raft-kv -D "$DB" <<<'entry 8 put d 4' >"$BATS_TEST_TMPDIR/out"
	[ "$(head -n 1 "$BATS_TEST_TMPDIR/out")" = 'ready 7' ]
	[ "$(chained </dev/null)" = 'ready 8 -' ]
	[ "$(printf 'query list\n' | kv durable | tail -n 1)" = 'ok a b c d n' ]
}

@test "kv: a snapshot has the chain of its entry, where there is one, and is restored with and without" {
	C=00112233445566778899aabbccddeeff
	with() { RAFT_FIELDS=chain timeout 20 raft-kv "$@"; }
	printf 'entry 3 %s put a 1\nsnapshot %s\n' "$C" "$SNAP" | with >/dev/null
	printf 'entry 3 %s put a 1\nsnapshot %s.durable\n' "$C" "$SNAP" | with -D "$DB" >/dev/null
	cmp "$SNAP" "$SNAP.durable"
	[ "$(head -n 1 "$SNAP")" = "raft-kv 2 3 $C" ]
	printf 'entry 3 - put a 1\nsnapshot %s.none\n' "$SNAP" | with >/dev/null
	printf 'entry 3 put a 1\nsnapshot %s.old\n' "$SNAP" | kv memory >/dev/null
	cmp "$SNAP.none" "$SNAP.old"
	[ "$(head -n 1 "$SNAP.old")" = 'raft-kv 1 3' ]
	rm "$DB"*
	printf 'restore %s\n' "$SNAP" | with -D "$DB" >/dev/null
	[ "$(with -D "$DB" </dev/null)" = "ready 3 $C" ]
	printf 'restore %s\n' "$SNAP.old" | with -D "$DB" >/dev/null
	[ "$(with -D "$DB" </dev/null)" = 'ready 3 -' ]
	printf 'restore %s\nsnapshot %s.again\n' "$SNAP" "$SNAP" | kv memory >/dev/null
	cmp "$SNAP.again" "$SNAP.old"
	# A first line that is neither is refused.
	for line in "raft-kv 2 3" "raft-kv 2 3 ${C}0" "raft-kv 2 3 ${C%f}" "raft-kv 2 3 ${C%f}F" "raft-kv 3 3 $C"; do
		{ echo "$line" && tail -n +2 "$SNAP"; } >"$SNAP.bad"
		printf 'restore %s\n' "$SNAP.bad" | with | grep -qx 'refused not a whole snapshot of raft-kv'
	done
}

@test "kv: entries without the fields that RAFT_FIELDS names are one sentence and the right status" {
	RAFT_FIELDS=chains run -64 timeout 20 raft-kv </dev/null
	[ "$output" = 'raft-kv: RAFT_FIELDS=chains: it is no list of fields: time, origin and chain are expected' ]
	RAFT_FIELDS=chain run -65 timeout 20 raft-kv <<<'entry 1 put a 1'
	[[ $output == *'an entry whose chain is none: is raft-fsm, with fsm.mode machine and this framing, at the other end?' ]]
	RAFT_FIELDS=time,chain run -65 timeout 20 raft-kv <<<'entry 1 17'
	[[ $output == *'an entry without the fields that RAFT_FIELDS names: is raft-fsm'* ]]
}

@test "kv: what it said is durable survives kill -9, and each entry counts once" {
	cat >"$BATS_TEST_TMPDIR/drive" <<'PY'
import subprocess, sys, threading
def feed(kv, begin):
    try:
        for i in range(begin, begin + 100000):
            kv.stdin.write(b"entry %d incr n\n" % i)
    except BrokenPipeError:
        pass
said = 0
for _ in range(5):
    kv = subprocess.Popen(["raft-kv", "-D", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    begin = int(kv.stdout.readline().split()[1])  # from where it says it is, as raft-fsm would
    assert begin >= said, (begin, said)
    feeder = threading.Thread(target=feed, args=(kv, begin + 1))
    feeder.start()
    while said <= begin + 5000:
        words = kv.stdout.readline().split()
        if words[0] == b"durable":
            said = int(words[1])
    kv.kill()
    kv.wait()
    feeder.join()
out = subprocess.run(["raft-kv", "-D", sys.argv[1]], input=b"query get n\n", stdout=subprocess.PIPE).stdout.split()
print(said, out)
assert out[0] == b"ready" and int(out[1]) >= said > 20000
assert out[2:] == [b"ok", out[1]]
PY
	timeout 60 python3 "$BATS_TEST_TMPDIR/drive" "$DB"
}

@test "kv: all that waits is one transaction, and no reply leaves before it is durable" {
	seq 1 1000 | sed 's/.*/entry & put k& v/' >"$BATS_TEST_TMPDIR/in"
	kv durable <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	[ "$(grep -c '^durable ' "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	rm -f "$DB"*
	timeout 60 strace -f -o "$BATS_TEST_TMPDIR/trace" -e trace=write,fsync,fdatasync raft-kv -D "$DB" \
		<"$BATS_TEST_TMPDIR/in" >/dev/null
	# The last sync that precedes the replies comes after the ready.
	awk '/write\(1, "ready/ { ready = 1 } ready && /(fsync|fdatasync)\(/ { synced = 1 }
		/write\(1, "ok/ { exit !synced }' "$BATS_TEST_TMPDIR/trace"
}

@test "kv: a request that is cut at the end of the input was none" {
	printf 'entry 1 put a 1\nentry 2 put a 2' | kv durable >/dev/null
	[ "$(kv durable <<<'query get a' | tail -n 1)" = 'ok 1' ]
}

@test "kv: what breaks the contract, and a file of another kind, are one sentence and the right status" {
	for line in 'hello' 'entry' 'entry x y' 'entry 1x y' 'entry 0 put a 1' ''; do
		run kv memory <<<"$line"
		[ "$status" -eq 65 ]
		[ "${#lines[@]}" -eq 2 ] # ready, and the sentence
	done
	run kv memory -F netstring <<<'entry 1 put a 1'
	[ "$status" -eq 65 ]
	echo 'some text that is no database of anybody, nor will it be' >"$DB"
	run kv durable </dev/null
	[ "$status" -eq 78 ]
	[[ $output == "raft-kv: $DB: is no database of raft-kv"* ]]
	rm "$DB"
	sqlite3 "$DB" 'CREATE TABLE other (x); INSERT INTO other VALUES (1)'
	run kv durable </dev/null
	[ "$status" -eq 78 ]
	[ "$(sqlite3 "$DB" .tables)" = other ]
	run timeout 20 raft-kv -D "$BATS_TEST_TMPDIR/no/folder" </dev/null
	[ "$status" -eq 74 ]
	for args in '-F json' '-F' '-x' '--bogus' 'operand' '-D'; do
		# shellcheck disable=SC2086
		run kv memory $args </dev/null
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}

@test "kv: the examples of its page" {
	out=$(printf 'entry 1 incr n\nentry 2 incr n\nquery get n\n' | raft-kv)
	[ "$out" = 'ready 0
ok 1
ok 2
ok 2' ]
	grep -qF "printf 'entry 1 incr n\\enentry 2 incr n\\enquery get n\\en' | raft-kv" "$ROOT/man/raft-kv.1"
}
