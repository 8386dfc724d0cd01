/* SPDX-License-Identifier: ISC */
/* raft.yaml: what is read and printed reads back, and prints the same. */
#include "conf/conf.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char why[CONF_WHY_SIZE] = "";
	struct conf *conf = conf_read(fuzz_file(0, bytes, size), why);

	if (conf == NULL) {
		must(strlen(why) > 0);
		must(strchr(why, '\n') == NULL);
		return 0;
	}
	char *printed = conf_print(conf);
	struct conf *back = conf_read(fuzz_file(1, printed, strlen(printed)), why);
	if (back == NULL)
		fprintf(stderr, "%s\n%s\n", why, printed);
	must(back != NULL);
	char *again = conf_print(back);
	must(strcmp(printed, again) == 0);
	free(again);
	free(printed);
	conf_free(back);
	conf_free(conf);
	return 0;
}

static void
seeds(void)
{
	static const char text[] =
	    "node: { id: n1, data: d, run: \"/r x\" }\n"
	    "cluster:\n  name: c\n  members:\n"
	    "    - { id: n1, address: tcp://127.0.0.1:7001, key: "
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= }\n"
	    "    - { id: n2, address: \"tcp://[::1]:7002\", key: "
	    "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, role: learner }\n"
	    "peerd: { listen: tcp://0.0.0.0:7001, secret: s, queue: 2MiB }\n"
	    "elect: { election_timeout: 1s, heartbeat: 50ms, entry_max: 1MiB }\n"
	    "logd: { reserve: 0B, tail: 1MiB }\n"
	    "fsm: { command: [ sh, -c, cat ], mode: batch, framing: netstring, from: cursor, "
	    "stop_timeout: 1m }\n";

	fuzz_seed(text, sizeof text - 1);
}
