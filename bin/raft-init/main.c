/* SPDX-License-Identifier: ISC */
/*
 * raft-init: writes the configuration, key and data directory of a node, or of each
 * node of a local cluster.  raft-init(8).
 *
 * It writes over nothing: where a file of a node exists, it says so and writes nothing at
 * all.  What fails half-way is taken away again.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/address.h"
#include "conf/conf.h"
#include "conf/text.h"
#include "unix/exit.h"
#include "unix/user.h"
#include "files.h"
#include "node.h"
#include "restore.h"

static const char usage[] =
    "raft-init [--cluster NAME] [--restore FILE] [-N COUNT] [-p BASE_PORT] DIR, or "
    "raft-init [--cluster NAME] [--restore FILE | --join] [--system] -i ID -l ADDRESS DIR, or "
    "raft-init --new-key | --public-key FILE";

enum {
	OPT_CLUSTER = 0x100,
	OPT_JOIN,
	OPT_NEW_KEY,
	OPT_PUBLIC_KEY,
	OPT_RESTORE,
	OPT_SYSTEM,
	PORT_MAX = 65535
};

static const struct option options[] = {
    {"count", required_argument, NULL, 'N'},
    {"base-port", required_argument, NULL, 'p'},
    {"id", required_argument, NULL, 'i'},
    {"listen", required_argument, NULL, 'l'},
    {"cluster", required_argument, NULL, OPT_CLUSTER},
    {"join", no_argument, NULL, OPT_JOIN},
    {"new-key", no_argument, NULL, OPT_NEW_KEY},
    {"public-key", no_argument, NULL, OPT_PUBLIC_KEY},
    {"restore", required_argument, NULL, OPT_RESTORE},
    {"system", no_argument, NULL, OPT_SYSTEM},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

struct wanted {
	const char *count, *base_port; /* a local cluster */
	const char *id, *address;      /* one node */
	const char *cluster;
	bool system;
	bool join;
	const char *restore; /* a file */
	int key;             /* one of the two options that are about a key alone; 0: none */
	const char *folder;
};

/* ------------------------------------------------------------ complaints */

