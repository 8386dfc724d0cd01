/* SPDX-License-Identifier: ISC */
/* Slots with generations. */
#include "tickets.h"

#include <stdlib.h>

enum { SLOTS_MIN = 256 };

static void
tickets_grow(struct tickets *tickets)
{
	size_t count = tickets->slots_count ? 2 * tickets->slots_count : SLOTS_MIN;
	must(count < UINT32_MAX);
	struct ticket *slots = realloc(tickets->slots, count * sizeof *slots);
	must(slots != NULL);
	tickets->slots = slots;
	for (size_t i = tickets->slots_count; i < count; i++) {
		slots[i] = (struct ticket){.next_free = tickets->first_free};
		tickets->first_free = (uint32_t)i + 1;
	}
	tickets->slots_count = count;
}

struct ticket *
tickets_take(struct tickets *tickets)
{
	if (tickets->first_free == 0)
		tickets_grow(tickets);
	uint32_t slot = tickets->first_free - 1;
	struct ticket *ticket = &tickets->slots[slot];
	uint32_t generation = ticket->generation + 1 ? ticket->generation + 1 : 1;
	tickets->first_free = ticket->next_free;
	tickets->used++;
	*ticket =
	    (struct ticket){.number = (uint64_t)generation << 32 | slot, .generation = generation};
	return ticket;
}

struct ticket *
tickets_find(struct tickets *tickets, uint64_t number)
{
	size_t slot = (uint32_t)number;
	if (number == 0 || slot >= tickets->slots_count || tickets->slots[slot].number != number)
		return NULL;
	return &tickets->slots[slot];
}

void
tickets_drop(struct tickets *tickets, struct ticket *ticket)
{
	must(ticket->number != 0);
	ticket->number = 0;
	ticket->next_free = tickets->first_free;
	tickets->first_free = (uint32_t)(ticket - tickets->slots) + 1;
	tickets->used--;
}

struct ticket *
tickets_next(struct tickets *tickets, struct ticket *ticket)
{
	size_t slot = ticket ? (size_t)(ticket - tickets->slots) + 1 : 0;
	while (slot < tickets->slots_count && tickets->slots[slot].number == 0)
		slot++;
	return slot < tickets->slots_count ? &tickets->slots[slot] : NULL;
}

uint64_t
ticket_answered(struct ticket *ticket, uint64_t serial, uint64_t count)
{
	uint64_t taken = count < ticket->count ? count : ticket->count;
	if (serial == ticket->serial)
		ticket->serial += taken;
	ticket->count -= taken;
	return taken;
}
