/* SPDX-License-Identifier: ISC */
/* raft-ctl contract: the delivery contract of the cluster, shown, and set to what this node's
 * configuration says. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/contract_text.h"
#include "client/json.h"
#include "client/refusal.h"
#include "conf/fields.h"
#include "raft/array.h"
#include "query.h"
#include "steps.h"

/* What raft-logd says: the level, and a line for each contract. */
struct contract_list {
	struct query query;
	const char *level;
	const struct text_line **lines;
	size_t count, room;
};

static void
contract_list_free(struct contract_list *list)
{
	text_free(&list->query.text);
	free(list->lines);
}

static void
contract_query(struct ctl *ctl, struct contract_list *list, const char *done)
{
	*list =
	    (struct contract_list){.query = {.socket = "log", .what = "contract", .done = done}};
	query_one(&ctl->tool, &list->query, ctl->give_up_ms);
	const struct text *text = &list->query.text;
	for (size_t i = 0; i < text->count; i++) {
		const struct text_line *line = &text->lines[i];
		if (text_get(line, "level"))
			list->level = text_get(line, "level");
		if (text_get(line, "index") == NULL)
			continue;
		RAFT_GROW(list->lines, list->room, list->count + 1);
		list->lines[list->count++] = line;
	}
	if (list->level == NULL)
		tool_die(EXIT_UNAVAILABLE, "contract: raft-logd sends what cannot be read");
}

/* ------- show ------------------------------------------------------------------- */

static void
contract_json(struct wire_buf *out, const struct contract_list *list)
{
	wire_buf_printf(out, "{\"level\":%s,\"contracts\":[", list->level);
	for (size_t i = 0; i < list->count; i++) {
		json_put_raw(out, i ? "," : "");
		text_json(out, list->lines[i], "contract");
	}
	json_put_raw(out, "]}\n");
}

static enum exit_status
contract_show(struct ctl *ctl)
{
	struct contract_list list;
	struct wire_buf out = {0};
	contract_query(ctl, &list, NULL);
	const char *index = list.count ? text_get(list.lines[list.count - 1], "index") : "none";
	if (ctl->json) {
		contract_json(&out, &list);
	} else {
		wire_buf_printf(&out, "level=%s  contract=%s\n", list.level, index);
		if (list.count)
			text_show_table(&out, list.lines, list.count, NULL);
	}
	tool_write(out.bytes, out.size);
	wire_buf_free(&out);
	contract_list_free(&list);
	return EXIT_OK;
}

/* ------- set -------------------------------------------------------------------- */

static struct raft_contract contract_own;
static enum raft_reason contract_refused;
static uint64_t contract_refused_index; /* for refusal_text */

/* The newest one.  False: there is none. */
static bool
contract_newest(const struct contract_list *list, struct raft_contract_at *at)
{
	*at = (struct raft_contract_at){0};
	if (list->count == 0)
		return false;
	const struct text_line *line = list->lines[list->count - 1];
	const char *framing = text_get(line, "framing"), *fields = text_get(line, "fields");
	const char *reply_max = text_get(line, "reply_max"),
		   *entry_max = text_get(line, "entry_max");
	const char *format = text_get(line, "format");
	if (!framing || !fields || !reply_max || !entry_max || !format ||
	    !fields_parse(&at->contract.fields, fields))
		tool_die(EXIT_UNAVAILABLE, "contract: raft-logd sends what cannot be read");
	at->index = strtoull(text_get(line, "index"), NULL, 10);
	at->contract.framing =
	    strcmp(framing, "line") == 0 ? RAFT_CONTRACT_LINE : RAFT_CONTRACT_NETSTRING;
	at->contract.reply_max = strtoull(reply_max, NULL, 10);
	at->contract.entry_max = strtoull(entry_max, NULL, 10);
	snprintf(at->contract.format, sizeof at->contract.format, "%s", format);
	return true;
}

