/* SPDX-License-Identifier: ISC */
/*
 * A stand-in for raft-logd towards raft-fsm: the lines of a file as committed entries.
 *
 *   fake-logd SOCKET NODE FILE [FIRST]
 *
 * Index 1 is a no-op, every line after it an entry of the client kind, and after each
 * thousand of them comes another no-op.  Some lines are other entries:
 *
 *   @level NUMBER
 *   @contract line|netstring FIELDS REPLY_MAX ENTRY_MAX FORMAT    FIELDS: time,origin,chain or -
 *   @lines DATA                                                   of a client: a newline for each |
 *   @stamp MS UID DATA                                            of a client, with this stamp
 *
 * The file may grow.  FIRST: what lies before it is
 * compacted away; it is read anew from the file SOCKET.first when there is one, so that a test can
 * move it.  The lines of a file SOCKET.more are added when a snapshot is looked for.  Cursors are
 * kept in SOCKET.cursor.  This shows what a real raft-logd can't be brought to do in a test: gaps,
 * and exact places of a stop.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/fields.h"
#include "raft/bytes.h"
#include "seal/seal.h"
#include "unix/conn.h"
#include "unix/exit.h"
#include "unix/log.h"
#include "unix/sock.h"

enum { POLL_MS = 20, NOOP_EVERY = 1000, WAITING_MAX = 16 };

struct peer {
	struct conn *conn;
	struct peer *next;
	struct msg_log_read waiting[WAITING_MAX];
	size_t waiting_count;
};

static struct {
	struct loop *loop;
	struct raft_id node;
	const char *socket;
	FILE *lines;
	struct wire_buf log; /* records */
	size_t *at;          /* where the record of index i begins: at[i - 1] */
	uint64_t count, room;
	uint64_t first;
	uint64_t level;
	struct wire_buf contracts; /* records of a message contracts */
	struct peer *peers;
	uv_timer_t timer;
} fake = {.first = 1, .level = 1};

static const struct raft_hash cluster = {{1}};

static void
add_stamped(enum raft_kind kind, const struct raft_stamp *stamp, const void *data, size_t size)
{
	if (fake.count == fake.room) {
		fake.room = fake.room ? fake.room * 2 : 1024;
		fake.at = realloc(fake.at, fake.room * sizeof *fake.at);
		must(fake.at != NULL);
	}
	fake.at[fake.count++] = fake.log.size;
	static const struct raft_sid none;
	uint8_t *header =
	    wire_buf_add(&fake.log, RAFT_ENTRY_HEADER_SIZE + (stamp ? RAFT_STAMP_SIZE : 0));
	raft_entry_header(header, 1, kind, &none, fake.count, (uint32_t)size);
	if (stamp)
		raft_entry_header_stamp(header, stamp);
	wire_buf_put(&fake.log, data, size);
}

static void
add(enum raft_kind kind, const void *data, size_t size)
{
	add_stamped(kind, NULL, data, size);
}

static void
add_contract(char *text)
{
	char framing[16], fields[FIELDS_TEXT_SIZE];
	uint8_t bytes[RAFT_CONTRACT_SIZE_MAX];
	struct raft_contract_at at = {0};
	struct raft_contract *contract = &at.contract;
	unsigned long long reply_max, entry_max;
	must(sscanf(text, "%15s %23s %llu %llu %63s", framing, fields, &reply_max, &entry_max,
		 contract->format) == 5);
	contract->framing =
	    strcmp(framing, "line") == 0 ? RAFT_CONTRACT_LINE : RAFT_CONTRACT_NETSTRING;
	must(fields_parse(&contract->fields, strcmp(fields, "-") == 0 ? "" : fields));
	contract->reply_max = reply_max;
	contract->entry_max = entry_max;
	size_t size = raft_contract_encode(contract, bytes);
	add(RAFT_CONTRACT, bytes, size);
	at.index = fake.count;
	wire_contract_put(&fake.contracts, &at);
}

static void
add_level(char *text)
{
	uint8_t bytes[8];
	fake.level = strtoull(text, NULL, 10);
	bytes_put_u64(bytes, fake.level);
	add(RAFT_LEVEL, bytes, sizeof bytes);
}

static void
add_with_stamp(char *text)
{
	struct raft_stamp stamp = {.node = fake.node};
	stamp.time = strtoull(text, &text, 10);
	stamp.uid = (uint32_t)strtoul(text, &text, 10);
	add_stamped(RAFT_CLIENT, &stamp, text + 1, strlen(text + 1));
}

static void
add_lines(char *text)
{
	for (char *bar; (bar = strchr(text, '|'));)
		*bar = '\n';
	add(RAFT_CLIENT, text, strlen(text));
}

/* False: it is data. */
static bool
add_special(char *line)
{
	static const struct {
		const char *word;
		void (*add)(char *text);
	} words[] = {{"@level ", add_level}, {"@contract ", add_contract}, {"@lines ", add_lines},
	    {"@stamp ", add_with_stamp}};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strncmp(line, words[i].word, strlen(words[i].word)) == 0) {
			words[i].add(line + strlen(words[i].word));
			return true;
		}
	}
	return false;
}

