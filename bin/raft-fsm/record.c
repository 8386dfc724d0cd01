/* SPDX-License-Identifier: ISC */
/* Records out and in. */
#include "record.h"

#include <inttypes.h>
#include <stdlib.h>

#include "raft/types.h"

void
record_put(FILE *file, const struct record *record)
{
	fprintf(file, "%u %u %" PRIu64 " %u %" PRIu64 " %zu\n", (unsigned)record->what,
	    (unsigned)record->kind, record->index, record->state, record->place, record->data.size);
	if (record->data.size)
		fwrite(record->data.bytes, 1, record->data.size, file);
}

bool
record_get(FILE *file, struct record *record)
{
	unsigned what, kind;
	size_t size;
	*record = (struct record){0};
	if (fscanf(file, "%u %u %" SCNu64 " %u %" SCNu64 " %zu", &what, &kind, &record->index,
		&record->state, &record->place, &size) != 6 ||
	    getc(file) != '\n')
		return false;
	uint8_t *data = calloc(1, size + 1);
	must(data != NULL);
	if (fread(data, 1, size, file) != size) {
		free(data);
		return false;
	}
	record->what = (enum record_what)what;
	record->kind = (enum request_kind)kind;
	record->data = (struct wire_bytes){data, size};
	return true;
}
