#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The tools for mutants (t/mutants): what is refused, what is called a survivor, and how patches follow a changed core.

load helper
bats_require_minimum_version 1.5.0

setup() {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a
	cd "$BATS_TEST_TMPDIR" || return
	mkdir -p t/mutants
	cp "$ROOT"/t/mutants/{run,mutant.py} t/mutants/
}

# patch_for FILE CONTEXT SCRIPT: the mutation that sed's SCRIPT makes, below its sentence.
patch_for() {
	printf 'a mutation\n\n'
	diff "-U$2" --label "a/$1" --label "b/$1" "$1" <(sed "$3" "$1") || true
}

# ------------------------------------------------------------- run

# the_core: this tree's, with its tests and their objects.
the_core() {
	cp -R "$ROOT/lib" lib
	cp -R "$ROOT"/t/{sim,unit} t/
	BUILD=$(cd "$TBIN/.." && pwd)
	# A vote is free again while no leader is known.
	BUG='s/return raft_id_none(&raft->vote) && raft_id_none(&raft->leader);/return raft_id_none(\&raft->leader);/'
}

judged() { timeout 300 t/mutants/run "$BUILD" "$@"; }

@test "mutants: killed is one that fails its very test; which test it is, the table says" {
	the_core
	patch_for lib/raft/election.c 3 "$BUG" >t/mutants/1-bug.patch
	grep -q '^-' t/mutants/1-bug.patch
	echo '1-bug unit raft_election A10: a vote is granted again to the same candidate' >t/mutants/TABLE
	run -1 judged
	[[ "$output" == *'not ok - mutant 1-bug: unit raft_election A10: a vote is granted again to the same candidate: survived'* ]]
	run -0 timeout 300 t/mutants/run --find "$BUILD" 1-bug
	cat t/mutants/TABLE
	run -0 judged
	[[ "$output" == *'ok - mutant 1-bug: killed by unit raft_election '* ]]
	[[ "$output" == *'# 1 killed, 0 survived' ]]
}

@test "mutants: where the table says must, a must() of the core ends the test and nothing else does" {
	the_core
	patch_for lib/raft/election.c 3 's/return theirs.index >= ours.index;/return true;/' >t/mutants/1-bug.patch
	patch_for lib/raft/store.c 3 '/^\tstore->stored = number;/d' >t/mutants/2-must.patch
	grep -q '^-' t/mutants/1-bug.patch
	printf '%s\n' '1-bug must unit raft_election a vote goes to the later last term, then to the longer log' \
		'2-must must scenario figure-8' >t/mutants/TABLE
	run -1 judged
	echo "$output"
	[[ "$output" == *'not ok - mutant 1-bug: must unit raft_election a vote goes to'*': survived'* ]]
	[[ "$output" == *'ok - mutant 2-must: killed by must scenario figure-8'* ]]
	# The search keeps to it.
	run -0 timeout 300 t/mutants/run --find "$BUILD" 2-must
	[[ "$output" == *'ok - mutant 2-must: killed by must '* ]]
	grep '^2-must  *must ' t/mutants/TABLE
}

@test "mutants: a change without effect survives; a test that is missing, or fails by itself, kills nothing" {
	the_core
	patch_for lib/raft/election.c 3 '/^vote_free_for(/s/$/ \/\* nothing \*\//' >t/mutants/1-none.patch
	cp t/mutants/1-none.patch t/mutants/2-none.patch
	cp t/mutants/1-none.patch t/mutants/3-none.patch
	cp t/mutants/1-none.patch t/mutants/4-none.patch
	printf '%s\n' '1-none scenario figure-8' '2-none unit raft_election no such sentence' '3-none seed mixed 1 nonsense' >t/mutants/TABLE
	run -1 judged
	echo "$output"
	[[ "$output" == *'1-none: scenario figure-8: survived'* ]]
	[[ "$output" == *'2-none: unit raft_election no such sentence: the test fails without the mutant, or is missing'* ]]
	[[ "$output" == *'3-none: seed mixed 1 nonsense: the test fails without the mutant, or is missing'* ]]
	[[ "$output" == *'4-none: no test: TABLE has no row for it'* ]]
	[[ "$output" == *'# 0 killed, 4 survived' ]]
}

