#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft.yaml: what is read, and the one sentence that each mistake gets.  raft.yaml(5).

bats_require_minimum_version 1.5.0
load helper

K1=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=
K2=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAI=

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	good >raft.yaml
}

# good: a configuration with all that is needed; line numbers below refer to it.
good() {
	cat <<-EOF
		node:
		  id: n1
		cluster:
		  name: demo
		  members:
		    - { id: n1, address: "tcp://127.0.0.1:7101", key: $K1 }
		    - { id: n2, address: "tcp://127.0.0.1:7102", key: $K2 }
		peerd:
		  listen: tcp://127.0.0.1:7101
		  secret: n1.key
	EOF
}

check() { timeout 10 raft-elect -n -c raft.yaml; }
print() { timeout 10 raft-elect -nv -c "${1:-raft.yaml}"; }

# refused PLACE WORDS: -n exits 78 and says one line, that begins with raft.yaml:PLACE and holds the words.
refused() {
	run check
	echo "$output"
	[ "$status" -eq 78 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "raft-elect: raft.yaml:$1: "* ]]
	[[ $output == *"$2"* ]]
}

# with LINE...: the good file and these lines.
with() {
	good >raft.yaml
	printf '%s\n' "$@" >>raft.yaml
}

# replaced SED: the good file, edited.
replaced() { good | sed -E "$1" >raft.yaml; }

@test "conf: a file with what is needed is good, and -n says nothing" {
	run check
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "conf: the defaults are those of the page" {
	run print
	[ "$status" -eq 0 ]
	for line in 'election_timeout: 1s' 'heartbeat: 100ms' 'store_timeout: 2s' 'entry_max: 1MiB' 'message: 1MiB' \
		'window: 16MiB' 'uncommitted: 64MiB' 'tail: 2MiB' 'reserve: 256MiB' 'tail: 8MiB' 'queue: 64MiB'; do
		grep -qxF "  $line" <<<"$output"
	done
	run ! grep -q "^fsm:" <<<"$output"
}

@test "conf: paths are relative to the file, not to the working directory" {
	mkdir -p sub && mv raft.yaml sub
	run print sub/raft.yaml
	grep -qxF "  data: $BATS_TEST_TMPDIR/sub/data" <<<"$output"
	grep -qxF "  secret: $BATS_TEST_TMPDIR/sub/n1.key" <<<"$output"
}

@test "conf: what -nv prints reads back as the same" {
	with 'fsm:' '  command: [ ./apply, "two words", "", "quote \" back \\ tab \t nel \N line\n", "ä€", "a: b", "- x", "#y" ]' \
		'  framing: json' '  from: cursor' '  stop_timeout: 90s' \
		'elect: { election_timeout: 3600000ms, heartbeat: 1500ms, entry_max: 1048577B }' \
		'logd: { tail: 1024KiB, reserve: 0B }'
	print >one
	print one >two
	cmp one two
	grep -qxF '  election_timeout: 1h' one
	grep -qxF '  stop_timeout: 90s' one
	grep -qxF '  entry_max: 1048577B' one
	grep -qxF '  tail: 1MiB' one
	grep -qF '"ä€", "a: b", "- x", "#y" ]' one
}

@test "conf: a members file is read, and missing it is no mistake of the file" {
	good | sed -n '/- {/s/^ *//p' >members.yaml
	good | sed '/- {/d; s/members:/members: members.yaml/' >raft.yaml
	print >with
	good >raft.yaml
	print >inline
	cmp with inline
	rm members.yaml
	good | sed '/- {/d; s/members:/members: members.yaml/' >raft.yaml
	print | grep -qxF "  members: $BATS_TEST_TMPDIR/members.yaml"
}

@test "conf: members are sorted by id, a learner stays one" {
	with
	sed -i -E 's/(id: n2.*) \}/\1, role: learner }/; s/id: n1, addr/id: z, addr/' raft.yaml
	run print
	grep -A1 -F 'members:' <<<"$output" | grep -q 'id: n2,.*role: learner }$'
}

@test "conf: a mistake in the members file names that file" {
	echo "- { id: n1, address: nowhere, key: $K1 }" >members.yaml
	good | sed '/- {/d; s/members:/members: members.yaml/' >raft.yaml
	run check
	[ "$status" -eq 78 ]
	[[ $output == "raft-elect: $BATS_TEST_TMPDIR/members.yaml:1:22: "* ]]
}

@test "conf: the file is -c, else \$RAFT_CONFIG, else ./raft.yaml" {
	timeout 10 raft-elect -n
	mkdir empty && cd empty
	run timeout 10 raft-elect -n
	if [ ! -e /etc/raft/raft.yaml ]; then
		[ "$status" -eq 78 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"give -c FILE"* ]]
	fi
	RAFT_CONFIG=../raft.yaml timeout 10 raft-elect -n
	run env RAFT_CONFIG=../raft.yaml timeout 10 raft-elect -n -c ../no.yaml
	[ "$status" -eq 78 ]
	[[ $output == "raft-elect: ../no.yaml: cannot be read: No such file or directory" ]]
}

