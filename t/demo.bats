#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# etc/demo: the main job on real input, and that nothing is left of it however it ends.
# long

bats_require_minimum_version 1.5.0

setup() {
	load helper.bash
	TMPDIR=$BATS_TEST_TMPDIR
	export TMPDIR
	OUT=$BATS_TEST_TMPDIR/out
}

teardown() { stop_all; }

# demo: in the background; a shell lets what it puts there ignore INT, a terminal does not.
demo() {
	spawn "$OUT" "$ROOT/etc/demo" "$BIN"
	DEMO=$SPAWNED
}

said() { grep -q -- "$1" "$OUT"; }

# Prints the processes that work in, or name, this test's folder.
left() {
	local p
	for p in /proc/[0-9]*; do
		case $(readlink "$p/cwd" 2>/dev/null) in
		"$BATS_TEST_TMPDIR"/raft-demo*) echo "${p#/proc/} cwd" && continue ;;
		esac
		if tr '\0' ' ' <"$p/cmdline" 2>/dev/null | grep -q "$BATS_TEST_TMPDIR/raft-demo"; then
			echo "${p#/proc/} $(tr '\0' ' ' <"$p/cmdline")"
		fi
	done
}

nothing_runs() { [ -z "$(left)" ]; }
no_folder() { run ! compgen -G "$BATS_TEST_TMPDIR/raft-demo*"; }

@test "demo: a leader is killed in the middle, and each node's output is the input, byte for byte" {
	timeout 300 "$ROOT/etc/demo" "$BIN" >"$OUT" 2>&1 || { cat "$OUT" && false; }
	[ "$(grep -c 'out .* same$' "$OUT")" -eq 3 ]
	said 'kill -9 of all of n'
	said 'raft-append exits 0'
	said 'the leader is n'
	nothing_runs
	no_folder
}

@test "demo: as an ordinary user" {
	[ "$(id -u)" -eq 0 ] || skip 'the other test runs as an ordinary user already'
	# Where that user may come: neither the source nor the folders of bats are sure to be.
	chmod a+x "$BATS_RUN_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")" "$BATS_TEST_TMPDIR"
	mkdir -p "$BATS_TEST_TMPDIR/copy/bin" "$BATS_TEST_TMPDIR/copy/etc" "$BATS_TEST_TMPDIR/copy/t"
	cp "$BIN"/raft-* "$BATS_TEST_TMPDIR/copy/bin"
	cp "$ROOT/etc/demo" "$BATS_TEST_TMPDIR/copy/etc"
	cp -R "$ROOT/t/data" "$BATS_TEST_TMPDIR/copy/t"
	chmod -R a+rX "$BATS_TEST_TMPDIR/copy"
	mkdir -m 777 "$BATS_TEST_TMPDIR/user"
	cd "$BATS_TEST_TMPDIR/user"
	TMPDIR=$BATS_TEST_TMPDIR/user timeout 300 setpriv --reuid=65534 --regid=65534 --clear-groups -- \
		"$BATS_TEST_TMPDIR/copy/etc/demo" "$BATS_TEST_TMPDIR/copy/bin" >"$OUT" 2>&1 || { cat "$OUT" && false; }
	[ "$(grep -c 'out .* same$' "$OUT")" -eq 3 ]
}

@test "demo: ^C at any step leaves no process and no folder behind" {
	for step in '^1\.' '^2\.' '^3\.' '^4\.' '^5\.'; do
		: >"$OUT"
		demo
		wait_until 60 said "$step"
		# A terminal sends it to the whole group.
		kill -INT -- "-$DEMO"
		wait_until 30 gone "$DEMO"
		wait "$DEMO" && status=0 || status=$?
		[ "$status" -eq 130 ]
		wait_until 5 nothing_runs
		no_folder
	done
}

@test "demo: TERM, and a reader of its output that goes away, leave nothing behind" {
	demo
	wait_until 60 said '^3\.'
	kill -TERM "$DEMO"
	wait_until 30 gone "$DEMO"
	nothing_runs
	no_folder
	timeout 60 "$ROOT/etc/demo" "$BIN" 2>/dev/null | head -n 4 >"$OUT"
	nothing_runs
	no_folder
}

@test "demo: after kill -9 of the demo itself its nodes stop, too" {
	demo
	wait_until 60 said '^3\.'
	kill -KILL "$DEMO"
	wait_until 30 nothing_runs
}

@test "demo: it says what is wrong, and exits with something" {
	run "$ROOT/etc/demo" /no/such/folder
	[ "$status" -ne 0 ]
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$BIN"/raft-init "$BIN"/raft-append "$BIN"/raft-ctl "$BATS_TEST_TMPDIR/bin"
	run env PATH=/usr/bin:/bin "$ROOT/etc/demo" "$BATS_TEST_TMPDIR/bin"
	[ "$status" -eq 1 ]
	[[ $output == *"raft-node is not there"* ]]
}
