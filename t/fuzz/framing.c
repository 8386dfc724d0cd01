/* SPDX-License-Identifier: ISC */
/*
 * The framings of stdin and of files: the same items whether the bytes come at once or in
 * pieces, none above the limit, and written out they read back.  First bytes: which, the limit, a
 * piece's size.
 */
#include "client/framing.h"
#include "fuzz.h"

/* All that was found, each item as size, bytes; and how it ended. */
struct items {
	struct wire_buf buf;
	struct wire_buf framed;
	enum framing_found end;
};

static void
keep(struct items *items, struct wire_bytes item, enum framing framing)
{
	uint8_t record[RAFT_ENTRY_HEADER_SIZE + 256];
	struct raft_sid sid = {{1}};
	struct raft_entry entry;

	must(item.size < 256);
	bytes_put_u32(wire_buf_add(&items->buf, 4), (uint32_t)item.size);
	wire_buf_put(&items->buf, item.bytes, item.size);
	raft_entry_header(record, 1, RAFT_CLIENT, &sid, 1, (uint32_t)item.size);
	if (item.size > 0)
		memcpy(record + RAFT_ENTRY_HEADER_SIZE, item.bytes, item.size);
	must(raft_entry_decode(&entry, NULL, record, RAFT_ENTRY_HEADER_SIZE + item.size));
	framing_put(&items->framed, framing, 1, &entry);
	struct wire_buf json = {0};
	framing_put(&json, FRAMING_JSON, UINT64_MAX, &entry);
	must(json.bytes[json.size - 1] == '\n');
	must(memchr(json.bytes, '\n', json.size - 1) == NULL);
	wire_buf_free(&json);
}

static enum framing_found
drain(struct framing_reader *reader, struct items *items)
{
	char why[FRAMING_WHY_SIZE] = "";
	struct wire_bytes item;
	enum framing_found found;

	while ((found = framing_next(reader, &item, why)) == FRAMING_ITEM) {
		must(item.size <= reader->item_max);
		keep(items, item, reader->framing);
	}
	must((found == FRAMING_TOO_LARGE || found == FRAMING_MALFORMED) == (strlen(why) > 0));
	return found;
}

static struct items
split(enum framing framing, size_t item_max, const uint8_t *bytes, size_t size, size_t piece)
{
	struct framing_reader reader;
	struct items items = {.end = FRAMING_MORE};

	framing_init(&reader, framing, item_max);
	for (size_t at = 0; at < size && items.end == FRAMING_MORE;) {
		size_t now = size - at < piece ? size - at : piece;

		framing_feed(&reader, bytes + at, now);
		at += now;
		items.end = drain(&reader, &items);
		must(items.end != FRAMING_END);
	}
	if (items.end == FRAMING_MORE) {
		framing_end(&reader);
		items.end = drain(&reader, &items);
		must(items.end != FRAMING_MORE);
	}
	framing_free(&reader);
	return items;
}

static void
drop(struct items *items)
{
	wire_buf_free(&items->buf);
	wire_buf_free(&items->framed);
}

static void
same(const struct items *a, const struct items *b)
{
	must(a->buf.size == b->buf.size);
	must(a->buf.size == 0 || memcmp(a->buf.bytes, b->buf.bytes, a->buf.size) == 0);
	must(a->end == b->end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const enum framing framings[] = {
	    FRAMING_LINE, FRAMING_NUL, FRAMING_NETSTRING, FRAMING_WHOLE};

	if (size < 3)
		return 0;
	enum framing framing = framings[bytes[0] % 4];
	size_t item_max = bytes[1];
	struct items whole = split(framing, item_max, bytes + 3, size - 3, size);
	struct items pieces = split(framing, item_max, bytes + 3, size - 3, 1 + bytes[2] % 16);
	same(&whole, &pieces);
	if (whole.end == FRAMING_END) {
		struct items back =
		    split(framing, item_max, whole.framed.bytes, whole.framed.size, size);

		same(&whole, &back);
		drop(&back);
	}
	drop(&whole);
	drop(&pieces);
	return 0;
}

static void
seeds(void)
{
	fuzz_seed("\0\5\1one\ntwo", 10);
	fuzz_seed("\1\377\2one\0two", 10);
	fuzz_seed("\2\377\4"
		  "3:one,0:,10:0123456789,",
	    26);
	fuzz_seed("\3\377\1whole\n\0", 10);
}
