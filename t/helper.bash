# SPDX-License-Identifier: ISC
# Shared by all suites: where things are, waiting, processes, clusters.
# shellcheck shell=bash
# shellcheck disable=SC2034

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)
BIN=${BIN:-$ROOT/build/bin}
TBIN=${TBIN:-$ROOT/build/t}
PATH=$BIN:$PATH
export PATH
unset RAFT_CONFIG RAFT_TERM RAFT_PARENT_FD NOTIFY_SOCKET

# wait_until SECONDS COMMAND...: polls until it succeeds, less often the longer it waits.  A loaded machine gets three times
# as long.
wait_until() {
	# Its variables are also those of the command: no test has these names.
	local wait_end=$(($(date +%s) + 3 * $1)) wait_ms=20 wait_s
	shift
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s)" -ge "$wait_end" ]; then
			echo "wait_until: never became true: $*" >&2
			return 1
		fi
		printf -v wait_s '0.%03d' "$wait_ms"
		sleep "$wait_s"
		wait_ms=$((wait_ms < 67 ? wait_ms * 3 / 2 : 100))
	done
}

# PIDS: background processes of this test, stopped in teardown.
PIDS=()

# spawn LOGFILE COMMAND...: starts it in the background in a session of its own; its pid is in $SPAWNED.
spawn() {
	local log=$1
	shift
	# A shell starts what is in the background with INT ignored, and what runs the tests may ignore others.
	setsid env --default-signal "$@" >>"$log" 2>&1 </dev/null 3>&- 4>&- &
	SPAWNED=$!
	PIDS+=("$SPAWNED")
	adopt "$SPAWNED"
}

# adopt PID: from now on the pid means this process, and none that had it before.
adopt() { started "$1" >"$BATS_RUN_TMPDIR/started.$1" || :; } # it may have ended already

# started PID: when the process was started, in ticks.
started() {
	local stat
	read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	read -ra stat <<<"${stat##*) }"
	echo "${stat[19]}"
}

# ours PID: the process is the one that spawn started, or another of this shell.  Pids are used again soon where suites run side by side.
ours() {
	local parent
	if [ -e "$BATS_RUN_TMPDIR/started.$1" ]; then
		[ -s "$BATS_RUN_TMPDIR/started.$1" ] && [ "$(started "$1")" = "$(cat "$BATS_RUN_TMPDIR/started.$1")" ]
	else
		parent=$(sed -n 's/^PPid:\t//p' "/proc/$1/status" 2>/dev/null) && [ "$parent" = "$BASHPID" ]
	fi
}

alive() {
	kill -0 "$1" 2>/dev/null || return 1
	[ ! -e "$BATS_RUN_TMPDIR/started.$1" ] || ours "$1"
}

# gone PID: also a zombie is, once its other threads have let go of its sockets: who has to wait for it
# may take its time.
gone() {
	alive "$1" || return 0
	grep -qE '^[0-9]+ .*\) Z ' "/proc/$1/stat" 2>/dev/null || return 1
	local threads=("/proc/$1/task/"*)
	[ "${#threads[@]}" -le 1 ]
}

# reap SIGNAL PID: sends it and waits until the process is gone.
reap() {
	if alive "$2"; then
		kill -s "$1" "$2" 2>/dev/null || :
		kill -s CONT "$2" 2>/dev/null || :
	fi
	wait_until 20 gone "$2"
}

# stop PID...: those of them that are ours.
stop() {
	local p here=()
	for p; do
		if ours "$p"; then here+=("$p"); fi
	done
	# strace on TERM first waits for each thread, and now and then for one that has ended; killed, it lets go.
	for p in "${here[@]}"; do
		if [ "$(cat "/proc/$p/comm" 2>/dev/null)" = strace ]; then reap KILL "$p"; fi
	done
	for p in "${here[@]}"; do kill -CONT "$p" 2>/dev/null || :; done
	for p in "${here[@]}"; do kill -TERM "$p" 2>/dev/null || :; done
	for p in "${here[@]}"; do
		if ! wait_until 15 gone "$p" 2>/dev/null && ours "$p"; then kill -KILL "$p" 2>/dev/null || :; fi
		wait "$p" 2>/dev/null || :
	done
}

stop_all() {
	stop "${PIDS[@]}"
	PIDS=()
}

# free_ports COUNT: a base port so that base .. base+COUNT-1 can be bound on 127.0.0.1 now.  Suites that run side
# by side draw from one counter, so that nobody is given the ports of a node of another that is down just now.
free_ports() {
	python3 - "$1" <<'PY'
import fcntl, os, random, socket, sys, tempfile
LOW, HIGH = 20000, 32000
count = int(sys.argv[1])

def bindable(ports):
    socks = []
    try:
        for p in ports:
            s = socket.socket()
            socks.append(s)
            s.bind(("127.0.0.1", p))
        return True
    except OSError:
        return False
    finally:
        for s in socks:
            s.close()

path = os.path.join(tempfile.gettempdir(), "raft-tools-ports.%d" % os.getuid())
with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    text = f.read()
    base = int(text) if text.isdigit() else random.randrange(LOW, HIGH)
    for _ in range(2000):
        if base + count > HIGH:
            base = LOW
        if bindable(range(base, base + count)):
            break
        base += 1
    else:
        sys.exit("no free ports")
    f.seek(0)
    f.truncate()
    f.write(str(base + count))
print(base)
PY
}

