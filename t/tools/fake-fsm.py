#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""A raft-fsm that replies what a plan says: fake-fsm.py RUN [MODE] [PLAN ...]

It answers a query with "to DATA at INDEX", and an entry's reply is "reply SERIAL".  A plan is words:
refuse:N lost:N    the state of serial N (a query: the Nth)
die:N              the connection ends instead of that reply, once
silent:N           that reply never comes, nor any behind it
nonsense:N         a reply to another request, once
not-now:N          a refusal of the request instead of that reply, once
escape:N           the data of that reply ends with bytes that steer a terminal
hold:N             the reply to the Nth query comes after the next one's
late               it listens only once RUN/go is there
What it was asked is in RUN/asked.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire

run, mode, plan = sys.argv[1], "machine", sys.argv[2:]
if plan and ":" not in plan[0] and plan[0] != "late":
    mode = plan.pop(0)
if "late" in plan:
    while not os.path.exists(os.path.join(run, "go")):
        time.sleep(0.02)
held = []
asked = open(os.path.join(run, "asked"), "a", buffering=1)


def reply(conn, request, serial, number, index, data):
    """False: the connection has ended."""
    if f"die:{number}" in plan:
        plan.remove(f"die:{number}")
        return False
    if f"not-now:{number}" in plan:
        plan.remove(f"not-now:{number}")
        conn.send("refusal", request=request, exit_status=69, sentence=b"entry 52: it is to blame")
        return True
    if any(word == f"silent:{n}" for word in plan for n in range(number + 1)):
        return True
    if f"nonsense:{number}" in plan:
        plan.remove(f"nonsense:{number}")
        request += 1000
    state = 1 if f"refuse:{number}" in plan else 2 if f"lost:{number}" in plan else 0
    data = ["%s", "not %s", ""][state].replace("%s", data)
    if f"escape:{number}" in plan:
        data += "\033[2J\r\177\n"
    fields = dict(request=request, serial=serial, index=index, state=state, data=data.encode())
    if f"hold:{number}" in plan:
        held.append(fields)
        return True
    conn.send("fsm_reply", **fields)
    while held:
        conn.send("fsm_reply", **held.pop())
    return True


def serve(conn):
    conn.expect("hello")
    conn.send("hello_reply", version=1, low=1, high=1, node="n1")
    queries = 0
    while (got := conn.recv()) is not None:
        name, m = got
        if name == "query_text":
            conn.send("text_reply", request=m["request"], lines=f"part=fsm state=running mode={mode} pid=1\n".encode())
        elif name == "fsm_query":
            queries += 1
            asked.write(f"query {m['index']} {m['data'].decode()}\n")
            if not reply(conn, m["request"], 0, queries, m["index"], f"to {m['data'].decode()}"):
                return
        elif name == "fsm_reply_get":
            asked.write(f"replies {m['serial']} {m['count']} {m['index']} {m['until']}\n")
            for i in range(m["count"]):
                serial = m["serial"] + i
                if not reply(conn, m["request"], serial, serial, m["index"] and m["index"] + i, f"reply {serial}"):
                    return


listener = wire.listen(os.path.join(run, "fsm"))
while True:
    connection = wire.accept(listener, timeout=3600)
    connection.sock.settimeout(3600)
    held.clear()
    try:
        serve(connection)
    except OSError:
        pass  # it went away
    connection.close()
