/* SPDX-License-Identifier: ISC */
/* Changes: kept, and sent to the clients that watch. */
#include "changes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unix/log.h"

enum { CHANGE_SIZE_MAX = 1024, REASON_SIZE_MAX = 1024 + 64 };

struct change {
	struct change *next;
	char *name; /* "kind=K id=I" */
	char *line; /* that and the keys, which are compared with those of the next one */
	char *tail; /* these two, and a newline */
};

/* The newest of each kind and id, in the order in which they were first reported. */
struct changes {
	struct change *first;
};

static char *
change_text(const char *text)
{
	char *copy = strdup(text);
	must(copy != NULL);
	return copy;
}

struct changes *
changes_new(void)
{
	struct changes *changes = calloc(1, sizeof *changes);
	must(changes != NULL);
	return changes;
}

static void
change_free(struct change *change)
{
	free(change->name);
	free(change->line);
	free(change->tail);
	free(change);
}

void
changes_free(struct changes *changes)
{
	if (changes == NULL)
		return;
	for (struct change *change; (change = changes->first);) {
		changes->first = change->next;
		change_free(change);
	}
	free(changes);
}

/* Where the one of that name is linked, or a new one would be. */
static struct change **
changes_find(struct changes *changes, const char *name)
{
	struct change **at = &changes->first;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

/* ------- to a client --------------------------------------------------------------------- */

static void
change_put_line(struct wire_buf *out, const struct change *change)
{
	wire_buf_put(out, change->line, strlen(change->line));
	wire_buf_put(out, change->tail, strlen(change->tail));
}

/* The first line says that all lines which follow in this answer are the state now. */
static void
changes_send_kept(struct server_client *client)
{
	struct wire_buf text = {0};
	wire_buf_printf(&text, "kind=now missed=%" PRIu64 "\n", client->missed);
	client->missed = 0;
	for (const struct change *at = server_changes(client->server)->first; at; at = at->next)
		change_put_line(&text, at);
	server_text_reply(client, client->watch_request, &text);
}

static void
changes_send(struct server_client *client, const struct change *change)
{
	struct wire_buf text = {0};
	/* What it has missed comes first. */
	if (client->missed > 0 || conn_choked(client->conn)) {
		client->missed++;
		return;
	}
	change_put_line(&text, change);
	server_text_reply(client, client->watch_request, &text);
}

void
changes_watch(struct server_client *client, uint64_t request)
{
	client->watching = true;
	client->watch_request = request;
	changes_send_kept(client);
}

void
changes_drained(struct server_client *client)
{
	if (client->missed > 0 && !client->closing)
		changes_send_kept(client);
}

bool
changes_watched(const struct server *server)
{
	const struct server_client *client = server_first(server);
	while (client && !client->watching)
		client = client->next;
	return client != NULL;
}

/* ------- from the daemon ----------------------------------------------------------------- */

static struct change *
change_new(struct changes *changes, const char *name)
{
	struct change **at = changes_find(changes, name);
	if (*at == NULL) {
		*at = calloc(1, sizeof **at);
		must(*at != NULL);
		(*at)->name = change_text(name);
		(*at)->line = change_text("");
		(*at)->tail = change_text("");
	}
	return *at;
}

static void
change_set(char **text, const char *to)
{
	free(*text);
	*text = change_text(to);
}

void
changes_put(struct server *server, const char *kind, const char *id, const char *reason,
    const char *keys, ...)
{
	char name[128], line[CHANGE_SIZE_MAX], tail[REASON_SIZE_MAX];
	va_list args;
	if (server == NULL)
		return;
	snprintf(name, sizeof name, "kind=%s id=%s", kind, id);
	int size = snprintf(line, sizeof line, "%s ", name);
	must(size > 0 && (size_t)size < sizeof name);
	va_start(args, keys);
	vsnprintf(line + size, sizeof line - (size_t)size, keys, args);
	va_end(args);
	struct change *change = change_new(server_changes(server), name);
	if (strcmp(change->line, line) == 0)
		return;
	snprintf(tail, sizeof tail, " time_ms=%" PRIu64 " reason=%s\n", wall_ms(), log_q(reason));
	change_set(&change->line, line);
	change_set(&change->tail, tail);
	for (struct server_client *client = server_first(server); client; client = client->next)
		if (client->watching && !client->closing)
			changes_send(client, change);
}

void
changes_forget(struct server *server, const char *kind, const char *id)
{
	char name[128];
	if (server == NULL)
		return;
	snprintf(name, sizeof name, "kind=%s id=%s", kind, id);
	struct change **at = changes_find(server_changes(server), name), *gone = *at;
	if (gone == NULL)
		return;
	*at = gone->next;
	change_free(gone);
}