@test "mutants: a patch whose text is nowhere, or in two places, is refused" {
	the_core
	printf 'a\n\n--- a/lib/raft/election.c\n+++ b/lib/raft/election.c\n@@ -1 +1 @@\n-\t\treturn;\n+\t\treturn ;\n' >t/mutants/1-many.patch
	patch_for lib/raft/election.c 3 "$BUG" | sed 's/raft_id_equal/raft_ids_equal/' >t/mutants/2-stale.patch
	printf '%s\n' '1-many scenario figure-8' '2-stale scenario figure-8' '3-gone scenario figure-8' >t/mutants/TABLE
	run -1 judged
	echo "$output"
	[[ "$output" =~ 1-many:.*'does not apply: the old text of hunk 1 is in lib/raft/election.c '[1-9][0-9]*' times' ]]
	[[ "$output" == *'2-stale: scenario figure-8: does not apply: the old text of hunk 1 is in lib/raft/election.c 0 times'* ]]
	[[ "$output" == *'3-gone: scenario figure-8: TABLE has a row, but there is no 3-gone.patch'* ]]
}

@test "mutants: ten tenths are all, and the choice is printed and can be repeated" {
	the_core
	for i in $(seq 12); do echo "$i-none scenario figure-8"; done >t/mutants/TABLE
	for tenth in 0 1 2 3 4 5 6 7 8 9; do
		MUTANTS_TENTH=$tenth timeout 100 t/mutants/run --tenth "$BUILD" >out || true
		grep -q "MUTANTS_TENTH=$tenth" out
		grep '^not ok' out
	done >all
	[ "$(sort -u all | wc -l)" = 12 ]
	[ "$(wc -l <all)" = 12 ]
	timeout 100 t/mutants/run --tenth "$BUILD" >out || true
	grep -qE "^# MUTANTS_TENTH=[0-9] " out
}

# ------------------------------------------------------------- refresh

# small_core: a repository with one file and one mutation of it.
small_core() {
	git init -q -b main .
	mkdir -p lib/raft
	printf 'int\n%s(int a)\n{\n\tint b = a;\n\n\tif (a > %d)\n\t\treturn %d;\n\treturn b;\n}\n\n' f 1 1 g 2 2 h 3 3 >lib/raft/a.c
	patch_for lib/raft/a.c 3 's/a > 2/a >= 2/' >t/mutants/1-bug.patch
	git add -A && git commit -q -m old
}

refreshed() { timeout 60 python3 t/mutants/mutant.py refresh "$@" HEAD t/mutants/*.patch; }

applied() {
	rm -rf out
	timeout 60 python3 t/mutants/mutant.py apply t/mutants/1-bug.patch . out
}

@test "mutants: a patch follows renamed functions, a renamed file and moved code" {
	small_core
	printf '%s\n' 's/\bb\b/copy/g' 's/\bg\b/second/' >names
	sed -i -f names lib/raft/a.c
	git mv lib/raft/a.c lib/raft/b.c
	run -1 applied
	run -0 refreshed -f 'sed -f names'
	[ "$output" = '1-bug.patch: refreshed' ]
	[ "$(applied)" = lib/raft/b.c ]
	[ "$(diff lib/raft/b.c out/lib/raft/b.c)" = $'16c16\n< \tif (a > 2)\n---\n> \tif (a >= 2)' ]
	# The function alone goes elsewhere.
	git add -A && git commit -q -m renamed
	sed -n 11,20p lib/raft/b.c >lib/raft/c.c
	sed -i 11,20d lib/raft/b.c
	run -0 refreshed
	[ "$output" = '1-bug.patch: refreshed; look at it: its code has moved or changed' ]
	[ "$(applied)" = lib/raft/c.c ]
	head -n 1 t/mutants/1-bug.patch | grep -x 'a mutation'
}

@test "mutants: what conflicts is reported and left as it was" {
	small_core
	cp t/mutants/1-bug.patch before
	sed -i 's/a > 2/2 < a/' lib/raft/a.c
	run -1 refreshed
	[[ "$output" == '1-bug.patch: NOT refreshed: '* ]]
	cmp before t/mutants/1-bug.patch
	# The same text twice: more context is needed.
	git checkout -q lib
	sed -n '11,20{s/^g(/i(/;p}' lib/raft/a.c >another
	cat another >>lib/raft/a.c
	run -1 applied
	run -0 refreshed
	applied
	[ "$(diff lib/raft/a.c out/lib/raft/a.c | head -n 1)" = 16c16 ]
}
