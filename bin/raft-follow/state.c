/* SPDX-License-Identifier: ISC */
/* The state file: lines of text, which are replaced together. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "seal/seal.h"
#include "unix/file.h"

enum { HEX_SIZE = 2 * RAFT_HASH_SIZE + 1, STATE_SIZE_MAX = 16 << 20 };

static const char first_line[] = "raft-follow 1";
static const char *const others[] = {[SPOT_LEFT] = "left", [SPOT_AHEAD] = "ahead"};

bool
state_lock(const char *path)
{
	char lock[FILE_PATH_MAX];
	if (snprintf(lock, sizeof lock, "%s.lock", path) >= (int)sizeof lock) {
		errno = ENAMETOOLONG;
		return false;
	}
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* ---------------------------------------------------------------- places */

void
state_add(struct follow_state *state, const struct follow_place *place)
{
	must(state->count == 0 || state->places[state->count - 1].serial <= place->serial);
	if (state->count == state->room) {
		state->room = state->room ? 2 * state->room : 16;
		state->places = realloc(state->places, state->room * sizeof *state->places);
		must(state->places != NULL);
	}
	state->places[state->count++] = *place;
}

void
state_clear(struct follow_state *state)
{
	state->count = 0;
}

void
state_trim(struct follow_state *state, uint64_t committed)
{
	size_t gone = 0;
	while (gone + 1 < state->count && state->places[gone + 1].serial <= committed)
		gone++;
	if (gone == 0)
		return;
	state->count -= gone;
	memmove(state->places, state->places + gone, state->count * sizeof *state->places);
}

const struct follow_place *
state_find(struct follow_state *state, uint64_t serial)
{
	while (state->count > 0 && state->places[state->count - 1].serial > serial)
		state->count--;
	return state->count > 0 ? &state->places[state->count - 1] : NULL;
}

/* --------------------------------------------------------------- writing */

static void
print_hash(struct wire_buf *out, const struct raft_hash *hash)
{
	char hex[HEX_SIZE];
	seal_hex(hex, hash->b, RAFT_HASH_SIZE);
	wire_buf_printf(out, " %s", hex);
}

static void
print_mark(struct wire_buf *out, const char *word, const struct bookmark *mark)
{
	wire_buf_printf(
	    out, "%s %" PRIu64 " %" PRIu64 " %" PRIu64, word, mark->inode, mark->born, mark->head);
	print_hash(out, &mark->head_hash);
	wire_buf_printf(out, " %" PRIu64, mark->offset);
	print_hash(out, &mark->tail_hash);
	wire_buf_put(out, "\n", 1);
}

void
state_print(const struct follow_state *state, struct wire_buf *out)
{
	wire_buf_printf(out, "%s\nsession %s\n", first_line, state->session);
	for (size_t i = 0; i < state->count; i++) {
		const struct follow_place *place = &state->places[i];
		wire_buf_printf(out, "place %" PRIu64, place->serial);
		print_hash(out, &place->digest);
		wire_buf_put(out, "\n", 1);
		print_mark(out, "at", &place->spot.at);
		if (place->spot.which != SPOT_NONE)
			print_mark(out, others[place->spot.which], &place->spot.other);
	}
}

/* --------------------------------------------------------------- reading */

static bool
parse_hash(struct raft_hash *hash, const char *hex)
{
	if (strlen(hex) != HEX_SIZE - 1)
		return false;
	for (size_t i = 0; i < RAFT_HASH_SIZE; i++)
		sscanf(hex + 2 * i, "%2hhx", &hash->b[i]);
	return true;
}

static bool
parse_mark(struct bookmark *mark, const char *line)
{
	char head[HEX_SIZE], tail[HEX_SIZE];
	int end = 0;
	return sscanf(line,
		   "%*s %" SCNu64 " %" SCNu64 " %" SCNu64 " %64[0-9a-f] %" SCNu64 " %64[0-9a-f]%n",
		   &mark->inode, &mark->born, &mark->head, head, &mark->offset, tail, &end) == 6 &&
	       line[end] == '\0' && mark->head <= BOOKMARK_SPAN && mark->offset <= INT64_MAX &&
	       parse_hash(&mark->head_hash, head) && parse_hash(&mark->tail_hash, tail);
}

static bool
begins_with(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ' ';
}

/* A line after the first two.  A place is added with its line "at". */
static bool
parse_line(struct follow_state *state, struct follow_place *place, const char *line)
{
	char hex[HEX_SIZE];
	int end = 0;
	struct spot *last = state->count > 0 ? &state->places[state->count - 1].spot : NULL;
	if (begins_with(line, "place")) {
		*place = (struct follow_place){0};
		return sscanf(line, "place %" SCNu64 " %64[0-9a-f]%n", &place->serial, hex, &end) ==
			   2 &&
		       line[end] == '\0' && parse_hash(&place->digest, hex) &&
		       (last == NULL || state->places[state->count - 1].serial <= place->serial);
	}
	if (begins_with(line, "at")) {
		if (!parse_mark(&place->spot.at, line))
			return false;
		state_add(state, place);
		return true;
	}
	for (int i = SPOT_LEFT; last != NULL && i <= SPOT_AHEAD; i++) {
		if (!begins_with(line, others[i]))
			continue;
		last->which = (enum spot_other)i;
		return parse_mark(&last->other, line);
	}
	return false;
}

static bool
parse_text(struct follow_state *state, const char *path, char *text, char *why)
{
	struct follow_place place = {0};
	int number = 0;
	for (char *line = text, *next; *line; line = next) {
		next = strchr(line, '\n');
		bool good = next != NULL;
		if (good)
			*next++ = '\0';
		if (good && ++number == 1)
			good = strcmp(line, first_line) == 0;
		else if (good && number == 2)
			good = sscanf(line, "session %64s", state->session) == 1;
		else if (good)
			good = parse_line(state, &place, line);
		if (!good) {
			snprintf(why, STATE_WHY_SIZE,
			    "%s: line %d is not one of a state of raft-follow", path,
			    number ? number : 1);
			return false;
		}
	}
	if (number < 2)
		snprintf(
		    why, STATE_WHY_SIZE, "%s: is no state of raft-follow: it ends too early", path);
	return number >= 2;
}

/* All of the file, with a NUL; NULL with errno. */
static char *
read_text(const char *path)
{
	struct wire_buf buf = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 0;
	while (fd >= 0 && buf.size < STATE_SIZE_MAX) {
		uint8_t *room = wire_buf_add(&buf, BUFSIZ);
		got = read(fd, room, BUFSIZ);
		buf.size -= BUFSIZ - (got > 0 ? (size_t)got : 0);
		if (got <= 0)
			break;
	}
	int saved = errno;
	if (fd >= 0)
		close(fd);
	wire_buf_put(&buf, "", 1);
	if (got < 0)
		wire_buf_free(&buf);
	errno = saved;
	return (char *)buf.bytes;
}

bool
state_read(struct follow_state *state, const char *path, char *why)
{
	char *text = read_text(path);
	if (text == NULL && errno == ENOENT)
		return true;
	if (text == NULL) {
		snprintf(why, STATE_WHY_SIZE, "%s: %s", path, strerror(errno));
		return false;
	}
	bool good = parse_text(state, path, text, why);
	free(text);
	return good;
}
