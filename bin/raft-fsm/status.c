/* SPDX-License-Identifier: ISC */
/*
 * Answers about how things stand.
 *
 * The commit index in an answer is that of now: raft-logd is asked first,
 * because a program that does not read also keeps the reader from hearing of it.
 */
#include "status.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/unix/conn.h"
#include "../../lib/unix/sock.h"
#include "reader.h"

enum {
	CLIENTS_MAX = 64,
	FRAME_MAX = 64 << 10, /* questions are short */
	OUT_HIGH = 256 << 10,
	PROBE_MS = 500 /* patience with raft-logd */
};

struct client {
	struct client *next;
	struct status *status;
	struct conn *conn;
	bool greeted;
	bool waiting; /* for the answer to request */
	uint64_t request;
};

struct status {
	struct fsm *fsm;
	struct listener *listener;
	struct client *clients;
	size_t clients_count;
	uv_timer_t patience;
	char path[SOCK_PATH_MAX];
};

static void
client_free(struct client *client)
{
	struct client **at = &client->status->clients;
	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	client->status->clients_count--;
	conn_free(client->conn);
	free(client);
}

/* Everybody who waits gets the line. */
static void
answer(void *arg)
{
	struct status *status = arg;
	uv_timer_stop(&status->patience);
	char *line = fsm_status_line(status->fsm);
	for (struct client *client = status->clients; client; client = client->next) {
		if (!client->waiting)
			continue;
		client->waiting = false;
		struct msg_text_reply reply = {client->request, wire_text(line)};
		msg_text_reply_put(conn_out(client->conn), &reply);
	}
	free(line);
}

static void
on_patience(uv_timer_t *timer)
{
	answer(timer->data);
}

static void
refuse(struct client *client, uint64_t request, const char *sentence)
{
	struct msg_refusal refusal = {request, EXIT_USAGE, wire_text(sentence)};
	msg_refusal_put(conn_out(client->conn), &refusal);
	conn_close_when_flushed(client->conn);
}

static void
take_query(struct client *client, const uint8_t *body, size_t size)
{
	struct msg_query_text query;
	struct status *status = client->status;
	if (!msg_query_text_get(&query, body, size)) {
		log_warn("client", "why=%s", log_q("a malformed question"));
		client_free(client);
		return;
	}
	if (query.what.size != strlen("status") || memcmp(query.what.bytes, "status", query.what.size) != 0) {
		refuse(client, query.request, "raft-fsm answers \"status\" only");
		return;
	}
	/* One question at a time of each. */
	if (client->waiting)
		answer(status);
	client->waiting = true;
	client->request = query.request;
	if (uv_is_active((uv_handle_t *)&status->patience))
		return;
	if (reader_probe(status->fsm->reader, answer, status))
		uv_timer_start(&status->patience, on_patience, PROBE_MS, 0);
	else
		answer(status);
}

static void
take_hello(struct client *client, const uint8_t *body, size_t size)
{
	uint8_t kind;
	struct fsm *fsm = client->status->fsm;
	struct msg_hello_reply reply = {.low = WIRE_VERSION_LOW,
	    .high = WIRE_VERSION_HIGH,
	    .node = fsm->conf->node.id,
	    .start = (uint64_t)getpid(),
	    .seen = fsm->mode->progress(fsm).delivered};
	if (!daemon_hello(client->conn, body, size, &kind, &reply.version))
		return;
	memcpy(reply.cluster.b, reader_cluster(fsm->reader), sizeof reply.cluster.b);
	client->greeted = true;
	msg_hello_reply_put(conn_out(client->conn), &reply);
}

static void
on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct client *client = arg;
	(void)conn;
	if (!client->greeted && number == MSG_HELLO)
		take_hello(client, body, size);
	else if (client->greeted && number == MSG_QUERY_TEXT)
		take_query(client, body, size);
	else
		refuse(client, 0, client->greeted ? "raft-fsm answers no such request" : "a hello comes first");
}

static void
on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)conn;
	log_debug("client", "why=%s", log_q(why));
	client_free(arg);
}

static const struct conn_calls conn_calls = {.frame = on_frame, .closed = on_closed};

static void
on_accepted(int fd, void *arg)
{
	struct status *status = arg;
	if (status->clients_count >= CLIENTS_MAX) {
		log_warn("client", "why=%s", log_q("too many ask for the status at once: one is sent away"));
		close(fd);
		return;
	}
	struct client *client = calloc(1, sizeof *client);
	must(client != NULL);
	client->status = status;
	client->conn = conn_new(status->fsm->loop, fd, FRAME_MAX, OUT_HIGH, &conn_calls, client);
	client->next = status->clients;
	status->clients = client;
	status->clients_count++;
}

/* Clients of the node's group may ask, else only its user. */
static int
listen_at(const struct conf *conf, const char *path, char *why)
{
	gid_t gid = (gid_t)-1;
	if (conf->node.group) {
		struct group *group = getgrnam(conf->node.group);
		if (group == NULL)
			daemon_die(EXIT_CONFIG, "node.group: there is no group %s", conf->node.group);
		gid = group->gr_gid;
	}
	/* Whoever of the node's daemons comes first makes the folder. */
	if (mkdir(conf->node.run, conf->node.group ? 0750 : 0700) == 0 && conf->node.group &&
	    chown(conf->node.run, (uid_t)-1, gid) < 0)
		log_warn("run", "why=%s", log_q(strerror(errno)));
	return sock_listen(path, conf->node.group ? 0660 : 0600, gid, why);
}

struct status *
status_new(struct fsm *fsm)
{
	char why[SOCK_WHY_SIZE];
	struct status *status = calloc(1, sizeof *status);
	must(status != NULL);
	status->fsm = fsm;
	if (!sock_path(status->path, fsm->conf->node.run, "fsm", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	int fd = listen_at(fsm->conf, status->path, why);
	if (fd < 0)
		daemon_die(EXIT_OS, "%s", why);
	status->listener = listener_new(fsm->loop, fd, on_accepted, status);
	uv_timer_init(loop_uv(fsm->loop), &status->patience);
	status->patience.data = status;
	return status;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
status_free(struct status *status)
{
	if (status == NULL)
		return;
	unlink(status->path);
	listener_free(status->listener);
	while (status->clients)
		client_free(status->clients);
	uv_close((uv_handle_t *)&status->patience, on_timer_closed);
}
