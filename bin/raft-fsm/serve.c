/* SPDX-License-Identifier: ISC */
/*
 * Answers about how things stand, and the door for queries, replies and orders.
 *
 * The commit index in an answer is that of now: raft-logd is asked first,
 * because a program that does not read also keeps the reader from hearing of it.
 */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/conn.h"
#include "unix/sock.h"
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

struct fsm_client {
	struct fsm_client *next;
	struct fsm_server *server;
	struct conn *conn; /* NULL: gone; asks hold the rest */
	size_t asks;
	bool greeted;
	bool waiting; /* for the answer to request */
	uint64_t request;
};

struct fsm_server {
	struct fsm *fsm;
	struct listener *listener;
	struct fsm_client *clients;
	size_t clients_count;
	uv_timer_t patience;
	char path[SOCK_PATH_MAX];
};

static void
serve_client_free(struct fsm_client *client)
{
	struct fsm_client **at = &client->server->clients;
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->server->clients_count--;
	conn_free(client->conn);
	client->conn = NULL;
	if (client->asks == 0)
		free(client);
}

/* ------- questions that wait ------------------------------------------------ */

void
ask_end(struct ask *ask)
{
	struct fsm_client *client = ask->client;
	client->asks--;
	if (client->conn && client->asks < ASKS_MAX && !conn_choked(client->conn))
		conn_pause(client->conn, false);
	if (client->conn == NULL && client->asks == 0)
		free(client);
	free(ask->data);
	free(ask);
}

void
ask_reply(
    const struct ask *ask, uint64_t serial, uint64_t index, uint8_t state, struct wire_bytes data)
{
	if (ask->client->conn == NULL)
		return;
	struct msg_fsm_reply reply = {ask->request, serial, index, state, data};
	msg_fsm_reply_put(conn_out(ask->client->conn), &reply);
}

void
ask_text(struct ask *ask, const char *text)
{
	struct msg_text_reply reply = {ask->request, wire_text(text)};
	if (ask->client->conn)
		msg_text_reply_put(conn_out(ask->client->conn), &reply);
	ask_end(ask);
}

void
ask_refuse(struct ask *ask, enum exit_status status, const char *sentence)
{
	struct msg_refusal refusal = {ask->request, (uint16_t)status, wire_text(sentence)};
	if (ask->client->conn)
		msg_refusal_put(conn_out(ask->client->conn), &refusal);
	ask_end(ask);
}

/* Who asks more than is answered is not read until it is. */
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
	ask->client = client;
	ask->kind = kind;
	ask->request = request;
	if (++client->asks >= ASKS_MAX || conn_choked(client->conn))
		conn_pause(client->conn, true);
	return ask;
}

static void
serve_give(struct ask *ask)
{
	struct fsm *fsm = ask->client->server->fsm;
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

/* False when it is malformed. */
static bool
take_ask(struct fsm_client *client, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_fsm_command command;
	struct msg_fsm_query query;
	struct msg_fsm_reply_get get;
	if (number == MSG_FSM_COMMAND && msg_fsm_command_get(&command, body, size)) {
		serve_give(ask_new(client, ASK_COMMAND, command.request, command.what));
	} else if (number == MSG_FSM_QUERY && msg_fsm_query_get(&query, body, size)) {
		struct ask *ask = ask_new(client, ASK_QUERY, query.request, query.data);
		ask->index = query.index;
		serve_give(ask);
	} else if (number == MSG_FSM_REPLY_GET && msg_fsm_reply_get_get(&get, body, size) &&
		   get.count <= REPLIES_ASKED_MAX) {
		struct ask *ask = ask_new(client, ASK_REPLIES, get.request, wire_text(""));
		ask->session = get.session;
		ask->serial = get.serial;
		ask->count = get.count;
		ask->first = get.index;
		ask->until = get.until;
		serve_give(ask);
	} else {
		return false;
	}
	return true;
}

/* Everybody who waits gets the line. */
static void
serve_answer(void *arg)
{
	struct fsm_server *server = arg;
	uv_timer_stop(&server->patience);
	char *line = fsm_status_line(server->fsm);
	for (struct fsm_client *client = server->clients; client; client = client->next) {
		if (!client->waiting)
			continue;
		client->waiting = false;
		struct msg_text_reply reply = {client->request, wire_text(line)};
		msg_text_reply_put(conn_out(client->conn), &reply);
	}
	free(line);
}

static void
serve_on_patience(uv_timer_t *timer)
{
	serve_answer(timer->data);
}

/* The connection stays: other questions of this client may wait for their answers. */
static void
serve_refuse(struct fsm_client *client, uint64_t request, const char *sentence)
{
	struct msg_refusal refusal = {request, EXIT_USAGE, wire_text(sentence)};
	msg_refusal_put(conn_out(client->conn), &refusal);
}

static void
serve_take_query(struct fsm_client *client, const uint8_t *body, size_t size)
{
	struct msg_query_text query;
	struct fsm_server *server = client->server;
	if (!msg_query_text_get(&query, body, size)) {
		log_warn("client", "why=%s", log_q("a malformed question"));
		serve_client_free(client);
		return;
	}
	if (query.what.size != strlen("status") ||
	    memcmp(query.what.bytes, "status", query.what.size) != 0) {
		serve_refuse(client, query.request, "raft-fsm tells of: status");
		return;
	}
	/* One question at a time of each. */
	if (client->waiting)
		serve_answer(server);
	client->waiting = true;
	client->request = query.request;
	if (uv_is_active((uv_handle_t *)&server->patience))
		return;
	if (source_probe(server->fsm->source, serve_answer, server))
		uv_timer_start(&server->patience, serve_on_patience, PROBE_MS, 0);
	else
		serve_answer(server);
}

static void
take_hello(struct fsm_client *client, const uint8_t *body, size_t size)
{
	uint8_t kind;
	struct fsm *fsm = client->server->fsm;
	struct msg_hello_reply reply = {.low = WIRE_VERSION_LOW,
	    .high = WIRE_VERSION_HIGH,
	    .node = fsm->conf->node.id,
	    .start = (uint64_t)getpid(),
	    .seen = fsm->mode->progress(fsm).delivered};
	if (!daemon_hello(client->conn, body, size, &kind, &reply.version))
		return;
	reply.cluster = source_cluster(fsm->source);
	client->greeted = true;
	msg_hello_reply_put(conn_out(client->conn), &reply);
}

static void
serve_on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct fsm_client *client = arg;
	(void)conn;
	if (!client->greeted && number == MSG_HELLO) {
		take_hello(client, body, size);
	} else if (client->greeted && number == MSG_QUERY_TEXT) {
		serve_take_query(client, body, size);
	} else if (client->greeted && number >= MSG_FSM_COMMAND && number <= MSG_FSM_REPLY_GET) {
		if (!take_ask(client, number, body, size)) {
			log_warn("client", "why=%s", log_q("a malformed question"));
			serve_client_free(client);
		}
	} else if (client->greeted) {
		serve_refuse(
		    client, frame_request(body, size), "raft-fsm does not know this request");
	} else {
		serve_refuse(client, 0, "the first frame must be a hello");
		conn_close_when_flushed(client->conn);
	}
}

