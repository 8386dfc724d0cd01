# SPDX-License-Identifier: ISC
# Checks a trace in etcd's form: prints each line that is wrong, and why; nothing when all is well.
#     jq -nr -f etcd-form.jq TRACE
# The fields and their types, the names, and what must hold from line to line of one node, of
# one term, and of a message on its way.

def count: type == "number" and . >= 0 and . == floor;
def id: type == "string" and test("^[1-9]$");
def fields($required; $optional):
	type == "object" and ((keys - $optional) == ($required | sort));

def kinds: {
	SendAppendEntriesRequest: ["MsgApp", "MsgSnap"],
	SendAppendEntriesResponse: ["MsgAppResp"],
	SendRequestVoteRequest: ["MsgVote"],
	SendRequestVoteResponse: ["MsgVoteResp"],
	ReceiveAppendEntriesRequest: ["MsgApp", "MsgSnap"],
	ReceiveAppendEntriesResponse: ["MsgAppResp"],
	ReceiveRequestVoteRequest: ["MsgVote"],
	ReceiveRequestVoteResponse: ["MsgVoteResp"]
};
def quiet: ["InitState", "BecomeFollower", "BecomeCandidate", "BecomeLeader", "Commit", "Replicate",
	"ChangeConf", "ApplyConfChange", "Ready"];
def roles: ["StateFollower", "StateCandidate", "StateLeader"];

def msg_wrong($name; $nid):
	if (fields(["type", "term", "from", "to", "entries", "logTerm", "index", "commit", "vote", "reject",
		"rejectHint"]; []) | not) then "msg has other fields"
	elif ([.term, .entries, .logTerm, .index, .commit, .rejectHint] | all(count) | not) then
		"a number of msg is none"
	elif (.from | id | not) or (.to | id | not) or .vote != "0" or (.reject | type != "boolean") then
		"msg is of nobody"
	elif .type as $type | kinds[$name] | index($type) == null then "a \(.type) in \($name)"
	elif .term == 0 then "a message of term 0"
	elif (if $name | startswith("Send") then .from else .to end) != $nid then "the message of another node"
	else empty end;

def prop_wrong($event):
	if $event.name == "ChangeConf" then
		if .cc.changes | type == "array" and length == 1 and (.[0] | fields(["nid", "action"]; []) and
			(.nid | id) and (.action | IN("AddNewServer", "AddLearner", "RemoveServer")))
		then empty else "no change of one server" end
	elif $event.name == "ApplyConfChange" then
		if .cc.newconf | type == "array" and length > 0 and all(id)
		then empty else "no configuration is applied" end
	elif $event.msg.type == "MsgApp" and (.match | count) and (.next | count) and .next > .match then empty
	else "a prop that does not belong there" end;

def event_wrong:
	. as $event |
	if (fields(["name", "nid", "state", "role", "log", "conf"]; ["msg", "prop"]) | not) then
		"event has other fields"
	elif (.nid | id | not) then "of no node"
	elif (.state | fields(["term", "vote", "commit"]; []) and (.term | count) and (.commit | count) and
		(.vote == "0" or (.vote | id)) | not) then "state is none"
	elif (.log | count | not) or .state.commit > .log then "committed beyond the log"
	elif (.role | IN(roles[]) | not) then "no such role"
	elif (.conf | type == "array" and length == 2 and (.[0] | length > 0 and all(id)) and .[1] == [] | not)
	then "conf is none"
	elif (.name | IN(quiet[], (kinds | keys[])) | not) then "no such event"
	elif kinds[.name] != null and .msg == null or kinds[.name] == null and .msg != null then
		"a message belongs to Send and Receive"
	elif .msg != null and any(.msg | msg_wrong($event.name; $event.nid); true) then
		(.msg | msg_wrong($event.name; $event.nid))
	elif .prop != null then (.prop | prop_wrong($event))
	elif .name == "ChangeConf" or .name == "ApplyConfChange" then "prop is missing"
	else empty end;

