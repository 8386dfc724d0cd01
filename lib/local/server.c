/* SPDX-License-Identifier: ISC */
/* Listening, connections, hello, dispatch by a table. */
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unix/log.h"
#include "changes.h"

enum { LOOK_MS = 1000, DESCRIPTORS_KEPT = 64 };

struct server {
	struct loop *loop;
	struct server_settings settings;
	void *arg;
	char path[SOCK_PATH_MAX];
	gid_t gid;
	struct stat socket;        /* the file, as it was made */
	struct listener *listener; /* NULL: stopped */
	bool yields;               /* a lost socket is not made again */
	bool lost;                 /* reported: the socket is lost and cannot be made again */
	struct server_client *first, *last;
	size_t count;
	size_t strangers; /* of them, those without a hello */
	size_t clients_max;
	struct changes *changes;
	uv_timer_t timer;
};

/* ------------------------------------------------------------ clients */

static void
client_unlink(struct server_client *client)
{
	struct server *server = client->server;
	*(client->prev ? &client->prev->next : &server->first) = client->next;
	*(client->next ? &client->next->prev : &server->last) = client->prev;
	client->next = client->prev = NULL;
}

static void
client_append(struct server_client *client)
{
	struct server *server = client->server;
	client->prev = server->last;
	*(server->last ? &server->last->next : &server->first) = client;
	server->last = client;
}

void
server_client_last(struct server_client *client)
{
	must(client->conn != NULL);
	client_unlink(client);
	client_append(client);
}

void
server_client_ref(struct server_client *client)
{
	client->refs++;
}

void
server_client_unref(struct server_client *client)
{
	must(client->refs > 0);
	if (--client->refs == 0)
		free(client);
}

void
server_client_drop(struct server_client *client, const char *why)
{
	struct server *server = client->server;
	if (client->conn == NULL)
		return;
	log_debug("client", "kind=%d state=closed why=%s", client->kind, log_q(why));
	if (client->kind == 0)
		server->strangers--;
	else if (server->settings.closed)
		server->settings.closed(client, why);
	must(server->count > 0);
	client_unlink(client);
	server->count--;
	conn_free(client->conn);
	client->conn = NULL;
	server_client_unref(client);
}

/* ------------------------------------------------------------ answers */

void
server_refuse(
    struct server_client *client, uint64_t request, enum exit_status status, const char *sentence)
{
	if (client->conn)
		msg_refusal_put(conn_out(client->conn),
		    &(struct msg_refusal){request, (uint16_t)status, wire_text(sentence)});
}

static void
client_close_when_flushed(struct server_client *client)
{
	client->closing = true;
	conn_close_when_flushed(client->conn);
}

void
server_refuse_and_close(struct server_client *client, enum exit_status status, const char *sentence)
{
	if (client->conn == NULL || client->closing)
		return;
	log_warn("client", "kind=%d state=refused why=%s", client->kind, log_q(sentence));
	server_refuse(client, 0, status, sentence);
	client_close_when_flushed(client);
}

void
server_text_reply(struct server_client *client, uint64_t request, struct wire_buf *text)
{
	if (client->conn)
		msg_text_reply_put(conn_out(client->conn),
		    &(struct msg_text_reply){
			request, {text->bytes ? text->bytes : (const uint8_t *)"", text->size}});
	wire_buf_free(text);
}

/* ----------------------------------------------------------- requests */

static bool
client_permitted(const struct server_client *client, enum server_permission permission)
{
	return permission == SERVER_ANYONE ||
	       client->kind == (permission == SERVER_FSM ? WIRE_FSM : WIRE_ELECTOR);
}

static const struct server_text *
text_find(const struct server_settings *settings, struct wire_bytes what)
{
	for (const struct server_text *text = settings->texts; text->what; text++)
		if (wire_text_is(what, text->what))
			return text;
	return NULL;
}

static void
refuse_text(struct server_client *client, uint64_t request)
{
	const struct server_settings *settings = &client->server->settings;
	char why[256];
	int size = snprintf(why, sizeof why, "%s answers no query but", settings->program);
	for (const struct server_text *text = settings->texts; text->what; text++)
		size += snprintf(why + size, sizeof why - (size_t)size, "%s %s",
		    text == settings->texts ? ":" : ",", text->what);
	server_refuse(client, request, EXIT_USAGE, why);
}

