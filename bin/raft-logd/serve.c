/* SPDX-License-Identifier: ISC */
/* Connections: accepting, hello, dispatch by a table. */
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/sock.h"
#include "snap_store.h"
#include "snap_take.h"
#include "logd.h"
#include "status.h"

/* What others than the daemons may send is small. */
enum { STRANGER_FRAME_MAX = 64 << 10, OUT_HIGH = 4 << 20 };

enum permission { ANYONE, FSM_ONLY, ELECTOR_ONLY };

/* Requests: message, who may ask, who answers (false: malformed). */
static const struct request {
	uint16_t number;
	enum permission permission;
	bool (*take)(
	    struct logd *logd, struct logd_client *client, const uint8_t *body, size_t size);
} requests[] = {
    {MSG_LOG_WRITE, ELECTOR_ONLY, elector_take_write},
    {MSG_LOG_COMMIT, ELECTOR_ONLY, elector_take_commit},
    {MSG_LOG_READ, ANYONE, reader_request},
    {MSG_SESSION_GET, ANYONE, status_take_session},
    {MSG_CURSOR_GET, ANYONE, cursors_take_get},
    {MSG_CURSOR_SET, FSM_ONLY, cursors_take_set},
    {MSG_QUERY_TEXT, ANYONE, status_take},
    {MSG_SNAP_OPEN, ANYONE, snapshots_take_open},
    {MSG_SNAP_READ, ANYONE, snapshots_take_read},
    {MSG_SNAP_PUT, ELECTOR_ONLY, snap_store_piece},
    {MSG_SNAP_PATH, FSM_ONLY, snap_take_path},
    {MSG_SNAP_ADD, FSM_ONLY, snap_take_add},
    {MSG_SNAP_FIND, FSM_ONLY, snapshots_take_find},
};

/* -------------------------------------------------------------- peers */

static void
unlink_peer(struct logd_server *server, struct logd_client *client)
{
	*(client->before ? &client->before->next : &server->first) = client->next;
	*(client->next ? &client->next->before : &server->last) = client->before;
	client->next = client->before = NULL;
	server->count--;
}

static void
link_last(struct logd_server *server, struct logd_client *client)
{
	client->before = server->last;
	*(server->last ? &server->last->next : &server->first) = client;
	server->last = client;
	server->count++;
}

void
serve_last(struct logd_server *server, struct logd_client *client)
{
	unlink_peer(server, client);
	link_last(server, client);
}

void
logd_client_drop(struct logd_client *client)
{
	elector_gone(client->logd, client);
	cursors_forget(client->logd, client);
	reader_forget(client);
	snapshots_forget(client->logd, client);
	snap_store_forget(client->logd, client);
	unlink_peer(&client->logd->server, client);
	conn_free(client->conn);
	free(client);
}

void
logd_client_reject(struct logd_client *client, const char *why)
{
	log_warn("reject", "kind=%d why=%s", client->kind, log_q(why));
	logd_client_drop(client);
}

void
logd_client_refuse(
    struct logd_client *client, uint64_t request, enum exit_status status, const char *sentence)
{
	struct msg_refusal m = {
	    .request = request, .exit_status = (uint16_t)status, .sentence = wire_text(sentence)};
	msg_refusal_put(conn_out(client->conn), &m);
}

/* ------------------------------------------------------------- frames */

static void
serve_greet(struct logd_client *client, const uint8_t *body, size_t size)
{
	struct logd *logd = client->logd;
	uint16_t version;
	uint8_t kind;
	if (!daemon_hello(client->conn, body, size, &kind, &version))
		return;
	bool owner = kind == WIRE_ELECTOR || kind == WIRE_FSM;
	if (owner && !client->trusted) {
		logd_client_refuse(client, 0, EXIT_FENCED,
		    "only a process of this node's user may be its elector or its raft-fsm");
		conn_close_when_flushed(client->conn);
		return;
	}
	client->kind = kind;
	/*
	 * Before the reply: the old elector ends here, and the reply tells the truth from then on.
	 */
	uint64_t start = kind == WIRE_ELECTOR ? elector_new(logd, client) : logd->start_number;
	struct msg_hello_reply reply = {
	    .version = version,
	    .low = WIRE_VERSION_LOW,
	    .high = WIRE_VERSION_HIGH,
	    .node = logd->identity.node,
	    .start = start,
	    .seen = logd->rlog.commit.index,
	};
	reply.cluster = logd->origin.cluster;
	msg_hello_reply_put(conn_out(client->conn), &reply);
	if (kind == WIRE_ELECTOR)
		elector_tell(logd);
}

