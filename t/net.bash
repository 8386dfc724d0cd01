# SPDX-License-Identifier: ISC
# Clusters with bad links: a network namespace for each node, or a relay before each; faults between them,
# and an account of what was acknowledged.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2046
#
# The nodes hang by a veth each on a hub, a namespace that routes; all faults are rules of nft in the hub.
# A namespace lives as long as a process in it, so nothing outlives the suite, and nothing is made outside.

# Longer than a process waits for its turn on a busy machine: an election is to be the fault's doing alone.
ELECTION_MS=1000

# within COUNT COMMAND...: polls for so many election timeouts until it succeeds.
within() {
	local end=$((${EPOCHREALTIME/./} / 1000 + $1 * ELECTION_MS)) count=$1
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $((${EPOCHREALTIME/./} / 1000)) -ge "$end" ]; then
			echo "not within $count election timeouts: $*" >&2
			return 1
		fi
		sleep 0.05
	done
}

# for_ms MS: the length of a fault.
for_ms() { sleep "$(($1 / 1000)).$(printf %03d $(($1 % 1000)))"; }

# ------- namespaces

can_make_namespaces() {
	timeout 20 unshare -n sh -c 'ip link add name v1 type veth peer name v2 && nft add table ip t &&
		nft "add chain ip t f { type filter hook forward priority 0; }" &&
		nft add rule ip t f meta l4proto tcp reject with tcp reset' 2>/dev/null
}

# need_namespaces: fails under CI=true where there are none, and skips elsewhere.
need_namespaces() {
	can_make_namespaces && return 0
	echo "no network namespaces with veth and nft can be made here: run as root, with iproute2 and nftables" >&2
	[ "${CI:-}" != true ] || return 1
	skip "no network namespaces with veth and nft can be made here"
}

# namespace NAME: an empty one; the pid that holds it in the file CLUSTER/NAME.holder.
namespace() {
	local holder
	setsid unshare -n sleep 1800 >/dev/null 2>&1 </dev/null 3>&- 4>&- &
	holder=$!
	echo "$holder" >"$CLUSTER/$1.holder"
	wait_until 10 is_elsewhere "$holder"
}
is_elsewhere() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ] && grep -q '^sleep' "/proc/$1/comm"; }
holder() { cat "$CLUSTER/$1.holder"; }

in_hub() { timeout 20 nsenter -t "$(holder hub)" -n "$@"; }
in_node() { # NODE COMMAND...
	local n=$1
	shift
	timeout 20 nsenter -t "$(holder "$n")" -n "$@"
}

# address NODE: of its one interface.
address() { echo "10.77.${1#n}.2"; }

