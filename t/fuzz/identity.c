/* SPDX-License-Identifier: ISC */
/* The identity file, and the file of a secret key: what is read is written the same.  First byte:
 * which. */
#include "conf/identity.h"
#include "seal/seal.h"
#include "fuzz.h"

#include <sys/stat.h>

/* Nothing is to survive here. */
int
fsync(int fd)
{
	(void)fd;
	return 0;
}

static void
try_identity(const uint8_t *bytes, size_t size)
{
	char path[4096], why[CONF_WHY_SIZE] = "";
	struct identity identity, back;

	snprintf(path, sizeof path, "%s/identity", fuzz_folder());
	fuzz_write(path, bytes, size);
	enum identity_found found = identity_read(&identity, fuzz_folder(), why);
	must(found != IDENTITY_NONE);
	must((found == IDENTITY_BAD) == (strlen(why) > 0));
	if (found == IDENTITY_BAD)
		return;
	must(identity_replace(&identity, fuzz_folder(), why));
	must(identity_read(&back, fuzz_folder(), why) == IDENTITY_FOUND);
	must(memcmp(&identity, &back, sizeof back) == 0);
}

static void
try_secret(const uint8_t *bytes, size_t size)
{
	char path[4096], why[SEAL_WHY_SIZE] = "", text[SEAL_KEY_TEXT_SIZE];
	struct seal_pair pair;

	snprintf(path, sizeof path, "%s/secret", fuzz_folder());
	fuzz_write(path, bytes, size);
	must(chmod(path, 0600) == 0);
	if (!seal_pair_read(&pair, path, why)) {
		must(strlen(why) > 0);
		return;
	}
	seal_key_text(text, pair.secret);
	must(size == SEAL_KEY_TEXT_SIZE);
	must(memcmp(text, bytes, size - 1) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static bool ready;

	if (!ready)
		seal_init();
	ready = true;
	if (size == 0)
		return 0;
	if (bytes[0] & 1)
		try_secret(bytes + 1, size - 1);
	else
		try_identity(bytes + 1, size - 1);
	return 0;
}

static void
seeds(void)
{
	static const char fresh[] =
	    "\0node n1\ndirectory 00112233445566778899aabbccddeeff\nfresh yes\n";
	static const char later[] =
	    "\0node n1\ndirectory 00112233445566778899aabbccddeeff\ncluster "
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";
	static const char secret[] = "\1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

	fuzz_seed(fresh, sizeof fresh - 1);
	fuzz_seed(later, sizeof later - 1);
	fuzz_seed(secret, sizeof secret - 1);
}
