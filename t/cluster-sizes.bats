#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Entries of every size and of every byte pass intact.

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
}
teardown_file() { cluster_stop; }

append() { timeout 60 raft-append -c "$CLUSTER/n1/raft.yaml" "$@"; }

last_index() { status "$1" elect commit; }

@test "entries of 0 bytes, with NUL, newline and 0xFF pass intact as netstrings" {
	from=$(($(last_index "$(leader)") + 1))
	printf '0:,3:a\0b,4:\n\n\r\n,3:\377\376\377,1:,,' >"$BATS_TEST_TMPDIR/in"
	append -F netstring "$BATS_TEST_TMPDIR/in"
	for n in $(nodes); do
		got() { timeout 20 raft-tail -c "$CLUSTER/$n/raft.yaml" -F netstring --from "$from" >"$BATS_TEST_TMPDIR/out" && cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"; }
		wait_until 20 got
	done
}

@test "NUL framing keeps newlines and 0xFF, and empty entries" {
	from=$(($(last_index "$(leader)") + 1))
	printf 'a\nb\0\0\377\0' >"$BATS_TEST_TMPDIR/in"
	append -0 "$BATS_TEST_TMPDIR/in"
	timeout 20 raft-tail -c "$CLUSTER/n1/raft.yaml" -0 --from "$from" >"$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

@test "an entry of the maximum size passes intact on every node" {
	from=$(($(last_index "$(leader)") + 1))
	head -c 1048576 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	append -F whole "$BATS_TEST_TMPDIR/in"
	for n in $(nodes); do
		got() { timeout 20 raft-tail -c "$CLUSTER/$n/raft.yaml" -F whole --from "$from" >"$BATS_TEST_TMPDIR/out" && cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"; }
		wait_until 20 got
	done
}

@test "one byte more is refused with 65; what was before it is committed, what comes after is not" {
	from=$(($(last_index "$(leader)") + 1))
	{
		echo before
		head -c 1048577 /dev/zero | tr '\0' x
		printf '\nafter\n'
	} >"$BATS_TEST_TMPDIR/in"
	run append "$BATS_TEST_TMPDIR/in"
	[ "$status" -eq 65 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" == *"2"* ]]
	[ "$(timeout 20 raft-tail -c "$CLUSTER/n1/raft.yaml" --from "$from")" = before ]
}
