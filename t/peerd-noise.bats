#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Noise against vectors that another implementation made (t/data/noise-vectors.json, in cacophony's form).

load helper
bats_require_minimum_version 1.5.0

@test "noise: each vector of our suite passes from both sides" {
	run timeout 60 "$TBIN/noise-vectors" "$ROOT/t/data/noise-vectors.json"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "1 passed, 0 failed, 0 skipped" ]
}

@test "noise: a vector that is wrong in one digit fails, and the status says so" {
	sed 's/"ciphertext": "a/"ciphertext": "b/; s/"ciphertext": "[0-9]/"ciphertext": "f/' \
		"$ROOT/t/data/noise-vectors.json" >"$BATS_TEST_TMPDIR/wrong"
	run -1 timeout 60 "$TBIN/noise-vectors" "$BATS_TEST_TMPDIR/wrong"
	[[ "$output" == *"failed: Noise_"* ]]
}

@test "noise: a vector of another suite is skipped" {
	sed 's/ChaChaPoly/AESGCM/' "$ROOT/t/data/noise-vectors.json" >"$BATS_TEST_TMPDIR/other"
	run -1 timeout 60 "$TBIN/noise-vectors" "$BATS_TEST_TMPDIR/other"
	[ "$output" = "0 passed, 0 failed, 1 skipped" ]
}