static void
contract_on_done(const struct msg_answer *answer, bool doubt, void *arg)
{
	(void)doubt; /* whatever was refused, the log says which contract it has */
	if (answer->verdict == RAFT_COMMITTED) {
		steps_wait_for(arg, answer->pos.index, "the contract is committed");
		return;
	}
	contract_refused = (enum raft_reason)answer->reason;
	contract_refused_index = answer->pos.index;
	steps_end(arg);
}

static const struct proposal_calls calls = {contract_on_done, steps_refused};

static void
contract_on_up(struct steps *steps)
{
	uint8_t data[RAFT_CONTRACT_SIZE_MAX];
	size_t size = raft_contract_encode(&contract_own, data);
	steps_propose(steps, &calls, RAFT_CONTRACT, NULL, data, (uint32_t)size);
}

/* One line with each key that differs. */
static void
contract_changes(const struct raft_contract *before)
{
	struct wire_buf text = {0};
	char was[CONTRACT_VALUE_SIZE], is[CONTRACT_VALUE_SIZE];
	for (size_t i = 0; i < CONTRACT_KEYS_COUNT; i++) {
		const char *key = contract_keys[i];
		contract_value(was, before, key);
		contract_value(is, &contract_own, key);
		if (strcmp(was, is) != 0)
			wire_buf_printf(
			    &text, "%s%s is %s, was %s", text.size ? "; " : "", key, is, was);
	}
	tool_say("contract set: %.*s", (int)text.size, (const char *)text.bytes);
	wire_buf_free(&text);
}

/* An attempt that had no answer may have set it, and a refusal of the next one then says that it is
 * changed. */
static void
contract_look(struct ctl *ctl)
{
	struct contract_list list;
	struct raft_contract_at now;
	contract_query(ctl, &list, "the contract may be committed");
	bool same = contract_newest(&list, &now) &&
		    raft_contract_difference(&now.contract, &contract_own) == NULL;
	contract_list_free(&list);
	if (!same)
		tool_die(refusal_status(contract_refused), "contract set: %s",
		    refusal_text(contract_refused, contract_refused_index));
}

static enum exit_status
contract_set(struct ctl *ctl)
{
	struct contract_list list;
	static struct steps steps;
	struct raft_contract_at before;
	const struct conf *conf = ctl->tool.conf;
	if (!conf->fsm.present || conf->fsm.mode != CONF_MACHINE)
		tool_die(EXIT_CONFIG,
		    "contract set: fsm.mode is not machine in %s: only machines have a contract",
		    conf->path);
	contract_of_conf(&contract_own, conf);
	contract_query(ctl, &list, NULL);
	bool had = contract_newest(&list, &before);
	unsigned long long level = strtoull(list.level, NULL, 10);
	contract_list_free(&list);
	if (level < RAFT_LEVEL_CONTRACT)
		tool_die(refusal_status(RAFT_REASON_LEVEL),
		    "contract set: the cluster is at level %llu, and contracts need level %d, "
		    "which "
		    "it reaches when all members have programs that support it",
		    level, RAFT_LEVEL_CONTRACT);
	if (had && raft_contract_difference(&before.contract, &contract_own) == NULL)
		return EXIT_OK;
	steps = (struct steps){.tool = &ctl->tool,
	    .give_up_ms = ctl->give_up_ms,
	    .replaces = before.index,
	    .up = contract_on_up,
	    .frame = steps_answer};
	steps_run(&steps);
	if (contract_refused != RAFT_REASON_NONE)
		contract_look(ctl);
	else if (ctl->tool.verbose && had)
		contract_changes(&before.contract);
	return EXIT_OK;
}

enum exit_status
ctl_contract(struct ctl *ctl)
{
	if (ctl->argc == 1 && strcmp(ctl->argv[0], "show") == 0)
		return contract_show(ctl);
	if (ctl->argc == 1 && strcmp(ctl->argv[0], "set") == 0) {
		if (ctl->json)
			tool_die(EXIT_USAGE, "contract set: -j does not apply");
		return contract_set(ctl);
	}
	tool_die(EXIT_USAGE, "contract: show or set is expected");
}
