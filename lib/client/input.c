/* SPDX-License-Identifier: ISC */
/* Standard input and files as a stream of entries. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 256 << 10 };

/* The way to read of the descriptor that is open now. */
enum input_way {
	INPUT_NONE,
	INPUT_POLLED,
	INPUT_DIRECT /* epoll takes no files: they are always ready */
};

/* libuv handles die only in a later turn: each has memory of its own. */
struct input {
	struct loop *loop;
	struct framing_reader reader;
	char **paths;
	size_t paths_at;
	bool standard_given;
	int fd;
	enum input_way way;
	uv_poll_t *poll;
	uv_idle_t *idle;
	bool reading;
	int failed; /* errno */
};

static const char *
name_of(const struct input *input)
{
	const char *path = input->paths_at > 0 ? input->paths[input->paths_at - 1] : "-";
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

static void
input_on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
close_now(struct input *input)
{
	input_hold(input);
	if (input->poll)
		uv_close((uv_handle_t *)input->poll, input_on_closed);
	input->poll = NULL;
	if (input->fd > STDIN_FILENO)
		close(input->fd);
	input->fd = -1;
	input->way = INPUT_NONE;
}

/* One read, of what is there. */
static void
input_read_some(struct input *input)
{
	uint8_t *room = framing_room(&input->reader, READ_SIZE);
	ssize_t got = read(input->fd, room, READ_SIZE);
	int saved = errno;
	framing_added(&input->reader, READ_SIZE, got > 0 ? (size_t)got : 0);
	if (got > 0 || (got < 0 && (saved == EAGAIN || saved == EINTR)))
		return;
	/* After an error, what is left of the last entry is not one. */
	if (got < 0)
		input->failed = saved;
	else
		framing_end(&input->reader);
	close_now(input);
}

static void
input_on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status; /* an error shows in the read */
	(void)events;
	input_read_some(poll->data);
}

static void
on_idle(uv_idle_t *idle)
{
	input_read_some(idle->data);
}

static void
input_go_on(struct input *input)
{
	if (input->reading || input->way == INPUT_NONE)
		return;
	input->reading = true;
	if (input->way == INPUT_POLLED)
		uv_poll_start(input->poll, UV_READABLE, input_on_poll);
	else
		uv_idle_start(input->idle, on_idle);
}

void
input_hold(struct input *input)
{
	if (!input->reading)
		return;
	input->reading = false;
	if (input->way == INPUT_POLLED)
		uv_poll_stop(input->poll);
	else
		uv_idle_stop(input->idle);
}

static void
choose_way(struct input *input)
{
	struct stat st;
	input->way = INPUT_DIRECT;
	if (fstat(input->fd, &st) < 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return;
	uv_poll_t *poll = calloc(1, sizeof *poll);
	must(poll != NULL);
	if (uv_poll_init(loop_uv(input->loop), poll, input->fd) < 0) {
		free(poll); /* a device without poll, as /dev/null */
		return;
	}
	poll->data = input;
	input->poll = poll;
	input->way = INPUT_POLLED;
}

/* The next input there is; false: none. */
static bool
open_next(struct input *input)
{
	const char *path = input->paths[input->paths_at];
	if (path == NULL && (input->paths_at > 0 || input->standard_given))
		return false;
	if (path != NULL)
		input->paths_at++;
	else
		input->standard_given = true;
	if (path == NULL || strcmp(path, "-") == 0)
		input->fd = STDIN_FILENO;
	else /* a FIFO without a writer is waited for by polling it */
		input->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (input->fd < 0)
		input->failed = errno;
	else
		choose_way(input);
	return true;
}

struct input *
input_new(struct loop *loop, enum framing framing, size_t item_max, char **paths)
{
	struct input *input = calloc(1, sizeof *input);
	must(input != NULL);
	input->loop = loop;
	input->paths = paths;
	input->fd = -1;
	framing_init(&input->reader, framing, item_max);
	input->idle = calloc(1, sizeof *input->idle);
	must(input->idle != NULL);
	uv_idle_init(loop_uv(loop), input->idle);
	input->idle->data = input;
	open_next(input); /* a failure shows in input_next */
	return input;
}

static enum input_found
input_fail(const struct input *input, enum exit_status *status, char *why)
{
	snprintf(why, FRAMING_WHY_SIZE, "%s: %s", name_of(input), strerror(input->failed));
	*status = EXIT_IO;
	return INPUT_FAILED;
}

enum input_found
input_next(struct input *input, struct wire_bytes *item, enum exit_status *status, char *why)
{
	for (;;) {
		switch (framing_next(&input->reader, item, why)) {
		case FRAMING_ITEM:
			return INPUT_ITEM;
		case FRAMING_MORE:
			if (input->failed != 0)
				return input_fail(input, status, why);
			input_go_on(input);
			return INPUT_WAIT;
		case FRAMING_END:
			break;
		default:
			*status = EXIT_DATA;
			return INPUT_FAILED;
		}
		if (!open_next(input))
			return INPUT_END;
		if (input->failed != 0)
			return input_fail(input, status, why);
		framing_again(&input->reader);
	}
}

uint64_t
input_count(const struct input *input)
{
	return input->reader.count;
}
