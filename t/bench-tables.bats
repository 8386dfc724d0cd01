# SPDX-License-Identifier: ISC
# The programs of `make bench`: that they run, and that they leave nothing.  What they measure is not judged here.

bats_require_minimum_version 1.5.0
load helper

setup() {
	PORT=$(free_ports 3)
	mkdir "$BATS_TEST_TMPDIR/tmp"
	export OUT=$BATS_TEST_TMPDIR/out TMPDIR=$BATS_TEST_TMPDIR/tmp ROUNDS=1 TRIALS=1 DIVIDE=500
	export PORT BIN TBIN
}

teardown() { stop_all; }

nothing_left() {
	[ -z "$(ls -A "$TMPDIR")" ] && ! pgrep -f -- "$TMPDIR"
}

@test "bench-tables: the table has each row, with three numbers, and nothing is left after it" {
	timeout 120 "$ROOT/t/bench/run" >"$BATS_TEST_TMPDIR/table" 2>"$BATS_TEST_TMPDIR/err" || { cat "$BATS_TEST_TMPDIR/err"; false; }
	cat "$BATS_TEST_TMPDIR/table"
	sed 's/^group="\([^"]*\)" what="\([^"]*\)" .*/\1: \2/' "$OUT/figures" | sort -u >"$BATS_TEST_TMPDIR/rows"
	diff "$BATS_TEST_TMPDIR/rows" <(expected_rows | sort)
	run ! grep -vE '^group="[^"]+" what="[^"]+" unit=[^ ]+ value=-?[0-9.]+$' "$OUT/figures"
	[ "$(grep -cE '^  .{38} [^ ]+ +-?[0-9.]+ +-?[0-9.]+ +-?[0-9.]+$' "$BATS_TEST_TMPDIR/table")" -eq "$(sed 's/ value=.*//' "$OUT/figures" | sort -u | wc -l)" ]
	run ! grep -E '.{81}' "$BATS_TEST_TMPDIR/table"
	nothing_left
}

expected_rows() {
	local group flight
	for group in 'One node' 'Three nodes'; do
		for flight in 1 64 512 4096; do
			printf "$group: $flight in flight: %s\n" throughput p50 p99
		done
	done
	cat <<-'END'
		The disk: fdatasync after 4 KiB, p50
		The disk: fdatasync after 4 KiB, p99
		Three nodes: raft-append of 100-byte lines
		Memory and idle nodes: three idle nodes, time of one core
		Memory and idle nodes: three idle nodes, context switches
		Memory and idle nodes: raft-logd of the leader, idle
		Memory and idle nodes: raft-peerd of the leader, idle
		Memory and idle nodes: raft-elect of the leader, idle
		Memory and idle nodes: raft-fsm of the leader, idle
		Memory and idle nodes: the four together, idle
		Memory and idle nodes: raft-logd of the leader, under load
		Memory and idle nodes: raft-peerd of the leader, under load
		Memory and idle nodes: raft-elect of the leader, under load
		Memory and idle nodes: raft-fsm of the leader, under load
		Memory and idle nodes: the four together, under load
		Time without a commit: leader's node killed
		Time without a commit: leader's raft-elect killed
		Time without a commit: leader's node stopped
		A node that was down: entries that it gets
		A node that was down: load of 64 in flight, before
		A node that was down: load of 64 in flight, meanwhile
		A node that was down: the load falls by
		A node that was down: snapshot transfer
		Replay of 100-byte entries: to cat, mode sink
		Replay of 100-byte entries: a million to cat, mode sink
		Replay of 100-byte entries: to raft-kv, mode machine
		Replay of 100-byte entries: a million to raft-kv, mode machine
		Replay of 100-byte entries: to cat, mode batch
		Replay of 100-byte entries: a million to cat, mode batch
	END
}

@test "bench-tables: ended by TERM, it leaves nothing" {
	spawn "$BATS_TEST_TMPDIR/err" "$ROOT/t/bench/run"
	wait_until 30 pgrep -f -- "raft-elect -c $TMPDIR"
	reap TERM "$SPAWNED"
	wait_until 10 nothing_left
}

@test "bench-tables: a row shows the median, the lowest and the highest value of its lines" {
	for value in 7.25 3 1000.4 5; do
		printf 'group="One" what="a row" unit=ms value=%s\n' "$value"
	done >"$OUT"
	run -0 awk -v title=today -f "$ROOT/t/bench/figures.awk" -f "$ROOT/t/bench/table.awk" "$OUT"
	[ "${lines[0]}" = today ]
	[[ "${lines[1]}" =~ ^One\ +unit\ +median\ +lowest\ +highest$ ]]
	[[ "${lines[2]}" =~ ^\ \ a\ row\ +ms\ +6.12\ +3\ +1000$ ]]
}

@test "bench-tables: a ratio is the median of those of the rounds, not the ratio of the medians" {
	printf 'what="a row" unit=us goal="<= 0.45" ours=%s etcd=%s hashicorp=%s\n' 1 10 - 20 300 - 90 100 - >"$OUT"
	run -0 awk -v title=today -v disk='p50_us=7 p99_us=9 ' -v rounds=3 \
		-f "$ROOT/t/bench/figures.awk" -f "$ROOT/t/bench/pairs.awk" "$OUT"
	printf '%s\n' "${lines[@]}"
	[[ "${lines[3]}" =~ ^a\ row\ +us\ +20\ +100\ +-\ +0.10\ +\<=\ 0.45$ ]]
}
