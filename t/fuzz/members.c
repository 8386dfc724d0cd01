/* SPDX-License-Identifier: ISC */
/* A members list: what is read and printed reads back as the same. */
#include "conf/conf.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char why[CONF_WHY_SIZE] = "";
	struct raft_config members, back;
	struct conf_cluster_id id, id_back;
	uint8_t made[RAFT_CONFIG_SIZE_MAX];

	memset(&members, 0, sizeof members);
	memset(&back, 0, sizeof back);
	if (!conf_read_members(fuzz_file(0, bytes, size), &members, &id, why)) {
		must(strlen(why) > 0);
		must(strchr(why, '\n') == NULL);
		return 0;
	}
	char *printed = conf_print_members(&members, &id);
	must(conf_read_members(fuzz_file(1, printed, strlen(printed)), &back, &id_back, why));
	must(memcmp(&id_back, &id, sizeof id) == 0);
	must(back.count == members.count);
	must(memcmp(&back, &members, sizeof back) == 0);
	/* It can go into the log. */
	must(raft_config_decode(&back, made, raft_config_encode(&members, made)));
	free(printed);
	return 0;
}

static void
seeds(void)
{
	static const char text[] =
	    "- { id: n2, address: tcp://127.0.0.1:7001, key: "
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= }\n"
	    "- id: n1\n  address: \"tcp://[::1]:7002\"\n  key: "
	    "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	    "  role: learner\n"
	    "- { cluster: \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\", "
	    "index: 18446744073709551615, name: demo }\n";

	fuzz_seed(text, sizeof text - 1);
}
