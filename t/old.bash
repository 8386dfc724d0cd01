# SPDX-License-Identifier: ISC
# Programs of an earlier commit of this repository, beside those of today.
# shellcheck shell=bash
# shellcheck disable=SC2034

# old_programs COMMIT: builds them, once: the folder of the programs is then in $OLD.  It is below build/, where it stays
# for the next run.  A repository without that commit is a failure: without the old programs the test shows nothing.
old_programs() {
	local dir=$ROOT/build/old/$1
	OLD=$dir/build/bin
	mkdir -p "$ROOT/build/old"
	(
		flock 9
		[ ! -e "$dir" ] || exit 0
		git -C "$ROOT" rev-parse -q --verify "$1^{commit}" >/dev/null || {
			echo "commit $1 is not in this repository: git fetch --unshallow, or clone it with its history" >&2
			exit 1
		}
		rm -rf "$dir.new"
		mkdir "$dir.new"
		git -C "$ROOT" archive "$1" | tar -x -C "$dir.new"
		make -s -j2 -C "$dir.new" B="$dir.new/build" CC=gcc SAN= WERROR= CFLAGS=-O1 all >/dev/null
		mv "$dir.new" "$dir"
	) 9>"$ROOT/build/old/lock" 3>&-
}

# start_with OLD|NEW NODE: its daemons, of the one or the other.  Before it: NEW=$BIN.
start_with() {
	BIN=$NEW
	[ "$1" = NEW ] || BIN=$OLD
	node_start "$2"
	BIN=$NEW
}
stop_node() {
	local d
	for d in fsm elect peerd logd; do
		if [ -e "$CLUSTER/$1/$d.pid" ]; then reap TERM "$(daemon_pid "$1" "$d")"; fi
	done
}
upgrade() {
	stop_node "$1"
	start_with NEW "$1"
}