@test "conf: a folder and an unreadable file are said to be so" {
	mkdir folder
	run timeout 10 raft-elect -n -c folder
	[ "$status" -eq 78 ]
	[[ $output == *"folder: cannot be read: Is a directory" ]]
}

# ------------------------------------------------------------ keys

@test "conf: an unknown key is refused with the nearest known one" {
	with 'elect: { hartbeat: 100ms }'
	refused 11:10 'unknown key elect.hartbeat: did you mean elect.heartbeat?'
}

@test "conf: a key of another section is refused with its section" {
	with 'elect: { reserve: 1GiB }'
	refused 11:10 'did you mean logd.reserve?'
}

@test "conf: an unknown section is refused" {
	with 'elekt: { heartbeat: 100ms }'
	refused 11:1 'unknown key elekt: did you mean elect?'
	with 'id: n1'
	refused 11:1 'unknown key id: did you mean node.id?'
	with 'colour: red'
	refused 11:1 'raft.yaml(5) lists all keys'
}

@test "conf: a duplicate key is refused with the line of the first" {
	with 'logd:' '  tail: 1MiB' '  tail: 2MiB'
	refused 13:3 'key tail stands twice: it is already on line 12'
	with 'node: { id: n2 }'
	refused 11:1 'key node stands twice: it is already on line 1'
}

@test "conf: each missing key is named" {
	replaced '/^  id:/s/id: n1/run: run/'
	refused 1:1 'node.id is missing'
	replaced '/name:/d'
	refused 3:1 'cluster.name is missing'
	replaced '/members:/d; /- \{/d'
	refused 3:1 'cluster.members is missing'
	replaced '/listen:/d'
	refused 8:1 'peerd.listen is missing'
	replaced '/secret:/d'
	refused 8:1 'peerd.secret is missing'
	replaced '/^peerd:/d; /listen:/d; /secret:/d'
	refused 1:1 'peerd.listen is missing'
}

@test "conf: a key without effect is refused: framing whole" {
	with 'fsm: { framing: whole }'
	refused 11:17 'fsm.framing whole has no effect here'
}

