#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# t/unit/run, which runs the unit tests: no failure hides another.

bats_require_minimum_version 1.5.0
load helper

fake() { # fake NAME <SCRIPT
	{ echo '#!/bin/sh' && cat; } >"$BATS_TEST_TMPDIR/$1"
	chmod +x "$BATS_TEST_TMPDIR/$1"
}
units() { (cd "$BATS_TEST_TMPDIR" && run "$ROOT/t/unit/run" "$@" && echo "$output" >out && return "$status"); }
failures() { grep '^not ok' "$BATS_TEST_TMPDIR/out"; }

@test "unit: every program runs after one that fails, and each failure is counted" {
	fake one <<<"printf 'ok 1 - a\nnot ok 2 - b\n1..2\n'; exit 1"
	fake two <<<"printf 'not ok 1 - c\nnot ok 2 - d\n1..2\n'; exit 1"
	fake three <<<"printf 'ok 1 - e\n1..1\n'"
	run ! units ./one ./two ./three
	diff <(failures) - <<<$'not ok 2 - b\nnot ok 1 - c\nnot ok 2 - d'
	grep -qx 'ok 1 - e' "$BATS_TEST_TMPDIR/out"
	units ./three
	run ! failures
}

@test "unit: a program that ends before its plan, or with a status that no test explains, has failed" {
	fake short <<<"printf 'ok 1 - a\n'"
	fake crash <<<"printf 'not ok 1 - b\n'; kill -SEGV \$\$"
	fake leak <<<"printf 'ok 1 - c\n1..1\n'; exit 99"
	fake liar <<<"printf 'not ok 1 - d\n1..1\n'"
	run ! units ./short ./crash ./leak ./liar
	diff <(failures) - <<-'END'
		not ok - ./short ended with status 0, and its tests did not say why
		not ok 1 - b
		not ok - ./crash ended with status 139, and its tests did not say why
		not ok - ./leak ended with status 99, and its tests did not say why
		not ok 1 - d
		not ok - ./liar ended with status 0, and its tests did not say why
	END
}
