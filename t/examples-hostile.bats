#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# Each example, and each recipe of the pages that handles entries, against entries made to break it.  On three nodes: nothing
# that an entry says is executed, what is stored is what was appended, and the nodes agree.
# shellcheck disable=SC2030,SC2031,SC2094,SC2317
# long

bats_require_minimum_version 1.5.0
load helper

EX=$ROOT/etc/examples

setup_file() {
	local n d
	cluster_init "$BATS_FILE_TMPDIR/c"
	for n in $(nodes); do
		mkdir -p "$CLUSTER/$n/run"
		cp "$EX"/lines-to-sqlite3.py "$CLUSTER/$n"
		cp "$CLUSTER/$n/raft.yaml" "$CLUSTER/$n/bare.yaml"
		for d in logd peerd elect; do daemon_start "$n" "$d"; done
	done
	export CLUSTER CLUSTER_COUNT
	export CANARY=$BATS_FILE_TMPDIR/pwned
	wait_leader
	hostile netstrings >"$BATS_FILE_TMPDIR/entries"
	append
	tail_all n1 >"$BATS_FILE_TMPDIR/all"
}
teardown_file() { cluster_stop; }

teardown() {
	stop_all
	nothing_executed
}

# Neither in the folder where a program runs, nor by an absolute path.
nothing_executed() { [ -z "$(find "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" -name '*pwned*' -print -quit)" ]; }

# hostile netstrings|lines: the entries, as commands of raft-kv and bare; as lines those that are one.
hostile() {
	python3 - "$1" "$CANARY" <<'PY'
import sys
form, canary = sys.argv[1:]
words = [b"", b" ", b"  ", b"\t", b"\r", b"x\r", b"x\ty", b"-", b"-e", b"--help", b"--", b"-rf", b"*", b"?", b"~", b"%s%n%d", b"%",
    b"\\", b"\\n", b"\\0", b"\\c", b"'", b"''", b'"', b"`", b"$", b"&", b"!", b"#", b";", b"|", b"\x1b[2J", b"\x7f", b"\xff\xfe",
    b"\xc3", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xc2\x85", b"\x1a", b"\x04", b"@" + b"pwned", b"NaN", b"1e3", b"0x10", b"01", b"-0",
    b"9" * 5000, b"_", b"PATH", b"IFS", b"count_x", b"x=1", b"error", b"k a\tb"]
for text in (b"touch pwned", b"echo x >pwned", b"touch " + canary.encode()):
    words += [b"$(" + text + b")", b"`" + text + b"`", b"; " + text + b";", b"' ; " + text + b"; '", b'" ; ' + text + b' ; "',
        b"| " + text, b"&& " + text, b".shell " + text, b"!" + text, b'"); system("' + text + b'"); ("', b"x]=1; " + text,
        b"a[$(" + text + b")]", b"');\n.shell " + text + b"\n--", b"x\0');\n.shell " + text + b"\n--", b"\n" + text + b"\n",
        b"$" + b"((" + text + b"))", b"${x:=$(" + text + b")}", b"error $(" + text + b")", b"'||readfile('/etc/passwd')||'"]
words += [b"a\nb", b"\n", b"a\0b", b"\0", b"error \xff", b"error\n99 forged", b"\0x\0\ny"]
entries = []
for i, word in enumerate(words):
    entries += [word, b"put k%d " % i + word, b"put " + word + b" v", b"incr k%d" % i, b"incr " + word, b"get " + word,
        b"cas k%d " % i + word + b" " + word, b"put k%d " % i + word]
for fill in (b" ", b"w", b"'", b"w "):
    big = (fill * (1 << 20))[: (1 << 20) - 16]
    entries += [big, b"put big " + big, b"incr " + big, b"get big"]
for entry in entries + [b"incr last"]:
    if form == "netstrings":
        sys.stdout.buffer.write(b"%d:%s," % (len(entry), entry))
    elif b"\n" not in entry:
        sys.stdout.buffer.write(entry + b"\n")
PY
}

append() { timeout 120 raft-append -F netstring -c "$CLUSTER/n1/bare.yaml" <"$BATS_FILE_TMPDIR/entries"; }

