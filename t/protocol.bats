#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-protocol(7) against lib/wire/messages.def and the headers: the page can not drift.

load helper
bats_require_minimum_version 1.5.0

PAGE=$ROOT/man/raft-protocol.7

# "name number" and then "  field type", as the list of messages has them.
of_list() {
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 python3 -c '
import wire
for name, number in wire.NUMBERS.items():
    print(name, number)
    for kind, field in wire.FIELDS[name]:
        print(" ", field, kind)'
}

# The same as the page has them.
of_page() {
	awk '
		/^\.Sh / { messages = $2 == "MESSAGES" }
		messages && /^\.It Em / { n = $5; gsub(/[()]/, "", n); print $3, n }
		messages && /^\.It Va / { print "  " $3, $5 }' "$PAGE"
}

@test "protocol: the page has every message and field of the list, in its order and of its type" {
	of_list >"$BATS_TEST_TMPDIR/list"
	of_page >"$BATS_TEST_TMPDIR/page"
	[ "$(grep -c '^[a-z]' "$BATS_TEST_TMPDIR/list")" -ge 30 ]
	diff -u "$BATS_TEST_TMPDIR/list" "$BATS_TEST_TMPDIR/page"
}

@test "protocol: the page has every reason, with its number" {
	sed -n 's/^\tR(\([0-9]*\), [A-Z_]*, "\([^"]*\)".*/\1 \2/p' "$ROOT/lib/raft/reason.h" >"$BATS_TEST_TMPDIR/list"
	awk '/^\.Ss / { on = $2 == "Reasons" } on && /^\.It / { n = $2; getline; sub(/; try again$/, ""); print n, $0 }' \
		"$PAGE" >"$BATS_TEST_TMPDIR/page"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/list")" -ge 20 ]
	diff -u "$BATS_TEST_TMPDIR/list" "$BATS_TEST_TMPDIR/page"
}

@test "protocol: kinds of entries are those of the header" {
	kinds=$(sed -n 's/^\tK(\([0-9]*\), [A-Z_]*, "\([a-z_]*\)").*/\1 \2/p' "$ROOT/lib/raft/types.h" | paste -sd, | sed 's/,/, /g')
	grep -qF "kind: $kinds" "$PAGE"
}

# list_of SECTION: "number text" of the first list with numbers there.
list_of() {
	awk -v section="$1" '
		/^\.Ss / { on = substr($0, 5) == section }
		on && /^\.It [0-9]+$/ { n = $2; getline; print n, $0 }' "$PAGE"
}

@test "protocol: the page has every kind of record, with its number" {
	awk '/^enum record_kind/ { on = 1; next } on && /^}/ { exit } on' "$ROOT/bin/raft-peerd/connection.h" |
		grep -oE 'RECORD_[A-Z]+' | sed 's/RECORD_//' | nl -w 1 -s ' ' >"$BATS_TEST_TMPDIR/list"
	list_of Records | sed 's/[;:].*//' >"$BATS_TEST_TMPDIR/page"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/list")" = 6 ]
	diff -u "$BATS_TEST_TMPDIR/list" "$BATS_TEST_TMPDIR/page"
}

@test "protocol: the page has every reason of a refused hello, with its number and text" {
	python3 - "$ROOT/lib/seal/channel.h" >"$BATS_TEST_TMPDIR/list" <<-'EOF'
		import re, sys
		block = re.search(r"#define CHANNEL_REASONS(.*?)\nenum", open(sys.argv[1]).read(), re.S)[1]
		for number, text in enumerate(re.findall(r'R\(\w+,\s*((?:"[^"]*"[\s\\]*)+)\)', block)):
		    print(number, "".join(re.findall(r'"([^"]*)"', text)))
	EOF
	[ "$(wc -l <"$BATS_TEST_TMPDIR/list")" -ge 7 ]
	diff -u "$BATS_TEST_TMPDIR/list" <(list_of Reply)
}

# states LIST: "0 text, 1 text ..." of that list in message.h.
states() {
	sed -n "/^#define $1(S)/,/^enum/s/^\tS(\([0-9]*\), [A-Z_]*, \"\([^\"]*\)\").*/\1 \2/p" "$ROOT/lib/wire/message.h"
}

@test "protocol: the page has the states of snap_taken, raft_snap_ack and fsm_reply, with their numbers" {
	[ "$(states WIRE_SNAP_STATES | wc -l)" = 5 ]
	page=$(states WIRE_SNAP_STATES | head -n 4 | paste -sd, | sed 's/,\([0-9]\)/, \1/g')
	grep -qxF ".It Va state Ta u8 Ta $page" "$PAGE"
	grep -qxF ".It Va state Ta u8 Ta as in snap_taken; $(states WIRE_SNAP_STATES | tail -n 1 | sed 's/ /: /')" "$PAGE"
	[ "$(states WIRE_REPLY_STATES | wc -l)" = 3 ]
	page=$(grep '^\.It Va state Ta u8 Ta 0 ok' "$PAGE")
	while read -r state; do [[ $page == *"Ta $state"* || $page == *", $state"* ]] || return 1; done < <(states WIRE_REPLY_STATES)
}
