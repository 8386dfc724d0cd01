/* SPDX-License-Identifier: ISC */
/* What comes from the network: anybody may have sent it. */
#ifndef PEERD_INBOUND_H
#define PEERD_INBOUND_H

#include "peerd.h"

/* The calls of pull.h, with struct peerd as argument. */
void inbound_message(uint32_t pipe, uint8_t *bytes, size_t size, void *arg);
void inbound_pipe(uint32_t pipe, bool come, void *arg);

#endif
