#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-append --tee: each line is passed on once it is committed, and none that is not.
# sanitize

load helper

setup_file() {
	cluster_init "$BATS_FILE_TMPDIR/c"
	cluster_start
	export CLUSTER CLUSTER_COUNT
	wait_leader
	for n in $(nodes); do timeout 60 raft-ctl -t 50s -c "$CLUSTER/$n/raft.yaml" wait; done
}
teardown_file() { cluster_stop; }
setup() {
	IN=$BATS_TEST_TMPDIR/in
	OUT=$BATS_TEST_TMPDIR/out
	ERR=$BATS_TEST_TMPDIR/err
}
teardown() { show_logs; }

tee_n1() { timeout 120 raft-append -c "$CLUSTER/n1/raft.yaml" --tee "$@"; }
commit() { ctl n1 barrier && status n1 log commit; }
of_word() { tail_all n2 | grep -a "^$1 " || :; } # the entries of a test
full() { python3 -c 'import select, sys; sys.exit(select.select([], [int(sys.argv[1])], [], 0)[1] != [])' "$1"; } # FD
count_is() { [ "$(of_word "$1" | wc -l)" -eq "$2" ]; }

@test "tee: passes on each line in order, in the framing of the input" {
	lines 5000 tee >"$IN"
	tee_n1 "$IN" | cmp - "$IN"
	of_word tee | cmp - "$IN"
	printf 'a\n\nb' | tee_n1 | cmp - <(printf 'a\n\nb\n')
	printf 'a\nb\0\0c' | tee_n1 -0 | cmp - <(printf 'a\nb\0\0c\0')
	printf '3:a\nb,0:,' | tee_n1 -F netstring | cmp - <(printf '3:a\nb,0:,')
	head -c 300000 /dev/urandom >"$BATS_TEST_TMPDIR/whole"
	tee_n1 -F whole "$BATS_TEST_TMPDIR/whole" | cmp - "$BATS_TEST_TMPDIR/whole"
	tee_n1 --fence="$(status n1 elect term)" -w 1 <<<fenced | grep -qx fenced
	[ -z "$(tee_n1 </dev/null)" ]
}

@test "tee: a line comes out while the pipe stays open, and only when it is committed" {
	wait_leader
	others=$(nodes | grep -vx n1)
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	tee_n1 <"$BATS_TEST_TMPDIR/fifo" >"$OUT" 3>&- &
	exec 7>"$BATS_TEST_TMPDIR/fifo"
	echo first >&7
	wait_until 20 grown "$OUT" 1
	for n in $others; do kill -STOP "$(daemon_pid "$n" logd)"; done
	echo second >&7
	sleep 1
	[ "$(cat "$OUT")" = first ]
	for n in $others; do kill -CONT "$(daemon_pid "$n" logd)"; done
	wait_until 30 grown "$OUT" 2
	exec 7>&-
	wait $!
	wait_leader
}

@test "tee: what was not committed is not passed on, when it is refused or in doubt" {
	wait_leader
	l=$(leader)
	for n in $(nodes | grep -vx "$l"); do kill -STOP "$(daemon_pid "$n" elect)"; done
	status=0
	timeout 20 raft-append -c "$CLUSTER/$l/raft.yaml" --tee -t 2500ms <<<doubtful >"$OUT" 2>"$ERR" || status=$?
	[ "$status" -eq 76 ]
	[ ! -s "$OUT" ]
	for n in $(nodes | grep -vx "$l"); do kill -CONT "$(daemon_pid "$n" elect)"; done
	wait_leader
	# An entry that is too large ends the input; what is before it is passed on.
	run bash -c '{ echo small; head -c 5000000 /dev/zero | tr "\0" x; } | timeout 60 raft-append -c "$1" --tee 2>/dev/null' - \
		"$CLUSTER/n1/raft.yaml"
	[ "$status" -eq 65 ]
	[ "$output" = small ]
}

