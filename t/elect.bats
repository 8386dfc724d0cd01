#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# One raft-elect between a raft-logd and a raft-peerd that do what the test says.
# sanitize

load helper

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 3
	mkdir -p "$CLUSTER/n1/run"
	sed -i 's/election_timeout: .*/election_timeout: 400ms/; s/heartbeat: .*/heartbeat: 50ms/' "$CLUSTER/n1/raft.yaml"
	LOG=$CLUSTER/n1/elect.log
	SOCK=$CLUSTER/n1/run/elect
}
teardown() { cluster_stop; }

listens() { [ -S "$SOCK" ]; }

elect_start() {
	daemon_start n1 elect
	wait_until 10 listens
}

elect_alive() { alive "$(daemon_pid n1 elect)"; }

# play: the Python program on stdin, with what it needs at hand.
play() {
	{
		echo 'import os, sys, time, struct, socket'
		echo 'from wire import *'
		echo 'from fakes import *'
		echo 'run, sock = os.environ["RUN"], os.environ["RUN"] + "/elect"'
		cat
	} >"$BATS_TEST_TMPDIR/play.py"
	RUN=$CLUSTER/n1/run LOG=$LOG PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 \
		timeout 60 python3 "$BATS_TEST_TMPDIR/play.py"
}

said() { grep -cE "$1" "$LOG"; }

@test "elect: without raft-logd it says once what it waits for, and refuses proposals" {
	elect_start
	play <<-'PY'
		c = Conn(sock)
		assert c.hello()["seen"] == 0
		c.propose(7, [entry(1, "a", b"s"), entry(2, "b", b"s")])
		a = c.expect("answer")
		assert (a["request"], a["verdict"], a["reason"], a["serial"], a["count"]) == (7, 1, 8, 1, 2), a
		c.send("read_index", request=9)
		r = c.expect("read_index_reply")
		assert (r["request"], r["ok"], r["reason"]) == (9, 0, 8), r
		s = logfmt(c.query("status"))
		assert (s["role"], s["log"], s["peer"]) == ("none", "down", "down"), s
		time.sleep(1)
	PY
	[ "$(said 'ev=wait for=raft-logd')" -eq 1 ]
	[ "$(said 'ev=wait for=raft-peerd')" -eq 1 ]
}

@test "elect: its status has a cluster and a start only once there is a log" {
	has() { ctl n1 -j status | jq -e ".elect | has(\"cluster\") and has(\"start\")"; }
	elect_start
	ctl n1 status | grep -q 'role=none'
	[ "$(ctl n1 -j status | jq -c '.elect | [.cluster, .start]')" = '[null,null]' ]
	daemon_start n1 logd
	wait_until 10 has
	[[ "$(status n1 elect cluster)" =~ ^[0-9a-f]*[1-9a-f][0-9a-f]*$ ]]
}

@test "elect: a data directory of another node is one sentence and exit 78" {
	play <<-'PY' 3>&- &
		Logd(run, node="n9").accept()
		time.sleep(5)
	PY
	p=$!
	run timeout 10 raft-elect -c "$CLUSTER/n1/raft.yaml"
	kill "$p" || :
	[ "$status" -eq 78 ]
	[[ "$output" == *"n9"*"n1"* ]]
}

@test "elect: a raft-logd of no common version is said once, and tried again" {
	elect_start
	play <<-'PY'
		logd = Logd(run)
		for i in range(3):
		    logd.accept(version=0, low=7, high=9).close()
		logd.accept().tell()
		c = Conn(sock)
		c.hello()
		wait_until(lambda: logfmt(c.query("status"))["log"] == "up")
	PY
	[ "$(said 'for=raft-logd')" -eq 1 ]
	[ "$(said 'to=raft-logd state=up')" -eq 1 ]
}

