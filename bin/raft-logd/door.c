/* SPDX-License-Identifier: ISC */
/* Connections: accepting, hello, dispatch by a table. */
#include "door.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/unix/sock.h"
#include "incoming.h"
#include "local.h"
#include "logd.h"
#include "status.h"

/* What others than the daemons may send is small. */
enum { STRANGER_FRAME_MAX = 64 << 10, OUT_HIGH = 4 << 20 };

enum permission { ANYONE, FSM_ONLY, ELECTOR_ONLY };

/* Requests: message, who may ask, who answers (false: malformed). */
static const struct request {
	uint16_t number;
	enum permission permission;
	bool (*take)(struct logd *logd, struct peer *peer, const uint8_t *body, size_t size);
} requests[] = {
    {MSG_LOG_WRITE, ELECTOR_ONLY, elector_take_write},
    {MSG_LOG_COMMIT, ELECTOR_ONLY, elector_take_commit},
    {MSG_LOG_READ, ANYONE, reader_take},
    {MSG_SESSION_GET, ANYONE, status_take_session},
    {MSG_CURSOR_GET, ANYONE, cursors_take_get},
    {MSG_CURSOR_SET, FSM_ONLY, cursors_take_set},
    {MSG_QUERY_TEXT, ANYONE, status_take},
    {MSG_SNAP_OPEN, ANYONE, snapshots_take_open},
    {MSG_SNAP_READ, ANYONE, snapshots_take_read},
    {MSG_SNAP_PUT, ELECTOR_ONLY, incoming_take},
    {MSG_SNAP_PATH, FSM_ONLY, local_take_path},
    {MSG_SNAP_ADD, FSM_ONLY, local_take_add},
    {MSG_SNAP_FIND, FSM_ONLY, snapshots_take_find},
};

/* -------------------------------------------------------------- peers */

static void
unlink_peer(struct door *door, struct peer *peer)
{
	*(peer->before ? &peer->before->next : &door->first) = peer->next;
	*(peer->next ? &peer->next->before : &door->last) = peer->before;
	peer->next = peer->before = NULL;
	door->count--;
}

static void
link_last(struct door *door, struct peer *peer)
{
	peer->before = door->last;
	*(door->last ? &door->last->next : &door->first) = peer;
	door->last = peer;
	door->count++;
}

void
door_last(struct door *door, struct peer *peer)
{
	unlink_peer(door, peer);
	link_last(door, peer);
}

void
peer_drop(struct peer *peer)
{
	elector_gone(peer->logd, peer);
	cursors_forget(peer->logd, peer);
	reader_forget(peer);
	snapshots_forget(peer->logd, peer);
	incoming_forget(peer->logd, peer);
	unlink_peer(&peer->logd->door, peer);
	conn_free(peer->conn);
	free(peer);
}

void
peer_reject(struct peer *peer, const char *why)
{
	log_warn("reject", "kind=%d why=%s", peer->kind, log_q(why));
	peer_drop(peer);
}

void
peer_refuse(struct peer *peer, uint64_t request, enum exit_status status, const char *sentence)
{
	struct msg_refusal m = {
	    .request = request, .exit_status = (uint16_t)status, .sentence = wire_text(sentence)};
	msg_refusal_put(conn_out(peer->conn), &m);
}

/* ------------------------------------------------------------- frames */

static void
greet(struct peer *peer, const uint8_t *body, size_t size)
{
	struct logd *logd = peer->logd;
	uint16_t version;
	uint8_t kind;
	if (!daemon_hello(peer->conn, body, size, &kind, &version))
		return;
	bool owner = kind == WIRE_ELECTOR || kind == WIRE_FSM;
	if (owner && !peer->trusted) {
		peer_refuse(peer, 0, EXIT_FENCED, "only a process of this node's user may be its elector or its raft-fsm");
		conn_close_when_flushed(peer->conn);
		return;
	}
	peer->kind = kind;
	/* Before the reply: the old elector ends here, and the reply tells the truth from then on. */
	uint64_t start = kind == WIRE_ELECTOR ? elector_new(logd, peer) : logd->start_number;
	struct msg_hello_reply reply = {
	    .version = version,
	    .low = WIRE_VERSION_LOW,
	    .high = WIRE_VERSION_HIGH,
	    .node = logd->identity.node,
	    .start = start,
	    .seen = logd->rlog.commit.index,
	};
	memcpy(reply.cluster.b, logd->origin.cluster, sizeof reply.cluster.b);
	msg_hello_reply_put(conn_out(peer->conn), &reply);
	if (kind == WIRE_ELECTOR)
		elector_tell(logd);
}

