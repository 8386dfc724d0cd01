# SPDX-License-Identifier: ISC
# Shared by the programs that measure: a directory that is removed, nodes on loopback, figures and their table.
# From the environment: BIN and TBIN, the programs; OUT, where the figures are kept; ROUNDS, how often each is
# measured; DIVIDE, for that part of the usual load; PORT, the first of those that are used; TMPDIR.
# shellcheck shell=bash
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 71
PATH=$(realpath "${BIN:-build/bin}"):$(realpath "${TBIN:-build/t}"):$PATH
OUT=$(realpath -m "${OUT:-build/bench}")
ROUNDS=${ROUNDS:-3}
DIVIDE=${DIVIDE:-1}
PORT=${PORT:-$((20000 + $$ % 10000))}
mkdir -p "$OUT"
DIR=$(mktemp -d "${TMPDIR:-/var/tmp}/raft-bench.XXXXXX")
declare -A NODES=() # the process of each node that runs, by its directory
PIDS=()             # other processes

bench_end() {
	local p
	for p in "${NODES[@]}" "${PIDS[@]}"; do kill "$p" 2>/dev/null || :; done
	wait
	rm -rf "$DIR"
}
trap bench_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { echo "bench: $*" >&2; }
now_ms() { echo "$((${EPOCHREALTIME/./} / 1000))"; }
part() { echo "$(($1 / DIVIDE > ${2:-1} ? $1 / DIVIDE : ${2:-1}))"; } # COUNT [LEAST]
field() { tr ' ' '\n' <<<"$1" | sed -n "s/^$2=//p"; }                  # LINE KEY

# await COMMAND...: polls until it succeeds, for a minute.
await() {
	local end=$((SECONDS + 60))
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || { say "never became true: $*" && exit 69; }
		sleep 0.05
	done
}

# cluster NAME COUNT: the files of its nodes, DIR/NAME/n1 and so on.
cluster() { raft-init -N "$2" -p "$PORT" "$DIR/$1" >/dev/null; }

# up CLUSTER NODE...: starts them; `running CLUSTER NODE` waits until that one knows a leader.
up() {
	local c=$1 n
	shift
	for n; do
		raft-node -c "$DIR/$c/$n/raft.yaml" 2>>"$DIR/$c/$n/err" &
		NODES[$c/$n]=$!
	done
}
running() { raft-ctl -c "$DIR/$1/$2/raft.yaml" -t 60s wait; }

# down CLUSTER NODE...: stops them in order.
down() {
	local c=$1 n
	shift
	for n; do kill "${NODES[$c/$n]}"; done
	for n; do
		wait "${NODES[$c/$n]}" || :
		unset "NODES[$c/$n]"
	done
}

# status CLUSTER NODE PATH: one value of raft-ctl status; nothing where it is not known.
status() { raft-ctl -c "$DIR/$1/$2/raft.yaml" -j status 2>/dev/null | jq -r ".$3 | if . == null then empty else . end"; }
leader() { status "$1" n1 elect.leader; }
others() { printf '%s\n' n1 n2 n3 | grep -vx "$1"; } # NODE: of three
reached() { [ "$(status "$1" "$2" log.commit || echo 0)" -ge "$3" ]; } # CLUSTER NODE INDEX

# The daemons of a node, and one of them.
daemons() { pgrep -P "${NODES[$1/$2]}" | tr '\n' ' '; }      # CLUSTER NODE
daemon() { pgrep -P "${NODES[$1/$2]}" -x "raft-$3"; }         # CLUSTER NODE NAME

# figure GROUP WHAT UNIT VALUE: one measurement, a logfmt line in the file FIGURES.
figure() { printf 'group="%s" what="%s" unit=%s value=%s\n' "$1" "$2" "$3" "$4" >>"$FIGURES"; }

# ratio A B [DIGITS]: A / B.
ratio() { awk -v a="$1" -v b="$2" -v d="${3:-3}" 'BEGIN { printf "%.*f", d, b == 0 ? 0 : a / b }'; }

# machine: on what these figures were measured, in one line.
machine() {
	local cpu disk
	cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
	disk=$(df --output=source,fstype "$DIR" | tail -n 1 | tr -s ' ')
	echo "$(date +%Y-%m-%d); $(nproc) cores, ${cpu:-$(uname -m)}; Linux $(uname -r); $disk"
}

# figures_table: what is in the file, a row each, with median, lowest and highest.
figures_table() {
	awk -v title="$(machine)" -f t/bench/figures.awk -f t/bench/table.awk "$FIGURES"
}