static bool
text_handle(struct server_client *client, const uint8_t *body, size_t size)
{
	struct msg_query_text query;
	struct wire_buf text = {0};
	if (!msg_query_text_get(&query, body, size))
		return false;
	const struct server_text *found = text_find(&client->server->settings, query.what);
	if (found == NULL) {
		refuse_text(client, query.request);
	} else if (found->answer_later) {
		found->answer_later(client, query.request);
	} else {
		found->put(client->server->arg, &text);
		server_text_reply(client, query.request, &text);
	}
	return true;
}

void
server_watch(struct server_client *client, const struct msg_watch *m)
{
	char why[128];
	if (wire_text_is(m->what, "changes")) {
		changes_watch(client, m->request);
		return;
	}
	snprintf(why, sizeof why, "of %s only its changes can be watched",
	    client->server->settings.program);
	server_refuse(client, m->request, EXIT_USAGE, why);
}

static bool
watch_handle(struct server_client *client, const uint8_t *body, size_t size)
{
	struct msg_watch m;
	if (!msg_watch_get(&m, body, size))
		return false;
	server_watch(client, &m);
	return true;
}

/* Those of the daemon come first. */
static const struct server_request *
request_find(const struct server_settings *settings, uint16_t number)
{
	static const struct server_request common[] = {
	    {MSG_QUERY_TEXT, SERVER_ANYONE, text_handle}, {MSG_WATCH, SERVER_ANYONE, watch_handle}};
	for (const struct server_request *at = settings->requests; at->number; at++)
		if (at->number == number)
			return at;
	for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
		if (common[i].number == number)
			return &common[i];
	return NULL;
}

static void
request_dispatch(struct server_client *client, uint16_t number, const uint8_t *body, size_t size)
{
	const struct server_settings *settings = &client->server->settings;
	const struct server_request *request = request_find(settings, number);
	char why[128];
	if (request == NULL) {
		snprintf(why, sizeof why, "%s does not know this request", settings->program);
		server_refuse(client, frame_request(body, size), EXIT_USAGE, why);
	} else if (!client_permitted(client, request->permission)) {
		server_refuse(client, frame_request(body, size), EXIT_FENCED,
		    "only a daemon of this node may make this request");
	} else if (!request->handle(client, body, size)) {
		snprintf(why, sizeof why, "a malformed %s", msg_name(number));
		server_refuse_and_close(client, EXIT_DATA, why);
	}
}

/* -------------------------------------------------------------- hello */

/* The highest version that both speak; 0: there is none. */
static uint16_t
hello_version(const struct msg_hello *hello)
{
	uint16_t high = hello->high < WIRE_VERSION_HIGH ? hello->high : WIRE_VERSION_HIGH;
	return high < hello->low || high < WIRE_VERSION_LOW ? 0 : high;
}

/* Below how many clients one of this kind is admitted.  No raft-fsm may keep raft-elect out. */
static size_t
admitted_max(const struct server *server, uint8_t kind)
{
	if (kind == WIRE_ELECTOR)
		return server->clients_max + SERVER_RESERVED;
	return server->clients_max + (kind == WIRE_FSM ? SERVER_RESERVED / 2 : 0);
}

static bool
hello_admitted(struct server_client *client, uint8_t kind)
{
	const struct server *server = client->server;
	if ((kind == WIRE_ELECTOR || kind == WIRE_FSM) && !client->trusted) {
		server_refuse_and_close(client, EXIT_FENCED,
		    "only a process of this node's user, or of root, may be its raft-elect or "
		    "raft-fsm");
		return false;
	}
	if (server->count - server->strangers >= admitted_max(server, kind)) {
		server_refuse_and_close(
		    client, EXIT_RETRY, "too many clients are connected: try again later");
		return false;
	}
	return true;
}