@test "elect: a sole voter leads, and answers only what is durable (§3.8)" {
	elect_start
	play <<-'PY'
		logd = Logd(run).accept().tell()
		while True:                           # term and vote, then the no-op
		    w = logd.store_next()
		    if w["count"] > 0:
		        break
		assert (w["term"], w["vote"]) == (1, "n1"), w
		c = Conn(sock)
		c.hello()
		logd.led_alone(c)
		c.propose(1, entry(1, "x", b"s"))
		w = logd.write()
		assert w["count"] == 1 and w["entries"][37 + STAMP_SIZE:] == b"x", w
		c.sock.settimeout(0.5)
		try:
		    assert False, c.recv()
		except TimeoutError:
		    pass
		c.sock.settimeout(10)
		logd.store(w)
		a = c.expect("answer")
		assert (a["verdict"], a["serial"], a["count"], a["pos"]) == (0, 1, 1, (w["first_index"], 1)), a
		name, m = logd.conn.recv()
		while name != "log_commit" or m["commit"][0] < w["first_index"]:
		    name, m = logd.conn.recv()
		c.send("read_index", request=2)
		r = c.expect("read_index_reply")
		assert r["ok"] and r["index"] >= w["first_index"], r
	PY
}

@test "elect: no vote leaves before it is durable (PITFALLS A1)" {
	elect_start
	play <<-'PY'
		logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()
		peerd = Peerd(run).accept()
		m = peerd.config()
		assert m["cluster"] == CLUSTER and struct.unpack(">I", m["config"][:4])[0] == 3
		peerd.deliver("n2", "raft_vote", term=50, transfer=1, last=(0, 0))
		while True:
		    w = logd.write()
		    if w["term"] == 50:
		        break
		    logd.store(w)
		assert w["vote"] == "n2", w
		peerd.conn.sock.settimeout(0.2)
		try:
		    while True:
		        got = peerd.conn.recv()[1]
		        assert got["to"] != "n2" or get(struct.unpack(">H", got["frame"][4:6])[0], got["frame"][6:])[0] != "raft_vote_reply"
		except TimeoutError:
		    pass
		peerd.conn.sock.settimeout(10)
		logd.store(w)
		r = peerd.sent("raft_vote_reply", to="n2")
		assert r["granted"] and r["term"] == 50, r
	PY
}

@test "elect: the opening of a session is answered with the digest that raft-logd has" {
	elect_start
	play <<-'PY'
		logd = Logd(run).accept().tell()
		c = Conn(sock)
		c.hello()
		logd.led_alone(c)
		sid = b"\x80" + b"s" * 15
		c.propose(5, entry(0, b"r" * 16 + struct.pack(">Q", 0) + b"name", sid, SESSION_OPEN))
		w = logd.store_next()
		asked = 0
		while asked < 3:                      # it is asked until it has the opening
		    name, m = logd.conn.recv()
		    if name == "session_get":
		        asked += 1
		        epoch = w["first_index"] if asked == 3 else 0
		        assert logd.commit[0] >= w["first_index"], "asked before it knew the commit index"
		        logd.conn.send("session", request=m["request"], found=asked > 1, epoch=epoch, serial=0,
		                       digest=b"d" * 32)
		    else:
		        logd.take(name, m)
		a = c.expect("answer")
		assert (a["verdict"], a["epoch"], a["digest"]) == (0, w["first_index"], b"d" * 32), a
	PY
}

@test "elect: when raft-logd goes, what was proposed is unknown, and it starts anew from the log" {
	elect_start
	play <<-'PY'
		logd = Logd(run).accept().tell()
		c = Conn(sock)
		c.hello()
		logd.led_alone(c)
		first = logfmt(c.query("status"))["start"]
		c.propose(1, [entry(1, "x", b"s"), entry(2, "y", b"s")])
		w = logd.write()
		del logd.entries[w["first_index"] - 1:]    # lost with raft-logd
		logd.close()
		a = c.expect("answer")
		assert (a["request"], a["verdict"], a["reason"], a["serial"], a["count"]) == (1, 2, 8, 1, 2), a
		c.propose(2, entry(1, "x", b"s"))
		a = c.expect("answer")
		assert (a["request"], a["verdict"], a["reason"]) == (2, 1, 8), a
		assert logfmt(c.query("status"))["role"] == "none"
		logd.accept().tell()
		while logd.entries[-1][8] != NOOP | STAMPED:
		    logd.store_next()
		wait_until(lambda: logfmt(c.query("status"))["role"] == "leader")
		s = logfmt(c.query("status"))
		assert s["start"] != first and int(s["term"]) == 2, s
		c.propose(3, entry(1, "x", b"s"))
		logd.store_next()
		assert c.expect("answer")["verdict"] == 0
	PY
}