@test "conf: the fields of a machine, in any order, are read, printed in one, and each mistake is named" {
	for written in '[]:[]' '[ chain ]:[chain]' '[ chain, time, origin ]:[time,origin,chain]'; do
		with "fsm: { mode: machine, fields: ${written%:*} }"
		print >printed
		grep -qxF "  fields: ${written#*:}" printed
		# It reads back as the same.
		print printed | diff printed -
	done
	with 'fsm: { mode: machine, fields: [ time, clock ] }'
	refused 11:39 'fsm.fields clock is no field: the fields are time, origin and chain'
	with 'fsm: { mode: machine, fields: [ time, [ x ] ] }'
	refused 11:39 'fsm.fields: this is no field'
	with 'fsm: { mode: machine, fields: [ time, chain, time ] }'
	refused 11:46 'fsm.fields has time twice: remove one'
	with 'fsm: { mode: machine, fields: time }'
	refused 11:31 'fsm.fields needs a list, as in [ time, origin ]'
	with 'fsm: { mode: machine, fields: { time: 1 } }'
	refused 11:31 'fsm.fields needs a list'
	with 'fsm: { mode: sink, fields: [ time ] }'
	refused 11:28 'fsm.fields has no effect in this mode: remove it'
}

@test "conf: the modes of raft-fsm, and keys that are not for the mode" {
	with 'fsm: { mode: zink }'
	refused 11:14 'fsm.mode zink is no mode: use sink, batch or machine'
	with 'fsm: { mode: batch, from: cursor }'
	refused 11:27 'fsm.from has no effect in this mode'
	with 'fsm: { timeout: 1s }'
	refused 11:17 'fsm.timeout has no effect in this mode'
	with 'fsm: { mode: machine, framing: json }'
	refused 11:32 'fsm.framing json is not for mode machine'
	with 'fsm: { mode: batch, batch: { entries: 10, size: 1MiB } }'
	refused 11:43 'fsm.batch.size is unknown: entries, bytes and time are expected'
	with 'fsm: { mode: batch, batch: { entries: 0 } }'
	refused 11:28 'fsm.batch has a limit of 0'
	with 'fsm: { mode: machine, snapshot: 5 }'
	refused 11:33 'fsm.snapshot needs a map'
}

# ------------------------------------------------------------ values

@test "conf: wrong types are refused" {
	with 'elect: { heartbeat: [ 100ms ] }'
	refused 11:21 'elect.heartbeat needs a single value, this is a list'
	with 'elect: { heartbeat: { a: b } }'
	refused 11:21 'this is a map'
	with 'fsm: { command: cat }'
	refused 11:17 'fsm.command needs a list'
	with 'fsm: { command: [] }'
	refused 11:17 'fsm.command needs a list'
	with 'fsm: { command: [ cat, [ x ] ] }'
	refused 11:24 'fsm.command is a list of words'
	with 'fsm: { command: [ "" ] }'
	refused 11:19 'fsm.command names no program'
	with 'logd: 5'
	refused 11:1 'logd needs keys below it'
	with 'fsm:'
	refused 11:1 'fsm needs keys below it'
	with 'elect: { heartbeat: }'
	refused 11:10 'elect.heartbeat has no value'
	printf '%s\n' '- a' >raft.yaml
	refused 1:1 'a configuration is a map'
	replaced '/- \{/d; s/members:/members: { a: b }/'
	refused 5:12 'cluster.members needs a list of members, or the file that holds it'
}

@test "conf: bad units of durations are refused" {
	for value in 100 100ns 1.5s 1m30s -1s +1s ms 's' '1 s' 99999999999999999999s 9999999999999999h 1S; do
		with "elect: { heartbeat: $value }"
		refused 11:21 'is no duration: write a number and ms, s, m, h or d'
	done
}

@test "conf: bad units of sizes are refused" {
	for value in 100 1MB 1mib 1.5GiB -1B KiB '1 MiB' 99999999999999999999B 99999999TiB; do
		with "logd: { tail: $value }"
		refused 11:15 'is no size: write a number and B, KiB, MiB, GiB or TiB'
	done
}

@test "conf: values out of range are refused with the range" {
	with 'elect: { heartbeat: 0ms }'
	refused 11:21 'elect.heartbeat 0ms is out of range: it goes from 1ms to 10m'
	with 'elect: { entry_max: 9MiB }'
	refused 11:21 'elect.entry_max 9MiB is out of range: it goes from 1B to 8MiB'
}

