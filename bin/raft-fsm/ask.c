/* SPDX-License-Identifier: ISC */
/* Queues of questions. */
#include "ask.h"

#include <stddef.h>

void
asks_put(struct asks *asks, struct ask *ask)
{
	if (asks->first == NULL)
		asks->end = &asks->first;
	ask->next = NULL;
	*asks->end = ask;
	asks->end = &ask->next;
	asks->count++;
	asks->bytes += ask->size;
}

struct ask *
asks_take(struct asks *asks)
{
	struct ask *ask = asks->first;
	if (ask == NULL)
		return NULL;
	asks->first = ask->next;
	asks->count--;
	asks->bytes -= ask->size;
	return ask;
}

void
asks_refuse(struct asks *asks, enum exit_status status, const char *sentence)
{
	for (struct ask *ask; (ask = asks_take(asks));)
		ask_refuse(ask, status, sentence);
}