# on_all LINE...: raft-fsm on each node, with these lines as its section.
on_all() {
	local n
	for n in $(nodes); do section "$n" "$@"; done
	for n in $(nodes); do wait_until 20 caught_up "$n"; done
}
# again: the entries once more, for a batch begins at a cursor: FROM is the first one's index, and all says them as lines.
again() {
	FROM=$(($(status n1 log commit) + 1))
	append
	timeout 60 raft-tail --from "$FROM" -c "$CLUSTER/n1/bare.yaml" >"$BATS_TEST_TMPDIR/all"
	[ "$(wc -c <"$BATS_TEST_TMPDIR/all")" -gt 10000000 ]
}
section() { # section NODE LINE...
	local node=$1
	shift
	{
		cat "$CLUSTER/$node/bare.yaml"
		echo fsm:
		printf '  %s\n' "$@"
	} >"$CLUSTER/$node/raft.yaml"
	daemon_start "$node" fsm
}
caught_up() {
	[ "$(status "$1" fsm state)" = running ] && [ "$(status "$1" fsm delivered)" -ge "$(status n1 log commit)" ] &&
		[ "$(status "$1" log commit)" = "$(status n1 log commit)" ]
}
# example FILE [SED]: its keys, as on_all takes them.
example() { sed -n "$2; s/^  //p" "$EX/$1" | sed '2,$s/^/  /'; }
# At the end of its input each program finishes what it has.
fsm_stop() { stop_all; }

# ------------------------------------------------------------- sinks and batches

@test "hostile: tee has each byte, on every node" {
	on_all "$(example sink-tee.yaml)"
	fsm_stop
	for n in $(nodes); do cmp "$BATS_FILE_TMPDIR/all" "$CLUSTER/$n/all"; done
}

json() { timeout 60 raft-tail -F json --from "$1" -c "$CLUSTER/n1/bare.yaml"; }

@test "hostile: jq has one line for an entry, whatever it holds" {
	on_all "$(example sink-jq.yaml)"
	fsm_stop
	json 1 | jq -c 'select(.data // "" | test("error")) | [.index, .data]' >"$BATS_TEST_TMPDIR/want"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/want")" -ge 20 ]
	for n in $(nodes); do cmp "$BATS_TEST_TMPDIR/want" "$CLUSTER/$n/errors"; done
	run ! grep '^[^[]' "$CLUSTER/n1/errors"
}

# rows NODE FROM: from this index on the table is what the log is.
rows() {
	json "$2" | python3 -c '
import base64, json, sqlite3, sys
want = [(e["index"], e["data"] if "data" in e else base64.b64decode(e["base64"])) for e in map(json.loads, sys.stdin)]
db = sqlite3.connect(sys.argv[1], timeout=5)
have = db.execute("SELECT idx, line FROM lines WHERE idx >= ? ORDER BY idx", sys.argv[2:]).fetchall()
assert len(want) > 500 and want == have, [p for p in zip(want, have) if p[0] != p[1]][:1]' "$CLUSTER/$1/lines.db" "$2"
}

