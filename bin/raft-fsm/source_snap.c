/* SPDX-License-Identifier: ISC */
/* Snapshots at raft-logd: one question or order at a time. */
#include <stdlib.h>
#include <string.h>

#include "source_private.h"

void
source_snap_send(struct source *source)
{
	/* A question that is on its way is not asked twice. */
	if (!link_up(source->link) || source->snap == 0 || source->snap_request)
		return;
	struct wire_buf *out = link_out(source->link);
	source->snap_request = ++source->request;
	if (source->snap == MSG_SNAP_FIND)
		msg_snap_find_put(out, &(struct msg_snap_find){source->snap_request});
	else if (source->snap == MSG_SNAP_PATH)
		msg_snap_path_put(out, &(struct msg_snap_path){source->snap_request});
	else
		msg_snap_add_put(
		    out, &(struct msg_snap_add){source->snap_request, source->snap_index,
			     wire_text(source->snap_add_path), wire_text(source->snap_format)});
}

static enum msg_number
source_snap_settled(struct source *source)
{
	enum msg_number snap = source->snap;
	source->snap = 0;
	source->snap_request = 0;
	return snap;
}

/* A new string. */
static char *
source_snap_text(struct wire_bytes bytes)
{
	char *text = strndup((const char *)bytes.bytes, bytes.size);
	must(text != NULL);
	return text;
}

/* It was not answered as it should be. */
void
source_snap_fail(struct source *source, const char *why)
{
	enum msg_number snap = source_snap_settled(source);
	if (snap == MSG_SNAP_FIND)
		source->calls->snap_found(
		    &(struct source_snapshot){.format = "", .path = ""}, source->arg);
	else if (snap == MSG_SNAP_PATH)
		source->calls->snap_path("", why, source->arg);
	else if (snap == MSG_SNAP_ADD)
		source->calls->snap_added(false, 0, why, source->arg);
}

static void
source_snap_found(struct source *source, const struct msg_snap_found *m)
{
	char *format = source_snap_text(m->format), *path = source_snap_text(m->path);
	const struct source_snapshot found = {.found = m->found,
	    .index = m->pos.index,
	    .size = m->size,
	    .format = format,
	    .path = path};
	source_snap_settled(source);
	source->calls->snap_found(&found, source->arg);
	free(format);
	free(path);
}

void
source_snap_take(struct source *source, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_snap_found found;
	struct msg_snap_path_reply path;
	struct msg_snap_added added;
	if (number == MSG_SNAP_FOUND && msg_snap_found_get(&found, body, size)) {
		if (found.request == source->snap_request && source->snap == MSG_SNAP_FIND)
			source_snap_found(source, &found);
	} else if (number == MSG_SNAP_PATH_REPLY && msg_snap_path_reply_get(&path, body, size)) {
		if (path.request != source->snap_request || source->snap != MSG_SNAP_PATH)
			return;
		char *text = source_snap_text(path.path);
		source_snap_settled(source);
		source->calls->snap_path(text, "raft-logd names no place for it", source->arg);
		free(text);
	} else if (number == MSG_SNAP_ADDED && msg_snap_added_get(&added, body, size)) {
		if (added.request != source->snap_request || source->snap != MSG_SNAP_ADD)
			return;
		char *why = source_snap_text(added.why);
		source_snap_settled(source);
		source->calls->snap_added(added.ok, added.index, why, source->arg);
		free(why);
	} else {
		link_break(source->link, "raft-logd sent a malformed answer about a snapshot");
	}
}

static void
source_snap_ask(struct source *source, enum msg_number snap)
{
	must(source->snap == 0 || (source->snap == snap && snap == MSG_SNAP_FIND));
	source->snap = snap;
	source_snap_send(source);
}

void
source_snap_find(struct source *source)
{
	source_snap_ask(source, MSG_SNAP_FIND);
}

void
source_snap_path(struct source *source)
{
	source_snap_ask(source, MSG_SNAP_PATH);
}

void
source_snap_add(struct source *source, uint64_t index, const char *path, const char *format)
{
	free(source->snap_add_path);
	free(source->snap_format);
	source->snap_index = index;
	must((source->snap_add_path = strdup(path)) != NULL);
	must((source->snap_format = strdup(format)) != NULL);
	source_snap_ask(source, MSG_SNAP_ADD);
}

void
source_snap_release(struct source *source)
{
	if (source->link && link_up(source->link))
		msg_snap_read_put(
		    link_out(source->link), &(struct msg_snap_read){.request = ++source->request});
}