@test "tee: kill -9 of the daemons of its node and of the leader: all comes out, once, in order, and is in the log" {
	wait_leader
	lines 100000 killed >"$IN"
	tee_n1 -w 512 "$IN" >"$OUT" 2>"$ERR" 3>&- &
	appending=$!
	for round in 1 2 3 4; do
		wait_until 30 grown "$OUT" $((round * 10000))
		n=n1
		[ $((round % 2)) -eq 0 ] || n=$(leader || echo n1)
		for d in elect logd; do
			kill_9 "$n" "$d"
			daemon_start "$n" "$d"
		done
		wait_leader
	done
	wait "$appending"
	[ ! -s "$ERR" ]
	cmp "$OUT" "$IN"
	ctl n2 barrier
	of_word killed | cmp - "$IN"
}

@test "tee: -S passes on the lines that are skipped, too: after a run that was killed, all of the input comes out" {
	wait_leader
	lines 100000 session >"$IN"
	for round in 1 2 3; do
		raft-append -c "$CLUSTER/n$round/raft.yaml" --tee -S session -w 512 "$IN" >"$OUT" 3>&- &
		wait_until 30 grown "$OUT" $((round * 10000))
		kill -KILL $!
		wait $! || :
		# A beginning of it; the last line may be cut short.
		head -n "$(wc -l <"$OUT")" "$OUT" | cmp - <(head -n "$(wc -l <"$OUT")" "$IN")
	done
	tee_n1 -S session "$IN" | cmp - "$IN"
	tee_n1 -S session "$IN" | cmp - "$IN"
	of_word session | cmp - "$IN"
	# Not those of which the run is only told to number on.
	lines 10 more | tee_n1 -S session --continue | cmp - <(lines 10 more)
}

@test "tee: -S with other data passes on nothing" {
	lines 500 other >"$IN"
	tee_n1 -S other "$IN" | cmp - "$IN"
	for input in "sed 400s/^/x/ $IN" "head -n 499 $IN" 'true'; do
		run bash -c '$2 | timeout 60 raft-append -c "$1" --tee -S other 2>"$3"' - "$CLUSTER/n1/raft.yaml" "$input" "$ERR"
		echo "$input -> $status $output"
		[ "$status" -eq 65 ]
		[ -z "$output" ]
		[ "$(wc -l <"$ERR")" -eq 1 ]
	done
	tee_n1 -S other "$IN" | cmp - "$IN"
}

@test "tee: -S where the skipped lines cannot be kept appends nothing, and says so with 74; the file is gone in the end" {
	lines 500 kept | tee_n1 -S kept >/dev/null
	run bash -c 'seq 5 | TMPDIR=/nowhere timeout 60 raft-append -c "$1" --tee -S kept' - "$CLUSTER/n1/raft.yaml"
	[ "$status" -eq 74 ]
	[[ "$output" == 'raft-append: /nowhere/raft-append.'*': No such file or directory: committed '* ]]
	mkdir "$BATS_TEST_TMPDIR/tmp"
	lines 600 kept | TMPDIR=$BATS_TEST_TMPDIR/tmp tee_n1 -S kept | cmp - <(lines 600 kept)
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/tmp")" ]
}

@test "tee: a reader that hangs makes the input wait, delays no signal, and loses nothing" {
	wait_leader
	lines 200000 hung >"$IN"
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	raft-append -c "$CLUSTER/n1/raft.yaml" --tee -S hung "$IN" >&7 2>"$ERR" 3>&- 7>&- &
	pid=$!
	wait_until 20 full 7
	reap TERM "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 75 ]
	[[ "$(cat "$ERR")" =~ ^raft-append:\ interrupted:\ committed\ ([0-9]+),\ resume ]]
	committed=${BASH_REMATCH[1]}
	# What is in flight at most, and what was on its way.
	echo "committed $committed"
	[ "$committed" -le 20000 ]
	wait_until 20 count_is hung "$committed"
	# What had come out is a beginning.
	exec 8<"$BATS_TEST_TMPDIR/fifo" 7>&-
	cat <&8 >"$OUT"
	cmp -n "$(stat -c %s "$OUT")" "$OUT" "$IN"
	# The next run: it hangs among the lines that are skipped, and then is read.
	exec 7<>"$BATS_TEST_TMPDIR/fifo" 8>&-
	tee_n1 -S hung "$IN" >&7 3>&- 7>&- &
	pid=$!
	wait_until 20 full 7
	count_is hung "$committed"
	exec 8<"$BATS_TEST_TMPDIR/fifo" 7>&-
	cmp - "$IN" <&8
	wait "$pid"
	of_word hung | cmp - "$IN"
}