@test "hostile: a table of SQLite has each entry, and none reaches an interpreter" {
	on_all "$(example sink-sqlite3.yaml)"
	fsm_stop
	for n in $(nodes); do rows "$n" 1; done
	rm -f "$CLUSTER"/*/lines.db
	again
	for n in $(nodes); do section "$n" "$(example batch-sqlite3.yaml)"; done
	for n in $(nodes); do wait_until 20 rows "$n" "$FROM"; done
}

@test "hostile: a table that another log has filled is not added to in silence" {
	entry() { printf '{"index":%s,"data":"%s"}\n' "$@"; }
	entry 1 a 2 b 3 c | "$EX/lines-to-sqlite3.py" "$BATS_TEST_TMPDIR/db"
	entry 1 a 2 b 3 c 4 d | "$EX/lines-to-sqlite3.py" "$BATS_TEST_TMPDIR/db"
	run "$EX/lines-to-sqlite3.py" "$BATS_TEST_TMPDIR/db" < <(entry 4 d 2 x 5 e)
	[ "$status" -eq 1 ]
	[[ $output == *"entry 2 differs from the row: the table is of another log"* ]]
	[ "$(sqlite3 "$BATS_TEST_TMPDIR/db" 'SELECT group_concat(line, "") FROM lines')" = abcd ]
}

# ends_with FILE: what was appended again is the end of it.
ends_with() { tail -c "$(wc -c <"$BATS_TEST_TMPDIR/all")" "$1" | cmp - "$BATS_TEST_TMPDIR/all"; }

# lines_of_json: the data of each entry.
lines_of_json() {
	python3 -c '
import base64, json, sys
for entry in map(json.loads, sys.stdin):
    data = entry["data"].encode() if "data" in entry else base64.b64decode(entry["base64"])
    sys.stdout.buffer.write(data + b"\n")'
}

@test "hostile: gzip has each byte, on every node" {
	again
	for n in $(nodes); do section "$n" "$(example batch-gzip.yaml)"; done
	unzipped() { ends_with <(zcat "$CLUSTER/$1/archive"/*.gz | lines_of_json); }
	for n in $(nodes); do wait_until 20 unzipped "$n"; done
}

@test "hostile: curl sends each byte, and takes none for an option or a file" {
	again
	cat >"$BATS_TEST_TMPDIR/server" <<'PY'
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open(sys.argv[2] + self.path, "ab").write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
	mkdir "$BATS_TEST_TMPDIR/posted"
	port=$(free_ports 1)
	spawn "$BATS_TEST_TMPDIR/server.log" python3 "$BATS_TEST_TMPDIR/server" "$port" "$BATS_TEST_TMPDIR/posted"
	for n in $(nodes); do section "$n" "$(example batch-curl.yaml "s|:8080/lines|:$port/$n|")"; done
	for n in $(nodes); do wait_until 20 ends_with "$BATS_TEST_TMPDIR/posted/$n"; done
}

# ------------------------------------------------------------- machines

# machine COMMAND...: each on a node, in the order of the nodes; the words of each as a list of YAML.
machines() {
	local n
	for n in $(nodes); do
		section "$n" 'mode: machine' 'timeout: 60s' "command: [ $1 ]"
		shift
	done
	for n in $(nodes); do wait_until 40 caught_up "$n"; done
}
# agree: the database is the same on each node, and is not empty.
agree() {
	local n
	for n in $(nodes); do
		timeout 60 raft-query -c "$CLUSTER/$n/raft.yaml" list >"$BATS_TEST_TMPDIR/$n.keys"
		tr ' ' '\n' <"$BATS_TEST_TMPDIR/$n.keys" | sort -u | sed 's/^/get /' |
			timeout 60 raft-query -c "$CLUSTER/$n/raft.yaml" >"$BATS_TEST_TMPDIR/$n.values"
		cmp "$BATS_TEST_TMPDIR/n1.keys" "$BATS_TEST_TMPDIR/$n.keys"
		cmp "$BATS_TEST_TMPDIR/n1.values" "$BATS_TEST_TMPDIR/$n.values"
		[ "$(status "$n" fsm restarts)" -eq 0 ]
	done
	[ "$(wc -l <"$BATS_TEST_TMPDIR/n1.values")" -ge 100 ]
}

@test "hostile: the database in C, awk and Python is one and the same" {
	machines raft-kv "$EX/kv.awk" "$EX/kv.py"
	agree
}

@test "hostile: so are the durable ones, and after kill -9 as well" {
	machines 'raft-kv, -D, kv.db' "$EX/kv.awk, -v, journal=journal" "$EX/kv-durable.py, kv.sqlite"
	agree
	fsm_stop
	machines 'raft-kv, -D, kv.db' "$EX/kv.awk, -v, journal=journal" "$EX/kv-durable.py, kv.sqlite"
	agree
}

@test "hostile: an entry that a crash has cut in the journal of awk is none, wherever the cut is" {
	kv() { timeout 10 "$EX/kv.awk" -v journal="$BATS_TEST_TMPDIR/j"; }
	printf 'entry 1 put a old\nentry 2 put a x\t5 put a y\t \t\nquery get a\n' | kv >/dev/null
	cp "$BATS_TEST_TMPDIR/j" "$BATS_TEST_TMPDIR/whole"
	size=$(wc -c <"$BATS_TEST_TMPDIR/whole")
	first=$(head -n 2 "$BATS_TEST_TMPDIR/whole" | wc -c)
	for ((cut = first; cut < size - 1; cut++)); do
		head -c "$cut" "$BATS_TEST_TMPDIR/whole" >"$BATS_TEST_TMPDIR/j"
		[ "$(echo 'query get a' | kv | paste -sd ' ')" = 'ready 1 ok old' ]
	done
	cp "$BATS_TEST_TMPDIR/whole" "$BATS_TEST_TMPDIR/j"
	[ "$(echo 'query get a' | kv | paste -sd ' ')" = $'ready 2 ok x\t5 put a y\t \t' ]
}

@test "hostile: the counter in the shell counts the names, and nothing else" {
	cd "$BATS_TEST_TMPDIR"
	counter() { timeout 100 raft-fsm --try --mode machine --query 'get k0' --query 'get PATH' --query 'get _' -- "$EX/counter.sh" "$@"; }
	hostile lines >lines
	counter <lines >all
	[ "$(wc -l <all)" -eq $(($(wc -l <lines) + 3)) ]
	run ! grep -v -x -e 'ok [0-9]*' -e 'refused .*' all
	# The durable one syncs each entry: it is given those that could change something.
	grep -a '^incr ' lines >some
	[ "$(wc -l <some)" -ge 200 ]
	counter <some >memory
	counter counters <some >durable
	cmp memory durable
	grep -qx 'PATH 1' counters
	run ! grep -v -x -e '[A-Za-z0-9_]\{1,64\} [0-9]*' -e '[0-9]*' counters
}

@test "hostile: a mail is the entry, byte by byte, with its Message-ID before it" {
	cd "$BATS_TEST_TMPDIR"
	printf '#!/bin/sh\nprintf "%%s\\n" "$#" "$@" >args\ncat >mail\n' >sendmail
	chmod +x sendmail
	RAFT_CURSOR=mail RAFT_FIRST=7 SENDMAIL=./sendmail python3 - "$EX/each-mail.sh" "$BATS_FILE_TMPDIR/entries" <<-'PY'
		import subprocess, sys
		rest, count = open(sys.argv[2], "rb").read(), 0
		while rest:
		    size, rest = rest.split(b":", 1)
		    entry, rest = rest[: int(size)], rest[int(size) + 1 :]
		    subprocess.run([sys.argv[1]], input=entry, check=True)
		    assert open("mail", "rb").read() == b"Message-ID: <mail.7@raft.example.org>\n" + entry
		    assert open("args", "rb").read() == b"2\n-t\n-oi\n"
		    count += 1
		assert count > 500, count
	PY
}

# ------------------------------------------------------------- recipes of the pages

@test "hostile: the recipes of the pages" {
	cd "$BATS_TEST_TMPDIR"
	page=$ROOT/man/raft-fsm-protocol.7
	dl() { sed -n 's/^\.Dl //p' "$ROOT/man/$1" | sed 's/\\e/\\/g'; }
	hostile lines >lines
	# Each that runs a program on given lines runs it on these.
	{ dl raft-fsm.8; dl raft-fsm-protocol.7; } | grep -e '| raft-fsm --try' | grep -v -e '--mode' | sed 's/^.*| raft-fsm/raft-fsm/' >tries
	[ "$(wc -l <tries)" -eq 3 ]
	while read -r line; do timeout 20 sh -c "$line" <lines >/dev/null; done <tries
	# The sections for raft.yaml are run as sinks.
	dl raft-fsm-protocol.7 | sed -n 's/^fsm: { command: \[ sh, -c, .\(.*\). \] }$/\1/p' >sections
	[ "$(wc -l <sections)" -eq 2 ]
	while read -r line; do timeout 20 raft-fsm --try -- sh -c "$line" <lines; done <sections
	cmp lines all
	cmp errors <(grep -a error lines)
	[ "$(wc -l <errors)" -ge 10 ]
	# The programs in Python.
	awk '/^import json/ { n++ } /^\.Ed/ { n += n > 0 && !(n % 2) } n == 1 { print }' "$page" | sed '/^\.Ed/,$d' >sink.py
	awk '/^import json/ && ++n == 2 { on = 1 } /^\.Ed/ { on = 0 } on' "$page" | sed 's/\\e/\\/g' >words.py
	timeout 20 raft-fsm --try -F json -- python3 sink.py <lines >out
	[ "$(wc -l <out)" -eq "$(wc -l <lines)" ]
	timeout 60 raft-fsm --try --mode machine -- python3 words.py <lines >out
	[ "$(wc -l <out)" -eq "$(wc -l <lines)" ]
	run ! grep -v -x -e ok -e 'refused the entry .*' out
	# And those of raft-tail(1).
	dl raft-tail.1 | grep @tsv | sed 's/^\$ //; s/-N 10 //' >recipes
	[ "$(wc -l <recipes)" -eq 2 ]
	while read -r line; do
		RAFT_CONFIG=$CLUSTER/n1/bare.yaml timeout 60 sh -c "$line" >tsv </dev/null
		[ "$(wc -l <tsv)" -eq "$(json 1 | wc -l)" ]
	done <recipes
}

@test "hostile: each example that is there is run by a test of this suite" {
	for f in "$EX"/*; do
		grep -q "\(example \|EX\"*/\)${f##*/}" "$BATS_TEST_FILENAME"
	done
}
