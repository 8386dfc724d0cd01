/* SPDX-License-Identifier: ISC */
/* A bounded buffer before a pipe. */
#include "feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BUF_HIGH = 256 << 10,     /* full; one entry may reach beyond it */
	ENTRIES_MAX = 8192,       /* likewise, for many small ones */
	ROOM_KEEP = 2 * BUF_HIGH, /* a larger buffer is given back */
	/* Marks kept: every entry has a byte at least, so a pipe of 64 KiB and a full buffer never
	   hold more. */
	MARKS_MAX = 1 << 17
};

/* The stream up to `end` holds all entries up to `index`. */
struct feed_entry {
	uint64_t end;
	uint64_t index;
};

struct feed {
	uv_poll_t poll;
	uv_idle_t tell; /* an end that is to be told from the loop */
	int handles;    /* not closed yet */
	int fd;
	bool polled; /* false: a file, which epoll does not take and which never blocks */
	bool is_pipe;
	const struct feed_calls *calls;
	void *arg;
	struct wire_buf buf;
	size_t at; /* written so far, of buf */
	size_t entries;
	uint64_t start; /* of buf, in the stream */
	bool writing;   /* the pipe was full: until buf is written nothing is put */
	bool track;     /* feed_taken is wanted */
	int error;
	int events;

	/* A ring; those at its head are not read out of the pipe yet. */
	struct feed_entry *marks;
	size_t marks_room, marks_first, marks_count;
	uint64_t written;     /* index */
	uint64_t taken;       /* index: the last mark that was dropped from the ring */
	size_t written_marks; /* of the ring: those whose bytes are in the pipe */
	uint64_t boundary;    /* where the last of them ends, in the stream */
};

static void feed_on_poll(uv_poll_t *poll, int status, int events);

static struct feed_entry *
mark_at(struct feed *feed, size_t i)
{
	return &feed->marks[(feed->marks_first + i) & (feed->marks_room - 1)];
}

static void
marks_grow(struct feed *feed)
{
	size_t room = feed->marks_room ? feed->marks_room * 2 : 1024;
	struct feed_entry *marks = calloc(room, sizeof *marks);
	must(marks != NULL);
	for (size_t i = 0; i < feed->marks_count; i++)
		marks[i] = *mark_at(feed, i);
	free(feed->marks);
	feed->marks = marks;
	feed->marks_room = room;
	feed->marks_first = 0;
}

static void
mark_drop_first(struct feed *feed)
{
	must(feed->marks_count > 0);
	feed->taken = mark_at(feed, 0)->index;
	feed->marks_first++;
	feed->marks_count--;
	if (feed->written_marks > 0)
		feed->written_marks--;
}

static uint64_t
stream_written(const struct feed *feed)
{
	return feed->start + feed->at;
}

void
feed_mark(struct feed *feed, uint64_t index)
{
	uint64_t end = feed->start + feed->buf.size;
	feed->entries++;
	/* Entries that are not delivered add no bytes: the last mark moves on. */
	if (feed->marks_count > 0 && mark_at(feed, feed->marks_count - 1)->end == end) {
		mark_at(feed, feed->marks_count - 1)->index = index;
	} else if (feed->marks_count == 0 && feed->buf.size == 0) {
		feed->taken = index;
	} else {
		if (feed->marks_count == MARKS_MAX)
			mark_drop_first(feed);
		if (feed->marks_count == feed->marks_room)
			marks_grow(feed);
		*mark_at(feed, feed->marks_count++) = (struct feed_entry){end, index};
	}
	if (feed->buf.size == 0)
		feed->written = index;
}

/* Counts the marks whose bytes have been written meanwhile. */
static void
note_written(struct feed *feed)
{
	uint64_t now = stream_written(feed);
	while (feed->written_marks < feed->marks_count &&
	       mark_at(feed, feed->written_marks)->end <= now) {
		feed->written = mark_at(feed, feed->written_marks)->index;
		feed->boundary = mark_at(feed, feed->written_marks++)->end;
	}
	while (!feed->track && feed->written_marks > 0)
		mark_drop_first(feed);
}

/* Bytes that wait in the pipe. */
static uint64_t
feed_unread(const struct feed *feed)
{
	int size = 0;
	if (!feed->is_pipe || ioctl(feed->fd, FIONREAD, &size) < 0 || size < 0)
		return 0;
	return (uint64_t)size;
}

uint64_t
feed_taken(struct feed *feed)
{
	uint64_t waiting = feed_unread(feed), written = stream_written(feed);
	uint64_t read = written > waiting ? written - waiting : 0;
	while (feed->written_marks > 0 && mark_at(feed, 0)->end <= read)
		mark_drop_first(feed);
	return feed->taken;
}

