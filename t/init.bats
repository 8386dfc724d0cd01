#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-init: whole or not at all, and never over anything.  raft-init(8).
# shellcheck disable=SC2034

bats_require_minimum_version 1.5.0

load helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	# A build with sanitizers can't look for leaks under strace.
	export ASAN_OPTIONS=detect_leaks=0
}
teardown() { cluster_stop; }

init() { timeout 20 raft-init "$@"; }
node_check() { timeout 10 raft-elect -n -c "$1"; }
mode() { stat -c %a "$1"; }

# refused STATUS WORDS ARGS...: one line that holds the words, that status, nothing on stdout.
refused() {
	local want=$1 words=$2
	shift 2
	run init "$@"
	echo "$output"
	[ "$status" -eq "$want" ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "raft-init: "*"$words"* ]]
}

@test "init: a local cluster of three by default, each folder complete" {
	run init demo
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(ls demo)" = $'n1\nn2\nn3' ]
	for n in n1 n2 n3; do
		[ "$(ls demo/$n)" = $'data\nmembers.yaml\n'$n$'.key\nraft.yaml\nrun' ]
		node_check demo/$n/raft.yaml
		cmp demo/$n/members.yaml demo/n1/members.yaml
		grep -qx "node $n" demo/$n/data/identity
		grep -qx 'fresh yes' demo/$n/data/identity
	done
	[ "$(wc -l <demo/n1/members.yaml)" -eq 3 ]
	grep -q 'id: n3, address: tcp://127.0.0.1:7103,' demo/n1/members.yaml
}

@test "init: keys and data are for their owner alone, whatever the umask" {
	for mask in 0000 0777; do
		(umask $mask && init c$mask)
		[ "$(mode c$mask/n1/n1.key)" = 600 ]
		[ "$(mode c$mask/n1/data)" = 700 ]
		[ "$(mode c$mask/n1/run)" = 700 ]
		[ "$(mode c$mask/n1/data/identity)" = 600 ]
	done
	[ "$(mode c0000/n1)" = 755 ]
	[ "$(mode c0777/n1)" = 700 ]
}

@test "init: each node has its own key and directory id" {
	init -N 5 -p 9001 five
	[ "$(cat five/n*/n*.key | sort -u | wc -l)" -eq 5 ]
	[ "$(grep -h ^directory five/n*/data/identity | sort -u | wc -l)" -eq 5 ]
	grep -q 'tcp://127.0.0.1:9005' five/n1/members.yaml
}