@test "elect: a raft-logd that talks nonsense is left, and found again" {
	elect_start
	play <<-'PY'
		logd = Logd(run)
		c = Conn(sock)
		c.hello()
		def nonsense(what):
		    logd.accept()
		    what()
		    assert logd.conn.recv() is None
		    logd.close()
		nonsense(lambda: logd.conn.send("log_state", last=(3, 1), commit=(5, 1)))
		nonsense(lambda: logd.conn.send("log_end", start=logd.start))
		nonsense(lambda: logd.conn.send("log_part", what=1))
		nonsense(lambda: logd.conn.send("log_stored", number=1))
		nonsense(lambda: logd.conn.raw(b"\xff" * 64))
		nonsense(lambda: logd.conn.raw(put("log_full")[:-1]) or logd.conn.sock.shutdown(socket.SHUT_WR))
		logd.accept().tell()
		logd.conn.send("log_stored", number=1000)
		while logd.conn.recv():
		    pass
		logd.accept().tell()
		wait_until(lambda: logfmt(c.query("status"))["log"] == "up")
	PY
	elect_alive
}

@test "elect: malformed messages of peers are dropped, counted, said" {
	elect_start
	play <<-'PY'
		logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()
		peerd = Peerd(run).accept()
		peerd.config()
		bad = [b"", b"\0" * 3, b"\xff" * 40, put("raft_vote", term=1)[:-1], put("hello", program="x"),
		       put("raft_append", term=1, count=3, entries=b"short"),
		       put("raft_append", term=1, count=4000000000, entries=entry(1, "a")),
		       put("raft_answer", term=1, verdict=9), put("raft_propose", term=1)]
		for frame in bad:
		    peerd.conn.send("peer_recv", **{"from": "n2", "frame": frame})
		peerd.deliver("n1", "raft_vote", term=9)   # from itself
		c = Conn(sock)
		c.hello()
		wait_until(lambda: int(logfmt(c.query("status"))["malformed"]) == len(bad) + 1)
		peerd.deliver("n2", "raft_vote", term=50, transfer=1)
		while logd.store_next()["term"] != 50:
		    pass
		assert peerd.sent("raft_vote_reply", to="n2")["granted"]
	PY
	[ "$(said 'ev=malformed from=n2')" -eq 1 ]
	elect_alive
}

@test "elect: without raft-peerd a follower never wins; found again, it is told the members" {
	elect_start
	play <<-'PY'
		logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()
		c = Conn(sock)
		c.hello()
		time.sleep(1.5)
		s = logfmt(c.query("status"))
		assert s["term"] == "0" and s["role"] in ("follower", "pre-candidate") and s["peer"] == "down", s
		for i in range(2):
		    peerd = Peerd(run).accept()
		    peerd.config()
		    assert peerd.sent("raft_vote")["pre"]
		    peerd.close()
		    peerd.listener.close()
	PY
}

