/* SPDX-License-Identifier: ISC */
/*
 * data/identity: whose data directory it is, as lines of text.
 *
 *   node n1
 *   directory 00112233445566778899aabbccddeeff
 *   fresh yes                       until the first start has ended
 *   join yes                        it joins a running cluster: until the first start has ended
 *   cluster 0011...                 64 digits, from then on
 *
 * raft-init creates it; raft-logd replaces it once, when it clears `fresh`.
 * A directory without it is never given one by a daemon: a voter that was
 * wiped would look like a first start, and would vote again.
 */
#ifndef CONF_IDENTITY_H
#define CONF_IDENTITY_H

#include "conf.h"

enum { IDENTITY_DIRECTORY_SIZE = 16 };

struct identity {
	struct raft_id node;
	uint8_t directory[IDENTITY_DIRECTORY_SIZE]; /* random */
	bool fresh;
	bool join;
	bool have_cluster;
	struct raft_hash cluster;
};

enum identity_found { IDENTITY_FOUND, IDENTITY_NONE, IDENTITY_BAD };

/* Reads data/identity.  NONE: no such file.  BAD: unreadable or malformed.  Both put one sentence
 * into why (CONF_WHY_SIZE), and set errno. */
enum identity_found identity_read(struct identity *identity, const char *data, char *why);

/*
 * A fresh identity with a random directory id, in data/identity, fsynced with its
 * folder, which must exist.  False with a sentence in why; also where there is one already.
 */
bool identity_create(const char *data, const struct raft_id *node, bool join, char *why);

/* Replaces it whole: temporary file, fsync, rename, fsync of the folder.  False with a sentence in
 * why, and errno. */
bool identity_replace(const struct identity *identity, const char *data, char *why);

#endif
