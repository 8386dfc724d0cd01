/* SPDX-License-Identifier: ISC */
/*
 * Answers about how things stand, and the door for queries, replies and orders.
 *
 * The commit index in an answer is that of now: raft-logd is asked first,
 * because a program that does not read also keeps the reader from hearing of it.
 */
#include "serve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "local/changes.h"
#include "unix/timer.h"
#include "ask.h"
#include "source.h"

enum {
	CLIENTS_MAX = 512,
	FRAME_MORE = 64 << 10, /* besides the data of a query, which is as an entry's */
	OUT_HIGH = 1 << 20,
	ASKS_MAX = 1024, /* of one client */
	REPLIES_ASKED_MAX = 1 << 20,
	PROBE_MS = 500 /* patience with raft-logd */
};

/* An ask holds a reference to its client. */
struct fsm_client {
	struct server_client base;
	size_t asks;
	bool waiting; /* for the answer to request */
	uint64_t request;
};

/* ------- questions that wait ------------------------------------------------ */

/* A client that has ASKS_MAX questions open, or does not take its answers, is not read. */
static void
client_resume(struct fsm_client *client)
{
	struct conn *conn = client->base.conn;
	if (conn && !client->base.closing && client->asks < ASKS_MAX && !conn_choked(conn))
		conn_pause(conn, false);
}

void
ask_end(struct ask *ask)
{
	struct fsm_client *client = ask->client;
	client->asks--;
	client_resume(client);
	server_client_unref(&client->base);
	free(ask->data);
	free(ask);
}

void
ask_reply(
    const struct ask *ask, uint64_t serial, uint64_t index, uint8_t state, struct wire_bytes data)
{
	struct conn *conn = ask->client->base.conn;
	struct msg_fsm_reply reply = {ask->request, serial, index, state, data};
	if (conn)
		msg_fsm_reply_put(conn_out(conn), &reply);
}

void
ask_text(struct ask *ask, const char *text)
{
	struct wire_buf lines = {0};
	wire_buf_put(&lines, text, strlen(text));
	server_text_reply(&ask->client->base, ask->request, &lines);
	ask_end(ask);
}

void
ask_refuse(struct ask *ask, enum exit_status status, const char *sentence)
{
	server_refuse(&ask->client->base, ask->request, status, sentence);
	ask_end(ask);
}

static struct ask *
ask_new(struct fsm_client *client, enum ask_kind kind, uint64_t request, struct wire_bytes data)
{
	struct ask *ask = calloc(1, sizeof *ask);
	must(ask != NULL);
	must((ask->data = malloc(data.size + 1)) != NULL);
	if (data.size)
		memcpy(ask->data, data.bytes, data.size);
	ask->data[data.size] = '\0';
	ask->size = data.size;
	server_client_ref(&client->base);
	ask->client = client;
	ask->kind = kind;
	ask->request = request;
	if (++client->asks >= ASKS_MAX || conn_choked(client->base.conn))
		conn_pause(client->base.conn, true);
	return ask;
}

static void
serve_give(struct fsm *fsm, struct ask *ask)
{
	if (ask->kind == ASK_COMMAND && strcmp((char *)ask->data, "restart") == 0) {
		fsm->mode->restart(fsm);
		ask_text(ask, "restarted\n");
	} else if (ask->kind == ASK_COMMAND && strcmp((char *)ask->data, "snapshot") != 0) {
		ask_refuse(ask, EXIT_USAGE, "raft-fsm knows the orders restart and snapshot");
	} else if (fsm->mode->ask == NULL) {
		ask_refuse(ask, EXIT_CONFIG,
		    "the program of this node has no replies: that takes fsm.mode: machine");
	} else {
		fsm->mode->ask(fsm, ask);
	}
}

/* ------- requests ------------------------------------------------------------ */

static bool
serve_command(struct fsm *fsm, struct fsm_client *client, const struct msg_fsm_command *m)
{
	serve_give(fsm, ask_new(client, ASK_COMMAND, m->request, m->what));
	return true;
}

static bool
serve_query(struct fsm *fsm, struct fsm_client *client, const struct msg_fsm_query *m)
{
	struct ask *ask = ask_new(client, ASK_QUERY, m->request, m->data);
	ask->index = m->index;
	serve_give(fsm, ask);
	return true;
}

