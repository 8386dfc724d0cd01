/* SPDX-License-Identifier: ISC */
/* One node's files.  The identity comes last: without it no daemon starts on what is half made. */
#include "node.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/identity.h"
#include "conf/text.h"
#include "files.h"
#include "restore.h"

static const char system_data[] = "/var/lib/raft", system_run[] = "/run/raft";

void
node_plan(struct init_node *node, const char *folder)
{
	char secret[RAFT_ID_SIZE + sizeof(".key")];
	snprintf(secret, sizeof(secret), "%s.key", node->id.s);
	node->folder = text_dup(folder);
	node->yaml = path_resolve(folder, "raft.yaml");
	node->members = path_resolve(folder, "members.yaml");
	node->secret = path_resolve(folder, secret);
	node->data = path_resolve(folder, node->system ? system_data : "data");
	node->run = path_resolve(folder, node->system ? system_run : "run");
	seal_pair_new(&node->pair);
}

void
node_free(struct init_node *node)
{
	free(node->folder);
	free(node->yaml);
	free(node->members);
	free(node->secret);
	free(node->data);
	free(node->run);
	seal_wipe(&node->pair, sizeof(node->pair));
}

struct raft_member
node_member(const struct init_node *node)
{
	struct raft_member member = {.id = node->id, .role = RAFT_VOTER};
	memcpy(member.key, node->pair.public, RAFT_KEY_SIZE);
	memcpy(member.address, node->address, sizeof(member.address));
	return member;
}

/* ------------------------------------------------------------ what is there already */

static bool
check_no_file(const char *path, char *why)
{
	struct stat st;
	if (lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR))
		return true;
	snprintf(why, CONF_WHY_SIZE,
	    "%s exists: nothing is written over, remove it or choose another folder", path);
	return false;
}

/* An empty folder may have been made by a package. */
static bool
check_no_data(const char *path, char *why)
{
	DIR *folder = opendir(path);
	if (folder == NULL)
		return check_no_file(path, why);
	bool empty = true;
	for (struct dirent *entry; empty && (entry = readdir(folder)) != NULL;)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	closedir(folder);
	if (!empty)
		snprintf(why, CONF_WHY_SIZE,
		    "%s holds a node's data: a wiped or second voter endangers the cluster, choose "
		    "another folder",
		    path);
	return empty;
}

bool
node_check_free(const struct init_node *node, char *why)
{
	return check_no_data(node->data, why) && check_no_file(node->secret, why) &&
	       check_no_file(node->yaml, why);
}

/* ------------------------------------------------------------ making them */

/*
 * Where raft-peerd listens: at the address itself when that is a number or localhost.  A name
 * often means 127.0.1.1 on its own host, so it is not what to listen on; and it may have addresses
 * of both families.
 */
static void
print_listen(FILE *out, const struct init_node *node)
{
	const char *host = node->address + strlen("tcp://");
	const char *port = strrchr(host, ':');
	size_t size = (size_t)(port - host);
	bool number = host[0] == '[' || strspn(host, "0123456789.") == size;
	if (number || strncmp(host, "localhost:", strlen("localhost:")) == 0)
		text_print(out, node->address);
	else
		fprintf(out, "\"tcp://[::]%s\"", port);
}

static char *
yaml_text(const struct init_node *node)
{
	char *text = NULL;
	size_t size;
	FILE *out = text_memory(open_memstream(&text, &size));
	fprintf(
	    out, "# Node %s: raft.yaml(5) says what each key means.\nnode:\n  id: ", node->id.s);
	text_print(out, node->id.s);
	fprintf(out, "\n  data: %s\n  run: %s\n", node->system ? system_data : "data",
	    node->system ? system_run : "run");
	fputs("cluster:\n", out);
	if (node->cluster != NULL) {
		fputs("  name: ", out);
		text_print(out, node->cluster);
	}
	fprintf(out, "%s  members: members.yaml # %s\n", node->cluster ? "\n" : "",
	    node->cluster ? "used once, for the first start: then the log knows them"
			  : "output of raft-ctl members -y, which names the cluster: keep it");
	fputs("peerd:\n  listen: ", out);
	print_listen(out, node);
	fprintf(out, "\n  secret: %s.key\n", node->id.s);
	fputs("elect:\n  election_timeout: 1s\n  heartbeat: 100ms\n", out);
	fputs("# A program that gets the committed entries on its standard input:\n"
	      "#fsm:\n#  command: [ ./apply ]\n",
	    out);
	fclose(out);
	return text_memory(text);
}

static bool
make_members(const struct init_node *node, const struct raft_config *members, char *why)
{
	char *text = conf_print_members(members, NULL);
	bool good = files_text(node->members, text, why);
	free(text);
	return good;
}

static bool
make_secret(const struct init_node *node, char *why)
{
	if (!seal_pair_write(&node->pair, node->secret, why))
		return false;
	files_made(node->secret);
	return true;
}

static bool
make_identity(const struct init_node *node, char *why)
{
	if (!identity_create(node->data, &node->id, node->join, why))
		return false;
	char *path = path_resolve(node->data, "identity");
	files_made(path);
	free(path);
	return true;
}

static bool
make_yaml(const struct init_node *node, char *why)
{
	char *text = yaml_text(node);
	bool good = files_text(node->yaml, text, why);
	free(text);
	return good;
}

/* Of a system the run directory is made anew at each boot, by raft-node or the supervisor. */
static bool
make_folders(const struct init_node *node, char *why)
{
	return files_folder(node->folder, 0755, why) && files_folder(node->data, 0700, why) &&
	       (node->system || files_folder(node->run, 0700, why));
}

/* Two nodes with --system have one data directory: only now nobody else can be in it. */
static bool
take_data(const struct init_node *node, char *why)
{
	return files_lock(node->data, why) && check_no_data(node->data, why);
}

bool
node_make(const struct init_node *node, const struct raft_config *members, char *why)
{
	return make_folders(node, why) && take_data(node, why) && make_secret(node, why) &&
	       make_yaml(node, why) && (members == NULL || make_members(node, members, why)) &&
	       (node->restore == NULL || restore_put(node->restore, node->data, why)) &&
	       make_identity(node, why);
}
