#!/bin/sh
# SPDX-License-Identifier: ISC
# Sends each entry, which is a complete mail, once for the whole cluster.  On every node, under a supervisor:
#
#     raft-lead raft-each -C mail -F whole -- ./each-mail.sh
#
# and on any node: raft-append -F whole mail.txt
#
# An entry may come twice.  Its index is the same then, and so is the Message-ID: mail programs show such a mail once.
{
	printf 'Message-ID: <%s.%s@raft.example.org>\n' "$RAFT_CURSOR" "$RAFT_FIRST" && cat
} | "${SENDMAIL:-/usr/sbin/sendmail}" -t -oi