static void
read_lines(void)
{
	static char *line;
	static size_t room;
	clearerr(fake.lines);
	for (;;) {
		long before = ftell(fake.lines);
		ssize_t size = getline(&line, &room, fake.lines);
		if (size <= 0)
			return;
		if (line[size - 1] != '\n') {
			fseek(fake.lines, before, SEEK_SET);
			return;
		}
		line[size - 1] = '\0';
		if (line[0] != '@' || !add_special(line))
			add(RAFT_CLIENT, line, (size_t)size - 1);
		if (fake.count % NOOP_EVERY == 0)
			add(RAFT_NOOP, NULL, 0);
	}
}

static size_t
end_of(uint64_t index)
{
	return index < fake.count ? fake.at[index] : fake.log.size;
}

static void
serve(struct peer *peer, const struct msg_log_read *read)
{
	uint64_t from = read->from < fake.first ? fake.first : read->from;
	struct msg_log_entries m = {.request = read->request,
	    .first_index = from,
	    .first_available = fake.first,
	    .commit = fake.count};
	uint64_t last = from - 1;
	size_t start = from <= fake.count ? fake.at[from - 1] : 0;
	while (last < fake.count && m.count < read->count_max &&
	       (m.count == 0 || end_of(last + 1) - start <= read->size_max)) {
		last++;
		m.count++;
	}
	if (m.count)
		m.entries = (struct wire_bytes){fake.log.bytes + start, end_of(last) - start};
	else
		m.entries = wire_text("");
	msg_log_entries_put(conn_out(peer->conn), &m);
}

static void
take_read(struct peer *peer, const struct msg_log_read *read)
{
	if (read->wait && read->from > fake.count && peer->waiting_count < WAITING_MAX)
		peer->waiting[peer->waiting_count++] = *read;
	else
		serve(peer, read);
}

static void
tell_chain(struct conn *conn, const struct msg_chain_get *get)
{
	struct msg_chain m = {.request = get->request, .hash = cluster};
	m.found = get->index + 1 >= fake.first && get->index <= fake.count;
	for (uint64_t i = 1; m.found && i <= get->index; i++) {
		struct raft_entry entry;
		size_t start = fake.at[i - 1];
		must(raft_entry_decode(&entry, NULL, fake.log.bytes + start, end_of(i) - start));
		m.hash = seal_chain(&m.hash, i, &entry);
	}
	msg_chain_put(conn_out(conn), &m);
}

/* One cursor is enough. */
static uint64_t
cursor(const uint64_t *set)
{
	char path[SOCK_PATH_MAX + 16];
	unsigned long long index = 0;
	snprintf(path, sizeof path, "%s.cursor", fake.socket);
	FILE *file = fopen(path, set ? "w" : "r");
	if (file == NULL)
		return 0;
	if (set)
		fprintf(file, "%llu\n", (unsigned long long)*set);
	else if (fscanf(file, "%llu", &index) != 1)
		index = 0;
	fclose(file);
	return set ? *set : index;
}

static void
take_more(void)
{
	char path[SOCK_PATH_MAX + 16];
	snprintf(path, sizeof path, "%s.more", fake.socket);
	FILE *before = fake.lines, *more = fopen(path, "r");
	if (more == NULL)
		return;
	fake.lines = more;
	read_lines();
	fclose(more);
	fake.lines = before;
	unlink(path);
}

/* The newest snapshot is named in a file: index, format, path. */
static void
snap_find(struct conn *conn, uint64_t request)
{
	char path[SOCK_PATH_MAX + 16], format[64] = "", where[1024] = "";
	unsigned long long index = 0;
	struct stat st = {0};
	snprintf(path, sizeof path, "%s.snap", fake.socket);
	FILE *file = fopen(path, "r");
	bool found = file && fscanf(file, "%llu %63s %1023s", &index, format, where) == 3;
	if (file)
		fclose(file);
	if (found && stat(where, &st) < 0)
		st.st_size = 0;
	struct msg_snap_found m = {
	    request, found, {index, 1}, (uint64_t)st.st_size, wire_text(format), wire_text(where)};
	msg_snap_found_put(conn_out(conn), &m);
}

static void
snap_path(struct conn *conn, uint64_t request)
{
	static unsigned count;
	char path[SOCK_PATH_MAX + 32];
	snprintf(path, sizeof path, "%s.snap.%u", fake.socket, ++count);
	msg_snap_path_reply_put(
	    conn_out(conn), &(struct msg_snap_path_reply){request, wire_text(path)});
}

static void
snap_add(struct conn *conn, const struct msg_snap_add *add)
{
	char path[SOCK_PATH_MAX + 16];
	snprintf(path, sizeof path, "%s.snap", fake.socket);
	FILE *file = fopen(path, "w");
	if (file == NULL)
		err(EXIT_OS, "%s", path);
	fprintf(file, "%llu %.*s %.*s\n", (unsigned long long)add->index, (int)add->format.size,
	    (const char *)add->format.bytes, (int)add->path.size, (const char *)add->path.bytes);
	fclose(file);
	msg_snap_added_put(conn_out(conn),
	    &(struct msg_snap_added){add->request, true, add->index, wire_text("")});
}