static bool
serve_reply_get(struct fsm *fsm, struct fsm_client *client, const struct msg_fsm_reply_get *m)
{
	if (m->count > REPLIES_ASKED_MAX)
		return false;
	struct ask *ask = ask_new(client, ASK_REPLIES, m->request, wire_text(""));
	ask->session = m->session;
	ask->serial = m->serial;
	ask->count = m->count;
	ask->first = m->index;
	ask->until = m->until;
	serve_give(fsm, ask);
	return true;
}

static void
notice_lag(const struct fsm *fsm)
{
	uint64_t delivered = fsm->mode->delivered(fsm), commit = source_commit(fsm->source);
	changes_put(fsm->server, "lag", "", "committed entries that the program does not have",
	    "entries=%" PRIu64, commit > delivered ? commit - delivered : 0);
}

/* Everybody who waits gets the line. */
static void
serve_answer(void *arg)
{
	struct fsm *fsm = arg;
	timer_stop(fsm->status_wait);
	notice_lag(fsm);
	char *line = fsm_status_line(fsm);
	for (struct server_client *at = server_first(fsm->server); at; at = at->next) {
		struct fsm_client *client = (struct fsm_client *)at;
		struct wire_buf lines = {0};
		if (!client->waiting)
			continue;
		client->waiting = false;
		wire_buf_put(&lines, line, strlen(line));
		server_text_reply(at, client->request, &lines);
	}
	free(line);
}

static void
serve_probe(void *arg)
{
	struct fsm *fsm = arg;
	if (timer_active(fsm->status_wait))
		return;
	if (source_probe(fsm->source, serve_answer, fsm))
		timer_start(fsm->status_wait, PROBE_MS);
	else
		serve_answer(fsm);
}

static void
serve_status(struct server_client *server_client, uint64_t request)
{
	struct fsm *fsm = server_arg(server_client->server);
	struct fsm_client *client = (struct fsm_client *)server_client;
	/* One question at a time of each. */
	if (client->waiting)
		serve_answer(fsm);
	client->waiting = true;
	client->request = request;
	serve_probe(fsm);
}

/* ------- the socket ---------------------------------------------------------- */

/* Message, who may ask, who answers. */
#define REQUESTS(R)                                                                                \
	R(FSM_COMMAND, fsm_command, ANYONE, serve_command)                                         \
	R(FSM_QUERY, fsm_query, ANYONE, serve_query)                                               \
	R(FSM_REPLY_GET, fsm_reply_get, ANYONE, serve_reply_get)

REQUESTS(SERVER_HANDLER)

static const struct server_request requests[] = {REQUESTS(SERVER_REQUEST){0}};
static const struct server_text texts[] = {{"status", NULL, serve_status}, {0}};

static void
serve_hello(struct server_client *client, struct msg_hello_reply *reply)
{
	const struct fsm *fsm = server_arg(client->server);
	reply->node = fsm->conf->node.id;
	reply->cluster = source_cluster(fsm->source);
	reply->start = (uint64_t)getpid();
	reply->seen = fsm->mode->delivered(fsm);
}

static void
serve_drained(struct server_client *client)
{
	client_resume((struct fsm_client *)client);
}

void
fsm_serve_open(struct fsm *fsm)
{
	size_t frame_max = fsm->conf->elect.entry_max + FRAME_MORE;
	const struct server_settings settings = {
	    .program = "raft-fsm",
	    .run = fsm->conf->node.run,
	    .name = "fsm",
	    .group = fsm->conf->node.group,
	    .client_size = sizeof(struct fsm_client),
	    .clients_max = CLIENTS_MAX,
	    .frame_max = frame_max,
	    .frame_max_others = frame_max,
	    .out_high = OUT_HIGH,
	    .requests = requests,
	    .texts = texts,
	    .hello = serve_hello,
	    .measure = serve_probe,
	    .drained = serve_drained,
	};
	char why[SOCK_WHY_SIZE];
	fsm->server = server_new(fsm->loop, &settings, fsm, why);
	if (fsm->server == NULL)
		daemon_die(exit_of_errno(errno), "%s", why);
	fsm->status_wait = timer_new(fsm->loop, serve_answer, fsm);
	fsm_notice(fsm);
}
