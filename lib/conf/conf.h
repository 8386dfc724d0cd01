/* SPDX-License-Identifier: ISC */
/*
 * raft.yaml as a struct.  raft.yaml(5) says what each key means.
 *
 * Read by table (libyaml's events): unknown and duplicate keys, wrong types, bad
 * units, keys without effect and absurd combinations are one sentence each,
 * with file:line:column.  Paths come out absolute, resolved against the file's folder.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "raft/types.h"

#define CONF_FRAMINGS(F)                                                                           \
	F(LINE, "line")                                                                            \
	F(NUL, "nul")                                                                              \
	F(NETSTRING, "netstring")                                                                  \
	F(WHOLE, "whole")                                                                          \
	F(JSON, "json")
enum framing {
#define F(NAME, text) FRAMING_##NAME,
	CONF_FRAMINGS(F)
#undef F
	    FRAMINGS_COUNT
};
/* False when the text names none. */
bool framing_parse(enum framing *framing, const char *text);
const char *framing_name(enum framing framing);

enum conf_mode { CONF_SINK, CONF_BATCH, CONF_MACHINE };
enum conf_from { CONF_FROM_START, CONF_FROM_CURSOR };

/* So many entries, so many bytes of data, so long. */
struct conf_limits {
	uint64_t entries;
	uint64_t bytes;
	uint64_t time_ms;
};
enum { CONF_LIMITS_ENTRIES_MAX = 1000000000 };

/*
 * A cluster's id, as `raft-ctl members -y` prints it for a node that joins or that has been away.
 */
enum { CONF_NAME_SIZE_MAX = 63 };
struct conf_cluster_id {
	bool known;
	struct raft_hash hash;
	uint64_t index; /* of the log's entry that the list is from; 0: not given */
	char name[CONF_NAME_SIZE_MAX + 1]; /* of the cluster; empty: not given */
};

struct conf {
	char *path;   /* of the file, absolute */
	char *folder; /* it lies in */

	struct {
		struct raft_id id;
		char *data;  /* default: data */
		char *run;   /* default: run */
		char *group; /* NULL: none */
	} node;
	struct {
		char *name; /* of the key, or else of the members list */
		/*
		 * From the list, or the file it names; a file that does not exist is no error while
		 * the log has a configuration: have_members is false then and members_path says
		 * where it was looked for.
		 */
		bool have_members;
		struct raft_config members;
		struct conf_cluster_id id; /* when it stands beside the members */
		char *members_path;        /* NULL: the list stood in the YAML */
	} cluster;
	struct {
		char *listen;   /* NNG URL */
		char *secret;   /* path */
		uint64_t queue; /* bytes waiting for one peer; default 64MiB */
		uint64_t
		    bulk_rate; /* bytes a second, to all peers together; 0: as fast as it goes */
	} peerd;
	struct {
		uint64_t election_timeout_ms; /* 1s */
		uint64_t heartbeat_ms;        /* 100ms */
		uint64_t store_timeout_ms;    /* 2s */
		uint64_t entry_max;           /* 1MiB, at most 8MiB */
		uint64_t message;             /* records in one append message: 1MiB */
		uint64_t window;              /* in flight to one peer: 16MiB */
		uint64_t uncommitted;         /* 64MiB */
		uint64_t tail;                /* 2MiB */
	} elect;
	struct {
		uint64_t grace_ms; /* a quarter of the election timeout */
	} lead;
	struct {
		uint64_t keep;        /* largest log, 10GiB */
		uint64_t keep_tail;   /* of what a snapshot stands for so much is kept: 64MiB */
		uint64_t keep_for_ms; /* what is older is removed; 0: no limit */
		uint64_t reserve;     /* 256MiB */
		uint64_t tail;        /* recent entries in memory for readers: 16MiB */
	} logd;
	struct {
		bool present;
		char **command; /* NULL-terminated; NULL: entries go to stdout */
		enum conf_mode mode;
		enum framing framing;
		uint8_t fields; /* with each entry of a machine: enum raft_contract_field */
		enum conf_from from;
		uint64_t stop_timeout_ms; /* 5s */
		struct conf_limits
		    batch;           /* the command is run when one is reached: 1000, 1MiB, 100ms */
		uint64_t timeout_ms; /* for the oldest request of a machine: 30s */
		uint64_t reply_max;  /* bytes of a reply: 1MiB */
		struct conf_limits snapshot;  /* taken after so much; 0: not for that reason */
		uint64_t snapshot_timeout_ms; /* for writing and for restoring one: 10m */
		char *format;                 /* the kind of its snapshots: state */
	} fsm;
};

/*
 * Finds the file: `given` (from -c; NULL: $RAFT_CONFIG, ./raft.yaml, /etc/raft/raft.yaml).
 * A new string, or NULL with a sentence in why.
 */
enum { CONF_WHY_SIZE = 1024 };
char *conf_find(const char *given, char *why);
/* NULL with one sentence, file:line:column first, in why; errno is EINVAL for what the file says,
 * else that of the call. */
struct conf *conf_read(const char *path, char *why);
/* All keys at their defaults, those without one at NULL or zero: for a program that runs without a
 * file.  Its folder is the present one.  NULL with errno and a sentence in why. */
struct conf *conf_default(char *why);
void conf_free(struct conf *conf);
/* The effective configuration as YAML that reads back as the same: a new string. */
char *conf_print(const struct conf *conf);

/*
 * A members list by itself, as raft-init and raft-ctl members -y print it.  id: the cluster's, if
 * it stands there; NULL: not of interest.
 */
bool conf_read_members(
    const char *path, struct raft_config *members, struct conf_cluster_id *id, char *why);
/* A new string: YAML, one flow mapping a line, "- { id: n1, address: ..., key: ... }"; id NULL:
 * without. */
char *conf_print_members(const struct raft_config *members, const struct conf_cluster_id *id);

/* Of a cluster: 1 to 63 characters of [A-Za-z0-9._-]. */
bool conf_name_valid(const char *name);

/* "500ms", "1m30s" is not one: a number and one unit of ms, s, m, h, d. */
bool conf_parse_duration(uint64_t *ms, const char *text);
/* "64MiB": a number and one unit of B, KiB, MiB, GiB, TiB. */
bool conf_parse_size(uint64_t *bytes, const char *text);

#endif
