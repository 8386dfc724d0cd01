/* SPDX-License-Identifier: ISC */
/* The difference between the peers that are there and those that should be. */
#include "peers.h"

#include <inttypes.h>
#include <string.h>

#include "local/changes.h"
#include "handshake.h"
#include "peer.h"

struct peer *
peers_find(const struct peerd *peerd, const struct raft_id *id)
{
	for (size_t i = 0; i < peerd->peers_count; i++)
		if (raft_id_equal(&peerd->peers[i]->member.id, id))
			return peerd->peers[i];
	return NULL;
}

static bool
is_loopback(const char *address)
{
	static const char *const hosts[] = {"tcp://127.", "tcp://[::1]:", "tcp://localhost:"};
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		if (strncmp(address, hosts[i], strlen(hosts[i])) == 0)
			return true;
	return false;
}

void
peers_check_clear(const char *address)
{
	if (channel_clear() && address[0] && !is_loopback(address))
		daemon_die(EXIT_CONFIG,
		    "%s: this raft-peerd was built without cipher, to measure its cost: loopback "
		    "addresses only",
		    address);
}

/*
 * The address to dial: the log's; where it has none, as in the first configuration, that of
 * the YAML for the same id and key.
 */
static void
find_address(const struct peerd *peerd, struct raft_member *member)
{
	if (member->address[0] == '\0' && peerd->conf->cluster.have_members) {
		const struct raft_member *known =
		    raft_config_find(&peerd->conf->cluster.members, &member->id);
		if (known && memcmp(known->key, member->key, sizeof member->key) == 0)
			memcpy(member->address, known->address, sizeof member->address);
	}
	if (member->address[0] == '\0')
		log_warn("address", "peer=%s why=%s", member->id.s,
		    log_q("neither the log nor the members list of the configuration file has an "
			  "address for it"));
	peers_check_clear(member->address);
}

static void
peers_update(struct peer *peer, const struct raft_member *member)
{
	if (memcmp(peer->member.key, member->key, sizeof member->key) != 0 ||
	    memcmp(peer->member.key_next, member->key_next, sizeof member->key_next) != 0)
		peer_rekey(peer, member);
	if (strcmp(peer->member.address, member->address) != 0)
		peer_move(peer, member->address);
	peer->member.role = member->role;
}

static void
peers_add(struct peerd *peerd, const struct raft_member *member)
{
	char fingerprint[FINGERPRINT_SIZE];
	must(peerd->peers_count < RAFT_MEMBERS_MAX);
	peerd_fingerprint(fingerprint, member->key);
	log_info("member", "id=%s address=%s fingerprint=%s", member->id.s, log_q(member->address),
	    fingerprint);
	peerd->peers[peerd->peers_count++] = peer_new(peerd, member);
	changes_put(peerd->server, "peer", member->id.s, "not connected yet", "state=down");
}

static void
peers_drop(struct peerd *peerd, size_t at)
{
	struct peer *peer = peerd->peers[at];
	struct raft_id id = peer->member.id;
	log_info("gone", "id=%s why=%s", peer->member.id.s, log_q("no longer a member"));
	peerd->peers[at] = peerd->peers[--peerd->peers_count];
	peer_free(peer);
	changes_forget(peerd->server, "peer", id.s);
}

static void
check_self(const struct peerd *peerd, const struct raft_member *self)
{
	char ours[FINGERPRINT_SIZE], theirs[FINGERPRINT_SIZE];
	if (memcmp(self->key, peerd->pair.public, SEAL_KEY_SIZE) == 0 ||
	    (raft_member_two_keys(self) &&
		memcmp(self->key_next, peerd->pair.public, SEAL_KEY_SIZE) == 0))
		return;
	peerd_fingerprint(ours, peerd->pair.public);
	peerd_fingerprint(theirs, self->key);
	log_warn("key", "fingerprint=%s members=%s why=%s", ours, theirs,
	    log_q("the members list has another key for this node: no peer will talk to it"));
}

/* Both lists; what the newer one says of a member counts. */
static void
peers_merge(const struct peerd *peerd, struct raft_config *all)
{
	*all = peerd->members;
	if (peerd->learned_index <= peerd->members_index)
		return;
	for (size_t i = 0; i < all->count; i++) {
		const struct raft_member *newer =
		    raft_config_find(&peerd->learned, &all->members[i].id);
		if (newer)
			all->members[i] = *newer;
	}
	for (size_t i = 0; i < peerd->learned.count && all->count < RAFT_MEMBERS_MAX; i++)
		if (raft_config_find(&peerd->members, &peerd->learned.members[i].id) == NULL)
			all->members[all->count++] = peerd->learned.members[i];
}