static void
hello_handle(struct server_client *client, const uint8_t *body, size_t size)
{
	const struct server_settings *settings = &client->server->settings;
	struct msg_hello hello;
	struct msg_hello_reply reply = {.low = WIRE_VERSION_LOW, .high = WIRE_VERSION_HIGH};
	if (!msg_hello_get(&hello, body, size) || hello.low > hello.high || hello.kind == 0) {
		server_refuse_and_close(client, EXIT_DATA, "a malformed hello");
		return;
	}
	reply.version = hello_version(&hello);
	if (reply.version == 0) {
		msg_hello_reply_put(conn_out(client->conn), &reply);
		client_close_when_flushed(client);
		return;
	}
	if (!hello_admitted(client, hello.kind))
		return;
	must(client->server->strangers > 0);
	client->kind = hello.kind;
	client->server->strangers--;
	settings->hello(client, &reply);
	msg_hello_reply_put(conn_out(client->conn), &reply);
	if (settings->greeted)
		settings->greeted(client);
}

/* -------------------------------------------------------- connections */

static void
client_on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct server_client *client = arg;
	const struct server_settings *settings = &client->server->settings;
	(void)conn;
	if (client->closing)
		return;
	log_debug("frame", "name=%s size=%zu kind=%d", msg_name(number), size, client->kind);
	server_client_ref(client);
	if ((number == MSG_HELLO) != (client->kind == 0))
		server_refuse_and_close(client, EXIT_DATA,
		    client->kind ? "a second hello" : "the first frame must be a hello");
	else if (client->kind == 0)
		hello_handle(client, body, size);
	else
		request_dispatch(client, number, body, size);
	if (settings->served && client->conn && !client->closing)
		settings->served(client, number);
	server_client_unref(client);
}

static void
client_on_closed(struct conn *conn, const char *why, void *arg)
{
	struct server_client *client = arg;
	if (conn_malformed(conn))
		log_warn("client", "kind=%d state=refused why=%s", client->kind, log_q(why));
	server_client_drop(client, why);
}

static void
client_on_drained(struct conn *conn, void *arg)
{
	struct server_client *client = arg;
	(void)conn;
	changes_drained(client);
	if (client->server->settings.drained)
		client->server->settings.drained(client);
}

static struct server_client *
oldest_stranger(const struct server *server)
{
	struct server_client *client = server->first;
	while (client && client->kind)
		client = client->next;
	return client;
}

/* Unless its hello has come and was not read yet. */
static void
stranger_drop(struct server_client *client, const char *why)
{
	server_client_ref(client);
	conn_read_now(client->conn);
	if (client->kind == 0)
		server_client_drop(client, why);
	server_client_unref(client);
}

static void
drop_late_strangers(struct server *server)
{
	uint64_t now_ms = mono_now().ms;
	for (struct server_client *client;
	     (client = oldest_stranger(server)) && now_ms - client->since.ms >= SERVER_HELLO_MS;)
		stranger_drop(client, "no hello came in time");
}

static void
server_on_accepted(int fd, void *arg)
{
	static const struct conn_calls calls = {
	    client_on_frame, client_on_closed, client_on_drained};
	struct server *server = arg;
	const struct server_settings *settings = &server->settings;
	while (server->strangers > 0 && server->count >= server->clients_max + SERVER_RESERVED)
		stranger_drop(oldest_stranger(server), "no hello came, and its place is needed");
	struct server_client *client = calloc(1, settings->client_size);
	must(client != NULL);
	client->server = server;
	client->refs = 1;
	client->trusted = sock_peer_trusted(fd, &client->uid);
	client->since = mono_now();
	client->conn = conn_new(server->loop, fd,
	    client->trusted ? settings->frame_max : settings->frame_max_others, settings->out_high,
	    &calls, client);
	client_append(client);
	server->count++;
	server->strangers++;
}

struct server_client *
server_first(const struct server *server)
{
	return server->first;
}

size_t
server_count(const struct server *server)
{
	return server->count;
}

struct changes *
server_changes(const struct server *server)
{
	return server->changes;
}

void *
server_arg(const struct server *server)
{
	return server->arg;
}

/* ---------------------------------------------------------- listening */

static bool
run_fail(const char *run, const char *what, char *why)
{
	int error = errno;
	snprintf(why, SOCK_WHY_SIZE, "%s: %s: %s", run, what, strerror(error));
	errno = error;
	return false;
}

