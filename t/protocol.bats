#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-protocol(7) against lib/wire/messages.def and the headers: the page can not drift.

load helper
bats_require_minimum_version 1.5.0

PAGE=$ROOT/man/raft-protocol.7

# "name number" and then "  field type", as the list of messages has them.
of_list() {
	sed -e ':a' -e '/\\$/N; s/[ \t]*\\\n/ /; ta' "$ROOT/lib/wire/messages.def" | awk '
		/^#define FIELDS_/ {
			name = $2; sub(/^FIELDS_/, "", name); sub(/\(F\).*/, "", name)
			line = $0; fields[name] = ""
			sub(/^#define [^ ]*/, "", line)
			while (match(line, /F\([a-z0-9]+, [a-z_]+\)/)) {
				f = substr(line, RSTART + 2, RLENGTH - 3); line = substr(line, RSTART + RLENGTH)
				split(f, part, ", ")
				fields[name] = fields[name] "  " part[2] " " part[1] "\n"
			}
		}
		/^#define MESSAGES\(M\)/ {
			line = $0
			while (match(line, /M\([0-9]+, [A-Z_]+, [a-z_]+\)/)) {
				m = substr(line, RSTART + 2, RLENGTH - 3); line = substr(line, RSTART + RLENGTH)
				split(m, part, ", ")
				printf "%s %s\n%s", part[3], part[1], fields[part[3]]
			}
		}'
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

@test "protocol: kinds of entries, of envelopes and of connections are those of the headers" {
	kinds=$(sed -n 's/^\tK(\([0-9]*\), [A-Z_]*, "\([a-z_]*\)").*/\1 \2/p' "$ROOT/lib/raft/types.h" | paste -sd, | sed 's/,/, /g')
	grep -qF "kind: $kinds" "$PAGE"
	kinds=$(sed -n 's/^\tK(\([0-9]*\), [A-Z]*, "\([a-z]*\)").*/\1 \2/p' "$ROOT/lib/seal/envelope.h" | paste -sd, | sed 's/,/, /g')
	grep -qF "kind: $kinds" "$PAGE"
}