static void
serve_on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)conn;
	log_debug("client", "why=%s", log_q(why));
	serve_client_free(arg);
}

static void
serve_on_drained(struct conn *conn, void *arg)
{
	struct fsm_client *client = arg;
	if (client->asks < ASKS_MAX)
		conn_pause(conn, false);
}

static const struct conn_calls conn_calls = {
    .frame = serve_on_frame, .closed = serve_on_closed, .drained = serve_on_drained};

static void
serve_on_accepted(int fd, void *arg)
{
	struct fsm_server *server = arg;
	if (server->clients_count >= CLIENTS_MAX) {
		log_warn("client", "why=%s",
		    log_q("too many ask for the status at once: one is sent away"));
		close(fd);
		return;
	}
	struct fsm_client *client = calloc(1, sizeof *client);
	must(client != NULL);
	client->server = server;
	client->conn = conn_new(server->fsm->loop, fd,
	    server->fsm->conf->elect.entry_max + FRAME_MORE, OUT_HIGH, &conn_calls, client);
	client->next = server->clients;
	server->clients = client;
	server->clients_count++;
}

/* Clients of the node's group may ask, else only its user. */
static int
listen_at(const struct conf *conf, const char *path, char *why)
{
	gid_t gid;
	if (!sock_group(conf->node.group, &gid, why))
		return -1;
	/* Whoever of the node's daemons comes first makes the folder. */
	if (mkdir(conf->node.run, conf->node.group ? 0750 : 0700) == 0 && conf->node.group &&
	    chown(conf->node.run, (uid_t)-1, gid) < 0)
		log_warn("run", "why=%s", log_q(strerror(errno)));
	return sock_listen(path, conf->node.group ? 0660 : 0600, gid, why);
}

struct fsm_server *
serve_new(struct fsm *fsm)
{
	char why[SOCK_WHY_SIZE];
	struct fsm_server *server = calloc(1, sizeof *server);
	must(server != NULL);
	server->fsm = fsm;
	if (!sock_path(server->path, fsm->conf->node.run, "fsm", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	int fd = listen_at(fsm->conf, server->path, why);
	if (fd < 0)
		daemon_die(exit_of_errno(errno), "%s", why);
	server->listener = listener_new(fsm->loop, fd, serve_on_accepted, server);
	uv_timer_init(loop_uv(fsm->loop), &server->patience);
	server->patience.data = server;
	return server;
}

static void
serve_on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
serve_free(struct fsm_server *server)
{
	if (server == NULL)
		return;
	unlink(server->path);
	listener_free(server->listener);
	while (server->clients)
		serve_client_free(server->clients);
	uv_close((uv_handle_t *)&server->patience, serve_on_timer_closed);
}
