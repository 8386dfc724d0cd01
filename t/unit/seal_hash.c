/* SPDX-License-Identifier: ISC */
/* Hashes, keys and the file of a secret.  The wanted hashes were made by another implementation of
 * BLAKE2b. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "seal/seal.h"
#include "check.h"

static bool
is_hex(const void *bytes, size_t size, const char *hex)
{
	char text[2 * 64 + 1];
	seal_hex(text, bytes, size);
	return strcmp(text, hex) == 0;
}

static void
test_chain(void)
{
	struct raft_hash prev, out, other;
	uint8_t record[RAFT_ENTRY_HEADER_SIZE + 5];
	for (uint8_t i = 0; i < 32; i++)
		prev.b[i] = i;
	for (uint8_t i = 0; i < RAFT_ENTRY_HEADER_SIZE; i++)
		record[i] = i;
	memcpy(record + RAFT_ENTRY_HEADER_SIZE, "hello", 5);
	struct raft_entry entry = {.bytes = record, .size = sizeof record};
	out = seal_chain(&prev, 7, &entry);
	CHECK(
	    is_hex(out.b, 32, "d263213a0c47470dd6b9e1dc0c74098c44367d6950c13baee3462b74b513b655"));
	other = seal_chain(&prev, 8, &entry);
	CHECK(!raft_hash_equal(&out, &other));
	/* In place, as a log that grows does it. */
	prev = seal_chain(&prev, 7, &entry);
	CHECK(raft_hash_equal(&out, &prev));
}

static void
test_digest(void)
{
	struct raft_hash out = {{0}};
	out = seal_digest(&out, "hello", 5);
	CHECK(
	    is_hex(out.b, 32, "154f38e9fd33fede0332dd0784372f2d4f6d04a601a9b454225175de8fcfdac5"));
}

static void
test_session_id(void)
{
	struct raft_sid sid;
	seal_session_id(&sid, "loader");
	CHECK(is_hex(sid.b, sizeof sid.b, "9577c26994b77cd52f278bab43a95e47"));
	CHECK(raft_sid_named(&sid));
}

static struct raft_member
member(const char *id, uint8_t key, enum raft_member_role role, const char *address)
{
	struct raft_member m = {.role = role};
	raft_id_parse(&m.id, id);
	memset(m.key, key, sizeof m.key);
	strcpy(m.address, address);
	return m;
}

static void
test_cluster_id(void)
{
	static const char wanted[] =
	    "804b54edec0721340c613453bda3ccf9329dcd278cc2a547a05979f3974fdcee";
	struct raft_config config = {.count = 2};
	struct raft_hash out;
	config.members[0] = member("a", 1, RAFT_VOTER, "");
	config.members[1] = member("b", 2, RAFT_LEARNER, "");
	out = seal_cluster_id("demo", &config);
	CHECK(is_hex(out.b, 32, wanted));
	/* Neither order nor addresses matter; names, roles and keys do. */
	config.members[0] = member("b", 2, RAFT_LEARNER, "tcp://127.0.0.1:1");
	config.members[1] = member("a", 1, RAFT_VOTER, "tcp://127.0.0.1:2");
	out = seal_cluster_id("demo", &config);
	CHECK(is_hex(out.b, 32, wanted));
	out = seal_cluster_id("demon", &config);
	CHECK(!is_hex(out.b, 32, wanted));
	config.members[0].role = RAFT_VOTER;
	out = seal_cluster_id("demo", &config);
	CHECK(!is_hex(out.b, 32, wanted));
}

static void
test_key_text(void)
{
	struct seal_pair pair;
	char text[SEAL_KEY_TEXT_SIZE];
	uint8_t key[SEAL_KEY_SIZE];
	seal_pair_new(&pair);
	seal_key_text(text, pair.public);
	CHECK(strlen(text) == SEAL_KEY_TEXT_SIZE - 1);
	CHECK(seal_key_parse(key, text));
	CHECK(memcmp(key, pair.public, sizeof key) == 0);
	CHECK(!seal_key_parse(key, ""));
	CHECK(!seal_key_parse(key, text + 1));
	text[4] = '!';
	CHECK(!seal_key_parse(key, text));
	CHECK(!seal_key_parse(key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==="));
	/* libsodium takes some bytes above 127 for '+' and '/'. */
	for (int byte = 128; byte < 256; byte++) {
		seal_key_text(text, pair.public);
		text[4] = (char)byte;
		CHECK(!seal_key_parse(key, text));
	}
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
}

static void
test_secret_file(void)
{
	char folder[] = "/tmp/seal-XXXXXX", path[64], why[SEAL_WHY_SIZE];
	struct seal_pair pair, back;
	struct stat st;
	CHECK(mkdtemp(folder) != NULL);
	snprintf(path, sizeof path, "%s/key", folder);
	CHECK(!seal_pair_read(&back, path, why));
	seal_pair_new(&pair);
	mode_t old = umask(0);
	CHECK(seal_pair_write(&pair, path, why));
	umask(old);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600);
	CHECK(seal_pair_read(&back, path, why));
	CHECK(memcmp(&pair, &back, sizeof pair) == 0);
	/* It never replaces one. */
	CHECK(!seal_pair_write(&pair, path, why));
	CHECK(strstr(why, "exists") != NULL);
	for (unsigned mode = 0601; mode <= 0677; mode++) {
		chmod(path, mode);
		CHECK(!seal_pair_read(&back, path, why));
	}
	CHECK(strstr(why, "others can get at") != NULL);
	write_file(path, "", 0600);
	CHECK(!seal_pair_read(&back, path, why));
	write_file(path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nmore\n", 0600);
	CHECK(!seal_pair_read(&back, path, why));
	write_file(path, "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", 0600);
	CHECK(!seal_pair_read(&back, path, why));
	unlink(path);
	CHECK(mkdir(path, 0700) == 0);
	CHECK(!seal_pair_read(&back, path, why));
	rmdir(path);
	rmdir(folder);
}

int
main(void)
{
	seal_init();
	check_run("seal: the chain is BLAKE2b over previous chain, index and record", test_chain);
	check_run("seal: the digest is BLAKE2b over previous digest, size and data", test_digest);
	check_run("seal: a session's name gives its id, marked as named", test_session_id);
	check_run(
	    "seal: the cluster id is of name, ids, keys and roles, in any order, without addresses",
	    test_cluster_id);
	check_run("seal: a key's text reads back, and nothing else does", test_key_text);
	check_run("seal: a secret's file is private, is never replaced, and reads back",
	    test_secret_file);
	return check_done();
}
