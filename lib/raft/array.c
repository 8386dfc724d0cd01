/* SPDX-License-Identifier: ISC */
#include "array.h"

#include <stdlib.h>
#include <string.h>

void *
raft_grow(void *array, size_t *size, size_t count_wanted, size_t item_size)
{
	size_t grown = *size == 0 ? 16 : *size;

	if (count_wanted <= *size)
		return array;
	while (grown < count_wanted)
		grown *= 2;
	must(grown <= SIZE_MAX / item_size);
	array = realloc(array, grown * item_size);
	must(array != NULL);
	*size = grown;
	must(*size >= count_wanted);
	return array;
}

/* Moving the items down costs no more than what was dropped before them. */
void *
raft_queue_grow(void *array, size_t *head, size_t *count, size_t *size, size_t item_size)
{
	if (*head > *size / 2 && *head + *count == *size) {
		memmove(array, (char *)array + *head * item_size, *count * item_size);
		*head = 0;
	}
	(*count)++;
	array = raft_grow(array, size, *head + *count, item_size);
	must(*head + *count <= *size);
	return array;
}

void
raft_queue_drop(size_t *head, size_t *count, size_t n)
{
	must(n <= *count);
	*head += n;
	*count -= n;
	if (*count == 0)
		*head = 0;
	must(*count > 0 || *head == 0);
}