@test "elect: malformed frames of a client end that connection alone, with a sentence if possible" {
	elect_start
	play <<-'PY'
		logd = Logd(run).accept().tell()
		good = Conn(sock)
		good.hello()
		def ends(frames, hello=True, sentence=True):
		    c = Conn(sock)
		    if hello:
		        c.hello()
		    c.raw(frames)
		    got = c.recv()
		    if sentence:
		        assert got and got[0] == "refusal" and got[1]["sentence"], got
		        got = c.recv()
		    assert got is None, got
		ends(put("query_text", request=1, what="status"), hello=False)
		ends(put("propose", request=1, count=0))
		ends(put("propose", request=1, count=2, entries=entry(1, "a")))
		ends(put("propose", request=1, count=1, entries=entry(1, "a")[:-1]))
		ends(put("propose", request=1, count=1, entries=entry(1, "a", kind=77)))
		ends(struct.pack(">IH", 7, NUMBERS["read_index"]) + b"short")
		ends(struct.pack(">IH", 3, NUMBERS["query_text"]) + b"x")
		ends(struct.pack(">IH", 3, NUMBERS["watch"]) + b"x")
		ends(b"\0\0\0\0", sentence=False)
		ends(b"\xff\xff\xff\xff", sentence=False)
		c = Conn(sock)
		assert c.hello(low=7, high=9)["version"] == 0 and c.recv() is None
		c = Conn(sock)                        # cut off in the middle of a frame
		c.hello()
		c.raw(put("propose", request=1, count=1, entries=entry(1, "a"))[:20])
		c.close()
		good.raw(put("log_end", start=1))     # a request that it does not serve is no reason to end
		assert good.expect("refusal")["sentence"]
		good.raw(struct.pack(">IH", 2, 999))
		assert good.expect("refusal")["sentence"]
		good.send("query_text", request=3, what="nonsense")
		assert good.expect("refusal")["request"] == 3
		assert logfmt(good.query("status"))["part"] == "elect"
	PY
	elect_alive
}

@test "elect: a client with too much outstanding is not read until it has less" {
	elect_start
	play <<-'PY'
		logd = Logd(run).accept().tell()
		c = Conn(sock)
		c.hello()
		logd.led_alone(c)
		frame = lambda i: put("propose", request=i, count=512,
		                      entries=b"".join(entry(512 * i + k + 1, "x" * 20, b"s") for k in range(512)))
		c.sock.settimeout(1)
		sent = 0
		try:
		    while sent < 2000:
		        c.raw(frame(sent))
		        sent += 1
		except TimeoutError:
		    pass
		assert 65536 // 512 <= sent < 1000, sent
		other = Conn(sock)                    # others are served
		other.hello()
		assert int(logfmt(other.query("status"))["outstanding"]) == 128
		answered = 0
		c.sock.settimeout(10)
		while answered < 512 * 128:
		    logd.store_next()
		    while answered < 512 * (len(logd.entries) - 2) // 512 and answered < 512 * 128:
		        a = c.expect("answer")
		        assert a["verdict"] == 0, a
		        answered += a["count"]
		wait_until(lambda: int(logfmt(other.query("status"))["outstanding"]) > 0)
	PY
}

@test "elect: who watches the state is told it at once and at each change" {
	elect_start
	play <<-'PY'
		c = Conn(sock)
		c.hello()
		c.send("watch", request=4, what="state")
		s = c.expect("text_reply")
		assert s["request"] == 4 and logfmt(s["lines"].decode())["role"] == "none", s
		logd = Logd(run).accept().tell()
		roles = []
		while "leader" not in roles:
		    while not roles or roles[-1] in ("follower", "pre-candidate"):
		        roles.append(logfmt(c.expect("text_reply")["lines"].decode())["role"])
		    if roles[-1] == "candidate":
		        logd.store_next()
		        roles.append(logfmt(c.expect("text_reply")["lines"].decode())["role"])
		logd.close()
		while roles[-1] != "none":
		    roles.append(logfmt(c.expect("text_reply")["lines"].decode())["role"])
	PY
	said 'ev=state from=leader to=none .*why="raft-logd is gone"'
}

@test "elect: more clients than it serves are told so" {
	ulimit -Sn 2048
	elect_start
	play <<-'PY'
		def client():
		    c = Conn(sock)
		    c.hello()
		    return c
		all = [client() for i in range(1024)]
		c = Conn(sock)
		c.send("hello", low=1, high=1, kind=CLIENT, program="test")
		assert "clients" in c.expect("refusal")["sentence"]
		assert c.recv() is None
		all.pop().close()
		def served():
		    try:
		        return client()
		    except AssertionError:
		        return False
		wait_until(served)
	PY
}