@test "conf: ids and names are checked" {
	for id in '"a b"' a/b 01234567890123456789012345678901 '""' ü; do
		replaced "2s,n1,$id,"
		refused 2:7 'is no id'
	done
	replaced '4s/demo/"my cluster"/'
	refused 4:9 'cluster.name my cluster is no name'
}

@test "conf: addresses are checked" {
	for address in 127.0.0.1:7101 udp://a:1 tcp://a tcp://a:0 tcp://a:65536 tcp://a:x tcp://a:07 tcp://:7101 'tcp://a b:1' \
		tcp://::1:7101 '"tcp://[::1]"' '"tcp://[::g]:1"' tcp://256.0.0.1:1 tcp://a:1/b '"tcp://*:1"' 'tcp://-a:1'; do
		replaced "9s,tcp:.*,$address,"
		refused 9:11 'peerd.listen'
	done
	for address in tcp://a.example:1 tcp://127.0.0.1:65535 '"tcp://[::1]:7101"' '"tcp://[::]:7101"' tcp://0.0.0.0:7101; do
		replaced "9s,tcp:.*,$address,"
		check
	done
}

@test "conf: members are checked one by one" {
	replaced '6s/id: n1/id: a b/'
	refused 6:13 'a b is no id'
	replaced '6s,"tcp[^"]*",tcp://0.0.0.0:1,'
	refused 6:26 "the others can't reach that"
	replaced "6s,key: [^ ]*,key: short,"
	refused 6:55 'short is no public key'
	replaced '6s/ \}/, role: boss }/'
	refused 6:107 'boss is no role'
	replaced '6s/ \}/, colour: red }/'
	refused 6:101 'unknown key colour of a member'
	replaced '6s/key: [^ ]*/role: voter/'
	refused 6:7 'this member has no key'
	replaced '6s/id: n1/id: /'
	refused 6:9 'id of a member needs a value'
	replaced '6s/- .*/- n1/'
	refused 6:7 'a member needs a map'
}

@test "conf: the cluster of a members list has an id, and perhaps an index" {
	local id
	id=$(printf '0%.0s' $(seq 64))
	replaced "6i\\    - { cluster: \"$id\", index: 18446744073709551615 }"
	print | grep -qxF "    - { cluster: \"$id\", index: 18446744073709551615 }"
	replaced "6i\\    - { cluster: \"$id\" }"
	print | grep -qxF "    - { cluster: \"$id\" }"
	replaced "6i\\    - { cluster: \"$id\", index: 7, name: demo }"
	print | grep -qxF "    - { cluster: \"$id\", index: 7, name: demo }"
	replaced "6i\\    - { cluster: \"${id#0}\" }"
	refused 6:9 'cluster needs a line of its own and an id of 64 hexadecimal digits'
	for index in 0 -1 x 1x 18446744073709551616 '' '[ 1 ]'; do
		replaced "6i\\    - { cluster: \"$id\", index: $index }"
		refused 6:86 'beside the cluster there can only be index, a number from 1 on'
	done
	replaced "6i\\    - { cluster: \"$id\", id: n1 }"
	refused 6:86 'beside the cluster there can only be index'
	replaced "6i\\    - { cluster: \"$id\", index: 1, id: n1 }"
	refused 6:96 'beside the cluster there can only be index'
	for name in a/b '' "$id" '[ demo ]'; do
		replaced "6i\\    - { cluster: \"$id\", name: $name }"
		refused 6:86 'beside the cluster there can only be index, a number from 1 on, and name, 1 to 63 characters'
	done
}

@test "conf: without cluster.name the name is that of the members list" {
	local id
	id=$(printf '0%.0s' $(seq 64))
	replaced "6i\\    - { cluster: \"$id\", name: ops }"
	print | grep -qxF '  name: demo'
	sed -i '/name: demo/d' raft.yaml
	print | grep -qxF '  name: ops'
	sed -i '/cluster: "/d' raft.yaml
	refused 3:1 'cluster.name is missing: add it, or write the output of raft-ctl members -y, which has it, to the file of cluster.members'
}

