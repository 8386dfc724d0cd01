/* SPDX-License-Identifier: ISC */
/* Contracts and chain of the committed log. */
#include "contracts.h"

#include <inttypes.h>
#include <string.h>

#include "conf/fields.h"
#include "logd.h"
#include "verify.h"

/* The one in force where the log begins, and each committed one after it. */
static void
contracts_each(const struct log_index *rlog, struct wire_buf *out,
    void (*put)(struct wire_buf *out, const struct raft_contract_at *at))
{
	if (rlog->contract.index > 0)
		put(out, &rlog->contract);
	for (size_t i = 0;
	     i < rlog->contracts_count && rlog->contracts[i].index <= rlog->commit.index; i++)
		put(out, &rlog->contracts[i]);
}

bool
contracts_take_get(struct logd *logd, struct logd_client *client, const struct msg_contracts_get *m)
{
	const struct log_index *rlog = &logd->rlog;
	struct wire_buf records = {0};
	struct msg_contracts reply = {
	    .request = m->request, .level = index_level_at(rlog, rlog->commit.index)};
	contracts_each(rlog, &records, wire_contract_put);
	reply.records =
	    (struct wire_bytes){records.bytes ? records.bytes : (const uint8_t *)"", records.size};
	msg_contracts_put(conn_out(client->base.conn), &reply);
	wire_buf_free(&records);
	return true;
}

bool
contracts_take_chain(struct logd *logd, struct logd_client *client, const struct msg_chain_get *m)
{
	const struct log_index *rlog = &logd->rlog;
	struct msg_chain reply = {.request = m->request,
	    .found = m->index >= rlog->before.pos.index && m->index <= rlog->commit.index};
	if (reply.found)
		verify_chain_at(logd, m->index, &reply.hash);
	msg_chain_put(conn_out(client->base.conn), &reply);
	return true;
}

/* -------------------------------------------------------------- as text */

static void
put_line(struct wire_buf *out, const struct raft_contract_at *at)
{
	const struct raft_contract *contract = &at->contract;
	char fields[FIELDS_TEXT_SIZE];
	wire_buf_printf(out, "index=%" PRIu64 " framing=%s fields=%s", at->index,
	    contract->framing == RAFT_CONTRACT_NETSTRING ? "netstring" : "line",
	    fields_text(fields, contract->fields));
	wire_buf_printf(out, " reply_max=%" PRIu64 " entry_max=%" PRIu64 " format=%s\n",
	    contract->reply_max, contract->entry_max, log_q(contract->format));
}

void
contracts_put(void *arg, struct wire_buf *out)
{
	const struct logd *logd = arg;
	const struct log_index *rlog = &logd->rlog;
	contracts_each(rlog, out, put_line);
	wire_buf_printf(out, "level=%" PRIu64 "\n", index_level_at(rlog, rlog->commit.index));
}