static bool
serve_permitted(const struct logd_client *client, enum permission permission)
{
	if (permission == ELECTOR_ONLY)
		return client->kind == WIRE_ELECTOR;
	if (permission == FSM_ONLY)
		return client->kind == WIRE_FSM;
	return true;
}

static void
serve_dispatch(struct logd_client *client, uint16_t number, const uint8_t *body, size_t size)
{
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (requests[i].number != number)
			continue;
		if (!serve_permitted(client, requests[i].permission))
			logd_client_refuse(client, frame_request(body, size), EXIT_FENCED,
			    "this is for a daemon of the node to ask");
		else if (!requests[i].take(client->logd, client, body, size))
			logd_client_reject(client, "it sent a malformed frame");
		return;
	}
	logd_client_refuse(
	    client, frame_request(body, size), EXIT_DATA, "raft-logd does not know this request");
}

static void
serve_on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct logd_client *client = arg;
	(void)conn;
	log_debug("frame", "name=%s size=%zu kind=%d", msg_name(number), size, client->kind);
	if ((number == MSG_HELLO) != (client->kind == 0))
		logd_client_reject(client,
		    client->kind == 0 ? "its first frame was no hello" : "it said hello twice");
	else if (client->kind == 0)
		serve_greet(client, body, size);
	else
		serve_dispatch(client, number, body, size);
}

static void
serve_on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)conn;
	log_debug("closed", "why=%s", log_q(why));
	logd_client_drop(arg);
}

static void
serve_on_drained(struct conn *conn, void *arg)
{
	struct logd_client *client = arg;
	(void)conn;
	logd_turn_again(client->logd);
}

static const struct conn_calls calls = {
    .frame = serve_on_frame, .closed = serve_on_closed, .drained = serve_on_drained};

static void
serve_on_accepted(int fd, void *arg)
{
	struct logd *logd = arg;
	struct logd_client *client = calloc(1, sizeof *client);
	must(client != NULL);
	client->logd = logd;
	client->trusted = sock_peer_trusted(fd);
	client->conn = conn_new(logd->daemon.loop, fd,
	    client->trusted ? FRAME_SIZE_MAX : STRANGER_FRAME_MAX, OUT_HIGH, &calls, client);
	link_last(&logd->server, client);
}

/* ---------------------------------------------------------- listening */

static void
make_run_folder(const struct conf *conf, gid_t group)
{
	bool shared = group != (gid_t)-1;
	if (mkdir(conf->node.run, 0700) < 0) {
		if (errno != EEXIST)
			daemon_die(exit_of_errno(errno), "%s: cannot make the run directory: %s",
			    conf->node.run, strerror(errno));
		return;
	}
	if (shared &&
	    (chown(conf->node.run, (uid_t)-1, group) < 0 || chmod(conf->node.run, 0750) < 0))
		daemon_die(exit_of_errno(errno), "%s: cannot give it to the group: %s",
		    conf->node.run, strerror(errno));
}

void
serve_open(struct logd *logd)
{
	const struct conf *conf = logd->daemon.conf;
	gid_t group;
	char why[SOCK_WHY_SIZE];
	if (!sock_group(conf->node.group, &group, why))
		daemon_die(exit_of_errno(errno), "%s", why);
	make_run_folder(conf, group);
	if (!sock_path(logd->server.path, conf->node.run, "log", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	int fd = sock_listen(logd->server.path, group == (gid_t)-1 ? 0600 : 0660, group, why);
	if (fd < 0)
		daemon_die(exit_of_errno(errno), "%s", why);
	logd->server.listener = listener_new(logd->daemon.loop, fd, serve_on_accepted, logd);
}

void
serve_close(struct logd *logd)
{
	listener_free(logd->server.listener);
	unlink(logd->server.path);
	while (logd->server.first) {
		conn_flush(logd->server.first->conn);
		logd_client_drop(logd->server.first);
	}
}
