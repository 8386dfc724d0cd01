/* SPDX-License-Identifier: ISC */
/*
 * The codec of lib/wire for t/golden: between "name field=value ..." and the hexadecimal bytes of a
 * frame, per line.
 *
 * golden encode: from fields to bytes.  golden decode: from bytes to fields.
 * Integers are decimal, a pos is index:term, an id is its text; all other values are hexadecimal.
 * An opt that is 0 is neither given nor printed.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "seal/seal.h"
#include "wire/message.h"

static uint8_t
parse_digit(const char *text)
{
	const char *digits = "0123456789abcdef", *at = memchr(digits, *text, 16);
	if (at == NULL)
		errx(EX_DATAERR, "%.80s: not hexadecimal", text);
	return (uint8_t)(at - digits);
}

/* The new bytes that the hexadecimal text stands for; they live to the end of the program. */
static struct wire_bytes
parse_hex(const char *text)
{
	size_t size = strlen(text) / 2;
	uint8_t *bytes = malloc(size + 1);
	must(bytes != NULL);
	for (size_t i = 0; i < size; i++)
		bytes[i] =
		    (uint8_t)(parse_digit(text + 2 * i) << 4 | parse_digit(text + 2 * i + 1));
	return (struct wire_bytes){bytes, size};
}

static void
parse_exactly(void *out, size_t size, const char *text)
{
	struct wire_bytes bytes = parse_hex(text);
	if (bytes.size != size)
		errx(EX_DATAERR, "%s: %zu bytes, not %zu", text, bytes.size, size);
	memcpy(out, bytes.bytes, size);
}

/* One pair for each type of field. */
#define INTEGER(type, ctype)                                                                       \
	static void parse_##type(ctype *v, const char *text)                                       \
	{                                                                                          \
		*v = (ctype)strtoull(text, NULL, 10);                                              \
	}                                                                                          \
	static void print_##type(ctype v)                                                          \
	{                                                                                          \
		printf("%" PRIu64, (uint64_t)v);                                                   \
	}
INTEGER(u8, uint8_t)
INTEGER(u16, uint16_t)
INTEGER(u32, uint32_t)
INTEGER(u64, uint64_t)
INTEGER(opt, uint64_t)
INTEGER(flag, bool)

static void
print_hex(const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		printf("%02x", ((const uint8_t *)bytes)[i]);
}

#define OPAQUE(type, ctype)                                                                        \
	static void parse_##type(ctype *v, const char *text)                                       \
	{                                                                                          \
		parse_exactly(v->b, sizeof v->b, text);                                            \
	}                                                                                          \
	static void print_##type(ctype v)                                                          \
	{                                                                                          \
		print_hex(v.b, sizeof v.b);                                                        \
	}
OPAQUE(sid, struct raft_sid)
OPAQUE(run, struct wire_run)
OPAQUE(hash, struct raft_hash)

#define BYTES(type)                                                                                \
	static void parse_##type(struct wire_bytes *v, const char *text)                           \
	{                                                                                          \
		*v = parse_hex(text);                                                              \
	}                                                                                          \
	static void print_##type(struct wire_bytes v)                                              \
	{                                                                                          \
		print_hex(v.bytes, v.size);                                                        \
	}
BYTES(text)
BYTES(rest)

static void
parse_id(struct raft_id *v, const char *text)
{
	memset(v, 0, sizeof *v);
	if (*text && !raft_id_parse(v, text))
		errx(EX_DATAERR, "%s: no id", text);
}

static void
print_id(struct raft_id v)
{
	fputs(v.s, stdout);
}

static void
parse_pos(struct raft_pos *v, const char *text)
{
	if (sscanf(text, "%" SCNu64 ":%" SCNu64, &v->index, &v->term) != 2)
		errx(EX_DATAERR, "%s: no pos", text);
}

static void
print_pos(struct raft_pos v)
{
	printf("%" PRIu64 ":%" PRIu64, v.index, v.term);
}

/* ----------------------------------------------------------------- lines */

enum { ARGUMENTS_MAX = 16 };
struct line {
	const char *arguments[ARGUMENTS_MAX];
	size_t count, used;
};

static const char *
value_of(struct line *line, const char *message, const char *type, const char *field)
{
	size_t size = strlen(field);
	for (size_t i = 0; i < line->count; i++)
		if (strncmp(line->arguments[i], field, size) == 0 &&
		    line->arguments[i][size] == '=') {
			line->used++;
			return line->arguments[i] + size + 1;
		}
	if (strcmp(type, "opt") == 0)
		return "0";
	errx(EX_DATAERR, "%s: no value for its field %s", message, field);
}

#define F(type, field) parse_##type(&m.field, value_of(line, name, #type, #field));
#define M(number, NAME, message)                                                                   \
	if (strcmp(name, #message) == 0) {                                                         \
		struct msg_##message m;                                                            \
		FIELDS_##message(F) msg_##message##_put(out, &m);                                  \
		return;                                                                            \
	}
static void
encode(struct wire_buf *out, const char *name, struct line *line)
{
	MESSAGES(M)
	errx(EX_DATAERR, "%s: no message of that name", name);
}
#undef M
#undef F

static void
encode_line(char *text)
{
	struct line line = {0};
	struct wire_buf out = {0};
	const char *name = strsep(&text, " ");
	while (text && line.count < ARGUMENTS_MAX)
		line.arguments[line.count++] = strsep(&text, " ");
	encode(&out, name, &line);
	if (line.used != line.count)
		errx(EX_DATAERR, "%s: has fewer fields than were given", name);
	print_hex(out.bytes, out.size);
	putchar('\n');
	wire_buf_free(&out);
}

static bool
left_out(const char *type, const void *field)
{
	uint64_t opt = 0;
	if (strcmp(type, "opt") != 0)
		return false;
	memcpy(&opt, field, sizeof opt);
	return opt == 0;
}

#define F(type, field)                                                                             \
	if (!left_out(#type, &m.field)) {                                                          \
		printf(" %s=", #field);                                                            \
		print_##type(m.field);                                                             \
	}
#define M(number, NAME, message)                                                                   \
	case MSG_##NAME: {                                                                         \
		struct msg_##message m;                                                            \
		if (!msg_##message##_get(&m, body, size))                                          \
			errx(EX_DATAERR, "%s: refused", #message);                                 \
		fputs(#message, stdout);                                                           \
		FIELDS_##message(F) break;                                                         \
	}
static void
decode(uint16_t message, const uint8_t *body, size_t size)
{
	switch (message) {
		MESSAGES(M)
	default:
		errx(EX_DATAERR, "%u: no message of that number", (unsigned)message);
	}
}
#undef M
#undef F

static void
decode_line(char *text)
{
	struct wire_bytes bytes = parse_hex(text);
	struct wire_frame frame;
	if (!frame_whole(bytes, FRAME_SIZE_MAX, &frame))
		errx(EX_DATAERR, "%s: no frame", text);
	decode(frame.number, frame.body, frame.size);
	putchar('\n');
}

int
main(int argc, char **argv)
{
	bool encoding = argc == 2 && strcmp(argv[1], "encode") == 0;
	if (!encoding && (argc != 2 || strcmp(argv[1], "decode") != 0))
		errx(EX_USAGE, "usage: golden encode|decode");
	char *line = NULL;
	size_t room = 0;
	for (ssize_t size; (size = getline(&line, &room, stdin)) > 0;) {
		line[size - 1] = '\0';
		if (encoding)
			encode_line(line);
		else
			decode_line(line);
	}
	free(line);
	return 0;
}
