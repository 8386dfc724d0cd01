/* SPDX-License-Identifier: ISC */
/* Addresses of nodes, by their form only: raft-peerd resolves names, again and again. */
#include "address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"

static const char scheme[] = "tcp://";
enum { HOST_SIZE_MAX = 253, PORT_DIGITS_MAX = 5, PORT_MAX = 65535 };

static bool
address_wrong(const char *text, const char *what, char *why)
{
	snprintf(why, CONF_WHY_SIZE, "%.300s is no address: %s", text, what);
	return false;
}

static bool
host_is_name(const char *host, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)host[i]) && host[i] != '.' && host[i] != '-' &&
		    host[i] != '_')
			return false;
	return size > 0 && size <= HOST_SIZE_MAX && host[0] != '-' && host[0] != '.';
}

/* "[::1]", without a zone. */
static bool
host_is_ipv6(const char *host, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;
	if (size < 4 || size - 2 >= sizeof(text) || host[0] != '[' || host[size - 1] != ']')
		return false;
	memcpy(text, host + 1, size - 2);
	text[size - 2] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* What is all digits and dots must be an address: 10.0.0.256 is no name to look up. */
static bool
host_is_bad_ipv4(const char *host, size_t size)
{
	char text[HOST_SIZE_MAX + 1];
	struct in_addr address;
	if (strspn(host, "0123456789.") < size)
		return false;
	memcpy(text, host, size);
	text[size] = '\0';
	return inet_pton(AF_INET, text, &address) != 1;
}

static bool
port_is_good(const char *port)
{
	size_t size = strlen(port);
	if (size == 0 || size > PORT_DIGITS_MAX || port[0] == '0' ||
	    strspn(port, "0123456789") != size)
		return false;
	long number = strtol(port, NULL, 10);
	return number >= 1 && number <= PORT_MAX;
}

bool
address_check(const char *text, char *why)
{
	if (strncmp(text, scheme, strlen(scheme)) != 0)
		return address_wrong(text, "write tcp://HOST:PORT", why);
	if (strlen(text) >= RAFT_ADDRESS_SIZE)
		return address_wrong(text, "it is too long", why);
	const char *host = text + strlen(scheme);
	const char *colon = strrchr(host, ':');
	const char *bracket = strrchr(host, ']');
	if (colon == NULL || (bracket != NULL && colon < bracket))
		return address_wrong(text, "the port is missing, write tcp://HOST:PORT", why);
	if (!port_is_good(colon + 1))
		return address_wrong(text, "the port must be a number from 1 to 65535", why);

	size_t size = (size_t)(colon - host);
	if (memchr(host, ':', size) != NULL && host[0] != '[')
		return address_wrong(
		    text, "an IPv6 address stands in brackets, as in tcp://[::1]:7101", why);
	if (host[0] == '[') {
		if (!host_is_ipv6(host, size))
			return address_wrong(
			    text, "what stands in brackets must be an IPv6 address", why);
		return true;
	}
	if (!host_is_name(host, size))
		return address_wrong(
		    text, "the host must be a name or an IP address (any: 0.0.0.0 or [::])", why);
	if (host_is_bad_ipv4(host, size))
		return address_wrong(text, "the host is no IPv4 address", why);
	return true;
}

bool
address_check_reachable(const char *text, char *why)
{
	if (!address_check(text, why))
		return false;
	const char *host = text + strlen(scheme);
	size_t size = (size_t)(strrchr(host, ':') - host);
	/* Made of zeros, dots, colons and brackets only: any way to write "everywhere". */
	if (strspn(host, "0.:[]") < size)
		return true;
	return address_wrong(text, "the others can't reach that, name this host", why);
}