/* False: none of these. */
static bool
take_snap(struct conn *conn, uint16_t number, const uint8_t *body, size_t size)
{
	struct msg_snap_find find;
	struct msg_snap_path path;
	struct msg_snap_add add;
	struct msg_snap_read read;
	if (number == MSG_SNAP_FIND && msg_snap_find_get(&find, body, size)) {
		take_more();
		snap_find(conn, find.request);
	} else if (number == MSG_SNAP_PATH && msg_snap_path_get(&path, body, size))
		snap_path(conn, path.request);
	else if (number == MSG_SNAP_ADD && msg_snap_add_get(&add, body, size))
		snap_add(conn, &add);
	else if (number == MSG_SNAP_READ && msg_snap_read_get(&read, body, size) &&
		 read.size_max == 0)
		msg_snap_data_put(conn_out(conn), &(struct msg_snap_data){.request = read.request});
	else
		return false;
	return true;
}

static void
on_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_log_read read;
	struct msg_cursor_get get;
	struct msg_cursor_set set;
	struct msg_contracts_get contracts;
	struct msg_chain_get chain;
	if (number == MSG_HELLO) {
		struct msg_hello_reply reply = {1, 1, 1, fake.node, cluster, 1, fake.count};
		msg_hello_reply_put(conn_out(conn), &reply);
	} else if (number == MSG_LOG_READ && msg_log_read_get(&read, body, size)) {
		take_read(arg, &read);
	} else if (number == MSG_CURSOR_GET && msg_cursor_get_get(&get, body, size)) {
		msg_cursor_put(conn_out(conn), &(struct msg_cursor){get.request, cursor(NULL)});
	} else if (number == MSG_CURSOR_SET && msg_cursor_set_get(&set, body, size)) {
		msg_cursor_put(
		    conn_out(conn), &(struct msg_cursor){set.request, cursor(&set.index)});
	} else if (number == MSG_CHAIN_GET && msg_chain_get_get(&chain, body, size)) {
		tell_chain(conn, &chain);
	} else if (number == MSG_CONTRACTS_GET && msg_contracts_get_get(&contracts, body, size)) {
		msg_contracts_put(
		    conn_out(conn), &(struct msg_contracts){contracts.request, fake.level,
					{fake.contracts.bytes, fake.contracts.size}});
	} else if (!take_snap(conn, number, body, size)) {
		errx(EXIT_BUG, "fake-logd: an unexpected %s", msg_name(number));
	}
}

static void
on_closed(struct conn *conn, const char *why, void *arg)
{
	struct peer **at = &fake.peers;
	(void)why;
	while (*at != arg)
		at = &(*at)->next;
	*at = (*at)->next;
	conn_free(conn);
	free(arg);
}

static const struct conn_calls conn_calls = {.frame = on_frame, .closed = on_closed};

static void
on_accepted(int fd, void *arg)
{
	struct peer *peer = calloc(1, sizeof *peer);
	(void)arg;
	must(peer != NULL);
	peer->conn = conn_new(fake.loop, fd, FRAME_SIZE_MAX, 16 << 20, &conn_calls, peer);
	peer->next = fake.peers;
	fake.peers = peer;
}

static void
read_first(void)
{
	char path[SOCK_PATH_MAX + 16];
	unsigned long long first;
	snprintf(path, sizeof path, "%s.first", fake.socket);
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return;
	if (fscanf(file, "%llu", &first) == 1)
		fake.first = first;
	fclose(file);
}

static void
on_timer(uv_timer_t *timer)
{
	(void)timer;
	read_lines();
	read_first();
	for (struct peer *peer = fake.peers; peer; peer = peer->next) {
		size_t count = peer->waiting_count;
		peer->waiting_count = 0;
		for (size_t i = 0; i < count; i++)
			take_read(peer, &peer->waiting[i]);
	}
}

int
main(int argc, char **argv)
{
	char why[SOCK_WHY_SIZE];
	if (argc < 4 || !raft_id_parse(&fake.node, argv[2]))
		errx(EXIT_USAGE, "usage: fake-logd SOCKET NODE FILE [FIRST]");
	fake.socket = argv[1];
	if (argc > 4)
		fake.first = strtoull(argv[4], NULL, 10);
	fake.lines = fopen(argv[3], "r");
	if (fake.lines == NULL)
		err(EXIT_OS, "%s", argv[3]);
	add(RAFT_NOOP, NULL, 0);
	read_lines();
	read_first();
	fake.loop = loop_new();
	int fd = sock_listen(fake.socket, 0600, (gid_t)-1, why);
	if (fd < 0)
		errx(EXIT_OS, "%s", why);
	listener_new(fake.loop, fd, on_accepted, NULL);
	uv_timer_init(loop_uv(fake.loop), &fake.timer);
	uv_timer_start(&fake.timer, on_timer, POLL_MS, POLL_MS);
	loop_run(fake.loop);
	return 0;
}