__attribute__((format(printf, 2, 3))) _Noreturn static void
init_die(enum exit_status status, const char *format, ...)
{
	va_list args;
	progress_clear();
	fputs("raft-init: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit((int)status);
}

/* Half of a node would be in the way of the next attempt. */
_Noreturn static void
init_give_up(enum exit_status status, const char *why)
{
	files_undo();
	init_die(status, "%s", why);
}

/* ------------------------------------------------------------ the command line */

static void
init_take_option(struct wanted *wanted, int option, char **argv)
{
	switch (option) {
	case 'N':
		wanted->count = optarg;
		break;
	case 'p':
		wanted->base_port = optarg;
		break;
	case 'i':
		wanted->id = optarg;
		break;
	case 'l':
		wanted->address = optarg;
		break;
	case OPT_CLUSTER:
		wanted->cluster = optarg;
		break;
	case OPT_SYSTEM:
		wanted->system = true;
		break;
	case OPT_RESTORE:
		wanted->restore = optarg;
		break;
	case OPT_JOIN:
		wanted->join = true;
		break;
	case OPT_NEW_KEY:
	case OPT_PUBLIC_KEY:
		if (wanted->key != 0 && wanted->key != option)
			init_die(EXIT_USAGE,
			    "--new-key makes a key, --public-key shows one: one of them");
		wanted->key = option;
		break;
	case 'h':
		printf("usage: %s\n", usage);
		exit(EXIT_OK);
	case 'V':
		printf("raft-init %s\n", RAFT_VERSION);
		exit(EXIT_OK);
	case ':':
		init_die(EXIT_USAGE, "%s needs a value: usage: %s", argv[optind - 1], usage);
	default:
		init_die(EXIT_USAGE, "%s is no option: usage: %s", argv[optind - 1], usage);
	}
}

/* Which of the two forms it is: they share no options but --cluster. */
static void
check_form(const struct wanted *wanted)
{
	bool one = wanted->id != NULL || wanted->address != NULL || wanted->system || wanted->join;
	bool many = wanted->count != NULL || wanted->base_port != NULL;
	if (one && many)
		init_die(EXIT_USAGE,
		    "-N and -p make a local cluster, -i, -l, --join and --system one node: usage: "
		    "%s",
		    usage);
	if (one && wanted->id == NULL)
		init_die(EXIT_USAGE, "one node needs its id: give -i ID");
	if (one && wanted->address == NULL)
		init_die(EXIT_USAGE, "one node needs its address: give -l tcp://HOST:PORT");
	if (wanted->join && wanted->restore != NULL)
		init_die(EXIT_USAGE,
		    "--restore begins a new cluster, --join takes part in one that "
		    "runs: one of them");
	if (wanted->cluster != NULL && !conf_name_valid(wanted->cluster))
		init_die(EXIT_USAGE,
		    "--cluster %s: a name is 1 to %d characters of A-Z a-z 0-9 . _ -",
		    wanted->cluster, CONF_NAME_SIZE_MAX);
}

/* It is of no node yet, so nothing else is of use. */
static void
check_key(const struct wanted *wanted, int options_count)
{
	if (options_count > 1)
		init_die(EXIT_USAGE, "%s takes a file and no other option: usage: %s",
		    wanted->key == OPT_NEW_KEY ? "--new-key" : "--public-key", usage);
}

static struct wanted
init_read_options(int argc, char **argv)
{
	struct wanted wanted = {0};
	int count = 0;
	opterr = 0;
	for (int option; (option = getopt_long(argc, argv, ":N:p:i:l:hV", options, NULL)) != -1;
	     count++)
		init_take_option(&wanted, option, argv);
	if (argc - optind != 1 || argv[optind][0] == '\0')
		init_die(EXIT_USAGE, "one %s is needed: usage: %s", wanted.key ? "file" : "folder",
		    usage);
	if (wanted.key)
		check_key(&wanted, count);
	check_form(&wanted);
	if (wanted.cluster == NULL && !wanted.join)
		wanted.cluster = "demo";
	char *folder = path_absolute(argv[optind]);
	if (folder == NULL)
		init_die(EXIT_OS, "%s: the working directory is not readable: %s", argv[optind],
		    strerror(errno));
	wanted.folder = folder;
	return wanted;
}

static unsigned
init_number(const char *option, const char *text, unsigned missing, unsigned low, unsigned high)
{
	if (text == NULL)
		return missing;
	size_t size = strlen(text);
	unsigned long value = strtoul(text, NULL, 10);
	if (size == 0 || size > 9 || strspn(text, "0123456789") != size || value < low ||
	    value > high)
		init_die(
		    EXIT_USAGE, "%s %s: a number from %u to %u is needed", option, text, low, high);
	return (unsigned)value;
}

/* ------------------------------------------------------------ the two forms */

/* What is looked at from here on stays as it is. */
static void
take_folder(const char *folder)
{
	char why[CONF_WHY_SIZE];
	if (!user_become_owner(folder, why, sizeof why) || !files_folder(folder, 0755, why) ||
	    !files_lock(folder, why))
		init_give_up(EXIT_IO, why);
}

/* NULL: nothing is restored. */
static const struct restore *
open_restore(const struct wanted *wanted)
{
	static struct restore restore;
	char why[CONF_WHY_SIZE];
	if (wanted->restore == NULL)
		return NULL;
	if (!restore_open(&restore, wanted->restore, wanted->folder, why))
		init_die(restore.status, "--restore %s", why);
	return &restore;
}

/* n1, n2, ... below the folder, on ports of this host that follow each other. */
static void
plan_cluster(
    struct init_node *nodes, unsigned count, unsigned base_port, const struct wanted *wanted)
{
	const struct restore *restore = open_restore(wanted);
	for (unsigned i = 0; i < count; i++) {
		char id[RAFT_ID_SIZE];
		snprintf(id, sizeof(id), "n%u", i + 1);
		must(raft_id_parse(&nodes[i].id, id));
		nodes[i].cluster = wanted->cluster;
		nodes[i].restore = restore;
		snprintf(nodes[i].address, sizeof(nodes[i].address), "tcp://127.0.0.1:%u",
		    base_port + i);
		char *folder = path_resolve(wanted->folder, id);
		node_plan(&nodes[i], folder);
		free(folder);
	}
}

static void
init_cluster(const struct wanted *wanted)
{
	char why[CONF_WHY_SIZE];
	struct init_node nodes[RAFT_MEMBERS_MAX] = {0};
	struct raft_config members = {0};
	unsigned count = init_number("-N", wanted->count, 3, 1, RAFT_MEMBERS_MAX);
	unsigned base_port = init_number("-p", wanted->base_port, 7101, 1, PORT_MAX - count + 1);
	plan_cluster(nodes, count, base_port, wanted);
	for (unsigned i = 0; i < count; i++)
		members.members[members.count++] = node_member(&nodes[i]);
	must(raft_config_normalise(&members));

	take_folder(wanted->folder);
	for (unsigned i = 0; i < count; i++)
		if (!node_check_free(&nodes[i], why))
			init_give_up(EXIT_CONFIG, why);
	for (unsigned i = 0; i < count; i++)
		if (!node_make(&nodes[i], &members, why))
			init_give_up(EXIT_IO, why);
	for (unsigned i = 0; i < count; i++)
		node_free(&nodes[i]);
}

static void
print_member(const struct init_node *node)
{
	struct raft_config config = {.count = 1, .members = {node_member(node)}};
	char *line = conf_print_members(&config, NULL);
	fputs(line, stdout);
	free(line);
	/* Without its line nobody could make the node a member. */
	if (fflush(stdout) != 0)
		init_give_up(EXIT_IO, "the member line could not be written to standard output");
}

static void
init_node(const struct wanted *wanted)
{
	char why[CONF_WHY_SIZE];
	struct init_node node = {
	    .cluster = wanted->cluster, .system = wanted->system, .join = wanted->join};
	node.restore = open_restore(wanted);
	if (!raft_id_parse(&node.id, wanted->id))
		init_die(EXIT_USAGE, "-i %s: an id is 1 to 31 characters of A-Z a-z 0-9 . _ -",
		    wanted->id);
	if (!address_check_reachable(wanted->address, why))
		init_die(EXIT_USAGE, "-l %s", why);
	strcpy(node.address, wanted->address);
	node_plan(&node, wanted->folder);

	take_folder(wanted->folder);
	if (!node_check_free(&node, why))
		init_give_up(EXIT_CONFIG, why);
	if (!node_make(&node, NULL, why))
		init_give_up(EXIT_IO, why);
	print_member(&node);
	node_free(&node);
}

/* A pair alone, for a node that is to change its key. */
static void
do_key(const struct wanted *wanted)
{
	char why[SEAL_WHY_SIZE], key[SEAL_KEY_TEXT_SIZE];
	struct seal_pair pair;
	struct stat st;
	if (wanted->key == OPT_PUBLIC_KEY) {
		if (!seal_pair_read(&pair, wanted->folder, why))
			init_die(EXIT_CONFIG, "%s", why);
	} else {
		if (lstat(wanted->folder, &st) == 0)
			init_die(EXIT_CONFIG,
			    "%s exists: nothing is written over, choose another name",
			    wanted->folder);
		char *folder = path_folder(wanted->folder);
		if (!user_become_owner(folder, why, sizeof why))
			init_die(exit_of_errno(errno), "%s", why);
		free(folder);
		seal_pair_new(&pair);
		if (!seal_pair_write(&pair, wanted->folder, why))
			init_die(EXIT_IO, "%s", why);
		files_made(wanted->folder);
	}
	seal_key_text(key, pair.public);
	seal_wipe(&pair, sizeof pair);
	if (puts(key) == EOF || fflush(stdout) != 0)
		init_give_up(EXIT_IO, "the public key could not be written to standard output");
}

int
main(int argc, char **argv)
{
	/* Whatever the umask takes away, the owner must be able to use it. */
	umask(umask(0) & 077);
	/* A file that becomes too large is an error of the write. */
	signal(SIGXFSZ, SIG_IGN);
	seal_init();
	struct wanted wanted = init_read_options(argc, argv);
	if (wanted.key)
		do_key(&wanted);
	else if (wanted.id != NULL)
		init_node(&wanted);
	else
		init_cluster(&wanted);
	files_keep();
	free((void *)wanted.folder);
	return EXIT_OK;
}
