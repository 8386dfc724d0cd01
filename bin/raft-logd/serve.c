/* SPDX-License-Identifier: ISC */
/* The requests of the socket, and what a connection's beginning and end mean. */
#include "serve.h"

#include <errno.h>

#include "contracts.h"
#include "logd.h"
#include "snap_store.h"
#include "snap_take.h"
#include "status.h"

/* What others than the daemons may send is small. */
enum { CLIENTS_MAX = 1024, OTHERS_FRAME_MAX = 64 << 10, OUT_HIGH = 4 << 20 };

/* Message, who may ask, who answers. */
#define REQUESTS(R)                                                                                \
	R(LOG_WRITE, log_write, ELECTOR, elector_take_write)                                       \
	R(LOG_COMMIT, log_commit, ELECTOR, elector_take_commit)                                    \
	R(LOG_READ, log_read, ANYONE, reader_request)                                              \
	R(SESSION_GET, session_get, ANYONE, status_take_session)                                   \
	R(CHAIN_GET, chain_get, ANYONE, contracts_take_chain)                                      \
	R(CONTRACTS_GET, contracts_get, ANYONE, contracts_take_get)                                \
	R(CURSOR_GET, cursor_get, ANYONE, cursors_take_get)                                        \
	R(CURSOR_SET, cursor_set, FSM, cursors_take_set)                                           \
	R(SNAP_OPEN, snap_open, ANYONE, snapshots_take_open)                                       \
	R(SNAP_READ, snap_read, ANYONE, snapshots_take_read)                                       \
	R(SNAP_PUT, snap_put, ELECTOR, snap_store_piece)                                           \
	R(SNAP_PATH, snap_path, FSM, snap_take_path)                                               \
	R(SNAP_ADD, snap_add, FSM, snap_take_add)                                                  \
	R(SNAP_FIND, snap_find, FSM, snapshots_take_find)

REQUESTS(SERVER_HANDLER)

static const struct server_request requests[] = {REQUESTS(SERVER_REQUEST){0}};
static const struct server_text texts[] = {{"status", status_put, NULL},
    {"sessions", status_put_sessions, NULL}, {"cursors", status_put_cursors, NULL},
    {"contract", contracts_put, NULL}, {0}};

static void
serve_hello(struct server_client *client, struct msg_hello_reply *reply)
{
	struct logd *logd = server_arg(client->server);
	reply->node = logd->identity.node;
	reply->cluster = logd->origin.cluster;
	/* The old elector ends here, and the reply is true from then on. */
	reply->start =
	    client->kind == WIRE_ELECTOR ? elector_new(logd, (void *)client) : logd->start_number;
	reply->seen = logd->rlog.commit.index;
}

static void
serve_greeted(struct server_client *client)
{
	if (client->kind == WIRE_ELECTOR)
		elector_tell(server_arg(client->server));
}

static void
serve_drained(struct server_client *client)
{
	logd_turn_again(server_arg(client->server));
}

static void
serve_closed(struct server_client *server_client, const char *why)
{
	struct logd *logd = server_arg(server_client->server);
	struct logd_client *client = (struct logd_client *)server_client;
	(void)why;
	elector_gone(logd, client);
	cursors_forget(logd, client);
	reader_forget(client);
	snapshots_forget(logd, client);
	snap_store_forget(logd, client);
}

/* While nothing is written, the room is measured for the clients that watch. */
static void
serve_measure(void *arg)
{
	space_look(arg);
}

void
serve_open(struct logd *logd)
{
	const struct conf *conf = logd->daemon.conf;
	const struct server_settings settings = {
	    .program = "raft-logd",
	    .run = conf->node.run,
	    .name = "log",
	    .group = conf->node.group,
	    .client_size = sizeof(struct logd_client),
	    .clients_max = CLIENTS_MAX,
	    .frame_max = FRAME_SIZE_MAX,
	    .frame_max_others = OTHERS_FRAME_MAX,
	    .out_high = OUT_HIGH,
	    .requests = requests,
	    .texts = texts,
	    .measure = serve_measure,
	    .hello = serve_hello,
	    .greeted = serve_greeted,
	    .drained = serve_drained,
	    .closed = serve_closed,
	};
	char why[SOCK_WHY_SIZE];
	logd->server = server_new(logd->daemon.loop, &settings, logd, why);
	if (logd->server == NULL)
		daemon_die(exit_of_errno(errno), "%s", why);
	space_notice(logd);
}

struct logd_client *
serve_next(const struct logd *logd, const struct logd_client *client)
{
	return (struct logd_client *)(client ? client->base.next : server_first(logd->server));
}