def line_wrong:
	if fields(["level", "ts", "tag", "why", "nid"]; []) and .tag == "beyond" then empty
	elif (fields(["level", "ts", "tag", "event"]; []) | not) or .tag != "trace" or .level != "info" or
		(.ts | type != "number") then "no line of a trace"
	else .event | event_wrong end;

# What must hold after the same node's line before; the input is all that is known.
# A Receive line tells the state before it, so what it changed shows with the node's next line; so does a
# vote that is given after BecomeFollower.
def follows_wrong($e; $was; $beyond):
	if $was == null then (if $e.name != "InitState" then "a node begins with InitState" else empty end)
	elif $e.name == "InitState" then
		(if $e.role != "StateFollower" then "starts as no follower" else empty end)
	elif $e.state.term < $was.state.term then "the term falls"
	elif $e.state.commit < $was.state.commit then "the commit index falls"
	elif $e.state.term == $was.state.term and $was.state.vote != "0" and $e.state.vote != $was.state.vote then
		"votes twice in a term"
	elif $was.role == "StateLeader" and $e.role == "StateLeader" and $e.log < $was.log then
		"a leader's log shrinks"
	elif ($beyond | not) and ($e.name | startswith("Receive")) and
		($was.name | startswith("Receive") or . == "BecomeFollower" | not) and
		[$e.state, $e.role, $e.log, $e.conf] != [$was.state, $was.role, $was.log, $was.conf] then
		"changed before it received"
	elif $e.name == "BecomeCandidate" and
		([$e.state.term, $e.state.vote, $e.role] != [$was.state.term + 1, $e.nid, "StateCandidate"]) then
		"stands otherwise than for the next term"
	elif $e.name == "BecomeLeader" and ([$was.role, $e.role, $e.state.term] !=
		["StateCandidate", "StateLeader", $was.state.term]) then "leads without having stood"
	elif $e.name == "BecomeFollower" and $e.role != "StateFollower" then "follows as another"
	elif ($e.name | IN("Commit", "Replicate", "ChangeConf")) and $e.role != "StateLeader" then
		"\($e.name) of a node that does not lead"
	elif ($e.name | IN("Replicate", "ChangeConf")) and $e.log != $was.log + 1 then "not one entry more"
	elif $e.name == "Commit" and $e.state.commit <= $was.state.commit then "commits nothing"
	elif $e.role == "StateLeader" and $was.role != "StateLeader" and $e.name != "BecomeLeader" then
		"leads without a line"
	elif $e.role == "StateCandidate" and $was.role != "StateCandidate" and $e.name != "BecomeCandidate" then
		"stands without a line"
	else empty end;

def known_wrong($e; $key):
	if $e.name == "BecomeLeader" and (.leaders["\($e.state.term)"] // $e.nid) != $e.nid then
		"a second leader of the term"
	elif ($e.name | startswith("Receive")) and (.sent[$key] // 0) == 0 then "received, but not sent"
	else empty end;

def known_after($e; $key):
	.nodes[$e.nid] = $e |
	if $e.name == "BecomeLeader" then .leaders["\($e.state.term)"] = $e.nid
	elif $e.name | startswith("Send") then .sent[$key] += 1
	elif $e.name | startswith("Receive") then .sent[$key] = (.sent[$key] // 0) - 1
	else . end;

foreach (inputs, null) as $line ({number: 0, nodes: {}, leaders: {}, sent: {}, beyond: false, wrong: []};
	.number += 1 |
	if $line == null then .wrong = (if .nodes == {} then ["no line at all"] else [] end)
	else
		.wrong = [$line | line_wrong] |
		if .wrong == [] and $line.tag == "trace" then
			$line.event as $e | ($e.msg | tojson) as $key |
			.wrong = [follows_wrong($e; .nodes[$e.nid]; .beyond), known_wrong($e; $key)] |
			known_after($e; $key)
		else .beyond = (.beyond or $line.tag == "beyond") end
	end;
	"\(.number): \(.wrong[])")