@test "conf: members must differ in id, key and address" {
	replaced '7s/id: n2/id: n1/'
	refused 7:13 'two members have the id n1'
	replaced "7s,$K2,$K1,"
	refused 7:55 'n1 and n2 have the same key'
	replaced '7s/7102/7101/'
	refused 7:26 'n1 and n2 have the same address'
}

@test "conf: at least one voter, at most 32 members" {
	replaced '/- \{/d; s/members:/members: []/'
	refused 5:12 'the list of members is empty'
	replaced '6,7s/ \}/, role: learner }/'
	refused 6:5 'no member is a voter'
	good | head -n 5 >raft.yaml
	for i in $(seq 33); do
		echo "    - { id: n$i, address: tcp://127.0.0.1:$((7000 + i)), key: $(printf '%032d' "$i" | base64) }"
	done >>raft.yaml
	good | tail -n 3 >>raft.yaml
	refused 38:7 'too many members'
	sed -i 38d raft.yaml
	check
}

# ------------------------------------------------------------ together

@test "conf: a heartbeat not well under the election timeout is refused" {
	with 'elect: { election_timeout: 1s, heartbeat: 334ms }'
	refused 11:43 'elect.heartbeat 334ms is not well under elect.election_timeout 1s'
	with 'elect: { election_timeout: 1s, heartbeat: 333ms }'
	check
	with 'elect: { election_timeout: 200ms }'
	refused 11:1 'elect.heartbeat 100ms is not well under'
}

@test "conf: a grace of more than a third of the election timeout is refused; without one it is a quarter" {
	with 'lead: { grace: 334ms }'
	refused 11:16 'lead.grace 334ms is too long for elect.election_timeout 1s: make it a third of that or less'
	with 'elect: { election_timeout: 3s }' 'lead: { grace: 1s }'
	check
	for lead in '' 'lead: { grace: 0ms }'; do
		with 'elect: { election_timeout: 3s }' "$lead"
		print | grep -qx '  grace: 750ms'
	done
	with 'lead: { grace: 10 }'
	refused 11:16 'lead.grace 10 is no duration'
	with 'lead: { grase: 10ms }'
	refused 11:9 'unknown key lead.grase: did you mean lead.grace?'
}

@test "conf: sizes that nothing fits into are refused" {
	with 'elect: { window: 64KiB }'
	refused 11:18 'elect.window 64KiB is too small: it must hold one elect.message, at least 1MiB'
	with 'elect: { uncommitted: 1MiB }'
	refused 11:23 'elect.uncommitted 1MiB is too small'
	with 'peerd: {}'
	replaced '10s/$/\n  queue: 1MiB/'
	refused 11:10 'peerd.queue 1MiB is too small'
	replaced '10s/$/\n  bulk_rate: 63KiB/'
	refused 11:14 'peerd.bulk_rate 63KiB is too little for a snapshot to arrive: at least 64KiB a second, or 0B'
}

@test "conf: a run directory too long for a socket is refused" {
	long=$(printf '%0102d' 0)
	replaced "2s,\$,\\n  run: /${long:2},"
	check
	replaced "2s,\$,\\n  run: /${long:1},"
	refused 3:8 'is too long for a socket: it has 102 bytes, the limit is 101'
	replaced "2s,\$,\\n  run: data,"
	refused 3:8 'node.run and node.data are one folder'
}

# ------------------------------------------------------------ YAML itself

@test "conf: an empty file is refused" {
	for text in '' '# nothing' '---' '~'; do
		printf '%s' "$text" >raft.yaml
		run check
		[ "$status" -eq 78 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == 'raft-elect: raft.yaml:1:1: '* ]]
	done
}

@test "conf: more than one document is refused" {
	with '---' 'node: { id: n2 }'
	refused 11:1 'a second document begins here'
}

