/* SPDX-License-Identifier: ISC */
/* The identity file: read by line, written whole, never in place. */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "seal/seal.h"
#include "unix/file.h"
#include "text.h"

enum { TEXT_SIZE = 512, PATH_SIZE = 640 };

static bool
identity_fail(char *why, const char *path, const char *what)
{
	snprintf(why, CONF_WHY_SIZE, "%s: %s: %s", path, what, strerror(errno));
	return false;
}

/* One "key value" line. */
static bool
identity_parse_line(struct identity *identity, const char *key, const char *value)
{
	if (strcmp(key, "node") == 0)
		return raft_id_parse(&identity->node, value);
	if (strcmp(key, "directory") == 0)
		return text_hex_parse(identity->directory, sizeof identity->directory, value);
	if (strcmp(key, "cluster") == 0)
		return identity->have_cluster =
			   text_hex_parse(identity->cluster.b, RAFT_HASH_SIZE, value);
	if (strcmp(key, "fresh") == 0)
		return identity->fresh = strcmp(value, "yes") == 0;
	if (strcmp(key, "join") == 0)
		return identity->join = strcmp(value, "yes") == 0;
	return false;
}

static bool
identity_parse(struct identity *identity, char *text)
{
	uint8_t none[IDENTITY_DIRECTORY_SIZE] = {0};
	memset(identity, 0, sizeof *identity);
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
		char *value = strchr(line, ' ');
		if (*line == '\0')
			continue;
		if (value == NULL)
			return false;
		*value++ = '\0';
		if (!identity_parse_line(identity, line, value))
			return false;
	}
	return !raft_id_none(&identity->node) &&
	       memcmp(identity->directory, none, sizeof none) != 0 &&
	       (identity->fresh || identity->have_cluster);
}

static bool
identity_name(char *path, const char *data, const char *file, char *why)
{
	if ((size_t)snprintf(path, PATH_SIZE, "%s/%s", data, file) < PATH_SIZE)
		return true;
	snprintf(why, CONF_WHY_SIZE, "%.128s...: the path of the data directory is too long", data);
	errno = ENAMETOOLONG;
	return false;
}

enum identity_found
identity_read(struct identity *identity, const char *data, char *why)
{
	char path[PATH_SIZE], text[TEXT_SIZE + 1];
	if (!identity_name(path, data, "identity", why))
		return IDENTITY_BAD;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		enum identity_found found = errno == ENOENT ? IDENTITY_NONE : IDENTITY_BAD;
		identity_fail(why, path, "cannot open the identity");
		return found;
	}
	ssize_t size = read(fd, text, TEXT_SIZE);
	if (size < 0)
		identity_fail(why, path, "cannot read the identity");
	close(fd);
	if (size < 0)
		return IDENTITY_BAD;
	text[size] = '\0';
	if (identity_parse(identity, text))
		return IDENTITY_FOUND;
	snprintf(why, CONF_WHY_SIZE, "%s: not an identity as raft-init writes it", path);
	errno = EINVAL;
	return IDENTITY_BAD;
}

static void
identity_print(char *out, const struct identity *identity)
{
	char directory[2 * IDENTITY_DIRECTORY_SIZE + 1], cluster[2 * RAFT_HASH_SIZE + 1];
	seal_hex(directory, identity->directory, sizeof identity->directory);
	seal_hex(cluster, identity->cluster.b, RAFT_HASH_SIZE);
	snprintf(out, TEXT_SIZE, "node %s\ndirectory %s\n%s%s%s%s%s", identity->node.s, directory,
	    identity->fresh ? "fresh yes\n" : "", identity->join ? "join yes\n" : "",
	    identity->have_cluster ? "cluster " : "", identity->have_cluster ? cluster : "",
	    identity->have_cluster ? "\n" : "");
}

static bool
identity_put(const struct identity *identity, const char *data, enum file_place place, char *why)
{
	char path[PATH_SIZE], text[TEXT_SIZE];
	if (!identity_name(path, data, "identity", why))
		return false;
	identity_print(text, identity);
	return file_write_whole(path, text, strlen(text), 0600, place) ||
	       identity_fail(why, path, "cannot be written");
}

bool
identity_create(const char *data, const struct raft_id *node, bool join, char *why)
{
	struct identity identity = {.node = *node, .fresh = true, .join = join};
	seal_random(identity.directory, sizeof identity.directory);
	return identity_put(&identity, data, FILE_NEW, why);
}

bool
identity_replace(const struct identity *identity, const char *data, char *why)
{
	return identity_put(identity, data, FILE_REPLACE, why);
}
