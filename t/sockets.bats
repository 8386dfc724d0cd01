#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# The sockets of the run directory: what all four daemons do alike.
# sanitize

load helper

# Daemon and name of its socket.
SERVED='logd:log elect:elect fsm:fsm peerd:peer'

setup() {
	cluster_init "$BATS_TEST_TMPDIR/c" 1
	with_sink
	RUN=$CLUSTER/n1/run
	mkdir -p "$RUN"
}
teardown() {
	show_logs
	cluster_stop
	stop_all
	# What a sanitizer has found is in the log.
	! grep -s Sanitizer "$CLUSTER"/n1/*.log
}

answers() { timeout 5 "$TBIN/ask" "$RUN/$1" status; } # SOCKET

# start DAEMON SOCKET: and waits until it answers.
start() {
	daemon_start n1 "$1"
	wait_until 10 answers "$2"
}
start_all() { for s in $SERVED; do start "${s%:*}" "${s#*:}"; done; }
all_answer() { for s in $SERVED; do wait_until 10 answers "${s#*:}"; done; }

# ends DAEMON STATUS: it exits with that.
ends() {
	local status=0 pid
	pid=$(daemon_pid n1 "$1")
	wait_until 20 gone "$pid"
	wait "$pid" || status=$?
	[ "$status" = "$2" ] || { echo "raft-$1: exit status $status" >&2 && return 1; }
}

fsm_is() { "$TBIN/ask" "$RUN/fsm" status | grep -q " state=$1 "; }

# play DAEMON SOCKET: the Python program on stdin.
play() {
	local file=$BATS_TEST_TMPDIR/$1.py
	{
		echo 'import os, signal, socket, struct, sys, threading, time'
		echo 'from fakes import *'
		echo 'from wire import *'
		echo "daemon, pid, sock = 'raft-$1', $(daemon_pid n1 "$1"), '$RUN/$2'"
		cat <<-'PY'
			def status(c):
			    c.send("query_text", request=1, what="status")
			    while (got := c.recv())[0] != "text_reply":
			        pass
			    assert b"part=" in got[1]["lines"]
		PY
		cat
	} >"$file"
	PYTHONPATH=$ROOT/t/tools PYTHONDONTWRITEBYTECODE=1 timeout 120 python3 "$file"
}

# play_together: the same program with all of them at once.
play_together() {
	local program s p pids=()
	program=$(cat)
	start_all
	for s in $SERVED; do
		play "${s%:*}" "${s#*:}" <<<"$program" 3>&- &
		pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p"; done
}

# play_each: the same program with one after the other, each alone.
play_each() {
	local program s
	program=$(cat)
	for s in $SERVED; do
		echo "# raft-${s%:*}"
		start "${s%:*}" "${s#*:}"
		play "${s%:*}" "${s#*:}" <<<"$program"
		reap TERM "$(daemon_pid n1 "${s%:*}")"
	done
}

@test "sockets: one that is removed, moved or replaced is made again, with its mode; so is the run directory" {
	start_all
	for s in $SERVED; do
		rm "$RUN/${s#*:}"
		wait_until 10 answers "${s#*:}"
		[ "$(stat -c %a "$RUN/${s#*:}")" = 600 ]
		mv "$RUN/${s#*:}" "$RUN/moved"
		wait_until 10 answers "${s#*:}"
		# A socket on which nobody listens in its place.
		python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$RUN/${s#*:}.dead"
		mv "$RUN/${s#*:}.dead" "$RUN/${s#*:}"
		wait_until 10 answers "${s#*:}"
	done
	mv "$RUN" "$RUN.moved"
	all_answer
	# Either may fail because a daemon has just made its socket again.
	rm -r "$RUN" || :
	all_answer
	mv "$RUN" "$RUN.old"
	mkdir -m 700 "$RUN" || :
	all_answer
	[ "$(stat -c %a "$RUN")" = 700 ]
	for s in $SERVED; do grep -q 'lvl=warn .*ev=socket .*has been made again' "$CLUSTER/n1/${s%:*}.log"; done
}

@test "sockets: while it cannot be made again the daemon reports that once and keeps trying" {
	start logd log
	mkdir "$RUN.parked"
	mv "$RUN/log" "$RUN.parked"
	mkdir "$RUN/log"
	said() { grep -c 'ev=socket .*is there and is not a socket: remove it' "$CLUSTER/n1/logd.log"; }
	wait_until 10 said
	# Time for more attempts.
	sleep 3
	[ "$(said)" -eq 1 ]
	rmdir "$RUN/log"
	wait_until 10 answers log
}

@test "sockets: a daemon whose socket another process has taken ends with 75, and leaves that one alone" {
	start_all
	for s in $SERVED; do
		play "${s%:*}" "${s#*:}" <<-'PY'
			taken = listen(sock + ".taken")
			os.rename(sock + ".taken", sock)
			os.system(f"while kill -0 {pid} 2>&-; do grep -q '^State:.Z' /proc/{pid}/status && break; sleep 0.05; done")
			assert os.stat(sock)
		PY
		ends "${s%:*}" 75
		grep -q "ev=exit status=75 .*/${s#*:}: in use: another process listens there" "$CLUSTER/n1/${s%:*}.log"
	done
}

@test "sockets: a daemon that takes its time to stop leaves the path to its successor" {
	sed -i "s|^  command:.*|  command: [ sh, -c, \"trap '' TERM; cat; until [ -e '$RUN.end' ]; do sleep 0.1; done\" ]|" \
		"$CLUSTER/n1/raft.yaml"
	start logd log
	start fsm fsm
	wait_until 10 fsm_is running
	old=$(daemon_pid n1 fsm)
	kill "$old"
	wait_until 10 fsm_is stopping
	rm "$RUN/fsm"
	start fsm fsm
	# Time for the old one to look.
	sleep 2
	alive "$old"
	touch "$RUN.end"
	wait_until 20 gone "$old"
	wait "$old"
	answers fsm
}

@test "sockets: silent connections that keep coming keep no daemon of the node out" {
	ulimit -Sn 256
	play_each <<-'PY'
		import resource
		resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
		silent, done = [], False
		def connect():
		    s = socket.socket(socket.AF_UNIX)
		    s.setblocking(False)
		    while not done and s.connect_ex(sock) != 0:
		        time.sleep(0.001)
		    return s
		def flood():
		    while not done:
		        silent.append(connect())
		        if len(silent) > 400:
		            silent.pop(0).close()
		def admitted(kind):
		    while True:  # others may take its place before it has sent its hello: a daemon tries again then
		        c = Conn(sock)
		        try:
		            c.send("hello", low=1, high=1, kind=kind, program="test")
		            if (got := c.recv()) is not None:
		                assert got[0] == "hello_reply"
		                return c
		        except BrokenPipeError:
		            pass
		thread = threading.Thread(target=flood)
		thread.start()
		try:
		    while len(silent) < 400:
		        time.sleep(0.01)
		    for i in range(20):
		        for kind in ELECTOR, FSM, CLIENT:
		            c = admitted(kind)
		            status(c)
		            c.close()
		finally:
		    done = True
		    thread.join()
	PY
}

@test "sockets: a connection without a complete hello is closed after a while, one with a hello is not" {
	play_together <<-'PY'
		greeted, silent, half = Conn(sock), Conn(sock, timeout=60), Conn(sock, timeout=60)
		greeted.hello()
		half.raw(put("hello", low=1, high=1, kind=CLIENT, program="test")[:-1])
		assert silent.recv() is None
		assert half.recv() is None
		status(greeted)
	PY
}

@test "sockets: a hello that waits while the daemon is stopped is not late" {
	play_together <<-'PY'
		c, later = Conn(sock, timeout=60), Conn(sock)
		later.hello()     # so c is accepted, too
		os.kill(pid, signal.SIGSTOP)
		c.send("hello", low=1, high=1, kind=CLIENT, program="test")
		time.sleep(7)
		os.kill(pid, signal.SIGCONT)
		assert c.expect("hello_reply")
	PY
}

@test "sockets: clients above the limit of open files are refused with 75, and the node's own daemons are not" {
	ulimit -Sn 128
	play_each <<-'PY'
		import resource
		resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
		def refused(kind):
		    c = Conn(sock)
		    c.send("hello", low=1, high=1, kind=kind, program="test")
		    name, message = c.recv()
		    if name == "hello_reply":
		        clients.append(c)
		        return False
		    assert name == "refusal" and message["exit_status"] == 75, message
		    assert message["sentence"] == "too many clients are connected: try again later", message
		    assert c.recv() is None
		    return True
		clients = []
		while not refused(CLIENT):
		    assert len(clients) < 128
		assert len(clients) > 20
		most = len(clients)
		while not refused(FSM):
		    assert len(clients) < most + 16
		assert len(clients) > most
		assert refused(CLIENT)
		elector = Conn(sock)
		elector.hello(ELECTOR)
		status(elector)
		for c in clients:
		    c.close()
		wait_until(lambda: not refused(CLIENT))
	PY
}

@test "sockets: another user who may connect is served, and is never raft-elect or raft-fsm of the node" {
	[ "$(id -u)" = 0 ] || { echo 'this test needs root: it becomes another user' >&2 && return 1; }
	play_each <<-'PY'
		run, name = os.path.split(sock)
		os.chdir(run)
		os.chmod(".", 0o711)
		os.chmod(name, 0o666)
		os.setgroups([])
		os.setgid(65534)
		os.setuid(65534)
		for kind in ELECTOR, FSM:
		    c = Conn(name)
		    c.send("hello", low=1, high=1, kind=kind, program="test")
		    assert c.expect("refusal")["exit_status"] == 77
		    assert c.recv() is None
		c = Conn(name)
		c.hello()
		status(c)
	PY
}

@test "sockets: each daemon refuses in the same words what it does not serve or understand" {
	play_each <<-'PY'
		def refusal(c, request, status, sentence):
		    got = c.expect("refusal")
		    assert (got["request"], got["exit_status"], got["sentence"]) == (request, status, sentence), got
		c = Conn(sock)
		c.hello()
		c.send("query_text", request=3, what="nonsense")
		texts = {"raft-logd": "status, sessions, cursors, contract", "raft-elect": "status, members"}.get(daemon, "status")
		refusal(c, 3, 64, f"{daemon} answers no query but: {texts}")
		c.raw(struct.pack(">IHQ", 10, 999, 7))
		refusal(c, 7, 64, f"{daemon} does not know this request")
		c.raw(struct.pack(">IH", 2, 999))
		refusal(c, 0, 64, f"{daemon} does not know this request")
		status(c)
		if owned := {"raft-logd": "snap_path", "raft-peerd": "peer_config"}.get(daemon):
		    c.send(owned)
		    refusal(c, 0, 77, "only a daemon of this node may make this request")
		def ends(sentence, *frames, hello=True):
		    c = Conn(sock)
		    if hello:
		        c.hello()
		    for frame in frames:
		        c.raw(frame)
		    refusal(c, 0, 65, sentence)
		    assert c.recv() is None
		greeting = lambda kind: put("hello", low=1, high=1, kind=kind, program="test")
		ends("a malformed query_text", struct.pack(">IHQ", 10, NUMBERS["query_text"], 7))
		ends("a second hello", greeting(CLIENT))
		ends("the first frame must be a hello", put("query_text", what="status"), hello=False)
		ends("a malformed hello", struct.pack(">IHB", 3, NUMBERS["hello"], 0), hello=False)
		ends("a malformed hello", greeting(0), hello=False)
		ends("a malformed hello", put("hello", low=2, high=1, kind=CLIENT, program="test"), hello=False)
		c = Conn(sock)
		assert c.hello(low=7, high=9)["version"] == 0 and c.recv() is None
	PY
}
