/* SPDX-License-Identifier: ISC */
/* Writing and reading the file. */
#include "snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unix/exit.h"
#include "unix/file.h"

static bool
snapshot_fail(char *why, const char *what)
{
	snprintf(why, SNAPSHOT_WHY_SIZE, "%s: %s", what, strerror(errno));
	return false;
}

/* ------------------------------------------------------------- writing */

struct writing {
	FILE *file;
	uint64_t count;
};

static void
write_netstring(FILE *file, struct wire_bytes bytes)
{
	fprintf(file, "%zu:", bytes.size);
	fwrite(bytes.bytes, 1, bytes.size, file);
	fputc(',', file);
}

static bool
write_pair(struct wire_bytes key, struct wire_bytes value, void *arg)
{
	struct writing *writing = arg;
	write_netstring(writing->file, key);
	write_netstring(writing->file, value);
	fputc('\n', writing->file);
	writing->count++;
	return !ferror(writing->file);
}

/* False with errno. */
static bool
write_all(struct store *store, FILE *file)
{
	struct writing writing = {.file = file};
	if (file == NULL)
		return false;
	if (store->chain[0])
		fprintf(file, "raft-kv 2 %" PRIu64 " %s\n", store->applied, store->chain);
	else
		fprintf(file, "raft-kv 1 %" PRIu64 "\n", store->applied);
	store->calls->scan(
	    store, (struct wire_bytes){(const uint8_t *)"", 0}, write_pair, &writing);
	fprintf(file, "end %" PRIu64 "\n", writing.count);
	bool good = fflush(file) == 0 && !ferror(file);
	int saved = errno;
	fclose(file);
	errno = saved;
	return good;
}

bool
snapshot_write(struct store *store, const char *path, char *why)
{
	struct file_part part;
	if (!file_part_begin(&part, path, 0666))
		return snapshot_fail(why, "the snapshot cannot be made");
	/* The part has its own descriptor: it is synced when all has gone through the buffer. */
	bool good =
	    write_all(store, fdopen(dup(part.fd), "w")) && file_part_end(&part, FILE_REPLACE);
	if (!good)
		snapshot_fail(why, "the snapshot cannot be written");
	file_part_drop(&part);
	return good;
}

/* ------------------------------------------------------------- reading */

struct reading {
	FILE *file;
	uint64_t index;
	char chain[STORE_CHAIN_SIZE]; /* "": it has none */
	struct wire_buf key, value;
};

/* A number and the byte behind it; false: none. */
static bool
snapshot_read_number(FILE *file, uint64_t *number, int end)
{
	int byte, digits = 0;
	for (*number = 0; (byte = getc(file)) >= '0' && byte <= '9' && digits < 19; digits++)
		*number = *number * 10 + (uint64_t)(byte - '0');
	return digits > 0 && byte == end;
}

static bool
read_netstring(FILE *file, struct wire_buf *content)
{
	uint64_t size;
	content->size = 0;
	if (!snapshot_read_number(file, &size, ':') || size > FRAME_SIZE_MAX)
		return false;
	return fread(wire_buf_add(content, size), 1, size, file) == size && getc(file) == ',';
}

static bool
read_word(FILE *file, const char *word)
{
	while (*word && getc(file) == *word)
		word++;
	return *word == '\0';
}

/* The first line. */
static bool
read_head(struct reading *reading)
{
	FILE *file = reading->file;
	reading->chain[0] = '\0';
	if (!read_word(file, "raft-kv "))
		return false;
	int version = getc(file);
	if (version == '1')
		return getc(file) == ' ' && snapshot_read_number(file, &reading->index, '\n');
	size_t size = STORE_CHAIN_SIZE - 1;
	if (version != '2' || getc(file) != ' ' ||
	    !snapshot_read_number(file, &reading->index, ' ') ||
	    fread(reading->chain, 1, size, file) != size)
		return false;
	reading->chain[size] = '\0';
	return store_chain_valid(reading->chain) && getc(file) == '\n';
}

/* All of the file; into the store, where one is given. */
static bool
read_all(struct reading *reading, struct store *into)
{
	uint64_t count = 0, said;
	FILE *file = reading->file;
	int byte;
	rewind(file);
	if (!read_head(reading))
		return false;
	while ((byte = getc(file)) != 'e') {
		ungetc(byte, file);
		if (!read_netstring(file, &reading->key) ||
		    !read_netstring(file, &reading->value) || getc(file) != '\n')
			return false;
		if (into)
			into->calls->put(into,
			    (struct wire_bytes){reading->key.bytes, reading->key.size},
			    (struct wire_bytes){reading->value.bytes, reading->value.size});
		count++;
	}
	return read_word(file, "nd ") && snapshot_read_number(file, &said, '\n') && said == count &&
	       getc(file) == EOF;
}

/* Checked first, then taken: a bad file leaves no trace. */
static bool
snapshot_take(struct reading *reading, struct store *store)
{
	if (!read_all(reading, NULL))
		return false;
	store->calls->begin(store);
	store->calls->clear(store);
	if (!read_all(reading, store)) {
		/* Half of it is in: only a new start is clean. */
		fprintf(stderr, "raft-kv: the snapshot changes while it is read\n");
		exit(EXIT_IO);
	}
	store->applied = reading->index;
	strcpy(store->chain, store->chained ? reading->chain : "");
	store->calls->commit(store);
	return true;
}

bool
snapshot_read(struct store *store, const char *path, char *why)
{
	struct reading reading = {.file = fopen(path, "re")};
	if (reading.file == NULL)
		return snapshot_fail(why, "the snapshot cannot be opened");
	bool good = snapshot_take(&reading, store);
	if (!good)
		snprintf(why, SNAPSHOT_WHY_SIZE, "not a whole snapshot of raft-kv");
	fclose(reading.file);
	wire_buf_free(&reading.key);
	wire_buf_free(&reading.value);
	return good;
}
