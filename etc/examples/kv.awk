#!/usr/bin/env -S mawk -W interactive -f
# SPDX-License-Identifier: ISC
# The commands of raft-kv(1) in awk, as a program of mode machine (raft-fsm-protocol(7)).
#
#   fsm: { mode: machine, command: [ kv.awk ] }                             in memory
#   fsm: { mode: machine, command: [ kv.awk, -v, journal=kv.journal ] }     durable
#
# mawk, which is awk on Debian, holds its input until a buffer is full: hence -W interactive, which
# also makes it write each line at once.  Another awk needs fflush() after each reply.

BEGIN {
	if (journal)
		read_journal()
	print "ready " last + 0
}

/^entry / {
	split($0, word, " ")
	index_of = word[2]
	command = substr($0, length("entry " index_of " ") + 1)
	if (journal)
		keep(index_of, command)
	print apply(command)
	if (journal)
		print "durable " index_of
	next
}

# A query must not change anything: all but get and list are entries.
/^query (get|list)( |$)/ { print apply(substr($0, length("query ") + 1)); next }
/^query / { print "refused a query changes nothing: append it"; next }

/^snapshot / { print write_snapshot(substr($0, length("snapshot ") + 1)); next }
/^restore / { print read_snapshot(substr($0, length("restore ") + 1)); next }
{ exit 65 }

# ------------------------------------------------------------- commands

# What is left of a line behind so many words.
function rest(line, words) {
	while (words-- > 0)
		line = substr(line, index(line " ", " ") + 1)
	return line
}

function apply(command, word, n, key, value) {
	n = split(command, word, " ")
	key = word[2]
	if (word[1] == "list")
		return "ok " list(key)
	if (n < 2)
		return "refused not a command"
	if (word[1] == "put") {
		state[key] = rest(command, 2)
		return "ok"
	}
	if (word[1] == "incr") {
		value = key in state ? state[key] : "0"
		if (value !~ /^(0|-?[1-9][0-9]*)$/)
			return "refused the value is no number"
		state[key] = sprintf("%d", value + 1)
		return "ok " state[key]
	}
	if (word[1] !~ /^(get|del|cas)$/)
		return "refused unknown command: put, get, del, cas, incr or list is expected"
	if (!(key in state))
		return "refused no such key"
	if (word[1] == "get")
		return "ok " state[key]
	if (word[1] == "del")
		delete state[key]
	# Compared as text: in awk 1 and 1.0 would be equal numbers.
	else if (state[key] "" == word[3] "")
		state[key] = rest(command, 3)
	else
		return "refused the value is " state[key]
	return "ok"
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

# Each entry is a line that ends with a tab: what a crash has cut lacks it, and was never answered.
function keep(index_of, command) {
	print index_of " " command "\t" >>journal
	fflush(journal)
	if (system("sync '" journal "'") != 0)
		exit 74
}

function read_journal(line) {
	last = 0
	while ((getline line <journal) > 0)
		if (line ~ /^[0-9]+ .*\t$/) {
			last = substr(line, 1, index(line, " ") - 1)
			apply(substr(line, length(last) + 2, length(line) - length(last) - 2))
		}
	close(journal)
	# An empty line ends one that was cut.
	if (system("echo >>'" journal "' && sync '" journal "' \"$(dirname '" journal "')\"") != 0)
		exit 74
}

# The journal of a state that came as a whole: a new file in its place, all or nothing.
function write_journal(key, new) {
	new = journal ".new"
	print index_of " list\t" >new
	for (key in state)
		print index_of " put " key " " state[key] "\t" >new
	close(new)
	close(journal)
	if (system("sync '" new "' && mv '" new "' '" journal "' && sync \"$(dirname '" journal "')\"") != 0)
		exit 74
	print "durable " index_of
}

# ------------------------------------------------------------- snapshots

function write_snapshot(path, key) {
	print index_of + 0 >path
	for (key in state)
		print key " " state[key] >path
	return close(path) == 0 ? "ok" : "refused the file cannot be written"
}

function read_snapshot(path, line) {
	if ((getline index_of <path) <= 0)
		return "refused the file cannot be read"
	while ((getline line <path) > 0)
		state[substr(line, 1, index(line, " ") - 1)] = rest(line, 1)
	close(path)
	if (journal)
		write_journal()
	return "ok"
}