# cluster_init DIR [COUNT]: a local cluster with short timeouts; nodes n1, n2, ... in DIR.
cluster_init() {
	local dir=$1 count=${2:-3}
	raft-init -N "$count" -p "$(free_ports "$count")" "$dir" >/dev/null
	CLUSTER=$dir
	CLUSTER_COUNT=$count
}

# daemon_start NODE PROGRAM: one daemon; its pid in the file NODE/PROGRAM.pid.
daemon_start() {
	spawn "$CLUSTER/$1/$2.log" "$BIN/raft-$2" -c "$CLUSTER/$1/raft.yaml"
	echo "$SPAWNED" >"$CLUSTER/$1/$2.pid"
}

daemon_pid() { cat "$CLUSTER/$1/$2.pid"; } # NODE PROGRAM

node_start() {
	local d
	mkdir -p "$CLUSTER/$1/run"
	for d in logd peerd elect; do daemon_start "$1" "$d"; done
	if grep -q '^fsm:' "$CLUSTER/$1/raft.yaml"; then daemon_start "$1" fsm; fi
}

nodes() { seq -f 'n%g' 1 "$CLUSTER_COUNT"; }

cluster_start() {
	local n
	for n in $(nodes); do node_start "$n"; done
}

ctl() { # ctl NODE ARGS...
	local node=$1
	shift
	timeout 20 raft-ctl -c "$CLUSTER/$node/raft.yaml" "$@"
}

# status NODE PART KEY: one value of raft-ctl -j status.
status() {
	ctl "$1" -j status 2>/dev/null | jq -r ".$2.$3 | if . == null then empty else . end"
}

leader_of() { status "$1" elect leader; }

# leader: the name of the node that leads and that knows it.
leader() {
	local n
	for n in $(nodes); do
		if [ "$(status "$n" elect role)" = leader ]; then
			echo "$n"
			return 0
		fi
	done
	return 1
}

wait_leader() { wait_until "${1:-20}" leader; }

# follower [N]: the name of the N-th node that follows.
follower() {
	local n want=${1:-1}
	for n in $(nodes); do
		if [ "$(status "$n" elect role)" = follower ]; then
			want=$((want - 1))
			[ "$want" -gt 0 ] || { echo "$n" && return 0; }
		fi
	done
	return 1
}

tail_all() { # tail_all NODE: all committed lines known to the node
	timeout 60 raft-tail -c "$CLUSTER/$1/raft.yaml"
}

# show_logs: for the teardown of a test: when it failed, the last lines of each daemon.
show_logs() { [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 15 "$CLUSTER"/*/*.log; }

# cluster_stop: stops whatever daemons the pid files of the cluster name.
cluster_stop() {
	[ -n "${CLUSTER:-}" ] || return 0
	# shellcheck disable=SC2046
	stop $(cat "$CLUSTER"/*/*.pid 2>/dev/null)
	rm -f "$CLUSTER"/*/*.pid
}

# with_sink: each node's program writes what it gets to NODE/out, anew at each start.
with_sink() {
	local n
	for n in $(nodes); do
		printf '\nfsm:\n  command: [ sh, -c, "exec cat >%s/out" ]\n  mode: sink\n' "$CLUSTER/$n" \
			>>"$CLUSTER/$n/raft.yaml"
	done
}

# lines COUNT WORD: that many different lines.
lines() { seq -f "$2 %.0f of a stream of lines that all differ" "$1"; }

same() { cmp -s "$1" "$2"; }

# all_out FILE: every node's program has got exactly this.
all_out() {
	local n
	for n in $(nodes); do
		wait_until 60 same "$1" "$CLUSTER/$n/out" || {
			echo "$n: $(wc -l <"$CLUSTER/$n/out") lines, want $(wc -l <"$1")" >&2
			return 1
		}
	done
}

# grown FILE LINES: the file has at least so many lines.
grown() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# kill_9 NODE PROGRAM: and waits until it is gone.
kill_9() {
	local p
	p=$(daemon_pid "$1" "$2")
	kill -KILL "$p"
	wait_until 10 gone "$p"
}

# program_kill NODE: kill -9 of the program behind its raft-fsm.  When none runs its pid is 0, which would be all of us.
program_kill() { wait_until 30 program_killed "$1"; }
program_killed() {
	local pid
	pid=$(status "$1" fsm pid)
	[ "$pid" -gt 1 ] && kill -KILL "$pid"
}

# has_level NODE LEVEL: at least that one is in force in its log.
has_level() { [ "$(ctl "$1" -j contract show | jq .level)" -ge "$2" ]; }

has_role() { [ "$(status "$1" elect role)" = "$2" ]; } # NODE ROLE

# led_by_another NODE OLD: the node knows a leader that is not the old one.
led_by_another() {
	local now
	now=$(leader_of "$1")
	[ -n "$now" ] && [ "$now" != "$2" ]
}

# flip FILE OFFSET: inverts one bit there.
flip() {
	python3 -c 'import sys
f = open(sys.argv[1], "r+b")
f.seek(int(sys.argv[2]))
b = f.read(1)
f.seek(int(sys.argv[2]))
f.write(bytes([b[0] ^ 1]))' "$1" "$2"
}

# offset_of FILE TEXT: where the text stands first.
offset_of() { LC_ALL=C grep -aboF -- "$2" "$1" | head -n 1 | cut -d: -f1; }

# cpu_ticks PID...: user and system time used, in clock ticks.
cpu_ticks() {
	local p
	for p in "$@"; do sed 's/.*) //' "/proc/$p/stat"; done | awk '{ t += $12 + $13 } END { print t + 0 }'
}

rss_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }
