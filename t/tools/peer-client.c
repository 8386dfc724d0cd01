/* SPDX-License-Identifier: ISC */
/*
 * peer-client: plays raft-elect towards raft-peerd.
 *
 *   peer-client talk RUN NAME MEMBERS      commands on stdin, events on stdout (below)
 *   peer-client status RUN                 the status lines
 *   peer-client raw RUN HEX                those bytes after a hello as client; what comes back is
 * named peer-client flood PORT COUNT           connections that speak SP and then say nothing,
 * until killed peer-client bench RUN1 ID1 RUN2 ID2 NAME MEMBERS ROUNDS SIZE WINDOW
 *
 * NAME and MEMBERS make the cluster id and the configuration.  Commands of talk:
 *   append TO N SIZE | burst TO FIRST COUNT SIZE | beat TO N | vote TO N | propose TO N | bulk TO N
 * SIZE config NAME MEMBERS | raw HEX | pause | go | report | quit Events: "recv FROM KIND N", "lost
 * PEER", "closed WHY"; of appends only what is odd, "out-of-order FROM N after M", and with report
 * "appends FROM count=C first=F last=L".
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conf/conf.h"
#include "seal/channel.h"
#include "unix/conn.h"
#include "unix/sock.h"
#include "wire/message.h"

enum { SIZE_MAX_FRAME = 32 << 20, OUT_HIGH = 64 << 20, WORDS_MAX = 8 };

static struct loop *loop;

/* ------- towards raft-peerd ------------------------------------------------- */

static void
put_hello(struct conn *conn)
{
	struct msg_hello hello = {
	    WIRE_VERSION_LOW, WIRE_VERSION_HIGH, WIRE_ELECTOR, wire_text("peer-client")};
	msg_hello_put(conn_out(conn), &hello);
}

static void
put_config(struct conn *conn, const char *name, const char *path)
{
	char why[CONF_WHY_SIZE];
	struct raft_config members;
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	struct msg_peer_config config;
	if (!conf_read_members(path, &members, NULL, why))
		errx(78, "%s", why);
	config.cluster = seal_cluster_id(name, &members);
	config.index = 0;
	config.config = (struct wire_bytes){bytes, raft_config_encode(&members, bytes)};
	msg_peer_config_put(conn_out(conn), &config);
}

static void
put_send(struct conn *conn, const char *to, enum wire_class class, const struct wire_buf *frame)
{
	struct msg_peer_send send = {
	    .class = (uint8_t) class, .frame = {frame->bytes, frame->size}};
	if (!raft_id_parse(&send.to, to))
		errx(64, "%s: not an id", to);
	msg_peer_send_put(conn_out(conn), &send);
}

/* n: numbers it; size: of the records, which are not looked at by raft-peerd. */
static void
put_append(struct conn *conn, const char *to, enum wire_class class, uint64_t n, size_t size)
{
	struct wire_buf frame = {0};
	uint8_t *records = calloc(1, size + 1);
	struct msg_raft_append append = {.term = n, .count = size > 0, .entries = {records, size}};
	msg_raft_append_put(&frame, &append);
	put_send(conn, to, class, &frame);
	wire_buf_free(&frame);
	free(records);
}

static void
put_vote(struct conn *conn, const char *to, uint64_t n)
{
	struct wire_buf frame = {0};
	struct msg_raft_vote vote = {.term = n};
	msg_raft_vote_put(&frame, &vote);
	put_send(conn, to, WIRE_CONSENSUS, &frame);
	wire_buf_free(&frame);
}

static void
put_propose(struct conn *conn, const char *to, uint64_t n)
{
	struct wire_buf frame = {0};
	struct msg_raft_propose propose = {.term = n};
	msg_raft_propose_put(&frame, &propose);
	put_send(conn, to, WIRE_CONSENSUS, &frame);
	wire_buf_free(&frame);
}

/* The number that put_append and its kind have given it. */
static uint64_t
number_of(struct wire_bytes frame)
{
	return frame.size >= FRAME_HEADER_SIZE + 8 ? bytes_get_u64(frame.bytes + FRAME_HEADER_SIZE)
						   : 0;
}

static struct conn *
dial(const char *run, const struct conn_calls *calls, void *arg)
{
	char path[SOCK_PATH_MAX], why[SOCK_WHY_SIZE];
	if (!sock_path(path, run, "peer", why))
		errx(78, "%s", why);
	int fd = sock_connect(path, why);
	if (fd < 0)
		errx(69, "%s", why);
	struct conn *conn = conn_new(loop, fd, SIZE_MAX_FRAME, OUT_HIGH, calls, arg);
	put_hello(conn);
	return conn;
}

/* ------- talk ------------------------------------------------------------------ */

struct series {
	struct raft_id from;
	uint64_t count, first, last;
};

static struct {
	struct conn *conn;
	struct series series[RAFT_MEMBERS_MAX];
	size_t series_count;
	uv_poll_t poll;
	char line[4096];
	size_t line_size;
} talk;

static struct series *
series_of(const struct raft_id *from)
{
	for (size_t i = 0; i < talk.series_count; i++)
		if (raft_id_equal(&talk.series[i].from, from))
			return &talk.series[i];
	must(talk.series_count < RAFT_MEMBERS_MAX);
	talk.series[talk.series_count] = (struct series){.from = *from};
	return &talk.series[talk.series_count++];
}

static void
on_append(const struct msg_peer_recv *m)
{
	struct series *s = series_of(&m->from);
	uint64_t n = number_of(m->frame);
	if (s->count == 0)
		s->first = n;
	else if (n <= s->last)
		printf("out-of-order %s %" PRIu64 " after %" PRIu64 "\n", m->from.s, n, s->last);
	s->count++;
	s->last = n;
}

static void
on_recv(const uint8_t *body, size_t size)
{
	struct msg_peer_recv m;
	struct msg_raft_append append;
	if (!msg_peer_recv_get(&m, body, size) || m.frame.size < FRAME_HEADER_SIZE)
		errx(65, "a malformed peer_recv");
	uint16_t number = bytes_get_u16(m.frame.bytes + 4);
	if (number == MSG_RAFT_APPEND &&
	    msg_raft_append_get(
		&append, m.frame.bytes + FRAME_HEADER_SIZE, m.frame.size - FRAME_HEADER_SIZE) &&
	    append.count > 0)
		on_append(&m);
	else
		printf("recv %s %s %" PRIu64 "\n", m.from.s,
		    number == MSG_RAFT_APPEND ? "beat" : msg_name(number), number_of(m.frame));
}

static void
on_talk_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_peer_lost lost;
	struct msg_refusal refusal;
	(void)conn;
	(void)arg;
	if (number == MSG_PEER_RECV)
		on_recv(body, size);
	else if (number == MSG_PEER_LOST && msg_peer_lost_get(&lost, body, size))
		printf("lost %s\n", lost.peer.s);
	else if (number == MSG_REFUSAL && msg_refusal_get(&refusal, body, size))
		printf("refused %u %.*s\n", refusal.exit_status, (int)refusal.sentence.size,
		    refusal.sentence.bytes);
	else
		printf("%s\n", msg_name(number));
	fflush(stdout);
}

static void
on_talk_closed(struct conn *conn, const char *why, void *arg)
{
	(void)arg;
	printf("closed %s\n", why);
	conn_free(conn);
	fflush(stdout);
	exit(0);
}

static uint64_t
num(const char *word)
{
	return word ? strtoull(word, NULL, 10) : 0;
}

static void
put_raw(struct conn *conn, const char *hex)
{
	for (; hex && hex[0] && hex[1]; hex += 2) {
		char pair[3] = {hex[0], hex[1], 0};
		*wire_buf_add(conn_out(conn), 1) = (uint8_t)strtoul(pair, NULL, 16);
	}
}

static void
report(void)
{
	for (size_t i = 0; i < talk.series_count; i++)
		printf("appends %s count=%" PRIu64 " first=%" PRIu64 " last=%" PRIu64 "\n",
		    talk.series[i].from.s, talk.series[i].count, talk.series[i].first,
		    talk.series[i].last);
	printf("reported\n");
	fflush(stdout);
}

static void
run_command(char *line)
{
	char *words[WORDS_MAX] = {0}, *save = NULL;
	size_t count = 0;
	for (char *w = strtok_r(line, " \n", &save); w && count < WORDS_MAX;
	     w = strtok_r(NULL, " \n", &save))
		words[count++] = w;
	const char *verb = count ? words[0] : "";
	if (strcmp(verb, "append") == 0)
		put_append(talk.conn, words[1], WIRE_CONSENSUS, num(words[2]), num(words[3]));
	else if (strcmp(verb, "bulk") == 0)
		put_append(talk.conn, words[1], WIRE_BULK, num(words[2]), num(words[3]));
	else if (strcmp(verb, "burst") == 0)
		for (uint64_t i = 0; i < num(words[3]); i++)
			put_append(
			    talk.conn, words[1], WIRE_CONSENSUS, num(words[2]) + i, num(words[4]));
	else if (strcmp(verb, "beat") == 0)
		put_append(talk.conn, words[1], WIRE_CONSENSUS, num(words[2]), 0);
	else if (strcmp(verb, "vote") == 0)
		put_vote(talk.conn, words[1], num(words[2]));
	else if (strcmp(verb, "propose") == 0)
		put_propose(talk.conn, words[1], num(words[2]));
	else if (strcmp(verb, "config") == 0)
		put_config(talk.conn, words[1], words[2]);
	else if (strcmp(verb, "raw") == 0)
		put_raw(talk.conn, words[1]);
	else if (strcmp(verb, "pause") == 0 || strcmp(verb, "go") == 0)
		conn_pause(talk.conn, verb[0] == 'p');
	else if (strcmp(verb, "report") == 0)
		report();
	else if (strcmp(verb, "quit") == 0)
		exit(0);
	else
		errx(64, "%s: no such command", verb);
}

static void
on_stdin(uv_poll_t *poll, int status, int events)
{
	(void)poll;
	(void)status;
	(void)events;
	ssize_t got = read(0, talk.line + talk.line_size, sizeof talk.line - 1 - talk.line_size);
	if (got == 0)
		exit(0);
	if (got < 0)
		return;
	talk.line_size += (size_t)got;
	talk.line[talk.line_size] = '\0';
	char *end;
	while ((end = strchr(talk.line, '\n')) != NULL) {
		*end = '\0';
		run_command(talk.line);
		talk.line_size -= (size_t)(end + 1 - talk.line);
		memmove(talk.line, end + 1, talk.line_size + 1);
	}
}

static const struct conn_calls talk_calls = {on_talk_frame, on_talk_closed, NULL};

static int
run_talk(char **argv)
{
	talk.conn = dial(argv[0], &talk_calls, NULL);
	put_config(talk.conn, argv[1], argv[2]);
	fcntl(0, F_SETFL, O_NONBLOCK);
	if (uv_poll_init(loop_uv(loop), &talk.poll, 0) != 0)
		errx(71, "stdin must be a pipe");
	uv_poll_start(&talk.poll, UV_READABLE, on_stdin);
	loop_run(loop);
	return 0;
}

/* ------- bench -------------------------------------------------------------------- */

enum { SAMPLES_MAX = 1 << 20 };

static struct {
	struct conn *conns[2];
	const char *ids[2];
	uint64_t rounds, window, sent, back;
	size_t size;
	uint64_t *sent_ns;
	uint64_t *took_ns;
	uint64_t started_ns;
	bool going;
	bool seen[2];
	double cpu_before[2];
} bench;

