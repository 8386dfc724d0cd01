/* SPDX-License-Identifier: ISC */
/*
 * The server of one socket in the run directory: connections, hello, and the handler of each
 * request.
 *
 * Whatever a client sends, it ends at most its own connection: a malformed request is refused and
 * the connection closed.  A request that is not in the table, or that this client may not make, is
 * refused and the connection stays.
 *
 * No client keeps the daemons of the node out.  A connection without a hello is closed after
 * SERVER_HELLO_MS, and earlier, the oldest first, when its place is needed.  Of those with a hello
 * clients_max are served, or fewer where the limit of open files is low; SERVER_RESERVED places
 * above that are for raft-elect, for raft-fsm, and for connections before their hello.
 *
 * Once a second the server looks whether the path still leads to its socket.  When the file or the
 * directory was removed, moved or covered, the socket is made again; when another process listens
 * there, this one ends with EXIT_RETRY.
 */
#ifndef LOCAL_SERVER_H
#define LOCAL_SERVER_H

#include "unix/conn.h"
#include "unix/exit.h"
#include "unix/sock.h"

enum { SERVER_HELLO_MS = 5000, SERVER_RESERVED = 16 };

struct changes;
struct server;

/* A connection.  A daemon's own struct begins with it (server_settings.client_size). */
struct server_client {
	struct server *server;
	struct conn *conn; /* NULL: the connection has ended, and references keep the struct */
	struct server_client *next, *prev;
	unsigned refs; /* server_client_ref */
	uint8_t kind;  /* enum wire_kind; 0: no hello yet */
	bool trusted;  /* a process of this user, or of root */
	uint32_t uid;  /* its user; UINT32_MAX: not known */
	bool closing;  /* refused: closed once that is written, and not read */
	bool watching; /* changes.h */
	uint64_t watch_request;
	uint64_t missed; /* changes that were not sent to it */
	struct mono_ms since;
};

enum server_permission { SERVER_ANYONE, SERVER_FSM, SERVER_ELECTOR };

struct server_request {
	uint16_t number;
	enum server_permission permission;
	/* False: malformed.  The client may be gone when it returns. */
	bool (*handle)(struct server_client *client, const uint8_t *body, size_t size);
};

/*
 * A daemon has one list of its requests, with R(NAME, name, who may ask, function) for each:
 * REQUESTS(SERVER_HANDLER) defines function_request, which decodes msg_name and calls
 *	bool function(struct DAEMON *arg, struct CLIENT *client, const struct msg_name *m)
 * with server_arg and the client; false: malformed.  {REQUESTS(SERVER_REQUEST){0}} is the table.
 */
#define SERVER_HANDLER(NAME, name, who, function)                                                  \
	static bool function##_request(                                                            \
	    struct server_client *client, const uint8_t *body, size_t size)                        \
	{                                                                                          \
		struct msg_##name m;                                                               \
		return msg_##name##_get(&m, body, size) &&                                         \
		       function(server_arg(client->server), (void *)client, &m);                   \
	}
#define SERVER_REQUEST(NAME, name, who, function) {MSG_##NAME, SERVER_##who, function##_request},

/* A question of query_text; one of the two functions. */
struct server_text {
	const char *what;
	/* Appends the answer.  arg: server_arg. */
	void (*put)(void *arg, struct wire_buf *text);
	/* Answers with server_text_reply or server_refuse, now or later. */
	void (*answer_later)(struct server_client *client, uint64_t request);
};

struct server_settings {
	const char *program; /* named in refusals */
	const char *run;     /* the directory; made when it is missing */
	const char *name;    /* of the socket */
	const char *group;   /* who may connect; NULL: this user only */
	size_t client_size;  /* of the daemon's struct, which is zeroed */
	size_t clients_max;
	size_t frame_max;
	size_t frame_max_others; /* of clients that are not trusted */
	size_t out_high;         /* conn.h */
	/* Each ends with an entry of zeros. */
	const struct server_request *requests;
	const struct server_text *texts;
	/*
	 * A client is admitted: its kind is set.  Fills in node, cluster, start and seen.  May drop
	 * other clients, not this one.
	 */
	void (*hello)(struct server_client *client, struct msg_hello_reply *reply);
	/* The hello_reply is queued.  May be NULL, as may the functions below. */
	void (*greeted)(struct server_client *client);
	/* After each request, unless the client is gone or refused. */
	void (*served)(struct server_client *client, uint16_t number);
	/* As in conn.h. */
	void (*drained)(struct server_client *client);
	/*
	 * Once a second while a client watches the changes: what is measured, as no event changes
	 * it, goes to changes_put.  arg: server_arg.
	 */
	void (*measure)(void *arg);
	/* An admitted client ends: nothing may refer to it afterwards unless it holds a reference.
	 * What is put into its conn is lost. */
	void (*closed)(struct server_client *client, const char *why);
};

/*
 * Listens, with the mode 0600, or 0660 and the group.  Copies the settings; what they point to must
 * outlive the server.  Errors: NULL with errno and one sentence in why (SOCK_WHY_SIZE).
 */
struct server *server_new(
    struct loop *loop, const struct server_settings *settings, void *arg, char *why);
/* The arg of server_new: the daemon. */
void *server_arg(const struct server *server);
/*
 * The daemon has begun to stop: it accepts connections still, and a socket that is lost now is left
 * to its successor.  Takes NULL.
 */
void server_yield(struct server *server);
/* Accepts no more connections and removes the socket, if it is still this one's; clients stay. */
void server_stop(struct server *server);
/* Writes what the connections take at once, ends them, and stops.  Takes NULL. */
void server_free(struct server *server);
/* What has changed: changes.h. */
struct changes *server_changes(const struct server *server);
/* A watch: of the changes, or refused. */
void server_watch(struct server_client *client, const struct msg_watch *m);
/* The first connection; the next one is client->next.  Those without a hello are among them. */
struct server_client *server_first(const struct server *server);
size_t server_count(const struct server *server);

/* The struct outlives the connection until each reference is given back. */
void server_client_ref(struct server_client *client);
void server_client_unref(struct server_client *client);
/* Ends the connection at once; what has not been read or written is lost.  Nothing when it has
 * ended. */
void server_client_drop(struct server_client *client, const char *why);
/* Moves it to the end of the list, so that the others come first.  Before: it has a conn. */
void server_client_last(struct server_client *client);

/* These answer; they do nothing when the connection has ended. */

/* request: 0 means the connection as a whole.  The caller keeps the sentence. */
void server_refuse(
    struct server_client *client, uint64_t request, enum exit_status status, const char *sentence);
/* Refuses the connection, logs that, and closes it once the refusal is written. */
void server_refuse_and_close(
    struct server_client *client, enum exit_status status, const char *sentence);
/* A text_reply.  Frees the text. */
void server_text_reply(struct server_client *client, uint64_t request, struct wire_buf *text);

#endif
