#!/bin/sh
# SPDX-License-Identifier: ISC
# Counters in the shell, as a program of mode machine (raft-fsm-protocol(7)): "incr NAME" and "get NAME".
#
#   fsm: { mode: machine, command: [ counter.sh ] }                   in memory
#   fsm: { mode: machine, fields: [ chain ], command: [ counter.sh, counters ] }    durable, in this file
#
# The file is a line with the index of the last entry and the chain that came with it, then a line "NAME NUMBER"
# each.  It is replaced as a whole after each entry: slow, and right.

# Else the locale decides which letters A-Z are.
LC_ALL=C
export LC_ALL
file=${1:-}
index=0
chain=
names=

# A name becomes a part of a variable's name, so it is looked at first.
good() {
	case $1 in
	'' | *[!A-Za-z0-9_]*) return 1 ;;
	esac
	[ ${#1} -le 64 ]
}
value() { eval "echo \"\${count_$1:-}\""; }
set_count() { # set_count NAME NUMBER
	[ -n "$(value "$1")" ] || names="$names $1"
	eval "count_$1=\$2"
}

load() { # load FILE
	{
		read -r index chain
		for name in $names; do unset "count_$name"; done
		names=
		while read -r name number; do set_count "$name" "$number"; done
	} <"$1"
}
save() { # save FILE: the new one is durable before it takes the place of the old
	{
		echo "$index${chain:+ $chain}"
		for name in $names; do echo "$name $(value "$name")"; done
	} >"$1.new" && sync "$1.new" && mv "$1.new" "$1" && sync "$(dirname "$1")"
}

# Each of these leaves its answer in $reply: in a subshell it would change nothing.
get() { # get NAME
	reply="refused no such key"
	if good "$1" && [ -n "$(value "$1")" ]; then reply="ok $(value "$1")"; fi
}
incr() { # incr NAME
	reply="refused not a name"
	if good "$1"; then
		number=$(value "$1")
		set_count "$1" $((${number:-0} + 1))
		get "$1"
	fi
}

if [ -n "$file" ] && [ -e "$file" ]; then load "$file"; fi
ready="ready $index"
if [ "${RAFT_FIELDS:-}" = chain ] && [ "$index" -gt 0 ]; then ready="$ready ${chain:--}"; fi
echo "$ready"
# At the end, read fails on a line that is cut: it was no request.
while IFS= read -r line; do
	rest=${line#* }
	case $line in
	"entry "*)
		index=${rest%% *}
		rest=${rest#* }
		chain=
		if [ "${RAFT_FIELDS:-}" = chain ]; then
			chain=${rest%% *}
			rest=${rest#* }
			[ "$chain" != - ] || chain=
		fi
		case $rest in
		"incr "*) incr "${rest#incr }" ;;
		"get "*) get "${rest#get }" ;;
		*) reply="refused not a command" ;;
		esac
		if [ -n "$file" ]; then save "$file" || exit 74; fi
		echo "$reply"
		[ -z "$file" ] || echo "durable $index"
		;;
	"query get "*) get "${rest#get }" && echo "$reply" ;;
	"query "*) echo "refused a query changes nothing: append it" ;;
	"snapshot "*) if save "$rest"; then echo ok; else echo "refused the file cannot be written"; fi ;;
	"restore "*)
		if load "$rest" && { [ -z "$file" ] || save "$file"; }; then echo ok; else echo "refused the file cannot be read"; fi
		[ -z "$file" ] || echo "durable $index"
		;;
	*) exit 65 ;;
	esac
done
