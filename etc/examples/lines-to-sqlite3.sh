#!/bin/sh
# SPDX-License-Identifier: ISC
# lines-to-sqlite3.sh FILE: entries as JSON lines on standard input to the table lines of an SQLite database.
#
# The index is the key: what comes again changes nothing.  Entries that are not UTF-8 are left out.
set -eu

{
	echo '.bail on'
	echo '.timeout 10000'
	echo 'CREATE TABLE IF NOT EXISTS lines (idx INTEGER PRIMARY KEY, line TEXT NOT NULL);'
	jq --unbuffered -r 'select(.data) | .data |= gsub("\u0027"; "\u0027\u0027") |
		"INSERT OR IGNORE INTO lines VALUES (\(.index), \u0027\(.data)\u0027);"'
} | exec sqlite3 "$1"