static bool
permitted(const struct peer *peer, enum permission permission)
{
	if (permission == ELECTOR_ONLY)
		return peer->kind == WIRE_ELECTOR;
	if (permission == FSM_ONLY)
		return peer->kind == WIRE_FSM;
	return true;
}

static void
dispatch(struct peer *peer, uint16_t number, const uint8_t *body, size_t size)
{
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		if (requests[i].number != number)
			continue;
		if (!permitted(peer, requests[i].permission))
			peer_refuse(peer, frame_request(body, size), EXIT_FENCED, "this is for a daemon of the node to ask");
		else if (!requests[i].take(peer->logd, peer, body, size))
			peer_reject(peer, "it sent a malformed frame");
		return;
	}
	peer_refuse(peer, frame_request(body, size), EXIT_DATA, "raft-logd does not know this request");
}

static void
on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct peer *peer = arg;
	(void)conn;
	log_debug("frame", "name=%s size=%zu kind=%d", msg_name(number), size, peer->kind);
	if ((number == MSG_HELLO) != (peer->kind == 0))
		peer_reject(peer, peer->kind == 0 ? "its first frame was no hello" : "it said hello twice");
	else if (peer->kind == 0)
		greet(peer, body, size);
	else
		dispatch(peer, number, body, size);
}

static void
on_closed(struct conn *conn, const char *why, void *arg)
{
	(void)conn;
	log_debug("closed", "why=%s", log_q(why));
	peer_drop(arg);
}

static void
on_drained(struct conn *conn, void *arg)
{
	struct peer *peer = arg;
	(void)conn;
	tick_again(peer->logd);
}

static const struct conn_calls calls = {.frame = on_frame, .closed = on_closed, .drained = on_drained};

static void
on_accepted(int fd, void *arg)
{
	struct logd *logd = arg;
	struct peer *peer = calloc(1, sizeof *peer);
	must(peer != NULL);
	peer->logd = logd;
	peer->trusted = sock_peer_trusted(fd);
	peer->conn = conn_new(logd->daemon.loop, fd, peer->trusted ? FRAME_SIZE_MAX : STRANGER_FRAME_MAX, OUT_HIGH,
	    &calls, peer);
	link_last(&logd->door, peer);
}

/* ---------------------------------------------------------- listening */

static void
make_run_folder(const struct conf *conf, gid_t group)
{
	bool shared = group != (gid_t)-1;
	if (mkdir(conf->node.run, 0700) < 0) {
		if (errno != EEXIST)
			daemon_die(exit_of_errno(errno), "%s: cannot make the run directory: %s", conf->node.run, strerror(errno));
		return;
	}
	if (shared && (chown(conf->node.run, (uid_t)-1, group) < 0 || chmod(conf->node.run, 0750) < 0))
		daemon_die(exit_of_errno(errno), "%s: cannot give it to the group: %s", conf->node.run, strerror(errno));
}

void
door_open(struct logd *logd)
{
	const struct conf *conf = logd->daemon.conf;
	gid_t group;
	char why[SOCK_WHY_SIZE];
	if (!sock_group(conf->node.group, &group, why))
		daemon_die(exit_of_errno(errno), "%s", why);
	make_run_folder(conf, group);
	if (!sock_path(logd->door.path, conf->node.run, "log", why))
		daemon_die(EXIT_CONFIG, "%s", why);
	int fd = sock_listen(logd->door.path, group == (gid_t)-1 ? 0600 : 0660, group, why);
	if (fd < 0)
		daemon_die(exit_of_errno(errno), "%s", why);
	logd->door.listener = listener_new(logd->daemon.loop, fd, on_accepted, logd);
}

void
door_close(struct logd *logd)
{
	listener_free(logd->door.listener);
	unlink(logd->door.path);
	while (logd->door.first) {
		conn_flush(logd->door.first->conn);
		peer_drop(logd->door.first);
	}
}
