#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# make install puts everything where it belongs, make uninstall takes it away.

load helper

@test "make install DESTDIR= PREFIX= installs programs, pages and examples; make uninstall leaves nothing" {
	cd "$ROOT"
	timeout 300 make -s install DESTDIR="$BATS_TEST_TMPDIR/stage" PREFIX=/usr
	for p in bin/*/; do [ -x "$BATS_TEST_TMPDIR/stage/usr/bin/$(basename "$p")" ]; done
	for p in man/*; do [ -f "$BATS_TEST_TMPDIR/stage/usr/share/man/man${p##*.}/$(basename "$p")" ]; done
	"$BATS_TEST_TMPDIR/stage/usr/bin/raft-append" -V
	timeout 300 make -s uninstall DESTDIR="$BATS_TEST_TMPDIR/stage" PREFIX=/usr
	[ -z "$(find "$BATS_TEST_TMPDIR/stage" -type f)" ]
}

@test "each program says its version and its usage, and refuses an unknown option with 64 in one line" {
	for p in "$BIN"/raft-*; do
		timeout 10 "$p" -V | grep -q "^$(basename "$p") [0-9]"
		timeout 10 "$p" -h | grep -q "^usage: $(basename "$p")"
		run timeout 10 "$p" --no-such-option
		[ "$status" -eq 64 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ "$output" == "$(basename "$p"): "* ]]
	done
}