net_node() {
	local number=${1#n}
	namespace "$1"
	in_hub ip link add "$1" type veth peer name eth0 netns "$(holder "$1")"
	in_hub ip addr add "10.77.$number.1/24" dev "$1"
	in_hub ip link set "$1" up
	in_node "$1" ip link set lo up
	in_node "$1" ip addr add "$(address "$1")/24" dev eth0
	in_node "$1" ip link set eth0 up
	in_node "$1" ip route add default via "10.77.$number.1"
}

net_up() {
	local n
	namespace hub
	in_hub sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
	in_hub nft -f - <<-'NFT'
		table ip net {
			counter hits { }
			set cut { type ipv4_addr . ipv4_addr; }
			set refuse { type ipv4_addr . ipv4_addr; }
			set dead { type ipv4_addr . inet_service . ipv4_addr . inet_service; }
			chain loss { }
			chain forward {
				type filter hook forward priority 0;
				ip saddr . ip daddr @cut counter name hits drop
				ip saddr . ip daddr @refuse meta l4proto tcp counter name hits reject with tcp reset
				ip saddr . tcp sport . ip daddr . tcp dport @dead counter name hits drop
				jump loss
			}
		}
	NFT
	for n in $(nodes); do net_node "$n"; done
}

net_down() {
	local f
	for f in "$CLUSTER"/*.holder; do
		[ -f "$f" ] || continue
		kill -KILL "$(cat "$f")" 2>/dev/null || :
		rm -f "$f"
	done
}

# ------- faults

# cut FROM TO [refuse]: one way only; silently, or with a reset for each packet.
cut() { in_hub nft add element ip net "${3:-cut}" "{ $(address "$1") . $(address "$2") }"; }
cut_both() { cut "$1" "$2" "${3:-}" && cut "$2" "$1" "${3:-}"; }
others() { nodes | grep -vx "$1"; }
isolate() { # NODE [refuse]
	local n
	for n in $(others "$1"); do cut_both "$1" "$n" "${2:-}"; done
}
# lose PERCENT: of all packets.
lose() { in_hub nft add rule ip net loss numgen random mod 100 "<" "$1" counter name hits drop; }

# dead_to FROM TO: the one connection that FROM has made to TO is dead without a word.
dead_to() {
	local here there
	read -r here there < <(in_node "$1" ss -tnH state established dst "$(address "$2"):7101" | awk '{ print $3, $4 }')
	[ -n "$there" ]
	in_hub nft add element ip net dead "{ ${here%:*} . ${here#*:} . ${there%:*} . ${there#*:} }"
}

# half_open NODE: all its present connections are dead without a word; new ones can be made.
half_open() {
	local from to
	in_node "$1" ss -tnH state established | awk '{ print $3, $4 }' >"$CLUSTER/connections"
	[ -s "$CLUSTER/connections" ]
	while read -r from to; do
		in_hub nft add element ip net dead \
			"{ ${from%:*} . ${from#*:} . ${to%:*} . ${to#*:}, ${to%:*} . ${to#*:} . ${from%:*} . ${from#*:} }"
	done <"$CLUSTER/connections"
}

# mend: the network is whole again.
mend() { printf 'flush %s\n' 'set ip net cut' 'set ip net refuse' 'set ip net dead' 'chain ip net loss' | in_hub nft -f -; }

# slow NODE: what goes to it and comes from it is limited to 10 Mbit/s.
slow() {
	in_hub tc qdisc add dev "$1" root tbf rate 10mbit burst 32k latency 400ms
	in_node "$1" tc qdisc add dev eth0 root tbf rate 10mbit burst 32k latency 400ms
}
fast() {
	in_hub tc qdisc del dev "$1" root
	in_node "$1" tc qdisc del dev eth0 root
}

# heal: the same, and fails when the fault has met no packet.
heal() {
	mend
	in_hub nft reset counter ip net hits | grep -q 'packets [1-9]'
}

# ------- the relay

# relay_start SEED [KEY=VALUE ...]: before each node of a cluster on loopback; honest until relay_on.
relay_start() {
	local n at routes=()
	for n in $(nodes); do
		at=$(sed -n 's/.*listen: .*:\([0-9]*\)$/\1/p' "$CLUSTER/$n/raft.yaml")
		routes+=("$((at + CLUSTER_COUNT)):$at")
	done
	: >"$CLUSTER/relay"
	spawn "$CLUSTER/relay" "$TBIN/relay" "$@" "${routes[@]}"
	RELAY=$SPAWNED
	wait_until 10 grep -q ready "$CLUSTER/relay"
}
relay_on() { kill -USR1 "$RELAY" && wait_until 10 grep -q '^on' "$CLUSTER/relay"; }
# relay_off WHAT: honest again, and fails when it has not done that to a message.
relay_off() {
	kill -USR2 "$RELAY"
	wait_until 10 grep -q '^off' "$CLUSTER/relay"
	grep '^off' "$CLUSTER/relay"
	grep -q "^off.* $1=[1-9]" "$CLUSTER/relay"
}

# relay_cluster DIR COUNT: on loopback, all of its links through the relay.
relay_cluster() {
	local n i base
	CLUSTER=$1
	CLUSTER_COUNT=$2
	base=$(free_ports $((2 * $2)))
	raft-init -N "$2" -p "$base" "$1" >/dev/null
	for n in $(nodes); do
		for i in $(seq "$2" -1 1); do sed -i "s/:$((base + i - 1)),/:$((base + i - 1 + $2)),/" "$1/$n/members.yaml"; done
	done
	quicken
	with_sink
	account_open
}

# ------- clusters

# quicken: short timeouts, all clusters here.
quicken() {
	local n
	for n in $(nodes); do
		sed -i "s/election_timeout: .*/election_timeout: ${ELECTION_MS}ms/; s/heartbeat: .*/heartbeat: 50ms/" \
			"$CLUSTER/$n/raft.yaml"
	done
}

# net_cluster DIR COUNT: namespaces, and a cluster in them.
net_cluster() {
	local n
	CLUSTER=$1
	CLUSTER_COUNT=$2
	export CLUSTER CLUSTER_COUNT
	mkdir -p "$CLUSTER"
	net_up
	for n in $(nodes); do raft-init -i "$n" -l "tcp://$(address "$n"):7101" "$CLUSTER/$n"; done >"$CLUSTER/members.yaml"
	for n in $(nodes); do cp "$CLUSTER/members.yaml" "$CLUSTER/$n/members.yaml"; done
	quicken
	with_sink
	cluster_start
	account_open
	wait_until 30 agreed
}

net_cluster_down() {
	account_close
	cluster_stop
	net_down
}

# As in helper.bash, in the node's namespace if it has one.
daemon_start() {
	local enter=()
	[ ! -f "$CLUSTER/$1.holder" ] || enter=(nsenter -t "$(holder "$1")" -n)
	spawn "$CLUSTER/$1/$2.log" "${enter[@]}" "$BIN/raft-$2" -c "$CLUSTER/$1/raft.yaml"
	echo "$SPAWNED" >"$CLUSTER/$1/$2.pid"
}

# states [NODE...]: a line "NODE ROLE TERM LEADER" for each.
states() {
	local n
	for n in "${@:-$(nodes)}"; do
		for n in $n; do
			ctl "$n" -j status 2>/dev/null | jq -r --arg n "$n" '.elect | "\($n) \(.role) \(.term) \(.leader // "")"'
		done
	done
}

# agreed [NODE...]: exactly one leads, and all know it, in one term.
agreed() {
	local all count
	all=$(states "$@")
	count=$(if [ $# -gt 0 ]; then echo $#; else echo "$CLUSTER_COUNT"; fi)
	[ "$(awk 'NF == 4' <<<"$all" | wc -l)" -eq "$count" ] && [ "$(grep -c ' leader ' <<<"$all")" -eq 1 ] &&
		[ "$(awk '{ print $3, $4 }' <<<"$all" | sort -u | wc -l)" -eq 1 ]
}

# led NODE...: one of these leads, and all of these know it.
led() { agreed "$@"; }
term() { states "$@" | awk '$3 > t { t = $3 } END { print t }'; }
not_leading() { [ "$(states "$1" | awk '{ print $2 }')" != leader ]; }
quiet_leader() { states | awk '$2 == "leader" { print $1 }'; }

# ------- the account: what was acknowledged, what was refused, what is unknown

account_open() { mkdir -p "$CLUSTER/account"; }
# account_close: whatever a failed test has left under way ends.
account_close() {
	local f
	for f in "$CLUSTER"/account/*.stop; do
		[ -f "$f" ] || continue
		touch "${f%.stop}.end"
		kill -KILL "$(cat "${f%.stop}.pid")" 2>/dev/null || :
		rm -f "$f"
	done
}

# stream WORD NODE: lines without end through the node, until streams_end; WORD.acks gets a line for each acknowledged.
stream() {
	local a=$CLUSTER/account
	mkfifo "$a/$1.pipe"
	: >"$a/$1.stop"
	timeout 100 python3 - "$1" "$a" >"$a/$1.pipe" 3>&- 4>&- <<-'PY' &
		import os, sys, time
		word, a = sys.argv[1:]
		with open(f"{a}/{word}.sent", "w") as sent:
		    for i in range(9000):
		        if os.path.exists(f"{a}/{word}.end"):
		            break
		        line = f"{word} {i} of a stream of lines that all differ\n"
		        sent.write(line)
		        sent.flush()
		        os.write(1, line.encode())
		        time.sleep(0.01)
	PY
	timeout 110 raft-append -c "$CLUSTER/$2/raft.yaml" -v -t 40s ${3:+-S "$3"} \
		<"$a/$1.pipe" >"$a/$1.acks" 2>"$a/$1.why" 3>&- 4>&- &
	echo $! >"$a/$1.pid"
}

streams() { # WORD: one through each node, WORD-n1 ...
	local n
	for n in $(nodes); do stream "$1-$n" "$n"; done
	for n in $(nodes); do within 20 acked "$1-$n" 10; done
}

acks() { wc -l <"$CLUSTER/account/$1.acks"; }
acked() { [ "$(acks "$1")" -ge "$2" ]; }
# goes_on WORD [COUNT]: so many more lines are acknowledged within a few (10) election timeouts.
goes_on() { within "${3:-10}" acked "$1" $(($(acks "$1") + ${2:-20})); }

# all_go_on WORD COUNT LIMIT: so many more lines are acknowledged, through whichever nodes.
all_acks() { cat "$CLUSTER/account/$1"-*.acks | wc -l; }
all_acked() { [ "$(all_acks "$1")" -ge "$2" ]; }
all_go_on() { within "$3" all_acked "$1" $(($(all_acks "$1") + $2)); }

# streams_end WORD: all end well: every line is acknowledged.
streams_end() {
	local n
	for n in $(nodes); do stream_end "$1-$n"; done
}
stream_end() {
	local a=$CLUSTER/account status=0
	touch "$a/$1.end"
	wait "$(cat "$a/$1.pid")" || status=$?
	rm -f "$a/$1.stop"
	echo "$status" >"$a/$1.status"
	[ "$status" -eq 0 ] || { echo "$1: status $status: $(cat "$a/$1.why")" >&2 && return 1; }
	[ "$(acks "$1")" -eq "$(wc -l <"$a/$1.sent")" ]
}

# try WORD NODE: one line with little patience; prints the status, which must be one of the answers.
try() {
	local a=$CLUSTER/account status=0
	echo "$1 alone" >"$a/$1.sent"
	timeout 30 raft-append -c "$CLUSTER/$2/raft.yaml" -t 1s "$a/$1.sent" 2>"$a/$1.why" || status=$?
	echo "$status" >"$a/$1.status"
	echo "$status"
	case $status in
	0 | 69 | 75 | 76) ;;
	*) cat "$a/$1.why" >&2 && return 1 ;;
	esac
}

# not_committed WORD NODE: a line there is refused, or its end is unknown.
not_committed() {
	local status
	status=$(try "$1" "$2")
	echo "$1: status $status"
	[ "$status" -ne 0 ]
}

# settled: all outputs are equal, and are what the account says: committed lines once and in order, refused
# ones never, unknown ones once or never.
settled() {
	timeout 30 python3 - "$CLUSTER" $(nodes) <<-'PY'
		import glob, os, sys
		cluster, nodes = sys.argv[1], sys.argv[2:]
		outs = [open(f"{cluster}/{n}/out").read() for n in nodes]
		assert all(o == outs[0] for o in outs), [o.count("\n") for o in outs]
		got = {}
		for line in outs[0].splitlines():
		    got.setdefault(line.split(" ")[0], []).append(line)
		for path in glob.glob(f"{cluster}/account/*.status"):
		    word, status = os.path.basename(path)[:-7], int(open(path).read())
		    sent, had = open(path[:-7] + ".sent").read().splitlines(), got.pop(word, [])
		    if status == 0:
		        assert had == sent, f"{word}: {len(had)} lines of {len(sent)}"
		    elif status in (69, 75):
		        assert had == [], f"{word}: refused ({status}), yet in the log"
		    else:
		        assert status == 76 and had in ([], sent), f"{word}: status {status}, {len(had)} lines"
		assert not got, f"nobody sent {list(got)}"
	PY
}

# recovered NODES-TERM LIMIT: the end of each fault: one leader, the same log everywhere, few terms later.
recovered() { # WORD TERM CHANGES
	local now
	within 20 agreed
	streams_end "$1"
	within 20 settled || settled
	now=$(term)
	echo "terms: $2 before, $now after; at most $3 more"
	[ $((now - $2)) -le "$3" ]
}
