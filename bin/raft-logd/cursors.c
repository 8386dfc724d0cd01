/* SPDX-License-Identifier: ISC */
/* Cursors: taken, stored with the turn's transaction, then answered. */
#include "cursors.h"

#include <stdlib.h>
#include <string.h>

#include "logd.h"

enum { CURSORS_MAX = 1024, WAITING_MAX = 1024 };

struct cursor_set {
	struct logd_client *client; /* NULL: gone */
	uint64_t request;
	uint64_t index;
	char name[DB_CURSOR_NAME_MAX + 1];
};

/* False when it is empty, too long or holds a NUL. */
static bool
take_name(char *out, struct wire_bytes name)
{
	if (name.size == 0 || name.size > DB_CURSOR_NAME_MAX || memchr(name.bytes, '\0', name.size))
		return false;
	memcpy(out, name.bytes, name.size);
	out[name.size] = '\0';
	return true;
}

static void
cursors_answer(struct logd_client *client, uint64_t request, uint64_t index)
{
	struct msg_cursor m = {.request = request, .index = index};
	msg_cursor_put(conn_out(client->base.conn), &m);
}

bool
cursors_take_get(struct logd *logd, struct logd_client *client, const struct msg_cursor_get *m)
{
	char name[DB_CURSOR_NAME_MAX + 1];
	if (!take_name(name, m->name))
		return false;
	cursors_answer(client, m->request, db_cursor_get(logd->db, name));
	return true;
}

bool
cursors_take_set(struct logd *logd, struct logd_client *client, const struct msg_cursor_set *m)
{
	struct cursors *c = &logd->cursors;
	struct cursor_set set = {.client = client};
	if (!take_name(set.name, m->name) || m->index > INT64_MAX)
		return false;
	if (c->count >= WAITING_MAX || (db_cursor_get(logd->db, set.name) == 0 &&
					   db_cursors_count(logd->db) + c->count >= CURSORS_MAX)) {
		server_refuse(&client->base, m->request, EXIT_RETRY,
		    "there are too many cursors, or too many wait to be stored");
		return true;
	}
	set.request = m->request;
	set.index = m->index;
	RAFT_GROW(c->sets, c->room, c->count + 1);
	c->sets[c->count++] = set;
	return true;
}

void
cursors_forget(struct logd *logd, const struct logd_client *client)
{
	for (size_t i = 0; i < logd->cursors.count; i++)
		if (logd->cursors.sets[i].client == client)
			logd->cursors.sets[i].client = NULL;
}

bool
cursors_waiting(const struct logd *logd)
{
	return logd->cursors.count > 0;
}

void
cursors_store(struct logd *logd)
{
	for (size_t i = 0; i < logd->cursors.count; i++)
		db_cursor_put(logd->db, logd->cursors.sets[i].name, logd->cursors.sets[i].index);
}

void
cursors_stored(struct logd *logd)
{
	for (size_t i = 0; i < logd->cursors.count; i++) {
		const struct cursor_set *set = &logd->cursors.sets[i];
		if (set->client)
			cursors_answer(set->client, set->request, set->index);
	}
	logd->cursors.count = 0;
}