static double
cpu_of(struct conn *conn)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	char path[64], stat[1024];
	unsigned long user = 0, system = 0;
	getsockopt(conn_fd(conn), SOL_SOCKET, SO_PEERCRED, &peer, &size);
	snprintf(path, sizeof path, "/proc/%d/stat", (int)peer.pid);
	FILE *f = fopen(path, "r");
	if (f == NULL || fgets(stat, sizeof stat, f) == NULL)
		err(71, "%s", path);
	fclose(f);
	char *after = strrchr(stat, ')');
	if (after == NULL ||
	    sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		&system) != 2)
		errx(71, "%s: malformed", path);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void
bench_fill(void)
{
	while (bench.sent < bench.rounds && bench.sent - bench.back < bench.window) {
		bench.sent_ns[bench.sent] = uv_hrtime();
		put_append(bench.conns[0], bench.ids[1], WIRE_CONSENSUS, ++bench.sent, bench.size);
	}
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void
bench_end(void)
{
	double seconds = (double)(uv_hrtime() - bench.started_ns) / 1e9;
	double cpu = cpu_of(bench.conns[0]) - bench.cpu_before[0] + cpu_of(bench.conns[1]) -
		     bench.cpu_before[1];
	qsort(bench.took_ns, bench.rounds, sizeof *bench.took_ns, compare);
	printf("rounds=%" PRIu64 " size=%zu window=%" PRIu64
	       " seconds=%.3f per_s=%.0f p50_us=%.0f p99_us=%.0f "
	       "peerd_cpu_us_per_round=%.2f\n",
	    bench.rounds, bench.size, bench.window, seconds, (double)bench.rounds / seconds,
	    (double)bench.took_ns[bench.rounds / 2] / 1e3,
	    (double)bench.took_ns[bench.rounds * 99 / 100] / 1e3, cpu * 1e6 / (double)bench.rounds);
	exit(0);
}

/* An append at the second node is answered by a small reply, as a follower would. */
static void
on_bench_recv(size_t side, struct wire_bytes frame)
{
	if (!bench.going) {
		bench.seen[side] = true;
		if (bench.seen[0] && bench.seen[1]) {
			bench.going = true;
			bench.started_ns = uv_hrtime();
			for (int i = 0; i < 2; i++)
				bench.cpu_before[i] = cpu_of(bench.conns[i]);
			bench_fill();
		}
		return;
	}
	uint64_t n = number_of(frame);
	if (bytes_get_u16(frame.bytes + 4) == MSG_RAFT_VOTE && n == 0)
		return;
	if (side == 1) {
		put_vote(bench.conns[1], bench.ids[0], n);
		return;
	}
	bench.took_ns[bench.back] = uv_hrtime() - bench.sent_ns[n - 1];
	if (++bench.back == bench.rounds)
		bench_end();
	bench_fill();
}

static void
on_bench_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_peer_recv m;
	(void)arg;
	if (number == MSG_PEER_RECV && msg_peer_recv_get(&m, body, size))
		on_bench_recv(conn == bench.conns[0] ? 0 : 1, m.frame);
}

static void
on_bench_closed(struct conn *conn, const char *why, void *arg)
{
	(void)conn;
	(void)arg;
	errx(69, "%s", why);
}

static void
on_bench_tick(uv_timer_t *timer)
{
	(void)timer;
	if (bench.going)
		return;
	put_vote(bench.conns[0], bench.ids[1], 0);
	put_vote(bench.conns[1], bench.ids[0], 0);
}

static const struct conn_calls bench_calls = {on_bench_frame, on_bench_closed, NULL};

static int
run_bench(char **argv)
{
	uv_timer_t timer;
	bench.ids[0] = argv[1];
	bench.ids[1] = argv[3];
	bench.rounds = num(argv[6]);
	bench.size = num(argv[7]);
	bench.window = num(argv[8]);
	bench.sent_ns = calloc(bench.rounds, sizeof *bench.sent_ns);
	bench.took_ns = calloc(bench.rounds, sizeof *bench.took_ns);
	must(bench.sent_ns != NULL);
	must(bench.took_ns != NULL);
	for (int i = 0; i < 2; i++) {
		bench.conns[i] = dial(argv[2 * i], &bench_calls, NULL);
		put_config(bench.conns[i], argv[4], argv[5]);
	}
	uv_timer_init(loop_uv(loop), &timer);
	uv_timer_start(&timer, on_bench_tick, 0, 100);
	loop_run(loop);
	return 0;
}

