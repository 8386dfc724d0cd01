#!/usr/bin/env -S mawk -W interactive -f
# SPDX-License-Identifier: ISC
# The commands of raft-kv(1) in awk, as a program of mode machine (raft-fsm-protocol(7)).
#
#   fsm: { mode: machine, command: [ kv.awk ] }                             in memory
#   fsm: { mode: machine, fields: [ chain ], command: [ kv.awk, -v, journal=kv.journal ] }     durable
#
# mawk, which is awk on Debian, holds its input until a buffer is full: hence -W interactive, which
# also makes it write each line at once.  Another awk needs fflush() after each reply.

BEGIN {
	KEY_MAX = 1024
	VALUE_MAX = 1048576 - 1024
	if (journal)
		read_journal()
	chained = ENVIRON["RAFT_FIELDS"] == "chain"
	print "ready " last + 0 (chained && last ? " " (chain ? chain : "-") : "")
}

open { confirm() }

/^entry / {
	index_of = word(rest($0, 1))
	chain = chained ? word(rest($0, 2)) : ""
	if (chain == "-")
		chain = ""
	command = rest($0, chained ? 3 : 2)
	if (journal)
		keep(index_of, command)
	print apply(command)
	next
}

# A query must not change anything: all but get and list are entries.
/^query (get|list)( |$)/ { print apply(substr($0, length("query ") + 1)); next }
/^query / { print "refused a query changes nothing: append it"; next }

/^snapshot / { print write_snapshot(substr($0, length("snapshot ") + 1)); next }
/^restore / { print read_snapshot(substr($0, length("restore ") + 1)); next }
{ exit 65 }

# ------------------------------------------------------------- commands

# The first word of a line, and what is left of it after that many words; one blank ends a word.
function word(line) { return substr(line, 1, index(line " ", " ") - 1) }
function rest(line, words) {
	while (words-- > 0)
		line = substr(line, index(line " ", " ") + 1)
	return line
}

# NAME KEY VALUE, one blank between them: split() would take any run of blanks, and has a limit.
function apply(command, name, args, key) {
	name = word(command)
	args = rest(command, 1)
	key = word(args)
	if (name == "list" && key == args)
		return "ok " list(key)
	if (name !~ /^(put|get|del|cas|incr|list)$/)
		return "refused unknown command: put, get, del, cas, incr or list is expected"
	if (length(key) < 1 || length(key) > KEY_MAX)
		return "refused a key has 1 to 1024 bytes"
	if (name == "put" && key != args)
		return put(key, rest(args, 1))
	if (name == "incr" && key == args)
		return incr(key)
	if (name == "cas" && index(rest(args, 1), " "))
		return cas(key, word(rest(args, 1)), rest(args, 2))
	if (name !~ /^(get|del)$/ || key != args)
		return "refused not a command"
	if (!(key in state))
		return "refused no such key"
	if (name == "get")
		return "ok " state[key]
	delete state[key]
	return "ok"
}

function put(key, value) {
	if (length(value) > VALUE_MAX)
		return "refused a value has up to 1047552 bytes"
	state[key] = value
	return "ok"
}

# Up to 15 digits: awk counts in floating point.
function incr(key, value) {
	value = key in state ? state[key] : "0"
	if (length(value) > 15 || value !~ /^(0|-?[1-9][0-9]*)$/)
		return "refused the value is no number"
	state[key] = sprintf("%d", value + 1)
	return "ok " state[key]
}

# Compared as text: in awk 1 and 1.0 would be equal numbers.
function cas(key, old, new) {
	if (!(key in state))
		return "refused no such key"
	if (state[key] "" != old "")
		return "refused the value is " state[key]
	return put(key, new)
}

function list(prefix, key, keys, n, i, out) {
	for (key in state)
		if (substr(key, 1, length(prefix)) == prefix) {
			for (i = ++n; i > 1 && keys[i - 1] > key ""; i--)
				keys[i] = keys[i - 1]
			keys[i] = key ""
		}
	for (i = 1; i <= n; i++)
		out = out (i > 1 ? " " : "") keys[i]
	return out
}

# ------------------------------------------------------------- durable

# Each entry is a line "INDEX:CHAIN LENGTH COMMAND;", or without ":CHAIN": one that a crash has cut is too short.  awk does not say whether a
# line of its input had a newline, and without one it is no request.  So the semicolon follows when the next request
# has come; until then the entry does not count, and would be given again.
function keep(index_of, command) {
	printf "%s %d %s", label(index_of), length(command), command >>journal
	fflush(journal)
	if (system("sync '" journal "'") != 0)
		exit 74
	if (durable)
		print "durable " durable
	open = index_of
}

function label(index_of) { return index_of (chain ? ":" chain : "") }

function confirm() {
	print ";" >>journal
	fflush(journal)
	durable = open
	open = 0
}

function read_journal(line) {
	last = 0
	while ((getline line <journal) > 0)
		if (line ~ /^[0-9]+(:[0-9a-f]+)? [0-9]+ / && length(rest(line, 2)) == word(rest(line, 1)) + 1) {
			last = word(line)
			chain = index(last, ":") ? substr(last, index(last, ":") + 1) : ""
			last = last + 0
			apply(substr(rest(line, 2), 1, word(rest(line, 1))))
		}
	close(journal)
	# A newline ends a line that was cut.
	if (system("echo >>'" journal "' && sync '" journal "' \"$(dirname '" journal "')\"") != 0)
		exit 74
}

# The journal of a state that came as a whole: a new file in its place, all or nothing.
function write_journal(key, new) {
	new = journal ".new"
	print label(index_of) " 4 list;" >new
	for (key in state)
		print label(index_of) " " length("put " key " " state[key]) " put " key " " state[key] ";" >new
	close(new)
	close(journal)
	if (system("sync '" new "' && mv '" new "' '" journal "' && sync \"$(dirname '" journal "')\"") != 0)
		exit 74
	print "durable " index_of
}

# ------------------------------------------------------------- snapshots

function write_snapshot(path, key) {
	print index_of + 0 (chain ? " " chain : "") >path
	for (key in state)
		print key " " state[key] >path
	return close(path) == 0 ? "ok" : "refused the file cannot be written"
}

function read_snapshot(path, line) {
	if ((getline index_of <path) <= 0)
		return "refused the file cannot be read"
	chain = index(index_of, " ") ? rest(index_of, 1) : ""
	index_of = word(index_of)
	split("", state)
	while ((getline line <path) > 0)
		state[word(line)] = rest(line, 1)
	close(path)
	if (journal)
		write_journal()
	return "ok"
}
