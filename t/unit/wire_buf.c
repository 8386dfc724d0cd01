/* SPDX-License-Identifier: ISC */
/* What grows: buffers with text, arrays, queues. */
#include "wire/buf.h"
#include "raft/array.h"

#include "check.h"

static void
test_text(void)
{
	static const char letters[] = "the text that is printed again and again, 42 bytes";
	for (int size = 0; size < 1000; size++) {
		struct wire_buf buf = {0};
		char text[1001];
		snprintf(text, sizeof text, "%-*s|", size, size % 2 ? letters : "");
		wire_buf_put(&buf, "before", 6);
		wire_buf_printf(&buf, "%s%d", text, size);
		wire_buf_printf(&buf, "after");
		wire_buf_put(&buf, "", 1);
		char wanted[1100];
		snprintf(wanted, sizeof wanted, "before%s%dafter", text, size);
		CHECK(strcmp((const char *)buf.bytes, wanted) == 0);
		CHECK(buf.size == strlen(wanted) + 1);
		wire_buf_free(&buf);
	}
}

static void
test_array(void)
{
	unsigned *array = NULL;
	size_t size = 0, moved = 0;
	for (unsigned i = 0; i < 10000; i++) {
		const unsigned *before = array;
		RAFT_GROW(array, size, i + 1);
		moved += array != before;
		CHECK(size > i);
		array[i] = i;
	}
	for (unsigned i = 0; i < 10000; i++)
		CHECK(array[i] == i);
	CHECK(moved < 16);
	free(array);
}

static void
test_queue(void)
{
	RAFT_QUEUE(unsigned) queue = {0};
	unsigned next = 0, first = 0;
	for (int round = 0; round < 10000; round++) {
		for (int i = 0; i < round % 7; i++)
			*RAFT_QUEUE_PUSH(&queue) = next++;
		CHECK(queue.count == next - first);
		for (size_t i = 0; i < queue.count; i++)
			CHECK(RAFT_QUEUE_FIRST(&queue)[i] == first + i);
		size_t n = queue.count > 20 ? 15 : queue.count / 2;
		RAFT_QUEUE_DROP(&queue, n);
		first += (unsigned)n;
	}
	/* It never held more than this. */
	CHECK(queue.size <= 64);
	free(queue.at);
}

int
main(void)
{
	check_run("a printed text follows what is in the buffer, whatever its length", test_text);
	check_run("an array keeps its items and doubles", test_array);
	check_run("a queue is first in, first out, in room for about what it holds", test_queue);
	return check_done();
}