@test "tee: a reader that goes away ends it with 74, and with what is committed; the next run passes on all" {
	wait_leader
	lines 50000 gone >"$IN"
	run bash -c 'timeout 60 raft-append -c "$1" --tee -S gone "$2" 2>"$3" | head -n 5; exit "${PIPESTATUS[0]}"' - \
		"$CLUSTER/n1/raft.yaml" "$IN" "$ERR"
	[ "$status" -eq 74 ]
	[ "$output" = "$(head -n 5 "$IN")" ]
	[[ "$(cat "$ERR")" =~ ^raft-append:\ standard\ output:\ Broken\ pipe:\ committed\ ([0-9]+),\ resume\ with\ the\ same\ input\ and\ -S\ gone$ ]]
	committed=${BASH_REMATCH[1]}
	ctl n2 barrier
	of_word gone | cmp - <(head -n "$committed" "$IN")
	[ "$committed" -lt 50000 ]
	tee_n1 -S gone "$IN" | cmp - "$IN"
	of_word gone | cmp - "$IN"
	# The same with -v, which is an output, too.
	run bash -c 'timeout 60 raft-append -c "$1" -v "$2" 2>&1 >/dev/full | cat; exit "${PIPESTATUS[0]}"' - "$CLUSTER/n1/raft.yaml" "$IN"
	[ "$status" -eq 74 ]
	run bash -c 'timeout 60 raft-append -c "$1" -v "$2" 2>"$3" | head -n 1; exit "${PIPESTATUS[0]}"' - "$CLUSTER/n1/raft.yaml" "$IN" "$ERR"
	[ "$status" -eq 74 ]
	grep -qE '^raft-append: standard output: Broken pipe: committed [0-9]+, resume with line [0-9]+$' "$ERR"
}

@test "tee: what is in doubt stays in doubt (76), also when a run whose reader hangs is then interrupted" {
	mkdir -p "$BATS_TEST_TMPDIR/x/run"
	sed "s,run: .*,run: $BATS_TEST_TMPDIR/x/run," "$CLUSTER/n1/raft.yaml" >"$BATS_TEST_TMPDIR/x/raft.yaml"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 60 python3 - "$BATS_TEST_TMPDIR/x/run/elect" 3>&- <<-'PY' &
		import sys
		import wire
		c = wire.accept(wire.listen(sys.argv[1]))
		c.expect("hello")
		c.send("hello_reply", version=1, low=1, high=1, node="n1", start=1, seen=1)
		serial = 1
		while (got := c.recv()) is not None and got[0] == "propose":
		    if serial <= 100:  # and what comes then has no answer
		        c.send("answer", request=got[1]["request"], verdict=0, serial=serial, count=got[1]["count"], pos=(9 + serial, 1))
		        serial += got[1]["count"]
	PY
	elect=$!
	wait_until 10 test -S "$BATS_TEST_TMPDIR/x/run/elect"
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	exec 7<>"$BATS_TEST_TMPDIR/fifo"
	seq -f "%.0f $(printf 'x%.0s' $(seq 1000))" 200 >"$IN" # one read
	raft-append -c "$BATS_TEST_TMPDIR/x/raft.yaml" --tee -t 700ms "$IN" >&7 2>"$ERR" 3>&- 7>&- &
	pid=$!
	wait_until 20 grown "$ERR" 1
	full 7
	reap TERM "$pid"
	status=0
	wait "$pid" || status=$?
	cat "$ERR"
	[ "$status" -eq 76 ]
	[ "$(wc -l <"$ERR")" -eq 1 ]
	grep -qE '^raft-append: no answer from raft-elect \(given up after 700 ms\): committed [0-9]+, resume with line [0-9]+, or later: up to [0-9]+ may' "$ERR"
	wait "$elect"
	exec 7>&-
}

@test "tee: does not go with -v and -r, in one sentence and 64" {
	for option in v r; do
		run tee_n1 "-$option" </dev/null
		[ "$status" -eq 64 ]
		[ "$output" = "raft-append: --tee: does not go with -$option, which prints to standard output as well" ]
	done
}