@test "init: the public key in the list is that of the secret" {
	init -N 1 one
	node_check one/n1/raft.yaml
	printed=$(sed -n -E 's/.*key: ([^ ]*) .*/\1/p' one/n1/members.yaml | tr -d '"')
	derived=$(python3 - one/n1/n1.key <<-'PY'
		# The Montgomery ladder of RFC 7748, section 5.
		import base64, sys
		p = 2**255 - 19
		k = bytearray(base64.b64decode(open(sys.argv[1]).read()))
		k[0] &= 248
		k[31] = k[31] & 127 | 64
		k = int.from_bytes(k, "little")
		x2, z2, x3, z3 = 1, 0, 9, 1
		for t in range(254, -1, -1):
		    bit = k >> t & 1
		    if bit:
		        x2, z2, x3, z3 = x3, z3, x2, z2
		    a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
		    x3, z3 = (d * a + c * b) ** 2 % p, 9 * (d * a - c * b) ** 2 % p
		    e = a * a - b * b
		    x2, z2 = a * a * b * b % p, e * (a * a + 121665 * e) % p
		    if bit:
		        x2, z2, x3, z3 = x3, z3, x2, z2
		print(base64.b64encode((x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")).decode())
	PY
	)
	[ "$printed" = "$derived" ]
}

@test "init: one node prints its member line and leaves the list to the user" {
	for h in a b c; do init -i $h -l tcp://127.0.0.1:71$((RANDOM % 90 + 10)) --cluster three $h; done >members.yaml
	[ "$(wc -l <members.yaml)" -eq 3 ]
	for h in a b c; do
		[ ! -e $h/members.yaml ]
		cp members.yaml $h/
		node_check $h/raft.yaml
		timeout 10 raft-node -nv -c $h/raft.yaml | grep -qx '  name: three'
	done
}

@test "init: a node known by a name listens on all addresses, one known by a number there" {
	init -i a -l tcp://a.example:7101 a >/dev/null
	grep -qxF '  listen: "tcp://[::]:7101"' a/raft.yaml
	init -i b -l 'tcp://[::1]:7101' b >/dev/null
	grep -qx '  listen: "tcp://\[::1\]:7101"' b/raft.yaml
	init -i c -l tcp://localhost:7101 c >/dev/null
	grep -qx '  listen: tcp://localhost:7101' c/raft.yaml
	init -i d -l tcp://10.1.2.3:7101 d >/dev/null
	grep -qx '  listen: tcp://10.1.2.3:7101' d/raft.yaml
	for n in a b c d; do node_check $n/raft.yaml; done
}

@test "init: --system names the folders of a system" {
	if [ -e /var/lib/raft ] || [ "$(id -u)" != 0 ]; then
		refused 78 /var/lib/raft --system -i a -l tcp://127.0.0.1:7101 a ||
			refused 74 /var/lib/raft --system -i a -l tcp://127.0.0.1:7101 a
	else
		init --system -i a -l tcp://127.0.0.1:7101 a >/dev/null
		grep -qx 'node a' /var/lib/raft/identity
		rm -r /var/lib/raft
		grep -qx '  data: /var/lib/raft' a/raft.yaml
		grep -qx '  run: /run/raft' a/raft.yaml
		[ ! -e a/run ]
	fi
}

@test "init: where a node's file exists nothing is written" {
	init demo
	for exists in n2/raft.yaml n2/n2.key n2/data; do
		mkdir -p new/n2
		cp -r demo/$exists new/n2/
		refused 78 "$PWD/new/$exists" new
		[ "$(find new -mindepth 2 -maxdepth 2)" = "new/$exists" ]
		rm -r new
	done
	cp -r demo/n2/data again && mkdir b && cp demo/n2/n2.key b/n2.key
	refused 78 'n2.key exists' -i n2 -l tcp://127.0.0.1:1 b
	[ "$(ls b)" = n2.key ]
	mkdir c && mv again c/data
	refused 78 "a wiped or second voter endangers the cluster" -i n2 -l tcp://127.0.0.1:1 c
	[ "$(ls c)" = data ]
}

@test "init: an empty data directory is taken" {
	mkdir -p a/data
	init -i a -l tcp://127.0.0.1:1 a >/dev/null
	[ -e a/data/identity ]
}

@test "init: two at once, one wins and the other says so" {
	for i in $(seq 10); do
		init -i a -l tcp://127.0.0.1:1 "r$i" >out1 2>err1 &
		one=$!
		init -i a -l tcp://127.0.0.1:1 "r$i" >out2 2>err2 && two=0 || two=$?
		wait $one && one=0 || one=$?
		[ $((one == 0)) -ne $((two == 0)) ]
		node_check "r$i/raft.yaml"
		[ -s "r$i/a.key" ]
		[ -s "r$i/data/identity" ]
	done
}

@test "init: what fails half-way is taken away again" {
	: >file
	refused 74 'file: is in the way' file
	refused 74 'cannot be made' no/such/folder
	[ ! -e no ]
	mkdir part && : >part/n3
	refused 74 'n3: is in the way: Not a directory' part
	[ "$(ls part)" = n3 ]
	run bash -c 'timeout 10 raft-init -i a -l tcp://127.0.0.1:1 full >/dev/full'
	[ "$status" -eq 74 ]
	[ "$output" = 'raft-init: the member line could not be written to standard output' ]
	[ ! -e full ]
}

@test "init: a full disk leaves nothing behind, whenever it is found full" {
	for n in $(seq 50); do
		timeout 20 strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:error=ENOSPC:when="$n" \
			"$BIN/raft-init" -N 2 disk && break
		[ $? -eq 74 ]
		[ ! -e disk ]
	done
	[ "$n" -gt 10 ]
	[ "$n" -lt 50 ]
	node_check disk/n2/raft.yaml
}

@test "init: all that it wrote is synced, files and folders" {
	timeout 20 strace -f -qq -y -o trace -e trace=fsync,fdatasync "$BIN/raft-init" -N 1 d
	for path in '' /d /d/n1 /d/n1/data /d/n1/raft.yaml /d/n1/members.yaml /d/n1/n1.key /d/n1/data/identity; do
		grep -qE "<$BATS_TEST_TMPDIR$path(\.[^/>]*)?>\) *= 0" trace || { echo "not synced: $path"; return 1; }
	done
}

@test "init: wrong usage is one sentence and 64" {
	refused 64 'one folder is needed'
	refused 64 'one folder is needed' a b
	refused 64 'one folder is needed' ''
	refused 64 'a number from 1 to 32' -N 0 a
	refused 64 'a number from 1 to 32' -N 33 a
	refused 64 'a number from 1 to 32' -N three a
	refused 64 'a number from 1 to 65533' -p 65534 a
	refused 64 '-x is no option' -x a
	refused 64 '--nodes is no option' --nodes a
	refused 64 '-N needs a value' -N
	refused 64 'give -l' -i a a
	refused 64 'give -i' -l tcp://127.0.0.1:1 a
	refused 64 'give -i' --system a
	refused 64 '-N and -p make a local cluster' -N 3 -i a -l tcp://127.0.0.1:1 a
	refused 64 'an id is' -i 'a b' -l tcp://127.0.0.1:1 a
	refused 64 'is no address' -i a -l 127.0.0.1:1 a
	refused 64 "can't reach" -i a -l tcp://0.0.0.0:1 a
	refused 64 '--cluster a b' --cluster 'a b' a
	refused 64 'one node needs its id' --join a
	refused 64 'make a local cluster' --join -N 3 a
	[ -z "$(ls)" ]
}

@test "init: a node that joins a cluster has the cluster's name only when it is given" {
	init --join -i d -l tcp://127.0.0.1:7101 a >line
	run ! grep -q name: a/raft.yaml
	run -78 node_check a/raft.yaml
	[[ $output == *'cluster.name is missing: add it, or write the output of raft-ctl members -y'* ]]
	{
		printf -- '- { cluster: "%064d", name: ops }\n' 0
		cat line
	} >a/members.yaml
	node_check a/raft.yaml
	init --join --cluster five -i d -l tcp://127.0.0.1:7101 b
	grep -qx '  name: five' b/raft.yaml
}

@test "init: -h and -V" {
	run init -h
	[ "$status" -eq 0 ]
	[[ $output == 'usage: raft-init '* ]]
	run init -V
	[[ $output == 'raft-init '[0-9]* ]]
}

@test "init: the examples of raft-init(8) that need no other host run" {
	init -N 5 -p 7201 --cluster five five
	init -i alone -l tcp://127.0.0.1:7301 one >members.yaml
	mv members.yaml one/
	node_check one/raft.yaml
	for line in '.Dl raft-init -N 5 -p 7201 --cluster five five' 'raft-init -i alone -l tcp://127.0.0.1:7301 one > members.yaml'; do
		grep -qxF -- "$line" "$ROOT/man/raft-init.8"
	done
}

# commands: those of raft-init(8) for several hosts, whose hosts are folders and addresses of this machine here.
commands() {
	sed -n '/^Three hosts/,/^A cluster of a single node/{ /^\(\.Dl \)\?\(for\|ssh\) / { s/^\.Dl //; p } }' "$ROOT/man/raft-init.8" |
		sed "s#/etc/raft#.#g; s#tcp://\(\$h\|d\):7101#tcp://\$(address \1):$PORT#; s#scp members.yaml \$h:./#cp members.yaml \$h/#"
}

@test "init: the examples of raft-init(8) for several hosts run" {
	PORT=$(free_ports 1)
	CLUSTER=$PWD
	mkdir a b c d
	address() { printf '127.0.0.%d' "'$1"; }
	ssh() (cd "$1" && shift && RAFT_CONFIG=raft.yaml timeout 60 "$@")
	mapfile -t lines < <(commands)
	[ "${#lines[@]}" -eq 6 ]
	for i in 0 1; do eval "${lines[i]}"; done
	for h in a b c; do node_start "$h"; done
	ssh a raft-ctl wait
	for i in 2 3 4; do eval "${lines[i]}"; done
	node_start d
	eval "${lines[5]}"
	[ "$(ssh d raft-ctl -j members | jq -r '[.members[] | .id + "=" + .role] | join(" ")')" = 'a=voter b=voter c=voter d=voter' ]
	[ "$(ssh d raft-ctl -j status | jq -r .cluster)" = demo ]
}
