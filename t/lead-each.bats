#!/usr/bin/env bats
# SPDX-License-Identifier: ISC
# raft-lead raft-each: mails, sent from whichever node leads.
# long
# shellcheck disable=SC2016,SC2030,SC2031

load helper
bats_require_minimum_version 1.5.0

COUNT=150

setup() {
	D=$BATS_TEST_TMPDIR
	SENT=$D/sent
	: >"$SENT"
	# A mail program: it takes a moment, and what it writes is sent.
	cat >"$D/sendmail" <<-'END'
		#!/bin/sh
		mail=$(cat)
		sleep 0.05
		printf '%s\n' "$mail" | sed -n 's/^Message-ID: <mail\.\([0-9]*\)@.*/\1/p; s/^Subject: //p' | paste -sd' ' >>"$SENT"
	END
	chmod +x "$D/sendmail"
	export SENT SENDMAIL=$D/sendmail
	cluster_init "$D/c" 3
	cluster_start
	wait_leader
	for n in $(nodes); do wait_until 20 has_level "$n" 3; done
}
teardown() {
	[ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$D"/*.log
	show_logs
	# The loops first: they would start others.
	stop_all
	cluster_stop
}

# consume NODE: raft-lead and raft-each there, again each time that they end.
consume() {
	spawn "$D/lead-$1.log" bash -c 'trap "kill \$!; wait; exit" TERM; while :; do
		raft-lead -c "$0" -- raft-each -c "$0" -C mail -F whole -- "$1" & wait $!; sleep 0.1; done' \
		"$CLUSTER/$1/raft.yaml" "$ROOT/etc/examples/each-mail.sh"
	LOOPS+=("$SPAWNED")
}
node_kill() {
	local d
	for d in logd elect peerd; do kill -KILL "$(daemon_pid "$1" "$d")"; done
	for d in logd elect peerd; do wait_until 10 gone "$(daemon_pid "$1" "$d")"; done
}
# lead_of NODE: the pid of its raft-lead.
lead_of() {
	local i=${1#n}
	read -r LEAD _ <"/proc/${LOOPS[$((i - 1))]}/task/${LOOPS[$((i - 1))]}/children"
	[ "$(cat "/proc/$LEAD/comm")" = raft-lead ]
}
sent_all() { [ "$(cut -d' ' -f2 "$SENT" | sort -u | wc -l)" = "$COUNT" ]; }

@test "lead and each: ⚠ mails are sent from whichever node leads, each at least once, in order, and at most one twice per kill" {
	local i l kills=0
	LOOPS=()
	for i in $(seq "$COUNT"); do
		printf 'Subject: %s\n\nHello\n' "$i" | timeout 30 raft-append -F whole -c "$CLUSTER/n1/raft.yaml"
	done
	for l in $(nodes); do consume "$l"; done
	for i in 1 2 3 4; do
		wait_until 60 grown "$SENT" $((i * 25))
		wait_leader
		l=$(leader)
		kills=$((kills + 1))
		if [ $((i % 2)) = 0 ]; then
			wait_until 20 lead_of "$l"
			kill -KILL "$LEAD"
		else
			node_kill "$l"
			node_start "$l"
		fi
	done
	wait_until 120 sent_all
	echo "$(wc -l <"$SENT") sent, $kills kills"
	awk '!seen[$2]++ { print $2 }' "$SENT" | diff - <(seq "$COUNT")
	[ "$(wc -l <"$SENT")" -le $((COUNT + kills)) ]
	# A mail that was sent twice has the same Message-ID.
	[ "$(sort -u "$SENT" | wc -l)" = "$COUNT" ]
}