@test "elect: TERM answers what is outstanding, and exits 0" {
	elect_start
	play <<-'PY' 3>&- &
		logd = Logd(run).accept().tell()
		c = Conn(sock)
		c.hello()
		logd.led_alone(c)
		c.propose(1, entry(1, "x", b"s"))
		c.propose(2, entry(2, "y", b"s"))
		w = logd.write()
		while w["first_index"] + w["count"] < 5:
		    logd.store(w)
		    w = logd.write()
		open(run + "/proposed", "w")
		verdicts = {}
		while (got := c.recv()):              # until the end
		    verdicts[got[1]["request"]] = got[1]["verdict"]
		assert verdicts[2] == 2, verdicts
		open(run + "/unknown", "w")
	PY
	p=$!
	wait_until 20 test -e "$CLUSTER/n1/run/proposed"
	e=$(daemon_pid n1 elect)
	kill -TERM "$e"
	status=0
	wait "$e" || status=$?
	[ "$status" -eq 0 ]
	wait "$p"
	[ -e "$CLUSTER/n1/run/unknown" ]
	[ ! -e "$SOCK" ]
}

@test "elect: a second one on the same run directory is refused" {
	elect_start
	run timeout 10 raft-elect -c "$CLUSTER/n1/raft.yaml"
	[ "$status" -eq 75 ]
	[[ "$output" == *"in use"* ]]
	elect_alive
}

@test "elect: -d says when the socket answers" {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	spawn "$LOG" bash -c "exec raft-elect -c '$CLUSTER/n1/raft.yaml' -d 7 7>'$BATS_TEST_TMPDIR/ready'"
	echo "$SPAWNED" >"$CLUSTER/n1/elect.pid"
	timeout 10 cat "$BATS_TEST_TMPDIR/ready" >"$BATS_TEST_TMPDIR/said"
	[ "$(wc -c <"$BATS_TEST_TMPDIR/said")" -eq 1 ]
	play <<-'PY'
		Conn(sock).hello()
	PY
}

@test "elect: a full pipe of -d and a full notify socket delay nothing, and are written once there is room" {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	exec 7<>"$BATS_TEST_TMPDIR/ready"
	dd if=/dev/zero of="$BATS_TEST_TMPDIR/ready" bs=4096 oflag=nonblock status=none || :
	cat >"$BATS_TEST_TMPDIR/systemd.py" <<-'PY'
		import os, socket, sys
		s, c = (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2))
		s.bind(sys.argv[1] + ".sock")
		c.setblocking(False)
		try:
		    while True: c.sendto(b"x", sys.argv[1] + ".sock")
		except BlockingIOError: open(sys.argv[1] + ".full", "w")
		os.kill(os.getpid(), 19) # until the test goes on
		while s.recv(64) != b"READY=1": pass
	PY
	spawn "$BATS_TEST_TMPDIR/systemd.log" python3 "$BATS_TEST_TMPDIR/systemd.py" "$BATS_TEST_TMPDIR/n"
	systemd=$SPAWNED
	echo "$systemd" >"$CLUSTER/n1/systemd.pid"
	wait_until 10 test -e "$BATS_TEST_TMPDIR/n.full"
	spawn "$LOG" env NOTIFY_SOCKET="$BATS_TEST_TMPDIR/n.sock" "$BIN/raft-elect" -c "$CLUSTER/n1/raft.yaml" -d 7
	echo "$SPAWNED" >"$CLUSTER/n1/elect.pid"
	wait_until 10 has_role n1 none
	kill -CONT "$systemd"
	wait_until 10 gone "$systemd"
	wait "$systemd"
	# 64 KiB of zeros, and the newline.
	[ "$(timeout 20 head -c 65537 <&7 | tail -c 1 | od -An -tx1)" = ' 0a' ]
}