uint64_t
feed_written(const struct feed *feed)
{
	return feed->written;
}

static void
feed_watch(struct feed *feed)
{
	/* An idle pipe is watched as well: a reader that goes is to be noticed at once. */
	int events = LOOP_READER_GONE | (feed->writing ? UV_WRITABLE : 0);
	if (!feed->polled || feed->events == events)
		return;
	feed->events = events;
	uv_poll_start(&feed->poll, events, feed_on_poll);
}

static void
on_tell(uv_idle_t *idle)
{
	struct feed *feed = idle->data;
	uv_idle_stop(idle);
	feed->calls->gone(feed->error, feed->arg);
}

static void
feed_end(struct feed *feed, int error)
{
	if (feed->error)
		return;
	feed->error = error;
	if (feed->polled)
		uv_poll_stop(&feed->poll);
	uv_idle_start(&feed->tell, on_tell);
}

/* All of buf is in the pipe: it begins anew. */
static void
rewind_buf(struct feed *feed)
{
	feed->start += feed->buf.size;
	feed->buf.size = feed->at = feed->entries = 0;
	feed->writing = false;
	if (feed->buf.room > ROOM_KEEP)
		wire_buf_free(&feed->buf);
}

bool
feed_flush(struct feed *feed)
{
	while (!feed->error && feed->at < feed->buf.size) {
		ssize_t sent =
		    write(feed->fd, feed->buf.bytes + feed->at, feed->buf.size - feed->at);
		if (sent > 0) {
			feed->at += (size_t)sent;
		} else if (sent < 0 && errno == EAGAIN) {
			feed->writing = true;
			break;
		} else if (sent < 0 && errno != EINTR) {
			feed_end(feed, errno);
		}
	}
	note_written(feed);
	if (feed->error)
		return false;
	bool all = feed->at == feed->buf.size;
	if (all)
		rewind_buf(feed);
	feed_watch(feed);
	return all;
}

static void
feed_on_poll(uv_poll_t *poll, int status, int events)
{
	struct feed *feed = poll->data;
	/* The write says which error it was; an idle pipe has none but that nobody reads it. */
	if (feed->writing && feed_flush(feed))
		feed->calls->room(feed->arg);
	else if (!feed->writing && (status < 0 || (events & LOOP_READER_GONE)))
		feed_end(feed, EPIPE);
}

struct feed *
feed_new(struct loop *loop, int fd, uint64_t index, bool track, const struct feed_calls *calls,
    void *arg)
{
	struct feed *feed = calloc(1, sizeof *feed);
	struct stat st;
	must(feed != NULL);
	feed->fd = fd;
	feed->track = track;
	feed->calls = calls;
	feed->arg = arg;
	feed->written = feed->taken = index;
	feed->is_pipe = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
	feed->polled = uv_poll_init(loop_uv(loop), &feed->poll, fd) == 0;
	feed->poll.data = feed;
	uv_idle_init(loop_uv(loop), &feed->tell);
	feed->tell.data = feed;
	feed->handles = feed->polled ? 2 : 1;
	feed_watch(feed);
	return feed;
}

static void
feed_on_closed(uv_handle_t *handle)
{
	struct feed *feed = handle->data;
	if (--feed->handles > 0)
		return;
	wire_buf_free(&feed->buf);
	free(feed->marks);
	free(feed);
}

void
feed_free(struct feed *feed)
{
	if (feed == NULL)
		return;
	if (feed->polled)
		uv_close((uv_handle_t *)&feed->poll, feed_on_closed);
	uv_close((uv_handle_t *)&feed->tell, feed_on_closed);
	/* Now and not in the callback: the end of file is the program's sign to finish. */
	close(feed->fd);
}

bool
feed_open(const struct feed *feed)
{
	return !feed->error && !feed->writing && feed->buf.size < BUF_HIGH &&
	       feed->entries < ENTRIES_MAX;
}

struct wire_buf *
feed_buf(struct feed *feed)
{
	return &feed->buf;
}

void
feed_cut(struct feed *feed)
{
	note_written(feed);
	size_t keep = feed->at;
	bool begun =
	    feed->written_marks < feed->marks_count && stream_written(feed) != feed->boundary;
	if (begun)
		keep = (size_t)(mark_at(feed, feed->written_marks)->end - feed->start);
	feed->marks_count = feed->written_marks + (begun ? 1 : 0);
	feed->buf.size = keep;
	if (feed->at == feed->buf.size)
		rewind_buf(feed);
}