@test "conf: anchors, aliases and tags are refused" {
	with 'logd: &a { keep: 1GiB }'
	refused 11:7 'anchors have no use here: remove &a'
	with 'logd: *a'
	refused 11:7 'aliases have no use here'
	with 'logd: !!map { keep: 1GiB }'
	refused 11:7 'tags have no use here'
	with 'logd: { keep: !x 1GiB }'
	refused 11:15 'tags have no use here'
	with 'logd: { ? [ a ] : b }'
	refused 11:11 "a list or map can't be a key"
}

@test "conf: broken YAML is refused where it breaks" {
	with 'logd: { keep: 1GiB'
	refused 12:1 'broken YAML'
	with 'logd: "keep'
	refused 12:1 'broken YAML'
	with $'\tlogd: {}'
	refused 11:1 'broken YAML'
	with $'logd: { keep: "\xff" }'
	refused 11:16 'not UTF-8 text'
	with 'logd: { keep: "1GiB\0" }'
	refused 11:15 'a NUL byte'
	with "logd: $(printf '[%.0s' $(seq 9))$(printf ']%.0s' $(seq 9))"
	refused 11:14 'nested too deeply'
}

@test "conf: a value with control characters is still one line" {
	with 'logd: { tail: "a\nb\eb" }'
	refused 11:15 'logd.tail a?b?b is no size'
}

@test "conf: a file larger than any configuration is refused" {
	head -c 1100000 /dev/zero | tr '\0' '#' >>raft.yaml
	run check
	[ "$status" -eq 78 ]
	[[ $output == 'raft-elect: raft.yaml: cannot be read: it is larger than 1MiB' ]]
}

@test "conf: each key is in raft.yaml(5), and each key of the page exists" {
	for mode in sink batch machine; do
		with "fsm: { command: [ cat ], mode: $mode }"
		sed -i "2s/\$/\n  group: root/" raft.yaml
		print
	done | sed -n -E 's/^([a-z]+):$/\1/p; s/^  ([a-z_]+):.*/ \1/p' >keys
	awk '/^[a-z]/ { s = $1 } /^ / { print s "." $1 }' keys | sort -u >have
	sed -n -E 's/^\.It Ic ([a-z]+\.[a-z_]+).*/\1/p' "$ROOT/man/raft.yaml.5" | sort >documented
	diff have documented
}

@test "conf: the defaults in raft.yaml(5) are those that are used" {
	for mode in sink batch machine; do
		with "fsm: { mode: $mode }"
		print
	done >all
	sed -n -E '/^\.It Ic/{s/.*Ic [a-z]+\.([a-z_]+).*/\1/;h}; /^Default:/{s/^Default: +(.*)\.$/\1/;G;s/(.*)\n(.*)/  \2: \1/p}' \
		"$ROOT/man/raft.yaml.5" | sort -u >documented
	[ "$(wc -l <documented)" -ge 17 ]
	while read -r line; do
		case $line in data:* | run:*) line=${line%%: *}": $BATS_TEST_TMPDIR/${line#*: }" ;; esac
		grep -qxF "  $line" all || { echo "not the default: $line"; return 1; }
	done <documented
}

@test "conf: the example in etc/ is good, and so is it with all that it comments on" {
	cp "$ROOT/etc/raft.yaml" raft.yaml
	check
	sed -E 's/^#( *[a-z_]+:)/\1/' "$ROOT/etc/raft.yaml" >raft.yaml
	check
}

@test "conf: the example in raft.yaml(5) is good" {
	awk '/^\.Sh EXAMPLES/ { on = 1 } on && /^\.Ed/ { exit } on && text { print } on && /^\.Bd/ { text = 1 }' \
		"$ROOT/man/raft.yaml.5" >raft.yaml
	[ "$(wc -l <raft.yaml)" -eq 6 ]
	check
}
