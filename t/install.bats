#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# make install puts everything where it belongs, make uninstall takes it away.

load helper

@test "make install DESTDIR= PREFIX= installs programs, pages and examples; make uninstall leaves nothing" {
	cd "$ROOT"
	for prefix in /usr '/opt/raft tools'; do
		stage="$BATS_TEST_TMPDIR/a stage"
		mkdir "$stage"
		timeout 300 make -s install DESTDIR="$stage" PREFIX="$prefix"
		[ "$(ls -A "$stage")" = "$(cut -d/ -f2 <<<"$prefix")" ]
		for p in bin/*/; do [ -x "$stage$prefix/bin/$(basename "$p")" ]; done
		for p in man/*; do [ -f "$stage$prefix/share/man/man${p##*.}/$(basename "$p")" ]; done
		"$stage$prefix/bin/raft-append" -V
		# What is installed names the places where it is.
		grep -qxF "ExecStart=$prefix/bin/raft-node -c /etc/raft/%i.yaml" "$stage$prefix/share/doc/raft-tools/examples/raft-node@.service"
		grep -q "^ExecStart=$prefix/bin/raft-lead .* -- $prefix/bin/raft-each " "$stage$prefix/share/doc/raft-tools/examples/raft-each@.service"
		grep -qF "ExecStart=$prefix/bin/raft-follow -c " "$stage$prefix/share/doc/raft-tools/examples/raft-follow@.service"
		[ -x "$stage$prefix/share/doc/raft-tools/examples/kv.py" ]
		[ -f "$stage$prefix/share/doc/raft-tools/examples/raft-follow.logrotate" ]
		grep -r /usr/local "$stage$prefix/share/man" "$stage$prefix/share/doc/raft-tools/examples"/*.service >"$BATS_TEST_TMPDIR/found" || :
		[ ! -s "$BATS_TEST_TMPDIR/found" ]
		timeout 300 make -s uninstall DESTDIR="$stage" PREFIX="$prefix"
		[ ! -e "$stage" ] || [ -z "$(ls -A "$stage")" ]
		rm -rf "$stage"
	done
}

@test "make: a missing library is named with the line that installs it, and nothing is installed" {
	cd "$ROOT"
	run env PKG_CONFIG_LIBDIR=/nowhere timeout 60 make -s B="$BATS_TEST_TMPDIR/b"
	[ "$status" -eq 2 ]
	[[ "$output" == *'make deps'*'apt-get install --no-install-recommends '*libsodium-dev* ]]
	[ ! -e "$BATS_TEST_TMPDIR/b/deps-build" ]
}

@test "make: what has other flags or another version is compiled again, and nothing else is" {
	cd "$ROOT"
	object=$BATS_TEST_TMPDIR/b/obj/lib/unix/must.o
	must_o() { timeout 60 make B="$BATS_TEST_TMPDIR/b" "$object" "$@" | grep -c -- "-o $object" || :; }
	[ "$(must_o)" -eq 1 ]
	[ "$(must_o)" -eq 0 ]
	[ "$(must_o CFLAGS=-O1)" -eq 1 ]
	[ "$(must_o CFLAGS=-O1)" -eq 0 ]
	[ "$(must_o CFLAGS=-O1 VERSION=9)" -eq 1 ]
	[ "$(must_o CFLAGS=-O1 VERSION=9 WERROR=-Werror)" -eq 0 ]
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