/*
 * When all addresses have changed at once, no leader can write them into the log: then an operator
 * writes them into the list of this very configuration, as raft-ctl members -y prints it.  They
 * hold until the log has another address for the member: it gets them one by one.
 */
static bool
is_moved(const struct peerd *peerd, const struct raft_member *member)
{
	const struct raft_member *old = raft_config_find(&peerd->moved, &member->id);
	return old && strcmp(old->address, member->address) == 0;
}

static void
addresses_from_file(struct peerd *peerd, struct raft_config *all)
{
	const struct conf_cluster_id *id = &peerd->conf->cluster.id;
	const struct raft_config *file = &peerd->conf->cluster.members;
	size_t others = 0, used = 0;
	if (!peerd->conf->cluster.have_members)
		return;
	if (id->known && id->index == peerd->members_index &&
	    raft_hash_equal(&id->hash, &peerd->cluster))
		peerd->moved = peerd->members;
	for (size_t i = 0; i < all->count; i++) {
		struct raft_member *member = &all->members[i];
		const struct raft_member *listed = raft_config_find(file, &member->id);
		if (listed == NULL || memcmp(listed->key, member->key, sizeof member->key) != 0 ||
		    strcmp(listed->address, member->address) == 0 || member->address[0] == '\0')
			continue;
		others++;
		if (!is_moved(peerd, member))
			continue;
		used++;
		memcpy(member->address, listed->address, sizeof member->address);
	}
	if (others > 0)
		log_info("addresses", "count=%zu used=%zu index=%" PRIu64 " why=%s", others, used,
		    peerd->members_index,
		    log_q(
			used
			    ? "the members list of the configuration file has other addresses, of "
			      "this "
			      "entry"
			    : "the members list of the configuration file has other addresses, and "
			      "is of another entry: the log's are used; raft-ctl members -y prints "
			      "one of this entry"));
}

static void
peers_apply(struct peerd *peerd)
{
	struct raft_config all;
	peers_merge(peerd, &all);
	addresses_from_file(peerd, &all);
	for (size_t i = peerd->peers_count; i-- > 0;)
		if (raft_config_find(&all, &peerd->peers[i]->member.id) == NULL)
			peers_drop(peerd, i);
	for (size_t i = 0; i < all.count; i++) {
		struct raft_member member = all.members[i];
		if (raft_id_equal(&member.id, &peerd->self)) {
			check_self(peerd, &member);
			continue;
		}
		find_address(peerd, &member);
		struct peer *peer = peers_find(peerd, &member.id);
		if (peer)
			peers_update(peer, &member);
		else
			peers_add(peerd, &member);
	}
}

/* The configuration file's own list, where an operator has put a newer one for a node that was
 * away. */
static void
learn_from_file(struct peerd *peerd)
{
	const struct conf_cluster_id *id = &peerd->conf->cluster.id;
	if (!peerd->conf->cluster.have_members || !id->known || id->index <= peerd->learned_index ||
	    !raft_hash_equal(&id->hash, &peerd->cluster))
		return;
	peerd->learned = peerd->conf->cluster.members;
	peerd->learned_index = id->index;
}

bool
peers_take(struct peerd *peerd, const struct msg_peer_config *message)
{
	struct raft_config config;
	if (!raft_config_decode(&config, message->config.bytes, message->config.size))
		return false;
	/* A new cluster id makes every connection void; it only ever comes once. */
	if (!raft_hash_equal(&peerd->cluster, &message->cluster)) {
		while (peerd->peers_count > 0)
			peers_drop(peerd, peerd->peers_count - 1);
		peerd->learned_index = 0;
	}
	peerd->cluster = message->cluster;
	peerd->have_cluster = true;
	peerd->members = config;
	peerd->members_index = message->index;
	learn_from_file(peerd);
	peers_apply(peerd);
	handshakes_members(peerd);
	return true;
}

bool
peers_learn(struct peerd *peerd, const struct msg_peer_members *message)
{
	struct raft_config config;
	if (!raft_config_decode(&config, message->config.bytes, message->config.size))
		return false;
	if (message->index <= peerd->members_index || message->index <= peerd->learned_index)
		return true;
	log_info("learned", "index=%" PRIu64 " own=%" PRIu64 " why=%s", message->index,
	    peerd->members_index,
	    log_q("a peer goes by a newer members list than this node's log has yet"));
	peerd->learned = config;
	peerd->learned_index = message->index;
	peers_apply(peerd);
	return true;
}

void
peers_tell(const struct peerd *peerd, struct wire_buf *out)
{
	uint8_t bytes[RAFT_CONFIG_SIZE_MAX];
	msg_peer_members_put(out, &(struct msg_peer_members){peerd->members_index,
				      {bytes, raft_config_encode(&peerd->members, bytes)}});
}