/* The first daemon of the node makes it. */
static bool
run_make(const struct server *server, char *why)
{
	const char *run = server->settings.run;
	if (mkdir(run, 0700) < 0)
		return errno == EEXIST || run_fail(run, "cannot make the run directory", why);
	if (server->settings.group &&
	    (chown(run, (uid_t)-1, server->gid) < 0 || chmod(run, 0750) < 0))
		return run_fail(run, "cannot give it to the group", why);
	return true;
}

static bool
server_listen(struct server *server, char *why)
{
	if (!run_make(server, why))
		return false;
	int fd = sock_listen(server->path, server->settings.group ? 0660 : 0600, server->gid, why);
	if (fd < 0)
		return false;
	/* If it is gone already, the next look tells. */
	if (lstat(server->path, &server->socket) < 0)
		server->socket = (struct stat){0};
	server->listener = listener_new(server->loop, fd, server_on_accepted, server);
	return true;
}

static bool
socket_is_ours(const struct server *server)
{
	struct stat st;
	return lstat(server->path, &st) == 0 && st.st_dev == server->socket.st_dev &&
	       st.st_ino == server->socket.st_ino;
}

static void
socket_make_again(struct server *server)
{
	struct listener *old = server->listener;
	char why[SOCK_WHY_SIZE];
	if (server_listen(server, why)) {
		listener_free(old);
		server->lost = false;
		log_warn("socket", "path=%s why=%s", log_q(server->path),
		    log_q("it was removed or replaced, and has been made again"));
	} else if (errno == EADDRINUSE) {
		log_error("exit", "status=%d why=%s", EXIT_RETRY, log_q(why));
		exit(EXIT_RETRY);
	} else if (!server->lost) {
		server->lost = true;
		log_warn("socket", "why=%s", log_q(why));
	}
}

static void
server_on_timer(uv_timer_t *timer)
{
	struct server *server = timer->data;
	drop_late_strangers(server);
	if (server->settings.measure && changes_watched(server))
		server->settings.measure(server->arg);
	if (server->listener && !server->yields && !socket_is_ours(server))
		socket_make_again(server);
}

/* A limit above what the process may open would let clients take what the daemon needs. */
static size_t
clients_limit(size_t wanted)
{
	size_t kept = DESCRIPTORS_KEPT + SERVER_RESERVED;
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted + kept)
		return wanted;
	return limit.rlim_cur > kept ? (size_t)limit.rlim_cur - kept : 1;
}

struct server *
server_new(struct loop *loop, const struct server_settings *settings, void *arg, char *why)
{
	struct server *server = calloc(1, sizeof *server);
	must(server != NULL);
	must(settings->client_size >= sizeof(struct server_client));
	server->loop = loop;
	server->settings = *settings;
	server->arg = arg;
	server->clients_max = clients_limit(settings->clients_max);
	if (!sock_group(settings->group, &server->gid, why) ||
	    !sock_path(server->path, settings->run, settings->name, why) ||
	    !server_listen(server, why)) {
		int error = errno;
		free(server);
		errno = error;
		return NULL;
	}
	server->changes = changes_new();
	must(uv_timer_init(loop_uv(loop), &server->timer) == 0);
	server->timer.data = server;
	uv_timer_start(&server->timer, server_on_timer, LOOK_MS, LOOK_MS);
	return server;
}

void
server_yield(struct server *server)
{
	if (server)
		server->yields = true;
}

void
server_stop(struct server *server)
{
	if (server->listener == NULL)
		return;
	/* While it listens no successor takes the path, so what is removed is ours. */
	if (socket_is_ours(server))
		unlink(server->path);
	listener_free(server->listener);
	server->listener = NULL;
}

static void
server_on_timer_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;
	changes_free(server->changes);
	free(server);
}

void
server_free(struct server *server)
{
	if (server == NULL)
		return;
	server_stop(server);
	while (server->first) {
		conn_flush(server->first->conn);
		server_client_drop(server->first, "the daemon stops");
	}
	uv_close((uv_handle_t *)&server->timer, server_on_timer_closed);
}
