#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The checker of histories is itself checked: on histories made by hand, and against a search of all orders.

load helper

lincheck() { timeout 60 "$TBIN/lincheck" "$@"; }

@test "lincheck: each good history of t/data/histories is linearizable" {
	count=0
	for f in "$ROOT"/t/data/histories/good-*; do
		lincheck "$f"
		count=$((count + 1))
	done
	[ "$count" -ge 4 ]
}

@test "lincheck: each bad history of t/data/histories is not" {
	count=0
	for f in "$ROOT"/t/data/histories/bad-*; do
		run lincheck "$f"
		echo "$f: $output"
		[ "$status" -eq 1 ]
		[[ $output == 'key '*': not linearizable: '* ]]
		count=$((count + 1))
	done
	[ "$count" -ge 10 ]
}

@test "lincheck: a line that cannot be read, and too few operations, are no proof" {
	for line in '1 2 x' '1 2 x jump ok' '2 1 x get none' '1 2 x get' '1 2 x put a' '1 - x get ok 3' 'a 2 x get none' \
		'1 2 x incr none' '1 2 x put a is b'; do
		run lincheck <<<"$line"
		echo "$line: $output"
		[ "$status" -eq 2 ]
	done
	[ "$(lincheck -m 1 <<<'1 2 x get none')" = '1 operations with a known outcome, 0 without, 1 keys' ]
	run lincheck -m 2 <<<'1 2 x get none'
	[ "$status" -eq 2 ]
	[[ $output == *'this proves nothing' ]]
}

@test "lincheck: says of thousands of small histories what a search of all orders says" {
	cat >"$BATS_TEST_TMPDIR/make" <<'PY'
import itertools, random, sys
random.seed(7)
VALUES = ["1", "2", "3"]

def step(op, state):
    """The result and the next state."""
    what, args = op
    if what == "put":
        return "ok", args[0]
    if what == "get":
        return ("none" if state is None else "ok " + state), state
    if what == "del":
        return ("none" if state is None else "ok"), None
    if what == "cas":
        if state is None:
            return "none", state
        return ("ok", args[1]) if state == args[0] else ("is " + state, state)
    n = str(int(state or 0) + 1)
    return "ok " + n, n

def some_op():
    what = random.choice(["put", "get", "get", "del", "cas", "incr"])
    return what, [random.choice(VALUES) for _ in range({"put": 1, "cas": 2}.get(what, 0))]

def history():
    """Operations with the results of a real register at a moment within each, then perhaps one is changed."""
    ops = []
    for _ in range(random.randint(1, 6)):
        start = random.randint(0, 12)
        end = start + random.randint(0, 8)
        ops.append([start, end, random.uniform(start, end), some_op(), None])
    state = None
    for op in sorted(ops, key=lambda o: o[2]):
        op[4], state = step(op[3], state)
    for op in ops:
        if random.random() < 0.15:
            op[1], op[4] = None, None
    if random.random() < 0.6:
        op = random.choice(ops)
        if op[4] is not None:
            op[4] = step(op[3], random.choice(VALUES + [None]))[0]
    return [(o[0], o[1], o[3], o[4]) for o in ops]

def good(ops):
    unknown = [o for o in ops if o[1] is None]
    known = [o for o in ops if o[1] is not None]
    for take in itertools.product([0, 1], repeat=len(unknown)):
        chosen = known + [o for o, t in zip(unknown, take) if t]
        for order in itertools.permutations(chosen):
            if any(b[1] is not None and b[1] < a[0] for i, a in enumerate(order) for b in order[i + 1:]):
                continue
            state = None
            for start, end, op, result in order:
                got, state = step(op, state)
                if result is not None and got != result:
                    break
            else:
                return True
    return False

bad = []
for key in range(3000):
    ops = history()
    for start, end, (what, args), result in ops:
        print(start, "-" if end is None else end, f"k{key}", what, *args, result or "")
    if not good(ops):
        bad.append(f"k{key}")
print("\n".join(sorted(bad)), file=sys.stderr)
PY
	timeout 120 python3 "$BATS_TEST_TMPDIR/make" >"$BATS_TEST_TMPDIR/history" 2>"$BATS_TEST_TMPDIR/bad"
	run lincheck "$BATS_TEST_TMPDIR/history"
	[ "$status" -eq 1 ]
	sed -n 's/^key \(.*\): not linearizable.*/\1/p' <<<"$output" | sort | diff - "$BATS_TEST_TMPDIR/bad"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/bad")" -gt 300 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/bad")" -lt 2500 ]
}

@test "lincheck: tens of thousands of operations, many at once and some lost, take seconds" {
	timeout 60 python3 - >"$BATS_TEST_TMPDIR/history" <<'PY'
import random
random.seed(3)
state, ops = {}, []
for i in range(40000):
    key, start = "k%d" % random.randrange(20), i * 10
    begin, end = start - random.randrange(100), start + random.randrange(100)
    if begin < 0:
        begin = 0
    if random.random() < 0.5:
        result = "ok"
        if random.random() < 0.003:  # lost, though it took effect
            end, result = "-", ""
        state[key] = i
        print(begin, end, key, "put", i, result)
    else:
        print(begin, end, key, "get", "ok %d" % state[key] if key in state else "none")
PY
	lincheck -m 30000 "$BATS_TEST_TMPDIR/history"
	# One value that was never put.
	echo '200000 200001 k3 get ok never' >>"$BATS_TEST_TMPDIR/history"
	run lincheck "$BATS_TEST_TMPDIR/history"
	[ "$status" -eq 1 ]
	[[ $output == 'key k3: not linearizable: '*'that of line 40001'* ]]
}