@test "elect: thousands of mutated frames from clients, peers and raft-logd do not end it" {
	elect_start
	play <<-'PY'
		import random
		rng = random.Random(int(os.environ.get("SEED", "1")))
		def near():                           # a term that may make sense
		    return max(0, logd.term + rng.randrange(-1, 2))
		def some(kind):
		    n = rng.choice([0, 1, 2, 3, 7, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
		    if kind == "opt":
		        return n
		    if kind in INTS:
		        return n % 2 ** (8 * struct.calcsize(INTS[kind]))
		    if kind == "pos":
		        return (n, rng.choice([0, 1, 2, 2**64 - 1]))
		    if kind == "id":
		        return rng.choice([b"", b"n1", b"n2", b"n3", b"\xff" * 32])
		    if kind == "text":
		        return rng.choice(["status", "members", "state", "", "x" * 300])
		    if kind == "rest" and rng.random() < 0.7:
		        return b"".join(entry(i + rng.randrange(2), "x", b"s", rng.choice([0, 2, 2, 3, 9]), near())
		                        for i in range(rng.randrange(4)))
		    return rng.randbytes(rng.choice([0, 1, 16, 40]) if kind == "rest" else BYTES[kind])
		def newer(out):                       # what does end it, which is the subject of level.bats
		    name = NAMES[struct.unpack(">H", out[4:6])[0]]
		    run = out[len(put(name)):] if name in ("raft_append", "raft_append_lead", "log_entries", "log_part") else b""
		    while len(run) >= 37 and run[8] & ~STAMPED <= 6:
		        run = run[37 + (STAMP_SIZE if run[8] & STAMPED else 0) + struct.unpack(">I", run[33:37])[0]:]
		    return len(run) >= 37
		def frame(names):
		    while newer(out := any_frame(names)):
		        pass
		    return out
		def any_frame(names):
		    name = rng.choice(names)
		    fields = {field: some(kind) for kind, field in FIELDS[name]}
		    if "count" in fields and rng.random() < 0.8:
		        fields["count"] = fields.get("entries", b"").count(b"s" + b"\0" * 15)
		    if "term" in fields and rng.random() < 0.95:
		        fields["term"] = near()
		    if "prev" in fields and rng.random() < 0.8:
		        fields["prev"] = rng.choice([(0, 0), logd.last()])
		    out = bytearray(put(name, **fields))
		    if rng.random() < 0.3 and len(out) > 6:
		        out[rng.randrange(6, len(out))] ^= 1 << rng.randrange(8)
		    return bytes(out)
		peers = [n for n in NUMBERS if n.startswith("raft_")]
		logd = Logd(run, members=("n1", "n2", "n3")).accept().tell()
		peerd = Peerd(run).accept()
		peerd.conn.sock.setblocking(False)
		def drain(conn):
		    try:
		        while conn.sock.recv(1 << 20):
		            pass
		    except OSError:
		        pass
		logd.conn.sock.setblocking(False)
		def serve():                          # what it writes must fit its log, whatever it hears
		    try:
		        while True:
		            name, m = logd.conn.recv()
		            if name in ("log_write", "log_commit"):
		                logd.take(name, m)
		            if name == "log_write":
		                logd.store(m)
		    except BlockingIOError:
		        pass
		for i in range(300):
		    c = Conn(sock)
		    c.hello()
		    try:
		        for k in range(20):
		            c.raw(frame(list(NUMBERS)) if k % 2 else frame(["propose", "read_index", "query_text", "watch"]))
		    except OSError:
		        pass
		    c.close()
		    serve()
		for i in range(6000):
		    peerd.conn.raw(put("peer_recv", **{"from": rng.choice(["n2", "n3", "n4"]), "frame": frame(peers)}))
		    if i % 20 == 0:
		        time.sleep(0.005)
		        drain(peerd.conn)
		        serve()
		assert len(logd.writes) > 50 and len(logd.entries) > 10, (len(logd.writes), len(logd.entries))
		logd.close()
		for i in range(150):
		    logd.accept()
		    if rng.random() < 0.7:
		        logd.tell()
		    try:
		        for k in range(5):
		            logd.conn.raw(frame(["log_state", "log_part", "log_end", "log_stored", "log_full", "log_entries", "session"]))
		    except OSError:
		        pass
		    logd.conn.sock.close()
		c = Conn(sock)
		c.hello()
		assert logfmt(c.query("status"))["part"] == "elect"
	PY
	elect_alive
}