/* ------- short errands -------------------------------------------------------------- */

static void
on_status_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	struct msg_text_reply reply;
	(void)conn;
	(void)arg;
	if (number != MSG_TEXT_REPLY || !msg_text_reply_get(&reply, body, size))
		return;
	fwrite(reply.lines.bytes, 1, reply.lines.size, stdout);
	exit(fflush(stdout) == 0 ? 0 : 74);
}

static void
on_errand_closed(struct conn *conn, const char *why, void *arg)
{
	(void)conn;
	(void)arg;
	printf("closed %s\n", why);
	exit(1);
}

static struct conn *
dial_as_client(const char *run, const struct conn_calls *calls)
{
	char path[SOCK_PATH_MAX], why[SOCK_WHY_SIZE];
	if (!sock_path(path, run, "peer", why))
		errx(78, "%s", why);
	int fd = sock_connect(path, why);
	if (fd < 0)
		errx(69, "%s", why);
	struct conn *conn = conn_new(loop, fd, SIZE_MAX_FRAME, OUT_HIGH, calls, NULL);
	struct msg_hello hello = {
	    WIRE_VERSION_LOW, WIRE_VERSION_HIGH, WIRE_CLIENT, wire_text("peer-client")};
	msg_hello_put(conn_out(conn), &hello);
	return conn;
}

static int
run_status(char **argv)
{
	static const struct conn_calls calls = {on_status_frame, on_errand_closed, NULL};
	struct conn *conn = dial_as_client(argv[0], &calls);
	struct msg_query_text query = {1, wire_text("status")};
	msg_query_text_put(conn_out(conn), &query);
	loop_run(loop);
	return 0;
}

static void
on_raw_frame(struct conn *conn, uint16_t number, const uint8_t *body, size_t size, void *arg)
{
	(void)conn;
	(void)body;
	(void)size;
	(void)arg;
	printf("%s\n", msg_name(number));
}

static void
on_raw_end(uv_timer_t *timer)
{
	(void)timer;
	exit(0);
}

static int
run_raw(char **argv)
{
	static const struct conn_calls calls = {on_raw_frame, on_errand_closed, NULL};
	uv_timer_t timer;
	put_raw(dial_as_client(argv[0], &calls), argv[1]);
	uv_timer_init(loop_uv(loop), &timer);
	uv_timer_start(&timer, on_raw_end, 500, 0);
	loop_run(loop);
	return 0;
}

static int
run_flood(char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	to.sin_port = htons((uint16_t)num(argv[0]));
	for (uint64_t i = 0; i < num(argv[1]); i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
		    send(fd, channel_preamble_dialer, CHANNEL_PREAMBLE_SIZE, MSG_NOSIGNAL) < 0)
			err(71, "connection %" PRIu64, i);
	}
	for (;;)
		pause();
}

int
main(int argc, char **argv)
{
	seal_init();
	loop = loop_new();
	if (argc == 5 && strcmp(argv[1], "talk") == 0)
		return run_talk(argv + 2);
	if (argc == 11 && strcmp(argv[1], "bench") == 0)
		return run_bench(argv + 2);
	if (argc == 3 && strcmp(argv[1], "status") == 0)
		return run_status(argv + 2);
	if (argc == 4 && strcmp(argv[1], "raw") == 0)
		return run_raw(argv + 2);
	if (argc == 4 && strcmp(argv[1], "flood") == 0)
		return run_flood(argv + 2);
	errx(64, "usage: peer-client talk RUN NAME MEMBERS | status RUN | raw RUN HEX | flood PORT "
		 "COUNT | bench RUN1 ID1 RUN2 ID2 NAME MEMBERS ROUNDS SIZE WINDOW");
}
