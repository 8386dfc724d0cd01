#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The rule that a title leaves only in a commit whose message quotes it (t/titles), in small repositories.

load helper
bats_require_minimum_version 1.5.0

setup() {
	export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a
	git init -q -b main "$BATS_TEST_TMPDIR/r"
	cd "$BATS_TEST_TMPDIR/r" || return
	mkdir -p t/unit t/sim/scenarios t/mutants
	printf '%s "%s" {\n}\n' @test 'one: what is said stays said, however often it is asked' @test 'two: a "quoted" word' >t/10-a.bats
	printf 'int main(void)\n{\n\tcheck_run("A1: first", f);\n\tcheck_run(\n\t    "A2: sec"\n\t    "ond", g);\n}\n' >t/unit/raft_u.c
	printf '# a story ends well\nnodes 3\n' >t/sim/scenarios/s.txt
	echo 'A1   raft_u   first' >t/unit/README
	echo 'a-mutant    unit raft_u A2: second' >t/mutants/TABLE
	sed -i 's/two: a "quoted" word/two: a \\"quoted\\" word/' t/10-a.bats
	commit base
	sed "s/^BASE = .*/BASE = '$(git rev-parse HEAD)'/" "$ROOT/t/titles" >t/titles
	chmod +x t/titles
	commit titles
}

commit() { git add -A && git commit -q -m "$1"; }

# history_of: what is wrong with it; nothing when all is well.
history_of() { timeout 30 t/titles --history; }

@test "titles: of suites, unit tests and scenarios" {
	run -0 t/titles
	[ "$output" = $'A1: first\nA2: second\na story ends well\none: what is said stays said, however often it is asked\ntwo: a "quoted" word' ]
}

@test "titles: one that leaves unmentioned is found, with its commit" {
	sed -i 's/A2: sec"/A2: min"/' t/unit/raft_u.c
	run -0 t/titles --removed
	[ "$output" = 'A2: second' ]
	[ -z "$(history_of)" ]
	commit 'unit: shorter titles'
	[ "$(history_of)" = "$(git rev-parse --short=10 HEAD) A2: second" ]
	sed -i 1d t/sim/scenarios/s.txt
	commit 'sim: a story less'
	[ "$(history_of | wc -l)" = 2 ]
}

@test "titles: one that the message quotes may leave, also where the message breaks its lines" {
	sed -i 1,2d t/10-a.bats
	commit $'t: less\n\n"one: what is said stays said,\n  however often it is asked" was shown by "A1: first" as well.'
	[ -z "$(history_of)" ]
}

@test "titles: a test may move, its file may be renamed, and merges are no removals" {
	git switch -q -c side
	git mv t/10-a.bats t/20-b.bats
	cat t/20-b.bats >t/30-c.bats
	sed -i 1,2d t/20-b.bats
	sed -i 3,4d t/30-c.bats
	commit 't: two suites'
	git switch -q main
	sed -i 's/first/1st/' t/unit/raft_u.c
	commit $'unit: numbers\n\n"A1: first" is "A1: 1st" now.'
	git merge -q --no-edit side
	[ -z "$(history_of)" ]
	# But a merge has to keep what both have.
	git switch -q -c other HEAD~1
	git commit -q --allow-empty -m other
	git switch -q main
	git merge -q --no-commit --no-ff other
	rm t/sim/scenarios/s.txt
	commit 'merge it'
	[[ "$(history_of)" == *' a story ends well' ]]
}

@test "titles: a shallow clone compares what it has; another history is an error" {
	sed -i 1,2d t/10-a.bats
	commit 'unmentioned'
	git commit -q --allow-empty -m later
	git clone -q --depth 1 "file://$PWD" ../one
	git clone -q --depth 3 "file://$PWD" ../three
	[ -z "$(cd ../one && history_of)" ]
	[ "$(cd ../three && history_of | wc -l)" = 1 ]
	git checkout -q --orphan another
	commit new
	git branch -q -D main
	git reflog expire --expire=now --all
	git gc -q --prune=now
	run -1 history_of
	[[ "$output" == *'where the rule begins, is not in this repository'* ]]
}

@test "titles: a list that names no test, and a test without a title, are found" {
	run -0 t/titles --named
	[ -z "$output" ]
	sed -i 's/first/fist/' t/unit/README
	sed -i 's/second/secund/' t/mutants/TABLE
	echo '	check_run(name, f);' >>t/unit/raft_u.c
	# shellcheck disable=SC2016
	printf '%s $title {\n}\n' @test >>t/10-a.bats
	run -0 t/titles --named
	echo "$output"
	[ "${#lines[@]}" = 4 ]
	[[ "$output" == *'README: raft_u has no test: fist'* ]]
	[[ "$output" == *'TABLE: raft_u has no test: A2: secund'* ]]
	[[ "$output" == *'raft_u.c: a check_run without a sentence'* ]]
	[[ "$output" == *'10-a.bats: a @test without a quoted title'* ]]
}
