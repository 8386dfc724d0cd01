/* SPDX-License-Identifier: ISC */
/* What an address of a node looks like: tcp://host:port, an IPv6 host in brackets. */
#ifndef CONF_ADDRESS_H
#define CONF_ADDRESS_H

#include <stdbool.h>

/* False with what is wrong and what to do in why (CONF_WHY_SIZE), no place before it. */
bool address_check(const char *text, char *why);
/* As above, and others can reach it: 0.0.0.0 and [::] are for listening only. */
bool address_check_reachable(const char *text, char *why);

#endif
